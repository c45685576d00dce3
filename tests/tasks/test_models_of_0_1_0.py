"""Models that version 0.1.0 wrote: they open, say what they said then, can be inspected, and their trainings resume.

Each folder in `models_0_1_0/` is a model as `save` wrote it, without its pictures; `training/` in it is the same
training, stopped halfway. `said.json` has the examples and what 0.1.0 computed from them, to eight digits.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ricorda
from ricorda.insight import gates_of, gradient_flow, memory_of

MODELS = Path(__file__).parent / "models_0_1_0"
NAMES = ("classify", "regress", "tag", "translate", "language", "forecast", "own_cell")

OUTPUTS: dict[str, Callable[[Any, Any], Any]] = {
    "classify": lambda model, X: model.predict_proba(X),
    "regress": lambda model, X: model.predict(X),
    "tag": lambda model, X: model.predict_proba(X),
    "translate": lambda model, X: [[(best.text, best.score) for best in beam] for beam in model.translate(X)],
    "language": lambda model, X: [model.score_tokens(text) for text in X],
    "forecast": lambda model, X: model.predict(X),
    "own_cell": lambda model, X: model.predict_proba(X),
}


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest) -> Path:
    return MODELS / str(request.param)


@pytest.fixture
def said(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    if not isinstance(said["X"][0], str) and not isinstance(said["X"][0][0], str):
        said["X"] = [np.array(x) for x in said["X"]]
    return said


def assert_alike(now: Any, then: Any) -> None:
    """The same structure and texts, and numbers within the rounding of float32 sums of another processor."""
    if isinstance(then, dict):
        assert now.keys() >= then.keys()
        for name in then:
            assert_alike(now[name], then[name])
    elif isinstance(then, list):
        assert len(now) == len(then)
        for one, other in zip(now, then, strict=True):
            assert_alike(one, other)
    elif isinstance(then, float):
        assert float(now) == pytest.approx(then, rel=1e-4, abs=1e-5)
    else:
        assert now == then


def test_they_open_and_predict_the_same_numbers(folder: Path, said: dict[str, Any]) -> None:
    model = ricorda.load(folder)
    assert model._json_parameters() == said["parameters"]
    assert_alike(OUTPUTS[folder.name](model, said["X"]), said["outputs"])


def test_they_are_saved_as_they_were(folder: Path, tmp_path: Path) -> None:
    ricorda.load(folder).save(tmp_path)
    config, before = (json.loads((each / "config.json").read_text(encoding="utf-8")) for each in (tmp_path, folder))
    for name in ("sha256", "ricorda_version"):
        del config[name], before[name]
    assert config == before
    for name in ("history.jsonl", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_they_can_be_inspected(folder: Path, said: dict[str, Any]) -> None:
    model, first = ricorda.load(folder), said["X"][0]
    seen = said["seen"]
    assert_alike(gates_of(model, first).values, seen["gates"])
    assert_alike(memory_of(model, first).columns(), seen["memory"])
    flow = gradient_flow(model, said["X"][:2], jacobians=False, steps=3)
    assert_alike(json.loads(json.dumps(flow.to_json())), seen["gradient_flow"])


def test_their_trainings_resume(
    folder: Path, said: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(MODELS)  # where the file of the cell of one's own is
    shutil.copytree(folder / "training", tmp_path / "training")
    kind = type(ricorda.load(folder))
    cell = {} if said["cell"] is None else {"cell": said["cell"]}
    model = kind(**{**said["parameters"], **cell})
    # Then the first epoch with the best score was kept, of however few validation examples.
    monkeypatch.setattr("ricorda.tasks.scores.LEAST_TO_CHOOSE", 0)
    monkeypatch.setattr("ricorda.training.run.best_of", lambda history: max(history, key=lambda epoch: epoch["score"]))
    model.fit(said["X"], said["y"], folder=tmp_path / "training", resume=True)
    assert_alike([epoch["loss"] for epoch in model.history_], said["losses"])
    assert_alike(OUTPUTS[folder.name](model, said["X"]), said["outputs"])


def test_opening_a_model_does_not_import_torchs_compiler() -> None:
    folders = [str(MODELS / name) for name in NAMES]
    code = f"import sys, ricorda; [ricorda.load(name) for name in {folders}]; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"
