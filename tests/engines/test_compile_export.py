"""Layers under torch.compile, torch.export and what else records operations: one operation, with known shapes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.export import Dim, export
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

from ricorda import ArgumentError
from ricorda.engines import operation
from ricorda.nn import GRU, LSTM, RNN, Recurrent
from ricorda.program.ir import Program

# torch's own, about itself
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]
RUN = torch.ops.ricorda.run.default

LAYERS: dict[str, Callable[[], Recurrent]] = {
    "rnn": lambda: RNN(4, 6),
    "lstm": lambda: LSTM(4, 6, 2, bidirectional=True, proj_size=3),
    "gru": lambda: GRU(4, 6, 2, batch_first=True),
    "regularised": lambda: Recurrent("gru", 4, 6, 2, zoneout=0.3, state_dropout=0.2, weight_drop=0.2, layer_norm=True),
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def operations(graph: torch.fx.Graph) -> list[Any]:
    return [node.target for node in graph.nodes if "ricorda" in str(node.target)]


def results(layer: Callable[..., Any], weights: list[Tensor], x: Tensor, **options: Any) -> list[Tensor]:
    """Output, states, records and all gradients."""
    torch.manual_seed(5)
    output, states, *records = layer(x, **options)
    values = [output, *(states if isinstance(states, tuple) else (states,)), *(records[0].values() if records else ())]
    return [*values, *torch.autograd.grad(sum((value * value).sum() for value in values), [x, *weights])]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("form", ["full", "lengths", "records"])
def test_a_compiled_layer_computes_the_same_without_a_break(name: str, form: str, backend: str) -> None:
    layer = LAYERS[name]()
    weights, first = list(layer.parameters()), dict(layer.program.names)
    x = torch.randn(5, 5, 4, requires_grad=True)
    options = {"full": {}, "lengths": {"lengths": torch.tensor([5, 0, 3, 1, 5])}, "records": {"record": tuple(first)}}
    compiled = torch.compile(layer, backend=backend, fullgraph=True)
    found = results(compiled, weights, x, **options[form])
    for ours, plain in zip(found, results(layer, weights, x, **options[form]), strict=True):
        torch.testing.assert_close(ours, plain)


def test_masks_are_drawn_anew_at_each_call_of_a_compiled_layer() -> None:
    layer = LAYERS["regularised"]()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = torch.randn(5, 3, 4)
    assert not torch.equal(compiled(x)[0], compiled(x)[0])


def test_one_compiled_graph_serves_all_shapes() -> None:
    layer = LSTM(4, 6)
    graphs: list[torch.fx.Graph] = []

    def backend(module: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(module.graph)
        return module.forward

    compiled = torch.compile(layer, backend=backend, fullgraph=True, dynamic=True)
    for T, B in ((5, 3), (7, 2), (4, 9)):
        x = torch.randn(T, B, 4)
        torch.testing.assert_close(compiled(x), layer(x))
    (graph,) = graphs
    assert operations(graph) == [RUN]


def test_a_packed_sequence_goes_through_a_compiled_layer() -> None:
    layer = LSTM(4, 6)
    packed = pack_padded_sequence(torch.randn(5, 3, 4), torch.tensor([5, 1, 3]), enforce_sorted=False)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(layer, backend="eager")(packed)[0].data, layer(packed)[0].data)


def test_lengths_that_cannot_be_are_still_refused() -> None:
    compiled = torch.compile(LSTM(4, 6), backend="eager", fullgraph=True)
    with pytest.raises(ArgumentError, match=r"lengths\[1\] is 6, but the input has 5 steps"):
        compiled(torch.randn(5, 2, 4), lengths=torch.tensor([5, 6]))


@pytest.mark.filterwarnings("ignore:.*functools.lru_cache:UserWarning")
def test_the_reference_may_be_compiled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = LSTM(4, 6, engine="reference")
    graphs: list[torch.fx.Graph] = []

    def backend(module: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(module.graph)
        return module.forward

    x = torch.randn(3, 2, 4)
    torch.testing.assert_close(torch.compile(layer, backend=backend)(x), layer(x))
    assert graphs
    assert [operations(graph) for graph in graphs] == [[]] * len(graphs)


# export


@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # torch's own loading, in older ones
@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_layer_is_one_operation_and_serves_other_shapes(strict: bool, tmp_path: Path) -> None:
    layer = LSTM(4, 6).eval()
    shapes = {0: Dim("T", min=1), 1: Dim("B", min=1)}
    program = export(layer, (torch.randn(5, 3, 4),), dynamic_shapes=(shapes,), strict=strict)
    assert operations(program.graph) == [RUN]
    torch.export.save(program, tmp_path / "layer.pt2")
    opened = torch.export.load(tmp_path / "layer.pt2")
    x = torch.randn(11, 7, 4)
    for each in (program, opened, program.run_decompositions()):
        torch.testing.assert_close(each.module()(x), layer(x))


def test_lengths_are_an_input_of_what_is_exported() -> None:
    layer = GRU(4, 6, bidirectional=True).eval()
    T, B = Dim("T", min=1), Dim("B", min=1)
    arguments = {"lengths": torch.tensor([5, 2, 0])}
    shapes = {"input": {0: T, 1: B}, "lengths": {0: B}}
    program = export(layer, (torch.randn(5, 3, 4),), arguments, dynamic_shapes=shapes)
    assert operations(program.graph) == [RUN, RUN]
    x, lengths = torch.randn(8, 2, 4), torch.tensor([3, 8])
    torch.testing.assert_close(program.module()(x, lengths=lengths), layer(x, lengths=lengths))


def test_what_was_exported_can_be_trained() -> None:
    layer = LSTM(4, 6)
    module = export(layer, (torch.randn(5, 3, 4),)).module()
    x = torch.randn(5, 3, 4, requires_grad=True)
    weights = [dict(module.named_parameters())[name] for name, _ in layer.named_parameters()]
    for ours, plain in zip(results(module, weights, x), results(layer, list(layer.parameters()), x), strict=True):
        torch.testing.assert_close(ours, plain)


# the operation


def arguments(layer: Recurrent, training: bool, lengths: Tensor | None, record: list[str], grad: bool) -> list[Any]:
    program, text = layer.programs[training], layer.texts[training]
    states = [torch.randn(5, size).requires_grad_(grad) for _, size in layer.stack.states]
    weights = [getattr(layer, name + "_l0").detach().requires_grad_(grad) for name in layer.stack.names]
    x = torch.randn(5, 5, 4, requires_grad=grad)
    seed = torch.tensor(7) if program.masks else None
    return [text, x, states, list(layer.stack.names), weights, lengths, False, record, seed]


@pytest.mark.filterwarnings("ignore:.*non-leaf:UserWarning")
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 0, 3, 1, 5])], ids=["full", "lengths"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_operation_keeps_torch_s_rules(name: str, lengths: Tensor | None, grad: bool) -> None:
    layer = LAYERS[name]()
    record = list(dict(layer.program.names))
    torch.library.opcheck(RUN, arguments(layer, True, lengths, record, grad))
    if grad:
        given = arguments(layer, True, lengths, [], False)
        gradients = [torch.randn_like(value) for value in RUN(*given)]
        gradients[1] = None  # nobody asked for that of the first state
        torch.library.opcheck(torch.ops.ricorda.run_backward.default, [*given, gradients])


def test_the_operation_has_derivatives_of_any_order() -> None:
    layer = LSTM(4, 6, dtype=torch.float64)
    given = arguments(layer, False, torch.tensor([5, 0, 3, 1, 5]), [], False)
    given[4] = [weight.requires_grad_() for weight in given[4]]
    x = given[1].double().requires_grad_()
    states = [state.double() for state in given[2]]

    def run(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(RUN(given[0], x, states, *given[3:]))

    assert torch.autograd.gradcheck(run, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, x, fast_mode=True)


def test_a_program_is_the_same_there_and_back_as_text() -> None:
    for layer in (make() for make in LAYERS.values()):
        for mode, program in layer.programs.items():
            assert Program.from_json(json.loads(layer.texts[mode])) == program
            assert operation.text_of(program) == layer.texts[mode]


def test_who_records_operations_sees_it() -> None:
    layer = LSTM(4, 6)
    x = torch.randn(5, 3, 4)
    graph = make_fx(lambda given: layer(given)[0])(x)
    assert operations(graph.graph) == [RUN]
    torch.testing.assert_close(graph(x + 1), layer(x + 1)[0])
    with FlopCounterMode(display=False):
        counted = layer(x)
    torch.testing.assert_close(counted, layer(x))


def test_plain_calls_go_past_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.ricorda, "run", None)
    LSTM(4, 6)(torch.randn(5, 3, 4))[0].sum().backward()
