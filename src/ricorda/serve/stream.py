"""Streams: a WebSocket takes a step a message and answers each; what the model remembers lives with the connection."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from typing import Any

from starlette.websockets import WebSocket, WebSocketState

from ricorda.errors import DataError, RicordaError
from ricorda.serve.refused import RefusedError
from ricorda.serve.site import Held, Site
from ricorda.serve.stepping.session import resumed
from ricorda.shown import json_line

NORMAL, AWAY, REFUSED, RESTART, LATER = 1000, 1001, 1008, 1012, 1013
"""Codes of closed connections: RFC 6455, section 7.4.1."""

TOKEN_COMES = 10.0
"""Seconds in which the first message has to bring the token."""

DOES = ("step", "save", "resume", "reset")
"""What a message of JSON asks for, one at a time."""


class Stream:
    """One client's connection."""

    def __init__(self, site: Site, socket: WebSocket) -> None:
        self._site, self._socket = site, socket
        self._held: Held | None = None

    async def run(self, name: str | None, trusted: bool) -> None:
        """Serve the connection to its end.

        Parameters
        ----------
        name : the model's; None for the only one
        trusted : whether the request came with a token, or needs none; else the first message has to bring it
        """
        await self._socket.accept()
        self._site.streams.add(self)
        self._site.metrics.sessions.labels("stream").inc()
        try:
            if not trusted and not await self._brings_token():
                await self.close(REFUSED, 'the first message has no token of this server: send {"token": "..."}')
                return
            if await self._begin(name):
                await self._serve()
        finally:
            self._site.streams.discard(self)
            self._site.metrics.sessions.labels("stream").dec()
            if self._held is not None:
                self._site.release(self._held)

    async def say(self, value: Any) -> None:
        """Send JSON."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            text = json_line(value)[:-1].encode("utf-8", "backslashreplace").decode()
            await self._socket.send({"type": "websocket.send", "text": text})

    async def close(self, code: int, sentence: str) -> None:
        """Say why, and close."""
        try:
            await self.say({"error": sentence})
            if self._socket.application_state is WebSocketState.CONNECTED:
                await self._socket.close(code, sentence.encode()[:120].decode("utf-8", "ignore"))
        except RuntimeError:  # The client has gone meanwhile.
            pass

    async def _brings_token(self) -> bool:
        try:
            async with asyncio.timeout(TOKEN_COMES):
                text = (await self._socket.receive()).get("text")
        except TimeoutError:
            return False
        try:
            value = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return False
        token = value.get("token") if isinstance(value, dict) else None
        return isinstance(token, str) and is_known(token, self._site.settings.tokens)

    async def _begin(self, name: str | None) -> bool:
        try:
            served = self._site.models.get(name)
            self._queue = self._site.queue(served)
            self._held = self._site.hold(served, self._queue.stepped.begin(), self._end)
        except RefusedError as error:
            await self.close(LATER if error.status == 429 else REFUSED, error.sentence)
            return False
        return True

    async def _end(self, sentence: str) -> None:
        await self.close(AWAY, sentence)

    async def _serve(self) -> None:
        held, receive, stepped = self._held, self._socket.receive, self._queue.stepped
        assert held is not None
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            held.used = time.monotonic()
            try:
                data = message.get("bytes")
                if data is not None:
                    said = await self._queue.put(held.session, stepped.read_bytes(data))
                    answer = said.astype("<f4").tobytes()
                    await self._socket.send({"type": "websocket.send", "bytes": answer})
                    continue
                await self.say(await self._answer(held, message["text"]))
            except (RicordaError, RefusedError) as error:
                await self.say({"error": str(error)})
            except RuntimeError:  # Closed while it was being answered: idle for too long, or the server ends.
                return

    async def _answer(self, held: Held, text: str) -> Any:
        stepped, served = self._queue.stepped, held.served
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise DataError('the message is no JSON: send {"step": ...}') from None
        asked = [name for name in DOES if name in value] if isinstance(value, dict) else []
        if len(asked) != 1 or len(value) != 1:
            raise DataError('the message is none that a stream knows: send {"step": ...}, save, resume or reset')
        if asked == ["step"]:
            steps = stepped.read(value["step"])
            return stepped.tell(held.session, await self._queue.put(held.session, steps))
        if asked == ["save"]:
            return {"state": held.session.save(served.name, served.weights)}
        if asked == ["resume"]:
            held.session = resumed(value["resume"], stepped.begin(), served.weights, stepped.most)
        else:
            held.session = stepped.begin()
        return {"steps": held.session.steps}


def is_known(token: str, tokens: tuple[str, ...]) -> bool:
    """Whether a token is one of the server's; it takes as long whichever it is."""
    known = [hmac.compare_digest(token.encode("utf-8", "replace"), other.encode()) for other in tokens]
    return any(known)
