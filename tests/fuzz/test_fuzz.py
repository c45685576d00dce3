"""A short run over damaged files and model folders, always the same; `run.py` beside it makes long ones."""

import resource
import warnings
from pathlib import Path
from typing import Any

import pytest
from fuzz_folders import MODELS, damaged, saved_models, try_folder
from fuzz_readers import try_readers

from ricorda.engines.cpu.kernels.kernels import kernels_for
from ricorda.engines.cpu.words.target import host
from ricorda.program.ir import Program

TASKS = list(MODELS)[:6]
FOLDERS, FILES = 500, 60


def plan(model: Any) -> None:
    """Plan the kernels of a model's cell; machine code of so many would take minutes."""
    program: Program = model.program_
    kernels_for(program, ("weight_ih", "weight_hh", "bias_ih"), host(), training=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def test_damaged_model_folders_are_refused_or_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICORDA_ENGINE", "reference")
    models = saved_models(folder / "models", TASKS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = []
    for number in range(FOLDERS):
        saved = models[TASKS[number % len(TASKS)]]
        outcomes.append(try_folder(saved, damaged(saved, number), folder / "damaged", plan))
    assert outcomes.count("refused") > FOLDERS / 2
    assert outcomes.count("works") > FOLDERS / 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_damaged_files_are_read_or_refused_in_a_sentence(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = [(number, *each) for number in range(FILES) for each in try_readers(number, folder)]
    assert [each for each in outcomes if each[2] not in ("read", "refused")] == []
    assert {outcome for *_, outcome in outcomes} == {"read", "refused"}
