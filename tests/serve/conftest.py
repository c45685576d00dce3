"""Small models of all tasks, and servers: in the test's process, or in one of their own where signals matter."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from task_cases import CASES, TINY

from ricorda import LanguageModel, SequenceClassifier, SequenceRegressor, SequenceTagger

if TYPE_CHECKING:
    from starlette.testclient import TestClient

try:
    import fastapi  # noqa: F401
except ImportError:
    collect_ignore_glob = ["test_*.py"]  # The extra `serve` is not installed.

RANDOM = np.random.default_rng(0)
WALKS = [RANDOM.normal(size=(length, 3)) for length in RANDOM.integers(2, 12, size=20)]
TEXTS = ["a warm and funny film", "dull from start to end", "the worst of all", "i loved it"] * 5


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder of each task's small model by the task's name, and of some that take steps; not to be changed."""
    folder = tmp_path_factory.mktemp("served")
    made = {task: case.make().fit(case.X, case.y) for task, case in CASES.items()}
    one = {**TINY, "bidirectional": False}
    labels = ["good", "bad", "bad", "good"] * 5
    sums = [float(walk.sum()) for walk in WALKS]
    made["text"] = SequenceClassifier(**one, tokenizer="word", min_frequency=1).fit(TEXTS, labels)
    made["walk"] = SequenceRegressor(**one, cell="gru", pooling="mean").fit(WALKS, sums)
    made["label"] = SequenceClassifier(**one, num_layers=2, pooling="max").fit(WALKS, [str(s > 0) for s in sums])
    tags = [[word[0] for word in text.split()] for text in TEXTS]
    made["words"] = SequenceTagger(**one, character_hidden_size=0).fit([text.split() for text in TEXTS], tags)
    made["chars"] = LanguageModel(**TINY, window=5).fit("the cat sat on the mat\n" * 40)
    for name, model in made.items():
        model.save(folder / name)
    return {name: str(folder / name) for name in made}


@pytest.fixture
def client(models: dict[str, str]) -> Iterator["TestClient"]:
    """A server of all models in this process."""
    from servers import in_process

    from ricorda.serve.settings import Settings

    with in_process(Settings(models)) as client:
        yield client


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts `ricorda serve ...` in a process of its own; gives its address and the process."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: Any) -> tuple[str, subprocess.Popen[str]]:
            log = tmp_path / "log.txt"
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-m", "ricorda", "serve", *map(str, arguments), "--port", "0"]
            with log.open("w", encoding="utf-8") as file:
                process = subprocess.Popen(command, env=environment, stderr=file, text=True)
            stack.callback(_end, process)
            end = time.monotonic() + 240
            while "http://" not in (said := log.read_text(encoding="utf-8")):
                assert process.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.05)
            return "http://" + said.split("http://")[1].split()[0], process

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
