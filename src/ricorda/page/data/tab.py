"""The tab *Your data*: from a file to a trained model, by the command that it shows."""

from __future__ import annotations

import shutil
from asyncio import to_thread
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nicegui import events, ui

from ricorda.catalogue import CELLS
from ricorda.page import downloads
from ricorda.page.process import Job, State
from ricorda.page.trainings import records
from ricorda.page.trainings.chooser import STYLE, Chooser
from ricorda.page.trainings.form import TASK_NAMES, Form, choose_cell
from ricorda.page.trainings.options import default_cell
from ricorda.page.trainings.running import Running, has_room, show_command
from ricorda.page.trainings.store import MODELS
from ricorda.page.visit import Visit
from ricorda.tasks.folder import holds_model
from ricorda.tasks.pictures import learning_curve
from ricorda.tasks.registry import estimator_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def build(visit: Visit) -> None:
    """Fill the tab."""
    ui.add_css(STYLE)
    _Tab(visit).build()


class _Tab:
    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.chooser = Chooser(visit, self.chosen)
        self.form = Form(visit, self.show_command)
        self.running = Running(visit, lambda: records.shown(visit.folder), self.ended)

    def build(self) -> None:
        visit = self.visit
        with ui.element("div").classes("columns"):
            with ui.element("div").classes("stack"):
                with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                    ui.label(visit.text("choose")).props('role="heading" aria-level=1').classes("heading")
                    self.chooser.build()
                with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                    ui.label(visit.text("learn")).props('role="heading" aria-level=2').classes("heading")
                    ui.select(
                        {name: visit.text(name) for name in TASK_NAMES},
                        label=visit.text("task"),
                        value=self.form.task,
                        on_change=self.choose_task,
                    ).props("outlined dense").classes("w-full").props("data-mark=task")
                    self.fields = ui.element("div").classes("stack")
            with ui.element("div").classes("stack"):
                with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                    ui.label(visit.text("train")).props('role="heading" aria-level=2').classes("heading")
                    self.command = ui.element("div").classes("stack")
                    self.running.build()
                    self.results = ui.element("div").classes("row")
                with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                    ui.label(visit.text("models")).props('role="heading" aria-level=2').classes("heading")
                    self.models = ui.element("div").classes("models")
        self.show_models()
        self.show_results()

    async def chosen(self) -> None:
        """Other data: other columns."""
        self.show_fields()
        self.show_command()

    def choose_task(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Another task: other columns and options."""
        self.visit.keep(task=event.value)
        self.show_fields()
        self.show_command()

    def show_fields(self) -> None:
        self.fields.clear()
        with self.fields:
            choose_cell(self.visit, default_cell(self.form.task), self.show_command)
            self.form.build(self.chooser.table)

    def arguments(self, name: str) -> list[str]:
        source = self.chooser.source
        assert source is not None
        cell = self.visit.choice("cell", CELLS, default_cell(self.form.task))
        return records.arguments(self.form.task, source.argument, name, cell, self.form.arguments())

    def name(self) -> str:
        cell = self.visit.choice("cell", CELLS, default_cell(self.form.task))
        return records.new_name(self.visit.folder, cell, [*self.visit.models()])

    def show_command(self) -> None:
        """The command that the fields say, and the button that runs it."""
        visit = self.visit
        self.command.clear()
        with self.command:
            shown, arguments = records.shown(visit.folder), lambda: self.arguments(self.name())
            show_command(visit, shown, self.chooser.source, arguments, self.start)

    async def start(self) -> None:
        """Run the command, if there is room for what it writes."""
        if not await has_room(self.visit):
            return
        name = self.name()
        records.start(self.visit.folder, name, self.arguments(name))
        self.results.clear()
        self.show_command()
        self.show_models()
        self.running.follow()

    def ended(self) -> None:
        self.show_results()
        self.show_models()
        self.show_command()

    def show_results(self) -> None:
        """The numbers of the training that is shown."""
        job = records.shown(self.visit.folder)
        self.results.clear()
        if job is None or job.alive or not job.history:
            return
        import polars as pl

        with self.results:
            downloads.numbers(self.visit, records.name_of(job), lambda: pl.DataFrame(job.history))
            if job.state is State.FINISHED:
                downloads.picture(self.visit, records.name_of(job), lambda: _curve(job))

    def show_models(self) -> None:
        visit, folder = self.visit, self.visit.folder
        self.models.clear()
        with self.models:
            own = {path.name: path for path in sorted((folder / MODELS).glob("*")) if holds_model(path)}
            unfinished = records.stopped(folder)
            if not own and not unfinished:
                ui.label(visit.text("no_models")).classes("faint")
            for name in unfinished:
                self.show_model(name, folder / MODELS / name, stopped=True)
            for name, path in own.items():
                self.show_model(name, path, stopped=False)

    def show_model(self, name: str, path: Path, *, stopped: bool) -> None:
        visit, folder = self.visit, self.visit.folder
        with ui.element("div").classes("model stack").props(f"data-mark=model-{name}"):
            with ui.element("div").classes("row"):
                ui.label(name).classes("state")
                if stopped:
                    ui.label(visit.text("stopped_training")).classes("faint small")
                    ui.button(visit.text("go_on"), on_click=lambda: self.take_up(name)).props(
                        'flat dense no-caps icon="play_arrow"'
                    )
                else:
                    for tab in ("review", "gates") if records.task_of(folder, name) == "classify" else ("gates",):
                        ui.link(visit.text(f"as_{tab}"), f"/{tab}?model={quote(name)}").classes("link")
                    ui.button(visit.text("zip"), on_click=lambda: self.send(name, path)).props(
                        'flat dense no-caps icon="download"'
                    ).props("data-mark=zip")
                ui.button(visit.text("remove"), on_click=lambda: self.remove(name)).props(
                    'flat dense no-caps icon="delete"'
                ).props("data-mark=remove")
            ui.label(str(path)).classes("faint small").props("data-mark=path-of-model")

    async def send(self, name: str, path: Path) -> None:
        """The model's folder as one file."""
        packed = await to_thread(shutil.make_archive, str(path.parent / f".{name}"), "zip", path)
        ui.download.file(packed, f"{name}.zip")

    def take_up(self, name: str) -> None:
        records.take_up(self.visit.folder, name)
        self.show_command()
        self.show_models()
        self.running.follow()

    def remove(self, name: str) -> None:
        records.remove(self.visit.folder, name)
        self.show_models()
        self.show_command()
        self.running.follow()


def _curve(job: Job) -> Figure:
    """The learning curve of a training, as in its model's folder."""
    kind = estimator_of(job.arguments[1])
    return learning_curve(job.history, kind.LOSS, kind.SCORES)
