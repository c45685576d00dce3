"""Polyphonic music: the notes that sound at each step, and piano rolls of 88 keys."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.doors import door
from ricorda.data.places import shown
from ricorda.data.source import opened
from ricorda.errors import DataError

LOWEST, HIGHEST = 21, 108
"""The MIDI numbers of a piano's lowest and highest key, A0 and C8."""

KEYS = HIGHEST - LOWEST + 1

Piece = list[list[int]]
Roll = NDArray[np.uint8]


@dataclass(frozen=True)
class Music:
    """The content of a music file; `validation` and `test` are None if the file has no parts."""

    training: list[Piece]
    validation: list[Piece] | None = None
    test: list[Piece] | None = None


@door
def read_music(path: str | Path) -> Music:
    """Read pieces from JSON, plain or gzipped.

    The file holds a list of pieces, or an object with such lists under "train", "valid" and "test"; a piece is a list
    of steps, a step the list of the MIDI numbers (21 to 108) of the notes that sound.

    Raises
    ------
    DataError
        If the file is unreadable or invalid; the message names piece, step and remedy.
    """
    source = os.fspath(path)
    with opened(source) as stream:
        content = stream.read()
    try:
        loaded = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, json.JSONDecodeError) else "a value out of bounds"
        raise DataError(f"{source} is no JSON ({reason}): give a list of pieces") from None
    parts = loaded if isinstance(loaded, dict) else {"train": loaded}
    if "train" not in parts:
        raise DataError(f"{source} has no 'train': give a list of pieces, or an object with train, valid and test")
    for name, pieces in parts.items():
        if name in ("train", "valid", "test"):
            check_pieces(pieces, f"{name} of {source}" if parts is loaded else source)
    return Music(parts["train"], parts.get("valid"), parts.get("test"))


def are_pieces(value: Any) -> bool:
    """Whether a value looks like pieces of music: a list of lists of lists of numbers, as far as it is not empty."""
    for _ in range(2):
        if not isinstance(value, list | tuple) or not value:
            return False
        value = value[0]
    while isinstance(value, list | tuple):
        if not value:
            return True
        value = value[0]
        if isinstance(value, int) and not isinstance(value, bool):
            return True
    return False


def check_pieces(pieces: Any, where: str) -> None:
    """Raise DataError unless this is a list of pieces; see `read_music`."""
    if not isinstance(pieces, list | tuple) or not pieces:
        raise DataError(f"{where} holds no piece: give at least one")
    for number, piece in enumerate(pieces, 1):
        if not isinstance(piece, list | tuple) or not piece:
            raise DataError(f"piece {number} of {where} has no step: give at least one, or leave the piece out")
        for position, step in enumerate(piece, 1):
            at = f"step {position} of piece {number} of {where}"
            if not isinstance(step, list | tuple):
                raise DataError(f"{at} is {shown(step)}: give a list of MIDI note numbers")
            for note in step:
                if type(note) is not int or not LOWEST <= note <= HIGHEST:
                    raise DataError(f"{at} has the note {shown(note)}: give MIDI numbers from {LOWEST} to {HIGHEST}")


def roll_of(piece: Sequence[Sequence[int]]) -> Roll:
    """The piano roll [T, 88] of a piece: 1 where a key sounds."""
    roll = np.zeros((len(piece), KEYS), np.uint8)
    for step, notes in enumerate(piece):
        roll[step, [note - LOWEST for note in notes]] = 1
    return roll


def notes_of(keys: NDArray[Any]) -> list[int]:
    """The MIDI numbers of a step of a roll [88]."""
    return [int(key) + LOWEST for key in np.flatnonzero(keys)]
