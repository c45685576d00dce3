"""Whether the gradient vanishes or explodes while training, and what to try: a sentence for each, once a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import nn

from ricorda.nn import Recurrent
from ricorda.nn.biases import remembers
from ricorda.training.flow import FlowRecord
from ricorda.training.options import TrainingOptions

VANISHED = 1e-4
"""The gradient vanishes if no more than this share of it is left at a row's other end.

The weights' gradient is a sum over time: a part with a share of 1e-4 in it is lost in the noise of the batch, and one
of 1e-7 in the rounding of float32.
"""

EXPLODED = 1e3
"""The gradient explodes if it grows to this many times its norm at a row's end: the far steps are then all that the
weights' gradient has.

It must exceed the number of steps as well. If every step has a loss, a step's gradient is the sum over all later steps,
and a sum of so many equal parts is no explosion.
"""

NEAR = 10
"""The number of steps at a row's end whose largest norm the others are compared with; shorter rows are not judged.

It is the largest norm because the last step may have little gradient of its own: under max pooling few units choose it.
"""

IN_A_ROW = 3
"""The number of watched steps that must agree: a single batch may be an accident."""


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a gradient.

    Parameters
    ----------
    kind : {"vanishes", "explodes"}
        The fault.
    ratio : float
        The gradient's norm as a multiple of the largest norm at the row's end.
    distance : int
        The number of BPTT steps after which it has this norm.
    record : FlowRecord
        The record that shows it.
    """

    kind: str
    ratio: float
    distance: int
    record: FlowRecord


def diagnose(records: Sequence[FlowRecord]) -> Diagnosis | None:
    """Judge the flow through the states of one layer and direction in one step; None if it is sound.

    It vanishes if it vanishes in every state, since one state that carries it is enough. It explodes if it does so in
    one.
    """
    judged = [_ends(record) for record in records if len(record["norm"]) * record["width"] > NEAR]
    judged = [ends for ends in judged if ends]
    largest = [max(ends, key=lambda end: end.ratio) for ends in judged]
    for end in largest:
        if end.ratio > max(EXPLODED, end.distance):
            return end
    last = [ends[-1] for ends in judged]
    if last and all(end.ratio < VANISHED for end in last):
        lasting = max(last, key=lambda end: end.ratio)
        return Diagnosis("vanishes", lasting.ratio, lasting.distance, lasting.record)
    return None


def _ends(record: FlowRecord) -> list[Diagnosis]:
    """The norms beyond the near end, bin by bin; none if the near end has no gradient."""
    norms, width = record["norm"], record["width"]
    places = -(-NEAR // width)
    near = max(norms[:places])
    if near == 0:
        return []
    return [
        Diagnosis("explodes", norm / near, place * width, record)
        for place, norm in enumerate(norms[places:], start=places)
    ]


class Alarm:
    """Judges each watched step, and warns once of each kind of fault.

    Parameters
    ----------
    module : nn.Module
        The module that is trained.
    options : TrainingOptions
        The options of the training.
    """

    def __init__(self, module: nn.Module, options: TrainingOptions) -> None:
        self._gated = {
            name: remembers(layer.program) for name, layer in module.named_modules() if isinstance(layer, Recurrent)
        }
        self._options = options
        self._in_a_row: Counter[tuple[str, str, int]] = Counter()
        self._said: set[str] = set()

    def hear(self, records: Sequence[FlowRecord]) -> list[str]:
        """Take in a step's records and return the warnings to show, a sentence each."""
        sentences = []
        for (layer, direction), states in groupby(records, key=lambda record: (record["layer"], record["direction"])):
            diagnosis = diagnose(list(states))
            for kind in ("vanishes", "explodes"):
                if diagnosis is None or diagnosis.kind != kind:
                    del self._in_a_row[kind, layer, direction]
            if diagnosis is None:
                continue
            self._in_a_row[diagnosis.kind, layer, direction] += 1
            if self._in_a_row[diagnosis.kind, layer, direction] >= IN_A_ROW and diagnosis.kind not in self._said:
                self._said.add(diagnosis.kind)
                sentences.append(self._sentence(diagnosis))
        return sentences

    def _sentence(self, diagnosis: Diagnosis) -> str:
        record, times = diagnosis.record, f"{diagnosis.ratio:.2g}"
        where = f"state {record['state']} of {record['layer'] or 'the layer'}, training step {record['step']}"
        on = f"on {diagnosis.distance} steps of BPTT its norm"
        if diagnosis.kind == "explodes":
            clipping = "none" if self._options.clip_norm is None else format(self._options.clip_norm, "g")
            return (
                f"the gradient explodes: {on} grew {times} times ({where}); try a smaller clip_norm (--clip-norm, now "
                f"{clipping}), or a lower learning_rate (--learning-rate, now {self._options.learning_rate:g})"
            )
        gated = self._gated[record["layer"]]
        cure = "gates that start to keep (memory=, --memory)" if gated else "a gated cell (lstm, gru)"
        return (
            f"the gradient vanishes: {on} fell to {times} of what it was ({where}); try {cure}, shorter sequences, "
            "or BPTT that is cut into windows"
        )
