"""A task that nothing in `src/` knows of is as any other: `pair_task.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pair_task
import pytest
from command_line import Command
from pair_task import PairClassifier

import ricorda
from ricorda.insight import compare, gates_of, gradient_flow, memory_of
from ricorda.tasks import registry

WORDS = ["red", "green", "blue", "white"]
X = [(f"the {a} house", f"a {b} door") for a in WORDS for b in WORDS] * 6
Y = ["same" if a.split()[1] == b.split()[1] else "other" for a, b in X]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    registry.register(PairClassifier)
    yield
    del registry.TASKS["pair"]


def small(**parameters: Any) -> PairClassifier:
    return PairClassifier(
        **{"epochs": 30, "batch_size": 8, "learning_rate": 0.01, "random_state": 0, "device": "cpu", **parameters}
    )


def test_it_is_short() -> None:
    assert len(Path(pair_task.__file__).read_text(encoding="utf-8").splitlines()) <= 120


def test_it_is_as_any_other_task(tmp_path: Path, ricorda_command: Command) -> None:
    model = small().fit(X, Y)
    assert model.score(X, Y) == 1.0
    model.save(tmp_path / "model")
    again = ricorda.load(tmp_path / "model")
    assert type(again) is PairClassifier
    assert again.predict(X).tolist() == model.predict(X).tolist() == Y
    shown = ricorda_command("info", tmp_path / "model").out
    for words in ("task", "pair", "other, same", "sigmoid", "accuracy"):
        assert words in shown
    assert "hidden_size : int" in str(PairClassifier.__doc__)
    refused = ricorda_command("predict", tmp_path / "model", "a text").sentence
    assert refused == "the task 'pair' has no commands: use ricorda.load(FOLDER) in Python"


def test_it_goes_through_insight(tmp_path: Path) -> None:
    model = small(epochs=2).fit(X, Y)
    memory = memory_of(model, X[0])
    assert memory.tokens == ("the", "red", "house")
    assert memory.columns().keys() == {"written", "left"}
    assert gates_of(model, X[0]).values["f"].shape == (3, 16)
    assert gradient_flow(model, X[:4], jacobians=False).states
    found = compare(small(epochs=2), X, Y, cells=("rnn", "gru"), seeds=1, folder=tmp_path)
    assert found.task == "pair"
    assert np.isfinite(found.scores).all()
