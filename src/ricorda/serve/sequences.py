"""Sequences of the Open Inference Protocol: sessions by an id, whichever connection a request comes by.

With several processes an id belongs to one of them, which its hash names. A request that comes to another one is passed
on to it, over a socket that only these processes can reach; so no table has to be shared, and none can be lost.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ricorda.serve.models import Served
from ricorda.serve.refused import RefusedError
from ricorda.serve.settings import SECONDS
from ricorda.serve.site import Held, Site
from ricorda.serve.tensors import LENGTH

LONGEST_ID = 128
PASSED = "ricorda-passed-on"
"""The header of a request that was passed on."""


@dataclass(frozen=True)
class Place:
    """A request's place in a sequence."""

    id: str
    start: bool
    end: bool

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> Place | None:
        """The place that a request's parameters name; None if it is of no sequence, which the ids 0 and "" mean too."""
        id = parameters.get("sequence_id")
        if id is None or (type(id) is int and id == 0) or id == "":
            return None
        flags = [parameters.get(name, False) for name in ("sequence_start", "sequence_end")]
        if type(id) not in (int, str) or len(str(id)) > LONGEST_ID or not all(type(flag) is bool for flag in flags):
            raise RefusedError(
                422,
                f"sequence_id has to be a whole number or a text of up to {LONGEST_ID} characters, and "
                "sequence_start and sequence_end true or false",
            )
        return cls(f"{type(id).__name__} {id}", *flags)


class Sequences:
    """The sessions of a process by model and id."""

    def __init__(self, site: Site, process: int = 0) -> None:
        self._site, self._process = site, process
        self._held: dict[tuple[str, str], tuple[Held, asyncio.Lock]] = {}

    @asynccontextmanager
    async def held(self, place: Place, served: Served) -> AsyncIterator[Held]:
        """The session of a request, which no other request has meanwhile.

        Raises
        ------
        RefusedError
            If it has not begun here, or there are too many.
        """
        key = (served.name, place.id)
        if place.start:
            self._drop(key)
            session = self._site.queue(served).stepped.begin()

            async def end(_sentence: str) -> None:
                self._drop(key)

            self._held[key] = (self._site.hold(served, session, end), asyncio.Lock())
            self._site.metrics.sessions.labels("sequence").inc()
        if key not in self._held:
            raise RefusedError(
                404,
                "there is no such sequence: it ended, was not used for too long, or its process was started anew; "
                "begin it with sequence_start",
            )
        held, lock = self._held[key]
        async with lock:
            yield held
        if place.end:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        known = self._held.pop(key, None)
        if known is not None:
            self._site.release(known[0])
            self._site.metrics.sessions.labels("sequence").dec()

    def _owner(self, place: Place) -> int:
        return zlib.crc32(place.id.encode("utf-8", "replace")) % self._site.settings.workers

    def elsewhere(self, place: Place) -> bool:
        """Whether another process has the sequence."""
        return self._site.settings.workers > 1 and self._owner(place) != self._process

    async def forward(self, place: Place, request: Request, body: bytes) -> Response:
        """Another process's answer to a request."""
        path = socket_of(self._site.settings.shared, self._owner(place))
        lost = RefusedError(503, "the process of this sequence is being started anew: begin it again in a moment")
        if PASSED in request.headers:
            raise lost
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(str(path))
                try:
                    writer.write(_head(request, len(body)) + body)
                    await writer.drain()
                    data = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            raise lost from None
        return _response(data, lost)


def socket_of(shared: str, process: int) -> Path:
    """Where a process takes requests that are passed on."""
    return Path(shared, f"{process}.sock")


def _head(request: Request, length: int) -> bytes:
    passed = [(name, value) for name in ("authorization", LENGTH) if (value := request.headers.get(name)) is not None]
    lines = [
        f"POST {request.url.path} HTTP/1.1",
        f"host: {request.headers.get('host', 'localhost')}",
        f"content-length: {length}",
        "connection: close",
        f"{PASSED}: 1",
        *(f"{name}: {value}" for name, value in passed),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _response(data: bytes, lost: RefusedError) -> Response:
    """A response of HTTP/1.1 that our own server wrote, to the end of the connection."""
    head, found, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if not found or len(parts) < 2 or not parts[1].isdigit():
        raise lost
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    kept = {name: headers[name] for name in ("content-type", LENGTH) if name in headers}
    return Response(body, int(parts[1]), kept)
