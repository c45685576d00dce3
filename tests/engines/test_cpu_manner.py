"""The manners of the CPU engine: segments that are run again, watched gradients, factors of products in bf16."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from kernels import LESSER, work_on
from oracles.classic import CLASSIC
from random_cells import traced
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import ricorda.nn as rn
from ricorda.engines import choose
from ricorda.engines.cpu.kernels import compile as machine
from ricorda.engines.cpu.run import call, checkpoint, processor
from ricorda.engines.cpu.run import layer as runs
from ricorda.errors import ArgumentError

D = torch.float64
LENGTHS = [5, 0, 9, 2]
BF16 = 2.0**-8
"""What rounding to bf16 can do to a number, relative to it."""


def weighted(results: dict[str, Tensor]) -> Tensor:
    """A sum of everything, each number with a weight of its own."""
    return torch.stack(
        [(value * torch.arange(value.numel()).to(value).cos().view(value.shape)).sum() for value in results.values()]
    ).sum()


def everything(
    layer: rn.Recurrent, x: Tensor, lengths: Sequence[int] | None = None, record: Sequence[str] = (), seed: int = 1
) -> dict[str, Tensor]:
    """Outputs, final states, records, and the gradients of the input, the initial states and the parameters."""
    x = x.detach().clone().requires_grad_()
    states = layer.program.states
    entries = layer.num_layers * (2 if layer.bidirectional else 1)
    rows = x.shape[0 if layer.batch_first else 1]
    generator = torch.Generator().manual_seed(5)
    given = [torch.randn(entries, rows, layer.hidden_size, dtype=D, generator=generator).to(x.dtype) for _ in states]
    hx = [each.requires_grad_() for each in given]
    torch.manual_seed(seed)  # of the masks
    output, finals, *recorded = layer(x, tuple(hx) if len(hx) > 1 else hx[0], lengths=lengths, record=record)
    finals = finals if isinstance(finals, tuple) else (finals,)
    results = {"output": output} | {f"final {s.name}": v for s, v in zip(states, finals, strict=True)}
    results |= {f"record {name}": values for found in recorded for name, values in found.items()}
    asked = (
        {"x": x} | {f"initial {s.name}": v for s, v in zip(states, hx, strict=True)} | dict(layer.named_parameters())
    )
    gradients = torch.autograd.grad(weighted(results), list(asked.values()))
    results |= {f"gradient of {name}": value for name, value in zip(asked, gradients, strict=True)}
    return {name: value.detach() for name, value in results.items()}


def close(ours: dict[str, Tensor], expected: dict[str, Tensor], bound: float = 1e-10) -> None:
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name].shape == value.shape, name
        error = float((ours[name].to(D) - value.to(D)).abs().max())
        assert error <= bound * max(1.0, float(value.abs().max())), (name, error)


def twins(cell: Any, *sizes: int, other: dict[str, Any], **options: Any) -> tuple[rn.Recurrent, rn.Recurrent]:
    """Two layers of the same weights, the second with other options."""
    first = rn.Recurrent(cell, *sizes, **options)
    second = rn.Recurrent(cell, *sizes, **{**options, **other})
    second.load_state_dict(first.state_dict())
    return first, second


BOTH: dict[str, Any] = {"num_layers": 2, "bidirectional": True, "dtype": D}
CHECKPOINTED: dict[str, tuple[str, dict[str, float]]] = {
    "lstm": ("lstm", {}),
    "gru": ("gru", {}),
    "gru_reset_after": ("gru_reset_after", {}),
    "lstm with masks": ("lstm", {"zoneout": 0.3, "state_dropout": 0.4}),
}


@pytest.mark.parametrize("kind", [1, 2, 3, "sqrt"])
@pytest.mark.parametrize("name", CHECKPOINTED)
def test_checkpoint_changes_no_number(name: str, kind: str | int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHUNK_ROWS", 4)  # so that "sqrt" makes segments of so few steps
    cell, masks = CHECKPOINTED[name]
    plain, segmented = twins(cell, 3, 5, **BOTH, **masks, engine="cpu", other={"checkpoint": kind})
    taken: list[int] = []
    steps = checkpoint.segment_steps
    monkeypatch.setattr(runs, "segment_steps", lambda *arguments: taken.append(steps(*arguments)) or taken[-1])
    x = torch.randn(9, 4, 3, dtype=D)
    record = ("r", "z_r") if "gru" in cell else ("f", "c")
    for lengths in (None, LENGTHS):
        expected = everything(plain, x, lengths, record)
        assert not taken
        close(everything(segmented, x, lengths, record), expected)
        assert taken == [3 if kind == "sqrt" else kind] * 4
        taken.clear()
        if masks:
            assert not torch.equal(everything(plain, x, lengths, record, seed=2)["output"], expected["output"])


def test_a_checkpointed_layer_in_evaluation_and_without_gradients() -> None:
    plain, segmented = twins("lstm", 3, 5, **BOTH, engine="cpu", other={"checkpoint": 2})
    x = torch.randn(9, 4, 3, dtype=D)
    close(everything(segmented.eval(), x, LENGTHS), everything(plain.eval(), x, LENGTHS))
    with torch.no_grad():
        assert torch.equal(segmented(x, lengths=LENGTHS)[0], plain(x, lengths=LENGTHS)[0])


def peak(layer: rn.Recurrent, x: Tensor) -> int:
    """The most bytes of tensors that a training step holds at once, over those that there were before."""
    layer(x[:4])[0].sum().backward()  # compiled
    layer.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        layer(x)[0].sum().backward()
    events = [each for each in found.profiler.kineto_results.events() if each.name() == "[memory]"]
    held = torch.tensor([each.nbytes() for each in sorted(events, key=lambda each: each.start_ns())]).cumsum(0)
    return int(held.max())


def test_checkpoint_saves_memory() -> None:
    x = torch.randn(4000, 4, 2)
    plain, segmented = twins("lstm", 2, 32, engine="cpu", other={"checkpoint": "sqrt"})
    ours, expected = peak(segmented, x), peak(plain, x)
    assert expected > 6 * 4 * 4000 * 4 * 32  # four gates and two states
    assert ours < expected / 2


@pytest.mark.parametrize("value", [0, -1, "root", 2.0, True])
def test_no_such_checkpoint(value: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"^checkpoint is .*: give 'sqrt', a number of steps of at least 1, or None$"
    ):
        rn.LSTM(2, 3, checkpoint=value)


@pytest.mark.parametrize("value", ["float16", None, 32])
def test_no_such_precision(value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^precision is .*: give 'float32', 'bf16' or 'int8'$"):
        rn.GRU(2, 3, precision=value)


def test_the_reference_says_once_that_it_keeps_all_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_said", set())
    plain, segmented = twins("lstm", 3, 5, dtype=D, engine="reference", other={"checkpoint": 2})
    x = torch.randn(4, 2, 3, dtype=D)
    with pytest.warns(UserWarning, match="checkpoint= saves nothing") as said:
        ours = [everything(segmented, x) for _ in range(2)]  # a second warning would be another entry
    assert len(said) == 1
    for each in ours:
        close(each, everything(plain, x))


def watched(layer: rn.Recurrent, x: Tensor, lengths: Sequence[int] | None) -> dict[str, Tensor]:
    with rn.watch_gradients(layer) as flow:
        everything(layer, x, lengths)
    assert layer.watcher is None
    return flow.norms[""]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", CLASSIC)
def test_watched_gradients_are_those_of_autograd(name: str, batch_first: bool) -> None:
    ours, expected = twins(
        CLASSIC[name], 3, 5, **BOTH, batch_first=batch_first, engine="cpu", other={"engine": "reference"}
    )
    x = torch.randn(4, 9, 3, dtype=D) if batch_first else torch.randn(9, 4, 3, dtype=D)
    for lengths in (None, LENGTHS):
        found = watched(ours, x, lengths)
        close(found, watched(expected, x, lengths))
        assert list(found) == [state.name for state in ours.program.states]
        for norms in found.values():
            by_time = norms.transpose(2, 3) if batch_first else norms
            assert by_time.shape == (2, 2, 9, 4)
            assert (by_time > 0).sum() == 4 * (36 if lengths is None else sum(LENGTHS))


@pytest.mark.parametrize("options", [{}, {"checkpoint": 2}], ids=["all at once", "in segments"])
def test_watched_gradients_are_those_of_a_loop(options: dict[str, int]) -> None:
    layer = rn.LSTM(3, 5, dtype=D, engine="cpu", **options)
    x = torch.randn(6, 4, 3, dtype=D)
    with rn.watch_gradients(layer) as flow:
        output, (h, c) = layer(x)
        weighted({"output": output, "h": h, "c": c}).backward()
    cell = nn.LSTMCell(3, 5, dtype=D)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    states = [(torch.zeros(4, 5, dtype=D), torch.zeros(4, 5, dtype=D))]
    for step in x:
        states.append(cell(step, states[-1]))
    hs, cs = (list(each) for each in zip(*states[1:], strict=True))
    loss = weighted({"output": torch.stack(hs), "h": hs[-1][None], "c": cs[-1][None]})
    gradients = torch.stack(torch.autograd.grad(loss, hs + cs)).norm(dim=2)
    close({n: v[0, 0] for n, v in flow.norms[""].items()}, {"h": gradients[:6], "c": gradients[6:]})


def test_watchers_have_names_and_leave() -> None:
    inner = rn.GRU(3, 4, dtype=D)
    model = nn.ModuleDict({"first": nn.Sequential(inner), "second": rn.RNN(4, 2, num_layers=2, dtype=D)})

    def failing(x: Tensor) -> None:
        with rn.watch_gradients(model) as flow:
            model["second"](model["first"](x)[0])[0].sum().backward()
            found.update(flow.norms)
            raise KeyError("stop")

    found: dict[str, dict[str, Tensor]] = {}
    with pytest.raises(KeyError, match="stop"):
        failing(torch.randn(6, 2, 3, dtype=D))
    assert {name: norms["h"].shape for name, norms in found.items()} == {
        "first.0": (1, 1, 6, 2),
        "second": (2, 1, 6, 2),
    }
    assert inner.watcher is None
    assert model["second"].watcher is None


def rounded(layer: rn.Recurrent, x: Tensor, lengths: Sequence[int] | None = None) -> dict[str, Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        return everything(layer, x, lengths)


def error(ours: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest, relative to the largest number of the result."""
    assert ours.keys() == expected.keys()
    return max(
        float((ours[name].to(D) - value).abs().max() / value.abs().max().clamp(min=1e-3))
        for name, value in expected.items()
    )


# not one unit: a result of a single number may be what is left of larger ones, which it cannot be measured by
@pytest.mark.parametrize("sizes", [(1, 9), (7, 33), (4, 18)], ids=str)
@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "lstm_peephole"])
def test_bf16_rounds_the_factors_of_products_alone(name: str, sizes: tuple[int, int]) -> None:
    full, half = twins(name, *sizes, num_layers=2, bidirectional=True, engine="cpu", other={"precision": "bf16"})
    exact = rn.Recurrent(name, *sizes, **BOTH, engine="reference")
    exact.load_state_dict(full.state_dict())
    x = torch.randn(6, 4, sizes[0])
    for lengths in (None, [3, 0, 6, 1]):
        expected = everything(exact, x.to(D), lengths)
        ours, automatic = everything(half, x, lengths), rounded(full, x, lengths)
        assert all(torch.equal(automatic[key], ours[key]) for key in expected)
        assert all(value.dtype == torch.float32 for value in ours.values())
        # two factors a product; what they do to a step goes through two layers, forth and back
        assert error(ours, expected) < 2 * 2 * 2 * BF16
        assert error(ours, expected) > 64 * error(everything(full, x, lengths), expected)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("B", [1, 9])  # the threads share units, then rows
def test_thread_counts_give_the_same_bits_in_bf16(name: str, B: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "ALONE", 0)  # small cases go to the team too
    layer, x = rn.Recurrent(name, 5, 71, engine="cpu", precision="bf16"), torch.randn(6, B, 5)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(everything(layer, x))
    for each in results[1:]:
        assert all(torch.equal(each[key], value) for key, value in results[0].items())


@pytest.mark.parametrize("lesser", LESSER)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 33)], ids=str)
def test_processors_without_bf16_round_the_same_factors(
    lesser: str, sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = rn.Recurrent("gru_reset_after", *sizes, engine="cpu", precision="bf16")
    xs = [torch.randn(T, 4, sizes[0]) for T in (1, 6)]
    expected = [everything(layer, x) for x in xs]
    asked = work_on(lesser, monkeypatch)
    ours = [everything(layer, x) for x in xs]
    assert {(found.cpu, found.products) for found in asked} == {(lesser, "bf16")}
    # the factors of one step are the same, so it differs by the rounding of sums; later ones may fall to either side
    bound = torch.finfo(torch.float32).eps * (sum(sizes) + 8)
    close({"output": ours[0]["output"]}, {"output": expected[0]["output"]}, bound)
    assert error(ours[1], {key: value.to(D) for key, value in expected[1].items()}) < 2 * BF16


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (
            lambda: traced('def drawn(x, h):\n    p = parameter("p")\n    return tanh(affine("a", p, x, h))'),
            torch.float32,
        ),
        (lambda: "lstm", D),
    ],
    ids=["learned vector", "float64"],
)
def test_what_has_no_bf16_is_computed_in_full(make: Callable[[], Any], dtype: torch.dtype) -> None:
    full, half = twins(make(), 5, 17, dtype=dtype, engine="cpu", other={"precision": "bf16"})
    x = torch.randn(4, 3, 5, dtype=dtype)
    expected = everything(full, x)
    for ours in (everything(half, x), rounded(full, x)):
        assert all(torch.equal(ours[key], value) for key, value in expected.items())


def test_a_machine_without_code_for_bf16_computes_in_full_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an LLVM that cannot generate these products: an error of its own left the layer."""
    layer = rn.GRU(3, 5)
    half = rn.GRU(3, 5, precision="bf16")
    half.load_state_dict(layer.state_dict())
    x, few = torch.randn(6, 4, 3), torch.randn(6, 1, 3)
    compiled = machine.library

    def broken(target: Any) -> Any:
        if target.products == "bf16":
            raise RuntimeError("LLVM IR parsing error")
        return compiled(target)

    caches = (machine.without_code, processor.able, processor.say)
    monkeypatch.setattr(machine, "library", broken)
    for one in caches:
        one.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"not rounded to bf16 here.*RuntimeError: LLVM IR parsing error"):
            ours = everything(half, x)
        close(ours, everything(layer, x), bound=0.0)
        close(everything(half, few), everything(layer, few), bound=0.0)  # A second warning would be an error.
    finally:
        for one in caches:
            one.cache_clear()
