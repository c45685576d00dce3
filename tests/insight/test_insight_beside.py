"""Views of models whose cells read a mask and elapsed times beside their input."""

import numpy as np
import pytest
import torch

from ricorda import SequenceClassifier, affine, cell, exp, relu, sigmoid, tanh
from ricorda.insight import decompose, gates_of, gradient_flow, memory_of, unroll
from ricorda.insight.passage import passage


@cell(inputs={"mask": "I", "gap": 1})
def fading(x, mask, gap, h):
    """A gated state that fades with the time."""
    kept = exp(-relu(affine("decay", gap)))
    z = sigmoid(affine("z", mask * x, h, mask))
    return kept * (1 - z) * h + z * tanh(affine("h", mask * x, mask))


def examples() -> tuple[list[np.ndarray], list[str]]:
    """Two features, one in three missing, and the elapsed time; the class is the sign of the first one's sum."""
    random = np.random.default_rng(0)
    X = []
    for _ in range(24):
        numbers = random.normal(size=(int(random.integers(4, 9)), 3))
        numbers[:, 2] = random.exponential(size=len(numbers))
        X.append(numbers.astype(np.float32))
    y = ["up" if numbers[:, 0].sum() > 0 else "down" for numbers in X]
    for numbers in X:
        numbers[:, :2][random.random((len(numbers), 2)) < 0.3] = np.nan
    return X, y


@pytest.fixture(scope="module", params=[1, 2], ids=["forward", "both directions"])
def model(request: pytest.FixtureRequest) -> SequenceClassifier:
    options = {"hidden_size": 3, "epochs": 2, "batch_size": 8, "learning_rate": 0.05, "device": "cpu"}
    model = SequenceClassifier(cell=fading, gap=2, bidirectional=request.param == 2, random_state=0, **options)
    return model.fit(*examples())


def difference(model: SequenceClassifier, numbers: np.ndarray) -> float:
    """How far the score of "up" is above that of "down"."""
    down, up = np.log(model.predict_proba([numbers])[0])
    return float(up - down)


def test_what_each_step_gave_adds_up_to_the_verdict(model: SequenceClassifier) -> None:
    numbers = examples()[0][0]
    seen = memory_of(model, numbers, target="up")
    verdict = seen.verdict
    assert verdict is not None
    assert verdict.shares is not None
    total = verdict.shares.sum(0) + verdict.rest + verdict.initial + verdict.bias
    np.testing.assert_allclose(total, verdict.scores, atol=1e-5)
    np.testing.assert_allclose(verdict.scores[1] - verdict.scores[0], difference(model, numbers), atol=1e-4)
    without = [difference(model, numbers) - difference(model, np.delete(numbers, t, 0)) for t in range(len(numbers))]
    np.testing.assert_allclose(verdict.erasure, without, atol=1e-4)
    assert verdict.integrated.error < 0.05


def test_gates_states_and_parts_are_those_of_the_layer(model: SequenceClassifier) -> None:
    numbers = examples()[0][0]
    read = passage(model, numbers)
    assert set(read.beside) == {"mask", "gap"}
    assert np.array_equal(read.beside["mask"].numpy(), ~np.isnan(numbers[:, :2]))
    wanted = {name: values[0, 0].numpy() for name, values in read.values(["z", "h", "kept"]).items()}
    assert read.values(["h"])["h"].isfinite().all()
    np.testing.assert_allclose(gates_of(model, numbers).values["z"], wanted["z"], atol=1e-6)
    np.testing.assert_allclose(unroll(model, numbers).values["h"], wanted["h"], atol=1e-6)
    parts = decompose(read.layer, read.inputs, beside=read.beside, direction=0)
    np.testing.assert_allclose(parts.parts.sum(0), wanted["h"][-1], atol=1e-6)
    np.testing.assert_allclose(parts.kept, wanted["kept"] * (1 - wanted["z"]), atol=1e-6)


def test_gradients_go_back_as_through_single_steps(model: SequenceClassifier) -> None:
    numbers = examples()[0][0]
    flow = gradient_flow(model, [numbers], steps=20)
    read = passage(model, numbers)
    layer = read.layer
    direction = torch.randn(1, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction /= torch.linalg.vector_norm(direction)
    double = type(layer)(fading, 2, 3, dtype=torch.float64)
    double.load_state_dict({name: value for name, value in layer.state_dict().items() if "reverse" not in name})
    h, states = torch.zeros(1, 1, 3, dtype=torch.float64), []
    for t in range(len(numbers)):
        inputs = {name: values[t].double().view(1, 1, -1) for name, values in read.beside.items()}
        _, h = double(read.inputs[t].double().view(1, 1, -1), h, inputs=inputs)
        h.retain_grad()
        states.append(h)
    (direction * h[0]).sum().backward()
    norms = [float(torch.linalg.vector_norm(state.grad)) for state in reversed(states)]
    np.testing.assert_allclose(flow.states["h"].norms[:, 0], norms, rtol=1e-6)
    assert flow.log10_products is not None
    assert (np.log10(norms) <= flow.log10_products[:, 0] + 1e-9).all()


def test_random_input_is_measured_and_even(model: SequenceClassifier) -> None:
    assert np.isfinite(gradient_flow(model, steps=6).states["h"].norms).all()
    assert np.isfinite(gradient_flow(fading, steps=6, hidden_size=4).shares).all()
