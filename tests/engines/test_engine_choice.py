"""Which engine serves a layer, what is said about it, and where layers work: in forks, workers and threads."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oracles.classic import CLASSIC
from torch import Tensor, nn
from torch.autograd import forward_ad, gradcheck, gradgradcheck

from ricorda import ArgumentError, affine, cell, sigmoid, tanh
from ricorda.engines import choose, reference, torch_kernels
from ricorda.engines.cpu import engine as cpu
from ricorda.nn import GRU, LSTM, RNN, Recurrent
from ricorda.program.operations import OPERATIONS, Operation
from ricorda.program.symbols import apply

D = torch.float64
KINDS: list[Callable[..., Recurrent]] = [RNN, LSTM, GRU, lambda *a, **k: Recurrent("lstm_peephole", *a, **k)]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The engine of each run, in their order."""
    runs: list[str] = []

    def spy(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def spied(*arguments: Any, **options: Any) -> Any:
            runs.append(name)
            return run(*arguments, **options)

        return spied

    for name, engine in (("cpu", cpu), ("torch", torch_kernels), ("reference", reference)):
        monkeypatch.setattr(engine, "run", spy(name, engine.run))
    whole = cpu.run_stack

    def spied_stack(*arguments: Any) -> Any:
        result = whole(*arguments)
        runs.extend(["cpu"] if result is not None else [])
        return result

    monkeypatch.setattr(cpu, "run_stack", spied_stack)
    monkeypatch.setattr(choose, "_said", set())
    monkeypatch.delenv(choose.VARIABLE, raising=False)
    return runs


# the choice


@pytest.mark.parametrize("make", KINDS)
def test_a_layer_runs_on_the_engine_that_it_was_made_with(make: Callable[..., Recurrent], served: list[str]) -> None:
    for engine in ("cpu", "reference", "auto"):
        make(3, 4, engine=engine)(torch.randn(5, 2, 3))
    assert served == ["cpu", "reference", "cpu"]


def test_the_variable_speaks_for_layers_that_leave_it_open(served: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [LSTM(3, 4, engine=engine) for engine in ("auto", "cpu", "reference")]
    for value in ("reference", "cpu", "auto", ""):
        monkeypatch.setenv(choose.VARIABLE, value)
        for layer in layers:
            layer(torch.randn(5, 2, 3))
    assert served == ["reference", *["cpu", "reference", "cpu"] * 3, "cpu", "reference"]


def test_what_is_no_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("gpu", None, 3, ["cpu"]):
        with pytest.raises(ArgumentError, match=r"^engine is .*: give 'auto', 'cpu', 'torch' or 'reference'$"):
            GRU(3, 4, engine=given)  # type: ignore[arg-type]
    monkeypatch.setenv(choose.VARIABLE, "gpu")
    with pytest.raises(ArgumentError, match=r"^the environment variable RICORDA_ENGINE is 'gpu': set it to 'auto', "):
        LSTM(3, 4)(torch.randn(5, 2, 3))
    LSTM(3, 4, engine="cpu")(torch.randn(5, 2, 3))


def test_a_layer_s_text_names_an_engine_that_was_chosen() -> None:
    assert repr(LSTM(3, 4)) == "LSTM(3, 4)"
    assert repr(GRU(3, 4, reset_after=False, engine="cpu")) == "GRU(3, 4, engine='cpu', reset_after=False)"


class Special(Tensor):
    pass


def special(layer: LSTM, x: Tensor) -> None:
    layer(x.as_subclass(Special))


def half(layer: LSTM, x: Tensor) -> None:
    layer.bfloat16()(x.bfloat16())


def on_meta(layer: LSTM, x: Tensor) -> None:
    layer.to("meta")(x.to("meta"))


def autocast(layer: LSTM, x: Tensor) -> None:
    with torch.autocast("cpu", dtype=torch.float16):
        layer(x)


def vmapped(layer: LSTM, x: Tensor) -> None:
    torch.func.vmap(lambda row: layer(row)[0], in_dims=1)(x)


def of_torch_func(layer: LSTM, x: Tensor) -> None:
    torch.func.grad(lambda given: layer(given)[0].sum())(x)


def forward_mode(layer: LSTM, x: Tensor) -> None:
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, torch.ones_like(x)))[0]).tangent
    ahead, behind = (layer(x + step)[0] for step in (1e-2, -1e-2))
    torch.testing.assert_close(tangent, (ahead - behind) / 2e-2, atol=1e-3, rtol=0.0)


def traced(layer: LSTM, x: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit is no longer developed, it says
        trace = torch.jit.trace(layer.requires_grad_(False), x, check_trace=False)
    torch.testing.assert_close(trace(x + 1)[0], layer(x + 1)[0])


def lazily_negative(layer: LSTM, x: Tensor) -> None:
    lazy = torch.complex(x, x).conj().imag
    assert lazy.is_neg()
    torch.testing.assert_close(layer(lazy), layer(-x))


CASES = {
    special: "it takes plain tensors, not Special",
    half: "it computes in float32 and float64, not in torch.bfloat16",
    on_meta: "it computes on the processor, not on meta",
    autocast: "it rounds to bfloat16 under autocast, not to torch.float16",
    vmapped: "torch.func",
    of_torch_func: "torch.func",
    forward_mode: "it has no forward-mode derivatives",
    traced: "torch.jit.trace cannot see into it",
    lazily_negative: "a sign that is still to be changed",
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_where_the_cpu_engine_cannot_serve_the_reference_does_in_silence(
    case: Callable[[LSTM, Tensor], None], served: list[str]
) -> None:
    case(LSTM(3, 4), torch.randn(5, 2, 3))
    assert served[0] == "reference"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_who_asked_for_the_cpu_engine_is_told_once_why_not(
    case: Callable[[LSTM, Tensor], None], served: list[str]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            case(LSTM(3, 4, engine="cpu"), torch.randn(5, 2, 3))
    ours = [str(warning.message) for warning in caught if "the CPU engine" in str(warning.message)]
    assert len(ours) == 1
    assert ours[0].startswith("the CPU engine cannot serve here, and the slower reference engine does: ")
    assert CASES[case] in ours[0]


def test_an_operation_without_vector_code_is_left_to_the_reference(
    served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slope = lambda g, y, a: (g * (a.apply("exp") + (-a).apply("exp")) / 2,)  # noqa: E731
    row = Operation(1, lambda torch, a: torch.sinh(a), slope, "sinh({0})", r"\sinh({0})")
    monkeypatch.setitem(OPERATIONS, "sinh", row)

    @cell
    def waves(x, h):
        return apply("sinh", affine("h", h, x))

    Recurrent(waves, 3, 4)(torch.randn(5, 2, 3))
    with pytest.warns(UserWarning, match="it has no vector code for sinh"):
        Recurrent(waves, 3, 4, engine="cpu")(torch.randn(5, 2, 3))
    assert served == ["reference"] * 2


def test_a_machine_that_cannot_compile_is_served_by_the_reference_and_said_once(
    served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ricorda.engines.cpu.kernels import compile as compiling

    def broken(_: object) -> str:
        return "RuntimeError: no memory may be executed"

    monkeypatch.undo()
    monkeypatch.setattr(compiling, "without_code", broken)
    monkeypatch.setattr(choose, "_said", set())
    cpu.without_machine.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"no machine code .* here \(RuntimeError: no memory may be executed\)"):
            LSTM(3, 4)(torch.randn(5, 2, 3))
        LSTM(3, 4)(torch.randn(5, 2, 3))
    finally:
        cpu.without_machine.cache_clear()


def test_layers_work_without_llvmlite() -> None:
    code = """
import sys, warnings
sys.modules["llvmlite"] = None
import torch
from ricorda.nn import LSTM
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        output, _ = LSTM(3, 4)(torch.randn(5, 2, 3))
assert output.shape == (5, 2, 4)
(warning,) = caught
assert "ModuleNotFoundError" in str(warning.message), warning
"""
    finish(code)


def test_a_parameter_of_another_shape_is_named() -> None:
    layer = LSTM(3, 4)
    layer.weight_hh_l0 = nn.Parameter(torch.zeros(4, 4))
    with pytest.raises(ArgumentError, match=r"weight_hh has shape \(4, 4\), and \(16, 4\) is needed"):
        layer(torch.randn(5, 2, 3))


def test_a_parameter_of_another_dtype_is_left_to_the_reference() -> None:
    layer = LSTM(3, 4)
    layer.weight_hh_l0 = nn.Parameter(torch.zeros(16, 4, dtype=D))
    with pytest.raises(RuntimeError, match=r"dtype|type"):  # torch's own words about its products
        layer(torch.randn(5, 2, 3))


# derivatives


@cell
def of_the_input(x, h, c):
    """Affines that take more of the input than it is."""
    f = sigmoid(affine("f", h, x * x))
    g = tanh(affine("g", tanh(x), f * h, x))
    n = affine("n", c)
    return tanh(n + f * g + h), f * c + g


@pytest.mark.parametrize("lengths", [None, [4, 2, 0]], ids=["full", "ragged"])
@pytest.mark.parametrize("name", [*CLASSIC, "of_the_input"])
def test_the_cpu_engine_s_gradient_has_a_gradient(name: str, lengths: list[int] | None) -> None:
    of = of_the_input if name == "of_the_input" else CLASSIC[name]
    layer = Recurrent(of, 2, 3, bidirectional=True, zoneout=0.2, dtype=D, engine="cpu")
    names = [name for name, _ in layer.named_parameters()]
    record = tuple(dict(layer.program.names))[:2]

    def results(x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(3)
        weights_by_name = dict(zip(names, weights, strict=True))
        options = {"lengths": lengths, "record": record}
        output, states, records = torch.func.functional_call(layer, weights_by_name, (x,), options)
        return output, *(states if isinstance(states, tuple) else (states,)), *records.values()

    x = torch.randn(4, 3, 2, dtype=D, requires_grad=True)
    if name == "rnn_relu":
        x = (x.abs() + 0.1).detach().requires_grad_()
    inputs = (x, *(weight.detach().requires_grad_() for weight in layer.parameters()))
    assert gradcheck(results, inputs, fast_mode=True)
    assert gradgradcheck(results, inputs, fast_mode=True)


def test_a_state_that_comes_from_the_input_counts_once() -> None:
    x = torch.randn(5, 2, 4, dtype=D, requires_grad=True)
    found = []
    for engine in ("cpu", "reference"):
        torch.manual_seed(0)
        layer = GRU(4, 4, dtype=D, engine=engine)
        (first,) = torch.autograd.grad(layer(x, x[:1] * 2)[0].square().sum(), x, create_graph=True)
        found.append((first, *torch.autograd.grad(first.square().sum(), x)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


# processes and threads


def finish(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


WORK = """
import multiprocessing, sys, torch
from ricorda.nn import LSTM
torch.set_num_threads(2)
torch.manual_seed(0)
layer, x = LSTM(64, 128), torch.randn(30, 16, 64)

def work(queue):
    output, _ = layer(x)
    output.sum().backward()
    queue.put([float(each.detach().numpy().sum()) for each in (output, layer.weight_hh_l0.grad)])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("first", ["parent", "child"])
def test_a_forked_child_computes_what_its_parent_does(first: str) -> None:
    code = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, about forks of processes with threads
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()

def in_parent():
    work(queue)
    layer.zero_grad()
    return [queue.get()]

def in_children():
    children = [context.Process(target=work, args=(queue,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        if child.exitcode is None:
            child.kill()
        assert child.exitcode == 0, child
    return [queue.get(), queue.get()]

"""
    order = {"parent": "in_parent() + in_children()", "child": "in_children() + in_parent()"}[first]
    finish(WORK + code + f"found = {order}\nassert found == found[:1] * 3, found\n")


def test_a_spawned_child_computes_what_its_parent_does(tmp_path: Any) -> None:
    script = tmp_path / "spawned.py"
    script.write_text(
        WORK
        + """
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    work(queue)
    expected = queue.get()
    child = context.Process(target=work, args=(queue,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get() == expected
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_workers_of_a_data_loader_run_layers() -> None:
    code = """
import warnings
from torch.utils.data import DataLoader, Dataset
warnings.simplefilter("ignore", DeprecationWarning)

class Encoded(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        with torch.no_grad():
            return layer(x + index)[0]

expected = [Encoded()[index] for index in range(4)]
for index, batch in enumerate(DataLoader(Encoded(), num_workers=2, batch_size=None, timeout=60)):
    torch.testing.assert_close(batch, expected[index], atol=0, rtol=0)
"""
    finish(WORK + code)


def test_threads_that_start_together_compile_and_run_side_by_side(tmp_path: Any) -> None:
    code = f"""
import os, threading
os.environ["RICORDA_CACHE"] = {str(tmp_path)!r}
import torch
from ricorda.nn import GRU, LSTM
torch.manual_seed(0)
layers = [LSTM(8, 16), GRU(8, 16), LSTM(8, 16)]
x = torch.randn(20, 4, 8)
start, found = threading.Barrier(6), [[] for _ in range(6)]

def work(number):
    layer = layers[number % 3]
    start.wait()
    for _ in range(20):
        weights = list(layer.parameters())
        found[number].append(torch.autograd.grad(layer(x)[0].square().sum(), weights))

threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(90)
for number in range(6):
    alone = torch.autograd.grad(layers[number % 3](x)[0].square().sum(), list(layers[number % 3].parameters()))
    assert len(found[number]) == 20
    for gradients in found[number]:
        assert all(torch.equal(a, b) for a, b in zip(gradients, alone, strict=True))
"""
    finish(code)
