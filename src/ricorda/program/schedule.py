"""Stages of a loop's body: what can be computed of one tile of rows and units without waiting for other units.

A matrix product needs its operand in all units, so it starts a stage. An LSTM's step is one stage, that of the GRU with
the reset gate before the product two. Within a stage every value of a tile stays in registers; what a later stage
needs goes to memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ricorda.program.loop import LEAVES, Loop
from ricorda.program.operations import SCALAR

LARGEST_BUNDLE = 4
"""Products taken in one loop: their accumulators share the registers."""


MEAN = "mean"
"""The operation that needs its argument in all units, as a product does."""


@dataclass(frozen=True)
class Bundle:
    """Products of the same operands, which one loop over the operands computes side by side."""

    products: tuple[int, ...]
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """Lines of one size that are computed tile by tile: the products first, then the rest.

    Parameters
    ----------
    size : of all its values
    bundles : its products
    lines : the other lines, in order, leaves and constants left out
    kept : lines (leaves among them) whose value goes to scratch memory [rows, size] for a later stage
    means : lines, one number a row, that are computed from what earlier stages kept before all else
    """

    size: str
    bundles: tuple[Bundle, ...]
    lines: tuple[int, ...]
    kept: tuple[int, ...]
    means: tuple[int, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """The stages in order.

    Parameters
    ----------
    whole_states : carried values that must be kept apart from their new values, because a stage needs the old
        ones after or while the new ones are written
    """

    loop: Loop
    stages: tuple[Stage, ...]
    whole_states: tuple[str, ...]


@lru_cache(maxsize=256)
def schedule(loop: Loop) -> Schedule:
    """Arrange the lines of a loop's body in stages, as few as its products allow."""
    lines = loop.lines
    level = _levels(loop)
    found = {(level[i], line.size) for i, line in enumerate(lines) if level[i] >= 0}
    written_sizes = {lines[i].size for _, i in (*loop.stored, *loop.carried)} - {SCALAR}
    sizes = sorted(found | {(0, size) for size in written_sizes - {size for _, size in found}})
    position = {key: number for number, key in enumerate(sizes)}
    at = [position.get((level[i], line.size), -1) for i, line in enumerate(lines)]
    in_memory = {line for _, line in loop.stored}
    kept: list[set[int]] = [set() for _ in sizes]
    whole: set[str] = set()
    for i, line in enumerate(lines):
        for arg in line.args:
            source = lines[arg]
            if line.op == MEAN:
                kept[at[arg] if at[arg] >= 0 else _first(sizes, source.size)].add(arg)
            elif line.op == "product" and source.op in LEAVES:
                if source.op == "carried":
                    whole.add(source.name)
                elif source.op not in ("sequence", "before"):
                    kept[_first(sizes, source.size)].add(arg)
            elif source.op not in (*LEAVES, MEAN) and at[arg] != at[i] and arg not in in_memory:
                kept[at[arg]].add(arg)
    written = {name: _stage_of(loop, index, at, sizes) for name, index in loop.carried}
    for i, line in enumerate(lines):
        for arg in line.args:
            if lines[arg].op == "carried" and at[i] > written[lines[arg].name]:
                whole.add(lines[arg].name)
    stages = []
    for number, (_, size) in enumerate(sizes):
        own = [i for i in range(len(lines)) if at[i] == number]
        products = [i for i in own if lines[i].op == "product"]
        groups: dict[tuple[int, ...], list[int]] = {}
        for i in products:
            groups.setdefault(lines[i].args, []).append(i)
        bundles = [
            Bundle(tuple(group[k : k + LARGEST_BUNDLE]), operands)
            for operands, group in groups.items()
            for k in range(0, len(group), LARGEST_BUNDLE)
        ]
        rest = tuple(i for i in own if lines[i].op not in ("product", MEAN))
        means = tuple(i for i in own if lines[i].op == MEAN)
        stages.append(Stage(size, tuple(bundles), rest, tuple(sorted(kept[number])), means))
    return Schedule(loop, tuple(stages), tuple(sorted(whole)))


def _stage_of(loop: Loop, index: int, at: list[int], sizes: list[tuple[int, str]]) -> int:
    """The stage that a line is available in: its own, or for a leaf the first of its size."""
    size = loop.lines[index].size
    return at[index] if at[index] >= 0 else 0 if size == SCALAR else _first(sizes, size)


def _first(sizes: list[tuple[int, str]], size: str) -> int:
    return next(number for number, (_, each) in enumerate(sizes) if each == size)


def _levels(loop: Loop) -> list[int]:
    """The earliest stage of each line; -1 for leaves and for numbers."""
    lines = loop.lines
    level: list[int] = []
    of_leaves: list[bool] = []
    for line in lines:
        if line.op in LEAVES or line.size == SCALAR:
            level.append(-1)
        elif line.op == "product":
            ready = [-1 if lines[a].op in ("carried", "sequence", "before") else max(0, level[a]) for a in line.args]
            level.append(1 + max(ready))
        elif line.op == MEAN:
            level.append(1 + max(0, level[line.args[0]]))
        else:
            level.append(max(0, *(level[arg] for arg in line.args)))
        of_leaves.append(line.op in LEAVES or (line.op not in ("product", MEAN) and all(of_leaves[arg] for arg in line.args)))
    needed: list[list[int]] = [[] for _ in lines]
    fixed = {line for _, line in (*loop.stored, *loop.carried)}
    for i in reversed(range(len(lines))):
        line = lines[i]
        if level[i] >= 0 and of_leaves[i] and line.op not in LEAVES and i not in fixed and needed[i]:
            level[i] = max(level[i], min(needed[i]))  # what is computed from leaves alone waits for its use
        for arg in line.args:
            needed[arg].append(level[i] - 1 if line.op in ("product", MEAN) else level[i])
    return level
