"""The models of a server by name, each as it is on disk now."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ricorda.data.tagged import split_words
from ricorda.engines import Request, choose
from ricorda.errors import ArgumentError, DataError, RicordaError
from ricorda.nn.forms import all_weights_of
from ricorda.serve.batching import Batcher, Inputs
from ricorda.serve.metrics import Metrics
from ricorda.serve.refused import RefusedError
from ricorda.serve.settings import MOST_INPUTS, Settings
from ricorda.serve.stepping.kinds import stepped
from ricorda.serve.stepping.stepped import Stepped
from ricorda.tasks.folder import CONFIG, WEIGHTS
from ricorda.tasks.loading import open_model

log = logging.getLogger("ricorda.serve")

OPTIONS = {
    "translate": ("n_best", "beam_size", "length_penalty", "coverage_penalty"),
    "forecast": ("horizon",),
}
"""What each task's answers can be told, as options of `ricorda predict`."""


@dataclass(frozen=True, eq=False)
class Served:
    """A model as it was opened; one that is replaced lives on until its requests and sessions end.

    Parameters
    ----------
    weights : the hash of its weights, which says whether a saved state is its own
    """

    name: str
    model: Any
    weights: str

    @classmethod
    def open(cls, name: str, folder: str) -> Served:
        """Open a folder, and make all that requests need; raises ModelFolderError."""
        model, config = open_model(folder)
        served = cls(name, model, config["sha256"][WEIGHTS])
        with contextlib.suppress(ArgumentError):  # Not every model takes steps.
            _ = served.stepped  # Its code would be compiled while the first stream waits, and all others.
        return served

    @cached_property
    def together(self) -> bool:
        """Whether an answer does not depend on what is predicted beside it, so that requests can share a batch."""
        network, task = self.model.network_, self.model.TASK
        if task not in ("classify", "regress", "tag") or getattr(network, "context", None) is not None:
            return False
        layer = network.recurrent
        program, weights = layer.stack.program, all_weights_of(layer, layer.stack)
        x = next(iter(weights.values())).new_zeros(1, 1, layer.input_size)
        if len(program.inputs) > 1:
            return False
        engine, _ = choose.first(Request(program, weights, x, (), engine=choose.wanted(layer.engine)))
        if engine.name != "cpu":
            return False
        from ricorda.engines.cpu.run.many import rows_apart

        return rows_apart(layer.stack)

    @cached_property
    def stepped(self) -> Stepped:
        """The model as it takes steps; raises ArgumentError if it cannot."""
        return stepped(self.model)

    @property
    def kind(self) -> str:
        """What it reads: texts, tokens, numbers, or a series."""
        if self.model.TASK == "forecast":
            return "series"
        reads = getattr(self.model, "encoder_", None) or getattr(self.model, "reading_", None)
        if reads is not None:
            return str(reads.kind)
        reader = getattr(self.model, "reader_", None)
        return "tokens" if reader is not None and reader.kind == "tokens" else "texts"

    def inputs(self, given: list[Any], *, one: bool) -> Inputs:
        """The inputs of a request, checked as far as JSON goes; the estimator checks the rest.

        Raises
        ------
        DataError
            If there are too many, or one is of a kind that this task does not read.
        """
        if len(given) > MOST_INPUTS:
            raise DataError(f"inputs holds {len(given):,}, more than {MOST_INPUTS:,}: send fewer at a time")
        inputs = Inputs(given, one=one)
        for index, value in enumerate(given):
            inputs[index] = self._input(value, inputs.place(index))
        return inputs

    def _input(self, value: Any, place: str) -> Any:
        if self.kind == "series":
            return self._series(value, place)
        if self.model.TASK == "tag" and isinstance(value, str):
            words = split_words(value)
            if not words:
                raise DataError(f"{place} is empty: give a sentence, its words apart by spaces")
            return words
        if self.kind == "texts" and not isinstance(value, str):
            raise DataError(f"{place} is {_what(value)}, and the model reads texts: give a string")
        if not isinstance(value, str | list):
            raise DataError(f"{place} is {_what(value)}: give a string or a list")
        if self.kind == "numbers" and isinstance(value, list) and _has_null(value):
            return np.array(value, dtype=np.float64)  # A null is a number that was not measured.
        return value

    def _series(self, value: Any, place: str) -> Any:
        if value is None:
            return None
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            from ricorda.serve.tables import series_of

            return series_of(self.model, value, place)
        if not isinstance(value, list):
            raise DataError(f"{place} is {_what(value)}: give a list of numbers, of lists, or of rows as objects")
        return value


@dataclass(eq=False)
class _Place:
    """Where a model lives, and the thread that predicts with it."""

    served: Served
    folder: str
    batcher: Batcher
    signature: Any
    refused: Any = field(default=None)


class Models:
    """All models of a server."""

    def __init__(self, settings: Settings, metrics: Metrics, *, together: bool = True) -> None:
        self._places: dict[str, _Place] = {}
        for name, folder in settings.models.items():
            before = signature_of(folder)
            batcher = Batcher(name, metrics.batch.labels(name).observe, together=together)
            self._places[name] = _Place(Served.open(name, folder), folder, batcher, before)

    def __iter__(self) -> Any:
        return iter(self._places)

    def get(self, name: str | None) -> Served:
        """A model by name; without a name the only one."""
        if name is None and len(self._places) > 1:
            raise RefusedError(422, f"model is missing: give one of {', '.join(self._places)}")
        place = next(iter(self._places.values())) if name is None else self._places.get(name)
        if place is None:
            raise RefusedError(404, f"there is no model {name!r:.60}: give one of {', '.join(self._places)}")
        return place.served

    def batcher(self, name: str) -> Batcher:
        """The thread of a model."""
        return self._places[name].batcher

    def end(self) -> None:
        """End all threads."""
        for place in self._places.values():
            place.batcher.end()

    async def watch(self, seconds: float = 1.0) -> None:
        """Open models anew that are replaced on disk; goes on until it is cancelled."""
        while True:
            await asyncio.sleep(seconds)
            for place in self._places.values():
                await self._look(place)

    async def _look(self, place: _Place) -> None:
        now = signature_of(place.folder)
        if now == place.signature or now is None:
            return
        name = place.served.name
        try:
            fresh = await asyncio.to_thread(Served.open, name, place.folder)
        except RicordaError as error:  # It may be half replaced: it is tried again until it opens.
            if place.refused != now:
                log.warning(
                    "the model %s was changed on disk and does not open, the old one serves on: %s", name, error
                )
            place.refused = now
            return
        if now == signature_of(place.folder):  # Else it was replaced once more meanwhile.
            place.served, place.signature = fresh, now
            log.info("the model %s was replaced on disk, and is served anew", name)


def signature_of(folder: str) -> Any:
    """What changes when the model of a folder is replaced; None while there is none."""
    for path in (Path(folder, ".saved", CONFIG), Path(folder, CONFIG)):
        try:
            status = os.stat(path)
        except OSError:
            continue
        return status.st_ino, status.st_mtime_ns, status.st_size
    return None


def _what(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", dict: "an object", str: "a string"}
    return "null" if value is None else names.get(type(value), "a list")


def _has_null(value: list[Any]) -> bool:
    return any(entry is None or (isinstance(entry, list) and None in entry) for entry in value)
