"""What the weights of a new layer are, for every text that a cell can say it with: moments, spectra, places."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ricorda import Cell, CellError, affine, cell, parameter, sigmoid, tanh
from ricorda.nn import Recurrent
from ricorda.nn.initialisation import DRAWN
from ricorda.program.initial import STARTS
from ricorda.program.ir import Program
from ricorda.program.learned import starts

H, I = 64, 48  # the sizes' own names


def cell_of(init: Any, form: Any = "") -> Cell:
    @cell
    def one(x, h):
        return tanh(affine("h", h, x, init=init, form=form))

    return one


def with_parameter(init: Any, form: str = "") -> Cell:
    @cell
    def one(x, h):
        return tanh(affine("h", h, x) * parameter("u", init=init, form=form))

    return one


def layer_of(which: Cell, **options: Any) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(which, I, H, dtype=torch.float64, **options)


def uniform(values: Tensor, low: float, high: float) -> None:
    """Check bounds, mean and deviation; the tolerances are five deviations of an estimate."""
    width, n = high - low, values.numel()
    assert low <= float(values.min()) < low + 0.2 * width
    assert high - 0.2 * width < float(values.max()) <= high
    assert abs(float(values.mean()) - (low + high) / 2) < 5 * width / math.sqrt(12 * n)
    assert abs(float(values.std()) / (width / math.sqrt(12)) - 1) < 5 / math.sqrt(n)


def normal(values: Tensor, mean: float, deviation: float) -> None:
    n = values.numel()
    assert abs(float(values.mean()) - mean) < 5 * deviation / math.sqrt(n)
    assert abs(float(values.std()) / deviation - 1) < 5 / math.sqrt(2 * n)
    assert float((values - mean).abs().max()) > 1.5 * deviation  # It has tails.


def equal(values: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(values, wanted.to(values.dtype), rtol=1e-12, atol=1e-12)


def eigenvalues(matrix: Tensor) -> Tensor:
    return torch.linalg.eigvals(matrix)


def sparse(matrix: Tensor) -> None:
    assert (matrix != 0).sum(dim=0).tolist() == [6] * H  # A tenth of 64, rounded down.
    assert abs(float(eigenvalues(matrix).abs().max()) - 0.9) < 1e-9
    assert len(matrix.unique()) > 300


def permutation(matrix: Tensor) -> None:
    assert matrix.sum(dim=0).tolist() == matrix.sum(dim=1).tolist() == [1.0] * H
    assert matrix.unique().tolist() == [0.0, 1.0]
    assert not torch.equal(matrix, torch.eye(H))


def rotations(matrix: Tensor) -> None:
    equal(matrix @ matrix.T, torch.eye(H))
    angles = torch.atan2(matrix[1::2, ::2].diagonal(), matrix[::2, ::2].diagonal())
    uniform(angles, 0.5, 1.5)
    assert int((matrix != 0).sum()) == 2 * H


def bounds(square: float) -> tuple[float, float]:
    return -math.sqrt(square), math.sqrt(square)


def orthogonal(gain: float) -> Callable[[Tensor], None]:
    def check(matrix: Tensor) -> None:
        equal(matrix.T @ matrix, gain**2 * torch.eye(matrix.shape[1]))
        assert int((matrix.abs() > 0.02).sum()) > H

    return check


MATRICES: dict[str, Callable[[Tensor], None]] = {
    "constant(0.5)": lambda matrix: equal(matrix, torch.full(matrix.shape, 0.5)),
    "uniform(-0.5, 1.5)": lambda matrix: uniform(matrix, -0.5, 1.5),
    "normal(0.2, 0.001)": lambda matrix: normal(matrix, 0.2, 0.001),
    "uniform_fan_in(3)": lambda matrix: uniform(
        matrix, -math.sqrt(3 / matrix.shape[1]), math.sqrt(3 / matrix.shape[1])
    ),
    "normal_fan_in(4)": lambda matrix: normal(matrix, 0, 2 / math.sqrt(matrix.shape[1])),
    "xavier_uniform": lambda matrix: uniform(matrix, *bounds(6 / sum(matrix.shape))),
    "xavier_normal(2)": lambda matrix: normal(matrix, 0, 2 * math.sqrt(2 / sum(matrix.shape))),
    "identity": lambda matrix: equal(matrix, torch.eye(*matrix.shape)),
    "identity(0.5)": lambda matrix: equal(matrix, 0.5 * torch.eye(*matrix.shape)),
    "orthogonal": orthogonal(1.0),
    "orthogonal(2)": orthogonal(2.0),
    "sparse(0.1, 0.9)": sparse,
    "permutation": permutation,
    "cumulative": lambda matrix: equal(matrix, torch.ones(H, H).tril()),
    "rotations(0.5, 1.5)": rotations,
}

VECTORS: dict[str, Callable[[Tensor], None]] = {
    "constant(-3)": lambda vector: equal(vector, torch.full((H,), -3.0)),
    "uniform(0, 1)": lambda vector: uniform(vector, 0, 1),
    "normal(1, 0.5)": lambda vector: normal(vector, 1, 0.5),
    "ramp(3, 6)": lambda vector: equal(vector, torch.linspace(3, 6, H, dtype=torch.float64)),
    "chrono(100)": lambda vector: uniform(vector.exp(), 1, 99),
    "ring(0.4, 0.9)": lambda vector: uniform(torch.exp(-torch.exp(vector)) ** 2, 0.16, 0.81),
    "decay(0.9, 0.999)": lambda vector: uniform(torch.exp(-torch.nn.functional.softplus(vector)), 0.9, 0.999),
    "decay(0.9, 0.999, 8)": lambda vector: uniform(torch.exp(-8 * torch.nn.functional.softplus(vector)), 0.9, 0.999),
}

LEGENDRE = "legendre(100)"


def name(text: str) -> str:
    return text.partition("(")[0]


def test_every_text_is_tried_and_drawn() -> None:
    assert {*map(name, MATRICES), *map(name, VECTORS), name(LEGENDRE)} == set(STARTS)
    assert set(STARTS) == {drawn for drawn in DRAWN if " of " not in drawn}
    for text, start in STARTS.items():
        assert ("recurrent" in start.parts) == any(text == name(one) for one in [*MATRICES, LEGENDRE])
        assert ("bias" in start.parts) == ("parameter" in start.parts) == any(text == name(one) for one in VECTORS)


@pytest.mark.parametrize("text", MATRICES)
def test_a_matrix_starts_as_the_cell_says(text: str) -> None:
    layer = layer_of(cell_of(text))
    MATRICES[text](layer.weight_hh_l0.detach())
    bound = 1 / math.sqrt(H)
    for other in (layer.weight_ih_l0, layer.bias_ih_l0, layer.bias_hh_l0):
        uniform(other.detach(), -bound, bound)  # The layer draws what the cell says nothing about.
    if "input" in STARTS[name(text)].parts:
        layer = layer_of(cell_of({"input": text}))
        MATRICES[text](layer.weight_ih_l0.detach())
        uniform(layer.weight_hh_l0.detach(), -bound, bound)


@pytest.mark.parametrize("text", VECTORS)
def test_a_bias_and_a_parameter_start_as_the_cell_says(text: str) -> None:
    layer = layer_of(cell_of({"bias": text}))
    VECTORS[text](layer.bias_ih_l0.detach())
    assert not layer.bias_hh_l0.any()  # The two are added up.
    uniform(layer.weight_hh_l0.detach(), -1 / math.sqrt(H), 1 / math.sqrt(H))
    VECTORS[text](layer_of(with_parameter(text)).u_l0.detach())


def test_a_legendre_memory_keeps_a_window() -> None:
    """A memory of a window that is driven with a constant holds its polynomial of degree 0, which is that constant."""

    @cell
    def one(x, h):
        kept = affine("m", h, bias=False, init=LEGENDRE, form="fixed")
        return kept + affine("b", x, bias=False, init={"input": LEGENDRE}, form="fixed")

    torch.manual_seed(0)
    layer = Recurrent(one, 1, 6, dtype=torch.float64)
    _, state = layer(torch.full((300, 1, 1), 0.7, dtype=torch.float64))
    torch.testing.assert_close(state[0, 0], torch.eye(6, dtype=torch.float64)[0] * 0.7, rtol=0, atol=0.01)
    degree = torch.arange(6.0, dtype=torch.float64)
    start = (2 * degree + 1) * (-1.0) ** degree / 100  # B of the paper, which one step nearly adds.
    torch.testing.assert_close(layer.weight_ih_b_l0[:, 0], start, rtol=0.3, atol=0)
    with pytest.raises(ValueError, match=r"the init legendre\(100\) is for a matrix of 6 x 6 or 6 x 1, not 6 x 2"):
        Recurrent(one, 2, 6)


def test_a_number_is_a_constant_and_a_mapping_says_each_part() -> None:
    layer = layer_of(cell_of({"recurrent": 0, "input": "normal(0, 0.001)", "bias": 1}))
    assert not layer.weight_hh_l0.any()
    normal(layer.weight_ih_l0.detach(), 0, 0.001)
    equal(layer.bias_ih_l0 + layer.bias_hh_l0, torch.ones(H))
    equal(layer_of(with_parameter(-2.5)).u_l0, torch.full((H,), -2.5))
    equal(layer_of(cell_of(0.25)).weight_hh_l0, torch.full((H, H), 0.25))


@cell(forget_gate="f", candidate="g")
def gated(x, h, c):
    f = sigmoid(affine("f", h, x, init={"bias": 5.0, "recurrent": "identity"}))
    g = tanh(affine("g", h, x, init="orthogonal"))
    c = f * c + (1 - f) * g
    return c * parameter("u", init="ramp(0, 1)"), c


def test_stacks_directions_and_several_gates_have_it_each_for_itself() -> None:
    layer = layer_of(gated, num_layers=2, bidirectional=True)
    drawn = []
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        keeps, candidate = getattr(layer, f"weight_hh{suffix}").detach().split(H)
        equal(keeps, torch.eye(H))
        equal(candidate @ candidate.T, torch.eye(H))
        drawn.append(candidate)
        equal(getattr(layer, f"bias_ih{suffix}")[:H] + getattr(layer, f"bias_hh{suffix}")[:H], torch.full((H,), 5.0))
        assert getattr(layer, f"bias_hh{suffix}")[H:].all()
        equal(getattr(layer, f"u{suffix}"), torch.linspace(0, 1, H, dtype=torch.float64))
    assert not torch.equal(drawn[0], drawn[1])
    deep = layer_of(cell_of({"input": "uniform_fan_in(3)"}), num_layers=2, bidirectional=True)
    bound = math.sqrt(3 / (2 * H))
    uniform(deep.weight_ih_l1.detach(), -bound, bound)


def test_a_projection_has_rectangular_matrices() -> None:
    layer = layer_of(gated, proj_size=16)
    keeps, candidate = layer.weight_hh_l0.detach().split(H)
    equal(keeps, torch.eye(H, 16))
    equal(candidate.T @ candidate, torch.eye(16))
    with pytest.raises(CellError, match=r"the init 'sparse\(0\.5, 1\)' is of square matrices"):
        layer_of(cell_of("sparse(0.5, 1)"), proj_size=16)


def test_the_layer_s_own_options_win() -> None:
    layer = layer_of(gated, forget_bias=2.0)
    equal(layer.bias_ih_l0[:H] + layer.bias_hh_l0[:H], torch.full((H,), 2.0))
    layer = layer_of(gated, memory=50)
    lasting = (layer.bias_ih_l0[:H] + layer.bias_hh_l0[:H]).detach()
    uniform(lasting.exp(), 1, 49)
    normalised = layer_of(gated, layer_norm=True)
    equal(normalised.shift_f_l0, torch.full((H,), 5.0))  # Normalisation removes a bias that all units share.
    assert not normalised.shift_g_l0.any()
    assert not any("bias" in key for key in layer_of(gated, bias=False).state_dict())


def test_it_is_drawn_anew_and_from_the_seed() -> None:
    layer = layer_of(gated)
    first = {key: value.clone() for key, value in layer.state_dict().items()}
    torch.manual_seed(0)
    layer.reset_parameters()
    for key, value in layer.state_dict().items():
        equal(value, first[key])
    layer.reset_parameters()
    assert not torch.equal(layer.weight_hh_l0, first["weight_hh_l0"])
    assert all(weight.requires_grad and weight.is_leaf for weight in layer.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_text_in_every_precision(dtype: torch.dtype) -> None:
    for text in [*MATRICES, LEGENDRE]:
        layer = Recurrent(cell_of(text), 2, 4, dtype=dtype)
        assert layer.weight_hh_l0.isfinite().all()
        assert layer.weight_hh_l0.dtype is dtype
    for text in VECTORS:
        assert Recurrent(with_parameter(text), 2, 4, dtype=dtype).u_l0.isfinite().all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_text_in_the_smallest_sizes(size: int) -> None:
    for text in [*MATRICES, LEGENDRE]:
        assert Recurrent(cell_of(text), 2, size).weight_hh_l0.isfinite().all()
    for text in VECTORS:
        assert Recurrent(with_parameter(text), 2, size).u_l0.isfinite().all()
    sparse_one = Recurrent(cell_of("sparse(0.01, 0.9)"), 2, size, dtype=torch.float64).weight_hh_l0.detach()
    assert abs(float(eigenvalues(sparse_one).abs().max()) - 0.9) < 1e-9


def test_nothing_is_drawn_on_the_meta_device() -> None:
    for text in MATRICES:
        assert Recurrent(cell_of(text), 2, 4, device="meta").weight_hh_l0.is_meta
    for text in VECTORS:
        assert Recurrent(with_parameter(text), 2, 4, device="meta").u_l0.is_meta


def test_what_is_learned_starts_so_where_a_form_makes_the_weights() -> None:
    both = {"recurrent": "low_rank(3)", "input": "low_rank(3)"}
    ranked = layer_of(cell_of({"recurrent": "normal(0, 0.1)", "input": "normal(0, 0.1)"}, both))
    for tensor in (ranked.weight_left_hh_h_l0, ranked.weight_right_hh_h_l0, ranked.weight_right_ih_h_l0):
        normal(tensor.detach(), 0, 0.1)
    blocks = layer_of(cell_of("orthogonal", "block_diagonal(4)"))
    for block in blocks.weight_hh_h_l0.detach():
        equal(block @ block.T, torch.eye(16))
    fixed = layer_of(cell_of({"recurrent": "sparse(0.1, 0.9)", "bias": 0.5}, "fixed"))
    sparse(fixed.weight_hh_h_l0)
    equal(fixed.bias_ih_h_l0 + fixed.bias_hh_h_l0, torch.full((H,), 0.5))
    number = layer_of(with_parameter(-3.0, "number"))
    equal(number.u_l0, torch.tensor([-3.0]))
    turned = layer_of(cell_of("rotations(0.5, 1.5)", "orthogonal"))
    m = turned.weight_hh_h_l0.detach()
    rotations(torch.linalg.matrix_exp(m - m.T))
    with pytest.raises(CellError, match="the init 'identity' is of whole matrices"):
        _ = cell_of("identity", "low_rank(2)").program


def test_shared_weights_start_as_they_are_first_used() -> None:
    @cell
    def twice(x, h):
        return tanh(affine("h", tanh(affine("h", h, x, init="identity")), x, shared=True))

    equal(layer_of(twice).weight_hh_l0, torch.eye(H))

    @cell
    def wrong(x, h):
        return tanh(affine("h", tanh(affine("h", h, x)), x, shared=True, init="identity"))

    with pytest.raises(CellError, match="give form, init and bias where they are first used"):
        _ = wrong.program


WRONG = [
    (
        "orthogonl",
        "the init of its recurrent is 'orthogonl': did you mean 'orthogonal(gain)'? Others are 'const",
    ),
    ("glorot", "what it can start with are 'constant(value)', "),
    ("chrono(10)", "the init of its recurrent is 'chrono(10)': what it can start with are"),
    ("uniform(1)", "the init of its recurrent is 'uniform(1)': write 'uniform(low, high)' with finite numbers"),
    ("uniform(1, -1)", "with finite numbers that are in order"),
    ("uniform(a, b)", "with finite numbers"),
    ("normal(0, inf)", "with finite numbers"),
    ("normal(0, -1)", "with finite numbers that are in order"),
    ("sparse(0, 0.9)", "with finite numbers that are in order"),
    ("identity(1, 2)", "write 'identity(scale)' with finite"),
    ("", None),
    (True, "the init of its recurrent is True: give a finite number or a text, as 'uniform(-1, 1)'"),
    (math.nan, "the init of its recurrent is nan: give a finite number"),
    (["identity"], "the init of its recurrent is ['identity']: give a finite number or a text"),
    ({"recurrent": "identity", "gate": 1.0}, "its init has a part 'gate': give texts for 'recurrent', 'input', 'bias'"),
    ({"bias": "identity"}, "the init of its bias is 'identity': what it can start with are 'constant(value)'"),
]


@pytest.mark.parametrize(("init", "says"), WRONG)
def test_what_nothing_can_start_with_is_refused_in_one_sentence(init: Any, says: str | None) -> None:
    if says is None:
        assert cell_of(init).program == cell_of({}).program
        return
    with pytest.raises(CellError) as raised:
        _ = cell_of(init).program
    assert says in str(raised.value)
    assert "cell one (test_initialisation.py, line" in str(raised.value)


def test_a_part_that_an_affine_lacks_is_refused() -> None:
    @cell
    def one(x, h):
        return tanh(affine("h", h, init="identity")) + affine("i", x, bias=False, init="orthogonal")

    with pytest.raises(CellError, match=r"has no recurrent part, .* it has 'input', so write init="):
        _ = one.program

    @cell
    def two(x, h):
        return tanh(affine("h", h, x, bias=False, init={"bias": 1}))

    with pytest.raises(CellError, match=r"has no bias part, .* it has 'recurrent' and 'input'"):
        _ = two.program


def test_a_program_keeps_what_its_weights_start_with() -> None:
    written = json.loads(json.dumps(gated.program.to_json()))
    assert Program.from_json(written) == gated.program
    assert [line["init"] for line in written["values"] if "init" in line] == [
        *("recurrent=identity; bias=constant(5)", "orthogonal", "ramp(0, 1)")
    ]
    assert starts(gated.program) == ["W_f: identity", "b_f: constant(5)", "W_g: orthogonal", "u: ramp(0, 1)"]
    damaged = json.loads(json.dumps(written).replace('"orthogonal"', '"orthogonally"'))
    with pytest.raises(CellError, match="the saved program of a cell is damaged"):
        Program.from_json(damaged)


def test_engines_do_not_see_what_weights_start_with() -> None:
    plain, started = Recurrent(cell_of({}), 2, 3), Recurrent(cell_of("identity"), 2, 3)
    assert started.stack.program == plain.stack.program
    assert started.programs[True] == plain.programs[True]


@cell(sizes={"m": "order"})
def windowed(x, h, m, *, order=6, steps=100.0):
    u = affine("u", x, h, bias=False, size=1, init={"input": "constant(2)"})
    m = affine("m", m, u, bias=False, size=order, form="fixed", init=f"legendre({steps})")
    scaled = parameter("scale", size=order, init="ramp(0, 5)") * m
    return tanh(affine("h", h, x, scaled, init={"recurrent": "orthogonal", "bias": 3})), m


def test_weights_of_other_sizes_start_as_the_cell_says() -> None:
    layer = layer_of(windowed(order=4), num_layers=2)
    for level, columns in ((0, I), (1, H)):
        own = {name: getattr(layer, f"{name}_l{level}") for name in layer.stack.learned_names}
        equal(own["weight_u_1"], torch.full((1, columns), 2.0))
        step = eigenvalues(own["weight_m_1"]).abs()
        assert own["weight_m_1"].shape == (4, 4)
        assert (step < 1).all()
        assert (step > 0.9).all()  # A window of 100 steps moves little in one.
        assert own["weight_m_2"].shape == (4, 1)
        assert own["weight_m_2"][0] > 0
        equal(own["scale"], torch.tensor([0.0, 5 / 3, 10 / 3, 5.0], dtype=torch.float64))
        equal(own["weight_hh"] @ own["weight_hh"].T, torch.eye(H))
        equal(own["weight_h_3"].T @ own["weight_h_3"], torch.eye(4))
        equal(own["bias_ih"] + own["bias_hh"], torch.full((H,), 3.0))
    normalised = layer_of(windowed, layer_norm=True)
    equal(normalised.shift_h_l0, torch.full((H,), 3.0))
