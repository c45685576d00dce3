"""What the views of `ricorda inspect` are to look into, as it is written in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ricorda.cli.source import refuse_file_name, standard_input
from ricorda.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ricorda.tasks.estimator import SequenceEstimator


def as_example(model: SequenceEstimator, text: str | None) -> Any:
    """A text of the command line as a model takes it. Raises ArgumentError if it is the name of a file."""
    refuse_file_name(text)
    kind = getattr(getattr(model, "encoder_", None), "kind", "texts")
    return text.split() if text is not None and text.strip() and kind == "tokens" else text


def text_or_standard_input(model: SequenceEstimator, text: str | None) -> str | None:
    """A text, or that of the standard input; a forecaster may go without.

    Raises
    ------
    DataError
        If the standard input is closed or no UTF-8.
    """
    if text is not None or model.GOES_ON:
        return text
    try:
        return standard_input().read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"the standard input is not UTF-8 text (byte {error.start}): convert it first") from None


def refuse_beside_model(folder: Path, purpose: str, **options: Any) -> None:
    """Raise ArgumentError if an option was given that is for something else than the model in a folder."""
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise ArgumentError(f"{option} {value} is for {purpose}, and a model was given ({folder}): leave one out")


def first_and_last(window: str | None) -> tuple[int, int] | None:
    """FIRST:LAST, both counted from 1 and included, as Python counts.

    Raises
    ------
    ArgumentError
        If it is written otherwise.
    """
    if window is None:
        return None
    first, colon, last = window.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise ArgumentError(f"--window is {window!r}: give the first and the last step to show, such as 1:60")
    return int(first) - 1, int(last)
