"""How gates open and close on a text: their values, how often they are saturated, how long the kept states last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ricorda.errors import ArgumentError, CellError
from ricorda.insight.gates.result import Gates
from ricorda.insight.memory.decomposition import Stretch, additive_states, keep_and_written, stretches
from ricorda.insight.passage import Passage, passage
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.operations import is_gate
from ricorda.tasks.estimator import SequenceEstimator

Array = NDArray[Any]
_Parts = dict[str, list[Array]]


def gates_of(
    source: SequenceEstimator | Passage | Sequence[Passage],
    *examples: Any,
    layer: int | None = None,
    backward: bool = False,
) -> Gates:
    """The gates of a trained model while it reads.

    Parameters
    ----------
    source : SequenceEstimator, Passage or sequence of Passage
        A trained model of any task; or passages that some layers read, which need no examples.
    *examples : texts, token lists, or arrays [T, I]
        What the model reads, each from its own initial state.
    layer : int, optional
        The layer, from 1; by default the last.
    backward : bool
        Whether to look at the direction that reads from the end.

    Raises
    ------
    CellError
        If the cell has no gate.
    ArgumentError
        If there is no such layer or direction.
    DataError
        If there is no example, or one is invalid.
    """
    passages = passages_of(source, *examples)
    recurrent = passages[0].layer
    level, side = layer_and_side(recurrent, layer, backward)
    if not gate_names(recurrent.program):
        raise CellError(f"cell {recurrent.program.name} has no gate: no value that it names is a sigmoid")
    values, before, kept = map(_joined, _read(passages, level, side))
    lengths = [len(read) for read in passages]
    return Gates(
        cell=recurrent.program.title,
        tokens=tuple(token for read in passages for token in read.tokens),
        starts=tuple(np.cumsum([0, *lengths[:-1]]).tolist()),
        values=values,
        preactivations=before,
        kept=kept,
    )


def passages_of(source: SequenceEstimator | Passage | Sequence[Passage], *examples: Any) -> list[Passage]:
    """The passages to look at: the source itself, or those of a model, one for each example."""
    if isinstance(source, SequenceEstimator):
        return [passage(source, example) for example in examples or (None,)]
    return [source] if isinstance(source, Passage) else list(source)


def layer_and_side(recurrent: Recurrent, layer: int | None, backward: bool) -> tuple[int, int]:
    """The layer, from 0, and the direction, 0 or 1, for the arguments `layer` and `backward`.

    Raises
    ------
    ArgumentError
        If there is no such layer or direction.
    """
    count = recurrent.num_layers
    if layer is not None and not 1 <= layer <= count:
        raise ArgumentError(f"layer is {layer}, and the model has {count}: give 1 to {count}")
    if backward and not recurrent.bidirectional:
        raise ArgumentError("backward is True, and the model reads in one direction only: leave it out")
    return (layer or count) - 1, int(backward)


def gate_names(program: Program) -> dict[str, int]:
    """The gates of a program, each with the index of its line: named values that are a sigmoid and not a state."""
    gates: dict[int, str] = {}
    for name, index in program.names:
        if is_gate(program.values[index].op) and index not in program.outputs:
            gates.setdefault(index, name)
    return {name: index for index, name in sorted(gates.items())}


def _read(passages: Sequence[Passage], level: int, side: int) -> tuple[_Parts, _Parts, _Parts]:
    """Values, pre-activations and kept shares, in parts that follow each other in the order of the text."""
    collected: tuple[_Parts, _Parts, _Parts] = defaultdict(list), defaultdict(list), defaultdict(list)
    for read in passages:
        several = stretches(read.layer, read.inputs, read.initial, level=level, direction=side, beside=read.beside)
        parts = list(map(_of_stretch, several))
        back = read.layer.backwards[side]
        for part in reversed(parts) if back else parts:
            for together, own in zip(collected, part, strict=True):
                for name, values in own.items():
                    values = values.to(read.inputs.dtype)  # The layer computed them in this precision.
                    together[name].append(values.flip(0).numpy() if back else values.numpy())
    return collected


def _joined(parts: _Parts) -> dict[str, Array]:
    return {name: np.concatenate(parts.pop(name)) for name in list(parts)}  # Frees each list once joined.


def _of_stretch(stretch: Stretch) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    values, program = stretch.values, stretch.values.program
    gates = {name: values[index] for name, index in gate_names(program).items()}
    before = {name: values[program.values[index].args[0]] for name, index in gate_names(program).items()}
    kept = {
        program.states[place].name: keep_and_written(values, place, program.outputs[place])[0]
        for place in additive_states(program)
    }
    return gates, {name: value.expand_as(gates[name]) for name, value in before.items()}, kept
