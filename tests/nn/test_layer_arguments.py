"""What a layer is given: torch.nn's arguments in torch.nn's order, and one sentence about what cannot be."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import ricorda.nn
from ricorda import ArgumentError, affine, cell, sigmoid, tanh
from ricorda.nn import GRU, LSTM, RNN, Recurrent

KINDS = ("RNN", "LSTM", "GRU")


@pytest.mark.parametrize("kind", KINDS)
def test_every_argument_of_torch_has_its_name_place_and_default(kind: str) -> None:
    theirs = inspect.getdoc(getattr(nn, kind)).splitlines()[0]  # its own signature is *args, **kwargs
    signature = inspect.signature(getattr(ricorda.nn, kind))
    names = theirs[theirs.index("(") + 1 : theirs.rindex(")")].replace(" ", "").split(",")
    positional = [each for each in signature.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in positional
    ] == names


@pytest.mark.parametrize("kind", KINDS)
def test_device_and_dtype_may_be_given_by_place(kind: str) -> None:
    places = {"RNN": (1, "tanh", True, False, 0.0, False), "LSTM": (1, True, False, 0.0, False, 0)}
    layer = getattr(ricorda.nn, kind)(3, 4, *places.get(kind, (1, True, False, 0.0, False)), "cpu", torch.float64)
    assert {weight.dtype for weight in layer.parameters()} == {torch.float64}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("RNN", {"nonlinearity": "relu"}),
        ("RNN", {"bias": False, "bidirectional": True}),
        ("LSTM", {"num_layers": 2, "dropout": 0.25, "batch_first": True}),
        ("GRU", {"bidirectional": True, "dtype": torch.float64}),
    ],
)
def test_a_layer_prints_as_torch_s_does(kind: str, arguments: dict[str, Any]) -> None:
    assert repr(getattr(ricorda.nn, kind)(3, 4, **arguments)) == repr(getattr(nn, kind)(3, 4, **arguments))


def test_what_torch_has_not_is_printed_too() -> None:
    assert repr(GRU(3, 4, reset_after=False)) == "GRU(3, 4, reset_after=False)"
    assert repr(LSTM(3, 4, forget_bias=1.0)) == "LSTM(3, 4, forget_bias=1.0)"
    assert repr(Recurrent("lstm_peephole", 3, 4, num_layers=2)) == "Recurrent(lstm_peephole, 3, 4, num_layers=2)"


@cell(forget_gate="f")
def unbiased(x, h):
    f = sigmoid(affine("f", h, x, bias=False))
    return f * h + (1 - f) * tanh(affine("g", x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(3, 4, 1, "tanh"), "bias is 'tanh': give True or False"),
        (lambda: GRU(3, 4, 1, 0.5), "bias is 0.5: give True or False"),
        (lambda: RNN(3, 4, batch_first=1), "batch_first is 1: give True or False"),
        (lambda: LSTM(3, 4, bidirectional=None), "bidirectional is None: give True or False"),
        (lambda: RNN(3, 4, 1, True), "nonlinearity is True: give 'tanh' or 'relu'"),
        (lambda: LSTM(True, 4), "input_size is True: give a whole number"),
        (lambda: LSTM(3, 4, proj_size=-1), "proj_size is -1: give a whole number below"),
        (lambda: LSTM(3, 4, proj_size=True), "proj_size is True: give a whole number below"),
        (lambda: LSTM(3, 4, 2, dropout="0.5"), "dropout is '0.5': give a probability"),
        (lambda: LSTM(3, 4, 2, dropout=float("nan")), "dropout is nan: give a probability"),
        (lambda: LSTM(3, 4, forget_bias=float("nan")), "forget_bias is nan: give a finite number"),
        (lambda: LSTM(3, 4, forget_bias="1"), "forget_bias is '1': give a finite number"),
        (
            lambda: Recurrent(unbiased, 3, 4, forget_bias=1.0),
            "forget_bias=1.0 was given, but cell unbiased has no bias in its forget gate: leave it out",
        ),
        (
            lambda: Recurrent(ricorda.nn.LSTM(3, 4).program, 3, 4, proj_size=2),
            "the program of cell lstm was traced without a projection, and proj_size says with: give the cell itself",
        ),
    ],
)
def test_an_argument_that_cannot_be_is_named_with_its_value(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        make()
    assert message in str(raised.value)


X = torch.randn(5, 2, 3)
Z = torch.zeros(1, 2, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer(X.tolist()), "the input is a list: give a torch.Tensor"),
        (lambda layer: layer(X.numpy()), "the input is a ndarray: give a torch.Tensor"),
        (lambda layer: layer(X.double()), "the input is of torch.float64 and the layer of torch.float32: convert"),
        (lambda layer: layer(X.long()), "the input is of torch.int64 and the layer of torch.float32: convert"),
        (lambda layer: layer(X.to("meta")), "the input is on meta and the layer on cpu: move"),
        (lambda layer: layer(pack_sequence([X[:, 0].double()])), "the input is of torch.float64"),
        (lambda layer: layer(X, 3), "hx has 1 state, and cell lstm has 2: give a tuple of h, c"),
        (lambda layer: layer(X, (Z, 3)), "initial state c is a int: give a torch.Tensor"),
        (lambda layer: layer(X, (Z, Z.double())), "initial state c is of torch.float64 and the layer of torch.float32"),
        (lambda layer: layer(X, (Z.to("meta"), Z)), "initial state h is on meta and the layer on cpu"),
        (lambda layer: layer(X, (Z[:, 0], Z)), "initial state h has shape (1, 4), and (1, 2, 4) is needed"),
        (lambda layer: layer(X[:, 0], (Z, Z)), "initial state h has shape (1, 2, 4), and (1, 4) is needed"),
        (lambda layer: layer(X, lengths=["a", "b"]), "lengths= must be whole numbers, one a row, not ['a', 'b']"),
        (lambda layer: layer(X, lengths=[[1], [2, 3]]), "lengths= must be whole numbers, one a row"),
        (lambda layer: layer(X, lengths=5), "lengths= has shape (), and the batch has 2 rows: give one length a row"),
        (lambda layer: layer(X, lengths=[True, False]), "lengths= must be whole numbers, not torch.bool"),
        (lambda layer: layer.stream()([1.0, 2.0, 3.0]), "a step of this stream is a list: give a torch.Tensor"),
        (lambda layer: layer.stream(2.0), "batch_size is 2.0: give a whole number of at least 1"),
    ],
)
def test_an_input_that_cannot_be_is_named(call: Callable[[LSTM], object], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        call(LSTM(3, 4))
    assert message in str(raised.value)


def test_autocast_takes_inputs_and_states_of_any_precision_and_keeps_states_whole() -> None:
    layer = LSTM(3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, (h, c) = layer(X.bfloat16())
        again, _ = layer(X.bfloat16(), (Z, Z))
    assert {output.dtype, h.dtype, c.dtype} == {torch.float32}
    assert torch.equal(output, again)


def test_lengths_may_be_any_whole_numbers() -> None:
    layer = GRU(3, 4)
    expected, _ = layer(X, lengths=[5, 2])
    for lengths in (
        (5, 2),
        torch.tensor([5, 2]),
        torch.tensor([5, 2], dtype=torch.uint8),
        torch.tensor([5, 2]).numpy(),
    ):
        assert torch.equal(layer(X, lengths=lengths)[0], expected)
