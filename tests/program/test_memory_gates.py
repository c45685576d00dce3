"""Layers that remember from the start: the gates that decide it, found in the equations, and their first biases."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from small_models import TEXTS, series, small
from torch._subclasses.fake_tensor import FakeTensorMode

from ricorda import (
    SequenceRegressor,
    SequenceTagger,
    affine,
    cell,
    exp,
    maximum,
    parameter,
    sigmoid,
    softplus,
    sqrt,
    tanh,
)
from ricorda.catalogue import CELLS
from ricorda.errors import ArgumentError, CellError
from ricorda.insight.gradients.result import StateFlow
from ricorda.nn import LSTM, Recurrent, watch_gradients
from ricorda.program.cell import Cell
from ricorda.program.gates import gates_of, memory_gates
from ricorda.program.ir import Program

GATES = {
    "rnn": {},
    "rnn_relu": {},
    "lstm": {"f": 1, "i": -1},
    "lstm_peephole": {"f": 1, "i": -1},
    "lstm_coupled": {"f": 1},
    "gru": {"u": -1},
    "gru_reset_after": {"z": 1},
}
"""Of some cells the gates that make a state last: where they are open, 1, or shut, -1."""


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


@cell
def star(x, h):  # type: ignore[no-untyped-def]
    k = sigmoid(affine("k", h, x))
    return tanh((1 - k) * h + k * tanh(affine("z", x)))


@cell(forget_gate="f")
def minlstm(x, h):  # type: ignore[no-untyped-def]
    f, i = sigmoid(affine("f", x)), sigmoid(affine("i", x))
    return f / (f + i) * h + i / (f + i) * affine("h", x)


@cell(forget_gate="f")
def slstm(x, h, c, n, m):  # type: ignore[no-untyped-def]
    i, f = affine("i", h, x), -softplus(-affine("f", h, x))
    top = maximum(f + m, i)
    c = exp(f + m - top) * c + exp(i - top) * tanh(affine("z", h, x))
    n = exp(f + m - top) * n + exp(i - top)
    return sigmoid(affine("o", h, x)) * c / n, c, n, top


@cell
def atr(x, h):  # type: ignore[no-untyped-def]
    p, q = affine("p", x), affine("q", h)
    return sigmoid(p + q) * p + sigmoid(p - q) * h


@cell
def rglru(x, h):  # type: ignore[no-untyped-def]
    log_a = -8.0 * softplus(parameter("lam")) * sigmoid(affine("a", x))
    return exp(log_a) * h + sqrt(1 - exp(2 * log_a)) * (sigmoid(affine("x", x)) * affine("v", x))


@cell
def hgrn(x, h, c):  # type: ignore[no-untyped-def]
    lower, i, o = sigmoid(parameter("lower")), affine("i", x), affine("o", x)
    f = lower + (1 - lower) * sigmoid(affine("f", x))
    c = f * c + (1 - f) * i * sigmoid(i)
    return o * sigmoid(o) * c, c


@cell(forget_gate="f")
def ran(x, h, c):  # type: ignore[no-untyped-def]
    i, f = sigmoid(affine("i", h, x)), sigmoid(affine("f", h, x))
    c = i * affine("c", x, bias=False) + f * c
    return tanh(c), c


@cell(forget_gate="f")
def janet(x, h):  # type: ignore[no-untyped-def]
    s = affine("f", h, x)
    return sigmoid(s) * h + (1 - sigmoid(s - 1)) * tanh(affine("c", h, x))


@cell
def ugrnn(x, h):  # type: ignore[no-untyped-def]
    g = sigmoid(affine("g", h, x))
    return g * h + (1 - g) * tanh(affine("c", h, x))


@cell(forget_gate="f")
def sru(x, h, c):  # type: ignore[no-untyped-def]
    """The gates look at the state that they guard."""
    f = sigmoid(affine("f", x) + parameter("v_f") * c)
    r = sigmoid(affine("r", x) + parameter("v_r") * c)
    c = f * c + (1 - f) * affine("w", x, bias=False)
    return r * c + (1 - r) * affine("skip", x, bias=False), c


@cell
def cfn(x, h):  # type: ignore[no-untyped-def]
    theta, eta = sigmoid(affine("theta", h, x)), sigmoid(affine("eta", h, x))
    return theta * tanh(h) + eta * tanh(affine("w", x, bias=False))


@cell
def minimalrnn(x, h):  # type: ignore[no-untyped-def]
    z = tanh(affine("z", x))
    u = sigmoid(affine("u", h, z))
    return u * h + (1 - u) * z


@cell
def highway(x, h):  # type: ignore[no-untyped-def]
    """Each of three layers carries the state on."""
    for depth in range(3):
        reads = (h, x) if depth == 0 else (h,)
        t = sigmoid(affine(f"t{depth}", *reads))
        h = t * tanh(affine(f"h{depth}", *reads)) + (1 - t) * h
    return h


@cell(forget_gate="f")
def independent(x, h, c):  # type: ignore[no-untyped-def]
    """All that a gate or the candidate sees of h goes through a weight for each unit."""
    i, f, o = (sigmoid(affine(name, x) + parameter(f"u_{name}") * h) for name in "ifo")
    c = f * c + i * tanh(affine("g", x) + parameter("u_g") * h)
    return o * tanh(c), c


@cell(forget_gate="f")
def in_two(x, h):  # type: ignore[no-untyped-def]
    """The gate is made of two affines, and one bias is enough."""
    f = sigmoid(affine("x_f", x, bias=False) + affine("f", h))
    return f * h + (1 - f) * tanh(affine("c", x) + affine("d", h))


@cell
def modulated(x, h, c):  # type: ignore[no-untyped-def]
    """The affine m moves the forget gate by no more than 1, and is no gate itself."""
    f = sigmoid(affine("f", h, x) + tanh(affine("m", c)))
    c = f * c + (1 - f) * tanh(affine("g", h, x))
    return tanh(c), c


@cell
def antisymmetric(x, h):  # type: ignore[no-untyped-def]
    return h + 0.1 * tanh(affine("h", h, x))


@cell
def gated_antisymmetric(x, h):  # type: ignore[no-untyped-def]
    return h + 0.1 * sigmoid(affine("z", h, x)) * tanh(affine("h", h, x))


@cell
def fastrnn(x, h):  # type: ignore[no-untyped-def]
    return sigmoid(parameter("alpha")) * tanh(affine("h", h, x)) + sigmoid(parameter("beta")) * h


@cell
def both(x, h):  # type: ignore[no-untyped-def]
    """What keeps the old lets as much of the new in."""
    f = sigmoid(affine("f", h, x))
    return f * h + f * tanh(affine("c", h, x))


@cell
def two_ways(x, h, c):  # type: ignore[no-untyped-def]
    """What keeps one state clears the other."""
    f, g = sigmoid(affine("f", x)), tanh(affine("g", h, x))
    return f * h + (1 - f) * g, (1 - f) * c + f * g


@cell
def leaking(x, h):  # type: ignore[no-untyped-def]
    """Even where the gate is shut, half of the state is lost."""
    f = sigmoid(affine("f", h, x))
    return (h + f * parameter("a")) / (2 + f)


@cell
def turning(x, h):  # type: ignore[no-untyped-def]
    """Where its factor is small, the state turns its sign; what is left of it is the same."""
    return tanh(affine("a", x)) * h + tanh(affine("h", h, x))


@cell
def bistable(x, h):  # type: ignore[no-untyped-def]
    """What a does to the state depends on where the state is."""
    a, c = 1 + tanh(affine("a", h, x)), sigmoid(affine("c", h, x))
    return c * h + (1 - c) * tanh(affine("u", x) + a * h)


@cell
def nested(x, h, c, d):  # type: ignore[no-untyped-def]
    """A memory within a memory: f and i of the outer one go into affines alone."""
    f, i, o = (sigmoid(affine(name, h, x)) for name in "fio")
    inside, new = f * c, i * tanh(affine("g", h, x))
    f2, i2, o2 = (sigmoid(affine(name, inside, new)) for name in ("f2", "i2", "o2"))
    d = f2 * d + i2 * tanh(affine("g2", inside, new))
    c = o2 * tanh(d)
    return o * tanh(c), c, d


OTHERS: list[tuple[Cell, dict[str, int]]] = [
    (mgu, {"f": -1}),
    (twice, {"f": 1, "k": 1}),
    (star, {"k": -1}),
    (minlstm, {"f": 1, "i": -1}),
    (slstm, {"f": 1, "i": -1}),
    (atr, {"q": -1}),
    (rglru, {"a": -1, "x": -1}),
    (hgrn, {"f": 1}),
    (ran, {"f": 1, "i": -1}),
    (janet, {"f": 1}),
    (ugrnn, {"g": 1}),
    (sru, {"f": 1}),
    (cfn, {"theta": 1, "eta": -1}),
    (minimalrnn, {"u": 1}),
    (highway, {"t0": -1, "t1": -1, "t2": -1}),
    (independent, {"f": 1, "i": -1}),
    (in_two, {"f": 1}),
    (modulated, {"f": 1}),
    (antisymmetric, {}),
    (gated_antisymmetric, {}),
    (fastrnn, {}),
    (both, {}),
    (two_ways, {}),
    (leaking, {}),
    (turning, {"a": 1}),
    (bistable, {"c": 1}),
]


def named(of: Cell) -> dict[str, int]:
    return {of.program.values[index].name: sign for index, sign in memory_gates(of.program).items()}


KNOWN = {
    **{name: (CELLS[name], gates) for name, gates in GATES.items()},
    **{of.name: (of, gates) for of, gates in OTHERS},
}


@pytest.mark.parametrize(("of", "gates"), KNOWN.values(), ids=KNOWN)
def test_gates_are_found_by_what_they_do(of: Cell, gates: dict[str, int]) -> None:
    assert named(of) == gates


def half_life(of: Cell, **options: Any) -> float | None:
    """Steps in which the gradient halves in the state that carries it farthest; inf if it does not.

    None if the layer refuses an option.
    """
    torch.manual_seed(0)
    try:
        layer = Recurrent(of, 4, 8, engine="reference", dtype=torch.float64, **options)
    except ArgumentError as refusal:
        if "was given, but cell" in str(refusal):
            return None
        raise
    torch.manual_seed(1)
    steps = 100 if of.name == "slstm" else 16  # From the start its gates remember longer than 16 steps.
    x = torch.randn(steps, 2, 4, dtype=torch.float64)
    sizes = {"I": 4, "H": 8}
    beside = {
        value.name: torch.ones(steps, 2, sizes.get(value.size) or int(value.size), dtype=torch.float64)
        for value in layer.program.inputs[1:]
    }
    with watch_gradients(layer) as watched:
        output = layer(x, inputs=beside)[0] if beside else layer(x)[0]
        output[-1].sum().backward()
    flows = [StateFlow.of(name, norms[0, 0].flip(0).numpy()) for name, norms in watched.norms[""].items()]
    return max(math.inf if flow.half_life is None else flow.half_life for flow in flows)


ALL = {of.name: of for of in (*(of for of, _ in OTHERS), *CELLS.values())}


@pytest.mark.parametrize("of", ALL.values(), ids=ALL)
def test_memory_and_forget_bias_lengthen_the_half_life_or_are_refused(of: Cell) -> None:
    plain = half_life(of)
    assert plain is not None
    for options in ({"memory": 10_000}, {"forget_bias": 8.0}):  # The sLSTM's biases start at 3 to 6 anyway.
        lasting = half_life(of, **options)
        assert lasting is None or lasting > 1.5 * plain or plain == lasting == math.inf


@pytest.mark.parametrize(
    ("of", "option", "sentence"),
    [
        (leaking, {"memory": 9}, "memory=9 was given, but cell leaking has no gate that is certain to keep a state"),
        (two_ways, {"memory": 9}, "memory=9 was given, but cell two_ways has no gate that is certain to keep a state"),
        (antisymmetric, {"memory": 9}, "memory=9 was given, but cell antisymmetric has no gate that keeps a state"),
        (
            Cell(bistable.function, forget_gate="a"),
            {"forget_bias": 1.0},
            "forget_bias=1.0 was given, but cell bistable has a forget gate that is not certain to keep a state",
        ),
    ],
)
def test_doubtful_gates_are_refused(of: Cell, option: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        Recurrent(of, 3, 4, **option)


FALSE = [
    (mgu, "f", "lets the new in where it is large"),
    (star, "k", "lets the new in where it is large"),
    (CELLS["gru"], "r", "changes nothing of what is kept"),
    (nested, "f", "changes nothing of what is kept"),
    (CELLS["lstm"], "o", "changes nothing of what is kept"),
]


@pytest.mark.parametrize(("of", "gate", "does"), FALSE, ids=[of.name for of, _, _ in FALSE])
def test_a_declared_forget_gate_that_keeps_nothing_is_refused(of: Cell, gate: str, does: str) -> None:
    wrong = Cell(of.function, forget_gate=gate)
    sentence = f'cell {of.name}: its forget_gate is "{gate}", which {does}'
    for make in (lambda: Recurrent(wrong, 3, 4), lambda: SequenceRegressor(wrong, epochs=1).fit([[1.0]] * 9, range(9))):
        with pytest.raises(CellError) as refused:
            make()
        assert str(refused.value).startswith(sentence)


def test_a_saved_program_with_such_a_forget_gate_opens() -> None:
    saved = Program.from_json({**mgu.program.to_json(), "forget_gate": "f"})
    assert Recurrent(saved, 3, 4, memory=9, engine="reference")(torch.ones(2, 1, 3))[0].shape == (2, 1, 4)
    with pytest.raises(ArgumentError, match="cell mgu has a forget gate that lets the new in"):
        Recurrent(saved, 3, 4, forget_bias=3.0)


def test_a_saved_model_with_memory_opens_whatever_its_gates_are() -> None:
    """Its weights are read, not drawn: on the meta device."""
    with torch.device("meta"):
        layer = Recurrent(both, 3, 4, memory=9)
    assert layer.memory == 9
    with pytest.raises(ArgumentError, match="cell both has no gate that is certain"):
        Recurrent(both, 3, 4, memory=9)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta"), FakeTensorMode])
def test_gates_are_found_in_any_mode_of_torch_s(mode: Any) -> None:
    gates_of.cache_clear()
    with mode():
        assert named(CELLS["gru"]) == {"u": -1}


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
