"""The graph of an ONNX file: its recurrent nodes wherever they stand, and the constants that their inputs are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ricorda.errors import DataError
from ricorda.nn.onnx_import.node import OPERATORS, Array

if TYPE_CHECKING:
    import onnx

MOST_NODES = 100_000
"""Nodes of a graph whose functions are written out: a short file could stand for more than the memory holds."""

DEEPEST = 200
"""Nodes one behind another that make a weight out of constants."""

KNOWN = (
    *("Cast", "Concat", "Constant", "ConstantOfShape", "DequantizeLinear", "Flatten", "Gather", "Identity", "Neg"),
    *("Reshape", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)
"""Operators that exporters make weights with out of constants."""


class Scope:
    """A graph, and the graphs around it whose values it can use."""

    def __init__(self, graph: onnx.GraphProto, parent: Scope | None, reader: Reader) -> None:
        self.graph, self.parent, self.reader = graph, parent, reader
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.made_by = {name: node for node in graph.node for name in node.output}
        self.inputs = {value.name for value in graph.input}
        self.known: dict[str, Array | None] = {}

    def constant(self, name: str, depth: int = 0) -> Array | None:
        """A value that is the same in every run; None if it depends on what the graph is given."""
        if name not in self.known:
            self.known[name] = self._constant(name, depth)
        return self.known[name]

    def _constant(self, name: str, depth: int) -> Array | None:
        if depth > DEEPEST:
            raise DataError(f"{self.reader.path} makes the value {name!r:.60} of more than {DEEPEST} nodes in a row")
        if name in self.tensors:
            return self.reader.array(self.tensors[name])
        node = self.made_by.get(name)
        if node is None:
            outer = self.parent if name not in self.inputs else None
            return None if outer is None else outer.constant(name, depth + 1)
        if node.domain or node.op_type not in KNOWN:
            return None
        args = [self.constant(arg, depth + 1) if arg else None for arg in node.input]
        if any(value is None and arg for value, arg in zip(args, node.input, strict=True)):
            return None
        return self.reader.compute(node, args)[list(node.output).index(name)]


class Reader:
    """Reads tensors of a file and computes what nodes make of them, as long as that is not far larger than the file.

    Parameters
    ----------
    path : the file, for messages and for weights that stand in files beside it
    versions : of the operators, by domain
    """

    def __init__(self, path: Path, versions: dict[str, int]) -> None:
        self.path, self.versions = path, versions
        self.numbers = 2**20

    def array(self, tensor: onnx.TensorProto) -> Array:
        """A tensor's numbers."""
        import onnx
        from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

        try:
            if uses_external_data(tensor):
                load_external_data_for_tensor(tensor, str(self.path.parent))
            array: Array = onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # What onnx raises for damaged tensors is of many kinds.
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"{self.path} has a tensor {tensor.name!r:.60} that cannot be read ({reason}): export it again"
            ) from None
        self.numbers += 4 * array.size
        return array

    def compute(self, node: onnx.NodeProto, args: list[Any]) -> list[Array]:
        """What a node makes of constants."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        if _size_after(node.op_type, args) > self.numbers:
            raise DataError(
                f"{self.path} makes more numbers of its weights than it has (node {node.name or node.output[0]!r:.60})"
            )
        imports = [onnx.helper.make_opsetid(domain, version) for domain, version in self.versions.items()]
        names = [name for name in node.input if name]
        given = dict(zip(names, (arg for arg in args if arg is not None), strict=True))
        try:
            function = onnx.helper.make_function("ricorda", "constant", names, list(node.output), [node], imports)
            return list(ReferenceEvaluator(function).run(None, given, attributes={}))
        except Exception as error:  # The evaluator raises whatever a wrong node leads to.
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"{self.path} has a node {node.name or node.output[0]!r:.60} ({node.op_type}) that cannot be computed "
                f"({reason}): export it again"
            ) from None


def _size_after(op: str, args: list[Any]) -> float:
    """The numbers of what a node makes, for the operators that can make more than they are given."""
    if op == "Concat":
        return float(sum(arg.size for arg in args))
    if op == "Gather":
        return float(args[0].size) * float(args[1].size)
    if op == "ConstantOfShape":
        numbers = 1.0
        for side in args[0].ravel().tolist():
            numbers *= max(1.0, float(side))
        return numbers
    return 0


def recurrent_nodes(graph: onnx.GraphProto, reader: Reader, parent: Scope | None = None) -> Iterator[tuple[Any, Scope]]:
    """The recurrent nodes of a graph and of the graphs inside its nodes (If, Loop, Scan), each with its scope."""
    import onnx

    check_texts(reader.path, graph.node, graph.initializer, graph.input)
    scope = Scope(graph, parent, reader)
    for node in graph.node:
        if node.op_type in OPERATORS and node.domain in ("", "ai.onnx"):
            yield node, scope
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
            for body in inner:
                yield from recurrent_nodes(body, reader, scope)


def check_texts(path: Path, nodes: Any, *named: Any) -> None:
    """Refuse names that are no text: protobuf gives damaged ones as bytes."""
    texts = [text for node in nodes for text in (node.name, node.op_type, node.domain, *node.input, *node.output)]
    texts += [entry.name for entries in (*named, *(node.attribute for node in nodes)) for entry in entries]
    if not all(isinstance(text, str) for text in texts):
        raise DataError(f"{path} is a damaged ONNX file: export it again")


def written_out(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """A model without functions of its own: their nodes stand where they are called.

    Raises
    ------
    DataError
        If that would be too many nodes, or a function calls itself.
    """
    import onnx.inliner

    if not model.functions:
        return model
    check_texts(path, [node for function in model.functions for node in function.node], model.functions)
    bodies = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, callers: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = node.domain, node.op_type
            if key in callers:
                raise DataError(f"{path} has a function {node.op_type!r:.60} that calls itself: export it again")
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key].node, (*callers, key))
            total += sizes.get(key, 1)
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    total += size(graph.node, callers)
            if total > MOST_NODES:
                raise DataError(f"{path} has more than {MOST_NODES:,} nodes when its functions are written out")
        return total

    size(model.graph.node, ())
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # What onnx raises for damaged functions is of many kinds.
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path} has functions that cannot be written out ({reason}): export it again") from None
