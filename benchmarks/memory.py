"""Section "memory": how far one training step raises a process's peak, each in a process of its own.

That process is this file: python memory.py NAME THREADS CASE, and it prints the bytes and seconds as JSON.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from cases import Case
from options import knows
from problem import OURS, TORCH, our_layer, torch_layer
from rows import Row, Settings

SECTION = "memory"
LONG = {"checkpoint": "sqrt"}


def run(settings: Settings) -> Iterator[Row]:
    quick = settings.quick
    for cell in ("LSTM", "GRU", "RNN"):
        case = Case(cell, 8, 32) if quick else Case(cell, 64, 512)
        if settings.wants(SECTION, case.label):
            peaks = {name: _in_a_process(settings, name, case, {}) for name in (OURS, TORCH)}
            result = {name: peak["bytes"] for name, peak in peaks.items()}
            settings.say(f"{SECTION}: {case.label}: " + ", ".join(f"{k} {v / 1e6:.0f} MB" for k, v in result.items()))
            yield Row(SECTION, case.label, facts={"bytes": result})
    long = Case("LSTM", 8, 128, 200 if quick else 20_000)
    label = f'{long.label} checkpoint="sqrt"'
    if not settings.wants(SECTION, label):
        return
    if not knows(long, LONG):
        return settings.skip(SECTION, label, "the layer has no argument checkpoint")
    peak = _in_a_process(settings, OURS, long, LONG)
    settings.say(f"{SECTION}: {label}: {peak['bytes'] / 1e6:.0f} MB, {peak['seconds']:.1f} s")
    yield Row(SECTION, label, {OURS: peak["seconds"]}, {"bytes": {OURS: peak["bytes"]}, "long": True})


def _in_a_process(settings: Settings, name: str, case: Case, options: dict[str, Any]) -> dict[str, float]:
    told = json.dumps({"case": asdict(case), "options": options})
    command = [sys.executable, __file__, name, str(settings.threads), told]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # On Linux ru_maxrss starts with the parent's peak.
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _forget_peak() -> None:
    """Start the peak again from what is held now, where the system can; compiling may have held more."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _step(layer: torch.nn.Module, x: torch.Tensor) -> None:
    layer.zero_grad(set_to_none=True)
    layer(x)[0].sum().backward()


def main() -> None:
    name, threads, told = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(threads)
    case = Case(**told["case"])
    layer = our_layer(case, **told["options"]) if name == OURS else torch_layer(case)
    x = torch.randn(case.T, case.B, case.I)
    _step(layer, x[:4])  # The first step compiles and starts threads.
    layer.zero_grad(set_to_none=True)
    _forget_peak()
    before, start = _peak_bytes(), time.perf_counter()
    _step(layer, x)
    print(json.dumps({"seconds": time.perf_counter() - start, "bytes": _peak_bytes() - before}))


if __name__ == "__main__":
    main()
