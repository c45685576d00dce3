"""Layers inside torch's transforms: func.jvp, grad and vmap, forward mode, make_fx, torch.jit.trace, dispatch modes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.flop_counter import FlopCounterMode

from ricorda import ArgumentError
from ricorda.nn import GRU, LSTM, Recurrent

# torch's own, about itself
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*functools.lru_cache:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning"),
]

T, B, I, H = 3, 2, 2, 2
LENGTHS = torch.tensor([1, 3])

LAYERS: dict[str, Callable[[], Recurrent]] = {
    "lstm": lambda: LSTM(I, H),
    "gru": lambda: GRU(I, H, 2, bidirectional=True),
    "masks": lambda: Recurrent("gru", I, H, bidirectional=True, zoneout=0.3, state_dropout=0.2),
}


recorded_transforms = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="older versions of torch fail at transforms that are recorded",
)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(T, B, I, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def direction(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(1))


def of_duals(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor) -> Tensor:
    """The derivative of a function in a direction, by forward mode without torch.func."""
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(function(forward_ad.make_dual(x, direction))).tangent


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "jvp": lambda f, x, v: torch.func.jvp(f, (x,), (v,)),
    "duals": of_duals,
    "jacfwd": lambda f, x, v: torch.func.jacfwd(f)(x),
    "grad": lambda f, x, v: torch.func.grad(lambda a: (f(a) * v.sum()).sum())(x),
    "vmap": lambda f, x, v: torch.func.vmap(f, randomness="same")(torch.stack([x, v])),
    "hessian": lambda f, x, v: torch.func.hessian(lambda a: f(a).square().sum())(x),
}


def seeded(function: Callable[..., Any], *arguments: Any) -> Any:
    torch.manual_seed(5)
    return function(*arguments)


def compiled(function: Callable[..., Any], x: Tensor, direction: Tensor) -> Callable[..., Any]:
    return torch.compile(function, backend="aot_eager", fullgraph=True)


def compiled_for_eager(function: Callable[..., Any], x: Tensor, direction: Tensor) -> Callable[..., Any]:
    return torch.compile(function, backend="eager", fullgraph=True)


def under_a_mode(function: Callable[..., Any], x: Tensor, direction: Tensor) -> Callable[..., Any]:
    def counted(*arguments: Tensor) -> Any:
        with FlopCounterMode(display=False):
            return function(*arguments)

    return counted


WAYS = {
    "compile": compiled,
    "eager": compiled_for_eager,
    "make_fx": lambda function, x, direction: make_fx(function)(x, direction),
    "mode": under_a_mode,
}


@recorded_transforms
# FlopCounterMode's own hooks do not work inside torch.func.grad, with torch.nn's layers neither.
@pytest.mark.parametrize(
    ("way", "transform"),
    [
        ("compile", "grad"),
        *(("eager", transform) for transform in ("jvp", "duals", "grad", "vmap")),
        *(("make_fx", transform) for transform in ("jvp", "duals", "jacfwd", "grad", "vmap")),
        *(("mode", transform) for transform in ("jvp", "duals", "jacfwd", "vmap")),
    ],
)
def test_a_transform_means_the_same_however_it_is_recorded(
    transform: str, way: str, x: Tensor, direction: Tensor
) -> None:
    layer, lengths = LSTM(I, H), LENGTHS if way == "make_fx" else None

    def function(x: Tensor, direction: Tensor) -> Any:
        return TRANSFORMS[transform](lambda x: layer(x, lengths=lengths)[0], x, direction)

    exact = function(x, direction)
    assert torch.as_tensor(exact[-1]).abs().sum() > 0
    torch.testing.assert_close(WAYS[way](function, x, direction)(x, direction), exact)


@recorded_transforms
@pytest.mark.parametrize(("name", "transform"), [("lstm", "grad"), ("masks", "jvp")])
def test_a_compiled_transform_serves_lengths_and_masks_of_each_call(
    name: str, transform: str, x: Tensor, direction: Tensor
) -> None:
    layer = LAYERS[name]()

    def function(x: Tensor, lengths: Tensor) -> Any:
        return TRANSFORMS[transform](lambda x: layer(x, lengths=lengths)[0], x, direction)

    fast = torch.compile(function, backend="eager", fullgraph=True)
    for lengths in (LENGTHS, torch.tensor([3, 1])):
        torch.testing.assert_close(seeded(fast, x, lengths), seeded(function, x, lengths))


@recorded_transforms
@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_layer_can_be_transformed(strict: bool, x: Tensor, direction: Tensor) -> None:
    layer = LSTM(I, H)
    module = torch.export.export(layer, (x,), strict=strict).module()
    for transform in (TRANSFORMS["jvp"], TRANSFORMS["grad"], TRANSFORMS["vmap"]):
        exact = transform(lambda x: layer(x)[0], x, direction)
        torch.testing.assert_close(transform(lambda x: module(x)[0], x, direction), exact)


@pytest.mark.parametrize("name", LAYERS)
def test_vmap_goes_over_lengths(name: str, x: Tensor) -> None:
    layer = LAYERS[name]()
    name, *_ = dict(layer.program.names)
    x[1:, 1] = float("nan")  # what lies beyond a row's length is never read
    several = torch.tensor([[2, 1], [3, 0]])

    def function(lengths: Tensor) -> Any:
        return layer(x, lengths=lengths, record=(name,))

    found = seeded(torch.func.vmap(function, randomness="same"), several)
    exact = [seeded(function, lengths) for lengths in several]
    for output, parts in zip(found[0], exact, strict=True):
        torch.testing.assert_close(output, parts[0])
    torch.testing.assert_close(found[2][name], torch.stack([parts[2][name] for parts in exact]))


def test_vmap_draws_masks_for_each_of_its_parts_where_it_is_told_to(x: Tensor) -> None:
    layer = LAYERS["masks"]()
    with torch.no_grad():
        output = torch.func.vmap(lambda x: layer(x)[0], randomness="different")(torch.stack([x, x]))
        assert not torch.allclose(output[0], output[1])
        output = torch.func.vmap(lambda x: layer(x)[0], randomness="same")(torch.stack([x, x]))
        torch.testing.assert_close(output[0], output[1])


# gradients of several at a time


BATCHED: dict[str, Callable[[], Recurrent]] = {
    "lstm": lambda: LSTM(I, H, dtype=torch.float64, engine="cpu"),
    "torch": lambda: GRU(I, H, dtype=torch.float64, engine="torch"),
    "two": lambda: GRU(I, H, 2, bidirectional=True, batch_first=True, dtype=torch.float64),
    "segments": lambda: LSTM(I, H, checkpoint=2, dtype=torch.float64),
    "masks": lambda: Recurrent("gru", I, H, zoneout=0.3, layer_norm=True, dtype=torch.float64),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("name", BATCHED)
def test_several_gradients_are_taken_at_a_time(
    name: str, lengths: Tensor | None, create_graph: bool, x: Tensor
) -> None:
    layer = BATCHED[name]()
    x = (x.transpose(0, 1) if layer.batch_first else x).double().requires_grad_()
    output = layer(x, lengths=lengths)[0]
    of_output = torch.randn(3, *output.shape, dtype=output.dtype)
    inputs = (x, *layer.parameters())
    create_graph = create_graph and layer.checkpoint is None
    options = {"retain_graph": True, "create_graph": create_graph}
    found = torch.autograd.grad(output, inputs, of_output, is_grads_batched=True, **options)
    for number, part in enumerate(of_output):
        for ours, exact in zip(found, torch.autograd.grad(output, inputs, part, retain_graph=True), strict=True):
            torch.testing.assert_close(ours[number], exact)
    if create_graph:
        (second,) = torch.autograd.grad(found[0].square().sum(), x)
        assert second.abs().sum() > 0


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_torch_s_own_checks_of_batched_gradients_pass(engine: str, x: Tensor) -> None:
    layer = LSTM(I, H, dtype=torch.float64, engine=engine)
    x = x.double().requires_grad_()

    def output(x: Tensor) -> Tensor:
        return layer(x)[0]

    assert torch.autograd.gradcheck(output, x, check_batched_grad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(output, x, check_batched_grad=True, fast_mode=True)
    jacobian, hessian = torch.autograd.functional.jacobian, torch.autograd.functional.hessian
    torch.testing.assert_close(jacobian(output, x, vectorize=True), jacobian(output, x))
    torch.testing.assert_close(
        hessian(lambda x: output(x).square().sum(), x, vectorize=True), hessian(lambda x: output(x).square().sum(), x)
    )


def test_several_gradients_are_taken_at_a_time_of_what_was_exported(x: Tensor) -> None:
    layer = LSTM(I, H)
    module, x = torch.export.export(layer, (x,)).module(), x.requires_grad_()
    of_output = torch.randn(3, T, B, H)
    found, exact = (torch.autograd.grad(run(x)[0], x, of_output, is_grads_batched=True)[0] for run in (module, layer))
    torch.testing.assert_close(found, exact)


# torch.jit.trace


class WithLengths(nn.Module):
    """A layer that is told the lengths, by its own argument or by packing."""

    def __init__(self, layer: nn.Module, packed: bool) -> None:
        super().__init__()
        self.layer, self.packed = layer, packed

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if not self.packed:
            return self.layer(x, lengths=lengths)[0]
        output = self.layer(pack_padded_sequence(x, lengths, enforce_sorted=False))[0]
        return pad_packed_sequence(output, total_length=T)[0]


@pytest.mark.parametrize("packed", [False, True], ids=["lengths", "packed"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_traced_layer_serves_other_lengths(name: str, packed: bool, x: Tensor) -> None:
    module = WithLengths(LAYERS[name](), packed).eval()
    traced = torch.jit.trace(module, (x, torch.tensor([3, 1])), check_trace=False)
    shorter = [] if packed else [[1, 1]]  # Packing tells the number of steps, which a trace keeps.
    for lengths in ([3, 1], [1, 3], [2, 3], [3, 3], *shorter):  # Of another sum too, or as many rows are alive.
        ours, exact = traced(x, torch.tensor(lengths)), module(x, torch.tensor(lengths))
        torch.testing.assert_close(ours, exact)


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 1])], ids=["full", "lengths"])
def test_a_traced_layer_refuses_another_number_of_steps(lengths: Tensor | None, x: Tensor) -> None:
    module = LSTM(I, H) if lengths is None else WithLengths(LSTM(I, H), False)
    traced = torch.jit.trace(module, (x,) if lengths is None else (x, lengths), check_trace=False)
    given = (torch.randn(B, T, I),) if lengths is None else (torch.randn(T - 1, B, I), lengths)
    with pytest.raises(RuntimeError):  # also where there are as many rows of all steps
        traced(*given)


def test_lengths_of_the_wrong_size_are_refused_in_every_transform(x: Tensor) -> None:
    layer = LSTM(I, H)
    with pytest.raises(ArgumentError, match=r"lengths\[0\] is 9, but the input has 3 steps"):
        torch.func.grad(lambda x: layer(x, lengths=[9, 1])[0].sum())(x)
    with pytest.raises(ArgumentError, match="lengths= has shape"):
        torch.func.vmap(lambda lengths: layer(x, lengths=lengths)[0])(torch.ones(2, 4, dtype=torch.int64))
