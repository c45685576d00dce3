"""A hash of a training's data, by which a resumed training recognises the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor


def fingerprint(*parts: Any) -> str:
    """Hash tensors and arrays, texts, numbers and None, and (nested) iterables of them; types and shapes count.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        _add(digest, part)
    return digest.hexdigest()


def _add(digest: Any, part: Any) -> None:
    array = part.detach().cpu().numpy() if isinstance(part, Tensor) else part
    if isinstance(array, np.ndarray):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    elif isinstance(array, Iterable) and not isinstance(array, str | bytes):
        digest.update(b"[")
        for member in array:
            _add(digest, member)
        digest.update(b"]")
    else:
        digest.update(f"{array!r},".encode())
