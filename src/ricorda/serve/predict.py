"""`POST /predict` and `POST /generate`: inputs as JSON, answers as `ricorda predict --json` prints them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from ricorda.errors import ArgumentError, RicordaError
from ricorda.serve.batching import Inputs, Lines, lines_of
from ricorda.serve.models import OPTIONS, Served
from ricorda.serve.refused import RESPONSES, RefusedError
from ricorda.serve.settings import MOST_INPUTS, SECONDS
from ricorda.serve.site import Site
from ricorda.shown import json_line

LINES = ("application/x-ndjson", "application/jsonl")
"""Media types of answers a line each, as the command prints them."""

MOST_WRITING = 8
"""Texts that are written at the same time; others wait."""

LONGEST = 10_000
"""Tokens of a text at most."""


class Asked(BaseModel):
    """What is to be predicted: `input`, or several `inputs`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = Field(None, description="The model's name; the only model's may be left out.")
    input: Any = Field(None, description="A text, a list of words, or of numbers: what the model was trained on.")
    inputs: Annotated[list[Any], Field(min_length=1, max_length=MOST_INPUTS)] | None = None
    options: dict[str, Any] = Field({}, description="Options of `ricorda predict`, as n_best or horizon.")


class Written(BaseModel):
    """What a language model is to write, as for `ricorda generate`; of a translator, the sentence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = None
    prompt: str = ""
    length: int = Field(200, ge=1, le=LONGEST)
    temperature: float = Field(1.0, ge=0)
    top_k: int | None = Field(None, ge=1)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**63)


def routes(site: Site) -> APIRouter:
    """The routes of a server's process."""
    router, writers = APIRouter(), ThreadPoolExecutor(MOST_WRITING, "writing")

    @router.post(
        "/predict",
        response_class=Response,
        responses={
            **RESPONSES,
            200: {
                "description": "The answer, or a list of them; with `Accept: application/x-ndjson` a line each.",
                "content": {"application/json": {"schema": {}}, LINES[0]: {"schema": {"type": "string"}}},
            },
        },
    )
    async def predict(request: Request, asked: Annotated[Asked, Body()]) -> Response:
        """What a model says of inputs: byte for byte what `ricorda predict --json` prints."""
        served = site.models.get(asked.model)
        one = asked.inputs is None
        if not one and "input" in asked.model_fields_set:
            raise RefusedError(422, "input and inputs were given: give one of them")
        if one and "input" not in asked.model_fields_set and served.kind != "series":
            raise RefusedError(422, "input is missing: give input, or a list of inputs")
        inputs = served.inputs([asked.input] if asked.inputs is None else asked.inputs, one=one)
        lines = await answers(site, served, inputs, asked.options)
        if any(kind in request.headers.get("accept", "") for kind in LINES):
            return Response("".join(line for each in lines for line in each), media_type=LINES[0])
        parts = [_json(each, served) for each in lines]
        return Response(parts[0] + "\n" if one else f"[{', '.join(parts)}]\n", media_type="application/json")

    @router.post(
        "/generate",
        response_class=StreamingResponse,
        responses={
            **RESPONSES,
            200: {
                "description": 'Events: `data: {"text": "..."}` for each piece as it is written, then `event: end`.',
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
        },
    )
    async def generate(asked: Annotated[Written, Body()]) -> Response:
        """Let a language model write on from a prompt, or a translator translate it, as server-sent events."""
        served = site.models.get(asked.model)
        pieces = _pieces(served, asked)
        return StreamingResponse(_events(pieces, writers, site), media_type="text/event-stream")

    return router


async def answers(site: Site, served: Served, inputs: Inputs, options: dict[str, Any]) -> list[Lines]:
    """The lines of each input; raises RefusedError or RicordaError."""
    known = OPTIONS.get(served.model.TASK, ())
    for name in options:
        if name not in known:
            raise RefusedError(
                422,
                f"{name!r:.40} is no option of a model of the task {served.model.TASK}: "
                f"it knows {', '.join(known) or 'none'}",
            )
    batcher = site.models.batcher(served.name)
    return await batcher.answers(served.model, served.together, inputs, options, SECONDS)


def _json(lines: Lines, served: Served) -> str:
    """An answer's lines as one value of JSON: a forecast is a list of its steps."""
    plain = [line[:-1] for line in lines]
    return f"[{', '.join(plain)}]" if served.model.TASK == "forecast" else plain[0]


def _pieces(served: Served, asked: Written) -> Iterator[Any]:
    """What is written, as the data of events; raises RicordaError at once for what is invalid."""
    model = served.model
    if model.TASK == "translate":
        inputs = served.inputs([asked.prompt], one=True)
        return (line for lines in lines_of(model, inputs, {}) for line in lines)
    if model.TASK != "language":
        raise ArgumentError(f"the model {served.name} of the task {model.TASK} does not write: use /predict")
    kind = model.reader_.kind
    if kind == "music" and asked.prompt:
        raise ArgumentError("prompt is a text, and the model writes music: leave it out")
    how = asked.model_dump(exclude={"model", "prompt"})
    prompt: Any = asked.prompt.split() if kind == "tokens" else asked.prompt or ([] if kind == "music" else "")
    written = model.generate(prompt, **how)
    return (json_line({"notes" if kind == "music" else "text": piece}) for piece in written)


async def _events(pieces: Iterator[str], writers: ThreadPoolExecutor, site: Site) -> AsyncIterator[str]:
    """Pieces as server-sent events, written in a thread as fast as they are read."""
    loop = asyncio.get_running_loop()
    count = 0
    while not site.stopping:
        try:
            line = await loop.run_in_executor(writers, next, pieces, None)
        except RicordaError as error:
            yield f"event: error\ndata: {json_line({'error': str(error)})}\n"
            return
        if line is None:
            yield f"event: end\ndata: {json_line({'pieces': count})}\n"
            return
        count += 1
        yield f"data: {line}\n"
    yield f"event: error\ndata: {json_line({'error': 'the server is being stopped'})}\n"
