"""What stands above the cell: which one, of the catalogue or one's own, its sizes and options, the worked examples."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable

from nicegui import ui

from ricorda.catalogue import CELLS, FAMILIES
from ricorda.errors import CellError
from ricorda.page.cell.examples import EXAMPLES
from ricorda.page.frame import trouble
from ricorda.page.visit import Visit
from ricorda.program.text import read_cell

ALL = "all"
"""In the place of a family's name."""


def choose(visit: Visit, changed: Callable[[], None]) -> None:
    """Show the choices; `changed` is called after the address has a new one."""
    _Choice(visit, changed).build()


class _Choice:
    def __init__(self, visit: Visit, changed: Callable[[], None]) -> None:
        self.visit, self.changed = visit, changed

    def build(self) -> None:
        """Make the bar of choices and, below it, the editor of one's own cell."""
        self.bar = ui.element("div").classes("cell-choice")
        self.editor_space = ui.element("div")
        self.fill()

    def fill(self) -> None:
        """Show the choices as the address has them."""
        visit = self.visit
        self.bar.clear()
        self.editor_space.clear()
        own = bool(visit.words("text"))
        with self.bar:
            if not own:
                self._cells()
            for name, key in (("i", "inputs_size"), ("h", "hidden_size")):
                self._size(name, visit.text(key))
            if not own:
                for option, default in CELLS[visit.choice("cell", CELLS, "lstm")].options.items():
                    self._option(option, str(default))
            act = self._leave_text if own else self._write_text
            ui.button(visit.text("catalogue" if own else "own"), on_click=act).props('no-caps outline icon="edit"')
            with ui.element("div").classes("examples"):
                ui.label(visit.text("examples")).classes("faint small")
                for key, settings in EXAMPLES.items():
                    button = ui.button(
                        visit.text(key), color=None, on_click=lambda settings=settings: self._set(settings)
                    )
                    button.props("no-caps unelevated dense").classes("example")
        if own:
            with self.editor_space:
                self._editor()

    def _cells(self) -> None:
        visit = self.visit
        name = visit.choice("cell", CELLS, "lstm")
        family = visit.choice("family", FAMILIES, ALL)
        families = {ALL: visit.text("all_families"), **{one: one for one in FAMILIES}}
        choice = ui.select(families, value=family, label=visit.text("family")).props("outlined dense")
        choice.on_value_change(lambda event: self._family(event.value)).classes("family")
        cells = [one for one, cell in CELLS.items() if family in (ALL, cell.family)]
        cells = cells if name in cells else [name, *cells]
        labels = {one: f"{one} · {CELLS[one].summary.split(':')[0].rstrip('.')}" for one in cells}
        select = ui.select(labels, value=name, label=visit.text("cell"), with_input=True).props("outlined dense")
        select.on_value_change(lambda event: self._cell(event.value)).classes("cell-name")

    def _size(self, name: str, label: str) -> None:
        select = ui.select([1, 2], value=self.visit.whole(name, 1, 2, 1), label=label).props("outlined dense")
        select.on_value_change(lambda event: self._set_size(name, event.value)).classes("size")

    def _option(self, name: str, default: str) -> None:
        field = ui.input(self.visit.text("option", name=name), value=self.visit.words(f"o_{name}", default))
        field.props("outlined dense").classes("option")

        def set_option() -> None:
            value = field.value.strip()
            self.visit.keep(**{f"o_{name}": None if value in ("", default) else value}, w=None)
            self.changed()

        field.on("change", set_option)

    def _family(self, family: str) -> None:
        self.visit.keep(family=None if family == ALL else family)
        self.fill()

    def _cell(self, name: str | None) -> None:
        if name is not None:
            self._set({"cell": name, "x": self.visit.query.get("x")})

    def _set_size(self, name: str, size: int) -> None:
        self.visit.keep(**{name: size if size > 1 else None}, w=None, x=None if name == "i" else self._inputs())
        self.changed()

    def _inputs(self) -> str | None:
        return self.visit.query.get("x")

    def _set(self, settings: dict[str, str | None]) -> None:
        """Settings, and none that another cell had."""
        options = {name: None for name in self.visit.query if name.startswith("o_")}
        kept = {name: self.visit.query.get(name) for name in ("i", "h")} if "w" not in settings else {}
        cleared = {"text": None, "i": None, "h": None, "x": None, "w": None, "s": None, **options, **kept}
        self.visit.keep(**{**cleared, **settings})
        self.fill()
        self.changed()

    def _write_text(self) -> None:
        """One's own cell begins as the one that is seen."""
        cell = CELLS[self.visit.choice("cell", CELLS, "lstm")]
        self._set({"text": textwrap.dedent(inspect.getsource(cell.function))})

    def _leave_text(self) -> None:
        self._set({})

    def _editor(self) -> None:
        visit = self.visit
        with ui.element("section").classes("card editor"):
            ui.label(visit.text("own_help")).classes("faint small")
            theme = "basicDark" if visit.dark else "basicLight"
            self.code = ui.codemirror(visit.words("text"), language="Python", theme=theme)  # type: ignore[arg-type]
            self.code.props["aria-label"] = visit.text("own_label")
            self.mistakes = ui.element("div")
        self.code.on_value_change(lambda event: self._read(event.value))
        self._read(visit.words("text"), first=True)

    def _read(self, text: str, *, first: bool = False) -> None:
        """Check what was written: a mistake is underlined and explained, and the last cell stays below."""
        self.mistakes.clear()
        try:
            read_cell(text)
        except CellError as error:
            self.code.decorations = _underlined(text, error.line)
            with self.mistakes:
                trouble(error)
                if not first:
                    ui.label(self.visit.text("stale")).classes("faint small")
            return
        self.code.decorations = []
        if not first:
            self.visit.keep(text=text, w=None)
            self.changed()


def _underlined(text: str, line: int | None) -> list[dict[str, object]]:
    """The decoration of a line of the editor, without the blanks in front of it."""
    lines = text.split("\n")
    if line is None or not lines[line - 1 : line] or not lines[line - 1].strip():
        return []
    start = sum(len(one) + 1 for one in lines[: line - 1])
    blank = len(lines[line - 1]) - len(lines[line - 1].lstrip())
    return [{"kind": "mark", "from": start + blank, "to": start + len(lines[line - 1].rstrip()), "class": "mistake"}]
