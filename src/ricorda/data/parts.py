"""Reads examples in parts, so that a file may be larger than the memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ricorda.data.read import Examples, examples_of_parts


def read_in_parts(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    by: str | None = None,
    labelled: bool = False,
    rows: int = 1024,
    is_label: Callable[[str], bool] | None = None,
    missing: bool = False,
) -> Iterator[Examples]:
    """Read examples in parts, each of which knows where its examples stand in the whole.

    Of a local file one part is in memory at a time, or some row groups of Parquet; a download over HTTP is held as a
    whole.

    Parameters
    ----------
    path, text, label, by, labelled, missing
        As for `read_examples`; labels are not read unless asked for.
    rows
        The most examples of a part.
    is_label
        Tells a label that is known; the lines of a file that all begin with one are read without it.

    Returns
    -------
    iterator of Examples
        At least one part. All but the last have `rows` examples, unless a Parquet file consists of smaller parts.

    Raises
    ------
    DataError, ArgumentError
        As `read_examples`, when the iterator comes to the part with the mistake.
    """
    options: dict[str, Any] = {"text": text, "label": label, "by": by, "labelled": labelled, "missing": missing}
    return examples_of_parts(os.fspath(path), rows, is_label=is_label, **options)
