"""Steps of many sequences at times of their own are, to the bit, those of the whole sequences."""

import numpy as np
import pytest
import torch

from ricorda.engines import Request
from ricorda.engines.cpu.run.many import MOST, many_stepper
from ricorda.nn import Recurrent
from ricorda.nn.forms import all_weights_of


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 2), ("gru", 1), ("slstm", 1)])
def test_steps_are_those_of_whole_sequences(cell: str, layers: int) -> None:
    T, B, I = 4, MOST + 6, 5
    layer = Recurrent(cell, I, 19, layers).eval()
    stack, x = layer.stack, torch.randn(T, B, I)
    stepper = many_stepper(stack, Request(stack.program, all_weights_of(layer, stack), x, ()))
    assert stepper is not None
    with torch.inference_mode():
        whole, final = layer(x)
        begin = layer(x[:1], None)[1]
    final = final if isinstance(final, tuple) else (final,)
    begin = begin if isinstance(begin, tuple) else (begin,)
    # Every sequence has its first step behind it, so that cells whose states do not begin with zeros are alike.
    states, taken = [state.numpy().copy() for state in begin], np.ones(B, int)
    random = np.random.default_rng(0)
    while (taken < T).any():
        rows = random.permutation(np.flatnonzero(taken < T))[: random.integers(1, MOST + 1)]
        steps = np.stack([x[taken[row], row].numpy() for row in rows])
        y, after = stepper.step(steps, [state[:, rows] for state in states])
        for state, new in zip(states, after, strict=True):
            state[:, rows] = new
        np.testing.assert_array_equal(y, whole[taken[rows], rows].numpy())
        taken[rows] += 1
    for state, last in zip(states, final, strict=True):
        np.testing.assert_array_equal(state, last.numpy())


@pytest.mark.parametrize("cell", ["mogrifier", "time_aware_lstm"])
def test_a_cell_whose_input_torch_computes_with_has_no_such_steps(cell: str) -> None:
    layer = Recurrent(cell, 3, 4)
    weights = all_weights_of(layer, layer.stack)
    assert many_stepper(layer.stack, Request(layer.stack.program, weights, torch.zeros(1, 1, 3), ())) is None
