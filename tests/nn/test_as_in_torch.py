"""Where code written for torch.nn's layers meets ours: arguments, errors, tracers, counters, packed dropout."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

import ricorda.nn
from ricorda import ArgumentError
from ricorda.nn import GRU, LSTM, RNN, Recurrent

T, B, I, H = 4, 3, 2, 3
X = torch.randn(T, B, I, generator=torch.Generator().manual_seed(0))


# arguments


def test_constructors_take_numbers_of_numpy() -> None:
    layer = LSTM(np.int64(I), np.int32(H), np.int64(2), dropout=np.float32(0.5), proj_size=np.int64(2))
    assert (layer.input_size, layer.hidden_size, layer.num_layers, layer.proj_size) == (I, H, 2, 2)
    assert all(type(size) is int for size in (layer.input_size, layer.hidden_size, layer.num_layers, layer.proj_size))
    assert layer.dropout == 0.5
    Recurrent("lstm", I, H, forget_bias=np.float32(1), zoneout=np.float32(0.1))
    Recurrent("gru", I, H, memory=np.int64(10))
    with pytest.raises(ArgumentError, match=r"dropout is (np.float32\()?2.0\)?: give"):
        LSTM(I, H, 2, dropout=np.float32(2))


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "a size that is no whole number": lambda of: of.LSTM(I, 3.0),
    "an input size of text": lambda of: of.GRU("2", H),
    "layers that are no whole number": lambda of: of.RNN(I, H, 1.0),
    "a projection that is no whole number": lambda of: of.LSTM(I, H, proj_size=2.0),
    "a size of 0": lambda of: of.LSTM(I, 0),
    "a bias that is a number": lambda of: of.LSTM(I, H, bias=1),
    "too many dimensions": lambda of: of.LSTM(I, H)(X[None]),
    "other features": lambda of: of.LSTM(I, H)(torch.randn(T, B, 5)),
    "no step": lambda of: of.GRU(I, H)(torch.randn(0, B, I)),
    "a state of another batch": lambda of: of.GRU(I, H)(X, torch.zeros(1, 2, H)),
    "a state without rows": lambda of: of.GRU(I, H)(X, torch.zeros(1, H)),
    "a state of another dtype": lambda of: of.GRU(I, H)(X, torch.zeros(1, B, H).double()),
    "another dtype": lambda of: of.LSTM(I, H)(X.double()),
    "another device": lambda of: of.LSTM(I, H)(X.to("meta")),
    "a sparse input": lambda of: of.LSTM(I, H)(X.to_sparse()),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_errors_are_of_the_type_that_torch_raises(mistake: str) -> None:
    with pytest.raises(ArgumentError) as ours:
        MISTAKES[mistake](ricorda.nn)
    theirs = None
    try:
        MISTAKES[mistake](nn)
    except (TypeError, ValueError, RuntimeError) as error:
        theirs = type(error)
    assert theirs or mistake == "a bias that is a number"  # Older versions of torch take it.
    assert isinstance(ours.value, theirs or ArgumentError)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_sparse_tensors_are_refused_with_the_way_out(engine: str) -> None:
    layer = GRU(I, H, engine=engine)
    with pytest.raises(ArgumentError, match=r"the input is of layout torch.sparse_coo: make it dense with .to_dense"):
        layer(X.to_sparse())
    with pytest.raises(ArgumentError, match=r"initial state h is of layout torch.sparse_coo"):
        layer(X, torch.zeros(1, B, H).to_sparse())


def test_lengths_may_be_given_by_position() -> None:
    layer = LSTM(I, H)
    torch.testing.assert_close(layer(X, None, [4, 1, 2]), layer(X, lengths=[4, 1, 2]))


# dropout between layers


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_dropout_on_packed_sequences_draws_the_masks_of_torch(name: str, in_order: bool) -> None:
    theirs = getattr(nn, name)(I, H, 3, dropout=0.5, bidirectional=True)
    ours = getattr(ricorda.nn, name)(I, H, 3, dropout=0.5, bidirectional=True)
    ours.load_state_dict(theirs.state_dict())
    lengths = [4, 3, 1] if in_order else [3, 1, 4]
    packed = pack_padded_sequence(X, torch.tensor(lengths), enforce_sorted=in_order)

    def results(layer: nn.Module) -> list[Tensor]:
        torch.manual_seed(3)
        output, _ = layer(packed)
        assert isinstance(output, PackedSequence)
        return [output.data, *torch.autograd.grad(output.data.square().sum(), list(layer.parameters()))]

    for found, exact in zip(results(ours), results(theirs), strict=True):
        torch.testing.assert_close(found, exact)


# tools that read modules


class Tagger(nn.Module):
    """A layer as people use it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = LSTM(I, H, 2)
        self.head = nn.Linear(H, 2)

    def forward(self, x: Tensor) -> Tensor:
        output, (h, _) = self.layer(x)
        return torch.relu(self.head(output) + h[-1].mean())


def test_a_layer_is_a_leaf_of_a_symbolic_trace() -> None:
    module = Tagger()
    traced = torch.fx.symbolic_trace(module)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["layer", "head"]
    for x in (X, torch.randn(7, 2, I)):
        torch.testing.assert_close(traced(x), module(x))
    with pytest.raises(ArgumentError, match="trace a module that contains it"):
        torch.fx.symbolic_trace(LSTM(I, H))


def test_lengths_and_states_are_inputs_of_a_symbolic_trace() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = GRU(I, H)

        def forward(self, x: Tensor, h: Tensor, lengths: Tensor) -> Tensor:
            return self.layer(x, h, lengths=lengths)[0]

    module = Module()
    traced = torch.fx.symbolic_trace(module)
    h, lengths = torch.randn(1, B, H), torch.tensor([4, 0, 2])
    torch.testing.assert_close(traced(X, h, lengths), module(X, h, lengths))


def test_floating_point_operations_are_counted() -> None:
    layer = LSTM(I, H, bidirectional=True)
    once = 2 * T * B * 2 * (4 * H * I + 4 * H * H)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(X)
    assert counter.get_total_flops() == once
    with FlopCounterMode(display=False) as counter:
        layer(X)[0].sum().backward()
    assert counter.get_total_flops() == 4 * once  # BPTT runs the forward loop again


# what is done to results in place


@pytest.mark.parametrize("change", ["relu_", "setitem", "dropout"])
def test_an_output_changed_in_place_says_which_call_to_change(change: str) -> None:
    output, _ = LSTM(I, H, engine="cpu")(X)
    if change == "setitem":
        output[2:] = 0
    elif change == "dropout":
        nn.functional.dropout(output, 0.5, inplace=True)
    else:
        torch.relu_(output)
    with pytest.raises(RuntimeError, match=r"changed in place, .* change a copy \(output.clone\(\)\)") as raised:
        output.sum().backward()
    assert isinstance(raised.value, ArgumentError)


@pytest.mark.parametrize("layers", [LSTM, nn.LSTM], ids=["ours", "torch"])
def test_an_output_is_detached_in_place_where_torch_detaches_it(layers: Any) -> None:
    output, _ = layers(I, H)(X)
    output.detach_()
    assert not output.requires_grad
    output, _ = layers(I, H, batch_first=True)(X)
    with pytest.raises(RuntimeError, match=r"Use detach\(\) instead"):
        output.detach_()


def test_an_input_changed_in_place_is_torch_s_own_error() -> None:
    x = X.clone()
    output, _ = LSTM(I, H)(x)
    x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@pytest.mark.parametrize("lengths", [None, [4, 1, 2]])
@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_states_may_be_changed_and_detached_in_place(engine: str, lengths: list[int] | None) -> None:
    layer = GRU(I, H, engine=engine)
    output, h = layer(X, lengths=lengths)
    h.mul_(2)
    exact = torch.autograd.grad(2 * layer(X, lengths=lengths)[1].sum(), list(layer.parameters()))
    for found, gradient in zip(torch.autograd.grad(h.sum(), list(layer.parameters())), exact, strict=True):
        torch.testing.assert_close(found, gradient)
    h.detach_()
    assert not h.requires_grad
    assert output.requires_grad


@pytest.mark.parametrize("options", [{"bidirectional": True}, {"engine": "reference"}], ids=["both", "reference"])
def test_outputs_that_are_copies_anyway_may_be_changed_in_place(options: dict[str, Any]) -> None:
    layer = GRU(I, H, **options)
    found, exact = layer(X)[0], layer(X)[0]
    found[2:] = 0
    for ours, gradient in zip(
        torch.autograd.grad(found.sum(), list(layer.parameters())),
        torch.autograd.grad(exact[:2].sum(), list(layer.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(ours, gradient)


# records


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_records_of_no_rows_have_their_shape(engine: str) -> None:
    layer = LSTM(I, H, 2, bidirectional=True, engine=engine)
    assert layer(X[:, :0], record=("f",))[2]["f"].shape == (2, 2, T, 0, H)
    layer = GRU(I, H, 2, batch_first=True, engine=engine)
    assert layer(X.transpose(0, 1)[:0], record=("r",))[2]["r"].shape == (2, 1, 0, T, H)


@pytest.mark.parametrize("make", [lambda **o: RNN(I, H, **o), lambda **o: LSTM(I, H, **o), lambda **o: GRU(I, H, **o)])
def test_records_under_autocast_are_of_one_dtype_in_all_engines(make: Callable[..., Recurrent]) -> None:
    layer, slow = make(engine="cpu"), make(engine="reference")
    slow.load_state_dict(layer.state_dict())
    names = tuple(dict(layer.program.names))
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = layer(X, record=names)[2], slow(X, record=names)[2]
    for name in names:
        assert ours[name].dtype == theirs[name].dtype == torch.float32
        torch.testing.assert_close(ours[name], theirs[name], atol=0.03, rtol=0.03)
