"""`ricorda inspect gradients`."""

import json
import re
from pathlib import Path

import pytest
from command_line import Command

import ricorda
from ricorda.insight.gradients.view import gradient_flow

SMALL = ["--steps", 30, "--rows", 3, "--hidden-size", 8]


def test_fresh_cells_in_a_table(folder: Path, ricorda_command: Command) -> None:
    done = ricorda_command("inspect", "gradients", *SMALL, "--picture", "flow.png")
    assert done.code == 0, done.err
    flow = gradient_flow("lstm", steps=30, rows=3, hidden_size=8)
    for name, state in flow.states.items():
        figures = rf"{state.half_life:.1f} │ +{state.memory_length or 'over 30'} │"
        assert re.search(rf"lstm +│ {name} +│ +{figures}", done.out)
    assert re.search(r"rnn +│ h .*vanishes", done.out)
    assert f"lstm: {flow.carrier.sentence}.\n" in done.out
    assert Path("flow.png").read_bytes().startswith(b"\x89PNG")


def test_fresh_cells_as_json_and_one_of_ones_own(folder: Path, ricorda_command: Command) -> None:
    Path("mine.py").write_text(
        "from ricorda import affine, cell, tanh\n\n\n@cell\ndef mine(x, h):\n    return tanh(affine('h', h, x))\n",
        encoding="utf-8",
    )
    arguments = ("inspect", "gradients", "--cells", "gru, mine.py:mine", *SMALL, "--seed", 3, "--json")
    data = json.loads(ricorda_command(*arguments).out)
    assert [each["cell"] for each in data] == ["gru", "mine"]
    assert data[0] == json.loads(json.dumps(gradient_flow("gru", steps=30, rows=3, hidden_size=8, seed=3).to_json()))


def test_a_trained_model_on_texts_and_on_random_input(trained: Path, ricorda_command: Command) -> None:
    texts = ["a warm and funny film", "I slept from start to end"]
    (data,) = json.loads(ricorda_command("inspect", "gradients", trained / "model", *texts, "--json").out)
    assert data == json.loads(json.dumps(gradient_flow(ricorda.load(trained / "model"), texts).to_json()))
    assert (data["steps"], data["rows"]) == (6, 2)
    (data,) = json.loads(ricorda_command("inspect", "gradients", trained / "model", "--steps", 12, "--json").out)
    assert (data["steps"], data["rows"]) == (12, 16)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--steps", 1], "--steps is 1: give a whole number of at least 2"),
        (["--rows", 0], "--rows is 0: give a whole number of at least 1"),
        (["--cells", "lstn"], "there is no cell 'lstn': did you mean 'lstm'?"),
        (["--cells", "rnn,,gru"], "--cells 'rnn,,gru' has a name that is empty"),
        (["--cells", "none.py:mine"], "there is no file 'none.py'"),
        (["--hidden-size", 0], "--hidden-size is 0"),
        (["nowhere"], "nowhere"),
        (["nowhere", "--cells", "rnn"], "--cells rnn is for fresh cells, and a model was given (nowhere)"),
        (["--picture", "flow.txt", *SMALL], "flow.txt is no picture's name"),
    ],
)
def test_mistakes_are_one_sentence(folder: Path, ricorda_command: Command, arguments: list[object], words: str) -> None:
    assert words in ricorda_command("inspect", "gradients", *arguments).sentence


def test_an_empty_text(trained: Path, ricorda_command: Command) -> None:
    assert "the text is empty" in ricorda_command("inspect", "gradients", trained / "model", " ").sentence
