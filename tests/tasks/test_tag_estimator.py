"""`SequenceTagger` from Python: what it takes, learns, gives and refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import series
from small_taggers import LEARNING, SENTENCES, TAGS, small_tagger

from ricorda.data.tagged import read_tagged
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.tasks.folder import CONFIG, config_hash
from ricorda.tasks.loading import load
from ricorda.tasks.tag.estimator import SequenceTagger
from ricorda.tasks.tag.metrics import NumberReport, TagReport, tag_report
from ricorda.tasks.tag.objective import Tagging


@pytest.fixture(scope="module")
def fitted() -> SequenceTagger:
    """A tagger that has learned something; not to be changed."""
    return small_tagger(**LEARNING).fit(SENTENCES, TAGS)


def running_sums(count: int = 40) -> tuple[list[Any], list[Any]]:
    walks, _ = series(count)
    return walks, [walk.cumsum(0)[:, :1] * 3 + 5 for walk in walks]


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_learns_the_tags_of_its_examples_with_either_head(cell: str, crf: bool) -> None:
    model = small_tagger(cell=cell, crf=crf, **LEARNING).fit(SENTENCES, TAGS)
    assert model.predict(SENTENCES) == TAGS
    assert model.score(SENTENCES, TAGS) == 1.0
    assert model.classes_.tolist() == [".", "D", "N", "V"]


def test_the_ending_tells_the_tag_of_a_word_never_seen() -> None:
    # words that end in -o are N, in -a are V: nothing but the characters can say so of a new one
    random = np.random.default_rng(0)
    stems = ["".join(random.choice(list("bcdfglmnprst"), 4)) for _ in range(80)]
    words = [stem + "oa"[number % 2] for number, stem in enumerate(stems)]
    tags = ["NV"[number % 2] for number in range(80)]
    model = small_tagger(**LEARNING, word_dropout=1.0).fit(
        [[word] for word in words[:60]], [[tag] for tag in tags[:60]]
    )
    report = model.evaluate([[word] for word in words[60:]], [[tag] for tag in tags[60:]])
    assert (report.unseen, report.unseen_accuracy) == (20, report.accuracy)
    assert report.accuracy > 0.9


@pytest.mark.parametrize("crf", [False, True])
def test_probabilities_are_those_of_each_step_in_the_order_of_the_classes(crf: bool) -> None:
    model = small_tagger(crf=crf, **LEARNING).fit(SENTENCES, TAGS)
    probabilities = model.predict_proba(SENTENCES[:4])
    assert [each.shape for each in probabilities] == [(3, 4), (2, 4), (5, 4), (2, 4)]
    for each, tags in zip(probabilities, TAGS, strict=False):
        np.testing.assert_allclose(each.sum(1), 1, rtol=1e-12)
        assert model.classes_[each.argmax(1)].tolist() == tags


def test_verdicts_do_not_depend_on_the_company(fitted: SequenceTagger) -> None:
    strange = [["Unheard", "of", "ßtrange", "words", "x" * 300], *SENTENCES[:3]]
    assert fitted.predict(strange) == [fitted.predict([each])[0] for each in strange]


def test_aligned_numbers_are_learned_from_numbers_and_given_in_their_own_units() -> None:
    walks, sums = running_sums()
    model = small_tagger(**{**LEARNING, "epochs": 25}).fit(walks, sums)
    found = model.predict(walks)
    assert [each.shape for each in found] == [each.shape for each in sums]
    report = model.evaluate(walks, sums)
    assert isinstance(report, NumberReport)
    assert report.mse == pytest.approx(np.mean([(np.concatenate(found) - np.concatenate(sums)) ** 2]), rel=1e-4)
    assert model.score(walks, sums) == report.r2 > 0.7
    assert model.classes_ is None
    with pytest.raises(ArgumentError, match="the model gives numbers, which have no probabilities"):
        model.predict_proba(walks)


def test_numbers_can_be_tagged_and_words_can_be_given_numbers() -> None:
    walks, _ = series(20)
    signs = [(walk[:, 0] > 0).tolist() for walk in walks]
    assert {type(tag) for tag in small_tagger().fit(walks, signs).predict(walks)[0]} == {bool}
    lengths = [[float(len(word)) for word in sentence] for sentence in SENTENCES]
    assert small_tagger().fit(SENTENCES, lengths).predict(SENTENCES[:1])[0].shape == (3, 1)


@pytest.mark.parametrize("kind", [str, int, bool])
def test_tags_keep_their_type(kind: type) -> None:
    names: dict[str, Any] = {"D": kind(0), "N": kind(1), "V": kind(0), ".": kind(1)}
    tags = [[names[tag] for tag in each] for each in TAGS]
    model = small_tagger().fit(SENTENCES, [np.array(each) for each in tags])
    assert {type(tag) for each in model.predict(SENTENCES) for tag in each} == {kind}


def test_it_learns_in_bf16_too() -> None:
    for crf in (False, True):
        model = small_tagger(**LEARNING, precision="bf16", crf=crf).fit(SENTENCES, TAGS)
        assert model.score(SENTENCES, TAGS) == 1.0
    walks, sums = running_sums()
    assert small_tagger(**LEARNING, precision="bf16").fit(walks, sums).score(walks, sums) > 0.3


def test_the_same_seed_gives_the_same_tagger() -> None:
    first, second = (small_tagger().fit(SENTENCES, TAGS).predict_proba(SENTENCES) for _ in range(2))
    assert all(map(np.array_equal, first, second))


def test_the_best_epoch_is_chosen_on_the_validation_examples() -> None:
    model = small_tagger(epochs=3).fit(SENTENCES, TAGS, validation=(SENTENCES[:4], TAGS[:4]))
    best = max(epoch["accuracy"] for epoch in model.history_)
    assert model.score(SENTENCES[:4], TAGS[:4]) == pytest.approx(best)


def test_a_fit_that_fails_leaves_what_was_learned_before() -> None:
    model = small_tagger().fit(SENTENCES, TAGS)
    before = model.predict_proba(SENTENCES)
    for bad in ([["X"] * len(each) for each in TAGS], [*TAGS[:-1], ["N"]]):
        with pytest.raises(DataError):
            model.fit(SENTENCES, bad)
    assert all(map(np.array_equal, model.predict_proba(SENTENCES), before))


# The model folder


def test_a_folder_gives_back_the_model_it_was_saved_from(fitted: SequenceTagger, tmp_path: Path) -> None:
    walks, sums = running_sums()
    crf, numbers = small_tagger(crf=True).fit(SENTENCES, TAGS), small_tagger().fit(walks, sums)
    for name, model, X in [("tags", fitted, SENTENCES), ("crf", crf, SENTENCES), ("numbers", numbers, walks)]:
        model.save(tmp_path / name)
        again = load(tmp_path / name)
        assert isinstance(again, SequenceTagger)
        assert again.get_params() == model.get_params()
        assert all(map(np.array_equal, again.predict(X), model.predict(X)))
    assert "R2" in (tmp_path / "numbers" / "README.md").read_text(encoding="utf-8")
    assert "one of 4 tags" in (tmp_path / "tags" / "README.md").read_text(encoding="utf-8")


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small_tagger(epochs=3).fit(SENTENCES, TAGS)
    validate, calls = Tagging.validate, []

    def stopping(task: Tagging) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return validate(task)

    monkeypatch.setattr(Tagging, "validate", stopping)
    model = small_tagger(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(SENTENCES, TAGS, folder=tmp_path)
    assert not hasattr(model, "classes_")
    model.fit(SENTENCES, TAGS, folder=tmp_path, resume=True)
    assert all(map(np.array_equal, model.predict_proba(SENTENCES), whole.predict_proba(SENTENCES)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["N", "D", "V", "."]}, "its classes are not different and in order, one for each output"),
        ({"outputs": 3}, "its classes are not different and in order, one for each output"),
        ({"input": {"kind": "numbers", "features": 2}}, "a model of 'numbers' has the wrong tokenizers or number"),
        ({"classes": "DNV."}, "has 'DNV.' as 'classes'"),
    ],
)
def test_a_folder_that_does_not_hold_together_is_refused(
    fitted: SequenceTagger, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    fitted.save(tmp_path)
    config = {**json.loads((tmp_path / CONFIG).read_text(encoding="utf-8")), **change}
    config["sha256"][CONFIG] = config_hash(config)
    (tmp_path / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelFolderError, match=message):
        load(tmp_path)


# What is wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({2: ["D", "N"]}, r"X\[2\] has 5 steps and 2 tags: give each step, a word of a text, a tag"),
        ({1: ["N", ""]}, r"X\[1\] has '' as the tag of step 2: fill it in or leave it out"),
        ({1: ["N", 3]}, r"X\[1\] has 3 as the tag of step 2, and the first tag of all is 'D': give tags of one type"),
        ({1: ["N", None]}, r"X\[1\] has None as the tag of step 2"),
        ({1: "NV"}, r"y\[1\] is 'NV': give a list of tags, one for each step"),
    ],
)
def test_a_target_that_cannot_be_is_named_with_its_place(change: dict[int, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        small_tagger().fit(SENTENCES, [change.get(index, tags) for index, tags in enumerate(TAGS)])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["a text"], [["D", "N"]], r"X\[0\] has a text, and a tagger reads lists of words: split it, e\.g\. with"),
        ([["a"], []], [["D"], []], r"X\[1\] has an empty list"),
        ([["a"], ["b"]], [["D"]], "there are 2 inputs and 1 lists of tags"),
        ([["a"] * 10_001], [["D"] * 10_001], r"X\[0\] has 10,001 steps, more than 10,000: cut it into parts"),
        ([["a", "b"]] * 9, [["D", "D"]] * 9, r"all steps have one tag only \('D'\)"),
        ([["a", "b"]], [["D", "N"]], "validation_fraction=0.1 of 1 sequence leaves none to train on"),
        ([["a", "b"]] * 9, None, "y is of type NoneType"),
    ],
)
def test_examples_that_cannot_be_are_refused(X: Any, y: Any, message: str) -> None:
    with pytest.raises((DataError, ArgumentError), match=message):
        small_tagger().fit(X, y)


def test_a_tag_that_the_training_never_saw_is_named_with_its_word_and_place(
    fitted: SequenceTagger, tmp_path: Path
) -> None:
    message = r"has the tag 'ADJ' at step 2 \('cat'\), which the training never saw: .* use one of \., D, N, V$"
    with pytest.raises(DataError, match=r"^X\[1\] " + message):
        fitted.evaluate([["cats"], ["the", "cat"]], [["N"], ["D", "ADJ"]])
    with pytest.raises(DataError, match=r"^validation\[0\]\[0\] " + message):
        small_tagger().fit(SENTENCES, TAGS, validation=([["the", "cat"]], [["D", "ADJ"]]))
    path = tmp_path / "test.txt"
    path.write_text("cats/N\nthe/D cat/ADJ\n", encoding="utf-8")
    read = read_tagged(path)
    with pytest.raises(DataError, match=rf"^row 2 of {path} " + message):
        fitted.evaluate(read, read.labels)


def test_another_kind_of_input_or_target_than_the_training_s_is_refused(fitted: SequenceTagger) -> None:
    walks, sums = running_sums()
    with pytest.raises(DataError, match=r"^X\[0\] has a list of numbers, and the model was trained on tokens"):
        fitted.predict(walks)
    with pytest.raises(DataError, match=r"^y has numbers, and the model was trained on tags"):
        fitted.evaluate(SENTENCES[:1], [[0.5, 1.0, 2.0]])
    model = small_tagger().fit(walks, sums)
    with pytest.raises(DataError, match=r"^X\[0\] has 1 features a step, and the model was trained on 2"):
        model.predict([walks[0][:, :1]])
    with pytest.raises(DataError, match=r"^y has 2 numbers a step, and the model was trained on 1"):
        model.evaluate(walks[:1], [walks[0]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"character_hidden_size": -1}, "character_hidden_size is -1: give a whole number, 0 to read no characters"),
        ({"crf": "yes"}, "crf is 'yes': give True or False"),
        ({"word_dropout": -0.5}, "word_dropout is -0.5: give a number of at least 0"),
        ({"hidden_size": 0}, "hidden_size is 0: give a whole number of at least 1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        small_tagger(**parameters).fit(SENTENCES, TAGS)


def test_a_crf_scores_tags_alone() -> None:
    with pytest.raises(ArgumentError, match="crf=True scores tags, and y has numbers"):
        small_tagger(crf=True).fit(*running_sums())


# Reports


def report(truth: list[list[str]], verdicts: list[list[str]]) -> TagReport:
    labels = sorted({tag for part in (truth, verdicts) for tags in part for tag in tags})
    numbers = [[np.array([labels.index(tag) for tag in tags]) for tags in part] for part in (truth, verdicts)]
    probabilities = [np.full((len(tags), len(labels)), 0.5) for tags in truth]
    seen = [np.arange(len(tags)) > 0 for tags in truth]
    return tag_report(numbers[0], probabilities, numbers[1], seen, labels)


def test_the_report_is_that_of_a_count_by_hand() -> None:
    found = report([["N", "V", "N"], ["V", "D"]], [["N", "N", "N"], ["N", "D"]])
    assert (found.sequences, found.steps, found.accuracy) == (2, 5, 3 / 5)
    assert (found.unseen, found.unseen_accuracy) == (2, 0.5)  # the first word of each
    assert found.log_loss == pytest.approx(np.log(2))
    of = {each.label: each for each in found.tags}
    assert (of["N"].precision, of["N"].recall, of["N"].count) == (2 / 4, 1.0, 2)
    assert (of["V"].precision, of["V"].recall, of["V"].f1) == (0.0, 0.0, 0.0)
    assert (found.span_f1, found.spans) == (None, ())


def test_spans_are_scored_whole_where_tags_are_bio() -> None:
    truth = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    found = report(truth, [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O"]])
    assert found.span_f1 == pytest.approx(2 / 3)  # of three spans two are right, and of three found two
    assert {each.label: (each.f1, each.count) for each in found.spans} == {"LOC": (1.0, 2), "PER": (0.0, 1)}
    assert found.accuracy == 5 / 6
