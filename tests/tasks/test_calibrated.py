"""Classifiers whose probabilities are calibrated on the validation part, in the weights of the head."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from scipy.special import softmax  # type: ignore[import-untyped]
from small_models import LABELS, TEXTS, small
from torch import Tensor

import ricorda
import ricorda.tasks.estimator
from ricorda import SequenceRegressor
from ricorda.errors import ModelFolderError
from ricorda.insight import memory_of
from ricorda.tasks.classify.objective import Classification
from ricorda.tasks.folder import CONFIG, config_hash
from ricorda.tasks.many_to_one.examples import outputs
from ricorda.training import Interrupted
from ricorda.training.calibration import temperature

RANDOM = np.random.default_rng(1)
PAIRS = RANDOM.integers(0, 30, (120, 2))
HELD_OUT = [f"{TEXTS[i]} {TEXTS[j]}" for i, j in PAIRS], [LABELS[i] for i, _ in PAIRS]
SURE: dict[str, Any] = {"epochs": 6, "learning_rate": 0.1, "dropout": 0.0, "word_dropout": 0.0, "wide": False}


def raw(monkeypatch: pytest.MonkeyPatch, **others: Any) -> Any:
    """The same training without a temperature."""
    with monkeypatch.context() as patch:
        patch.setattr("ricorda.tasks.classify.estimator.LEAST_TO_CALIBRATE", 10**9)
        return small(**SURE).fit(TEXTS, LABELS, validation=HELD_OUT, **others)


def scores(model: Any) -> Any:
    return outputs(model.network_, model._encode(HELD_OUT[0]))


def weights(model: Any) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.network_.state_dict().items()}


def assert_same(first: Any, second: Any) -> None:
    for name, value in weights(first).items():
        assert torch.equal(value, weights(second)[name]), name


def test_the_temperature_lies_in_the_head_and_changes_no_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, before = small(**SURE).fit(TEXTS, LABELS, validation=HELD_OUT), raw(monkeypatch)
    truth = np.searchsorted(model.classes_, HELD_OUT[1])
    chosen = model.summary_["temperature"]
    assert chosen == temperature(scores(before), truth)
    assert not 0.95 < chosen < 1.05
    assert "temperature" not in before.summary_
    np.testing.assert_allclose(model.predict_proba(HELD_OUT[0]), softmax(scores(before) / chosen, 1), rtol=1e-5)
    assert np.array_equal(model.predict(HELD_OUT[0]), before.predict(HELD_OUT[0]))
    after, earlier = model.evaluate(*HELD_OUT), before.evaluate(*HELD_OUT)
    assert after.accuracy == earlier.accuracy
    assert after.log_loss < earlier.log_loss
    drop = {"seconds", "tokens_per_second"}
    histories = [[{k: v for k, v in epoch.items() if k not in drop} for epoch in m.history_] for m in (model, before)]
    assert histories[0] == histories[1]
    model.save(tmp_path / "model")
    again = ricorda.load(tmp_path / "model")
    assert_same(model, again)
    assert again.summary_["temperature"] == chosen


def test_the_memory_of_a_calibrated_model_adds_up_to_its_scores() -> None:
    model = small(**SURE, pooling="last").fit(TEXTS, LABELS, validation=HELD_OUT)
    assert model.summary_["temperature"] != 1
    verdict = memory_of(model, HELD_OUT[0][0]).verdict
    assert verdict is not None
    assert verdict.shares is not None
    total = verdict.shares.sum(0) + verdict.rest + verdict.initial + verdict.bias
    np.testing.assert_allclose(total, verdict.scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(softmax(total), model.predict_proba(HELD_OUT[0][:1])[0], rtol=1e-5)


def test_fewer_than_a_hundred_examples_and_numbers_have_no_temperature() -> None:
    texts, labels = HELD_OUT
    model = small(wide=False).fit(TEXTS, LABELS, validation=(texts[:99], labels[:99]))
    assert "temperature" not in model.summary_
    assert "temperature" in small(wide=False).fit(TEXTS, LABELS, validation=(texts[:100], labels[:100])).summary_
    numbers = SequenceRegressor(epochs=1, hidden_size=4, embedding_size=4, min_frequency=1, random_state=0, wide=False)
    numbers.fit(TEXTS, [1.0, 2.0] * 15, validation=(texts, [1.0, 2.0] * 60))
    assert "temperature" not in numbers.summary_


@pytest.mark.parametrize("step", [5, 16, 23])
def test_a_resumed_training_has_the_same_weights_and_temperature(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small(**SURE).fit(TEXTS, LABELS, validation=HELD_OUT)
    with monkeypatch.context() as patch:
        calls, loss = [0], Classification.loss

        def pressed(task: Classification, rows: Any) -> Any:
            calls[0] += 1
            if calls[0] == step:
                signal.raise_signal(signal.SIGINT)
            return loss(task, rows)

        patch.setattr(Classification, "loss", pressed)
        with pytest.raises(Interrupted):
            small(**SURE).fit(TEXTS, LABELS, validation=HELD_OUT, folder=tmp_path)
    for _ in range(2):  # The second time, of a training that is finished: its checkpoint has the weights of the loop.
        again = small(**SURE).fit(TEXTS, LABELS, validation=HELD_OUT, folder=tmp_path, resume=True)
        assert_same(whole, again)
        assert again.summary_["temperature"] == whole.summary_["temperature"]


def test_a_finished_model_goes_on_from_the_weights_of_its_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, before = small(**SURE).fit(TEXTS, LABELS, validation=HELD_OUT), raw(monkeypatch)
    seen: list[Tensor] = []
    train = ricorda.tasks.estimator.train

    def spied(task: Any, *arguments: Any, **others: Any) -> Any:
        seen.append(task.module.head.weight.detach().clone())
        return train(task, *arguments, **others)

    monkeypatch.setattr("ricorda.tasks.estimator.train", spied)
    further = small(**{**SURE, "epochs": 7})
    how = {"resume": False, "progress": False, "tensorboard": False, "watch_gradients": None}
    further._fit(TEXTS, LABELS, HELD_OUT, tmp_path / "training", how, model)
    torch.testing.assert_close(seen[0], before.network_.head.weight.detach(), rtol=1e-6, atol=0)
    assert len(further.history_) == 7
    truth = np.searchsorted(further.classes_, HELD_OUT[1])
    assert temperature(scores(further), truth) == pytest.approx(1, abs=1e-3)  # once, and on the weights that are kept


def test_the_command_says_what_it_calibrated(tmp_path: Path, ricorda_command: Command) -> None:
    for name, (texts, labels) in {"data": (TEXTS, LABELS), "valid": HELD_OUT}.items():
        lines = "".join(f"{label}\t{text}\n" for text, label in zip(texts, labels, strict=True))
        (tmp_path / f"{name}.txt").write_text(lines, encoding="utf-8")
    options = ["--epochs", "2", "--hidden-size", "4", "--embedding-size", "4", "--min-frequency", "1", "--no-wide"]
    files = (tmp_path / "data.txt", "--valid", tmp_path / "valid.txt", "--out", tmp_path / "m")
    done = ricorda_command("train", "classify", *files, *options)
    chosen = ricorda.load(tmp_path / "m").summary_["temperature"]
    told = f"The probabilities are calibrated: the scores are divided by {chosen:.2f}"
    assert told in done.out
    assert told in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert f"temperature {chosen:.3f}" in " ".join(ricorda_command("info", tmp_path / "m").out.split())
    config = json.loads((tmp_path / "m" / CONFIG).read_text(encoding="utf-8"))
    config["summary"]["temperature"] = "hot"
    config["sha256"][CONFIG] = config_hash(config)
    (tmp_path / "m" / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"has 'hot' as 'summary\.temperature'"):
        ricorda.load(tmp_path / "m")
