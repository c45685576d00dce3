"""Reads examples from a file, a folder or an address: the one door through which data enters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ricorda.data.doors import door
from ricorda.data.inputs import Inputs, as_inputs, in_column
from ricorda.data.labels import as_labels
from ricorda.data.places import BadLineError, SourceRows, row_name
from ricorda.data.source import extension, lines, unreadable
from ricorda.data.synthetic import is_synthetic, read_synthetic
from ricorda.data.tables import FORMATS, Columns, IsLabel, read_labelled_lines, refuse_same_column
from ricorda.errors import ArgumentError, DataError

__all__ = ["Examples", "Inputs", "read_examples"]


@dataclass(frozen=True)
class Examples:
    """What was read, and where each example stands.

    Attributes
    ----------
    inputs
        Texts, token lists, or arrays of float32 [T, I], one an example.
    labels
        One string an example; None where labels were not asked for.
    source
        The path or address as it was given.
    groups
        One string an example, of a further column; None where none was asked for.
    """

    inputs: Inputs
    labels: list[str] | None
    source: str
    groups: list[str] | None = None
    places: SourceRows | None = field(default=None, repr=False)
    column: str = field(default="", repr=False)
    """The column of the inputs; empty for a source without columns."""

    def take(self, rows: Sequence[int]) -> Examples:
        """Some of the examples, which know their places still."""
        inputs: list[Any] = [self.inputs[row] for row in rows]
        return Examples(
            inputs,
            None if self.labels is None else [self.labels[row] for row in rows],
            self.source,
            None if self.groups is None else [self.groups[row] for row in rows],
            SourceRows(self.source, files=[self.place(row) for row in rows]),
            self.column,
        )

    def place(self, index: int) -> str:
        """Where example `index` stands, for messages: "row 17 of reviews.csv", or the path of its file."""
        return (self.places or SourceRows(self.source)).of(index)


def read_examples(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    by: str | None = None,
    labelled: bool = True,
    missing: bool = False,
) -> Examples:
    """Read labelled, or unlabelled, examples.

    | source | examples |
    | --- | --- |
    | .csv, .tsv | one a row, under a header; TSV knows no quotes, CSV may have semicolons or tabs instead of commas |
    | .jsonl, .ndjson, .json | one JSON object a line |
    | .parquet | one a row |
    | .xlsx | one a row of the first sheet; needs the extra "excel" |
    | a folder | one a .txt file; the sub-folder is the label |
    | synthetic:NAME | drawn: see `ricorda.data.synthetic` |
    | anything else | one a line: label, space or tab, text |

    Each may be gzipped or the one file in a .zip, and may be an address (https://, s3://, gs://, az://, hf://) but for
    the folder; "-" is the standard input, whose form is told from what it holds.

    Parameters
    ----------
    path
        The file, folder or address.
    text, label
        The columns of a table; "text" and "label" if not given. In JSON lines and Parquet the text column may hold
        texts, lists of tokens, lists of T numbers (an array [T, 1]) or T lists of I numbers (an array [T, I]).
    by
        A further column to read, whose values group the examples.
    labelled
        Whether to read labels. If not, a table needs no label column, each line of a line file is a text, and a
        folder may hold its .txt files directly.
    missing
        Whether a number of an array may be missing: null, or NaN. Only models whose cell takes a mask learn from them.

    Raises
    ------
    DataError
        For anything that cannot be read or used; the sentence names file, row, column, value and way out.
    ArgumentError
        For a column name where the source has no columns.
    """
    options: dict[str, Any] = {"text": text, "label": label, "by": by, "labelled": labelled, "missing": missing}
    (examples,) = examples_of_parts(os.fspath(path), None, **options)
    return examples


@door
def examples_of_parts(
    source: str,
    rows: int | None,
    *,
    text: str | None,
    label: str | None,
    by: str | None,
    labelled: bool,
    is_label: IsLabel | None = None,
    missing: bool = False,
) -> Iterator[Examples]:
    """The examples in parts of so many rows at most, or as one part; else as `read_examples`."""
    refuse_same_column({"--text": text, "--label": label})
    asked = {"--text": text, "--label": label if labelled else None, "--by": by}
    if is_synthetic(source):
        _refuse_columns(source, asked)
        yield from _drawn(source, rows, labelled=labelled)
        return
    read_table = FORMATS.get(extension(source))
    if read_table and not os.path.isdir(source):
        defaults = {"--text": "text", "--label": "label" if labelled else None, "--by": None}
        columns = {option: name for option in asked if (name := asked[option] or defaults[option])}
        parts = read_table(source, columns, rows)
    else:
        _refuse_columns(source, asked)
        columns = {"--text": "", "--label": ""} if labelled else {"--text": ""}
        if os.path.isdir(source):
            parts = _read_folder(source, rows, labelled=labelled)
        else:
            parts = read_labelled_lines(source, rows, labelled=labelled, is_label=is_label)
    for values, places in parts:
        yield _checked(dict(zip(columns, values, strict=True)), columns, places, source, missing)


def _checked(
    values: dict[str, Sequence[Any]], columns: dict[str, str], places: SourceRows, source: str, missing: bool
) -> Examples:
    def strings(option: str) -> list[str] | None:
        return as_labels(values[option], in_column(places.of, columns[option])) if option in columns else None

    _, inputs = as_inputs(values["--text"], in_column(places.of, columns["--text"]), missing=missing)
    return Examples(inputs, strings("--label"), source, strings("--by"), places, columns["--text"])


def _refuse_columns(source: str, asked: dict[str, str | None]) -> None:
    for option, name in asked.items():
        if name:
            raise ArgumentError(
                f"{option} {name} names a column, and {source} is read as {_what_it_is(source)}, without columns: "
                "leave the option out, or name a table by its format (.csv, .tsv, .jsonl, .parquet)"
            )


def _what_it_is(source: str) -> str:
    if is_synthetic(source):
        return "a synthetic task"
    return "a folder of texts" if os.path.isdir(source) else "lines of a label and a text"


def _drawn(source: str, rows: int | None, *, labelled: bool) -> Iterator[Examples]:
    drawn = read_synthetic(source, "classify" if labelled else None)
    count = len(drawn.inputs)
    for first in range(0, count, rows or count):
        part = slice(first, first + (rows or count))
        labels = drawn.targets[part] if labelled else None
        yield Examples(drawn.inputs[part], labels, source, places=SourceRows(source, first + 1))


def _read_folder(source: str, rows: int | None, *, labelled: bool) -> Iterator[Columns]:
    """Read the .txt files of each sub-folder, in the order of their names."""
    folder = Path(source)
    try:
        classes = [entry for entry in _visible(folder) if entry.is_dir()]
        files = [file for entry in classes for file in _texts_in(entry)]
        if not labelled:
            files = _texts_in(folder) + files
    except OSError as error:
        raise DataError(unreadable(error.filename, error)) from None
    if not files:
        raise DataError(
            f"{source} holds no sub-folders with .txt files: put each class's texts, one a file, into a sub-folder "
            "named after the class"
        )
    empty = set(classes) - {file.parent for file in files}
    if labelled and empty:
        raise DataError(f"{min(empty)} holds no .txt file: add the texts of its class or remove the folder")
    for first in range(0, len(files), rows or len(files)):
        part = files[first : first + (rows or len(files))]
        texts = [_content(str(file)) for file in part]
        places = SourceRows(source, files=[str(file) for file in part])
        yield ([texts, [file.parent.name for file in part]] if labelled else [texts]), places


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _texts_in(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.name.lower().endswith((".txt", ".txt.gz"))]


def _content(file: str) -> str:
    content: list[str] = []
    try:
        content.extend(lines(file))
    except BadLineError as error:
        raise DataError(f"{row_name(file, len(content) + 1)} {error}") from None
    return "".join(content).removesuffix("\n").removesuffix("\r")
