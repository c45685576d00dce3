"""Calls with a gradient, of a whole stack of layers: what each call is told is made once for a shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import kernels_for
from ricorda.engines.cpu.run.autograd import Loop
from ricorda.engines.cpu.run.call import Call
from ricorda.engines.cpu.run.steps import full
from ricorda.engines.cpu.words.target import Target
from ricorda.program.ir import Program


class Training:
    """Layers of a program without masks for calls of one shape, all of whose rows have all steps.

    Parameters
    ----------
    calls : one for each direction
    levels : how many layers
    state_sizes : of each state
    """

    def __init__(self, calls: Sequence[Call], levels: int, state_sizes: Sequence[int]) -> None:
        self.calls = calls
        self.alone = levels * len(calls) == 1
        which, steps = calls[0].kernels, calls[0].steps
        shape = (1, steps.B) if self.alone else (steps.B,)
        with torch.inference_mode(False):  # what is kept serves calls in every mode
            self.zeros = [torch.zeros(*shape, size, dtype=which.dtype, device="cpu") for size in state_sizes]

    def __call__(
        self, x: Tensor, states: Sequence[Tensor] | None, weights: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Output [T, B, directions * P] and final states [layers * directions, B, size].

        Parameters
        ----------
        x : [T, B, I]
        states : initial ones, None for zeros
        weights : by layer, direction and name
        """
        names, count = len(self.calls[0].parameters), len(self.zeros)
        if self.alone:  # its states go in and come out as the caller has them: views of them would take time
            output, *ends = Loop.apply(self.calls[0], x, *(states or self.zeros), *weights)  # type: ignore[no-untyped-call]
            return output, ends[:count]
        finals: list[Sequence[Tensor]] = []
        y = x
        while len(finals) * names < len(weights):
            outputs = []
            for call in self.calls:
                number = len(finals)
                initial = self.zeros if states is None else [state[number] for state in states]
                own = weights[number * names : (number + 1) * names]
                output, *ends = Loop.apply(call, y, *initial, *own)  # type: ignore[no-untyped-call]
                outputs.append(output)
                finals.append(ends[:count])
            y = torch.cat(outputs, 2) if len(outputs) > 1 else outputs[0]
        return y, [torch.stack(of_all) for of_all in zip(*finals, strict=True)]


@lru_cache(maxsize=64)
def training(
    program: Program,
    names: tuple[str, ...],
    sizes: tuple[tuple[int, int, int], ...],
    directions: int,
    T: int,
    B: int,
    target: Target,
) -> Training | None:
    """The kept calls of a shape; None for cells whose products with the input are not the kernels'."""
    which = kernels_for(program, names, target, training=True)
    if not which.input_is_ours or program.masks:
        return None
    calls = [Call(which, full(T, B, reverse), names, (), (), 0, reverse) for reverse in (False, True)[:directions]]
    _, H, P = sizes[0]
    return Training(calls, len(sizes), [{"H": H, "P": P}[state.size] for state in program.states])
