"""The sizes of a cell's vectors: "I", "H" and "P" until a layer has numbers for them, or digits such as "32"."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ricorda.errors import CellError

INPUT_SIZE, HIDDEN_SIZE, PROJECTED_SIZE = "I", "H", "P"
SIZE_NAMES = {INPUT_SIZE: "input_size", HIDDEN_SIZE: "hidden_size", PROJECTED_SIZE: "proj_size"}


class Sizes(dict[str, int]):
    """The numbers behind "I", "H" and "P"; a size in digits, such as "32", stands for itself."""

    def __missing__(self, size: str) -> int:
        return int(size)


def size_in_words(size: str) -> str:
    """A size in a sentence: `size H (hidden_size)`, `size 32`."""
    return f"size {size} ({SIZE_NAMES[size]})" if size in SIZE_NAMES else f"size {size}"


def size_text(size: Any) -> str:
    """A size that a cell's author wrote, as programs have it: "I", "H", or digits such as "32".

    Raises
    ------
    CellError
        If it is none.
    """
    text = str(size) if isinstance(size, Integral) else size  # The texts of True and False are no sizes.
    if not is_size(text):
        raise CellError(
            f'the size {size!r} is none: give "H" for hidden_size, "I" for input_size, or a whole number of at least 1'
        )
    return str(text)


def is_size(text: object) -> bool:
    """Whether a text is a size that a cell's author can choose."""
    digits = isinstance(text, str) and text.isascii() and text.isdigit() and not text.startswith("0")
    return digits or text in (INPUT_SIZE, HIDDEN_SIZE)
