"""The equations of a stage, for one row and one vector of units: load, compute, store.

A function such as tanh is a chain of some fifteen instructions that wait for each other, and a tanh of what comes from
a sigmoid a chain of twice as many: a processor that looks a few hundred instructions ahead finds too little beside it
to do. So the lines of a tile are computed in waves, each for all rows: no chain has two such functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import llvmlite.ir as ir

from ricorda.engines.cpu.code import Frame
from ricorda.engines.cpu.half import store_half
from ricorda.engines.cpu.mathematics import EMITTERS
from ricorda.engines.cpu.places import Address, Places, Plan, stage_of_write
from ricorda.engines.cpu.random_bits import mix64, random_mask
from ricorda.program.ir import MASKS
from ricorda.program.loop import Loop
from ricorda.program.operations import REDUCTIONS
from ricorda.program.schedule import IN_MEMORY

LONG = ("exp", "log", "sigmoid", "softplus", "tanh")
"""Operations that are long chains of instructions."""


class Equations:
    """The lines of a stage for one row and one vector of units.

    Attributes
    ----------
    waves : how many there are
    crossing : lines that a later wave takes from an earlier one
    """

    def __init__(
        self, f: Frame, plan: Plan, number: int, places: Places, part: ir.Value, in_waves: bool = False
    ) -> None:
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
        leaves = [index for index in needed if index in self.masks or loop.lines[index].op == "carried"]
        left = {*self.writes, *self.totals, *self.halves, *self.squares}
        self._wave = waves(loop, [*sorted(set(leaves)), *self.lines], left) if in_waves else {}
        self.waves = 1 + max(self._wave.values(), default=0)
        self._takes = [
            {arg for line in self.lines if self._of(line) == wave for arg in loop.lines[line].args}
            | {index for index in left if self._of(index) == wave}
            for wave in range(self.waves)
        ]
        self.crossing = sorted({a for wave, taken in enumerate(self._takes) for a in taken if self._of(a) < wave})
        self.crossing = [index for index in self.crossing if index in self._wave]

    def _of(self, index: int) -> int:
        """The wave of a line; products and what lies in memory are at hand in all, and written in the first."""
        return self._wave.get(index, 0)

    def begin_row(self, row: ir.Value, wave: int = 0) -> None:
        """Before the units of a row in a wave."""
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
        self,
        row: ir.Value,
        unit: ir.Value,
        mask: ir.Value | None,
        wave: int = 0,
        at_hand: Mapping[int, Callable[[], ir.Value]] | None = None,
        rooms: Mapping[int, ir.Value] | None = None,
    ) -> None:
        """Load, compute, store.

        Parameters
        ----------
        mask : of the units that there are; None for all
        at_hand : loads a product, or a line of an earlier wave
        rooms : where a line that later waves take is left
        """
        f, lines = self.f, self.plan.loop.lines
        values: dict[int, ir.Value] = dict(self.of_row)
        takes = self._takes[wave] | {index for index in self.crossing if self._of(index) == wave}
        for index, load in (at_hand or {}).items():
            if index in takes and (index not in self._wave or self._of(index) < wave):
                values[index] = load()
        for index, (base, ld) in self.reads.items():
            if index in takes and index not in values:
                values[index] = f.e.load(f.e.at(base, f.sum(f.times(row, ld), unit)), mask)
        for index, key in self.masks.items():
            if index in takes and index not in values:
                values[index] = random_mask(f, key, row, unit, lines[index].number)
        for index in self.lines:
            if self._of(index) != wave:
                continue
            line = lines[index]
            if line.op == "divide" and line.args[1] in self.reciprocals:
                values[index] = f.b.fmul(values[line.args[0]], self.reciprocals[line.args[1]])
            else:
                values[index] = EMITTERS[line.op](f.e, *(values[arg] for arg in line.args))
        for index in self.crossing:
            if rooms is not None and self._of(index) == wave:
                f.e.store(values[index], rooms[index])
        for index, targets in self.writes.items():
            for base, ld in targets if self._of(index) == wave else ():
                f.e.store(values[index], f.e.at(base, f.sum(f.times(row, ld), unit)), mask)
        for index, totals in self.totals.items():
            for base, ld in totals if self._of(index) == wave else ():
                at = f.e.at(base, f.sum(f.times(row, ld), unit))
                f.e.store(f.b.fadd(f.e.load(at, mask), values[index]), at, mask)
        for index, pointer in self.squares.items():
            if self._of(index) != wave:
                continue
            square = f.e.b.fmul(values[index], values[index])
            if mask is not None:
                square = f.b.select(mask, square, f.e.constant(0.0))
            if self.row_sums:
                f.e.store(f.b.fadd(f.e.load(self.row_sums[index]), square), self.row_sums[index])
            else:
                self._add_square(pointer, row, square)
        for index, targets in self.halves.items():
            for base, ld in targets if self._of(index) == wave else ():
                store_half(f, values[index], f.e.at(base, f.times(row, ld)), unit, mask)


def waves(loop: Loop, indices: Sequence[int], left: Collection[int]) -> dict[int, int]:
    """The wave of each of some lines, in order: the first in which no long function waits for another one.

    What only later waves take is moved there, where it gives the processor something to do beside their chains.

    Parameters
    ----------
    left : lines whose values the stage leaves behind
    """
    lines, found = loop.lines, dict[int, int]()
    waiting: set[int] = set()  # lines that wait for a long function of their wave, or are one
    for index in indices:
        found[index] = max((found[arg] for arg in lines[index].args if arg in found), default=0)
        waits = any(arg in waiting and found[arg] == found[index] for arg in lines[index].args)
        if lines[index].op in LONG:
            found[index] += waits
            waits = True
        if waits:
            waiting.add(index)
    awaited: set[int] = set()  # lines that a long function of their wave waits for, or are one
    renewed = dict(loop.carried)
    for index in reversed(indices):
        line = lines[index]
        users = [user for user in indices if index in lines[user].args]
        last = min((found[user] for user in users), default=found[index])
        if line.op == "carried" and line.name in renewed:  # it may be overwritten by its new value
            last = min(last, found.get(renewed[line.name], 0))
        between = index in waiting and any(user in awaited and found[user] == last for user in users)
        if index not in left and not between:
            found[index] = max(found[index], last)
        if line.op in LONG or any(user in awaited and found[user] == found[index] for user in users):
            awaited.add(index)
    return found


def _row_numbers(loop: Loop, wanted: Iterable[int]) -> list[int]:
    """Some row numbers and those that they are computed from, in order; reductions are not computed again."""
    found = set(wanted)
    for index in range(len(loop.lines) - 1, -1, -1):
        if index in found and loop.lines[index].op not in REDUCTIONS:
            found.update(loop.lines[index].args)
    return sorted(found)
