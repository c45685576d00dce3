"""Synthetic tasks by name, as a source of examples: `synthetic:adding?T=400&n=20000&seed=1`."""

from __future__ import annotations

import re
from typing import Any

from ricorda.data.synthetic.adding import ADDING
from ricorda.data.synthetic.copying import COPY
from ricorda.data.synthetic.order import ORDER
from ricorda.data.synthetic.parity import PARITY
from ricorda.data.synthetic.reber import REBER
from ricorda.data.synthetic.task import Drawn, Model, Relation, SyntheticTask
from ricorda.errors import ArgumentError

PREFIX = "synthetic:"
SYNTHETIC_TASKS = {task.name: task for task in (ADDING, COPY, ORDER, PARITY, REBER)}
EXAMPLES, MOST_EXAMPLES, MOST_STEPS = 10_000, 1_000_000, 100_000_000
"""The default number of examples, the most examples and the most steps of a source, which is held in memory at once."""


def is_synthetic(source: object) -> bool:
    """Whether a source of examples names a synthetic task."""
    return str(source).startswith(PREFIX)


def read_synthetic(source: str, relation: Relation | None) -> Drawn:
    """Draw the examples that a source names.

    Parameters
    ----------
    source : str
        "synthetic:NAME", or "synthetic:NAME?OPTION=NUMBER&...". The options are those of the task, the number `n` of
        examples (10,000 by default) and the `seed` (0 by default).
    relation : {"classify", "regress", "tag"}, optional
        What is to be learned from them; None if only the inputs are needed.

    Raises
    ------
    ArgumentError
        If there is no such task or option, a value is no number or out of bounds, or the task has another relation.
    """
    task, options = parse(source)
    if relation is not None and task.relation != relation:
        raise ArgumentError(_other_relation(task, relation))
    number, seed = options.pop("n", EXAMPLES), options.pop("seed", 0)
    if not 1 <= number <= MOST_EXAMPLES:
        raise ArgumentError(f"{source} has {number} as n: give a number of examples from 1 to {MOST_EXAMPLES:,}")
    if number * task.complete(options).get("T", 1) > MOST_STEPS:
        raise ArgumentError(f"{source} has more than {MOST_STEPS:,} steps in all: give a smaller n or T")
    made = task.generate(seed, number, **options)
    rows = [row[:length] for row, length in zip(made.inputs, made.lengths, strict=True)]
    labels = task.labels_for(**options)
    if task.relation == "tag":
        tags = [row[:length].tolist() for row, length in zip(made.targets, made.lengths, strict=True)]
        return Drawn(_named(rows, task.symbols), _named(tags, labels))
    targets = made.targets.tolist()
    return Drawn(
        _named(rows, task.symbols) if task.symbols else rows,
        [labels[target] for target in targets] if labels else targets,
    )


def refuse_synthetic(source: str, relation: str) -> None:
    """Raise ArgumentError, as `read_synthetic` does, if a source is synthetic; for a relation without such tasks."""
    if is_synthetic(source):
        task, _ = parse(source)
        raise ArgumentError(_other_relation(task, relation))


def success(source: str, relation: Relation, model: Model) -> dict[str, float]:
    """The numbers by which a task's paper judges a model, on the examples that a source names.

    Raises
    ------
    ArgumentError
        As `read_synthetic`.
    """
    task, _ = parse(source)
    return task.measure(model, read_synthetic(source, relation))


def parse(source: str) -> tuple[SyntheticTask, dict[str, int]]:
    """The task and the options that a source names; raises as `read_synthetic` does."""
    name, question, query = source.removeprefix(PREFIX).partition("?")
    task = SYNTHETIC_TASKS.get(name)
    if task is None:
        raise ArgumentError(f"there is no synthetic task {name!r:.40}: choose one of {', '.join(SYNTHETIC_TASKS)}")
    known = [*task.options, "n", "seed"]
    options: dict[str, int] = {}
    for setting in query.split("&") if question else []:
        option, equals, value = setting.partition("=")
        if not equals or option not in known:
            raise ArgumentError(f"{source} has {setting!r:.40}: write OPTION=NUMBER, with one of {', '.join(known)}")
        if not re.fullmatch(r"[0-9]{1,12}", value):
            raise ArgumentError(f"{source} has {value!r:.40} as {option}: give a whole number")
        if option in options:
            raise ArgumentError(f"{source} has {option} twice: leave one out")
        options[option] = int(value)
    return task, options


def _other_relation(task: SyntheticTask, relation: str) -> str:
    return f"{PREFIX}{task.name} is no data for the task {relation!r}: use it with `ricorda train {task.relation}`"


def _named(rows: list[Any], names: tuple[str, ...]) -> list[list[str]]:
    return [[names[number] for number in row] for row in rows]
