"""Calls of a layer without a gradient, lengths or records: the way with the fewest words of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ricorda.engines import choose
from ricorda.engines.operation import recorded

if TYPE_CHECKING:
    from ricorda.nn.recurrent import Recurrent


def infer(layer: Recurrent, input: Any, hx: Any) -> tuple[Tensor, Any] | None:
    """Run all of a layer's layers and directions over arguments that are kept for the shape.

    Parameters
    ----------
    layer, input, hx : as `Recurrent.forward` has them

    Returns
    -------
    output, state : as `Recurrent.forward` gives them
        None where the call has to go the usual way, which also says what is wrong with it.
    """
    if recorded() or not layer.runs_alike or layer.precision != "float32" or not _is_plain(input) or input.dim() != 3:
        return None
    dtype = input.dtype
    if not (choose.has_dtype(input) and choose.infers(layer.engine, layer.texts[False])):
        return None
    x = (input.transpose(0, 1) if layer.batch_first else input).contiguous()
    T, B, I = x.shape
    if not T or not B or layer.input_size != I:
        return None
    from ricorda.engines.cpu.inference import stack  # there is machine code

    found = stack(layer.programs[False], *layer.arrangement, T, B, dtype == torch.float64, torch.get_num_threads())
    if found is None:
        return None
    own = layer._parameters
    weights: list[Tensor] = []
    for name, shape in zip(layer.weight_names, found.shapes, strict=True):
        weight = own.get(name)  # None where something else stands in its place, such as a parametrization
        if weight is None or weight.dtype is not dtype or weight.shape != shape or not _is_plain(weight):
            return None
        if not weight.is_contiguous():
            return None
        weights.append(weight)
    states = None
    if hx is not None:
        states = _states(hx, found.states, dtype)
        if states is None:
            return None
    run = found(x, states, weights)
    if run is None:
        return None
    output, finals = run
    return output.transpose(0, 1) if layer.batch_first else output, tuple(finals) if len(finals) > 1 else finals[0]


def _is_plain(tensor: Any) -> bool:
    """Whether something is numbers as they lie in the processor's memory."""
    return type(tensor) in choose.PLAIN and tensor.is_cpu and tensor.layout is torch.strided and not tensor.is_neg()


def _states(hx: Any, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> list[Tensor] | None:
    """The initial states, each in one piece of memory; None if they are not plain ones of these shapes."""
    given = hx if isinstance(hx, (tuple, list)) else (hx,)
    if len(given) != len(shapes):
        return None
    for state, shape in zip(given, shapes, strict=True):
        if not _is_plain(state) or state.dtype is not dtype or state.shape != shape:
            return None
    return [state.contiguous() for state in given]
