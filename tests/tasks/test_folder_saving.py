"""A save that fails, wherever it does, leaves the old model or the new one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from failing_disk import Disk, forbidden, full
from small_models import TEXTS, series, small

import ricorda
from ricorda import SequenceClassifier
from ricorda.errors import ModelFolderError
from ricorda.tasks.folder import CONFIG, HISTORY, WEIGHTS, Contents, read_model, write_model

WALKS, RISES = series()


def contents(fill: float, *, tokenizer: bool) -> Contents:
    return Contents(
        {"task": "classify", "fill": fill},
        {"weight": torch.full((3,), fill)},
        {"tokenizer": f"first {fill}", "other_tokenizer": f"second {fill}"} if tokenizer else {},
        [{"epoch": fill}],
    )


def write(folder: Path, fill: float, *, tokenizer: bool) -> None:
    write_model(folder, contents(fill, tokenizer=tokenizer), card=f"card {fill}", pictures={"a.png": b"%f" % fill})


def fill_of(folder: Path) -> float:
    """Which of the models a folder holds: all of its files must be of that one."""
    found = read_model(folder)
    fill = float(found.config["fill"])
    assert torch.equal(found.tensors["weight"], torch.full((3,), fill))
    assert found.history == [{"epoch": fill}]
    assert found.tokenizers in ({}, {"tokenizer": f"first {fill}", "other_tokenizer": f"second {fill}"})
    return fill


@pytest.mark.parametrize("before", [True, False], ids=["over another", "first"])
@pytest.mark.parametrize(
    ("error", "for_ever"),
    [(full, False), (full, True), (KeyboardInterrupt, False), (KeyboardInterrupt, True), (forbidden, True)],
    ids=["full once", "full", "Ctrl-C", "killed", "read-only"],
)
def test_a_save_that_fails_anywhere_leaves_the_old_model_or_the_new_one(
    tmp_path: Path, disk: Disk, error: Callable[[], BaseException], for_ever: bool, before: bool
) -> None:
    folder = tmp_path / "model"
    if before:
        write(folder, 0.0, tokenizer=True)
    outcomes: set[float] = set()
    sentences: set[str] = set()
    failures = 0
    for first in range(1, 1000):
        shutil.rmtree(folder, ignore_errors=True)
        if before:
            write(folder, 0.0, tokenizer=True)
        disk.fail(from_operation=first, error=error, for_ever=for_ever)
        try:
            write(folder, 1.0, tokenizer=False)
            done = True
        except KeyboardInterrupt:
            done = False
        except ModelFolderError as refused:
            sentences.add(str(refused))
            done = False
        failed = disk.failed
        disk.work()
        failures += not done
        assert for_ever or not (folder / ".saving").exists()
        if done or before or (folder / ".saved").exists() or (folder / CONFIG).exists():
            outcomes.add(fill_of(folder))
            assert not done or fill_of(folder) == 1.0
        write(folder, 2.0, tokenizer=False)  # and the next save works and leaves nothing behind
        assert fill_of(folder) == 2.0
        assert sorted(os.listdir(folder)) == ["README.md", "a.png", CONFIG, HISTORY, WEIGHTS]
        if not failed:
            break
    assert failures > 20
    assert bool(sentences) == (error is not KeyboardInterrupt)
    assert all(str(folder) in sentence and "\n" not in sentence for sentence in sentences)
    assert outcomes == ({0.0, 1.0} if before else {1.0})


def test_a_full_disk_and_a_read_only_folder_are_told(tmp_path: Path, disk: Disk, fitted: SequenceClassifier) -> None:
    folder = tmp_path / "model"
    fitted.save(folder)
    wanted = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = small().fit(WALKS, RISES)
    for error, words in (
        (full, r"was not written, no space is left on the disk \(what was there before is unchanged\): free some"),
        (forbidden, "was not written, writing there is not permitted: change the permissions or choose another folder"),
    ):
        disk.fail(from_operation=10, error=error)
        with pytest.raises(ModelFolderError, match=words):
            other.save(folder)
        disk.work()
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == wanted
        assert np.array_equal(ricorda.load(folder).predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_file_in_the_folders_place_is_told(tmp_path: Path, fitted: SequenceClassifier) -> None:
    (tmp_path / "file").write_text("a", encoding="utf-8")
    with pytest.raises(ModelFolderError, match="file is a file where a folder is needed: choose another folder"):
        fitted.save(tmp_path / "file")
    with pytest.raises(ModelFolderError, match="the system says File name too long: choose another folder"):
        fitted.save(tmp_path / ("a" * 300))
