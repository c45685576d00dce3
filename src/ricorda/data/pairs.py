"""Reads sentence pairs: a sentence and its translation a row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from ricorda.data.doors import door
from ricorda.data.inputs import as_list, has_surrogates
from ricorda.data.places import REPAIR, BadLineError, Place, SourceRows, row_name
from ricorda.data.source import STANDARD_INPUT, extension, lines
from ricorda.data.synthetic import refuse_synthetic
from ricorda.data.tables import FORMATS, Columns, refuse_same_column
from ricorda.errors import DataError

SOURCE, TARGET = "source", "target"
"""The columns' names where none are given."""


@dataclass(frozen=True)
class Pairs:
    """Sentences, their translations, and where each stands.

    Attributes
    ----------
    inputs
        The sentences.
    targets
        Their translations; None where they were not asked for.
    parts
        Where the sentences of each file stand, and how many there are.
    """

    inputs: list[str]
    targets: list[str] | None
    parts: tuple[tuple[SourceRows, int], ...]

    @property
    def source(self) -> str:
        """The file, or the files, as they were given."""
        return " and ".join(places.source for places, _ in self.parts)

    def place(self, index: int) -> str:
        """Where a pair stands, for messages: "row 17 of pairs.tsv"."""
        ends = list(accumulate(count for _, count in self.parts))
        part = next((part for part, end in enumerate(ends) if index < end), len(ends) - 1)
        return self.parts[part][0].of(index - (ends[part] - self.parts[part][1]))


def read_pairs(*paths: str | Path, source: str | None = None, target: str | None = None) -> Pairs:
    """Read sentence pairs of one file or several, one after the other.

    | file | pairs |
    | --- | --- |
    | .tsv | two columns without a header; or named columns under one |
    | .csv | named columns under a header |
    | .jsonl, .ndjson, .json | one JSON object a line |
    | .parquet | one a row |

    Each may be gzipped, and may be an address (https://, s3://, gs://, az://, hf://).

    Parameters
    ----------
    paths
        The files; at least one.
    source, target
        The columns' names; "source" and "target" if not given. Where neither is given, a .tsv whose first row has not
        these names is read as two columns without a header.

    Raises
    ------
    DataError
        For anything that cannot be read or used; the sentence names file, row, column and way out.
    """
    parts = [part for path in paths for part in _parts(os.fspath(path), source, target, True, None)]
    targets = [text for part in parts for text in part.targets or ()]
    return Pairs(
        [text for part in parts for text in part.inputs], targets, tuple(p for part in parts for p in part.parts)
    )


def read_sentences(path: str | Path, *, source: str | None = None, rows: int = 1024) -> Iterator[Pairs]:
    """Read sentences alone, in parts of so many rows; other files than `read_pairs` takes have one a line.

    Parameters
    ----------
    path
        A file that `read_pairs` takes, whose translations are not read and need not be there, or lines of text.
    source
        The column's name; without it, a .tsv whose first row has not the name "source" is read without a header.
    rows
        Most sentences of a part.

    Raises
    ------
    DataError
        As `read_pairs` does, when the part is asked for.
    """
    return _parts(os.fspath(path), source, None, False, rows)


def as_texts(sequence: Any, where: Place, argument: str) -> list[str]:
    """Texts as a list of strings.

    Parameters
    ----------
    given : sequence of str
        A list, an array or a column; not a single text.
    where : callable
        Says where a text stands.
    argument : str
        What the whole is called in messages.

    Raises
    ------
    DataError
        If it is no sequence, is empty, or one of it is no text or blank.
    """
    values = as_list(sequence)
    if values is None:
        raise DataError(f"{argument} is of type {type(sequence).__name__}: give a list of texts")
    if not values:
        raise DataError(f"{argument} holds no text: give at least one")
    for index, value in enumerate(values):
        if not isinstance(value, str):
            what = "no text" if value is None else f"{value!r:.40}, which is no text"
            raise DataError(f"{where(index)} has {what}: {REPAIR}")
        if not value.strip():
            raise DataError(f"{where(index)} has {'a blank' if value else 'an empty'} text: {REPAIR}")
        if has_surrogates(value):
            raise DataError(f"{where(index)} has half a surrogate pair in its text, which is no character: {REPAIR}")
    return [str(value) for value in values]  # NumPy has strings of its own


@door
def _parts(path: str, source: str | None, target: str | None, translated: bool, rows: int | None) -> Iterator[Pairs]:
    refuse_synthetic(path, "translate")
    refuse_same_column({"--source": source, "--target": target})
    form = extension(path) or (".tsv" if path == STANDARD_INPUT and translated else "")
    if form not in FORMATS and (translated or source is not None):
        raise DataError(f"{path} is no table by its name: give a {', '.join(FORMATS)} file")
    named = form in FORMATS and (form != ".tsv" or source is not None or target is not None)
    if named or (form == ".tsv" and _has_header(path, translated)):
        columns = {"--source": source or SOURCE, **({"--target": target or TARGET} if translated else {})}
        parts = FORMATS[form](path, columns, rows)
        names = [f"column {name!r}" for name in columns.values()]
    else:
        parts = _unnamed(path, 2 if translated else 1 if form != ".tsv" else None, rows)
        names = ["column 1", "column 2"][: 2 if translated else 1]
    for values, places in parts:
        sides = []
        for texts, name in zip(values, names, strict=False):
            sides.append(as_texts(texts, partial(_in_column, places, name), path))
        yield Pairs(sides[0], sides[1] if translated else None, ((places, len(sides[0])),))


def _in_column(places: SourceRows, name: str, index: int) -> str:
    return f"{places.of(index)}, {name},"


def _has_header(path: str, translated: bool) -> bool:
    try:
        first = next(iter(lines(path)), "").rstrip("\r\n").split("\t")
    except BadLineError as error:
        raise DataError(f"{row_name(path, 1)} {error}") from None
    return {SOURCE, TARGET} <= set(first) if translated else SOURCE in first


def _unnamed(path: str, count: int | None, rows: int | None) -> Iterator[Columns]:
    """The columns of tab-separated values without a header, so many or as many as the first row has; see `Reader`."""
    done, records = 0, _records(path)
    while part := list(islice(records, rows)):
        for row, fields in enumerate(part, done + 1):
            count = count or len(fields)
            if len(fields) != count:
                raise DataError(_unequal(row_name(path, row), len(fields), count))
        yield [list(column) for column in zip(*part, strict=True)], SourceRows(path, done + 1)
        done += len(part)
    if not done:
        raise DataError(f"{path} is empty: give a file with one pair, or one sentence, a row")


def _records(path: str) -> Iterator[list[str]]:
    """The fields of each row; blank lines at the end are left out."""
    row, blank = 0, None
    try:
        for row, line in enumerate(lines(path), 1):
            if not line.strip():
                blank = blank or row
            elif blank:
                raise DataError(f"{row_name(path, blank)} is blank: delete the line or fill it in")
            else:
                yield line.rstrip("\r\n").split("\t")
    except BadLineError as error:
        raise DataError(f"{row_name(path, row + 1)} {error}") from None


def _unequal(where: str, count: int, wanted: int) -> str:
    columns = f"{count} column{'s' * (count != 1)}"
    return (
        f"{where} has {columns}, with a tab between, where {wanted} {'is' if wanted == 1 else 'are'} needed: correct "
        "the row, or name the columns of a file with a header by --source and --target"
    )
