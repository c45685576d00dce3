"""The outermost part of the server: who may ask, how much, and how long; and no request appears in a log.

It is plain ASGI, as a layer of Starlette's would cost each message of a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ricorda.serve.refused import FAULT, RefusedError, body_of
from ricorda.serve.settings import LARGEST, LOCAL, SECONDS
from ricorda.serve.site import Site
from ricorda.serve.stream import is_known

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/health", "/v2/health/live", "/v2/health/ready")
"""Addresses that need no token: whoever looks after the process asks them."""

TRUSTED = "ricorda.trusted"
"""In a stream's scope: whether its request brought a token, or needs none."""

log = logging.getLogger("ricorda.serve")


class Guard:
    """Refuses requests, with a status and one sentence, before the application sees them.

    Parameters
    ----------
    app : the application behind it
    seconds : how long a request may take; streams and events may last
    """

    def __init__(self, app: App, site: Site, seconds: float = SECONDS) -> None:
        self._app, self.site, self._seconds = app, site, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        try:
            self._check(scope, headers)
        except RefusedError as error:
            await send({"type": "websocket.close", "code": 1008, "reason": error.sentence[:120]})
            return
        scope[TRUSTED] = self._trusted(headers)
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            _say_where(error)
            with contextlib.suppress(Exception):  # It may be closed already.
                await send({"type": "websocket.close", "code": 1011, "reason": FAULT})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin, status, route = time.perf_counter(), 500, "none"
        headers, started = _headers(scope), False

        async def noting(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
            await send(message)

        try:
            self._check(scope, headers)
            if scope["path"] not in OPEN and not self._trusted(headers):
                raise RefusedError(401, "the token is missing or unknown: send the header Authorization: Bearer TOKEN")
            async with asyncio.timeout(self._seconds + 5) as limit:  # A model's own limit comes before.
                receive = await _read(receive, headers)
                if scope["path"] == "/generate":
                    limit.reschedule(None)
                await self._app(scope, receive, noting)
        except RefusedError as error:
            await _answer(noting, error.status, error.sentence)
        except TimeoutError:
            if not started:
                await _answer(noting, 503, f"the request takes longer than {self._seconds:g} s: ask for less at a time")
        except Exception as error:
            _say_where(error)
            if not started:
                await _answer(noting, 500, FAULT)
        found = scope.get("route")
        route = getattr(found, "path", route)
        self.site.metrics.requests.labels(route, str(status)).inc()
        self.site.metrics.seconds.labels(route).observe(time.perf_counter() - begin)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise RefusedError for a request that came by way of another site, or too late."""
        if self.site.stopping and scope["path"] not in OPEN:
            raise RefusedError(503, "the server is being stopped: ask again in a moment")
        settings, host = self.site.settings, headers.get("host", "")
        # A site can make its own name lead here, and its pages would then ask as if they were ours.
        if settings.local and not settings.tokens and _name(host) not in LOCAL:
            raise RefusedError(
                403, "the server serves its own machine: ask for 127.0.0.1, or start it with --token-file"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            if scope["type"] == "websocket":
                raise RefusedError(403, "a page of another site asked: serve the page from the server's own address")
            if scope["method"] not in ("GET", "HEAD") and not settings.tokens:
                raise RefusedError(403, "a page of another site asked: serve it from here, or use --token-file")

    def _trusted(self, headers: dict[str, str]) -> bool:
        tokens = self.site.settings.tokens
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return not tokens or (scheme.lower() == "bearer" and is_known(token.strip(), tokens))


async def _read(receive: Receive, headers: dict[str, str]) -> Receive:
    """The messages of a request whose body has been read; raises RefusedError if it is too large."""
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > LARGEST:
        raise RefusedError(413, f"the body has {int(length):,} bytes, more than {LARGEST:,}: send less at a time")
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
        if sum(map(len, parts)) > LARGEST:
            raise RefusedError(413, f"the body has more than {LARGEST:,} bytes: send less at a time")
    whole: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def read() -> Message:
        return whole.pop() if whole else await receive()

    return read


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _name(host: str) -> str:
    """A Host header without its port."""
    return re.sub(r":\d*$", "", host).strip("[]").lower()


async def _answer(send: Send, status: int, sentence: str) -> None:
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body_of(sentence)})


def _say_where(error: BaseException) -> None:
    """A fault's kind and places, without its message: that may quote the request."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-4:]]
    log.error("fault: %s at %s", type(error).__name__, " < ".join(reversed(places)))
