"""What the estimators of all tasks have in common: parameters, seeds, copies, mistakes, single steps, interruption."""

import copy
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from task_cases import CASES, Case

from ricorda.cells import gru
from ricorda.errors import ArgumentError, DataError, ModelFolderError, RicordaError
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.registry import TASKS, estimator_of
from ricorda.training import Interrupted
from ricorda.training.learner import Learner


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def model(case: Case) -> Any:
    """A trained model; not to be changed."""
    return case.make().fit(case.X, case.y)


def flat(value: Any) -> Iterator[Any]:
    """The numbers and texts in nested lists and arrays."""
    if isinstance(value, np.ndarray | torch.Tensor):
        yield from np.asarray(value).ravel().tolist()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from flat(each)
    else:
        yield value


def exactly(value: Any) -> list[Any]:
    return list(flat(value))


def nearly(value: Any) -> list[Any]:
    """For a comparison within the rounding of float32 sums."""
    return [pytest.approx(each, rel=1e-4, abs=1e-5) if isinstance(each, float) else each for each in flat(value)]


def weights(model: Any) -> list[float]:
    return [float(value) for each in model.network_.parameters() for value in each.detach().flatten()]


def test_every_task_has_a_case_and_a_class_of_its_name() -> None:
    assert set(CASES) == set(TASKS)
    for task, case in CASES.items():
        model = case.make()
        assert (type(model), model.TASK) == (estimator_of(task), task)


# Parameters


def test_parameters_are_read_written_and_cloned(case: Case) -> None:
    model = case.make(cell="gru", epochs=3)
    parameters = model.get_params()
    assert (parameters["cell"], parameters["epochs"], parameters["random_state"]) == ("gru", 3, 0)
    assert type(model)(**parameters).get_params() == parameters
    assert clone(model).get_params() == parameters
    assert model.set_params(hidden_size=9) is model
    assert model.get_params()["hidden_size"] == 9
    with pytest.raises(ValueError, match="Invalid parameter 'hiden_size'"):
        model.set_params(hiden_size=3)


def test_a_value_that_no_parameter_takes_is_refused_in_a_sentence(case: Case) -> None:
    for name in set(case.make().get_params()) - {"cell"}:
        for value in (object(), float("nan"), "no such thing"):
            if name in ("device", "pretrained") and isinstance(value, str):
                continue  # which is found when the training looks for it
            with pytest.raises(ArgumentError) as caught:
                case.make(**{name: value}).check_parameters()
            assert str(caught.value).startswith(f"{name} is {value!r}: "), name
            assert "\n" not in str(caught.value)
    for parameters in ({"hidden_size": 0}, {"device": "tpu"}, {"cell": "lstn"}):
        with pytest.raises(ArgumentError):
            case.make(**parameters).fit(case.X, case.y)


def test_fit_returns_the_model_and_leaves_its_parameters(case: Case) -> None:
    model = case.make(cell=gru, epochs=1)
    before = dict(model.get_params())
    assert model.fit(case.X, case.y) is model
    assert all(model.get_params()[name] is value for name, value in before.items())
    assert model.n_iter_ == len(model.history_) == 1
    assert model.program_ == gru.program
    assert not model.network_.training


# What comes before a fit, and after one that failed


def test_nothing_works_before_fit(case: Case, tmp_path: Path) -> None:
    model = case.make()
    for _ in range(2):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            case.outputs(model, case.X)
        with pytest.raises(NotFittedError, match="not fitted yet"):
            model.save(tmp_path)
        with pytest.raises(RicordaError):
            model.fit(case.wrong, case.y)


def test_a_fit_that_fails_or_is_stopped_leaves_what_was_learned_before(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = case.make().fit(case.X, case.y)
    before = exactly(case.outputs(model, case.X))

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises((ArgumentError, DataError)):
        model.fit(case.wrong, case.y)
    monkeypatch.setattr(Learner, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*case.one_step)
    assert exactly(case.outputs(model, case.X)) == before


# Seeds


def test_the_same_seed_gives_the_same_model_and_another_one_another(case: Case, model: Any) -> None:
    again = case.make().fit(case.X, case.y)
    assert weights(again) == weights(model)
    assert exactly(case.outputs(again, case.X)) == exactly(case.outputs(model, case.X))
    assert weights(again.fit(case.X, case.y)) == weights(model)
    assert weights(case.make(random_state=1).fit(case.X, case.y)) != weights(model)


def test_the_global_random_numbers_are_neither_used_nor_changed(case: Case, model: Any) -> None:
    def state() -> tuple[bytes, bytes]:
        return np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()  # type: ignore[union-attr]

    np.random.seed(1)
    torch.manual_seed(1)
    before = state()
    again = case.make().fit(case.X, case.y)
    case.outputs(again, case.X)
    assert state() == before
    assert weights(again) == weights(model)


# Predictions


def test_predictions_do_not_depend_on_the_company(case: Case, model: Any) -> None:
    """Whatever else is predicted in the same call; `outputs` of a task without several examples are compared whole."""
    together = case.outputs(model, case.X)
    assert exactly(case.outputs(model, case.X)) == exactly(together)
    if isinstance(case.X, str) or len(together) != len(case.X):
        return
    alone = [case.outputs(model, case.X[index : index + 1])[0] for index in range(len(case.X))]
    assert exactly(alone) == nearly(list(together))
    assert exactly(case.outputs(model, case.X[::-1])) == nearly(list(together)[::-1])


def test_sequences_of_one_step_are_learned_and_predicted(case: Case, model: Any) -> None:
    X, y = case.one_step
    assert exactly(case.outputs(case.make().fit(X, y), X))
    assert exactly(case.outputs(model, X))


def test_what_cannot_be_read_is_refused_in_a_sentence(case: Case, model: Any) -> None:
    with pytest.raises((ArgumentError, DataError)) as caught:
        case.outputs(model, case.wrong)
    assert "\n" not in str(caught.value)


# Copies


def test_a_trained_model_is_pickled_and_copied(case: Case, model: Any) -> None:
    wanted = exactly(case.outputs(model, case.X))
    for each in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert each.get_params() == model.get_params()
        assert exactly(case.outputs(each, case.X)) == wanted
    assert not hasattr(clone(model), "network_")


# Inside scikit-learn


def test_model_selection_and_pipelines(case: Case) -> None:
    if not case.grid:
        pytest.skip("its examples are no table that can be cut into folds")
    search = GridSearchCV(case.make(epochs=1), {"hidden_size": np.array([3, 5])}, cv=2, error_score="raise")
    search.fit(case.X, case.y)
    assert search.best_estimator_.hidden_size == search.best_params_["hidden_size"]
    assert np.isfinite(search.best_score_)
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", case.make(epochs=1))]).fit(case.X, case.y)
    alone = case.make(epochs=1).fit(case.X, case.y)
    assert exactly(case.outputs(pipeline[-1], case.X)) == exactly(case.outputs(alone, case.X))


# Interruption


def test_an_interrupted_training_goes_on_bit_for_bit(
    case: Case, model: SequenceEstimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = model.history_[-1]["step"]
    step, taken = Learner.step, 0

    def interrupted_in_the_middle(self: Learner, *arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == steps // 2 + 1:
            signal.raise_signal(signal.SIGINT)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", interrupted_in_the_middle)
        with pytest.raises(Interrupted, match=r"go on with --resume"):
            case.make().fit(case.X, case.y, folder=tmp_path)
    resumed = case.make().fit(case.X, case.y, folder=tmp_path, resume=True)
    assert weights(resumed) == weights(model)
    assert [entry["loss"] for entry in resumed.history_] == [entry["loss"] for entry in model.history_]
    for changed in (case.make(hidden_size=5), case.make(random_state=1)):
        with pytest.raises(ModelFolderError, match="resume it with the same"):
            changed.fit(case.X, case.y, folder=tmp_path, resume=True)
    with pytest.raises(ModelFolderError, match="was trained on other data than were given: resume"):
        case.make().fit(case.X[:-1], None if case.y is None else case.y[:-1], folder=tmp_path, resume=True)
