"""The buttons with which numbers and pictures leave a tab. Both are made when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from nicegui import ui

from ricorda.page.visit import Visit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from polars import DataFrame


def numbers(visit: Visit, name: str, rows: Callable[[], DataFrame]) -> None:
    """A button for `name.csv`, whose table is that of an insight's `to_frame`."""

    def send() -> None:
        ui.download.content(rows().write_csv(), f"{name}.csv", "text/csv")

    ui.button(visit.text("numbers"), on_click=send).props('flat no-caps icon="table_view"').classes("download")


def picture(visit: Visit, name: str, figure: Callable[[], Figure]) -> None:
    """Buttons for `name.svg` and `name.png`, of what an insight's `plot` draws."""

    def send(form: str) -> None:
        buffer = io.BytesIO()
        figure().savefig(buffer, format=form, dpi=150)
        ui.download.content(buffer.getvalue(), f"{name}.{form}")

    for form in ("svg", "png"):
        button = ui.button(visit.text("picture", form=form.upper()), on_click=lambda form=form: send(form))
        button.props('flat no-caps icon="image"').classes("download")
