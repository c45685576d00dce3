"""Writing scored rows as CSV, JSON lines or Parquet, so that nothing half-written has the final name."""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.files import why_not_written

if TYPE_CHECKING:
    import polars

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
"""The formats by the endings of their files."""


def format_of(out: Path) -> str:
    """The format of a file by its ending; raises ArgumentError for an unknown one."""
    kind = FORMATS.get(out.suffix.lower())
    if kind is None:
        raise ArgumentError(
            f"--out {out} has the ending {out.suffix!r}: give a file that ends in .csv, .jsonl or .parquet, or a "
            "folder as NAME/"
        )
    return kind


def encoded(frame: polars.DataFrame, kind: str, *, header: bool) -> bytes:
    """Rows as the bytes of a file; of CSV with or without its first line. Lists in CSV are JSON."""
    stream = io.BytesIO()
    if kind == "csv":
        _flat(frame).write_csv(stream, include_header=header)
    elif kind == "jsonl":
        frame.write_ndjson(stream)
    else:
        frame.write_parquet(stream)
    return stream.getvalue()


def _flat(frame: polars.DataFrame) -> polars.DataFrame:
    import polars

    nested = {name: column for name, column in zip(frame.columns, frame, strict=True) if column.dtype.is_nested()}
    return frame.with_columns(
        polars.Series(name, [None if row is None else json.dumps(row, ensure_ascii=False, default=str) for row in rows])
        for name, rows in ((name, column.to_list()) for name, column in nested.items())
    )


def write_whole(out: Path, frames: Iterator[polars.DataFrame], kind: str) -> None:
    """Write all rows to one file as they come; the memory holds a chunk of them.

    Raises
    ------
    ModelFolderError
        If the file cannot be written; there is then none, or the old one.
    """
    with _beside(out) as (stream, path):
        if kind == "parquet":
            _write_parquet(path, frames)
        else:
            for number, frame in enumerate(frames):
                stream.write(encoded(frame, kind, header=number == 0))


def _write_parquet(path: Path, frames: Iterator[polars.DataFrame]) -> None:
    import polars
    from polars.io.plugins import register_io_source

    first = next(frames)
    mistakes: list[BaseException] = []

    def rows(*_: Any) -> Iterator[polars.DataFrame]:
        try:
            yield first
            for frame in frames:
                try:
                    yield frame.cast(first.schema)
                except polars.exceptions.PolarsError:
                    raise DataError(
                        "the types of a column differ between the first rows and later ones, which Parquet does not "
                        "take: write .jsonl or .csv"
                    ) from None
        except BaseException as error:  # polars would lose what kind it is
            mistakes.append(error)
            raise

    try:
        register_io_source(rows, schema=first.schema).sink_parquet(path)
    except BaseException:
        if mistakes:
            raise mistakes[0] from None
        raise


@contextmanager
def _beside(out: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A file beside `out` that takes its name when the block ends well."""
    path = out.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(path, "xb") as stream:
                yield stream, path
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(path, out)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ModelFolderError(f"{out} was not written, {why_not_written(out, error)}") from error
