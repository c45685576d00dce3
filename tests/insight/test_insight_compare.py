"""Comparisons of cells: the bootstrap, what cells cost, what is kept of a stopped one, the report, the command."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command
from small_models import LABELS, TEXTS, small
from task_cases import CASES

import ricorda
from ricorda import SequenceRegressor, cell, tanh
from ricorda.catalogue import CELLS, split_names
from ricorda.errors import ArgumentError
from ricorda.insight.comparison import trials
from ricorda.insight.comparison.bootstrap import paired_bootstrap
from ricorda.insight.comparison.cost import (
    flops_of_layers,
    flops_of_step,
    matching_hidden_size,
    peak_of_step,
    prepared,
    recurrent_weights,
    weights_of,
    with_cell,
)
from ricorda.insight.comparison.length_result import LengthComparison
from ricorda.insight.comparison.lengths import compare_lengths
from ricorda.insight.comparison.report import Table, page
from ricorda.insight.comparison.result import Comparison
from ricorda.insight.comparison.splits import split
from ricorda.insight.comparison.view import compare
from ricorda.nn import Recurrent

pytestmark = pytest.mark.usefixtures("without_learning_curves")


# ------------------------------------------------------------------------------------------------ the paired bootstrap


def test_the_bootstrap_of_two_examples_is_what_is_counted_by_hand() -> None:
    """Differences 1 and 0: the four equally likely draws have the means 1, 1/2, 1/2 and 0."""
    found = paired_bootstrap(np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]]), draws=4_000)
    assert found.difference == 0.5
    assert (found.low, found.high) == (0.0, 1.0)
    assert found.p == pytest.approx(0.5, abs=2 * 4 * math.sqrt(0.25 * 0.75 / 4_000))  # twice P(mean <= 0) = 1/4


def test_pairs_are_drawn_together() -> None:
    """Examples that differ far more from each other than the two cells do: only pairing sees the difference."""
    hard = np.random.default_rng(0).normal(0, 10, 50)
    found = paired_bootstrap(hard[None] + 0.1, hard[None])
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)
    assert found.p < 0.01


def test_the_draw_of_seeds_counts() -> None:
    """One good seed of two: a quarter of the draws have none of it, a quarter nothing else."""
    found = paired_bootstrap(np.array([[1.0], [0.0]]), np.array([[0.0], [0.0]]), draws=4_000)
    assert found.difference == 0.5
    assert (found.low, found.high) == (0.0, 1.0)
    assert found.p == pytest.approx(0.5, abs=0.06)


def test_weights_of_examples_count_in_the_mean_and_equal_cells_do_not_differ() -> None:
    first, second = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0]])
    assert paired_bootstrap(first, second, np.array([2.0, 1.0, 1.0])).difference == 0.5
    same = paired_bootstrap(first, first)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


# --------------------------------------------------------------------------------------------------- what cells cost


@pytest.mark.parametrize(
    ("name", "gates", "pointwise"),
    [
        ("rnn", 1, 1),  # tanh
        ("lstm", 4, 4 + 3 + 2),  # three sigmoids and a tanh; f c + i g; o tanh(c)
        ("gru", 3, 3 + 1 + 4),  # two sigmoids and a tanh; r a; (1 - u) a + u candidate
    ],
)
def test_operations_are_those_of_the_textbook(name: str, gates: int, pointwise: int) -> None:
    I, H = 7, 5
    products, biases = 2 * gates * H * (I + H), gates * H
    assert flops_of_step(CELLS[name].program, {"I": I, "H": H, "P": H}) == products + biases + pointwise * H
    assert flops_of_step(CELLS[name].program, {"I": I, "H": H, "P": H}, bias=False) == products + pointwise * H


def test_operations_of_layers_count_each_direction_and_what_it_reads() -> None:
    def one(inputs: int) -> int:
        return flops_of_step(CELLS["gru"].program, {"I": inputs, "H": 4, "P": 4})

    assert flops_of_layers(Recurrent("gru", 3, 4, 2, bidirectional=True)) == 2 * one(3) + 2 * one(8)


def _data(model: Any) -> Any:
    return split(model, TEXTS, LABELS, validation=None, test=None, seed=0)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_matched_cells_have_nearly_as_many_weights(name: str) -> None:
    model = with_cell(small(), CELLS["lstm"].program, hidden_size=40, num_layers=2)
    probe, task = prepared(model, _data(model))
    weights = recurrent_weights(task.module)
    program = CELLS[name].program
    hidden = matching_hidden_size(probe, program, weights)
    other, _ = prepared(with_cell(model, program, hidden_size=hidden), _data(model))
    assert recurrent_weights(other.network_) == pytest.approx(weights, rel=0.03)
    assert (hidden == 40) == (name == "lstm")


def test_the_peak_of_a_step_is_at_least_the_gradients_and_moments_and_grows_with_the_batch() -> None:
    peaks = []
    for size in (4, 24):
        probe, task = prepared(small(batch_size=size, hidden_size=8), _data(small()))
        peaks.append(peak_of_step(probe, task))
        assert peaks[-1] > 4 * 3 * weights_of(task.module)
    assert peaks[0] < peaks[1] < 50e6


def test_preparing_does_not_train_and_leaves_the_estimator_alone() -> None:
    model = small()
    probe, task = prepared(model, _data(model))
    assert not hasattr(model, "network_")
    assert probe.history_ == []
    assert probe.network_ is task.module


# ------------------------------------------------------------------------------------------------------- comparisons


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    folder = tmp_path_factory.mktemp("compared")
    found = compare(
        small(validation_fraction=0.4),  # 12 examples, by which epochs are chosen
        TEXTS,
        LABELS,
        cells=("rnn", "gru"),
        seeds=2,
        learning_rates=(0.01, 0.05),
        match="parameters",
        folder=folder,
    )
    return found, folder


def test_a_comparison_holds_what_its_models_say(compared: tuple[Comparison, Path]) -> None:
    from ricorda import load

    found, folder = compared
    assert found.cells == ("rnn", "gru")
    assert found.seeds == (0, 1)
    assert found.scores.shape == (2, 2)
    models: list[Any] = [load(path) for path in sorted((folder / trials.RUNS).iterdir())]
    assert len(models) == 2 * 3  # two rates with the first seed, the better of them with the second
    for index, name in enumerate(found.cells):
        of_cell = [each for each in models if each.program_.name == name]
        by_rate = {each.learning_rate: each.summary_["best"]["score"] for each in of_cell if each.random_state == 0}
        np.testing.assert_allclose(found.searched[index], [by_rate[rate] for rate in found.rates])
        assert by_rate[found.learning_rates[index]] == max(by_rate.values())
        for seed in found.seeds:
            (model,) = [e for e in of_cell if (e.random_state, e.learning_rate) == (seed, found.learning_rates[index])]
            # what is measured on is what the epoch was chosen by, so the score is the validation's own
            assert found.scores[index, seed] == pytest.approx(model.summary_["best"]["accuracy"])
            assert model.hidden_size == found.hidden_sizes[index]
            assert weights_of(model.network_) == found.weights[index]
    assert found.recurrent_weights[1] == pytest.approx(found.recurrent_weights[0], rel=0.25)  # of tiny sizes


def test_a_comparison_on_too_few_examples_for_a_score_takes_the_rate_of_the_lowest_loss() -> None:
    found = compare(small(), TEXTS, LABELS, cells=("rnn", "gru"), seeds=1, learning_rates=(0.01, 0.05))
    assert found.outcomes.shape[2] == 3
    assert (found.searched < 0).all()  # losses with their sign turned
    assert list(found.learning_rates) == list(found.rates[found.searched.argmax(1)])


def test_a_repeated_comparison_trains_nothing_and_a_stopped_one_goes_on(
    compared: tuple[Comparison, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"cells": ("rnn", "gru"), "seeds": 2, "folder": tmp_path}
    fit, fitted = type(small()).fit, []

    def counted(self: Any, *arguments: Any, **others: Any) -> Any:
        if "_train" not in vars(self):  # not where costs are looked up
            fitted.append((self.cell.name, self.random_state))
            if len(fitted) == 3:
                raise KeyboardInterrupt
        return fit(self, *arguments, **others)

    monkeypatch.setattr(type(small()), "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        compare(small(), TEXTS, LABELS, **options)
    assert fitted == [("rnn", 0), ("rnn", 1), ("gru", 0)]
    whole = compare(small(), TEXTS, LABELS, **options)
    assert fitted[3:] == [("gru", 0), ("gru", 1)]
    again = compare(small(), TEXTS, LABELS, **options)
    assert len(fitted) == 5
    np.testing.assert_array_equal(whole.outcomes, again.outcomes)
    compare(small(epochs=1), TEXTS, LABELS, **options)  # other settings are other trainings
    assert len(fitted) == 9


def test_a_rate_under_which_training_diverges_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = SequenceRegressor.fit

    def diverging(self: Any, *arguments: Any, **others: Any) -> Any:
        if self.learning_rate > 1 and "_train" not in vars(self):
            raise ArgumentError("the loss became nan in epoch 1, step 1: lower the learning rate (now 5)")
        return fit(self, *arguments, **others)

    monkeypatch.setattr(SequenceRegressor, "fit", diverging)
    case = CASES["regress"]
    found = compare(case.make(), case.X, case.y, cells=("rnn", "gru"), seeds=1, learning_rates=(5.0, 0.01))
    assert found.learning_rates.tolist() == [0.01, 0.01]
    assert np.isnan(found.searched[:, 0]).all()
    with pytest.raises(ArgumentError, match="became nan"):
        compare(case.make(), case.X, case.y, cells=("rnn", "gru"), seeds=1, learning_rates=(5.0, 6.0))


@pytest.mark.parametrize("task", CASES)
def test_every_task_can_be_compared_and_its_examples_average_to_its_own_measure(task: str) -> None:
    case = CASES[task]
    model = case.make()
    found = compare(model, case.X, case.y, cells=("rnn", "gru"), seeds=1)
    assert found.task == task
    assert np.isfinite(found.scores).all()
    data = split(model, case.X, case.y, validation=None, test=None, seed=0)
    trained: Any = case.make(cell="rnn").fit(data.X, data.y, validation=data.validation)
    values, weights = map(np.asarray, trained._outcomes(*data.test))
    mean = float(values @ weights / weights.sum())
    assert mean == pytest.approx(found.scores[0, 0], rel=1e-5)  # the cell as a Program, the model saved or not
    match task:
        case "classify":
            expected = trained.evaluate(*data.test).accuracy
        case "regress":
            expected = trained.evaluate(*data.test).rmse ** 2
        case "tag":
            expected = trained.evaluate(*data.test).accuracy
        case "translate":
            expected = mean  # chrF of a corpus is no mean of its sentences'
            assert 0 <= mean <= 100
        case "language":
            expected = trained.evaluate(data.test[0]).nats
        case _:
            expected = trained.summary_["validation_errors"]["model"]["mae"]
    assert mean == pytest.approx(expected, rel=1e-5)


def test_other_data_to_measure_on_take_the_place_of_the_validation_data() -> None:
    case = CASES["classify"]
    found = compare(
        small(), TEXTS, LABELS, cells=("rnn", "gru"), seeds=1, validation=(TEXTS, LABELS), test=(TEXTS[:7], LABELS[:7])
    )
    assert found.where == "test"
    assert found.outcomes.shape == (2, 1, 7)
    assert case.y is LABELS


def test_a_memory_of_gates_is_left_out_where_there_are_none() -> None:
    found = compare(small(memory=5), TEXTS, LABELS, cells=("rnn", "gru"), seeds=1)
    assert found.cells == ("rnn", "gru")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": ("lstm", "lsm")}, "there is no cell 'lsm'"),
        ({"cells": ("lstm", "lstm")}, "cells has lstm twice"),
        ({"cells": ("lstm",)}, "at least two"),
        ({"seeds": 0}, "seeds is 0"),
        ({"match": "size"}, "match is 'size'"),
        ({"learning_rates": (-1.0,)}, "learning_rate is -1.0"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        compare(small(), TEXTS, LABELS, **options)
    with pytest.raises(ArgumentError, match="validation_fraction is 0"):
        compare(small(validation_fraction=0.0), TEXTS, LABELS)


# ------------------------------------------------------------------------------------------------------ the report


def test_a_report_names_no_learning_rate_that_was_not_tried(compared: tuple[Comparison, Path]) -> None:
    one = replace(compared[0], rates=np.array([0.01]))
    told = " ".join(one.says())
    assert "All were trained with the learning rate 0.01." in told
    assert "learning rates" not in told
    two = " ".join(replace(compared[0], rates=np.array([0.01, 0.1])).says())
    assert "Each of the learning rates was tried with the first seed" in two


def test_the_report_is_one_page_that_fetches_and_runs_nothing(compared: tuple[Comparison, Path]) -> None:
    text = compared[0].to_html()
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
    assert "prefers-color-scheme: dark" in text
    assert text.count("<svg") == text.count("</svg>") == 1
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text)
    assert not re.search(r"@import|url\((?!#)", text)
    for word in ("rnn", "gru", "95 % interval", "operations a step", "torch ", "ricorda "):
        assert word in text


def test_what_a_report_is_given_is_escaped() -> None:
    text = page("a <b>", ["x < y & z"], [Table("<i>", ["<u>"], [["<script>"]])], [], {"cell": "<img>"})
    assert not re.search(r"<(b|i|u|script|img)>", text)
    assert "&lt;script&gt;" in text


def test_numbers_as_a_table_and_as_json(compared: tuple[Comparison, Path]) -> None:
    found = compared[0]
    frame = found.to_frame()
    assert frame["cell"].to_list() == ["rnn", "gru"]
    assert frame["difference"][0] is None
    assert frame["difference"][1] == pytest.approx(found.scores[1].mean() - found.scores[0].mean())
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert said["cells"][1]["scores"] == found.scores[1].tolist()
    assert len(found.plot().axes) == 3


# ----------------------------------------------------------------------------------------------------------- lengths


TINY: dict[str, Any] = {"hidden_size": 4, "epochs": 1}


def test_lengths_are_measured_by_the_papers_criterion() -> None:
    found = compare_lengths("synthetic:adding?n=40", lengths=(4, 8), cells=("rnn", "gru"), seeds=2, **TINY)
    assert found.success.shape == found.step_seconds.shape == (2, 2, 2)
    np.testing.assert_allclose(found.success, 1 - found.numbers["share_wrong"])
    assert (found.numbers["mean_squared_error"] > 0).all()
    assert found.solved == [None, None]
    assert found.to_frame().height == 8
    again = LengthComparison.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.tables() == found.tables()
    np.testing.assert_array_equal(again.success, found.success)
    assert "<script" not in found.to_html()
    assert found.flops.tolist() == [flops_of_layers(Recurrent(name, 2, 4)) for name in found.cells]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("synthetic:adding", {"lengths": (8, 4)}, "lengths is 8,4"),
        ("synthetic:adding", {"lengths": (1,)}, "T=1"),
        ("synthetic:adding?T=5", {}, "has T"),
        ("synthetic:reber", {}, "no option 'T'"),
        ("synthetic:adding", {"seeds": 0}, "seeds is 0"),
        ("synthetic:addin", {}, "no synthetic task 'addin'"),
    ],
)
def test_lengths_that_cannot_be(source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        compare_lengths(source, **{"cells": ("rnn", "gru"), "lengths": (4,), **TINY, **options})


# ------------------------------------------------------------------------------------------------------- the command


SMALL = ["--hidden-size", "4", "--embedding-size", "4", "--one-direction", "--device", "cpu", "--batch-size", "8"]
SMALL += ["--tokenizer", "word", "--min-frequency", "1", "--epochs", "1", "--seeds", "1"]


def test_the_command_writes_a_report_and_prints_tables(folder: Path, ricorda_command: Command) -> None:
    (folder / "mine.py").write_text(
        "from ricorda import affine, cell, tanh\n\n\n@cell\ndef own(x, h):\n    return tanh(affine('h', h, x))\n",
        encoding="utf-8",
    )
    command = ["compare", "classify", "data.csv", "--cells", "gru,mine.py:own", *SMALL, "--out", "compared"]
    done = ricorda_command(*command)
    assert done.code == 0, done
    assert "own" in done.out
    assert "1/2  gru, seed 0, learning rate 0.002" in done.err
    assert "left" in done.err
    assert {path.name for path in (folder / "compared").iterdir()} == {
        "comparison.json",
        "comparison.png",
        "report.html",
        "runs",
    }
    models = [ricorda.load(run) for run in (folder / "compared" / "runs").iterdir()]
    assert [model.network_.wide for model in models] == [None, None]  # Beside it cells would differ by less.
    again = ricorda_command(*command, "--json")
    assert again.err.count("was trained before") == 2
    assert (
        json.loads(again.out)["cells"]
        == json.loads((folder / "compared" / "comparison.json").read_text(encoding="utf-8"))["cells"]
    )


@pytest.mark.parametrize("task", CASES)
def test_the_command_reads_each_tasks_data_and_parameters(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ricorda_command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    CASES[task].commands.write()
    runs: list[Any] = []
    monkeypatch.setattr("ricorda.cli.compare._told", lambda run, *_: runs.append(run))
    train = CASES[task].commands.train
    done = ricorda_command("compare", task, *train, "--test", train[0], "--seed", "3", "--out", "compared")
    assert done.code == 0, done
    ((model, X, y), options) = runs[0].args, runs[0].keywords
    assert (model.TASK, model.random_state, options["seeds"], options["match"]) == (task, 3, 3, "hidden")
    assert model.hidden_size in (4, 6)  # of the options, and no default
    assert options["validation"] is None
    data = split(model, X, y, validation=None, test=options["test"], seed=3)
    assert data.where == "test"


def test_the_report_replaces_no_file_of_something_else(tmp_path: Path, ricorda_command: Command) -> None:
    (tmp_path / "report.html").write_text("mine", encoding="utf-8")
    options = ["--lengths", "5", "--cells", "rnn", "--epochs", "1", "--out", tmp_path]
    said = ricorda_command("compare", "synthetic:parity?n=20", *options).sentence
    assert "holds 'report.html' of something else: choose a new folder or an empty one" in said
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "mine"


def test_the_command_for_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ricorda_command: Command) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--cells", "rnn,gru", "--lengths", "10,20", "--hidden-size", "4", "--epochs", "1"]
    done = ricorda_command("compare", "synthetic:order?n=40", *options, "--out", "far")
    assert done.code == 0, done
    assert "T = 20" in done.out
    assert (tmp_path / "far" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["synthetic:adding", "--lengths", "25,x"], "--lengths is '25,x': give whole numbers"),
        (["synthetic:adding", "--lengths", "25,2.5"], "--lengths is '25,2.5': give whole numbers"),
        (["synthetic:adding", "--cells", "rnn,lsm"], "there is no cell 'lsm'"),
        (["synthetic:adding", "--seeds", "0"], "--seeds is 0"),
        (["classify", "data.csv", "--out", "c", "--cells", "rnn,lsm"], "there is no cell 'lsm'"),
        (["classify", "data.csv", "--out", "c", "--seeds", "0"], "--seeds is 0"),
        (["classify", "data.csv", "--out", "c", "--match", "neither"], "--match is 'neither'"),
        (["classify", "data.csv", "--out", "c", "--learning-rates", "fast"], "--learning-rates is 'fast'"),
        (["classify", "nothing.csv", "--out", "c"], "nothing.csv"),
        (["foretell", "data.csv"], "there is no task 'foretell'"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], sentence: str, folder: Path, ricorda_command: Command) -> None:
    assert sentence in ricorda_command("compare", *arguments).sentence
    assert not (folder / "c").exists()


def test_cells_of_ones_own_are_compared_as_any_other() -> None:
    from ricorda import affine

    @cell
    def own(x, h):  # type: ignore[no-untyped-def]
        return tanh(affine("h", h, x))

    found = compare(small(), TEXTS, LABELS, cells=("gru", own), seeds=1)
    assert found.cells == ("gru", "own")


# --------------------------------------------------------------------------------------------- many cells in one report


def test_all_cells_and_families_stand_for_their_cells() -> None:
    assert split_names("all") == [*CELLS]
    assert split_names("gru, family:gru")[0] == "gru"
    assert sorted(split_names("gru,family:gru")) == sorted(name for name, of in CELLS.items() if of.family == "gru")
    assert split_names("family:linear,family:linear") == [name for name, of in CELLS.items() if of.family == "linear"]
    assert split_names("lstm,lstm") == ["lstm", "lstm"]  # which the comparison refuses
    with pytest.raises(ArgumentError, match="there is no family of cells 'grus': the families are vanilla, lstm"):
        split_names("family:grus")


def _failing(patch: pytest.MonkeyPatch, kind: Any, *names: str, steps: int = 0) -> None:
    """Let trainings of some cells fail, if their sequences have at least so many steps."""
    fit = kind.fit

    def fails(self: Any, X: Any, *arguments: Any, **others: Any) -> Any:
        if self.cell.name in names and "_train" not in vars(self) and len(getattr(X, "inputs", X)[0]) >= steps:
            raise ArgumentError("the loss became nan in epoch 1, step 1: lower the learning rate (now 0.002)")
        return fit(self, X, *arguments, **others)

    patch.setattr(kind, "fit", fails)


def test_a_cell_that_fails_is_a_row_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, type(small()), "rnn")
    options: dict[str, Any] = {"cells": ("rnn", "gru", "lstm"), "seeds": 2, "progress": True}
    found = compare(small(epochs=1), TEXTS, LABELS, **options)
    assert found.cells == ("gru", "lstm")
    assert [*found.failed] == ["rnn"]
    assert found.failed["rnn"].startswith("the loss became nan in epoch 1")
    assert found.tables()[-1] == Table("Cells that failed", ["cell", "why"], [*found.failed.items()])
    assert "Cells that failed" in found.to_html()
    assert found.to_json()["failed"] == found.failed
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in said if line[0].isdigit()] == ["1/6", "3/6", "4/6", "5/6", "6/6"]
    _failing(monkeypatch, type(small()), "gru", "lstm")
    with pytest.raises(ArgumentError, match="the loss became nan"):
        compare(small(epochs=1), TEXTS, LABELS, **options)


def test_a_cell_that_fails_at_one_length_has_the_others() -> None:
    with pytest.MonkeyPatch.context() as patch:
        _failing(patch, SequenceRegressor, "gru", steps=8)
        _failing(patch, SequenceRegressor, "lstm")
        found = compare_lengths("synthetic:adding?n=40", lengths=(4, 8), cells=("rnn", "gru", "lstm"), **TINY)
    assert found.cells == ("rnn", "gru")
    assert np.isnan(found.success[1]).tolist() == [[False], [True]]
    assert found.failed["gru"].startswith("T = 8: the loss became nan")
    assert found.failed["lstm"].startswith("T = 4: the loss became nan")
    assert found.tables()[0].rows[1][2] == "failed"
    assert found.half_lives.shape == (2, 2)
    assert found.half_lives[0, 0] > 0
    again = LengthComparison.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.tables() == found.tables()
    written = found.to_json()
    older = {
        **written,
        "trainings": [{k: v for k, v in row.items() if k != "half_life"} for row in written["trainings"]],
    }
    del older["failed"]
    assert np.isnan(LengthComparison.from_json(older).half_lives).all()
    assert found.plot().axes


def test_many_cells_are_counted_in_the_title(compared: tuple[Comparison, Path]) -> None:
    found, _ = compared
    many = replace(found, cells=tuple(f"cell_{number}" for number in range(60)))
    assert many.title == f"60 cells compared: {found.task}"
