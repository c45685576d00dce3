"""The functions of the language, on both engines: values, gradients of both orders, and what stays finite."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_cases import Case, check, every_name
from random_cells import BINARY, TWICE, UNARY, traced
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import ricorda
from ricorda import affine, cell, equations, tanh
from ricorda.engines.cpu import engine as cpu
from ricorda.nn import Recurrent
from ricorda.program.ir import Program

D = torch.float64
ENGINES = pytest.mark.parametrize("engine", ["cpu", "reference"])


def cell_of(templates: tuple[str, ...]) -> Program:
    """A cell that uses each template once, of a gate, a state, and a row's sum."""
    operands = ["a", "h", "b", "c"]
    lines = [
        f"v{number} = " + template.format(operands[number % 4], operands[(number + 1) % 4])
        for number, template in enumerate(templates)
    ]
    total = " + ".join(f"v{number}" for number in range(len(lines)))
    return traced(
        "\n    ".join(
            [
                "def drawn(x, h, c, n):",
                *("a = affine('a', h, x)", "b = affine('b', x)", "n = mean(n + b)", *lines),
                f"return tanh({total} + affine('r', v0, n)), sigmoid(c + v1), n",
                "",
            ]
        )
    )


@pytest.mark.parametrize("templates", [UNARY + TWICE, BINARY], ids=["of one value", "of two values"])
def test_the_engines_agree_on_every_function(templates: tuple[str, ...]) -> None:
    program = cell_of(templates)
    assert Program.from_json(program.to_json()) == program
    assert all(equations(program, "latex"))
    check(Case(program, H=17, B=5, lengths=[4, 2, 0, 3, 4], record=every_name(program)), cpu)
    check(Case(program, H=16, reverse=True), cpu)
    check(Case(program, dtype=torch.float32), cpu)


@cell
def several(x, h, c):
    a, b = affine("a", h, x), affine("b", x)
    new = ricorda.where(a > b, ricorda.softmax(a) * ricorda.sin(c), ricorda.cos(a) * ricorda.sum(b))
    c = ricorda.hard_sigmoid(c + a) + ricorda.safe_sqrt(b * b + 0.1) + (a * a + 0.1) ** b + ricorda.largest(b)
    return tanh(new), tanh(c + a % 2.5)


@ENGINES
def test_gradients_and_their_gradients_are_derivatives(engine: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(several, 2, 3, engine=engine, dtype=D)
    x = torch.randn(2, 2, 2, dtype=D, requires_grad=True)
    run = lambda x: layer(x)[0]  # noqa: E731
    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


def test_bf16_rounds_the_products_of_these_cells_alone() -> None:
    torch.manual_seed(0)
    full = Recurrent(several, 8, 17, engine="cpu")
    half = Recurrent(several, 8, 17, engine="cpu", precision="bf16")
    half.load_state_dict(full.state_dict())
    x = torch.randn(1, 3, 8)  # After a step the parts of the choice differ where two values are almost the same.
    exact, rounded = full(x)[0], half(x)[0]
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0.0)


def run_on(
    function: Callable[..., Any], values: Tensor, engine: str, second: Tensor | None = None
) -> tuple[Tensor, ...]:
    """A function of a state and, if it takes one, another on an engine: its values, and its gradients."""
    states = [values.clone().requires_grad_(), (values if second is None else second).clone().requires_grad_()]

    @cell
    def uses(x, h, c):
        return function(h, c) + 0 * affine("x", x), 0.5 * c  # A state has to change.

    layer = Recurrent(uses, 1, values.shape[-1], engine=engine, dtype=values.dtype)
    output = layer(torch.zeros(1, len(values), 1, dtype=values.dtype), [state[None] for state in states])[0]
    gradients = torch.autograd.grad(output.sum(), states, allow_unused=True)
    return output[0].detach(), *(torch.zeros_like(values) if each is None else each for each in gradients)


LEAKS: dict[str, Callable[..., Any]] = {
    "a logarithm": lambda h, c: ricorda.where(h > 0, ricorda.log(h), 0),
    "a root": lambda h, c: ricorda.where(h > 0, ricorda.sqrt(h), 0),
    "a quotient": lambda h, c: ricorda.where(abs(h) > 0, 1 / h, 0),
    "a power": lambda h, c: ricorda.where(h > 0, h**0.3, 0),
    "a remainder": lambda h, c: ricorda.where(h > 0, 5 % h, 0),
    "an exponential": lambda h, c: ricorda.where(h < 2, ricorda.exp(h * 1000), 0),
    "a function of one": lambda h, c: ricorda.where(h > 0, tanh(ricorda.log(h) / h), 0),
    "one that is not chosen either": lambda h, c: ricorda.where(h <= 0, 0, ricorda.where(h > 1e9, ricorda.log(h), 0)),
}


@ENGINES
@pytest.mark.parametrize("name", LEAKS)
def test_what_is_not_chosen_reaches_neither_value_nor_gradient(name: str, engine: str) -> None:
    values = torch.tensor([[0.0, -1.0, 3.0, -0.0, -1e30]])
    value, gradient, _ = run_on(LEAKS[name], values, engine)
    assert value.isfinite().all()
    assert gradient.isfinite().all()
    chosen = value != 0
    assert (gradient[~chosen] == 0).all()


@ENGINES
def test_a_choice_has_the_gradient_of_what_it_chooses(engine: str) -> None:
    a, b = torch.tensor([[1.0, 2.0, 3.0]], dtype=D), torch.tensor([[2.0, 2.0, 1.0]], dtype=D)
    value, of_a, of_b = run_on(lambda h, c: ricorda.where(h >= c, h * h, 5 * c), a, engine, b)
    assert value.tolist() == [[10.0, 4.0, 9.0]]
    assert (of_a.tolist(), of_b.tolist()) == ([[0.0, 4.0, 6.0]], [[5.0, 0.0, 0.0]])


@ENGINES
def test_units_that_are_equally_large_share_the_gradient_as_in_torch(engine: str) -> None:
    rows = torch.tensor([[1.0, 3.0, 3.0, -2.0], [5.0, 5.0, 5.0, 5.0], [0.0, -1.0, -2.0, -3.0]], dtype=D)
    value, gradient, _ = run_on(lambda h, c: ricorda.largest(h), rows, engine)
    expected = rows.clone().requires_grad_()
    expected.amax(dim=1, keepdim=True).expand_as(rows).sum().backward()
    assert torch.equal(value, rows.amax(dim=1, keepdim=True).expand_as(rows))
    assert torch.equal(gradient, expected.grad)


@ENGINES
def test_softmax_is_torch_s_at_any_size(engine: str) -> None:
    rows = torch.tensor([[1.0, 3.0, 2.0], [1e30, 0.0, -1e30], [-800.0, -801.0, -1e4], [0.0, 0.0, 0.0]])
    value, gradient, _ = run_on(lambda h, c: ricorda.softmax(h) * ricorda.cos(h / 100), rows, engine)
    expected = rows.clone().requires_grad_()
    result = expected.softmax(dim=1) * torch.cos(expected / 100)
    torch.testing.assert_close(value[[0, 2, 3]], result[[0, 2, 3]].detach())
    result[[0, 2, 3]].sum().backward()
    torch.testing.assert_close(gradient[[0, 2, 3]], expected.grad[[0, 2, 3]])
    assert value.isfinite().all()
    assert gradient.isfinite().all()


@ENGINES
def test_a_safe_root_has_the_value_of_the_root_and_a_bounded_slope(engine: str) -> None:
    values = torch.tensor([[0.0, 1e-12, 2.4e-7, 2.6e-7, 1.0, 4.0]], dtype=D)
    value, slope, _ = run_on(lambda h, c: ricorda.safe_sqrt(h), values, engine)
    torch.testing.assert_close(value, values.sqrt(), atol=1e-15, rtol=1e-10)
    assert slope[0, :3].tolist() == [1000.0] * 3
    torch.testing.assert_close(slope[0, 3:], 0.5 / values[0, 3:].sqrt())
    assert run_on(lambda h, c: ricorda.safe_sqrt(h, bound=10), values, engine)[1][0, 0] == 10.0


@ENGINES
def test_a_safe_quotient_is_zero_where_the_divisor_is(engine: str) -> None:
    a, b = torch.tensor([[0.0, 1.0, -3.0, 6.0, 1e-29]]), torch.tensor([[0.0, 0.0, -1e-40, -2.0, 2e-29]])
    value, of_a, of_b = run_on(ricorda.safe_divide, a, engine, b)
    assert value.tolist() == [[0.0, 0.0, 0.0, -3.0, 0.5]]
    torch.testing.assert_close(of_a, torch.tensor([[0.0, 0.0, 0.0, -0.5, 1 / 2e-29]]))
    torch.testing.assert_close(of_b, torch.tensor([[0.0, 0.0, 0.0, -1.5, -0.5 / 2e-29]]))


@ENGINES
def test_sigmoids_stay_finite_far_out(engine: str) -> None:
    values = torch.tensor([[-3e4, -100.0, -2.0, 0.0, 2.0, 3e4]])
    value, gradient, _ = run_on(lambda h, c: ricorda.log_sigmoid(h), values, engine)
    torch.testing.assert_close(value, torch.nn.functional.logsigmoid(values))
    torch.testing.assert_close(gradient, torch.sigmoid(-values))
    value, gradient, _ = run_on(lambda h, c: ricorda.hard_sigmoid(h), values, engine)
    torch.testing.assert_close(value, torch.nn.functional.hardsigmoid(values))
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 0.0, 1 / 6, 1 / 6, 1 / 6, 0.0]]))


@ENGINES
@pytest.mark.parametrize("exponent", [-2, -1, 0, 1, 2, 3, 7, 65, 0.5, -0.5, 1.5, 2.0])
def test_a_power_of_a_number_is_right_for_negative_bases_too(exponent: float, engine: str) -> None:
    values = torch.tensor([[0.7, 2.0, 1.1, -1.3, -0.5]], dtype=D)
    values = values if float(exponent).is_integer() else values.abs()
    value, gradient, _ = run_on(lambda h, c: h**exponent + 0 * h, values, engine)
    expected = values.clone().requires_grad_()
    result = expected**exponent
    result.sum().backward()
    torch.testing.assert_close(value, result.detach())
    torch.testing.assert_close(gradient, expected.grad)


@ENGINES
def test_a_power_and_a_remainder_have_torch_s_gradients_where_they_are_zero(engine: str) -> None:
    a, b = torch.tensor([[0.0, 0.0, 2.0, 2.0, 0.5]], dtype=D), torch.tensor([[1.5, 0.0, 0.0, 3.0, -1.0]], dtype=D)
    _, *ours = run_on(lambda h, c: h**c, a, engine, b)
    expected = [a.clone().requires_grad_(), b.clone().requires_grad_()]
    torch.pow(*expected).sum().backward()
    for gradient, leaf in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, leaf.grad)
    a, b = torch.tensor([[5.0, -5.0, 5.0, -5.0]], dtype=D), torch.tensor([[3.0, 3.0, -3.0, -3.0]], dtype=D)
    value, of_a, of_b = run_on(lambda h, c: h % c, a, engine, b)
    assert value.tolist() == [[2.0, 1.0, -1.0, -2.0]]
    assert (of_a.tolist(), of_b.tolist()) == ([[1.0] * 4], [[-1.0, 2.0, 2.0, -1.0]])


def test_what_is_chosen_reads_as_it_is_computed() -> None:
    @cell
    def chooses(x, h):
        z = affine("z", h, x)
        return ricorda.where(z > 0, h / z, (z >= h) * ricorda.sign(h) ** 3)

    assert equations(chooses.program)[1] == (
        "h_t = where(z_t > 0, h_{t-1} / where(z_t > 0, z_t, 1), "
        "(z_t >= h_{t-1}) * sign(h_{t-1}) * sign(h_{t-1}) * sign(h_{t-1}))"
    )


@cell
def delayed(x, h):
    z = tanh(affine("z", ricorda.delay(h, 2), x))
    g = ricorda.sigmoid(affine("g", h, ricorda.delay(x, 1)))
    return g * h + (1 - g) * z


def test_a_delay_is_a_state_for_each_of_its_steps() -> None:
    program = delayed.program
    assert Program.from_json(program.to_json()) == program
    assert [(state.name, state.size) for state in program.states] == [
        ("h", "H"),
        ("h_1", "H"),
        ("h_2", "H"),
        ("x_1", "I"),
    ]
    assert equations(program) == [
        "z_t = tanh(W_z [h_2_{t-1}, x_t] + b_z)",
        "g_t = sigmoid(W_g [h_{t-1}, x_1_{t-1}] + b_g)",
        "h_t = g_t * h_{t-1} + (1 - g_t) * z_t",
        "h_1_t = h_{t-1}",
        "h_2_t = h_1_{t-1}",
        "x_1_t = x_t",
    ]


@ENGINES
def test_a_delay_reads_what_was_so_many_steps_before(engine: str) -> None:
    torch.manual_seed(0)
    layer = Recurrent(delayed, 2, 3, engine=engine, dtype=D)
    x = torch.randn(6, 2, 2, dtype=D, requires_grad=True)
    W, U, G = layer.weight_ih_l0, layer.weight_hh_l0, layer.weight_g_2_l0
    b_ih, b_hh = layer.bias_ih_l0, layer.bias_hh_l0
    states, inputs = [torch.zeros(2, 3, dtype=D)] * 3, [torch.zeros(2, 2, dtype=D), *x]
    for t in range(6):
        z = torch.tanh(inputs[t + 1] @ W.T + b_ih + states[-3] @ U[:3].T + b_hh[:3])
        g = torch.sigmoid(inputs[t] @ G.T + states[-1] @ U[3:].T + b_hh[3:])
        states.append(g * states[-1] + (1 - g) * z)
    output = torch.stack(states[3:])
    torch.testing.assert_close(layer(x)[0], output)
    (ours,), (expected,) = (torch.autograd.grad((result**2).sum(), x) for result in (layer(x)[0], output))
    torch.testing.assert_close(ours, expected)


def test_a_delay_goes_with_projections_and_with_delays_of_delays() -> None:
    @cell
    def far(x, h):
        assert ricorda.delay(ricorda.delay(h, 1), 1).index == ricorda.delay(h, 2).index
        return ricorda.sigmoid(affine("o", ricorda.delay(h, 2), x)) * tanh(affine("u", h, x))

    program = far.projected_program
    assert [(state.name, state.size) for state in program.states] == [("h", "P"), ("h_1", "P"), ("h_2", "P")]
    assert Program.from_json(program.to_json()) == program
    check(Case(program, lengths=[4, 0, 2]), cpu)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda x, h: ricorda.delay(tanh(h), 2), "delay(...) takes the input or a state"),
        (lambda x, h: ricorda.delay(h, -1), "the steps of delay(...) are a whole number from 0 to 1000, not -1"),
        (lambda x, h: ricorda.delay(h, 2.5), "not 2.5"),
    ],
)
def test_a_delay_of_something_else_is_refused(write: Callable[..., Any], message: str) -> None:
    @cell
    def wrong(x, h):
        return tanh(affine("h", h, x, write(x, h)))

    with pytest.raises(ricorda.CellError, match=re.escape(message)):
        _ = wrong.program


@cell
def modrelu(x, h):
    z = affine("h", h, x, bias=False)
    return ricorda.sign(z) * ricorda.relu(abs(z) + ricorda.parameter("b"))


@cell
def minlstm(x, h):
    keep = ricorda.sigmoid(ricorda.log_sigmoid(affine("f", x)) - ricorda.log_sigmoid(affine("i", x)))
    return keep * h + (1 - keep) * affine("h", x)


@cell
def rglru(x, h):
    log_a = -8 * ricorda.softplus(ricorda.parameter("p")) * ricorda.sigmoid(affine("a", x))
    i = ricorda.sigmoid(affine("i", x))
    return ricorda.exp(log_a) * h + ricorda.safe_sqrt(1 - ricorda.exp(2 * log_a)) * (i * affine("v", x))


@cell
def slstm(x, h, c, n, m):
    i, f = affine("i", h, x), ricorda.log_sigmoid(affine("f", h, x))
    top = ricorda.maximum(f + m, i)
    let_in, keep = ricorda.exp(i - top), ricorda.exp(f + m - top)
    c = keep * c + let_in * tanh(affine("z", h, x))
    n = keep * n + let_in
    return ricorda.sigmoid(affine("o", h, x)) * ricorda.safe_divide(c, n), c, n, top


@cell
def rwkv4(x, y, a, b, m):
    k, v = affine("k", x, bias=False), affine("v", x, bias=False)
    first, w = k + ricorda.parameter("u"), -ricorda.exp(ricorda.parameter("w"))
    q, p = ricorda.maximum(m, first), ricorda.maximum(m + w, k)
    old, new = ricorda.exp(m - q), ricorda.exp(first - q)
    y = ricorda.sigmoid(affine("r", x, bias=False)) * ricorda.safe_divide(old * a + new * v, old * b + new)
    old, new = ricorda.exp(m + w - p), ricorda.exp(k - p)
    return y, old * a + new * v, old * b + new, p


@ENGINES
@pytest.mark.parametrize("dividing", [modrelu, minlstm, rglru, slstm, rwkv4], ids=lambda cell: cell.name)
def test_cells_of_roots_and_quotients_are_finite_at_large_inputs_and_at_zero(
    dividing: ricorda.Cell, engine: str
) -> None:
    """As the literature writes them, each has NaN here: 0 / 0, an infinite slope times 0, or z / |z|."""
    torch.manual_seed(1)
    layer = Recurrent(dividing, 5, 8, engine=engine)
    for scale in (300.0, 0.0):
        x = (torch.randn(30, 3, 5) * scale).requires_grad_()
        zeros = [torch.zeros(1, 3, 8, requires_grad=True) for _ in dividing.program.states]
        output, _ = layer(x, zeros)
        gradients = torch.autograd.grad(output.sum(), [x, *layer.parameters(), *zeros], allow_unused=True)
        assert output.isfinite().all()
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
