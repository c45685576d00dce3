"""Studies and their storages: whose they are, which trials count, and what a killed process leaves."""

import time
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.searching.extra import optuna
from ricorda.searching.locks import locked
from ricorda.searching.storage import check_storage, drop_unfinished_line, open_storage, without_password
from ricorda.searching.study import (
    TrialState,
    begin_study,
    finished,
    give_back_lost,
    has_place,
    is_surplus,
    mark_of_life,
    open_study,
    quiet,
)

SEARCH: dict[str, Any] = {"task": "classify", "data": "abc", "space": {"dropout": 1}, "parameters": {"hidden_size": 4}}


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "study.journal")


def test_the_default_is_the_first_trial_and_stands_once_in_the_queue(storage: str) -> None:
    for _ in range(2):
        study = begin_study(storage, "ricorda", SEARCH, {"dropout": 0.5})
    (trial,) = study.get_trials()
    assert trial.state == TrialState.WAITING
    assert study.ask().suggest_float("dropout", 0, 1) == 0.5


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"task": "regress"}, "its task is classify, and now it is regress"),
        ({"data": "abd"}, "on other data"),
        ({"space": {"dropout": 2}}, "in its space dropout is 1, and now it is 2"),
        ({"parameters": {"hidden_size": 8}}, "in its parameters hidden_size is 4, and now it is 8"),
        ({"parameters": {}}, "in its parameters hidden_size is 4, and now it is left out"),
    ],
)
def test_a_storage_of_another_search_is_refused(storage: str, other: dict[str, Any], says: str) -> None:
    begin_study(storage, "ricorda", SEARCH, None)
    with pytest.raises(ArgumentError) as raised:
        begin_study(storage, "ricorda", {**SEARCH, **other}, None)
    assert storage in str(raised.value)
    assert says in str(raised.value)
    begin_study(storage, "another", {**SEARCH, **other}, None)


def test_a_study_of_something_else_is_refused(storage: str) -> None:
    optuna.create_study(storage=open_storage(storage), study_name="ricorda").ask()
    with pytest.raises(ArgumentError, match="holds trials of something else in the study 'ricorda'"):
        begin_study(storage, "ricorda", SEARCH, None)


@pytest.mark.parametrize("url", ["sqlite:////there/is/no/such/folder/study.db", "nothing://me:secret@127.0.0.1/x"])
def test_a_database_that_does_not_answer_is_one_sentence_without_its_password(url: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        check_storage(url)
    assert "cannot be opened" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert without_password("postgresql://me:secret@host:5432/db") == "postgresql://me:***@host:5432/db"


def test_a_file_that_is_no_journal_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a line without an end", encoding="utf-8")
    for function in (check_storage, open_storage):
        with pytest.raises(ArgumentError, match="is no journal of Optuna"):
            function(str(path))
    assert path.read_text(encoding="utf-8") == "a line without an end"
    with pytest.raises(ModelFolderError, match="it is a folder where a file is needed"):
        open_storage(str(tmp_path))


def test_a_line_that_a_killed_process_left_unfinished_is_dropped(storage: str) -> None:
    study = begin_study(storage, "ricorda", SEARCH, None)
    study.tell(study.ask(), 1.0)
    with open(storage, "ab") as file:
        file.write(b'{"op_code":4,"worker_')
    again = open_study(storage, "ricorda")
    again.tell(again.ask(), 2.0)
    assert [trial.value for trial in finished(open_study(storage, "ricorda"))] == [1.0, 2.0]
    drop_unfinished_line(Path(storage))
    assert Path(storage).read_bytes().endswith(b"\n")


def test_a_trial_whose_process_has_gone_is_given_back_and_one_that_runs_is_not(storage: str) -> None:
    study = begin_study(storage, "ricorda", SEARCH, None)
    lives, gone = study.ask(), study.ask()
    gone.suggest_float("dropout", 0, 1)
    path = mark_of_life(storage, "ricorda", lives.number)
    assert path is not None
    with locked(path), quiet():
        for _ in range(2):
            give_back_lost(study, storage)
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING]
    assert study.get_trials()[2].params == gone.params
    assert study.ask().number == 2


def test_parameters_that_kill_their_process_are_given_up_in_the_end(storage: str) -> None:
    study = begin_study(storage, "ricorda", SEARCH, None)
    study.ask()
    with quiet():
        for _ in range(5):
            give_back_lost(study, storage)
            if has_place(study, 1) and TrialState.WAITING in {trial.state for trial in study.get_trials()}:
                study.ask()
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL] * 3


def test_trials_begun_at_once_are_as_many_as_wanted(storage: str) -> None:
    study = begin_study(storage, "ricorda", SEARCH, None)
    trials = [study.ask() for _ in range(4)]
    assert [is_surplus(study, trial.number, 2) for trial in trials] == [False, False, True, True]
    study.tell(trials[0], state=TrialState.FAIL)  # which makes room for the third
    assert [is_surplus(study, trial.number, 2) for trial in trials[1:]] == [False, False, True]
    for trial in trials[3:]:
        study.tell(trial, state=TrialState.FAIL)
    assert not has_place(study, 2)
    assert has_place(study, 3)
    assert has_place(study, None)


def test_a_lock_is_held_by_one_even_when_its_file_was_removed_while_another_waited(tmp_path: Path) -> None:
    path, order = tmp_path / "one.lock", Queue[str]()

    def wait() -> None:
        with locked(path):
            order.put("held")
            assert order_back.get(timeout=60) == "go"

    order_back = Queue[str]()
    waits = Thread(target=wait, daemon=True)
    with locked(path):
        waits.start()
        time.sleep(0.2)  # It has opened the file by then; if not, the test shows less, and holds.
    assert order.get(timeout=60) == "held"
    with locked(path, wait=False) as held:
        assert not held
    order_back.put("go")
    waits.join(60)
    assert not path.exists()
