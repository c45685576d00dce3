"""Streams through compiled code: what they take and give, and that they follow their layer."""

import copy
import io
import pickle
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from oracles.classic import CLASSIC
from sized_cells import SIZED
from torch import Tensor
from torch.nn.utils import parametrize

from ricorda import ArgumentError, affine, cell, exp, tanh
from ricorda.engines.cpu.run.stepper import PartsStepper
from ricorda.nn import GRU, LSTM, Recurrent
from ricorda.nn.stream import Stream

I, H, T = 5, 19, 7
"""Sizes that are no multiple of a vector."""

EPS = torch.finfo(torch.float32).eps


def compiled(stream: Stream) -> bool:
    return stream._stepper is not None


def steps(stream: Stream, x: Tensor) -> Tensor:
    return torch.stack([stream(step) for step in x])


def whole(layer: Recurrent, x: Tensor) -> Tensor:
    with torch.no_grad():
        output: Tensor = copy.deepcopy(layer).eval()(x)[0]
    return output


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CLASSIC)
def test_float64_steps_equal_the_sequence(name: str, bias: bool) -> None:
    layer = Recurrent(name, I, H, num_layers=3, bias=bias, dtype=torch.float64)
    x = torch.randn(T, 3, I, dtype=torch.float64)
    stream = layer.stream(3)
    assert compiled(stream)
    torch.testing.assert_close(steps(stream, x), whole(layer, x), atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("name", CLASSIC)
def test_float32_steps_equal_the_sequence_within_rounding(name: str) -> None:
    layer = Recurrent(name, I, H)
    x = torch.randn(T, I)
    # each of T steps sums I + H products below 4 in size in another order; states are at most 1 or are halved
    bound = T * (I + H) * 4 * EPS
    torch.testing.assert_close(steps(layer.stream(), x), whole(layer, x), atol=bound, rtol=0.0)


@pytest.mark.parametrize("options", [{"zoneout": 0.3}, {"layer_norm": True}, {"proj_size": 4}, {"weight_drop": 0.5}])
def test_options_step_as_in_evaluation(options: dict[str, float]) -> None:
    layer = LSTM(I, H, num_layers=2, dtype=torch.float64, **options).train()
    x = torch.randn(T, I, dtype=torch.float64)
    stream = layer.stream()
    assert compiled(stream)
    torch.testing.assert_close(steps(stream, x), whole(layer, x), atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "rnn"])
def test_wide_layers_whose_panels_go_to_and_fro_equal_the_sequence(name: str, batch: int | None) -> None:
    layer = Recurrent(name, I, 256, num_layers=2, dtype=torch.float64)
    x = torch.randn(T, *([] if batch is None else [batch]), I, dtype=torch.float64)
    torch.testing.assert_close(steps(layer.stream(batch), x), whole(layer, x), atol=1e-12, rtol=0.0)


def test_a_state_that_others_need_old_and_new_takes_turns() -> None:
    @cell
    def crossed(x, a, b):
        return tanh(affine("a", b, x)), tanh(affine("b", a, b, x))

    layer = Recurrent(crossed, I, H, num_layers=2, dtype=torch.float64)
    x = torch.randn(T, I, dtype=torch.float64)
    stream = layer.stream()
    assert compiled(stream)
    first = steps(stream, x[:3])
    stream.state = stream.state
    torch.testing.assert_close(torch.cat([first, steps(stream, x[3:])]), whole(layer, x), atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [None, 2])
def test_arrays_give_arrays_and_tensors_tensors(batch: int | None, dtype: torch.dtype) -> None:
    layer = GRU(I, H, dtype=dtype)
    tensors, arrays, both = (layer.stream(batch) for _ in range(3))
    x = torch.randn(T, *([] if batch is None else [batch]), I, dtype=dtype)
    for t, step in enumerate(x):
        y, z = tensors(step), arrays(step.numpy())
        assert type(y) is Tensor
        assert type(z) is np.ndarray
        assert y.dtype == dtype
        assert y.shape == z.shape == (*x.shape[1:-1], H)
        assert np.array_equal(y.numpy(), z)
        mixed = both(step if t % 2 else step.numpy())
        assert np.array_equal(mixed, z)


def test_results_and_states_stay_as_they_were() -> None:
    stream = LSTM(I, H).stream()
    for x in (torch.randn(I), np.random.default_rng(0).normal(size=I).astype(np.float32)):
        y, state = stream(x), stream.state
        kept = copy.deepcopy((y, state))
        for _ in range(3):
            stream(x)
        assert np.array_equal(y, kept[0])
        assert all(torch.equal(now, then) for now, then in zip(state, kept[1], strict=True))
        y[:] = 7  # the caller's own: the state is none the worse
        assert abs(stream(x)).max() <= 1


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.repeat_interleave(2)[::2],
        lambda x: np.repeat(x.numpy(), 2)[::2],
        lambda x: x.expand(3, I)[1],
        lambda x: torch.nn.Parameter(x),
        lambda x: np.asfortranarray(x.numpy())[::-1][::-1],
        lambda x: x.numpy().view(np.recarray),
        lambda x: pickle.loads(pickle.dumps(x.numpy())),
    ],
)
def test_a_step_may_lie_in_memory_as_it_likes(view: Callable[[Tensor], Tensor | np.ndarray]) -> None:
    layer = LSTM(I, H)
    x = torch.randn(I)
    y = layer.stream()(view(x))
    assert type(y) is (Tensor if isinstance(view(x), Tensor) else np.ndarray)
    assert np.array_equal(y, layer.stream()(x))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(I, dtype=torch.float64), "step of this stream is of torch.float64 and the layer of torch.float32"),
        (torch.zeros(I, device="meta"), "a step of this stream is on meta and the layer on cpu"),
        (torch.zeros(I, 1), r"step of this stream has shape \(5,\), and \(5, 1\) was given"),
        (torch.zeros(I + 1), r"step of this stream has shape \(5,\), and \(6,\) was given"),
        (np.zeros(I), r"is of float64 and the layer of torch.float32: convert it with .astype\('float32'\)"),
        (np.zeros(I, np.int64), "step of this stream is of int64"),
        (np.zeros(I, ">f4"), "step of this stream is of >f4"),
        (np.zeros((1, I), np.float32), r"step of this stream has shape \(5,\), and \(1, 5\) was given"),
        ([0.0] * I, "step of this stream is a list: give a torch.Tensor or a NumPy array"),
        (1.0, "step of this stream is a float: give a torch.Tensor or a NumPy array"),
    ],
)
def test_a_step_that_cannot_be_leaves_the_stream_as_it_was(x: object, message: str) -> None:
    layer = GRU(I, H)
    stream, other = layer.stream(), layer.stream()
    good = torch.randn(I)
    for each in (stream, other):
        each(good)
    with pytest.raises(ArgumentError, match=message) as raised:
        stream(x)
    assert "\n" not in str(raised.value)
    assert torch.equal(stream(good), other(good))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (torch.zeros(1, H), "hx has 1 state, and cell lstm has 2"),
        ((torch.zeros(1, H), torch.zeros(1, H + 1)), r"initial state c has shape \(1, 20\), and \(1, 19\) is needed"),
        ((torch.zeros(1, H), torch.zeros(1, H).double()), "initial state c is of torch.float64"),
        ((torch.zeros(1, H), np.zeros((1, H))), "initial state c is a ndarray: give a torch.Tensor"),
    ],
)
def test_a_state_that_cannot_be_is_refused_when_it_is_set(state: object, message: str) -> None:
    stream = LSTM(I, H).stream()
    x = torch.randn(I)
    stream(x)
    kept = stream.state
    with pytest.raises(ArgumentError, match=message):
        stream.state = state
    assert all(torch.equal(now, then) for now, then in zip(stream.state, kept, strict=True))


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("after", [1, 2])
def test_states_go_round(after: int, batch: int | None) -> None:
    layer = LSTM(I, H, num_layers=2, proj_size=4)
    x = torch.randn(T, *([] if batch is None else [batch]), I)
    expected = steps(layer.stream(batch), x)
    stream = layer.stream(batch)
    assert stream.state is None
    steps(stream, x[:after])
    h, c = stream.state
    assert h.shape == (2, *x.shape[1:-1], 4)
    assert c.shape == (2, *x.shape[1:-1], H)
    buffer = io.BytesIO()
    torch.save((h, c), buffer)
    buffer.seek(0)
    other = layer.stream(batch)
    other.state = torch.load(buffer)
    for each in (stream, other, copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        assert torch.equal(steps(each, x[after:]), expected[after:])
    other.reset()
    assert other.state is None
    assert torch.equal(steps(other, x), expected)
    other.state = None
    assert torch.equal(steps(other, x), expected)


def test_streams_of_one_layer_are_independent() -> None:
    layer = LSTM(I, H, num_layers=2)
    x = torch.randn(T, 20, I)
    streams = [layer.stream() for _ in range(20)]
    taken = torch.stack([torch.stack([stream(row) for stream, row in zip(streams, step, strict=True)]) for step in x])
    alone = torch.stack([steps(layer.stream(), x[:, row]) for row in range(20)], dim=1)
    assert torch.equal(taken, alone)


@pytest.mark.parametrize("hidden_size", [H, 300])  # with Python's lock and without
def test_threads_have_streams_of_their_own(hidden_size: int) -> None:
    layer = GRU(I, hidden_size)
    x = torch.randn(4, 100, I)
    expected = [steps(layer.stream(), each) for each in x]
    found: list[Tensor | None] = [None] * 4

    def run(number: int) -> None:
        found[number] = steps(layer.stream(), x[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def step_of_an_optimizer(layer: LSTM) -> None:
    layer(torch.randn(3, I))[0].sum().backward()
    torch.optim.SGD(layer.parameters(), lr=1.0).step()


def replaced_parameter(layer: LSTM) -> None:
    layer.bias_hh_l0 = torch.nn.Parameter(torch.randn(4 * H))


def replaced_memory(layer: LSTM) -> None:
    layer.weight_ih_l0.data = torch.randn(4 * H, I)


@pytest.mark.parametrize(
    "change",
    [
        step_of_an_optimizer,
        replaced_parameter,
        replaced_memory,
        lambda layer: layer.load_state_dict(LSTM(I, H).state_dict()),
        lambda layer: layer.load_state_dict(LSTM(I, H).state_dict(), assign=True),
        lambda layer: layer.reset_parameters(),
    ],
)
def test_changed_weights_are_noticed(change: Callable[[LSTM], object]) -> None:
    torch.manual_seed(0)
    layer = LSTM(I, H)
    stream = layer.stream()
    x = torch.randn(I)
    before = stream(x)
    state = stream.state
    change(layer)
    fresh = layer.stream()
    assert not torch.equal(fresh(x), before)
    fresh.state = state
    assert torch.equal(stream(x), fresh(x))


def test_a_reset_reads_weights_that_were_changed_behind_torchs_back() -> None:
    layer = LSTM(I, H)
    stream = layer.stream()
    x = torch.randn(I)
    layer.weight_ih_l0.data.mul_(2)
    stream.reset()
    assert torch.equal(stream(x), layer.stream()(x))


def test_a_layer_that_changes_its_dtype_takes_its_streams_along() -> None:
    layer = LSTM(I, H)
    stream = layer.stream()
    x = torch.randn(2, I)
    first = stream(x[0])
    layer.double()
    second = stream(x[1].double())
    assert second.dtype == torch.float64
    both = torch.stack([first.double(), second])
    torch.testing.assert_close(both, whole(layer, x.double()), atol=(I + H) * 8 * EPS, rtol=0.0)


def test_what_the_engine_cannot_step_goes_through_the_layer() -> None:
    x = torch.randn(T, I, dtype=torch.float64)
    reference = LSTM(I, H, dtype=torch.float64, engine="reference")
    parametrized = LSTM(I, H, dtype=torch.float64)
    parametrize.register_parametrization(parametrized, "weight_hh_l0", torch.nn.Tanh())
    with torch.inference_mode():
        inference = LSTM(I, H, dtype=torch.float64)
    for layer in (reference, parametrized, inference):
        stream = layer.stream()
        assert not compiled(stream)
        torch.testing.assert_close(steps(stream, x), whole(layer, x), atol=1e-12, rtol=0.0)
        stream.reset()
        arrays = np.stack([stream(step) for step in x.numpy()])
        np.testing.assert_allclose(arrays, whole(layer, x).numpy(), atol=1e-12, rtol=0.0)
    half = LSTM(I, H, dtype=torch.bfloat16).stream()
    assert half(torch.zeros(I, dtype=torch.bfloat16)).dtype == torch.bfloat16
    with pytest.raises(ArgumentError, match=r"is of float32 and the layer of torch.bfloat16: give a torch.Tensor"):
        half(np.zeros(I, np.float32))


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("name", SIZED)
def test_cells_of_other_sizes_and_of_second_inputs_keep_their_weights_packed(name: str, batch: int | None) -> None:
    program, rows = SIZED[name][0].program, () if batch is None else (batch,)
    layers = 1 if any(value.size == "I" for value in (*program.inputs[1:], *program.states)) else 2
    layer = Recurrent(program, I, H, num_layers=layers, dtype=torch.float64, engine="cpu")
    sizes = layer.stack.sizes[0]
    x, *beside = (torch.rand(T, *rows, sizes[value.size], dtype=torch.float64) for value in program.inputs)
    inputs = dict(zip([value.name for value in program.inputs[1:]], beside, strict=True))
    whole, final = layer(x, inputs=inputs)
    stream = layer.stream(batch)
    assert type(stream._stepper) is PartsStepper

    def take(t: int) -> Tensor:
        return stream(x[t], {name: values[t] for name, values in inputs.items()})

    steps = torch.stack([take(t) for t in range(T)])
    torch.testing.assert_close(steps, whole.detach(), atol=1e-12, rtol=0.0)
    for ours, theirs in zip(stream.state, final, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), atol=1e-12, rtol=0.0)
    kept = stream.state
    stream.reset()
    assert torch.equal(take(0), steps[0])
    stream.state = kept
    later = take(0)
    if inputs:
        with pytest.raises(ArgumentError, match="inputs has nothing, and cell"):
            stream(x[0])
        after = take(1)
        stream.state = kept
        take(0)
        assert torch.equal(take(1), after)  # The mistake in between has left the states alone.
    with torch.no_grad():
        next(layer.parameters()).mul_(0.5)
    stream.state = kept
    assert not torch.equal(take(0), later)


def test_a_number_for_all_rows_goes_through_the_layer_and_keeps_the_states() -> None:
    @cell(inputs={"gap": 1})
    def fading(x, gap, h):
        return exp(-gap) * h + tanh(affine("h", x, h))

    layer = Recurrent(fading, I, H)
    x, gaps = torch.rand(T, I), [0.5, 1.5, *[0.25] * (T - 2)]
    stream = layer.stream()
    steps = [
        stream(step, {"gap": gap if t % 2 else torch.tensor([gap])})
        for t, (step, gap) in enumerate(zip(x, gaps, strict=True))
    ]
    whole = layer(x, inputs={"gap": torch.tensor(gaps)})[0].detach()
    torch.testing.assert_close(torch.stack(steps), whole, atol=1e-5, rtol=0.0)


def test_a_parameter_of_another_shape_is_refused() -> None:
    layer = LSTM(I, H)
    stream = layer.stream()
    layer.weight_hh_l0 = torch.nn.Parameter(torch.randn(4 * H, H - 1))
    with pytest.raises(ArgumentError, match=r"weight_hh.* has shape"):
        stream(torch.zeros(I))


def test_a_stream_crosses_inference_mode_either_way() -> None:
    layer = LSTM(I, H)
    x = torch.randn(T, I)
    expected = whole(layer, x)
    with torch.inference_mode():
        stream = layer.stream()
        stream(x[0])
        state = stream.state
    stream(x[1])
    stream.state = state
    with torch.inference_mode():
        y = stream(x[1])
    torch.testing.assert_close(y, expected[1], atol=(I + H) * 8 * EPS, rtol=0.0)


def test_a_row_that_is_not_finite_keeps_to_itself() -> None:
    layer = GRU(I, H)
    x = torch.randn(3, I)
    x[1, 2] = float("nan")
    y = layer.stream(3)(x)
    assert y.isfinite().all(dim=1).tolist() == [True, False, True]
