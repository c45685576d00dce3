"""The room of exports: its functions, its commands, and what all ways refuse alike."""

import json
import subprocess
import sys

import pytest
import torch
from small_models import LABELS, TEXTS, small

import ricorda
from ricorda import export
from ricorda.cli.export import app

WAYS = [name for name in export.__all__ if name.islower()]
ENDINGS = {"c": "h", "onnx": "onnx", "page": "html", "wasm": "wasm"}


def test_the_functions_are_there_from_the_package_alone_and_import_nothing_heavy() -> None:
    code = (
        "import json, sys, ricorda\n"
        "names = dir(ricorda.export)\n"
        "print(json.dumps([names, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, modules = json.loads(done.stdout)
    assert names == export.__all__
    assert not {"torch", "numpy", "onnx"} & set(modules)
    for name in names:
        assert getattr(ricorda.export, name).__name__ == name
    with pytest.raises(AttributeError, match=r"module 'ricorda\.export' has no attribute 'fortran'"):
        _ = export.fortran


def test_every_way_out_is_a_function_and_a_command() -> None:
    assert sorted(app.info.cls.SUMMARIES) == sorted(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_holds_no_model_is_refused_in_one_sentence(way, tmp_path, ricorda_command) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        done = ricorda_command("export", way, tmp_path / folder, "--out", tmp_path / "out" / "model")
        assert str(tmp_path / folder) in done.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("way", [way for way in WAYS if way != "hub"])
@pytest.mark.parametrize("wrong", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(way: str, wrong: float, tmp_path) -> None:
    model = small(bidirectional=False).fit(TEXTS, LABELS)
    with torch.no_grad():
        model.network_.head.bias[1] = wrong
    with pytest.raises(ricorda.ArgumentError, match=f"head.bias has {wrong} among its weights"):
        getattr(export, way)(model, tmp_path / f"model.{ENDINGS[way]}")
    assert not list(tmp_path.iterdir())
