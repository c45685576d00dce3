"""Whether scoring files keeps its promises: bounded memory over many rows, and the same bytes after kill -9.

python benchmarks/scoring.py MODEL --rows 10000000
python benchmarks/scoring.py MODEL --kills 20
"""

import argparse
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEXTS = ["a warm and funny film", "I slept", "dull from start to end", "what a lovely cast"]


def command(model: str, data: str, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "ricorda", "predict", model, "--file", data, "--out", str(out), *options]


def write_rows(path: Path, rows: int) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        stream.writelines(f"{row},{TEXTS[row % len(TEXTS)]}\n" for row in range(rows))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def kills(model: str, data: str, folder: Path, *, times: int, part_rows: int = 500) -> int:
    """Kill runs at random moments; returns how many were killed, and raises AssertionError if bytes differ."""
    options = ("--part-rows", str(part_rows))
    whole, broken = folder / "whole", folder / "broken"
    begin = time.monotonic()
    subprocess.run(command(model, data, whole, *options), check=True)
    seconds = time.monotonic() - begin
    chance, killed = random.Random(0), 0
    while killed < times:
        process = subprocess.Popen(command(model, data, broken, *options))
        try:
            process.wait(timeout=seconds * chance.uniform(0.5, 1.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        else:  # It came to its end: begin again with another folder.
            assert contents(broken) == contents(whole)
            broken = folder / f"broken-{chance.getrandbits(32)}"
    subprocess.run(command(model, data, broken, *options), check=True)
    assert contents(broken) == contents(whole)
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--ending", default="csv", choices=("csv", "jsonl", "parquet"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data.csv"
        if arguments.rows:
            write_rows(data, arguments.rows)
            begin = time.monotonic()
            subprocess.run(command(arguments.model, str(data), folder / f"out.{arguments.ending}"), check=True)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            print(f"{arguments.rows:,} rows: {time.monotonic() - begin:.0f} s, at most {peak:.2f} GiB")
        if arguments.kills:
            write_rows(data, 100_000)
            print(
                f"{kills(arguments.model, str(data), folder, times=arguments.kills, part_rows=2000)} kills: same bytes"
            )


if __name__ == "__main__":
    main()
