"""Choosing what to read: the sample, uploads, a file of this machine, a synthetic task; and its first rows."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any

from nicegui import events, ui

from ricorda.errors import RicordaError
from ricorda.page.frame import trouble
from ricorda.page.trainings.records import in_use
from ricorda.page.trainings.source import FILE, MOST_COLUMNS, SAMPLE, Preview, Source, prepare, preview, source_of
from ricorda.page.trainings.store import LARGEST, RefusedError, megabytes, names_of, take
from ricorda.page.visit import Visit

STYLE = files("ricorda.page.trainings").joinpath("style.css").read_text("utf-8")

Changed = Callable[[], Awaitable[None]]


class Chooser:
    """The choice of what to read.

    Parameters
    ----------
    visit : Visit
        The browser's visit; its setting `data` is the choice.
    changed : callable
        Called when another source was chosen and its first rows were read.
    synthetic : mapping
        Synthetic sources that can be chosen too, and how they are shown.

    Attributes
    ----------
    source : Source or None
        What was chosen.
    table : Preview or None
        Its first rows; None of a synthetic task, and of what cannot be read.
    """

    def __init__(self, visit: Visit, changed: Changed, synthetic: Mapping[str, str] | None = None) -> None:
        self._visit, self._changed, self._synthetic = visit, changed, synthetic or {}
        self.source: Source | None = source_of(visit, visit.words("data"))
        self.table: Preview | None = None
        self.refused: str | None = None

    def build(self) -> None:
        """The fields of the choice, and the rows below them."""
        visit = self._visit
        with ui.element("div").classes("row"):
            ui.button(visit.text("use_sample"), on_click=lambda: self.choose(SAMPLE)).props(
                'no-caps outline icon="theaters"'
            ).props("data-mark=sample")
        upload = ui.upload(
            label=f"{visit.text('upload')}: {visit.text('upload_hint', most=megabytes(LARGEST))}",
            auto_upload=True,
            max_file_size=LARGEST,
            on_upload=self._take,
            on_rejected=lambda: self._refuse(visit.text("rejected", most=megabytes(LARGEST))),
        )
        upload.props(f'flat bordered aria-label="{visit.text("upload")}"')
        if visit.settings.opens_files:
            field = ui.input(visit.text("name_file")).props("outlined dense").classes("w-full").props("data-mark=path")
            field.on("keydown.enter", lambda: self._name(field.value))
            field.on("blur", lambda: self._name(field.value))
        self._choice = ui.select({}, label=visit.text("data"), on_change=self._chosen).props("outlined dense")
        self._choice.classes("w-full").props("data-mark=source")
        self._offer()
        self._below = ui.element("div").classes("stack")
        ui.timer(0.01, self.show, once=True)

    async def choose(self, key: str) -> None:
        """Choose a source by its key."""
        self.source = source_of(self._visit, key)
        self._visit.keep(data=key if self.source else None)
        self._offer()
        await self.show()

    async def show(self) -> None:
        """Read and show the first rows of what was chosen."""
        self.table, self.refused, source = None, None, self.source
        if source is not None:
            path = await to_thread(prepare, self._visit.folder, source)
            try:
                self.table = None if source.synthetic else await to_thread(preview, path)
            except RicordaError as error:
                self.refused = str(error).replace(f"{self._visit.folder}/", "")
        if source is not self.source:  # Another one was chosen meanwhile.
            return
        self._below.clear()
        with self._below:
            if self.refused is not None:
                trouble(self.refused)
            elif self.table is not None and source is not None:
                self._rows(source, self.table)
        await self._changed()

    def _offer(self) -> None:
        """Write the sources into the list."""
        options = {SAMPLE: self._visit.text("sample"), **self._synthetic}
        options |= {key: f"{name} ({key})" for key, name in names_of(self._visit.folder).items()}
        if self.source is not None:
            options.setdefault(self.source.key, self.source.name)
        key = None if self.source is None else self.source.key
        self._choice.set_options(options, value=key)

    async def _chosen(self, event: events.ValueChangeEventArguments[Any]) -> None:
        if event.value is not None and (self.source is None or event.value != self.source.key):
            await self.choose(event.value)

    async def _take(self, event: events.UploadEventArguments) -> None:
        event.sender.reset()  # type: ignore[attr-defined]  # an upload
        folder = self._visit.folder
        try:
            name = await take(folder, event.file, in_use=in_use(folder))
        except RefusedError as error:
            self._refuse(self._visit.text(error.key, **error.values))
            return
        await self.choose(name)

    async def _name(self, path: str) -> None:
        path = path.strip()
        if not path or (self.source is not None and self.source.key == FILE + path):
            return
        source = source_of(self._visit, FILE + path)
        if source is None:
            self._refuse(self._visit.text("no_file", path=path))
            return
        await self.choose(source.key)

    def _refuse(self, sentence: str) -> None:
        """Say why a file was not taken; what was chosen before stays."""
        self._below.clear()
        with self._below:
            trouble(sentence)

    def _rows(self, source: Source, table: Preview) -> None:
        visit = self._visit
        ui.label(visit.text("first_rows" if table.columns else "first_lines", name=source.name)).classes("faint small")
        with ui.element("div").classes("scroll").props("tabindex=0"), ui.element("table").classes("sheet"):
            with ui.element("thead"), ui.element("tr"):
                for name in table.columns[:MOST_COLUMNS]:
                    with ui.element("th").props("scope=col"):
                        ui.label(name)
            with ui.element("tbody"):
                for row in table.rows:
                    with ui.element("tr"):
                        for value in row:
                            with ui.element("td"):
                                ui.label(value)
        if len(table.columns) > MOST_COLUMNS:
            ui.label(visit.text("columns_left_out", count=len(table.columns) - MOST_COLUMNS)).classes("faint small")
