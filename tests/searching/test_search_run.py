"""Searches from beginning to report: what is kept, what goes on, what is stopped early, what the report says."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command
from small_models import LABELS, TEXTS, small
from task_cases import CASES

import ricorda
from ricorda.errors import ArgumentError
from ricorda.searching.duration import seconds_of
from ricorda.searching.found import Repeated, Score, Tried
from ricorda.searching.result import SearchResult
from ricorda.searching.trial import TRIALS
from ricorda.tasks.measure import Measure
from ricorda.tasks.registry import TASKS
from ricorda.training.loop import _Loop

SPACE = {"learning_rate": {"low": 1e-4, "high": 0.1, "log": True}, "cell": ["lstm", "rnn"], "dropout": [0.0, 0.2]}
TEST = ["a warm film", "dull and lazy", "lovely"] * 4, ["good", "bad", "good"] * 4


pytestmark = pytest.mark.usefixtures("without_learning_curves")


def tiny(**parameters: Any) -> Any:
    return small(**{"validation_fraction": 0.4, "wide": False, "dropout": 0.0, **parameters})


def found(folder: Any = None, trials: int = 4, **options: Any) -> SearchResult:
    return ricorda.search(
        options.pop("model", tiny()), TEXTS, LABELS, **{"space": SPACE, "folder": folder, "trials": trials, **options}
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Path]:
    folder = tmp_path_factory.mktemp("searched")
    return found(folder, 6, test=TEST, model=tiny(epochs=3, learning_rate=1e-4)), folder


def test_the_best_of_all_trials_is_in_the_folder_and_every_trial_beside_it(searched: tuple[SearchResult, Path]) -> None:
    result, folder = searched
    assert [trial.number for trial in result.trials] == list(range(6))
    assert result.trials[0].parameters == result.default_parameters
    best = ricorda.load(folder)
    trained = {trial.number: trial for trial in result.trials if trial.ended == "trained"}
    assert {int(path.name) for path in (folder / TRIALS).iterdir()} == set(trained)
    for number, trial in trained.items():
        model: Any = ricorda.load(folder / TRIALS / f"{number:04}")
        assert model.summary_["best"]["score"] == trial.score
        assert model.learning_rate == trial.parameters["learning_rate"]
        assert model.program_.name == trial.parameters["cell"]
        assert model.random_state == 0
    assert result.best_score == max(trial.score for trial in trained.values()) == best.summary_["best"]["score"]
    np.testing.assert_array_equal(best.predict_proba(TEXTS), result.best_model.predict_proba(TEXTS))


def test_the_repeats_have_other_seeds_and_are_measured_on_the_test_data(searched: tuple[SearchResult, Path]) -> None:
    result, folder = searched
    assert result.seeds == (1, 2, 3)
    assert result.where == "test"
    assert set(result.repeated) == {"best", "default"}
    models: list[Any] = [ricorda.load(path) for path in (folder / "runs").iterdir()]
    assert len(models) == 3 * len(result.repeated)
    for name, each in result.repeated.items():
        wanted = result.best_parameters if name == "best" else result.default_parameters
        assert each.parameters == wanted
        own = [m for m in models if (m.program_.name, m.learning_rate) == (wanted["cell"], wanted["learning_rate"])]
        by_seed = sorted((m for m in own if m.dropout == wanted["dropout"]), key=lambda model: model.random_state)
        assert [model.random_state for model in by_seed] == [1, 2, 3]
        np.testing.assert_allclose(each.scores, [model.summary_["best"]["score"] for model in by_seed])
        np.testing.assert_allclose(each.measured, [model.score(*TEST) for model in by_seed])


def test_the_same_search_again_trains_nothing_and_more_trials_go_on(
    searched: tuple[SearchResult, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, folder = searched
    epochs = count_epochs(monkeypatch)
    again = found(folder, 6, test=TEST, model=tiny(epochs=3, learning_rate=1e-4))
    assert epochs == []
    assert again.trials == result.trials
    assert again.to_json() == result.to_json()
    more = found(folder, 7, test=TEST, model=tiny(epochs=3, learning_rate=1e-4))
    assert more.trials[:6] == result.trials
    assert len(more.trials) == 7
    with pytest.raises(ArgumentError, match="in its parameters hidden_size is 4, and now it is 5"):
        found(folder, 6, model=tiny(epochs=3, learning_rate=1e-4, hidden_size=5))
    with pytest.raises(ArgumentError, match="on other data"):
        ricorda.search(tiny(epochs=3, learning_rate=1e-4), TEXTS[:-2], LABELS[:-2], space=SPACE, folder=folder)


def test_a_search_repeats_bit_for_bit() -> None:
    first, second = found(), found()
    assert [trial.parameters for trial in first.trials] == [trial.parameters for trial in second.trials]
    assert [trial.score for trial in first.trials] == [trial.score for trial in second.trials]
    assert len({tuple(trial.parameters.values()) for trial in first.trials}) == 4


def count_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by each epoch that is trained from now on."""
    train_epoch, epochs = _Loop.train_epoch, list[int]()

    def counted(self: Any, *arguments: Any) -> None:
        epochs.append(len(self.run.history))
        train_epoch(self, *arguments)

    monkeypatch.setattr(_Loop, "train_epoch", counted)
    return epochs


def test_trials_that_promise_little_are_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    epochs = count_epochs(monkeypatch)
    space = {"learning_rate": [1e-6, 0.05]}
    result = found(tmp_path, 12, space=space, model=tiny(epochs=8, learning_rate=0.05))
    stopped = [trial for trial in result.trials if trial.ended == "stopped early"]
    assert stopped
    assert all(2 <= trial.epochs < 8 for trial in stopped)
    assert all(trial.epochs == 8 for trial in result.trials if trial.ended == "trained")
    repeated = 8 * 3 * len(result.repeated)
    assert len(epochs) == sum(trial.epochs for trial in result.trials) + repeated
    assert not any((tmp_path / TRIALS / f"{trial.number:04}").exists() for trial in stopped)
    assert {trial.parameters["learning_rate"] for trial in stopped} == {1e-6}


def test_ctrl_c_loses_the_running_trial_alone_and_its_parameters_are_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    epochs = count_epochs(monkeypatch)
    counted = _Loop.train_epoch

    def stopping(self: Any, *arguments: Any) -> None:
        if len(epochs) == 5:  # in the third trial of two epochs
            raise KeyboardInterrupt
        counted(self, *arguments)

    monkeypatch.setattr(_Loop, "train_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path)
    monkeypatch.setattr(_Loop, "train_epoch", counted)
    del epochs[:]
    result = found(tmp_path)
    whole = found()
    assert len(result.trials) == len(whole.trials) == 4
    assert [trial.parameters for trial in result.trials[:3]] == [trial.parameters for trial in whole.trials[:3]]
    assert [trial.number for trial in result.trials] == [0, 1, 3, 4]  # The third was lost, and counts no more.
    assert len([epoch for epoch in epochs if epoch == 0]) == 2 + 3 * len(result.repeated) + 4 + 3 * len(whole.repeated)


def test_parameters_that_a_training_refuses_are_a_trial_that_counts_unless_they_are_the_default() -> None:
    result = found(space={"hidden_size": [4, 5_000_000_000]}, trials=6)
    refused = [trial for trial in result.trials if trial.ended == "refused"]
    assert refused
    assert all("larger than the memory" in trial.why and math.isnan(trial.score) for trial in refused)
    assert len(result.trials) == 6
    assert f"{len(refused)} refused" in result.tables()[0].title
    with pytest.raises(ArgumentError, match="larger than the memory"):
        found(space={"dropout": [0.0, 0.1]}, model=tiny(hidden_size=5_000_000_000))


def test_time_ends_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="no trial was trained to its end: give more time"):
        found(trials=None, time_limit=1e-6)
    result = found(trials=None, time_limit="1s")
    assert len(result.trials) >= 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("90", 90), ("30m", 1800), ("1h30m", 5400), ("2h", 7200), (1.5, 1.5)]
)
def test_times_as_people_write_them(text: Any, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "0m", "-5", "1d", 0, -1.0, math.nan, math.inf, True])
def test_what_is_no_time_is_refused(text: Any) -> None:
    with pytest.raises(ArgumentError, match="give a time above zero"):
        seconds_of(text)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_searched_and_its_report_is_whole(task: str) -> None:
    case = CASES[task]
    result = ricorda.search(case.make(), case.X, case.y, trials=2)
    assert result.task == task
    assert len(result.trials) == 2
    assert result.where == "validation"
    assert np.isfinite(result.repeated["default"].measured).all()
    assert json.loads(json.dumps(result.to_json()))["best"]["parameters"] == result.best_parameters
    assert all(len(row) == len(table.columns) for table in result.tables() for row in table.rows)
    assert result.plot().axes
    assert len(result.to_frame()) == 2


# ---------------------------------------------------------------------------------------------------- what is said


def made_up(
    best: list[float], default: list[float], searched: tuple[float, float], examples: int = 400
) -> SearchResult:
    """A result whose repeated trainings have these accuracies on both parts."""

    def repeated(shares: list[float]) -> Repeated:
        outcomes = np.array([np.arange(examples) < share * examples for share in shares], dtype=np.float64)
        return Repeated({"dropout": 0.1}, np.array(shares), outcomes, np.ones(examples))

    trials = (
        Tried(0, "trained", {"dropout": 0.5}, searched[0], 3, 1.0),
        Tried(1, "trained", {"dropout": 0.1}, searched[1], 3, 1.0),
        Tried(2, "stopped early", {"dropout": 0.4}, 0.1, 2, 1.0),
    )
    return SearchResult(
        task="classify",
        best_model=None,
        best_parameters={"dropout": 0.1},
        best_score=searched[1],
        trials=trials,
        default_parameters={"dropout": 0.5},
        score=Score("accuracy", "accuracy", True),
        seeds=(1, 2, 3),
        repeated={"best": repeated(best), "default": repeated(default)},
        importances={"dropout": 1.0},
        measure=Measure("accuracy", "an example", True, share=True),
        where="test",
    )


def test_the_luck_of_a_seed_is_told_from_a_gain() -> None:
    lucky = made_up([0.80, 0.81, 0.79], [0.80, 0.79, 0.81], (0.78, 0.84)).says()
    assert "Trial 1 is +6.0 points better" in lucky[0]
    assert "(84.0% against 78.0%)" in lucky[0]
    assert "+0.0 points with other seeds: 6.0 points of the gain were the luck of a seed" in lucky[0]
    assert "no more than the noise of seeds and examples" in lucky[1]
    real = made_up([0.90, 0.91, 0.92], [0.80, 0.79, 0.81], (0.80, 0.90)).says()
    assert "+11.0 points with other seeds." in real[0]
    assert "luck" not in real[0]
    assert real[1].endswith("the best parameters are better by more than that noise.")
    worse = made_up([0.60, 0.61, 0.62], [0.80, 0.79, 0.81], (0.78, 0.84)).says()
    assert worse[1].endswith("the best parameters are worse by more than that noise.")


def test_a_search_without_a_gain_says_so() -> None:
    result = made_up([0.8] * 3, [0.8] * 3, (0.8, 0.7))
    nothing = replace(result, repeated={"default": result.repeated["default"]})
    assert nothing.says() == ["No trial was better than the default parameters (80.0%)."]
    assert nothing.best.number == 0


def test_a_score_is_the_number_that_it_is_made_from() -> None:
    labels = {"accuracy": "accuracy", "validation_loss": "log loss"}
    share = Score.of("accuracy {accuracy:.1%}", {"score": 0.5, "macro_f1": 0.5, "accuracy": 0.5}, labels)
    assert (share.name, share.text(0.5)) == ("accuracy", "50.0%")
    loss = Score.of("{mae:.2f}", {"score": -0.25, "mae": 0.5, "validation_loss": 0.25}, labels)
    assert (loss.label, loss.higher_is_better, loss.text(-0.25)) == ("log loss", False, "0.250")
    few = Score.of("accuracy {accuracy:.1%}", {"accuracy": 0.75, "validation_loss": 0.25}, labels)
    assert (few.name, few.number(-0.25)) == ("validation_loss", 0.25)


# -------------------------------------------------------------------------------------------------------- the command

OPTIONS = (
    "--tokenizer",
    "word",
    "--min-frequency",
    1,
    "--epochs",
    1,
    "--hidden-size",
    4,
    "--embedding-size",
    4,
    "--no-wide",
)
COMMAND = ("search", "classify", "data.csv", *OPTIONS, "--validation-fraction", 0.4, "--trials", 2, "--out", "found")


def test_the_command_prints_tables_and_leaves_model_numbers_and_picture(ricorda_command: Command, folder: Path) -> None:
    done = ricorda_command(*COMMAND, "--test", "data.csv")
    assert done.code == 0, done.err
    assert "The best of 2 trials" in done.out
    assert "Trained again with other seeds (1, 2, 3)" in done.out
    assert "2/2  trial 1" in done.err
    assert (folder / "found" / "search.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "found" / "search.svg").read_bytes().startswith(b"<?xml")
    assert (
        "hidden_size"
        not in json.loads((folder / "found" / "search.json").read_text(encoding="utf-8"))["best"]["parameters"]
    )
    assert ricorda_command("predict", "found", "a warm film").code == 0
    again = ricorda_command(*COMMAND, "--test", "data.csv", "--json")
    assert json.loads(again.out) == json.loads((folder / "found" / "search.json").read_text(encoding="utf-8"))
    assert "2/2 trials were made before" in again.err
    other = ricorda_command(*COMMAND, "--validation", "data.csv")
    assert "on other data" in other.sentence


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ("--space", "space.toml"),
            "space.toml has 'hiden_size', which is no parameter of the task classify: did you mean 'hidden_size'?",
        ),
        (("--storage", "sqlite:////no/such/folder/x.db"), "--storage sqlite:////no/such/folder/x.db cannot be opened"),
        (("--storage", "data.csv"), "is no journal of Optuna"),
        (("--trials", "0"), "--trials is 0"),
        (("--jobs", "0"), "--jobs is 0"),
        (("--time", "soon"), "--time is 'soon'"),
        (("--time-limit", "0m"), "--time is '0m'"),
        (("--validation-fraction", "0"), "--validation-fraction is 0"),
        (("--out", "."), "holds 'data.csv' and no model"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    ricorda_command: Command, folder: Path, more: tuple[str, ...], says: str
) -> None:
    (folder / "space.toml").write_text("hiden_size = [4, 8]\n", encoding="utf-8")
    assert says in ricorda_command(*COMMAND, *more).sentence
    assert not (folder / "found").exists()


def test_a_model_that_no_search_has_written_is_kept(ricorda_command: Command, trained: Path, folder: Path) -> None:
    said = ricorda_command(*COMMAND[:-1], trained / "model").sentence
    assert "holds a model that no search has written" in said


def test_a_forecast_has_a_column_of_times_and_a_limit_of_time(ricorda_command: Command, folder: Path) -> None:
    (folder / "series.csv").write_text(
        "day,v\n" + "".join(f"2024-01-{day:02},{day % 7}\n" for day in range(1, 32)) * 1, encoding="utf-8"
    )
    options = ("--time", "day", "--target", "v", "--context", 4, "--hidden-size", 4, "--epochs", 1, "--trials", 1)
    done = ricorda_command("search", "forecast", "series.csv", *options, "--time-limit", "1h", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["task"] == "forecast"
    for task in TASKS:
        assert ricorda_command("search", task, "--help").code == 0
