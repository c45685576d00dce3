"""Whether processes are alive: what one concludes of what it hears, and of what it does not."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch.distributed as dist

from ricorda.errors import ArgumentError
from ricorda.training import heartbeat
from ricorda.training.heartbeat import Heartbeat, key_of, silence, within

NAMES = ["process 0 on a", "process 1 on b"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RICORDA_SILENCE", "1")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    store = dist.HashStore()
    for rank in range(2):
        store.set(key_of(rank), "")
    return store


@pytest.fixture
def listen() -> Iterator[Callable[[Any], list[str]]]:
    beating: list[Heartbeat] = []

    def listen(store: Any) -> list[str]:
        said: list[str] = []
        beating.append(Heartbeat(store, NAMES, 0, said.append))
        return said

    yield listen
    for one in beating:
        one.stop()


def test_who_is_silent_is_lost_and_named(store: Any, listen: Any) -> None:
    said, began = listen(store), time.monotonic()
    while not said:
        assert time.monotonic() < began + 10
        time.sleep(0.02)
    assert time.monotonic() - began > 0.9
    assert said[0] == (
        "the training cannot go on, because process 1 on b was not heard of for 1 s; what was learned is kept by the "
        "last checkpoint: start all again with --resume"
    )


def test_who_speaks_or_has_ended_as_it_should_is_not_lost(store: Any, listen: Any) -> None:
    said = listen(store)
    for beat in range(20):
        store.set(key_of(1), f"alive {beat}")
        time.sleep(0.1)
    store.set(key_of(1), "done")
    time.sleep(1.6)
    assert said == []


def test_its_own_end_is_said(store: Any) -> None:
    one = Heartbeat(store, NAMES, 0, pytest.fail)
    one.stop()
    assert store.get(key_of(0)) == b"done"


class Gone:
    """A store whose machine is no more."""

    def __init__(self, waits: bool) -> None:
        self.waits = waits

    def set(self, *_: Any) -> None:
        if self.waits:
            threading.Event().wait(60)
        raise RuntimeError("Broken pipe")


@pytest.mark.parametrize(("waits", "why"), [(True, "did not answer for 1 s"), (False, "closed its connection")])
def test_a_store_that_has_gone_is_noticed(store: Any, listen: Any, waits: bool, why: str) -> None:
    said, began = listen(Gone(waits)), time.monotonic()
    while not said:
        assert time.monotonic() < began + 10
        time.sleep(0.02)
    assert f"because the torchrun of process 0 on a {why};" in said[0]


def test_a_process_whose_torchrun_has_ended_ends(store: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said, began = listen(store), time.monotonic()
    monkeypatch.setattr(os, "getppid", lambda: 1_000_000)
    while not said:
        assert time.monotonic() < began + 10
        time.sleep(0.02)
    assert "because the torchrun that started it has ended;" in said[0]


def test_nobody_waits_for_a_store_that_does_not_answer() -> None:
    began = time.monotonic()
    assert within(lambda: time.sleep(60), seconds=0.1) is None
    assert time.monotonic() - began < 5
    assert within(lambda: 3) == 3


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf"])
def test_a_silence_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RICORDA_SILENCE", text)
    with pytest.raises(ArgumentError, match="RICORDA_SILENCE is "):
        silence()
    monkeypatch.delenv("RICORDA_SILENCE")
    assert silence() == heartbeat.USUAL
