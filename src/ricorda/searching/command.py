"""What the options of `ricorda search` come to: a search, its files and what is printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ricorda.files import write_atomically
from ricorda.insight.drawing import save_figure
from ricorda.searching.result import SearchResult
from ricorda.searching.search import search

NUMBERS, PICTURES = "search.json", ("search.png", "search.svg")
"""What the folder of a search holds beside its models."""


def search_into_folder(model: Any, X: Any, y: Any, out: Path, options: Mapping[str, Any]) -> SearchResult:
    """Search, and write the numbers and the picture beside the best model.

    Raises
    ------
    ArgumentError, DataError, ModelFolderError
        As `search` does.
    KeyboardInterrupt
        After Ctrl-C; the message says how to go on.
    """
    try:
        result = search(model, X, y, folder=out, progress=True, **options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was finished is kept, and the same command goes on") from None
    write_atomically(out / NUMBERS, json.dumps(result.to_json(), indent=1) + "\n")
    for name in PICTURES:
        save_figure(result.plot(), out / name)
    return result
