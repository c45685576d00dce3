"""ONNX Runtime: a graph of ONNX's own RNN, GRU and LSTM operators, inference only."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from cases import Case
from onnx import TensorProto, helper, numpy_helper
from problem import Problem, Runs

ORDER = {"RNN": [0], "GRU": [1, 0, 2], "GRU reset-before": [1, 0, 2], "LSTM": [0, 3, 1, 2]}
"""torch's gates (r z n; i f g o) in the order of ONNX (z r h; i o f c)."""

Arrays = dict[str, np.ndarray]


def runs(problem: Problem, threads: int) -> Runs:
    session = _session(_graph(problem.case, _arrays(problem), stepwise=False), threads)
    feed = {"x": problem.x.numpy()}
    return Runs(lambda: session.run(["y"], feed)[0])


def int8_runs(problem: Problem, threads: int) -> Runs:
    """The same with weights of int8, which its own tool converts: an LSTM becomes a DynamicQuantizeLSTM."""
    from onnxruntime.quantization import quantize_dynamic

    logging.getLogger().addFilter(lambda record: "pre-processing" not in record.getMessage())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(_graph(problem.case, _arrays(problem), stepwise=False), path, per_channel=True)
        session = _session(onnx.load(path), threads)
    feed = {"x": problem.x.numpy()}
    return Runs(lambda: session.run(["y"], feed)[0])


def step(problem: Problem, threads: int) -> Callable[[], np.ndarray]:
    """One step of a single layer after another, the state going round as NumPy arrays."""
    case = problem.case
    session = _session(_graph(case, _arrays(problem), stepwise=True), threads)
    names = ["h", "c"] if case.cell == "LSTM" else ["h"]
    x = problem.x[:1].numpy()
    feed = {"x": x, **{name: np.zeros((1, case.B, case.H), np.float32) for name in names}}
    wanted = [f"{name}_new" for name in names]

    def run() -> np.ndarray:
        states = session.run(wanted, feed)
        feed.update(zip(names, states, strict=True))
        return states[0]

    return run


def _arrays(problem: Problem) -> Arrays:
    return {name: weight.numpy() for name, weight in problem.weights.items()}


def _session(model: Any, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _reorder(case: Case, rows: np.ndarray) -> np.ndarray:
    """Rows of torch's gates as ONNX has them; its z keeps the old, the reset-before form's u lets the new in."""
    blocks = np.split(rows, len(ORDER[case.cell]))
    if case.cell == "GRU reset-before":
        blocks[1] = -blocks[1]  # 1 - sigmoid(a) = sigmoid(-a)
    return np.concatenate([blocks[k] for k in ORDER[case.cell]])


def _graph(case: Case, arrays: Arrays, *, stepwise: bool) -> Any:
    """The layer from "x" to "y"; stepwise, a single layer's step from "x", "h" (and "c") to "h_new" (and "c_new")."""
    nodes, initializers = [], []
    states = (["h", "c"] if case.cell == "LSTM" else ["h"]) if stepwise else []

    def constant(name: str, value: np.ndarray) -> str:
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    last = "x"
    for level in range(case.layers):
        suffixes = [f"_l{level}", f"_l{level}_reverse"][: case.directions]
        W, R, b, b_recurrent = (
            np.stack([_reorder(case, arrays[name + suffix]) for suffix in suffixes])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        weights = {"W": W, "R": R, "b": np.concatenate([b, b_recurrent], axis=1)}
        inputs = [last, *(constant(f"{name}{level}", value) for name, value in weights.items()), "", *states]
        outputs = [f"steps{level}", *(f"{name}_new" for name in states)]
        options: dict[str, Any] = {"direction": "bidirectional" if case.directions == 2 else "forward"}
        if case.cell.startswith("GRU"):
            options["linear_before_reset"] = int(case.cell == "GRU")
        nodes.append(helper.make_node(case.cell.split()[0], inputs, outputs, hidden_size=case.H, **options))
        if not stepwise:  # [T, directions, B, H] to [T, B, directions * H]
            last = "y" if level == case.layers - 1 else f"y{level}"
            shape = constant(f"shape{level}", np.array([case.T, case.B, case.directions * case.H], np.int64))
            rows = outputs[0]
            if case.directions == 2:
                rows = f"rows{level}"
                nodes.append(helper.make_node("Transpose", [outputs[0]], [rows], perm=[0, 2, 1, 3]))
            nodes.append(helper.make_node("Reshape", [rows, shape], [last]))

    def vectors(name: str, *sizes: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)

    x = vectors("x", 1 if stepwise else case.T, case.B, case.I)
    y = vectors("y", case.T, case.B, case.directions * case.H)
    before = [vectors(name, 1, case.B, case.H) for name in states]
    after = [vectors(f"{name}_new", 1, case.B, case.H) for name in states]
    graph = helper.make_graph(nodes, "layer", [x, *before], after if stepwise else [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
