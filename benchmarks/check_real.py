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
from importlib import import_module
from pathlib import Path

import torch

import ricorda

PARTS = (
    "classify",
    "tag",
    "translate",
    "language",
    "forecast",
    "memory",
    "digits",
    "precision",
    "insight",
    "small",
    "pretrained",
    "arrays",
)
"""`real_PART.check` trains with each seed where that takes under three minutes, else with the first."""

SEEDS = (0, 1, 2)


def main() -> int:
    """Run the parts, print a line of each result when it is there, and fail if a figure is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="the tasks to check")
    options = parser.parse_args()
    print(f"ricorda {ricorda.__version__}, torch {torch.__version__}, {_processor()}, ", end="")
    print(f"{torch.get_num_threads()} threads, seeds {SEEDS}\n")
    print("| task | reached (each seed) | asked | minutes a training | holds |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    holds = True
    for part in options.only:
        for row in import_module(f"real_{part}").check(options.data, SEEDS):
            holds &= row.holds
            print(
                f"| {row.what} | {row.reached} | {row.asked} | {row.minutes:.1f} | {'yes' if row.holds else 'NO'} |",
                flush=True,
            )
    return 0 if holds else 1


def _processor() -> str:
    """The processor's name, as Linux has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
