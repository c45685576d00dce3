"""Section "int8": inference in int8 beside our float32, torch's quantize_dynamic and ONNX Runtime's quantized LSTM."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict

import torch
from cases import Case
from measure import interleave
from problem import ONNX, OURS, TORCH, Problem, our_layer, torch_layer
from rows import Row, Settings
from torch import nn

SECTION = "int8"
FLOAT32 = "float32"

Calls = dict[str, Callable[[], object]]


def run(settings: Settings) -> Iterator[Row]:
    cases = ((16, 256, 100), (64, 512, 100), (32, 1024, 50))
    for cell in ("LSTM", "GRU"):
        for B, H, T in ((4, 16, 10),) if settings.quick else cases:
            case = Case(cell, B, H, T)
            if settings.wants(SECTION, case.label):
                calls, absent = _calls(Problem(case), settings.threads)
                facts = {"case": asdict(case), "flops": case.flops("inference"), "absent": absent}
                yield settings.report(Row.of(SECTION, case.label, interleave(calls, settings.plan), **facts))


def _calls(problem: Problem, threads: int) -> tuple[Calls, dict[str, str]]:
    """Our layer in both precisions, and each peer in int8; and for each other one the reason."""
    case, absent = problem.case, {}
    calls = {
        name: _inference(our_layer(case, precision=precision).eval(), problem)
        for name, precision in ((OURS, "int8"), (FLOAT32, "float32"))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that it will move to a library of its own.
        layer = nn.Sequential(torch_layer(case)).eval()
        layer[0].load_state_dict(problem.weights)
        quantized = torch.ao.quantization.quantize_dynamic(layer, {nn.LSTM, nn.GRU}, dtype=torch.qint8)
    calls[TORCH] = _inference(quantized[0], problem)
    if case.cell == "LSTM":
        try:
            import onnx_peer

            calls[ONNX] = onnx_peer.int8_runs(problem, threads).infer
        except ImportError as error:
            absent[ONNX] = str(error)
    else:
        absent[ONNX] = "it has a quantized LSTM alone"
    return calls, absent


def _inference(layer: nn.Module, problem: Problem) -> Callable[[], object]:
    if OURS in type(layer).__module__:
        layer.load_state_dict(problem.weights)

    def infer() -> object:
        with torch.inference_mode():
            return layer(problem.x)[0]

    return infer
