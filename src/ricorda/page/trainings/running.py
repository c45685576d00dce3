"""A command that runs, or has run: its command line, how it goes, its curve, its alarm, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from nicegui import ui

from ricorda.page.process import Job, State
from ricorda.page.trainings.source import Source
from ricorda.page.trainings.store import RefusedError, check_room
from ricorda.page.visit import Visit

_THIN = {"lineStyle": {"width": 1.2}}
_STEPS = {"type": "value", "nameLocation": "middle", "nameGap": 28, "min": 0}

SECONDS = 0.4
"""Between two looks at a job."""

BLUE, ORANGE = ("#0072B2", "#56B4E9"), ("#D55E00", "#FF9A4D")
"""Of the loss and of the score, on light and on dark."""


def show_command(
    visit: Visit, shown: Job | None, source: Source | None, arguments: Callable[[], list[str]], start: Callable[[], Any]
) -> None:
    """The command that the fields of a tab say and the button that runs it, or the one that runs now."""
    if source is None:
        ui.label(visit.text("choose_first")).classes("faint")
        return
    running = shown is not None and shown.alive
    job = shown if shown is not None and running else Job(arguments(), visit.folder)
    _command_line(visit, job.command, source)
    if not running:
        ui.button(visit.text("start"), on_click=start).props('no-caps icon="play_arrow" data-mark=start')
    ui.label(visit.text("beside_command")).classes("faint small")


async def has_room(visit: Visit) -> bool:
    """Whether the browser's folder has room for what a command writes; if not, that is said."""
    try:
        await check_room(visit.folder)
    except RefusedError as error:
        ui.notify(visit.text(error.key, **error.values), type="negative")
        return False
    return True


class Running:
    """How a job goes, drawn anew as it changes.

    Parameters
    ----------
    visit : Visit
        The browser's visit.
    job : callable
        The job that is shown now; None if there is none.
    ended : callable
        Called once after a job that was alive has ended.
    tells : bool
        Whether what the command prints in the end is shown.
    """

    def __init__(
        self, visit: Visit, job: Callable[[], Job | None], ended: Callable[[], None], *, tells: bool = True
    ) -> None:
        self._visit, self._job, self._ended, self._tells = visit, job, ended, tells
        self._seen: tuple[int, int] | None = None
        self._alive = False

    def build(self) -> None:
        """The parts, which follow the job by themselves."""
        visit = self._visit
        self._all = ui.element("div").classes("stack w-full")
        with self._all:
            with ui.element("div").classes("row"):
                self._state = ui.label().classes("state").props("data-mark=state").props('role="status"')
                self._stop = ui.button(visit.text("stop"), on_click=self._stop_job).props('no-caps outline icon="stop"')
                self._go_on = ui.button(visit.text("go_on"), on_click=self._resume).props('no-caps icon="play_arrow"')
                self._stop.props("data-mark=stop")
                self._go_on.props("data-mark=go-on")
            self._bar = ui.linear_progress(0, show_value=False).props("rounded")
            self._progress = ui.label().classes("small").props("data-mark=progress")
            self._training = ui.label().classes("small").props("data-mark=training")
            self._error = ui.label().classes("trouble").props("data-mark=error").props('role="alert"')
            self._alarm = ui.element("div").classes("stack")
            self._curve = ui.echart(self._options()).classes("curve").props("data-mark=curve")
            self._said = ui.label().classes("said").props("data-mark=said").props("tabindex=0")
        self.follow()
        ui.timer(SECONDS, self.follow)

    def follow(self) -> None:
        """Draw what has changed."""
        job = self._job()
        self._all.set_visibility(job is not None)
        if job is None:
            return
        if self._alive and not job.alive:
            self._alive = False
            self._ended()
        self._alive = job.alive
        if self._seen != (id(job), job.version):
            self._seen = (id(job), job.version)
            self._draw(job)

    def _draw(self, job: Job) -> None:
        visit, place = self._visit, job.place
        state = job.state.value
        if job.state is State.RUNNING and not place:
            state = "preparing"
        self._state.set_text(visit.text(f"state_{state}"))
        self._stop.set_visibility(job.alive)
        self._stop.set_enabled(job.state is not State.STOPPING)
        self._go_on.set_visibility(job.state is State.STOPPED)
        done = place["step"] / place["steps"] if place.get("steps") else 0.0
        number, of = job.training.get("number", 1), job.training.get("of", 1)
        self._bar.set_value((number - 1 + done) / of)
        self._bar.set_visibility(job.alive)
        self._training.set_text(f"{number} / {of}: {job.training['title']}" if job.training else "")
        self._training.set_visibility(bool(job.training) and job.alive)
        self._progress.set_visibility(bool(place) and job.state is not State.FINISHED)
        if place:
            where = {name: place[name] for name in ("epoch", "epochs", "step", "steps")}
            said = visit.text("progress", **where, left=_clock(place.get("seconds_left")))
            self._progress.set_text(" · ".join(filter(None, (said, job.score))))
        error = job.error or (visit.text("ended", code=job.code) if job.state is State.FAILED else "")
        self._error.set_text(error)
        self._error.set_visibility(bool(error))
        self._warn(job)
        self._curve.set_visibility(bool(job.losses or job.history))
        self._curve.options.update(self._options(job))
        self._curve.update()
        self._said.set_text(job.said)
        self._said.set_visibility(self._tells and bool(job.said) and job.state is State.FINISHED)

    def _warn(self, job: Job) -> None:
        """What the command says beside its progress: the gradient's alarm, and how it took the data."""
        self._alarm.clear()
        with self._alarm:
            for sentence in job.warnings:
                ui.label(sentence).classes("alarm").props("data-mark=alarm").props('role="alert"')
            for sentence in job.notices:
                ui.label(sentence.removeprefix("stopped: ")).classes("faint small").props("data-mark=notice")

    def _options(self, job: Job | None = None) -> dict[str, Any]:
        """The curve: the loss by step, and the validation's score where there is one."""
        visit, dark = self._visit, self._visit.dark
        ink, line = ("#eceef2", "#3a3f49") if dark else ("#16181d", "#d5d8df")
        losses = [] if job is None else job.losses
        scores = [] if job is None else [(one["step"], one["score"]) for one in job.history if "score" in one]
        names = (visit.text("loss"), visit.text("score"))
        axis = {"axisLabel": {"color": ink}, "axisLine": {"lineStyle": {"color": ink}}, "nameTextStyle": {"color": ink}}
        faint = {"splitLine": {"lineStyle": {"color": line}}}
        left = {**axis, **faint, "type": "value", "name": names[0], "scale": True}
        right = {**axis, "type": "value", "name": names[1], "scale": True, "show": bool(scores)}
        return {
            "animation": False,
            "textStyle": {"fontSize": 14},
            "legend": {"data": [*names] if scores else [names[0]], "textStyle": {"color": ink}, "top": 0},
            "grid": {"left": 60, "right": 60, "top": 60, "bottom": 45},
            "tooltip": {"trigger": "axis"},
            "xAxis": {**axis, **faint, **_STEPS, "name": visit.text("step")},
            "yAxis": [left, {**right, "splitLine": {"show": False}}],
            "series": [
                {"name": names[0], "type": "line", "data": losses, "showSymbol": False, "color": BLUE[dark], **_THIN},
                {
                    "name": names[1],
                    "type": "line",
                    "yAxisIndex": 1,
                    "data": scores,
                    "symbol": "circle",
                    "symbolSize": 8,
                    "color": ORANGE[dark],
                },
            ],
        }

    def _stop_job(self) -> None:
        job = self._job()
        if job is not None:
            job.stop()
            self.follow()

    def _resume(self) -> None:
        job = self._job()
        if job is not None:
            job.go_on()
            self.follow()


def _command_line(visit: Visit, command: str, source: Source) -> None:
    """A command line that can be copied, where it runs, and which file its data is."""
    with ui.element("div").classes("row"):
        ui.label(visit.text("command_line")).classes("faint small")

        def copy() -> None:
            ui.clipboard.write(command)
            ui.notify(visit.text("copied"))

        ui.button(visit.text("copy"), on_click=copy).props('flat dense no-caps icon="content_copy"')
    words = " ".join(f"<span>{escape(word)}</span>" for word in command.split(" "))  # Lines break between words alone.
    ui.html(words, sanitize=False).classes("command").props("data-mark=command")
    renamed = source.argument != source.name and source.argument in command.split(" ")
    told = "command_file" if renamed else "command_folder"
    named = {"folder": visit.folder, "file": source.argument, "name": source.name}
    ui.label(visit.text(told, **named)).classes("faint small")


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-:--:--"
    whole = round(max(0.0, seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
