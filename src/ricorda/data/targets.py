"""Numbers to be learned, one or several an example: checked, and read beside their sequences."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.doors import door
from ricorda.data.inputs import Inputs, as_inputs, as_list, in_column
from ricorda.data.numbers import as_number
from ricorda.data.places import REPAIR, Place, SourceRows, UnusableError, shown
from ricorda.data.separators import with_points
from ricorda.data.source import extension
from ricorda.data.synthetic import is_synthetic, read_synthetic
from ricorda.data.tables import FORMATS, read_labelled_lines, refuse_same_column
from ricorda.errors import ArgumentError, DataError

Targets = NDArray[np.float64]

LARGEST = float(np.finfo(np.float32).max)
"""The largest number, as for inputs: the squares of such numbers are finite in float64."""


@dataclass(frozen=True)
class Measured:
    """Sequences and their numbers as they were read, and where each example stands.

    Attributes
    ----------
    inputs
        Texts, token lists, or arrays of float32 [T, I], one an example.
    targets : array [N] or [N, outputs]
        The numbers; one column as [N].
    target_names
        The columns of the numbers; empty for a source without columns.
    source
        The path, address or name, as the user wrote it.
    """

    inputs: Inputs
    targets: Targets
    target_names: tuple[str, ...]
    source: str
    places: SourceRows = field(repr=False)
    column: str = field(default="", repr=False)
    """The column of the inputs; empty for a source without columns."""

    def place(self, index: int) -> str:
        """Where example `index` stands, for messages."""
        return self.places.of(index)


@door
def read_measured(
    path: str | Path,
    *,
    text: str | None = None,
    targets: Sequence[str] = (),
    default: Sequence[str] = ("target",),
    missing: bool = False,
) -> Measured:
    """Read sequences, and numbers to be learned from them.

    Parameters
    ----------
    path
        A table (CSV, TSV, JSON lines, Parquet), lines of `number text`, or "synthetic:NAME".
    text : str, optional
        The column of the sequences, "text" if not given.
    targets : sequence of str
        The columns of the numbers.
    default : sequence of str
        The columns of a table if `targets` is empty.

    Raises
    ------
    DataError
        If the source is unreadable or invalid; the message names file, row, column, value and remedy.
    ArgumentError
        If a column is named for a source without columns, or twice.
    """
    source = os.fspath(path)
    read_table = FORMATS.get(extension(source))
    if is_synthetic(source) or not read_table:
        for option, column in (("--text", text), *(("--target", name) for name in targets)):
            if column:
                raise ArgumentError(f"{option} {column} names a column, and {source} has none: leave the option out")
    if is_synthetic(source):
        drawn = read_synthetic(source, "regress")
        return Measured(drawn.inputs, np.array(drawn.targets), (), source, SourceRows(source))
    if os.path.isdir(source):
        raise DataError(f"{source} is a folder, which has no numbers to learn: give a table or lines of `number text`")
    names = tuple(targets or default) if read_table else ()
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"--target {name} is given twice: leave one out")
        refuse_same_column({"--text": text, "--target": name})
    if read_table:
        options = ["--target", *(f"--target number {number}" for number in range(2, len(names) + 1))]
        columns = {"--text": text or "text", **dict(zip(options, names, strict=True))}
        ((values, places),) = read_table(source, columns, None)  # All rows are one part.
    else:
        columns = {"--text": "", "--target": ""}
        ((values, places),) = read_labelled_lines(source, labelled=True)

    def where(column: str) -> Place:
        return in_column(places.of, column)

    of_targets = [with_points(column) if places.decimal_commas else column for column in values[1:]]
    read = zip([*columns.values()][1:], of_targets, strict=True)
    numbers = np.array([as_numbers(column, where(name)) for name, column in read]).T
    _, inputs = as_inputs(values[0], where(columns["--text"]), missing=missing)
    targets_read = numbers if numbers.shape[1] > 1 else numbers[:, 0]
    return Measured(inputs, targets_read, names, source, places, columns["--text"])


def is_number(text: str) -> bool:
    """Whether a text is a number that can be a target."""
    try:
        _number(text)
    except UnusableError:
        return False
    return True


def as_numbers(values: Sequence[Any], where: Place) -> list[float]:
    """Numbers of a file, which may be written as text.

    Raises
    ------
    DataError
        If a number is missing, invalid or not finite.
    """
    numbers = []
    for index, value in enumerate(values):
        try:
            numbers.append(_number(value))
        except UnusableError as error:
            raise DataError(f"{where(index)} {error}") from None
    return numbers


def read_targets(sequence: Any, examples: int, argument: str = "y") -> Targets:
    """The numbers that an argument of a Python call holds.

    Parameters
    ----------
    sequence : sequence [N], or array or sequence of sequences [N, outputs]
        The numbers.
    examples : int
        The number of examples.
    argument : str
        Its name, for messages.

    Returns
    -------
    array [N] or [N, outputs]

    Raises
    ------
    DataError
        If there are too few or too many, or one is missing, invalid or not finite.
    """
    table = hasattr(sequence, "columns") and hasattr(sequence, "to_numpy")
    values = as_list(sequence.to_numpy() if table else sequence)
    if values is None:
        raise DataError(
            f"{argument} is of type {type(sequence).__name__}: give a sequence with a number for each example"
        )
    if len(values) != examples:
        raise DataError(f"there are {examples} examples and {len(values)} targets: give one for each example")
    rows = [_row(value) for value in values]
    for index, row in enumerate(rows):
        try:
            if (len(row) if isinstance(row, list) else 0) != (len(rows[0]) if isinstance(rows[0], list) else 0):
                raise UnusableError(f"is of another length than {argument}[0]: give as many numbers for each example")
            if row == []:
                raise UnusableError("is empty: give one number or more for each example")
            rows[index] = [_number(number) for number in row] if isinstance(row, list) else _number(row)
        except UnusableError as error:
            raise DataError(f"{argument}[{index}] {error}") from None
    return np.array(rows, dtype=np.float64)


def _row(value: Any) -> Any:
    """A list if there are several numbers, else the value; arrays and tensors become Python's own types."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, tuple) else value


def _number(value: Any) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise UnusableError(f"has no number: {REPAIR}")
    try:
        number = as_number(value)
    except (TypeError, ValueError):
        raise UnusableError(f"has {shown(value)}, which is no number: write one, with a decimal point") from None
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableError(f"has {shown(value)}, which is no finite number: {REPAIR}")
    if abs(number) > LARGEST:
        raise UnusableError(f"has {shown(value)}, beyond the numbers of a network: choose a larger unit")
    return number
