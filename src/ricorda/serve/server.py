"""The server's processes: one that listens and serves, or several that share what one listens to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import multiprocess

from ricorda.errors import ArgumentError, RicordaError
from ricorda.locks import lock
from ricorda.serve.app import application
from ricorda.serve.guard import Guard
from ricorda.serve.metrics import FOLDER, forget
from ricorda.serve.sequences import socket_of
from ricorda.serve.settings import GRACE, LARGEST, Settings
from ricorda.serve.stream import RESTART

CONNECTIONS = 65_536
"""Open files that are asked for: a stream is one."""

DRAINS = 30
"""Seconds in which requests that have begun may still be answered when the server is told to end."""


class Server(uvicorn.Server):
    """A process that tells its streams before it ends, and lets them ask for their state."""

    passed_on: Any = None
    orphaned: Any = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and with several processes also to the requests that others pass on."""
        await super().startup(sockets)
        guard = self._guard
        if self.should_exit or not guard.settings.shared:
            return
        path = socket_of(guard.settings.shared, guard.process)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

        def protocol() -> asyncio.Protocol:
            return self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        self.passed_on = await asyncio.get_running_loop().create_unix_server(protocol, str(path))
        self.servers.append(self.passed_on)
        parent = parent_process()  # It may be gone already, and then the system has put another in its place.
        if parent is not None:
            self.orphaned = asyncio.create_task(self._end_with(parent.pid))

    async def _end_with(self, parent: int | None) -> None:
        """End when the process that started this one is gone: nobody else could end it, or start it anew."""
        while os.getppid() == parent:
            await asyncio.sleep(1)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, answer what has begun, tell the streams, and end."""
        site = self._guard.site
        for server in self.servers:
            server.close()
        site.stopping = True
        told = f'the server is being stopped, in {GRACE:g} s: ask for the state by {{"save": true}}, and close'
        await asyncio.gather(*(stream.say({"closing": told}) for stream in list(site.streams)), return_exceptions=True)
        end = time.monotonic() + GRACE
        while site.streams and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(0.05)
        last = (stream.close(RESTART, "the server was stopped") for stream in list(site.streams))
        await asyncio.gather(*last, return_exceptions=True)
        await super().shutdown(sockets)

    @property
    def _guard(self) -> Process:
        app: Any = self.config.loaded_app
        while not isinstance(app, Process):
            app = app.app
        return app


class Process:
    """The application of a process, which knows its number."""

    def __init__(self, settings: Settings, process: int = 0) -> None:
        self.settings, self.process = settings, process
        self._app: Guard = application(settings, process=process)
        self.site = self._app.site

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve."""
        await self._app(scope, receive, send)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises
    ------
    ArgumentError
        If the address cannot be listened to.
    ModelFolderError
        If a model does not open.
    """
    _say_little()
    _many_files()
    with _listening(settings) as listening, _shared(settings) as settings:
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        logging.getLogger("ricorda.serve").info("serving %s on http://%s:%d", ", ".join(settings.models), shown, port)
        if settings.workers == 1:
            Server(_config(Process(settings))).run([listening])
            return
        settings.to_environment()
        multiprocess.Process = _Worker  # type: ignore[misc]  # what uvicorn starts
        _Processes(_config("ricorda.serve.server:worker", factory=True, workers=settings.workers), [listening]).run()


class _Worker(multiprocess.Process):
    """One of several processes, as uvicorn starts it: it runs our server."""

    def is_alive(self, timeout: float = 0.0) -> bool:
        """Whether the process runs; uvicorn asks for an answer in 5 s too, and a busy machine imports for longer."""
        return bool(self.process.is_alive())

    @property
    def server(self) -> Server:
        """The server, made in the process itself."""
        if self._server is None:
            self._server = Server(config=self.config)
        assert isinstance(self._server, Server)
        return self._server


class _Processes(multiprocess.Multiprocess):
    """Several processes; one that has ended is started anew, and what it counted as open is forgotten."""

    def keep_subprocess_alive(self) -> None:
        """Start ended processes anew."""
        before = {process.pid for process in self.processes if not process.process.is_alive()}
        for pid in before:
            forget(pid or 0)
            logging.getLogger("ricorda.serve").warning(
                "process %s has ended, its sessions are lost: another starts", pid
            )
        super().keep_subprocess_alive()


def worker() -> Process:
    """The application of one of several processes, which takes the first number that no other one has."""
    settings = Settings.from_environment()
    _say_little()
    for number in range(settings.workers):
        place = os.open(Path(settings.shared, f"{number}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        if not lock(place):
            os.close(place)
            continue
        _many_files()
        return Process(settings, number)
    raise RicordaError("there are as many processes already as there should be")


def _say_little() -> None:
    """Write what the operator has to know to the standard error, and nothing of requests."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("ricorda.serve").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def _config(app: Any, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=LARGEST,
        ws_per_message_deflate=False,  # Its buffers would be most of what a stream takes.
        ws_ping_interval=None,  # Sessions that nobody uses end by --idle.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAINS,
        **more,
    )


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket that listens where the settings say."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(2048)
        listening.set_inheritable(True)
        yield listening
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArgumentError(
            f"--host {settings.host} --port {settings.port} cannot be listened to ({reason}): choose another port, as "
            "--port 8001"
        ) from None
    finally:
        listening.close()


@contextlib.contextmanager
def _shared(settings: Settings) -> Iterator[Settings]:
    """The settings with a folder that the processes share, if there are several."""
    if settings.workers == 1:
        yield settings
        return
    folder = tempfile.mkdtemp(prefix="ricorda-serve-")  # Nobody but its owner can open it.
    os.environ[FOLDER] = folder
    try:
        yield replace(settings, shared=folder)
    finally:
        os.environ.pop(FOLDER, None)
        shutil.rmtree(folder, ignore_errors=True)


def _many_files() -> None:
    """Ask for as many open files as streams may need."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
