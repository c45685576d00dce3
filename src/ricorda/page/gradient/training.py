"""The process in which cells learn adding side by side: a line of JSON on the standard output for each look at them.

`python -m ricorda.page.gradient.training '{"steps": 50, "memory": 50}'` runs until it has learned `MOST` steps, or
nobody reads any more.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from ricorda.errors import RicordaError
from ricorda.insight.gradients.learning import SideBySide
from ricorda.insight.gradients.result import GradientFlow
from ricorda.telling import nobody_reads
from ricorda.training.alarm import VANISHED

MOST = 3_000
"""Steps after which a training ends."""
EVERY = 25
"""Steps between two looks."""


def look(cells: SideBySide, *, measured: bool = True) -> dict[str, Any]:
    """Where the gradient of each cell goes now, and what it has learned, as JSON."""
    numbers = cells.measured() if measured else {}
    return {
        "step": cells.done,
        "of": MOST,
        "lost": VANISHED,
        "cells": {
            name: {"flow": _short(flow), "numbers": numbers.get(name, {})} for name, flow in cells.flows().items()
        },
    }


def _short(flow: GradientFlow) -> dict[str, Any]:
    """The flow as `to_json` has it, in fewer digits: it goes to the browser many times."""
    written = flow.to_json()
    for state in written["states"].values():
        state["log10_norm"] = [log if log is None else round(log, 3) for log in state["log10_norm"]]
    ends = {name: state.far_end for name, state in flow.states.items()}
    return {**written, "far_end": {name: end if math.isfinite(end) else None for name, end in ends.items()}}


def main(argument: str) -> None:
    """Learn, and tell what there is to see."""
    try:
        cells = SideBySide(**json.loads(argument))
        _tell(look(cells))
        while cells.done < MOST:
            cells.learn()
            if cells.done % EVERY == 0:
                _tell(look(cells))
    except RicordaError as error:
        _tell({"error": str(error)})


def _tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, KeyboardInterrupt) as end:
        if isinstance(end, OSError) and not nobody_reads(end):
            raise
        sys.stderr.close()  # Python would complain once more when it flushes the pipe that nobody reads.
