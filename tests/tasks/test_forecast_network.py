"""The network of a forecaster and its loss, beside plain torch with the same weights."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ricorda.cells import lstm
from ricorda.data.series import Series
from ricorda.tasks.forecast.heads import Head
from ricorda.tasks.forecast.network import ForecastNetwork, Sizes
from ricorda.tasks.forecast.objective import Forecasting
from ricorda.tasks.forecast.windows import SeriesScaling, Windows

V, K, CONTEXT, STEPS, PATCH, HIDDEN = 3, 2, 8, 4, 2, 5
LEVELS = (0.1, 0.5, 0.9)
EPS = torch.finfo(torch.float64).eps


def head(kind: str, loss: str = "mse") -> Head:
    return Head(kind, loss, LEVELS)


def network(kind: str = "point", *, independent: bool = True, covariates: int = K, **options: Any) -> ForecastNetwork:
    """One whose weights are all random: it would begin as a repetition of the last value."""
    torch.manual_seed(0)
    targets = tuple(range(V)) if independent else (0, 2)
    sizes = Sizes(V, covariates, targets, CONTEXT, STEPS, PATCH, HIDDEN, 2)
    chosen = {"window": True, "affine": True, "autoregression": True, "dropout": 0.0, **options}
    model = ForecastNetwork(lstm.program, sizes, head(kind), independent=independent, **chosen)
    for weight in model.parameters():
        nn.init.uniform_(weight, -0.7, 0.7)
    return model.double()


def inputs(batch: int = 6, covariates: int = K) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    shapes = ((batch, V, CONTEXT), (batch, covariates, CONTEXT), (batch, covariates, STEPS))
    past, past_known, known = (torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes)
    return past * 3 + 5, past_known, known


class Twin(nn.Module):
    """The same model as anyone writes it in torch: a variable at a time, a window at a time."""

    def __init__(self, model: ForecastNetwork, kind: str, independent: bool) -> None:
        super().__init__()
        self.kind, self.independent, self.targets = kind, independent, model.sizes.targets
        self.size = {"point": 1, "quantile": 3, "gaussian": 2}[kind]
        outputs = STEPS * self.size * (1 if independent else len(self.targets))
        self.layers = nn.LSTM(PATCH * ((1 if independent else V) + K), HIDDEN, 2)
        self.known = nn.Linear(HIDDEN + K * STEPS, HIDDEN)
        self.output = nn.Linear(HIDDEN, outputs)
        self.autoregression = nn.Linear(CONTEXT, STEPS)
        self.gain, self.shift = nn.Parameter(torch.empty(V)), nn.Parameter(torch.empty(V))
        weights = {name: each for name, each in model.state_dict().items() if not name.startswith("end")}
        self.double().load_state_dict(weights)

    def read(self, rows: Tensor, past_known: Tensor, known: Tensor) -> Tensor:
        """Variables [n, context] and covariates of one window, as patches one after the other."""
        features = torch.cat([rows, past_known])
        patches = [features[:, at : at + PATCH].flatten() for at in range(0, CONTEXT, PATCH)]
        outputs, _ = self.layers(torch.stack(patches)[:, None])
        last = outputs[-1, 0]
        read: Tensor = self.output(nn.functional.gelu(self.known(torch.cat([last, known.flatten()]))))
        return read

    def window(self, past: Tensor, past_known: Tensor, known: Tensor) -> Tensor:
        """One window [V, context] to [targets, steps, size]."""
        mean = past.mean(1, keepdim=True)
        deviation = ((past - mean).square().mean(1, keepdim=True) + 1e-5).sqrt()
        normal = (past - mean) / deviation * self.gain[:, None] + self.shift[:, None]
        if not self.independent:
            together = self.read(normal, past_known, known).view(STEPS, len(self.targets), self.size)
        said = []
        for position, target in enumerate(self.targets):
            if self.independent:
                output = self.read(normal[target][None], past_known, known).view(STEPS, self.size)
            else:
                output = together[:, position]
            own = self.autoregression(normal[target])[:, None]
            gain = self.gain[target] + 1e-10
            if self.kind == "gaussian":
                middle = (output[:, :1] + own - self.shift[target]) / gain * deviation[target] + mean[target]
                spread = nn.functional.softplus(output[:, 1:]) * (deviation[target] / gain).abs() + 1e-3
                said.append(torch.cat([middle, spread], 1))
                continue
            each = (output + own - self.shift[target]) / gain * deviation[target] + mean[target]
            said.append(each.sort(1).values)
        return torch.stack(said)

    def forward(self, past: Tensor, past_known: Tensor, known: Tensor) -> Tensor:
        return torch.stack([self.window(*each) for each in zip(past, past_known, known, strict=True)])


def loss_by_hand(said: Tensor, truth: Tensor, kind: str) -> Tensor:
    """Of one step: squared error, pinball loss, or negative log-likelihood."""
    if kind == "point":
        return (said[..., 0] - truth).square()
    if kind == "gaussian":
        return -torch.distributions.Normal(said[..., 0], said[..., 1]).log_prob(truth)
    losses = []
    for place, level in enumerate(LEVELS):
        error = truth - said[..., place]
        losses.append(torch.where(error > 0, level * error, (level - 1) * error))
    return torch.stack(losses).mean(0)


@pytest.mark.parametrize("independent", [True, False])
@pytest.mark.parametrize("kind", ["point", "quantile", "gaussian"])
def test_loss_and_every_gradient_are_those_of_a_plain_torch_twin(kind: str, independent: bool) -> None:
    model = network(kind, independent=independent)
    twin = Twin(model, kind, independent)
    past, past_known, known = inputs()
    targets = [*model.sizes.targets]
    truth = torch.randn(len(past), V, STEPS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)[
        :, targets
    ]
    said, expected = model(past, past_known, known), twin(past, past_known, known)
    # Some 200 roundings one after the other, in numbers of a few tens (divided by gains of down to 0.1).
    torch.testing.assert_close(said, expected, rtol=0, atol=1e4 * EPS * float(expected.detach().abs().max()))
    loss = model.head.loss(said, truth).mean()
    wanted = loss_by_hand(expected, truth, kind).mean()
    torch.testing.assert_close(loss, wanted, rtol=1e4 * EPS, atol=0)
    loss.backward()
    wanted.backward()
    twins = dict(twin.named_parameters())
    assert set(twins) == {name for name, _ in model.named_parameters()}
    largest = max(float(each.grad.abs().max()) for each in twins.values() if each.grad is not None)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, twins[name].grad, rtol=0, atol=1e4 * EPS * largest, msg=name)


@pytest.mark.parametrize("kind", ["point", "quantile", "gaussian"])
def test_a_window_shifted_and_stretched_gets_its_forecast_shifted_and_stretched(kind: str) -> None:
    model = network(kind)
    past, past_known, known = inputs()
    scale, shift = 1000.0, -77.0
    plain, moved = model(past, past_known, known), model(past * scale + shift, past_known, known)
    # The 1e-5 in the variance, here of about 9, and the least deviation of 1e-3 are not stretched.
    expected = plain * scale + shift
    if kind == "gaussian":
        expected = torch.cat([expected[..., :1], (plain[..., 1:] - 1e-3) * scale + 1e-3], -1)
    size = float(expected.detach().abs().max())
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5 * size)
    without = network(kind, window=False, affine=False)
    assert not torch.allclose(without(past * scale + shift, past_known, known), expected, atol=1e-2 * size)


def test_a_window_in_which_nothing_moves_is_forecast_to_stay_at_first() -> None:
    torch.manual_seed(0)
    sizes = Sizes(V, 0, (0, 1, 2), CONTEXT, STEPS, PATCH, HIDDEN, 1)
    model = ForecastNetwork(
        lstm.program,
        sizes,
        head("point"),
        independent=True,
        window=True,
        affine=False,
        autoregression=True,
        dropout=0.0,
    )
    past, past_known, known = (each.float() for each in inputs(covariates=0))
    still = past[..., -1:].expand_as(past)
    assert torch.equal(model(still, past_known, known)[..., 0], still[..., :STEPS])
    said = model(past, past_known, known)[..., 0]  # it begins as a repetition of the last value
    torch.testing.assert_close(said, past[..., -1:].expand_as(said))


def test_an_independent_variable_is_forecast_from_itself_alone() -> None:
    past, past_known, known = inputs()
    changed = past.clone()
    changed[:, 1] += torch.linspace(0, 1, CONTEXT, dtype=torch.float64)
    for independent in (True, False):
        model = network(independent=independent)
        before, after = model(past, past_known, known), model(changed, past_known, known)
        place = model.sizes.targets.index(2)
        assert torch.equal(before[:, place], after[:, place]) == independent


def test_covariates_are_seen_of_past_and_future() -> None:
    model = network()
    past, past_known, known = inputs()
    before = model(past, past_known, known)
    assert not torch.equal(model(past, past_known + 1, known), before)
    assert not torch.equal(model(past, past_known, known + 1), before)


def test_a_row_depends_neither_on_its_place_nor_on_those_beside_it() -> None:
    model = network("quantile")
    given = inputs()
    together = model(*given)
    for row in range(len(together)):
        torch.testing.assert_close(
            model(*(each[row : row + 1] for each in given))[0], together[row], rtol=1e-12, atol=0
        )


# The training's loss


def windows(observed: Any = None) -> Windows:
    random = np.random.default_rng(3)
    values = random.normal(size=(30, V)).cumsum(0)
    seen = np.ones(values.shape, np.bool_) if observed is None else observed
    series = Series(values, seen, ("a", "b", "c"), ("a", "b", "c"), random.normal(size=(30, K)), ("k", "l"))
    return Windows([series], SeriesScaling.of([series]), CONTEXT, STEPS)


def test_the_training_s_loss_is_the_sum_over_windows_of_their_means() -> None:
    given = windows()
    model = network().float()
    task = Forecasting(model, given, given, 1)
    loss, weight = task.loss(np.arange(4))
    batch = given.take(np.arange(4))
    said = model(batch.past, batch.past_covariates, batch.future_covariates)[..., 0].detach()
    assert float(weight) == 4
    assert float(loss.detach()) == pytest.approx(float((said - batch.truth).square().mean((1, 2)).sum()), rel=1e-5)
    with torch.no_grad():
        validated = task.validate()
    everything = given.take(np.arange(len(given)))
    said = model(everything.past, everything.past_covariates, everything.future_covariates)[..., 0].detach()
    assert validated["mae"] == pytest.approx(float((said - everything.truth).abs().mean()), rel=1e-5)
    assert validated["validation_loss"] == pytest.approx(float((said - everything.truth).square().mean()), rel=1e-5)
    repeated = (everything.past[..., -1:] - everything.truth).abs().mean()
    assert validated["repeat_last_mae"] == pytest.approx(float(repeated), rel=1e-5)


def test_values_that_were_filled_in_count_in_no_loss_and_no_gradient() -> None:
    seen = np.ones((30, V), np.bool_)
    seen[9:11, 1] = seen[25:, 0] = False
    with_gaps, model = windows(seen), network().float()
    rows = np.arange(len(with_gaps))
    loss, weight = Forecasting(model, with_gaps, with_gaps, 1).loss(rows)
    batch = with_gaps.take(rows)
    said = model(batch.past, batch.past_covariates, batch.future_covariates)[..., 0].detach()
    errors, counted = (said - batch.truth).square(), torch.from_numpy(seen).float().unfold(0, CONTEXT + STEPS, 1)
    counted = counted[..., CONTEXT:]
    mean = float((errors * counted).sum() / counted.sum())
    assert float(loss.detach() / weight) == pytest.approx(mean, rel=1e-5)
    assert float(weight) < len(rows)
    before, _ = Forecasting(model, with_gaps, None, 1).loss(np.array([0]))
    with_gaps.values[9:11, 1] += 100.0  # of the first window they are the truth
    after, _ = Forecasting(model, with_gaps, None, 1).loss(np.array([0]))
    assert torch.equal(before, after)
