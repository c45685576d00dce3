"""Every view of a trained model with each cell of the catalogue; on the CPU engine, which compiles, one a family."""

from typing import Any

import pytest
from small_models import LABELS, TEXTS, small

from ricorda.catalogue import CELLS, FAMILIES
from ricorda.errors import CellError
from ricorda.insight import gates_of, gradient_flow, memory_of, unroll
from ricorda.insight.gates.view import gate_names

ALONE = {name: of for name, of in CELLS.items() if len(of.program.inputs) == 1}
"""The cells without a second input, which a text has not."""
ONE_EACH = {next(name for name, of in reversed(ALONE.items()) if of.family == family) for family in FAMILIES} | {"tgru"}


@pytest.mark.parametrize(
    ("name", "engine"), [*((name, "reference") for name in ALONE), *((name, "cpu") for name in sorted(ONE_EACH))]
)
def test_every_view(name: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICORDA_ENGINE", engine)
    model: Any = small(cell=name, epochs=1, hidden_size=2).fit(TEXTS[:10], LABELS[:10], watch_gradients=1)
    states = [state.name for state in ALONE[name].program.states]
    flow = gradient_flow(model, ["a warm and funny film", "I slept"], rows=2)
    assert list(flow.states) == states
    if not ALONE[name].program.output:  # Where the output is the first state, the loss is that state in a direction.
        assert flow.states[states[0]].norms[0] == pytest.approx([1, 1])
    memory = memory_of(model, "a warm film")
    said = memory.verdict
    assert list(memory.tokens) == ["a", "warm", "film"]
    if said.shares is not None:  # The state may not be a sum that can be decomposed.
        assert said.shares.sum(0) + said.rest + said.initial + said.bias == pytest.approx(said.scores, abs=1e-5)
    assert list(unroll(model, "a warm film").initial) == states
    if gate_names(ALONE[name].program):
        assert gates_of(model, "a warm film").values
    else:
        with pytest.raises(CellError, match=f"cell {name} has no gate"):
            gates_of(model, "a warm film")
