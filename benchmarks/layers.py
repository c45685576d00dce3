"""Sections "training", "inference" (the grid) and "sweep" (LSTM training against H, B and T)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

from cases import Case, grid, sweeps
from measure import interleave
from peers import contenders
from problem import Problem, Runs
from rows import Row, Settings

MODES = ("training", "inference")


def run(settings: Settings) -> Iterator[Row]:
    for case in grid(settings.quick):
        yield from _rows(settings, dict.fromkeys(MODES, case.label), case)


def run_sweeps(settings: Settings) -> Iterator[Row]:
    for axis, cases in sweeps(settings.quick).items():
        for case in cases:
            for row in _rows(settings, {"sweep": f"over {axis}: {case.label}"}, case):
                row.facts["axis"] = axis
                yield row


def _rows(settings: Settings, labels: dict[str, str], case: Case) -> Iterator[Row]:
    """A row for each wanted section."""
    wanted = [section for section, label in labels.items() if settings.wants(section, label)]
    if not wanted:
        return
    runs, absent = contenders(Problem(case), settings.threads)
    for section in wanted:
        mode = "inference" if section == "inference" else "training"
        calls = {name: call for name, contender in runs.items() if (call := _call(contender, mode)) is not None}
        facts = {"case": asdict(case), "flops": case.flops(mode), "absent": absent}
        yield settings.report(Row.of(section, labels[section], interleave(calls, settings.plan), **facts))


def _call(runs: Runs, mode: str) -> Callable[[], object] | None:
    return runs.train if mode == "training" else runs.infer
