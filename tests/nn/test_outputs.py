"""An output that is no state: the same as a cell whose first state is that output, and nothing reads that state."""

import copy
import pickle
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ricorda import CellError, affine, cell, equations, sigmoid, tanh
from ricorda.insight.gradients.view import gradient_flow
from ricorda.insight.memory.remains import follow
from ricorda.nn import Recurrent, watch_gradients
from ricorda.program.cell import Cell
from ricorda.program.ir import Program


@cell(output="y", sizes={"m": 3}, candidate="candidate", forget_gate="f")
def shown(x, c, m):
    """A gated mean c and a small memory m, of which a third value is shown."""
    f = sigmoid(affine("f", c, x))
    candidate = tanh(affine("z", c, x))
    c = f * c + (1 - f) * candidate
    m = tanh(affine("m", m, c, size=3))
    y = sigmoid(affine("o", x, m)) * c
    return y, c, m


@cell(sizes={"m": 3}, candidate="candidate", forget_gate="f")
def kept(x, y, c, m):
    """The same, with the output as a state that nothing reads."""
    f = sigmoid(affine("f", c, x))
    candidate = tanh(affine("z", c, x))
    c = f * c + (1 - f) * candidate
    m = tanh(affine("m", m, c, size=3))
    y = sigmoid(affine("o", x, m)) * c
    return y, c, m


def pair(engine: str = "cpu", input_size: int = 2, **options: Any) -> tuple[Recurrent, Recurrent]:
    torch.manual_seed(0)
    ours = Recurrent(shown, input_size, 4, engine=engine, dtype=torch.float64, **options)
    options.pop("checkpoint", None)  # The reference keeps all values, and would warn.
    theirs = Recurrent(kept, input_size, 4, engine="reference", dtype=torch.float64, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def close(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def gradients_of(layer: Recurrent, x: Tensor, *arguments: Any, **options: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Output and the states c and m, and the gradients of a loss of all of them, by input and weights."""
    x = x.clone().requires_grad_()
    y, states = layer(x, *arguments, **options)
    results = [y, *states[-2:]]
    loss = sum((value * torch.arange(value.numel(), dtype=value.dtype).view_as(value).cos()).sum() for value in results)
    return results, list(torch.autograd.grad(loss, [x, *layer.parameters()]))


@pytest.mark.parametrize("engine", ["cpu", "reference"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "bidirectional": True},
        {"checkpoint": 2},
        {"layer_norm": True},
        {"zoneout": {"c": 0.3}, "state_dropout": 0.2, "recurrent_dropout": 0.2},
        {"bias": False, "batch_first": True},
    ],
    ids=str,
)
def test_every_layer_s_numbers_and_gradients(engine: str, options: dict[str, Any]) -> None:
    if engine == "reference" and "checkpoint" in options:
        pytest.skip("the reference keeps all values")
    ours, theirs = pair(engine, **options)
    x = torch.randn(5, 3, 2, dtype=torch.float64)
    lengths = None if options.get("batch_first") else torch.tensor([5, 0, 2])
    for mode in (False, True):
        results = []
        for layer in (ours, theirs):
            torch.manual_seed(1)
            results.append(gradients_of(layer.train(mode), x, lengths=lengths))
        close(*results)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_states_may_have_any_size_where_the_output_is_none(engine: str) -> None:
    @cell(output="y", sizes={"m": 3})
    def memory_alone(x, m):
        m = tanh(affine("m", m, x, size=3))
        return affine("y", m, x), m

    layer = Recurrent(memory_alone, 2, 4, engine=engine, num_layers=2)
    x = torch.randn(5, 3, 2)
    y, m = layer(x)
    assert y.shape == (5, 3, 4)
    assert m.shape == (2, 3, 3)
    stream, steps = layer.stream(3), []
    with torch.no_grad():
        steps = [stream(step) for step in x]
    torch.testing.assert_close(torch.stack(steps), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_packed_sequences_records_initial_states_and_norms(engine: str) -> None:
    ours, theirs = pair(engine, bidirectional=True)
    x = torch.randn(5, 3, 2, dtype=torch.float64)
    start = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 3, dtype=torch.float64)
    packed = pack_padded_sequence(x, [5, 1, 3], enforce_sorted=False)
    y, states = ours(packed, start)
    y_, states_ = theirs(packed, (torch.zeros_like(start[0]), *start))
    close([pad_packed_sequence(y)[0], *states], [pad_packed_sequence(y_)[0], *states_[1:]])
    names = ["f", "y", "c", "m", "z_o"]
    norms = []
    for layer in (ours, theirs):
        with watch_gradients(layer) as watched:
            y, _, records = layer(x, record=names)
            (y.sum() + records["y"].square().sum() + records["c"].sum()).backward()
        norms.append(([records[name] for name in names], *(watched.norms[""][state] for state in ("c", "m"))))
    close(*norms)


def test_streams_copies_compiled_layers_and_gradients_of_second_order() -> None:
    ours, theirs = pair()
    x = torch.randn(4, 3, 2, dtype=torch.float64)
    y, states = theirs(x)
    stream = ours.stream(3)
    close(torch.stack([stream(step) for step in x]), y.detach())
    close(list(stream.state), [state.detach() for state in states[1:]])
    for layer in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), torch.compile(ours, backend="aot_eager")):
        close(layer(x)[0], y)
    assert torch.autograd.gradcheck(lambda x: ours(x)[0], x[:2].clone().requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: ours(x)[0], x[:2, :1].clone().requires_grad_())


def test_insight_sees_the_output() -> None:
    ours, theirs = pair(num_layers=2)
    x = torch.randn(6, 2, dtype=torch.float64)
    for level in (0, 1):
        flow, flow_ = (gradient_flow(layer, x, steps=5, level=level) for layer in (ours, theirs))
        for state in ("c", "m"):
            assert_allclose(flow.states[state].norms, flow_.states[state].norms, rtol=1e-9)
        assert_allclose(flow.shares, flow_.shares, rtol=1e-9)
        remains, remains_ = (
            follow(layer, x, None, (1, 5), level=level, weighing=lambda step: torch.full((4,), step + 1.0).double())
            for layer in (ours, theirs)
        )
        assert_allclose(remains.shown, remains_.shown, rtol=1e-9)
        assert_allclose(remains.held, remains_.held, rtol=1e-9)


def test_saved_and_printed() -> None:
    program = shown.program
    saved = program.to_json()
    assert saved["output"] == "y"
    assert Program.from_json(saved) == program
    assert "output" not in kept.program.to_json()
    assert equations(program)[-1] == "y_t = sigmoid(W_o [x_t, m_t] + b_o) * c_t"

    @cell(output="y")
    def same(x, h):
        h = tanh(affine("h", h, x))
        return h, h

    assert equations(same.program) == ["h_t = tanh(W_h [h_{t-1}, x_t] + b_h)", "y_t = h_t"]
    for wrong in ({"output": "c"}, {"output": "q"}, {"output": "m"}, {"output": 3}):
        with pytest.raises(CellError, match="the saved program of a cell is damaged"):
            Program.from_json(saved | wrong)


def _returns(step: Any) -> Any:
    def wrong(x, h):  # type: ignore[no-untyped-def]
        return step(x, h)

    return wrong


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        (
            lambda x, h: tanh(affine("h", h, x)),
            {},
            "it returns 1 value but has 1 state (h) and the output y: return y, then each state's new value",
        ),
        (
            lambda x, h: (tanh(affine("y", h)), tanh(affine("h", h, x))),
            {"output": ""},
            'return each state\'s new value, in this order, and name an output that is no state by @cell(output="y")',
        ),
        (lambda x, h: (0.5, tanh(affine("h", h, x))), {}, "the output is 0.5, which is not computed"),
        (lambda x, h: (h, h), {"output": "h"}, "its output is 'h', which is one of its arguments"),
        (lambda x, h: (h, h), {"output": "y t"}, "its output is 'y t', which is no name"),
        (
            lambda x, h: (affine("y", h, size=3), tanh(affine("h", h, x))),
            {},
            "its output y has size 3, and needs size H (hidden_size): bring it to that size with affine(...)",
        ),
        (
            lambda x, h: (affine("y", x), tanh(affine("h", h, x))),
            {},
            "its output y depends on no state: compute it from one",
        ),
        (
            lambda x, h: (tanh(affine("a", h)), tanh(affine("h", h))),
            {},
            "neither the output y nor a new state depends on the input x",
        ),
    ],
)
def test_mistakes(step: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CellError) as raised:
        _ = cell(**{"output": "y"} | options)(_returns(step)).program
    assert message in str(raised.value)


def test_the_output_s_name_is_the_output_whatever_a_variable_of_that_name_was() -> None:
    @cell(output="y")
    def doubled(x, h):
        y = tanh(affine("y", h, x))
        return y * 2, y

    layer = Recurrent(doubled, 2, 4)
    y, _, records = layer(torch.randn(3, 1, 2), record=["y", "y_1", "h"])
    assert torch.equal(records["y"][0, 0], y)
    assert torch.equal(records["y_1"], records["h"])
    torch.testing.assert_close(records["y"], 2 * records["y_1"])


def test_there_is_no_projection() -> None:
    with pytest.raises(CellError, match="it cannot have proj_size, which is for a state, and its output y is none"):
        Recurrent(shown, 2, 4, proj_size=3)


def test_inside_another_cell() -> None:
    @cell(output="y", sizes={"m": 3})
    def outer(x, c, m):
        y, c, m = shown(x, c, m)
        return -y, c, m

    layer, inner = Recurrent(outer, 2, 4), Recurrent(shown, 2, 4)
    inner.load_state_dict(layer.state_dict())
    x = torch.randn(3, 1, 2)
    torch.testing.assert_close(layer(x)[0], -inner(x)[0])
    assert isinstance(shown, Cell)
