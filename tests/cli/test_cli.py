import inspect
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from command_line import TABLE, TRAIN, Command, in_a_process
from small_models import LABELS, TEXTS, series, small

import ricorda
from ricorda.cli.tasks import options_of
from ricorda.tasks.registry import TASKS, estimator_of

COMMANDS = [*(["train", task] for task in TASKS), ["evaluate"], ["predict"], ["info"], ["cells"]]


# Train, evaluate, predict, info, cells


def test_a_training_prints_results_on_the_output_and_progress_on_the_error(
    folder: Path, ricorda_command: Command
) -> None:
    done = ricorda_command(*TRAIN)
    assert done.code == 0, done.err
    assert "Trained on 27 examples; the best of 2 epochs is" in done.out
    assert done.out.endswith("The model is in model, its learning curve in model/learning_curve.png\n")
    lines = done.err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert sorted(os.listdir(folder)) == ["data.csv", "model"]
    assert "training" not in os.listdir("model")


def test_a_training_as_json(folder: Path, ricorda_command: Command) -> None:
    done = ricorda_command(*TRAIN, "--json", "--valid", "data.csv", "--scoring", "macro_f1", "--seed", 5)
    result = json.loads(done.out)
    assert set(result) == {
        *("folder", "examples", "validation_examples", "epochs", "best", "weights", "alternatives", "factors")
    }
    assert (result["folder"], result["examples"], result["validation_examples"]) == ("model", 30, 30)
    assert result["best"]["score"] == result["best"]["macro_f1"]
    model = ricorda.load("model")
    assert result["weights"] == sum(weight.numel() for weight in model.network_.parameters())
    assert result["best"] == model.summary_["best"]
    assert (model.random_state, model.scoring, model.hidden_size) == (5, "macro_f1", 4)
    same = small(random_state=5, scoring="macro_f1").fit(TEXTS, LABELS, validation=(TEXTS, LABELS))
    assert np.array_equal(same.predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_a_cell_of_ones_own_by_its_file(folder: Path, ricorda_command: Command) -> None:
    Path("mine.py").write_text(
        "from ricorda import affine, cell, tanh\n\n\n@cell\ndef mine(x, h):\n    return tanh(affine('h', h, x))\n",
        encoding="utf-8",
    )
    assert ricorda_command(*TRAIN, "--cell", "mine.py:mine").code == 0
    Path("mine.py").unlink()
    done = ricorda_command("predict", "model", "a film", "--json")
    assert done.code == 0
    assert "mine" in ricorda_command("info", "model", "--json").out


def test_an_evaluation(trained: Path, folder: Path, ricorda_command: Command) -> None:
    done = ricorda_command("evaluate", trained / "model", trained / "data.csv")
    report = ricorda.load(trained / "model").evaluate(TEXTS, LABELS)
    assert done.err == ""
    for words in ("30 examples", f"{report.accuracy:.1%}", f"{report.macro_f1:.3f}", "calibration error", "nats"):
        assert words in done.out
    assert re.search(rf"is good +│ +{report.confusion[1][0]} │ +{report.confusion[1][1]} │", done.out)
    for one in report.reliability:
        assert re.search(rf"{one.low:.0%} to {one.high:.0%} +│ +{one.examples} │ +{one.confidence:.1%} │", done.out)
    again = ricorda_command(
        "evaluate", trained / "model", trained / "data.csv", "--json", "--picture", folder / "reliability.png"
    )
    assert json.loads(again.out) == json.loads(json.dumps(report.to_json()))
    assert again.err.startswith("The picture is in ")
    assert (folder / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_an_evaluation_by_a_column(trained: Path, folder: Path, ricorda_command: Command) -> None:
    rows = [f"{line},{'en' if row % 3 else 'it'}" for row, line in enumerate(TABLE.splitlines()[1:])]
    Path("two.csv").write_text("review,verdict,language\n" + "\n".join(rows), encoding="utf-8")
    arguments = ("evaluate", trained / "model", "two.csv", "--text", "review", "--label", "verdict", "--by", "language")
    data = json.loads(ricorda_command(*arguments, "--json").out)
    assert {name: each["examples"] for name, each in data["groups"].items()} == {"en": 20, "it": 10}
    model = ricorda.load(trained / "model")
    assert data["groups"]["it"]["accuracy"] == model.evaluate(TEXTS[::3], LABELS[::3]).accuracy
    done = ricorda_command(*arguments)
    assert re.search(r"By language.*\n.*\n.*language.*accuracy.*\n.*\n.*en .*20 │\n.*it .*10 │", done.out)


def test_labels_of_a_file_are_those_of_a_model_trained_on_numbers(folder: Path, ricorda_command: Command) -> None:
    small().fit(TEXTS, [int(label == "good") for label in LABELS]).save("model")
    Path("numbers.csv").write_text(TABLE.replace(",good", ",1").replace(",bad", ",0.0"), encoding="utf-8")
    data = json.loads(ricorda_command("evaluate", "model", "numbers.csv", "--json").out)
    assert [each["label"] for each in data["classes"]] == [0, 1]
    assert [each["examples"] for each in data["classes"]] == [15, 15]


def test_predictions_of_texts_a_file_and_the_standard_input(trained: Path, ricorda_command: Command) -> None:
    model = ricorda.load(trained / "model")
    wanted = [
        {"label": label, "probability": max(row), "probabilities": dict(zip(["bad", "good"], row, strict=True))}
        for label, row in zip(model.predict(TEXTS).tolist(), model.predict_proba(TEXTS).tolist(), strict=True)
    ]
    lines = "\n".join(TEXTS).encode()
    for arguments, stdin in (
        (TEXTS, b""),
        (["--file", trained / "data.csv"], b""),
        (["--file", trained / "data.csv", "--text", "text"], b""),
        ([], lines),
        ([], b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n") + b"\r\n\r\n  \n"),  # blank lines at the end are none
    ):
        done = ricorda_command("predict", trained / "model", *arguments, "--json", stdin=stdin)
        assert [json.loads(line) for line in done.out.splitlines()] == wanted
        assert done.err == ""
    done = ricorda_command("predict", trained / "model", "a warm\nfilm", "too long " * 50)
    assert re.search(r"│ (good|bad) +│ +[\d.]+% │ a warm film +│", done.out)
    assert re.search(r"too long too long.*…", done.out)


def test_predictions_in_int8(trained: Path, ricorda_command: Command) -> None:
    model = ricorda.load(trained / "model")
    full = model.predict_proba(TEXTS)
    ricorda.nn.set_precision(model.network_, "int8")
    wanted = model.predict_proba(TEXTS)
    assert (wanted != full).any()
    done = ricorda_command("predict", trained / "model", *TEXTS, "--json", "--precision", "int8")
    assert [max(row) for row in wanted.tolist()] == [json.loads(line)["probability"] for line in done.out.splitlines()]


def test_predictions_of_numbers(folder: Path, ricorda_command: Command) -> None:
    walks, rises = series()
    model = small().fit(walks, rises)
    model.save("model")
    Path("walks.jsonl").write_text(
        "".join(json.dumps({"walk": walk.tolist()}) + "\n" for walk in walks), encoding="utf-8"
    )
    done = ricorda_command("predict", "model", "--file", "walks.jsonl", "--text", "walk", "--json")
    assert [json.loads(line)["label"] for line in done.out.splitlines()] == model.predict(walks).tolist()
    assert f"{len(walks[0])} steps" in ricorda_command("predict", "model", "-f", "walks.jsonl", "--text", "walk").out


def test_the_standard_input_is_read_in_parts_and_its_lines_keep_their_numbers(
    trained: Path, ricorda_command: Command
) -> None:
    lines = [b"a film"] * 2500
    done = ricorda_command("predict", trained / "model", "--json", stdin=b"\n".join(lines))
    assert len(done.out.splitlines()) == 2500
    for bad, words in ((b"", "has an empty text: fill it in"), (b"caf\xe9", "is not UTF-8 text (byte 0xe9): convert")):
        lines[2100] = bad
        done = ricorda_command("predict", trained / "model", "--json", stdin=b"\n".join(lines))
        assert done.code == 2
        assert done.err.startswith(f"error: line 2101 of the standard input {words}")
        assert len(done.out.splitlines()) == 2048  # what came before is there


def test_info(trained: Path, ricorda_command: Command) -> None:
    done = ricorda_command("info", trained / "model")
    for words in ("bad, good", "c_t = f_t * c_{t-1} + i_t * g_t", "24 examples, 10 epochs", "6 examples: accuracy"):
        assert words in done.out
    assert re.search(r"hidden_size +4\b", done.out)
    data = json.loads(ricorda_command("info", trained / "model", "--json").out)
    assert data == json.loads((trained / "model" / "config.json").read_text(encoding="utf-8"))
    documented = {"format_version", "ricorda_version", "task", "parameters", "program", "classes", "input", "summary"}
    assert set(data) == {*documented, "sha256"}


def test_cells(ricorda_command: Command) -> None:
    listed = json.loads(ricorda_command("cells", "--json").out)
    assert {"lstm", "gru", "rnn"} <= {each["name"] for each in listed}
    assert all(set(each) == {"name", "family", "year", "weights", "summary", "paper"} for each in listed)
    one = json.loads(ricorda_command("cells", "lstm", "--json", "-i", "3", "-n", "5").out)
    assert one["weights"] == 4 * 5 * (3 + 5 + 2)
    keys = {"name", "summary", "equations", "latex", "options", "states", "affines", "parameters", "weights", "output"}
    assert set(one) == keys | {"meanings", "family", "year", "paper", "weakness", "forms", "initial", "differs"}
    table = ricorda_command("cells").out
    assert all(each["name"] in table and f"{each['weights']:,}" in table for each in listed)
    shown = ricorda_command("cells", "lstm").out
    for words in ("c_t = f_t * c_{t-1} + i_t * g_t", r"\sigma", "Hochreiter", "weight_hh", "512 x 128"):
        assert words in shown


def test_cells_of_one_family(ricorda_command: Command) -> None:
    listed = json.loads(ricorda_command("cells", "--family", "lstm", "--json").out)
    assert {each["family"] for each in listed} == {"lstm"}
    table = ricorda_command("cells", "--family", "oscillators").out
    assert "Rusch, Mishra 2021" in table
    assert "gru" not in table
    shown = ricorda_command("cells", "cornn(dt=0.05)").out
    assert "dt=0.05   (the step in time)" in shown
    assert "y from the old z" in ricorda_command("cells", "lem").out


def test_a_cell_in_latex(ricorda_command: Command) -> None:
    printed = ricorda_command("cells", "rnn", "--latex").out
    line = r"h_{t} &= \tanh(W_{h} \, [h_{t-1}, x_{t}] + b_{h})"
    assert printed == "\\begin{aligned}\n" + line.replace("\\\\", "\\") + "\n\\end{aligned}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--family", "gruu"], "there is no family of cells 'gruu': the families are vanilla, lstm, gru"),
        (["lstm", "--family", "gru"], "--family gru lists cells, and lstm is one: leave one of them out"),
        (["--latex"], "--latex prints one cell's equations: name it"),
    ],
)
def test_what_cells_cannot_list_is_said(ricorda_command: Command, arguments: list[str], sentence: str) -> None:
    done = ricorda_command("cells", *arguments)
    assert done.code == 2
    assert sentence in done.err


def test_where_the_output_is_no_terminal_lines_are_not_broken(trained: Path, ricorda_command: Command) -> None:
    text = "a film " * 25
    assert f"│ {text.strip()} │" in ricorda_command("predict", trained / "model", text).out


# Help


@pytest.mark.parametrize("command", [[], ["train"], *COMMANDS], ids=" ".join)
def test_help_has_an_example(command: list[str], ricorda_command: Command) -> None:
    done = ricorda_command(*command, "--help")
    assert (done.code, done.err) == (0, "")
    assert "ricorda" in done.out.split("Usage:")[1]
    if command in COMMANDS:
        example = done.out.split("For example:")[1]
        assert re.search(rf"^ +(cat .*)?ricorda {' '.join(command)}", example, re.MULTILINE)
    assert ricorda_command("--version").out == f"ricorda {ricorda.__version__}\n"


def test_the_list_of_commands_has_the_first_line_of_each() -> None:
    group: Any = typer.main.get_command(ricorda.cli.app)
    for name, summary in group.SUMMARIES.items():
        assert group.load(name).help.split("\n\n")[0] == summary


def test_a_command_that_is_misspelt_is_guessed(ricorda_command: Command) -> None:
    assert "No such command 'pretict'. Did you mean 'predict'?" in ricorda_command("pretict").err


@pytest.mark.parametrize("task", TASKS)
def test_options_are_the_estimators_parameters_and_show_their_defaults(task: str) -> None:
    defaults = {name: each.default for name, each in inspect.signature(estimator_of(task)).parameters.items()}
    del defaults["random_state"]
    group: Any = typer.main.get_command(ricorda.cli.app)
    command = group.load("train").get_command(None, task)
    options = {each.name: each for each in command.params}
    assert options["random_state"].default == 0  # a command can be repeated
    for name, default in defaults.items():
        option = options[name]
        assert option.default is None, f"{name} would override the estimator's default"
        if isinstance(default, bool):
            default = (option.opts if default else option.secondary_opts)[0].removeprefix("--")
        assert option.show_default == ("none" if default is None else str(default)), name


@pytest.mark.parametrize("act", ["predict", "evaluate"])
def test_an_option_of_several_tasks_is_the_same_in_each(act: str) -> None:
    types: dict[str, Any] = {}
    for task in TASKS:
        for name, option in options_of(task, act).items():
            assert option.default in (None, False), f"{task} could not tell whether {name} was given"
            assert types.setdefault(name, option.annotation.__origin__) == option.annotation.__origin__


def test_an_option_that_the_models_task_does_not_know_is_refused(trained: Path, ricorda_command: Command) -> None:
    assert ricorda_command("predict", trained / "model", "a film", "--beam-size", 5).sentence == (
        "--beam-size is no option for a model of the task 'classify': leave it out (it knows --text)"
    )
    assert ricorda_command("evaluate", trained / "model", trained / "data.csv", "--column", "upos").sentence == (
        "--column is no option for a model of the task 'classify': leave it out "
        "(it knows --text, --label, --by, --picture)"
    )
    shown = ricorda_command("predict", "--help").out
    assert "Models of the task translate" in shown


# Starting


HEAVY = {"torch", "numpy", "polars", "sklearn", "matplotlib", "tokenizers", "safetensors", "tensorboard"}


def imported(code: str) -> set[str]:
    check = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stderr.split()}


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    assert not imported("import ricorda") & {*HEAVY, "typer", "rich", "typing_extensions"}
    assert not imported("sys.argv = ['ricorda', '--help']; from ricorda.cli import main; main()") & HEAVY
    assert not imported("sys.argv = ['ricorda', 'train', 'classify', '--help']; import ricorda.__main__") & HEAVY


def processor_seconds(*command: str) -> float:
    """The least of some runs: other programs can only add to it."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def test_it_starts_at_once() -> None:
    assert processor_seconds("-c", "import ricorda") < 0.1
    assert processor_seconds("-m", "ricorda", "--help") < 0.3


def test_every_public_name_is_there_and_in_order() -> None:
    assert ricorda.__all__ == sorted(
        ricorda.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in ricorda.__all__:
        assert getattr(ricorda, name).__name__ == name
    assert set(ricorda.__all__) < set(dir(ricorda))
    with pytest.raises(AttributeError, match="module 'ricorda' has no attribute 'lstn'"):
        _ = ricorda.lstn


@pytest.mark.parametrize("arguments", [["predict", "model", "--json"], ["cells"]], ids=" ".join)
def test_a_reader_that_has_enough_ends_a_command_in_silence(trained: Path, arguments: list[str]) -> None:
    (trained / "lines.txt").write_text("a warm film\n" * 5000, encoding="utf-8")
    with (trained / "lines.txt").open(encoding="utf-8") as stdin:
        process = in_a_process(*arguments, stdin=stdin, cwd=trained)
        assert process.stdout is not None
        assert process.stderr is not None
        if arguments[0] == "predict":
            assert json.loads(process.stdout.readline())["label"] in ("good", "bad")
        process.stdout.close()  # at once, of the other, before its only write
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
        process.stderr.close()


def test_labelled_lines_of_the_standard_input_are_read_as_those_of_a_file(
    trained: Path, ricorda_command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    texts, model = ["a warm film", "a dull one"], trained / "model"
    expected = ricorda_command("predict", model, *texts, "--json").out
    said = "the standard input: each line begins with a label and a {}: only the texts are read"
    for between, name in (("\t", "tab"), (" ", "space")):
        lines = f"good{between}{texts[0]}\nbad{between}{texts[1]}\n".encode()
        assert ricorda_command("predict", model, "--json", stdin=lines).out == expected
        assert caplog.messages[-1] == said.format(name)
    alone = ricorda_command("predict", model, "--json", stdin=b"good film\ngood story\n")  # Texts that begin alike.
    assert alone.out == ricorda_command("predict", model, "good film", "good story", "--json").out
    assert len(caplog.messages) == 2
