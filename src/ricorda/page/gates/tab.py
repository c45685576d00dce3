"""The tab *The gates*: how gates open and close on a text, how long units last, and which follow a property."""

from __future__ import annotations

from typing import Any

from nicegui import background_tasks, run, ui

from ricorda.errors import RicordaError
from ricorda.insight.gates.result import HEATMAP_STEPS, ORDERS, range_names
from ricorda.page.downloads import numbers, picture
from ricorda.page.frame import trouble
from ricorda.page.gates.chart import coloured, heat_map
from ricorda.page.gates.look import LONGEST, Look, look
from ricorda.page.visit import Visit


def build(visit: Visit) -> None:
    """Fill the tab."""
    models = visit.models()
    if not models:
        ui.label(visit.text("no_model"))
        return
    _Tab(visit, list(models))


class _Tab:
    """The tab in one browser."""

    def __init__(self, visit: Visit, models: list[str]) -> None:
        self.visit = visit
        self.reading = self.again = False
        self.seen: Look | None = None
        self.model = visit.choice("model", models, models[0])
        with ui.element("div").classes("gates-choice"):
            choice = ui.select(models, value=self.model, label=visit.text("model")).props("outlined dense")
            choice.on_value_change(lambda event: self._choose(event.value)).classes("wide")
            self.choices = ui.element("div").classes("contents")
        text = visit.words("text", visit.text("example"))[:LONGEST]
        self.text = ui.textarea(visit.text("texts"), value=text).props(
            f"outlined autogrow debounce=300 maxlength={LONGEST}"
        )
        self.text.classes("gates-text").on_value_change(self._typed)
        self.status = ui.label(visit.text("reading")).classes("faint").props('role="status"')
        self.space = ui.element("div").classes("gates-areas")
        self._refresh()

    def _choose(self, model: str) -> None:
        self.model = model
        self.visit.keep(model=model, gate=None, layer=None, dir=None, property=None, first=None)
        self._refresh()

    def _typed(self) -> None:
        self.visit.keep(text=self.text.value, first=None)
        self._refresh()

    def _set(self, **settings: Any) -> None:
        """Another setting: what depends on it alone is shown anew."""
        self.visit.keep(**settings)
        if self.seen is None or settings.keys() & {"layer", "dir"}:
            self._refresh()
        else:
            self._show(self.seen)

    def _refresh(self) -> None:
        """Look once more; what was typed meanwhile is looked at afterwards."""
        if self.reading:
            self.again = True
        else:
            self.reading = True
            background_tasks.create(self._read())

    async def _read(self) -> None:
        visit = self.visit
        try:
            while True:
                self.again = False
                with self.space:
                    self.status.set_text(visit.text("reading"))
                    await self._look()
                    self.status.set_text("")
                if not self.again:
                    break
        finally:
            self.reading = False

    async def _look(self) -> None:
        visit = self.visit
        texts = [line for line in (self.text.value or "").splitlines() if line.strip()] or [""]
        layer = visit.whole("layer", 1, 99, 99)
        folder = visit.models()[self.model]
        try:
            found = await run.io_bound(
                look, folder, texts, None if layer == 99 else layer, visit.words("dir") == "back"
            )
        except RicordaError as error:
            self.seen = None
            self.space.clear()
            self.choices.clear()
            trouble(error)
            return
        if found is not None:  # The page ends.
            self._show(found)

    def _show(self, seen: Look) -> None:
        self.seen = seen
        visit, gates = self.visit, seen.gates
        gate = visit.choice("gate", gates.values, next(iter(gates.values)))
        order = visit.choice("order", ORDERS, ORDERS[0])
        self.choices.clear()
        with self.choices:
            self._select("gate", list(gates.values), gate)
            self._select("order", {name: visit.text(name) for name in ORDERS}, order, wide=True)
            if seen.layers > 1:
                last = visit.whole("layer", 1, seen.layers, seen.layers)
                self._select("layer", list(range(1, seen.layers + 1)), last)
            if seen.directions > 1:
                ways = {"": visit.text("forward"), "back": visit.text("backward")}
                self._select("direction", ways, "back" if visit.words("dir") == "back" else "", name="dir")
        self.space.clear()
        with self.space:
            self._map(seen, gate, order)
            self._followers(seen)
            self._numbers(seen)

    def _select(self, key: str, options: Any, value: Any, *, name: str | None = None, wide: bool = False) -> None:
        select = ui.select(options, value=value, label=self.visit.text(key)).props("outlined dense")
        select.on_value_change(lambda event: self._set(**{name or key: event.value or None}))
        select.classes("wide" if wide else "narrow")

    def _map(self, seen: Look, gate: str, order: str) -> None:
        visit, gates = self.visit, seen.gates
        count = len(gates.tokens)
        first = min(visit.whole("first", 1, 100_000, 1), count) - 1
        with ui.element("section").classes("card gates-map"):
            _heading(visit.text("map", gate=gate, cell=gates.cell))
            words = {"unit": visit.text("unit"), "lasts": visit.texts["lasts"][visit.language == "it"]}
            units = gates.values[gate].shape[1]
            chart = ui.echart(heat_map(gates, gate, order, first, words, visit.dark))
            chart.style(f"height: {max(380, min(150 + 18 * units, 760))}px").classes("heat-map")
            if count > HEATMAP_STEPS:
                last = min(first + HEATMAP_STEPS, count)
                with ui.element("div").classes("buttons"):
                    for key, start in (("previous", first - HEATMAP_STEPS), ("next", first + HEATMAP_STEPS)):
                        button = ui.button(visit.text(key), on_click=lambda start=start: self._set(first=start + 1))
                        button.props("flat dense no-caps").set_enabled(0 <= start < count)
                    ui.label(visit.text("window", first=first + 1, last=last, count=count)).classes("faint")
            ui.label(f"{visit.text('closed')}, {visit.text('open')}.").classes("faint small")
            with ui.element("div").classes("downloads"):
                window = (first, min(first + HEATMAP_STEPS, count))
                numbers(visit, f"{self.model}-gates", lambda: gates.to_frame())
                picture(visit, f"{self.model}-gates", lambda: gates.plot(gate=gate, order=order, window=window))

    def _followers(self, seen: Look) -> None:
        visit, followers = self.visit, seen.followers
        rows = {name: followers.best(name) for name in followers.correlations}
        rows = {name: best for name, best in rows.items() if best}
        with ui.element("section").classes("card gates-followers"):
            _heading(visit.text("followers"))
            ui.label(visit.text("followers_help", value=followers.value)).classes("faint small")
            if not rows:
                return
            chosen = visit.choice("property", rows, max(rows, key=lambda name: abs(rows[name][0][1])))
            with ui.element("div").classes("property-table"):
                for key in ("property", "best", "correlation"):
                    ui.label(visit.text(key)).classes("faint small")
                for name, ((unit, correlation), *_) in rows.items():
                    button = ui.button(self._property(name), on_click=lambda name=name: self._set(property=name))
                    button.props(f'flat dense no-caps align="left" aria-pressed="{str(name == chosen).lower()}"')
                    button.classes("property chosen" if name == chosen else "property")
                    ui.label(str(unit))
                    ui.label(f"{correlation:+.2f}".replace("-", "−")).classes("tabular")
            unit = rows[chosen][0][0]
            ui.label(visit.text("shown_unit", unit=unit, value=followers.value)).classes("faint small")
            ui.html(coloured(followers.tokens, followers.activations[:, unit]), sanitize=False).classes("coloured-text")
            with ui.element("div").classes("downloads"):
                numbers(visit, f"{self.model}-units", lambda: followers.to_frame())

    def _property(self, name: str) -> str:
        known, _, of_class = name.partition("=")
        return self.visit.text(known) + (f": {of_class}" if of_class else "")

    def _numbers(self, seen: Look) -> None:
        visit, gates = self.visit, seen.gates
        with ui.element("section").classes("card gates-numbers"):
            _heading(visit.text("summary"))
            with ui.element("div").classes("number-table"):
                for key in ("gate", "mean", "below", "above"):
                    ui.label(visit.text(key)).classes("faint small")
                for name, values in gates.values.items():
                    low, high = gates.saturated[name]
                    ui.label(name)
                    for number in (values.mean(), low.mean(), high.mean()):
                        ui.label(f"{float(number):.2f}").classes("tabular")
            _heading(visit.text("lasting"))
            if not gates.kept:
                ui.label(visit.text("nothing_kept")).classes("faint")
            for state, counts in gates.counts().items():
                ui.label(visit.text("lasting_help", state=state)).classes("faint small")
                with ui.element("div").classes("bars"):
                    for name, count in zip(range_names(), counts, strict=True):
                        ui.label(self._range(name)).classes("small")
                        ui.element("div").classes("bar-of").style(f"width: {100 * count / max(1, *counts):.0f}%")
                        ui.label(str(count)).classes("tabular")

    def _range(self, name: str) -> str:
        if self.visit.language == "en":
            return name
        return name.replace("under", "meno di").replace("over", "oltre").replace(" to ", " a ")


def _heading(text: str) -> None:
    with ui.element("h2"):
        ui.label(text)
