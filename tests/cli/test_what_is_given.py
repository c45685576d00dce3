"""What commands take for granted: the columns of the training, a standard input, names as they are meant."""

import io
import json
import sys
from pathlib import Path

import pytest
from command_line import SMALL, TABLE, Command, in_a_process

import ricorda
from ricorda.cli.source import standard_input
from ricorda.errors import ModelFolderError
from ricorda.tasks.folder import CONFIG, config_hash


@pytest.fixture
def of_columns(folder: Path, ricorda_command: Command) -> Path:
    """A model that was trained on the columns "review" and "mark" of `reviews.csv`."""
    Path("reviews.csv").write_text(TABLE.replace("text,label", "review,mark"), encoding="utf-8")
    columns = ["--text", "review", "--label", "mark"]
    assert ricorda_command("train", "classify", "reviews.csv", *columns, "--out", "model", *SMALL).code == 0
    return folder


def test_a_model_remembers_the_columns_of_its_training(of_columns: Path, ricorda_command: Command) -> None:
    asked = ricorda_command("evaluate", "model", "reviews.csv", "--text", "review", "--label", "mark", "--json")
    assert ricorda_command("evaluate", "model", "reviews.csv", "--json").out == asked.out
    assert len(ricorda_command("predict", "model", "--file", "reviews.csv", "--json").out.splitlines()) == 30
    assert ricorda_command("inspect", "gates", "model", "--file", "reviews.csv").code == 0
    # Others may still be named, and what has no columns needs none.
    sentence = ricorda_command("evaluate", "model", "data.csv", "--text", "text").sentence
    assert "'mark'" in sentence
    assert "--label" in sentence
    Path("lines.txt").write_text("a warm film\n", encoding="utf-8")
    assert ricorda_command("predict", "model", "--file", "lines.txt").code == 0


def test_remembered_columns_are_checked_when_a_model_is_opened(of_columns: Path) -> None:
    for columns in (["--text"], {"--text": 3}):
        config = json.loads(Path("model", CONFIG).read_text(encoding="utf-8"))
        config["columns"] = columns
        config["sha256"][CONFIG] = config_hash(config)
        Path("model", CONFIG).write_text(json.dumps(config), encoding="utf-8")
        with pytest.raises(ModelFolderError, match=r"config\.json has .* as 'columns"):
            ricorda.load("model")


@pytest.mark.parametrize("command", [["predict", "model"], ["inspect", "memory", "model"]])
def test_the_name_of_a_file_is_no_text(trained: Path, ricorda_command: Command, command: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained)
        assert ricorda_command(*command, "data.csv").sentence == (
            "'data.csv' is a file, and a text was expected: give what is in it, by --file or on the standard input"
        )


def test_closed_streams(trained: Path, ricorda_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("io.TextIOWrapper", lambda *_, **__: None)  # as Python has it for a closed one
    for command in (["predict"], ["inspect", "memory"]):
        sentence = ricorda_command(*command, trained / "model").sentence
        assert sentence.startswith("the standard input is closed: give texts as arguments")
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdout", None)
    done = ricorda_command("predict", trained / "model", "a warm film")
    sys.stdout.close()
    assert (done.code, done.err) == (0, "")


def test_who_sits_at_a_terminal_is_told_that_it_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"a"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)
    assert standard_input().read() == b"a"
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(stream, "isatty", lambda: True)
    standard_input()
    assert capsys.readouterr().err == "reading texts from the terminal, one a line; Ctrl-D ends them\n"


def test_misspelt_names_get_their_suggestion(folder: Path, ricorda_command: Command) -> None:
    assert "Did you mean 'classify'?" in ricorda_command("train", "clasify", "data.csv").err
    sentence = ricorda_command("train", "classify", "data.csv", "--out", "model", "--cell", "LSTM").sentence
    assert sentence.startswith("there is no cell 'LSTM': did you mean 'lstm'?")


def test_ctrl_c_while_the_command_is_imported_prints_no_traceback() -> None:
    code = (
        "import sys, runpy\n"
        "def stop(event, arguments):\n"
        "    if event == 'import' and arguments[0] == 'typer':\n"
        "        raise KeyboardInterrupt\n"
        "sys.addaudithook(stop)\n"
        "runpy.run_module('ricorda', run_name='__main__')\n"
    )
    process = in_a_process("--help", python=["-c", code])
    assert process.communicate(timeout=60) == ("", "stopped\n")
    assert process.returncode == 130


@pytest.mark.parametrize("command", [["predict"], ["inspect", "memory"], ["train", "classify"]])
def test_the_help_shows_no_value_behind_flags(ricorda_command: Command, command: list[str]) -> None:
    shown = ricorda_command(*command, "--help").out
    assert "--json" in shown
    assert "<bool>" not in shown


def test_a_sentence_is_broken_between_words_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, ricorda_command: Command
) -> None:
    sentence = ricorda_command("info", "no_such_folder").sentence
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    lines = ricorda_command("info", "no_such_folder").err.splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(lines) == f"error: {sentence}"
