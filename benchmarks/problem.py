"""One problem for all libraries: a case's numbers, what is timed of it, and the check that results are equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from cases import Case
from torch import Tensor, nn

import ricorda

OURS = "ricorda"
TORCH = "torch.nn"
JAX = "JAX"
ONNX = "ONNX Runtime"

Gradients = dict[str, Any]


class WrongResultError(Exception):
    """A contender computes another result than the others."""


@dataclass(frozen=True)
class Runs:
    """What is timed: inference gives the output [T, B, directions * H]; training gives every gradient by name."""

    infer: Callable[[], Any]
    train: Callable[[], Gradients] | None = None


@dataclass
class Problem:
    """A case's numbers: weights in torch.nn's names and layout, the input, and the gradient of the output."""

    case: Case
    weights: dict[str, Tensor] = field(init=False)
    x: Tensor = field(init=False)
    cotangent: Tensor = field(init=False)

    def __post_init__(self) -> None:
        case, generator = self.case, torch.Generator().manual_seed(0)
        bound = case.H**-0.5
        shapes = {name: weight.shape for name, weight in torch_layer(case).named_parameters()}
        self.weights = {
            name: torch.empty(shape).uniform_(-bound, bound, generator=generator) for name, shape in shapes.items()
        }
        self.x = torch.randn(case.T, case.B, case.I, generator=generator)
        self.cotangent = torch.randn(case.T, case.B, case.directions * case.H, generator=generator)


def torch_layer(case: Case) -> nn.RNNBase:
    """torch.nn's layer; for the reset-before GRU, which torch lacks, its reset-after form of equal arithmetic."""
    kind = {"RNN": nn.RNN, "GRU": nn.GRU, "GRU reset-before": nn.GRU, "LSTM": nn.LSTM}[case.cell]
    return kind(case.I, case.H, case.layers, bidirectional=case.directions == 2)


def our_layer(case: Case, **options: Any) -> ricorda.Recurrent:
    """ricorda's layer."""
    sizes, both = (case.I, case.H, case.layers), case.directions == 2
    if case.cell == "RNN":
        return ricorda.RNN(*sizes, bidirectional=both, **options)
    if case.cell == "LSTM":
        return ricorda.LSTM(*sizes, bidirectional=both, **options)
    return ricorda.GRU(*sizes, bidirectional=both, reset_after=case.cell == "GRU", **options)


def module_runs(layer: nn.Module, problem: Problem, **call: Any) -> Runs:
    """What is timed of a torch module that returns its output first."""
    x = problem.x.clone().requires_grad_()
    named = dict(layer.named_parameters())
    leaves = [x, *named.values()]

    def infer() -> Tensor:
        with torch.no_grad():
            output: Tensor = layer(problem.x, **call)[0]
        return output

    def train() -> Gradients:
        output = layer(x, **call)[0]
        gradients = torch.autograd.grad(output, leaves, problem.cotangent.to(output.dtype))
        return dict(zip(["x", *named], gradients, strict=True))

    return Runs(infer, train)


def check(name: str, case: Case, run: Runs, right: Runs) -> None:
    """Compare output and gradients; raise WrongResultError if they differ by more than the rounding of float32."""
    _compare(f"{name}, {case.label}, output", run.infer(), right.infer())
    if run.train is None or right.train is None:
        return
    gradients, expected = run.train(), right.train()
    for key, value in expected.items():
        _compare(f"{name}, {case.label}, gradient of {key}", gradients[key], value)


def _compare(what: str, result: Any, expected: Any) -> None:
    a, b = (np.asarray(value.detach() if isinstance(value, Tensor) else value) for value in (result, expected))
    if a.shape != b.shape:
        raise WrongResultError(f"{what} has shape {a.shape} instead of {b.shape}")
    difference, size = float(np.max(np.abs(a - b))), float(np.max(np.abs(b)))
    if not difference <= 1e-3 * size:
        raise WrongResultError(f"{what} is off by {difference:.2g}, where the largest number is {size:.2g}")


def reset_before_loop(problem: Problem) -> Runs:
    """The reset-before GRU in plain torch operations: what is right where torch.nn has no such layer."""
    case = problem.case
    x = problem.x.clone().requires_grad_()
    weights = {name: weight.clone().requires_grad_() for name, weight in problem.weights.items()}

    def one(y: Tensor, suffix: str) -> Tensor:
        z = y @ weights["weight_ih" + suffix].T + weights["bias_ih" + suffix] + weights["bias_hh" + suffix]
        recurrent = weights["weight_hh" + suffix]
        a, outputs = y.new_zeros(case.B, case.H), {}
        for t in reversed(range(case.T)) if suffix.endswith("reverse") else range(case.T):
            r, u = torch.sigmoid(z[t, :, : 2 * case.H] + a @ recurrent[: 2 * case.H].T).chunk(2, 1)
            candidate = torch.tanh(z[t, :, 2 * case.H :] + (r * a) @ recurrent[2 * case.H :].T)
            a = (1 - u) * a + u * candidate
            outputs[t] = a
        return torch.stack([outputs[t] for t in range(case.T)])

    def forward() -> Tensor:
        y = x
        for level in range(case.layers):
            suffixes = [f"_l{level}", f"_l{level}_reverse"][: case.directions]
            y = torch.cat([one(y, suffix) for suffix in suffixes], 2)
        return y

    def train() -> Gradients:
        gradients = torch.autograd.grad(forward(), [x, *weights.values()], problem.cotangent)
        return dict(zip(["x", *weights], gradients, strict=True))

    return Runs(lambda: forward().detach(), train)
