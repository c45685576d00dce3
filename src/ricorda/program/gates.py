"""The gates that decide how long a state lasts, found by what they do to it; so it works for users' cells too.

A gate is an affine whose size decides how much of a state is left after a step. That is measured: the program runs on
random numbers, with every affine's value drawn, and one affine after the other is raised and lowered. What a state
keeps is the derivative of its new value by its old one, unit by unit; what is written to it is the new value where the
old one is zero. Paths through an affine are left out, since they mix the units, and so are those through a gate, such
as a peephole's: they say what the gate sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ricorda.errors import CellError
from ricorda.program.ir import MASKS, Program
from ricorda.program.operations import OPERATIONS, is_gate

if TYPE_CHECKING:
    from torch import Tensor

_SHIFTS = (3.0, 20.0, 40.0)
"""How far an affine is raised and lowered: some way, until a gate is open or shut, and beyond."""
_DRAWS, _UNITS = 64, 4
_SAME = 1e-6
"""Effects below it count as none."""
_SHUT = 1e-3
"""The change beyond the second shift that an open or shut gate may still have."""
_LASTING = 0.9
"""The share of a small state that is left when all of its gates are set to keep, at the least."""


@dataclass(frozen=True)
class Gates:
    """The gates of a cell.

    Parameters
    ----------
    signs : index of each affine that decides how long a state lasts -> 1 if a large value keeps the state, -1 if a
        small one does
    keeping : the same for all affines that change the share of a state that is kept, a sign for each such state, 0
        where it differs from draw to draw
    """

    signs: Mapping[int, int]
    keeping: Mapping[int, frozenset[int]]


def memory_gates(program: Program) -> Mapping[int, int]:
    """The affines of the gates that keep a state or write to it.

    Parameters
    ----------
    program : Program
        The program of any cell.

    Returns
    -------
    mapping of int to int
        Index of each such affine to 1 if a large value keeps the state, to -1 if a small value does; empty if no gate
        is certain to keep a state.
    """
    return gates_of(program).signs


@lru_cache(maxsize=256)
def gates_of(program: Program) -> Gates:
    """The gates of a cell, as they are measured.

    In a thread of its own, where no mode of the caller's holds, such as torch.no_grad() or another default device.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_gates, program).result()


def check_forget_gate(program: Program) -> None:
    """Check that a cell's own forget gate keeps a state.

    Raises
    ------
    CellError
        If it lets the new in, or changes no state's share that is kept.
    """
    gate, affine = program.forget_gate, program.forget_affine
    if affine is None:
        return
    keeps = gates_of(program).keeping.get(affine)
    if keeps is not None and keeps != {-1}:
        return
    does = "changes nothing of what is kept" if keeps is None else "lets the new in where it is large"
    raise CellError(
        f'cell {program.name}: its forget_gate is "{gate}", which {does}, and a forget gate keeps the old state where '
        "it is large: leave forget_gate out (memory= finds the gates by what they do)"
    )


def _gates(program: Program) -> Gates:
    run = _Run(program)
    keeping: dict[int, frozenset[int]] = {}
    signs: dict[int, set[int]] = {}
    for state in range(len(program.outputs)):
        effects = run.effects(state)
        for affine, effect in effects.items():
            if effect.keeps is not None:
                keeping[affine] = keeping.get(affine, frozenset()) | {effect.keeps}
        gates = {affine: effect.sign for affine, effect in effects.items() if effect.sign}
        kept = any(effects[affine].keeps for affine in gates)
        if kept and _LASTING <= run.left(state, gates) <= 1 / _LASTING:
            for affine, sign in gates.items():
                signs.setdefault(affine, set()).add(sign)
    return Gates({affine: sign for affine, (sign, *others) in signs.items() if not others}, keeping)


@dataclass(frozen=True)
class _Effect:
    """What an affine does to a state.

    Parameters
    ----------
    keeps : 1 if the state is kept by large values, -1 by small ones, 0 where that differs from draw to draw; None if
        the affine does not change what is kept
    sign : 1 or -1 if it is a gate that keeps the state, or writes to it, with certainty; else 0
    """

    keeps: int | None
    sign: int


def _effect(kept: Tensor, written: Tensor) -> _Effect:
    """The effect of an affine, from what is kept and written, [2 len(_SHIFTS), draws, units]: raised, then lowered."""
    half = len(_SHIFTS)
    lost, size = (kept - 1).abs(), written.abs()
    keeps, writes = _direction(lost[half:] - lost[:half]), _direction(size[:half] - size[half:])
    if keeps is None and bool((kept - kept[:1]).abs().max() > _SAME):
        keeps = 0
    settles = all(bool((_beyond(part) <= _SHUT).all()) for part in (kept, written))
    if keeps is None:
        return _Effect(None, -writes if writes and settles and _vanishes(size, -writes) else 0)
    shuts = bool(keeps) and (_vanishes(lost, keeps) or _vanishes(kept.abs(), -keeps))
    # What opens for the new as well is no memory.
    return _Effect(keeps, keeps if settles and shuts and keeps != writes else 0)


def _vanishes(size: Tensor, sign: int) -> bool:
    """Whether a size becomes 0 where an affine is raised (1) or lowered (-1) far enough."""
    return bool((size[1 if sign > 0 else len(_SHIFTS) + 1] <= _SHUT).all())


def _beyond(part: Tensor) -> Tensor:
    """How much changes between the second shift and the third, where a gate is open or shut."""
    end, beyond = part[1 :: len(_SHIFTS)], part[2 :: len(_SHIFTS)]
    return (beyond - end).abs() / (1 + end.abs())


def _direction(difference: Tensor) -> int | None:
    """1 or -1 if all differences have this sign, 0 if they have both, None if there are none."""
    signs = {sign for sign in (1, -1) if bool((sign * difference > _SAME).any())}
    return signs.pop() if len(signs) == 1 else 0 if signs else None


class _Run:
    """A program on random numbers, with each affine raised and lowered.

    Attributes
    ----------
    rows : index of each affine -> its rows of the results: raised by each of the shifts, then lowered
    """

    def __init__(self, program: Program) -> None:
        import torch  # Imported on use: reading a program does not need torch.

        self.torch, self.program = torch, program
        generator = torch.Generator().manual_seed(0)
        self.drawn = torch.randn(len(program.values), _DRAWS, _UNITS, generator=generator, dtype=torch.float64)
        self.shifts = torch.tensor([sign * shift for sign in (1, -1) for shift in _SHIFTS], dtype=torch.float64)
        self.rows = {
            affine: slice(place * len(self.shifts), (place + 1) * len(self.shifts))
            for place, affine in enumerate(program.affines)
        }

    def effects(self, state: int) -> dict[int, _Effect]:
        """The effect of each affine on a state, by its place among the states."""
        number = len(self.rows) * len(self.shifts)
        shifted = {affine: self.torch.zeros(number, 1, 1, dtype=self.torch.float64) for affine in self.rows}
        for affine, rows in self.rows.items():
            shifted[affine][rows, 0, 0] = self.shifts
        both = self.torch.stack(self._measured(state, shifted, 1.0, number))
        effects: dict[int, _Effect] = {}
        for affine in sorted(self.rows, key=lambda index: not self.program.values[index].bias):
            measured = both[:, self.rows[affine]]
            effect = _effect(*measured)
            # In sigmoid(affine("x", x) + affine("h", h)) one bias is enough.
            if any(
                earlier.sign and self.torch.allclose(measured, both[:, self.rows[other]])
                for other, earlier in effects.items()
            ):
                effect = replace(effect, sign=0)
            effects[affine] = effect
        return effects

    def left(self, state: int, signs: Mapping[int, int]) -> float:
        """The share of a small state that is left if all of its gates are set to keep."""
        shifted = {affine: sign * self.shifts[1] for affine, sign in signs.items()}
        return float(self._measured(state, shifted, 0.1, 1)[0].median())

    def _measured(self, state: int, shifted: Mapping[int, Tensor], size: float, rows: int) -> tuple[Tensor, Tensor]:
        """What is kept of a state and what is written to it, [rows, draws, units], where states are of a size."""
        states = [size * self.drawn[index] for index, value in enumerate(self.program.values) if value.op == "state"]
        seen = self._values(states, shifted)
        old = states[state].expand(rows, -1, -1).clone().requires_grad_()
        new = self._values([*states[:state], old, *states[state + 1 :]], shifted, seen)[self._inner(state)]
        kept = self.torch.zeros_like(old)
        if new.requires_grad:
            (kept,) = self.torch.autograd.grad(new.sum(), old)
        without = [*states[:state], self.torch.zeros_like(states[state]), *states[state + 1 :]]
        written = self._values(without, shifted, seen)[self._inner(state)]
        return kept, written.detach().expand_as(kept)

    def _inner(self, state: int) -> int:
        """The index of a state's new value, before a function such as tanh squashes it as a whole."""
        index = self.program.outputs[state]
        while (value := self.program.values[index]).op in OPERATIONS and OPERATIONS[value.op].bounds:
            index = value.args[0]
        return index

    def _values(
        self, states: Sequence[Tensor], shifted: Mapping[int, Tensor], seen: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """All values of the program; gates as they were in an earlier run, if one is given."""
        values: list[Tensor] = []
        entering = iter(states)
        for index, value in enumerate(self.program.values):
            if value.op == "state":
                values.append(next(entering))
            elif seen is not None and is_gate(value.op):
                values.append(seen[index])
            elif value.op in OPERATIONS:
                values.append(OPERATIONS[value.op].reference(self.torch, *(values[arg] for arg in value.args)))
            elif value.op == "constant":
                values.append(self.torch.tensor(value.number, dtype=self.torch.float64))
            elif value.op in MASKS:
                values.append(self.torch.ones_like(self.drawn[index]))
            else:
                values.append(self.drawn[index] + shifted.get(index, 0.0))
        return values
