"""The page's server: an address for each tab, on the loopback unless told otherwise."""

from __future__ import annotations

import logging
import secrets
import socket
import sys
import webbrowser
from asyncio import to_thread
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import RedirectResponse
from nicegui import app as pages
from nicegui import ui

from ricorda.errors import ArgumentError, ModelFolderError, RicordaError
from ricorda.page import texts
from ricorda.page.frame import frame, trouble
from ricorda.page.guard import Guard
from ricorda.page.process import end_all
from ricorda.page.reports import serve
from ricorda.page.settings import Settings
from ricorda.page.tabs import TABS, Tab
from ricorda.page.trainings.store import tidy
from ricorda.page.visit import LANGUAGE, LANGUAGES, visit_of
from ricorda.page.warming import warm

PORT = 8642
"""The port where none is asked for; if another program has it, any."""

TIDIED = 3_600.0
"""Seconds between two removals of what browsers left."""

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="11" fill="none" '
    'stroke="#0b62a8" stroke-width="5"/><path d="M22 3l7 7-9 2z" fill="#0b62a8"/></svg>'
)


def run(
    models: Sequence[Path] = (),
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    files: bool = True,
) -> None:
    """Serve the page until Ctrl-C, and print its address.

    Parameters
    ----------
    models : sequence of Path
        Folders of trained models that every browser may look at.
    host, port : str, int, optional
        Where it listens. Elsewhere than on the loopback a browser needs the token of the printed address.
    browser : bool
        Whether the address is opened in the user's browser.
    files : bool
        Whether somebody at this machine may name files of it.

    Raises
    ------
    ArgumentError
        If the address cannot be listened on.
    ModelFolderError
        If a folder holds no model.
    """
    settings = Settings(_named(models), host, files)
    listening = _listen(host, port)
    token = None if settings.local else secrets.token_urlsafe(24)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/{TABS[0].name}" + (f"?token={token}" if token else "")
    app = application(settings, token)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    print(f"ricorda page: {address}   (Ctrl-C ends it)", flush=True)
    if browser:
        webbrowser.open(address)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # It is how a page ends.
        print(file=sys.stderr)


def application(settings: Settings, token: str | None) -> Guard:
    """The page as an application, with its guard before it."""
    app = FastAPI(openapi_url=None)

    @app.get("/")
    def begin(request: Request) -> RedirectResponse:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{TABS[0].name}{query}")

    serve(app, settings)
    for tab in TABS:
        _add(tab, settings)
    pages.on_startup(lambda: warm(settings))
    pages.timer(TIDIED, lambda: to_thread(tidy, settings.folder))
    pages.on_shutdown(end_all)
    pages.on_shutdown(lambda: tidy(settings.folder))
    logging.getLogger("nicegui").setLevel(logging.ERROR)  # Its warnings quote addresses, with what stands in them.
    logging.getLogger("uvicorn.error").addFilter(_is_no_departure)
    ui.run_with(
        app,
        title="ricorda",
        favicon=ICON,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10,
        gzip_middleware_factory=None if settings.local else GZipMiddleware,  # Packing takes longer than the loopback.
    )
    names = frozenset({"127.0.0.1", "localhost", "::1"}) if token is None else None
    return Guard(app, names, token)


def _add(tab: Tab, settings: Settings) -> None:
    """The page of a tab."""

    @ui.page(f"/{tab.name}", response_timeout=30)
    def show(request: Request) -> None:
        visit = visit_of(settings, {**texts.TEXTS, **tab.texts}, request)
        if request.query_params.get("lang") in LANGUAGES:
            ui.add_head_html(
                f'<script>document.cookie = "{LANGUAGE}={visit.language};path=/;max-age=31536000;samesite=lax"</script>'
            )
        with frame(visit, tab):
            try:
                tab.build(visit)
            except RicordaError as error:
                trouble(error)


def _is_no_departure(record: logging.LogRecord) -> bool:
    """Whether a record tells of something else than a browser that went away before it was answered."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and str(error) == "No response returned.")


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Models by the names of their folders, which are made different where they are the same."""
    models: dict[str, Path] = {}
    for folder in folders:
        if not (folder / "config.json").is_file():
            raise ModelFolderError(f"{folder} is no model folder: give one that `ricorda train` wrote")
        name, number = folder.resolve().name, 2
        while name in models:
            name, number = f"{folder.resolve().name} ({number})", number + 1
        models[name] = folder.resolve()
    return models


def _listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens; where no port was asked for, any that is free."""
    if port is not None and not 0 <= port < 2**16:
        raise ArgumentError(f"port is {port}: give a whole number from 0 to 65535")
    for number in (PORT, 0) if port is None else (port,):
        try:
            family, *_, place = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
            listening = socket.socket(family)
        except OSError as error:
            raise ArgumentError(f"host is {host!r}, which is no address of this machine ({error.strerror})") from None
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen()  # Whoever comes before the server runs is served then.
        except OSError as error:
            listening.close()
            reason = error.strerror
        else:
            return listening
    raise ArgumentError(f"{host}:{port} cannot be listened on ({reason}): give another --port, or none") from None
