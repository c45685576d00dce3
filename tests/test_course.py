"""The numbers and equations of the course on recurrent networks that ricorda comes from."""

import numpy as np
import pytest
import torch

from ricorda import affine, cell, sigmoid, tanh
from ricorda.nn import GRU, LSTM, RNN, Recurrent


@cell
def activations(x, h):
    squashed = sigmoid(affine("s", x))
    curved = tanh(affine("t", x))
    return squashed + curved + h


@pytest.mark.parametrize(("name", "value", "expected"), [("squashed", -5.0, "0.01"), ("curved", 2.0, "0.96")])
def test_the_activations_have_the_course_s_values(name: str, value: float, expected: str) -> None:
    layer = Recurrent(activations, 1, 1, bias=False)
    torch.nn.init.ones_(layer.weight_ih_l0)
    _, _, records = layer(torch.tensor([[value]]), record=(name,))
    assert f"{records[name].item():.2f}" == expected


# forget, input, candidate and output gate: weight of the short-term memory, of the input, bias
PUBLISHED = {"f": (2.70, 1.63, 1.62), "i": (2.00, 1.65, 0.62), "g": (1.41, 0.94, -0.32), "o": (4.38, -0.19, 0.59)}


@pytest.mark.parametrize(("company", "first_day", "last_memory"), [("A", 0.0, "0.0"), ("B", 1.0, "1.0")])
def test_one_lstm_unit_predicts_the_fifth_day_of_both_companies(
    company: str, first_day: float, last_memory: str
) -> None:
    layer = LSTM(1, 1)
    with torch.no_grad():
        for row, gate in enumerate("ifgo"):
            layer.weight_hh_l0[row], layer.weight_ih_l0[row], layer.bias_ih_l0[row] = map(torch.tensor, PUBLISHED[gate])
        layer.bias_hh_l0.zero_()
    days = torch.tensor([[first_day], [0.5], [0.25], [1.0]])
    _, (short_term, _) = layer(days)
    assert f"{abs(short_term.item()):.1f}" == last_memory


def test_the_vanilla_network_is_the_course_s_equations() -> None:
    layer = RNN(3, 4, dtype=torch.float64)
    readout = torch.nn.Linear(4, 2, dtype=torch.float64)
    x = torch.randn(6, 3, dtype=torch.float64)
    a, _ = layer(x)
    y = readout(a).softmax(-1)

    w_xa, w_aa = layer.weight_ih_l0.detach().numpy(), layer.weight_hh_l0.detach().numpy()
    b_a = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    w_ya, b_y = readout.weight.detach().numpy(), readout.bias.detach().numpy()
    state = np.zeros(4)
    for t in range(6):
        state = np.tanh(w_aa @ state + w_xa @ x[t].numpy() + b_a)
        scores = np.exp(w_ya @ state + b_y)
        np.testing.assert_allclose(a[t].detach().numpy(), state, atol=1e-12)
        np.testing.assert_allclose(y[t].detach().numpy(), scores / scores.sum(), atol=1e-12)


def test_the_gru_is_the_course_s_equations() -> None:
    layer = GRU(3, 4, reset_after=False, dtype=torch.float64)
    x = torch.randn(6, 3, dtype=torch.float64)
    output, _ = layer(x)

    def sigma(z):
        return 1 / (1 + np.exp(-z))

    w_x = layer.weight_ih_l0.detach().numpy()
    w_a = layer.weight_hh_l0.detach().numpy()
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    (wr, wu, wa), (br, bu, ba) = (
        [np.hstack([w_a[rows], w_x[rows]]) for rows in (slice(0, 4), slice(4, 8), slice(8, 12))],
        (b[:4], b[4:8], b[8:]),
    )
    a = np.zeros(4)
    for t in range(6):
        ax = np.concatenate([a, x[t].numpy()])
        r = sigma(wr @ ax + br)
        u = sigma(wu @ ax + bu)
        candidate = np.tanh(wa @ np.concatenate([r * a, x[t].numpy()]) + ba)
        a = (1 - u) * a + u * candidate
        np.testing.assert_allclose(output[t].detach().numpy(), a, atol=1e-12)
