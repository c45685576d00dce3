"""Torch's own kernels as an engine: held against the reference for all that they take, and what they leave to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_cases import Case, check
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ricorda import cells
from ricorda.engines import Request, choose, torch_kernels
from ricorda.nn import GRU, LSTM, RNN, Recurrent, watch_gradients

D = torch.float64
PROGRAMS = {
    "rnn": cells.rnn.program,
    "rnn_relu": cells.rnn_relu.program,
    "lstm": cells.lstm.program,
    "lstm, projected": cells.lstm.projected_program,
    "gru_reset_after": cells.gru_reset_after.program,
}
MAKES: dict[str, Callable[..., Recurrent]] = {
    "rnn": RNN,
    "rnn_relu": lambda *a, **k: RNN(*a, nonlinearity="relu", **k),
    "lstm": LSTM,
    "lstm, projected": lambda *a, **k: LSTM(*a, proj_size=3, **k),
    "gru_reset_after": GRU,
}
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engines that served, in their order; a whole stack by torch's kernels counts as one."""
    runs: list[str] = []

    def spy(engine: Any, function: str) -> None:
        served_by = getattr(engine, function)

        def spied(*arguments: Any) -> Any:
            result = served_by(*arguments)
            runs.extend([] if result is None else [engine.name])
            return result

        monkeypatch.setattr(engine, function, spied)

    for engine in choose.ENGINES:
        spy(engine, "run")
        spy(engine, "run_stack")
    monkeypatch.setattr(choose, "_said", set())
    monkeypatch.delenv(choose.VARIABLE, raising=False)
    return runs


@given(
    name=st.sampled_from(list(PROGRAMS)),
    T=st.integers(1, 6),
    B=st.integers(1, 5),
    I=st.integers(1, 5),
    H=st.integers(5, 9),
    bias=st.booleans(),
    reverse=st.booleans(),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_a_layer_is_the_reference_s(
    name: str, T: int, B: int, I: int, H: int, bias: bool, reverse: bool, seed: int, data: st.DataObject
) -> None:
    lengths = data.draw(st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B))
    case = Case(PROGRAMS[name], T=T, B=B, I=I, H=H, bias=bias, lengths=lengths, reverse=reverse, seed=seed)
    request = Request(case.program, case.parameters, case.x, case.states, engine="torch")
    assert torch_kernels.obstacle(request) is None
    check(case, torch_kernels)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
def test_float32_is_the_reference_s_within_rounding() -> None:
    for program in PROGRAMS.values():
        for lengths in (None, [4, 0, 2]):
            check(Case(program, dtype=torch.float32, lengths=lengths), torch_kernels)


def everything(layer: Recurrent, x: Tensor, states: tuple[Tensor, ...] | None, **options: Any) -> list[Tensor]:
    """Output, final states, and the gradients of input, initial states and weights."""
    asked = [x.requires_grad_(), *(state.requires_grad_() for state in states or ()), *layer.parameters()]
    hx = None if states is None else states if len(states) > 1 else states[0]
    output, finals = layer(x, hx, **options)
    results = [output, *(finals if isinstance(finals, tuple) else (finals,))]
    torch.manual_seed(1)
    return [*results, *torch.autograd.grad(results, asked, [torch.randn_like(result) for result in results])]


@given(
    name=st.sampled_from(list(MAKES)),
    layers=st.integers(1, 3),
    both=st.booleans(),
    bias=st.booleans(),
    batch_first=st.booleans(),
    T=st.integers(1, 5),
    B=st.integers(1, 4),
    given_state=st.booleans(),
    data=st.data(),
)
def test_a_stack_is_the_reference_s(
    name: str,
    layers: int,
    both: bool,
    bias: bool,
    batch_first: bool,
    T: int,
    B: int,
    given_state: bool,
    data: st.DataObject,
) -> None:
    lengths = data.draw(st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B))
    options: dict[str, Any] = {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": batch_first}
    ours, theirs = (MAKES[name](3, 5, **options, dtype=D, engine=engine) for engine in ("torch", "reference"))
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn((B, T, 3) if batch_first else (T, B, 3), dtype=D)
    states = tuple(torch.randn(entries, B, size, dtype=D) for entries, size in ours.stack.states)
    results = [everything(layer, x, states if given_state else None, lengths=lengths) for layer in (ours, theirs)]
    for mine, reference in zip(*results, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-10, rtol=0.0)


def test_a_plain_stack_is_one_call(served: list[str]) -> None:
    LSTM(3, 5, 3, bidirectional=True, engine="torch")(torch.randn(4, 2, 3))
    assert served == ["torch"]
    LSTM(3, 5, 2, engine="torch")(torch.randn(4, 2, 3), lengths=[4, 2])
    assert served == ["torch"] * 3


def test_tensors_on_the_processor_are_the_cpu_engine_s_unless_it_is_asked_for(
    served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(4, 2, 3)
    LSTM(3, 5)(x)
    LSTM(3, 5)(x, lengths=[4, 2])
    monkeypatch.setenv(choose.VARIABLE, "torch")
    LSTM(3, 5)(x)
    LSTM(3, 5, engine="cpu")(x)
    assert served == ["cpu", "cpu", "torch", "cpu"]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("lengths", [None, [3, 0, 2]])
@pytest.mark.parametrize("name", MAKES)
def test_the_gradient_has_a_gradient_from_the_reference(
    name: str, layers: int, lengths: list[int] | None, served: list[str]
) -> None:
    layer = MAKES[name](2, 4, layers, bidirectional=True, dtype=D, engine="torch")
    x = torch.randn(3, 3, 2, dtype=D, requires_grad=True)

    def output(x: Tensor) -> Tensor:
        result: Tensor = layer(x, lengths=lengths)[0]
        return result

    assert torch.autograd.gradcheck(output, x, fast_mode=True)
    assert "reference" not in served
    assert torch.autograd.gradgradcheck(output, x, fast_mode=True)
    assert "reference" in served


def test_a_second_backward_pass_gives_the_same() -> None:
    layer, x = LSTM(3, 5, dtype=D, engine="torch"), torch.randn(4, 2, 3, dtype=D, requires_grad=True)
    loss = layer(x)[0].square().sum()
    first, second = (torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_weights_that_changed_before_the_backward_pass_are_noticed() -> None:
    layer = GRU(3, 5, engine="torch")
    loss = layer(torch.randn(4, 2, 3))[0].sum()
    with torch.no_grad():
        layer.weight_hh_l0.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_rows_without_steps_keep_their_state() -> None:
    layer = LSTM(3, 5, bidirectional=True, engine="torch")
    hx = (torch.randn(2, 3, 5), torch.randn(2, 3, 5))
    x = torch.full((4, 3, 3), torch.nan).index_fill_(1, torch.tensor([1]), 1.0)
    for lengths in ([0, 4, 0], [0, 0, 0]):
        output, finals = layer(x, hx, lengths=lengths)
        assert not output[:, [0, 2]].any()
        for final, initial in zip(finals, hx, strict=True):
            assert torch.equal(final[:, [0, 2]], initial[:, [0, 2]])
        assert not output.isnan().any()


def records(x: Tensor, **options: Any) -> None:
    LSTM(3, 5, **options)(x, record="i")


def watched(x: Tensor, **options: Any) -> None:
    layer = LSTM(3, 5, **options)
    with watch_gradients(layer):
        layer(x)[0].sum().backward()


def of_torch_func(x: Tensor, **options: Any) -> None:
    layer = LSTM(3, 5, **options)
    torch.func.vmap(lambda row: layer(row)[0], in_dims=1)(x)


CASES: dict[Callable[..., None], str] = {
    records: "it gives output and states, and records nothing else",
    watched: "it does not tell the gradients of the states",
    of_torch_func: "it has no rules for torch.func's transforms",
    lambda x, **o: GRU(3, 5, reset_after=False, **o)(x): "torch has no kernel for gru",
    lambda x, **o: Recurrent("lstm_peephole", 3, 5, **o)(x): "torch has no kernel for lstm_peephole",
    lambda x, **o: LSTM(3, 5, zoneout=0.2, **o)(x): "torch has no kernel for lstm",
    lambda x, **o: LSTM(3, 5, layer_norm=True, **o)(x): "torch has no kernel for lstm",
    lambda x, **o: LSTM(3, 5, checkpoint="sqrt", **o)(x): "it keeps all values",
    lambda x, **o: LSTM(3, 5, precision="bf16", **o)(x): "it has no products of bf16",
    lambda x, **o: LSTM(3, 5, **o).half()(x.half()): "it computes in float32 and float64, not in torch.float16",
    lambda x, **o: LSTM(3, 5, **o).to("meta")(x.to("meta")): "it computes on cpu and cuda, not on meta",
}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_what_it_cannot_do_the_next_engine_does_and_who_asked_is_told_once(number: int, served: list[str]) -> None:
    call, reason = list(CASES.items())[number]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            call(torch.randn(4, 2, 3), engine="torch")
    said = [str(warning.message) for warning in caught if "torch's kernels" in str(warning.message)]
    assert len(said) == 1
    assert said[0].startswith(
        f"the engine of torch's kernels cannot serve here, and the slower reference engine does: {reason}"
    )
    assert set(served) == {"reference"}


def test_a_stream_goes_through_the_layer() -> None:
    layer = LSTM(3, 5, 2, dtype=D, engine="torch")
    stream, x = layer.stream(), torch.randn(4, 3, dtype=D)
    torch.testing.assert_close(torch.stack([stream(step) for step in x]), layer(x)[0], atol=1e-12, rtol=0.0)


@GPU
@pytest.mark.parametrize("lengths", [None, [4, 0, 2]])
@pytest.mark.parametrize("name", MAKES)
def test_on_a_gpu_it_serves_without_being_asked(name: str, lengths: list[int] | None, served: list[str]) -> None:
    ours = MAKES[name](3, 5, 2, bidirectional=True, dtype=D, device="cuda")
    theirs = MAKES[name](3, 5, 2, bidirectional=True, dtype=D, device="cuda", engine="reference")
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 3, 3, dtype=D, device="cuda")
    results = [everything(ours, x, None, lengths=lengths)]
    assert set(served) == {"torch"}
    results.append(everything(theirs, x, None, lengths=lengths))
    for mine, reference in zip(*results, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-10, rtol=0.0)


@GPU
def test_on_a_gpu_the_weights_are_in_one_piece_and_second_derivatives_are_there() -> None:
    layer = LSTM(3, 5, 2, dtype=D, device="cuda")
    x = torch.randn(4, 2, 3, dtype=D, device="cuda", requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # cuDNN warns about weights that are not
        layer(x)
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], x, fast_mode=True)
