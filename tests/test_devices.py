"""docs/devices.md is what the code does; devices that are missing are refused before anything else."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from command_line import Command
from small_models import LABELS, TEXTS, small
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import FakeTensor

import ricorda
from ricorda.cli import app
from ricorda.engines import Manner, Request, choose
from ricorda.engines.obstacles import PLAIN
from ricorda.errors import ArgumentError
from ricorda.nn import LSTM, Recurrent
from ricorda.tasks.registry import TASKS, estimator_of, parameters_class
from ricorda.training.devices import find_device

PAGE = (Path(__file__).parents[1] / "docs" / "devices.md").read_text(encoding="utf-8")
MISSING = [
    ("cuda", "this machine has no GPU that PyTorch can use: choose auto or cpu"),
    ("cuda:7", "this machine has no GPU that PyTorch can use: choose auto or cpu"),
    ("mps", "choose auto, cpu, cuda, or a certain GPU as in cuda:0"),
    ("nonsense", "choose auto, cpu, cuda, or a certain GPU as in cuda:0"),
    ("cpu:1", "choose auto, cpu, cuda, or a certain GPU as in cuda:0"),
    ("cuda:", "choose auto, cpu, cuda, or a certain GPU as in cuda:0"),
]


def table(first: str) -> list[list[str]]:
    """The rows of the page's table whose first row begins with a cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    begin = next(index for index, row in enumerate(rows) if row[0] == first)
    lines = PAGE.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith(f"| {first} |".replace("|  |", "| |")))
    count = next(number for number, line in enumerate([*lines[place:], ""]) if line[:1] != "|")
    return [row for row in rows[begin : begin + count] if set(row[-1]) != {"-"}]


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


# The page


def options_of(command: Any) -> Iterator[str]:
    """Every option of a command and of those below it."""
    for parameter in command.get_params(typer.Context(command)):
        yield from parameter.opts
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for name in command.list_commands(context):
            inner = command.load(name) if hasattr(command, "load") else command.get_command(context, name)
            yield from options_of(inner)


def test_the_page_has_every_command_and_those_that_take_a_device() -> None:
    group: Any = typer.main.get_command(app)
    takes = {name: "--device" in set(options_of(group.load(name))) for name in group.SUMMARIES}
    _, *rows = table("command")
    assert dict(rows) == {
        f"`ricorda {name}`": "`--device`" if device else "the processor" for name, device in takes.items()
    }
    assert all(
        "device" in {field.name for field in parameters_class(task).__dataclass_fields__.values()} for task in TASKS
    )


def requests(device: str) -> Iterator[tuple[str, Request]]:
    """What a layer asks for on a device, for each row of the page."""
    usual, other, zoned = LSTM(3, 4), Recurrent("lstm_peephole", 3, 4), LSTM(3, 4, zoneout=0.1)

    def request(layer: Recurrent, dtype: torch.dtype = torch.float32, **more: Any) -> Request:
        with FakeTensorMode():
            shapes = layer.stack.shapes.items()
            weights = {name: torch.zeros(shape, device=device, dtype=dtype) for name, shape in shapes}
            x = torch.zeros(5, 2, 3, device=device, dtype=dtype)
        return Request(layer.programs[True], weights, x, (), **more)

    yield "LSTM, float32", request(usual)
    yield "LSTM, float64", request(usual, torch.float64)
    yield "LSTM, bfloat16", request(usual, torch.bfloat16)
    yield "LSTM, rows of different lengths", request(usual, lengths=torch.tensor([5, 2]))
    yield "LSTM, with a regulariser", request(zoned)
    yield 'LSTM, `precision="bf16"`', request(usual, manner=Manner(factors="bf16"))
    yield 'LSTM, `precision="int8"`', request(usual, manner=Manner(factors="int8"))
    yield "LSTM, `checkpoint=`", request(usual, manner=Manner(checkpoint="sqrt"))
    yield "LSTM, `record=`", request(usual, record=("i",))
    yield "LSTM, `watch_gradients`", request(usual, manner=Manner(watch=lambda *_: None))
    yield "LSTM, `stream()`", request(usual)
    yield "peephole LSTM, float32", request(other)


def test_the_page_says_which_engine_serves_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RICORDA_ENGINE", raising=False)
    (_, *devices), *rows = table("")
    assert devices == ["cpu", "cuda", "mps"]
    PLAIN.add(FakeTensor)  # They say that they are on a GPU, and have no numbers.
    try:
        served = [{name: choose.first(request)[0].name for name, request in requests(device)} for device in devices]
    finally:
        PLAIN.discard(FakeTensor)
    assert [row[0] for row in rows] == list(served[0])
    assert {row[0]: row[1:] for row in rows} == {name: [each[name] for each in served] for name in served[0]}


@pytest.mark.usefixtures("without_gpu")
def test_every_device_of_the_page_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _, *rows = table("device")
    names = [re.sub("`", "", name) for name, _ in rows]
    assert find_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(find_device(name)) for name in names] == ["cuda:0", "cpu", "cuda:0", "cuda:1"]


# Devices that are missing


@pytest.mark.parametrize(("name", "sentence"), MISSING)
@pytest.mark.usefixtures("without_gpu")
def test_commands_refuse_a_missing_device_before_they_read(
    folder: Path, ricorda_command: Command, name: str, sentence: str
) -> None:
    commands = [["train", task, "nothing.csv", "--out", "model"] for task in TASKS]
    commands += [["compare", task, "nothing.csv", "--out", "compared"] for task in TASKS]
    commands += [["search", task, "nothing.csv", "--out", "searched"] for task in TASKS]
    commands += [["compare", "synthetic:adding", "--lengths", "10"]]
    for words in commands:
        said = ricorda_command(*words, "--device", name).sentence
        assert said.startswith(f"--device is {name!r}")
        assert said.endswith(sentence), said
    assert os.listdir() == ["data.csv"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.usefixtures("without_gpu")
def test_fit_refuses_a_missing_device_before_it_looks_at_the_data(task: str) -> None:
    with pytest.raises(ArgumentError, match="device is 'cuda', and this machine has no GPU"):
        estimator_of(task)(device="cuda").fit(object(), object())


@pytest.mark.usefixtures("without_gpu")
def test_a_model_of_another_machines_device_opens_predicts_and_is_evaluated(
    folder: Path, ricorda_command: Command
) -> None:
    model = small().fit(TEXTS, LABELS)
    model.device = "cuda:3"  # as it is after a training there
    model.save("model")
    assert json.loads(Path("model/config.json").read_text(encoding="utf-8"))["parameters"]["device"] == "cuda:3"
    opened = ricorda.load("model")
    assert (opened.predict(TEXTS) == model.predict(TEXTS)).all()
    for words in (["predict", "model", TEXTS[0]], ["evaluate", "model", "data.csv"], ["info", "model"]):
        assert ricorda_command(*words).code == 0
    with pytest.raises(ArgumentError, match="device is 'cuda:3', and this machine has no GPU"):
        opened.fit(TEXTS, LABELS)
    assert opened.set_params(device="auto").fit(TEXTS, LABELS).predict(TEXTS).shape == (len(TEXTS),)


@pytest.mark.parametrize(
    ("name", "here", "gpus", "found"),
    [
        ("auto", 2, 2, "cuda:1"),
        ("auto", 2, 1, "cpu"),
        ("cuda", 2, 2, "cuda:1"),
        ("cuda", 2, 1, "this machine has 1 GPU that PyTorch can use for 2 processes: choose auto or cpu"),
        ("cuda:0", 2, 2, "one GPU for 2 processes: choose cuda, a GPU for each"),
        ("cuda:2", 1, 2, "this machine has the GPUs cuda:0 to cuda:1 that PyTorch can use: choose auto or cpu"),
    ],
)
def test_each_process_here_takes_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, name: str, here: int, gpus: int, found: str
) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(here - 1))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if " " not in found:
        assert str(find_device(name)) == found
    else:
        with pytest.raises(ArgumentError, match=re.escape(found)):
            find_device(name)
