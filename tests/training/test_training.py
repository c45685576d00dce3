import copy
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from training_tasks import SHORT, Scripted, Signs, Unequal, assert_equal, weights

from ricorda.errors import ArgumentError, ModelFolderError, RicordaError
from ricorda.training import CHECKPOINT, HISTORY, TrainingOptions, train
from ricorda.training.run import best_of

# What a step does


@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_training_is_adamw_with_warmup_decay_and_clipping_written_out(clip_norm: float | None) -> None:
    task, twin = Unequal(), Unequal()
    options = TrainingOptions(
        epochs=2, batch_size=8, learning_rate=0.1, weight_decay=0.5, warmup=0.3, clip_norm=clip_norm
    )
    history = train(task, options)

    module = twin.module
    matrices, vectors = ([p for p in module.parameters() if p.ndim == ndim] for ndim in (2, 1))
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.5}, {"params": vectors, "weight_decay": 0.0}])
    step, norms = 0, []
    for epoch in range(2):
        for rows in twin.batches(8, seed=0, epoch=epoch):
            loss, weight = twin.loss(rows)
            optimizer.zero_grad()
            (loss / weight).backward()  # type: ignore[no-untyped-call]
            norms.append(float(nn.utils.clip_grad_norm_(module.parameters(), clip_norm or math.inf)))
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * [1 / 3, 2 / 3, 1, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7][step]
            optimizer.step()
            step += 1
    for name, value in twin.module.state_dict().items():
        torch.testing.assert_close(task.module.state_dict()[name], value, rtol=1e-6, atol=1e-7, msg=name)
    assert history[1]["gradient_norm"] == pytest.approx(np.mean(norms[5:]), rel=1e-6)
    assert history[1]["learning_rate"] == pytest.approx(0.1 / 7)


def test_a_parameter_that_takes_no_gradient_stays_as_it_is() -> None:
    task = Signs()
    before = weights(task)
    task.head.requires_grad_(False)
    train(task, SHORT)
    after = weights(task)
    assert torch.equal(before["head.weight"], after["head.weight"])
    assert not torch.equal(before["lstm.weight_hh_l0"], after["lstm.weight_hh_l0"])


def test_rows_without_any_weight_change_nothing_but_the_decay() -> None:
    class Weightless(Unequal):
        def loss(self, rows: Any) -> tuple[Tensor, Tensor]:
            loss, weight = super().loss(rows)
            return loss * 0, weight * 0

    task = Weightless()
    before = weights(task)
    history = train(task, TrainingOptions(epochs=1, batch_size=8, weight_decay=0.0))
    assert_equal(before, weights(task))
    assert history[0]["loss"] == 0


def test_bf16_is_for_the_steps_alone() -> None:
    seen: list[tuple[bool, torch.dtype]] = []

    class Watched(Signs):
        def logits(self, rows: Any) -> Tensor:
            out = super().logits(rows)
            seen.append((self.module.training, out.dtype))
            return out

    task = Watched()
    train(task, TrainingOptions(epochs=1, batch_size=40, precision="bf16", device="cpu"))
    assert seen == [(True, torch.bfloat16), (False, torch.float32)]
    assert all(value.dtype == torch.float32 for value in weights(task).values())


# Epochs


def test_the_weights_of_the_best_epoch_are_kept_and_patience_ends_the_run() -> None:
    task = Scripted([0.5, 0.7, 0.7, 0.6, 0.9])
    history = train(task, TrainingOptions(epochs=5, batch_size=8, patience=2))
    assert [record["score"] for record in history] == [0.5, 0.7, 0.7, 0.6]
    assert_equal(task.seen[2], weights(task))
    assert not torch.equal(task.seen[1]["head.bias"], task.seen[2]["head.bias"])
    assert not task.module.training


@pytest.mark.parametrize(
    ("scores", "losses", "best"),
    [
        ([0.5, 0.7, 0.7, 0.7, 0.6], [0.9, 0.5, 0.4, 0.6, 0.1], 3),
        ([0.5, 0.7, 0.7, 0.7, 0.6], [0.9, 0.5, 0.4, 0.4, 0.1], 4),  # all alike: the one that has learned the most
        ([0.5, 0.7, 0.7, 0.7, 0.6], None, 4),
        ([], [0.9, 0.1, 0.4, 0.6, 0.5], 5),  # A loss alone chooses nothing.
    ],
)
def test_of_equal_scores_the_lower_loss_is_the_better_and_then_the_later_epoch(
    scores: list[float], losses: list[float] | None, best: int
) -> None:
    task = Scripted(scores, losses)
    history = train(task, TrainingOptions(epochs=5, batch_size=8))
    assert_equal(task.seen[best - 1], weights(task))
    assert best_of(history) == history[best - 1]


def test_a_lower_loss_under_the_same_score_is_no_reason_to_wait_longer() -> None:
    task = Scripted([0.5, 0.7, 0.7, 0.7, 0.9], [0.9, 0.5, 0.4, 0.3, 0.1])
    assert len(train(task, TrainingOptions(epochs=5, batch_size=8, patience=2))) == 4
    assert_equal(task.seen[3], weights(task))


def test_without_a_score_the_last_weights_are_kept_and_patience_is_endless() -> None:
    task = Scripted([])
    history = train(task, TrainingOptions(epochs=4, batch_size=8, patience=1))
    assert len(history) == 4
    assert_equal(task.seen[-1], weights(task))


def test_history_tells_loss_steps_rate_norm_and_speed() -> None:
    task = Signs(dropout=0.0)
    with torch.no_grad():
        expected = -task.validate()["score"]
    history = train(task, TrainingOptions(epochs=2, batch_size=40, learning_rate=1e-2, warmup=0.0))
    assert [record["epoch"] for record in history] == [1, 2]
    assert [record["step"] for record in history] == [1, 2]
    assert history[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert [record["learning_rate"] for record in history] == [1e-2, 5e-3]
    assert all(record["gradient_norm"] > 0 and record["tokens_per_second"] > 0 for record in history)
    assert history[0]["tokens_per_second"] * history[0]["seconds"] > 40 * 6  # seconds include the validation


def test_the_seed_decides_everything_and_the_callers_random_numbers_stay() -> None:
    results: list[dict[str, Tensor]] = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(results))
        before = torch.get_rng_state()
        task = Signs()
        train(task, TrainingOptions(epochs=2, batch_size=8, seed=seed))
        assert torch.equal(torch.get_rng_state(), before)
        results.append(weights(task))
    assert_equal(results[0], results[1])
    assert not torch.equal(results[0]["head.weight"], results[2]["head.weight"])


def test_dropout_differs_between_steps_and_between_epochs() -> None:
    drawn: list[float] = []
    task = Signs()
    task.hook = lambda _call: drawn.append(float(torch.rand(())))
    train(task, SHORT)
    assert len(set(drawn)) == len(drawn) == 15


# What goes wrong


class Bad(Signs):
    """Turns bad after the first epoch."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def loss(self, rows: Any) -> tuple[Tensor, Tensor]:
        loss, weight = super().loss(rows)
        if self.calls > 7 and self.kind == "loss":
            return loss * math.nan, weight
        if self.calls > 7 and self.kind == "gradient":
            return loss + (self.head.weight * 0).abs().sqrt().sum(), weight
        return loss, weight

    def validate(self) -> dict[str, float]:
        return {"score": math.inf if self.kind == "score" and self.calls > 7 else 1.0}


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("loss", "the loss became nan in epoch 2, step 3: lower the learning rate .now 0.002., or clip"),
        ("gradient", "the gradient became nan in epoch 2, step 3: lower the learning rate"),
        ("score", "the validation's score became inf in epoch 2: lower the learning rate"),
    ],
)
def test_what_is_not_finite_stops_the_run_and_is_never_saved(tmp_path: Path, kind: str, sentence: str) -> None:
    task = Bad(kind)
    with pytest.raises(ArgumentError, match=sentence):
        train(task, SHORT, folder=tmp_path)
    assert all(value.isfinite().all() for value in weights(task).values())
    saved = safetensors.torch.load_file(tmp_path / CHECKPOINT)
    assert all(value.isfinite().all() for value in saved.values())
    assert len((tmp_path / HISTORY).read_text(encoding="utf-8").splitlines()) == 1


def test_a_full_disk_stops_the_run_and_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Signs()

    def full(_descriptor: int) -> None:
        if task.calls > 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFolderError, match="no space is left"):
        train(task, SHORT, folder=tmp_path)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == [CHECKPOINT, HISTORY]
    assert len(train(Signs(), SHORT, folder=tmp_path, resume=True)) == 3


def test_a_folder_that_cannot_be_written_is_found_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    task = Signs()
    with pytest.raises(ModelFolderError, match="is a file where a folder is needed"):
        train(task, SHORT, folder=tmp_path / "file")
    assert task.calls == 0


def test_no_rows_get_a_sentence() -> None:
    with pytest.raises(ArgumentError, match="no rows to train on"):
        train(Signs(rows=0), SHORT)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"epochs": 0}, "epochs is 0: give a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size is 2.5: give a whole number"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: give a number above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0: give a number from 0"),
        ({"warmup": 1.0}, "warmup is 1.0: give a number from 0 and below 1"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0: give a number above 0"),
        ({"patience": 0}, "patience is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"precision": "16"}, "precision is '16': choose one of 32, bf16"),
        ({"device": "tpu"}, "device is 'tpu': choose auto, cpu, cuda"),
        ({"device": "cuda:99"}, "device is 'cuda:99', and this machine has"),
    ],
)
def test_options_that_cannot_be_are_named_with_their_value(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RicordaError, match=re.escape(sentence)):
        train(Signs(), TrainingOptions(**wrong))


def test_the_module_goes_back_to_its_device_and_is_not_replaced() -> None:
    task = Signs()
    module, before = task.module, copy.deepcopy(task.module)
    train(task, SHORT)
    assert task.module is module
    assert {p.device.type for p in module.parameters()} == {"cpu"}
    assert [type(child) for child in module.children()] == [type(child) for child in before.children()]
