"""Stages of a loop's body: lines that can be computed for one tile of rows and units without waiting for other units.

A matrix product and a reduction both need all units of their operand, so each starts a new stage. A step of an LSTM has
one stage; a step of a GRU whose reset gate acts before the product has two. Within a stage the values of a tile stay in
registers; values for a later stage go to memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ricorda.program.body import is_row_number
from ricorda.program.loop import LOOP_LEAVES, Line, Loop
from ricorda.program.operations import OPERATIONS, REDUCTIONS

IN_MEMORY = ("vector", "carried", "sequence", "before")
"""Leaves that lie in memory: a reduction over the units reads them there."""


@dataclass(frozen=True)
class Bundle:
    """Products of the same operands, which one loop over these operands computes together."""

    products: tuple[int, ...]
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """Lines of one size that are computed tile by tile: the products first, then the rest.

    Parameters
    ----------
    size : the size of its lines
    bundles : its products
    lines : its other lines in order, without leaves and constants. A line that is as cheap to compute as to read is in
        every stage that uses it
    kept : lines and leaves whose value goes to scratch memory [rows, size] for a later stage
    reductions : lines with one number a row, which are computed first, from leaves and earlier stages
    """

    size: str
    bundles: tuple[Bundle, ...]
    lines: tuple[int, ...]
    kept: tuple[int, ...]
    reductions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """The stages in order.

    Parameters
    ----------
    whole_states : carried values whose old and new values need separate memory, because a stage reads old values
        after or while new ones are written
    row_numbers : lines that are the same for all units of a row; each stage computes those that it uses
    """

    loop: Loop
    stages: tuple[Stage, ...]
    whole_states: tuple[str, ...]
    row_numbers: frozenset[int]


@lru_cache(maxsize=256)
def schedule(loop: Loop, largest: int) -> Schedule:
    """Arrange the lines of a loop's body in as few stages as possible.

    Parameters
    ----------
    largest : the most products of a bundle; their sums share the registers
    """
    lines = loop.lines
    row_numbers = _row_numbers(loop)
    level = _levels(loop)
    computed = {(level[i], line.size) for i, line in enumerate(lines) if level[i] >= 0}
    written_sizes = {lines[i].size for _, i in loop.written}
    sizes = sorted(
        computed | _of_leaves(lines) | {(0, size) for size in written_sizes - {size for _, size in computed}}
    )
    position = {key: number for number, key in enumerate(sizes)}
    at = [position.get((level[i], line.size), -1) for i, line in enumerate(lines)]
    in_memory = {line for _, line in loop.stored}
    kept: list[set[int]] = [set() for _ in sizes]
    later: dict[int, set[int]] = defaultdict(set)
    whole: set[str] = set()
    for i, line in enumerate(lines):
        for arg in line.args:
            source = lines[arg]
            if line.op in REDUCTIONS:
                if source.op not in IN_MEMORY and arg not in in_memory:
                    kept[at[arg] if at[arg] >= 0 else _first(sizes, source.size)].add(arg)
            elif line.op == "product" and source.op in LOOP_LEAVES:
                if source.op == "carried":
                    whole.add(source.name)
                elif source.op not in ("sequence", "before"):
                    kept[_first(sizes, source.size)].add(arg)
            elif source.op not in LOOP_LEAVES and at[arg] != at[i] and arg not in in_memory:
                if line.op == "product":
                    kept[at[arg]].add(arg)
                elif arg not in row_numbers:
                    later[arg].add(at[i])
    repeated: list[set[int]] = [set() for _ in sizes]
    for i, uses in sorted(later.items()):
        at_hand = in_memory.union(*kept)
        if i not in at_hand and _is_cheap(lines, i, row_numbers, at_hand):
            for number in uses:
                repeated[number].add(i)
        else:
            kept[at[i]].add(i)
    written = {name: _stage_of(loop, index, at, sizes) for name, index in loop.carried}
    for i, line in enumerate(lines):
        for arg in line.args:
            if lines[arg].op == "carried" and at[i] > written[lines[arg].name]:
                whole.add(lines[arg].name)
    stages = []
    for number, (_, size) in enumerate(sizes):
        own = [i for i in range(len(lines)) if at[i] == number or i in repeated[number]]
        products = [i for i in own if lines[i].op == "product"]
        groups: dict[tuple[int, ...], list[int]] = {}
        for i in products:
            groups.setdefault(lines[i].args, []).append(i)
        bundles = [
            Bundle(tuple(part), operands) for operands, group in groups.items() for part in _equal_parts(group, largest)
        ]
        rest = tuple(i for i in own if lines[i].op not in ("product", *REDUCTIONS))
        reductions = tuple(i for i in own if lines[i].op in REDUCTIONS)
        stages.append(Stage(size, tuple(bundles), rest, tuple(sorted(kept[number])), reductions))
    return Schedule(loop, tuple(stages), tuple(sorted(whole)), row_numbers)


def _equal_parts(group: list[int], largest: int) -> list[list[int]]:
    """Split a list into the fewest equal parts of at most `largest`: four by at most three into two and two."""
    length = -(-len(group) // -(-len(group) // largest))
    return [group[k : k + length] for k in range(0, len(group), length)]


def _of_leaves(lines: Sequence[Line]) -> set[tuple[int, str]]:
    """Stage 0 of each size in which a leaf, such as a vector, must be written to memory for a product or reduction."""
    as_they_lie = {"product": ("carried", "sequence", "before"), **dict.fromkeys(REDUCTIONS, IN_MEMORY)}
    users = [line for line in lines if line.op in as_they_lie]
    leaves = [(lines[arg], line.op) for line in users for arg in line.args if lines[arg].op in LOOP_LEAVES]
    return {(0, leaf.size) for leaf, op in leaves if leaf.op not in (*as_they_lie[op], "constant")}


def _row_numbers(loop: Loop) -> frozenset[int]:
    numbers: set[int] = set()
    for index, line in enumerate(loop.lines):
        if is_row_number(line, numbers):
            numbers.add(index)
    return frozenset(numbers)


def _is_cheap(lines: Sequence[Line], index: int, row_numbers: Collection[int], at_hand: Collection[int]) -> bool:
    """Whether a line's arguments are one vector in memory and one row number: computing it is as fast as reading it."""
    line = lines[index]
    vectors = [place for place, arg in enumerate(line.args) if arg not in row_numbers]
    if len(vectors) != 1 or len(line.args) != 2 or line.op not in OPERATIONS:
        return False
    row, vector = OPERATIONS[line.op], line.args[vectors[0]]
    if not row.terms and (not row.factors or row.inverts(vectors[0])):  # A division by a vector takes longer.
        return False
    return vector in at_hand or lines[vector].op in ("vector", "before", "sequence")


def _stage_of(loop: Loop, index: int, at: list[int], sizes: list[tuple[int, str]]) -> int:
    """The stage that has a line's value: its own; for a leaf the first of its size."""
    return at[index] if at[index] >= 0 else _first(sizes, loop.lines[index].size)


def _first(sizes: list[tuple[int, str]], size: str) -> int:
    return next(number for number, (_, stage_size) in enumerate(sizes) if stage_size == size)


def _levels(loop: Loop) -> list[int]:
    """The earliest stage of each line; -1 for leaves."""
    lines = loop.lines
    level: list[int] = []
    of_leaves: list[bool] = []
    for line in lines:
        if line.op in LOOP_LEAVES:
            level.append(-1)
        elif line.op == "product":
            ready = [-1 if lines[a].op in ("carried", "sequence", "before") else max(0, level[a]) for a in line.args]
            level.append(1 + max(ready))
        elif line.op in REDUCTIONS:
            (arg,) = line.args
            level.append(0 if lines[arg].op in IN_MEMORY else 1 + max(0, level[arg]))
        else:
            level.append(max(0, *(level[arg] for arg in line.args)))
        of_leaves.append(line.op in LOOP_LEAVES or (line.op != "product" and all(of_leaves[arg] for arg in line.args)))
    needed: list[list[int]] = [[] for _ in lines]
    fixed = {line for _, line in loop.written}
    for i in reversed(range(len(lines))):
        line = lines[i]
        if level[i] >= 0 and of_leaves[i] and line.op not in LOOP_LEAVES and i not in fixed and needed[i]:
            level[i] = max(level[i], min(needed[i]))  # Lines that need leaves only are computed late.
        for arg in line.args:
            needed[arg].append(level[i] - 1 if line.op in ("product", *REDUCTIONS) else level[i])
    return level
