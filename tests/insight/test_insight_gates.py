"""Gates and the units that follow a property: numbers against plain arithmetic, pictures, the command."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from matplotlib.figure import Figure
from small_models import LABELS, LEARNING, TEXTS, TOKENS, small

import ricorda
from ricorda import SequenceClassifier, affine, cell, parameter, sigmoid, tanh
from ricorda.errors import ArgumentError, CellError, DataError
from ricorda.insight.gates.properties import (
    end,
    followers_of,
    parentheses,
    position,
    quotation,
    upper_case,
    verdict_so_far,
    word_begin,
)
from ricorda.insight.gates.result import range_names
from ricorda.insight.gates.units_picture import lay_out
from ricorda.insight.gates.view import gates_of
from ricorda.insight.passage import Passage, passage, spaced
from ricorda.nn import Recurrent


@cell
def mgu(x, h):
    forget = sigmoid(affine("f", h, x))
    candidate = tanh(affine("h", forget * h, x))
    return (1 - forget) * h + forget * candidate


@cell
def twice(x, h, m):
    """Kept by two gates, one of which sees a learned vector too; its output is a sigmoid and no gate."""
    a = sigmoid(affine("a", h, x))
    b = sigmoid(affine("b", h, x) + parameter("p") * m)
    m = a * b * m + (1 - a) * tanh(affine("g", x))
    return sigmoid(affine("o", m)), m


def read(layer: Recurrent, T: int = 12) -> Passage:
    inputs = torch.randn(T, layer.input_size, dtype=torch.float64)
    return Passage(layer.double().eval(), tuple(f"t{step}" for step in range(T)), inputs)


def with_constant_gate(share: float, size: int = 3) -> Recurrent:
    """An LSTM whose forget gate has one value, whatever it reads."""
    layer = Recurrent("lstm", 2, size, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0[size : 2 * size] = 0
        layer.weight_hh_l0[size : 2 * size] = 0
        layer.bias_ih_l0[size : 2 * size] = math.log(share / (1 - share))
        layer.bias_hh_l0[size : 2 * size] = 0
    return layer


# Gates


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole", "lstm_coupled", "gru", "gru_reset_after", mgu, twice])
@pytest.mark.parametrize("backward", [False, True])
def test_gates_are_the_layer_s_records_and_sigmoids_of_their_preactivations(name: Any, backward: bool) -> None:
    there = read(Recurrent(name, 2, 3, num_layers=2, bidirectional=True))
    found = gates_of(there, layer=1, backward=backward)
    records = there.values()
    assert set(found.values) == {
        "lstm_coupled": {"f", "o"},
        "gru": {"r", "u"},
        "gru_reset_after": {"r", "z"},
        "mgu": {"forget"},
        "twice": {"a", "b"},
    }.get(found.cell, {"i", "f", "o"})
    for gate, values in found.values.items():
        np.testing.assert_allclose(values, records[gate][0, int(backward)].numpy(), rtol=1e-13)
        np.testing.assert_allclose(1 / (1 + np.exp(-found.preactivations[gate])), values, rtol=1e-13)


def test_what_is_kept_is_found_in_the_equations() -> None:
    def kept(name: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        found = gates_of(read(Recurrent(name, 2, 3)))
        return found.kept, found.values

    for name, state, share in (
        ("lstm", "c", lambda gates: gates["f"]),
        ("lstm_coupled", "c", lambda gates: gates["f"]),
        ("gru", "a", lambda gates: 1 - gates["u"]),
        ("gru_reset_after", "h", lambda gates: gates["z"]),
        (mgu, "h", lambda gates: 1 - gates["forget"]),
        (twice, "m", lambda gates: gates["a"] * gates["b"]),
    ):
        shares, gates = kept(name)
        assert list(shares) == [state]
        np.testing.assert_allclose(shares[state], share(gates), rtol=1e-13)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_constant_forget_gate_has_the_time_constant_of_the_closed_form(share: float) -> None:
    found = gates_of(read(with_constant_gate(share)))
    np.testing.assert_allclose(found.time_constants["c"], -1 / math.log(share), rtol=1e-12)
    counts = dict(zip(range_names(), found.counts()["c"], strict=True))
    wanted = {0.1: "under 1", 0.5: "1 to 2", 0.9: "5 to 10", 0.999: "over 100"}[share]
    assert {name: count for name, count in counts.items() if count} == {wanted: 3}
    after = share ** found.time_constants["c"][0]
    assert after == pytest.approx(1 / math.e)


def test_a_unit_that_keeps_all_lasts_for_ever_and_one_that_keeps_nothing_not_at_all() -> None:
    found = gates_of(read(with_constant_gate(0.5)))
    found.kept["c"][:, 0], found.kept["c"][:, 1] = 1, 0
    assert found.time_constants["c"].tolist() == [math.inf, 0, pytest.approx(1 / math.log(2))]
    assert found.order("time").tolist() == [0, 2, 1]


def test_saturation_is_counted_by_unit() -> None:
    found = gates_of(read(with_constant_gate(0.5), 4))
    found.values["i"][:] = [[0.05, 0.5, 0.95], [0.05, 0.05, 0.95], [0.5, 0.1, 0.9], [0.5, 0.5, 0.99]]
    left, right = found.saturated["i"]
    assert left.tolist() == [0.5, 0.25, 0]
    assert right.tolist() == [0, 0, 0.75]


def test_like_units_stand_together_in_the_order_of_clusters() -> None:
    found = gates_of(read(with_constant_gate(0.5, size=6)))
    for values in found.values.values():
        values[:] = np.array([0.1, 0.9, 0.1, 0.9, 0.1, 0.9])[None] + 0.01 * np.random.default_rng(0).normal(
            size=(12, 6)
        )
    parity = [unit % 2 for unit in found.order("cluster")]
    assert parity in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
    with pytest.raises(ArgumentError, match="order is 'size'"):
        found.order("size")


def test_several_texts_stand_one_after_the_other(fitted: SequenceClassifier) -> None:
    together, *each = (gates_of(fitted, *texts) for texts in (TEXTS[:3], TEXTS[:1], TEXTS[1:2], TEXTS[2:3]))
    assert together.tokens == sum((one.tokens for one in each), ())
    assert together.starts == (0, len(each[0].tokens), len(each[0].tokens) + len(each[1].tokens))
    for name, values in together.values.items():
        np.testing.assert_array_equal(values, np.concatenate([one.values[name] for one in each]))


def test_long_passages_are_read_in_stretches_that_join(monkeypatch: pytest.MonkeyPatch) -> None:
    there = read(Recurrent("gru", 2, 3, bidirectional=True), 50)
    whole = [gates_of(there, backward=backward) for backward in (False, True)]
    monkeypatch.setattr("ricorda.insight.memory.decomposition.STEPS_AT_ONCE", 7)
    for one, backward in zip(whole, (False, True), strict=True):
        parts = gates_of(there, backward=backward)
        for name in one.values:
            np.testing.assert_allclose(parts.values[name], one.values[name], rtol=1e-13)
        np.testing.assert_allclose(parts.kept["a"], one.kept["a"], rtol=1e-13)


def test_the_table_of_gates() -> None:
    found = gates_of(read(with_constant_gate(0.5), 4))
    frame = found.to_frame()
    assert frame.columns == ["step", "token", "gate", "unit", "value", "preactivation"]
    assert len(frame) == 4 * 3 * 3
    for step, token, gate, unit, value, before in frame.rows():
        assert (token, value) == (f"t{step - 1}", found.values[gate][step - 1, unit])
        assert before == found.preactivations[gate][step - 1, unit]


def test_a_cell_without_gates_is_refused() -> None:
    with pytest.raises(CellError, match="cell rnn has no gate"):
        gates_of(read(Recurrent("rnn", 2, 3)))
    there = read(Recurrent("lstm", 2, 3))
    for wrong in ({"layer": 2}, {"backward": True}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            gates_of(there, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="gate is 'u', and cell lstm has i, f, o"):
        gates_of(there).plot(gate="u")
    with pytest.raises(ArgumentError, match=r"window is \(12, 20\), and there are 12 steps"):
        gates_of(there).plot(window=(12, 20))


# Properties


def test_properties_of_a_text() -> None:
    said = ["He", "said", ",", '"', "I", "(", "mean", '"', "it", '."', '"', ")"]
    assert quotation(said).tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0]
    assert parentheses(said).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0]
    assert parentheses(["(", "b", "{", "c", "}", ")", ")", "f", "-LRB-", "g", "-rrb-"]).tolist() == [
        *[1] * 5,
        0,
        0,
        0,
        1,
        1,
        0,
    ]
    quoted = ["a", "«", "b", "»", "c", "``", "d", "''", "“", "e", "”", "don't"]
    assert quotation(quoted).tolist() == [0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0]
    assert position(["a", "b"]).tolist() == [1, 2]
    assert end(["a", "b", "c"]).tolist() == [2, 1, 0]
    assert word_begin(["▁un", "believ", "able", "▁", "▁,", "▁film"]).tolist() == [1, 0, 0, 0, 0, 1]
    assert word_begin(list("to be, or")).tolist() == [1, 0, 0, 1, 0, 0, 0, 1, 0]
    assert upper_case(["▁The", "end", "É"]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_verdict_so_far_is_that_on_each_beginning(pooling: str, bidirectional: bool) -> None:
    model = small(**LEARNING, pooling=pooling, bidirectional=bidirectional, num_layers=1).fit(TEXTS, LABELS)
    words = TEXTS[0].split()
    chances = model.predict_proba([" ".join(words[: count + 1]) for count in range(len(words))])
    found = verdict_so_far(model, passage(model, TEXTS[0]))
    assert list(found) == ["verdict"]
    np.testing.assert_allclose(found["verdict"], np.log(chances[:, 1] / chances[:, 0]), rtol=1e-3, atol=1e-5)


def test_the_verdict_so_far_of_three_classes() -> None:
    labels = [label if row % 3 else "mixed" for row, label in enumerate(LABELS)]
    model = small(**LEARNING).fit(TEXTS, labels)
    found = verdict_so_far(model, passage(model, TEXTS[0]))
    chances = model.predict_proba(TEXTS[:1])[0]
    assert list(found) == ["verdict=bad", "verdict=good", "verdict=mixed"]
    for odds, chance in zip(found.values(), chances, strict=True):
        assert odds[-1] == pytest.approx(math.log(chance / (1 - chance)), rel=1e-3)


def test_correlations_are_numpy_s_over_all_steps(fitted: SequenceClassifier) -> None:
    measured: dict[str, list[Any]] = {"length": [], "sometimes": []}

    def length(tokens: Any) -> list[float]:
        measured["length"] += [float(len(token)) for token in tokens]
        return [len(token) for token in tokens]

    def sometimes(tokens: Any) -> list[float]:
        numbers = [math.nan if "a" in token else float(len(token)) for token in tokens]
        measured["sometimes"] += numbers
        return numbers

    def never(tokens: Any) -> Any:
        return np.ones(len(tokens))

    found = followers_of(fitted, TEXTS[:10], properties={"length": length, "sometimes": sometimes, "never": never})
    states = np.concatenate([passage(fitted, text).values(["c"])["c"][0, 0].numpy() for text in TEXTS[:10]]).astype(
        float
    )
    for name, numbers in measured.items():
        there = np.isfinite(numbers)
        wanted = [np.corrcoef(states[there, unit], np.array(numbers)[there])[0, 1] for unit in range(4)]
        np.testing.assert_allclose(found.correlations[name], wanted, rtol=1e-9)
        assert found.steps[name] == there.sum()
    assert np.isnan(found.correlations["never"]).all()
    assert found.best("never") == []
    (unit, correlation), *rest = found.best("length", 4)
    assert correlation == found.correlations["length"][unit]
    assert [abs(r) for _, r in [(unit, correlation), *rest]] == sorted(np.abs(found.correlations["length"]))[::-1]
    frame = found.to_frame()
    assert frame.columns == ["property", "unit", "correlation", "steps"]
    assert len(frame) == 12
    assert found.tokens == passage(fitted, TEXTS[0]).tokens


def test_a_unit_that_is_the_property_is_found(fitted: SequenceClassifier) -> None:
    values = iter([passage(fitted, text).values(["o"])["o"][0, 0, :, 2].numpy() for text in TEXTS[:5]])
    found = followers_of(fitted, TEXTS[:5], value="o", properties={"itself": lambda tokens: -next(values)})
    assert found.best("itself") == [(2, pytest.approx(-1))]


def test_the_usual_properties(fitted: SequenceClassifier) -> None:
    found = followers_of(fitted, TEXTS[:10], show="I loved it")
    assert set(found.correlations) == {"position", "quotation", "parentheses", "word_begin", "upper_case", "verdict"}
    assert found.best("quotation") == []
    assert found.tokens == ("<unk>", "loved", "it") or found.tokens == ("i", "loved", "it")
    tokens = small(bidirectional=True).fit(TOKENS, LABELS)
    assert "end" in followers_of(tokens, TOKENS[:2], backward=True).correlations


def test_what_cannot_be_followed(fitted: SequenceClassifier) -> None:
    with pytest.raises(ArgumentError, match="value is 'u', and cell lstm has"):
        followers_of(fitted, TEXTS[:1], value="u")
    with pytest.raises(DataError, match="there is no example"):
        followers_of(fitted, [])
    with pytest.raises(DataError, match="property 'one' gave"):
        followers_of(fitted, TEXTS[:1], properties={"one": lambda tokens: [1.0]})
    found = followers_of(fitted, TEXTS[:1])
    with pytest.raises(ArgumentError, match="property is 'rhyme', and there are position"):
        found.best("rhyme")
    with pytest.raises(ArgumentError, match="unit is 4, and c has 4"):
        found.plot(unit=4)
    with pytest.raises(DataError, match="no property changes"):
        found.plot("quotation")


def test_tokens_stand_in_lines_that_hold_them() -> None:
    assert spaced(["▁un", "like", "ly"]) == (" un", "like", "ly")
    assert spaced(["a", "film"]) == (" a", " film")
    assert spaced(["a", " ", "b"]) == ("a", " ", "b")
    places = lay_out(["a", "warm", "film", "x" * 30, "end"], 10)
    assert places == [(0, 0, "a"), (0, 2, "warm"), (1, 0, "film"), (2, 0, "x" * 10), (3, 0, "end")]


# Pictures


def assert_nothing_is_cut(figure: Figure) -> None:
    figure.canvas.draw()
    assert figure.get_size_inches()[0] * 120 == 1200
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        box = axes.get_tightbbox(figure.canvas.get_renderer())  # type: ignore[attr-defined]
        assert box is not None
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1


def test_the_picture_of_gates_shows_them_in_the_order_of_time() -> None:
    there = read(Recurrent("lstm", 2, 9), 200)
    found = gates_of(there)
    figure = found.plot(window=(100, 150))
    maps = [axes for axes in figure.axes if axes.images]
    assert [axes.get_ylabel().split("\n")[0] for axes in maps] == ["gate i", "gate f", "gate o"]
    for axes, gate in zip(maps, found.values.values(), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), gate[100:150][:, found.order()].T)
    assert [text.get_text() for text in maps[-1].get_xticklabels()] == [f"t{step}" for step in range(100, 150)]
    assert_nothing_is_cut(figure)
    assert_nothing_is_cut(found.plot(gate="f", order="cluster"))


def test_the_picture_of_units_shows_all_tokens(fitted: SequenceClassifier) -> None:
    found = followers_of(fitted, TEXTS[:10], show=" ".join(TEXTS[:10]))
    figure = found.plot()
    texts = [text.get_text() for text in figure.axes[0].texts]
    shown = [name for name in found.correlations if found.best(name)]
    assert len(texts) == len(shown) * (1 + len(found.tokens))
    assert_nothing_is_cut(figure)


# The command


def test_the_command_prints_gates_time_constants_and_units(trained: Path, ricorda_command: Command) -> None:
    done = ricorda_command("inspect", "gates", trained / "model", "a warm and funny film")
    found = gates_of(ricorda.load(trained / "model"), "a warm and funny film")
    assert done.err == ""
    for name, values in found.values.items():
        assert re.search(rf"│ {name} +│ +{values.mean():.2f} │", done.out)
    assert re.search("│ c +│" + " │".join(f" +{count}" for count in found.counts()["c"]) + " │", done.out)
    assert re.search(r"│ verdict +│ \d \([+-]\d.\d\d\), ", done.out)
    assert re.search(r"│ quotation +│ it never changes", done.out)
    assert re.search(r"verdict, unit \d of c\na[+-]* warm[+-]* and[+-]* funny[+-]* film", done.out)


def test_the_command_as_json_over_a_file(trained: Path, folder: Path, ricorda_command: Command) -> None:
    arguments = ("inspect", "gates", trained / "model", "--file", "data.csv", "--gate", "f", "--unit", 2)
    facts = json.loads(ricorda_command(*arguments, "--json", "--picture", "unit.png").out)
    model = ricorda.load(trained / "model")
    gates, followers = gates_of(model, TEXTS[0]), followers_of(model, TEXTS, value="f")
    assert list(facts["gates"]) == ["f"]
    assert facts["gates"]["f"]["mean"] == pytest.approx(gates.values["f"].mean())
    assert facts["properties"]["verdict"]["steps"] == followers.steps["verdict"]
    best = [{"unit": unit, "correlation": value} for unit, value in followers.best("verdict", 3)]
    assert facts["properties"]["verdict"]["units"] == best
    assert facts["unit"]["values"] == gates.values["f"][:, 2].tolist()
    assert Path("unit.png").read_bytes()[16:20] == (1200).to_bytes(4, "big")


@pytest.mark.parametrize("options", [["--property", "verdict"], ["--gate", "i", "--window", "2:4"], []])
def test_the_command_draws(options: list[str], trained: Path, folder: Path, ricorda_command: Command) -> None:
    done = ricorda_command(
        "inspect", "gates", trained / "model", "a warm and funny film", "--picture", "g.svg", *options
    )
    assert done.code == 0
    assert Path("g.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "there is no text to look into"),
        ([" "], "the text is empty"),
        (["a film", "--gate", "u"], "--gate is 'u', and cell lstm has i, f, o"),
        (["a film", "--property", "rhyme"], "property is 'rhyme', and there are position"),
        (["a film", "--unit", "9"], "--unit is 9, and c has 4"),
        (["a film", "--layer", "2"], "--layer is 2, and the model has 1"),
        (["a film", "--backward"], "--backward is True, and the model reads in one direction only"),
        (["a film", "--window", "3:4"], "there are 2 steps"),
        (["a film", "--window", "a:b"], "--window is 'a:b'"),
        (["a film", "--picture", "g.bmp"], "g.bmp is no picture's name"),
        (["--file", "none.csv"], "none.csv"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], sentence: str, trained: Path, ricorda_command: Command
) -> None:
    assert sentence in ricorda_command("inspect", "gates", trained / "model", *arguments).sentence
