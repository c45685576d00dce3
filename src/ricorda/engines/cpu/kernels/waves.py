"""Waves: the lines of a stage are computed some for all rows of a tile, then the next.

A function such as tanh is a chain of some fifteen instructions that wait for each other, and a tanh of what comes from
a sigmoid a chain of twice as many: a processor that looks a few hundred instructions ahead finds too little to do
beside it. No chain of one wave has two such functions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ricorda.program.loop import Loop
from ricorda.program.operations import OPERATIONS


class Waves:
    """The waves of a stage.

    Parameters
    ----------
    lines : that the stage computes, in order
    leaves : that are read or drawn once: states, which may be overwritten, and masks
    left : lines and leaves whose values the stage leaves behind
    one : whether there is to be one wave

    Attributes
    ----------
    found : the wave of each line and leaf
    takes : for each wave, what is taken in it, or left for later ones
    crossing : what a later wave takes from an earlier one
    """

    def __init__(
        self, loop: Loop, lines: Sequence[int], leaves: Collection[int], left: Collection[int], one: bool
    ) -> None:
        self.found = {} if one else waves(loop, [*sorted(leaves), *lines], left)
        self.count = 1 + max(self.found.values(), default=0)
        self.takes: list[set[int]] = [set() for _ in range(self.count)]
        for line in lines:
            self.takes[self.of(line)].update(loop.lines[line].args)
        for index in left:
            self.takes[self.of(index)].add(index)
        later = {index for wave, taken in enumerate(self.takes) for index in taken if self.of(index) < wave}
        self.crossing = sorted(later & self.found.keys())
        for index in self.crossing:
            self.takes[self.of(index)].add(index)

    def of(self, index: int) -> int:
        """The wave of a line; products and what else lies in memory are at hand in all, and left in the first."""
        return self.found.get(index, 0)


def waves(loop: Loop, indices: Sequence[int], left: Collection[int]) -> dict[int, int]:
    """The wave of each of some lines, in order: the first in which no long function waits for another one.

    What only later waves take is moved there, where it gives the processor something to do beside their chains.

    Parameters
    ----------
    left : lines whose values the stage leaves behind
    """
    lines, wave_of = loop.lines, dict[int, int]()
    waiting: set[int] = set()  # lines that wait for a long function of their wave, or are one
    for index in indices:
        wave_of[index] = max((wave_of[arg] for arg in lines[index].args if arg in wave_of), default=0)
        waits = any(arg in waiting and wave_of[arg] == wave_of[index] for arg in lines[index].args)
        if _is_long(lines[index].op):
            wave_of[index] += waits
            waits = True
        if waits:
            waiting.add(index)
    awaited: set[int] = set()  # lines that a long function of their wave waits for, or are one
    renewed = dict(loop.carried)
    for index in reversed(indices):
        line = lines[index]
        users = [user for user in indices if index in lines[user].args]
        last = min((wave_of[user] for user in users), default=wave_of[index])
        if line.op == "carried" and line.name in renewed:  # it may be overwritten by its new value
            last = min(last, wave_of.get(renewed[line.name], 0))
        between = index in waiting and any(user in awaited and wave_of[user] == last for user in users)
        if index not in left and not between:
            wave_of[index] = max(wave_of[index], last)
        if _is_long(line.op) or any(user in awaited and wave_of[user] == wave_of[index] for user in users):
            awaited.add(index)
    return wave_of


def _is_long(op: str) -> bool:
    return op in OPERATIONS and OPERATIONS[op].long
