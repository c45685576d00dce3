"""The Open Inference Protocol: whole sequences in a request, or a session of steps by a sequence's id."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ricorda import __version__
from ricorda.errors import DataError
from ricorda.serve.models import Served
from ricorda.serve.predict import answers
from ricorda.serve.refused import RESPONSES, RefusedError
from ricorda.serve.sequences import Place, Sequences
from ricorda.serve.site import Site
from ricorda.serve.tensors import LENGTH, Array, Asked, read, write
from ricorda.shown import json_line

NAMES = {"texts": "text", "tokens": "words", "numbers": "numbers", "series": "numbers"}
"""What the input is called, by what a model reads."""

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferenceRequest"}},
        },
    }
}


def metadata(served: Served) -> dict[str, Any]:
    """A model's inputs and outputs."""
    texts = served.kind in ("texts", "tokens")
    shape = [-1] if texts else [-1, -1, _features(served)]
    reads = {"name": NAMES[served.kind], "datatype": "BYTES" if texts else "FP64", "shape": shape}
    outputs = [{"name": "answer", "datatype": "BYTES", "shape": [-1]}]
    task, model = served.model.TASK, served.model
    if task == "classify":
        outputs.append({"name": "label", "datatype": "BYTES", "shape": [-1]})
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(model.classes_)]})
    elif task == "regress":
        outputs.append({"name": "predictions", "datatype": "FP64", "shape": [-1, len(model.target_names_)]})
    return {
        "name": served.name,
        "versions": ["1"],
        "platform": "ricorda",
        "inputs": [reads],
        "outputs": outputs,
    }


def routes(site: Site, sequences: Sequences) -> APIRouter:
    """The routes of a server's process."""
    router = APIRouter(responses=RESPONSES)

    @router.get("/v2")
    async def server() -> dict[str, Any]:
        """The server and its extensions."""
        extensions = ["sequence", "sequence(string_id)", "binary_tensor_data"]
        return {"name": "ricorda", "version": __version__, "extensions": extensions}

    @router.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """Whether the server runs."""
        return {"live": True}

    @router.get("/v2/health/ready")
    async def ready() -> JSONResponse:
        """Whether the server takes requests: not while it is being stopped."""
        return JSONResponse({"ready": not site.stopping}, 503 if site.stopping else 200)

    @router.get("/v2/models/{name}")
    @router.get("/v2/models/{name}/versions/1", include_in_schema=False)
    async def model(name: str) -> dict[str, Any]:
        """A model's inputs and outputs."""
        return metadata(site.models.get(name))

    @router.get("/v2/models/{name}/ready")
    @router.get("/v2/models/{name}/versions/1/ready", include_in_schema=False)
    async def model_ready(name: str) -> dict[str, Any]:
        """Whether there is such a model."""
        return {"name": site.models.get(name).name, "ready": True}

    @router.post("/v2/models/{name}/infer", openapi_extra=BODY, response_class=Response)
    @router.post("/v2/models/{name}/versions/1/infer", include_in_schema=False)
    async def infer(name: str, request: Request) -> Response:
        """What a model says of tensors; with the parameter sequence_id, a step of that session."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RefusedError(400, "the body is compressed: send it as it is")
        body = await request.body()
        asked = read(body, request.headers.get(LENGTH))
        served = site.models.get(name)
        place = Place.of(asked.parameters)
        if place is None:
            outputs = await _whole(site, served, asked)
        elif sequences.elsewhere(place):
            return await sequences.forward(place, request, body)
        else:
            outputs = await _step(site, sequences, served, asked, place)
        content, headers = write(name, asked, outputs)
        return Response(content, headers=headers)

    return router


def _features(served: Served) -> int:
    model = served.model
    if served.kind == "series":
        return len(model.facts_.inputs)
    return int((getattr(model, "encoder_", None) or model.reading_).features)


def _input(served: Served, asked: Asked) -> Array:
    name = NAMES[served.kind]
    if set(asked.inputs) != {name}:
        raise DataError(f"the inputs are {', '.join(map(repr, asked.inputs))!s:.80}: the model has one, {name!r}")
    array = asked.inputs[name]
    if (array.dtype == object) != (served.kind in ("texts", "tokens")):
        raise DataError(f"the input {name!r} has another datatype than the model's metadata says: see /v2/models")
    return array


async def _whole(site: Site, served: Served, asked: Asked) -> dict[str, Array]:
    array = _input(served, asked)
    given: list[Any] = array.ravel().tolist() if array.dtype == object else list(array.astype(np.float64).tolist())
    if served.kind == "tokens":
        given = [text.split() for text in given]
    if array.dtype != object and array.ndim != 3:
        raise DataError(f"the input has {array.ndim} dimensions: give [sequences, steps, features]")
    if not given:
        raise DataError("the input holds no sequence: give at least one")
    lines = await answers(site, served, served.inputs(given, one=False), {})
    said = [json.loads(one[0]) if served.model.TASK in ("classify", "regress") else None for one in lines]
    return _outputs(served, ["".join(one)[:-1] for one in lines], said)


async def _step(site: Site, sequences: Sequences, served: Served, asked: Asked, place: Place) -> dict[str, Array]:
    async with sequences.held(place, served) as held:
        queue, array = site.queue(held.served), _input(held.served, asked)
        if array.dtype == object:
            steps = [step for text in array.ravel().tolist() for step in queue.stepped.read(text)]
        else:
            rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
            steps = [step for row in rows.astype(np.float64).tolist() for step in queue.stepped.read(row)]
        if not steps:
            raise DataError("the input holds no step: give at least one")
        said = await queue.put(held.session, steps)
        held.used = time.monotonic()
        answer = queue.stepped.tell(held.session, said)
    return _outputs(held.served, [json_line(answer)[:-1]], [answer])


def _outputs(served: Served, lines: list[str], said: list[Any]) -> dict[str, Array]:
    """The outputs that `metadata` lists."""
    outputs: dict[str, Array] = {"answer": np.array([*lines, ""], object)[:-1]}
    if served.model.TASK == "classify":
        outputs["label"] = np.array([*(str(one["label"]) for one in said), ""], object)[:-1]
        outputs["probabilities"] = np.array([list(one["probabilities"].values()) for one in said], "<f8")
    elif served.model.TASK == "regress":
        outputs["predictions"] = np.array([list(one.values()) for one in said], "<f8")
    return outputs
