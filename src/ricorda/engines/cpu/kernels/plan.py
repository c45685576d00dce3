"""Where each value of a loop lies in memory: some are kept for all steps, some for a chunk, some between two stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.words.emit import I64
from ricorda.engines.cpu.words.target import Target
from ricorda.program.loop import Factor, Loop
from ricorda.program.schedule import IN_MEMORY, Bundle, Schedule, Stage
from ricorda.program.weights import Layout


@dataclass(frozen=True)
class Columns:
    """Where a value begins in the rows of a buffer that several values share: after so many values of each size."""

    counts: tuple[tuple[str, int], ...] = (("H", 0), ("P", 0))

    def begin(self, f: Frame, half: bool = False) -> ir.Value:
        """The first column, counted in numbers, or in pairs for the copy of the buffer in pairs."""
        widths = {size: f.words(f.number(size)) if half else f.number(size) for size, _ in self.counts}
        return f.sum(*(f.times(count, widths[size]) for size, count in self.counts if count or size == "H"))

    def at(self, sizes: Mapping[str, int]) -> int:
        """The first column, in numbers."""
        return sum(count * sizes[size] for size, count in self.counts)

    def __add__(self, size: str) -> Columns:
        counts = dict(self.counts)
        return Columns(tuple((counts | {size: counts.get(size, 0) + 1}).items()))


@dataclass(frozen=True)
class Plan:
    """Everything that the code of a loop depends on.

    Parameters
    ----------
    schedule : the loop in stages
    layout : where each factor lies in the parameters
    columns : place of each value in the chunk, a buffer for the rows of some steps: forward the products with the
        input and biases `z_*` and other values of inputs, backward the gradients of both
    sequences : names of values kept for all steps. Other carried values have one place, or two if the stages need the
        old and the new value at the same time
    watched : (state, line) of the gradients whose norms are computed
    totals : place of each `dp_*` among the sums over rows and steps, after the columns. Each row has its own sum
        first, to which the steps add
    given : place of each value of inputs that BPTT reads, in the chunk that the caller computed for the forward pass
    whole : whether the caller gives one buffer with the rows of all steps in the place of a chunk
    """

    schedule: Schedule
    layout: Layout
    columns: Mapping[str, Columns]
    sequences: tuple[str, ...]
    watched: tuple[tuple[str, int], ...] = ()
    totals: Mapping[str, Columns] = field(default_factory=dict)
    given: Mapping[str, Columns] = field(default_factory=dict)
    whole: bool = False

    @property
    def loop(self) -> Loop:
        """The loop."""
        return self.schedule.loop

    @cached_property
    def operands(self) -> list[int]:
        """The lines that are multiplied by a matrix."""
        return sorted({i for stage in self.schedule.stages for bundle in stage.bundles for i in bundle.operands})

    def first_used(self, number: int) -> list[int]:
        """The lines that are multiplied by a matrix in a stage, and in none before it."""
        before, here = (
            {i for stage in stages for bundle in stage.bundles for i in bundle.operands}
            for stages in (self.schedule.stages[:number], self.schedule.stages[number : number + 1])
        )
        return sorted(here - before)

    @cached_property
    def half_states(self) -> list[str]:
        """States that products read in pairs."""
        lines = self.loop.lines
        return [lines[i].name for i in self.operands if lines[i].op == "carried"]

    @cached_property
    def half_lines(self) -> list[int]:
        """Lines of a step that products read in pairs and that are not in the chunk."""
        in_chunk = {line for name, line in self.loop.stored if name in self.columns}
        return [i for i in self.operands if self.loop.lines[i].op != "carried" and i not in in_chunk]

    def total_size(self, name: str) -> str:
        """The size of a sum over the steps."""
        return self.loop.lines[dict(self.loop.summed)[name]].size

    def state_size(self, name: str) -> str:
        """The size of a carried value."""
        return self.loop.lines[dict(self.loop.carried)[name]].size


Address = tuple[ir.Value, ir.Value]
"""Where the rows of a value begin at this step, and the distance between rows, in numbers."""


class Addresses:
    """The addresses of values at one step.

    Parameters
    ----------
    f : the function that reads and writes them
    step : the step
    low : the first row of the chunk
    """

    def __init__(self, f: Frame, plan: Plan, step: ir.Value, low: ir.Value) -> None:
        self.f, self.plan, self.step, self.low = f, plan, step, low
        offsets = f.pointer("offsets", I64)
        self.offset = f.b.load(f.e.at(offsets, step))
        self.first = f.b.icmp_signed("==", step, I64(0))
        before = f.b.select(self.first, I64(0), f.b.sub(step, I64(1)))
        self.before = f.b.load(f.e.at(offsets, before))

    def size(self, name: str) -> ir.Value:
        """The number behind a size."""
        return self.f.number(name)

    def of_leaf(self, index: int) -> Address:
        """Where to read a leaf."""
        line = self.plan.loop.lines[index]
        size = self.size(line.size)
        match line.op:
            case "vector":
                return self.f.pointer(f"vector {line.name}"), I64(0)
            case "carried" if line.name in self.plan.sequences and not self.plan.loop.backward:
                return self.previous(line.name, size)
            case "carried":
                return self.place(line.name, size, reading=True)
            case "before":
                return self.previous(line.name, size)
            case "sequence":
                return self.sequence(line.name, size)
        raise AssertionError(line.op)

    def sequence(self, name: str, size: ir.Value) -> Address:
        """The rows, at this step, of a value that is kept for all steps or for those of a chunk."""
        f = self.f
        if name in self.plan.columns:
            ld = f.number("chunk_ld")
            row = self.offset if self.plan.whole else f.b.sub(self.offset, self.low)
            return f.e.at(f.pointer("chunk"), f.sum(f.times(row, ld), self.plan.columns[name].begin(f))), ld
        if name in self.plan.given:
            ld = f.number("x_ld")
            start = f.sum(f.times(self.offset, ld), self.plan.given[name].begin(f))
            return f.e.at(f.pointer("x"), start), ld
        return f.e.at(f.pointer(f"sequence {name}"), f.times(self.offset, size)), size

    def previous(self, name: str, size: ir.Value) -> Address:
        """The rows of a state as it entered the step."""
        f = self.f
        earlier = f.e.at(f.pointer(f"sequence {name}"), f.times(self.before, size))
        return f.b.select(self.first, f.pointer(f"initial {name}"), earlier), size

    def place(self, name: str, size: ir.Value, reading: bool) -> Address:
        """The place of a carried value that is not kept; of two places even and odd steps use one each."""
        f, base = self.f, self.f.pointer(f"place {name}")
        if name not in self.plan.schedule.whole_states:
            return base, size
        turn = f.b.and_(f.sum(self.step, 1 if reading else 0), I64(1))
        return f.e.at(base, f.times(turn, f.number("B"), size)), size

    def kept(self, index: int, size: ir.Value) -> Address:
        """The scratch memory of a line that a later stage reads."""
        return self.f.pointer(f"kept {index}"), size

    def targets(self, index: int, stage: int) -> list[Address]:
        """Where a stage writes a line's value."""
        plan, loop = self.plan, self.plan.loop
        result = []
        here, size = stage_of_store(plan, index) == stage, loop.lines[index].size
        for name, line in loop.stored:
            if line == index and here:
                result.append(self.sequence(name, self.size(size)))
        for name, line in loop.carried:
            stored = not loop.backward and name in plan.sequences
            if line == index and not stored and here:
                result.append(self.place(name, self.size(size), reading=False))
        if index in plan.schedule.stages[stage].kept:
            result.append(self.kept(index, self.size(size)))
        return result

    def totals(self, index: int, stage: int) -> list[Address]:
        """The sums to which a stage adds a line's value."""
        plan, result = self.plan, []
        for name, line in plan.loop.summed:
            if line == index and stage_of_store(plan, index) == stage:
                size = self.size(plan.loop.lines[index].size)
                result.append((self.f.pointer(f"total {name}"), size))
        return result

    def half(self, index: int, reading: bool) -> list[Address]:
        """Where products read a line in pairs; if not `reading`, where to write it, also as a state's new value."""
        f, plan, loop = self.f, self.plan, self.plan.loop
        result = []
        for name, line in loop.stored:
            if line == index and name in plan.columns:
                ld = f.number("half_ld")
                start = f.sum(f.times(f.b.sub(self.offset, self.low), ld), plan.columns[name].begin(f, half=True))
                result.append((f.e.at(f.pointer("half chunk"), start), ld))
        for name in plan.half_states:
            size = f.words(self.size(plan.state_size(name)))
            own = loop.lines[index].op == "carried" and loop.lines[index].name == name
            if own if reading else dict(loop.carried)[name] == index:
                turn = f.b.and_(f.sum(self.step, 1 if reading else 0), I64(1))
                result.append((f.e.at(f.pointer(f"half place {name}"), f.times(turn, f.number("B"), size)), size))
        if index in plan.half_lines:
            result.append((f.pointer(f"half {index}"), f.words(self.size(loop.lines[index].size))))
        return result

    def operand(self, index: int) -> Address:
        """Where a product reads all units of an operand."""
        if self.f.target.products == "bf16":
            return self.half(index, reading=True)[0]
        if self.f.target.products == "int8":
            return self.f.pointer(f"int8 {index}"), self.f.row(self.size(self.plan.loop.lines[index].size))
        return self.in_full(index)

    def in_full(self, index: int) -> Address:
        """Where all units of an operand lie as they were computed."""
        line = self.plan.loop.lines[index]
        if line.op in ("carried", "before", "sequence"):
            return self.of_leaf(index)
        return self.computed(index)

    def computed(self, index: int) -> Address:
        """Where a line of an earlier stage lies."""
        size = self.size(self.plan.loop.lines[index].size)
        for name, line in self.plan.loop.stored:
            if line == index:
                return self.sequence(name, size)
        return self.kept(index, size)


def stage_of_store(plan: Plan, index: int) -> int:
    """The stage that writes a line: the one that computes it; for leaves, the first stage of its size."""
    for number, stage in enumerate(plan.schedule.stages):
        if index in (*stage.lines, *stage.reductions) or any(index in bundle.products for bundle in stage.bundles):
            return number
    size = plan.loop.lines[index].size
    return next(number for number, stage in enumerate(plan.schedule.stages) if stage.size == size)


def chunk_begin(f: Frame, plan: Plan, low: ir.Value) -> ir.Value:
    """Where the rows of the chunk that begins at row `low` lie."""
    return f.e.at(f.pointer("chunk"), f.times(low, f.number("chunk_ld"))) if plan.whole else f.pointer("chunk")


def tile_vectors(stage: Stage, target: Target) -> int:
    """Vectors of units in a stage's tile."""
    return max(1, target.tile // max((len(bundle.products) for bundle in stage.bundles), default=target.tile))


def segments(plan: Plan, bundle: Bundle) -> list[list[int]]:
    """Groups of operands that lie side by side in memory: one loop along K multiplies each group."""
    loop = plan.loop
    in_chunk = [(name, line) for name, line in loop.stored if name in plan.columns]
    names = {line: name for name, line in reversed(in_chunk) if loop.lines[line].op not in IN_MEMORY}
    groups: list[list[int]] = []
    for operand in bundle.operands:
        last = names.get(groups[-1][-1]) if groups else None
        own = names.get(operand)
        if last is not None and own is not None:
            end = plan.columns[last] + loop.lines[groups[-1][-1]].size
            if end == plan.columns[own]:
                groups[-1].append(operand)
                continue
        groups.append([operand])
    return groups


def length_along(f: Frame, plan: Plan, operands: list[int] | tuple[int, ...]) -> ir.Value:
    """K of several operands together, in words."""
    return f.sum(0, *(f.words(f.number(plan.loop.lines[operand].size)) for operand in operands))


def depth_along(f: Frame, plan: Plan, operands: list[int] | tuple[int, ...]) -> ir.Value:
    """The rows that the packed matrices of several operands have together."""
    return f.sum(0, *(f.depth(f.number(plan.loop.lines[operand].size)) for operand in operands))


def factor_rows(f: Frame, plan: Plan, factor: Factor) -> tuple[ir.Value, ir.Value]:
    """Where the block of a factor begins in its parameter, and the distance between its rows."""
    block = plan.layout.matrices[factor.affine][factor.position]
    shape = plan.layout.shapes[block.parameter]
    assert shape.columns is not None  # A factor is a matrix.
    ld = f.number(shape.columns)
    start = f.times(block.position, f.number(shape.rows[block.position]), ld)
    return f.e.at(f.pointer(f"parameter {block.parameter}"), start), ld
