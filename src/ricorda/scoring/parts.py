"""Scoring files into one file, or into a folder of parts that is gone on with where it was left.

A part is so many rows of one file, by their numbers in it. So no splitting of the work among processes moves a
bound between parts, and a row's neighbours are always the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ricorda.errors import ArgumentError, DataError
from ricorda.scoring.columns import refuse_taken, text_column
from ricorda.scoring.files import Chunk, chunks_of, columns_of, files_of
from ricorda.scoring.manifest import claim, finish, is_done, manifest_of, sweep
from ricorda.scoring.output import FORMATS, encoded, format_of, write_whole
from ricorda.scoring.scorer import Scorer

if TYPE_CHECKING:
    import polars

ROWS = 16_384
"""Rows of a part."""
Told = Callable[[int], None]
"""Is told of rows that are done."""


@dataclass(frozen=True)
class Slice:
    """Which parts are made: those whose number is `index`, from 1, counted around `count`."""

    index: int = 1
    count: int = 1

    @classmethod
    def read(cls, text: str) -> Slice:
        """Read "2/4"; raises ArgumentError if it is no such share."""
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise ArgumentError(f"--part is {text!r}: give i/n, with i from 1 to n, as 1/4 to 4/4")
        return cls(int(index), int(count))

    def has(self, file: int, chunk: int) -> bool:
        """Whether a chunk of a file is in this share."""
        return (file + chunk) % self.count == self.index - 1


@dataclass(frozen=True)
class Job:
    """Files and the model that scores them; picklable."""

    scorer: Scorer
    files: list[str]
    kind: str
    rows: int = ROWS
    columns: list[str] = field(default_factory=list)

    def chunks(self, number: int) -> Iterator[Chunk]:
        """The chunks of a file, from 0, whose columns are those of all files."""
        yield from chunks_of(self.scorer.model, self.files[number], self.rows, self.scorer.text)

    def scored(self, chunk: Chunk) -> polars.DataFrame:
        """A chunk with the predictions beside its columns."""
        import polars

        columns = self.scorer.columns(chunk.values, chunk.place)
        refuse_taken(list(columns), chunk.frame.columns, "the input")
        return chunk.frame.hstack(polars.DataFrame(columns))

    def part(self, folder: Path, file: int, chunk: int) -> Path:
        """The name of a part."""
        return folder / f"part-{file:05}-{chunk:05}.{self.kind}"

    def make(self, folder: Path, file: int, share: Slice, told: Told) -> None:
        """Make the parts of a file that are in the share and are not there yet."""
        for number, chunk in enumerate(self.chunks(file)):
            path = self.part(folder, file, number)
            if share.has(file, number):
                if not is_done(path):
                    finish(path, encoded(self.scored(chunk), self.kind, header=file == number == 0))
                told(len(chunk.frame))


def job_of(scorer: Scorer, named: Sequence[str], kind: str | None, rows: int) -> Job:
    """The files that are named, which must have the same columns; without a format that of the first.

    Raises
    ------
    ArgumentError, DataError
        If the number of rows or the format is invalid, or a file lacks a column.
    """
    if rows < 1:
        raise ArgumentError(f"--part-rows is {rows}: give a whole number from 1")
    if scorer.model.TASK == "forecast":
        raise ArgumentError("a forecaster reads one table as a series, which has no parts: give one --file, --out FILE")
    files = files_of(named)
    column = text_column(scorer.model, scorer.text)
    columns = columns_of(files[0], column)
    for file in files[1:]:
        differing = sorted(set(columns) ^ set(names := columns_of(file, column)))
        if differing:
            having, lacking = (file, files[0]) if differing[0] in names else (files[0], file)
            raise DataError(
                f"{lacking} has no column {differing[0]!r}, which {having} has: give all files the same columns"
            )
        if names != columns:
            raise DataError(f"{file} has its columns in another order than {files[0]}: give all files the same order")
    if kind is None:
        endings = [end for end in FORMATS if files[0].lower().removesuffix(".gz").endswith(end)]
        kind = FORMATS[endings[0]] if endings else "jsonl"
    if kind not in FORMATS.values():
        raise ArgumentError(f"--format is {kind!r}: choose csv, jsonl or parquet")
    return Job(scorer, files, kind, rows, columns)


def score_to_file(job: Job, out: Path, told: Told) -> None:
    """Score all files into one; raises ArgumentError if it is one of them."""
    for file in job.files:
        if os.path.exists(out) and os.path.exists(file) and os.path.samefile(out, file):
            raise ArgumentError(f"--out {out} is the input as well: choose another name")

    def frames() -> Iterator[polars.DataFrame]:
        for number in range(len(job.files)):
            for chunk in job.chunks(number):
                yield job.scored(chunk)
                told(len(chunk.frame))

    write_whole(out, frames(), job.kind)


def prepare(job: Job, out: Path) -> None:
    """Bind the folder of parts to the job; raises as `claim`."""
    scorer = job.scorer
    options = {
        "format": job.kind,
        "part_rows": job.rows,
        "text": scorer.text,
        "probabilities": scorer.probabilities,
        **scorer.search,
    }
    for file in job.files:
        if os.path.exists(file) and os.path.realpath(file).startswith(os.path.realpath(out) + os.sep):
            raise ArgumentError(f"--out {out} holds the input {file} as well: choose another folder")
    claim(out, manifest_of(Path(scorer.folder), job.files, options))


def score_to_folder(job: Job, out: Path, share: Slice, told: Told) -> None:
    """Score all files into parts, those that are there left out; a later call goes on."""
    prepare(job, out)
    if share.count == 1:
        sweep(out)
    for number in range(len(job.files)):
        job.make(out, number, share, told)


def score_forecast(scorer: Scorer, file: str | None, out: Path) -> None:
    """Write the steps after a series, a row each: its time, each variable, and its quantiles."""
    import polars

    from ricorda.data.series import read_series

    kind, facts = format_of(out), scorer.model.facts_
    if file is not None and out.exists() and os.path.exists(file) and os.path.samefile(out, file):
        raise ArgumentError(f"--out {out} is the input as well: choose another name")
    series: Any = None
    if file is None and facts.several:
        raise ArgumentError("the model was trained on several series: name the one to go on from by --file")
    if file is not None:
        options = {"variables": facts.inputs, "like": facts.clock}
        series = read_series(file, time=facts.time, targets=facts.targets, covariates=facts.covariates, **options)
    (steps,) = scorer([series])
    rows = []
    for step in steps:
        row = {facts.time or "step": step["time"]}
        for name, said in step["variables"].items():
            row[name] = said["value"]
            row.update({f"{name}_{level}": value for level, value in said.get("quantiles", {}).items()})
        rows.append(row)
    write_whole(out, iter([polars.DataFrame(rows)]), kind)
