"""A run's results on the terminal, as JSON, and as a page of the documentation."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text
from rows import Row
from summary import Target, means, targets
from tables import Table, of_targets, tables

PACKAGES = ("ricorda", "torch", "llvmlite", "numpy", "jax", "onnxruntime", "torchrecurrent")

WIDEST = 200
"""Characters of a line where there is no terminal."""


@dataclass(frozen=True)
class Run:
    """All of a run; `peak` is GFLOP/s by number of threads."""

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    peak: dict[int, float]
    rows: list[Row]
    quick: bool = False

    @property
    def peak_used(self) -> float:
        """Of as many threads as the layers had."""
        return self.peak[self.machine["threads"]]

    def tables(self) -> list[Table]:
        """Of all sections; the figures to reach only where their sizes were measured."""
        made = tables(self.rows, self.peak_used)
        return made if self.quick else [*made, of_targets(self.targets())]

    def targets(self) -> list[Target]:
        return targets(self.rows, self.peak_used)


def machine(threads: int) -> dict[str, Any]:
    """What was measured on. OMP_WAIT_POLICY decides how long idle threads spin."""
    import llvmlite.binding as llvm

    return {
        "processor": _processor(),
        "llvm_name": llvm.get_host_cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def summary_line(run: Run) -> str:
    """Date, machine and versions in one sentence."""
    peaks = ", ".join(f"{value:.0f} GFLOP/s on {count}" for count, value in run.peak.items())
    named = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    about = run.machine
    return (
        f"{run.date}: {about['processor']} ({about['llvm_name']}), "
        f"{about['threads']} threads of {about['cores']} cores, "
        f"OMP_WAIT_POLICY {about['OMP_WAIT_POLICY']}; float32 fused-multiply-add peak {peaks} threads; "
        f"Python {about['python']}, {named}"
    )


def show(run: Run) -> None:
    """Print every table."""
    console = Console(width=None if sys.stdout.isatty() else WIDEST)
    console.print(Text(summary_line(run)))
    for table in run.tables():
        shown = RichTable(title=table.title, title_justify="left", caption=table.remark, caption_justify="left")
        for number, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if number == 0 else "right")
        for row in table.rows:
            shown.add_row(*map(Text, row))
        console.print(shown)


def as_json(run: Run) -> dict[str, Any]:
    figures = [{**asdict(target), "reached": target.reached} for target in run.targets()]
    known = {name: value for name, value in means(run.rows).items() if not math.isnan(value)}
    return {**asdict(run), "geometric_means": known, "targets": figures}


def write(path: Path, text: str) -> None:
    """Beside its place, then renamed: what has the final name is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_json(run: Run, path: Path) -> None:
    write(path, json.dumps(as_json(run), indent=1, allow_nan=False) + "\n")


def markdown(table: Table) -> str:
    lines = [f"## {table.title}", ""] + ([table.remark, ""] if table.remark else [])
    lines += [_line(table.columns), _line(["---", *["---:"] * (len(table.columns) - 1)])]
    return "\n".join([*lines, *map(_line, table.rows)])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(run: Run, picture: str) -> str:
    """docs/performance.md."""
    opening = (
        "# Performance\n\nWritten by `make bench`; see `benchmarks/README.md` for what is measured and how. "
        "Medians of interleaved runs.\n\n"
        f"{summary_line(run)}.\n\n![Ratios to the best peer, and time against H, B and T]({picture})"
    )
    return "\n\n".join([opening, *map(markdown, run.tables())]) + "\n"
