"""What goes into an exported graph and what comes out: names, shapes, and the states that a caller carries on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ricorda import __version__
from ricorda.export.to_onnx.graph import Dimension, Graph
from ricorda.export.to_onnx.layer import Ran, add_layer, dtype_of
from ricorda.export.to_onnx.loop import Steps
from ricorda.nn import Recurrent
from ricorda.program.ir import Program

T, B = "T", "B"
"""The names of the free sizes, steps and rows."""

PREFIX = "ricorda."
"""What the keys of an exported file's metadata begin with."""


class Carried(NamedTuple):
    """A state that the caller gives back at the next call: its input, its output, and what its numbers begin with."""

    input: str
    output: str
    begins: float


class Signature:
    """A graph with named inputs and outputs.

    Attributes
    ----------
    graph : Graph
        The nodes.
    carried : list of Carried
        The states.
    """

    def __init__(self, dtype: Any) -> None:
        self.graph = Graph(dtype)
        self.carried: list[Carried] = []

    @classmethod
    def of(cls, layer: Recurrent) -> Signature:
        """The signature of a model whose numbers have the type of a layer's."""
        return cls(dtype_of(layer))

    def ids(self, name: str, *shape: Dimension) -> str:
        """An input of whole numbers."""
        return self.graph.input(name, np.int64, shape)

    def numbers(self, name: str, *shape: Dimension) -> str:
        """An input of numbers."""
        return self.graph.input(name, self.graph.type, shape)

    def says(self, name: str, value: str, *shape: Dimension, type: Any = None) -> None:
        """Add an output."""
        self.graph.output(name, value, self.graph.type if type is None else type, shape)

    def states_of(self, layer: Recurrent) -> list[str]:
        """Inputs for the states of a layer, [layers * directions, B, size] each."""
        lines = zip(layer.program.states, layer.stack.states, strict=True)
        return [self.numbers(f"{state.name}_in", entries, B, size) for state, (entries, size) in lines]

    def carry(self, layer: Recurrent, entered: Sequence[str] | None, after: Sequence[str]) -> None:
        """Outputs for the states of a layer, and the memory of which of them was which input."""
        for number, (state, (entries, size)) in enumerate(zip(layer.program.states, layer.stack.states, strict=True)):
            name = self.graph.output(f"{state.name}_out", after[number], self.graph.type, (entries, B, size))
            if entered is not None:
                most = float(np.finfo(self.graph.dtype).max)  # JSON has no infinities.
                self.carried.append(Carried(entered[number], name, max(-most, min(state.number, most))))

    def carry_on(self, entered: str, after: str, begins: float, *shape: Dimension) -> None:
        """The output of a state that is not of a layer."""
        name = self.graph.output(f"{entered.removesuffix('_in')}_out", after, self.graph.type, shape)
        self.carried.append(Carried(entered, name, begins))

    def layer(self, layer: Recurrent, x: str, **options: Any) -> Ran:
        """Add a layer, see `add_layer`."""
        return add_layer(self.graph, layer, x, **{"name": "recurrent", **options})

    def model(self, program: Program, form: str, metadata: Mapping[str, Any]) -> Any:
        """The model, with what it says of itself in its metadata."""
        known = {"version": __version__, "form": form, "program": program.to_json(), **metadata}
        if self.carried:
            known["states"] = [state._asdict() for state in self.carried]
        texts = {
            f"{PREFIX}{key}": value if isinstance(value, str) else json.dumps(value, allow_nan=False)
            for key, value in known.items()
        }
        return self.graph.model(program.name, texts)


def layer_as_onnx(layer: Recurrent, form: str, *, lengths: bool, states: bool) -> Any:
    """A layer as a model of ONNX, see `door.onnx`."""
    signature = Signature.of(layer)
    g, one_step = signature.graph, form == "step"
    free: tuple[Dimension, ...] = (B,) if one_step else (B, T) if layer.batch_first else (T, B)
    turned = layer.batch_first and not one_step

    def sequence(name: str, size: int) -> str:
        given = signature.numbers(name, *free, size)
        return g.Transpose(given, perm=[1, 0, 2]) if turned else given

    x = sequence("input", layer.input_size)
    counts = signature.ids("lengths", B) if lengths and not one_step else None
    sizes = layer.stack.sizes
    inputs = {value.name: sequence(value.name, sizes[0][value.size]) for value in layer.program.inputs[1:]}
    entered = signature.states_of(layer) if states or one_step else None
    steps = None if counts is None else Steps.of(g, x, counts)
    ran = signature.layer(layer, x, steps=steps, states=entered, inputs=inputs, one_step=one_step)
    width = sizes[-1][layer.program.values[layer.program.result].size] * layer.stack.directions
    output = g.Transpose(ran.output, perm=[1, 0, 2]) if turned else ran.output
    signature.says("output", output, *free, width)
    signature.carry(layer, entered, ran.states)
    return signature.model(layer.program, form, {"task": "layer"})
