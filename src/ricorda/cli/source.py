"""What `ricorda predict` is to read: texts of the command line, a file, or the standard input."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from ricorda import telling
from ricorda.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from ricorda.data.read import Examples

AT_ONCE = 1024
"""Examples that are read before their predictions are given: it bounds the memory."""


class Texts(list[str]):
    """Texts of the command line or the standard input, which know their places."""

    def __init__(self, texts: list[str], where: str, first: int = 1) -> None:
        super().__init__(texts)
        self.where = where
        self.first = first

    def place(self, index: int) -> str:
        """What to call a text in a message."""
        return self.where.format(self.first + index)


@dataclass(frozen=True)
class InputSource:
    """Where to read: `texts` if there are any, or else `file` if there is one, or else the standard input."""

    texts: list[str] | None = None
    file: str | None = None

    def batches(
        self, *, text: str | None = None, is_label: Callable[[str], bool] | None = None
    ) -> Iterator[Texts | Examples]:
        """The examples, at most 1,024 at a time.

        Parameters
        ----------
        text : str, optional
            The column of a table to read them from.
        is_label : callable, optional
            Tells a label of the model, which each line of a file or of the standard input may begin with.
        """
        if self.texts:
            yield Texts(self.texts, "text {} of the command line")
        elif self.file is not None:
            from ricorda.data.parts import read_in_parts

            yield from read_in_parts(self.file, text=text, rows=AT_ONCE, is_label=is_label, missing=True)
        else:
            yield from _standard_input(is_label)


def standard_input() -> BinaryIO:
    """The standard input; who is at a terminal is told that it is being read.

    Raises
    ------
    DataError
        If it is closed.
    """
    if sys.stdin is None:
        raise DataError("the standard input is closed: give texts as arguments, or a file with --file")
    if sys.stdin.isatty():
        end = "Ctrl-Z and Enter end" if telling.WINDOWS else "Ctrl-D ends"
        print(f"reading texts from the terminal, one a line; {end} them", file=sys.stderr)
    return sys.stdin.buffer


def refuse_file_name(text: str | None) -> None:
    """Raise ArgumentError if what was given as a text is the name of a file."""
    if text is not None and len(text) < 256 and os.path.isfile(text):
        raise ArgumentError(
            f"{text!r} is a file, and a text was expected: give what is in it, by --file or on the standard input"
        )


def _standard_input(is_label: Callable[[str], bool] | None) -> Iterator[Texts]:
    from ricorda.data.tables import begin_with_labels, end_of_label

    lines, first, end = _lines_of_standard_input(), 1, ""
    while batch := list(islice(lines, AT_ONCE)):
        if first == 1 and begin_with_labels(batch, is_label, "the standard input"):
            end = end_of_label(batch)
        texts = [re.split(end, line, maxsplit=1)[-1] for line in batch] if end else batch
        yield Texts(texts, "line {} of the standard input", first)
        first += len(batch)
    if first == 1:
        raise DataError("the standard input is empty: give one text a line, or texts as arguments")


def _lines_of_standard_input() -> Iterator[str]:
    """Lines without their ends; as in files, blank ones at the end are left out."""
    blank = []
    for number, line in enumerate(standard_input(), 1):
        try:
            text = line.decode("utf-8" if number > 1 else "utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            from ricorda.data.source import encoding_of

            how = f"iconv -f {encoding_of(line)} -t utf-8"
            if telling.WINDOWS:
                how = "$OutputEncoding = [Text.Encoding]::UTF8 in PowerShell"
            raise DataError(
                f"line {number} of the standard input is not UTF-8 text (byte 0x{line[error.start]:02x}): "
                f"convert it, e.g. with {how}"
            ) from None
        blank.append(text)
        if text.strip():
            yield from blank
            blank = []
