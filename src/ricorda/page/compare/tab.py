"""The tab *Compare*: cells on the same data, by the command that it shows, and the command's own tables and report."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nicegui import events, ui

from ricorda.catalogue import CELLS
from ricorda.data.synthetic import SYNTHETIC_TASKS
from ricorda.page import downloads
from ricorda.page.compare.texts import HEAD
from ricorda.page.process import Job
from ricorda.page.reports import NUMBERS
from ricorda.page.trainings.chooser import STYLE, Chooser
from ricorda.page.trainings.form import TASK_NAMES, Form
from ricorda.page.trainings.options import parameters_in
from ricorda.page.trainings.running import Running, has_room, show_command
from ricorda.page.trainings.source import relation_of
from ricorda.page.trainings.store import COMPARISONS
from ricorda.page.visit import Visit

USUAL = "rnn,lstm,gru"
MATCHES = ("hidden", "parameters")
MOST_SEEDS = 20

DRAWN = "synthetic:{name}?n=2000"
"""A synthetic source: fewer examples than the command would draw, for an answer within a lecture."""

OF_LENGTHS = ("hidden_size", "num_layers", "memory", "epochs", "batch_size", "device", "precision", "random_state")
"""The options of a comparison of lengths."""

_SHOWN: dict[Path, Job] = {}
"""The comparison that each browser started last, by the browser's folder."""


def build(visit: Visit) -> None:
    """Fill the tab."""
    ui.add_css(STYLE)
    _Tab(visit).build()


class _Tab:
    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        drawn = {DRAWN.format(name=name): visit.text(f"drawn_{name}") for name in SYNTHETIC_TASKS}
        self.chooser = Chooser(visit, self.chosen, drawn)
        self.form = Form(visit, self.show_command, left_out=("learning_rate",))
        self.running = Running(visit, lambda: _SHOWN.get(visit.folder), self.ended, tells=False)

    def build(self) -> None:
        visit = self.visit
        with ui.element("div").classes("columns"):
            with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                ui.label(visit.text("choose")).props('role="heading" aria-level=1').classes("heading")
                self.chooser.build()
            with ui.element("div").classes("stack"):
                with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                    ui.label(visit.text("which")).props('role="heading" aria-level=2').classes("heading")
                    self.fields = ui.element("div").classes("stack")
                with ui.element("section").classes("card"), ui.element("div").classes("stack"):
                    ui.label(visit.text("compare")).props('role="heading" aria-level=2').classes("heading")
                    self.command = ui.element("div").classes("stack")
                    self.running.build()
        self.results = ui.element("div").classes("stack results").props("data-mark=results")

    async def chosen(self) -> None:
        """Other data: other columns; a synthetic task is made for one task."""
        source = self.chooser.source
        relation = None if source is None else relation_of(source)
        if relation is not None and relation != self.form.task:
            self.visit.keep(task=relation)
        self.show_fields()
        self.show_command()
        self.show_results()

    def show_fields(self) -> None:
        visit, source = self.visit, self.chooser.source
        self.fields.clear()
        with self.fields:
            ui.select(
                list(CELLS),
                label=visit.text("cells"),
                value=self.cells(),
                multiple=True,
                with_input=True,
                on_change=lambda event: self.keep(cells=",".join(event.value) or None),
            ).props("outlined dense use-chips data-mark=cells").classes("w-full")
            if source is not None and source.synthetic:
                self.field("lengths", visit.text("lengths"), "10,20,40")
            else:
                ui.select(
                    {name: visit.text(name) for name in TASK_NAMES},
                    label=visit.text("task"),
                    value=self.form.task,
                    on_change=self.choose_task,
                ).props("outlined dense data-mark=task").classes("w-full")
            with ui.element("div").classes("fields"):
                ui.number(
                    visit.text("seeds"),
                    value=self.seeds(),
                    min=1,
                    max=MOST_SEEDS,
                    precision=0,
                    on_change=lambda event: self.keep(seeds=int(event.value or 1)),
                ).props("outlined dense data-mark=seeds")
                ui.select(
                    {name: visit.text(f"match_{name}") for name in MATCHES},
                    label=visit.text("match"),
                    value=visit.choice("match", MATCHES, MATCHES[0]),
                    on_change=lambda event: self.keep(match=event.value),
                ).props("outlined dense data-mark=match")
                self.field("rates", visit.text("rates"), "1e-3,3e-3,1e-2")
            self.form.build(self.chooser.table)

    def field(self, name: str, label: str, example: str) -> None:
        """A field for numbers with commas between them."""
        field = ui.input(
            label,
            value=self.visit.words(name),
            placeholder=example,
            on_change=lambda event: self.keep(**{name: event.value or None}),
        )
        field.props(f"outlined dense stack-label debounce=300 data-mark={name}").classes("w-full")

    def keep(self, **settings: object) -> None:
        """Write a choice into the address, and the command anew."""
        self.visit.keep(**settings)
        self.show_command()

    def choose_task(self, event: events.ValueChangeEventArguments[Any]) -> None:
        """Another task: other columns and options."""
        self.visit.keep(task=event.value)
        self.show_fields()
        self.show_command()
        self.show_results()

    def cells(self) -> list[str]:
        """The cells that were chosen, those of the catalogue alone."""
        return [name for name in self.visit.words("cells", USUAL).split(",") if name in CELLS]

    def seeds(self) -> int:
        return self.visit.whole("seeds", 1, MOST_SEEDS, 3)

    def lengths(self) -> str:
        source = self.chooser.source
        return self.visit.words("lengths") if source is not None and source.synthetic else ""

    def arguments(self) -> list[str]:
        """The command that compares."""
        source, visit = self.chooser.source, self.visit
        assert source is not None
        cells = ["--cells", ",".join(self.cells()), "--seeds", str(self.seeds())]
        rates = visit.words("rates").strip()
        cells += ["--learning-rates", rates] if rates else []
        if self.lengths():
            known = [option for option in parameters_in(self.form.task) if option.name in OF_LENGTHS]
            values = [(option, self.form.value(option).strip()) for option in known]
            options = [word for option, value in values if value for word in option.arguments(value)]
            what = [source.argument, "--lengths", self.lengths()]
        else:
            options = self.form.arguments()
            match = visit.choice("match", MATCHES, MATCHES[0])
            options += ["--match", match] if match != MATCHES[0] else []
            what = [self.form.task, source.argument]
        # Other cells, seeds and rates share a folder: what was trained there is not trained again.
        made_from = json.dumps([what, options])
        kind = "lengths" if self.lengths() else self.form.task
        out = f"{COMPARISONS}/{kind}-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}"
        return ["compare", *what, "--out", out, *cells, *options]

    def show_command(self) -> None:
        """The command that the fields say, and the button that runs it."""
        self.command.clear()
        with self.command:
            show_command(self.visit, _SHOWN.get(self.visit.folder), self.chooser.source, self.arguments, self.start)

    async def start(self) -> None:
        """Run the command, if there is room for what it writes."""
        if not await has_room(self.visit):
            return
        folder = self.visit.folder
        now = _SHOWN.get(folder)
        if now is None or not now.alive:
            (folder / COMPARISONS).mkdir(exist_ok=True)
            _SHOWN[folder] = Job(self.arguments(), folder)
            _SHOWN[folder].start()
        self.results.clear()
        self.show_command()
        self.running.follow()

    def ended(self) -> None:
        """The command has ended: show what came out, and the button to start anew."""
        self.show_command()
        self.show_results()

    def out(self) -> Path | None:
        """The folder of the comparison that the fields say."""
        if self.chooser.source is None:
            return None
        arguments = self.arguments()
        return self.visit.folder / arguments[arguments.index("--out") + 1]

    def show_results(self) -> None:
        """The command's own tables, its picture and its report, as its folder has them."""
        visit, out = self.visit, self.out()
        self.results.clear()
        try:
            numbers = None if out is None else json.loads((out / NUMBERS).read_text("utf-8"))
        except (OSError, ValueError):
            numbers = None
        if numbers is None or out is None:
            return
        name, address = out.name, f"/compare/of/{out.name}"
        version = (out / NUMBERS).stat().st_mtime_ns
        with self.results, ui.element("section").classes("card"), ui.element("div").classes("stack"):
            with ui.element("div").classes("row"):
                ui.label(visit.text("results")).props('role="heading" aria-level=2').classes("heading")
                ui.link(visit.text("report"), f"{address}/report?{version}", new_tab=True).classes("link").props(
                    "data-mark=report"
                )
                downloads.numbers(visit, name, lambda: _frame(numbers))
                for kind in ("svg", "png"):
                    ui.button(
                        visit.text("picture", form=kind.upper()),
                        on_click=lambda kind=kind: ui.download.from_url(f"{address}/{kind}", f"{name}.{kind}"),
                    ).props('flat no-caps icon="image"').classes("download")
            picture = ui.element("img").classes("picture")
            picture.props(f'src="{address}/svg?{version}" alt="{visit.text("of_picture")}"')
            for table in numbers["tables"]:
                self.show_table(table)

    def show_table(self, table: dict[str, Any]) -> None:
        """A table as the command prints it, with heads in the page's language."""
        ui.label(self.head(table["title"])).classes("subheading").props('role="heading" aria-level=3')
        with ui.element("div").classes("scroll").props("tabindex=0"), ui.element("table").classes("sheet outcome"):
            with ui.element("thead"), ui.element("tr"):
                for place, column in enumerate(table["columns"]):
                    with ui.element("th").props("scope=col").classes("number" if place else ""):
                        ui.label(self.head(column))
            with ui.element("tbody"):
                for row in table["rows"]:
                    with ui.element("tr"):
                        for place, value in enumerate(row):
                            with ui.element("td").classes("number" if place else "name"):
                                ui.label(self.head(value) if place else value)

    def head(self, words: str) -> str:
        """Words of the command's tables in the page's language, where the page knows them."""
        key = HEAD + words.lower()
        if key in self.visit.texts:
            return self.visit.text(key)
        if words.startswith("to "):
            return self.visit.text("compared_to", cell=words.removeprefix("to "))
        return words


def _frame(numbers: dict[str, Any]) -> Any:
    """The numbers of each cell, or of each training, as a table."""
    import polars as pl

    rows = numbers.get("trainings") or numbers["cells"]
    return pl.DataFrame(
        [{name: value for name, value in row.items() if not isinstance(value, list | dict)} for row in rows]
    )
