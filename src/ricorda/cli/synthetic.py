"""What `ricorda evaluate` says of a model on a synthetic task besides the measures of its own: those of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ricorda.cli.output import print_pairs


def success_of(model: Any, data: str) -> dict[str, Any]:
    """The task's name, its paper's criterion and the numbers it goes by, under "synthetic"; nothing for other data."""
    from ricorda.data.synthetic import is_synthetic, parse, success

    if not is_synthetic(data):
        return {}
    task, _ = parse(data)
    return {"synthetic": {"task": task.name, "criterion": task.success, **success(data, model.TASK, model)}}


def print_success(criteria: Mapping[str, Any]) -> None:
    """Print what `success_of` gave."""
    for numbers in criteria.values():
        pairs = [(name.replace("_", " "), _written(name, value)) for name, value in numbers.items() if name != "task"]
        print_pairs(f"synthetic:{numbers['task']}", pairs)


def _written(name: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2%}" if name.startswith("share") else f"{value:.3g}"
