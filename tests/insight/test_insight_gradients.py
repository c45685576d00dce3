"""Gradient flow: norms, half-lives, verdicts and shares, against autograd and closed forms."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from small_models import TEXTS, series, small
from torch import Tensor

from ricorda import SequenceClassifier, affine, cell, sigmoid, tanh
from ricorda.engines import Request, reference
from ricorda.errors import ArgumentError, CellError, DataError
from ricorda.insight.drawing import as_bytes
from ricorda.insight.gradients import jacobians as jacobian
from ricorda.insight.gradients.picture import draw_flows
from ricorda.insight.gradients.result import GradientFlow, StateFlow
from ricorda.insight.gradients.trail import trail_of
from ricorda.insight.gradients.view import gradient_flow
from ricorda.insight.passage import passage, recurrent_layers
from ricorda.nn import GRU, LSTM, Recurrent
from ricorda.program.weights import layout

EXACT = 1e-10  # relative, float64


@cell
def mgu(x, h):  # type: ignore[no-untyped-def]
    f = sigmoid(affine("f", h, x))
    return (1 - f) * h + f * tanh(affine("h", f * h, x))


@cell
def linear(x, h):  # type: ignore[no-untyped-def]
    return affine("h", h, x)


CELLS: list[Any] = ["rnn", "lstm", "gru", "gru_reset_after", mgu]


def layer_of(of: Any, inputs: int = 3, units: int = 5, **options: Any) -> Recurrent:
    return Recurrent(of, inputs, units, dtype=torch.float64, **options)


def linear_layer(matrix: Tensor) -> Recurrent:
    layer = layer_of(linear, 2, len(matrix))
    with torch.no_grad():
        layer.weight_hh_l0.copy_(matrix)
    return layer


def symmetric(values: list[float]) -> Tensor:
    basis = torch.linalg.qr(torch.randn(len(values), len(values), dtype=torch.float64)).Q
    return basis @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ basis.T


def directions(rows: int, units: int, seed: int = 0) -> Tensor:
    """The v that `gradient_flow` draws where it need not draw the input."""
    v = torch.randn(rows, units, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return v / v.norm(dim=1, keepdim=True)


def by_autograd(layer: Recurrent, x: Tensor, v: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """||dL_T/ds_t|| [T, B] of each state, dL/dW_hh, and all joint states, from the reference engine step by step."""
    weights = {name: getattr(layer, name + "_l0") for name in layout(layer.program).shapes}
    states = tuple(torch.zeros(x.shape[1], layer.hidden_size, dtype=torch.float64) for _ in layer.program.states)
    reached = []
    for step in x:
        states = reference.run(Request(layer.program, weights, step[None], states)).states
        reached.append(states)
    loss = (v * states[0]).sum()
    found = torch.autograd.grad(loss, [each for step in reached for each in step], retain_graph=True)
    of_weights = torch.autograd.grad(loss, weights["weight_hh"])[0]
    names = [state.name for state in layer.program.states]
    norms = {name: torch.stack([each.norm(dim=1) for each in found[n :: len(names)]]) for n, name in enumerate(names)}
    return norms, of_weights, torch.stack([torch.cat(step, dim=1) for step in reached]).detach()


def same(ours: Any, theirs: Any, tolerance: float = EXACT) -> None:
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=0)


# Norms


@pytest.mark.parametrize(("of", "engine"), [*((each, "reference") for each in CELLS), ("lstm", "auto"), (mgu, "auto")])
def test_norms_are_those_of_autograd(of: Any, engine: str) -> None:
    layer = layer_of(of, engine=engine)
    x = torch.randn(12, 4, 3, dtype=torch.float64)
    flow = gradient_flow(layer, x, jacobians=False)
    norms, _, _ = by_autograd(layer, x, directions(4, 5))
    assert list(flow.states) == list(norms)
    for name, theirs in norms.items():
        same(flow.states[name].norms, theirs.flip(0))
    assert (flow.steps, flow.spectra, flow.exponents, flow.log10_products) == (12, None, None, None)
    near = gradient_flow(layer, x, steps=5, jacobians=False)
    same(near.output.norms, flow.output.norms[:5])


def test_a_layer_of_a_stack_and_its_second_direction() -> None:
    layer = layer_of("gru", num_layers=2, bidirectional=True, batch_first=True)
    x = torch.randn(4, 9, 3, dtype=torch.float64)
    between = layer_of("gru", bidirectional=True, batch_first=True)
    between.load_state_dict({name: weight for name, weight in layer.state_dict().items() if "_l0" in name})
    y = between(x)[0].detach().transpose(0, 1)
    for level, reverse, suffix, read in (
        (0, False, "_l0", x.transpose(0, 1)),
        (0, True, "_l0_reverse", x.transpose(0, 1).flip(0)),
        (-1, False, "_l1", y),
        (1, True, "_l1_reverse", y.flip(0)),
    ):
        alone = layer_of("gru", read.shape[2])
        with torch.no_grad():
            for name in layout(layer.program).shapes:
                getattr(alone, name + "_l0").copy_(getattr(layer, name + suffix))
        ours, theirs = gradient_flow(layer, x, level=level, reverse=reverse), gradient_flow(alone, read)
        same(ours.output.norms, theirs.output.norms)
        same(ours.spectra, theirs.spectra)
        same(ours.shares, theirs.shares)
        assert ours.cell == f"gru, layer {level % 2 + 1} of 2, {'backward' if reverse else 'forward'}"


def test_texts_of_a_trained_model_each_from_its_own_end(fitted: SequenceClassifier) -> None:
    texts = ["a warm and funny film", "dull", "I loved the cast from start to end"]
    before = [(weight.clone(), weight.grad is None, weight.requires_grad) for weight in fitted.network_.parameters()]
    flow = gradient_flow(fitted, texts)
    layer = Recurrent(fitted.program_, 4, 4).double()
    layer.load_state_dict(recurrent_layers(fitted).state_dict())
    v = directions(3, 4)
    for row, text in enumerate(texts):
        x = passage(fitted, text).inputs.double()[:, None]
        norms, _, _ = by_autograd(layer, x, v[row : row + 1])
        for name, theirs in norms.items():
            same(flow.states[name].norms[: len(x), row], theirs[:, 0].flip(0))
            assert np.isnan(flow.states[name].norms[len(x) :, row]).all()
        alone = jacobian.jacobians(trail_of(layer, x, torch.tensor([len(x)]), None, level=0, reverse=False, steps=99))
        assert flow.spectra is not None
        assert flow.exponents is not None
        same(flow.spectra[: len(x), row], torch.linalg.svdvals(alone[:, 0]))
        same(flow.exponents[row], jacobian.lyapunov_exponents(alone, torch.tensor([len(x)]))[0], 1e-6)
    frame = flow.to_frame()
    assert frame.columns == ["cell", "state", "distance", "row", "norm"]
    assert len(frame) == 2 * sum(len(passage(fitted, text)) for text in texts)
    assert gradient_flow(fitted, texts[0]).output.norms.shape == (5, 1)
    assert gradient_flow(fitted, texts, rows=2).output.norms.shape == (5, 2)
    assert gradient_flow(fitted, steps=7, rows=3).output.norms.shape == (7, 3)
    for weight, (values, without_gradient, trained) in zip(fitted.network_.parameters(), before, strict=True):
        assert torch.equal(weight, values)
        assert (weight.grad is None, weight.requires_grad) == (without_gradient, trained)


def test_a_model_of_numbers() -> None:
    walks, rises = series()
    model = small(bidirectional=True).fit(walks, rises)
    flow = gradient_flow(model, walks[:3], reverse=True)
    assert flow.output.norms.shape == (max(map(len, walks[:3])), 3)
    same(flow.output.norms[0], np.ones(3))


def test_the_same_seed_gives_the_same_flow_and_leaves_torchs_own_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = (gradient_flow("gru", steps=6, rows=2, hidden_size=4, seed=3) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(first.output.norms, second.output.norms)
    other = gradient_flow("gru", steps=6, rows=2, hidden_size=4, seed=4)
    assert not np.array_equal(first.output.norms, other.output.norms)


def test_a_layer_in_training_is_looked_into_as_in_evaluation_and_stays_as_it_is() -> None:
    layer = LSTM(3, 4, dropout=0.0).train()
    flow = gradient_flow(layer, torch.randn(6, 2, 3))
    assert layer.training
    assert layer.weight_hh_l0.dtype == torch.float32
    assert layer.weight_hh_l0.grad is None
    assert flow.cell == "lstm"


# What the norms say


def test_the_half_life_of_a_constant_forget_gate_is_the_closed_form() -> None:
    layer = layer_of("lstm", forget_bias=1.5)
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name.startswith("weight") or name == "bias_hh_l0":
                weight.zero_()
    flow = gradient_flow(layer, steps=40, rows=3)
    f = 1 / (1 + math.exp(-1.5))
    c = flow.states["c"]
    same(c.half_life, math.log(0.5) / math.log(f))
    assert c.memory_length == math.floor(math.log(0.01) / math.log(f)) + 1  # the first d with f ** d < 0.01
    assert c.verdict == "vanishes"
    h = flow.output  # no weight leads from it to later states
    assert (h.half_life, h.memory_length, h.verdict) == (0.0, 1, "vanishes")
    assert flow.carrier is c
    assert (flow.half_life, flow.memory_length, flow.verdict) == (c.half_life, c.memory_length, c.verdict)
    short = gradient_flow(layer, steps=20, rows=3).states["c"]
    assert (short.memory_length, short.verdict) == (None, "sound")
    same(short.half_life, c.half_life)


@pytest.mark.parametrize(
    ("factor", "half_life", "doubling_time", "memory_length", "verdict"),
    [
        (1.0, None, None, None, "sound"),
        (1.2, None, math.log(2) / math.log(1.2), None, "explodes"),
        (1.01, None, math.log(2) / math.log(1.01), None, "sound"),
        (0.5, 1.0, None, 7, "vanishes"),
        (1e-3, math.log(0.5) / math.log(1e-3), None, 1, "vanishes"),
        (1e5, None, math.log(2) / math.log(1e5), None, "explodes"),
    ],
)
def test_verdicts(
    factor: float, half_life: float | None, doubling_time: float | None, memory_length: int | None, verdict: str
) -> None:
    layer = linear_layer(factor * symmetric([1.0, -1.0, 1.0, 1.0]))
    flow = gradient_flow(layer, torch.zeros(100, 2, 2), jacobians=False)
    if half_life is None:
        assert flow.half_life is None
    else:
        same(flow.half_life, half_life, 1e-9)
    if doubling_time is None:
        assert flow.output.doubling_time is None
    else:
        same(flow.output.doubling_time, doubling_time, 1e-9)
    assert (flow.memory_length, flow.verdict) == (memory_length, verdict)
    assert verdict in flow.output.sentence.replace("is sound", "sound")


def test_memory_is_where_it_stays_below_one_per_cent_of_its_largest() -> None:
    norms = np.array([[1.0], [4.0], [0.039], [0.05], [0.01], [0.039], [0.002]])
    assert StateFlow.of("h", norms).memory_length == 4
    assert StateFlow.of("h", np.append(norms, [[0.041]], axis=0)).memory_length is None
    assert StateFlow.of("h", np.zeros((3, 2))).memory_length == 0
    two = np.array([[1.0, 1.0], [0.0001, 1.0], [0.00009, 0.9]])  # geometric mean: 1, 0.01, 0.009
    assert StateFlow.of("h", two).memory_length == 2


# The weights' gradient


@pytest.mark.parametrize("of", ["rnn", "lstm", "gru", mgu])
def test_the_steps_add_up_to_the_gradient_of_the_recurrent_weights(of: Any) -> None:
    layer = layer_of(of)
    x = torch.randn(10, 4, 3, dtype=torch.float64)
    v = directions(4, 5)
    _, theirs, _ = by_autograd(layer, x, v)
    trail = trail_of(layer, x, torch.full((4,), 10), None, level=0, reverse=False, steps=10)
    parts = [part["weight_hh"] * math.exp(scale) for part, scale in jacobian.weight_gradients(trail, v)]
    assert len(parts) == 10
    torch.testing.assert_close(sum(parts), theirs, rtol=EXACT, atol=1e-13)
    norms = np.array([float(part.norm()) for part in parts])
    shares = gradient_flow(layer, x).shares
    assert shares is not None
    np.testing.assert_allclose(shares, norms / norms.sum(), rtol=1e-9, atol=1e-15)


def test_shares_of_rows_that_begin_late_leave_out_what_is_not_there() -> None:
    layer = layer_of("gru")
    x = torch.randn(8, 2, 3, dtype=torch.float64)
    x[5:, 1] = math.nan
    v = directions(2, 5)
    first = by_autograd(layer, x[:, :1], v[:1])[1]
    second = by_autograd(layer, x[:5, 1:], v[1:])[1]
    trail = trail_of(layer, x, torch.tensor([8, 5]), None, level=0, reverse=False, steps=20)
    total = sum(part["weight_hh"] * math.exp(scale) for part, scale in jacobian.weight_gradients(trail, v))
    torch.testing.assert_close(total, first + second, rtol=EXACT, atol=1e-13)


# Frames, pictures, mistakes


def test_a_flow_as_json_and_as_a_picture() -> None:
    flows = [gradient_flow(name, steps=12, rows=3, hidden_size=6) for name in ("rnn", "lstm", "gru", mgu)]
    data = flows[1].to_json()
    assert list(data["states"]) == ["h", "c"]
    assert data["states"]["h"]["half_life"] == flows[1].output.half_life
    assert len(data["states"]["c"]["log10_norm"]) == len(data["shares"]) == len(data["log10_product"]) == 12
    for figure in (flows[0].plot(), draw_flows(flows)):
        picture = as_bytes(figure)
        assert int.from_bytes(picture[16:20], "big") == 1200  # pixels, from the header
    assert [axes.get_title().split("\n")[0] for axes in figure.axes[:4]] == ["rnn", "lstm", "gru", "mgu"]
    lowest = linear_layer(1e-4 * symmetric([1.0, 1.0]))
    as_bytes(gradient_flow(lowest, torch.zeros(120, 1, 2), steps=120).plot())  # down to 1e-476
    as_bytes(gradient_flow(layer_of("lstm", state_dropout=0.5), steps=5, jacobians=False).plot())


def test_an_explosion_beyond_all_numbers_is_one() -> None:
    flow = gradient_flow(linear_layer(1e5 * symmetric([1.0, 2.0])), torch.zeros(120, 2, 2), steps=120)
    assert flow.verdict == "explodes"
    assert flow.output.norms[-1, 0] == np.inf
    assert flow.log10_products is not None
    same(flow.log10_products[-1], [119 * math.log10(2e5)] * 2)


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        ("rnn", {"steps": 1}, "steps is 1: give a whole number of at least 2"),
        ("rnn", {"steps": True}, "steps is True"),
        ("rnn", {"rows": 0}, "rows is 0: give a whole number of at least 1"),
        ("rnn", {"seed": -1}, "seed is -1"),
        ("rnn", {"hidden_size": 0}, "is 0: give a whole number of at least 1"),
        ("lstn", {}, "there is no cell 'lstn': did you mean 'lstm'"),
        ("rnn", {"level": 1}, "level is 1: give a whole number from 0 to 0"),
        ("rnn", {"reverse": True}, "reverse is True, and the layer has one direction"),
        ("rnn", {"inputs": np.zeros((4, 2, 7))}, r"inputs has shape \(4, 2, 7\): give \[T, B, 64\]"),
        ("rnn", {"inputs": "words"}, "inputs is a str: give numbers"),
        ("rnn", {"inputs": np.full((4, 2, 64), np.nan)}, "inputs has numbers that are not finite"),
        ("rnn", {"inputs": np.zeros((1, 2, 64))}, "has 1 step: give one of at least 2"),
        (5, {}, "5"),
    ],
)
def test_what_cannot_be_is_refused(what: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises((ArgumentError, CellError, DataError), match=words):
        gradient_flow(what, **options)


def test_models_that_cannot_be_looked_into(fitted: SequenceClassifier) -> None:
    with pytest.raises(DataError, match="there is no example"):
        gradient_flow(fitted, [])
    with pytest.raises(DataError, match="has 1 step"):
        gradient_flow(fitted, "dull")
    layer = GRU(2, 3)
    with torch.no_grad():
        layer.weight_hh_l0[0, 0] = math.nan
    with pytest.raises(ArgumentError, match="has weights that are not finite"):
        gradient_flow(layer)
    assert isinstance(gradient_flow(fitted, TEXTS[:2], jacobians=False), GradientFlow)


def test_the_line_of_the_picture_is_where_the_memory_ends() -> None:
    flow = gradient_flow("lstm", steps=60, hidden_size=8, seed=0)
    (axes,) = flow.plot().axes
    (line,) = [line for line in axes.lines if str(line.get_label()).startswith("1% of the largest")]
    level = float(np.asarray(line.get_ydata())[0])
    assert flow.memory_length is not None
    below = flow.carrier.mean_log / np.log(10) < level
    assert below[flow.memory_length :].all()
    assert not below[flow.memory_length - 1]
