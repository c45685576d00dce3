"""The metadata of a model card as the Hugging Face Hub reads it: YAML between two lines of `---`, values as JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.tasks.worth import IN_TURNS

METRICS = {
    "accuracy": "accuracy",
    "token_accuracy": "accuracy",
    "macro_f1": "f1",
    "f1": "f1",
    "r2": "r_squared",
    "mae": "mae",
    "perplexity": "perplexity",
}
"""Our names of scores, and the Hub's."""
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*|multilingual")


def checked(license: str, languages: Sequence[str]) -> dict[str, Any]:
    """A licence and languages as metadata. Raises ArgumentError where they are not as the Hub writes them."""
    if license and not _LICENSE.fullmatch(license):
        raise ArgumentError(f"license is {license!r}: give an identifier as the Hub has it, such as mit or cc-by-4.0")
    for language in languages:
        if not _LANGUAGE.fullmatch(language):
            raise ArgumentError(f"language {language!r} is no code of ISO 639: give one such as en or it")
    return {"license": license or None, "language": list(languages)}


def front_matter(
    title: str, pipeline: str, tags: Sequence[str], summary: Mapping[str, Any], said: Mapping[str, Any]
) -> list[str]:
    """The lines of the metadata.

    Parameters
    ----------
    title : str
        The model's name among its results.
    pipeline : str
        The Hub's name of the task (`pipeline_tag`), "" where it has none.
    tags : sequence of str
        The task and the cell.
    summary : mapping
        The training's: "best" has the numbers of the epoch whose weights were kept, "in_turns" a score of examples that
        were all held out once.
    said : mapping
        More of the metadata: its license and languages.
    """
    known, held_out = summary["best"], "validation examples"
    if IN_TURNS in summary:
        known, held_out = {summary["alternatives"]["measure"]: summary[IN_TURNS]}, "examples held out in turns"
    scores = {name: known[name] for name in METRICS if math.isfinite(known.get(name, math.nan))}
    metadata: dict[str, Any] = {
        **said,
        "library_name": "ricorda",
        "pipeline_tag": pipeline,
        "tags": ["recurrent-neural-network", *tags],
        "metrics": sorted({METRICS[name] for name in scores}),
    }
    if pipeline and scores:
        results = {
            "task": {"type": pipeline},
            "dataset": {"type": "validation", "name": held_out},
            "metrics": [{"type": METRICS[name], "name": name, "value": value} for name, value in scores.items()],
        }
        metadata["model-index"] = [{"name": title, "results": [results]}]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in metadata.items() if value]
    return ["---", *lines, "---"]
