"""Torch's own kernels as an engine, for the cells that torch has; on a GPU torch uses cuDNN.

It serves tensors on the processor only if it is requested by name: the CPU engine is faster there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ricorda import cells
from ricorda.engines import USUAL, PlainStepper, Request, Run, StackRun, reference
from ricorda.engines.obstacles import DTYPES, PLAIN, of_tensor, stands_for_several, transform
from ricorda.program.ir import Program
from ricorda.program.learned import without_forms
from ricorda.program.stack import Stack

name = "torch"
title = "the engine of torch's kernels"

DEVICES = ("cpu", "cuda")
"""Types of devices on which torch has all these kernels, also for rows of different lengths."""

Function = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
"""A function from input, states and weights to output and final states."""


def obstacle(request: Request) -> str | None:
    """Why it cannot serve a request; None if it can."""
    x, manner = request.x, request.manner
    if x.is_cpu and request.engine != name:
        return "other engines are faster on the processor"
    if x.device.type not in DEVICES:
        return f"it computes on {' and '.join(DEVICES)}, not on {x.device}"
    if _kernel(request.program) is None:
        return f"torch has no kernel for {request.program.name} with these options"
    for tensor in (x, *request.states, *request.parameters.values()):
        plain = type(tensor) in PLAIN and tensor.dtype is x.dtype and tensor.device == x.device
        if not plain or tensor.layout is not torch.strided or tensor.is_neg():
            return of_tensor(tensor, x.dtype, x.device, str(x.device))
    if x.dtype not in DTYPES:
        return f"it computes in float32 and float64, not in {x.dtype}"
    if torch.is_autocast_enabled(x.device.type):
        return "it computes in the weights' own dtype, and not as autocast asks"
    if manner != USUAL or request.record:
        return _without(request)
    return transform()


def run(request: Request) -> Run:
    """Serve a request for one layer in one direction."""
    x, count = request.x, len(request.states)
    T, B, _ = x.shape
    lengths = None if request.lengths is None or bool((request.lengths == T).all()) else request.lengths
    if not B or (lengths is not None and not bool(lengths.any())):
        return reference.run(request)
    kernel = _kernel(request.program)
    assert kernel is not None  # `obstacle` has checked it.

    def fast(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        x, states, weights = tensors[0], tensors[1 : 1 + count], tensors[1 + count :]
        if lengths is not None:
            return _packed(kernel, x, states, weights, lengths, request.reverse)
        output, *finals = kernel(
            x.flip(0) if request.reverse else x, None, [state[None] for state in states], weights, 1, False
        )
        return output.flip(0) if request.reverse else output, *(state[0] for state in finals)

    def slow(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        x, states, weights = tensors[0], tensors[1 : 1 + count], tensors[1 + count :]
        own = request._replace(x=x, states=states, parameters=dict(zip(request.parameters, weights, strict=True)))
        ran = reference.run(own)
        return ran.output, *ran.states

    output, *finals = _differentiable(fast, slow, (x, *request.states, *request.parameters.values()))
    return Run(output, tuple(finals), {})


def run_stack(stack: Stack, request: Request) -> StackRun | None:
    """Serve a request for a whole stack by one call of a kernel; None if it must go layer by layer."""
    x, weights, count = request.x, list(request.parameters.values()), len(stack.states)
    T, B, I = x.shape
    if not T or not B or stack.input_size != I:
        return None
    if any(weight.shape != shape for weight, shape in zip(weights, stack.shapes.values(), strict=True)):
        return None
    shapes = [(entries, B, size) for entries, size in stack.states]
    states = list(request.states) or [x.new_zeros(shape) for shape in shapes]
    if [tuple(state.shape) for state in states] != shapes:
        return None
    kernel = _kernel(stack.program)
    assert kernel is not None  # `obstacle` has checked it.
    if x.is_cuda:
        _flatten(stack, weights)

    def fast(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        x, states, weights = tensors[0], tensors[1 : 1 + count], tensors[1 + count :]
        return kernel(x, None, states, weights, stack.num_layers, stack.directions == 2)

    def slow(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return _layer_by_layer(stack, tensors[0], tensors[1 : 1 + count], tensors[1 + count :])

    output, *finals = _differentiable(fast, slow, (x, *states, *weights))
    return output, finals


def stepper(stack: Stack, request: Request, batch: tuple[int, ...]) -> PlainStepper | None:
    """None: a step is a call of the layer."""
    return None


def _without(request: Request) -> str:
    """What torch's kernels lack for a request with records or in an unusual manner."""
    if request.record:
        return "it gives output and states, and records nothing else"
    if request.manner.watch is not None:
        return "it does not tell the gradients of the states"
    if request.manner.checkpoint is not None:
        return "it keeps all values, and runs no segments again"
    return f"it has no products of {request.manner.factors} with sums in float32"


class _Kernel:
    """One of torch's kernels for the layers of a stack.

    Parameters
    ----------
    function : the kernel in `torch._VF`
    mode : its mode in torch.nn, such as "LSTM"
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]], mode: str) -> None:
        self.function, self.mode = function, mode

    def __call__(
        self,
        x: Tensor,
        batch_sizes: Tensor | None,
        states: Sequence[Tensor],
        weights: Sequence[Tensor],
        layers: int,
        both: bool,
    ) -> tuple[Tensor, ...]:
        """Output and final states.

        Parameters
        ----------
        x : [T, B, I], or the rows [N, I] of all steps one below the other, if `batch_sizes` has the rows of each step
        states : [layers * directions, B, size] each
        weights : by layer, direction and name
        """
        initial = list(states) if self.mode == "LSTM" else states[0]
        per_layer = len(weights) // (layers * (2 if both else 1))
        # The fourth option is "train": without a gradient the kernels save nothing for BPTT.
        options = per_layer >= 4, layers, 0.0, torch.is_grad_enabled(), both
        if batch_sizes is None:
            return tuple(self.function(x, initial, list(weights), *options, False))
        return tuple(self.function(x, batch_sizes, initial, list(weights), *options))


@lru_cache(maxsize=256)
def _kernel(program: Program) -> _Kernel | None:
    """Torch's kernel for a program that is one of its cells; None for others."""
    known: dict[Program, tuple[Any, str]] = {
        cells.rnn.program: (torch._VF.rnn_tanh, "RNN_TANH"),
        cells.rnn_relu.program: (torch._VF.rnn_relu, "RNN_RELU"),
        cells.lstm.program: (torch._VF.lstm, "LSTM"),
        cells.lstm.projected_program: (torch._VF.lstm, "LSTM"),
        cells.gru_reset_after.program: (torch._VF.gru, "GRU"),
    }
    own = {without_forms(cell): kernel for cell, kernel in known.items()}
    return _Kernel(*own[program]) if program in own else None


def _packed(
    kernel: _Kernel,
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    lengths: Tensor,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """A run of one layer over rows of different lengths, longest first; rows of length 0 are left out."""
    T, B, I = x.shape
    ends, order = lengths.sort(descending=True, stable=True)
    steps = torch.arange(int(ends[0]), device="cpu")[:, None]
    alive = ends > steps  # [longest, B]
    at = ends - 1 - steps if reverse else steps.expand(-1, B)
    positions = (at * B + order)[alive].to(x.device)  # Of x.flatten(0, 1), in the order of steps.
    counts = alive.sum(dim=1)
    begun, idle = order[: int(counts[0])].to(x.device), order[int(counts[0]) :].to(x.device)
    rows = x.reshape(T * B, I).index_select(0, positions)
    initial = [state.index_select(0, begun)[None] for state in states]
    output, *finals = kernel(rows, counts, initial, weights, 1, False)
    whole = output.new_zeros(T * B, output.shape[1]).index_copy(0, positions, output)
    back = torch.cat([begun, idle]).argsort()
    ended = [
        torch.cat([final[0], state.index_select(0, idle)]).index_select(0, back)
        for final, state in zip(finals, states, strict=True)
    ]
    return whole.view(T, B, -1), *ended


def _flatten(stack: Stack, weights: Sequence[Tensor]) -> None:
    """Move the weights into one piece of memory: otherwise cuDNN copies them there in each call."""
    if len({weight.untyped_storage().data_ptr() for weight in weights}) == 1:
        return
    if not all(weight.is_leaf and torch.backends.cudnn.is_acceptable(weight) for weight in weights):  # type: ignore[no-untyped-call]
        return
    kernel = _kernel(stack.program)
    assert kernel is not None  # `obstacle` has checked it.
    with torch.no_grad():
        torch._cudnn_rnn_flatten_weight(
            list(weights),
            len(stack.names),
            stack.input_size,
            torch.backends.cudnn.rnn.get_cudnn_mode(kernel.mode),  # type: ignore[no-untyped-call]
            stack.hidden_size,
            stack.proj_size,
            stack.num_layers,
            False,
            stack.directions == 2,
        )


def _layer_by_layer(stack: Stack, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Output and final states of a stack from the reference engine."""
    named = dict(zip(stack.shapes, weights, strict=True))
    finals: list[tuple[Tensor, ...]] = []
    for suffixes in stack.suffixes:
        outputs = []
        for direction, suffix in enumerate(suffixes):
            parameters = {name: named[name + suffix] for name in stack.names}
            own = [state[len(finals)] for state in states]
            ran = reference.run(Request(stack.program, parameters, x, own, reverse=direction == 1))
            outputs.append(ran.output)
            finals.append(ran.states)
        x = torch.cat(outputs, dim=2)
    return x, *(torch.stack(state) for state in zip(*finals, strict=True))


def _differentiable(fast: Function, slow: Function, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """A kernel's results; the slow function computes second derivatives, which cuDNN lacks."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return tuple(_KernelFunction.apply(fast, slow, *tensors))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return fast(tensors)


class _KernelFunction(torch.autograd.Function):
    """A kernel with torch's own graph, which serves one backward pass; a second one runs the kernel again."""

    @staticmethod
    def forward(ctx: Any, fast: Function, slow: Function, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.fast, ctx.slow = fast, slow
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        ctx.ran = _ran(fast, tensors, ctx.needs_input_grad[2:])
        return tuple(result.detach() for result in ctx.ran[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted, tensors = ctx.needs_input_grad[2:], ctx.saved_tensors
        create_graph = torch.is_grad_enabled()  # With create_graph=True torch turns gradients on here.
        if create_graph or any(map(stands_for_several, gradients)):
            with torch.enable_grad():
                tensors = tuple(
                    tensor.view_as(tensor) for tensor in tensors
                )  # One may come from another: paths end here.
                results = ctx.slow(tensors)
            return None, None, *_gradients(tensors, results, gradients, wanted, create_graph)
        inputs, results = ctx.ran or _ran(ctx.fast, tensors, wanted)
        ctx.ran = None
        return None, None, *_gradients(inputs, results, gradients, wanted, create_graph=False)


def _ran(fast: Function, tensors: Sequence[Tensor], wanted: Sequence[bool]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Detached inputs, and the results that the function computes from them, with a graph between the two."""
    with torch.enable_grad():
        inputs = [tensor.detach().requires_grad_(want) for tensor, want in zip(tensors, wanted, strict=True)]
        return inputs, fast(inputs)


def _gradients(
    inputs: Sequence[Tensor],
    results: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    wanted: Sequence[bool],
    create_graph: bool,
) -> list[Tensor | None]:
    """The gradients of the wanted inputs, from those of the results; None for the other inputs."""
    pairs = [(r, g) for r, g in zip(results, gradients, strict=True) if g is not None and r.requires_grad]
    asked = [tensor for tensor, want in zip(inputs, wanted, strict=True) if want]
    if not pairs or not asked:
        return [None] * len(inputs)
    ours, theirs = zip(*pairs, strict=True)
    gradient = iter(torch.autograd.grad(ours, asked, theirs, create_graph=create_graph, allow_unused=True))
    return [next(gradient) if want else None for want in wanted]
