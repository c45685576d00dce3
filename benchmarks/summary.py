"""From times to ratios, means and shares of the peak, and the figures that the project wants to reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from custom import BUILT_IN, COMPILED, TORCHRECURRENT
from options import NORMS, PLAIN, RECORD
from problem import JAX, ONNX, OURS, TORCH
from rows import Row

PEERS = {"training": (TORCH, JAX), "inference": (TORCH, JAX, ONNX)}


def geometric_mean(numbers: Iterable[float]) -> float:
    """The mean for ratios; of nothing it is not a number."""
    logarithms = [math.log(number) for number in numbers]
    return math.exp(math.fsum(logarithms) / len(logarithms)) if logarithms else math.nan


def best_peer(row: Row, peers: Iterable[str]) -> tuple[str, float] | None:
    """The fastest of those that ran, and its seconds."""
    present = [(row.seconds[name], name) for name in peers if name in row.seconds]
    if not present:
        return None
    seconds, name = min(present)
    return name, seconds


def ratio(row: Row, peers: Iterable[str], ours: str = OURS) -> float | None:
    """The best peer's time as a multiple of ours; above 1 we are faster."""
    best = best_peer(row, peers)
    return None if best is None or ours not in row.seconds else best[1] / row.seconds[ours]


def ratios(rows: Iterable[Row], section: str, peers: Iterable[str], ours: str = OURS) -> list[float]:
    """Of every row of a section that has both sides."""
    names = tuple(peers)
    return [value for row in rows if row.section == section and (value := ratio(row, names, ours)) is not None]


def gflops(row: Row, name: str = OURS) -> float | None:
    """Billions of operations a second in the matrix products."""
    return row.facts["flops"] / row.seconds[name] / 1e9 if "flops" in row.facts and name in row.seconds else None


def means(rows: list[Row]) -> dict[str, float]:
    """The geometric means over the grid."""
    return {
        "training, best of torch.nn and JAX": geometric_mean(ratios(rows, "training", PEERS["training"])),
        "training, torch.nn": geometric_mean(ratios(rows, "training", [TORCH])),
        "inference, best of torch.nn, JAX and ONNX Runtime": geometric_mean(
            ratios(rows, "inference", PEERS["inference"])
        ),
    }


@dataclass(frozen=True)
class Target:
    """A figure to reach. `found` is None where nothing was measured."""

    claim: str
    found: float | None
    limit: float
    at_least: bool = True

    @property
    def reached(self) -> bool | None:
        if self.found is None:
            return None
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def targets(rows: list[Row], peak: float) -> list[Target]:
    """All figures, each the worst of the rows that it is about. `peak` in GFLOP/s, of as many threads as measured."""
    training, inference = (ratios(rows, mode, PEERS[mode]) for mode in ("training", "inference"))
    over_torch = ratios(rows, "training", [TORCH])
    shares = [
        speed / peak
        for row in rows
        if row.section == "training" and _is(row, B=64, H=512) and row.facts["case"]["cell"] != "RNN"
        if (speed := gflops(row)) is not None
    ]
    of_own = [row for row in rows if row.section == "own cells"]
    return [
        Target("training: worst ratio to the best of torch.nn and JAX", _worst(training, min), 1.0),
        Target("training: geometric mean to the best of torch.nn and JAX", _worst(training, geometric_mean), 2.0),
        Target("training: geometric mean to torch.nn", _worst(over_torch, geometric_mean), 4.0),
        Target("inference: worst ratio to the best of torch.nn, JAX, ONNX Runtime", _worst(inference, min), 0.95),
        Target("inference: geometric mean to the best", _worst(inference, geometric_mean), 1.5),
        Target("share of the peak, LSTM and GRU training, B 64 H 512", _worst(shares, min), 0.7),
        Target("bf16: times float32's speed", _worst(ratios(rows, "precision", ["float32"], "bf16"), min), 1.5),
        Target("int8 inference: times float32's speed", _worst(ratios(rows, "int8", ["float32"]), min), 1.8),
        Target("int8 inference: worst ratio to the best peer", _worst(ratios(rows, "int8", [TORCH, ONNX]), min), 1.2),
        *_streaming(rows),
        Target("own cells: ratio to torchrecurrent", _worst(ratios(of_own, "own cells", [TORCHRECURRENT]), min), 5.0),
        Target("own cells: ratio to torch.compile", _worst(ratios(of_own, "own cells", [COMPILED]), min), 2.0),
        Target("LSTM rewritten: its time over the built-in's", _rewritten(of_own), 1.05, False),
        Target("costliest option: its time over the plain layer's", _costliest(rows), 1.10, False),
        Target("gradient norms: time over the plain layer's", _worst(_costs(rows, {NORMS}), max), 1.03, False),
        Target("GRU forms: the slower over the faster", _forms(rows), 1.10, False),
        Target("memory: our peak over torch.nn's", _memory(rows), 1.0, False),
        Target('memory: T 20,000 with checkpoint="sqrt", MB', _long(rows), 300.0, False),
    ]


def _is(row: Row, **wanted: object) -> bool:
    case = row.facts.get("case", {})
    return all(case.get(key) == value for key, value in wanted.items())


def _worst(values: list[float], choose: Callable[[list[float]], float]) -> float | None:
    return choose(values) if values else None


def _rewritten(rows: list[Row]) -> float | None:
    values = ratios(rows, "own cells", [BUILT_IN])
    return 1 / min(values) if values else None


def _streaming(rows: list[Row]) -> list[Target]:
    made = []
    for H, limit in ((64, 3.0), (256, 20.0)):
        chosen = [
            row
            for row in rows
            if row.section == "streaming" and OURS in row.seconds and _is(row, H=H) and not _is(row, cell="RNN")
        ]
        medians = [row.seconds[OURS] * 1e6 for row in chosen]
        tails = [row.facts["p99"][OURS] / row.seconds[OURS] for row in chosen]
        made.append(Target(f"streaming: LSTM and GRU step at H {H}, us", _worst(medians, max), limit, False))
        made.append(Target(f"streaming: p99 over the median at H {H}", _worst(tails, max), 3.0, False))
    return made


def _costliest(rows: list[Row]) -> float | None:
    """Of the regularisers: records and norms are none."""
    names = {name for row in rows if row.section == "options" for name in row.seconds}
    return _worst(_costs(rows, names - {PLAIN, RECORD, NORMS}), max)


def _costs(rows: list[Row], names: set[str]) -> list[float]:
    """What these take, as multiples of the plain layer's time."""
    return [
        seconds / row.seconds[PLAIN]
        for row in rows
        if row.section == "options" and PLAIN in row.seconds
        for name, seconds in row.seconds.items()
        if name in names
    ]


def _forms(rows: list[Row]) -> float | None:
    pairs = [row.seconds.values() for row in rows if row.section == "options" and PLAIN not in row.seconds]
    return _worst([max(pair) / min(pair) for pair in pairs], max)


def _memory(rows: list[Row]) -> float | None:
    peaks = [row.facts["bytes"] for row in rows if row.section == "memory" and TORCH in row.facts["bytes"]]
    return _worst([bytes_of[OURS] / bytes_of[TORCH] for bytes_of in peaks], max)


def _long(rows: list[Row]) -> float | None:
    megabytes = [row.facts["bytes"][OURS] / 1e6 for row in rows if row.section == "memory" and row.facts.get("long")]
    return _worst(megabytes, max)
