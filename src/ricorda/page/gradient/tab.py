"""The tab *The vanishing gradient*: RNN, LSTM and GRU on one plot, before and while they learn adding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nicegui import background_tasks, context, run, ui

from ricorda.data.synthetic.adding import stage
from ricorda.errors import RicordaError
from ricorda.page import downloads
from ricorda.page.colours import colour_of
from ricorda.page.frame import trouble
from ricorda.page.gradient.chart import error_chart, gradient_chart, short
from ricorda.page.gradient.live import MOST_AT_ONCE, BusyError, Live
from ricorda.page.gradient.tables import error_figure, error_rows, flow_figure, flow_rows
from ricorda.page.visit import Visit

SHORTEST, LONGEST = 10, 200
"""Steps of the sequences."""
BIASED = 6.0
"""The largest forget bias: a gate of 0.998."""
MANNERS = ("drawn", "forget_bias", "memory")
"""How the gates can begin."""
NAMES = ("rnn", "lstm", "gru")

_EMPTY: dict[str, Any] = {"step": 0, "of": 1, "cells": {}}


def build(visit: Visit) -> None:
    """Fill the tab."""
    ui.add_css(Path(__file__).with_name("style.css"))
    _Tab(visit)


class _Tab:
    """The tab of one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.live, self.client = visit, Live(), context.client
        self.looks: list[dict[str, Any]] = []
        self.wanted: dict[str, Any] | None = None
        self.looking = False
        self._controls()
        with ui.element("div").classes("flow-view"):
            self._charts()
            with ui.element("div").classes("flow-cells"):
                self.cards = {name: _Card(visit, name) for name in NAMES}
        self._begin()
        self.client.on_delete(self.live.stop)

    def _controls(self) -> None:
        visit = self.visit
        steps = visit.whole("T", SHORTEST, LONGEST, 50)
        manner = visit.choice("gates", MANNERS, "memory")
        self.task = ui.label().classes("faint flow-task")
        with ui.element("div").classes("flow-controls card"):
            self.steps = self._slider("steps", SHORTEST, LONGEST, 1, steps)
            with ui.element("div").classes("gates"):
                ui.label(visit.text("begin"))
                options = {name: visit.text(name) for name in MANNERS}
                self.manner = ui.radio(options, value=manner, on_change=self._changed)
                self.manner.props(f'dense aria-label="{visit.text("begin")}"')
            with ui.element("div").classes("setting"):
                self.bias = self._slider("forget_bias_value", 0, BIASED, 0.5, visit.number("bias", 0, BIASED, 1))
                self.memory = self._slider("memory_value", 2, LONGEST, 1, visit.whole("memory", 2, LONGEST, steps))
            with ui.element("div").classes("training"):
                self.start = ui.button(visit.text("start"), on_click=self._train, icon="play_arrow")
                self.stop = ui.button(visit.text("stop"), on_click=self.live.stop, icon="stop")
                for button in (self.start, self.stop):
                    button.props("no-caps unelevated size=lg").classes("start")
                self.status = ui.label(visit.text("looking")).classes("status").props('role="status"')
        self.trouble = ui.element("div")

    def _slider(self, key: str, low: float, high: float, step: float, value: float) -> ui.slider:
        with ui.element("div").classes("setting"):
            with ui.element("div").classes("named"):
                ui.label(self.visit.text(key))
                shown = ui.label().classes("value")
            slider = ui.slider(min=low, max=high, step=step, value=value, on_change=self._changed)
            slider.props(f'aria-label="{self.visit.text(key)}"').classes(f"slider-{key}")
            in_steps = key != "forget_bias_value"
            shown.bind_text_from(
                slider,
                "value",
                lambda number: self.visit.text("in_steps", value=round(number)) if in_steps else f"{number:g}",
            )
        return slider

    def _charts(self) -> None:
        visit = self.visit
        with ui.element("div").classes("flow-charts"):
            with ui.element("section"):
                _heading(visit, "flow")
                self.flow = ui.echart(gradient_chart(visit, _EMPTY)).classes("chart")
                with ui.element("div").classes("flow-downloads"):
                    downloads.numbers(visit, "gradient", lambda: flow_rows(self.last))
                    downloads.picture(visit, "gradient", lambda: flow_figure(visit, self.last))
            with ui.element("section"):
                _heading(visit, "error")
                self.error = ui.echart(error_chart(visit, [])).classes("chart")
                with ui.element("div").classes("flow-downloads"):
                    downloads.numbers(visit, "adding", lambda: error_rows(self.looks))
                    downloads.picture(visit, "adding", lambda: error_figure(visit, self.looks))

    @property
    def last(self) -> dict[str, Any]:
        """The last look."""
        return self.looks[-1] if self.looks else _EMPTY

    def _settings(self) -> dict[str, Any]:
        """What the sliders say, as `SideBySide` takes it."""
        settings: dict[str, Any] = {"steps": round(self.steps.value or SHORTEST)}
        if self.manner.value == "forget_bias":
            settings["forget_bias"] = float(self.bias.value or 0)
        if self.manner.value == "memory":
            settings["memory"] = round(self.memory.value or 2)
        return settings

    def _changed(self) -> None:
        """A setting has moved: it goes into the address, and fresh networks of it are shown."""
        settings = self._settings()
        bias, memory = settings.get("forget_bias"), settings.get("memory")
        self.visit.keep(T=settings["steps"], gates=self.manner.value, bias=bias, memory=memory)
        self._begin()

    def _begin(self) -> None:
        """Show fresh networks."""
        settings = self._settings()
        self.task.text = self.visit.text("task", steps=settings["steps"])
        self._running(False)
        self.wanted = settings
        if not self.looking:
            background_tasks.create(self._look_afresh(), context=self.client)

    async def _look_afresh(self) -> None:
        """Look at fresh networks, until they are those that are wanted."""
        self.looking = True
        try:
            while self.wanted is not None and not self.live.running:
                settings, self.wanted = self.wanted, None
                look = await run.io_bound(_fresh, settings)
                if look is not None and not self.live.running and not self.client.is_deleted:
                    self.looks = []
                    self._show(look)
                    self.status.text = self.visit.text("untrained")
        finally:
            self.looking = False

    async def _train(self) -> None:
        """Train until the end, or until somebody stops it."""
        self.wanted, first = None, True
        self._running(True)
        self.trouble.clear()
        self.status.text = self.visit.text("starting")
        try:
            async for look in self.live.looks(self._settings()):
                if self.client.is_deleted:  # The training was stopped with it.
                    continue
                if first:
                    self.looks, first = [], False
                self._show(look)
                self.status.text = self.visit.text("progress", step=f"{look['step']:,}", of=f"{look['of']:,}")
        except RicordaError as error:
            if self.client.is_deleted:
                return
            with self.trouble:
                trouble(self.visit.text("busy", most=MOST_AT_ONCE) if isinstance(error, BusyError) else error)
        if self.client.is_deleted:
            return
        if self.looks:
            done = "ended" if self.last["step"] == self.last["of"] else "stopped"
            self.status.text = self.visit.text(done, step=f"{self.last['step']:,}")
        self._running(False)

    def _running(self, running: bool) -> None:
        """Settings can be changed, and a training started, while none runs."""
        for control in (self.steps, self.manner):
            control.set_enabled(not running)
        self.bias.set_enabled(not running and self.manner.value == "forget_bias")
        self.memory.set_enabled(not running and self.manner.value == "memory")
        self.start.visible, self.stop.visible = not running, running

    def _show(self, look: dict[str, Any]) -> None:
        self.looks.append(look)
        for chart, options in (
            (self.flow, gradient_chart(self.visit, look)),
            (self.error, error_chart(self.visit, self.looks)),
        ):
            chart.options.clear()
            chart.options.update(options)
            chart.update()
        for name, card in self.cards.items():
            card.show(look["cells"][name], look["step"])


class _Card:
    """What there is to say of a cell: what arrives of its gradient, and what it has learned."""

    def __init__(self, visit: Visit, name: str) -> None:
        self.visit = visit
        card = ui.element("section").classes("card flow-cell").style(f"--cell: {colour_of(name, visit.dark)}")
        with card.props(f'data-cell="{name}" aria-label="{name.upper()}"'):
            ui.label(name.upper()).classes("name")
            self.arrives = ui.label("…").classes("arrives")
            self.where = ui.label().classes("faint")
            self.verdict = ui.label().classes("pace")
            self.stage = ui.label().classes("stage")
            self.numbers = ui.label().classes("numbers")

    def show(self, about: dict[str, Any], step: int) -> None:
        """Show a look at the cell after so many training steps."""
        text, flow, numbers = self.visit.text, about["flow"], about["numbers"]
        carrier = flow["states"][flow["carrier"]]
        self.arrives.text = short(flow["far_end"][flow["carrier"]], log=True)
        self.where.text = text("arrives", distance=flow["steps"] - 1, state=flow["carrier"])
        if flow["verdict"] == "vanishes" and carrier["half_life"]:
            self.verdict.text = text("vanishes", half_life=f"{carrier['half_life']:.1f}")
        else:
            self.verdict.text = text("vanishes_at_once" if flow["verdict"] == "vanishes" else flow["verdict"])
        error = numbers.get("mean_squared_error")
        reached = "new" if error is None or not step else stage(error)
        self.stage.text = {"learned": "✓ ", "guesses": "✗ "}.get(reached, "") + text(reached)
        self.stage.classes(remove="learned guesses learns new", add=reached)
        self.numbers.text = (
            "" if error is None else text("error", error=short(error), right=f"{1 - numbers['share_wrong']:.0%}")
        )


def _heading(visit: Visit, name: str) -> None:
    with ui.element("h2"):
        ui.label(visit.text(f"{name}_heading"))
    with ui.element("p").classes("faint"):
        ui.label(visit.text(f"{name}_about"))


def _fresh(settings: dict[str, Any]) -> dict[str, Any]:
    """A look at fresh networks; torch is imported here, away from the event loop."""
    from ricorda.insight.gradients.learning import SideBySide
    from ricorda.page.gradient.training import look

    return look(SideBySide(**settings), measured=False)
