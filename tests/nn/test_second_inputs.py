"""Inputs besides the first, and states of other sizes: what layers and streams take and give."""

from typing import Any

import numpy as np
import pytest
import torch
from sized_cells import SIZED, gru_d, lmu, mogrifier, tgru
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ricorda import ArgumentError, CellError, affine, cell, insight, sigmoid, tanh
from ricorda.nn import LSTM, Recurrent

D = torch.float64
T, B, I, H = 5, 3, 2, 4


@pytest.fixture
def layer() -> Recurrent:
    torch.manual_seed(1)
    return Recurrent(gru_d, I, H, dtype=D)


@pytest.fixture
def batch() -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(2)
    x, mask, gap = (torch.randn(T, B, size, generator=generator, dtype=D) for size in (I, I, 1))
    return x, {"mask": (mask > 0).to(D), "gap": gap.abs()}


def test_one_number_a_step_may_leave_its_dimension_out(layer: Recurrent, batch: Any) -> None:
    x, inputs = batch
    whole, (h, x_last) = layer(x, inputs=inputs)
    assert (whole.shape, h.shape, x_last.shape) == ((T, B, H), (1, B, H), (1, B, I))
    assert torch.equal(layer(x, inputs={**inputs, "gap": inputs["gap"][..., 0]})[0], whole)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_every_input_has_its_gradient(engine: str, batch: Any) -> None:
    layer = Recurrent(gru_d, I, H, dtype=D, engine=engine)
    with torch.no_grad():  # The decays must not be 1, where relu has no slope.
        layer.rate_x_l0.abs_()
        layer.start_x_l0.abs_()
        layer.weight_decay_1_l0.abs_()
    x, inputs = (batch[0], {name: value + 0.1 for name, value in batch[1].items()})

    def run(x: Tensor, mask: Tensor, gap: Tensor) -> Tensor:
        return layer(x, inputs={"gap": gap, "mask": mask})[0]

    tensors = [value[:3, :2].clone().requires_grad_() for value in (x, *inputs.values())]
    assert torch.autograd.gradcheck(run, tensors)
    gradients = torch.autograd.grad(run(*tensors).sum(), tensors)
    assert all(bool(gradient[:2].any()) for gradient in gradients)


def test_every_form_of_a_batch_gives_the_same(layer: Recurrent, batch: Any) -> None:
    x, inputs = batch
    lengths = torch.tensor([5, 2, 4])
    whole, states = layer(x, lengths=lengths, inputs=inputs)
    first = Recurrent(gru_d, I, H, dtype=D, batch_first=True)
    first.load_state_dict(layer.state_dict())
    turned = {name: value.transpose(0, 1) for name, value in inputs.items()}
    torch.testing.assert_close(first(x.transpose(0, 1), lengths=lengths, inputs=turned)[0].transpose(0, 1), whole)

    def packed(value: Tensor) -> Any:
        return pack_padded_sequence(value, lengths, enforce_sorted=False)

    for gap in (inputs["gap"], inputs["gap"][..., 0]):
        of_packed, ends = layer(packed(x), inputs={"mask": packed(inputs["mask"]), "gap": packed(gap)})
        torch.testing.assert_close(pad_packed_sequence(of_packed)[0], whole)
        for own, expected in zip(ends, states, strict=True):
            torch.testing.assert_close(own, expected)
    for row, steps in enumerate(lengths.tolist()):
        one = {name: value[:steps, row] for name, value in inputs.items()}
        torch.testing.assert_close(layer(x[:steps, row], inputs=one)[0], whole[:steps, row])
        one["gap"] = one["gap"][..., 0]
        torch.testing.assert_close(layer(x[:steps, row], inputs=one)[1][1][0], states[1][0, row])


def test_padding_of_an_input_is_never_read(layer: Recurrent, batch: Any) -> None:
    x, inputs = batch
    lengths = [5, 2, 4]
    expected = layer(x, lengths=lengths, inputs=inputs)[0]
    late = torch.arange(T)[:, None] >= torch.tensor(lengths)
    inputs = {name: value.masked_fill(late[..., None], torch.nan) for name, value in inputs.items()}
    for engine in ("cpu", "reference"):
        layer.engine = engine
        torch.testing.assert_close(layer(x, lengths=lengths, inputs=inputs)[0], expected)


def test_steps_of_a_stream_are_those_of_the_sequence(layer: Recurrent, batch: Any) -> None:
    x, inputs = batch
    whole, states = layer(x, inputs=inputs)
    stream = layer.stream(B)
    for t in range(T):
        torch.testing.assert_close(stream(x[t], inputs={name: value[t] for name, value in inputs.items()}), whole[t])
    for own, expected in zip(stream.state, states, strict=True):
        torch.testing.assert_close(own, expected)
    single = layer.stream()
    for t in range(T):
        step = {"mask": inputs["mask"][t, 0].numpy(), "gap": np.float64(inputs["gap"][t, 0, 0])}
        np.testing.assert_allclose(single(x[t, 0].numpy(), inputs=step), whole[t, 0].detach().numpy())


@pytest.mark.parametrize("name", ["tgru", "qrnn2", "lmu", "mogrifier", "one_gate"])
def test_streams_of_states_of_other_sizes(name: str) -> None:
    layer = Recurrent(SIZED[name][0], I, H, num_layers=2, dtype=D)
    x = torch.randn(4, B, I, dtype=D)
    whole, states = layer(x)
    stream = layer.stream(B)
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), whole)
    for own, expected in zip(stream.state, states, strict=True):
        torch.testing.assert_close(own, expected)


MISTAKES: dict[str, tuple[Any, str]] = {
    "none": (
        {},
        r"inputs has nothing, and cell gru_d takes mask, gap besides x: give inputs={'mask': ..., 'gap': ...}",
    ),
    "one is missing": ({"gap": torch.ones(T, B, dtype=D)}, r"inputs has 'gap', and cell gru_d takes mask, gap"),
    "no mapping": ([1], "inputs is a list: give a dictionary"),
    "a wrong shape": ({"mask": torch.ones(T, B, 3, dtype=D)}, r"input mask has shape \(5, 3, 3\), and \(5, 3, 2\)"),
    "no tensor": ({"mask": 1.0}, "input mask is a float"),
    "another dtype": ({"mask": torch.ones(T, B, I)}, "input mask is of torch.float32 and the layer of torch.float64"),
    "packed": (
        {"mask": pack_padded_sequence(torch.ones(T, B, I, dtype=D), [5, 2, 1])},
        "input mask is packed, and the first input is not",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(mistake: str, layer: Recurrent, batch: Any) -> None:
    x, inputs = batch
    wrong, message = MISTAKES[mistake]
    if "mask" in wrong:
        wrong = {**inputs, **wrong}
    with pytest.raises(ArgumentError, match=message) as raised:
        layer(x, inputs=wrong)
    assert "\n" not in str(raised.value)


def test_inputs_of_cells_that_take_none_are_refused(batch: Any) -> None:
    x, inputs = batch
    for call in (LSTM(I, H, dtype=D), LSTM(I, H, dtype=D).stream(B)):
        with pytest.raises(ArgumentError, match=r"inputs has 'mask', 'gap', and cell lstm takes none besides x"):
            call(x if isinstance(call, LSTM) else x[0], inputs=inputs)  # type: ignore[operator]


def test_an_input_of_the_input_s_size_goes_with_one_layer() -> None:
    with pytest.raises(ArgumentError, match=r"num_layers is 2, and cell gru_d takes mask of the input's size"):
        Recurrent(gru_d, I, H, num_layers=2)


@cell(inputs={"gap": 1})
def timed(x, gap, h):
    return h / (1 + gap * gap) + tanh(affine("h", x, h)) * gap


def test_an_input_of_one_number_goes_with_every_layer_and_direction() -> None:
    layer = Recurrent(timed, I, H, num_layers=2, bidirectional=True, dtype=D)
    x, gap = torch.randn(T, B, I, dtype=D), torch.rand(T, B, dtype=D)
    slow = Recurrent(timed, I, H, num_layers=2, bidirectional=True, dtype=D, engine="reference")
    slow.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x, inputs={"gap": gap})[0], slow(x, inputs={"gap": gap})[0])
    with torch.autocast("cpu"):
        near = layer.float()(x.float(), inputs={"gap": gap.float()})[0]
    assert float((near - slow(x, inputs={"gap": gap})[0]).detach().abs().max()) < 0.1


def test_states_of_the_input_s_size_are_as_wide_as_the_widest_layer() -> None:
    layer = Recurrent(tgru, I, H, num_layers=2, bidirectional=True, dtype=D)
    x = torch.randn(T, B, I, dtype=D)
    output, (h, x_last) = layer(x)
    assert (h.shape, x_last.shape) == ((4, B, H), (4, B, 2 * H))
    assert torch.equal(x_last[0, :, :I], x[-1])
    assert not x_last[:2, :, I:].any()
    _, state = layer(x[:2])  # The forward direction goes on where it was.
    assert torch.equal(layer(x[2:], state)[1][1][0], x_last[0])
    one = Recurrent(tgru, I, H, num_layers=2, dtype=D)
    output, _ = one(x)
    before = one(x[:2])[1]
    torch.testing.assert_close(one(x[2:], before)[0], output[2:])


def test_names_and_shapes_of_weights_of_other_sizes() -> None:
    shapes = {name: tuple(weight.shape) for name, weight in Recurrent(lmu, I, H).named_parameters()}
    assert shapes == {
        "weight_ih_l0": (H, I),
        "weight_hh_l0": (H, H),
        "bias_ih_l0": (H,),
        "bias_hh_l0": (H,),
        "weight_u_1_l0": (1, I),
        "weight_u_2_l0": (1, H),
        "weight_u_3_l0": (1, 6),
        "weight_m_1_l0": (6, 6),
        "weight_m_2_l0": (6, 1),
        "weight_h_3_l0": (H, 6),
    }
    assert Recurrent(mogrifier, I, H).bias_q1_l0.shape == (I,)


@cell(sizes={"m": "order"})
def fixed_lmu(x, h, m, *, order=6):
    """The Legendre memory unit with matrices that are never trained."""
    u = affine("u", x, h, m, bias=False, size=1)
    m = affine("m", m, u, bias=False, size=order, form="fixed")
    return tanh(affine("h", x, h, m)), m


def test_an_option_is_a_size_and_a_matrix_of_that_size_can_be_fixed() -> None:
    layer = Recurrent(fixed_lmu(order=3), I, H, dtype=D)
    buffers = {name: tuple(value.shape) for name, value in layer.named_buffers()}
    assert buffers == {"weight_m_1_l0": (3, 3), "weight_m_2_l0": (3, 1)}
    assert layer(torch.randn(T, B, I, dtype=D))[1][1].shape == (1, B, 3)
    with pytest.raises(ArgumentError, match="order"):
        fixed_lmu(order="I")
    with pytest.raises(CellError, match="the size 0 is none"):
        _ = fixed_lmu(order=0).program


def test_weight_drop_drops_the_recurrent_matrices_of_all_sizes() -> None:
    layer = Recurrent(lmu, I, H, weight_drop=0.5)
    names = {"weight_hh", "weight_u_2", "weight_u_3", "weight_m_1", "weight_m_2", "weight_h_3"}
    assert set(layer.stack.recurrent) == names
    parameters = {name: torch.ones(50, 50) for name in layer.stack.names}
    dropped = layer.regularisers.drop_weights(parameters, layer.stack.recurrent)
    assert {name for name, value in dropped.items() if not value.all()} == names


@pytest.mark.parametrize("name", ["tgru", "qrnn2", "mogrifier"])
def test_views_of_gradients_and_of_memory(name: str) -> None:
    layer = Recurrent(SIZED[name][0], I, H, num_layers=2, bidirectional=True, dtype=D).eval()
    x = torch.randn(T, I, dtype=D)
    found = insight.decompose(layer, x, level=0)
    np.testing.assert_allclose(found.parts.sum(axis=0), found.states[-1], atol=1e-12)
    assert insight.unroll(layer, x.numpy(), layer=1).values["h"].shape == (T, H)
    flow = insight.gradient_flow(layer, x[:, None].numpy(), level=1)
    assert {state.name for state in SIZED[name][0].program.states} == set(flow.states)


@cell(sizes={"m": 3})
def of_three_sizes(x, h, m):
    """Gates of h, of the input, and one for a whole row."""
    g = sigmoid(affine("g", x, h))
    r = sigmoid(affine("r", h, m, size="I"))
    one = sigmoid(affine("one", x, m, size=1))
    return g * h + (1 - g) * tanh(affine("h", r * x, h)), one * m + (1 - one) * tanh(affine("m", x, h, size=3))


@pytest.mark.parametrize("order", ["time", "cluster"])
def test_a_view_of_gates_of_several_sizes(order: str) -> None:
    layer = Recurrent(of_three_sizes, I, H, dtype=D).eval()
    passage = insight.Passage(layer, tuple("abcde"), torch.randn(5, I, dtype=D))
    gates = insight.gates_of(passage)
    assert {name: gate.shape[1] for name, gate in gates.values.items()} == {"g": H, "r": I, "one": 1}
    frame = gates.to_frame()
    assert frame.group_by("gate").len().sort("gate").rows() == [("g", 5 * H), ("one", 5), ("r", 5 * I)]
    figure = gates.plot(order=order)
    shapes = [axes.images[0].get_array().shape for axes in figure.axes if axes.images]
    assert shapes[:3] == [(H, 5), (I, 5), (1, 5)]


def test_a_compiled_layer_takes_second_inputs(layer: Recurrent, batch: Any) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    x, inputs = batch
    expected = layer(x, inputs=inputs)[0]
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, inputs=inputs)[0], expected)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = {name: mode.from_tensor(value) for name, value in inputs.items()}
        assert layer(mode.from_tensor(x), inputs=fake)[1][1].shape == (1, B, I)
