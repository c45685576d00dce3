"""Train every cell on two small tasks and write docs/cells-compared.md: python benchmarks/cells_compared.py.

Adding with T = 100 (Hochreiter, Schmidhuber 1997), 1,500 updates, and anew with 3,000 for the cells that have not
learned it; and the film reviews that come along, 5 epochs. A
line of JSON is added to a file after each training, so a run that was stopped goes on where it ended. See README.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ricorda import SequenceClassifier, SequenceRegressor, __version__
from ricorda.catalogue import CELLS, FAMILIES, find_cell, split_names
from ricorda.data.synthetic import parse, read_synthetic
from ricorda.errors import RicordaError
from ricorda.insight.comparison.cost import weights_of
from ricorda.insight.comparison.view import flow_of
from ricorda.nn.biases import remembers
from ricorda.program.cell import Cell

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE / "docs" / "cells-compared.md"
REVIEWS = HERE / "src" / "ricorda" / "samples" / "reviews.csv"

Numbers = dict[str, float | None]
_SHARED: dict[str, Any] = {
    "hidden_size": 64,
    "num_layers": 1,
    "bidirectional": False,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "batch_size": 32,
    "learning_rate": 0.005,
    "random_state": 0,
    "device": "cpu",
    "wide": False,
}
T = 100
LEARNED = 1 / 60
"""The largest error of a cell that has learned to add: a tenth of that of always answering 1."""


def adding(cell: Cell, share: float, epochs: int = 6) -> Numbers:
    """Adding: 8,000 sequences in batches of 32, six times; measured on 1,000 new ones."""
    count = max(64, int(8_000 * share))
    train, held, new = (
        read_synthetic(f"synthetic:adding?T={T}&n={n}&seed={seed}", "regress")
        for n, seed in ((count, 0), (max(32, count // 8), 500_000), (max(32, count // 8), 1_000_000))
    )
    memory = T if remembers(cell.program) else None
    model: Any = SequenceRegressor(cell, **_SHARED, epochs=epochs, pooling="last", memory=memory)
    model.fit(train.inputs, train.targets, validation=(held.inputs, held.targets))
    measured = parse("synthetic:adding")[0].measure(model, new)
    return {"mean squared error": measured["mean_squared_error"], **_common(model, new.inputs)}


def reviews(cell: Cell, share: float) -> Numbers:
    """The film reviews: positive or negative; 500 of them to measure on, drawn with a fixed seed."""
    with REVIEWS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    rows = rows[: max(100, int(len(rows) * share))]
    new, rows = rows[: len(rows) // 6], rows[len(rows) // 6 :]
    model: Any = SequenceClassifier(cell, **_SHARED, epochs=5, memory=None)
    model.fit([row["text"] for row in rows], [row["label"] for row in rows])
    texts = [row["text"] for row in new]
    right = [said == row["label"] for said, row in zip(model.predict(texts), new, strict=True)]
    return {"accuracy": statistics.fmean(right), **_common(model, texts)}


def _common(model: Any, examples: Sequence[Any]) -> Numbers:
    half_life, memory_length, _ = flow_of(model, examples)
    return {
        "weights": weights_of(model.network_),
        "microseconds": 1e6 / statistics.median(epoch["tokens_per_second"] for epoch in model.history_),
        "half_life": None if math.isnan(half_life) else half_life,
        "memory_length": None if not math.isfinite(memory_length) else memory_length,
    }


TASKS: dict[str, Callable[[Cell, float], Numbers]] = {
    "adding": adding,
    "adding longer": partial(adding, epochs=12),
    "reviews": reviews,
}


def run(out: Path, tasks: Sequence[str], cells: Sequence[str], share: float) -> list[dict[str, Any]]:
    """Train what the file does not have yet, and return all of its rows for these tasks, cells and share of data."""
    rows = read(out)
    known = {(row["task"], row["cell"], row["share"], row["version"]): row for row in rows}
    wanted = [(task, cell, share, __version__) for task in tasks for cell in cells]
    missing = [key for key in wanted if key not in known]
    out.parent.mkdir(parents=True, exist_ok=True)
    cut = out.exists() and not out.read_text(encoding="utf-8").endswith("\n")
    begun = time.monotonic()
    for place, key in enumerate(missing):
        task, cell, *_ = key
        if task == "adding longer" and known["adding", *key[1:]].get("mean squared error", 0) <= LEARNED:
            continue
        seconds = round((time.monotonic() - begun) / place * (len(missing) - place)) if place else None
        left = "" if seconds is None else f"  {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"
        print(f"{place + 1}/{len(missing)}  {task}, {cell}{left}", flush=True)
        row: dict[str, Any] = {"task": task, "cell": cell, "share": share, "version": __version__}
        try:
            row |= TASKS[task](find_cell(cell), share)
        except RicordaError as error:
            row["failed"] = str(error)
        known[key] = row
        with out.open("a", encoding="utf-8") as file:
            file.write("\n" * cut + json.dumps(row) + "\n")
        cut = False
    return [known[key] for key in wanted if key in known]


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; a last line that a stop has cut is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


TEXTS = {
    "adding": (
        "The sum of two marked numbers of 100 (Hochreiter, Schmidhuber 1997), 1,500 updates. Gates that are certain to",
        "keep a state begin with a memory of 100 steps. Always answering 1 has an error of 0.167.",
    ),
    "adding longer": (
        "The cells whose error was above 0.0167, a tenth of always answering 1, anew with 3,000 updates. Those still",
        "above it do not learn this task in 3,000 updates.",
    ),
    "reviews": (
        "The film reviews that come along, positive or negative, 5 epochs; measured on 482 others. Gates begin as",
        "torch.nn's do.",
    ),
}
HEADS = {
    "adding": ("Adding, T = 100", "mean squared error", False),
    "adding longer": ("Adding, twice as long", "mean squared error", False),
    "reviews": ("Film reviews", "accuracy", True),
}


def page(rows: Sequence[Mapping[str, Any]], share: float) -> str:
    """The page, in Markdown."""
    parts = [
        "# Cells compared",
        "",
        "Every cell that comes along, on two small tasks, as it came out: one layer of 64 units in one direction, one",
        "seed, AdamW at 0.005, batches of 32. A single seed says little of small differences, and a cell may do better",
        "with another learning rate. Written by `python benchmarks/cells_compared.py --write-docs`.",
        "",
        "The half-life is that of the gradient after training: the number of steps in which its norm halves, on 16",
        "examples (see [gradients](gradients.md)). Times are of training, a step of one sequence, on this machine:",
        f"{platform.machine()}, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() != 1)}, "
        f"torch {torch.__version__}, ricorda {__version__}. They are rough, with whatever else ran on it beside:",
        "[what each cell costs](cells-speed.md) has them in turns with the LSTM.",
    ]
    for task in [task for task in HEADS if task not in {row["task"] for row in rows}]:
        parts += ["", f"**{HEADS[task][0]}: not measured yet.**"]
    if share < 1:
        parts += ["", f"**A trial run with {share:.0%} of the data.**"]
    for task, (title, measure, higher) in HEADS.items():
        own = [row for row in rows if row["task"] == task]
        if not own:
            continue
        done = sorted((row for row in own if "failed" not in row), key=lambda row: row[measure], reverse=higher)
        parts += ["", f"## {title}", "", *TEXTS[task], ""]
        parts += [
            f"| cell | family | {measure} | weights | µs a step | half-life |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
        for row in done:
            score = f"{row[measure]:.1%}" if higher else f"{row[measure]:.4f}"
            life = "none" if row["half_life"] is None else f"{row['half_life']:.3g}"
            parts.append(
                f"| `{row['cell']}` | {CELLS[row['cell']].family if row['cell'] in CELLS else ''} | {score} | "
                f"{row['weights']:,} | {row['microseconds']:.3g} | {life} |"
            )
        parts += [f"| `{row['cell']}` | | failed: {row['failed']} | | | |" for row in own if "failed" in row]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Run it, as it is told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE / "build" / "cells_compared.jsonl", help="the file of results")
    parser.add_argument("--tasks", default=",".join(TASKS), help="tasks, with commas between them")
    parser.add_argument("--cells", default="all", help=f"cells, all, or family:NAME ({', '.join(FAMILIES)})")
    parser.add_argument("--share", type=float, default=1.0, help="the share of the data; for a trial")
    parser.add_argument("--write-docs", action="store_true", help=f"write {PAGE.relative_to(HERE)}")
    arguments = parser.parse_args()
    tasks = arguments.tasks.split(",")
    if "adding longer" in tasks and "adding" not in tasks[: tasks.index("adding longer")]:
        raise SystemExit(
            "error: 'adding longer' is for the cells that 'adding' shows not to learn: name that before it"
        )
    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise SystemExit(f"error: there is no task {unknown[0]!r}: choose from {', '.join(TASKS)}")
    try:
        rows = run(arguments.out, tasks, split_names(arguments.cells), arguments.share)
    except RicordaError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"stopped: what was trained is in {arguments.out}, and the same command goes on") from None
    text = page(rows, arguments.share)
    if arguments.write_docs:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
