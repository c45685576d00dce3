"""Weights that are made from what is learned, held to cells without forms that have the made weights."""

import copy
import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call, grad, vmap

from ricorda import ArgumentError, CellError, affine, cell, parameter, sigmoid, tanh
from ricorda.nn import Recurrent
from ricorda.nn.forms import MAKERS
from ricorda.program.cell import Cell
from ricorda.program.forms import FORMS

I, H = 3, 4
ENGINES = ("cpu", "reference")


def gated(form: Any = "", number: str = "") -> Cell:
    """A cell in which the form of one of two affines, and of a parameter, can be chosen."""

    @cell
    def mixed(x, h):
        z = sigmoid(affine("z", h, x))
        u = parameter("u", form=number)
        return z * h + (1 - z) * tanh(affine("h", h, x, form=form) + u * h)

    return mixed


@cell
def fastrnn(x, h):
    alpha, beta = parameter("alpha", form="number"), parameter("beta", form="number")
    return sigmoid(alpha) * tanh(affine("h", h, x)) + sigmoid(beta) * h


@cell
def unfolded(x, h):
    y = tanh(affine("in", x) + affine("r", h))
    y = y + tanh(affine("r", y, shared=True))
    return h + tanh(affine("r", y, shared=True, bias=False))


@cell
def reservoir(x, h):
    return 0.7 * h + 0.3 * tanh(affine("h", h, x, form="fixed"))


def by_entries(entry: Any) -> Tensor:
    return torch.stack([torch.stack([entry(i, j) for j in range(H)]) for i in range(H)])


def skew(m: Tensor) -> Tensor:
    return by_entries(lambda i, j: m[i, j] - m[j, i] - 0.1 * (i == j))


def mix(m: Tensor) -> Tensor:
    return by_entries(lambda i, j: m[i, j] + 0.4 * m[j, i] - 0.1 * (i == j))


def exponential(m: Tensor) -> Tensor:
    """The power series of exp(M - M^T)."""
    a = m - m.T
    term = total = torch.eye(H, dtype=m.dtype)
    for number in range(1, 40):
        term = term @ a / number
        total = total + term
    return total


def blocks(m: Tensor) -> Tensor:
    whole = m.new_zeros(H, H)
    for number in range(2):
        at = slice(2 * number, 2 * number + 2)
        whole = torch.index_put(whole, (torch.arange(H)[at, None], torch.arange(H)[None, at]), m[number])
    return whole


MADE = {
    "skew(0.1)": skew,
    "symmetric_mix(0.3, 0.1)": mix,
    "orthogonal": exponential,
    "low_rank(2)": lambda left, right: torch.einsum("ir,rj->ij", left, right),
    "block_diagonal(2)": blocks,
    "fixed": lambda m: m,
}
"""Each form of a recurrent matrix, with its meaning written once more."""


def layer_of(which: Cell, **options: Any) -> Recurrent:
    return Recurrent(which, I, H, dtype=torch.float64, **options)


def x_of(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, I, dtype=torch.float64, generator=generator)


def plain_weights(layer: Recurrent, made: Any, suffix: str) -> dict[str, Tensor]:
    """The weights of the cell without forms, from those of `mixed`."""
    learned = {name.removesuffix(suffix): w for name, w in layer.named_parameters() if name.endswith(suffix)}
    learned |= {name.removesuffix(suffix): w for name, w in layer.named_buffers() if name.endswith(suffix)}
    of_h = [learned.pop(name) for name in list(learned) if name.endswith("hh_h") and name.startswith("weight")]
    weights = {"weight_hh": torch.cat([learned["weight_hh"], made(*of_h)]), "u": learned["u"]}
    for name in ("weight_ih", "bias_ih", "bias_hh"):
        weights[name] = torch.cat([learned[name], *([learned[f"{name}_h"]] if f"{name}_h" in learned else [])])
    return {name + suffix: weight for name, weight in weights.items()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", MADE)
def test_a_form_makes_the_weights_that_it_says(form: str, engine: str) -> None:
    layer = layer_of(gated(form), num_layers=2, bidirectional=True, engine=engine)
    plain = layer_of(gated(), num_layers=2, bidirectional=True, engine=engine)
    x = x_of(5, 2)

    def expected(**options: Any) -> Tensor:
        suffixes = ["_l0", "_l0_reverse", "_l1", "_l1_reverse"]
        weights = {name: w for suffix in suffixes for name, w in plain_weights(layer, MADE[form], suffix).items()}
        return functional_call(plain, weights, (x,), options)[0]

    for options in ({}, {"lengths": [5, 3]}):
        ours, theirs = layer(x, **options)[0], expected(**options)
        torch.testing.assert_close(ours, theirs)
        learned = list(layer.parameters())
        pairs = zip(
            torch.autograd.grad(ours.square().sum(), learned),
            torch.autograd.grad(theirs.square().sum(), learned),
            strict=True,
        )
        for our, their in pairs:
            torch.testing.assert_close(our, their)
    with torch.no_grad():  # Another way of the CPU engine.
        torch.testing.assert_close(layer(x)[0], expected())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", [*MADE, {"recurrent": "low_rank(2)", "input": "low_rank(1)", "bias": "fixed"}])
def test_gradients_through_a_form(form: Any, engine: str) -> None:
    layer = layer_of(gated(form, "clamp(-1, 1)"), engine=engine)
    names = [name for name, _ in layer.named_parameters()]
    weights = tuple(weight.detach().clone().requires_grad_() for weight in layer.parameters())

    def run(x: Tensor, *weights: Tensor) -> Any:
        return functional_call(layer, dict(zip(names, weights, strict=True)), (x,))[0]

    x = x_of(2, 2).requires_grad_()
    assert gradcheck(run, (x, *weights))
    assert gradgradcheck(run, (x, *weights), fast_mode=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_number_serves_all_units(engine: str) -> None:
    layer = layer_of(fastrnn, engine=engine)
    assert layer.alpha_l0.shape == layer.beta_l0.shape == (1,)

    def run(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        h, outputs = torch.zeros(2, H, dtype=torch.float64), []
        for step in x:
            z = step @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0
            h = torch.sigmoid(alpha) * torch.tanh(z) + torch.sigmoid(beta) * h
            outputs.append(h)
        return torch.stack(outputs)

    x = x_of(5, 2)
    ours, theirs = layer(x)[0], run(x, layer.alpha_l0, layer.beta_l0)
    torch.testing.assert_close(ours, theirs)
    learned = list(layer.parameters())
    for our, their in zip(
        torch.autograd.grad(ours.sum(), learned), torch.autograd.grad(theirs.sum(), learned), strict=True
    ):
        torch.testing.assert_close(our, their)


@pytest.mark.parametrize("engine", ENGINES)
def test_shared_weights_are_the_same_weights(engine: str) -> None:
    layer = layer_of(unfolded, engine=engine)
    shapes = {name: tuple(weight.shape) for name, weight in layer.named_parameters()}
    assert shapes == {"weight_ih_l0": (H, I), "weight_hh_l0": (H, H), "bias_ih_l0": (H,), "bias_hh_l0": (H,)}

    def run(x: Tensor) -> Tensor:
        h, outputs = torch.zeros(2, H, dtype=torch.float64), []
        for step in x:
            y = torch.tanh(step @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0)
            y = y + torch.tanh(y @ layer.weight_hh_l0.T + layer.bias_hh_l0)
            h = h + torch.tanh(y @ layer.weight_hh_l0.T)
            outputs.append(h)
        return torch.stack(outputs)

    x = x_of(5, 2)
    ours, theirs = layer(x)[0], run(x)
    torch.testing.assert_close(ours, theirs)
    learned = list(layer.parameters())
    for our, their in zip(
        torch.autograd.grad(ours.sum(), learned), torch.autograd.grad(theirs.sum(), learned), strict=True
    ):
        torch.testing.assert_close(our, their)


def test_weights_dropped_are_the_same_in_all_rows_that_share_them() -> None:
    layer = layer_of(unfolded, weight_drop=0.5, engine="reference").train()
    torch.manual_seed(0)
    y = layer(x_of(5, 2))[0]
    torch.manual_seed(0)
    dropped = torch.nn.functional.dropout(layer.weight_hh_l0, 0.5)
    plain = layer_of(unfolded, engine="reference")
    plain.load_state_dict(layer.state_dict() | {"weight_hh_l0": dropped})
    torch.testing.assert_close(y, plain(x_of(5, 2))[0])


def test_what_is_fixed_is_kept_but_never_trained() -> None:
    layer = layer_of(gated("fixed"))
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    assert set(dict(layer.named_buffers())) == {f"{kind}_h_l0" for kind in kinds}
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    optimiser = torch.optim.AdamW(layer.parameters(), weight_decay=1.0)
    layer(x_of(5, 2))[0].sum().backward()
    optimiser.step()
    for name, tensor in layer.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name in dict(layer.named_buffers())), name
    assert layer.float().weight_hh_h_l0.dtype == torch.float32
    assert [len(weights) for weights in layer.all_weights] == [len(list(layer.parameters()))]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_layer_without_anything_to_train_runs_and_streams(engine: str) -> None:
    layer = layer_of(reservoir, engine=engine)
    assert not list(layer.parameters())
    x = x_of(4, 2)
    y, _ = layer(x)
    assert not y.requires_grad
    stream = layer.stream(2)
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), y)
    layer.weight_hh_h_l0.mul_(2)
    stream.reset()
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), layer(x)[0])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", MADE)
def test_streams_make_weights_anew_once_they_change(form: str, engine: str) -> None:
    layer = layer_of(gated(form), engine=engine)
    stream, x = layer.stream(2), x_of(6, 2)
    first = [stream(step) for step in x[:3]]
    torch.testing.assert_close(torch.stack(first), layer(x[:3])[0].detach())
    state = stream.state
    for tensor in layer.state_dict().values():
        tensor.mul_(1.5)
    second = [stream(step) for step in x[3:]]
    torch.testing.assert_close(torch.stack(second), layer(x[3:], state)[0].detach())


def test_a_number_beyond_its_bounds_moves_back_but_not_out() -> None:
    layer = layer_of(gated(number="clamp(-0.5, 0.5)"))
    x = x_of(4, 2)
    inside = layer_of(gated())
    inside.load_state_dict(layer.state_dict())
    with torch.no_grad():
        layer.u_l0.copy_(torch.tensor([0.4, 0.9, -0.9, 0.9]))
        inside.u_l0.copy_(torch.tensor([0.4, 0.5, -0.5, 0.5]))
    for sign in (1, -1):
        y, z = layer(x)[0], inside(x)[0]
        torch.testing.assert_close(y, z)
        (ours,) = torch.autograd.grad(sign * y.sum(), layer.u_l0)
        (whole,) = torch.autograd.grad(sign * z.sum(), inside.u_l0)
        step = -whole
        leads_out = ((layer.u_l0 > 0.5) & (step > 0)) | ((layer.u_l0 < -0.5) & (step < 0))
        torch.testing.assert_close(ours, torch.where(leads_out, 0.0, whole))


@pytest.mark.parametrize("form", [*MADE, "clamp", "number", "shared"])
def test_copies_pickles_and_state_dicts(form: str) -> None:
    others = {"clamp": gated(number="clamp(-1, 1)"), "number": fastrnn, "shared": unfolded}
    which = others.get(form) or gated(form)
    layer = layer_of(which, num_layers=2, zoneout=0.1, layer_norm=True, weight_drop=0.1)
    x = x_of(5, 2)
    layer.eval()
    y = layer(x)[0]
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    other = layer_of(which, num_layers=2, zoneout=0.1, layer_norm=True, weight_drop=0.1).eval()
    assert other.load_state_dict(layer.state_dict()).missing_keys == []
    program = Recurrent(type(layer.program).from_json(layer.program.to_json()), I, H, 2, zoneout=0.1, layer_norm=True)
    program.to(torch.float64).eval().load_state_dict(layer.state_dict())
    for twin in (copy.deepcopy(layer), torch.load(file, weights_only=False), other, program):
        assert torch.equal(twin(x)[0], y)
    layer.train()(x)[0].sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in layer.parameters())


def test_orthogonal_weights_stay_orthogonal_in_training() -> None:
    layer = layer_of(gated("orthogonal"))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(10):
        optimiser.zero_grad()
        layer(x_of(5, 2))[0].square().sum().backward()
        optimiser.step()
    w = torch.linalg.matrix_exp(layer.weight_hh_h_l0 - layer.weight_hh_h_l0.T)
    torch.testing.assert_close(w @ w.T, torch.eye(H, dtype=torch.float64))


def test_factors_start_so_that_their_product_has_the_usual_variance() -> None:
    torch.manual_seed(0)
    layer = Recurrent(gated("low_rank(8)"), 2, 400)
    product = (layer.weight_left_hh_h_l0 @ layer.weight_right_hh_h_l0).detach()
    assert np.isclose(product.var().item(), 1 / 400 / 3, rtol=0.1)


def test_sizes_that_a_form_cannot_have_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"block_diagonal\(3\) divides a matrix of 4 x 4"):
        layer_of(gated("block_diagonal(3)"))


def test_every_form_of_the_table_can_be_made_and_is_tested() -> None:
    assert MAKERS.keys() == FORMS.keys()
    assert {form.partition("(")[0] for form in MADE} | {"number", "clamp"} == FORMS.keys()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_torch_parametrizes_of_a_form_is_followed(engine: str) -> None:
    layer = layer_of(gated("skew(0.1)"), engine=engine)
    x, stream = x_of(4, 2), None
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_h_l0")
    stream = layer.stream(2)
    for _ in range(2):
        with torch.no_grad():
            y = layer(x)[0]
            torch.testing.assert_close(y, layer(x, lengths=[4, 4])[0])
            stream.state = None
            torch.testing.assert_close(torch.stack([stream(step) for step in x]), y)
            for weight in layer.parameters():
                weight.mul_(1.5)


@cell(sizes={"m": "order"})
def memory(x, h, m, *, order=5, steps=4.0):
    u = affine("u", x, h, m, size=1, bias=False)
    m = affine("m", m, u, size=order, bias=False, form="fixed", init=f"legendre({steps})")
    return tanh(affine("h", h, m, x)), m


@cell(sizes={"m": "order"})
def narrow(x, h, m, *, order=5):
    gate = 2 * sigmoid(affine("gate", h, size="I", form="low_rank(2)"))
    m = tanh(affine("m", m, h, size=order))
    m = tanh(affine("m", m, h, size=order, shared=True))
    return tanh(affine("h", h, m, gate * x, form="low_rank(2)")), m


@pytest.mark.parametrize("which", [memory, narrow], ids=lambda which: which.name)
def test_forms_go_with_other_sizes(which: Cell) -> None:
    layer, slow = (layer_of(which, num_layers=2, engine=engine) for engine in ENGINES)
    slow.load_state_dict(layer.state_dict())
    x, run = x_of(5, 2), [layer, slow]
    ours, theirs = (each(x)[0] for each in run)
    torch.testing.assert_close(ours, theirs)
    gradients = (torch.autograd.grad(each(x)[0].square().sum(), list(each.parameters())) for each in run)
    for our, their in zip(*gradients, strict=True):
        torch.testing.assert_close(our, their)
    stream = layer.stream(2)
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), ours.detach())


def test_two_weights_of_one_name_are_refused() -> None:
    @cell
    def clash(x, h):
        gate = affine("k", h, size="I", form="low_rank(2)") * affine("left_k", h, size="I")
        return tanh(affine("h", h, gate * x))

    with pytest.raises(CellError, match="cell clash would have two weights of the name weight_left_k_1: rename"):
        layer_of(clash)


@pytest.mark.filterwarnings("ignore:.*autograd.function.Function.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("form", ["low_rank(2)", "fixed"])
def test_torch_compile_and_transforms_see_through_forms(form: str) -> None:
    layer = layer_of(gated(form, "clamp(-1, 1)"))
    x = x_of(4, 2)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    learned = dict(layer.named_parameters())
    wanted = torch.autograd.grad(layer(x)[0].sum(), list(learned.values()))
    y = compiled(x)[0]
    torch.testing.assert_close(y, layer(x)[0])
    for our, their in zip(torch.autograd.grad(y.sum(), list(learned.values())), wanted, strict=True):
        torch.testing.assert_close(our, their)
    rows = vmap(grad(lambda weights, row: functional_call(layer, weights, (row,))[0].sum()), (None, 1))(learned, x)
    for name, their in zip(learned, wanted, strict=True):
        torch.testing.assert_close(rows[name].sum(0), their)
