"""A layer's run as one operation of torch's, for torch.compile, torch.export and everything that records operations.

They see `ricorda::run` and, for a gradient, `ricorda::run_backward`; both have rules that tell the shapes of results
without running them. Calls that are not recorded go straight to an engine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from ricorda.engines import Request, Run, choose, reference
from ricorda.engines.obstacles import DTYPES, hidden, stands_for_several, transform
from ricorda.errors import ArgumentError
from ricorda.program.ir import Program
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, Sizes
from ricorda.program.weights import layout


def text_of(program: Program) -> str:
    """A program as text: an operation of torch's can have a text as its argument."""
    for cached in ("inputs", "states", "masks", "constants", "of_input"):
        getattr(program, cached)  # torch.compile can read these but not compute them.
    return json.dumps(program.to_json())


def run(request: Request, text: str, seed: Tensor | None) -> Run:
    """Record a request as one operation or, if the CPU engine cannot compute it, as those of the reference engine.

    The one operation keeps all values and computes in full precision.

    Parameters
    ----------
    text : the program as text, see `text_of`
    seed : int64 [], None if the program has no masks; the seed of the request is not read
    """
    program, parameters, x, states, lengths, reverse, record, *_ = request
    if (
        request.engine != reference.name
        and x.device.type == "cpu"
        and x.dtype in DTYPES
        and not torch.is_autocast_enabled("cpu")
    ):
        weights = list(parameters), list(parameters.values())
        beside = [request.inputs[value.name] for value in program.inputs[1:]]
        results = torch.ops.ricorda.run.default(
            text, x, [*states, *beside], *weights, lengths, reverse, list(record), seed
        )
        end = 1 + len(states)
        return Run(results[0], tuple(results[1:end]), dict(zip(record, results[end:], strict=True)))
    slow = request._replace(seed=0 if seed is None else seed, engine=reference.name)
    return choose.run(slow)


def check_lengths(lengths: Tensor, T: int) -> None:
    """Check that lengths are from 0 to T.

    Raises
    ------
    ArgumentError
        With the first length that is not.
    """
    wrong = ((lengths < 0) | (lengths > T)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ArgumentError(f"lengths[{row}] is {int(lengths[row])}, but the input has {T} steps: give 0 to {T}")


@lru_cache(maxsize=256)
def _program(text: str) -> Program:
    return Program.from_json(json.loads(text))


# The inputs besides x follow the states.
_SHARED = (
    "str program, Tensor x, Tensor[] states, str[] names, Tensor[] parameters, Tensor? lengths, bool reverse, "
    "str[] record, Tensor? seed"
)
_library = torch.library.Library("ricorda", "DEF")  # type: ignore[no-untyped-call]
_library.define(f"run({_SHARED}) -> Tensor[]")  # type: ignore[no-untyped-call]
_library.define(f"run_backward({_SHARED}, Tensor?[] gradients) -> Tensor[]")  # type: ignore[no-untyped-call]


def _run(
    text: str,
    x: Tensor,
    states: Sequence[Tensor],
    names: Sequence[str],
    parameters: Sequence[Tensor],
    lengths: Tensor | None,
    reverse: bool,
    record: Sequence[str],
    seed: Tensor | None,
) -> list[Tensor]:
    """Output, final states and records, in the order of `engines.Run`."""
    if lengths is not None:
        check_lengths(lengths, x.shape[0])  # While a call is recorded its lengths are unknown.
    weights = dict(zip(names, parameters, strict=True))
    number = 0 if seed is None else int(seed)
    result = choose.run(_request(text, weights, x, states, lengths, reverse, record, number))
    return [result.output, *result.states, *result.records.values()]


def _request(text: str, weights: dict[str, Tensor], x: Tensor, states: Sequence[Tensor], *options: Any) -> Request:
    """The request of an operation, whose `states` are followed by the inputs besides x."""
    program = _program(text)
    count = len(program.states)
    names = (value.name for value in program.inputs[1:])
    inputs = dict(zip(names, states[count:], strict=True))
    return Request(program, weights, x, states[:count], *options)._replace(inputs=inputs)


def _run_alone(*arguments: Any) -> list[Tensor]:
    with torch.no_grad():
        return _apart(_run(*arguments))


def _of_torch(
    text: str,
    x: Tensor,
    states: Sequence[Tensor],
    names: Sequence[str],
    parameters: Sequence[Tensor],
    lengths: Tensor | None,
    reverse: bool,
    record: Sequence[str],
    seed: Tensor | None,
) -> list[Tensor]:
    """Compute the same by torch's own operations, whose transforms torch knows."""
    if lengths is not None and not hidden(lengths):
        check_lengths(lengths, x.shape[0])
    weights = dict(zip(names, parameters, strict=True))
    number = 0 if seed is None else seed
    result = reference.run(_request(text, weights, x, states, lengths, reverse, record, number))
    return [result.output, *result.states, *result.records.values()]


def _run_backward(text: str, x: Tensor, states: Sequence[Tensor], names: Sequence[str], *rest: Any) -> list[Tensor]:
    """The gradients of input, states and parameters; the forward loop runs again."""
    parameters, *others, gradients = rest
    include = torch._C._dispatch_tls_local_include_set()
    exclude = torch._C._dispatch_tls_local_exclude_set().remove(torch._C.DispatchKey.AutogradCPU)
    with torch._C._ForceDispatchKeyGuard(include, exclude):  # Compiled graphs run without autograd.
        tensors = [tensor.detach().requires_grad_() for tensor in (x, *states, *parameters)]
        results = _gradients((text, len(states), names, *others), tensors, gradients, create_graph=False)
    return _apart([torch.zeros_like(a) if g is None else g for a, g in zip(tensors, results, strict=True)])


def _gradients(
    others: tuple[Any, ...], tensors: Sequence[Tensor], gradients: Sequence[Tensor | None], create_graph: bool
) -> list[Tensor | None]:
    """The gradients of the tensors that require one, from those of the results; None for the others."""
    with torch.enable_grad():
        results = _run(*_arguments(others, tensors))
        pairs = [(r, g) for r, g in zip(results, gradients, strict=True) if g is not None and r.requires_grad]
        asked = [tensor for tensor in tensors if tensor.requires_grad]
        gradient = iter(
            torch.autograd.grad(
                [result for result, _ in pairs],
                asked,
                [g for _, g in pairs],
                create_graph=create_graph,
                allow_unused=True,
            )
            if pairs
            else [None] * len(asked)
        )
        return [next(gradient) if tensor.requires_grad else None for tensor in tensors]


def _arguments(others: tuple[Any, ...], tensors: Sequence[Tensor]) -> tuple[Any, ...]:
    """The operation's arguments: `others` have no derivative, `tensors` have one."""
    text, count, names, *rest = others
    return text, tensors[0], list(tensors[1 : 1 + count]), names, list(tensors[1 + count :]), *rest


def _apart(results: list[Tensor]) -> list[Tensor]:
    """The results, copied if two share memory: an operation must not return those."""
    seen: set[int] = set()
    apart = []
    for result in results:
        place = result.untyped_storage().data_ptr()
        apart.append(result.clone(memory_format=torch.contiguous_format) if place in seen else result.contiguous())
        seen.add(place)
    return apart


def _shapes(
    text: str,
    x: Tensor,
    states: Sequence[Tensor],
    names: Sequence[str],
    parameters: Sequence[Tensor],
    lengths: Tensor | None,
    reverse: bool,
    record: Sequence[str],
    seed: Tensor | None,
) -> list[Tensor]:
    """Tensors of the results' shapes, without their numbers."""
    program = _program(text)
    shapes, states = layout(program).shapes, states[: len(program.states)]
    of_units = ((p, shapes[name]) for name, p in zip(names, parameters, strict=True))
    H = next(p.shape[0] // len(shape.rows) for p, shape in of_units if shape.rows[0] == HIDDEN_SIZE)
    sizes = Sizes({value.size: state.shape[1] for value, state in zip(program.states, states, strict=True)})
    sizes.update({INPUT_SIZE: x.shape[2], HIDDEN_SIZE: H})
    named = dict(program.names)
    output = x.new_empty(*x.shape[:2], sizes[program.values[program.result].size])
    records = [x.new_empty(*x.shape[:2], sizes[program.values[named[name]].size]) for name in record]
    return [output, *(state.new_empty(state.shape) for state in states), *records]


def _shapes_backward(
    text: str, x: Tensor, states: Sequence[Tensor], names: Sequence[str], parameters: Sequence[Tensor], *_: Any
) -> list[Tensor]:
    return [tensor.new_empty(tensor.shape) for tensor in (x, *states, *parameters)]


Shape = Sequence[int]


def _flops(
    text: str, x: Shape, states: Sequence[Shape], names: Sequence[str], parameters: Sequence[Shape], *_: Any, **__: Any
) -> int:
    """Floating-point operations of the products of all steps, of which FlopCounterMode gives the shapes."""
    return 2 * x[0] * x[1] * sum(shape[0] * shape[1] for shape in parameters if len(shape) == 2)


def _flops_backward(*shapes: Any, **options: Any) -> int:
    """Those of the forward loop, which runs again, and of BPTT, which has two products for each of its own."""
    return 3 * _flops(*shapes, **options)


class _Derivative(torch.autograd.Function):
    """`ricorda::run`, with `ricorda::run_backward` as its derivative."""

    @staticmethod
    def forward(ctx: Any, others: tuple[Any, ...], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.others = others
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        with torch._C._AutoDispatchBelowAutograd():
            return tuple(torch.ops.ricorda.run.default(*_arguments(others, tensors)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors, create_graph = ctx.saved_tensors, torch.is_grad_enabled()
        if not create_graph and not any(map(stands_for_several, gradients)):
            return None, *torch.ops.ricorda.run_backward.default(*_arguments(ctx.others, tensors), gradients)
        with torch.enable_grad():
            tensors = [tensor.view_as(tensor) for tensor in tensors]  # If one is computed from another, its path ends.
        return None, *_gradients(ctx.others, tensors, gradients, create_graph)


def _run_with_derivative(
    text: str, x: Tensor, states: Sequence[Tensor], names: Sequence[str], parameters: Sequence[Tensor], *others: Any
) -> list[Tensor]:
    if transform() is not None or any(_tangent(tensor) is not None for tensor in (x, *states, *parameters)):
        return _of_torch(text, x, states, names, parameters, *others)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *states, *parameters)):
        arguments = text, len(states), names, *others
        return list(_Derivative.apply(arguments, x, *states, *parameters))  # type: ignore[no-untyped-call]
    with torch._C._AutoDispatchBelowAutograd():
        results: list[Tensor] = torch.ops.ricorda.run.default(text, x, states, names, parameters, *others)
        return results


def _tangent(tensor: Tensor) -> Tensor | None:
    """The forward-mode derivative that a tensor carries; torch has one level of them."""
    tangent: Tensor | None = torch._VF._unpack_dual(tensor, level=0)[1]
    return tangent


_library.impl("run", _run_alone, "CPU")  # type: ignore[no-untyped-call]
_library.impl("run_backward", _run_backward, "CPU")  # type: ignore[no-untyped-call]
_library.impl("run_backward", torch.library.fallthrough_kernel, "Autograd")  # type: ignore[no-untyped-call]
_library.impl("run", _run_with_derivative, "Autograd")  # type: ignore[no-untyped-call]
_library.impl("run", _of_torch, "FuncTorchBatched")  # type: ignore[no-untyped-call]
register_flop_formula(torch.ops.ricorda.run)(_flops)
register_flop_formula(torch.ops.ricorda.run_backward)(_flops_backward)
torch.library.register_fake("ricorda::run", _shapes, lib=_library)
torch.library.register_fake("ricorda::run_backward", _shapes_backward, lib=_library)
