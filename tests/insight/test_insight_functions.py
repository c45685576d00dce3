"""Every view of a cell with choices, sums over units, delays and functions that stay finite."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from small_models import LABELS, LEARNING, TEXTS, small

from ricorda import affine, cell, delay, hard_sigmoid, largest, load, safe_divide, sin, softmax, tanh, where
from ricorda.insight.gates.view import gates_of
from ricorda.insight.gradients.view import gradient_flow
from ricorda.insight.memory.view import memory_of
from ricorda.insight.unrolled.view import unroll
from ricorda.nn import Recurrent


@cell
def chooses(x, h, c):
    f = hard_sigmoid(affine("f", h, x))
    z = affine("z", delay(h, 1), x)
    new = where(z > largest(z) - 1, sin(z), softmax(z) ** 2)
    c = f * c + safe_divide(new, 1 + f)
    return tanh(c), c


def test_every_view_shows_such_a_cell(tmp_path: Path) -> None:
    model = small(cell=chooses, **LEARNING).fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    assert list(load(tmp_path / "model").predict(TEXTS)) == list(model.predict(TEXTS))
    gates = gates_of(model, *TEXTS[:3])
    assert "f" in gates.values
    memory = memory_of(model, TEXTS[0])
    assert memory.remains
    layer = Recurrent(chooses, 2, 3)
    shown = unroll(layer, torch.randn(4, 2))
    assert {"f", "z", "new", "h_1", "c"} <= shown.values.keys()
    flow = gradient_flow(chooses, steps=6, rows=2, input_size=2, hidden_size=3)
    for result in (gates, memory, shown, flow):
        plt.close(result.plot())


def test_a_stream_of_such_a_cell_is_its_layer() -> None:
    for engine in ("cpu", "reference"):
        layer = Recurrent(chooses, 2, 3, engine=engine).eval()
        x = torch.randn(5, 2)
        with torch.no_grad():
            stream = layer.stream()
            steps = torch.stack([stream(step) for step in x])
            np.testing.assert_allclose(steps, layer(x)[0], atol=1e-6)
