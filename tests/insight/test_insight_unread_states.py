"""Every view of cells with a state that nothing reads, or that never feeds back, on both engines."""

from typing import Any

import numpy as np
import pytest
from command_line import Command
from small_models import LABELS, TEXTS, small

from ricorda import affine, cell, tanh
from ricorda.insight import gradient_flow, memory_of, unroll
from ricorda.program.cell import Cell


@cell
def unread(x, h, d):  # type: ignore[no-untyped-def]
    """Nothing reads d."""
    return tanh(affine("h", h, x)), tanh(affine("d", x))


@cell
def delays(x, h, d1, d2):  # type: ignore[no-untyped-def]
    """Old states are new ones, and nothing reads the last."""
    return tanh(affine("h", h, x)), h, d1


@cell
def shown(x, y, h):  # type: ignore[no-untyped-def]
    """Nothing reads the output."""
    h = tanh(affine("h", h, x))
    return affine("y", h), h


@cell
def late(x, y, h):  # type: ignore[no-untyped-def]
    """The output is the other state of the step before."""
    return h, tanh(affine("h", h, x))


@cell
def memoryless(x, h):  # type: ignore[no-untyped-def]
    """No state is read."""
    return tanh(affine("h", x))


@cell
def unseen(x, h, c):  # type: ignore[no-untyped-def]
    """What lasts is never shown."""
    return tanh(affine("h", x)), 0.5 * c + affine("c", x)


ODD = {of.name: of for of in (unread, delays, shown, late, memoryless, unseen)}


@pytest.mark.parametrize("of", ODD.values(), ids=ODD)
def test_both_engines_follow_the_same_gradients(of: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    flows = {}
    for engine in ("reference", "cpu"):
        monkeypatch.setenv("RICORDA_ENGINE", engine)
        flows[engine] = gradient_flow(of, steps=6, rows=2, hidden_size=3)
    for state in of.program.states:
        ours, theirs = (flows[engine].states[state.name].norms for engine in ("cpu", "reference"))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    figure = flows["cpu"].plot()
    assert len(figure.axes) == 1


@pytest.mark.parametrize("of", ODD.values(), ids=ODD)
def test_what_nothing_reads_has_no_gradient(of: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output at the last step is all that the loss reads."""
    monkeypatch.setenv("RICORDA_ENGINE", "reference")
    states = gradient_flow(of, steps=6, rows=2, hidden_size=3).states
    zero = {"unread": ["d"], "unseen": ["c"], "delays": ["d2"]}.get(of.name, [])
    assert [name for name, flow in states.items() if not flow.norms.any()] == zero
    first, *_ = states.values()
    assert first.norms[0] == pytest.approx(1)
    if of.name in ("shown", "memoryless", "unseen"):
        assert not first.norms[1:].any()


@pytest.mark.parametrize("of", ODD.values(), ids=ODD)
def test_views_of_a_trained_model(of: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICORDA_ENGINE", "reference")
    model: Any = small(cell=of, epochs=1).fit(TEXTS, LABELS, watch_gradients=1)
    for view in (
        gradient_flow(model, ["a warm and funny film", "I slept"]),
        memory_of(model, "a warm film"),
        unroll(model, "a warm film"),
    ):
        assert view._repr_html_()


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_the_command_shows_it(
    engine: str, ricorda_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("RICORDA_ENGINE", engine)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from ricorda import affine, tanh\ndef unread(x, h, d):\n"
        "    return tanh(affine('h', h, x)), tanh(affine('d', x))\n",
        encoding="utf-8",
    )
    done = ricorda_command("inspect", "gradients", "--cells", "own.py:unread", "--steps", "5")
    assert done.code == 0, done.err
    assert "vanishes" in done.out or "sound" in done.out
