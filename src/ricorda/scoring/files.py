"""The files that are scored: which ones, and their rows with all columns, in chunks whose bounds no split moves."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ricorda.data.doors import door
from ricorda.data.excel import read_sheet
from ricorda.data.inputs import in_column
from ricorda.data.named import files_named
from ricorda.data.places import SourceRows
from ricorda.data.read import examples_of_parts
from ricorda.data.source import extension, scan_parquet
from ricorda.data.tables import FORMATS, header_of, no_column, read_delimited, read_excel, read_records, values_of
from ricorda.errors import DataError
from ricorda.scoring.columns import Place, text_column

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file: all their columns, what the model reads of them, and where they stand."""

    frame: polars.DataFrame
    values: Sequence[Any]
    place: Place


def files_of(named: Sequence[str]) -> list[str]:
    """The files that names, patterns and folders of tables stand for, in the order given, sorted within each.

    Raises
    ------
    DataError
        If a pattern or folder holds none, or a file is named twice.
    """
    files = [file for name in named for file in files_named(name)]
    for file in files:
        if files.count(file) > 1:
            raise DataError(f"{file} is named twice: its rows would be scored twice, so name it once")
    return files


def columns_of(source: str, column: str) -> list[str]:
    """The names of a file's columns; raises DataError if the one to be read is not among them."""
    return _columns_of(source, column)


@door
def _columns_of(source: str, column: str) -> list[str]:
    kind = extension(source)
    if os.path.isdir(source) or kind not in FORMATS:
        return ["text"]
    if kind == ".parquet":
        import polars

        try:
            names = scan_parquet(source).collect_schema().names()
        except polars.exceptions.PolarsError:
            raise DataError(f"{source} is no Parquet file, or a damaged one: write or copy it again") from None
    elif kind == ".xlsx":
        names = list(read_sheet(source).columns)
    elif kind in (".csv", ".tsv"):
        names = header_of(source, [column], separator="\t" if kind == ".tsv" else None)
    else:
        names = list(next(iter(read_records(source, 1)))[0][0][0])
    if column not in names:
        raise DataError(no_column(source, "--text", column, names))
    return names


def count_of(files: Sequence[str]) -> int | None:
    """The rows of all files, if all are Parquet, which says so; else None."""
    if any(extension(file) != ".parquet" for file in files):
        return None
    import polars

    return sum(int(scan_parquet(file).select(polars.len()).collect().item()) for file in files)


def chunks_of(model: Any, source: str, rows: int, column: str | None) -> Iterator[Chunk]:
    """All rows of a file, `rows` at a time; the last chunk may be shorter."""
    return _chunks(source, rows, model, text_column(model, column))


@door
def _chunks(source: str, rows: int, model: Any, column: str) -> Iterator[Chunk]:
    import polars

    kind = extension(source)
    if os.path.isdir(source) or kind not in FORMATS:
        yield from _lines(source, rows, model)
    elif kind == ".parquet":
        first = 1
        for frame in _exactly(scan_parquet(source).collect_batches(chunk_size=rows, lazy=True), rows):
            place = in_column(SourceRows(source, first).of, column)
            yield Chunk(frame, values_of(frame[column], source), place)
            first += len(frame)
    elif kind in (".csv", ".tsv", ".xlsx"):
        names = _columns_of(source, column)
        wanted = {name if name != column else "--text": name for name in names}
        if len(wanted) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{source} has {names.count(name)} columns named {name!r}: rename them")
        if kind == ".xlsx":
            parts = read_excel(source, wanted, rows)
        else:
            separator, quoting = ("\t", csv.QUOTE_NONE) if kind == ".tsv" else (None, csv.QUOTE_MINIMAL)
            parts = read_delimited(source, wanted, rows, separator=separator, quoting=quoting)
        for columns, places in parts:
            values = dict(zip(names, columns, strict=True))
            yield Chunk(polars.DataFrame(values), values[column], in_column(places.of, column))
    else:
        for (records,), places in read_records(source, rows):
            frame = _frame(records, places.of(0))
            yield Chunk(frame, [one[column] for one in records], in_column(places.of, column))


def _frame(records: Sequence[dict[str, Any]], where: str) -> polars.DataFrame:
    import polars

    try:
        return polars.DataFrame(records, infer_schema_length=None)
    except (polars.exceptions.PolarsError, TypeError, OverflowError):
        raise DataError(
            f"{where} begins rows whose columns are of several types: give each column one, as text or as numbers"
        ) from None


def _lines(source: str, rows: int, model: Any) -> Iterator[Chunk]:
    """Lines, or a folder of texts: the one column "text"."""
    import polars

    parts: Iterator[Any]
    if model.TASK == "tag":
        from ricorda.data.tagged import read_words_in_parts

        parts = read_words_in_parts(source, tags=model.known_tags())
    else:
        parts = examples_of_parts(
            source, rows, text=None, label=None, by=None, labelled=False, is_label=_is_label(model), missing=True
        )
    for part in parts:
        values = list(part.inputs)
        plain = [value.tolist() if hasattr(value, "tolist") else value for value in values]
        yield Chunk(polars.DataFrame({"text": plain}), values, part.place)


def _is_label(model: Any) -> Any:
    if model.TASK == "classify":
        return set(map(str, model.classes_)).__contains__
    if model.TASK == "regress":
        from ricorda.data.targets import is_number

        return is_number
    return None


def _exactly(frames: Iterator[polars.DataFrame], rows: int) -> Iterator[polars.DataFrame]:
    """The same rows, so many at a time, wherever the file's own groups end."""
    import polars

    waiting: list[polars.DataFrame] = []
    count = 0
    for frame in frames:
        waiting.append(frame)
        count += len(frame)
        if count >= rows:
            whole = polars.concat(waiting)
            full = count - count % rows
            yield from whole[:full].iter_slices(rows)
            waiting, count = [whole[full:]], count - full
    if count:
        yield polars.concat(waiting)
