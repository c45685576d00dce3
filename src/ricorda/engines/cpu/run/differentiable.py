"""The gradient of a loop as a differentiable function: the reference engine runs the loop again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ricorda.engines import Request, reference
from ricorda.engines.cpu.run.call import Call
from ricorda.engines.cpu.run.steps import Steps
from ricorda.program.ir import Program


def gradients_of(
    call: Call, tensors: Sequence[Tensor], of_results: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of the tensors of a call, each in its tensor's shape; see `gradients`."""
    kernels = call.kernels
    count = 1 + len(kernels.program.states)
    results = gradients(
        kernels.program,
        () if kernels.multiplies_input else kernels.parts,
        call.parameters,
        call.steps,
        call.reverse,
        call.values,
        call.seed,
        (*(tensor.reshape(-1, tensor.shape[-1]) for tensor in tensors[:count]), *tensors[count:]),
        [g if g is None or g.dim() == 2 else g.reshape(-1, g.shape[-1]) for g in of_results],
        wanted,
        torch.is_grad_enabled(),  # With create_graph=True torch turns gradients on.
    )
    return [g if g is None else g.reshape(tensor.shape) for g, tensor in zip(results, tensors, strict=True)]


def gradients(
    program: Program,
    parts: Sequence[int],
    names: Sequence[str],
    steps: Steps,
    reverse: bool,
    record: Sequence[str],
    seed: int,
    tensors: Sequence[Tensor],
    of_results: Sequence[Tensor | None],
    wanted: Sequence[bool],
    create_graph: bool,
) -> list[Tensor | None]:
    """The gradients of a loop's tensors by torch's own operations, which torch's transforms know.

    Parameters
    ----------
    parts : see `reference.run`; the first tensor has what they say
    names : of the parameters
    record : names of the recorded values
    tensors : input or products [N, .], states in the order of the steps, parameters
    of_results : gradients of output [N, .], final states and records; None for those without one
    wanted : for each tensor, whether to compute its gradient
    create_graph : whether the gradients can be differentiated again
    """
    with torch.enable_grad():
        tensors = [
            tensor.view_as(tensor) for tensor in tensors
        ]  # If one is computed from another, its path must end here.
        count = len(program.states)
        x, states, parameters = tensors[0], tensors[1 : 1 + count], dict(zip(names, tensors[1 + count :], strict=True))
        lengths = None
        if steps.positions is None:
            x = x.view(steps.T, steps.B, x.shape[1])
        else:
            assert steps.order is not None  # `ragged` has set all three.
            assert steps.ends is not None
            lengths = torch.empty_like(steps.ends).index_copy_(0, steps.order, steps.ends)
            x = x.new_zeros(steps.T * steps.B, x.shape[1]).index_copy(0, steps.positions, x)
            x = x.view(steps.T, steps.B, x.shape[1])
            back = steps.order.argsort()
            states = [state.index_select(0, back) for state in states]
        run = reference.run(Request(program, parameters, x, states, lengths, reverse, record, seed), parts)
        sequences = [values.flatten(0, 1) for values in (run.output, *run.records.values())]
        finals = list(run.states)
        if steps.positions is not None and steps.order is not None:
            sequences = [values.index_select(0, steps.positions) for values in sequences]
            finals = [state.index_select(0, steps.order) for state in finals]
        results = [sequences[0], *finals, *sequences[1:]]
        pairs = [
            (result, g) for result, g in zip(results, of_results, strict=True) if g is not None and result.requires_grad
        ]
        asked = [tensor for tensor, want in zip(tensors, wanted, strict=True) if want]
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
        return [next(gradient) if want else None for want in wanted]
