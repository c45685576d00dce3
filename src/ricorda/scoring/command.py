"""What `ricorda predict --out` does: to a file, to a folder of parts, or on a Ray cluster; with a bar."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.scoring.files import count_of
from ricorda.scoring.output import format_of
from ricorda.scoring.parts import ROWS, Slice, Told, job_of, score_forecast, score_to_file, score_to_folder
from ricorda.scoring.scorer import Scorer

_SEARCH = {"translate": ("beam_size", "length_penalty", "coverage_penalty"), "forecast": ("horizon",)}
"""Options of a task that go to its answers."""


def score(
    model: Path,
    files: Sequence[str],
    out: str,
    *,
    probabilities: bool = False,
    kind: str | None = None,
    part: str | None = None,
    rows: int | None = None,
    ray: str | None = None,
    precision: str | None = None,
    options: Mapping[str, Any],
) -> None:
    """Score files into `out`, a folder if it ends in "/", is one, or has no ending.

    Raises
    ------
    RicordaError
        For all that is wrong with arguments, model, files or cluster.
    """
    share = Slice() if part is None else Slice.read(part)
    scorer = _scorer(model, probabilities, precision, options)
    path = Path(out)
    folder = out.endswith(("/", os.sep)) or path.is_dir() or not path.suffix
    if scorer.model.TASK == "forecast" and not (folder or probabilities or part or ray) and len(files) <= 1:
        score_forecast(scorer, files[0] if files else None, path)
        return
    if not files:
        raise ArgumentError("--out was given without --file: name the files whose rows are to be scored")
    if not folder:
        if part or rows or ray:
            raise ArgumentError(f"--out {out} is a file, and parts need a folder: write it as {path.stem}/")
        if kind is not None:
            raise ArgumentError(f"--format {kind} is for folders: a file has the format of its ending")
        job = job_of(scorer, files, format_of(path), ROWS)
        with _bar(count_of(job.files)) as told:
            score_to_file(job, path, told)
        return
    job = job_of(scorer, files, kind, ROWS if rows is None else rows)
    total = count_of(job.files) if share.count == 1 else None
    if ray is None:
        with _bar(total) as told:
            score_to_folder(job, path, share, told)
        return
    if part:
        raise ArgumentError("--ray and --part were given, and Ray shares out the parts itself: leave --part out")
    from ricorda.scoring.on_ray import score_on_ray

    with _bar(total) as told:
        score_on_ray(job, path, ray, told)


def _scorer(model: Path, probabilities: bool, precision: str | None, options: Mapping[str, Any]) -> Scorer:
    """The scorer of a model with the options of its task; raises ArgumentError for one without a meaning here."""
    scorer = Scorer(model, probabilities=probabilities, precision=precision)
    task = scorer.model.TASK
    column = "source_column" if task == "translate" else "text"
    known = (column, *_SEARCH.get(task, ()))
    for name in options:
        if name not in known:
            option = {"source_column": "--source"}.get(name, f"--{name.replace('_', '-')}")
            raise ArgumentError(f"{option} has no meaning with --out for a model of the task {task!r}: leave it out")
    scorer.text = options.get(column)
    scorer.search = {name: value for name, value in options.items() if name != column}
    return scorer


@contextmanager
def _bar(total: int | None) -> Iterator[Told]:
    """A bar on the standard error of a terminal, with the time left if the number of rows is known."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    left = TimeElapsedColumn() if total is None else TimeRemainingColumn()
    columns = (TextColumn("{task.completed:,} rows"), BarColumn(), left)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)
        yield lambda rows: progress.advance(bar, rows)
