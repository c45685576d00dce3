"""Every task's model folder: the same model comes back, no code is run, damage is told; and its commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Command
from task_cases import CASES, Case

import ricorda
from ricorda.errors import ModelFolderError
from ricorda.tasks.folder import CONFIG, HISTORY, WEIGHTS, config_hash
from ricorda.tasks.metadata import METRICS
from ricorda.tasks.worth import IN_TURNS

GENERAL = {"task", "parameters", "program", "summary", "format_version", "ricorda_version", "sha256"}


@pytest.fixture(params=CASES, scope="module")
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def case(task: str) -> Case:
    return CASES[task]


@pytest.fixture(scope="module")
def model(case: Case) -> Any:
    """A trained model; not to be changed."""
    return case.make().fit(case.X, case.y)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change config.json as if it had been saved so, with its hash."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    change(config)
    config["sha256"][CONFIG] = config_hash(config)
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as caught:
        ricorda.load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert str(folder) in sentence
    return sentence


def test_an_opened_model_is_the_saved_one(case: Case, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "a")
    again = ricorda.load(tmp_path / "a")
    assert type(again) is type(model)
    assert again.cell == model.cell
    assert again._json_parameters() == model._json_parameters()
    assert (again.history_, again.summary_, again.program_) == (model.history_, model.summary_, model.program_)
    assert str(case.outputs(again, case.X)) == str(case.outputs(model, case.X))
    count = {id(weight): weight.numel() for weight in again.network_.parameters()}
    assert sum(count.values()) == model.summary_["weights"]  # what was tied is tied
    again.save(tmp_path / "b")
    names = sorted(os.listdir(tmp_path / "a"))
    assert {"README.md", CONFIG, HISTORY, "learning_curve.png", WEIGHTS} <= set(names)
    assert sorted(os.listdir(tmp_path / "b")) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert again.fit(case.X, case.y).n_iter_ == model.n_iter_


def test_the_card_and_the_picture_say_what_the_model_is(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    card = model._card()
    for words in (f"# {card.title}", card.does, *card.use, card.python, card.limits, f"seed {model.random_state}"):
        assert words in text
    assert f"{model.summary_['weights']:,} weights" in text
    if "score" in model.summary_["best"]:
        assert " | ".join(model.SCORES.values()) in text
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_hub_reads_the_card(model: Any, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    ricorda.export.hub(model, tmp_path / "m", license="cc-by-4.0", languages=["it", "en"])
    data = hub.ModelCard.load(tmp_path / "m" / "README.md").data
    assert (data.library_name, data.license, data.language) == ("ricorda", "cc-by-4.0", ["it", "en"])
    assert model.TASK in data.tags
    assert data.pipeline_tag == model._card().pipeline or not model._card().pipeline
    known = model.summary_["best"]
    if IN_TURNS in model.summary_:
        known = {model.summary_["alternatives"]["measure"]: model.summary_[IN_TURNS]}
    scores = {METRICS[name]: value for name, value in known.items() if name in METRICS}
    assert sorted(data.metrics or []) == sorted(scores)
    if data.pipeline_tag and scores:
        assert {result.metric_type: result.metric_value for result in data.eval_results} == scores
        assert all(result.task_type == data.pipeline_tag for result in data.eval_results)
    assert type(ricorda.load(tmp_path / "m")) is type(model)


def test_damage_is_told(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        content = path.read_bytes()
        if path.name in ("README.md", "learning_curve.png"):
            continue  # which nothing is read from
        path.write_bytes(content[:-3])
        assert str(path) in refusal(tmp_path)
        path.unlink()
        assert str(path) in refusal(tmp_path)
        path.write_bytes(content)
    config = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    for name in set(config) - GENERAL:
        for value in ([1], {"a": 1}, "no", -1, None):
            if value == config[name]:
                continue
            rewrite(tmp_path, lambda config, name=name, value=value: config.update({name: value}))
            refusal(tmp_path)
        rewrite(tmp_path, lambda changed, name=name: changed.pop(name))
        refusal(tmp_path)
        (tmp_path / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    for name in config["parameters"]:
        rewrite(tmp_path, lambda changed, name=name: changed["parameters"].pop(name))
        refusal(tmp_path)
        (tmp_path / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    ricorda.load(tmp_path)


AUDIT = """
import sys
import ricorda
from ricorda.tasks.metadata import METRICS
from task_cases import CASES
for folder in sys.argv[1:]:
    task = folder.rpartition("/")[2]
    CASES[task].outputs(ricorda.load(folder), CASES[task].X)  # what is imported on use is imported now
events = []
sys.addaudithook(lambda event, args: events.append((event, args)))
for folder in sys.argv[1:]:
    task = folder.rpartition("/")[2]
    CASES[task].outputs(ricorda.load(folder), CASES[task].X)
seen = [entry for entry in events if entry[0] in {"exec", "compile", "import", "pickle.find_class", "subprocess.Popen"}
        or entry[0] == "open" and str(entry[1][0]).endswith(".py")]
assert any(event == "open" for event, _ in events)  # the hook sees
assert not seen, seen
"""


def test_opening_runs_no_code(tmp_path: Path) -> None:
    for task, case in CASES.items():
        case.make(epochs=1).fit(case.X, case.y).save(tmp_path / task)
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, *map(str, tmp_path.iterdir())],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def test_its_commands_train_tell_predict_and_evaluate(
    task: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ricorda_command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = case.commands
    commands.write()
    arguments = ["train", task, *commands.train, "--device", "cpu", "--out", "model"]
    done = ricorda_command(*arguments, "--json")
    assert done.code == 0, done.err
    model = ricorda.load("model")
    assert type(model) is type(case.make())
    assert json.loads(done.out) == {"folder": "model", **model.summary_}
    shown = ricorda_command(*arguments, "--overwrite")
    assert f"the best of {model.summary_['epochs']} epochs is" in shown.out
    assert ricorda_command(*arguments).sentence.startswith("--out model holds a model already")
    assert json.loads(ricorda_command("info", "model", "--json").out)["task"] == task
    assert "weights" in ricorda_command("info", "model").out
    for command, more in (("evaluate", commands.evaluate), ("predict", commands.predict)):
        done = ricorda_command(command, "model", *more, "--json")
        assert (done.code, done.err) == (0, ""), done
        assert all(isinstance(json.loads(line), dict) for line in done.out.splitlines())
        assert done.out
        done = ricorda_command(command, "model", *more)
        assert (done.code, done.err) == (0, ""), done
        assert done.out
