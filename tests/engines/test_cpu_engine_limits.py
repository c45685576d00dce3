"""The CPU engine at its limits: fresh memory, threads, lesser processors, numbers not finite, strides, long use."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from engine_cases import PROGRAMS, Case, check
from kernels import LESSER, work_on
from torch import Tensor

from ricorda.engines import Request
from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.run import call, steps
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.regularise import state_dropout, zoneout

LSTM, GRU, PROJECTED = PROGRAMS["lstm"], PROGRAMS["gru"], PROGRAMS["lstm, projected"]
REGULARISED = state_dropout(zoneout(LSTM, {"h": 0.2, "c": 0.3}, training=True), 0.3)
LENGTHS = [3, 0, 4, 1, 4, 2, 3, 4, 1]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    steps.full.cache_clear()
    monkeypatch.setattr(steps, "CHUNK_ROWS", 12)
    yield
    steps.full.cache_clear()


def same(ours: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(ours[name], value), name


@pytest.fixture
def memory_of_nan() -> Iterator[None]:
    before = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = before


@pytest.mark.usefixtures("memory_of_nan", "small_chunks")
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("H", [5, 33])
def test_nothing_is_read_before_it_is_written(name: str, H: int) -> None:
    for lengths in (None, LENGTHS):
        check(Case(PROGRAMS[name], B=9, H=H, lengths=lengths), cpu)


@pytest.mark.usefixtures("memory_of_nan")
def test_nothing_is_read_before_it_is_written_by_regularisers() -> None:
    check(Case(REGULARISED, B=9, H=18, lengths=LENGTHS), cpu)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    "program", [LSTM, GRU, PROJECTED, REGULARISED], ids=["lstm", "gru", "projected", "regularised"]
)
@pytest.mark.parametrize("B", [1, 3, 9])  # the threads share units, then rows
@pytest.mark.parametrize("ragged", [False, True])
def test_thread_counts_give_the_same_bits(
    program: Program, B: int, ragged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "ALONE", 0)  # small cases go to the team too
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            lengths = LENGTHS[-B:] if ragged else None
            results.append(Case(program, B=B, I=17, H=70, lengths=lengths).everything(cpu))
    finally:
        torch.set_num_threads(1)
    same(results[1], results[0])
    same(results[2], results[0])


SKYLAKE = tuple(f"avx512{part}" for part in ("f", "cd", "bw", "dq", "vl"))


@pytest.mark.parametrize("lesser", ["x86-64", "haswell", "skylake-avx512"])
@pytest.mark.parametrize(("program", "dtype"), [(GRU, torch.float64), (PROJECTED, torch.float32)], ids=["f64", "f32"])
def test_lesser_processors(lesser: str, dtype: torch.dtype, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LESSER, "skylake-avx512", SKYLAKE)
    asked = work_on(lesser, monkeypatch)
    for number, H in enumerate((1, 15, 33)):
        for B in (9, 2):  # many rows, and few: see `Target.panel`
            lengths = LENGTHS[:B] if number == 1 else None
            check(Case(program, B=B, I=5, H=H, P=18, dtype=dtype, lengths=lengths, reverse=number == 1), cpu)
    assert {found.cpu for found in asked} == {lesser}


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "rnn"])
def test_a_row_is_the_same_bits_whatever_the_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = work_on("haswell", monkeypatch)
    layer, x = Recurrent(name, 11, 37, engine="cpu"), torch.randn(5, 7, 11)
    together = layer(x)[0]
    for B in (1, 2, 3):
        assert torch.equal(layer(x[:, :B])[0], together[:, :B])
    assert {found.few for found in asked} == {False, True}


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e308])
@pytest.mark.parametrize("name", PROGRAMS)
def test_non_finite_numbers_stay_in_their_row(name: str, value: float) -> None:
    row = 4
    for lengths in (None, LENGTHS):
        clean, spoilt = (Case(PROGRAMS[name], B=9, H=18, lengths=lengths) for _ in range(2))
        with torch.no_grad():
            spoilt.x[1, row, 0] = value
        expected, ours = clean.everything(cpu), spoilt.everything(cpu)
        others = [index for index in range(9) if index != row]
        for key, values in ours.items():
            if "weight" in key or "bias" in key or "p_" in key:
                continue
            rows = values.dim() - 2  # [B, size] or [T, B, size]
            assert torch.equal(
                values.index_select(rows, torch.tensor(others)), expected[key].index_select(rows, torch.tensor(others))
            ), key
        assert torch.equal(ours["output"][0, row], expected["output"][0, row])
        if value != value:
            assert ours["output"][1:, row].isnan().all()
            assert ours["gradient of weight_ih"].isnan().any()


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_state_that_is_not_finite_stays_in_its_row(name: str) -> None:
    spoilt, clean = (Case(PROGRAMS[name], B=9, H=18) for _ in range(2))
    with torch.no_grad():
        spoilt.states[0][4, 3] = torch.nan
    ours, expected = spoilt.run(cpu), clean.run(cpu)
    others = [0, 1, 2, 3, 5, 6, 7, 8]
    assert torch.equal(ours["output"][:, others], expected["output"][:, others])
    assert ours["output"][-1, 4].isnan().all()


def shifted(value: Tensor) -> Tensor:
    """The same numbers where no vector begins."""
    return torch.cat([value.detach().flatten()[:1], value.detach().flatten()])[1:].view(value.shape)


STRIDES = {
    "transposed": lambda value: value.detach().transpose(0, 1).contiguous().transpose(0, 1),
    "every second": lambda value: value.detach().repeat_interleave(2, dim=-1)[..., ::2],
    "shifted": shifted,
}


@pytest.mark.parametrize("how", STRIDES)
@pytest.mark.parametrize("lengths", [None, [2, 0, 4]])
def test_strides_change_nothing(how: str, lengths: list[int] | None) -> None:
    expected = Case(LSTM, H=17, lengths=lengths).everything(cpu)
    case = Case(LSTM, H=17, lengths=lengths)
    change = STRIDES[how]
    case.x = change(case.x).requires_grad_()
    case.states = [change(state).requires_grad_() for state in case.states]
    case.parameters = {
        name: (change(value) if value.dim() == 2 else value.detach()).requires_grad_()
        for name, value in case.parameters.items()
    }
    same(case.everything(cpu), expected)


def test_expanded_inputs_and_gradients() -> None:
    def values(x: Tensor, state: Tensor) -> list[Tensor]:
        case = Case(LSTM, H=17)
        case.x, case.states = x, [state, state]
        output = case.run(cpu)["output"]
        output.sum().backward()  # its gradient is one number, expanded
        return [output.detach(), *(value.grad for value in case.parameters.values())]

    x, state = torch.randn(1, 1, 3, dtype=torch.float64), torch.randn(1, 17, dtype=torch.float64)
    expanded = values(x.expand(4, 3, 3), state.expand(3, 17))
    for a, b in zip(expanded, values(x.repeat(4, 3, 1), state.repeat(3, 1)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("gradient", STRIDES)
def test_gradients_of_any_stride(gradient: str) -> None:
    plain, strided = Case(LSTM, H=17), Case(LSTM, H=17)
    weights = torch.randn(4, 3, 17, dtype=torch.float64)
    plain.run(cpu)["output"].backward(weights)
    strided.run(cpu)["output"].backward(STRIDES[gradient](weights))
    for a, b in zip(plain.given.values(), strided.given.values(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_another_default_device_is_left_alone() -> None:
    for lengths in (None, [2, 0, 4]):
        case = Case(REGULARISED, lengths=lengths, record=("i", "c"))
        expected = case.run(cpu)
        lengths_given = None if lengths is None else torch.tensor(lengths)
        with torch.device("meta"):
            ours = cpu.run(
                Request(case.program, case.parameters, case.x, case.states, lengths_given, record=case.record)
            )
        assert torch.equal(ours.output, expected["output"])


def resident() -> int:
    """Bytes of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell")
def test_a_thousand_calls_do_not_grow() -> None:
    draw = torch.Generator().manual_seed(1)

    def calls(count: int) -> None:
        for _ in range(count):
            T, B, I, H = (int(torch.randint(1, most, (), generator=draw)) for most in (9, 12, 40, 70))
            lengths = torch.randint(0, T + 1, (B,), generator=draw).tolist() if T % 2 else None
            case = Case(LSTM, T, B, I, H, dtype=torch.float32, lengths=lengths, reverse=B % 2 == 0)
            case.loss(case.run(cpu)).backward()

    calls(300)
    gc.collect()
    before = resident()
    calls(1000)
    gc.collect()
    assert resident() - before < 4 * 2**20
