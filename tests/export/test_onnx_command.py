"""`ricorda export onnx` and `ricorda predict model.onnx`: all tasks, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from command_line import Command
from onnx_files import OnnxFile, off
from small_models import TEXTS
from small_taggers import SENTENCES, TAGS, small_tagger
from task_cases import CASES

import ricorda
from ricorda import ArgumentError, DataError, LanguageModel, export
from ricorda.data.series import read_series
from ricorda.export.to_onnx import session
from ricorda.export.to_onnx.run import open_exported
from ricorda.nn import GRU


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernels are compiled: it would take most of the time."""
    monkeypatch.setenv("RICORDA_ENGINE", "reference")


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier, `model`, and what it becomes, `model.onnx`; not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(trained / "model", folder / "model")
    export.onnx(ricorda.load(folder / "model"), folder / "model.onnx")
    return folder


@pytest.mark.parametrize("task", CASES)
def test_the_command_predicts_by_the_file_what_it_predicts_by_the_folder(
    task: str, folder: Path, ricorda_command: Command
) -> None:
    case = CASES[task]
    case.commands.write()
    options = {"classify": {"validation_fraction": 0.2}, "forecast": {"context": 4, "horizon": 2}}
    X: Any = case.X
    if task == "forecast":
        X = read_series("data.csv", targets=["value"])
    if task == "language":
        X = Path("data.txt").read_text(encoding="utf-8")
    case.make(**options.get(task, {})).fit(X, case.y).save("model")
    done = ricorda_command("export", "onnx", "model", "--out", "out/model.onnx")
    assert (done.code, done.err) == (0, "")
    wanted = ricorda_command("predict", "model", *case.commands.predict)
    said = ricorda_command("predict", "out/model.onnx", *case.commands.predict)
    assert (wanted.code, said.code) == (0, 0), said
    assert said.out == wanted.out
    reports = []
    for place in ("model", "out/model.onnx"):
        reports.append(json.loads(ricorda_command("evaluate", place, *case.commands.evaluate, "--json").out))
        reports[-1].pop("alternatives", None)  # A file does not hold the baseline that a model folder holds.
    assert off(reports[1], reports[0]) <= 1e-5


def test_the_tokenizer_of_the_model_folder_serves_too(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "model", tmp_path / "model")
    shutil.copy(exported / "model.onnx", tmp_path / "model" / "as.onnx")
    model: Any = open_exported(tmp_path / "model" / "as.onnx")
    assert model.predict(TEXTS).tolist() == ricorda.load(tmp_path / "model").predict(TEXTS).tolist()


# Models of which there is one kind only


def test_a_tagger_with_language_models(tmp_path: Path) -> None:
    text = "the cat sleeps\nDogs sleep !\n" * 4
    options: dict[str, Any] = {"hidden_size": 4, "embedding_size": 3, "epochs": 1, "random_state": 0, "window": 9}
    for name, reverse in (("forward", False), ("backward", True)):
        LanguageModel(**options, reverse=reverse, device="cpu").fit(text).save(tmp_path / name)
    model = small_tagger(epochs=2, pretrained=[tmp_path / "forward", tmp_path / "backward"]).fit(SENTENCES, TAGS)
    export.onnx(model, tmp_path / "model.onnx")
    again: Any = open_exported(tmp_path / "model.onnx")
    assert again.predict(SENTENCES) == model.predict(SENTENCES)
    for said, wanted in zip(again.predict_proba(SENTENCES), model.predict_proba(SENTENCES), strict=True):
        assert np.abs(said - wanted).max() <= 1e-6
    one_way = small_tagger(epochs=1, bidirectional=False, pretrained=tmp_path / "forward").fit(SENTENCES, TAGS)
    with pytest.raises(ArgumentError, match="reads whole sentences by language models"):
        export.onnx(one_way, tmp_path / "step.onnx", form="step")


def test_a_language_model_that_begins_with_a_vector(tmp_path: Path) -> None:
    model = CASES["language"].make(num_layers=2)
    model.fit(["aaaa", "bbbb"] * 4, condition=[[1.0, 0.0], [0.0, 1.0]] * 4)
    export.onnx(model, tmp_path / "model.onnx")
    run = OnnxFile(tmp_path / "model.onnx")
    ids = torch.tensor([[1, 2], [3, 3], [4, 4]]) % len(model.reader_.vocabulary)
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    said = run(ids=ids, lengths=[3, 2], condition=vectors)
    with torch.no_grad():
        y, (h, _) = model.network_(ids, model.network_.initial(vectors), torch.tensor([3, 2]))
        wanted = model.network_.output.log_probabilities(y.flatten(0, 1)).view(3, 2, -1)
    assert np.abs(said["log_probabilities"] - wanted.numpy())[:2].max() <= 1e-6
    assert np.abs(said["h_out"] - h.numpy()).max() <= 1e-6
    with pytest.raises(ArgumentError, match="begins with a vector"):
        export.onnx(model, tmp_path / "step.onnx", form="step")


def test_music(tmp_path: Path) -> None:
    model = CASES["language"].make().fit([[[60], [62, 64], []]] * 4)
    for form in ("sequence", "step"):
        export.onnx(model, tmp_path / f"{form}.onnx", form=form)
    keys = (torch.rand(5, 2, 88) < 0.1).float()
    states = {name: np.zeros((1, 2, 6), np.float32) for name in ("h_in", "c_in")}
    said = OnnxFile(tmp_path / "sequence.onnx")(keys=keys, lengths=[5, 5], **states)
    with torch.no_grad():
        wanted = model.network_.output(model.network_(keys, None)[0]).sigmoid().numpy()
    assert np.abs(said["probabilities"] - wanted).max() <= 1e-6
    first = OnnxFile(tmp_path / "step.onnx")(keys=keys[0], **states)
    assert np.abs(first["probabilities"] - wanted[0]).max() <= 1e-6


# What is refused


def _metadata(key: str, value: str | None) -> Callable[[Path], None]:
    """Change or leave out what a file says of itself."""

    def change(path: Path) -> None:
        model = onnx.load(path)
        told = {p.key: p.value for p in model.metadata_props} | {f"ricorda.{key}": value}
        onnx.helper.set_model_props(model, {k: v for k, v in told.items() if v is not None})
        onnx.save(model, path)

    return change


def _foreign(path: Path) -> None:
    x = onnx.helper.make_tensor_value_info("x", 1, ["B"])
    y = onnx.helper.make_tensor_value_info("y", 1, ["B"])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Tanh", ["x"], ["y"])], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _other_tokenizer(path: Path) -> None:
    tokenizer = path.with_name("model.tokenizer.json")
    tokenizer.write_text(tokenizer.read_text(encoding="utf-8").replace("film", "movie"), encoding="utf-8")


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (Path.unlink, "cannot be read (No such file or directory)"),
    "a folder": (_as_folder, "cannot be read (Is a directory)"),
    "empty": (lambda path: path.write_bytes(b""), "is no model that ONNX Runtime can open"),
    "no model": (lambda path: path.write_bytes(b"text,label\n" * 50), "is no model that ONNX Runtime can open"),
    "cut short": (_cut, "is no model that ONNX Runtime can open"),
    "foreign": (_foreign, "is a model of ONNX that ricorda did not write"),
    "a layer": (lambda path: export.onnx(GRU(2, 3), path), "holds a layer alone, for which there is no command"),
    "of another task": (_metadata("task", "sort"), "holds a model of the task 'sort'"),
    "without config": (_metadata("config", None), "lacks ricorda.config in its metadata"),
    "no JSON": (_metadata("config", "{"), "has no JSON as ricorda.config"),
    "deep JSON": (_metadata("config", "[" * 100_000), "has no JSON as ricorda.config"),
    "another config": (_metadata("config", '{"program": 5}'), "does not hold together"),
    "a list as tokenizers": (_metadata("tokenizers", "[1]"), "does not hold together"),
    "states that are none": (_metadata("states", '[{"a": 1}]'), "has no states as ricorda.states"),
    "without a tokenizer": (
        lambda path: path.with_name("model.tokenizer.json").unlink(),
        "model.tokenizer.json is miss",
    ),
    "another tokenizer": (_other_tokenizer, "model.tokenizer.json is not the tokenizer"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_cannot_serve_is_refused_in_one_sentence(
    damage: str, exported: Path, tmp_path: Path, ricorda_command: Command
) -> None:
    change, sentence = DAMAGED[damage]
    for name in ("model.onnx", "model.tokenizer.json"):
        shutil.copy(exported / name, tmp_path / name)
    change(tmp_path / "model.onnx")
    done = ricorda_command("predict", tmp_path / "model.onnx", "a film")
    assert sentence in done.sentence
    assert str(tmp_path / "model") in done.sentence


def test_a_file_that_is_too_large_is_not_read(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_BYTES", 1000)
    with pytest.raises(
        DataError, match=r"model\.onnx has [\d,]+ bytes, and a file of ONNX holds up to 2 GB: it is none"
    ):
        open_exported(exported / "model.onnx")


def test_without_onnx_runtime_the_extra_is_named(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r"onnxruntime is missing: install it with `pip install 'ricorda\[onnx\]'`"):
        open_exported(exported / "model.onnx")


def test_half_a_file_is_never_left(exported: Path, tmp_path: Path, ricorda_command: Command) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = ricorda_command("export", "onnx", exported / "model", "--out", tmp_path / "file" / "model.onnx")
    assert "is a file where a folder is needed" in done.sentence
    (tmp_path / "model.onnx").mkdir()
    done = ricorda_command("export", "onnx", exported / "model", "--out", tmp_path / "model.onnx")
    assert "it is a folder where a file is needed" in done.sentence
    done = ricorda_command("export", "onnx", exported / "model", "--out", tmp_path / "m.onnx", "--form", "both")
    assert done.sentence == "--form is 'both': give 'sequence' or 'step'"
    assert not (tmp_path / "m.onnx").exists()


def test_a_forecaster_needs_a_series_to_go_on_from(folder: Path, ricorda_command: Command) -> None:
    model = CASES["forecast"].make(context=4).fit([np.arange(40.0) % 7])
    export.onnx(model, "model.onnx")
    assert "give the one to go on from (--file)" in ricorda_command("predict", "model.onnx").sentence
