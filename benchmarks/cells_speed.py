"""What every cell costs: time of training for each matrix product, beside the LSTM's, and of compiling.

    python benchmarks/cells_speed.py [--cells mgu,lem] [--quick] [--out cells_speed.json] [--write-docs]

A layer of 128 units is trained on batches of 32 sequences of 100 steps, one thread, in turns with the LSTM. A product
is one of 128 x 128 a step, of the input or of a state; the LSTM has eight. Compiling is in seconds of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measure import QUICK, Plan, interleave
from report import machine, versions, write

from ricorda import Recurrent
from ricorda.catalogue import CELLS

PAGE = Path(__file__).parents[1] / "docs" / "cells-speed.md"
OURS = ("ricorda", "torch", "llvmlite")
"""The packages whose versions count."""
B, T, H = 32, 100, 128
PLAN = Plan(min_rounds=5, max_rounds=30, budget=1.5, rest=0.05)
TIMES, SECONDS = 1.3, 1.5
"""The most that a product may take beside the LSTM's, and that compiling may take."""


def training(name: str) -> tuple[Callable[[], object], float]:
    """A call that trains a layer for one step, and the products that the layer takes for each step in time."""
    layer = Recurrent(name, H, H, engine="cpu")
    x = torch.randn(T, B, H, requires_grad=True)  # It is a layer above another, and some learn nothing themselves.
    sizes = layer.stack.sizes[0]
    others = {one.name: torch.rand(T, B, sizes[one.size]) for one in layer.program.inputs[1:]}

    def call() -> None:
        layer.zero_grad()
        layer(x, inputs=others)[0].sum().backward()

    products = sum(shape[0] * shape[1] for shape in layer.stack.shapes.values() if len(shape) == 2) / H**2
    return call, products


def compiled(name: str) -> tuple[Callable[[], object], float, float]:
    """As `training`, with the processor's seconds of the first call beyond those of a later one."""
    begin = time.process_time()
    call, products = training(name)
    call()
    first = time.process_time()
    call()
    return call, products, 2 * first - begin - time.process_time()


def measured(name: str, lstm: Callable[[], object], plan: Plan) -> dict[str, float]:
    """What one cell costs."""
    call, products, seconds = compiled(name)
    times = interleave({"cell": call, "lstm": lstm}, plan)
    ratio = statistics.median(times["cell"]) / statistics.median(times["lstm"])
    return {"products": products, "times": ratio, "a product": ratio * 8 / products, "compiling": seconds}


def over(row: dict[str, float]) -> list[str]:
    """What of a cell is more than wanted."""
    return [mark for mark, limit in (("a product", TIMES), ("compiling", SECONDS)) if row[mark] > limit]


def page(rows: dict[str, dict[str, float]]) -> str:
    """docs/cells-speed.md."""
    about, own = machine(1), {name: version for name, version in versions().items() if name in OURS}
    named = ", ".join(f"{name} {version}" for name, version in own.items())
    parts = [
        "# What each cell costs",
        "",
        f"A layer of {H} units is trained on batches of {B} sequences of {T} steps, in float32 on one thread, in turns",
        "with the LSTM; its input needs a gradient too. A product is one of a matrix of as many rows and columns with",
        f"the input or a state at each step: the LSTM has eight. Wanted are at most {TIMES} times the LSTM's time for",
        f"each product, and at most {SECONDS} seconds of the processor for the first call, which compiles the code.",
        "A call has costs of its own, which weigh most in cells of one or two products. What else runs on a machine",
        "moves the ratios by a fifth, as the rows of cells with like equations show.",
        "",
        "Written by `python benchmarks/cells_speed.py --write-docs`.",
        "",
        f"{about['processor']} ({about['llvm_name']}), 1 thread; Python {about['python']}, {named}.",
        "",
        "| cell | products | time / LSTM's | a product's time / LSTM's | compiling | more than wanted |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, row in rows.items():
        numbers = f"{row['products']:.1f} | {row['times']:.2f} | {row['a product']:.2f} | {row['compiling']:.2f} s"
        parts.append(f"| `{name}` | {numbers} | {', '.join(over(row))} |")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Measure and print a line for each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(CELLS), help="names with commas between; all by default")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it runs")
    parser.add_argument("--out", type=Path, help="where to write the numbers as JSON")
    parser.add_argument("--write-docs", action="store_true", help="write docs/cells-speed.md")
    options = parser.parse_args()
    os.environ["RICORDA_CACHE"] = ""  # Whatever was compiled earlier is compiled again.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    compiled("rnn")  # What is imported and made ready once is no cell's.
    lstm, _ = training("lstm")
    rows: dict[str, dict[str, float]] = {}
    print(f"{'cell':24}{'products':>10}{'x LSTM':>10}{'a product':>12}{'compiling':>12}")
    for name in options.cells.split(","):
        row = rows[name] = measured(name, lstm, QUICK if options.quick else PLAN)
        numbers = f"{row['products']:10.1f}{row['times']:10.2f}{row['a product']:12.2f}{row['compiling']:11.2f}s"
        print(f"{name:24}{numbers}  {'more than wanted: ' + ', '.join(over(row)) if over(row) else ''}", flush=True)
    if options.write_docs:
        write(PAGE, page(rows))
    if options.out:
        options.out.write_text(json.dumps({"B": B, "T": T, "H": H, "cells": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
