"""The code of one stage: products of a tile of rows and units into registers, then the equations on it, one by one.

Where each value lies in memory is `Places`' business; what is computed of it is the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import llvmlite.ir as ir

from ricorda.engines.cpu.code import Code, Frame
from ricorda.engines.cpu.emit import I64
from ricorda.engines.cpu.half import store_half
from ricorda.engines.cpu.mathematics import EMITTERS
from ricorda.engines.cpu.places import Address, Places, Plan, length_along, segments, stage_of_write, tile_vectors
from ricorda.engines.cpu.product import row_tiles
from ricorda.engines.cpu.random_bits import mix64, random_mask
from ricorda.engines.cpu.tile import ROWS_APART, most_rows
from ricorda.program.ir import MASKS
from ricorda.program.loop import Loop
from ricorda.program.operations import REDUCTIONS
from ricorda.program.schedule import IN_MEMORY


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
    width = tile_vectors(stage, f.target)
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
                acc, ld_acc = accs[position], f.times(columns, lanes)
                start: tuple[ir.Value, ir.Value] = (code.zeros(), I64(0))
                whole = length_along(f, plan, bundle.operands)
                panel = f.e.at(f.pointer(f"bundle {number} {position}"), f.times(vector, count * lanes, whole))
                for (base, ld), length in operands[position]:
                    a = f.e.at(base, f.times(row, ld))
                    f.tile(ROWS_APART, rows, columns, *start, acc, ld_acc, a, ld, panel, length)
                    start = acc, ld_acc
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
            if stage_of_write(plan, index) == number:
                start = f.sum(f.times(part, f.number("rows")), places.offset)
                self.squares[index] = f.e.at(f.pointer(f"squares {name}"), start)
        loop, stage = plan.loop, plan.schedule.stages[number]
        self.lines = [index for index in stage.lines if index not in plan.schedule.row_numbers]
        numbers = plan.schedule.row_numbers
        own = {*stage.lines, *(product for bundle in stage.bundles for product in bundle.products)}
        written = sorted({line for _, line in loop.written} | set(stage.kept))
        self.writes = {index: targets for index in written if (targets := places.targets(index, number))}
        self.totals = {index: totals for index in written if (totals := places.totals(index, number))}
        self.halves: dict[int, list[Address]] = {}
        if f.target.products == "bf16":
            # every gradient of a chunk: the product with the input's weights takes them too
            wanted = {line for name, line in loop.stored if name in plan.columns and loop.backward}
            wanted |= {*plan.half_lines, *(dict(loop.carried)[name] for name in plan.half_states)}
            here = {index for index in wanted if stage_of_write(plan, index) == number}
            self.halves = {index: places.half(index, reading=False) for index in sorted(here)}
        self.reads: dict[int, Address] = {}
        self.masks: dict[int, ir.Value] = {}
        # where a row's units come one after another, its squares are summed up in a register
        self.row_sums = {} if stage.bundles else {index: f.stack(1) for index in self.squares}
        needed = [arg for line in self.lines for arg in loop.lines[line].args]
        needed += [*self.writes, *self.totals, *self.halves, *self.squares]
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
        for index, totals in self.totals.items():
            for base, ld in totals:
                at = f.e.at(base, f.sum(f.times(row, ld), unit))
                f.e.store(f.b.fadd(f.e.load(at, mask), values[index]), at, mask)
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
