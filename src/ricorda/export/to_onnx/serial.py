"""A model of ONNX as the bytes of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import checker

from ricorda.errors import ArgumentError

MOST_BYTES = 2**31 - 1
"""The most that a file of ONNX can hold, as Protocol Buffers count."""


def serialised(model: Any, path: Path) -> bytes:
    """A model, checked by onnx, as the bytes of the file at `path`.

    Raises
    ------
    ArgumentError
        If it is larger than a file can be.
    """
    if model.ByteSize() > MOST_BYTES:
        raise ArgumentError(f"{path} would have {model.ByteSize():,} bytes, and a file of ONNX holds up to 2 GB")
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content
