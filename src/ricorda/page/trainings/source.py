"""What a training or a comparison reads, and how its first rows look."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, cast

from ricorda.data.number_columns import opening
from ricorda.data.places import BadLineError
from ricorda.data.source import extension, is_remote, lines
from ricorda.data.synthetic import SYNTHETIC_TASKS, is_synthetic, parse
from ricorda.data.tables import FORMATS
from ricorda.data.targets import is_number
from ricorda.data.time_columns import date_column
from ricorda.errors import DataError, RicordaError
from ricorda.page.trainings.store import names_of
from ricorda.page.visit import Visit

SAMPLE, FILE = "sample", "file:"
"""How the address writes the sample, and a file of this machine."""

REVIEWS = "reviews.csv"
"""The sample, and its name in a browser's folder."""

ROWS, WIDEST = 6, 110
"""Rows of a preview, and characters of a value in it."""

MOST_COLUMNS = 30
"""Columns of a preview."""

COLUMNS = {"classify": ("text", "label"), "regress": ("text", "target"), "language": ("text",)}
"""Columns that a task reads of a table: the names of the command's options, and of the columns unless it is told."""


@dataclass(frozen=True)
class Source:
    """Something to read.

    Parameters
    ----------
    key : how the address writes it
    argument : how the command line writes it, in the browser's folder
    name : how it is shown
    """

    key: str
    argument: str
    name: str

    @property
    def synthetic(self) -> bool:
        """Whether it is drawn at random."""
        return is_synthetic(self.argument)


@dataclass(frozen=True)
class Preview:
    """The first rows of a source, as text; `columns` is empty where it has none, and each row is then a line."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    values: tuple[Any, ...] = ()
    """Those of the first row, as they were read."""


def source_of(visit: Visit, key: str) -> Source | None:
    """The source that an address asks for, if this browser may read it."""
    if key == SAMPLE:
        return Source(SAMPLE, REVIEWS, REVIEWS)
    if key in (names := names_of(visit.folder)):
        return Source(key, key, names[key])
    if key.startswith(FILE) and visit.settings.opens_files:
        path = Path(key.removeprefix(FILE)).expanduser()
        if path.is_absolute() and not is_remote(str(path)):
            return Source(key, str(path), str(path))
    if is_synthetic(key):
        try:
            parse(key)
        except RicordaError:
            return None
        return Source(key, key, key)
    return None


def relation_of(source: Source) -> str | None:
    """The task that a synthetic source is made for; None for others."""
    return SYNTHETIC_TASKS[parse(source.argument)[0].name].relation if source.synthetic else None


def prepare(folder: Path, source: Source) -> str:
    """The path or name to read, which is there: the sample is copied into the browser's folder at its first use."""
    if source.key == SAMPLE and not (folder / REVIEWS).exists():
        shutil.copyfile(str(files("ricorda").joinpath("samples", REVIEWS)), folder / REVIEWS)
    return source.argument if source.synthetic else str(folder / source.argument)


def preview(path: str) -> Preview:
    """The first rows of a file.

    Raises
    ------
    DataError
        If it cannot be read, as the commands say it.
    """
    if Path(path).is_dir():
        return Preview((), tuple((each.name,) for each in islice(sorted(Path(path).iterdir()), ROWS)))
    if extension(path) not in FORMATS:
        try:
            with closing(cast(Generator[str], lines(path))) as text:
                return Preview((), tuple((_shown(line.rstrip("\r\n")),) for line in islice(text, ROWS)))
        except BadLineError as error:
            raise DataError(f"{Path(path).name} {error}") from None
    names, values = opening(path)
    chosen = names[:MOST_COLUMNS]
    wanted = {f"column {place}": name for place, name in enumerate(chosen, 1)}
    with closing(cast(Any, FORMATS[extension(path)](path, wanted, ROWS))) as parts:
        columns, _ = next(parts)
    rows = zip(*([_shown(value) for value in column] for column in columns), strict=True)
    return Preview(tuple(names), tuple(rows), tuple(values))


def guesses(task: str, table: Preview) -> dict[str, str]:
    """The columns that a task probably reads, by the names of the command's options.

    Where a table has the columns that the command reads of itself, it is left to that.
    """
    names = table.columns
    if not names:
        return {}
    if task == "forecast":
        time = date_column(names, table.values, ())
        return {} if time is None else {"time": time}
    columns = dict(zip(names, zip(*table.rows, strict=True), strict=False))
    by_length = sorted(columns, key=lambda name: -sum(map(len, columns[name])))
    numbers = [name for name, column in columns.items() if all(map(is_number, column))]
    likely = {"text": by_length, "label": by_length[::-1], "target": numbers}
    wanted = COLUMNS.get(task, ())
    chosen = {option: option for option in wanted if option in names}
    for option in wanted:
        free = [name for name in likely[option] if name not in chosen.values()]
        if option not in chosen and free:
            chosen[option] = free[0]
    return {option: name for option, name in chosen.items() if name != option}


def _shown(value: Any) -> str:
    """A value in a line of a preview."""
    text = " ".join(str(value).split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
