"""Calls of a layer without lengths, records or chance on the CPU engine: the way with the fewest words of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ricorda.engines import choose
from ricorda.engines.operation import recorded

if TYPE_CHECKING:
    from ricorda.engines.cpu.words.target import Target
    from ricorda.nn.recurrent import Recurrent


def run(layer: Recurrent, input: Any, hx: Any) -> tuple[Tensor, Any] | None:
    """Run all of a layer's layers and directions with what is kept for the shape.

    Parameters
    ----------
    layer, input, hx : as `Recurrent.forward` has them

    Returns
    -------
    output, state : as `Recurrent.forward` gives them
        None where the call has to go the usual way, which also says what is wrong with it.
    """
    if recorded() or not layer.runs_plainly or not _is_plain(input) or input.dim() != 3:
        return None
    dtype = input.dtype
    if not (choose.has_dtype(input) and choose.serves(layer.engine, layer.texts[False])):
        return None
    x = input.transpose(0, 1) if layer.batch_first else input
    T, B, I = x.shape
    if not T or not B or layer.input_size != I:
        return None
    own = layer._parameters
    weights: list[Tensor] = []
    for name, shape in layer.weight_shapes.items():
        weight = own.get(name)  # None where something else stands in its place, such as a parametrization
        if weight is None or weight.dtype is not dtype or weight.shape != shape or not _is_plain(weight):
            return None
        weights.append(weight)
    states = None
    if hx is not None:
        states = _states(layer, hx, B, dtype)
        if states is None:
            return None
    asked = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *weights, *(states or ())))
    ran = _with_gradient(layer, x, states, weights) if asked else _without_gradient(layer, x, states, weights)
    if ran is None:
        return None
    output, finals = ran
    return output.transpose(0, 1) if layer.batch_first else output, tuple(finals) if len(finals) > 1 else finals[0]


Ran = tuple[Tensor, list[Tensor]] | None


def _with_gradient(layer: Recurrent, x: Tensor, states: Sequence[Tensor] | None, weights: Sequence[Tensor]) -> Ran:
    from ricorda.engines.cpu.run.training import training  # there is machine code

    T, B, _ = x.shape
    found = training(layer.programs[False], *layer.arrangement, T, B, _target(x))
    return None if found is None else found(x, states, weights)


def _without_gradient(layer: Recurrent, x: Tensor, states: Sequence[Tensor] | None, weights: Sequence[Tensor]) -> Ran:
    if not all(weight.is_contiguous() for weight in weights):
        return None
    from ricorda.engines.cpu.run.call import threads_now  # there is machine code
    from ricorda.engines.cpu.run.inference import stack

    T, B, _ = x.shape
    found = stack(layer.programs[False], *layer.arrangement, T, B, _target(x), threads_now())
    return None if found is None else found(x, states, weights)


def _target(x: Tensor) -> Target:
    from ricorda.engines.cpu.words import target

    return target.host("f64" if x.dtype == torch.float64 else "f32", few=x.shape[1] <= target.FEW)


def _is_plain(tensor: Any) -> bool:
    """Whether something is numbers as they lie in the processor's memory."""
    return type(tensor) in choose.PLAIN and tensor.is_cpu and tensor.layout is torch.strided and not tensor.is_neg()


def _states(layer: Recurrent, hx: Any, B: int, dtype: torch.dtype) -> Sequence[Tensor] | None:
    """The initial states; None if they are not plain ones of the right shapes."""
    given = hx if isinstance(hx, (tuple, list)) else (hx,)
    if len(given) != len(layer.state_sizes):
        return None
    for state, (entries, size) in zip(given, layer.state_sizes, strict=True):
        if not _is_plain(state) or state.dtype is not dtype or state.shape != (entries, B, size):
            return None
    return given
