"""Spaces: the table's rows in every task, and a user's own file."""

from pathlib import Path
from typing import Any

import pytest
from small_models import small
from task_cases import CASES

from ricorda.errors import SpaceError
from ricorda.insight.comparison.cost import with_cell
from ricorda.searching.extra import optuna
from ricorda.searching.run import begin, common_to_trials
from ricorda.searching.space import MEASURE, ROWS, Space, read_space, searched_names
from ricorda.tasks.cells import as_program
from ricorda.tasks.parameters import parameters_of
from ricorda.tasks.registry import TASKS, estimator_of

Float = optuna.distributions.FloatDistribution
Int = optuna.distributions.IntDistribution
Choice = optuna.distributions.CategoricalDistribution

ARGUMENTS: dict[str, Any] = {
    "trials": 1,
    "time_limit": None,
    "space": None,
    "fixed": None,
    "study": "ricorda",
    "validation": None,
    "test": None,
}


def begun(task: str, tmp_path: Path, **arguments: Any) -> Any:
    case = CASES[task]
    return begin(case.make(), case.X, case.y, tmp_path, str(tmp_path / "journal"), {**ARGUMENTS, **arguments})


def own(written: Any, **parameters: Any) -> Space:
    model = small(**parameters)
    return read_space(written, with_cell(model, as_program(model.cell)))


@pytest.mark.parametrize("task", TASKS)
def test_every_value_of_a_tasks_own_space_is_one_that_its_estimator_takes(task: str, tmp_path: Path) -> None:
    found = begun(task, tmp_path, fixed=())
    job = found.job
    assert {"cell", "learning_rate", "hidden_size", "num_layers", "dropout", "batch_size"} <= set(
        job.space.distributions
    )
    assert set(found.default) == set(job.space.distributions)
    assert job.space.has(found.default)
    for pick in ("low", "high"):
        values = {
            name: values.choices[-1] if isinstance(values, Choice) else getattr(values, pick)
            for name, values in job.space.distributions.items()
        }
        job.with_parameters(values).check_parameters()
        assert job.space.has(values)
    assert common_to_trials(found)["task"] == task


def test_the_rows_are_of_parameters_that_there_are_and_of_none_that_decides_the_measure() -> None:
    known = {parameter.name for task in TASKS for parameter, _ in parameters_of(estimator_of(task))}
    assert set(ROWS) <= known
    assert not set(ROWS) & set(MEASURE)


def test_what_the_user_has_given_is_not_searched() -> None:
    assert "hidden_size" in searched_names(small(), fixed=())
    assert "hidden_size" not in searched_names(small(), fixed=("hidden_size",))
    assert "hidden_size" not in searched_names(small())  # it is not at its default
    assert "learning_rate" in searched_names(small())


def test_arrays_have_no_parameters_of_tokens(tmp_path: Path) -> None:
    assert "word_dropout" in begun("classify", tmp_path, fixed=()).default
    assert "word_dropout" not in begun("regress", tmp_path, fixed=()).default


def test_defaults_that_follow_the_data_are_numbers(tmp_path: Path) -> None:
    case = CASES["classify"]
    model = case.make(dropout="auto", batch_size="auto", epochs="auto", wide=False)
    found = begin(model, case.X, case.y, tmp_path, str(tmp_path / "journal"), {**ARGUMENTS, "fixed": ()})
    assert found.default["dropout"] == 0.5
    assert found.default["batch_size"] == 8
    assert found.job.model.epochs == 100  # Every trial has the epochs of the default parameters.


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(
        "cell = ['gru', 'mgu']\nlearning_rate = {low = 1e-4, high = 1e-2, log = true}\n"
        "hidden_size = {low = 8, high = 32, step = 8}\ndropout = {low = 0, high = 0.5}\npooling = 'mean'\n",
        encoding="utf-8",
    )
    space = own(path)
    assert space.distributions == {
        "cell": Choice(["gru", "mgu"]),
        "hidden_size": Int(8, 32, step=8),
        "dropout": Float(0, 0.5),
        "learning_rate": Float(1e-4, 1e-2, log=True),
        "pooling": Choice(["mean"]),
    }
    assert set(space.cells) == {"gru", "mgu"}
    assert not space.has({"cell": "lstm", "hidden_size": 8, "dropout": 0.0, "learning_rate": 1e-3, "pooling": "mean"})


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("hiden_size = [4, 8]", "'hiden_size', which is no parameter of the task classify: did you mean 'hidden_size'"),
        ("random_state = [1, 2]", "'random_state', which decides what trials are measured by"),
        ("hidden_size = {low = 0, high = 8}", "hidden_size is 0: give a whole number of at least 1"),
        ("hidden_size = {low = 4.5, high = 8}", "it is a whole number"),
        ("hidden_size = {low = 8, high = 4}", "which Optuna refuses"),
        ("hidden_size = {low = 8}", "lacks low or high"),
        ("hidden_size = {low = 8, high = 9, lag = true}", "has 'lag'"),
        ("dropout = {low = 0.0, high = 1.0}", "dropout is 1.0: give a number from 0 to less than 1"),
        ("pooling = {low = 1, high = 2}", "pooling is no number: give a list"),
        ("pooling = ['mean', 'least']", "pooling is 'least': give one of"),
        ("pooling = []", "pooling is []"),
        ("cell = ['lstm', 'lstn']", "there is no cell 'lstn'"),
        ("precision = ['32', '16']", "precision is '16'"),
        ("learning_rate = [0.0]", "learning_rate is 0.0"),
        ("learning_rate = ", "is no TOML"),
        ("", "has no parameter"),
    ],
)
def test_a_mistake_in_a_space_is_one_sentence_that_names_the_file(written: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(SpaceError) as raised:
        own(path)
    assert "space.toml" in str(raised.value)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_parameter_is_given_or_searched() -> None:
    with pytest.raises(SpaceError, match="dropout is given, and space has it too"):
        read_space({"dropout": [0.1, 0.2]}, small(), fixed=("dropout",))


def test_the_tokens_of_a_language_model_decide_its_score() -> None:
    case = CASES["language"]
    with pytest.raises(SpaceError, match="'tokenizer', which decides what trials are measured by"):
        read_space({"tokenizer": ["char", "bpe"]}, case.make())
