"""Results as tables of text, for the terminal and for Markdown alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from int8 import FLOAT32
from options import PLAIN
from problem import ONNX, OURS, TORCH
from rows import Row, duration
from streaming import ROUNDED
from summary import PEERS, Target, best_peer, gflops, means, ratio

NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """A title, a remark below it, and rows of text."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    remark: str = ""


def tables(rows: list[Row], peak: float) -> list[Table]:
    """A table for each section that has rows, and the means. `peak` in GFLOP/s."""
    makers: dict[str, Callable[[list[Row]], Table]] = {
        "training": lambda chosen: _grid("training", chosen, peak),
        "inference": lambda chosen: _grid("inference", chosen, peak),
        "sweep": lambda chosen: _times("LSTM training against H, B and T", chosen),
        "streaming": _streaming,
        "own cells": lambda chosen: _times("Cells of one's own, training", chosen),
        "options": _options,
        "precision": _precision,
        "int8": _int8,
        "memory": _memory,
    }
    made = []
    for section, make in makers.items():
        chosen = [row for row in rows if row.section == section]
        if chosen:
            made.append(make(chosen))
    return [*made, _means(rows)]


def _time(row: Row, name: str) -> str:
    return duration(row.seconds[name]) if name in row.seconds else NOTHING


def _number(value: float | None, form: str = ".2f") -> str:
    return NOTHING if value is None or value != value else format(value, form)


def _grid(section: str, rows: list[Row], peak: float) -> Table:
    peers = PEERS[section]
    lines = []
    for row in rows:
        best, speed = best_peer(row, peers), gflops(row)
        times = [_time(row, name) for name in (OURS, *peers)]
        compared = [best[0] if best else NOTHING, _number(ratio(row, peers))]
        lines.append([row.label, *times, *compared, _number(speed, ".0f"), _number(speed and speed / peak, ".0%")])
    columns = ["layer", OURS, *peers, "best peer", "ratio", "GFLOP/s", "of the peak"]
    what = (
        "forward and backward, gradients of all weights and of x" if section == "training" else "forward, no gradient"
    )
    remark = f"{what}; I = H unless said; ratio = time of the best peer / ours. "
    remark += f"{TORCH} has no reset-before GRU: its time there is of the reset-after form."
    return Table(section.capitalize(), columns, lines, remark)


def _times(title: str, rows: list[Row]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row.seconds))
    others = [name for name in names if name != OURS]
    lines = [[row.label, *(_time(row, name) for name in names), _number(ratio(row, others))] for row in rows]
    return Table(title, ["", *names, "best other / ours"], lines)


def _streaming(rows: list[Row]) -> Table:
    names = (OURS, *ROUNDED, TORCH, ONNX)

    def cell(row: Row, name: str) -> str:
        if name not in row.seconds:
            return NOTHING
        return f"{row.seconds[name] * 1e6:.3g} ({row.facts['p99'][name] * 1e6:.3g})"

    lines = [[row.label, *(cell(row, name) for name in names), _number(ratio(row, (TORCH, ONNX)))] for row in rows]
    return Table("One streaming step, us: median (p99)", ["layer", *names, "ratio"], lines)


def _options(rows: list[Row]) -> Table:
    lines = []
    for row in rows:
        base = PLAIN if PLAIN in row.seconds else next(iter(row.seconds))
        for name, seconds in row.seconds.items():
            if name != base:
                more = f"{seconds / row.seconds[base] - 1:+.1%}"
                lines.append([row.label, name, duration(row.seconds[base]), duration(seconds), more])
    columns = ["layer", "option", "without", "with it", "more"]
    return Table("What options cost, training", columns, lines, "Each is measured in pairs with the layer without it.")


def _precision(rows: list[Row]) -> Table:
    names = ("float32", "bf16")
    lines = []
    for row in rows:
        speeds = [_number(gflops(row, name), ".0f") for name in names]
        lines.append(
            [row.label, *(_time(row, name) for name in names), _number(ratio(row, names[:1], "bf16")), *speeds]
        )
    columns = ["layer", *names, "ratio", *(f"{name}, GFLOP/s" for name in names)]
    return Table("bf16 products under torch.autocast, training", columns, lines)


def _int8(rows: list[Row]) -> Table:
    names = (OURS, FLOAT32, TORCH, ONNX)
    lines = [
        [
            row.label,
            *(_time(row, name) for name in names),
            _number(ratio(row, [FLOAT32])),
            _number(ratio(row, [TORCH, ONNX])),
        ]
        for row in rows
    ]
    columns = ["layer", *names, "float32 / ours", "best peer / ours"]
    remark = f"{OURS}, {TORCH} (quantize_dynamic) and {ONNX} (DynamicQuantizeLSTM) in int8; {FLOAT32} is ours."
    return Table("Inference in int8", columns, lines, remark)


def _memory(rows: list[Row]) -> Table:
    def megabytes(row: Row, name: str) -> str:
        return f"{row.facts['bytes'][name] / 1e6:.0f}" if name in row.facts["bytes"] else NOTHING

    lines = [[row.label, megabytes(row, OURS), megabytes(row, TORCH), _time(row, OURS)] for row in rows]
    columns = ["layer", f"{OURS}, MB", f"{TORCH}, MB", f"{OURS}, time of the step"]
    return Table(
        "Memory of one training step", columns, lines, "above what the process held before; weights' gradients"
    )


def _means(rows: list[Row]) -> Table:
    lines = [[name, _number(value)] for name, value in means(rows).items()]
    return Table("Geometric means of the ratios", ["over the grid", "ratio"], lines)


def of_targets(figures: list[Target]) -> Table:
    """Found beside wanted; a figure is the worst of the rows that it is about."""
    words = {True: "yes", False: "NO", None: "not measured"}
    lines = []
    for target in figures:
        limit = f"{'at least' if target.at_least else 'at most'} {target.limit:g}"
        lines.append([target.claim, _number(target.found, ".3g"), limit, words[target.reached]])
    return Table("Figures to reach", ["figure", "found", "to reach", "reached"], lines)
