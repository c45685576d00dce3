"""The regularisers of a layer: some change the cell's program, others the input or the weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.nn.arguments import check_choices, check_probability
from ricorda.program.ir import Program
from ricorda.program.regularise import layer_norm, recurrent_dropout, state_dropout, zoneout


@dataclass(frozen=True)
class Regularisers:
    """A layer's regularisers; `Recurrent` describes each.

    Raises
    ------
    ArgumentError
        If a probability is invalid.
    """

    zoneout: float | Mapping[str, float] = 0.0
    input_dropout: float = 0.0
    state_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    layer_norm: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.zoneout, Mapping):
            object.__setattr__(self, "zoneout", dict(self.zoneout))  # The caller may change his own.
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "layer_norm":
                check_choices(layer_norm=value)
            elif isinstance(value, dict):
                for state, probability in value.items():
                    value[state] = check_probability(f"zoneout[{state!r}]", probability)
            else:
                object.__setattr__(self, field.name, check_probability(field.name, value))

    def program(self, cell: Program, *, training: bool) -> Program:
        """The program that a layer of a cell runs.

        Raises
        ------
        ArgumentError
            If the cell lacks what a regulariser acts on.
        """
        if self.layer_norm:
            cell = layer_norm(cell)
        if training and self.recurrent_dropout:
            cell = recurrent_dropout(cell, self.recurrent_dropout)
        if training and self.state_dropout:
            cell = state_dropout(cell, self.state_dropout)
        if not self.zoneout:
            return cell
        shares = self.zoneout
        of_states = shares if isinstance(shares, Mapping) else {state.name: shares for state in cell.states}
        return zoneout(cell, of_states, training=training)

    def drop_input(self, x: Tensor) -> Tensor:
        """The input [T, B, I] with features of rows dropped for the whole sequence; for training."""
        if not self.input_dropout:
            return x
        return x * F.dropout(x.new_ones(x.shape[1:]), self.input_dropout)

    def drop_weights(self, parameters: dict[str, Tensor], recurrent: Collection[str]) -> dict[str, Tensor]:
        """The parameters with entries of the recurrent matrices dropped; for training."""
        if not self.weight_drop:
            return parameters
        return {
            name: F.dropout(weight, self.weight_drop) if name in recurrent else weight
            for name, weight in parameters.items()
        }

    def non_defaults(self) -> list[str]:
        """The arguments that differ from their defaults, as text."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [f"{name}={value}" for name, value in values.items() if value]


def draw_seed(program: Program) -> Tensor | None:
    """A seed for a program's random masks, drawn from torch's default generator; None, and no draw, without masks."""
    return torch.randint(2**62, (), device="cpu") if program.masks else None
