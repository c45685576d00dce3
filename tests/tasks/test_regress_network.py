"""The losses of regression and every gradient, beside plain torch with the same weights."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import series
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from ricorda.cells import lstm
from ricorda.tasks.many_to_one.examples import Examples, outputs
from ricorda.tasks.many_to_one.network import ManyToOne, Sizes
from ricorda.tasks.regress.objective import Regression
from ricorda.tasks.scaling import Scaling

EPS = np.finfo(np.float64).eps
OUTPUTS = 2


def examples() -> Examples:
    walks, _ = series(7)
    random = np.random.default_rng(1)
    return Examples([torch.from_numpy(walk) for walk in walks], random.normal(size=(7, OUTPUTS)) * [3.0, 0.1] + 9)


def network(pooling: str = "last") -> ManyToOne:
    torch.manual_seed(0)
    model = ManyToOne(lstm.program, Sizes(OUTPUTS, 5, 2, True, pooling, features=2), dropout=0.0).double()
    model.standardise(examples().sequences)
    return model


class Twin(nn.Module):
    """The same model as anyone writes it in torch."""

    def __init__(self, model: ManyToOne) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(2, 5, 2, bidirectional=True)
        self.head = nn.Linear(10, OUTPUTS)
        self.load_state_dict({name: each for name, each in model.state_dict().items() if "." in name})

    def forward(self, sequences: list[Tensor], pooling: str) -> Tensor:
        steps = torch.cat(sequences)
        mean, deviation = steps.mean(0), steps.std(0, correction=0)
        x = pad_sequence([(each - mean) / deviation for each in sequences])
        lengths = torch.tensor([len(each) for each in sequences])
        y, (final, _) = self.recurrent(pack_padded_sequence(x, lengths, enforce_sorted=False))
        y, _ = pad_packed_sequence(y)
        pooled = torch.cat([final[-2], final[-1]], 1) if pooling == "last" else y.sum(0) / lengths[:, None]
        found: Tensor = self.head(pooled)
        return found


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_loss_and_every_gradient_are_those_of_a_plain_torch_twin(loss: str, pooling: str) -> None:
    model, given = network(pooling), examples()
    twin = Twin(model).double()
    summed, count = Regression(model, given, given, Scaling.of(given.targets), loss).loss(np.arange(7))
    wanted = torch.from_numpy((given.targets - given.targets.mean(0)) / given.targets.std(0)).float()
    error = twin(list(given.sequences), pooling) - wanted
    expected = (error.square() if loss == "mse" else error.abs()).mean(1).sum()
    assert int(count) == 7
    # some 100 roundings one after the other, each in numbers of at most 2
    torch.testing.assert_close(summed, expected, rtol=100 * EPS, atol=0)
    summed.backward()
    expected.backward()
    twins = dict(twin.named_parameters())
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, twins[name].grad, rtol=0, atol=1000 * EPS)


def test_a_sequence_depends_neither_on_its_padding_nor_on_those_beside_it() -> None:
    model, given = network(), examples()
    together = outputs(model, given.sequences)
    alone = np.concatenate([outputs(model, [each]) for each in given.sequences])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1000 * EPS)
    assert together.shape == (7, OUTPUTS)
    assert model.training  # its mode is left as it was


def test_a_validation_has_the_training_s_loss_and_the_targets_own_units() -> None:
    model, given = network(), examples()
    scaling = Scaling.of(given.targets)
    task = Regression(model, given, given, scaling, "mse")
    assert set(task.validate()) == {"validation_loss", "mae", "r2"}  # Seven examples choose no epoch.
    numbers = Regression(model, given, given.take(np.arange(14) % 7), scaling, "mse").validate()
    loss = float(task.loss(np.arange(7))[0].detach()) / 7
    assert numbers["validation_loss"] == pytest.approx(loss, rel=1e-6)  # whose targets are float32
    found = outputs(model, given.sequences) * given.targets.std(0) + given.targets.mean(0)
    assert numbers["mae"] == pytest.approx(np.abs(found - given.targets).mean(), rel=1000 * EPS)
    of_each = 1 - np.square(found - given.targets).mean(0) / given.targets.var(0)
    assert numbers["score"] == numbers["r2"] == pytest.approx(of_each.mean(), rel=1000 * EPS)
    assert Regression(model, given, given.take(np.array([], dtype=np.intp)), scaling, "mse").validate() == {}


@given(
    st.integers(2, 30).flatmap(lambda rows: st.lists(st.floats(-1e6, 1e6, width=32), min_size=rows, max_size=rows)),
    st.sampled_from([0.0, 1.0, 1e9]),
)
def test_what_is_standardised_comes_back(numbers: list[float], offset: float) -> None:
    targets = np.array(numbers)[:, None] + offset
    scaling = Scaling.of(targets)
    standard = scaling.standardise(targets)
    size = np.abs(targets).max()
    np.testing.assert_allclose(scaling.undo(standard), targets, rtol=0, atol=4 * EPS * max(size, 1e-300))
    assert np.abs(standard).max() <= max(math.sqrt(len(numbers)) * 2, size * EPS * len(numbers))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 + 0.1, -1e-30])
def test_a_constant_output_is_not_blown_up(constant: float) -> None:
    scaling = Scaling.of(np.full((7, 1), constant))
    assert scaling.scale.tolist() == [1.0]
    assert scaling.undo(np.zeros((1, 1))) == pytest.approx(constant)


def test_dropout_is_of_the_training_alone() -> None:
    torch.manual_seed(0)
    model = ManyToOne(lstm.program, Sizes(OUTPUTS, 5, 1, True, "last", features=2), dropout=0.5).double()
    given = examples()
    task = Regression(model, given, given, Scaling.of(given.targets), "mse")

    def losses() -> set[Any]:
        return {float(task.loss(np.arange(7))[0].detach()) for _ in range(3)}

    assert len(losses()) == 3
    model.eval()
    assert len(losses()) == 1
