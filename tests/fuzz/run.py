"""A long run: `PYTHONPATH=tests:tests/fuzz:src python tests/fuzz/run.py --calls 1000000 --folders 20000`.

Cases go in parts to processes of their own, so that one that dies is told from the others; whatever is no reading and
no refusal is printed with its number, by which `--only` repeats it, and after each part the counts so far.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

PART = 500
"""Cases of a process."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="calls of readers")
    parser.add_argument("--folders", type=int, default=500, help="model folders")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument(
        "--only", nargs=2, metavar=("KIND", "NUMBER"), help="one case: readers or folders, and its number"
    )
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        kind, number = arguments.only
        print(json.dumps(_part(kind, int(number), 1), indent=1))
    elif arguments.part:
        kind, first, count = arguments.part
        print(json.dumps(_part(kind, int(first), int(count))))
    else:
        end = time.monotonic() + 60 * arguments.minutes
        from fuzz_readers import READERS

        for kind, count in (("folders", arguments.folders), ("readers", arguments.calls // len(READERS))):
            _run(kind, arguments.first, count, end)


def _run(kind: str, first: int, count: int, end: float) -> None:
    total: Counter[str] = Counter()
    largest, cases, start = 0, 0, time.monotonic()
    for number in range(first, first + count, PART):
        here = min(PART, first + count - number)
        command = [sys.executable, __file__, "--part", kind, str(number), str(here)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{kind} {number} to {number + here - 1}: exit code {done.returncode}\n{done.stderr[-2000:]}")
            total["crash of the process"] += 1
        else:
            result = json.loads(done.stdout.splitlines()[-1])
            total.update(result["outcomes"])
            largest = max(largest, result["megabytes"])
            for text in result["foreign"]:
                print(text, flush=True)
        cases += here
        seconds = time.monotonic() - start
        so_far = f"{cases:,} cases, {sum(total.values()):,} calls, {seconds:.0f} s: {dict(total)}; {largest} MB"
        print(f"{kind}: {so_far}", flush=True)
        if time.monotonic() > end:
            break


def _part(kind: str, first: int, count: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    outcomes: Counter[str] = Counter()
    foreign: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = _folders if kind == "folders" else _readers
        for number, what, outcome in cases(folder, first, count):
            known = outcome in ("read", "refused", "works")
            outcomes[outcome if known else "foreign"] += 1
            if not known and len(foreign) < 20:
                foreign.append(f"{kind} {number}, {what}: {outcome}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"outcomes": outcomes, "foreign": foreign, "megabytes": peak}


def _readers(folder: Path, first: int, count: int) -> Any:
    from fuzz_readers import try_readers

    for number in range(first, first + count):
        for reader, outcome in try_readers(number, folder):
            yield number, reader, outcome


def _folders(folder: Path, first: int, count: int) -> Any:
    from fuzz_folders import MODELS, damaged, saved_models, try_folder

    names = list(MODELS)
    wanted = names if count > 1 else [names[first % len(names)]]
    models = saved_models(folder / "models", wanted)
    for number in range(first, first + count):
        name = names[number % len(names)]
        start = time.process_time()
        try:
            outcome = try_folder(models[name], damaged(models[name], number), folder / "damaged")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome = " ".join("".join(traceback.format_exception(error)).split())[-600:]
        if (seconds := time.process_time() - start) > 20:  # of this process: the machine may have other work
            outcome = f"took {seconds:.0f} s"
        yield number, name, outcome


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
