"""Follows what some steps wrote into a state: how much of it each later step still holds and shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.errors import DataError
from ricorda.insight.memory.decomposition import (
    Values,
    followed_states,
    keep_and_written,
    lines_of_states,
    not_additive,
    shown_lines,
    stretches,
)
from ricorda.insight.passage import NOTHING_BESIDE
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS
from ricorda.shown import Shown

Weighing = Callable[[int], Tensor | None]
"""Maps a step (in the input's order) to the weight of each output unit in a sum, [H], or to None for zero weights."""

_INITIAL, _BEFORE, _WINDOW = 0, 1, 2
"""Rows of `parts`: 0 initial state, 1 steps before the window, 2 and on its steps, last the steps after it."""


@dataclass(frozen=True, repr=False)
class Remains(Shown):
    """What became of what the steps of a window wrote, in one direction; rows are in the order of the input.

    Parameters
    ----------
    state : str
        The state that was followed.
    written : array [W]
        The norm of what each step wrote.
    held : array [W, W]
        The norm of what step w wrote, as it is after step v; 0 if the direction reads v before w.
    left : array [W]
        The norm of what step w wrote, as it is after the direction's last step.
    shown : array [W, H], optional
        The contribution of each step to the weighted sum of the outputs.
    rest, initial : array [H], optional
        The contributions of all other steps and of the initial state.
    """

    state: str
    written: NDArray[np.float64]
    held: NDArray[np.float64]
    left: NDArray[np.float64]
    shown: NDArray[np.float64] | None
    rest: NDArray[np.float64] | None
    initial: NDArray[np.float64] | None


def follow(
    layer: Recurrent,
    x: Tensor,
    initial: tuple[Tensor, ...] | None,
    window: tuple[int, int],
    *,
    level: int = -1,
    direction: int = 0,
    weighing: Weighing | None = None,
    beside: Mapping[str, Tensor] = NOTHING_BESIDE,
) -> Remains:
    """Follow what the steps of a window write, in memory that does not grow with the sequence.

    Parameters
    ----------
    layer, x, initial, level, direction, beside
        As in `decompose`.
    window : (int, int)
        The first step, and the step after the last.
    weighing : callable, optional
        Weights for a sum of the outputs, which is then divided among the steps too.

    Raises
    ------
    DataError
        If the cell has no additive state, or if there is a weighing and the output does not come from an additive
        state.
    """
    program, T = layer.programs[False], len(x)
    places = followed_states(layer)
    if not places or (weighing is not None and program.result not in shown_lines(program)):
        raise DataError(not_additive(program, program.output_name if places else None))
    back = layer.backwards[direction]
    start, stop = (T - window[1], T - window[0]) if back else window
    W = stop - start

    def weigh(step: int) -> Tensor | None:
        return None if weighing is None else weighing(T - 1 - step if back else step)

    parts: dict[int, Tensor] = {}
    written, held, pooled = torch.zeros(W), torch.zeros(W, W), torch.zeros(0)
    written, held = written.double(), held.double()
    for stretch in stretches(layer, x, initial, level=level, direction=direction, beside=beside):
        forms = {place: keep_and_written(stretch.values, place, program.outputs[place]) for place in places}
        leaves = {} if weighing is None else _leaves(stretch.values)
        if not parts:
            for place in places:
                old = stretch.values[program.first_state + place]
                parts[place] = old.new_zeros(W + 3, old.shape[1])
                parts[place][_INITIAL] = old[0]
            pooled = old.new_zeros(W + 3, stretch.values[program.result].shape[1])
        for row, end in _runs(stretch.first, len(stretch.values[0]), (start, stop), weigh):
            step = stretch.first + row
            own = _BEFORE if step < start else _WINDOW + min(step - start, W)
            weights = weigh(step)
            if weights is not None:
                pooled[: own + 1] += weights * _shown(stretch.values, row, leaves, parts, own)
            for place, (kept, new) in forms.items():
                # Row r: the share kept from there to the end of the run. Parts of later steps are still zero.
                through = kept[row:end].flip(0).cumprod(0).flip(0)
                parts[place][: own + 1] *= through[0]
                parts[place][own] += (new[row : end - 1] * through[1:]).sum(0) + new[end - 1]
            if start <= step < stop:
                now = parts[places[0]][_WINDOW : own + 1]
                written[step - start] = torch.linalg.vector_norm(forms[places[0]][1][row])
                held[: len(now), step - start] = torch.linalg.vector_norm(now, dim=1)
    left = torch.linalg.vector_norm(parts[places[0]][_WINDOW:-1], dim=1)
    shown = pooled[_WINDOW:-1]
    if back:
        written, held, left, shown = written.flip(0), held.flip(0, 1), left.flip(0), shown.flip(0)
    return Remains(
        program.states[places[0]].name,
        written.numpy(),
        held.numpy(),
        left.numpy(),
        shown=None if weighing is None else shown.numpy(),
        rest=None if weighing is None else (pooled[_BEFORE] + pooled[-1]).numpy(),
        initial=None if weighing is None else pooled[_INITIAL].numpy(),
    )


def _runs(first: int, count: int, window: tuple[int, int], weigh: Weighing) -> Iterator[tuple[int, int]]:
    """Runs of rows of a stretch: a row in the window or with a weight alone, all rows between two of these together."""
    start, stop = window

    def alone(row: int) -> bool:
        return start <= first + row < stop or weigh(first + row) is not None

    row = 0
    while row < count:
        end = row + 1
        if not alone(row):
            while end < count and not alone(end):
                end += 1
        yield row, end
        row = end


Forms = dict[int, tuple[int, Tensor, Tensor]]
"""For each line that is additive in a state: the state's place, the share of it that the line keeps, what it adds."""


@lru_cache(maxsize=256)
def leaf_lines(program: Program) -> dict[int, int]:
    """The additive lines that the output is computed from, or the output itself if it is additive; see `_leaves`."""
    states = lines_of_states(program)
    used = {arg for index in shown_lines(program) - states.keys() for arg in program.values[index].args}
    return {index: place for index, place in states.items() if index in used or index == program.result}


def _leaves(values: Values) -> Forms:
    """The additive lines that the output is computed from, with their forms at some steps."""
    leaves = leaf_lines(values.program)
    return {index: (place, *keep_and_written(values, place, index)) for index, place in leaves.items()}


def _shown(values: Values, row: int, leaves: Forms, parts: dict[int, Tensor], own: int) -> Tensor:
    """The output at a step, divided among the steps that wrote what it shows, [own + 1, H].

    Parameters
    ----------
    values, row, leaves
        The values of a stretch, the step's row in it, and `_leaves` of its values.
    parts : place of an additive state -> [.., H]
        The parts of the state before the step, in the order of writing.
    own : int
        The step's own row in the parts.
    """
    program, moving = values.program, shown_lines(values.program)
    # Sums of the first 0, 1, 2, ... parts. Differences of what is shown of them add up to the whole output.
    sums = {
        place: torch.cat([part.new_zeros(1, part.shape[1]), part[: own + 1].cumsum(0)]) for place, part in parts.items()
    }
    done: dict[int, Tensor] = {}

    def take(index: int) -> Tensor:
        if index not in done:
            value = program.values[index]
            if index in leaves:
                place, keep, new = leaves[index]
                result = keep[row] * sums[place]
                result[-1] += new[row]
            elif index in moving:
                result = OPERATIONS[value.op].reference(torch, *(take(arg) for arg in value.args))
            else:
                result = values[index]
                result = result[row] if result.dim() == 2 else result
            done[index] = result
        return done[index]

    shown = take(program.result)
    divided = shown.diff(dim=0)
    divided[-1] += shown[0]  # What is shown even of zero is the step's own.
    return divided
