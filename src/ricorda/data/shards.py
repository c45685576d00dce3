"""The shard of a process: its files among those that data consists of, and their rows as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ricorda.data.named import files_named
from ricorda.data.places import Place
from ricorda.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Shard:
    """Examples of several files, which know their places still."""

    inputs: list[Any]
    source: str
    column: str = ""
    target_names: tuple[str, ...] = ()
    places: Sequence[Place] = field(default=(), repr=False)
    ends: Sequence[int] = field(default=(), repr=False)
    """Behind which example each file ends."""

    def place(self, index: int) -> str:
        """Where an example stands, for messages: "row 17 of part-2.csv"."""
        file = min(bisect_right(self.ends, index), len(self.ends) - 1)
        return self.places[file](index - (self.ends[file - 1] if file else 0))


def files_of_all(data: str | Sequence[str]) -> list[str]:
    """The files that one name or several stand for, in the order of their names; see `files_named`.

    Raises
    ------
    DataError
        If a pattern fits none, or one is named twice.
    """
    files = sorted(file for name in ([data] if isinstance(data, str) else data) for file in files_named(name))
    for file, following in pairwise(files):
        if file == following:
            raise DataError(f"{file} is named twice: name it once")
    return files


def files_of_process(files: Sequence[str], rank: int, size: int) -> list[str]:
    """The files at the places rank, rank + size, ...; raises ArgumentError if there are too few for all processes."""
    if len(files) < size:
        count = f"{len(files)} file{'s' * (len(files) != 1)}"
        raise ArgumentError(
            f"--shards has {count} for {size} processes ({', '.join(files)[:200]}): split the data into at least as "
            "many files of like size, or leave --shards out"
        )
    return list(files[rank::size])


def joined(files: Sequence[str], parts: Sequence[tuple[Any, Any]]) -> tuple[Shard, Any]:
    """What was read of each file, examples that know their places and answers, one behind the other."""
    inputs = [example for part, _ in parts for example in part.inputs]
    places, ends = [part.place for part, _ in parts], list(accumulate(len(part.inputs) for part, _ in parts))
    source = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    first, answers = parts[0]
    column, names = getattr(first, "column", ""), tuple(getattr(first, "target_names", ()))
    shard = Shard(inputs, source, column, names, places, ends)
    if isinstance(answers, np.ndarray):
        return shard, np.concatenate([targets for _, targets in parts])
    return shard, [answer for _, targets in parts for answer in targets]
