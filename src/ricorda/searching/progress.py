"""How a search goes, on standard error: a bar in a terminal, a line a trial elsewhere, JSON for a program."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ricorda.searching.extra import optuna
from ricorda.searching.study import TrialState, finished
from ricorda.training.progress import for_a_program, tell


class Watch:
    """Shows the trials of a study as they end, whoever made them.

    Parameters
    ----------
    study : Study
        The study.
    wanted : int, optional
        How many trials there shall be; None if only the time is limited.
    deadline : float, optional
        When the last trial begins, in seconds since 1970.
    score_text : callable
        From a trial that was trained to the text of its score.
    bar : Progress, optional
        Where a bar is drawn; without it lines are printed.
    """

    def __init__(
        self,
        study: optuna.Study,
        wanted: int | None,
        deadline: float | None,
        score_text: Callable[[Any], str],
        bar: Progress | None,
    ) -> None:
        self.study, self.wanted, self.deadline, self.score_text, self.bar = study, wanted, deadline, score_text, bar
        self.seen = {trial.number for trial in finished(study)}
        self.before, self.started = len(self.seen), time.time()
        if bar is None and self.before and not for_a_program():
            print(f"{self._of(self.before)} trials were made before", file=sys.stderr, flush=True)
        self.task = None if bar is None else bar.add_task("", total=wanted, completed=self.before, text="", left="")

    def look(self) -> None:
        """Show what has ended since the last look."""
        trials = finished(self.study)
        fresh = [trial for trial in trials if trial.number not in self.seen]
        self.seen.update(trial.number for trial in fresh)
        trained: list[Any] = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        best = max(trained, key=lambda trial: trial.value, default=None)
        best_text = "" if best is None else f"best {self.score_text(best)}"
        of = self._of(len(trials))
        if self.bar is not None and self.task is not None:
            text = "  ".join(filter(None, (f"trial {of}", best_text)))
            self.bar.update(self.task, completed=len(trials), text=text, left=self._left(len(trials)))
            return
        for trial in fresh:
            if for_a_program():
                tell("trial", number=trial.number, finished=len(trials), of=self.wanted, score=trial.value)
            else:
                parts = (f"{of}  trial {trial.number}", self._ended(trial), best_text, self._left(len(trials)))
                print("  ".join(filter(None, parts)), file=sys.stderr, flush=True)

    def _of(self, done: int) -> str:
        return str(done) if self.wanted is None else f"{done}/{self.wanted}"

    def _ended(self, trial: Any) -> str:
        if trial.state == TrialState.COMPLETE:
            return self.score_text(trial)
        return f"stopped after epoch {trial.last_step}" if trial.last_step is not None else "refused"

    def _left(self, done: int) -> str:
        """An estimate of the remaining time, from the trials since the start."""
        now, fresh = time.time(), done - self.before
        ends = [] if self.deadline is None else [max(0.0, self.deadline - now)]
        if self.wanted is not None and fresh:
            ends.append((now - self.started) / fresh * max(0, self.wanted - done))
        if not ends:
            return ""
        seconds = round(min(ends))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"


@contextmanager
def watching(
    study: optuna.Study,
    wanted: int | None,
    deadline: float | None,
    score_text: Callable[[Any], str],
    *,
    progress: bool,
) -> Iterator[Callable[[], None]]:
    """Within the block, a function that shows what has ended; it shows nothing without `progress`."""
    console = Console(stderr=True)
    if not progress:
        yield lambda: None
    elif console.is_terminal and not for_a_program():
        columns = (TextColumn("{task.fields[text]}"), BarColumn(), TextColumn("{task.fields[left]}"))
        with Progress(*columns, console=console) as bar:
            yield Watch(study, wanted, deadline, score_text, bar).look
    else:
        yield Watch(study, wanted, deadline, score_text, None).look
