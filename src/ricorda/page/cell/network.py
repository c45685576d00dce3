"""A small layer of the chosen cell, whose weights and inputs are moved one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ricorda.catalogue import CELLS
from ricorda.errors import ArgumentError
from ricorda.insight.passage import Passage
from ricorda.insight.unrolled.result import MOST_STEPS, Unrolled
from ricorda.insight.unrolled.view import unroll
from ricorda.nn import Recurrent
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.program.learned import learned
from ricorda.program.options import Option
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, Sizes
from ricorda.program.weights import Block, layout

MOST_WEIGHTS = 64
"""Of a network whose weights are moved one by one."""

LARGEST_LAYER = 100_000
"""Weights of a layer that is made at all: a cell may have states of any size."""

DAYS = (1.0, 0.5, 0.25, 1.0)
"""The input of a new network."""


@dataclass(frozen=True)
class Weight:
    """One number of a layer: its parameter, and its place there."""

    parameter: str
    place: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """The weights of an affine, a row for each unit; or those of another parameter.

    Parameters
    ----------
    name : of the affine or the parameter
    columns : what each column multiplies, such as `h`; "" is a bias, or the parameter itself
    rows : the weights
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Weight, ...], ...]


class Network:
    """A layer of one cell, and what it reads.

    Parameters
    ----------
    cell : the cell, with its options
    input_size, hidden_size : I and H
    inputs : the numbers of each step, those of the first input before those of the others; made if there are none
    weights : the numbers of all `weights`, in their order; drawn if there are none, or not so many
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        inputs: Sequence[Sequence[float]] = (),
        weights: Sequence[float] = (),
    ) -> None:
        self.cell = cell
        self.program: Program = cell.program
        self.sizes = Sizes({INPUT_SIZE: input_size, HIDDEN_SIZE: hidden_size})
        units = sum(self.sizes[value.size] for value in self.program.values)
        if units > LARGEST_LAYER:
            raise ArgumentError(f"cell {cell.name} has {units:,} numbers a step, and the page shows {LARGEST_LAYER:,}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # An address leads back to the same numbers.
            self.layer = Recurrent(cell, input_size, hidden_size, dtype=torch.float64, engine="reference").eval()
        self.groups = tuple(_groups(self.program, self.layer, self.sizes))
        self.weights = [weight for group in self.groups for row in group.rows for weight in row]
        self._parameters = dict(self.layer.named_parameters())
        _zero_second_biases(self.program, self._parameters)
        drawn = [round(self.weight(weight), 2) for weight in self.weights]
        for weight, number in zip(self.weights, weights if len(weights) == len(drawn) else drawn, strict=True):
            self.set_weight(weight, number)
        self.columns = tuple(_columns(self.program, self.sizes))
        width = len(self.columns)
        rows = [list(step) for step in inputs if len(step) == width][:MOST_STEPS]
        self.inputs = rows or [[number, *[0.0] * (input_size - 1), *[1.0] * (width - input_size)] for number in DAYS]

    @property
    def movable(self) -> bool:
        """Whether the weights are few enough to be moved one by one."""
        return len(self.weights) <= MOST_WEIGHTS

    def weight(self, weight: Weight) -> float:
        """The value of a weight."""
        return float(self._parameters[weight.parameter].detach()[weight.place])

    def set_weight(self, weight: Weight, number: float) -> None:
        """Change a weight."""
        with torch.no_grad():
            self._parameters[weight.parameter][weight.place] = number

    def unrolled(self) -> Unrolled:
        """Every named value of every step."""
        table = torch.tensor(self.inputs, dtype=torch.float64)
        widths = [self.sizes[value.size] for value in self.program.inputs]
        first, *others = torch.split(table, widths, dim=1)
        names = [value.name for value in self.program.inputs[1:]]
        tokens = tuple(str(step + 1) for step in range(len(table)))
        return unroll(Passage(self.layer, tokens, first, beside=dict(zip(names, others, strict=True))))


def cell_named(name: str, options: dict[str, str]) -> Cell:
    """A cell of the catalogue with options as they stand in an address, of the types of the defaults.

    Raises
    ------
    ArgumentError
        If an option cannot be read.
    """
    cell = CELLS[name]
    values: dict[str, Option] = {}
    for option, default in cell.options.items():
        if option in options and options[option] != str(default):
            values[option] = _read_option(name, option, options[option], default)
    return cell.with_options(values)


def _read_option(cell: str, name: str, text: str, default: Option) -> Option:
    try:
        if isinstance(default, bool):
            return {"True": True, "False": False}[text]
        return type(default)(text)
    except (KeyError, ValueError):
        raise ArgumentError(f"option {name} of cell {cell} is {text!r:.40}: give one like {default!r}") from None


def _columns(program: Program, sizes: Sizes) -> Iterator[str]:
    """A name for each number that a step reads, such as `x`, or `x_1` and `x_2`."""
    for value in program.inputs:
        size = sizes[value.size]
        yield from [value.name] if size == 1 else [f"{value.name}_{unit + 1}" for unit in range(size)]


def _groups(program: Program, layer: Recurrent, sizes: Sizes) -> Iterator[Group]:
    own = {name.removesuffix("_l0"): name for name, _ in layer.named_parameters()}
    shapes = {name: parameter.shape for name, parameter in layer.named_parameters()}
    if learned(program) is not None:  # Its weights are made from others, which have names of their own.
        for name, shape in shapes.items():
            yield _whole(name.removesuffix("_l0"), name, shape)
        return
    plan = layout(program)
    names = {index: name for name, index in program.names}
    names |= {place: value.name for place, value in enumerate(program.values) if value.op in ("input", "state")}
    for index in program.affines:
        affine = program.values[index]
        size = sizes[affine.size]
        columns: list[str] = []
        rows: list[list[Weight]] = [[] for _ in range(size)]
        for operand, block in zip(affine.args, plan.matrices[index], strict=True):
            width = sizes[program.values[operand].size]
            name = names.get(operand, "·")
            columns += [name] if width == 1 else [f"{name}_{unit + 1}" for unit in range(width)]
            for unit, row in enumerate(rows):
                row += [Weight(own[block.parameter], (block.position * size + unit, column)) for column in range(width)]
        for block in plan.biases[index][:1]:  # torch.nn has two that are added; the second stays 0.
            columns.append("")
            for unit, row in enumerate(rows):
                row.append(Weight(own[block.parameter], (block.position * size + unit,)))
        yield Group(affine.name, tuple(columns), tuple(map(tuple, rows)))
    for value in program.values:
        if value.op == "parameter" and value.name in own:
            yield _whole(value.name, own[value.name], shapes[own[value.name]])


def _whole(shown: str, name: str, shape: Sequence[int]) -> Group:
    """A parameter on its own, of one or two dimensions."""
    if len(shape) == 1:
        return Group(shown, ("",), tuple((Weight(name, (unit,)),) for unit in range(shape[0])))
    rows = tuple(tuple(Weight(name, (row, column)) for column in range(shape[1])) for row in range(shape[0]))
    return Group(shown, tuple(str(column + 1) for column in range(shape[1])), rows)


def _zero_second_biases(program: Program, parameters: Mapping[str, Tensor]) -> None:
    if learned(program) is not None:
        return
    plan = layout(program)
    seconds: list[Block] = [blocks[1] for blocks in plan.biases.values() if len(blocks) > 1]
    with torch.no_grad():
        for block in seconds:
            parameter = parameters[f"{block.parameter}_l0"]
            size = len(parameter) // len(plan.shapes[block.parameter].rows)
            parameter[block.position * size : (block.position + 1) * size] = 0.0
