"""The application: all routes of a process, and what happens when it begins and ends."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from html import escape
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from ricorda import __version__
from ricorda.errors import RicordaError
from ricorda.serve import inference, predict
from ricorda.serve.guard import TRUSTED, Guard
from ricorda.serve.refused import FAULT, RESPONSES, RefusedError, body_of, refused
from ricorda.serve.sequences import Sequences
from ricorda.serve.settings import Settings
from ricorda.serve.site import Site
from ricorda.serve.stream import Stream

SWITCH = 0.0005
"""Seconds after which a thread that predicts lets the others go on: Python's own 5 ms would be every stream's delay."""

SCHEMAS = {
    "Refused": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "What is wrong, and what to do."}},
    },
    "InferenceRequest": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object", "description": "sequence_id, sequence_start, sequence_end."},
            "inputs": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Tensor"}},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                },
            },
        },
    },
    "Tensor": {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 8},
            "datatype": {"type": "string", "enum": ["BYTES", "FP32", "FP64", "INT32", "INT64"]},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    },
}


def application(settings: Settings, *, process: int = 0, together: bool = True) -> Guard:
    """The application of a process; raises RicordaError if a model does not open."""
    site = Site(settings, together=together)
    sequences = Sequences(site, process)

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(SWITCH)
        tasks = [asyncio.create_task(site.end_idle())]
        if settings.watch:
            tasks.append(asyncio.create_task(site.models.watch()))
        yield
        for task in tasks:
            task.cancel()
        site.models.end()

    app = FastAPI(
        title="ricorda", version=__version__, docs_url=None, redoc_url=None, lifespan=life, redirect_slashes=False
    )
    app.include_router(predict.routes(site))
    app.include_router(inference.routes(site, sequences))
    _add_own(app, site)
    _add_errors(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.state.site = site
    return Guard(app, site)


def _add_own(app: FastAPI, site: Site) -> None:
    @app.get("/health", responses={503: RESPONSES[503]})
    async def health() -> JSONResponse:
        """Whether the server takes requests, and its models."""
        said = {"status": "stopping" if site.stopping else "ok", "models": list(site.models)}
        return JSONResponse(said, 503 if site.stopping else 200)

    @app.get("/metrics", responses=RESPONSES, response_class=Response)
    def metrics() -> Response:
        """The counts of the server, for Prometheus."""
        text, kind = site.metrics.text()
        return Response(text, media_type=kind)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_page(app, site))

    @app.websocket("/stream")
    async def stream(socket: WebSocket, model: str | None = None) -> None:
        await Stream(site, socket).run(model, socket.scope[TRUSTED])


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    @app.exception_handler(RicordaError)
    async def refuse(_request: Request, error: Exception) -> Response:
        told = refused(error)
        return Response(body_of(told.sentence), told.status, media_type="application/json")

    @app.exception_handler(Exception)  # Starlette raises it again, and the guard says where it was.
    async def fault(_request: Request, _error: Exception) -> Response:
        return Response(body_of(FAULT), 500, media_type="application/json")

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentences = {
            404: "there is no such address: GET / lists them",
            405: "the address does not take this method: GET / lists what it takes",
            400: "the body cannot be read: send JSON in UTF-8",
        }
        sentence = sentences.get(error.status_code, str(error.detail))
        return Response(body_of(sentence), error.status_code, error.headers, media_type="application/json")

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
        if first["type"] == "json_invalid":
            return Response(body_of("the body is no JSON: send an object"), 400, media_type="application/json")
        sentence = f"{where or 'the body'} is invalid: {first['msg'][:1].lower()}{first['msg'][1:]}"
        return Response(body_of(sentence), 422, media_type="application/json")


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of all addresses."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes, description=DESCRIPTION)
        schema["components"]["schemas"].update(SCHEMAS)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = schema
    return app.openapi_schema


DESCRIPTION = "Recurrent models: predictions, streams of steps, and the Open Inference Protocol. WebSocket: /stream."


def _page(app: FastAPI, site: Site) -> str:
    """All addresses as a page of its own, which asks nothing of other hosts."""
    rows = [("WebSocket", "/stream?model=NAME", "One step in, one answer out.")]
    for path, methods in _openapi(app)["paths"].items():
        rows += [(method.upper(), path, about.get("description", "")) for method, about in methods.items()]
    cells = "".join(
        f"<tr><td>{escape(method)}</td><td><code>{escape(path)}</code></td><td>{escape(about)}</td></tr>"
        for method, path, about in sorted(rows, key=lambda row: row[1])
    )
    models = "".join(
        f"<li><code>{escape(name)}</code>: {escape(site.models.get(name).model.TASK)}</li>" for name in site.models
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>ricorda serve</title>"
        "<style>body{font:1rem/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
        "td{padding:.2rem 1rem .2rem 0;vertical-align:top}</style>"
        f"<h1>ricorda {escape(__version__)}</h1><h2>Models</h2><ul>{models}</ul>"
        f"<h2>Addresses</h2><table>{cells}</table>"
        "<p>The whole description is in <a href=/openapi.json>openapi.json</a>.</p></html>"
    )
