"""The CPU engine's results and gradients, part by part; random cells and shapes are in `test_cpu_engine_random.py`."""

import pytest
import torch
from engine_cases import PROGRAMS, Case, check, every_name
from random_cells import traced
from torch import Tensor
from torch.autograd import gradcheck

from ricorda.engines import reference
from ricorda.engines.cpu import engine as cpu
from ricorda.program.ir import Program
from ricorda.program.regularise import layer_norm, recurrent_dropout, state_dropout, zoneout

LSTM, GRU = PROGRAMS["lstm"], PROGRAMS["gru"]


def cell(*lines: str, states: str = "h, c") -> Program:
    return traced("\n    ".join([f"def drawn(x, {states}):", *lines]))


# what makes them special: two states that are one value, a state that is another's old value, affines of equal
# gradient, affines of what comes from the input, of a learned vector, of each other, a cell without products of states
SPECIAL = {
    "delay": cell('return tanh(affine("a", h, c, x)), h'),
    "exchange": cell('n = tanh(affine("a", h, x) + c)', "return c, n"),
    "twins": cell('n = tanh(affine("a", h, c, x))', "return n, n"),
    "equal gradients": cell('return tanh(affine("a", h, x, x) + affine("b", tanh(x), 2 * x, h))', states="h"),
    "gradients side by side": cell(
        'return tanh(affine("e", h, x) + affine("b", h, c)), tanh(affine("g", c, x, h) + affine("k", h, c))'
    ),
    "equal gradients apart": cell(
        'a, b, c = affine("a", h, x), affine("b", x), affine("c", h, x)', "return tanh(a + b) + tanh(c)", states="h"
    ),
    "a gradient that is carried": cell('v, g = affine("v", h, x), affine("g", h, x)', "return tanh(g) + 0.1 * c, v"),
    "of the input alone": cell("y = tanh(x)", 'return tanh(affine("a", h, x) + affine("b", y))', states="h"),
    "negative input": cell("y = -x", 'return tanh(affine("e", y, y, bias=False) + h)', states="h"),
    "of a vector": cell(
        'p = parameter("p")', 'return tanh(affine("a", p, x) + affine("d", p) * h) + p * c, sigmoid(c)'
    ),
    "of a vector alone": cell('p = parameter("p")', 'return tanh(affine("a", p, x, h))', states="h"),
    "one after another": cell('g = affine("a", h, x)', 'k = affine("b", g) * c', 'return tanh(affine("d", k)), k'),
    "no product of states": cell('v = affine("a", x)', "return tanh(v + h), sigmoid(c * v)"),
    "unused state": cell('return tanh(affine("a", h, x)), tanh(c)'),
    "number": cell('return tanh(affine("a", h, x)) * tanh(0.5) + 0.25', states="h"),
}
REGULARISED = {
    "zoneout": zoneout(LSTM, {"h": 0.3, "c": 0.4}, training=True),
    "zoneout afterwards": zoneout(LSTM, {"h": 0.3, "c": 0.4}, training=False),
    "recurrent dropout": recurrent_dropout(GRU, 0.4),
    "state dropout": state_dropout(PROGRAMS["lstm, projected"], 0.4),
    "layer norm": layer_norm(LSTM),
    "layer norm, two stages": layer_norm(state_dropout(GRU, 0.2)),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cells(name: str) -> None:
    for lengths in (None, [2, 0, 4]):
        check(Case(SPECIAL[name], H=17, lengths=lengths), cpu)


@pytest.mark.parametrize("name", ["delay", "exchange", "twins", "of the input alone", "of a vector"])
def test_special_cells_recorded(name: str) -> None:
    for lengths in (None, [2, 0, 4]):
        check(Case(SPECIAL[name], H=17, lengths=lengths, record=every_name(SPECIAL[name])), cpu)


@pytest.mark.parametrize("name", REGULARISED)
@pytest.mark.parametrize("reverse", [False, True])
def test_regularised_cells(name: str, reverse: bool) -> None:
    for H, lengths in ((5, None), (33, [2, 0, 4])):
        check(Case(REGULARISED[name], H=H, P=18, lengths=lengths, reverse=reverse, seed=3), cpu)


@pytest.mark.parametrize("through", ["output", "final", "record"])
@pytest.mark.parametrize("name", ["lstm", "gru", "lstm, projected"])
def test_a_gradient_comes_back_through_any_of_the_results(name: str, through: str) -> None:
    record = every_name(PROGRAMS[name])
    for lengths in (None, [2, 0, 4]):
        check(Case(PROGRAMS[name], H=17, lengths=lengths, record=record), cpu, through)


@pytest.mark.parametrize("name", ["x", "initial h", "weight_hh", "bias_ih"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_gradient_comes_back_to_what_wants_one(name: str, alone: bool) -> None:
    def wish(case: Case) -> Case:
        for key, value in case.given.items():
            value.requires_grad_((key == name) == alone)
        return case

    expected = wish(Case(LSTM)).everything(reference)
    for key, value in wish(Case(LSTM)).everything(cpu).items():
        torch.testing.assert_close(value, expected.pop(key), atol=1e-10, rtol=0)
    assert not expected


@pytest.mark.parametrize("name", PROGRAMS)
def test_inference_gives_what_training_gives(name: str) -> None:
    for lengths, reverse in ((None, True), ([2, 0, 4], False)):
        case = Case(PROGRAMS[name], H=17, lengths=lengths, reverse=reverse)
        training = case.run(cpu)
        with torch.no_grad():
            inference = case.run(cpu)
        for key, value in inference.items():
            assert not value.requires_grad
            torch.testing.assert_close(value, training[key].detach(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize("B", [1, 2])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_one_step_and_one_row(name: str, T: int, B: int) -> None:
    check(Case(PROGRAMS[name], T=T, B=B, I=1, H=1), cpu)


def test_nothing_to_do() -> None:
    check(Case(LSTM, lengths=[0, 0, 0], record=every_name(LSTM)), cpu)
    check(Case(LSTM, B=0), cpu)


def test_lengths_in_full_are_no_lengths() -> None:
    given, without = (Case(LSTM, lengths=lengths).everything(cpu) for lengths in ([4, 4, 4], None))
    assert all(torch.equal(given[name], without[name]) for name in without)


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradcheck(name: str) -> None:
    case = Case(PROGRAMS[name], T=3, B=2, I=2, H=3, P=2, lengths=[3, 2])
    _gradcheck(case)


def _gradcheck(case: Case) -> None:
    def results(*values: Tensor) -> tuple[Tensor, ...]:
        case.x, *rest = values
        case.states = rest[: len(case.states)]
        case.parameters = dict(zip(case.parameters, rest[len(case.states) :], strict=True))
        return tuple(case.run(cpu).values())

    assert gradcheck(results, list(case.given.values()), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("lengths", [None, [2, 0, 4]])
def test_second_derivatives(name: str, lengths: list[int] | None) -> None:
    found = []
    for engine in (cpu, reference):
        case = Case(PROGRAMS[name], lengths=lengths)
        (gradient,) = torch.autograd.grad(case.run(engine)["output"].square().sum(), case.x, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), list(case.given.values())))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-10, rtol=1e-10)


def test_backward_twice_over_one_graph_gives_the_same() -> None:
    case = Case(LSTM)
    loss = case.loss(case.run(cpu))
    once, twice = (torch.autograd.grad(loss, list(case.given.values()), retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def test_an_input_changed_before_backward_is_noticed() -> None:
    case = Case(LSTM)
    loss = case.loss(case.run(cpu))
    with torch.no_grad():
        case.parameters["weight_hh"].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
