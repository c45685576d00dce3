"""Where the gradient goes in time while training: the norms of BPTT in a step, reduced to a short record.

A row's gradient enters at its end (or at every step) and goes back in time. So the norms are kept by *distance*: how
many steps the layer still has to read after this one. In the second direction of a bidirectional layer, which reads
from a row's end, that is the number of the step, counted from 0. So rows of different lengths meet at their ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.nn import Recurrent, watch_gradients

FLOW = "gradient_flow"
"""The key of an epoch's flow records in the history."""

MOST_BINS = 50
"""The most numbers in a record."""

WRITTEN = 2_000
"""The most steps of a run that are recorded: more than a picture has columns."""

FlowRecord = dict[str, Any]
"""The flow through one state of a recurrent layer in one training step, as JSON.

step
    The training step, counted from 1.
layer, direction, state
    The layer's name in the module, whose top level is watched; 0, or 1 for the direction that reads from the end; the
    state's name.
width
    The number of distances in a bin, a power of two: bin k has k * width to (k + 1) * width - 1.
norm
    For each bin the mean of ||dL/ds_t|| over its steps and over the rows that are so long, to four digits; L is the
    mean loss of the step's batch. The bins end where fewer than half of the rows are so long, because a mean of few
    rows does not compare with that of all. A norm whose square is too small for the layer's dtype, below 1e-19 in
    float32, is 0.
"""


class Flow:
    """The gradient norms of a backward pass within `recording_flow`."""

    def __init__(self, layers: Mapping[str, Recurrent]) -> None:
        self.norms: Mapping[str, Mapping[str, Tensor]] = {}
        self._layers = layers
        self._lengths: dict[str, list[Any]] = {name: [] for name in layers}

    def note(self, name: str, options: Mapping[str, Any]) -> None:
        """Take note that a layer is called, with the lengths of its rows."""
        self._lengths[name].append(options.get("lengths"))

    def records(self, step: int, factor: float = 1.0) -> list[FlowRecord]:
        """A record for each layer, direction and state, in this order; `step` is the training step's number.

        The gradients are multiplied by `factor`, where what was followed back was a multiple of the loss.

        A layer that is called several times, such as a decoder that is fed its own output, is left out: each of its
        calls knows only its own steps.
        """
        result: list[FlowRecord] = []
        for name, states in self.norms.items():
            if len(self._lengths[name]) > 1:
                continue
            tops = {state: norms[-1].cpu().double().numpy() for state, norms in states.items()}  # [directions, T, B]
            if self._layers[name].batch_first:
                tops = {state: norms.swapaxes(1, 2) for state, norms in tops.items()}
            directions, T, B = next(iter(tops.values())).shape
            known = self._lengths[name][0]
            lengths = np.full(B, T) if known is None else np.asarray(known)
            for direction in range(directions):
                bins = Bins(T, lengths, reverse=direction == 1)
                result += [
                    {
                        "step": step,
                        "layer": name,
                        "direction": direction,
                        "state": state,
                        "width": bins.width,
                        "norm": [float(f"{norm:.3e}") for norm in bins.means(norms[direction] * factor)],
                    }
                    for state, norms in tops.items()
                    if bins.reach
                ]
        return result


class Bins:
    """Groups neighbouring distances into bins, and knows the bin of each step of each row.

    Parameters
    ----------
    T : int
        Steps of the batch.
    lengths : int array [B]
        Steps of each row.
    reverse : bool
        Whether the layer reads from the end.
    """

    def __init__(self, T: int, lengths: NDArray[Any], *, reverse: bool) -> None:
        read = np.sort(lengths[lengths > 0])  # A window may begin after the end of some rows.
        self.reach = int(read[len(read) // 2]) if len(read) else 0  # At least half of the rows have so many steps.
        self.width = 1
        while self.reach > MOST_BINS * self.width:
            self.width *= 2
        steps = np.arange(T)[:, None]
        distances = np.broadcast_to(steps, (T, len(lengths))) if reverse else lengths - 1 - steps
        self._within = (steps < lengths) & (distances < self.reach)
        self._places = distances[self._within] // self.width
        self._counts = np.bincount(self._places)

    def means(self, norms: NDArray[Any]) -> NDArray[Any]:
        """The mean of norms [T, B] in each bin."""
        means: NDArray[Any] = np.bincount(self._places, norms[self._within]) / self._counts
        return means.clip(max=float(np.finfo(np.float32).max))  # JSON has no infinity.


@contextmanager
def recording_flow(module: nn.Module) -> Iterator[Flow]:
    """Record the gradient's flow through a module's recurrent layers in the passes that the block runs."""
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, Recurrent)}
    flow = Flow(layers)
    with ExitStack() as stack:
        for name, layer in layers.items():

            def note(_: nn.Module, __: Any, options: dict[str, Any], name: str = name) -> None:
                flow.note(name, options)

            stack.callback(layer.register_forward_pre_hook(note, with_kwargs=True).remove)
        flow.norms = stack.enter_context(watch_gradients(module)).norms
        yield flow


def steps_between(every: int, steps: int) -> int:
    """The distance between two steps that are recorded, if every `every`-th step of a run is watched."""
    return every * -(-steps // (every * WRITTEN))


BLOCKS = "▁▂▃▄▅▆▇"
"""The characters of a sparkline; each stands for a tenth of the next."""

CHARACTERS = 8
"""The most characters of a sparkline."""


def sparkline(records: Sequence[FlowRecord]) -> str:
    """A step's flow through the states of its first layer, from a row's end (left) to its beginning.

    The highest block is the largest norm of a state, the one below it a tenth of that: what falls to the right
    vanishes.
    """
    first = [(record["layer"], record["direction"]) for record in records[:1]]
    shown = (record for record in records if (record["layer"], record["direction"]) in first)
    return " ".join(f"{record['state']} {_blocks(record['norm'])}" for record in shown)


def _blocks(norms: Sequence[float]) -> str:
    parts = np.array_split(np.asarray(norms), min(len(norms), CHARACTERS))
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.log10([part.mean() / max(norms) for part in parts])  # It is -inf where nothing is left.
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round(max(top + decade, 0.0))] if decade == decade else BLOCKS[0] for decade in decades)
