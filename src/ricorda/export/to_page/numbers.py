"""The numbers of a page: one block of float32, and where each array stands in it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
from torch import Tensor


class Numbers:
    """Collects the arrays of a page; what is kept of each is its place, `{"at": first number, "shape": [...]}`."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._end = 0

    def keep(self, values: Any) -> dict[str, Any]:
        """Put an array or a tensor behind the others."""
        array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        self._parts.append(np.ascontiguousarray(array, "<f4").ravel())
        start, self._end = self._end, self._end + array.size
        return {"at": start, "shape": list(array.shape)}

    def linear(self, linear: Any) -> dict[str, Any]:
        """A linear map of torch's: its matrix and its bias, None without one."""
        return {
            "matrix": self.keep(linear.weight),
            "bias": None if linear.bias is None else self.keep(linear.bias),
        }

    def text(self) -> str:
        """All numbers in base64."""
        return b64encode(np.concatenate([np.zeros(0, "<f4"), *self._parts]).tobytes()).decode("ascii")
