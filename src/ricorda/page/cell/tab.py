"""The tab *The cell*: its equations, and the network unrolled step by step with live numbers."""

from __future__ import annotations

from nicegui import ui

from ricorda.catalogue import CELLS
from ricorda.errors import RicordaError
from ricorda.insight.unrolled.result import MOST_STEPS
from ricorda.page.cell.choice import choose
from ricorda.page.cell.knob import knob
from ricorda.page.cell.network import Group, Network, cell_named
from ricorda.page.cell.picture import MOST_NUMBERS, cells_of, named, shown
from ricorda.page.downloads import numbers, picture
from ricorda.page.equations import typeset
from ricorda.page.frame import trouble
from ricorda.page.visit import Visit
from ricorda.program.cell import Cell
from ricorda.program.learned import learned
from ricorda.program.text import read_cell


def build(visit: Visit) -> None:
    """Fill the tab."""
    _Tab(visit).build()


def _numbers_of(text: str) -> list[list[float]]:
    """Numbers as an address has them, `1,2;3,4`; none if it has anything else."""
    try:
        return [[float(number) for number in row.split(",")] for row in text.split(";")] if text else []
    except ValueError:
        return []


class _Tab:
    """The tab in one browser: the network, and what shows it."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.network: Network

    def build(self) -> None:
        """Make everything; what depends on the cell is made anew when another is chosen."""
        choose(self.visit, self.fill)
        self.space = ui.element("div")
        self.fill()

    def fill(self) -> None:
        """Show the cell of the address."""
        self.space.clear()
        with self.space:
            try:
                self.network = self._network()
                self.unrolled = self.network.unrolled()
            except RicordaError as error:
                if not self.visit.words("text"):  # The editor tells of its own mistakes.
                    trouble(error)
                return
            self.last = self.visit.whole("s", 1, len(self.network.inputs), len(self.network.inputs))
            with ui.element("div").classes("cell-areas"):
                self._equations()
                self._picture()
                self._weights()
                self._table()

    def _network(self) -> Network:
        visit = self.visit
        weights = _numbers_of(visit.words("w"))
        return Network(
            self._cell(),
            visit.whole("i", 1, 2, 1),
            visit.whole("h", 1, 2, 1),
            _numbers_of(visit.words("x")),
            weights[0] if weights else (),
        )

    def _cell(self) -> Cell:
        text = self.visit.words("text")
        if text:
            return read_cell(text)
        options = {name[2:]: value for name, value in self.visit.query.items() if name.startswith("o_")}
        return cell_named(self.visit.choice("cell", CELLS, "lstm"), options)

    def _equations(self) -> None:
        cell = self.network.cell
        with ui.element("section").classes("card cell-equations"):
            _heading(self.network.program.title)
            if cell.summary:
                ui.label(cell.summary.replace("`", "")).classes("faint").props('lang="en"')
            with ui.element("div").classes("equation-list"):
                for line in typeset(self.network.program):
                    ui.html(line, sanitize=False).classes("equation")
            if cell.paper:
                ui.label(cell.paper).classes("faint small").props('lang="en"')

    def _picture(self) -> None:
        visit = self.visit
        with ui.element("section").classes("card cell-picture"):
            with ui.element("div").classes("spread"):
                _heading(visit.text("unrolled", count=len(self.network.inputs)))
                self._steppers()
            frame = ui.element("div").classes("unrolled-scroll").props('tabindex="0" role="group"')
            frame.props["aria-label"] = visit.text("picture_label")
            frame.on("keydown.right.self", lambda: self._show(self.last + 1))
            frame.on("keydown.left.self", lambda: self._show(self.last - 1))
            steps = len(self.network.inputs)
            columns = f"max-content minmax(3.2rem, max-content) repeat({steps}, 1.2rem minmax(6.2rem, 1fr))"
            with frame, ui.element("div").classes("unrolled").style(f"grid-template-columns: {columns}"):
                self.cells = ui.html("", sanitize=False).classes("contents")
                for place, name in enumerate(self.network.columns):
                    self._inputs(place, name)
            with ui.element("div").classes("spread"):
                with ui.element("div").classes("readout").props('aria-live="polite"'):
                    self.readout = ui.html("", sanitize=False).classes("verdict")
                ui.label(visit.text("keys")).classes("faint small")
            if any(values.shape[1] > 1 for values in self.unrolled.values.values()):
                ui.label(visit.text("unit_note", most=MOST_NUMBERS)).classes("faint small")
            with ui.element("div").classes("downloads"):
                numbers(visit, f"{self.network.cell.name}-unrolled", lambda: self.unrolled.to_frame())
                picture(visit, f"{self.network.cell.name}-unrolled", lambda: self.unrolled.plot())
        self._draw()

    def _steppers(self) -> None:
        visit, steps = self.visit, len(self.network.inputs)
        with ui.element("div").classes("buttons"):
            for key, icon, act, possible in (
                ("back", "chevron_left", lambda: self._show(self.last - 1), True),
                ("forward", "chevron_right", lambda: self._show(self.last + 1), True),
                ("fewer_steps", "remove", lambda: self._resize(-1), steps > 1),
                ("more_steps", "add", lambda: self._resize(1), steps < MOST_STEPS),
            ):
                button = ui.button(icon=icon, on_click=act).props("flat dense").tooltip(visit.text(key))
                button.props["aria-label"] = visit.text(key)
                button.set_enabled(possible)

    def _inputs(self, place: int, name: str) -> None:
        """The knobs of one number of each step, as the last row of the picture."""
        ui.html(named(name), sanitize=False).classes("label input")
        ui.element("div").classes("before input")
        for step, row in enumerate(self.network.inputs):
            ui.element("div").classes("arrow input")
            with ui.element("div").classes("box input last" if place == len(row) - 1 else "box input"):
                label = self.visit.text("input_label", name=name, step=step + 1)
                knob(label, row[place], lambda new, row=row: self._move_input(row, place, new))  # type: ignore[misc]

    def _weights(self) -> None:
        visit, network = self.visit, self.network
        with ui.element("section").classes("card cell-weights"):
            _heading(visit.text("weights"))
            if not network.weights:
                ui.label(visit.text("none"))
            elif not network.movable:
                ui.label(visit.text("too_many", count=len(network.weights)))
            else:
                if learned(network.program) is not None:
                    ui.label(visit.text("formed")).classes("faint small")
                before: tuple[str, ...] = ()
                for group in network.groups:
                    self._group(group, titled=group.columns != before)
                    before = group.columns

    def _group(self, group: Group, *, titled: bool) -> None:
        """A small table of knobs: a column for each number that is multiplied, a row for each unit."""
        columns = f"minmax(2rem, max-content) repeat({len(group.columns)}, minmax(3.6rem, 1fr))"
        with ui.element("div").classes("weights").style(f"grid-template-columns: {columns}"):
            if titled:
                ui.element("div")
            for column in group.columns if titled else ():
                shown_name = named(column) if column else self.visit.text("bias")
                ui.html(shown_name, sanitize=False).classes("faint small")
            for unit, row in enumerate(group.rows):
                many = len(group.rows) > 1
                ui.html(named(group.name, str(unit + 1) if many else ""), sanitize=False).classes("label")
                for column, weight in zip(group.columns, row, strict=True):
                    name = " ".join([group.name, *([str(unit + 1)] if many else []), column or self.visit.text("bias")])
                    knob(
                        self.visit.text("weight_label", name=name),
                        self.network.weight(weight),
                        lambda new, weight=weight: self._move_weight(weight, new),  # type: ignore[misc]
                    )

    def _table(self) -> None:
        """The same numbers as a table, made when it is opened."""
        visit = self.visit
        with ui.expansion(visit.text("table")).classes("card cell-table") as expansion:
            space = ui.element("div")

        def show() -> None:
            space.clear()
            if not expansion.value:
                return
            frame = self.unrolled.to_frame()
            with space:
                ui.table(
                    columns=[{"name": name, "label": name, "field": name, "align": "right"} for name in frame.columns],
                    rows=frame.rows(named=True),
                    row_key="step",
                    pagination=20,
                ).props("flat dense")

        self.refresh_table = show
        expansion.on_value_change(show)

    def _move_input(self, row: list[float], place: int, new: float) -> None:
        row[place] = new
        self.visit.keep(x=";".join(",".join(f"{number:g}" for number in step) for step in self.network.inputs))
        self._compute()

    def _move_weight(self, weight: object, new: float) -> None:
        network = self.network
        network.set_weight(weight, new)  # type: ignore[arg-type]
        self.visit.keep(w=",".join(f"{network.weight(one):g}" for one in network.weights))
        self._compute()

    def _resize(self, more: int) -> None:
        inputs = [*self.network.inputs, list(self.network.inputs[-1])] if more > 0 else self.network.inputs[:-1]
        self.visit.keep(x=";".join(",".join(f"{number:g}" for number in step) for step in inputs), s=None)
        self.fill()

    def _show(self, step: int) -> None:
        if 1 <= step <= len(self.unrolled):
            self.last = step
            self.visit.keep(s=step if step < len(self.unrolled) else None)
            self._draw()

    def _compute(self) -> None:
        self.unrolled = self.network.unrolled()
        self.refresh_table()
        self._draw()

    def _draw(self) -> None:
        visit, unrolled = self.visit, self.unrolled
        words = {"before": visit.text("before"), "step": visit.text("step")}
        self.cells.set_content(cells_of(unrolled, self.last, words))
        output = unrolled.program.output_name
        values = unrolled.values[output][self.last - 1]
        said = f"{named(output, str(self.last))} = {', '.join(shown(float(value)) for value in values)}"
        if len(values) == 1:
            one = f"{float(values[0]):.1f}".replace("-0.0", "0.0").replace("-", "−")
            said += f' <span class="faint">{visit.text("rounded", number=f"<b>{one}</b>")}</span>'
        self.readout.set_content(said)


def _heading(text: str) -> None:
    with ui.element("h2"):
        ui.label(text)
