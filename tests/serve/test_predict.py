"""`POST /predict` answers, byte for byte, what `ricorda predict --json` prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Command
from starlette.testclient import TestClient

TEXTS = {
    "classify": ["a warm and funny film", "dull", "füße, “quoted” & more"],
    "tag": ["the cat sleeps", "Dogs !"],
    "translate": ["one and two", "three"],
    "language": ["the dog", "a cat sat"],
    "text": ["a film", "the worst end of it all"],
}
ROWS = [{"x": [[0.5], [1.0]]}, {"x": [[2.0]]}]


@pytest.mark.parametrize("model", TEXTS)
def test_texts_are_answered_as_the_command_does(
    model: str, models: dict[str, str], client: TestClient, ricorda_command: Command
) -> None:
    texts = TEXTS[model]
    printed = ricorda_command("predict", models[model], *texts, "--json")
    assert printed.code == 0, printed.err
    many = client.post("/predict", json={"model": model, "inputs": texts})
    assert many.content == ("[" + ", ".join(printed.out.splitlines()) + "]\n").encode()
    assert many.json()
    lines = client.post("/predict", json={"model": model, "inputs": texts}, headers={"accept": "application/x-ndjson"})
    assert lines.content == printed.out.encode()
    one = ricorda_command("predict", models[model], texts[0], "--json").out
    assert client.post("/predict", json={"model": model, "input": texts[0]}).content == one.encode()


def test_numbers_are_answered_as_the_command_does(
    models: dict[str, str], client: TestClient, ricorda_command: Command, tmp_path: Path
) -> None:
    walks = [[[0.5, 1.0, -1.0], [1.0, 0.25, 3.0]], [[2.0, 0.0, 0.125]]]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps({"x": walk}) + "\n" for walk in walks), encoding="utf-8")
    for model in ("walk", "label"):
        printed = ricorda_command("predict", models[model], "--file", tmp_path / "data.jsonl", "--text", "x", "--json")
        assert printed.code == 0, printed.err
        answer = client.post(
            "/predict", json={"model": model, "inputs": walks}, headers={"accept": "application/x-ndjson"}
        )
        assert answer.content == printed.out.encode()


def test_a_forecast_is_answered_as_the_command_does(
    client: TestClient, ricorda_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ricorda.serve.app import application
    from ricorda.serve.settings import Settings

    monkeypatch.chdir(tmp_path)
    rows = [{"day": f"2024-01-{day:02}", "sales": float(day % 5)} for day in range(1, 29)]
    Path("data.csv").write_text(
        "day,sales\n" + "".join(f"{row['day']},{row['sales']}\n" for row in rows), encoding="utf-8"
    )
    options = ("--target", "sales", "--horizon", "2", "--context", "4", "--hidden-size", "4", "--epochs", "1")
    assert ricorda_command("train", "forecast", "data.csv", *options, "--out", "model").code == 0
    with TestClient(application(Settings({"m": "model"})), base_url="http://127.0.0.1") as server:
        asked: list[tuple[dict[str, Any], tuple[str, ...]]] = [
            ({}, ()),
            ({"input": rows}, ("--file", "data.csv")),
            ({"input": rows, "options": {"horizon": 1}}, ("--file", "data.csv", "--horizon", "1")),
        ]
        for body, command in asked:
            printed = ricorda_command("predict", "model", *command, "--json").out
            assert server.post("/predict", json=body, headers={"accept": "application/jsonl"}).text == printed
            assert server.post("/predict", json=body).text == "[" + ", ".join(printed.splitlines()) + "]\n"
        refused = server.post("/predict", json={"input": [{"day": "2024-01-01"}]})
        assert refused.status_code == 422
        assert refused.json()["error"].startswith("input has no column 'sales'")


def test_options_are_those_of_the_command(models: dict[str, str], client: TestClient, ricorda_command: Command) -> None:
    printed = ricorda_command("predict", models["translate"], "one and two", "--n-best", "2", "--json").out
    asked = {"model": "translate", "input": "one and two", "options": {"n_best": 2}}
    assert client.post("/predict", json=asked).text == printed


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "no JSON"),
        (b'{"input": "\xff"}', 400, "UTF-8"),
        (b"[" * 100_000, 400, "JSON"),
        ({"model": "nobody", "input": "a"}, 404, "there is no model 'nobody'"),
        ({"input": "a"}, 422, "model is missing"),
        ({"model": "text"}, 422, "input is missing"),
        ({"model": "text", "input": "a", "inputs": ["a"]}, 422, "one of them"),
        ({"model": "text", "inputs": []}, 422, "inputs is invalid"),
        ({"model": "text", "input": ""}, 422, "input"),
        ({"model": "text", "inputs": ["a", 5]}, 422, "inputs[1] is a number"),
        ({"model": "text", "input": None}, 422, "null"),
        ({"model": "text", "input": "a", "other": 1}, 422, "other"),
        ({"model": "text", "input": "a", "options": {"beam_size": 3}}, 422, "'beam_size' is no option"),
        ({"model": "text", "input": "\ud800"}, 422, "surrogate"),
        ({"model": "walk", "input": [[1.0, 2.0]]}, 422, "2 features"),
        ({"model": "walk", "input": [[1.0, 2.0, 10**400]]}, 422, "input"),
        ({"model": "walk", "input": [[1.0, None, 3.0]]}, 422, "input"),
        ({"model": "tag", "input": " "}, 422, "input is empty"),
        ({"model": "translate", "input": "one", "options": {"n_best": 10**9}}, 422, "n_best"),
        ({"model": "forecast", "input": [["a"]]}, 422, "numbers"),
        ({"model": "text", "input": "x" * 5_000_000}, 413, "bytes"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    client: TestClient, body: Any, status: int, says: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]


def test_one_wrong_input_does_not_spoil_the_requests_beside_it(models: dict[str, str]) -> None:
    import asyncio

    from ricorda.errors import DataError
    from ricorda.serve.batching import Batcher, Inputs
    from ricorda.serve.models import Served

    served = Served.open("text", models["text"])
    assert served.together

    async def ask() -> list[Any]:
        batcher = Batcher("text")
        wanted = [["a film"], ["b", 5], ["the worst", "of all"]]
        asked = [batcher.answers(served.model, True, Inputs(inputs), {}, 10.0) for inputs in wanted]
        try:
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            batcher.end()

    first, wrong, last = asyncio.run(ask())
    assert isinstance(wrong, DataError)
    assert "inputs[1]" in str(wrong)
    assert [len(first), len(last)] == [1, 2]


def test_requests_that_wait_are_answered_together(models: dict[str, str]) -> None:
    import asyncio

    from ricorda.serve.batching import Batcher, Inputs
    from ricorda.serve.models import Served

    served, sizes = Served.open("text", models["text"]), list[int]()
    texts = [" ".join(["film", "worst", "loved", "end"][: 1 + number % 4]) for number in range(40)]
    alone = [next(iter(served.model.answers([text]))) for text in texts]

    async def ask() -> list[Any]:
        batcher = Batcher("text", sizes.append)
        asked = [batcher.answers(served.model, True, Inputs([text]), {}, 10.0) for text in texts]
        try:
            return await asyncio.gather(*asked)
        finally:
            batcher.end()

    answers = asyncio.run(ask())
    assert [json.loads(line) for ((line,),) in answers] == alone
    assert sum(sizes) == 40
    assert max(sizes) > 20


def test_cells_that_read_inputs_in_other_ways_are_not_answered_together(tmp_path: Path) -> None:
    import numpy as np

    from ricorda import SequenceRegressor
    from ricorda.serve.models import Served

    walks = [np.ones((3, 2)) * number for number in range(10)]
    model = SequenceRegressor(cell="mogrifier", hidden_size=4, epochs=1, device="cpu").fit(walks, list(range(10)))
    model.save(tmp_path / "m")
    assert not Served.open("m", str(tmp_path / "m")).together


def test_text_is_written_as_events(client: TestClient, models: dict[str, str]) -> None:
    import ricorda

    asked = {"model": "chars", "prompt": "the c", "length": 8, "temperature": 0, "seed": 1}
    with client.stream("POST", "/generate", json=asked) as answer:
        events = "".join(answer.iter_text()).split("\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    pieces = [json.loads(event.removeprefix("data: "))["text"] for event in events if event.startswith("data: ")]
    model: Any = ricorda.load(models["chars"])
    assert pieces == list(model.generate("the c", length=8, temperature=0))
    assert events[-2] == 'event: end\ndata: {"pieces": 8}'
    with client.stream("POST", "/generate", json={"model": "translate", "prompt": "one and two"}) as answer:
        text = "".join(answer.iter_text())
    assert json.loads(text.split("\n")[0].removeprefix("data: "))["source"] == "one and two"
    assert client.post("/generate", json={"model": "text", "prompt": "a"}).status_code == 422
