"""Servers in processes of their own: signals, models that are replaced, processes that are killed."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import ricorda
from ricorda import SequenceRegressor
from ricorda.serve.server import run
from ricorda.serve.settings import Settings

STEP = json.dumps({"step": [1.0, 2.0, 3.0]})


def _stream(address: str) -> AbstractContextManager[ClientConnection]:
    return connect(address.replace("http", "ws") + "/stream", max_size=None)


def _ask(stream: ClientConnection, text: str) -> Any:
    stream.send(text)
    return json.loads(stream.recv(timeout=60))


def _step(client: httpx.Client, id: int, *, start: bool = False) -> httpx.Response:
    tensor = {"name": "numbers", "shape": [1, 3], "datatype": "FP64", "data": [1.0, 2.0, 3.0]}
    parameters = {"sequence_id": id, "sequence_start": start}
    return client.post("/v2/models/walk/infer", json={"inputs": [tensor], "parameters": parameters})


def test_a_server_that_is_told_to_end_gives_its_streams_their_state(
    models: dict[str, str], serving: Callable[..., Any]
) -> None:
    address, process = serving(f"walk={models['walk']}")
    with _stream(address) as stream, _stream(address) as silent:
        _ask(stream, STEP)
        second = _ask(stream, STEP)
        process.send_signal(signal.SIGTERM)
        for each in (stream, silent):
            assert "being stopped" in json.loads(each.recv(timeout=60))["closing"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(address + "/health", timeout=60)
        _ask(stream, '{"reset": true}')
        _ask(stream, STEP)
        state = _ask(stream, '{"save": true}')["state"]
        silent.close()
    assert process.wait(60) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    address, _ = serving(f"walk={models['walk']}")
    with _stream(address) as stream:
        assert _ask(stream, json.dumps({"resume": state})) == {"steps": 1}
        assert _ask(stream, STEP) == second


def test_a_model_is_replaced_without_a_lost_request(
    models: dict[str, str], serving: Callable[..., Any], tmp_path: Path
) -> None:
    walks = [np.full((3, 3), float(number)) for number in range(10)]
    how: Any = {"hidden_size": 4, "epochs": 1, "device": "cpu", "bidirectional": False}
    new = SequenceRegressor(**how, random_state=5).fit(walks, list(range(10)))
    folder = tmp_path / "model"
    old = ricorda.load(models["walk"])
    old.save(folder)
    address, _ = serving(f"walk={folder}", "--watch")
    answers, ended = list[httpx.Response](), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=60) as client:
            while not ended.is_set():
                answers.append(client.post("/predict", json={"input": [[1.0, 2.0, 3.0]]}))
                time.sleep(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        with _stream(address) as stream:
            before = _ask(stream, STEP)
            new.save(folder)
            said, end = before, time.monotonic() + 120
            while said == before and time.monotonic() < end:
                said = httpx.post(address + "/predict", timeout=60, json={"input": [[1.0, 2.0, 3.0]]}).json()
            assert said == next(iter(new.answers([[[1.0, 2.0, 3.0]]])))
            # A stream goes on with the model that it began with.
            assert _ask(stream, '{"reset": true}') == {"steps": 0}
            assert _ask(stream, STEP) == before
    finally:
        ended.set()
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.text for answer in answers} >= {json.dumps(before) + "\n", json.dumps(said) + "\n"}


def test_a_killed_process_loses_its_own_sessions_alone(models: dict[str, str], serving: Callable[..., Any]) -> None:
    address, process = serving(f"walk={models['walk']}", "--workers", 2)
    _wait_until(lambda: httpx.get(address + "/health", timeout=60).status_code == 200)
    ids = range(1, 13)
    stack = ExitStack()
    with stack, httpx.Client(base_url=address, headers={"connection": "close"}, timeout=60) as client:
        _wait_until(lambda: all(_step(client, id, start=True).status_code == 200 for id in ids))
        assert all(_step(client, id).status_code == 200 for id in ids)  # Whichever process a connection comes to.
        killed = _children(process)[-1]
        files = len(os.listdir(f"/proc/{killed}/fd"))
        streams = [stack.enter_context(_stream(address)) for _ in range(8)]
        first = [_ask(stream, STEP) for stream in streams]
        assert len({json.dumps(one) for one in first}) == 1
        its_own = len(os.listdir(f"/proc/{killed}/fd")) - files
        os.kill(killed, signal.SIGKILL)
        _wait_until(lambda: all(_alive(client, id) for id in ids))
        statuses = [_step(client, id).status_code for id in ids]
        assert set(statuses) == {200, 404}
        assert "sequence_start" in next(
            answer.json()["error"] for answer in (_step(client, id) for id in ids) if answer.status_code == 404
        )
        assert all(_step(client, id, start=True).status_code == 200 for id in ids)
        ended = 0
        for stream in streams:
            try:
                assert _ask(stream, '{"reset": true}') == {"steps": 0}
            except ConnectionClosed:
                ended += 1
        assert ended == its_own  # Those of the other process go on.
    assert process.poll() is None
    assert httpx.get(address + "/metrics", timeout=60).status_code == 200


def test_processes_end_with_the_one_that_started_them(models: dict[str, str], serving: Callable[..., Any]) -> None:
    address, process = serving(f"walk={models['walk']}", "--workers", 2)
    _wait_until(lambda: httpx.get(address + "/health", timeout=60).status_code == 200)
    workers = _children(process)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    _wait_until(lambda: not any(_runs(worker) for worker in workers))


def _runs(process: int) -> bool:
    """Whether a process is there, and not only waits to be forgotten."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _alive(client: httpx.Client, id: int) -> bool:
    try:
        return _step(client, id).status_code in (200, 404)
    except httpx.HTTPError:
        return False


def _wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def _children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that serve, of those that a process has started."""
    pids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    serving = [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [int(pid) for pid in serving]


def test_an_address_that_is_taken_is_said_so(models: dict[str, str], serving: Callable[..., Any]) -> None:
    address, _ = serving(f"walk={models['walk']}")
    with pytest.raises(ricorda.errors.ArgumentError, match="cannot be listened to"):
        run(Settings({"walk": models["walk"]}, port=int(address.rpartition(":")[2])))
