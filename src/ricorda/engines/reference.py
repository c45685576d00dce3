"""The reference engine: torch operations, one step after another, in any dtype on any device.

Autograd gives the gradient, of any order. It is what the other engines are held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.engines import Run
from ricorda.program.ir import INPUT_SIZE, Program
from ricorda.program.operations import OPERATIONS
from ricorda.program.weights import Block, layout


def run(
    program: Program,
    parameters: Mapping[str, Tensor],
    x: Tensor,
    states: Sequence[Tensor],
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
    record: Sequence[str] = (),
) -> Run:
    """Run a program over a sequence; shapes as in `ricorda.engines`.

    Parameters
    ----------
    reverse : bool
        Whether to go from each row's last step to its first.
    record : names of values, see `Program.names`
    """
    T = x.shape[0]
    alive = None
    if lengths is not None and bool((lengths < T).any()):
        alive = (torch.arange(T)[:, None] < lengths).to(x.device)[:, :, None]  # [T, B, 1]
        x = x.masked_fill(~alive, 0)  # padding may hold anything, and 0 * nan is nan in the gradient
    step = _Step(program, parameters, x)
    recorded = [dict(program.names)[name] for name in record]
    traces: list[list[Tensor]] = [[] for _ in recorded]
    outputs: list[Tensor] = []
    current = tuple(states)
    for t in reversed(range(T)) if reverse else range(T):
        values = step(t, current)
        new = tuple(values[index].to(old.dtype) for index, old in zip(program.outputs, current, strict=True))
        if alive is not None:
            new = tuple(torch.where(alive[t], after, before) for after, before in zip(new, current, strict=True))
        outputs.append(new[0])
        for trace, index in zip(traces, recorded, strict=True):
            trace.append(values[index].expand(x.shape[1], -1))  # a bare parameter has no rows
        current = new

    def over_time(steps: list[Tensor]) -> Tensor:
        stacked = torch.stack(steps[::-1] if reverse else steps)
        return stacked if alive is None else stacked.masked_fill(~alive, 0)

    return Run(over_time(outputs), current, {n: over_time(s) for n, s in zip(record, traces, strict=True)})


class Product(NamedTuple):
    """Affines that share their first recurrent operand, so that one matrix product serves them all."""

    operand: int
    affines: tuple[int, ...]


@lru_cache(maxsize=256)
def products(program: Program) -> tuple[Product, ...]:
    """The recurrent products of a step: an LSTM has one, the reset-before GRU two, one waiting for the other."""
    groups: dict[tuple[int, str], list[int]] = {}
    for index in program.affines:
        affine = program.values[index]
        operand = next((arg for arg in affine.args if program.values[arg].size != INPUT_SIZE), None)
        if operand is not None:
            groups.setdefault((operand, affine.size), []).append(index)
    return tuple(Product(operand, tuple(affines)) for (operand, _), affines in groups.items())


class _Step:
    """One step of a program, with everything that does not wait for a state computed beforehand for all steps."""

    def __init__(self, program: Program, parameters: Mapping[str, Tensor], x: Tensor) -> None:
        self.program = program
        self.parameters = parameters
        self.layout = layout(program, bias=any(name.startswith("bias_") for name in parameters))
        self.x = x
        self.x_steps = x.unbind(0)
        self.product_of = {index: product for product in products(program) for index in product.affines}
        self.matrices: dict[Product, Tensor] = {}
        self.without_state: dict[Product | int, Sequence[Tensor]] = {}
        for product in products(program):
            blocks = [self._matrices(index, product.operand)[0] for index in product.affines]
            self.matrices[product] = self._rows(blocks).t()
            self.without_state[product] = self._time_parallel(product.affines)
        for index in set(program.affines) - set(self.product_of):
            self.without_state[index] = self._time_parallel((index,))

    def __call__(self, t: int, states: Sequence[Tensor]) -> list[Tensor]:
        """Every value of the program at step `t`."""
        values: list[Tensor] = []
        done: dict[int, Tensor] = {}
        entering = iter(states)
        for index, value in enumerate(self.program.values):
            match value.op:
                case "input":
                    values.append(self.x_steps[t])
                case "state":
                    values.append(next(entering))
                case "constant":
                    values.append(torch.as_tensor(value.number, dtype=self.x.dtype, device=self.x.device))
                case "parameter":
                    values.append(self.parameters[value.name])
                case "affine":
                    if index not in done:
                        done.update(self._affines(index, t, values))
                    values.append(self._further_operands(index, done[index], values))
                case op:
                    values.append(OPERATIONS[op].reference(torch, *(values[arg] for arg in value.args)))
        return values

    def _affines(self, index: int, t: int, values: Sequence[Tensor]) -> dict[int, Tensor]:
        """The pre-activations of all affines that share a product with this one."""
        product = self.product_of.get(index)
        if product is None:
            return {index: self.without_state[index][t]}
        z = torch.addmm(self.without_state[product][t], values[product.operand], self.matrices[product])
        return dict(zip(product.affines, z.chunk(len(product.affines), dim=1), strict=True))

    def _further_operands(self, index: int, z: Tensor, values: Sequence[Tensor]) -> Tensor:
        """Add what an affine's second and further recurrent operands give; few cells have any."""
        if index in self.product_of:
            for block, operand in self._recurrent(index)[1:]:
                z = z + F.linear(values[operand], self._rows([block]))
        return z

    def _recurrent(self, index: int) -> list[tuple[Block, int]]:
        """Block and operand of each recurrent product of an affine."""
        args = self.program.values[index].args
        pairs = zip(self.layout.matrices[index], args, strict=True)
        return [(block, arg) for block, arg in pairs if self.program.values[arg].size != INPUT_SIZE]

    def _matrices(self, index: int, operand: int) -> list[Block]:
        args = self.program.values[index].args
        return [block for block, arg in zip(self.layout.matrices[index], args, strict=True) if arg == operand]

    def _time_parallel(self, affines: Sequence[int]) -> Sequence[Tensor]:
        """The products with the input and the biases of some affines, side by side: a tensor [B, rows] a step."""
        inputs = [self._input_blocks(index) for index in affines]
        biases = [self._bias(index) for index in affines]
        T, B, _ = self.x.shape
        given = [bias for bias in biases if bias is not None]
        if all(len(blocks) == 1 for blocks in inputs) and len(given) in (0, len(affines)):
            weight = self._rows([blocks[0] for blocks in inputs])
            return F.linear(self.x, weight, torch.cat(given) if given else None).unbind(0)
        parts = []
        for index, blocks, bias in zip(affines, inputs, biases, strict=True):
            rows = self._rows([self.layout.matrices[index][0]]).shape[0]
            part = self.x.new_zeros(T, B, rows)
            for block in blocks:
                part = part + F.linear(self.x, self._rows([block]))
            parts.append(part if bias is None else part + bias)
        return torch.cat(parts, dim=2).unbind(0)

    def _input_blocks(self, index: int) -> list[Block]:
        args = self.program.values[index].args
        pairs = zip(self.layout.matrices[index], args, strict=True)
        return [block for block, arg in pairs if self.program.values[arg].size == INPUT_SIZE]

    def _bias(self, index: int) -> Tensor | None:
        blocks = self.layout.biases[index]
        return sum((self._rows([block]) for block in blocks[1:]), self._rows(blocks[:1])) if blocks else None

    def _rows(self, blocks: Sequence[Block]) -> Tensor:
        """The blocks one below the other; the parameter itself where they are all of it."""
        whole = self.parameters[blocks[0].parameter]
        rows = self.layout.shapes[blocks[0].parameter].rows
        if [block.position for block in blocks] == list(range(len(rows))):
            return whole
        return torch.cat([whole.chunk(len(rows))[block.position] for block in blocks])
