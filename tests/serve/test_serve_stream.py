"""Streams: one step in, one answer out; states that live with the connection, and are saved and resumed."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from servers import in_process
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

import ricorda
from ricorda.serve.settings import Settings
from ricorda.shown import json_line

WALK = np.random.default_rng(1).normal(size=(9, 3)).round(3).tolist()


def _ask(stream: WebSocketTestSession, **message: Any) -> Any:
    stream.send_text(json.dumps(message))
    return stream.receive_json()


def _steps(stream: WebSocketTestSession, steps: Any) -> Iterator[str]:
    for step in steps:
        stream.send_text(json.dumps({"step": step}))
        yield stream.receive_text()


@pytest.mark.parametrize("model", ["walk", "label", "text"])
def test_after_each_step_it_says_what_is_predicted_of_all_so_far(
    model: str, client: TestClient, models: dict[str, str]
) -> None:
    steps: list[Any] = ["the", "worst", "end", "of", "a", "warm", "and", "unknown", "film"] if model == "text" else WALK
    known: Any = ricorda.load(models[model])
    with client.websocket_connect(f"/stream?model={model}") as stream:
        said = list(_steps(stream, steps))
    wholes = [" ".join(steps[:n]) if model == "text" else steps[:n] for n in range(1, len(steps) + 1)]
    assert said == [json_line(next(iter(known.answers([whole]))))[:-1] for whole in wholes]


def test_a_tagger_says_the_tag_of_each_word(client: TestClient, models: dict[str, str]) -> None:
    words = ["the", "film", "was", "dull"]
    known: Any = ricorda.load(models["words"])
    (whole,) = known.answers([words])
    with client.websocket_connect("/stream?model=words") as stream:
        said = [json.loads(text) for text in _steps(stream, words)]
    assert [one["tag"] for one in said] == whole["tags"]
    np.testing.assert_allclose([one["probability"] for one in said], whole["probabilities"], rtol=1e-5)


def test_a_language_model_says_what_comes_next(client: TestClient, models: dict[str, str]) -> None:
    known: Any = ricorda.load(models["chars"])
    scores = known.score_tokens("the cat")
    with client.websocket_connect("/stream?model=chars") as stream:
        said = [json.loads(text) for text in _steps(stream, "the cat")]
    np.testing.assert_allclose([one["log_probability"] for one in said], [score for _, score in scores], rtol=1e-4)
    assert said[0]["next"][0]["token"] in "abcdefghijklmnopqrstuvwxyz \n"
    with client.websocket_connect("/stream?model=chars") as stream:
        assert json.loads(next(_steps(stream, ["the cat"])))["next"] == said[-1]["next"]
        assert "'Z'" in _ask(stream, step="Z")["error"]


def test_a_forecaster_forecasts_when_it_has_seen_enough(client: TestClient, models: dict[str, str]) -> None:
    known: Any = ricorda.load(models["forecast"])
    with client.websocket_connect("/stream?model=forecast") as stream:
        said = [json.loads(text) for text in _steps(stream, [0.5, 0.75])]
    assert said[-1]["forecast"][0]["y"]["value"] == known.predict(np.array([0.5, 0.75]))[0, 0]


@pytest.mark.parametrize("model", ["walk", "label", "text", "words", "chars", "forecast"])
def test_a_session_is_saved_and_resumed(model: str, client: TestClient) -> None:
    steps: Any = WALK if model in ("walk", "label") else ["a", "warm", "and", "funny"]
    steps = {"chars": list("the cat"), "forecast": [1.0, 2.0, 3.0]}.get(model, steps)
    with client.websocket_connect(f"/stream?model={model}") as stream:
        whole = list(_steps(stream, steps))
        assert _ask(stream, reset=True) == {"steps": 0}
        assert list(_steps(stream, steps[:2])) == whole[:2]
        state = _ask(stream, save=True)["state"]
    with client.websocket_connect(f"/stream?model={model}") as stream:
        assert _ask(stream, resume=state) == {"steps": 2}
        assert list(_steps(stream, steps[2:])) == whole[2:]
        for damaged in (
            {**state, "weights": "other"},
            {**state, "steps": -1},
            {**state, "steps": True},
            {**state, "arrays": {}},
            {**state, "format": 2},
            [],
            None,
            *(
                {**state, "arrays": {**state["arrays"], name: {**array, **wrong}}}
                for name, array in state["arrays"].items()
                for wrong in ({"data": "####"}, {"shape": [10**9]}, {"dtype": "|O"}, {"data": None}, {"shape": None})
            ),
        ):
            assert "state" in _ask(stream, resume=damaged)["error"], damaged


def test_bytes_are_answered_by_bytes(client: TestClient, models: dict[str, str]) -> None:
    known: Any = ricorda.load(models["label"])
    with client.websocket_connect("/stream?model=label") as stream:
        for step in WALK:
            stream.send_bytes(np.array(step, "<f4").tobytes())
            said = np.frombuffer(stream.receive_bytes(), "<f4")
        np.testing.assert_allclose(said, known.predict_proba([np.array(WALK, np.float32)])[0], rtol=1e-6)
        stream.send_bytes(b"12345")
        assert "5 bytes" in stream.receive_json()["error"]
    with client.websocket_connect("/stream?model=chars") as stream:
        stream.send_bytes(np.array([3], "<i4").tobytes())
        assert np.exp(np.frombuffer(stream.receive_bytes(), "<f4")).sum() == pytest.approx(1, rel=1e-5)
        stream.send_bytes(np.array([-1], "<i4").tobytes())
        assert "ids of tokens" in stream.receive_json()["error"]


@pytest.mark.parametrize(
    "message",
    ["{", "[1, 2, 3]", "{}", '{"step": [1, 2, 3], "save": true}', '{"step": [1, 2]}', '{"step": [1, 2, "a"]}',
     '{"step": [1, 2, NaN]}', '{"step": [1, 2, 1e999]}', '{"step": null}', '{"step": [1, 2, true]}', "[" * 100_000],
)  # fmt: skip
def test_a_wrong_message_is_answered_by_a_sentence_and_changes_nothing(client: TestClient, message: str) -> None:
    with (
        client.websocket_connect("/stream?model=walk") as stream,
        client.websocket_connect("/stream?model=walk") as other,
    ):
        first = next(_steps(stream, WALK[:1]))
        stream.send_text(message)
        assert list(stream.receive_json()) == ["error"]
        assert [first, *_steps(stream, WALK[1:3])] == list(_steps(other, WALK[:3]))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("translate", "takes no steps"),
        ("regress", "both ends"),
        ("nobody", "there is no model"),
    ],
)
def test_models_that_take_no_steps_are_refused(client: TestClient, model: str, says: str) -> None:
    with client.websocket_connect(f"/stream?model={model}") as stream:
        assert says in stream.receive_json()["error"]
        with pytest.raises(WebSocketDisconnect) as closed:
            stream.receive_json()
    assert closed.value.code == 1008


def test_sessions_are_counted_and_idle_ones_end(models: dict[str, str]) -> None:
    settings = Settings({"walk": models["walk"]}, max_sessions=2, idle=0.4)
    with in_process(settings) as client:
        with client.websocket_connect("/stream") as one, client.websocket_connect("/stream") as two:
            list(_steps(one, WALK[:1]))
            list(_steps(two, WALK[:1]))
            with client.websocket_connect("/stream") as three:
                assert "2 sessions" in three.receive_json()["error"]
            assert 'ricorda_sessions{kind="stream"}' in client.get("/metrics").text
            assert "not used for 0.4 s" in one.receive_json()["error"]
            with pytest.raises(WebSocketDisconnect) as closed:
                one.receive_json()
            assert closed.value.code == 1001
        with client.websocket_connect("/stream") as four:
            list(_steps(four, WALK[:1]))


def test_steps_that_wait_are_taken_together_and_are_those_of_one_alone(models: dict[str, str]) -> None:
    import asyncio

    from ricorda.serve.models import Served
    from ricorda.serve.stepping.queue import StepQueue

    stepped, sizes = Served.open("walk", models["walk"]).stepped, list[int]()
    queue = StepQueue(stepped, sizes.append)
    walks = np.random.default_rng(2).normal(size=(150, 4, 3)).tolist()

    async def walk(steps: Any) -> list[float]:
        session, said = stepped.begin(), []
        for step in steps:
            said.append(float((await queue.put(session, stepped.read(step)))[0]))
        return said

    async def together() -> Any:
        return await asyncio.gather(*map(walk, walks))

    said = asyncio.run(together())
    assert max(sizes) == 150
    assert said[:5] == [asyncio.run(walk(steps)) for steps in walks[:5]]
