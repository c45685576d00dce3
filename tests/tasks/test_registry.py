"""The table of tasks, and what a task must have to stand in it."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from pair_task import PairClassifier, PairParameters

import ricorda
from ricorda.errors import ArgumentError
from ricorda.tasks import registry
from ricorda.tasks.estimator import SequenceEstimator


def refusal(kind: Any, commands: Any = None) -> str:
    before = dict(registry.TASKS)
    with pytest.raises(ArgumentError) as caught:
        registry.register(kind, commands)
    assert before == registry.TASKS
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("task", registry.TASKS)
def test_each_task_is_whole_and_found_by_its_name(task: str) -> None:
    kind, commands = registry.estimator_of(task), registry.commands_of(task)
    registry.check_task(kind, commands)
    assert task == kind.TASK
    assert issubclass(kind, registry.parameters_class(task))
    assert getattr(ricorda, kind.__name__) is kind


@pytest.mark.parametrize("method", sorted(SequenceEstimator.__abstractmethods__))
def test_a_task_that_leaves_a_method_out_is_refused_with_its_name(method: str) -> None:
    lacking = type("Lacking", (PairClassifier,), {method: getattr(SequenceEstimator, method)})
    assert refusal(lacking).startswith(f"Lacking leaves out the method {method}: ")


def test_a_task_that_leaves_something_else_out_is_refused_with_its_name() -> None:
    methods = {name: getattr(PairClassifier, name) for name in SequenceEstimator.__abstractmethods__}

    def kind(*bases: type, **constants: Any) -> Any:
        return type("Lacking", bases, {**methods, **constants})

    assert refusal(kind(SequenceEstimator, PairParameters, SCORES={})).startswith("Lacking leaves out TASK: ")
    assert refusal(kind(SequenceEstimator, PairParameters, TASK="new")).startswith("Lacking leaves out SCORES: ")
    commands = SimpleNamespace(TRAIN="Train it.", read=print, predict=print)
    assert refusal(PairClassifier, commands) == (
        "the commands of PairClassifier leave out evaluate: write it, as in ricorda.cli.tag"
    )


def test_a_name_that_is_taken_is_refused() -> None:
    class Another(PairClassifier):
        TASK: ClassVar[str] = "tag"

    assert refusal(Another) == "there is a task 'tag' already: give Another.TASK another name"
