"""Processes of which each reads files of its own: the weights of one that holds them all, and no row of another."""

import copy
import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from command_line import SMALL, Command
from sharded import Both, Part, both
from sklearn.base import clone
from small_models import LABELS, TEXTS, small
from task_cases import SENTENCES, SOURCES, TAGS, TARGETS, TINY, WALKS
from test_together import BOUND, ONE, PATHS, assert_like_one
from training_tasks import weights
from workers import ended, start_workers

import ricorda
from ricorda import SequenceRegressor, SequenceTagger, Translator
from ricorda.data.read import read_examples
from ricorda.data.shards import files_of_all, files_of_process, joined
from ricorda.errors import ArgumentError, DataError, RicordaError
from ricorda.tasks.classify.objective import Classification, probabilities
from ricorda.tasks.many_to_one.examples import outputs_of_all
from ricorda.training import train
from ricorda.training.processes import Processes
from ricorda.training.sharded import Sharded, own_files

SCRIPT = Path(__file__).parent / "sharded.py"
SIZES = (9, 6, 7, 4)
"""Examples of each file; the last one has a class of its own."""
WORDS = [
    *("train", "classify", "parts/*.csv", "--shards", "--out", "model", *SMALL, "--batch-size", "4", "--epochs", "3"),
    *("--dropout", "0", "--word-dropout", "0", "--class-weight", "balanced"),
]


def parts() -> list[tuple[list[str], list[str]]]:
    ends = np.cumsum(SIZES)
    labels = [*LABELS[: ends[-1] - 2], "odd", "odd"]
    return [(TEXTS[end - size : end], labels[end - size : end]) for size, end in zip(SIZES, ends, strict=True)]


def shard_of(rank: int) -> tuple[list[str], list[str]]:
    own = parts()[rank::2]
    return [text for texts, _ in own for text in texts], [label for _, labels in own for label in labels]


def write_parts(folder: Path) -> None:
    (folder / "parts").mkdir()
    for number, (texts, labels) in enumerate(parts()):
        rows = "".join(f'"{text}",{label}\n' for text, label in zip(texts, labels, strict=True))
        (folder / "parts" / f"{number}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")


class Threads(Processes):
    """Two processes that are threads."""

    def __init__(self, rank: int, meeting: Barrier, table: list[Any]) -> None:
        super().__init__(rank, 2, torch.device("cpu"))
        object.__setattr__(self, "meeting", meeting)
        object.__setattr__(self, "table", table)

    def gather(self, value: Any) -> list[Any]:
        self.table[self.rank] = value  # type: ignore[attr-defined]
        self.meeting.wait(20)  # type: ignore[attr-defined]
        found = list(self.table)  # type: ignore[attr-defined]
        self.meeting.wait(20)  # type: ignore[attr-defined]
        return found

    def agree(self, value: Any) -> Any:
        return self.gather(value)[0]


def in_two_threads(work: Callable[[Processes], Any]) -> list[Any]:
    """What each of two processes comes to, or the error that it ends with."""
    meeting, table = Barrier(2), [None, None]

    def one(rank: int) -> Any:
        try:
            return work(Threads(rank, meeting, table))
        except RicordaError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))


def start(folder: Path, *words: str, environment: Any = None) -> list[tuple[int, str, str]]:
    return ended(start_workers(2, SCRIPT, *words, folders=[folder] * 2, environment={**PATHS, **(environment or {})}))


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained by two processes; with a training beside it that was killed."""
    folder = tmp_path_factory.mktemp("shards")
    write_parts(folder)
    told = start(folder, *WORDS)
    assert [code for code, _, _ in told] == [0, 0], told
    killed = start(folder, *WORDS, "--out", "killed", environment={"KILLED_AT": "2"})
    assert [code for code, _, _ in killed] == [2, -signal.SIGKILL], killed
    (folder / "said").write_text(told[0][2], encoding="utf-8")
    assert told[1][1:] == ("", "")
    return folder


def test_tasks_reach_the_weights_of_one_process_that_holds_both_shards(tmp_path: Path) -> None:
    told = start(tmp_path, "exact")
    assert [code for code, _, _ in told] == [0, 0], told
    one = both()
    history = train(one, ONE)
    assert [record["step"] for record in history] == [5, 10, 15]
    for rank in range(2):
        assert_like_one(tmp_path / f"whole-{rank}", one, history, BOUND)
        assert "stopped after" in (tmp_path / f"stopped-{rank}" / "said").read_text(encoding="utf-8")
        assert_like_one(tmp_path / f"stopped-{rank}", one, history, BOUND)  # It went on.


def test_a_classifier_reaches_the_weights_of_one_process_and_knows_the_classes_of_all(left: Path) -> None:
    (first, theirs), (second, others) = (shard_of(rank) for rank in range(2))
    model = small(dropout=0.0, word_dropout=0.0, validation_fraction=0.1, wide=False, epochs=3, batch_size=8)
    task, _, seed = model.begin(first, theirs, None)
    # The first shard lacks a class, so its network is begun once more with all.
    model.classes_ = np.array(["bad", "good", "odd"])
    network = model._fresh_network(model.program_, seed)
    known, held_out = task.examples, task.held_out  # type: ignore[attr-defined]
    more = model._known_examples(second, others, model.encoder_, vars(model))
    counts = np.bincount([*known.targets, *more.targets], minlength=3)
    balanced = counts.sum() / (3 * counts)
    pair = [Classification(network, examples, held_out, "accuracy", balanced) for examples in (known, more)]
    one = Both(*pair)
    history = train(one, model._options(seed))
    together = ricorda.load(left / "model")
    assert together.classes_.tolist() == ["bad", "good", "odd"]
    for record, ours in zip(together.history_, history, strict=True):
        assert record["loss"] == pytest.approx(ours["loss"], abs=1e-6)
        assert record["accuracy"] == ours["accuracy"]
    for name, value in weights(one).items():
        torch.testing.assert_close(together.network_.state_dict()[name], value, rtol=0, atol=1e-5, msg=name)
    assert together.summary_["examples"] == len(known) + len(more)
    assert together.grams_ == 0


def test_each_process_opens_its_own_files_and_holds_its_own_rows(left: Path) -> None:
    first, second = (json.loads((left / f"process-{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first["files"] == ["parts/0.csv", "parts/2.csv"]
    assert second["files"] == ["parts/1.csv", "parts/3.csv"]
    assert first["examples"] + first["held_out"] == 16
    assert first["held_out"] > 0
    assert (second["examples"], second["held_out"]) == (10, 0)
    assert first["rows"] == second["rows"] == first["examples"] + 10


def test_the_missing_wide_part_is_said_once(left: Path) -> None:
    lines = (left / "said").read_text(encoding="utf-8").splitlines()
    assert sum("no linear part" in line for line in lines) == 1


def test_a_killed_training_goes_on_to_the_same_weights(left: Path, ricorda_command: Command, monkeypatch: Any) -> None:
    monkeypatch.chdir(left)
    assert len((left / "killed" / "training" / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    alone = ricorda_command(*WORDS, "--out", "killed", "--resume")
    assert alone.code == 2
    assert alone.err.splitlines()[-1] == (
        "error: the run in killed/training has shards 2 but None was given: resume it with the same, or train anew "
        "without --resume"
    )
    told = start(left, *WORDS, "--out", "killed", "--resume")
    assert [code for code, _, _ in told] == [0, 0], told
    whole = safetensors.torch.load_file(left / "model" / "model.safetensors")
    resumed = safetensors.torch.load_file(left / "killed" / "model.safetensors")
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_other_files_on_another_machine_are_refused(tmp_path: Path) -> None:
    write_parts(tmp_path)
    gone = str(tmp_path / "parts" / "2.csv")

    def find(process: Processes) -> list[str]:
        data = [str(tmp_path / "parts" / f"{n}.csv") for n in range(4) if process.first or n != 2]
        return own_files(data, process)

    sentence = f"process 1 finds other files than process 0 ({gone} is not there for both): give all machines files of"
    assert [str(error).startswith(sentence) for error in in_two_threads(find)] == [True, True]


def test_one_process_reads_all_files_and_says_so(
    tmp_path: Path, ricorda_command: Command, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    write_parts(tmp_path)
    done = ricorda_command(*WORDS)
    assert done.code == 0, done.err
    assert "--shards: there is one process, which reads all 4 files; torchrun starts more" in caplog.messages
    assert ricorda.load(tmp_path / "model").summary_["examples"] + 3 == sum(SIZES)


def begun(model: Any, X: Any, y: Any) -> Any:
    """What each of two processes holds after the begin of a training, and what its model learned."""

    def begin(process: Processes) -> Any:
        mine = clone(model)
        mine._shards = process
        task, prepared, _ = mine.begin(
            *((part[: len(X) // 3], part[len(X) // 3 :])[process.rank] for part in (X, y)), None
        )
        loss, weight = task.loss(task.batches(8, seed=0, epoch=0)[0].rows)
        assert float(weight) > 0
        assert torch.isfinite(loss)
        return mine, task, prepared

    first, second = in_two_threads(begin)
    for one in (first, second):
        assert isinstance(one[1], Sharded), one
        assert one[1].lengths.tolist() == [len(first[1]._task.lengths), len(X) - len(X) // 3]
        assert one[2].examples == sum(one[1].lengths)
        assert (one[2].data, one[2].settings) == (first[2].data, first[2].settings)
    assert first[2].settings["shards"] == 2
    return first, second


def test_a_tagger_knows_the_tags_of_all_and_the_words_of_the_first() -> None:
    tags = [
        ["ADV" if word == "!" else tag for word, tag in zip(*pair, strict=True)]
        for pair in zip(SENTENCES, TAGS, strict=True)
    ]
    first, second = begun(SequenceTagger(**TINY), SENTENCES[:3] * 3 + SENTENCES[:8], tags[:3] * 3 + tags[:8])
    for model in (first[0], second[0]):
        assert model.classes_.tolist() == ["ADV", "D", "N", "V"]
    assert first[0].reading_.tokenizers()["tokenizer"].to_str() == second[0].reading_.tokenizers()["tokenizer"].to_str()
    assert "Dogs" not in first[0].reading_.vocabulary.words.get_vocab()


def test_a_translator_knows_the_subwords_of_the_first() -> None:
    first, second = begun(Translator(**TINY), SOURCES, TARGETS)
    assert first[0].subwords_.target.to_str() == second[0].subwords_.target.to_str()


def test_a_regressor_scales_by_the_first() -> None:
    numbers = np.arange(16.0)
    first, second = begun(SequenceRegressor(**TINY), WALKS, numbers)
    own = first[1]._task.standardised.targets
    assert first[0].scaling_.mean == second[0].scaling_.mean != numbers.mean()
    assert second[1]._task.standardised.targets[0, 0] == pytest.approx(
        (5 - first[0].scaling_.mean) / first[0].scaling_.scale
    )
    assert own.mean() == pytest.approx(0, abs=1e-6)


def test_speed_counts_the_steps_of_all_rows() -> None:
    def steps(process: Processes) -> list[int]:
        task = Sharded(Part(process.rank), process)
        batches = task.batches(8, seed=0, epoch=0)
        assert [len(task.share(batch, process.rank, 2)) for batch in batches][-1] == (0 if process.rank else 4)
        return [task.steps(batch) for batch in batches]

    assert in_two_threads(steps) == [[8, 8, 8, 5, 4]] * 2  # of rows with one step each


@pytest.mark.parametrize("count", [30, 7, 1])
def test_processes_share_the_validation(count: int) -> None:
    model = small(wide=False).fit(TEXTS, LABELS)
    sequences = model._encode(TEXTS[:count])
    whole, read = probabilities(model.network_, sequences), []

    def say(network: Any, share: Any) -> Any:
        read.append(len(share))
        return probabilities(network, share)

    networks = [copy.deepcopy(model.network_) for _ in range(2)]
    for said in in_two_threads(lambda process: outputs_of_all(process, networks[process.rank], sequences, say)):
        assert np.array_equal(said, whole)
    assert sorted(read) == ([1, 1] if count == 1 else [count // 2, count - count // 2])


@pytest.mark.parametrize("task", ["language", "forecast"])
def test_other_tasks_refuse_shards(task: str, ricorda_command: Command) -> None:
    sentence = f"shards are not for the task {task!r}, each process of which reads all data: leave --shards out"
    assert ricorda_command("train", task, "data.csv", "--shards", "--out", "model").sentence == sentence


def test_files_are_dealt_out_in_the_order_of_their_names(tmp_path: Path) -> None:
    write_parts(tmp_path)
    files = files_of_all(str(tmp_path / "parts"))
    assert [Path(file).name for file in files] == ["0.csv", "1.csv", "2.csv", "3.csv"]
    assert [files_of_process(files, rank, 3) for rank in range(3)] == [[files[0], files[3]], [files[1]], [files[2]]]
    with pytest.raises(ArgumentError, match="--shards has 4 files for 5 processes"):
        files_of_process(files, 0, 5)
    with pytest.raises(DataError, match=r"0\.csv is named twice"):
        files_of_all([files[0], str(tmp_path / "parts" / "*.csv")])


def test_joined_examples_know_their_files_and_rows(tmp_path: Path) -> None:
    write_parts(tmp_path)
    files = files_of_all(str(tmp_path / "parts"))
    read = [read_examples(file) for file in files]
    shard, labels = joined(files, [(part, part.labels) for part in read])
    assert shard.place(0) == f"row 2 of {files[0]}"
    assert shard.place(9) == f"row 2 of {files[1]}"
    assert shard.place(25) == f"row 5 of {files[3]}"
    assert len(labels) == len(shard.inputs) == sum(SIZES)
