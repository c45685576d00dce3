"""Waves: the lines of a stage are split into groups, and each group is computed for all rows of a tile before the next.

A function such as tanh is a chain of some fifteen instructions that wait for each other; a tanh of a sigmoid is a chain
twice as long. A processor looks a few hundred instructions ahead, and would not find enough other work to do meanwhile.
Therefore no chain within a wave has two such functions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ricorda.program.loop import Loop
from ricorda.program.operations import OPERATIONS


class Waves:
    """The waves of a stage.

    Parameters
    ----------
    lines : the lines that the stage computes, in order
    leaves : leaves that may be loaded only once: states, which may be overwritten, and masks, which are drawn
    written : lines and leaves whose values the stage writes to memory
    one : whether to make one wave of all lines

    Attributes
    ----------
    wave_of : the wave of each line and leaf
    needed : for each wave, the values that it reads or must leave in memory
    crossing : the values that a wave reads from an earlier one
    """

    def __init__(
        self, loop: Loop, lines: Sequence[int], leaves: Collection[int], written: Collection[int], one: bool
    ) -> None:
        self.wave_of = {} if one else waves(loop, [*sorted(leaves), *lines], written)
        self.count = 1 + max(self.wave_of.values(), default=0)
        self.needed: list[set[int]] = [set() for _ in range(self.count)]
        for line in lines:
            self.needed[self.of(line)].update(loop.lines[line].args)
        for index in written:
            self.needed[self.of(index)].add(index)
        later = {index for wave, indices in enumerate(self.needed) for index in indices if self.of(index) < wave}
        self.crossing = sorted(later & self.wave_of.keys())
        for index in self.crossing:
            self.needed[self.of(index)].add(index)

    def of(self, index: int) -> int:
        """The wave of a line or leaf; 0 for products and other values that every wave can load from memory."""
        return self.wave_of.get(index, 0)


def waves(loop: Loop, indices: Sequence[int], written: Collection[int]) -> dict[int, int]:
    """The wave of each line: the first in which no long function waits for another one.

    A line that only later waves read is moved there, so that the processor has other work beside their chains.

    Parameters
    ----------
    indices : the lines, in order
    written : lines whose values the stage writes to memory
    """
    lines, wave_of = loop.lines, dict[int, int]()
    waiting: set[int] = set()  # Long functions, and lines that wait for one of their own wave.
    for index in indices:
        wave_of[index] = max((wave_of[arg] for arg in lines[index].args if arg in wave_of), default=0)
        waits = any(arg in waiting and wave_of[arg] == wave_of[index] for arg in lines[index].args)
        if _is_long(lines[index].op):
            wave_of[index] += waits
            waits = True
        if waits:
            waiting.add(index)
    awaited: set[int] = set()  # Long functions, and lines that one of their own wave waits for.
    renewed = dict(loop.carried)
    for index in reversed(indices):
        line = lines[index]
        users = [user for user in indices if index in lines[user].args]
        last = min((wave_of[user] for user in users), default=wave_of[index])
        if line.op == "carried" and line.name in renewed:  # Its new value may overwrite it.
            last = min(last, wave_of.get(renewed[line.name], 0))
        between = index in waiting and any(user in awaited and wave_of[user] == last for user in users)
        if index not in written and not between:
            wave_of[index] = max(wave_of[index], last)
        if _is_long(line.op) or any(user in awaited and wave_of[user] == wave_of[index] for user in users):
            awaited.add(index)
    return wave_of


def _is_long(op: str) -> bool:
    return op in OPERATIONS and OPERATIONS[op].long
