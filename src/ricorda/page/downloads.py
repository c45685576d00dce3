"""The buttons with which numbers and pictures leave a tab. Both are made when they are asked for, in a thread."""

from __future__ import annotations

import io
from asyncio import to_thread
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from nicegui import ui

from ricorda.page.visit import Visit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from polars import DataFrame


_DRAWING = Lock()
"""Matplotlib draws one picture at a time: its settings and fonts are those of the whole process."""


def numbers(visit: Visit, name: str, rows: Callable[[], DataFrame]) -> None:
    """A button for `name.csv`, whose table is that of an insight's `to_frame`."""

    async def send() -> None:
        ui.download.content(await to_thread(lambda: rows().write_csv()), f"{name}.csv", "text/csv")

    ui.button(visit.text("numbers"), on_click=send).props('flat no-caps icon="table_view"').classes("download")


def picture(visit: Visit, name: str, figure: Callable[[], Figure]) -> None:
    """Buttons for `name.svg` and `name.png`, of what an insight's `plot` draws."""

    async def send(form: str) -> None:
        ui.download.content(await to_thread(_drawn, figure, form), f"{name}.{form}")

    for form in ("svg", "png"):
        button = ui.button(visit.text("picture", form=form.upper()), on_click=lambda form=form: send(form))
        button.props('flat no-caps icon="image"').classes("download")


def _drawn(figure: Callable[[], Figure], form: str) -> bytes:
    buffer = io.BytesIO()
    with _DRAWING:
        figure().savefig(buffer, format=form, dpi=150)
    return buffer.getvalue()
