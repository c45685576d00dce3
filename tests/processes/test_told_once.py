"""Mistakes and stops of processes under torchrun: one sentence of them all, whoever makes the mistake."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import SMALL, TABLE
from workers import ended, start_workers

TRAIN = ["-m", "ricorda", "train", "classify", "data.csv", "--out", "model", *SMALL]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([*TRAIN, "--device", "cuda:0"], "--device is 'cuda:0', one GPU for 2 processes: choose cuda, a GPU for each"),
        (TRAIN, "data.csv does not exist"),
    ],
    ids=["of all", "of the second alone"],
)
def test_a_mistake_is_told_once_and_all_end_with_2(tmp_path: Path, words: list[str], sentence: str) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "data.csv").write_text(TABLE, encoding="utf-8")
    told = ended(start_workers(2, *words, folders=folders))
    assert [(code, out) for code, out, _ in told] == [(2, "")] * 2, told
    lines = [line for _, _, err in told for line in err.splitlines()]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"error: {sentence}")


def test_wrong_words_are_told_once(tmp_path: Path) -> None:
    told = ended(start_workers(2, *TRAIN, "--epocs", "3", folders=[tmp_path] * 2))
    assert [code for code, _, _ in told] == [2, 2]
    assert "No such option: --epocs" in told[0][2]
    assert told[1][2] == ""


def test_ctrl_c_saves_once_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(TABLE, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    running = subprocess.Popen(
        [*torchrun, *TRAIN, "--epochs", "100000"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    history = tmp_path / "model" / "training" / "history.jsonl"
    try:
        while not (history.exists() and history.stat().st_size):
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, told = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode != 0
    assert out == ""
    stopped = [line for line in told.splitlines() if line.startswith("stopped: ")]
    assert len(stopped) == 1
    assert "all is saved in model/training: go on with --resume" in stopped[0]
    assert sorted(os.listdir(tmp_path / "model" / "training")) == ["checkpoint.safetensors", "history.jsonl"]
