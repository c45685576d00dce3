"""Requests that are refused: a status and one sentence."""

from __future__ import annotations

from typing import Any

from ricorda.errors import RicordaError
from ricorda.shown import json_line

MEANING = {
    400: "The request is no JSON, or is not put together as it has to be.",
    401: "A token is missing, or not one of the server's.",
    403: "The request came from a page of another site, or by a name that is not this machine's.",
    404: "There is no such model, or no such session.",
    413: "The body is too large.",
    422: "The model cannot read the input, or the task cannot do this.",
    429: "There are as many sessions, or waiting requests, as the server takes.",
    503: "The server is being stopped, or the answer took too long.",
}
"""What the statuses of refused requests mean."""


FAULT = "the server has a fault, which its log names: report it"
"""What a request is told that found one."""


class RefusedError(Exception):
    """A request that is refused; `sentence` says why, and what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def refused(error: Exception) -> RefusedError:
    """A mistake of the caller's, as ricorda's functions raise it, as a refused request."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, RicordaError):
        return RefusedError(422, str(error))
    raise error


def body_of(sentence: str) -> bytes:
    """A refused request's body; tritonclient reads the same one."""
    return json_line({"error": sentence}).encode("utf-8", "backslashreplace")


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": meaning,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refused"}}},
    }
    for status, meaning in MEANING.items()
}
"""The same for the page of all addresses."""
