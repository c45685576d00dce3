"""What a layer may be given by mistake: the right result or a sentence, whichever engine computes; never a crash."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ricorda.errors import ArgumentError
from ricorda.nn import GRU, LSTM

T, B, I, H = 4, 3, 5, 7


def layer(kind: type[nn.Module] = LSTM, **options: object) -> nn.Module:
    torch.manual_seed(1)
    return kind(I, H, **options)


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_layers_of_half_precision(kind: type[nn.Module], dtype: torch.dtype) -> None:
    x = torch.randn(T, B, I).to(dtype)
    half, whole = layer(kind, dtype=dtype), layer(kind)
    whole.load_state_dict(half.state_dict())
    output = half(x)[0]
    assert output.dtype == dtype
    steps = torch.finfo(dtype).eps * T * (I + H)
    torch.testing.assert_close(output.float(), whole(x.float())[0], atol=steps, rtol=0)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(ArgumentError, match="complex64"):
        layer()(torch.randn(T, B, I, dtype=torch.complex64))


def test_integers_are_refused() -> None:
    with pytest.raises(ArgumentError, match="int64"):
        layer()(torch.ones(T, B, I, dtype=torch.int64))


def test_the_meta_device() -> None:
    output, (h, c) = layer(device="meta")(torch.empty(T, B, I, device="meta"))
    assert (output.shape, h.shape, c.shape) == ((T, B, H), (1, B, H), (1, B, H))
    assert output.is_meta
    with pytest.raises(ArgumentError, match="meta"):
        layer()(torch.empty(T, B, I, device="meta"))


def parameter(*shape: int, **options: object) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape, **options))


REPLACED = {
    "fewer columns": ("weight_hh_l0", parameter(4 * H, H - 1)),
    "fewer rows": ("weight_ih_l0", parameter(4 * H - 4, I)),
    "rows of another size": ("weight_ih_l0", parameter(4 * H + 1, I)),
    "transposed": ("weight_hh_l0", parameter(H, 4 * H)),
    "one number": ("bias_hh_l0", parameter(1)),
    "none": ("bias_ih_l0", parameter(0)),
    "flat": ("weight_hh_l0", parameter(4 * H * H)),
    "another type": ("weight_hh_l0", parameter(4 * H, H, dtype=torch.float64)),
}


@pytest.mark.filterwarnings("ignore:the CPU engine cannot serve")
@pytest.mark.parametrize("engine", ["auto", "cpu"])
@pytest.mark.parametrize("how", REPLACED)
def test_a_parameter_replaced_by_one_that_does_not_fit(how: str, engine: str) -> None:
    name, value = REPLACED[how]
    mistaken = layer(engine=engine)
    setattr(mistaken, name, value)
    with pytest.raises((ArgumentError, RuntimeError), match=r"shape|size|dtype|device|type"):
        mistaken(torch.randn(T, B, I))


SHAPES: dict[str, Callable[[nn.Module], object]] = {
    "too few features": lambda lstm: lstm(torch.randn(T, B, I - 1)),
    "four dimensions": lambda lstm: lstm(torch.randn(1, T, B, I)),
    "no step": lambda lstm: lstm(torch.randn(0, B, I)),
    "a state of other rows": lambda lstm: lstm(torch.randn(T, B, I), (torch.zeros(1, 1, H), torch.zeros(1, B, H))),
    "a state of another size": lambda lstm: lstm(torch.randn(T, B, I), (torch.zeros(1, B, H), torch.zeros(1, B, 1))),
    "a length beyond the steps": lambda lstm: lstm(torch.randn(T, B, I), lengths=[T + 1, 1, 1]),
    "a length below zero": lambda lstm: lstm(torch.randn(T, B, I), lengths=[-1, 1, 1]),
    "too few lengths": lambda lstm: lstm(torch.randn(T, B, I), lengths=[1, 1]),
    "a state of another type": lambda lstm: lstm(
        torch.randn(T, B, I), (torch.zeros(1, B, H).double(), torch.zeros(1, B, H).double())
    ),
}


@pytest.mark.parametrize("how", SHAPES)
def test_inputs_that_do_not_fit(how: str) -> None:
    with pytest.raises(ArgumentError):
        SHAPES[how](layer())


@pytest.mark.parametrize("batch_first", [False, True])
def test_no_rows(batch_first: bool) -> None:
    lstm = layer(batch_first=batch_first)
    x = torch.randn(*((0, T) if batch_first else (T, 0)), I, requires_grad=True)
    output, (h, c) = lstm(x)
    (output.sum() + h.sum() + c.sum()).backward()
    assert output.shape == (*x.shape[:2], H)
    assert x.grad is not None
    assert not any(weight.grad is not None and weight.grad.any() for weight in lstm.parameters())


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "of a larger tensor": lambda x: torch.nn.functional.pad(x, (2, 3, 1, 1))[:, 1:-1, 2:-3],
    "transposed": lambda x: x.permute(2, 1, 0).contiguous().permute(2, 1, 0),
    "reversed and back": lambda x: x.flip(0).flip(0),
    "imaginary part": lambda x: torch.complex(x, -x).conj().imag,
}


@pytest.mark.parametrize("how", VIEWS)
def test_views_are_read_as_what_they_show(how: str) -> None:
    x, lstm = torch.randn(T, B, I), layer()
    torch.testing.assert_close(lstm(VIEWS[how](x))[0], lstm(x)[0])


def test_weights_that_share_memory() -> None:
    lstm, alone = layer(), layer()
    with torch.no_grad():
        together = torch.randn(4 * H, I + H).div(4)
    lstm.weight_ih_l0, lstm.weight_hh_l0 = (nn.Parameter(part) for part in together.split([I, H], dim=1))
    alone.weight_ih_l0, alone.weight_hh_l0 = (
        nn.Parameter(part.clone().contiguous()) for part in together.split([I, H], dim=1)
    )
    assert not lstm.weight_hh_l0.is_contiguous()
    x = torch.randn(T, B, I)
    for each in (lstm, alone):
        each(x)[0].square().sum().backward()
    for ours, expected in zip(lstm.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours.grad, expected.grad)
