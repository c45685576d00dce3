"""The fields of a task's options: columns, the most important ones, and the others under "more"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import events, ui

from ricorda.catalogue import CELLS
from ricorda.page.trainings.options import MAIN, Option, arguments_of, columns_of, parameters_in
from ricorda.page.trainings.source import Preview, guesses
from ricorda.page.visit import Visit
from ricorda.tasks.registry import TASKS

TASK_NAMES = tuple(name for name, row in TASKS.items() if isinstance(row.commands, str))
"""The tasks that ricorda comes with."""


class Form:
    """The options of a task.

    Parameters
    ----------
    visit : Visit
        The browser's visit; each option is a setting of the address.
    changed : callable
        Called when a value was changed.
    left_out : sequence of str
        Options that are not asked for.
    """

    def __init__(self, visit: Visit, changed: Callable[[], None], left_out: Sequence[str] = ()) -> None:
        self._visit, self._changed, self._left_out = visit, changed, left_out
        self.guessed: dict[str, str] = {}

    @property
    def task(self) -> str:
        """The task that was chosen."""
        return self._visit.choice("task", TASK_NAMES, TASK_NAMES[0])

    def arguments(self) -> list[str]:
        """The command line's part for all that was chosen."""
        values = {option.name: self.value(option) for option in self._options()}
        return arguments_of(self.task, values)

    def value(self, option: Option) -> str:
        """An option's value; "" where it is left out."""
        return self._visit.words(option.name, self.guessed.get(option.name, "") if option.column else "")

    def _options(self) -> list[Option]:
        every = (*columns_of(self.task), *parameters_in(self.task))
        return [option for option in every if option.name not in self._left_out]

    def build(self, table: Preview | None) -> None:
        """The fields, for a table whose columns can be chosen."""
        visit = self._visit
        self.guessed = {} if table is None else guesses(self.task, table)
        ui.label(visit.text(f"needs_{self.task}")).classes("faint small")
        options = self._options()
        columns = [option for option in options if option.column]
        with ui.element("div").classes("fields"):
            for option in columns if table is not None and table.columns else ():
                assert table is not None
                self._column(option, table)
            for option in columns if self.task == "tag" else ():
                self._field(option)
            for option in options:
                if option.name in MAIN:
                    self._field(option)
        more = ui.expansion(visit.text("more")).classes("w-full").props("dense").props("data-mark=more")
        with more, ui.element("div").classes("fields"):
            for option in options:
                if not option.column and option.name not in MAIN:
                    self._field(option)

    def _keep(self, option: Option, value: str) -> None:
        guessed = self.guessed.get(option.name, "") if option.column else ""
        self._visit.keep(**{option.name: value if value and value != guessed else None})
        self._changed()

    def _column(self, option: Option, table: Preview) -> None:
        """A choice among the columns of the table."""
        value = self.value(option)
        chosen: str | list[str] | None = value or None
        if option.several:
            chosen = [name for name in value.splitlines() if name in table.columns]
        elif value not in table.columns:
            chosen = option.default if option.default in table.columns else None
        field = ui.select(
            list(table.columns),
            label=self._visit.text("column", switch=option.switches[0]),
            value=chosen,
            multiple=option.several,
            clearable=True,
            on_change=lambda event: self._keep(
                option, "\n".join(event.value or ()) if option.several else event.value or ""
            ),
        )
        self._dress(field, option)

    def _field(self, option: Option) -> None:
        if option.flag:
            yes, no = option.switches
            field: ui.select | ui.input = ui.select(
                {"yes": self._visit.text("yes"), "no": self._visit.text("no")},
                label=f"{yes} / {no}",
                value=self.value(option) if self.value(option) in ("yes", "no") else option.default,
                on_change=lambda event: self._keep(option, "" if event.value == option.default else event.value),
            )
        else:
            field = ui.input(
                option.switches[0],
                value=self.value(option),
                placeholder=option.default,
                on_change=lambda event: self._keep(option, event.value or ""),
            ).props("debounce=300 stack-label")
        self._dress(field, option)

    def _dress(self, field: ui.select | ui.input, option: Option) -> None:
        field.props("outlined dense").classes("w-full").props(f"data-mark=option-{option.name}").tooltip(option.help)


def choose_cell(visit: Visit, default: str, changed: Callable[[], None]) -> None:
    """A field for one cell of the catalogue."""

    def keep(event: events.ValueChangeEventArguments[Any]) -> None:
        visit.keep(cell=event.value)
        changed()

    field = ui.select(
        list(CELLS),
        label=visit.text("cell"),
        value=visit.choice("cell", CELLS, default),
        with_input=True,
        on_change=keep,
    )
    field.props("outlined dense").classes("w-full").props("data-mark=cell")
