"""The wide part of a network: its scores and shares by definition, how it is learned, and how far it is trusted."""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

import ricorda
from ricorda import SequenceClassifier, SequenceRegressor
from ricorda.errors import ModelFolderError
from ricorda.insight import memory_of
from ricorda.tasks.encoding import collate
from ricorda.tasks.many_to_one.blend import Parts
from ricorda.tasks.many_to_one.wide import Wide
from ricorda.tasks.many_to_one.wide_learning import learn_classes, learn_numbers

VOCABULARY, CLASSES = 7, 3
GOOD, BAD = "a warm film and a happy end", "a dull film and a sad end"
TEXTS = [f"{text} number {number}" for number in range(25) for text in (GOOD, BAD)]
LABELS = ["good", "bad"] * 25

rows = st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=9)


def wide_of(known: list[tuple[int, int]]) -> Wide:
    """A wide part with random weights, in double precision."""
    wide = Wide(VOCABULARY, len(known), CLASSES).double()
    wide.keys.copy_(torch.tensor(sorted(known)))
    generator = torch.Generator().manual_seed(0)
    for values in (wide.weights, wide.bias):
        values.copy_(torch.randn(values.shape, generator=generator))
    return wide


def by_definition(wide: Wide, text: list[int]) -> torch.Tensor:
    """The scores of one text, gram by gram."""
    grams = [(token, 0) for token in text] + list(itertools.pairwise(text))
    known = [tuple(key) for key in wide.keys.tolist()]
    distinct = sorted(set(grams) & set(known))
    total = sum((wide.weights[known.index(gram)] for gram in distinct), torch.zeros(CLASSES).double())
    return total / max(len(distinct), 1) ** 0.5 + wide.bias


keys = st.sets(st.tuples(st.integers(2, VOCABULARY - 1), st.sampled_from([0, 2, 3, 4, 5, 6])), min_size=1)


@given(keys, st.lists(rows, min_size=1, max_size=5))
@settings(deadline=None)
def test_scores_are_those_of_the_definition(known: set[tuple[int, int]], texts: list[list[int]]) -> None:
    wide = wide_of(list(known))
    scores = wide(*collate([torch.tensor(text) for text in texts], "cpu"))
    torch.testing.assert_close(scores, torch.stack([by_definition(wide, text) for text in texts]))


@given(keys, rows)
@settings(deadline=None)
def test_shares_add_up_to_the_scores(known: set[tuple[int, int]], text: list[int]) -> None:
    wide, tokens = wide_of(list(known)), torch.tensor(text)
    scores = wide(tokens[:, None], torch.tensor([len(text)]))[0]
    torch.testing.assert_close(wide.shares(tokens).sum(0) + wide.bias, scores, rtol=1e-12, atol=1e-12)


def test_a_share_goes_to_the_tokens_of_its_gram() -> None:
    wide = wide_of([(3, 4)])
    given_to = wide.shares(torch.tensor([2, 3, 4, 5]))
    torch.testing.assert_close(given_to[1], wide.weights[0] / 2)
    torch.testing.assert_close(given_to[1], given_to[2])
    assert not given_to[[0, 3]].any()


def texts_of_classes(count: int, seed: int = 0) -> tuple[list[torch.Tensor], Any]:
    """Texts in which the class tends to show in one token, and in a pair of two that all classes have."""
    random = np.random.default_rng(seed)
    targets = np.arange(count) % CLASSES
    texts = []
    for target in targets:
        telling = target if random.random() < 0.7 else random.integers(3)
        texts.append(torch.tensor([*random.integers(2, 12, 6).tolist(), 2 + telling]))
    return texts, targets


def test_what_is_learned_are_scores_of_classes() -> None:
    texts, targets = texts_of_classes(300)
    learned = learn_classes(texts, 12, targets, CLASSES, None)
    assert learned.keys.tolist() == sorted(learned.keys.tolist())
    wide = Wide(12, len(learned.keys), CLASSES)
    learned.put_into(wide)
    others, truth = texts_of_classes(300, seed=1)
    said = wide(*collate(others, "cpu")).numpy()
    assert (said.argmax(1) == truth).mean() > 0.5
    # What it says of a text that it did not see is as sure as it is right; of its own texts it is surer.
    unseen = -log_softmax(learned.offsets, axis=1)[np.arange(300), targets].mean()
    fresh = -log_softmax(said, axis=1)[np.arange(300), truth].mean()
    own = -log_softmax(wide(*collate(texts, "cpu")).numpy(), axis=1)[np.arange(300), targets].mean()
    assert unseen == pytest.approx(fresh, abs=0.1)
    assert own < unseen - 0.1
    assert fresh < np.log(CLASSES)


def test_an_offset_knows_nothing_of_its_own_label() -> None:
    texts, targets = texts_of_classes(60)
    changed = targets.copy()
    changed[7] = (changed[7] + 1) % CLASSES
    before, after = (learn_classes(texts, 12, labels, CLASSES, None).offsets[7] for labels in (targets, changed))
    # The common factor may differ a little, the direction does not.
    assert before / np.linalg.norm(before) == pytest.approx(after / np.linalg.norm(after), abs=1e-9)


def test_numbers_are_learned_too() -> None:
    texts, targets = texts_of_classes(600)
    values = np.stack([targets, -2.0 * targets], 1)
    values = (values - values.mean(0)) / values.std(0)
    learned = learn_numbers(texts, 12, values)
    assert learned.linear.weights.shape == (len(learned.keys), 2)
    assert np.square(learned.offsets - values).mean() < 0.9


@pytest.mark.parametrize(("times", "least", "most"), [(5.0, 0.1, 0.35), (0.2, 3.0, 7.0)])
def test_scores_that_are_too_sure_or_not_sure_enough_get_a_factor(times: float, least: float, most: float) -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(2_000, 2))
    truth = (random.random(2_000) < softmax(scores, axis=1)[:, 1]).astype(int)
    parts = Parts(scores * times, random.normal(size=scores.shape))
    deep, wide = parts.factors(lambda said: -log_softmax(said, axis=1)[np.arange(2_000), truth].mean())
    assert least < deep < most
    assert wide < 0.15  # It says nothing.


def small(kind: Any = SequenceClassifier, **options: Any) -> Any:
    sizes = {"hidden_size": 4, "embedding_size": 4, "min_frequency": 1, "random_state": 0, "tokenizer": "word"}
    return kind(**{**sizes, "epochs": 2, **options})


def test_a_model_keeps_its_wide_part_in_its_folder(tmp_path: Path) -> None:
    model = small().fit(TEXTS, LABELS)
    assert model.grams_ > 10
    model.save(tmp_path / "m")
    opened = ricorda.load(tmp_path / "m")
    np.testing.assert_array_equal(opened.predict_proba(TEXTS), model.predict_proba(TEXTS))
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    for wrong in (-1, 10**12, "3"):
        config["input"]["grams"] = wrong
        (tmp_path / "m" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        with pytest.raises(ModelFolderError):
            ricorda.load(tmp_path / "m")


def test_without_it_a_model_is_saved_as_earlier_versions_did(tmp_path: Path) -> None:
    model = small(wide=False).fit(TEXTS, LABELS)
    model.save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    assert "wide" not in config["parameters"]
    assert "grams" not in config["input"]
    assert ricorda.load(tmp_path / "m").wide is False


def test_few_examples_are_judged_in_turns() -> None:
    model = small().fit(TEXTS, LABELS)
    assert model.summary_["in_turns"] == 1.0
    assert set(model.summary_["factors"]) == {"deep", "wide"}
    assert model.predict([GOOD, BAD]).tolist() == ["good", "bad"]
    assert "in_turns" not in small(validation_fraction=0.0).fit(TEXTS, LABELS).summary_


def test_a_validation_part_weighs_the_parts_and_its_numbers_are_those_of_the_result() -> None:
    model = small().fit(TEXTS, LABELS, validation=(TEXTS[:40], LABELS[:40]))
    report = model.evaluate(TEXTS[:40], LABELS[:40])
    assert model.summary_["best"]["validation_loss"] == pytest.approx(report.log_loss, rel=1e-5)
    assert "factors" in model.summary_


def test_a_training_that_goes_on_begins_where_the_other_ended(tmp_path: Path) -> None:
    from ricorda.tasks.runs import train_into_folder

    how = {"resume": False, "overwrite": False, "tensorboard": False, "validation": (TEXTS[:40], LABELS[:40])}
    train_into_folder(small(epochs=2), TEXTS, LABELS, tmp_path / "m", **how)
    train_into_folder(small(epochs=3), TEXTS, LABELS, tmp_path / "m", **{**how, "resume": True})
    assert ricorda.load(tmp_path / "m").n_iter_ == 3


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"cell": "rnn"}])
def test_memory_says_what_the_wide_part_gave(options: dict[str, Any]) -> None:
    model = small(**options).fit(TEXTS, LABELS)
    verdict = memory_of(model, GOOD).verdict
    assert verdict is not None
    tokens = model._encode([GOOD])[0]
    shares = model.network_.wide.shares(tokens).numpy()
    np.testing.assert_allclose(verdict.wide, shares, atol=1e-6)
    if verdict.shares is not None:
        total = verdict.shares.sum(0) + verdict.rest + verdict.initial + verdict.bias
        np.testing.assert_allclose(total, verdict.scores, atol=1e-5)


def test_regressors_have_one_too() -> None:
    lengths = [float(10 * (label == "good") + number % 3) for number, label in enumerate(LABELS)]
    model = small(SequenceRegressor, epochs=1).fit(TEXTS, lengths)
    assert model.summary_["in_turns"] < 2.0  # Always saying the mean errs by 5.
    verdict = memory_of(model, GOOD).verdict
    assert verdict is not None
    total = verdict.shares.sum(0) + verdict.rest + verdict.initial + verdict.bias
    np.testing.assert_allclose(total, verdict.scores, rtol=1e-4)
    np.testing.assert_allclose(verdict.scores, model.predict([GOOD]), rtol=1e-4)


def test_a_class_that_one_turn_lacks_is_no_obstacle() -> None:
    labels = ["good", "bad"] * 20 + ["odd"]
    model = small().fit(TEXTS[:41], labels)
    assert Counter(model.predict(TEXTS[:10]))["odd"] == 0


def test_arrays_have_none() -> None:
    arrays = [np.full((3, 2), float(number % 2)) + 0.1 * number for number in range(40)]
    model = SequenceClassifier(hidden_size=4, epochs=1, random_state=0).fit(
        arrays, [number % 2 for number in range(40)]
    )
    assert model.network_.wide is None
    assert model.grams_ == 0
