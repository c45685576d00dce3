"""Showing how a run goes: a bar in a terminal, lines elsewhere, JSON for programs, and TensorBoard's files."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ricorda.errors import ArgumentError
from ricorda.training.alarm import Alarm
from ricorda.training.flow import FLOW, FlowRecord, sparkline
from ricorda.training.interruption import Interruption
from ricorda.training.run import Record, RunState, Totals

NARROWEST, WIDEST = 8, 40
"""Characters of the bar."""
_SECONDS_BETWEEN_DRAWINGS = 0.25  # A drawing takes 0.6 ms.
_SECONDS_BETWEEN_MESSAGES = 0.1

VARIABLE = "RICORDA_PROGRESS"
"""The environment variable that a program sets to "json": progress is then a JSON object a line on standard error."""


def for_a_program() -> bool:
    """Whether a program started this process and reads its progress."""
    return os.environ.get(VARIABLE) == "json"


def tell(about: str, **facts: Any) -> None:
    """Write a line for the program that reads the progress; `about` says what kind of line it is."""
    print(json.dumps({"about": about, **facts}), file=sys.stderr, flush=True)


class Display:
    """A display that is told of each finished step and epoch. This base class shows nothing."""

    def step(self, run: RunState) -> None:
        """Take note of a finished step."""

    def epoch(self, run: RunState) -> None:
        """Take note of a finished epoch, the last of the history."""


class Lines(Display):
    """A plain line an epoch."""

    def __init__(self, console: Console, run: RunState) -> None:
        self._console = console
        self._left = TimeLeft(run)

    def epoch(self, run: RunState) -> None:
        """Print the epoch's line."""
        parts = (epoch_line(run.history[-1], run.epochs, run.told), sparkline(run.flow), self._left.text(run))
        self._console.out("  ".join(filter(None, parts)), highlight=False)


class Bar(Display):
    """A bar over the steps of the whole run, drawn a few times a second."""

    def __init__(self, progress: Progress, bar: BarColumn, run: RunState) -> None:
        self._progress, self._width = progress, bar
        self._left = TimeLeft(run)
        self._bar = progress.add_task("", total=run.epochs * run.steps_per_epoch, text="", left="")
        self._next_drawing = 0.0
        self._draw(run)

    def step(self, run: RunState) -> None:
        """Draw the bar, if it was not drawn just now."""
        if time.monotonic() >= self._next_drawing:
            self._draw(run)

    def epoch(self, run: RunState) -> None:
        """Draw the bar with the new score."""
        self._draw(run)

    def _draw(self, run: RunState) -> None:
        last = run.history[-1] if run.history else {}
        totals = run.totals
        loss = totals.mean_loss if totals.steps else last.get("loss")
        speed = totals.tokens_per_second if totals.steps else last.get("tokens_per_second")
        parts = {
            "epoch": f"epoch {run.epoch_under_way}/{run.epochs}",
            "loss": None if loss is None else f"loss {loss:.4f}",
            "tokens": None if speed is None else f"{speed:,.0f} tokens/s",
            "score": run.told.format_map(last) if "score" in last else None,
            "flow": sparkline(run.flow) or None,
            "left": self._left.text(run),
        }
        # A narrow terminal has no room for all of it: the most important first.
        room = self._progress.console.width - NARROWEST - 1
        for name in ("epoch", "loss", "left", "score", "flow", "tokens"):
            part = parts[name]
            if part is not None and len(part) + 2 > room:
                parts[name] = None
            elif part is not None:
                room -= len(part) + 2
        left = parts.pop("left") or ""
        self._width.bar_width = min(NARROWEST + room, WIDEST)
        text = "  ".join(filter(None, parts.values()))
        self._progress.update(self._bar, completed=run.steps_done, text=text, left=left)
        self._progress.refresh()
        self._next_drawing = time.monotonic() + _SECONDS_BETWEEN_DRAWINGS


class Board(Display):
    """TensorBoard's files: a curve for each number of the history."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def epoch(self, run: RunState) -> None:
        """Add a point to each curve."""
        record = run.history[-1]
        for name, value in record.items():
            if name != FLOW:
                self._writer.add_scalar(name, value, record["epoch"])


class Messages(Display):
    """JSON for a program: "begin", "step" a few times a second, and "epoch". Where it has gone, the run is to stop.

    Parameters
    ----------
    run : RunState
        The run that begins, or goes on.
    interruption : Interruption
        Asked to stop when nobody reads any more: a training that nobody can stop would run on.
    """

    def __init__(self, run: RunState, interruption: Interruption) -> None:
        self._interruption = interruption
        self._left = TimeLeft(run)
        self._next, self._before, self._told_flow = 0.0, replace(run.totals), run.flow
        self._tell("begin", history=[_without_flow(record) for record in run.history], **self._place(run))

    def step(self, run: RunState) -> None:
        """Tell the mean loss of the steps since the last message, and the gradient's flow if it was watched since."""
        if time.monotonic() < self._next:
            return
        flow = {} if run.flow is self._told_flow else {"flow": list(run.flow)}
        totals, before = run.totals, self._before
        weight = totals.weight - before.weight
        loss = (totals.loss - before.loss) / weight if weight else totals.mean_loss
        speed, left = totals.tokens_per_second, self._left.seconds(run)
        self._tell("step", loss=loss, tokens_per_second=speed, seconds_left=left, **self._place(run), **flow)
        self._before, self._told_flow = replace(totals), run.flow
        self._next = time.monotonic() + _SECONDS_BETWEEN_MESSAGES

    def epoch(self, run: RunState) -> None:
        """Tell the epoch's record, and its score in words."""
        record = _without_flow(run.history[-1])
        score = run.told.format_map(record) if "score" in record else None
        self._before = Totals()
        self._tell("epoch", record=record, score=score, seconds_left=self._left.seconds(run), **self._place(run))

    def _place(self, run: RunState) -> dict[str, int]:
        """Where the run stands."""
        steps = run.epochs * run.steps_per_epoch
        return {"epoch": run.epoch_under_way, "epochs": run.epochs, "step": run.steps_done, "steps": steps}

    def _tell(self, about: str, **facts: Any) -> None:
        try:
            tell(about, **facts)
        except OSError:
            self._interruption.requested = True


def _without_flow(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != FLOW}


class Warnings(Display):
    """A line when the gradient vanishes or explodes."""

    def __init__(self, console: Console, alarm: Alarm) -> None:
        self._console, self._alarm = console, alarm
        self._heard: Sequence[FlowRecord] = ()

    def step(self, run: RunState) -> None:
        """Print the warnings of the step, if its gradient was watched."""
        if run.flow is not self._heard:
            self._heard = run.flow
            for sentence in self._alarm.hear(run.flow):
                if for_a_program():
                    with suppress(OSError):  # `Messages` notices who has gone.
                        tell("warning", sentence=sentence)
                    continue
                wrapped = self._console.is_terminal  # which would break it within words
                self._console.print(f"warning: {sentence}", highlight=False, markup=False, soft_wrap=not wrapped)


@contextmanager
def showing(
    run: RunState,
    *,
    progress: bool,
    board_folder: Path | None,
    alarm: Alarm | None = None,
    interruption: Interruption | None = None,
) -> Iterator[list[Display]]:
    """Open the displays that are asked for, on standard error and in TensorBoard's files, and close them in the end."""
    displays: list[Display] = []
    with ExitStack() as stack:
        if board_folder is not None:
            writer = _summary_writer(board_folder / "tensorboard", len(run.history))
            stack.callback(writer.close)
            displays.append(Board(writer))
        console = Console(stderr=True)
        if progress and for_a_program():
            displays.append(Messages(run, interruption or Interruption()))
        elif progress and console.is_terminal:
            # `Bar` draws it: rich's own thread would take its time from the steps.
            bar = BarColumn()
            columns = (TextColumn("{task.fields[text]}", markup=False), bar, TextColumn("{task.fields[left]}"))
            progress_bar = stack.enter_context(Progress(*columns, console=console, auto_refresh=False))
            displays.append(Bar(progress_bar, bar, run))
        elif progress:
            displays.append(Lines(console, run))
        if alarm is not None:
            displays.append(Warnings(console, alarm))
        yield displays


def _summary_writer(folder: Path, epochs_done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ArgumentError("tensorboard is not installed: run `pip install 'ricorda[tensorboard]'`") from error
    # What an interrupted run wrote after its last checkpoint is hidden.
    return SummaryWriter(folder, purge_step=epochs_done + 1)


def epoch_line(record: Record, epochs: int, told: str) -> str:
    """Say in one line how an epoch went."""
    score = f"  {told.format_map(record)}" if "score" in record else ""
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['loss']:.4f}{score}  "
        f"{record['tokens_per_second']:,.0f} tokens/s  {record['seconds']:.1f} s"
    )


class TimeLeft:
    """An estimate of the time left from the steps since the start or the resumption, validation included."""

    def __init__(self, run: RunState) -> None:
        self._started, self._steps_before = time.monotonic(), run.steps_done

    def seconds(self, run: RunState) -> float | None:
        """The seconds that the rest of the run will take; None before the first step."""
        steps = run.steps_done - self._steps_before
        if not steps:
            return None
        return (time.monotonic() - self._started) / steps * (run.epochs * run.steps_per_epoch - run.steps_done)

    def text(self, run: RunState) -> str:
        """Say how long the rest of the run will take."""
        seconds = self.seconds(run)
        if seconds is None:
            return "-:--:-- left"
        minutes, seconds = divmod(round(seconds), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"
