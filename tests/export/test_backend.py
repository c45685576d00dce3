"""ricorda as a backend of onnx: the official tests of the recurrent operators, and whole models."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import helper  # noqa: E402
from oracles.onnx_nodes import model_of, node, numbers  # noqa: E402

from ricorda import ArgumentError  # noqa: E402
from ricorda.export import Backend  # noqa: E402

COMMON = ("defaults", "with_initial_bias", "batchwise", "reverse", "bidirectional")
OFFICIAL = {
    *(f"test_gru_{case}" for case in (*COMMON, "seq_length")),
    *(f"test_lstm_{case}" for case in (*COMMON, "with_peepholes")),
    *(f"test_simple_rnn_{case}" for case in COMMON),
    "test_rnn_seq_length",
}
assert len(OFFICIAL) == 18


@pytest.fixture(scope="module")
def official() -> Any:
    """onnx's own test case with the tests of the three operators, which are made when their modules are imported."""
    from onnx.backend.test import runner
    from onnx.backend.test.case.node import _NodeTestCases, gru, lstm, rnn  # noqa: F401

    with pytest.MonkeyPatch.context() as patch:  # Without it all operators' tests are made, which takes 20 s.
        own = [case for case in _NodeTestCases if case.name in OFFICIAL]
        patch.setattr(runner, "load_model_tests", lambda kind: own if kind == "node" else [])
        return runner.Runner(Backend).test_cases["OnnxBackendNodeModelTest"]


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_the_official_tests_pass(name: str, official: Any) -> None:
    result = official(f"{name}_cpu").run()
    assert result.testsRun == 1
    assert not result.skipped
    assert not [text for _, text in (*result.errors, *result.failures)]


def test_a_model_around_a_node_runs_whole() -> None:
    inputs = numbers("LSTM", 1, 4, 3, 2, 3, "B")
    model = model_of("LSTM", {}, inputs)
    model.graph.node.append(helper.make_node("Tanh", ["Y_h"], ["squashed"]))
    model.graph.output.append(helper.make_tensor_value_info("squashed", 1, [1, 3, 3]))
    y, h, c, squashed = Backend.prepare(model).run([inputs["X"]])
    for ours, theirs in zip((y, h, c), node("LSTM", {}, inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(squashed, np.tanh(h))
    assert np.array_equal(Backend.run_model(model, {"X": inputs["X"]})[0], y)
    with pytest.raises(ArgumentError, match=r"takes 1 inputs \(X\), not 2"):
        Backend.prepare(model).run([inputs["X"], inputs["X"]])


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_one_node_runs_alone_with_its_optional_inputs_left_out(op: str) -> None:
    inputs = numbers(op, 2, 4, 3, 2, 3, "initial_h")
    inputs["sequence_lens"] = np.array([4, 0, 2], np.int32)
    made = helper.make_node(op, ["X", "W", "R", "", "L", "h"], ["", "last"], hidden_size=3, direction="bidirectional")
    given = [inputs[name] for name in ("X", "W", "R", "sequence_lens", "initial_h")]
    (last,) = Backend.run_node(made, given)
    np.testing.assert_allclose(last, node(op, {}, inputs)[1], rtol=0, atol=1e-6)


def test_it_runs_on_the_processor_alone() -> None:
    assert Backend.supports_device("CPU")
    assert Backend.supports_device("CPU:0")
    assert not Backend.supports_device("CUDA")


SILERO = importlib.util.find_spec("silero_vad")
FILES = sorted((Path(str(SILERO.origin)).parent / "data").glob("*.onnx")) if SILERO else []


@pytest.mark.skipif(not FILES, reason="the package silero-vad is not installed")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_lstms_of_real_files_agree_with_onnx_runtime(path: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    import torch

    from ricorda.nn import from_onnx

    model = onnx.load(path)
    nodes = list(_recurrent(model.graph, []))
    if not nodes:
        pytest.skip("its LSTM is written out as products")
    layers = list(from_onnx(path).values())
    assert len(layers) == len(nodes)
    torch.manual_seed(0)
    for layer, (made, ancestors, tensors) in zip(layers, nodes, strict=True):
        x, h, c = torch.randn(7, 2, layer.input_size), *torch.randn(2, 1, 2, layer.hidden_size)
        own = helper.make_node(
            "LSTM", ["x", *made.input[1:4], "", "h", "c"], ["y", "last_h", "last_c"], hidden_size=128
        )
        given = {"x": x.numpy(), "h": h.numpy(), "c": c.numpy()}
        graph = helper.make_graph(
            [*ancestors, own],
            "graph",
            [helper.make_tensor_value_info(name, 1, values.shape) for name, values in given.items()],
            [helper.make_tensor_value_info(name, 1, None) for name in own.output],
            tensors,
        )
        alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        theirs = runtime.InferenceSession(alone.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, given
        )
        with torch.no_grad():
            y, last = layer(x, (h, c))
        for ours, expected in zip((y[:, None], *last), theirs, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=5e-6)


def _recurrent(graph: Any, scopes: list[Any]) -> Any:
    """Each LSTM of a graph with the nodes and tensors that its weights are made of."""
    scopes = [*scopes, graph]
    for made in graph.node:
        if made.op_type == "LSTM":
            ancestors, tensors, ahead, seen = [], [], list(made.input[1:4]), set()
            while ahead:
                name = ahead.pop()
                if not name or name in seen:
                    continue
                producer = next((n for scope in scopes for n in scope.node if name in n.output), None)
                if producer is None:
                    tensors += [tensor for scope in scopes for tensor in scope.initializer if tensor.name == name]
                else:
                    ancestors.insert(0, producer)
                    ahead += producer.input
                seen.add(name)
            yield made, ancestors, tensors
        for attribute in made.attribute:
            if attribute.HasField("g"):
                yield from _recurrent(attribute.g, scopes)


@pytest.mark.skipif(not FILES, reason="the package silero-vad is not installed")
def test_a_real_file_runs_whole() -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    path: Callable[[str], Path] = lambda name: next(file for file in FILES if file.stem == name)  # noqa: E731
    rng = np.random.default_rng(0)
    fed = {
        "input": (0.1 * rng.standard_normal((1, 576))).astype(np.float32),
        "state": (0.1 * rng.standard_normal((2, 1, 128))).astype(np.float32),
        "sr": np.array(16000, np.int64),
    }
    file = path("silero_vad_16k_op15")
    theirs = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, fed)
    ours = Backend.prepare(onnx.load(file)).run(fed)
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=5e-6)
