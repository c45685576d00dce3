"""`ricorda export hub`: a folder as the Hugging Face Hub reads it."""

import os
from pathlib import Path

import pytest
from command_line import Command
from small_models import LABELS, TEXTS, small

import ricorda


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "model"
    small(validation_fraction=0.2).fit(TEXTS, LABELS).save(folder)
    (folder / "training").mkdir()
    (folder / "training" / "checkpoint").write_bytes(b"large")
    return folder


def test_a_folder_to_upload(model: Path, tmp_path: Path, ricorda_command: Command) -> None:
    hub = pytest.importorskip("huggingface_hub")
    out = tmp_path / "up"
    done = ricorda_command("export", "hub", model, "--out", out, "--license", "mit", "--language", "it")
    assert done.code == 0, done.err
    assert sorted(os.listdir(out)) == sorted(set(os.listdir(model)) - {"training"})
    card = hub.ModelCard.load(out / "README.md")
    assert (card.data.license, card.data.language, card.data.pipeline_tag) == ("mit", ["it"], "text-classification")
    assert sorted(card.data.metrics) == ["accuracy", "f1"]
    before = ricorda.load(model)
    assert ricorda.load(out).predict(TEXTS[:4]).tolist() == before.predict(TEXTS[:4]).tolist()
    assert card.text.strip() == hub.ModelCard.load(model / "README.md").text.strip()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--license", "MIT License"], "license is 'MIT License': give an identifier as the Hub has it"),
        (["--language", "italian"], "language 'italian' is no code of ISO 639"),
    ],
)
def test_what_the_hub_would_refuse(
    options: list[str], words: str, model: Path, tmp_path: Path, ricorda_command: Command
) -> None:
    assert words in ricorda_command("export", "hub", model, "--out", tmp_path / "up", *options).sentence
    assert not (tmp_path / "up").exists()


def test_a_folder_of_other_files_stays(model: Path, tmp_path: Path, ricorda_command: Command) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    assert str(tmp_path) in ricorda_command("export", "hub", model, "--out", tmp_path).sentence
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


def test_examples_held_out_in_turns_are_the_result(model: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    few = ricorda.load(model)
    few.summary_ |= {"in_turns": 0.725, "alternatives": {"measure": "accuracy", "values": {"guessing": 0.5}}}
    few.save(tmp_path / "few")
    (result,) = hub.ModelCard.load(tmp_path / "few" / "README.md").data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.725)
    assert result.dataset_name == "examples held out in turns"
