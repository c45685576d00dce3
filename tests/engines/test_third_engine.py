"""An engine that is not ricorda's own serves layers, streams and stacks once it is in the list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from ricorda import ArgumentError
from ricorda.engines import Request, Run, StackRun, choose, reference
from ricorda.nn import GRU, LSTM
from ricorda.program.stack import Stack

D = torch.float64


class Plain:
    """Serves float64 by the reference's operations, and keeps count of what it is asked for."""

    name = "third"
    title = "the third engine"

    def __init__(self) -> None:
        self.served: list[str] = []

    def obstacle(self, request: Request) -> str | None:
        return None if request.x.dtype == D else f"it computes in float64, not in {request.x.dtype}"

    def run(self, request: Request) -> Run:
        self.served.append("layer")
        return reference.run(request)

    def run_stack(self, stack: Stack, request: Request) -> StackRun | None:
        if request.x.shape[2] != stack.input_size:
            return None
        self.served.append("stack")
        return _layers(stack, request.parameters, request.x, request.states)

    def stepper(self, stack: Stack, request: Request, batch: tuple[int, ...]) -> Steps | None:
        return Steps(self, stack, dict(request.parameters), batch)


class Steps:
    """A stack stepped by the same operations."""

    def __init__(self, engine: Plain, stack: Stack, parameters: dict[str, Tensor], batch: tuple[int, ...]) -> None:
        self.engine, self.stack, self.parameters, self.batch = engine, stack, parameters, batch
        self.set_states(None)

    def step(self, x: Tensor) -> Tensor:
        self.engine.served.append("step")
        with torch.no_grad():
            output, self._states = _layers(self.stack, self.parameters, x.reshape(1, -1, x.shape[-1]), self._states)
        return output.reshape(*self.batch, -1)

    def states(self) -> list[Tensor]:
        return list(self._states)

    def set_states(self, states: Sequence[Tensor] | None) -> None:
        rows = self.batch[0] if self.batch else 1
        zeros = [torch.zeros(entries, rows, size, dtype=D) for entries, size in self.stack.states]
        self._states: Sequence[Tensor] = zeros if states is None else states


def _layers(stack: Stack, parameters: dict[str, Tensor], x: Tensor, states: Sequence[Tensor]) -> StackRun:
    initial = states or [x.new_zeros(entries, x.shape[1], size) for entries, size in stack.states]
    finals: list[tuple[Tensor, ...]] = []
    for suffixes in stack.suffixes:
        outputs = []
        for direction, suffix in enumerate(suffixes):
            own = {name: parameters[name + suffix] for name in stack.names}
            entering = [state[len(finals)] for state in initial]
            ran = reference.run(Request(stack.program, own, x, entering, reverse=direction == 1))
            outputs.append(ran.output)
            finals.append(ran.states)
        x = torch.cat(outputs, 2)
    return x, [torch.stack(state) for state in zip(*finals, strict=True)]


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plain]:
    monkeypatch.setattr(choose, "_said", set())
    engine = Plain()
    choose.register(engine)
    yield engine
    choose.ENGINES.remove(engine)


def test_it_serves_a_layer_a_stack_and_a_stream(third: Plain) -> None:
    layer, theirs = (LSTM(3, 5, 2, bidirectional=True, dtype=D, engine=engine) for engine in ("auto", "reference"))
    theirs.load_state_dict(layer.state_dict())
    x = torch.randn(4, 2, 3, dtype=D)
    torch.testing.assert_close(layer(x), theirs(x))
    torch.testing.assert_close(layer(x, lengths=[4, 1]), theirs(x, lengths=[4, 1]))
    assert third.served == ["stack", *["layer"] * 4]
    third.served.clear()
    one = GRU(3, 5, 2, dtype=D, engine="third")
    stream = one.stream(2)
    outputs = torch.stack([stream(step) for step in x[:2]])
    kept = stream.state
    assert isinstance(stream(x[2].numpy()), type(x.numpy()))
    stream.state = kept
    outputs = torch.cat([outputs, torch.stack([stream(step) for step in x[2:]])])
    assert third.served == ["step"] * 5
    torch.testing.assert_close(outputs, one(x)[0])
    torch.testing.assert_close(stream.state, one(x)[1])
    stream.reset()
    assert stream.state is None
    torch.testing.assert_close(stream(x[0]), one(x)[0][0])


def test_what_it_cannot_serve_the_next_engine_does(third: Plain) -> None:
    LSTM(3, 5)(torch.randn(4, 2, 3))
    assert LSTM(3, 5).stream()(torch.randn(3)).shape == (5,)
    said = r"the third engine cannot serve here, and the CPU engine does: it computes in float64, not in torch.float32"
    with pytest.warns(UserWarning, match=said):
        LSTM(3, 5, engine="third")(torch.randn(4, 2, 3))
    assert third.served == []


def test_its_name_is_one_of_the_choices_as_long_as_it_is_in_the_list(third: Plain) -> None:
    with pytest.raises(ArgumentError, match="give 'auto', 'third', 'cpu', 'torch' or 'reference'"):
        LSTM(3, 5, engine="fourth")
    choose.ENGINES.remove(third)
    with pytest.raises(ArgumentError, match="engine is 'third': give 'auto', 'cpu', 'torch' or 'reference'"):
        LSTM(3, 5, engine="third")
    choose.register(third)
