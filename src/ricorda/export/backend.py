"""`Backend`: ricorda as a backend in the sense of onnx: it runs models whose recurrent nodes are layers here.

The layers compute LSTM, GRU and RNN nodes; all other operators are computed by onnx's own reference evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch import Tensor

from ricorda.errors import ArgumentError
from ricorda.nn.onnx_import.node import OPERATORS, Array, layer_of, read_node, tensor_of


class _RecurrentNode(OpRun):
    """A recurrent node as the evaluator runs it; the subclasses have the operators' names."""

    op_domain = ""

    def _run(self, *args: Any, **attributes: Any) -> tuple[Array, ...]:
        op = type(self).__name__
        title = f"{op} node {self.onnx_node.name or self.onnx_node.output[0]!r}"
        given = {name: value for name, value in zip(OPERATORS[op].inputs, args, strict=False) if value is not None}
        stated = {name: value for name, value in attributes.items() if value is not None}
        return _outputs(op, title, stated, given, len(self.onnx_node.output))


class LSTM(_RecurrentNode):
    """ONNX's LSTM."""


class GRU(_RecurrentNode):
    """ONNX's GRU."""


class RNN(_RecurrentNode):
    """ONNX's RNN."""


def _outputs(
    op: str, title: str, attributes: Mapping[str, Any], given: Mapping[str, Array], count: int
) -> tuple[Array, ...]:
    """Y and the last states of a node, in ONNX's shapes."""
    node = read_node(op, title, attributes)
    layer = layer_of(node, {name: given[name] for name in ("W", "R", "B", "P") if name in given})
    D, H = node.directions, layer.hidden_size
    x = tensor_of(given["X"])
    if x.dim() != 3:
        raise ArgumentError(f"{title} is given X of shape {list(x.shape)}, and it has 3 dimensions")
    T, B = (x.shape[1], x.shape[0]) if node.batch_first else (x.shape[0], x.shape[1])
    names = OPERATORS[op].states
    hx: list[Tensor] | None = None
    if any(name in given for name in names):
        hx = [_state(node.batch_first, given.get(name), (D, B, H), x) for name in names]
    lengths = tensor_of(given["sequence_lens"]) if "sequence_lens" in given else None
    with torch.no_grad():
        y, final = layer(x, None if hx is None else tuple(hx), lengths)
    last = final if isinstance(final, tuple) else (final,)
    if node.batch_first:
        y = y.view(B, T, D, H)
        last = tuple(state.transpose(0, 1) for state in last)
    else:
        y = y.view(T, B, D, H).transpose(1, 2)
    return tuple(_array(value) for value in (y, *last)[:count])


def _state(batch_first: bool, values: Array | None, shape: tuple[int, ...], like: Tensor) -> Tensor:
    if values is None:
        return like.new_zeros(shape)
    state = tensor_of(values)
    return state.transpose(0, 1).contiguous() if batch_first else state


def _array(tensor: Tensor) -> Array:
    if tensor.dtype is torch.bfloat16:
        import ml_dtypes

        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return np.ascontiguousarray(tensor.numpy())


class Prepared(BackendRep):
    """A model that is ready to run; made by `Backend.prepare`."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.evaluator = ReferenceEvaluator(model, new_ops=[LSTM, GRU, RNN])

    def run(self, inputs: Any, **options: Any) -> tuple[Any, ...]:
        """The model's outputs.

        Parameters
        ----------
        inputs : sequence of arrays in the order of the model's inputs, or a mapping by their names
        """
        names = self.evaluator.input_names
        if not isinstance(inputs, Mapping):
            values: Sequence[Any] = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            if len(values) > len(names):
                raise ArgumentError(f"the model takes {len(names)} inputs ({', '.join(names)}), not {len(values)}")
            inputs = dict(zip(names, values, strict=False))
        return tuple(self.evaluator.run(None, dict(inputs)))


class Backend(OnnxBackend):
    """ricorda as an `onnx.backend.base.Backend`.

    It runs LSTM, GRU and RNN nodes with every attribute of theirs, and whole models around them, on the processor. It
    is for comparing and teaching: the operators beside the recurrent ones run in NumPy, one after another.
    """

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> Prepared:
        """Check a model and make it ready to run."""
        super().prepare(model, device, **options)
        return Prepared(model)

    @classmethod
    def run_node(
        cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None, **options: Any
    ) -> tuple[Any, ...]:
        """The outputs of one node.

        Parameters
        ----------
        inputs : arrays in the order of the node's inputs that are not left out
        """
        super().run_node(node, inputs, device, outputs_info, **options)
        names = [name for name in node.input if name]
        version = options.get("opset_version", onnx.defs.onnx_opset_version())
        imports = [onnx.helper.make_opsetid("", version)]
        function = onnx.helper.make_function("ricorda", "node", names, list(filter(None, node.output)), [node], imports)
        evaluator = ReferenceEvaluator(function, new_ops=[LSTM, GRU, RNN])
        return tuple(evaluator.run(None, dict(zip(names, inputs, strict=True)), attributes={}))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether it runs on a device: on the processor alone."""
        return str(device).partition(":")[0] == "CPU"
