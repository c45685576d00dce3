"""An ONNX graph while it is being written: nodes in order, constants, and names that never collide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

OPSET = 18
"""Since then reductions take their axes as an input; ONNX Runtime has it since 1.14."""

IR_VERSION = 10

SMALL = 64
"""Bytes of a constant up to which equal ones are written once."""

Dimension = str | int
Given = str | NDArray[Any] | Tensor | float | bool | Sequence[int] | None
"""What a node reads: the name of a value, or numbers, which become a constant; None where it reads nothing."""


class Graph:
    """A graph, or the body of a loop, to which nodes are added by the name of their operation.

    `graph.MatMul(x, weights)` adds a node and returns the name of its result. Arrays and tensors become constants.
    Floats are numbers of the graph's own type, whole numbers are int64.

    Parameters
    ----------
    dtype : numpy dtype
        The type of the graph's numbers, float32 or float64.
    outer : Graph, optional
        The graph around the body of a loop. The body may read its values, and all names are those of the whole.
    """

    def __init__(self, dtype: Any = np.float32, outer: Graph | None = None) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype) if outer is None else outer.dtype
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._whole: Graph = self if outer is None else outer._whole
        self._names: set[str] = set()
        self._constants: dict[Any, str] = {}
        self.initializers: list[Any] = []

    @property
    def type(self) -> int:
        """The type of the graph's numbers, as ONNX counts types."""
        return int(helper.np_dtype_to_tensor_dtype(self.dtype))

    def free(self, name: str) -> str:
        """A name that nothing has yet: the one given, or with underscores after it."""
        names = self._whole._names
        while name in names:
            name += "_"
        names.add(name)
        return name

    def input(self, name: str, type: Any, shape: Sequence[Dimension] | None) -> str:
        """Add an input; the result is its name."""
        name = self.free(name)
        self.inputs.append(helper.make_tensor_value_info(name, _type(type), shape))
        return name

    def output(self, name: str, value: str, type: Any, shape: Sequence[Dimension] | None) -> str:
        """Add an output that is a value; the result is its name."""
        name = self.free(name)
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, _type(type), shape))
        return name

    def returns(self, value: str, type: Any) -> None:
        """Add an output of a loop's body, which needs no name of its own.

        ONNX Runtime 1.32 loses a value that is both read in a body and an output by an Identity.
        """
        made = any(value in node.output for node in self.nodes)
        taken = any(value == output.name for output in self.outputs)
        if not made or taken:
            value = self.Identity(value)
        self.outputs.append(helper.make_tensor_value_info(value, _type(type), None))

    def constant(self, values: Any, name: str = "constant") -> str:
        """The name of a constant; small ones that are equal are one."""
        whole, array = self._whole, np.array(as_array(values), order="C")
        key = (array.tobytes(), array.dtype.str, array.shape) if array.nbytes <= SMALL else None
        if key is not None and key in whole._constants:
            return whole._constants[key]
        name = self.free(name)
        whole.initializers.append(numpy_helper.from_array(array, name))
        if key is not None:
            whole._constants[key] = name
        return name

    def numbers(self, values: Any, name: str = "weights") -> str:
        """A constant of the graph's own type."""
        return self.constant(np.asarray(as_array(values), self.dtype), name)

    def add(self, operation: str, *arguments: Given, outputs: int = 1, name: str = "", **attributes: Any) -> list[str]:
        """Add a node; the result are the names of its outputs. Without a name it has that of the first."""
        names = [self._name(argument) for argument in arguments]
        while names and not names[-1]:
            names.pop()
        results = [self.free(f"{operation.lower()}_{len(self._whole._names)}") for _ in range(outputs)]
        kept = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(operation, names, results, name or results[0], **kept))
        return results

    def __getattr__(self, operation: str) -> Callable[..., str]:
        if not operation[:1].isupper():
            raise AttributeError(operation)
        return lambda *arguments, **attributes: self.add(operation, *arguments, **attributes)[0]

    def split(self, value: str, sizes: Sequence[int], axis: int = -1) -> list[str]:
        """Parts of a value along an axis."""
        if len(sizes) == 1:
            return [value]
        return self.add("Split", value, [*sizes], outputs=len(sizes), axis=axis)

    def size(self, value: str, axis: int) -> str:
        """The size of a value along an axis, [1]."""
        return self.Shape(value, start=axis, end=axis + 1 or None)

    def cast(self, value: str, type: Any) -> str:
        """A value in another type."""
        return self.Cast(value, to=_type(type))

    def linear(self, value: str, module: Any, name: str) -> str:
        """What a `torch.nn.Linear` makes of a value [..., size]."""
        product = self.MatMul(value, self.numbers(as_array(module.weight).T, f"{name}.weight"))
        return product if module.bias is None else self.Add(product, self.numbers(module.bias, f"{name}.bias"))

    def slice(self, value: str, start: int, end: int, axis: int) -> str:
        """A part of a value along an axis."""
        return self.Slice(value, [start], [end], [axis])

    def body(self) -> Graph:
        """The body of a loop within this graph."""
        return Graph(outer=self)

    def proto(self, name: str) -> Any:
        """The graph as ONNX has it."""
        return helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.initializers)

    def model(self, name: str, metadata: Mapping[str, str]) -> Any:
        """The model whose graph this is."""
        model = helper.make_model(
            self.proto(name),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ricorda",
        )
        helper.set_model_props(model, dict(metadata))
        return model

    def _name(self, value: Given) -> str:
        match value:
            case None:
                return ""
            case str():
                return value
            case bool():
                return self.constant(np.array(value))
            case float():
                return self.constant(np.array(value, self.dtype))
            case int():
                return self.constant(np.array(value, np.int64))
            case np.ndarray() | Tensor():
                return self.constant(value)
        return self.constant(np.array(value, np.int64))


def as_array(values: Any) -> Any:
    """A tensor's numbers as an array; NumPy has no bfloat16, whose numbers a float32 holds exactly."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    narrow = values.is_floating_point() and values.element_size() < 4
    return (values.float() if narrow else values).numpy()


def _type(type: Any) -> int:
    return type if isinstance(type, int) else int(helper.np_dtype_to_tensor_dtype(np.dtype(type)))
