"""Layers that remember from the start: the gates that decide it, found in the equations, and their first biases."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from oracles.classic import CLASSIC
from small_models import TEXTS, series, small

from ricorda import SequenceRegressor, SequenceTagger, affine, cell, sigmoid, tanh
from ricorda.errors import ArgumentError
from ricorda.nn import LSTM, Recurrent
from ricorda.program.cell import Cell
from ricorda.program.gates import memory_gates

GATES = {
    "rnn": {},
    "rnn_relu": {},
    "lstm": {"f": 1, "i": -1},
    "lstm_peephole": {"f": 1, "i": -1},
    "lstm_coupled": {"f": 1},
    "gru": {"u": -1},
    "gru_reset_after": {"z": 1},
}
"""Of each cell the gates that make a state last: where they are open, 1, or shut, -1."""


@cell
def mgu(x, h):  # type: ignore[no-untyped-def]
    f = sigmoid(affine("f", h, x))
    return (1 - f) * h + f * tanh(affine("h", f * h, x))


@cell
def twice(x, h, c):  # type: ignore[no-untyped-def]
    """A state that is kept by two gates at once, and whose candidate a gate looks into."""
    f, k = sigmoid(affine("f", h, x)), sigmoid(affine("k", h, x))
    r = sigmoid(affine("r", h, x))
    c = f * (k * c) + (1 - f) * tanh(affine("g", r * h, x))
    return tanh(c), c


def named(of: Cell) -> dict[str, int]:
    return {of.program.values[index].name: sign for index, sign in memory_gates(of.program).items()}


def test_the_gates_of_every_cell_are_found() -> None:
    assert {name: named(each) for name, each in CLASSIC.items()} == GATES
    assert named(mgu) == {"f": -1}
    assert named(twice) == {"f": 1, "k": 1}


def gate_biases(layer: Recurrent, name: str, suffix: str) -> torch.Tensor:
    row = [layer.program.values[index].name for index in layer.program.affines].index(name)
    rows = slice(layer.hidden_size * row, layer.hidden_size * (row + 1))
    total: torch.Tensor = (getattr(layer, "bias_ih" + suffix) + getattr(layer, "bias_hh" + suffix))[rows].detach()
    return total


@pytest.mark.parametrize("name", [name for name, gates in GATES.items() if gates])
def test_biases_are_logarithms_of_uniform_numbers_and_nothing_else_changes(name: str) -> None:
    torch.manual_seed(3)
    plain = Recurrent(name, 3, 300, bidirectional=True)
    torch.manual_seed(3)
    lasting = Recurrent(name, 3, 300, bidirectional=True, memory=200)
    for key, value in lasting.named_parameters():
        assert key.startswith("bias") or torch.equal(value, dict(plain.named_parameters())[key])
    for suffix in ("_l0", "_l0_reverse"):
        drawn = [sign * gate_biases(lasting, gate, suffix) for gate, sign in GATES[name].items()]
        assert all(torch.equal(each, drawn[0]) for each in drawn)
        steps = drawn[0].exp()
        assert (steps >= 1).all()
        assert (steps <= 199 * (1 + 1e-5)).all()
        # the mean of 300 numbers of U(1, 199) is within four deviations of 100
        assert float(steps.mean()) == pytest.approx(100, abs=4 * 198 / math.sqrt(12 * 300))
        for gate in {"r", "o", "g"} & {plain.program.values[index].name for index in plain.program.affines}:
            assert torch.equal(gate_biases(lasting, gate, suffix), gate_biases(plain, gate, suffix))


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after"])
def test_what_was_read_lasts(name: str) -> None:
    """After 100 steps of nothing more is left of a first input than without it."""
    left = {}
    for memory in (None, 400):
        torch.manual_seed(0)
        layer = Recurrent(name, 1, 64, memory=memory).double()
        x = torch.zeros(100, 2, 1, dtype=torch.float64)
        x[0, 1] = 10
        y, _ = layer(x)
        left[memory] = float((y[-1, 1] - y[-1, 0]).detach().norm())
    assert left[400] > 1000 * left[None]


def test_normalised_gates_have_it_as_their_shift() -> None:
    layer = Recurrent("lstm", 3, 50, layer_norm=True, memory=100)
    assert torch.equal(layer.shift_f_l0, -layer.shift_i_l0)
    assert float(layer.shift_f_l0.detach().exp().max()) > 50


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Recurrent("lstm", 3, 4, memory=1), "memory is 1: give a whole number of steps of at least 2, or None"),
        (lambda: Recurrent("lstm", 3, 4, memory=2.5), "memory is 2.5: give a whole number of steps of at least 2"),
        (lambda: Recurrent("lstm", 3, 4, memory=True), "memory is True: give a whole number of steps of at least 2"),
        (
            lambda: Recurrent("lstm", 3, 4, memory=9, forget_bias=1.0),
            "memory=9 and forget_bias=1.0 set the same biases: give one of them",
        ),
        (
            lambda: Recurrent("rnn", 3, 4, memory=9),
            "memory=9 was given, but cell rnn has no gate that keeps a state: leave it out",
        ),
        (lambda: Recurrent("gru", 3, 4, bias=False, memory=9), "memory=9 was given, but bias=False: leave it out"),
        (
            lambda: SequenceRegressor("rnn", memory=9, epochs=1).fit([[1.0], [2.0]] * 5, range(10)),
            "memory=9 was given, but cell rnn has no gate that keeps a state: leave it out",
        ),
        (
            lambda: small(memory=1).check_parameters(),
            "memory is 1: give a whole number of at least 2, or leave it out",
        ),
    ],
)
def test_what_cannot_be_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        make()
    assert str(refused.value).startswith(sentence)


def test_it_is_printed() -> None:
    assert repr(Recurrent("lstm", 3, 4, memory=9)) == "Recurrent(lstm, 3, 4, memory=9)"
    assert "memory" not in repr(LSTM(3, 4))


def test_estimators_hand_it_to_their_layers() -> None:
    walks, rises = series(12)
    common: dict[str, Any] = {"hidden_size": 4, "epochs": 1, "random_state": 0, "device": "cpu", "learning_rate": 1e-9}
    models: list[Any] = [
        small(memory=np.int64(500), learning_rate=1e-9).fit(TEXTS, ["good", "bad"] * 15),
        SequenceRegressor(memory=500, **common).fit(walks, range(12)),
        SequenceTagger(memory=500, **common).fit(
            walks, [[rise] * len(walk) for walk, rise in zip(walks, rises, strict=True)]
        ),
    ]
    for model in models:
        recurrent = model.network_.recurrent
        assert float(gate_biases(recurrent, "f", "_l0").max()) > 3
        assert getattr(model.network_, "spelling", None) is None or model.network_.spelling.memory is None
