"""The equations of a stage, for one row and one vector of units: load, compute, store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.kernels.plan import Address, Addresses, Plan, stage_of_store
from ricorda.engines.cpu.kernels.random_bits import mix64, random_mask
from ricorda.engines.cpu.kernels.waves import Waves
from ricorda.engines.cpu.products.half import store_half
from ricorda.engines.cpu.words.emit import LINE
from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.program.ir import MASKS
from ricorda.program.loop import Loop
from ricorda.program.operations import OPERATIONS, REDUCTIONS
from ricorda.program.schedule import IN_MEMORY


class Equations:
    """The lines of a stage for one row and one vector of units; in waves if the stage has products."""

    def __init__(self, f: Frame, plan: Plan, number: int, addresses: Addresses, part: ir.Value) -> None:
        self.f, self.plan = f, plan
        self.squares: dict[int, ir.Value] = {}
        for name, index in plan.watched:
            if stage_of_store(plan, index) == number:
                start = f.sum(f.times(part, f.number("rows")), addresses.offset)
                self.squares[index] = f.e.at(f.pointer(f"squares {name}"), start)
        loop, stage = plan.loop, plan.schedule.stages[number]
        self.lines = [index for index in stage.lines if index not in plan.schedule.row_numbers]
        numbers = plan.schedule.row_numbers
        own = {*stage.lines, *(product for bundle in stage.bundles for product in bundle.products)}
        written = sorted({line for _, line in loop.written} | set(stage.kept))
        self.writes = {index: targets for index in written if (targets := addresses.targets(index, number))}
        self.totals = {index: totals for index in written if (totals := addresses.totals(index, number))}
        self.halves: dict[int, list[Address]] = {}
        if f.target.products == "bf16":
            # Every gradient of a chunk is needed in pairs: the product with the input's weights takes them too.
            wanted = {line for name, line in loop.stored if name in plan.columns and loop.backward}
            wanted |= {*plan.half_lines, *(dict(loop.carried)[name] for name in plan.half_states)}
            here = {index for index in wanted if stage_of_store(plan, index) == number}
            self.halves = {index: addresses.half(index, reading=False) for index in sorted(here)}
        self.reads: dict[int, Address] = {}
        self.masks: dict[int, ir.Value] = {}
        # Without products the units of a row follow each other, so the sum of its squares stays in one vector.
        self.row_sums = {} if stage.bundles else {index: f.stack(1) for index in self.squares}
        needed = [arg for line in self.lines for arg in loop.lines[line].args]
        needed += [*self.writes, *self.totals, *self.halves, *self.squares]
        self.row_numbers = _row_numbers(loop, numbers.intersection(needed))
        self.of_row: dict[int, ir.Value] = {}
        self.divisors = {loop.lines[line].args[1] for line in self.lines if _divides(loop.lines[line].op)}
        self.divisors &= {index for index in numbers if loop.lines[index].op != "constant"}
        self.reciprocals: dict[int, ir.Value] = {}
        for index in needed:
            line = loop.lines[index]
            if index in own or index in numbers:
                continue
            if line.op in MASKS:
                key = f.number(f"mask {line.name}")
                self.masks[index] = mix64(
                    f, key if line.op == "locked_mask" else f.sum(key, addresses.step, f.number("begun"))
                )
            else:
                self.reads[index] = addresses.of_leaf(index) if line.op in IN_MEMORY else addresses.computed(index)
        self.written = {*self.writes, *self.totals, *self.halves, *self.squares}
        leaves = {index for index in needed if index in self.masks or loop.lines[index].op == "carried"}
        self.waves = Waves(loop, self.lines, leaves, self.written, one=not stage.bundles)

    def begin_row(self, row: ir.Value) -> None:
        """Compute what is the same for all units of a row."""
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

    def fetch(self, row: ir.Value, unit: ir.Value, units: int) -> None:
        """Have the cache fetch the memory of all steps that the equations will read and write for units of a row.

        A tile is narrow, so its rows lie too far apart for the processor to foresee them.
        """
        e, loop = self.f.e, self.plan.loop
        read = [at for index, at in self.reads.items() if loop.lines[index].op in ("sequence", "before")]
        written = [] if loop.backward else [at for targets in self.writes.values() for at in targets]
        for writing, places in enumerate((read, written)):
            for base, ld in places:
                first = e.at(base, self.f.sum(self.f.times(row, ld), unit))
                for begin in range(0, units * e.scalar_bytes, LINE):
                    e.prefetch(e.at(first, begin // e.scalar_bytes), writing=bool(writing))

    def end_row(self, row: ir.Value) -> None:
        """Write the sums over the units of a row."""
        for index, room in self.row_sums.items():
            self._add_square(self.squares[index], row, self.f.e.load(room))

    def _add_square(self, pointer: ir.Value, row: ir.Value, square: ir.Value) -> None:
        total = self.f.e.at(pointer, row)
        self.f.b.store(self.f.b.fadd(self.f.b.load(total), self.f.e.total(square)), total)

    def emit(
        self,
        row: ir.Value,
        unit: ir.Value,
        mask: ir.Value | None,
        wave: int = 0,
        at_hand: Mapping[int, Callable[[], ir.Value]] | None = None,
        rooms: Mapping[int, ir.Value] | None = None,
    ) -> None:
        """Load, compute and store one wave.

        Parameters
        ----------
        mask : the units that exist; None if all do
        at_hand : functions that load the products and the lines of earlier waves
        rooms : where lines are stored for later waves
        """
        f, lines = self.f, self.plan.loop.lines
        values: dict[int, ir.Value] = dict(self.of_row)
        waves, needed = self.waves, self.waves.needed[wave]
        for index, load in (at_hand or {}).items():
            if index in needed and (index not in waves.wave_of or waves.of(index) < wave):
                values[index] = load()
        for index, (base, ld) in self.reads.items():
            if index in needed and index not in values:
                values[index] = f.e.load(f.e.at(base, f.sum(f.times(row, ld), unit)), mask)
        for index, key in self.masks.items():
            if index in needed and index not in values:
                values[index] = random_mask(f, key, row, unit, lines[index].number)
        for index in self.lines:
            if waves.of(index) != wave:
                continue
            line = lines[index]
            if _divides(line.op) and line.args[1] in self.reciprocals:
                values[index] = f.b.fmul(values[line.args[0]], self.reciprocals[line.args[1]])
            else:
                values[index] = EMITTERS[line.op](f.e, *(values[arg] for arg in line.args))
        for index in waves.crossing:
            if rooms is not None and waves.of(index) == wave:
                f.e.store(values[index], rooms[index])
        for index, targets in self.writes.items():
            for base, ld in targets if waves.of(index) == wave else ():
                f.e.store(values[index], f.e.at(base, f.sum(f.times(row, ld), unit)), mask)
        for index, totals in self.totals.items():
            for base, ld in totals if waves.of(index) == wave else ():
                at = f.e.at(base, f.sum(f.times(row, ld), unit))
                f.e.store(f.b.fadd(f.e.load(at, mask), values[index]), at, mask)
        for index, pointer in self.squares.items():
            if waves.of(index) != wave:
                continue
            square = f.e.b.fmul(values[index], values[index])
            if mask is not None:
                square = f.b.select(mask, square, f.e.constant(0.0))
            if self.row_sums:
                f.e.store(f.b.fadd(f.e.load(self.row_sums[index]), square), self.row_sums[index])
            else:
                self._add_square(pointer, row, square)
        for index, targets in self.halves.items():
            for base, ld in targets if waves.of(index) == wave else ():
                store_half(f, values[index], f.e.at(base, f.times(row, ld)), unit, mask)


def _divides(op: str) -> bool:
    return OPERATIONS[op].factors == (1, -1)


def _row_numbers(loop: Loop, wanted: Iterable[int]) -> list[int]:
    """Row numbers and those that they are computed from, in order; reductions are not computed again."""
    needed = set(wanted)
    for index in range(len(loop.lines) - 1, -1, -1):
        if index in needed and loop.lines[index].op not in REDUCTIONS:
            needed.update(loop.lines[index].args)
    return sorted(needed)
