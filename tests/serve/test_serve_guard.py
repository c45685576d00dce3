"""Who may ask, how much, and how long; and nothing of a request in a log."""

import json
import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ricorda.errors import ArgumentError
from ricorda.serve.app import application
from ricorda.serve.settings import Settings, named, read_tokens

TOKEN = "a-token-of-0123456789"


@pytest.fixture
def guarded(models: dict[str, str]) -> TestClient:
    settings = Settings({"walk": models["walk"]}, host="0.0.0.0", tokens=("other", TOKEN))
    return TestClient(application(settings), base_url="http://models.example")


def test_a_token_is_asked_for(guarded: TestClient) -> None:
    asked = {"json": {"input": [[1.0, 2.0, 3.0]]}}
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
        answer = guarded.post("/predict", **asked, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json()["error"]
        assert guarded.get("/openapi.json", headers=headers).status_code == 401
    assert guarded.post("/predict", **asked, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.get("/health").status_code == guarded.get("/v2/health/ready").status_code == 200


def test_a_stream_brings_its_token_in_a_header_or_the_first_message(guarded: TestClient) -> None:
    step = json.dumps({"step": [1.0, 2.0, 3.0]})
    with guarded.websocket_connect("/stream", headers={"authorization": f"Bearer {TOKEN}"}) as stream:
        stream.send_text(step)
        answer = stream.receive_json()
    with guarded.websocket_connect("/stream") as stream:
        stream.send_text(json.dumps({"token": TOKEN}))
        stream.send_text(step)
        assert stream.receive_json() == answer
    for first in (step, json.dumps({"token": "wrong"}), "{", json.dumps({"token": 5})):
        with guarded.websocket_connect("/stream") as stream:
            stream.send_text(first)
            assert "token" in stream.receive_json()["error"]
            with pytest.raises(WebSocketDisconnect):
                stream.receive_json()


def test_pages_of_other_sites_are_refused(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/stream?model=walk", headers={"origin": "http://other.example"}),
    ):
        pass
    asked = {"json": {"model": "text", "input": "a"}}
    assert client.post("/predict", **asked, headers={"origin": "http://other.example"}).status_code == 403
    assert client.post("/predict", **asked, headers={"origin": "http://127.0.0.1"}).status_code == 200
    with client.websocket_connect("/stream?model=walk", headers={"origin": "http://127.0.0.1"}) as stream:
        stream.send_text('{"reset": true}')
        assert stream.receive_json() == {"steps": 0}


def test_a_name_that_was_made_to_lead_here_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "other.example"}).status_code == 403
    assert client.get("/", headers={"host": "localhost:8000"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:8000"}).status_code == 200


def test_a_fault_tells_neither_client_nor_log_what_was_asked(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "the secret diagnosis"

    def fails(*arguments: object, **_: object) -> None:
        raise ValueError(f"cannot read {secret}")

    monkeypatch.setattr("ricorda.serve.batching.lines_of", fails)
    with caplog.at_level(logging.DEBUG):
        answer = client.post("/predict", json={"model": "text", "input": secret})
        client.post("/predict", json={"model": "nobody", "input": secret})
        client.post("/predict?x=" + secret, json={"model": "walk", "input": secret})
    assert answer.status_code == 500
    assert "fault" in answer.json()["error"]
    assert "ValueError" in caplog.text
    assert secret not in answer.text + caplog.text


def test_a_request_that_takes_too_long_is_told_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    let = threading.Event()

    def waits(*arguments: object) -> list[list[str]]:
        let.wait(20)
        return [["1\n"]]

    monkeypatch.setattr("ricorda.serve.batching.lines_of", waits)
    monkeypatch.setattr("ricorda.serve.predict.SECONDS", 0.2)
    answer = client.post("/predict", json={"model": "text", "input": "a"})
    let.set()
    assert answer.status_code == 503
    assert "longer than 0.2 s" in answer.json()["error"]


def test_too_much_that_waits_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ricorda.serve.batching.MOST_WAITING", 1)
    answer = client.post("/predict", json={"model": "text", "inputs": ["a", "b"]})
    assert (answer.status_code, "wait already" in answer.json()["error"]) == (429, True)


def test_a_server_that_is_being_stopped_refuses(client: TestClient) -> None:
    client.app.site.stopping = True  # type: ignore[attr-defined]
    assert client.post("/predict", json={"model": "text", "input": "a"}).status_code == 503
    assert client.get("/health").status_code == client.get("/v2/health/ready").status_code == 503
    assert client.get("/v2/health/live").status_code == 200
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/stream?model=walk"):
        pass


def test_the_page_of_addresses_asks_nothing_of_other_hosts(client: TestClient) -> None:
    page = client.get("/").text
    assert "/predict" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    assert "/v2/models/{name}/infer" in client.get("/openapi.json").json()["paths"]
    assert client.get("/predict").status_code == 405


def test_counts_are_told(client: TestClient) -> None:
    client.post("/predict", json={"model": "text", "inputs": ["a", "b"]})
    client.post("/predict", json={"model": "nobody", "input": "a"})
    text = client.get("/metrics").text
    assert 'ricorda_requests_total{route="/predict",status="200"} 1.0' in text
    assert 'ricorda_requests_total{route="/predict",status="404"} 1.0' in text
    assert 'ricorda_batch_inputs_sum{model="text"} 2.0' in text


def test_names_and_tokens_are_checked(tmp_path: Path) -> None:
    assert named(["a/b/", "x=c"]) == {"b": "a/b/", "x": "c"}
    for wrong in (["a", "b/a"], ["a b"], ["=a"], ["ü"]):
        with pytest.raises(ArgumentError):
            named(wrong)
    path = tmp_path / "tokens.txt"
    path.write_text("# mine\n\none\n two \n", encoding="utf-8")
    assert read_tokens(path) == ("one", "two")
    assert "one" not in repr(Settings({}, tokens=("one",)))
    for content in ("", "# none\n", "one two\n", "ü\n"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ArgumentError):
            read_tokens(path)
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_tokens(tmp_path / "none")


def test_a_body_without_a_length_is_no_larger_either(client: TestClient) -> None:
    parts = (b'{"input": "' if not number else b"x" * 2**20 for number in range(6))
    answer = client.post("/predict", content=parts, headers={"content-type": "application/json"})
    assert (answer.status_code, "bytes" in answer.json()["error"]) == (413, True)


def test_a_stream_that_brings_no_token_is_closed(guarded: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ricorda.serve.stream.TOKEN_COMES", 0.05)
    with guarded.websocket_connect("/stream") as stream:
        assert "token" in stream.receive_json()["error"]
