"""Layers as ONNX: every cell, stacked, in both directions, with lengths, against the reference engine."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx_files import Drawn, OnnxFile, difference
from sized_cells import SIZED

from ricorda import ArgumentError, affine, cell, export, sigmoid, tanh
from ricorda.catalogue import CELLS
from ricorda.export.to_onnx import door
from ricorda.export.to_onnx.graph import Graph
from ricorda.export.to_onnx.operations import ONNX
from ricorda.nn import GRU, LSTM, Recurrent, from_onnx
from ricorda.nn.sequences import first_states
from ricorda.program.operations import OPERATIONS

OWN = {name: SIZED[name][0] for name in ("odd", "one_gate", "lmu")}
NODES = {
    **dict.fromkeys(("lstm", "lstm_peephole", "lstm_coupled"), "LSTM"),
    **dict.fromkeys(("gru", "gru_reset_after", "mut2"), "GRU"),
    **dict.fromkeys(("rnn", "rnn_relu", "irnn"), "RNN"),
}
BOUND = 1e-6


def made(which: Any, **options: Any) -> Recurrent:
    """A layer for the reference engine, in both directions and of two layers if the cell can be stacked."""
    every = {"num_layers": 2, "bidirectional": True, "engine": "reference", **options}
    torch.manual_seed(0)
    try:
        return Recurrent(which, 3, 5, **every).eval()
    except ArgumentError:
        return Recurrent(which, 3, 5, **{**every, "num_layers": 1}).eval()


def exported(layer: Recurrent, path: Path, **options: Any) -> OnnxFile:
    export.onnx(layer, path, **options)
    return OnnxFile(path)


def magnified(layer: Recurrent, drawn: Drawn) -> float:
    """By how much results move, in float64, if every weight moves by a unit roundoff of float32 at random."""
    exact = copy.deepcopy(layer).double()
    wanted, most = drawn.results(exact), 0.0
    for seed in range(4):
        moved, generator = copy.deepcopy(exact), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in moved.parameters():
                weight *= 1 + (torch.rand(weight.shape, generator=generator, dtype=torch.float64) - 0.5) * 2**-22
        most = max(most, difference(drawn.results(moved), wanted))
    return most


@pytest.mark.parametrize("name", [*CELLS, *OWN])
def test_every_cell_in_both_directions_with_rows_of_any_length(name: str, tmp_path: Path) -> None:
    layer = made(OWN.get(name, name))
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    for T, B, lengths in ((7, 4, [7, 0, 3, 5]), (1, 1, [1]), (12, 2, [0, 9])):  # None is what the export saw.
        drawn = Drawn(layer, T, B, lengths)
        off = difference(run(**drawn.feeds()), drawn.results())
        assert off <= BOUND or off <= 4 * magnified(layer, drawn)
    operators = {node.op_type for node in onnx.load(tmp_path / "layer.onnx").graph.node}
    assert {"LSTM", "GRU", "RNN", "Scan"} & operators == {NODES.get(name, "Scan")}


@pytest.mark.parametrize("name", [*CELLS, *OWN])
def test_every_cell_far_from_zero(name: str, tmp_path: Path) -> None:
    layer = made(OWN.get(name, name), num_layers=1, bidirectional=False)
    drawn = Drawn(layer, 6, 4, [6, 3, 0, 5])
    drawn.x *= 30
    off = difference(
        exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)(**drawn.feeds()), drawn.results()
    )
    assert off <= BOUND or off <= 5 * magnified(layer, drawn)


@cell
def share_of_two(x, h):
    """A cell that divides by small numbers."""
    keep, write = sigmoid(affine("f", x)), sigmoid(affine("i", x))
    return keep / (keep + write) * h + write / (keep + write) * affine("h", x)


def test_a_quotient_of_small_gates_is_a_number(tmp_path: Path) -> None:
    layer = made(share_of_two, num_layers=1, bidirectional=False)
    with torch.no_grad():
        layer.bias_ih_l0[:10] = -25.0
    drawn = Drawn(layer, 6, 2, [6, 4])
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    assert difference(run(**drawn.feeds()), drawn.results()) <= BOUND


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_peephole", "mgu", "slstm", "cornn", "sru", "odd"])
def test_one_step_after_another_is_the_sequence(name: str, tmp_path: Path) -> None:
    layer = made(OWN.get(name, name), bidirectional=False)
    run = exported(layer, tmp_path / "layer.onnx", form="step")
    drawn = Drawn(layer, 6, 3)
    wanted, feeds = drawn.results(), drawn.feeds()
    states = {key: value for key, value in feeds.items() if key.endswith("_in")}
    outputs = []
    for step in range(6):
        said = run(**{key: value[step] for key, value in feeds.items() if key not in states}, **states)
        outputs.append(said.pop("output"))
        states = {key.replace("_out", "_in"): value for key, value in said.items()}
    assert difference({"output": np.stack(outputs), **said}, wanted) <= BOUND
    assert "Scan" not in {node.op_type for node in onnx.load(tmp_path / "layer.onnx").graph.node}
    told = json.loads(run.session.get_modelmeta().custom_metadata_map["ricorda.states"])
    begins = {state.name: max(state.number, float(np.finfo(np.float32).min)) for state in layer.program.states}
    assert told == [{"input": f"{n}_in", "output": f"{n}_out", "begins": number} for n, number in begins.items()]


VARIANTS: dict[str, dict[str, Any]] = {
    "no biases": {"bias": False},
    "batch first": {"batch_first": True},
    "zoneout": {"zoneout": 0.3},
    "layer norm": {"layer_norm": True},
    "one direction": {"bidirectional": False, "num_layers": 3},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "lstm_coupled", "mgu"])
def test_variants_of_layers(name: str, variant: str, tmp_path: Path) -> None:
    layer = made(name, **VARIANTS[variant])
    drawn = Drawn(layer, 6, 3, [2, 6, 0])
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    assert difference(run(**drawn.feeds()), drawn.results()) <= BOUND


@pytest.mark.parametrize("name", ["lstm", "lstm_coupled", "lstm_peephole"])
def test_projections(name: str, tmp_path: Path) -> None:
    layer = made(name, proj_size=2)
    drawn = Drawn(layer, 6, 3, [2, 6, 0])
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    assert run.outputs["output"] == ["T", "B", 4]
    assert difference(run(**drawn.feeds()), drawn.results()) <= BOUND


@pytest.mark.parametrize("name", ["lstm", "slstm", "mgu"])
def test_without_options_there_is_one_input_and_the_states_begin_as_the_cell_says(name: str, tmp_path: Path) -> None:
    layer = made(name)
    run = exported(layer, tmp_path / "layer.onnx")
    assert run.inputs == {"input": ["T", "B", 3]}
    x = torch.randn(4, 2, 3)
    with torch.no_grad():
        y, states = layer(x)
    said = run(input=x)
    assert difference({"output": said["output"]}, {"output": y.numpy()}) <= BOUND
    first = states[0] if isinstance(states, tuple) else states
    assert np.abs(list(said.values())[1] - first.numpy()).max() <= BOUND


@pytest.mark.parametrize("name", [*CELLS, *OWN])
def test_float64_without_lengths_and_initial_states(name: str, tmp_path: Path) -> None:
    layer = made(OWN.get(name, name), dtype=torch.float64, num_layers=1, bidirectional=False)
    drawn = Drawn(layer, 4, 2)
    drawn.states = first_states(layer.stack, 2, drawn.x)
    run = exported(layer, tmp_path / "layer.onnx")
    assert difference(run(input=drawn.x, **drawn.inputs), drawn.results()) <= 1e-14


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_weights_are_written_exactly_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    layer = made("lstm", dtype=dtype)
    drawn = Drawn(layer, 5, 2, [5, 3])
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    assert difference(run(**drawn.feeds()), drawn.results(copy.deepcopy(layer).float())) <= BOUND


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_factors_rounded_to_bf16(name: str, tmp_path: Path) -> None:
    layer = made(name, precision="bf16", engine="cpu")
    drawn = Drawn(layer, 6, 3)
    run = exported(layer, tmp_path / "layer.onnx", states=True)
    said, wanted = run(**drawn.feeds()), drawn.results()
    layer.precision = "float32"
    whole = difference(drawn.results(), wanted)
    # A factor that is near the middle of two numbers may be rounded to the other one; few are.
    assert difference(said, wanted) < whole / 5


def test_padding_is_never_read(tmp_path: Path) -> None:
    for name in ("lstm", "gru", "mgu", "sru"):
        layer = made(name)
        drawn = Drawn(layer, 6, 3, [2, 6, 0])
        run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
        feeds = drawn.feeds()
        for row, length in enumerate([2, 6, 0]):
            feeds["input"][length:, row] = np.nan
        assert difference(run(**feeds), drawn.results()) <= BOUND


@cell
def own_lstm(x, short, long):
    """The LSTM in other words: names, order of affines and of arguments are its own."""
    show, new = sigmoid(affine("show", x, short)), tanh(affine("new", short, x))
    write, keep = sigmoid(affine("write", x, short)), sigmoid(affine("keep", x, short))
    long = new * write + long * keep
    return tanh(long) * show, long


@cell
def no_lstm(x, h, c):
    """The LSTM but for one function."""
    i, f, o = (sigmoid(affine(gate, h, x)) for gate in "ifo")
    c = f * c + i * sigmoid(affine("g", h, x))
    return o * tanh(c), c


@cell
def same_gate(x, h, c):
    """The LSTM but that one gate does the work of two."""
    i, o = (sigmoid(affine(gate, h, x)) for gate in "io")
    c = i * c + i * tanh(affine("g", h, x))
    return o * tanh(c), c


@pytest.mark.parametrize(("own", "operator"), [(own_lstm, "LSTM"), (no_lstm, "Scan"), (same_gate, "Scan")])
def test_equations_decide_what_a_cell_is_and_not_names(own: Any, operator: str, tmp_path: Path) -> None:
    layer = made(own)
    drawn = Drawn(layer, 6, 3, [2, 6, 0])
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    assert difference(run(**drawn.feeds()), drawn.results()) <= BOUND
    assert operator in {node.op_type for node in onnx.load(tmp_path / "layer.onnx").graph.node}


@cell(inputs={"output": 1}, sizes={"lengths": "I"})
def colliding(input, output, h_in, lengths):
    """A cell whose names are those of the exported file."""
    new = tanh(affine("T", h_in, input, output))
    return new + 0.5, lengths * input


def test_names_that_collide_get_underscores(tmp_path: Path) -> None:
    layer = made(colliding, num_layers=1, bidirectional=False)
    run = exported(layer, tmp_path / "layer.onnx", lengths=True, states=True)
    assert list(run.inputs) == ["input", "lengths", "output", "h_in_in", "lengths_in"]
    assert list(run.outputs) == ["output_", "h_in_out", "lengths_out"]
    drawn = Drawn(layer, 5, 2, [5, 0])
    said = run(**drawn.feeds())
    assert difference({"output": said.pop("output_"), **said}, drawn.results()) <= BOUND


def test_weights_are_those_of_the_layer_bit_for_bit(tmp_path: Path) -> None:
    layer = LSTM(3, 5)
    export.onnx(layer, tmp_path / "layer.onnx")
    kept = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "layer.onnx").graph.initializer}
    i, f, g, o = layer.weight_ih_l0.detach().numpy().reshape(4, 5, 3)
    assert np.array_equal(kept["recurrent_l0.W"][0], np.concatenate([i, o, f, g]))


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole", "gru", "gru_reset_after", "rnn", "rnn_relu"])
def test_weights_are_equal_to_the_bit_after_export_and_import(name: str, tmp_path: Path) -> None:
    layer = made(name)
    export.onnx(layer, tmp_path / "layer.onnx", lengths=True)
    again = from_onnx(tmp_path / "layer.onnx")
    assert list(again) == ["recurrent_l0", "recurrent_l1"]
    kept = layer.state_dict()
    for level, one in enumerate(again.values()):
        assert one.program.values == layer.program.values
        for key, weight in one.state_dict().items():
            assert torch.equal(weight, kept[key.replace("_l0", f"_l{level}")]), key


TRIED = {
    1: [[-7.5, -1.0, -0.0, 0.0, 0.3, 2.0, 30.0]],
    2: [[-7.5, 7.5, 0.0, 3.0, -3.0, 2.0, 0.5], [2.0, -2.0, 1.0, 3.0, 3.0, -0.5, 0.0]],
    3: [[-1.0, 0.0, 2.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_a_row_and_computes_the_same(name: str, dtype: Any) -> None:
    assert ONNX.keys() == OPERATIONS.keys()
    row = OPERATIONS[name]
    arrays = [np.array([values], dtype) for values in TRIED[row.arity]]
    if name in ("log", "sqrt", "safe_sqrt", "pow"):
        arrays[0] = np.abs(arrays[0])
    if name == "safe_sqrt":
        arrays[1] = np.full_like(arrays[0], 1000.0)
    g = Graph(dtype)
    names = [g.input(f"a{number}", dtype, ["B", array.shape[1]]) for number, array in enumerate(arrays)]
    g.output("said", ONNX[name](g, *names), dtype, ["B", None])
    run = OnnxFile.of(g.model("one", {}))
    said = run(**dict(zip(names, arrays, strict=True)))["said"]
    wanted = row.reference(torch, *map(torch.from_numpy, arrays)).numpy()
    eps = float(np.finfo(dtype).eps)  # ONNX Runtime's functions have no small relative errors where they are small.
    np.testing.assert_allclose(np.broadcast_to(said, wanted.shape), wanted, rtol=4 * eps, atol=eps / 4)


def test_what_cannot_be_exported_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "layer.onnx"
    with pytest.raises(ArgumentError, match="form is 'steps': give 'sequence' or 'step'"):
        export.onnx(GRU(2, 3), path, form="steps")
    with pytest.raises(ArgumentError, match="a bidirectional layer has no step"):
        export.onnx(GRU(2, 3, bidirectional=True), path, form="step")
    with pytest.raises(ArgumentError, match=r"the model is a GRU: give a ricorda\.nn\.Recurrent or a trained model"):
        export.onnx(torch.nn.GRU(2, 3), path)
    monkeypatch.delitem(ONNX, "tanh")
    with pytest.raises(ArgumentError, match=r"cell mgu uses tanh, which ricorda\.export\.to_onnx\.operations lacks"):
        export.onnx(Recurrent("mgu", 2, 3), path)
    monkeypatch.setattr("ricorda.export.to_onnx.serial.MOST_BYTES", 100)
    with pytest.raises(
        ArgumentError, match=r"layer\.onnx would have [\d,]+ bytes, and a file of ONNX holds up to 2 GB"
    ):
        export.onnx(GRU(2, 3), path)
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    with pytest.raises(
        ArgumentError, match=r"the package onnx is missing: install it with `pip install 'ricorda\[onnx\]'`"
    ):
        export.onnx(GRU(2, 3), path)
    assert list(tmp_path.iterdir()) == []
