"""Short calls without a gradient: what a shape's calls have in common is made once, for them the time of Python counts.

The arguments and buffers of a shape are kept and used again, by one thread at a time; a second one takes the usual way.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines.cpu.call import team_of
from ricorda.engines.cpu.forward import prepare
from ricorda.engines.cpu.memory import KEPT_BYTES
from ricorda.engines.cpu.plans import Kernels
from ricorda.engines.cpu.steps import full


class Inference:
    """A forward kernel for calls of one shape, all of whose rows have all steps.

    Parameters
    ----------
    shape : T, B, I, H, P
    """

    def __init__(self, which: Kernels, shape: tuple[int, int, int, int, int], reverse: bool, threads: int) -> None:
        T, B, I, H, P = shape
        steps = full(T, B, reverse)
        program, plan = which.program, which.forward
        self.team = team_of(which, steps, (I, H, P))
        slots = which.run_forward().slots
        prepared = prepare(which, steps, (I, H, P), self.team)
        self.fits = (
            prepared.room * which.dtype.itemsize <= KEPT_BYTES
            and set(plan.schedule.whole_states) <= {program.states[0].name}
            and [name for name, _ in plan.loop.stored] == [program.states[0].name]
        )
        """Whether calls can go this way."""
        if not self.fits:
            return
        self.lock = threading.Lock()
        self.arguments = prepared.arguments()
        self.parameters = prepared.parameters
        first, *others = (state.name for state in program.states)
        self.block = self.arguments.open_block()
        self.x, self.output = slots["x"], slots[f"sequence {first}"]
        self.initial: int | None = slots.get(f"initial {first}")
        self.places = [slots.get(f"place {name}") for name in others]
        self.run = which.run_forward().run
        self.shape = (T, B, P)
        self.last = 0 if reverse else T - 1

    def __call__(
        self, x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]] | None:
        """Output [T, B, P] and final states; None if another thread is at it."""
        if not self.lock.acquire(blocking=False):
            return None
        try:
            block = self.block
            output = x.new_empty(self.shape)
            block[self.x], block[self.output] = x.data_ptr(), output.data_ptr()
            for slot, name, offset in self.parameters:
                block[slot] = parameters[name].data_ptr() + offset
            if self.initial is not None:
                block[self.initial] = states[0].data_ptr()
            finals = [state.clone() for state in states[1:]]
            for own, place in zip(self.places, finals, strict=True):
                if own is not None:
                    block[own] = place.data_ptr()
            self.run(block, self.team[0])
        finally:
            self.lock.release()
        return output, (output[self.last].clone(), *finals)


@lru_cache(maxsize=32)
def inference(which: Kernels, shape: tuple[int, int, int, int, int], reverse: bool, threads: int) -> Inference:
    """The kept arguments of a shape."""
    return Inference(which, shape, reverse, threads)


def infer(
    which: Kernels, x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor], reverse: bool
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """Run a short call; None where the usual way has to be gone.

    Parameters
    ----------
    x : [T, B, I]
    """
    T, B, I = x.shape
    name, count = which.of_units
    H = parameters[name].shape[0] // count
    ready = inference(which, (T, B, I, H, states[0].shape[1]), reverse, torch.get_num_threads())
    if not ready.fits or not all(tensor.is_contiguous() for tensor in (x, *states, *parameters.values())):
        return None
    return ready(x, states, parameters)
