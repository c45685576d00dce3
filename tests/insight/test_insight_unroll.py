"""The network unrolled: the course's worked example, every named value, the picture, the command."""

import json
import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from matplotlib.figure import Figure
from safetensors.numpy import save_file

import ricorda
from ricorda import affine, cell, sigmoid, tanh
from ricorda.errors import ArgumentError, DataError
from ricorda.insight.passage import Passage, passage
from ricorda.insight.unrolled.picture import rows_of
from ricorda.insight.unrolled.view import layer_of, read_weights, unroll
from ricorda.nn import Recurrent

WORKED = Path(__file__).parents[2] / "docs" / "worked_lstm.json"
DAYS = {"A": [0.0, 0.5, 0.25, 1.0], "B": [1.0, 0.5, 0.25, 1.0]}
# gate: weight of the short-term memory, of the input, bias
PUBLISHED = {"i": (2.00, 1.65, 0.62), "f": (2.70, 1.63, 1.62), "g": (1.41, 0.94, -0.32), "o": (4.38, -0.19, 0.59)}


@cell
def mgu(x, h):
    f = sigmoid(affine("f", h, x))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate


@cell
def delayed(x, h, before, kept):
    """Three states: one that is squashed, one that is handed on, one that is kept."""
    opened = sigmoid(affine("z", before, x))
    kept = 0.5 * kept + opened * h
    return tanh(affine("h", kept, x)), h, kept


def by_hand(inputs: list[float], h: float = 0.0, c: float = 0.0) -> list[dict[str, float]]:
    """The one unit's steps in plain arithmetic."""
    steps = []
    for x in inputs:
        z = {gate: recurrent * h + own * x + bias for gate, (recurrent, own, bias) in PUBLISHED.items()}
        i, f, o = (1 / (1 + math.exp(-z[gate])) for gate in "ifo")
        g = math.tanh(z["g"])
        c = f * c + i * g
        h = o * math.tanh(c)
        steps.append({"i": i, "f": f, "g": g, "o": o, "c": c, "h": h, **{f"z_{gate}": z[gate] for gate in z}})
    return steps


# The worked example


@pytest.mark.parametrize(("company", "last_memory"), [("A", "0.0"), ("B", "1.0")])
def test_the_four_days_of_the_worked_example(company: str, last_memory: str) -> None:
    found = unroll("lstm", DAYS[company], read_weights(WORKED))
    wanted = by_hand(DAYS[company])
    for name, values in found.values.items():
        np.testing.assert_allclose(values[:, 0], [step[name] for step in wanted], rtol=1e-14, atol=1e-16)
    assert f"{abs(found.values['h'][-1, 0]):.1f}" == last_memory


def test_the_worked_example_prints_its_two_decimals(ricorda_command: Command) -> None:
    done = ricorda_command("inspect", "unroll", "--cell", "lstm", "--inputs", "0,0.5,0.25,1", "--weights", WORKED)
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for line in done.out.splitlines()
        if (cells := line.split("│"))[2:]
    }
    assert rows["x"] == ["", "0.00", "0.50", "0.25", "1.00"]
    assert rows["f"] == ["", "0.83", "0.89", "0.85", "0.94"]
    assert rows["c"] == ["0.00", "-0.20", "-0.20", "-0.32", "0.02"]
    assert rows["h"] == ["0.00", "-0.13", "-0.10", "-0.17", "0.01"]


def test_a_step_from_memories_that_are_not_zero() -> None:
    layer = layer_of("lstm", read_weights(WORKED))
    one = torch.ones(1, 1, dtype=torch.float64)
    found = unroll(Passage(layer, ("1",), one, (one, 2 * one)))
    (wanted,) = by_hand([1.0], h=1.0, c=2.0)
    for name, values in found.values.items():
        assert values.item() == pytest.approx(wanted[name], rel=1e-14)
    assert (f"{wanted['z_f']:.2f}", f"{wanted['f']:.3f}", f"{wanted['h']:.2f}") == ("5.95", "0.997", "0.99")


# Every named value


@pytest.mark.parametrize("name", ["rnn", "lstm", "lstm_peephole", "gru", "gru_reset_after", mgu, delayed])
@pytest.mark.parametrize("backward", [False, True])
def test_every_named_value_is_the_layer_s_own_record(name: Any, backward: bool) -> None:
    layer = Recurrent(name, 2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    inputs = torch.randn(6, 2, dtype=torch.float64)
    names = [each for each, _ in layer.program.names]
    _, _, records = layer(inputs, record=names)
    order = slice(None, None, -1) if backward else slice(None)
    for level in (0, 1):
        found = unroll(layer, inputs, layer=level + 1, backward=backward)
        assert list(found.values) == sorted(names, key=lambda each: dict(layer.program.names)[each])
        for each in names:
            own = records[each][level, int(backward)].detach().numpy()[order]
            np.testing.assert_allclose(found.values[each], own, rtol=1e-12, atol=1e-14)
        below = inputs if level == 0 else torch.cat(tuple(records[names_of_output(layer)][0]), 1)
        np.testing.assert_allclose(found.inputs, below.detach().numpy()[order], rtol=1e-12, atol=1e-14)
        assert found.tokens == tuple("123456")[order]
        for state, kept in found.kept.items():
            assert kept.shape == found.values[state].shape


def names_of_output(layer: Recurrent) -> str:
    return layer.program.states[0].name


def test_a_model_s_values_are_those_of_its_passage(trained: Path) -> None:
    model = ricorda.load(trained / "model")
    found = unroll(model, "a warm and funny film")
    records = passage(model, "a warm and funny film").values()
    assert found.tokens == ("a", "warm", "and", "funny", "film")
    for name, values in found.values.items():
        np.testing.assert_array_equal(values, records[name][0, 0].numpy())


def test_the_table_has_every_number_once() -> None:
    found = unroll(Recurrent("gru", 2, 3, dtype=torch.float64), np.arange(8.0).reshape(4, 2))
    frame = found.to_frame()
    assert frame.columns == ["step", "token", "name", "unit", "value"]
    assert len(frame) == 4 * (2 + 3 * len(found.values))
    assert frame["step"].is_sorted()
    for (step, name, unit), rows in frame.group_by("step", "name", "unit"):
        values = found.inputs if name == "x" else found.values[str(name)]
        assert rows["value"].item() == values[step - 1, unit]


def test_some_of_the_steps_begin_with_the_state_before_them() -> None:
    found = unroll(Recurrent("lstm", 1, 2, dtype=torch.float64), np.arange(6.0))
    part = found[2:4]
    assert (part.first, part.tokens, len(part)) == (3, ("3", "4"), 2)
    np.testing.assert_array_equal(part.initial["c"], found.values["c"][1])
    np.testing.assert_array_equal(part.values["h"], found.values["h"][2:4])
    assert part[1:].first == 4
    one = part.unit(1)
    np.testing.assert_array_equal(one.values["h"], part.values["h"][:, [1]])
    for mistake in (lambda: found[6:], lambda: found[3:3], lambda: found[::2], lambda: found.unit(2)):
        with pytest.raises(ArgumentError):
            mistake()


def test_a_layer_that_trains_is_left_as_it_was() -> None:
    layer = Recurrent("lstm", 1, 4, zoneout=0.5)
    first = unroll(layer, [1.0, 2.0])
    assert layer.training
    np.testing.assert_array_equal(first.values["h"], unroll(layer, [1.0, 2.0]).values["h"])


# The picture


def test_rows_are_the_named_values_that_no_lane_shows() -> None:
    def rows(name: Any) -> list[tuple[str, str | None]]:
        return [(row.name, row.argument) for row in rows_of(Recurrent(name, 1, 1).program)]

    assert rows("lstm") == [("i", "z_i"), ("f", "z_f"), ("g", "z_g"), ("o", "z_o"), ("h", None)]
    assert rows("rnn") == [("h", "z_h")]
    assert rows("gru") == [("r", "z_r"), ("u", "z_u"), ("candidate", "z_a")]
    assert rows(mgu) == [("f", "z_f"), ("candidate", "z_h")]


def texts_of(figure: Figure) -> list[tuple[str, Any]]:
    """Every text of a figure, and where it stands in pixels."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()] + list(figure.texts)
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


@pytest.mark.parametrize(
    ("name", "size", "steps"),
    [
        ("lstm", 1, 8),
        ("lstm", 20, 8),
        ("gru_reset_after", 5, 1),
        ("rnn", 1, 2),
        (delayed, 3, 4),
        ("gru", 4, 7),
        ("gru", 1, 3),
    ],
)
def test_nothing_in_the_picture_overlaps_or_is_cut(name: Any, size: int, steps: int) -> None:
    layer = Recurrent(name, 1 if size == 1 else 7, size)
    found = unroll(layer, -10 * torch.rand(steps, layer.input_size))
    figure = found.plot()
    assert figure.get_size_inches()[0] * 120 == 1200
    texts = texts_of(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in texts:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (one, box), (other, another) in combinations(texts, 2):
        across = min(box.x1, another.x1) - max(box.x0, another.x0)
        along = min(box.y1, another.y1) - max(box.y0, another.y0)
        assert across <= 1 or along <= 2, (one, other)


def test_the_picture_has_the_worked_example_s_numbers() -> None:
    found = unroll("lstm", DAYS["B"], read_weights(WORKED))
    shown = [text for text, _ in texts_of(found.plot())]
    for step in by_hand(DAYS["B"]):
        for name in "ifgo":
            assert f"{step[name]:.2f}".replace("-", "−") in shown
        for name, symbol in (("f", "σ"), ("g", "tanh")):
            assert f"{symbol}({step['z_' + name]:.2f})".replace("-", "−") in shown
        assert f"{step['c']:.2f}".replace("-", "−") in shown


def test_too_many_steps_for_a_picture() -> None:
    found = unroll("rnn", np.zeros(9))
    with pytest.raises(ArgumentError, match="there are 9 steps, and a picture has room for 8"):
        found.plot()


# Mistakes


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({}, "weights have no 'weight_ih_l0', which cell lstm needs"),
        ({"weight_ih_l0": [[1]] * 4}, "weights have no 'weight_hh_l0'"),
        (
            {"weight_ih_l0": [[1]] * 3, "weight_hh_l0": [[1]] * 4},
            "weight_ih_l0 is 3 x 1, and a lstm of input_size 1 and hidden_size 1 has 4 x 1",
        ),
        ({"weight_ih_l0": [1] * 4, "weight_hh_l0": [[1]] * 4}, "weight_ih_l0 is 4: give rows"),
        ({"weight_ih_l0": [[1]] * 4, "weight_hh_l0": [[1]] * 4, "bias_ih_l0": [1, 2]}, "bias_ih_l0 is 2, and"),
        (
            {"weight_ih_l0": [[1], [2, 3]], "weight_hh_l0": [[1]] * 4},
            "weight_ih_l0 is .*: give rows of as many numbers",
        ),
        ({"weight_ih_l0": [["a"]] * 4, "weight_hh_l0": [[1]] * 4}, "weight_ih_l0 is .*'a'"),
        ({"weight_ih_l0": [[math.nan]] * 4, "weight_hh_l0": [[1]] * 4}, "weight_ih_l0 has a number that is not finite"),
        ({"weight_ih_l1": [[1]] * 4}, "weights have 'weight_ih_l1', and cell lstm has weight_ih_l0, "),
    ],
)
def test_weights_that_cannot_be(weights: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        unroll("lstm", [0.0, 1.0], weights)


@pytest.mark.parametrize("inputs", [None, "abc", [], [[1.0], [1.0, 2.0]], [math.inf], np.zeros((2, 2, 2))])
def test_inputs_that_cannot_be(inputs: Any) -> None:
    with pytest.raises(DataError, match="inputs are"):
        unroll("lstm", inputs)


def test_layers_and_directions_that_there_are_not() -> None:
    layer = Recurrent("rnn", 1, 1)
    for wrong in ({"layer": 2}, {"layer": 0}, {"backward": True}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            unroll(layer, [1.0], **wrong)  # type: ignore[arg-type]


# The command


def test_the_command_gives_a_model_s_numbers_and_a_picture(
    trained: Path, folder: Path, ricorda_command: Command
) -> None:
    done = ricorda_command(
        "inspect", "unroll", trained / "model", "a warm and funny film", "--json", "--picture", "u.png"
    )
    facts = json.loads(done.out)
    found = unroll(ricorda.load(trained / "model"), "a warm and funny film")
    assert facts["tokens"] == ["a", "warm", "and", "funny", "film"]
    assert facts["values"] == {name: values.tolist() for name, values in found.values.items()}
    assert facts["initial"] == {"h": [0.0] * 4, "c": [0.0] * 4}
    assert Path("u.png").read_bytes()[16:20] == (1200).to_bytes(4, "big")
    table = ricorda_command(
        "inspect", "unroll", trained / "model", "a warm and funny film", "--window", "2:3", "--unit", 1
    )
    assert "steps 2 to 3 of 5" in table.out
    assert f"{found.values['f'][2, 1]:.2f}" in table.out


def test_the_command_takes_weights_as_safetensors_and_several_features(folder: Path, ricorda_command: Command) -> None:
    layer = Recurrent("gru", 2, 3, dtype=torch.float64)
    save_file({name: weight.detach().numpy() for name, weight in layer.named_parameters()}, "weights.safetensors")
    done = ricorda_command(
        "inspect", "unroll", "--cell", "gru", "--inputs", "1,2;3,4", "--weights", "weights.safetensors", "--json"
    )
    assert json.loads(done.out)["values"]["a"] == unroll(layer, [[1, 2], [3, 4]]).values["a"].tolist()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "there is nothing to unroll"),
        (["--cell", "lstm"], "there is nothing to unroll"),
        (["--cell", "lstm", "--inputs", "0,x"], "--inputs '0,x' has 'x', which is no number"),
        (["--cell", "lstm", "--inputs", ""], "--inputs '' has ''"),
        (["--cell", "lstm", "--inputs", "1,2;3"], "has steps of different lengths"),
        (["--cell", "lstm", "--inputs", "1,inf"], "finite"),
        (["--cell", "lstn", "--inputs", "1"], "did you mean 'lstm'"),
        (["--cell", "lstm", "--inputs", "1", "--weights", "none.json"], "none.json cannot be read"),
        (
            ["--cell", "lstm", "--inputs", "1", "--weights", "broken.json"],
            "broken.json is neither JSON nor safetensors",
        ),
        (["--cell", "lstm", "--inputs", "1", "--weights", "broken.safetensors"], "broken.safetensors is neither"),
        (["--cell", "lstm", "--inputs", "1", "--weights", "list.json"], "list.json holds no object"),
        (
            ["--cell", "lstm", "--inputs", "1,1;2,2", "--weights", WORKED],
            "inputs have 2 numbers a step, and the layer takes 1",
        ),
        (["--cell", "rnn", "--inputs", ",".join("0" * 9), "--window", "1:9", "--picture", "p.png"], "room for 8"),
        (["--cell", "rnn", "--inputs", "1", "--window", "2:3"], "there are 1"),
        (["--cell", "rnn", "--inputs", "1", "--window", "0:3"], "--window is '0:3'"),
        (["--cell", "rnn", "--inputs", "1", "--unit", "1"], "unit is 1, and there are 1"),
        (["--cell", "rnn", "--inputs", "1", "--picture", "p.bmp"], "p.bmp is no picture's name"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[Any], sentence: str, folder: Path, ricorda_command: Command) -> None:
    Path("broken.json").write_text("{", encoding="utf-8")
    Path("broken.safetensors").write_text("{", encoding="utf-8")
    Path("list.json").write_text("[1]", encoding="utf-8")
    assert sentence in ricorda_command("inspect", "unroll", *arguments).sentence


def test_a_model_takes_no_cell(trained: Path, ricorda_command: Command) -> None:
    assert (
        "--cell lstm is for a cell alone"
        in ricorda_command("inspect", "unroll", trained / "model", "a", "--cell", "lstm").sentence
    )
    assert "the text is empty" in ricorda_command("inspect", "unroll", trained / "model", " ").sentence
