"""Who may ask the page: requests from other sites are refused, and those without its token where it can be reached."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST = 256 * 2**20
"""The most bytes of a request, such as an upload."""

BROWSER, TOKEN = "ricorda_browser", "ricorda_token"
"""Cookies: the name that the page gave to a browser, and the token that it came with."""

_MADE = re.compile(r"[0-9a-f]{32}")
_YEAR = 365 * 24 * 3600


class Guard:
    """The outermost part of the page's application.

    Each request gets `scope["ricorda.cookies"]` and `scope["ricorda.browser"]`, a random name that the browser keeps.

    Parameters
    ----------
    app : the application behind it
    names : the hosts that requests may be for; None if any, which only a page with a token may allow. A site that
        makes its own name point here ("DNS rebinding") asks for a host of another name.
    token : what a browser has to bring; None if it needs nothing
    """

    def __init__(self, app: App, names: frozenset[str] | None, token: str | None) -> None:
        self.app, self.names, self.token = app, names, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it with one sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        cookies = _cookies(headers.get("cookie", ""))
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        status, reason = self._refusal(scope, headers, cookies, query)
        if status:
            await _answer(scope, send, status, reason)
            return
        if self.token is not None and "token" in query:  # It goes into a cookie, so that addresses can be shared.
            rest = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
            place = quote(scope["path"]) + (f"?{urlencode(rest)}" if rest else "")
            await _answer(scope, send, 303, "", {"location": place, "set-cookie": _cookie(TOKEN, query["token"])})
            return
        browser = cookies.get(BROWSER, "")
        new = _MADE.fullmatch(browser) is None
        scope["ricorda.cookies"] = cookies
        scope["ricorda.browser"] = browser = secrets.token_hex(16) if new else browser

        async def with_cookie(message: Message) -> None:
            if new and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", _cookie(BROWSER, browser).encode())]
            await send(message)

        await self.app(scope, receive, with_cookie)

    def _refusal(
        self, scope: Scope, headers: dict[str, str], cookies: dict[str, str], query: dict[str, str]
    ) -> tuple[int, str]:
        """The status and the sentence of a request that is refused; 0 of one that is not."""
        host = headers.get("host", "")
        if self.names is not None and _name(host) not in self.names:
            return 403, "This page serves the machine that it runs on: open the address that `ricorda page` printed.\n"
        origin = headers.get("origin")
        asks = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if asks and origin is not None and urlsplit(origin).netloc != host:
            return 403, "A page of another site asked, and this one answers its own pages alone.\n"
        if self.token is not None and not any(
            hmac.compare_digest(given.encode(), self.token.encode())
            for given in (cookies.get(TOKEN, ""), query.get("token", ""))
        ):
            return 403, "This page needs its token: open the address that `ricorda page` printed, with its token.\n"
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            length = headers.get("content-length", "")
            if not length.isdigit():
                return 411, "A request to the page needs the header Content-Length.\n"
            if int(length) > LARGEST:
                return 413, f"A request may have {LARGEST:,} bytes and this has {int(length):,}: send a smaller file.\n"
        return 0, ""


def _name(host: str) -> str:
    """A Host header without its port."""
    return re.sub(r":\d*$", "", host).strip("[]").lower()


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _cookie(name: str, value: str) -> str:
    return f"{name}={quote(value)}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"


async def _answer(scope: Scope, send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": text.strip()[:120]})
        return
    headers = {"content-type": "text/plain; charset=utf-8", **(headers or {})}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": text.encode()})
