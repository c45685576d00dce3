"""Runs of a program on numbers, to hold one engine against another: every result and every gradient by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from oracles.classic import CLASSIC
from torch import Tensor

from ricorda.engines import Request, reference
from ricorda.program.ir import Program
from ricorda.program.sizes import Sizes
from ricorda.program.weights import layout

PROGRAMS = {name: found.program for name, found in CLASSIC.items()} | {
    f"{name}, projected": CLASSIC[name].projected_program for name in ("lstm", "lstm_coupled")
}


@dataclass
class Case:
    """A run: shapes, options and, drawn from the seed, numbers."""

    program: Program
    T: int = 4
    B: int = 3
    I: int = 3
    H: int = 5
    P: int = 4
    bias: bool = True
    dtype: torch.dtype = torch.float64
    lengths: Sequence[int] | None = None
    reverse: bool = False
    record: tuple[str, ...] = ()
    seed: int = 0
    parameters: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)
        self.sizes = Sizes({"I": self.I, "H": self.H, "P": self.P})
        for name, shape in layout(self.program, self.bias).shapes.items():
            rows = sum(self.sizes[row] for row in shape.rows)
            columns = [] if shape.columns is None else [self.sizes[shape.columns]]
            self.parameters[name] = self.numbers(rows, *columns, scale=max(columns, default=1) ** -0.5)
        self.x = self.numbers(self.T, self.B, self.I)
        self.states = [self.numbers(self.B, self.sizes[state.size]) for state in self.program.states]
        self.inputs = {v.name: self.numbers(self.T, self.B, self.sizes[v.size]) for v in self.program.inputs[1:]}

    def numbers(self, *shape: int, scale: float = 1.0) -> Tensor:
        drawn = torch.randn(*shape, dtype=torch.float64, generator=self.generator) * scale
        return drawn.float().to(self.dtype).requires_grad_()  # the same numbers in every type

    @property
    def given(self) -> dict[str, Tensor]:
        """All that a gradient can be asked of."""
        states = {f"initial {state.name}": value for state, value in zip(self.program.states, self.states, strict=True)}
        inputs = {f"input {name}": value for name, value in self.inputs.items()}
        return {"x": self.x, **inputs, **states, **self.parameters}

    def run(self, engine: Any) -> dict[str, Tensor]:
        """Output, final states and records by name."""
        lengths = None if self.lengths is None else torch.tensor(self.lengths)
        request = Request(
            self.program,
            self.parameters,
            self.x,
            self.states,
            lengths,
            self.reverse,
            self.record,
            self.seed,
            inputs=self.inputs,
        )
        run = engine.run(request)
        finals = {f"final {state.name}": value for state, value in zip(self.program.states, run.states, strict=True)}
        return {"output": run.output, **finals, **{f"record {name}": run.records[name] for name in self.record}}

    def loss(self, values: dict[str, Tensor], through: str = "") -> Tensor:
        """A sum of the results whose names begin so, each number with a random weight."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        weights = {name: torch.randn(value.shape, dtype=D, generator=generator) for name, value in values.items()}
        chosen = [(values[name] * weights[name].to(self.dtype)).sum() for name in values if name.startswith(through)]
        return torch.stack(chosen).sum()

    def everything(self, engine: Any, through: str = "") -> dict[str, Tensor]:
        """The results, and the gradient of everything that is given and wants one; zeros where nothing comes back."""
        values = self.run(engine)
        wanted = {name: value for name, value in self.given.items() if value.requires_grad}
        found = torch.autograd.grad(self.loss(values, through), list(wanted.values()), allow_unused=True)
        gradients = [
            torch.zeros_like(value) if gradient is None else gradient
            for gradient, value in zip(found, wanted.values(), strict=True)
        ]
        named = {f"gradient of {name}": gradient for name, gradient in zip(wanted, gradients, strict=True)}
        return {name: value.detach() for name, value in {**values, **named}.items()}


D = torch.float64


def every_name(program: Program) -> tuple[str, ...]:
    return tuple(name for name, _ in program.names)


def check(case: Case, engine: Any, through: str = "") -> None:
    """Hold an engine to the reference, in float64 to 1e-10.

    In float32 both start from the same numbers, and the reference computes in float64. A result is a sum of at most
    T * (I + 2 H + B) products, each rounded once: what rounding can do is that times eps, relative to the largest. A
    random cell can magnify rounding, by the slope of a tanh far out; then `rounding` says by how much, and the
    engine may err by twice that.
    """
    exact = case
    bound = 1e-10
    if case.dtype == torch.float32:
        exact = Case(**{name: getattr(case, name) for name in OPTIONS} | {"dtype": D})
        bound = torch.finfo(torch.float32).eps * case.T * (case.I + 2 * case.H + case.B)
    ours, expected = case.everything(engine, through), exact.everything(reference, through)
    assert ours.keys() == expected.keys()
    errors = {name: largest(ours[name].to(D) - value) for name, value in expected.items()}
    bounds = {name: bound * max(1.0, largest(value)) for name, value in expected.items()}
    assert {value.dtype for value in ours.values()} == {case.dtype}
    if case.dtype == torch.float32 and any(errors[name] > bounds[name] for name in errors):
        magnified = rounding(case, expected, through)
        bounds = {name: max(bound, 2 * magnified[name]) for name, bound in bounds.items()}
    for name, error in errors.items():
        assert error <= bounds[name], (name, error, bounds[name], [getattr(case, option) for option in OPTIONS])


def rounding(case: Case, expected: dict[str, Tensor], through: str) -> dict[str, float]:
    """The largest error of the reference in float32, in eight runs from numbers each of which is moved by an eps.

    One run says little: errors of two roundings of a cell that magnifies them differ forty times by chance.
    """
    errors = dict.fromkeys(expected, 0.0)
    for seed in range(8):
        moved = replace(case, parameters={})
        generator = torch.Generator().manual_seed(seed)
        for value in moved.given.values():
            eps = torch.finfo(value.dtype).eps
            value.data *= 1 + eps * (2 * torch.rand(value.shape, generator=generator) - 1)
        for name, value in moved.everything(reference, through).items():
            errors[name] = max(errors[name], largest(value.to(D) - expected[name]))
    return errors


def largest(value: Tensor) -> float:
    return float(value.abs().max()) if value.numel() else 0.0


OPTIONS = ("program", "T", "B", "I", "H", "P", "bias", "lengths", "reverse", "record", "seed")
