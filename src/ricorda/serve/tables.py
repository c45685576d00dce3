"""A series that a request gives as rows, read as the same rows in a file are."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from ricorda.data.series import Series, read_series
from ricorda.errors import DataError, RicordaError


def series_of(model: Any, rows: list[dict[str, Any]], place: str) -> Series:
    """The series of a table's rows, with the columns that a forecaster was trained on; raises as `read_series`."""
    facts = model.facts_
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        try:
            return read_series(
                path,
                time=facts.time,
                targets=facts.targets,
                covariates=facts.covariates,
                variables=facts.inputs,
                like=facts.clock,
            )
        except RicordaError as error:
            raise DataError(str(error).replace(str(path), place)) from None
