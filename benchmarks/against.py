"""Time ricorda beside another checkout of it, in turns: python benchmarks/against.py CHECKOUT. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from cases import Case, grid
from measure import quartiles

HERE = Path(__file__).resolve().parents[1]
MODES = ("inference", "training", "lengths", "step")
SETTLE = 0.005
"""Seconds of untimed calls before each block: a child's threads sleep while the other one's turn is on."""


class Child:
    """A process that imports ricorda from a checkout, and times calls of its layers when it is asked."""

    def __init__(self, checkout: Path, threads: int) -> None:
        paths = os.pathsep.join([str(checkout / "src"), str(Path(__file__).parent)])
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, "--serve"]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        source = Path(self.ask(None)["source"])
        if not source.is_relative_to(checkout.resolve()):
            raise SystemExit(f"error: {checkout} has no src/ricorda: name the folder of a checkout")

    def ask(self, question: Any) -> Any:
        """Send a question and wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="the folder of another checkout, such as the commit before")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--only", default="", metavar="PATTERN", help='a regular expression, searched in "mode: case"')
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    before, now = Child(chosen.checkout, chosen.threads), Child(HERE, chosen.threads)
    print(f"{chosen.threads} threads, {chosen.rounds} rounds; the ratio is our time to that of {chosen.checkout}")
    slower = 0
    for mode, case in rows(chosen.quick):
        label = f"{mode}: {case.label}"
        if not re.search(chosen.only, label, re.IGNORECASE):
            continue
        times = take_turns(before, now, {"mode": mode, "case": asdict(case)}, chosen.rounds)
        ratios = [one / other for other, one in times]
        low, high = quartiles(ratios)
        medians = [statistics.median(side) * 1e6 for side in zip(*times, strict=True)]
        slow = low > 1.03
        slower += slow
        print(
            f"{label:66} {medians[0]:12,.1f} us {medians[1]:12,.1f} us   ratio {statistics.median(ratios):.3f} "
            f"({low:.3f} to {high:.3f}){'   SLOWER' if slow else ''}",
            flush=True,
        )
    print(f"{slower} rows are slower by more than 3 % in at least three quarters of their rounds")
    return 0


def rows(quick: bool) -> Iterator[tuple[str, Case]]:
    """What is timed: the grid in three modes, and a stream's step."""
    for case in grid(quick):
        for mode in MODES[:3]:
            yield mode, case
    for cell in ("LSTM", "GRU", "RNN"):
        for H in (64, 256):
            yield "step", Case(cell, B=1, H=H, T=1)


def take_turns(before: Child, now: Child, question: dict[str, Any], rounds: int) -> list[tuple[float, float]]:
    """The seconds of a call on both sides in each round, the first one changing from round to round."""
    for child in (before, now):
        child.ask(question)  # compiles
    times = []
    for number in range(rounds):
        if number % 2:
            after = now.ask(question)["seconds"]
            times.append((before.ask(question)["seconds"], after))
        else:
            first = before.ask(question)["seconds"]
            times.append((first, now.ask(question)["seconds"]))
    return times


def serve() -> None:
    """The child: answer questions until there are no more."""
    import ricorda

    for line in sys.stdin:
        question = json.loads(line)
        if question is None:
            answer: dict[str, Any] = {"source": str(Path(ricorda.__file__).resolve())}
        else:
            answer = {"seconds": _seconds(_call(question["mode"], json.dumps(question["case"])))}
        print(json.dumps(answer), flush=True)


def _seconds(call: Callable[[], object], block: float = 0.01) -> float:
    """The median time of a call, over a block of calls in a row."""
    start = time.perf_counter()
    call()
    while time.perf_counter() - start < SETTLE:
        call()
    seconds: list[float] = []
    start = time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - start < block:
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


@lru_cache(maxsize=1)
def _call(mode: str, case: str) -> Callable[[], object]:
    import torch
    from peers import Problem, module_runs, our_layer

    problem = Problem(Case(**json.loads(case)))
    layer = our_layer(problem.case)
    layer.load_state_dict(problem.weights)
    if mode == "step":
        stream, step = layer.stream(), problem.x[0, 0].numpy()
        return lambda: stream(step)
    if mode == "lengths":
        lengths = torch.linspace(1, problem.case.T, problem.case.B).long()
        lengths[-1] = problem.case.T
        return module_runs(layer, problem, lengths=lengths).train or (lambda: None)
    runs = module_runs(layer, problem)
    call = runs.infer if mode == "inference" else runs.train
    assert call is not None
    return call


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--serve"] else main())
