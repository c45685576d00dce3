"""What states begin with that a cell says: in layers, streams and views, on every engine, as if the caller gave it."""

import copy
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from ricorda import ArgumentError, CellError, affine, cell, delay, exp, maximum, sigmoid, tanh
from ricorda.insight import gradient_flow, unroll
from ricorda.insight.gradients.trail import trail_of
from ricorda.insight.memory.decomposition import decompose
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.learned import starts

T, B, I, H = 5, 3, 2, 4  # the sizes' own names
ENGINES = ["cpu", "reference"]


@cell(initial={"h": 0.5, "c": -2.0})
def counted(x, h, c):
    f = sigmoid(affine("f", h, x))
    c = f * c + (1 - f) * tanh(affine("g", h, x))
    return tanh(c), c


def running_maximum(x, h, c, n, m):
    i, f = affine("i", h, x), affine("f", h, x)
    new = maximum(f + m, i)
    write, keep = exp(i - new), exp(f + m - new)
    c = keep * c + write * tanh(affine("z", h, x))
    n = keep * n + write
    return c / n, c, n, new


stabilised = cell(initial={"m": -1e30})(running_maximum)
endless = cell(initial={"m": -math.inf})(running_maximum)

NUMBERS = {
    "counted": (0.5, -2.0),
    "stabilised": (0.0, 0.0, 0.0, -1e30),
    "endless": (0.0, 0.0, 0.0, -math.inf),
}
CELLS = {"counted": counted, "stabilised": stabilised, "endless": endless}


def layer_of(name: str, engine: str, **options: Any) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(CELLS[name], I, H, engine=engine, **{"dtype": torch.float64, **options})


def begin(name: str, entries: int, rows: tuple[int, ...] = (B,), dtype: torch.dtype = torch.float64) -> Any:
    """What a caller would give."""
    return tuple(torch.full((entries, *rows, H), number, dtype=dtype) for number in NUMBERS[name])


def x_of(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def same(ours: Any, theirs: Any, without_steps: bool = False) -> None:
    """Equal and finite; rows without steps may have the infinity that they began with."""
    if isinstance(ours, tuple):
        for one, other in zip(ours, theirs, strict=True):
            same(one, other, without_steps)
    elif isinstance(ours, dict):
        same(tuple(ours.values()), tuple(theirs.values()), without_steps)
    else:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        assert not isinstance(ours, Tensor) or (ours.isfinite() | (without_steps & ours.eq(-math.inf))).all()


OPTIONS: dict[str, dict[str, Any]] = {
    "one layer": {},
    "two layers": {"num_layers": 2},
    "both directions": {"num_layers": 2, "bidirectional": True},
    "segments": {"checkpoint": 2},
    "zoneout": {"zoneout": 0.3},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", CELLS)
def test_a_layer_begins_as_the_cell_says(name: str, options: str, engine: str) -> None:
    if (options, engine) == ("segments", "reference"):
        pytest.skip("the CPU engine alone runs segments again")
    if (options, name) == ("zoneout", "endless"):
        pytest.skip("there is no mean with an infinity")
    layer = layer_of(name, engine, **OPTIONS[options])
    hx, x = begin(name, layer.stack.states[0][0]), x_of(T, B, I).requires_grad_()
    ours, theirs = [], []
    for results, state in ((ours, None), (theirs, hx)):
        torch.manual_seed(3)
        output, finals = layer(x, state)
        loss = output.square().sum() + sum(final.square().sum() for final in finals[:-1])
        results += [output, finals, torch.autograd.grad(loss, [x, *layer.parameters()])]
        torch.manual_seed(3)
        results.append(layer(x, state, lengths=[T, 0, 2]))
        results.append(layer(x, state, record=["h", layer.program.states[-1].name])[2])
        with torch.no_grad():
            torch.manual_seed(3)
            results.append(layer(x, state))
    same(tuple(ours[:3]), tuple(theirs[:3]))
    for one, other in zip(ours[3:], theirs[3:], strict=True):
        same(one, other, without_steps=True)
    _, finals = ours[3]
    for final, number in zip(finals, NUMBERS[name], strict=True):
        assert final[:, 1].eq(number).all()  # A row without steps keeps what it began with.


@pytest.mark.parametrize("engine", ENGINES)
def test_every_form_of_the_input(engine: str) -> None:
    layer = layer_of("counted", engine)
    x, hx = x_of(T, B, I), begin("counted", 1)
    packed = pack_padded_sequence(x, [T, 3, 1])
    same(layer(packed)[0].data, layer(packed, hx)[0].data)
    same(layer(x[:, 0]), layer(x[:, 0], begin("counted", 1, rows=())))
    first = layer_of("counted", engine, batch_first=True)
    same(first(x.transpose(0, 1)), first(x.transpose(0, 1), hx))
    with torch.no_grad():
        same(first(x.transpose(0, 1)), first(x.transpose(0, 1), hx))
    meta = Recurrent(counted, I, H, device="meta")
    assert meta(torch.empty(T, B, I, device="meta"))[1][1].shape == (1, B, H)


def test_the_engines_agree() -> None:
    for name in CELLS:
        fast, slow = layer_of(name, "cpu"), layer_of(name, "reference")
        for training in (False, True):
            with torch.set_grad_enabled(training):
                for ours, theirs in zip(fast(x_of(T, B, I))[1], slow(x_of(T, B, I))[1], strict=True):
                    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_a_stream_begins_as_the_cell_says(name: str, engine: str) -> None:
    layer = layer_of(name, engine, num_layers=2)
    x = x_of(T, B, I)
    wanted = layer(x)[0].detach()
    stream = layer.stream(B)
    assert stream.state is None

    def steps(stream: Any) -> Tensor:
        return torch.stack([stream(step) for step in x])

    torch.testing.assert_close(steps(stream), wanted)
    stream.reset()
    torch.testing.assert_close(steps(stream), wanted)
    stream.state = None
    torch.testing.assert_close(steps(stream), wanted)
    fresh = pickle.loads(pickle.dumps(layer.stream(B)))
    torch.testing.assert_close(steps(fresh), wanted)
    waiting = layer.stream(B)
    with torch.no_grad():
        layer.bias_ih_l0.add_(0.5)  # The stream packs it at its first step.
    torch.testing.assert_close(steps(waiting), layer(x)[0].detach())
    alone = layer.stream()
    torch.testing.assert_close(torch.stack([alone(step) for step in x[:, 0]]), layer(x[:, 0])[0].detach())


def test_recorded_operations_begin_as_the_cell_says() -> None:
    layer = layer_of("counted", "cpu")
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    same(compiled(x_of(T, B, I))[1], layer(x_of(T, B, I))[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_number_that_a_dtype_lacks_is_its_largest(dtype: torch.dtype) -> None:
    layer = layer_of("stabilised", "reference", dtype=dtype)
    with torch.no_grad():
        _, finals = layer(torch.randn(T, B, I).to(dtype), lengths=[0, T, 1])
    assert float(finals[3][0, 0, 0]) == max(float(torch.tensor(-1e30).to(dtype)), torch.finfo(dtype).min)
    assert all(final.isfinite().all() for final in finals)


def test_a_running_maximum_does_not_see_its_beginning() -> None:
    """With m at 0, a first input that is far below it would be written as nothing: 0 / 0."""
    layer = layer_of("stabilised", "cpu", dtype=torch.float32)
    with torch.no_grad():
        layer.bias_ih_l0[:H] = -300.0
    assert layer(torch.ones(T, B, I))[0].isfinite().all()
    assert layer(torch.ones(T, B, I), tuple(torch.zeros(1, B, H) for _ in range(4)))[0].isnan().any()


def test_views_begin_as_the_cell_says() -> None:
    layer = layer_of("counted", "cpu")
    x = x_of(T, I)
    parts = decompose(layer, x)
    assert parts.initial.tolist() == [-2.0] * H
    c = layer(x, record=["c"])[2]["c"][0, 0].detach().numpy()
    np.testing.assert_allclose(parts.parts.sum(axis=0), c[-1])
    shown = unroll(layer, x.numpy())
    assert {name: values.tolist() for name, values in shown.initial.items()} == {"h": [0.5] * H, "c": [-2.0] * H}
    with torch.no_grad():
        trail = trail_of(layer, x[:, None], torch.tensor([T]), None, level=0, reverse=False, steps=T)
    assert [float(state[-1, 0, 0]) for state in trail.states] == [0.5, -2.0]
    assert math.isfinite(gradient_flow(layer_of("stabilised", "cpu"), x[:, None], steps=T).output.norms[-1, 0])


def test_a_program_keeps_what_its_states_begin_with(ricorda_command: Command, tmp_path: Any) -> None:
    program = counted.program
    assert [state.number for state in program.states] == [0.5, -2.0]
    written = json.loads(json.dumps(program.to_json()))
    assert [line.get("number") for line in written["values"][:3]] == [None, 0.5, -2.0]
    assert Program.from_json(written) == program
    assert starts(stabilised.program) == ["m_0 = -1e+30"]
    assert starts(endless.program) == ["m_0 = -inf"]
    written_too = json.dumps(endless.program.to_json(), allow_nan=False)
    assert Program.from_json(json.loads(written_too)) == endless.program
    assert [state.number for state in counted.projected_program.states] == [0.5, -2.0]
    damaged = copy.deepcopy(written)
    damaged["values"][1]["number"] = math.inf
    with pytest.raises(CellError, match="the saved program of a cell is damaged"):
        Program.from_json(damaged)
    file = tmp_path / "own.py"
    file.write_text(
        "from ricorda import affine, cell, tanh\n\n\n@cell(initial={'h': 0.5})\n"
        "def own(x, h):\n    return tanh(affine('h', h, x))\n",
        encoding="utf-8",
    )
    assert "h_0 = 0.5" in ricorda_command("cells", f"{file}:own").out


@cell(initial={"h": 0.5})
def late(x, h):
    return tanh(affine("h", delay(h, 2), delay(x, 1)))


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_delayed_was_what_it_begins_with(engine: str) -> None:
    assert [(state.name, state.number) for state in late.program.states] == [
        *(("h", 0.5), ("h_1", 0.5), ("h_2", 0.5), ("x_1", 0.0))
    ]
    layer = Recurrent(late, I, H, dtype=torch.float64, engine=engine)
    x = x_of(T, B, I)
    hx = tuple(torch.full((1, B, size), number, dtype=torch.float64) for size, number in ((H, 0.5),) * 3 + ((I, 0.0),))
    same(layer(x), layer(x, hx))
    output, _ = layer(torch.zeros(3, B, I, dtype=torch.float64))
    torch.testing.assert_close(output[0], output[2])  # Both see what h began with.


@pytest.mark.parametrize(
    ("initial", "says"),
    [
        ({"m": 1.0}, "its initial has 'm', and its states are h, c"),
        ({"x": 1.0}, "its initial has 'x', and its states are h, c"),
        ({"h": math.inf}, 'state h begins with inf, of which affine("f", ...) makes sums that are no numbers'),
        ({"h": math.nan}, "its initial has nan for state h: give a number, or minus infinity"),
        ({"h": "0"}, "its initial has '0' for state h: give a number, or minus infinity"),
        ({"h": True}, "its initial has True for state h: give a number, or minus infinity"),
    ],
)
def test_what_no_state_can_begin_with_is_refused(initial: Any, says: str) -> None:
    with pytest.raises(CellError) as raised:
        _ = cell(initial=initial)(counted.function).program
    assert says in str(raised.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_minus_infinity_is_further_than_any_input(engine: str) -> None:
    """The first input is written whole, however far below 0 its gate is, and every gradient is a number."""
    layer = layer_of("endless", engine, dtype=torch.float32)
    with torch.no_grad():
        layer.bias_ih_l0[:H] = -1e35
    x = (300 * x_of(T, B, I)).float().requires_grad_()
    output, finals = layer(x, lengths=[T, 0, 1])
    assert output.isfinite().all()
    assert output[0, 0].abs().gt(0).all()
    wanted = torch.autograd.grad(output.sum() + finals[1].sum(), [x, *layer.parameters()])
    assert all(gradient.isfinite().all() for gradient in wanted)
    double = layer_of("endless", engine)
    assert torch.autograd.gradcheck(lambda x: double(x)[0], x_of(2, 1, I).requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: double(x)[0], x_of(2, 1, I).requires_grad_())


def test_zoneout_of_a_state_that_begins_with_an_infinity_is_refused() -> None:
    says = (
        r"zoneout is 0.3 for state m, which begins with -inf, .*: name the other states, as zoneout=\{'h': 0.3, 'c': "
    )
    with pytest.raises(ArgumentError, match=says):
        layer_of("endless", "cpu", zoneout=0.3)
