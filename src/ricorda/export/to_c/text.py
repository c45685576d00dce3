"""Numbers, arrays and strings as text of C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def single(value: float) -> str:
    """A finite number as a float."""
    return _pointed(f"{np.float32(value):.9g}") + "f"


def double(value: float) -> str:
    """A finite number as a double."""
    return _pointed(f"{value:.17g}")


def array(kind: str, name: str, numbers: NDArray[Any]) -> str:
    """A constant array, of one or two dimensions.

    Parameters
    ----------
    kind : C's type of a number
    """
    sizes = "".join(f"[{size}]" for size in numbers.shape)
    rows = [f"{{{_row(row)}}}" for row in np.atleast_2d(numbers)]
    body = rows[0] if numbers.ndim == 1 else "{\n" + ",\n".join(rows) + "}"
    return f"static const {kind} {name}{sizes} =\n{body};\n"


def string(text: str) -> str:
    """A text as a constant of C: bytes of UTF-8, those beyond ASCII and the question mark (trigraphs) in octal."""
    plain = frozenset(range(32, 127)) - {ord(sign) for sign in '"\\?$'}
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _row(numbers: NDArray[Any]) -> str:
    written = single if numbers.dtype == np.float32 else str
    texts, at_once = [written(number) for number in numbers.tolist()], 8 if numbers.dtype == np.float32 else 24
    return ",\n".join(", ".join(texts[k : k + at_once]) for k in range(0, len(texts), at_once))


def _pointed(text: str) -> str:
    return text if set(text) & set(".e") else text + ".0"
