"""Recurrent nodes of ONNX files become layers that compute the same, with their weights bit for bit."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from oracles.onnx_nodes import USUAL, Array, model_of, node, numbers  # noqa: E402

from ricorda import ArgumentError, DataError, cells, export  # noqa: E402
from ricorda.nn import Recurrent, from_onnx  # noqa: E402
from ricorda.nn.onnx_import.cells import ACTIVATIONS  # noqa: E402

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}

Case = tuple[str, dict[str, Any], tuple[str, ...]]


def cases() -> Iterator[Case]:
    """Operator, attributes, inputs: each option of ONNX Runtime's own tests of these operators, and others."""
    for op in USUAL:
        for direction in DIRECTIONS:
            yield op, {"direction": direction}, ()
            yield op, {"direction": direction, "clip": 0.25}, ("B", "lengths", "initial_h")
        yield op, {}, ("B", "initial_h")
        yield op, {"layout": 1, "direction": "bidirectional"}, ("B", "initial_h", "lengths")
        yield op, {"clip": 4.0}, ()
    for direction in DIRECTIONS:
        yield "LSTM", {"direction": direction}, ("B", "P", "initial_h", "initial_c", "lengths")
        yield "LSTM", {"direction": direction, "input_forget": 1}, ("B",)
        yield "GRU", {"direction": direction, "linear_before_reset": 1}, ("B", "initial_h", "lengths")
    yield "LSTM", {}, ("P",)
    yield "LSTM", {}, ("B", "initial_c")
    yield "LSTM", {"input_forget": 1}, ("B", "P", "initial_h", "initial_c")
    yield "LSTM", {"input_forget": 1, "clip": 0.5}, ("B", "initial_c")
    yield "LSTM", {"clip": 0.125}, ("B", "P", "initial_c")
    yield "LSTM", {"activations": ["tanh", "sigmoid", "tanh"]}, ("B",)
    yield "LSTM", {"activations": ["tanh", "sigmoid", "tanh"] * 2, "direction": "bidirectional"}, ("B", "lengths")
    yield "LSTM", {"activations": ["HardSigmoid", "Softsign", "Relu"], "activation_alpha": [0.25]}, ("B", "P")
    yield "GRU", {"activations": ["tanh", "sigmoid"]}, ("B",)
    yield "GRU", {"linear_before_reset": 1, "clip": 0.25}, ("B",)
    yield "GRU", {"linear_before_reset": 1}, ()
    different = ["LeakyRelu", "Tanh", "Sigmoid", "ScaledTanh"]
    numbers_of = {"activation_alpha": [0.5, 2.0], "activation_beta": [2.0]}
    yield "GRU", {"activations": different, "direction": "bidirectional", **numbers_of}, ("B", "initial_h", "lengths")
    yield "RNN", {"activations": ["Relu"]}, ("B",)
    yield "RNN", {"activations": ["Relu", "Softsign"], "direction": "bidirectional"}, ("B", "lengths")
    yield "RNN", {"activations": ["Tanh", "Tanh"]}, ()
    for name, activation in ACTIVATIONS.items():
        own = {f"activation_{letter}": [0.75] for letter, _ in zip(("alpha", "beta"), activation.numbers, strict=False)}
        yield "RNN", {"activations": [name], "direction": "forward", **own}, ("B", "lengths")
        if None not in activation.numbers:
            yield "GRU", {"activations": [name, "Tanh"]}, ("B",)


CASES = list(cases())


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is the cells and their weights; the engines have tests of their own."""
    monkeypatch.setenv("RICORDA_ENGINE", "reference")


def inputs_of(case: Case, dtype: Any = np.float32, lengths: tuple[int, ...] = (4, 1, 3)) -> dict[str, Array]:
    op, attributes, names = case
    D = DIRECTIONS[attributes.get("direction", "forward")]
    inputs = numbers(op, D, 4, 3, 2, 3, *[name for name in names if name != "lengths"])
    if attributes.get("layout"):
        inputs = {n: v.transpose(1, 0, 2).copy() if n in ("X", "initial_h") else v for n, v in inputs.items()}
    inputs = {name: values.astype(dtype) for name, values in inputs.items()}
    if "lengths" in names:
        inputs["sequence_lens"] = np.array(lengths, np.int32)
    return inputs


def imported(model: Any, folder: Path) -> Recurrent:
    onnx.save(model, folder / "model.onnx")
    return from_onnx(folder / "model.onnx")["node"]


def run(layer: Recurrent, inputs: dict[str, Array]) -> list[Array]:
    """What a layer gives for a node's inputs, in the node's shapes."""
    states = [name for name in ("initial_h", "initial_c") if name in inputs]
    hx = None
    first = layer.batch_first
    if states:
        of_node = {name: torch.from_numpy(inputs[name]) for name in states}
        rows = next(iter(of_node.values()))
        wanted = ("initial_h", "initial_c")[: len(layer.program.states)]
        own = [of_node.get(name, torch.zeros_like(rows)) for name in wanted]
        hx = tuple(state.transpose(0, 1) if first else state for state in own)
        hx = hx if len(hx) > 1 else hx[0]
    lengths = torch.from_numpy(inputs["sequence_lens"]) if "sequence_lens" in inputs else None
    with torch.no_grad():
        y, final = layer(torch.from_numpy(inputs["X"]), hx, lengths)
    D = 2 if layer.bidirectional else 1
    y = y.unflatten(-1, (D, -1))
    y = y if first else y.transpose(1, 2)
    final = final if isinstance(final, tuple) else (final,)
    return [y.numpy(), *((state.transpose(0, 1) if first else state).numpy() for state in final)]


@pytest.mark.parametrize("case", CASES, ids=[f"{op}-{attributes}-{names}" for op, attributes, names in CASES])
def test_a_node_becomes_a_layer_that_computes_what_the_operators_text_says(case: Case, tmp_path: Path) -> None:
    op, attributes, _ = case
    inputs = inputs_of(case, np.float64, (4, 0, 3))
    layer = imported(model_of(op, attributes, inputs), tmp_path)
    assert layer.weight_ih_l0.dtype is torch.float64
    for ours, theirs in zip(run(layer, inputs), node(op, attributes, inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=[f"{op}-{attributes}-{names}" for op, attributes, names in CASES])
def test_onnx_runtime_agrees(case: Case, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    op, attributes, _ = case
    if attributes.get("layout"):
        pytest.skip("ONNX Runtime has no layout=1")
    if "ThresholdedRelu" in attributes.get("activations", ()) and "activation_alpha" not in attributes:
        pytest.skip("ONNX Runtime takes 0 for an alpha that is left out, and the text 1")
    inputs = inputs_of(case)
    layer = imported(model_of(op, attributes, inputs), tmp_path)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    fed = {value.name: inputs[value.name] for value in session.get_inputs()}
    for ours, theirs in zip(run(layer, inputs), session.run(None, fed), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("op", sorted(USUAL))
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_weights_are_the_files_bit_for_bit(op: str, dtype: str, tmp_path: Path) -> None:
    if dtype == "bfloat16":
        number: Any = pytest.importorskip("ml_dtypes").bfloat16
    else:
        number = np.dtype(dtype)
    inputs = {name: values.astype(number) for name, values in numbers(op, 2, 4, 3, 2, 3, "B").items()}
    layer = imported(
        model_of(
            op,
            {"direction": "bidirectional", "linear_before_reset": 1} if op == "GRU" else {"direction": "bidirectional"},
            inputs,
        ),
        tmp_path,
    )
    order = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}[op]
    gates = len(order)
    for direction, suffix in enumerate(("_l0", "_l0_reverse")):
        halves = inputs["B"][direction][: gates * 3], inputs["B"][direction][gates * 3 :]
        rows = [inputs["W"][direction], inputs["R"][direction], *halves]
        for name, values in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), rows, strict=True):
            ours = getattr(layer, name + suffix).detach()
            assert str(ours.dtype) == f"torch.{dtype}"
            theirs = np.concatenate([values[gate * 3 : gate * 3 + 3] for gate in order])
            whole = torch.int64 if dtype == "float64" else torch.int32 if dtype == "float32" else torch.int16
            assert ours.contiguous().view(whole).numpy().tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    ("kind", "ours", "dynamo"),
    [
        (torch.nn.LSTM, "lstm", False),
        (torch.nn.GRU, "gru_reset_after", False),
        (torch.nn.RNN, "rnn", False),
        (torch.nn.LSTM, "lstm", True),
        (torch.nn.GRU, "gru_reset_after", True),
    ],
)
def test_layers_of_torchs_exporters_come_back(kind: Any, ours: str, dynamo: bool, tmp_path: Path) -> None:
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's newer exporter needs the package onnxscript")
    theirs = kind(3, 4, num_layers=1 if dynamo else 2, bidirectional=True).eval()  # The newer one takes seconds.
    x = first = torch.randn(5, 2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The older one says that there is a newer one.
        torch.onnx.export(theirs, (x,), tmp_path / "model.onnx", dynamo=dynamo, verbose=False)
    layers = list(from_onnx(tmp_path / "model.onnx").values())
    assert [layer.program.name for layer in layers] == [ours] * theirs.num_layers
    for level, layer in enumerate(layers):
        for name, weight in layer.named_parameters():
            assert torch.equal(weight, getattr(theirs, name.replace("_l0", f"_l{level}")))
        x = layer(x)[0]
    torch.testing.assert_close(x, theirs(first)[0])


def test_a_network_without_recurrent_nodes_is_refused_by_what_it_has(tmp_path: Path) -> None:
    """Torch's newer exporter writes its RNN step by step."""
    pytest.importorskip("onnxscript", reason="torch's newer exporter needs the package onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            torch.nn.RNN(2, 3), (torch.randn(4, 1, 2),), tmp_path / "rnn.onnx", dynamo=True, verbose=False
        )
    with pytest.raises(DataError, match=r"has no LSTM, GRU or RNN node .its operators are Add, .*MatMul.*Tanh"):
        from_onnx(tmp_path / "rnn.onnx")


OF_ONNX = ["lstm", "lstm_peephole", "lstm_coupled", "gru", "gru_reset_after", "rnn", "rnn_relu"]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", OF_ONNX)
def test_layers_that_were_exported_come_back_bit_for_bit(name: str, bias: bool, tmp_path: Path) -> None:
    layer = Recurrent(name, 3, 4, num_layers=2, bidirectional=True, bias=bias)
    export.onnx(layer, tmp_path / "model.onnx")
    back = list(from_onnx(tmp_path / "model.onnx").values())
    assert len(back) == 2
    x = torch.randn(5, 2, 3)
    y = x
    for level, own in enumerate(back):
        assert (own.program, own.bidirectional) == (layer.program, True)
        for part, weight in own.named_parameters():
            assert torch.equal(weight, getattr(layer, part.replace("_l0", f"_l{level}")))
        y = own(y)[0]
    torch.testing.assert_close(y, layer(x)[0])


FORMS = ("initialisers", "constants", "made", "outer", "branch", "function", "beside")


def in_form(model: Any, form: str, folder: Path) -> None:
    """Write a model with its weights in another form."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    if form == "constants":
        del graph.initializer[:]
        for name, tensor in weights.items():
            graph.node.insert(0, helper.make_node("Constant", [], [name], value=tensor))
    elif form == "made":  # as exporters of recurrent networks write them, in operators of version 11
        model.opset_import[0].version = 11
        del graph.initializer[:]
        for name, tensor in weights.items():
            rows = numpy_helper.to_array(tensor)
            first, second = np.split(rows[0], [2])
            parts = [
                numpy_helper.from_array(part.astype(np.float64), f"{name}_{n}")
                for n, part in enumerate((first, second))
            ]
            made = [
                helper.make_node("Concat", [part.name for part in parts], [f"{name}_all"], axis=0),
                helper.make_node("Cast", [f"{name}_all"], [f"{name}_cast"], to=TensorProto.FLOAT),
                helper.make_node("Identity", [f"{name}_cast"], [f"{name}_same"]),
                helper.make_node("Unsqueeze", [f"{name}_same"], [name], axes=[0]),
            ]
            graph.initializer.extend(parts)
            for made_node in reversed(made):
                graph.node.insert(0, made_node)
    elif form in ("outer", "branch"):
        inner = onnx.GraphProto()
        inner.name = "inner"
        inner.node.extend(graph.node)
        inner.output.extend(graph.output)
        if form == "branch":  # The weights stand in the branch itself.
            inner.initializer.extend(graph.initializer)
            del graph.initializer[:]
        del graph.node[:]
        other = onnx.GraphProto()
        other.CopyFrom(inner)
        other.node[0].name = ""
        for result in (*other.output, *other.node):
            result.name = f"{result.name}_other"
        for place, name in enumerate(other.node[0].output):
            other.node[0].output[place] = f"{name}_other"
        names = [value.name for value in graph.output]
        graph.node.append(helper.make_node("If", ["which"], names, then_branch=inner, else_branch=other))
        graph.input.append(helper.make_tensor_value_info("which", TensorProto.BOOL, []))
    elif form == "function":
        names = list(filter(None, graph.node[0].input))
        body = helper.make_function(
            "own", "Network", names, list(graph.node[0].output), list(graph.node), list(model.opset_import)
        )
        call = helper.make_node("Network", names, list(graph.node[0].output), domain="own")
        model.functions.append(body)
        model.opset_import.append(helper.make_opsetid("own", 1))
        del graph.node[:]
        graph.node.append(call)
    if form == "beside":
        onnx.save(model, folder / "model.onnx", save_as_external_data=True, size_threshold=0, location="weights.bin")
    else:
        onnx.save(model, folder / "model.onnx")


@pytest.mark.parametrize("form", FORMS)
def test_weights_come_in_every_form(form: str, tmp_path: Path) -> None:
    inputs = numbers("LSTM", 1, 4, 3, 2, 3, "B")
    in_form(model_of("LSTM", {}, inputs), form, tmp_path)
    layers = from_onnx(tmp_path / "model.onnx")
    assert len(layers) == (2 if form in ("outer", "branch") else 1)
    for layer in layers.values():
        assert layer.program == cells.lstm.program
        theirs = inputs["W"][0].reshape(4, 3, 2)[[0, 2, 3, 1]].reshape(12, 2)
        assert np.array_equal(layer.weight_ih_l0.detach(), theirs)


def test_nodes_are_told_apart_by_name_or_output(tmp_path: Path) -> None:
    model = model_of("GRU", {}, numbers("GRU", 1))
    for output in ("second", "third"):
        model.graph.node.append(helper.make_node("GRU", ["X", "W", "R"], ["", output], hidden_size=3))
    model.graph.node.append(helper.make_node("GRU", ["X", "W", "R"], ["fourth"], name="node"))
    onnx.save(model, tmp_path / "model.onnx")
    assert list(from_onnx(tmp_path / "model.onnx")) == ["node", "second", "third", "node_2"]


def test_states_of_the_file_are_what_a_layer_begins_with(tmp_path: Path) -> None:
    inputs = numbers("LSTM", 1, 4, 3, 2, 3, "B", "initial_h", "initial_c")
    for name in ("initial_h", "initial_c"):
        inputs[name] = np.repeat(inputs[name][:, :1], 3, axis=1)
    layer = imported(model_of("LSTM", {}, inputs, fed=("X",)), tmp_path)
    x = torch.from_numpy(inputs["X"])
    expected = node("LSTM", {}, inputs)[0][:, 0]
    np.testing.assert_allclose(layer(x)[0].detach(), expected, rtol=0, atol=1e-6)
    one = layer(x[:, 0])[0].detach()
    np.testing.assert_allclose(one, expected[:, 0], rtol=0, atol=1e-6)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [4, 4, 4])
    np.testing.assert_allclose(layer(packed)[0].data.detach().view(4, 3, 3), expected, rtol=0, atol=1e-6)
    stream = layer.stream()
    for _ in range(2):
        steps = torch.stack([stream(step) for step in x[:, 0]])
        torch.testing.assert_close(steps, one, rtol=0, atol=1e-6)
        stream.reset()
    zeros = torch.zeros(1, 3, 3)
    assert not torch.allclose(layer(x, (zeros, zeros))[0], layer(x)[0])
    for way in (export.onnx, export.wasm):
        with pytest.raises(ArgumentError, match="begins with states of its"):
            way(layer, tmp_path / "copy.wasm")
    copy = torch.load(_saved(layer, tmp_path), weights_only=False)
    assert torch.equal(copy(x)[0], layer(x)[0])


def _saved(layer: Recurrent, folder: Path) -> Path:
    torch.save(layer, folder / "layer.pt")
    return folder / "layer.pt"


def test_a_layer_that_reads_backwards_does_so_in_all_its_forms(tmp_path: Path) -> None:
    inputs = numbers("GRU", 1, 4, 3, 2, 3, "B")
    layer = imported(model_of("GRU", {"direction": "reverse"}, inputs), tmp_path)
    x = torch.from_numpy(inputs["X"])
    expected = node("GRU", {"direction": "reverse"}, inputs)[0][:, 0]
    for engine in ("reference", "cpu"):
        layer.engine = engine
        np.testing.assert_allclose(layer(x)[0].detach(), expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(layer(x[:, 1])[0].detach(), expected[:, 1], rtol=0, atol=1e-6)
    _, _, records = layer(x, record=["r"])
    last = torch.sigmoid(x[3] @ layer.weight_ih_l0[:3].T + layer.bias_ih_l0[:3] + layer.bias_hh_l0[:3])
    torch.testing.assert_close(records["r"][0, 0, 3], last)
    assert "gru" in repr(layer)
    assert "backwards" in repr(layer)
    with pytest.raises(ArgumentError, match="reads backwards cannot stream"):
        layer.stream()
    with pytest.raises(ArgumentError, match="reads backwards has no step"):
        export.onnx(layer, tmp_path / "back.onnx", form="step")
    with pytest.raises(ArgumentError, match="reads from a sequence's end"):
        export.wasm(layer, tmp_path / "back.wasm")
    export.onnx(layer, tmp_path / "back.onnx")
    (back,) = from_onnx(tmp_path / "back.onnx").values()
    torch.testing.assert_close(back(x)[0], layer(x)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.graph.node[0].attribute.append(helper.make_attribute("zone", 1)), "attribute zone"),
        (lambda m: _set(m, "activations", ["Sigmoid", "Sine", "Tanh"]), "activation 'Sine'"),
        (lambda m: _set(m, "activations", ["Affine", "Tanh", "Tanh"]), "activation Affine and no activation_alpha"),
        (lambda m: _set(m, "activations", ["Tanh"]), "1 activations, and a LSTM of 1 direction takes 3"),
        (lambda m: _set(m, "direction", "sideways"), "direction='sideways'"),
        (lambda m: _set(m, "clip", float("nan")), "clip=nan"),
        (lambda m: _set(m, "layout", 2), "layout=2"),
        (lambda m: _set(m, "hidden_size", 4), "W of shape .* hidden_size 4"),
        (lambda m: _set(m, "hidden_size", -1), "size of at least 1"),
        (lambda m: m.graph.initializer.pop(0), "W from the value 'W', which is computed in each run"),
        (lambda m: m.graph.node[0].input.__setitem__(2, ""), "has no R"),
        (lambda m: m.graph.initializer[0].dims.__setitem__(1, 10**12), "tensor 'W' that cannot be read"),
        (
            lambda m: m.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((1, 12, 2), np.int8), "W")),
            "int8",
        ),
        (lambda m: setattr(m.graph.node[0], "op_type", "Relu"), r"no LSTM, GRU or RNN node \(its operators are Relu\)"),
        (lambda m: m.graph.node.pop(), r"no LSTM, GRU or RNN node \(it has no node at all\)"),
    ],
)
def test_what_cannot_become_a_layer_is_named(change: Any, message: str, tmp_path: Path) -> None:
    model = model_of("LSTM", {}, numbers("LSTM", 1))
    change(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=message) as refused:
        from_onnx(tmp_path / "model.onnx")
    assert "model.onnx" in str(refused.value)
    assert "\n" not in str(refused.value)


def _set(model: Any, name: str, value: Any) -> None:
    for attribute in model.graph.node[0].attribute:
        if attribute.name == name:
            attribute.CopyFrom(helper.make_attribute(name, value))
            return
    model.graph.node[0].attribute.append(helper.make_attribute(name, value))


def test_weights_that_a_file_makes_without_end_are_refused(tmp_path: Path) -> None:
    model = model_of("RNN", {}, numbers("RNN", 1))
    graph = model.graph
    graph.node[0].input[1] = "w40"  # 2**40 numbers out of a few
    for level in range(40):
        parts = [f"w{level}" if level else "W"] * 2
        graph.node.insert(0, helper.make_node("Concat", parts, [f"w{level + 1}"], axis=0))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(DataError, match="makes more numbers of its weights than it has"):
        from_onnx(tmp_path / "model.onnx")
    graph.node[0].input[0] = graph.node[0].output[0]  # a node that waits for itself
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(DataError, match="more than 200 nodes in a row"):
        from_onnx(tmp_path / "model.onnx")


def test_functions_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    model = model_of("RNN", {}, numbers("RNN", 1))
    opsets = [*model.opset_import, helper.make_opsetid("own", 1)]
    call = lambda level: helper.make_node(f"F{level}", ["a"], ["b"], domain="own")  # noqa: E731
    for level in range(40):
        twice = [helper.make_node("Relu", ["a"], ["b"])] if not level else [call(level - 1), call(level - 1)]
        for number, each in enumerate(twice):
            each.output[0] = f"b{number}" if number + 1 < len(twice) else "b"
        model.functions.append(helper.make_function("own", f"F{level}", ["a"], ["b"], twice, opsets))
    model.opset_import.append(opsets[-1])
    model.graph.node.append(helper.make_node("F39", ["Y"], ["z"], domain="own"))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=r"more than 100,000 nodes"):
        from_onnx(tmp_path / "model.onnx")
    model.functions[0].node[0].op_type, model.functions[0].node[0].domain = "F39", "own"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=r"calls itself"):
        from_onnx(tmp_path / "model.onnx")


def test_files_that_are_no_models_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(DataError, match="cannot be read: No such file"):
        from_onnx(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="no LSTM, GRU or RNN node"):
        from_onnx(path)
    path.write_text("a text, and no model\n" * 100, encoding="utf-8")
    with pytest.raises(DataError, match="no ONNX file, or a damaged one"):
        from_onnx(path)
    with pytest.raises(DataError, match="is a folder"):
        from_onnx(tmp_path)
    with pytest.raises(DataError, match="is no plain file"):
        from_onnx("/dev/zero")
    with open(path, "wb") as file:
        file.truncate(2**31)  # It takes no room on the disk.
    with pytest.raises(DataError, match=r"has 2.0 GB, and an ONNX file is smaller"):
        from_onnx(path)


def test_damaged_files_are_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    in_form(model_of("LSTM", {}, numbers("LSTM", 1, 1, 1, 1, 1)), "function", tmp_path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    damaged = [whole[:end] for end in range(0, len(whole), 11)]
    for _ in range(400):
        copy = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            copy[place] = rng.integers(256)
        damaged.append(bytes(copy))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            from_onnx(path)
        except DataError as error:
            refused += "model.onnx" in str(error) and "\n" not in str(error)
        else:
            refused += 1
    assert refused == len(damaged)


def test_weights_beside_a_file_are_looked_for_beside_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    in_form(model_of("LSTM", {}, numbers("LSTM", 1)), "beside", folder)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    with pytest.raises(DataError, match="cannot be read"):
        from_onnx(folder / "model.onnx")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "../weights.bin"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="cannot be read"):
        from_onnx(folder / "model.onnx")
