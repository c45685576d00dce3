"""One step at a time gives what the whole sequence gives."""

import pytest
import torch
from oracles.classic import CLASSIC

from ricorda import ArgumentError
from ricorda.nn import LSTM, Recurrent


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("name", CLASSIC)
def test_steps_give_what_the_sequence_gives(name: str, batch: int | None, batch_first: bool) -> None:
    layer = Recurrent(name, 2, 4, num_layers=2, batch_first=batch_first, dtype=torch.float64)
    shape = (6, 2) if batch is None else (6, batch, 2)
    x = torch.randn(shape, dtype=torch.float64)
    whole, final = layer(x.transpose(0, 1) if batch_first and batch else x)
    whole = whole.transpose(0, 1) if batch_first and batch else whole
    stream = layer.stream(batch)
    steps = torch.stack([stream(step) for step in x])
    torch.testing.assert_close(steps, whole, atol=1e-12, rtol=0.0)
    for ours, theirs in zip(stream.state, final, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0.0)


def test_a_kept_state_goes_on_where_it_was_kept() -> None:
    layer = LSTM(2, 4, proj_size=3)
    stream, other = layer.stream(), layer.stream()
    x = torch.randn(6, 2)
    for step in x[:3]:
        stream(step)
    other.state = stream.state
    assert torch.equal(torch.stack([stream(step) for step in x[3:]]), torch.stack([other(step) for step in x[3:]]))
    stream.reset()
    assert torch.equal(stream(x[0]), layer.stream()(x[0]))


def test_a_stream_leaves_mode_and_graph_alone() -> None:
    layer = LSTM(2, 4, num_layers=2, dropout=0.5).train()
    stream = layer.stream()
    x = torch.randn(2, requires_grad=True)
    y = stream(x)
    assert layer.training
    assert not y.requires_grad
    assert torch.equal(y, layer.eval()(x[None])[0][0])  # no dropout


def test_what_cannot_stream_is_refused() -> None:
    with pytest.raises(ArgumentError, match="bidirectional layer cannot stream"):
        LSTM(2, 4, bidirectional=True).stream()
    with pytest.raises(ArgumentError, match=r"step of this stream has shape \(3, 2\), and \(2,\) was given"):
        LSTM(2, 4).stream(3)(torch.randn(2))
    for wrong in (0, -1, 2.5):
        with pytest.raises(ArgumentError, match=f"batch_size is {wrong}"):
            LSTM(2, 4).stream(wrong)
