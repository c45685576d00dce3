"""What every task reaches on published data, beside the figure to reach: `make check-real`.

The data is not part of ricorda. Where it is absent the check says so and passes. All of it takes some four hours on two
cores; `--only tag` and so on runs a part.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # Set before torch is imported: see ricorda.cli.

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from pathlib import Path

import torch

import ricorda

PARTS = (
    "classify",
    "tag",
    "translate",
    "language",
    "cells",
    "forecast",
    "memory",
    "digits",
    "precision",
    "int8",
    "insight",
    "small",
    "one-class",
    "pretrained",
    "arrays",
    "export",
    "search",
)
"""`real_PART.check` trains with each seed where that takes under three minutes, else with the first."""

SEEDS = (0, 1, 2)

HEAD = ("| task | reached (each seed) | asked | minutes a training | holds |", "| --- | --- | --- | --- | --- |")
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def main() -> int:
    """Run the parts, print a line of each result when it is there, and fail if a figure is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="the tasks to check")
    parser.add_argument("--write", action="store_true", help="put the tables into the page of results")
    options = parser.parse_args()
    print(f"ricorda {ricorda.__version__}, torch {torch.__version__}, {_processor()}, ", end="")
    print(f"{torch.get_num_threads()} threads, seeds {SEEDS}\n")
    print(*HEAD, sep="\n", flush=True)
    holds = True
    for part in options.only:
        lines = list(HEAD)
        for row in import_module(f"real_{part.replace('-', '_')}").check(options.data, SEEDS):
            holds &= row.holds
            verdict = "yes" if row.holds else "NO"
            lines.append(f"| {row.what} | {row.reached} | {row.asked} | {row.minutes:.1f} | {verdict} |")
            print(lines[-1], flush=True)
        if options.write and len(lines) > len(HEAD):
            _write(part, [f"{date.today()}, {_processor()}, {torch.get_num_threads()} threads.", "", *lines])
    return 0 if holds else 1


def _write(part: str, lines: Sequence[str]) -> None:
    """Put lines between the marks of a part in the page of results; pages without them stay as they are."""
    text = RESULTS.read_text(encoding="utf-8")
    begin, end = f"<!-- {part}: written by make check-real -->", f"<!-- end of {part} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if found and closed:
        RESULTS.write_text("\n".join([before + begin, "", *lines, "", end + after]), encoding="utf-8")


def _processor() -> str:
    """The processor's name, as Linux has it."""
    for line in (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    ):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
