"""Kills a search at random moments, and checks that the same command goes on without losing what was finished.

    python benchmarks/search_kills.py --kills 20 [--jobs 2] [--trials 60] [--seed 0]

A kill is SIGKILL to all processes of the search or, every other time, to the first of them alone. At most the trials
that ran are lost, and in the end there are as many as wanted.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ricorda.searching.extra import optuna
from ricorda.searching.storage import open_storage
from ricorda.searching.trial import TRIALS
from ricorda.tasks.folder import read_model

OPTIONS = (
    *("--tokenizer", "word", "--min-frequency", "1", "--epochs", "4", "--hidden-size", "4", "--embedding-size", "4"),
    *("--no-wide", "--validation-fraction", "0.4"),
)
TEXTS = ("a warm and funny film", "dull from start to end", "I loved it", "I slept", "wise and lovely", "lazy and long")
TrialState = optuna.trial.TrialState


class Search:
    """A search of tiny models in a folder, which may be killed."""

    def __init__(self, folder: Path, *, trials: int, jobs: int = 1) -> None:
        rows = [f"{text},{'good' if index % 2 == 0 else 'bad'}" for index, text in enumerate(TEXTS * 5)]
        (folder / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
        self.folder, self.trials, self.jobs, self.kills = folder, trials, jobs, 0
        self.finished: dict[int, float | None] = {}

    def start(self) -> subprocess.Popen[str]:
        """Start the command in a session of its own."""
        command = ["search", "classify", "data.csv", *OPTIONS, "--out", "found"]
        return subprocess.Popen(
            [sys.executable, "-m", "ricorda", *command, "--trials", str(self.trials), "--jobs", str(self.jobs)],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill(self, after: float) -> bool:
        """Start the command and kill it after some seconds; whether it had not ended before."""
        process = self.start()
        try:
            process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            kill = os.kill if self.kills % 2 else os.killpg
            kill(process.pid, signal.SIGKILL)
            process.communicate()
            self.kills += 1
            self.check()
            return True
        assert process.returncode == 0, process.returncode
        return False

    def check(self) -> Counter[str]:
        """What became of the trials; nothing that was finished is gone, and no more is lost than ran."""
        journal = self.folder / "found" / "study.journal"
        if not journal.exists():
            return Counter()
        try:
            study = optuna.load_study(storage=open_storage(str(journal)), study_name="ricorda")
        except KeyError:  # It was killed before it made the study.
            return Counter()
        trials = study.get_trials()
        finished = {t.number: t.value for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)}
        assert finished.items() >= self.finished.items(), (self.finished, finished)
        self.finished = finished
        for trial in trials:
            if trial.state == TrialState.COMPLETE:
                read_model(self.folder / "found" / TRIALS / f"{trial.number:04}")
        states = Counter(trial.state.name for trial in trials)
        lost = states["FAIL"] + states["RUNNING"]
        assert lost <= self.jobs * (self.kills + 1), states  # With several processes one may begin a trial too many.
        return states

    def end(self) -> Counter[str]:
        """Run the command to its end."""
        process = self.start()
        _, err = process.communicate()
        assert process.returncode == 0, err
        states = self.check()
        assert len(self.finished) == self.trials, states
        assert not states["RUNNING"], states
        return states


def main() -> None:
    """Kill, check and go on; print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--longest", type=float, default=12.0, help="seconds that the command lives at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        search = Search(Path(folder), trials=options.trials, jobs=options.jobs)
        while search.kills < options.kills:
            after = moments.uniform(0.0, options.longest)
            if not search.kill(after):
                print("all trials are finished: give more --trials", file=sys.stderr)
                sys.exit(1)
            print(f"kill {search.kills} after {after:.2f} s: {dict(search.check())}", flush=True)
            time.sleep(0.1)
        states = search.end()
    print(
        f"{options.kills} kills, {options.jobs} jobs: "
        f"{len(search.finished)} of {options.trials} trials finished, {dict(states)}"
    )


if __name__ == "__main__":
    main()
