"""Time ricorda beside torch.nn, JAX, ONNX Runtime and torchrecurrent: `make bench`. See README.md."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from report import Run

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = "performance.png"


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few rounds: whether it runs, not how fast"
    )
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help='a regular expression, searched in "section: row"'
    )
    parser.add_argument("--threads", type=int, default=cores(), help="of every library (default: all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the results as JSON")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write results.json and the picture")
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md and its picture")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    chosen = arguments(words)
    os.environ["PJRT_NPROC"] = str(chosen.threads)  # JAX reads it when it starts
    import torch

    torch.set_num_threads(chosen.threads)
    import pictures
    import report

    run = measure_all(chosen)
    report.show(run)
    if chosen.json:
        report.write_json(run, chosen.json)
    if chosen.out:
        report.write_json(run, chosen.out / "results.json")
        pictures.draw(run.rows, chosen.out / PICTURE)
    if chosen.write_docs:
        pictures.draw(run.rows, DOCS / PICTURE)
        report.write(DOCS / "performance.md", report.page(run, PICTURE))
    return 0


def measure_all(chosen: argparse.Namespace) -> Run:
    import custom
    import int8
    import layers
    import memory
    import options
    import report
    import streaming
    from measure import QUICK, Plan
    from peak import Peak
    from rows import Row, Settings

    settings = Settings(
        chosen.threads,
        QUICK if chosen.quick else Plan(),
        chosen.quick,
        chosen.only,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    kernel, counts = Peak(), sorted({1, chosen.threads})
    before = {count: kernel.gflops(count) for count in counts}
    rows: list[Row] = []
    for section in (
        layers.run,
        streaming.run,
        custom.run,
        options.run,
        options.run_precision,
        int8.run,
        memory.run,
        layers.run_sweeps,
    ):
        rows += section(settings)
    peak = {count: max(before[count], kernel.gflops(count)) for count in counts}
    date = datetime.now().astimezone().date().isoformat()
    return report.Run(date, report.machine(chosen.threads), report.versions(), peak, rows, chosen.quick)


if __name__ == "__main__":
    sys.exit(main())
