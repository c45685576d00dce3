"""The biases that decide how long a layer remembers before it has learned anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from ricorda.errors import ArgumentError
from ricorda.program.gates import gates_of, memory_gates
from ricorda.program.ir import Program
from ricorda.program.learned import learned
from ricorda.program.sizes import HIDDEN_SIZE
from ricorda.program.weights import Block, layout


def remembers(program: Program) -> bool:
    """Whether a layer of a cell can have `memory`: a gate is certain to keep a state, and has a bias."""
    return bool(GateBiases(program, True, False, 1).memory)


class GateBiases:
    """Where the biases of a cell's gates stand in a layer's parameters.

    Parameters
    ----------
    program : Program
        The cell's program without regularisers.
    bias : bool
        Whether the layer has biases.
    layer_norm : bool
        Whether pre-activations are normalised. That removes a bias that all units share, so the shifts are set instead.
    hidden_size : int
        Units, H.
    """

    def __init__(self, program: Program, bias: bool, layer_norm: bool, hidden_size: int) -> None:
        self.program, self.bias, self.layer_norm, self.hidden_size = program, bias, layer_norm, hidden_size

    @cached_property
    def forget(self) -> list[Block]:
        """Biases of the forget gate, to be added up; empty if no such gate is certain to keep a state."""
        forget = self.program.forget_affine
        return [] if forget is None or memory_gates(self.program).get(forget) != 1 else self._blocks(forget)

    @cached_property
    def memory(self) -> list[tuple[list[Block], int]]:
        """Biases of each memory gate; +1 if large ones keep the state, -1 if they clear it."""
        gates = memory_gates(self.program).items()
        return [(self._blocks(affine), sign) for affine, sign in gates if self._blocks(affine)]

    def check(self, forget_bias: float | None, memory: int | None) -> None:
        """Check that the cell has the biases that an option sets.

        Raises
        ------
        ArgumentError
            If not, with the option and what the cell lacks.
        """
        for option, value, blocks in (
            ("forget_bias", forget_bias, lambda: self.forget),
            ("memory", memory, lambda: self.memory),
        ):
            if value is not None and not blocks():
                why = f"cell {self.program.name} {self._lacks(option)}" if self.bias else "bias=False"
                raise ArgumentError(f"{option}={value} was given, but {why}: leave it out")

    def _lacks(self, option: str) -> str:
        """Why a cell has no bias that an option sets."""
        gates, forget = gates_of(self.program), self.program.forget_affine
        if option == "memory":
            if gates.signs:
                return "has no bias in the gates that keep a state"
            return f"has no gate that {'is certain to keep' if gates.keeping else 'keeps'} a state"
        if forget is None:
            return "has no forget gate"
        if gates.signs.get(forget) == 1:
            return "has no bias in its forget gate"
        lets_in = gates.keeping.get(forget) == frozenset({-1})
        return f"has a forget gate that {'lets the new in' if lets_in else 'is not certain to keep a state'}"

    def start(self, parameters: Mapping[str, Tensor], forget_bias: float | None, memory: int | None) -> None:
        """Set the biases of one layer and direction by the options of `Recurrent`."""
        if forget_bias is not None:
            self._set(parameters, self.forget, torch.tensor(forget_bias))
        if memory is not None:
            lasting = torch.empty(self.hidden_size).uniform_(1, memory - 1).log()
            for blocks, sign in self.memory:
                self._set(parameters, blocks, sign * lasting)

    def _blocks(self, affine: int) -> list[Block]:
        """Where the biases of an affine of hidden_size numbers stand in the parameters; they are added up."""
        if self.program.values[affine].size != HIDDEN_SIZE:
            return []
        if self.layer_norm:
            return [Block(f"shift_{self.program.values[affine].name}", 0)]
        plan = learned(self.program, self.bias) or layout(self.program, self.bias)
        return plan.biases.get(affine, [])

    def _set(self, parameters: Mapping[str, Tensor], blocks: Sequence[Block], value: Tensor) -> None:
        """Set the first of the biases that are added up to a value, and the others to zero."""
        for number, block in enumerate(blocks):
            rows = slice(block.position * self.hidden_size, (block.position + 1) * self.hidden_size)
            with torch.no_grad():
                parameters[block.parameter][rows] = 0.0 if number else value
