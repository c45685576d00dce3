"""Views of layers from ONNX files that read backwards only, or begin with states of their file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from oracles.onnx_nodes import model_of  # noqa: E402

from ricorda.insight import Passage, decompose, gates_of, gradient_flow, unroll  # noqa: E402
from ricorda.insight.memory.remains import follow  # noqa: E402
from ricorda.nn import Recurrent, from_onnx  # noqa: E402

T, SIZE, UNITS = 7, 2, 3


def layers(folder: Path, *, begins: bool) -> tuple[Recurrent, Recurrent]:
    """A layer that reads backwards, and one that reads forwards, of the same weights and, if asked, first states."""
    random = np.random.default_rng(0)
    given = {"W": random.normal(size=(1, 4 * UNITS, SIZE)), "R": random.normal(size=(1, 4 * UNITS, UNITS))}
    if begins:
        given |= {name: random.normal(size=(1, 1, UNITS)) for name in ("initial_h", "initial_c")}
    read = []
    for direction in ("reverse", "forward"):
        attributes = {"hidden_size": UNITS, "direction": direction}
        onnx.save(model_of("LSTM", attributes, {**given, "X": np.zeros((T, 1, SIZE))}, ("X",)), folder / "node.onnx")
        read += from_onnx(folder / "node.onnx").values()
    return read[0], read[1]


@pytest.mark.parametrize("begins", [False, True], ids=["zeros", "states of the file"])
def test_a_layer_that_reads_backwards_is_seen_as_one_that_reads_the_turned_sequence(
    begins: bool, tmp_path: Path
) -> None:
    back, ahead = layers(tmp_path, begins=begins)
    x = torch.randn(T, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    turned = x.flip(0)
    with torch.no_grad():
        assert_allclose(back(x[:, None])[0].flip(0), ahead(turned[:, None])[0], atol=1e-12)

    seen, other = unroll(back, x), unroll(ahead, turned)
    assert seen.tokens == tuple("7654321")
    assert any(values.any() for values in other.initial.values()) == begins
    for name, values in {**other.values, **other.initial}.items():
        assert_allclose((seen.values | seen.initial)[name], values, atol=1e-12)
    with torch.no_grad():
        assert_allclose(other.values["h"], ahead(turned)[0], atol=1e-12)

    own, theirs = decompose(back, x), decompose(ahead, turned)
    assert_allclose(own.written, theirs.written, atol=1e-12)
    assert_allclose(own.kept, theirs.kept, atol=1e-12)
    left, of_turned = follow(back, x, None, (1, 5)).left, follow(ahead, turned, None, (T - 5, T - 1)).left
    assert_allclose(left, of_turned[::-1], atol=1e-12)
    gates, of_turned = gates_of(Passage(back, tuple("gfedcba"), x)), gates_of(Passage(ahead, tuple("abcdefg"), turned))
    for name, values in of_turned.values.items():
        assert_allclose(gates.values[name][::-1], values, atol=1e-12)


@pytest.mark.parametrize("begins", [False, True], ids=["zeros", "states of the file"])
def test_its_gradient_goes_the_way_of_its_steps(begins: bool, tmp_path: Path) -> None:
    back, ahead = layers(tmp_path, begins=begins)
    x = torch.randn(T, 2, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    flow, of_turned = gradient_flow(back, x), gradient_flow(ahead, x.flip(0))
    for name in ("h", "c"):
        norms = flow.states[name].norms
        assert (norms > 0).all()
        assert_allclose(norms, of_turned.states[name].norms, rtol=1e-10)
    for part in ("shares", "spectra", "exponents"):
        assert_allclose(getattr(flow, part), getattr(of_turned, part), rtol=1e-8, atol=1e-12)
