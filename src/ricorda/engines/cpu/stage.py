"""The code of one stage: products of a tile of rows and units into registers, then the equations on it, one by one.

Where each value lies in memory is `Places`' business; what is computed of it is the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import llvmlite.ir as ir

from ricorda.engines.cpu.code import Code, Frame
from ricorda.engines.cpu.emit import I64
from ricorda.engines.cpu.half import store_half
from ricorda.engines.cpu.mathematics import EMITTERS
from ricorda.engines.cpu.product import PANEL, fill, row_tiles
from ricorda.engines.cpu.random_bits import mix64, random_mask
from ricorda.engines.cpu.tile import ROWS_APART, most_rows
from ricorda.program.ir import MASKS
from ricorda.program.loop import Factor, Loop
from ricorda.program.operations import REDUCTIONS, SCALAR
from ricorda.program.schedule import IN_MEMORY, Bundle, Schedule, Stage
from ricorda.program.weights import Layout


@dataclass(frozen=True)
class Columns:
    """Where a value begins in the rows of a buffer that several share: so many times H plus so many times P."""

    H: int
    P: int

    def begin(self, f: Frame, half: bool = False) -> ir.Value:
        """The place, counted in numbers, or in pairs of them for the copy of a buffer in pairs."""
        H, P = ((f.pairs(f.number(size)) if half else f.number(size)) for size in ("H", "P"))
        return f.sum(f.times(self.H, H), f.times(self.P, P)) if self.P else f.times(self.H, H)

    def __add__(self, size: str) -> Columns:
        return Columns(self.H + (size == "H"), self.P + (size == "P"))


@dataclass(frozen=True)
class Plan:
    """All that the code of a loop follows from.

    Parameters
    ----------
    schedule : the loop in stages
    layout : where each factor lies in the parameters
    columns : place of each value in the buffer that is worked on in chunks of steps: the affines' input parts `z_*`
        forward, the gradients `dz_*` and `dp_*` backward
    sequences : names of values kept for all steps; all other carried values have one place, or two where the stages
        need old and new side by side
    watched : (state, line) of the gradients whose norms are taken
    """

    schedule: Schedule
    layout: Layout
    columns: Mapping[str, Columns]
    sequences: tuple[str, ...]
    watched: tuple[tuple[str, int], ...] = ()

    @property
    def loop(self) -> Loop:
        """The loop."""
        return self.schedule.loop

    @cached_property
    def operands(self) -> list[int]:
        """The lines that products multiply by a matrix."""
        return sorted({i for stage in self.schedule.stages for bundle in stage.bundles for i in bundle.operands})

    @cached_property
    def half_states(self) -> list[str]:
        """States that products take in pairs."""
        lines = self.loop.lines
        return [lines[i].name for i in self.operands if lines[i].op == "carried"]

    @cached_property
    def half_lines(self) -> list[int]:
        """Lines of a step that products take in pairs and that no buffer of a chunk has."""
        in_chunk = {line for name, line in self.loop.stored if name in self.columns}
        return [i for i in self.operands if self.loop.lines[i].op != "carried" and i not in in_chunk]

    def state_size(self, name: str) -> str:
        """The size of a carried value."""
        return size_of_name(self.loop, name, dict(self.loop.carried)[name])


Address = tuple[ir.Value, ir.Value]
"""Where the rows of a value begin at this step, and the distance between rows, in numbers."""


class Places:
    """The addresses of values at one step, inside a function that gets the step's numbers as arguments."""

    def __init__(self, f: Frame, plan: Plan, step: ir.Value, low: ir.Value) -> None:
        self.f, self.plan, self.step, self.low = f, plan, step, low
        offsets = f.pointer("offsets", I64)
        self.offset = f.b.load(f.e.at(offsets, step))
        self.first = f.b.icmp_signed("==", step, I64(0))
        before = f.b.select(self.first, I64(0), f.b.sub(step, I64(1)))
        self.before = f.b.load(f.e.at(offsets, before))

    def size(self, name: str) -> ir.Value:
        """The number behind "H" or "P"."""
        return self.f.number(name)

    def of_leaf(self, index: int) -> Address:
        """Where a leaf is read."""
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
        """The rows at this step of what is kept for all steps, or for those of a chunk."""
        f = self.f
        if name in self.plan.columns:
            ld = f.number("chunk_ld")
            start = f.sum(f.times(f.b.sub(self.offset, self.low), ld), self.plan.columns[name].begin(f))
            return f.e.at(f.pointer("chunk"), start), ld
        return f.e.at(f.pointer(f"sequence {name}"), f.times(self.offset, size)), size

    def previous(self, name: str, size: ir.Value) -> Address:
        """A state as it entered the step."""
        f = self.f
        earlier = f.e.at(f.pointer(f"sequence {name}"), f.times(self.before, size))
        return f.b.select(self.first, f.pointer(f"initial {name}"), earlier), size

    def place(self, name: str, size: ir.Value, reading: bool) -> Address:
        """The one place of a carried value, or one of its two: steps take turns."""
        f, base = self.f, self.f.pointer(f"place {name}")
        if name not in self.plan.schedule.whole_states:
            return base, size
        turn = f.b.and_(f.sum(self.step, 1 if reading else 0), I64(1))
        return f.e.at(base, f.times(turn, f.number("B"), size)), size

    def kept(self, index: int, size: ir.Value) -> Address:
        """Scratch memory between stages."""
        return self.f.pointer(f"kept {index}"), size

    def targets(self, index: int, stage: int) -> list[Address]:
        """Where a line's value is written."""
        plan, loop = self.plan, self.plan.loop
        result = []
        for name, line in loop.stored:
            if line == index and _stage_of_store(plan, name, index) == stage:
                result.append(self.sequence(name, self.size(size_of_name(loop, name, index))))
        for name, line in loop.carried:
            stored = not loop.backward and name in plan.sequences
            if line == index and not stored and _stage_of_store(plan, name, index) == stage:
                result.append(self.place(name, self.size(size_of_name(loop, name, index)), reading=False))
        if index in plan.schedule.stages[stage].kept:
            result.append(self.kept(index, self.size(loop.lines[index].size)))
        return result

    def half(self, index: int, reading: bool) -> list[Address]:
        """Where a product finds an operand in pairs; for a state, also where its new value is written."""
        f, plan, loop = self.f, self.plan, self.plan.loop
        result = []
        for name, line in loop.stored:
            if line == index and name in plan.columns:
                ld = f.number("half_ld")
                start = f.sum(f.times(f.b.sub(self.offset, self.low), ld), plan.columns[name].begin(f, half=True))
                result.append((f.e.at(f.pointer("half chunk"), start), ld))
        for name in plan.half_states:
            size = f.pairs(self.size(plan.state_size(name)))
            own = loop.lines[index].op == "carried" and loop.lines[index].name == name
            if own if reading else dict(loop.carried)[name] == index:
                turn = f.b.and_(f.sum(self.step, 1 if reading else 0), I64(1))
                result.append((f.e.at(f.pointer(f"half place {name}"), f.times(turn, f.number("B"), size)), size))
        if index in plan.half_lines:
            result.append((f.pointer(f"half {index}"), f.pairs(self.size(loop.lines[index].size))))
        return result

    def operand(self, index: int) -> Address:
        """Where a product finds an operand in all its units."""
        line = self.plan.loop.lines[index]
        if self.f.target.products == "bf16":
            return self.half(index, reading=True)[0]
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


def size_of_name(loop: Loop, name: str, index: int) -> str:
    """The size of what is stored under a name, which a number takes from the leaf of that name."""
    size = loop.lines[index].size
    if size != SCALAR:
        return size
    return next((line.size for line in loop.lines if line.name == name and line.size != SCALAR), "H")


def _stage_of_store(plan: Plan, name: str, index: int) -> int:
    """The stage that writes a line: the one that computes it, for leaves and numbers the first of its size."""
    for number, stage in enumerate(plan.schedule.stages):
        if index in (*stage.lines, *stage.reductions) or any(index in bundle.products for bundle in stage.bundles):
            return number
    size = size_of_name(plan.loop, name, index)
    return next(number for number, stage in enumerate(plan.schedule.stages) if stage.size == size)


def _stage_of_write(plan: Plan, index: int) -> int:
    """The stage in which a line that is written under no name of its own is at hand."""
    names = [name for name, line in (*plan.loop.stored, *plan.loop.carried) if line == index]
    if names:
        return _stage_of_store(plan, names[0], index)
    return _stage_of_store(plan, "", index)


def tile_vectors(stage: Stage) -> int:
    """Vectors of units in a stage's tile."""
    return max(1, PANEL // max((len(bundle.products) for bundle in stage.bundles), default=PANEL))


def segments(plan: Plan, bundle: Bundle) -> list[list[int]]:
    """Operands that lie side by side in memory, in order, which one loop along K takes together."""
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
    """K of some operands together, in places."""
    return f.sum(0, *(f.pairs(f.number(plan.loop.lines[operand].size)) for operand in operands))


def emit_stage(code: Code, plan: Plan, number: int) -> Frame:
    """Write `stage<number>(step, low, row0, row1, tile0, tile1, part)`: some rows and tiles of units at one step.

    `low` is the first row of the chunk of steps that `chunk` holds; `part` that of the work, for what each sums up.
    """
    stage = plan.schedule.stages[number]
    f = code.function(f"stage{number}", numbers=7)
    step, low, row0, row1, tile0, tile1, part = f.given
    places = Places(f, plan, step, low)
    equations = _Equations(f, plan, number, places, part)
    lanes, size = f.target.lanes, f.number(stage.size)
    if not stage.bundles:

        def row(r: ir.Value) -> None:
            equations.begin_row(r)
            f.vectors(tile0, tile1, size, lambda unit, mask: equations.emit(r, unit, mask, {}))
            equations.end_row(r)

        f.loop(row0, row1, row)
        f.finish()
        return f
    width = tile_vectors(stage)
    most = min(most_rows(f.target, width * len(bundle.products)) for bundle in stage.bundles)
    accs = [f.stack(most * width * len(bundle.products)) for bundle in stage.bundles]
    operands = [
        [(places.operand(group[0]), length_along(f, plan, group)) for group in segments(plan, bundle)]
        for bundle in stage.bundles
    ]

    def tile_of_units(tile: ir.Value) -> None:
        vector = f.times(tile, width)
        vectors = f.least(width, f.b.sub(f.ceil(size, lanes), vector)) if width > 1 else I64(1)

        def tile_of_rows(row: ir.Value, rows: ir.Value) -> None:
            for position, bundle in enumerate(stage.bundles):
                count = len(bundle.products)
                columns = f.times(vectors, count)
                acc = accs[position]
                fill(f, acc, f.times(rows, columns))
                whole = length_along(f, plan, bundle.operands)
                panel = f.e.at(f.pointer(f"bundle {number} {position}"), f.times(vector, count * lanes, whole))
                for (base, ld), length in operands[position]:
                    a = f.e.at(base, f.times(row, ld))
                    f.b.call(code.tiles(ROWS_APART), [rows, columns, acc, a, ld, panel, length])
                    panel = f.e.at(panel, f.times(length, columns, lanes))

            def one(r: ir.Value) -> None:
                equations.begin_row(f.sum(row, r))

                def vector_of_units(v: ir.Value) -> None:
                    results: dict[int, Callable[[], ir.Value]] = {}
                    for acc, bundle in zip(accs, stage.bundles, strict=True):
                        count = len(bundle.products)
                        for p, product in enumerate(bundle.products):
                            at = f.sum(f.times(f.sum(f.times(r, count), p), vectors), v)
                            results[product] = partial(_load_vector, f, acc, at)
                    unit = f.times(f.sum(vector, v), lanes)
                    f.masked(unit, size, lambda mask: equations.emit(f.sum(row, r), unit, mask, results))

                f.loop(0, vectors, vector_of_units)

            f.loop(0, rows, one)

        row_tiles(f, row0, row1, I64(most), tile_of_rows)

    f.loop(tile0, tile1, tile_of_units)
    f.finish()
    return f


def emit_reductions(code: Code, plan: Plan, number: int) -> Frame | None:
    """Write `reduce<number>(step, low, row0, row1)`: a stage's means and variances over the units, for some rows.

    What several of them are of is read once for the sums, and once more for the squares of what differs from the mean.
    """
    stage, lines = plan.schedule.stages[number], plan.loop.lines
    if not stage.reductions:
        return None
    f = code.function(f"reduce{number}", numbers=4)
    step, low, row0, row1 = f.given
    e, lanes, size = f.e, f.target.lanes, f.number(stage.size)
    places = Places(f, plan, step, low)
    by_arg: dict[int, dict[str, int]] = {}
    for index in stage.reductions:
        by_arg.setdefault(lines[index].args[0], {})[lines[index].op] = index
    begins = {arg: places.of_leaf(arg) if lines[arg].op in IN_MEMORY else places.computed(arg) for arg in by_arg}
    rooms = {arg: f.stack(1) for arg in by_arg}
    count = f.b.sitofp(size, f.target.number)

    def averages(
        row: ir.Value, args: list[int], term: Callable[[int, ir.Value, ir.Value | None], ir.Value]
    ) -> dict[int, ir.Value]:
        def add(unit: ir.Value, mask: ir.Value | None) -> None:
            for arg in args:
                base, ld = begins[arg]
                value = term(arg, e.load(e.at(base, f.sum(f.times(row, ld), unit)), mask), mask)
                e.store(f.b.fadd(e.load(rooms[arg]), value), rooms[arg])

        for arg in args:
            e.store(e.constant(0.0), rooms[arg])
        f.vectors(0, f.ceil(size, lanes), size, add)
        return {arg: f.b.fdiv(e.total(e.load(rooms[arg])), count) for arg in args}

    def reduce_row(row: ir.Value) -> None:
        means = averages(row, list(by_arg), lambda arg, value, mask: value)
        splats = {arg: e.splat(mean) for arg, mean in means.items()}

        def square(arg: int, value: ir.Value, mask: ir.Value | None) -> ir.Value:
            centred = f.b.fsub(value, splats[arg])
            if mask is not None:
                centred = f.b.select(mask, centred, e.constant(0.0))
            return f.b.fmul(centred, centred)

        varying = [arg for arg, reductions in by_arg.items() if "variance" in reductions]
        found = {"mean": means, "variance": averages(row, varying, square) if varying else {}}
        for arg, reductions in by_arg.items():
            for op, index in reductions.items():
                f.b.store(found[op][arg], e.at(f.pointer(f"reduced {index}"), row))

    f.loop(row0, row1, reduce_row)
    f.finish()
    return f


class _Equations:
    """The lines of a stage for one row and one vector of units."""

    def __init__(self, f: Frame, plan: Plan, number: int, places: Places, part: ir.Value) -> None:
        self.f, self.plan = f, plan
        self.squares: dict[int, ir.Value] = {}
        for name, index in plan.watched:
            if _stage_of_write(plan, index) == number:
                start = f.sum(f.times(part, f.number("rows")), places.offset)
                self.squares[index] = f.e.at(f.pointer(f"squares {name}"), start)
        loop, stage = plan.loop, plan.schedule.stages[number]
        self.lines = [index for index in stage.lines if index not in plan.schedule.row_numbers]
        numbers = plan.schedule.row_numbers
        own = {*stage.lines, *(product for bundle in stage.bundles for product in bundle.products)}
        written = {line for _, line in (*loop.stored, *loop.carried)} | set(stage.kept)
        self.writes = {index: places.targets(index, number) for index in sorted(written)}
        self.writes = {index: targets for index, targets in self.writes.items() if targets}
        self.halves: dict[int, list[Address]] = {}
        if f.target.products == "bf16":
            # every gradient of a chunk: the product with the input's weights takes them too
            wanted = {line for name, line in loop.stored if name in plan.columns and loop.backward}
            wanted |= {*plan.half_lines, *(dict(loop.carried)[name] for name in plan.half_states)}
            here = {index for index in wanted if _stage_of_write(plan, index) == number}
            self.halves = {index: places.half(index, reading=False) for index in sorted(here)}
        self.reads: dict[int, Address] = {}
        self.masks: dict[int, ir.Value] = {}
        # where a row's units come one after another, its squares are summed up in a register
        self.row_sums = {} if stage.bundles else {index: f.stack(1) for index in self.squares}
        needed = [arg for line in self.lines for arg in loop.lines[line].args]
        needed += [*self.writes, *self.halves, *self.squares]
        self.row_numbers = _row_numbers(loop, numbers.intersection(needed))
        self.of_row: dict[int, ir.Value] = {}
        self.divisors = {loop.lines[line].args[1] for line in self.lines if loop.lines[line].op == "divide"}
        self.divisors &= {index for index in numbers if loop.lines[index].op != "constant"}
        self.reciprocals: dict[int, ir.Value] = {}
        for index in needed:
            line = loop.lines[index]
            if index in own or index in numbers:
                continue
            if line.op in MASKS:
                key = f.number(f"mask {line.name}")
                self.masks[index] = mix64(
                    f, key if line.op == "locked_mask" else f.sum(key, places.step, f.number("begun"))
                )
            else:
                self.reads[index] = places.of_leaf(index) if line.op in IN_MEMORY else places.computed(index)

    def begin_row(self, row: ir.Value) -> None:
        """Before the units of a row."""
        f, lines = self.f, self.plan.loop.lines
        for index in self.row_numbers:
            line = lines[index]
            if line.op == "constant":
                self.of_row[index] = f.e.constant(line.number)
            elif line.op in REDUCTIONS:
                self.of_row[index] = f.e.splat(f.b.load(f.e.at(f.pointer(f"reduced {index}"), row)))
            else:
                self.of_row[index] = EMITTERS[line.op](f.e, *(self.of_row[arg] for arg in line.args))
        for index in sorted(self.divisors):
            self.reciprocals[index] = f.b.fdiv(f.e.constant(1.0), self.of_row[index])
        for room in self.row_sums.values():
            self.f.e.store(self.f.e.constant(0.0), room)

    def end_row(self, row: ir.Value) -> None:
        """After the units of a row."""
        for index, room in self.row_sums.items():
            self._add_square(self.squares[index], row, self.f.e.load(room))

    def _add_square(self, pointer: ir.Value, row: ir.Value, square: ir.Value) -> None:
        total = self.f.e.at(pointer, row)
        self.f.b.store(self.f.b.fadd(self.f.b.load(total), self.f.e.total(square)), total)

    def emit(
        self, row: ir.Value, unit: ir.Value, mask: ir.Value | None, results: Mapping[int, Callable[[], ir.Value]]
    ) -> None:
        """Load, compute, store."""
        f, lines = self.f, self.plan.loop.lines
        values: dict[int, ir.Value] = self.of_row | {index: load() for index, load in results.items()}
        for index, (base, ld) in self.reads.items():
            values[index] = f.e.load(f.e.at(base, f.sum(f.times(row, ld), unit)), mask)

        for index, key in self.masks.items():
            values[index] = random_mask(f, key, row, unit, lines[index].number)
        for index in self.lines:
            line = lines[index]
            if line.op == "divide" and line.args[1] in self.reciprocals:
                values[index] = f.b.fmul(values[line.args[0]], self.reciprocals[line.args[1]])
            else:
                values[index] = EMITTERS[line.op](f.e, *(values[arg] for arg in line.args))
        for index, targets in self.writes.items():
            for base, ld in targets:
                f.e.store(values[index], f.e.at(base, f.sum(f.times(row, ld), unit)), mask)
        for index, pointer in self.squares.items():
            square = f.e.b.fmul(values[index], values[index])
            if mask is not None:
                square = f.b.select(mask, square, f.e.constant(0.0))
            if self.row_sums:
                f.e.store(f.b.fadd(f.e.load(self.row_sums[index]), square), self.row_sums[index])
            else:
                self._add_square(pointer, row, square)
        for index, targets in self.halves.items():
            for base, ld in targets:
                store_half(f, values[index], f.e.at(base, f.times(row, ld)), unit, mask)


def _row_numbers(loop: Loop, wanted: Iterable[int]) -> list[int]:
    """Some row numbers and those that they are computed from, in order; reductions are not computed again."""
    found = set(wanted)
    for index in range(len(loop.lines) - 1, -1, -1):
        if index in found and loop.lines[index].op not in REDUCTIONS:
            found.update(loop.lines[index].args)
    return sorted(found)


def _load_vector(f: Frame, acc: ir.Value, at: ir.Value) -> ir.Value:
    return f.e.load(f.e.at(acc, f.times(at, f.target.lanes)))


def factor_rows(f: Frame, plan: Plan, factor: Factor) -> tuple[ir.Value, ir.Value]:
    """Where the block of a factor begins in its parameter, and the distance between its rows."""
    block = plan.layout.matrices[factor.affine][factor.position]
    shape = plan.layout.shapes[block.parameter]
    assert shape.columns is not None  # a matrix has
    ld = f.number(shape.columns)
    start = f.times(block.position, f.number(shape.rows[block.position]), ld)
    return f.e.at(f.pointer(f"parameter {block.parameter}"), start), ld
