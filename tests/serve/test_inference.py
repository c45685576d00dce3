"""The Open Inference Protocol: as JSON, as tritonclient asks, and in sequences."""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from servers import in_process
from starlette.testclient import TestClient

import ricorda
from ricorda.serve.settings import Settings
from ricorda.shown import json_line

WALK = np.random.default_rng(1).normal(size=(5, 3))


def _tensor(array: Any, name: str = "numbers", kind: str = "FP64") -> dict[str, Any]:
    shape = list(np.shape(array))
    return {"name": name, "shape": shape, "datatype": kind, "data": np.ravel(array).tolist()}


def _infer(client: TestClient, model: str, *tensors: dict[str, Any], **more: Any) -> Any:
    answer = client.post(f"/v2/models/{model}/infer", json={"inputs": list(tensors), **more})
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def test_the_server_and_its_models_tell_what_they_are(client: TestClient) -> None:
    assert "sequence" in client.get("/v2").json()["extensions"]
    assert client.get("/v2/health/live").status_code == client.get("/v2/health/ready").status_code == 200
    walk = client.get("/v2/models/walk").json()
    assert walk["inputs"] == [{"name": "numbers", "datatype": "FP64", "shape": [-1, -1, 3]}]
    assert [output["name"] for output in client.get("/v2/models/text").json()["outputs"]] == [
        "answer", "label", "probabilities",
    ]  # fmt: skip
    assert client.get("/v2/models/walk/ready").status_code == 200
    assert client.get("/v2/models/nobody").status_code == client.get("/v2/models/nobody/ready").status_code == 404


def test_whole_sequences_are_answered_as_predict_does(client: TestClient, models: dict[str, str]) -> None:
    texts = ["a film", "the worst"]
    known: Any = ricorda.load(models["text"])
    said = _infer(client, "text", _tensor(texts, "text", "BYTES"), id="7")
    answers = list(known.answers(texts))
    assert said["answer"] == [json_line(answer)[:-1] for answer in answers]
    assert said["label"] == [answer["label"] for answer in answers]
    assert np.reshape(said["probabilities"], (2, 2)).tolist() == known.predict_proba(texts).tolist()
    walk: Any = ricorda.load(models["walk"])
    assert _infer(client, "walk", _tensor(WALK[None]))["predictions"] == walk.predict([WALK]).tolist()
    tags = _infer(client, "words", _tensor(["the film was"], "words", "BYTES"))["answer"]
    assert json.loads(tags[0])["words"] == ["the", "film", "was"]
    assert _infer(client, "forecast", _tensor([[[1.0], [2.0]]]))["answer"]


@pytest.mark.parametrize("id", [7, "seven"])
def test_a_sequence_keeps_its_session(client: TestClient, models: dict[str, str], id: int | str) -> None:
    known: Any = ricorda.load(models["walk"])
    for number, row in enumerate(WALK):
        parameters = {"sequence_id": id, "sequence_start": number == 0, "sequence_end": number == 4}
        other = {"sequence_id": f"other {id}", "sequence_start": number == 0}
        said = _infer(client, "walk", _tensor(row[None], kind="FP64"), parameters=parameters)
        assert said["predictions"] == known.predict([WALK[: number + 1]]).tolist()
        _infer(client, "walk", _tensor(-row), parameters=other)
    ended = client.post(
        "/v2/models/walk/infer", json={"inputs": [_tensor(WALK[:1])], "parameters": {"sequence_id": id}}
    )
    assert ended.status_code == 404
    assert "sequence_start" in ended.json()["error"]


def test_sequences_are_counted(models: dict[str, str]) -> None:
    with in_process(Settings({"walk": models["walk"]}, max_sessions=1)) as client:
        begin = {"sequence_id": 1, "sequence_start": True}
        _infer(client, "walk", _tensor(WALK[:1]), parameters=begin)
        _infer(client, "walk", _tensor(WALK[:1]), parameters=begin)  # It begins anew, and is one still.
        asked = {"inputs": [_tensor(WALK[:1])], "parameters": {**begin, "sequence_id": 2}}
        assert client.post("/v2/models/walk/infer", json=asked).status_code == 429


def test_tensors_may_stand_behind_the_json(client: TestClient, models: dict[str, str]) -> None:
    known: Any = ricorda.load(models["text"])
    texts = ["a film", "füße"]
    data = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = client.post("/v2/models/text/infer", content=head + data, headers=headers)
    assert answer.status_code == 200, answer.text
    split = int(answer.headers["Inference-Header-Content-Length"])
    first, second = json.loads(answer.content[:split])["outputs"]
    assert first["parameters"] == {"binary_data_size": 32}
    assert second["data"] == known.predict(texts).tolist()
    np.testing.assert_array_equal(
        np.frombuffer(answer.content[split:], "<f8").reshape(2, 2), known.predict_proba(texts)
    )
    for length, content in (
        ("5", head + data), (str(len(head)), head + data[:-1]), (str(len(head)), head + data + b"x"), ("x", head),
        (str(len(head)), head + b"\xff" * len(data)),
    ):  # fmt: skip
        headers = {"Inference-Header-Content-Length": length}
        wrong = client.post("/v2/models/text/infer", content=content, headers=headers)
        assert wrong.status_code == 400, content


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"inputs": []}, 400),
        ({"inputs": 5}, 400),
        ({"inputs": [{"name": "text"}]}, 400),
        ({"inputs": [{**_tensor(["a"], "text", "BYTES"), "shape": [2]}]}, 400),
        ({"inputs": [{**_tensor(["a"], "text", "BYTES"), "shape": [-1]}]}, 400),
        ({"inputs": [{**_tensor(["a"], "text", "BYTES"), "datatype": "FP7"}]}, 400),
        ({"inputs": [{**_tensor(["a"], "text", "BYTES"), "data": [5]}]}, 400),
        ({"inputs": [_tensor([1.0], "text")]}, 422),
        ({"inputs": [_tensor(["a"], "other", "BYTES")]}, 422),
        ({"inputs": [_tensor([""], "text", "BYTES")]}, 422),
        ({"outputs": [{"name": "other"}]}, 422),
        ({"outputs": 5}, 400),
        ({"outputs": [{"name": 5}]}, 400),
        ({"parameters": 5}, 400),
        ({"parameters": {"sequence_id": 1.5}}, 422),
        ({"parameters": {"sequence_id": 5, "sequence_start": "yes"}}, 422),
        ({"parameters": {"sequence_id": "x" * 1000}}, 422),
    ],
)
def test_what_is_no_request_is_refused(client: TestClient, change: dict[str, Any], status: int) -> None:
    asked = {"inputs": [_tensor(["a"], "text", "BYTES")], **change}
    answer = client.post("/v2/models/text/infer", json=asked)
    assert answer.status_code == status, answer.text
    assert "\n" not in answer.json()["error"]


def test_tritonclient_works_unchanged(models: dict[str, str], serving: Callable[..., Any]) -> None:
    http = pytest.importorskip("tritonclient.http")
    address, _ = serving(f"walk={models['walk']}", f"text={models['text']}")
    client = http.InferenceServerClient(address.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("walk")
    assert client.get_server_metadata()["name"] == "ricorda"
    assert client.get_model_metadata("walk")["platform"] == "ricorda"
    known: Any = ricorda.load(models["text"])
    texts = np.array(["a film", "the worst"], object)
    for binary in (True, False):
        tensor = http.InferInput("text", [2], "BYTES")
        tensor.set_data_from_numpy(texts, binary_data=binary)
        outputs = None if binary else [http.InferRequestedOutput("probabilities", binary_data=False)]
        said = client.infer("text", [tensor], outputs=outputs)
        np.testing.assert_array_equal(said.as_numpy("probabilities"), known.predict_proba(list(texts)))
    assert said.as_numpy("label") is None
    walk: Any = ricorda.load(models["walk"])
    for number, row in enumerate(WALK):
        tensor = http.InferInput("numbers", [1, 3], "FP64")
        tensor.set_data_from_numpy(row[None])
        place = {"sequence_start": number == 0, "sequence_end": number == 4}
        said = client.infer("walk", [tensor], sequence_id="session-7", **place)
        assert said.as_numpy("predictions").ravel().tolist() == walk.predict([WALK[: number + 1]]).tolist()
    with pytest.raises(
        http.InferenceServerException if hasattr(http, "InferenceServerException") else Exception
    ) as error:
        client.infer("walk", [tensor], sequence_id="session-7")
    assert "sequence_start" in str(error.value)
    client.close()
