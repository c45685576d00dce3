"""A tiny example of each task for the tests that all estimators must pass, `test_tasks_*.py`.

A new task adds its case to `CASES`. Its model trains in some 100 ms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from command_line import SMALL, TABLE
from small_models import LABELS, TEXTS, series, small

from ricorda import Forecaster, LanguageModel, SequenceRegressor, SequenceTagger, Translator
from ricorda.tasks.estimator import SequenceEstimator

TINY: dict[str, Any] = {"hidden_size": 6, "epochs": 2, "batch_size": 8, "random_state": 0, "device": "cpu"}
TINY_OPTIONS = ["--hidden-size", "6", "--epochs", "2", "--batch-size", "8"]

SENTENCES = [["the", "cat", "sleeps"], ["cats", "sleep"], ["a", "dog", "saw", "the", "cat"], ["Dogs", "!"]] * 4
TAGS = [["D", "N", "V"], ["N", "V"], ["D", "N", "V", "D", "N"], ["N", "."]] * 4
NUMBERS = ["one", "two", "three", "four"]
SOURCES = [f"{first} and {second}" for first in NUMBERS for second in NUMBERS]
TARGETS = [f"{second} {first}" for first in NUMBERS for second in NUMBERS]
DOCUMENTS = ["the cat sat", "a dog ran", "the dog sat down"] * 5
WALKS, _ = series(16)
SERIES = [np.sin(np.arange(9.0) + start)[:, None] for start in range(10)]


@dataclass(frozen=True)
class Commands:
    """The same from the command line, in a folder that `write` has prepared.

    Parameters
    ----------
    write : callable
        Writes the data into the working folder.
    train : sequence of str
        What stands behind `ricorda train TASK`, without --out.
    evaluate : sequence of str
        Behind `ricorda evaluate FOLDER`.
    predict : sequence of str
        Behind `ricorda predict FOLDER`.
    """

    write: Callable[[], None]
    train: Sequence[str]
    evaluate: Sequence[str]
    predict: Sequence[str]


@dataclass(frozen=True)
class Case:
    """An estimator and what it is tried with.

    Parameters
    ----------
    make : callable
        The estimator with tiny sizes, `random_state=0` and `device="cpu"`, and the parameters given.
    X, y
        Examples, whatever the task takes; at least 8 of them.
    one_step : (X, y)
        The same with sequences of one step.
    wrong
        An X that no model takes.
    commands : Commands
        The same from the command line.
    outputs : callable
        Everything that a model gives for some X: a list, an array, or a list of them, one an example.
    grid : bool
        Whether scikit-learn's model selection can score it.
    """

    make: Callable[..., SequenceEstimator]
    X: Any
    y: Any
    one_step: tuple[Any, Any]
    wrong: Any
    commands: Commands
    outputs: Callable[[Any, Any], Any] = field(default=lambda model, X: model.predict(X))
    grid: bool = True


def _write(name: str, rows: Sequence[Any]) -> None:
    """Write lines into the working folder; what is no text as JSON."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


CASES: dict[str, Case] = {
    "classify": Case(
        make=small,
        X=TEXTS,
        y=LABELS,
        one_step=(["warm", "dull"] * 8, LABELS[:16]),
        wrong=["a text", 5],
        commands=Commands(
            write=lambda: _write("data.csv", TABLE.splitlines()),
            train=["data.csv", *SMALL],
            evaluate=["data.csv"],
            predict=["--file", "data.csv"],
        ),
        outputs=lambda model, X: model.predict_proba(X),
    ),
    "regress": Case(
        make=lambda **parameters: SequenceRegressor(**{**TINY, **parameters}),
        X=WALKS,
        y=[float(walk.sum()) for walk in WALKS],
        one_step=([walk[:1] for walk in WALKS], [float(walk[0].sum()) for walk in WALKS]),
        wrong=[[1.0, 2.0], "a text"],
        commands=Commands(
            write=lambda: _write("data.jsonl", [{"x": w.tolist(), "y": float(w.sum())} for w in WALKS]),
            train=["data.jsonl", "--text", "x", "--target", "y", *TINY_OPTIONS],
            evaluate=["data.jsonl", "--text", "x", "--target", "y"],
            predict=["--file", "data.jsonl", "--text", "x"],
        ),
    ),
    "tag": Case(
        make=lambda **parameters: SequenceTagger(
            **{**TINY, "num_layers": 1, "embedding_size": 6, "character_hidden_size": 4, **parameters}
        ),
        X=SENTENCES,
        y=TAGS,
        one_step=([["the"], ["cats"]] * 8, [["D"], ["N"]] * 8),
        wrong=[["a", "cat"], 5],
        commands=Commands(
            write=lambda: _write(
                "data.txt",
                [" ".join(map("/".join, zip(*pair, strict=True))) for pair in zip(SENTENCES, TAGS, strict=True)],
            ),
            train=["data.txt", *TINY_OPTIONS, "--embedding-size", "6"],
            evaluate=["data.txt"],
            predict=["the cat sleeps", "Dogs !"],
        ),
        outputs=lambda model, X: model.predict_proba(X),
    ),
    "translate": Case(
        make=lambda **parameters: Translator(
            **{**TINY, "embedding_size": 6, "vocab_size": 300, "validation_fraction": 0.2, **parameters}
        ),
        X=SOURCES,
        y=TARGETS,
        one_step=(NUMBERS * 4, NUMBERS * 4),
        wrong=["a text", 5],
        commands=Commands(
            write=lambda: _write("data.tsv", ["source\ttarget", *map("\t".join, zip(SOURCES, TARGETS, strict=True))]),
            train=["data.tsv", *TINY_OPTIONS, "--embedding-size", "6"],
            evaluate=["data.tsv"],
            predict=["one and two", "three"],
        ),
        outputs=lambda model, X: [[(best.text, best.score) for best in found] for found in model.translate(X)],
    ),
    "language": Case(
        make=lambda **parameters: LanguageModel(**{**TINY, "embedding_size": 4, "window": 5, **parameters}),
        X=DOCUMENTS,
        y=None,
        one_step=(["a", "t"] * 8, None),
        wrong=["a text", 5],
        commands=Commands(
            write=lambda: _write("data.txt", DOCUMENTS * 5),
            train=["data.txt", *TINY_OPTIONS, "--embedding-size", "4", "--window", "5"],
            evaluate=["data.txt"],
            predict=["the dog"],
        ),
        outputs=lambda model, X: [model.score_tokens(text) for text in X],
    ),
    "forecast": Case(
        make=lambda **parameters: Forecaster(**{**TINY, "context": 1, "normalize": "series", **parameters}),
        X=SERIES,
        y=None,
        one_step=([each[:3] for each in SERIES], None),  # one step is read, one forecast, one kept to validate
        wrong=[np.ones((9, 1)), "a text"],
        commands=Commands(
            write=lambda: _write("data.csv", ["value", *(str(value) for value in np.concatenate(SERIES)[:, 0])]),
            train=["data.csv", "--target", "value", "--horizon", "2", "--context", "4", *TINY_OPTIONS],
            evaluate=["data.csv"],
            predict=["--file", "data.csv"],
        ),
        grid=False,
    ),
}
