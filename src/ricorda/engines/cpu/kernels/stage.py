"""The code of one stage: the products of a tile of rows and units, then the equations on that tile.

`Addresses` knows where values lie in memory, the loop what is computed from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.kernels.equations import Equations
from ricorda.engines.cpu.kernels.plan import Address, Addresses, Plan, depth_along, length_along, segments, tile_vectors
from ricorda.engines.cpu.products.product import row_tiles
from ricorda.engines.cpu.products.tile import ROWS_APART, most_rows
from ricorda.engines.cpu.words.emit import I64
from ricorda.engines.cpu.words.mathematics import maximum
from ricorda.program.schedule import IN_MEMORY, Bundle


def emit_stage(code: Code, plan: Plan, number: int) -> Frame:
    """Write `stage<number>(step, low, row0, row1, tile0, tile1, part)`: rows and tiles of units at one step.

    `low` is the first row of the chunk. `part` is the caller's part of the work: each part has sums of its own.
    """
    stage = plan.schedule.stages[number]
    f = code.function(f"stage{number}", numbers=7)
    step, low, row0, row1, tile0, tile1, part = f.arguments
    addresses = Addresses(f, plan, step, low)
    equations = Equations(f, plan, number, addresses, part)
    lanes, size = f.target.lanes, f.number(stage.size)
    if not stage.bundles:
        _emit_rows(f, equations, size)
        f.finish()
        return f
    width = tile_vectors(stage, f.target)
    most = min(most_rows(f.target, width * len(bundle.products)) for bundle in stage.bundles)
    accs = [f.stack(most * width * len(bundle.products)) for bundle in stage.bundles]
    rooms = {index: f.stack(most * width) for index in equations.waves.crossing}
    operands = [_operands(f, plan, bundle, addresses) for bundle in stage.bundles]
    odd = f.b.icmp_signed("==", f.b.and_(step, I64(1)), I64(1))

    def tile_of_units(tile: ir.Value) -> None:
        if f.target.few:  # Odd steps go backwards: they begin with the weights that the cache still has.
            tile = f.b.select(odd, f.b.sub(f.sum(tile0, tile1, -1), tile), tile)
        vector = f.times(tile, width)
        vectors = f.least(width, f.b.sub(f.ceil(size, lanes), vector)) if width > 1 else I64(1)

        def tile_of_rows(row: ir.Value, rows: ir.Value) -> None:
            f.loop(0, rows, lambda r: equations.fetch(f.sum(row, r), f.times(vector, lanes), width * lanes))
            for position, bundle in enumerate(stage.bundles):
                columns = f.times(vectors, count := len(bundle.products))
                acc, ld_acc = accs[position], f.times(columns, lanes)
                start: tuple[ir.Value, ir.Value] = (code.zeros(), I64(0))
                whole = depth_along(f, plan, bundle.operands)
                panel = f.e.at(f.pointer(f"bundle {number} {position}"), f.times(vector, count * lanes, whole))
                for (base, ld), length, depth in operands[position]:
                    a = f.e.at(base, f.times(row, ld))
                    f.tile(ROWS_APART, rows, columns, *start, acc, ld_acc, a, ld, panel, length)
                    start = acc, ld_acc
                    panel = f.e.at(panel, f.times(depth, columns, lanes))

            def one(r: ir.Value, wave: int) -> None:
                equations.begin_row(f.sum(row, r))

                def vector_of_units(v: ir.Value) -> None:
                    place = f.times(f.sum(f.times(r, vectors), v), lanes)
                    own = {index: f.e.at(room, place) for index, room in rooms.items()}
                    at_hand = {index: partial(f.e.load, at) for index, at in own.items()}
                    for acc, bundle in zip(accs, stage.bundles, strict=True):
                        count = len(bundle.products)
                        for p, product in enumerate(bundle.products):
                            at = f.sum(f.times(f.sum(f.times(r, count), p), vectors), v)
                            at_hand[product] = partial(f.e.load, f.e.at(acc, f.times(at, lanes)))
                    unit = f.times(f.sum(vector, v), lanes)
                    f.masked(unit, size, lambda mask: equations.emit(f.sum(row, r), unit, mask, wave, at_hand, own))

                f.loop(0, vectors, vector_of_units)

            for wave in range(equations.waves.count):
                f.loop(0, rows, partial(one, wave=wave))

        row_tiles(f, row0, row1, I64(most), tile_of_rows)

    f.loop(tile0, tile1, tile_of_units)
    f.finish()
    return f


def _operands(f: Frame, plan: Plan, bundle: Bundle, addresses: Addresses) -> list[tuple[Address, ir.Value, ir.Value]]:
    """Where each group of operands lies, its length along K, and the rows of its packed matrices."""
    return [
        (addresses.operand(group[0]), length_along(f, plan, group), depth_along(f, plan, group))
        for group in segments(plan, bundle)
    ]


def _emit_rows(f: Frame, equations: Equations, size: ir.Value) -> None:
    """The equations of a stage without products, row by row."""
    _, _, row0, row1, tile0, tile1, _ = f.arguments

    def row(r: ir.Value) -> None:
        equations.begin_row(r)
        f.vectors(tile0, tile1, size, lambda unit, mask: equations.emit(r, unit, mask))
        equations.end_row(r)

    f.loop(row0, row1, row)


def emit_reductions(code: Code, plan: Plan, number: int) -> Frame | None:
    """Write `reduce<number>(step, low, row0, row1)`: a stage's reductions over the units of rows.

    Each argument is read once and, if its variance is needed, a second time for the squared differences.
    """
    stage, lines = plan.schedule.stages[number], plan.loop.lines
    if not stage.reductions:
        return None
    f = code.function(f"reduce{number}", numbers=4)
    step, low, row0, row1 = f.arguments
    e, lanes, size = f.e, f.target.lanes, f.number(stage.size)
    addresses = Addresses(f, plan, step, low)
    by_arg: dict[int, dict[str, int]] = {}
    for index in stage.reductions:
        by_arg.setdefault(lines[index].args[0], {})[lines[index].op] = index
    begins = {arg: addresses.of_leaf(arg) if lines[arg].op in IN_MEMORY else addresses.computed(arg) for arg in by_arg}

    def having(*ops: str) -> list[int]:
        return [arg for arg, reductions in by_arg.items() if not reductions.keys().isdisjoint(ops)]

    summed, compared, varying = having("sum", "mean", "variance"), having("largest"), having("variance")
    rooms = {arg: f.stack(1) for arg in summed}
    tops = {arg: f.stack(1) for arg in compared}
    count = f.b.sitofp(size, f.target.number)
    lowest = e.constant(-math.inf)

    def over_units(row: ir.Value, args: Iterable[int], take: Callable[[int, ir.Value, ir.Value | None], None]) -> None:
        def every(unit: ir.Value, mask: ir.Value | None) -> None:
            for arg in args:
                base, ld = begins[arg]
                take(arg, e.load(e.at(base, f.sum(f.times(row, ld), unit)), mask), mask)

        f.vectors(0, f.ceil(size, lanes), size, every)

    def add(arg: int, value: ir.Value) -> None:
        e.store(f.b.fadd(e.load(rooms[arg]), value), rooms[arg])

    def reduce_row(row: ir.Value) -> None:
        def first(arg: int, value: ir.Value, mask: ir.Value | None) -> None:
            if arg in rooms:
                add(arg, value)
            if arg in tops:
                known = value if mask is None else f.b.select(mask, value, lowest)
                e.store(maximum(e, e.load(tops[arg]), known), tops[arg])

        def second(arg: int, value: ir.Value, mask: ir.Value | None) -> None:
            centred = f.b.fsub(value, splats[arg])
            if mask is not None:
                centred = f.b.select(mask, centred, e.constant(0.0))
            add(arg, f.b.fmul(centred, centred))

        for room, begin in [(room, e.constant(0.0)) for room in rooms.values()] + [
            (top, lowest) for top in tops.values()
        ]:
            e.store(begin, room)
        over_units(row, by_arg, first)
        values: dict[str, dict[int, ir.Value]] = {"sum": {arg: e.total(e.load(room)) for arg, room in rooms.items()}}
        values["mean"] = {arg: f.b.fdiv(values["sum"][arg], count) for arg in having("mean", "variance")}
        values["largest"] = {arg: e.total(e.load(top), partial(maximum, e)) for arg, top in tops.items()}
        if varying:
            splats = {arg: e.splat(values["mean"][arg]) for arg in varying}
            for arg in varying:
                e.store(e.constant(0.0), rooms[arg])
            over_units(row, varying, second)
            values["variance"] = {arg: f.b.fdiv(e.total(e.load(rooms[arg])), count) for arg in varying}
        for arg, reductions in by_arg.items():
            for op, index in reductions.items():
                f.b.store(values[op][arg], e.at(f.pointer(f"reduced {index}"), row))

    f.loop(row0, row1, reduce_row)
    f.finish()
    return f
