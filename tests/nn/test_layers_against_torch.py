"""`ricorda.nn.RNN`, `LSTM` and `GRU` against torch.nn's: values and every gradient within 1e-10 in float64.

On each engine, with the same cases.
"""

import inspect
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import ricorda.nn

CLOSE = {"atol": 1e-10, "rtol": 1e-10}
KINDS = ("RNN", "LSTM", "GRU")
ENGINES = pytest.mark.parametrize("engine", ["cpu", "reference"])


@dataclass
class Case:
    """A layer's constructor arguments and the shape of what it is given."""

    kind: str
    arguments: dict[str, Any]
    steps: int
    rows: int
    lengths: list[int]
    form: str  # "padded", "unbatched", "packed", "packed unsorted"
    given_states: bool
    seed: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(KINDS))
    hidden = draw(st.integers(1, 5))
    arguments: dict[str, Any] = {
        "input_size": draw(st.integers(1, 4)),
        "hidden_size": hidden,
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    if kind == "RNN":
        arguments["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM" and hidden > 1:
        arguments["proj_size"] = draw(st.integers(0, hidden - 1))
    steps, rows = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, steps), min_size=rows, max_size=rows))
    form = draw(st.sampled_from(["padded", "unbatched", "packed", "packed unsorted"]))
    return Case(kind, arguments, steps, rows, lengths, form, draw(st.booleans()), draw(st.integers(0, 2**16)))


def both(case: Case, engine: str) -> tuple[Any, nn.RNNBase]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(nn, case.kind)(**case.arguments, dtype=torch.float64)
    ours = getattr(ricorda.nn, case.kind)(**case.arguments, dtype=torch.float64, engine=engine)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def states_of(case: Case, batch: tuple[int, ...]) -> list[Tensor]:
    count = case.arguments["num_layers"] * (1 + case.arguments["bidirectional"])
    hidden = case.arguments["hidden_size"]
    sizes = [case.arguments.get("proj_size", 0) or hidden, hidden] if case.kind == "LSTM" else [hidden]
    return [torch.randn(count, *batch, size, dtype=torch.float64).requires_grad_() for size in sizes]


def result(layer: nn.Module, case: Case, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    """Output and final states, and the gradient of every parameter, of the input and of the initial states."""
    hx: Any = None
    if case.given_states:
        hx = tuple(states) if case.kind == "LSTM" else states[0]
    inputs: Tensor | PackedSequence = x
    if case.form.startswith("packed"):
        in_order = case.form == "packed"
        lengths = sorted(case.lengths, reverse=True) if in_order else case.lengths
        first = case.arguments["batch_first"]
        inputs = pack_padded_sequence(x, torch.tensor(lengths), batch_first=first, enforce_sorted=in_order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that oneDNN has no projections
        output, final = layer(inputs, hx)
    values = [output.data if isinstance(output, PackedSequence) else output]
    values += list(final) if isinstance(final, tuple) else [final]
    generator = torch.Generator().manual_seed(case.seed)
    weights = [torch.randn(value.shape, generator=generator, dtype=torch.float64) for value in values]
    loss = sum((value * weight).sum() for value, weight in zip(values, weights, strict=True))
    wanted = [x, *layer.parameters(), *(states if case.given_states else [])]
    return values + list(torch.autograd.grad(loss, wanted))


@ENGINES
@settings(max_examples=150)
@given(case=cases())
def test_values_and_gradients_agree(engine: str, case: Case) -> None:
    torch.manual_seed(case.seed)
    ours, theirs = both(case, engine)
    batch = () if case.form == "unbatched" else (case.rows,)
    shape = (case.rows, case.steps) if batch and case.arguments["batch_first"] else (case.steps, *batch)
    x = torch.randn(*shape, case.arguments["input_size"], dtype=torch.float64).requires_grad_()
    states = states_of(case, batch)
    for mine, reference in zip(result(ours, case, x, states), result(theirs, case, x, states), strict=True):
        torch.testing.assert_close(mine, reference, **CLOSE)


@ENGINES
@settings(max_examples=60)
@given(case=cases(), data=st.data())
def test_lengths_give_what_torch_gives_for_each_row_alone(engine: str, case: Case, data: st.DataObject) -> None:
    torch.manual_seed(case.seed)
    ours, theirs = both(case, engine)
    lengths = data.draw(st.lists(st.integers(0, case.steps), min_size=case.rows, max_size=case.rows))
    x = torch.randn(case.rows, case.steps, case.arguments["input_size"], dtype=torch.float64)
    for row, length in enumerate(lengths):
        x[row, length:] = torch.nan  # what lies beyond a row's length is never read
    x.requires_grad_()
    states = states_of(case, (case.rows,))
    hx = tuple(states) if case.kind == "LSTM" else states[0]
    given_x = x if case.arguments["batch_first"] else x.transpose(0, 1)
    output, final = ours(given_x, hx, lengths=lengths)
    output = output if case.arguments["batch_first"] else output.transpose(0, 1)
    finals = list(final) if isinstance(final, tuple) else [final]

    loss = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(lengths):
        start = [state[:, row] for state in states]
        expected_states = start
        if length:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected, end = theirs(x[row, :length], tuple(start) if case.kind == "LSTM" else start[0])
            torch.testing.assert_close(output[row, :length], expected, **CLOSE)
            expected_states = list(end) if isinstance(end, tuple) else [end]
            loss = loss + expected.square().sum()
        assert not output[row, length:].any()
        for mine, reference in zip(finals, expected_states, strict=True):
            torch.testing.assert_close(mine[:, row], reference, **CLOSE)
            loss = loss + reference.sum()
    mine = torch.autograd.grad(output.square().sum() + sum(state.sum() for state in finals), [x, *ours.parameters()])
    reference = torch.autograd.grad(loss, [x, *theirs.parameters()], allow_unused=True)
    for ours_grad, theirs_grad in zip(mine, reference, strict=True):
        expected = torch.zeros_like(ours_grad) if theirs_grad is None else theirs_grad
        torch.testing.assert_close(ours_grad, expected, **CLOSE)


@ENGINES
@pytest.mark.parametrize("kind", KINDS)
def test_float32_differs_from_float64_by_rounding_alone(kind: str, engine: str) -> None:
    T, I, H = 30, 16, 32
    exact = getattr(ricorda.nn, kind)(I, H, dtype=torch.float64, engine="reference")
    layer = getattr(ricorda.nn, kind)(I, H, engine=engine)
    layer.load_state_dict(exact.state_dict())
    exact.load_state_dict(layer.state_dict())  # the rounded weights
    x = torch.randn(T, 4, I)
    # a step adds I + H products of numbers below 1 to a state, and weights of at most 1/sqrt(H) carry errors on
    bound = torch.finfo(torch.float32).eps * (I + H) * 2
    torch.testing.assert_close(layer(x)[0].double(), exact(x.double())[0], atol=bound, rtol=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_constructors_take_torch_s_arguments_in_torch_s_order(kind: str) -> None:
    positional = {
        "RNN": (3, 5, 2, "relu", False, True, 0.25, True),
        "LSTM": (3, 5, 2, False, True, 0.25, True, 2),
        "GRU": (3, 5, 2, False, True, 0.25, True),
    }[kind]
    ours, theirs = getattr(ricorda.nn, kind)(*positional), getattr(nn, kind)(*positional)
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }
    short_ours, short_theirs = getattr(ricorda.nn, kind)(3, 5), getattr(nn, kind)(3, 5)
    assert [getattr(short_ours, name) for name in names] == [getattr(short_theirs, name) for name in names]
    assert {"device", "dtype"} <= set(inspect.signature(type(ours)).parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_weights(kind: str) -> None:
    several = [{}, {"num_layers": 2, "bidirectional": True, "bias": False}]
    for arguments in [*several, *([{"num_layers": 2, "bidirectional": True, "proj_size": 2}] * (kind == "LSTM"))]:
        torch.manual_seed(5)
        theirs = getattr(nn, kind)(3, 4, **arguments)
        torch.manual_seed(5)
        ours = getattr(ricorda.nn, kind)(3, 4, **arguments)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
        theirs.load_state_dict(ours.state_dict())  # and back
        assert [[w.shape for w in ws] for ws in ours.all_weights] == [
            [w.shape for w in ws] for ws in theirs.all_weights
        ]


def test_the_gru_is_torch_s_by_default() -> None:
    assert ricorda.nn.GRU(3, 4).program.name == "gru_reset_after"
    assert ricorda.nn.GRU(3, 4, reset_after=False).program.name == "gru"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("RNN", {}),
        ("LSTM", {"num_layers": 2, "proj_size": 2, "bidirectional": True}),
        ("LSTM", {"bias": False, "batch_first": True}),
        ("GRU", {"num_layers": 3, "dropout": 0.5}),
    ],
)
def test_a_layer_prints_as_torch_s(kind: str, arguments: dict[str, Any]) -> None:
    assert repr(getattr(ricorda.nn, kind)(3, 4, **arguments)) == repr(getattr(nn, kind)(3, 4, **arguments))


@ENGINES
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_drops_what_torch_drops(kind: str, engine: str) -> None:
    ours = getattr(ricorda.nn, kind)(3, 6, num_layers=3, dropout=0.5, dtype=torch.float64, engine=engine)
    theirs = getattr(nn, kind)(3, 6, num_layers=3, dropout=0.5, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    torch.manual_seed(1)
    mine = ours(x)[0]
    torch.manual_seed(1)
    torch.testing.assert_close(mine, theirs(x)[0], **CLOSE)
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0], **CLOSE)
    assert not torch.allclose(mine, ours(x)[0])
