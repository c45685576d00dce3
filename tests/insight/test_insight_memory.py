"""What a model kept of a text: the decomposition is exact, and adds up to the verdict."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from oracles.classic import CLASSIC
from small_models import LABELS, TEXTS, series, small
from task_cases import CASES

import ricorda
import ricorda.insight.memory.decomposition
import ricorda.insight.memory.verdict
from ricorda import SequenceClassifier, SequenceRegressor, affine, cell, relu, sigmoid, tanh
from ricorda.errors import ArgumentError, DataError
from ricorda.insight.drawing import as_bytes
from ricorda.insight.memory.attribution import erasure, integrated_gradients, rank_agreement
from ricorda.insight.memory.decomposition import additive_states, decompose
from ricorda.insight.memory.remains import follow
from ricorda.insight.memory.view import memory_of
from ricorda.insight.memory.words import coloured, html_page, window_words
from ricorda.nn import Recurrent


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel is compiled, but in the tests of the command and where a layer asks for one."""
    monkeypatch.setenv("RICORDA_ENGINE", "reference")


TEXT = "a warm and funny film, not dull from start to end"


@cell
def mgu(x, h):
    f = sigmoid(affine("f", h, x))
    return (1 - f) * h + f * tanh(affine("n", f * h, x))


@cell
def janet(x, h):
    s = affine("f", h, x)
    return sigmoid(s) * h + (1 - sigmoid(s - 1)) * tanh(affine("g", h, x))


@cell
def lem(x, y, z):
    """Both states are additive, and one is written by the other."""
    fast, slow = sigmoid(affine("a", y, x)), sigmoid(affine("b", y, x))
    z = (1 - fast) * z + fast * tanh(affine("z", y, x))
    y = (1 - slow) * y + slow * tanh(affine("y", z, x))
    return y, z


@cell
def odd(x, h, c):
    """The state goes through a minus, a quotient and a sum with itself; the output shows it without a gate."""
    f = sigmoid(affine("f", h, x))
    c = -(tanh(affine("g", h, x)) - f * c) / (1 + f) + 0.25 * c
    return relu(c + 0.1) - affine("o", c, x), c


OWN = {"mgu": mgu, "janet": janet, "lem": lem, "odd": odd}
ADDITIVE = {name: each for name, each in CLASSIC.items() if additive_states(each.program)} | OWN


def layer_of(name: str, **options: Any) -> tuple[Recurrent, torch.Tensor, tuple[torch.Tensor, ...]]:
    """A layer of two levels and directions, a sequence and initial states."""
    options = {"dtype": torch.float64, "engine": "reference", **options}
    layer = Recurrent({**CLASSIC, **OWN}[name], 3, 5, num_layers=2, bidirectional=True, **options).eval()
    initial = tuple(torch.randn(4, 5, dtype=options["dtype"]) for _ in layer.program.states)
    return layer, torch.randn(37, 3, dtype=options["dtype"]), initial


def finals(layer: Recurrent, x: torch.Tensor, initial: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        _, state = layer(x, initial if len(initial) > 1 else initial[0])
    return state if isinstance(state, tuple) else (state,)


# The decomposition of a state


def test_which_cells_that_come_along_are_additive() -> None:
    assert set(ADDITIVE) - set(OWN) == {"lstm", "lstm_peephole", "lstm_coupled", "gru", "gru_reset_after"}


@pytest.mark.parametrize(("dtype", "exact"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("name", "engine"), [("lstm", "cpu"), *((name, "reference") for name in ADDITIVE)])
def test_the_parts_add_up_to_the_state(
    name: str, engine: str, dtype: torch.dtype, exact: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ricorda.insight.memory.decomposition, "STEPS_AT_ONCE", 16)  # so that states are carried over
    layer, x, initial = layer_of(name, engine=engine, dtype=dtype)
    real = finals(layer, x, initial)
    for place in additive_states(layer.program):
        for entry in range(4):
            found = decompose(
                layer, x, initial, level=entry // 2, direction=entry % 2, state=layer.program.states[place].name
            )
            state = real[place][entry].double().numpy()
            assert np.linalg.norm(found.parts.sum(0) - state) <= exact * np.linalg.norm(state)
            assert np.linalg.norm(found.states[-1] - state) <= exact * np.linalg.norm(state)
            np.testing.assert_array_equal(found.initial, initial[place][entry].double().numpy())
            assert found.parts.shape == (38, 5)


@pytest.mark.parametrize("options", [{"zoneout": 0.3}, {"layer_norm": True}, {"zoneout": {"c": 0.2}, "bias": False}])
def test_the_parts_add_up_with_regularisers(options: dict[str, Any]) -> None:
    layer, x, initial = layer_of("lstm", **options)
    found = decompose(layer, x, initial, direction=1)
    np.testing.assert_allclose(found.parts.sum(0), finals(layer, x, initial)[1][3].numpy(), rtol=1e-12, atol=1e-14)


def test_what_an_lstm_keeps_and_writes_is_what_its_gates_say() -> None:
    layer, x, initial = layer_of("lstm")
    with torch.no_grad():
        records = layer(x, initial, record=("i", "f", "g"))[2]
    i, f, g = (records[name][0, 1].flip(0).numpy() for name in ("i", "f", "g"))
    found = decompose(layer, x, initial, level=0, direction=1)
    assert found.state == "c"
    np.testing.assert_allclose(found.kept, f, rtol=1e-15)
    np.testing.assert_allclose(found.written, i * g, rtol=1e-15)


def test_a_cell_without_an_additive_state_is_refused_in_a_sentence() -> None:
    layer, x, initial = layer_of("rnn")
    with pytest.raises(DataError, match=r"^no state of cell rnn is a gated sum .* lstm or gru$"):
        decompose(layer, x, initial)
    layer, x, initial = layer_of("lstm")
    with pytest.raises(DataError, match=r"^state h of cell lstm is not a gated sum"):
        decompose(layer, x, initial, state="h")
    with pytest.raises(ArgumentError, match="state 'q' is none of cell lstm's, which are h, c"):
        decompose(layer, x, initial, state="q")
    with pytest.raises(ArgumentError, match="level 2, direction 0 is none of 2 layers"):
        decompose(layer, x, initial, level=2)


def test_states_that_go_through_anything_else_are_not_additive() -> None:
    def squared(x, h):
        return h * h + affine("a", x)

    def rectified(x, h):
        return relu(h + affine("a", x))

    def divisor(x, h):
        return affine("a", x) / (2 + h)

    for each in (squared, rectified, divisor):
        assert additive_states(cell(each).program) == ()


def test_zoneout_makes_any_state_additive() -> None:
    layer, x, initial = layer_of("rnn", zoneout=0.5)
    found = decompose(layer, x, initial)
    assert (found.kept == 0.5).all()
    np.testing.assert_allclose(found.parts.sum(0), finals(layer, x, initial)[0][2].numpy(), rtol=1e-12)


# What became of what was written


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("name", ["lstm", "gru", "odd"])
def test_what_is_held_is_what_was_written_times_what_was_kept(name: str, direction: int) -> None:
    layer, x, initial = layer_of(name)
    found = decompose(layer, x, initial, direction=direction)
    remains = follow(layer, x, initial, (10, 20), direction=direction)
    order = [36 - step if direction else step for step in range(37)]  # the direction reads step s as its order[s]th
    for row, step in enumerate(range(10, 20)):
        part = found.written[order[step]]
        np.testing.assert_allclose(remains.written[row], np.linalg.norm(part))
        now = order[step]
        for column, later in enumerate(range(10, 20)):
            kept = np.prod(found.kept[now + 1 : order[later] + 1], axis=0)
            expected = np.linalg.norm(part * kept) if order[later] >= now else 0.0
            np.testing.assert_allclose(remains.held[row, column], expected, rtol=1e-12)
        np.testing.assert_allclose(remains.left[row], np.linalg.norm(found.parts[1 + now]), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in ADDITIVE), ("lstm", {"zoneout": 0.3}), ("lstm", {"layer_norm": True})],
)
def test_what_is_shown_adds_up_to_the_outputs(name: str, options: dict[str, Any]) -> None:
    layer, x, initial = layer_of(name, **options)
    with torch.no_grad():
        outputs = layer(x, initial if len(initial) > 1 else initial[0])[0]
    weights = torch.randn(37, 5, dtype=torch.float64)
    for direction, half in enumerate(outputs.split(5, dim=1)):
        for window in [(0, 37), (5, 9)]:
            remains = follow(layer, x, initial, window, direction=direction, weighing=weights.__getitem__)
            assert remains.shown is not None
            assert remains.rest is not None
            total = remains.shown.sum(0) + remains.rest + remains.initial
            np.testing.assert_allclose(total, (weights * half).sum(0).numpy(), rtol=1e-11, atol=1e-12)
            assert (remains.rest == 0).all() == (window == (0, 37))


# The verdict of a classifier, divided


def in_double(model: Any) -> Any:
    model.network_.double()
    return model


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    ("name", "pooling"),
    [("lstm", "last"), ("lstm", "mean"), ("lstm", "max"), ("lstm", "attention"), ("gru", "max"), ("lem", "last")],
)
def test_shares_add_up_to_the_scores(name: str, pooling: str, bidirectional: bool) -> None:
    labels = [f"{label}{len(text) % 2}" for text, label in zip(TEXTS, LABELS, strict=True)]  # more than two classes
    model = small(cell=OWN.get(name, name), pooling=pooling, bidirectional=bidirectional, epochs=1).fit(TEXTS, labels)
    probabilities = model.predict_proba([TEXT])[0]
    for window in (None, (2, 5)):
        verdict = memory_of(in_double(model), TEXT, window=window).verdict
        assert verdict is not None
        assert verdict.shares is not None
        total = verdict.shares.sum(0) + verdict.rest + verdict.initial + verdict.bias
        np.testing.assert_allclose(total, verdict.scores, rtol=1e-12, atol=1e-13)
        assert (verdict.rest == 0).all() == (window is None)
    softmax = np.exp(verdict.scores) / np.exp(verdict.scores).sum()
    np.testing.assert_allclose(softmax, probabilities, rtol=1e-5)
    assert verdict.label == labels[0] or verdict.label in set(labels)
    first, second = np.argsort(-verdict.scores)[:2]
    assert (verdict.label, verdict.rival) == (model.classes_[first], model.classes_[second])


def test_a_window_shows_what_the_whole_shows(fitted: SequenceClassifier) -> None:
    whole, part = memory_of(fitted, TEXT), memory_of(fitted, TEXT, window=(3, 7))
    assert part.tokens == whole.tokens[3:7]
    for name, values in part.columns().items():
        np.testing.assert_allclose(values, whole.columns()[name][3:7], rtol=1e-6, err_msg=name)
    assert whole.kept is not None
    assert part.kept is not None
    np.testing.assert_allclose(part.kept, whole.kept[3:7, 3:7])
    assert part.to_frame()["step"].to_list() == [4, 5, 6, 7]


def test_a_regressors_number_is_divided_in_its_own_unit() -> None:
    walks, _ = series()
    targets = [100 + 30 * float(walk[:, 0].sum()) for walk in walks]
    model = SequenceRegressor(cell="gru", hidden_size=4, epochs=2, random_state=0, device="cpu").fit(walks, targets)
    memory = memory_of(model, walks[0])
    verdict = memory.verdict
    assert verdict is not None
    assert verdict.decomposed is not None
    assert verdict.rival is None
    assert memory.tokens == tuple(str(step + 1) for step in range(len(walks[0])))
    total = verdict.decomposed.sum() + verdict.of(verdict.bias) + verdict.of(verdict.initial)
    assert total == pytest.approx(model.predict([walks[0]])[0], rel=1e-5)
    assert verdict.integrated.error < 0.01


def test_several_layers_say_what_was_written_but_not_what_words_gave() -> None:
    model = small(num_layers=2, bidirectional=True, epochs=1).fit(TEXTS, LABELS)
    last, first = memory_of(model, TEXT), memory_of(model, TEXT, layer=1)
    assert (last.layer, first.layer) == (2, 1)
    assert last.verdict is not None
    assert last.verdict.decomposed is None
    assert "the model has 2 layers" in last.notes[0]
    assert set(last.columns()) == {"written", "left", "wide", "integrated_gradients", "erasure"}
    assert last.written is not None
    assert not np.allclose(last.written, first.written)
    with pytest.raises(ArgumentError, match="layer is 3, and the model has 2"):
        memory_of(model, TEXT, layer=3)


def test_a_cell_that_is_not_additive_still_has_the_other_accounts() -> None:
    memory = memory_of(small(cell="rnn", epochs=1).fit(TEXTS, LABELS), TEXT)
    assert set(memory.columns()) == {"wide", "integrated_gradients", "erasure"}
    assert memory.notes[0].startswith("no state of cell rnn is a gated sum")
    assert memory.kept is None
    assert memory.plot().axes
    assert "no state of cell rnn" in memory.to_html().replace("No state", "no state")


def test_the_model_is_left_as_it_was(fitted: SequenceClassifier) -> None:
    before = {name: weight.clone() for name, weight in fitted.network_.state_dict().items()}
    training = fitted.network_.training
    random = torch.get_rng_state()
    memory_of(fitted, TEXT)
    assert torch.equal(torch.get_rng_state(), random)
    assert fitted.network_.training == training
    assert all(weight.requires_grad for weight in fitted.network_.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in fitted.network_.state_dict().items())
    assert fitted.encoder_.longest == 10_000


# Integrated gradients, erasure, agreement


def test_integrated_gradients_of_a_known_function() -> None:
    x = torch.randn(6, 2, dtype=torch.float64)
    found = integrated_gradients(lambda batch: (batch**3).sum((1, 2)) + 5, x)
    np.testing.assert_allclose(found.values, (x**3).sum(1).numpy(), rtol=1e-6)
    assert found.error < 1e-6
    assert found.points == 32


@pytest.mark.parametrize("slope", [500, 1e5])
def test_integrated_gradients_take_more_points_where_the_score_jumps(slope: float) -> None:
    x = torch.full((4, 1), 1.0)
    found = integrated_gradients(lambda batch: torch.sigmoid(slope * (batch.mean((1, 2)) - 0.3337)), x)
    assert 32 < found.points < 2_000
    assert found.error < 0.01
    assert found.values.sum() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_integrated_gradients_end_at_a_true_jump(dtype: torch.dtype) -> None:
    """No halving finds the gradient of a step: what is left of it is said to be missing."""
    result = integrated_gradients(
        lambda x: x.sum(dim=(1, 2)) + (x[:, 0, 0] > 0.3).to(dtype), torch.ones(2, 1, dtype=dtype)
    )
    assert result.points < 2_000
    assert result.values == pytest.approx([1, 1], rel=1e-5)
    assert result.error == pytest.approx(1 / 3, rel=1e-5)


def test_erasure_is_what_the_model_says_without_a_word(fitted: SequenceClassifier) -> None:
    words = TEXT.replace(",", " ,").split()
    memory = memory_of(fitted, TEXT)
    assert [word.text for word in window_words(memory)] == [word if word != "not" else "<unk>" for word in words]
    assert memory.verdict is not None

    def margin(text: str) -> float:
        probabilities = dict(zip(fitted.classes_, fitted.predict_proba([text])[0], strict=True))
        verdict = memory.verdict
        assert verdict is not None
        return float(np.log(probabilities[verdict.label]) - np.log(probabilities[verdict.rival]))

    for place in range(len(words)):
        without = " ".join(words[:place] + words[place + 1 :])
        assert memory.verdict.erasure[place] == pytest.approx(margin(TEXT) - margin(without), abs=1e-4)
    assert memory.verdict.integrated.error < 0.01


def test_the_only_word_is_erased_to_zeros() -> None:
    assert erasure(lambda batch: 3 * batch.sum((1, 2)), torch.ones(1, 2), 0, 1) == pytest.approx([6.0])


def test_rank_agreement_is_spearmans() -> None:
    from scipy.stats import spearmanr

    first, second = np.random.default_rng(0).integers(0, 9, (2, 30)).astype(float)
    assert rank_agreement(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(rank_agreement(first, np.ones(30)))
    assert np.isnan(rank_agreement(first[:2], second[:2]))


# Words, pages, pictures


def test_pieces_of_a_word_are_put_together() -> None:
    memory = memory_of(
        small(tokenizer="bpe", vocab_size=300, min_frequency=2, epochs=1).fit(TEXTS, LABELS), "a warm zebra é film"
    )
    assert len(memory.tokens) > 3
    words = window_words(memory)
    assert [word.text for word in words] == [
        "a",
        "warm",
        "zebra",
        "é",
        "film",
    ]
    assert memory.verdict is not None
    assert memory.verdict.decomposed is not None
    assert sum(word.value for word in words) == pytest.approx(memory.verdict.decomposed.sum())
    assert max(abs(word.strength) for word in words) == 1.0


def test_marks_say_without_colour_what_speaks_for_the_verdict(fitted: SequenceClassifier) -> None:
    memory = memory_of(fitted, "a funny film but dull", target="bad")
    assert memory.verdict is not None
    values = np.array([-0.5, -3.0, 0.0, 0.4, 2.5])
    verdict = dataclasses.replace(
        memory.verdict, shares=np.where(np.array(memory.verdict.labels) == "bad", values[:, None], 0.0)
    )
    memory = dataclasses.replace(memory, verdict=verdict)
    assert coloured(memory).plain == "a- funny--- film <unk>+ dull+++ "
    assert {str(span.style) for span in coloured(memory).spans} >= {"bold white on #b2182b", "bold white on #2166ac"}


class Page(HTMLParser):
    """The tags of a page, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_needs_nothing_else_and_shows_any_text_as_it_is() -> None:
    nasty = ["<script>alert(1)</script>", "&amp;", '"', "$words", "</script>", "film"]
    model = small(epochs=1).fit([nasty, ["film"]] * 10, ["<b>good", "bad"] * 10)
    memory = memory_of(model, nasty, target="<b>good")
    found = Page(html_page(memory))
    spans = [attributes for tag, attributes in found.tags if tag == "span"]
    assert len(spans) == len(nasty)
    for word in nasty:
        assert word in found.texts
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert not [attributes for _, attributes in found.tags if {"src", "href"} & set(attributes)]
    assert "b" not in {tag for tag, _ in found.tags}
    assert "prefers-color-scheme: dark" in "".join(found.texts)
    data = json.loads(re.search(r'id="data">(.*?)</script>', html_page(memory), re.DOTALL)[1])  # type: ignore[index]
    assert data["names"] == ["written", "left", "verdict", "wide", "integrated gradients", "erasure"]
    assert [len(word["held"]) for word in data["words"]] == [6] * 6
    assert [word["held"][at] for at, word in enumerate(data["words"])] == [100] * 6


def test_a_picture_is_1200_pixels_wide() -> None:
    memory = memory_of(small(epochs=1, bidirectional=True).fit(TEXTS, LABELS), f"{TEXT} $a {'film ' * 80}")
    assert int.from_bytes(as_bytes(memory.plot())[16:20], "big") == 1200


def test_the_kept_share_of_both_directions_in_one_matrix() -> None:
    memory = memory_of(small(epochs=1, bidirectional=True).fit(TEXTS, LABELS), TEXT)
    kept = memory.kept
    assert kept is not None
    np.testing.assert_allclose(np.diag(kept), 1.0)
    assert (kept > 0).all()
    forwards, backwards = memory.remains
    np.testing.assert_allclose(kept[1, 4], forwards.held[1, 4] / forwards.written[1])
    np.testing.assert_allclose(kept[4, 1], backwards.held[4, 1] / backwards.written[4])


@pytest.mark.parametrize(
    ("task", "example"),
    [
        ("tag", ["the", "cat", "saw", "a", "dog"]),
        ("translate", "one and two"),
        ("language", "the dog sat"),
        ("forecast", np.arange(6.0)),
    ],
)
def test_other_tasks_have_a_memory_without_a_verdict(task: str, example: Any) -> None:
    model = CASES[task].make().fit(CASES[task].X, CASES[task].y)
    memory = memory_of(model, example)
    assert memory.verdict is None
    assert set(memory.columns()) == {"written", "left"}
    assert len(memory.tokens) == memory.steps == len(memory.to_frame())
    assert memory.plot().axes
    page = memory.to_html()
    assert f"what is left of each {memory.thing} at the end" in page
    assert f"The redder a {memory.thing}, the more of it is left." in page
    assert "speak for it" not in page  # There is no verdict to speak for.
    assert max(word.strength for word in window_words(memory)) == 1.0


def test_without_verdict_and_additive_state_there_is_nothing_to_see() -> None:
    model = CASES["tag"].make(cell="rnn").fit(CASES["tag"].X, CASES["tag"].y)
    with pytest.raises(DataError, match="no state of cell rnn"):
        memory_of(model, ["the", "cat"])


# The command


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RICORDA_ENGINE")


def run(command: Command, *arguments: Any, **options: Any) -> Any:
    return command("inspect", "memory", *arguments, **options)


@pytest.mark.usefixtures("compiled")
def test_the_command(trained: Path, folder: Path, ricorda_command: Command) -> None:
    done = run(ricorda_command, trained / "model", TEXT, "--picture", "memory.svg", "--html", "memory.html")
    assert (done.code, done.err) == (0, "The picture is in memory.svg\nThe page is in memory.html\n")
    memory = memory_of(ricorda.load(trained / "model"), TEXT)
    lines = done.out.splitlines()
    assert lines[0] == "good rather than bad, by decomposition" or lines[0] == "bad rather than good, by decomposition"
    assert lines[1].split() == coloured(memory).plain.split()
    for words in ("left at the end", "for the verdict", "integrated gradients", "completeness error", "Spearman"):
        assert words in done.out
    assert Path("memory.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert Path("memory.html").read_text(encoding="utf-8") == memory.to_html()


def test_the_command_as_json(trained: Path, ricorda_command: Command) -> None:
    done = run(ricorda_command, trained / "model", TEXT, "--class", "bad", "--window", "2:4", "--json")
    result = json.loads(done.out)
    assert [row["step"] for row in result["tokens"]] == [2, 3, 4]
    assert result["explained"]["label"] == "bad"
    assert result["completeness_error"] < 0.01
    shares = sum(row["verdict"] for row in result["tokens"])
    parts = sum(result[name]["bad"] - result[name]["good"] for name in ("bias", "rest", "initial"))
    assert shares + parts == pytest.approx(result["explained"]["value"], rel=1e-5)
    short = json.loads(run(ricorda_command, trained / "model", "film", "--json").out)
    assert set(short["agreement"].values()) == {None}


@pytest.mark.usefixtures("compiled")
def test_the_command_reads_100_000_tokens_in_a_window(trained: Path, ricorda_command: Command) -> None:
    text = "what a lovely film " * 25_000
    done = run(ricorda_command, trained / "model", "--json", stdin=text.encode())
    result = json.loads(done.out)
    assert result["steps"] == 100_000
    assert [result["tokens"][0]["step"], result["tokens"][-1]["step"]] == [99_801, 100_000]
    assert result["window_alone"]
    shares = sum(row["verdict"] for row in result["tokens"])
    label, rival = result["explained"]["label"], result["explained"]["rival"]
    parts = sum(result[name][label] - result[name][rival] for name in ("bias", "rest", "initial"))
    assert shares + parts == pytest.approx(result["explained"]["value"], rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["  "], "the text is empty: give one with at least one word"),
        ([], "the text is empty: give one with at least one word"),
        (["a film", "--class", "ugly"], "--class is 'ugly', which the model does not have: give one of bad, good"),
        (["a film", "--layer", "2"], "--layer is 2, and the model has 1: give one from 1 to 1"),
        (["a film", "--window", "7"], "--window is '7': give the first and the last step to show, such as 1:60"),
        (["a film", "--window", "3:4"], "--window is steps 3 to 4, and there are 2: give some of those"),
        (["a film", "--picture", "a.txt"], "a.txt is no picture's name: let it end in .png, .svg, .pdf"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], sentence: str, trained: Path, folder: Path, ricorda_command: Command
) -> None:
    assert run(ricorda_command, trained / "model", *arguments).sentence == sentence
