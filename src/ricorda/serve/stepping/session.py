"""A session: what a model remembers of the steps of one client, and how that is saved and taken up again."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ricorda.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT = 1
"""Of saved states."""

KEYS = {"format", "model", "weights", "steps", "arrays"}


@dataclass(slots=True, eq=False)
class Session:
    """What is remembered of the steps so far.

    Parameters
    ----------
    arrays : "states" of the recurrent layers, and what the task needs besides
    steps : taken so far
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    steps: int = 0

    def save(self, model: str, weights: str) -> dict[str, Any]:
        """The session as JSON; `weights` is the hash of the model's."""
        arrays = {
            name: {
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "data": base64.b64encode(array.tobytes()).decode(),
            }
            for name, array in self.arrays.items()
        }
        return {"format": FORMAT, "model": model, "weights": weights, "steps": self.steps, "arrays": arrays}


def resumed(saved: Any, begun: Session, weights: str, limit: int) -> Session:
    """A saved session, checked.

    Parameters
    ----------
    begun : a fresh session of the model, whose arrays say what a saved one has
    weights : the hash of the model's weights
    limit : the most steps of a session

    Raises
    ------
    DataError
        If it is damaged, or another model's.
    """
    if not isinstance(saved, dict) or set(saved) != KEYS or saved["format"] != FORMAT:
        raise DataError('the state is none that this server saved: send back what {"save": true} was answered with')
    if saved["weights"] != weights:
        raise DataError("the state is of a model with other weights: begin anew, the model was replaced or is another")
    steps, arrays = saved["steps"], saved["arrays"]
    if (
        type(steps) is not int
        or not 0 <= steps <= limit
        or not isinstance(arrays, dict)
        or set(arrays) != set(begun.arrays)
    ):
        raise DataError("the state is damaged: it lacks a part that the model has")
    return Session({name: _array(name, arrays[name], fresh, limit) for name, fresh in begun.arrays.items()}, steps)


def _array(name: str, saved: Any, fresh: Array, limit: int) -> Array:
    """An array that was saved; its first dimension may be another one where the fresh one has none."""
    try:
        shape = tuple(saved["shape"])
        data = base64.b64decode(saved["data"], validate=True)
        if saved["dtype"] != fresh.dtype.str or len(shape) != fresh.ndim or not all(type(n) is int for n in shape):
            raise ValueError
        grows = fresh.shape[0] == 0
        if shape[1:] != fresh.shape[1:] or (not 0 <= shape[0] <= limit if grows else shape != fresh.shape):
            raise ValueError
        array = np.frombuffer(data, fresh.dtype).reshape(shape).copy()
    except (TypeError, KeyError, ValueError):
        raise DataError(f"the state is damaged: its part {name!r} is not what the model has") from None
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise DataError(f"the state is damaged: its part {name!r} has numbers that are none")
    return array
