"""Cells whose weights are made from what is learned, from estimators and commands."""

import pickle
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from small_models import LABELS, TEXTS, small

import ricorda
from ricorda.tasks.classify.objective import Classification
from ricorda.training import Interrupted

if TYPE_CHECKING:
    from command_line import Command

FILE = """
from ricorda import affine, cell, parameter, sigmoid, tanh

@cell(candidate="c")
def mixed(x, h):
    z = sigmoid(affine("z", h, x, form="orthogonal") + parameter("a", form="number"))
    c = tanh(affine("h", h, x, form={"recurrent": "skew(0.01)", "input": "low_rank(2)"}))
    c = tanh(affine("k", c, form="fixed") + affine("r", c) + parameter("u", form="clamp(-1, 1)") * h)
    c = tanh(affine("r", c, shared=True))
    return z * h + (1 - z) * c
"""
FIXED = {"weight_hh_k_l0", "bias_hh_k_l0"}


def same(one: Any, other: Any) -> None:
    ours, theirs = one.network_.state_dict(), other.network_.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert np.array_equal(one.predict_proba(TEXTS), other.predict_proba(TEXTS))


@pytest.mark.parametrize("step", [2, 5])
def test_a_training_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    (tmp_path / "mycells.py").write_text(FILE, encoding="utf-8")
    how = {"cell": f"{tmp_path}/mycells.py:mixed", "weight_decay": 0.1, "epochs": 3}
    how |= {"num_layers": 2, "bidirectional": True}
    whole = small(**how).fit(TEXTS, LABELS)
    with monkeypatch.context() as patch:
        calls, loss = [0], Classification.loss

        def pressed(task: Classification, rows: Any) -> Any:
            calls[0] += 1
            if calls[0] == step:
                signal.raise_signal(signal.SIGINT)
            return loss(task, rows)

        patch.setattr(Classification, "loss", pressed)
        with pytest.raises(Interrupted):
            small(**how).fit(TEXTS, LABELS, folder=tmp_path / "run")
    same(whole, small(**how).fit(TEXTS, LABELS, folder=tmp_path / "run", resume=True))


def test_a_model_is_saved_opened_copied_and_inspected(
    folder: Path, ricorda_command: "Command", monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mycells.py").write_text(FILE, encoding="utf-8")
    options = ["--hidden-size", "6", "--epochs", "2", "--one-direction", "--out", "model"]
    done = ricorda_command("train", "classify", "data.csv", "--cell", "mycells.py:mixed", *options)
    assert done.code == 0, done
    Path("mycells.py").unlink()
    model: Any = ricorda.load("model")
    assert {name for name, _ in model.network_.recurrent.named_buffers()} == FIXED
    fresh = type(model)(**{**model.get_params(), "epochs": 1}).fit(TEXTS, LABELS)
    assert {name for name, _ in fresh.network_.recurrent.named_buffers()} == FIXED
    model.save("again")
    for twin in (ricorda.load("again"), pickle.loads(pickle.dumps(model))):
        same(model, twin)
    text = "a warm and funny film"
    for engine in ("cpu", "reference"):
        monkeypatch.setenv("RICORDA_ENGINE", engine)
        for command in ("gradients", "memory", "gates", "unroll"):
            arguments = ["model", text] if command != "gradients" else ["model", "data.csv"]
            done = ricorda_command("inspect", command, *arguments)
            assert done.code == 0, (command, done)
        assert ricorda_command("evaluate", "model", "data.csv").code == 0


def test_the_command_says_what_weights_are_made_from(folder: Path, ricorda_command: "Command") -> None:
    Path("mycells.py").write_text(FILE, encoding="utf-8")
    done = ricorda_command("cells", "mycells.py:mixed", "--input-size", "3", "--hidden-size", "4")
    assert done.code == 0, done
    assert "W_h = M - M^T - 0.01 I" in done.out
    assert "W_k and b_k never trained" in done.out
    network = ricorda.nn.Recurrent("mycells.py:mixed", 3, 4)
    assert f"{sum(weight.numel() for weight in network.parameters())} for input_size 3" in done.out
