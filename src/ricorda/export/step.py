"""A program with its weights, lowered once to the stages of a step.

The printers (C, WebAssembly) read nothing but `Step`, and have one table of their own: how each operation is
written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ricorda.errors import ArgumentError
from ricorda.export.stages import Array, Home, Line, Product, Reduction, Stage, Step, Units
from ricorda.nn.forms import weights_of
from ricorda.nn.onnx_import.layer import NodeLayer
from ricorda.nn.recurrent import Recurrent
from ricorda.program.ir import MASKS, Program, Value
from ricorda.program.operations import EXPAND, OPERATIONS, REDUCTIONS
from ricorda.program.weights import Block, layout

LAST = 1 << 30
"""The phase after all others, in which states are written that are still read when their new values are known."""

Key = tuple[int, int, int]
"""Where a stage stands: its phase, 0 for a join and 1 for units, and its place among these."""


def steps_of(layer: Recurrent) -> tuple[tuple[Step, ...], ...]:
    """A step for each level and direction of a layer, as it predicts: its weights in float32, its regularisers acting.

    Parameters
    ----------
    layer : Recurrent
        In any dtype, on any device.

    Raises
    ------
    ArgumentError
        If it came from a file of ONNX and reads backwards only, or begins with states of that file.
    """
    if isinstance(layer, NodeLayer) and (layer.backwards[0] or layer.begins):
        what = "reads from a sequence's end" if layer.backwards[0] else "begins with states of its file"
        raise ArgumentError(f"the layer {what}, and steps do not: use it from Python")
    stack = layer.stack
    levels = []
    for level, suffixes in enumerate(stack.suffixes):
        directions = []
        for suffix in suffixes:
            arrays = arrays_of(layer, level, suffix)
            directions.append(step(stack.program, arrays, stack.sizes[level], stack.bias))
        levels.append(tuple(directions))
    return tuple(levels)


def arrays_of(layer: Recurrent, level: int, suffix: str) -> dict[str, Array]:
    """The weights that one direction of a layer computes with, float32, by their names in the program."""
    with torch.no_grad():
        weights = weights_of(layer, layer.stack, level, suffix)
    return {name: weight.detach().float().cpu().numpy() for name, weight in weights.items()}


MOST = float(np.finfo(np.float32).max)
"""Of what a state begins with: infinities are no numbers of C's, and of JSON's."""


def step(program: Program, weights: Mapping[str, Array], sizes: Mapping[str, int], bias: bool = True) -> Step:
    """Lower a program with its weights.

    Parameters
    ----------
    program : Program
        Without masks, as a layer in evaluation has it; weights are taken as they are, whatever their forms.
    weights : mapping of str to array
        The parameters of one layer in one direction by the names of `program.weights`, float32.
    sizes : mapping
        The numbers behind "I", "H" and "P", see `ir.Sizes`.
    bias : bool
        Whether the affines add biases.
    """
    program = _output_kept(program)
    lines = _Lines(program, sizes)
    groups = _groups(lines)
    _write_states(lines, groups)
    homes, scratch = _homes(lines, groups)
    whole = [replace(line, home=homes.get((i, line.size))) for i, line in enumerate(lines.lines)]
    return Step(
        name=program.name,
        inputs={value.name: sizes[value.size] for value in program.inputs},
        states=lines.states,
        begins=tuple(max(-MOST, min(state.number, MOST)) for state in program.states),
        lines=tuple(whole),
        stages=tuple(_stages(lines, groups, homes, Packed(program, weights, bias))),
        weights={value.name: weights[value.name] for value in program.values if value.op == "parameter"},
        scratch=scratch,
    )


def _output_kept(program: Program) -> Program:
    """The program with an output that is no state as a first state that nothing reads, so that a step leaves it."""
    if not program.output:
        return program
    place = len(program.inputs)

    def moved(index: int) -> int:
        return index + (index >= place)

    values = [replace(value, args=tuple(map(moved, value.args))) for value in program.values]
    values.insert(place, Value("state", name=program.output))
    outputs = (program.result, *program.outputs)
    names = tuple((name, moved(index)) for name, index in program.names)
    return replace(program, values=tuple(values), outputs=tuple(map(moved, outputs)), names=names, output="")


class _Lines:
    """A program's values as lines, with sizes in numbers and constants computed.

    Attributes
    ----------
    lines : list of Line
        Without homes, but for leaves.
    joins : dict of int to tuple of (int, int)
        What products and reductions read: (line, size); a line of size 1 that is read in a larger size is repeated.
    affines : dict of int to int
        From products to the affines that they are of.
    states : dict of str to int
        Sizes.
    new : list of int
        The line of each state's new value.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        self.lines: list[Line] = []
        self.joins: dict[int, tuple[tuple[int, int], ...]] = {}
        self.affines: dict[int, int] = {}
        at: dict[int, int] = {}
        heads = range(len(program.inputs) + len(program.states))
        for index in sorted(program.reaching.union(heads)):
            value = program.values[index]
            assert value.op not in MASKS  # A layer in evaluation has none.
            args, number = tuple(at[arg] for arg in value.args), len(self.lines)
            line = Line(value.op, args, sizes[value.size])
            if value.op in ("input", "state"):
                line = replace(line, home=Home(value.op, line.size, value.name))
            elif value.op == "parameter":
                line = Line("weight", (), line.size, home=Home("weight", line.size, value.name))
            elif value.op == "constant":
                line = Line("constant", number=value.number)
            elif value.op == "affine" or value.op in REDUCTIONS:
                of = tuple(sizes[program.values[arg].size] for arg in value.args)
                self.joins[number] = tuple(zip(args, of, strict=True))
                line = Line(value.op, args, 1)
                if value.op == "affine":
                    line = Line("product", args, sizes[value.size])
                    self.affines[number] = index
            elif value.op == EXPAND:  # A line of size 1 goes with vectors of any size.
                at[index] = args[0]
                continue
            elif index in program.constants:
                numbers = [torch.tensor(self.lines[arg].number, dtype=torch.float64) for arg in args]
                line = Line("constant", number=float(OPERATIONS[value.op].reference(torch, *numbers)))
            else:
                line = replace(line, size=max(self.lines[arg].size for arg in args))
            at[index] = number
            self.lines.append(line)
        self.states = {state.name: sizes[state.size] for state in program.states}
        self.new = [at[index] for index in program.outputs]

    def is_leaf(self, line: int) -> bool:
        """Whether a line needs no stage."""
        return self.lines[line].op in ("input", "state", "weight", "constant")

    def phases(self) -> list[int]:
        """The phase of each line; within one, all joins come before all pointwise lines.

        A join has the first phase in which its operands lie in memory, a pointwise line the last that its users allow:
        so little has to be kept.
        """
        phase: list[int] = []
        for i, line in enumerate(self.lines):
            if i in self.joins:
                ready = [
                    phase[arg] + (not self.is_ready(arg, size)) for arg, size in self.joins[i]
                ]  # A join of the same phase may come before.
                phase.append(max(ready))
            else:
                phase.append(max((phase[arg] for arg in line.args), default=0))
        latest = [max(phase)] * len(self.lines)
        for i in reversed(range(len(self.lines))):
            if i not in self.joins and not self.is_leaf(i):
                phase[i] = latest[i]
            for arg, size in self.joins.get(i, ()):
                latest[arg] = min(latest[arg], phase[i] - (not self.is_ready(arg, size)))
            for arg in () if i in self.joins else self.lines[i].args:
                latest[arg] = min(latest[arg], phase[i])
        return phase

    def is_ready(self, line: int, size: int) -> bool:
        """Whether a line lies in memory without a stage of units, in this size."""
        return self.lines[line].size == size and (line in self.joins or self.is_leaf(line))


@dataclass
class _Group:
    """A stage while it is being made: lines, and what is written where; a home of None is one in scratch memory."""

    size: int
    lines: list[int] = field(default_factory=list)
    stores: list[tuple[Home | None, int]] = field(default_factory=list)


def _groups(lines: _Lines) -> dict[Key, _Group]:
    """The stages by the keys that order them: lines of equal phase and size, and products of the same operands."""
    groups: dict[Key, _Group] = {}
    phases = lines.phases()
    products: dict[tuple[int, tuple[tuple[int, int], ...]], Key] = {}
    for i, line in enumerate(lines.lines):
        if i in lines.joins:
            key = (phases[i], 0, i)
            if line.op == "product":
                key = products.setdefault((phases[i], lines.joins[i]), key)
            groups.setdefault(key, _Group(line.size)).lines.append(i)
        elif not lines.is_leaf(i):
            groups.setdefault((phases[i], 1, line.size), _Group(line.size)).lines.append(i)
    for i, operands in lines.joins.items():
        for arg, size in operands:
            if lines.lines[arg].size != size:  # It is repeated in the phase before.
                group = groups.setdefault((phases[i] - 1, 1, size), _Group(size))
                group.stores += [(None, arg)] * ((None, arg) not in group.stores)
    return dict(sorted(groups.items()))


def _write_states(lines: _Lines, groups: dict[Key, _Group]) -> None:
    """Let stages write the new states: where these are computed, or at the end if a later stage reads the old ones."""
    stage_of = {i: key for key, group in groups.items() for i in group.lines}
    homes = [Home("state", size, name) for name, size in lines.states.items()]
    old = {line.home.name: i for i, line in enumerate(lines.lines) if line.op == "state" and line.home}
    at_end: set[int] = set()
    while True:
        last: dict[int, Key] = {}
        for key, group in groups.items():
            last.update(dict.fromkeys(_read(lines, key, group), key))
        for k in at_end:
            last[lines.new[k]] = (LAST, 1, 0)
        more = set[int]()
        for k, (home, new) in enumerate(zip(homes, lines.new, strict=True)):
            own = stage_of.get(new)
            in_place = own is not None and own[1] == 1 and groups[own].size == home.size
            if not in_place or last.get(old[home.name], own) > own:  # type: ignore[operator]
                more.add(k)
        if more <= at_end:
            break
        at_end |= more
    for k, (home, new) in enumerate(zip(homes, lines.new, strict=True)):
        if k not in at_end:
            groups[stage_of[new]].stores.append((home, new))
            continue
        key = (LAST, 1, -home.size)  # Numbers last: vectors may be made of the old ones.
        groups.setdefault(key, _Group(home.size)).stores.append((home, new))
    ordered = sorted(groups.items())
    groups.clear()
    groups.update(ordered)


def _read(lines: _Lines, key: Key, group: _Group) -> Iterator[int]:
    """The lines that a stage reads from memory, constants among them."""
    for i in group.lines:
        yield from (arg for arg in lines.lines[i].args if key[1] == 0 or arg not in group.lines)
    yield from (i for _, i in group.stores if i not in group.lines)


def _homes(lines: _Lines, groups: Mapping[Key, _Group]) -> tuple[dict[tuple[int, int], Home], int]:
    """Where lines lie in each size in which they are read, and the size of the scratch memory."""
    homes = {(i, line.size): line.home for i, line in enumerate(lines.lines) if line.home is not None}
    spans: dict[tuple[int, int], list[int]] = {}  # of what lies in scratch memory: its first and its last stage
    for number, (key, group) in enumerate(groups.items()):
        for home, i in group.stores:
            if home is None:
                spans[i, group.size] = [number, number]
            elif i in group.lines and (i, group.size) not in homes:
                homes[i, group.size] = home
        for i in group.lines:
            if (i, lines.lines[i].size) not in homes:
                spans[i, lines.lines[i].size] = [number, -1 if key[1] else number]
    for number, (key, group) in enumerate(groups.items()):
        reads = [(i, lines.lines[i].size) for i in _read(lines, key, group)]
        for place in [read for i in group.lines if key[1] == 0 for read in lines.joins[i]] or reads:
            if place in spans:
                spans[place][1] = number
    together = [[(i, lines.lines[i].size) for i in group.lines] for key, group in groups.items() if key[1] == 0]
    alone = [[place] for place in spans if place[0] not in lines.joins or place[1] != lines.lines[place[0]].size]
    places = [of for of in (*together, *alone) if any(spans[place][1] >= 0 for place in of)]
    offsets = _offsets(
        [(spans[of[0]][0], max(spans[at][1] for at in of), sum(size for _, size in of)) for of in places]
    )
    end = 0
    for of, offset in zip(places, offsets, strict=True):
        for i, size in of:
            homes[i, size] = Home("scratch", size, "", offset)
            offset += size
            end = max(end, offset)
    return homes, end


def _offsets(blocks: Sequence[tuple[int, int, int]]) -> list[int]:
    """Where blocks (first stage, last stage, size) lie so that those of overlapping stages do not overlap."""
    offsets: list[int] = []
    for number, (first, last, size) in enumerate(blocks):
        taken = sorted(
            (offsets[k], offsets[k] + blocks[k][2])
            for k in range(number)
            if blocks[k][0] <= last and first <= blocks[k][1]
        )
        offset = 0
        for low, high in taken:
            if low - offset >= size:
                break
            offset = max(offset, high)
        offsets.append(offset)
    return offsets


class Packed:
    """The matrices and biases of affines, as blocks of the parameters."""

    def __init__(self, program: Program, weights: Mapping[str, Array], bias: bool) -> None:
        self.layout, self.weights = layout(program, bias), weights

    def block(self, block: Block) -> Array:
        """The rows of a parameter that are a block of it."""
        return np.split(self.weights[block.parameter], len(self.layout.shapes[block.parameter].rows))[block.position]

    def matrix(self, affines: Sequence[int], place: int) -> Array:
        """What multiplies an operand in several affines, one below the other."""
        return np.concatenate([self.block(self.layout.matrices[affine][place]) for affine in affines])

    def bias(self, affine: int, size: int) -> Array:
        """The sum of an affine's biases."""
        result: Array = sum(map(self.block, self.layout.biases[affine]), np.zeros(size, np.float32))
        return result


def _stages(
    lines: _Lines, groups: Mapping[Key, _Group], homes: Mapping[tuple[int, int], Home], packed: Packed
) -> Iterator[Stage]:
    for key, group in groups.items():
        if key[1] == 1:
            kept = [(homes[i, group.size], i) for i in group.lines if (i, group.size) in homes]
            stores = [(home or homes[i, group.size], i) for home, i in group.stores]
            yield Units(group.size, tuple(group.lines), tuple(dict.fromkeys(kept + stores)))
            continue
        first = group.lines[0]
        operands = tuple(homes[read] for read in lines.joins[first])
        own = [homes[i, lines.lines[i].size] for i in group.lines]
        if lines.lines[first].op != "product":
            yield Reduction(lines.lines[first].op, own[0], operands[0])
            continue
        affines = [lines.affines[i] for i in group.lines]
        home = replace(own[0], size=sum(part.size for part in own))
        matrices = tuple(packed.matrix(affines, place) for place in range(len(operands)))
        biases = [packed.bias(affine, part.size) for affine, part in zip(affines, own, strict=True)]
        yield Product(home, operands, matrices, np.concatenate(biases))
