"""The trail of a run: the steps of one layer and direction, counted back from each row's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ricorda.engines import Request, Run, reference
from ricorda.insight.passage import NOTHING_BESIDE
from ricorda.nn import Recurrent
from ricorda.nn.forms import weights_of
from ricorda.nn.sequences import first_states, states_of
from ricorda.program.ir import Program


@dataclass(frozen=True)
class Trail:
    """The last D steps of a run of one layer and direction; entry d is the step d before a row's last one.

    The last step of the second direction is the first of the input.

    Parameters
    ----------
    program : Program
        The program of a step.
    parameters : mapping of str to Tensor
        The weights, by their names in `program.weights.layout`.
    inputs : Tensor [D, B, I + others]
        The inputs of each step side by side.
    widths : tuple of int
        The size of each of them.
    states : tuple of Tensor [D, B, size]
        The states with which each step began, one tensor for each state.
    lengths : Tensor [B]
        How many of the D steps each row has; later entries repeat the row's first step.
    """

    program: Program
    parameters: Mapping[str, Tensor]
    inputs: Tensor
    widths: tuple[int, ...]
    states: tuple[Tensor, ...]
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def present(self) -> Tensor:
        """Whether a row has a step, bool [D, B]."""
        return torch.arange(len(self))[:, None] < self.lengths

    def step(self, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The new states of one step of n rows, x [n, I + others], by torch operations that autograd sees."""
        return self.run(x, states, self.parameters).states

    def run(self, x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> Run:
        """The same with other weights, and the output [1, n, H]."""
        first, *others = torch.split(x[None], [*self.widths], dim=2)
        names = (value.name for value in self.program.inputs[1:])
        inputs = dict(zip(names, others, strict=True))
        return reference.run(Request(self.program, parameters, first, states, inputs=inputs))


def trail_of(
    layer: Recurrent,
    x: Tensor,
    lengths: Tensor,
    initial: tuple[Tensor, ...] | None,
    *,
    level: int,
    reverse: bool,
    steps: int,
    beside: Mapping[str, Tensor] = NOTHING_BESIDE,
) -> Trail:
    """Run stacked layers and follow one of them back from each row's end.

    Parameters
    ----------
    layer : Recurrent
        In evaluation mode, without batch_first.
    x : Tensor [T, B, I]
    lengths : Tensor [B]
    initial : tuple of Tensor [num_layers * directions, B, size], optional
        The initial states; those of a new sequence by default.
    level : int
        The layer to follow, from 0.
    reverse : bool
        Whether to follow its second direction.
    steps : int
        The most steps to follow back.
    beside : mapping of str to Tensor [T, B, size]
        The inputs that the cell takes besides the first.
    """
    names, output = [state.name for state in layer.program.states], layer.program.output_name
    with torch.no_grad():
        _, finals, records = layer(x, as_argument(initial), lengths=lengths, record=[*names, output], inputs=beside)
        inputs = x if level == 0 else torch.cat(list(records[output][level - 1]), dim=-1)
    entry = level * (2 if layer.bidirectional else 1) + reverse
    finals = states_of(finals)
    first = first_states(layer.stack, x.shape[1], finals[0]) if initial is None else initial
    back = torch.arange(min(steps, len(x)) + 1)[:, None]
    last = lengths - 1
    # Where each step is in the input, [D + 1, B].
    places = back.clamp(max=last) if layer.backwards[reverse] else (last - back).clamp(min=0)
    rows = torch.arange(x.shape[1])
    before = []
    for name, begin in zip(names, layer.stack.of_layer(first, entry), strict=True):
        after = records[name][level, int(reverse), ..., : begin.shape[-1]][places, rows]
        before.append(torch.where((back[:-1] < last)[..., None], after[1:], begin))
    suffix = f"_l{level}" + "_reverse" * reverse
    program = layer.programs[False]
    weights = weights_of(layer, layer.stack, level, suffix)
    parameters = {name: weight.detach() for name, weight in weights.items()}
    read = [inputs, *(beside[value.name] for value in program.inputs[1:])]
    widths = tuple(values.shape[2] for values in read)
    steps_read = torch.cat(read, dim=2)[places[:-1], rows]
    return Trail(program, parameters, steps_read, widths, tuple(before), lengths.clamp(max=len(back) - 1))


def as_argument(states: tuple[Tensor, ...] | None) -> Tensor | tuple[Tensor, ...] | None:
    """States as a layer takes them: one state as a tensor, several as a tuple."""
    return states[0] if states is not None and len(states) == 1 else states
