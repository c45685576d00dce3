"""The tab *A review*: a verdict as it is typed, and what each word gave to it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from nicegui import background_tasks, context, run, ui

from ricorda.errors import RicordaError
from ricorda.page import downloads, sample
from ricorda.page.frame import trouble
from ricorda.page.review.examples import EXAMPLES
from ricorda.page.review.look import Span, look_at, words_of
from ricorda.page.review.words import Words
from ricorda.page.visit import Visit

LONGEST = 5_000
"""Characters of a review at most."""
MOST_CLASSES = 6
"""Classes that have a bar."""
DEBOUNCE = 150
"""Milliseconds without a key after which a text is read."""

_NUMBERS = ("verdict", "wide", "written", "left", "integrated_gradients", "erasure")


def build(visit: Visit) -> None:
    """Fill the tab."""
    ui.add_css(Path(__file__).with_name("style.css"))
    _Tab(visit)


class _Tab:
    """The tab of one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.client = visit, context.client
        self.dropped: list[Span] = []
        self.typed: str | None = None  # Before words were shuffled.
        self.seen: dict[str, Any] = {}
        self.first: dict[str, Any] | None = None  # The verdict on the text as it was typed.
        self.wanted: tuple[Path, str, tuple[Span, ...]] | None = None
        self.looking = self.waiting = False
        self.models = self._models()
        example = EXAMPLES[0 if visit.language == "en" else 2]
        with ui.element("div").classes("review-top"):
            self._input(visit.words("text", example[2])[:LONGEST])
            self._verdict()
        self.trouble = ui.element("div")
        with ui.element("section").classes("review-read"):
            with ui.element("h2"):
                ui.label(visit.text("words"))
            self.legend = ui.label().classes("faint legend")
            labels = {name: visit.text(name) for name in (*_NUMBERS, "point", "dropped")}
            labels["half"] = visit.text("half", words="{words}")  # The browser puts the number in.
            self.words = Words(labels, self._toggle)
            self.notes = ui.label().classes("faint")
            with ui.element("div") as self.downloads:
                downloads.numbers(visit, "review", lambda: self.seen["memory"].to_frame())
                downloads.picture(visit, "review", lambda: self.seen["memory"].plot())
        self.downloads.visible = False
        self._read()

    def _models(self) -> dict[str, str]:
        """The names of the models, as they are shown; the sample is among them before it is trained."""
        names = {name: name for name in self.visit.models()}
        names.setdefault(sample.NAME, "")
        if self.visit.settings.models.get(sample.NAME) is None:
            names[sample.NAME] = self.visit.text("sample_model")
        return names

    def _input(self, text: str) -> None:
        visit = self.visit
        with ui.element("section").classes("card review-input"):
            self.text = ui.textarea(visit.text("text"), value=text, on_change=self._typed)
            self.text.props(f"outlined autogrow maxlength={LONGEST} debounce={DEBOUNCE} spellcheck=false")
            with ui.element("div").classes("review-row"):
                ui.button(visit.text("shuffle"), on_click=self._shuffle, icon="shuffle").props("no-caps unelevated")
                self.restore = ui.button(visit.text("restore"), on_click=self._restore, icon="undo")
                self.restore.props("no-caps outline")
                chosen = visit.choice("model", self.models, next(iter(self.models)))
                self.model = ui.select(self.models, value=chosen, label=visit.text("model"), on_change=self._chosen)
                self.model.props("outlined dense options-dense").classes("model")
            with ui.element("div").classes("review-row"):
                ui.label(visit.text("examples")).classes("faint")
                for language, name, example in EXAMPLES:
                    button = ui.button(name, on_click=lambda example=example: self._set(example))
                    button.props(f'no-caps flat dense lang="{language}"')

    def _verdict(self) -> None:
        with ui.element("section").classes("card review-verdict").props('aria-live="polite"'):
            self.label = ui.label().classes("label")
            self.bars = ui.element("div").classes("bars")
            self.before = ui.label().classes("faint")
            self.progress = ui.linear_progress(0, show_value=False, size="0.8rem").props("rounded")
            self.progress.visible = False

    def _typed(self) -> None:
        """The text was changed by hand."""
        self.dropped, self.typed, self.first = [], None, None
        self._changed()

    def _chosen(self) -> None:
        self.first = None
        self._changed()

    def _set(self, text: str) -> None:
        """Put another text in the place of the old one."""
        if text == self.text.value:
            self._typed()
        self.text.value = text  # This calls `_typed`.

    def _shuffle(self) -> None:
        """Read the words in another order."""
        text = self.text.value or ""
        words = words_of(text, self.seen.get("words", []))
        random.shuffle(words)
        typed, first = text if self.typed is None else self.typed, self.first
        self._set(" ".join(words))
        self.typed, self.first = typed, first
        self._changed()

    def _restore(self) -> None:
        """Go back to the text as it was typed."""
        first, typed = self.first, self.typed
        if typed is not None:
            self._set(typed)
        self.dropped, self.typed, self.first = [], None, first
        self._changed()

    def _toggle(self, span: Span) -> None:
        """Drop a word, or take it back."""
        if span in self.dropped:
            self.dropped.remove(span)
        elif 0 <= span[0] < span[1] <= len(self.text.value or ""):
            self.dropped.append(span)
        self._changed()

    def _changed(self) -> None:
        """What is to be read has changed: it goes into the address, and is read."""
        without = ",".join(f"{start}-{stop}" for start, stop in sorted(self.dropped))
        self.visit.keep(text=self.text.value or "", model=self.model.value, without=without or None)
        self._read()

    def _read(self) -> None:
        """Look at the text; a look that is under way is finished, but what was wanted in between is left out."""
        text = (self.text.value or "")[:LONGEST]
        self.restore.set_enabled(bool(self.dropped) or self.typed is not None)
        folder = self.visit.models().get(str(self.model.value))
        if folder is None:
            background_tasks.create(self._train_sample(), context=self.client)
            return
        self.wanted = (folder, text, tuple(sorted(self.dropped)))
        if not self.looking:
            background_tasks.create(self._look(), context=self.client)

    async def _look(self) -> None:
        self.looking = True
        try:
            while self.wanted is not None:
                (folder, text, dropped), self.wanted = self.wanted, None
                try:
                    seen = await run.io_bound(look_at, folder, text, dropped) if text.strip() else None
                except RicordaError as error:
                    if self.wanted is None and not self.client.is_deleted:
                        self._refuse(error)
                    continue
                if self.wanted is None and not self.client.is_deleted:  # Otherwise the text has moved on.
                    self._show(seen)
        finally:
            self.looking = False

    async def _train_sample(self) -> None:
        """Train the sample model, or wait for it with others who want it, and read with it then."""
        if self.waiting:
            return
        self.waiting, training = True, sample.train(self.visit.settings)
        self.progress.visible = True
        timer = ui.timer(0.3, lambda: self._progress(training))
        await training.wait()
        self.waiting = False
        if self.client.is_deleted:
            return
        timer.delete()
        self.progress.visible = False
        if sample.ready(self.visit.settings) is None:
            self._refuse(self.visit.text("failed", reason=training.job.error or training.job.state.value))
        else:
            self._read()

    def _progress(self, training: sample.Training) -> None:
        self.progress.value = training.share
        self.label.text = self.visit.text("training", share=f"{training.share:.0%}")

    def _refuse(self, reason: object) -> None:
        self._show(None)
        with self.trouble:
            trouble(reason)

    def _show(self, seen: dict[str, Any] | None) -> None:
        """Show a look, or that there is nothing to see."""
        self.trouble.clear()
        self.bars.clear()
        self.seen = seen or {}
        self.downloads.visible = seen is not None
        self.words.show(seen or {"words": [], "before": False, "after": False})
        self.notes.text = " ".join(f"{note[:1].upper()}{note[1:]}." for note in self.seen.get("notes", []))
        verdict = self.seen.get("verdict")
        self.before.text = ""
        if seen is None:
            self.label.text, self.legend.text = self.visit.text("empty"), ""
        elif verdict is None:
            self.label.text, self.legend.text = self.visit.text("no_verdict"), self.visit.text("legend_left")
        elif "number" in verdict:
            self.label.text = f"{verdict['name']}: {verdict['number']:.4g}"
            self.legend.text = self.visit.text("legend", label=verdict["name"])
        else:
            self._show_classes(verdict)
        self.label.classes(remove="said", add="said" if verdict else "")

    def _show_classes(self, verdict: dict[str, Any]) -> None:
        shares = dict(verdict["shares"])
        self.label.text = f"{verdict['label']}  {shares[verdict['label']]:.0%}"
        self.legend.text = self.visit.text("legend", label=verdict["label"])
        with self.bars:
            for label, share in sorted(verdict["shares"], key=lambda pair: -pair[1])[:MOST_CLASSES]:
                ui.label(label)
                with ui.element("div").classes("track"):
                    ui.element("div").classes("fill").style(f"width: {share:.1%}")
                ui.label(f"{share:.0%}").classes("share")
        if not self.dropped and self.typed is None:
            self.first = verdict
        elif self.first is not None:
            label = self.first["label"]
            self.before.text = self.visit.text("typed", label=label, share=f"{dict(self.first['shares'])[label]:.0%}")
