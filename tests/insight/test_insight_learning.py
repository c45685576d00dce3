"""Cells that learn adding side by side."""

import numpy as np
import pytest

from ricorda.data.synthetic.adding import VARIANCE
from ricorda.errors import ArgumentError
from ricorda.insight import SideBySide, gradient_flow


def test_with_memory_the_gradient_of_gates_arrives_where_the_plain_one_is_gone() -> None:
    flows = SideBySide(steps=100, memory=100).flows()
    ends = {name: flow.carrier.far_end for name, flow in flows.items()}
    assert ends["rnn"] < ends["lstm"] - 10
    assert ends["rnn"] < ends["gru"] - 10
    assert [flows[name].verdict for name in ("rnn", "lstm", "gru")] == ["vanishes", "sound", "sound"]
    as_drawn = SideBySide(steps=100).flows()
    assert {flow.verdict for flow in as_drawn.values()} == {"vanishes"}
    np.testing.assert_array_equal(flows["rnn"].output.norms, as_drawn["rnn"].output.norms)  # It has no gate.


def test_a_forget_bias_acts_on_the_cell_with_a_forget_gate() -> None:
    biased, as_drawn = SideBySide(steps=30, forget_bias=3.0).flows(), SideBySide(steps=30).flows()
    assert biased["lstm"].carrier.far_end > as_drawn["lstm"].carrier.far_end + 3
    for other in ("rnn", "gru"):
        np.testing.assert_array_equal(biased[other].output.norms, as_drawn[other].output.norms)


def test_it_learns_and_measures_and_flows_follow() -> None:
    side_by_side = SideBySide(steps=4, memory=4, cells=["gru"])
    before, first = side_by_side.measured()["gru"], side_by_side.flows()["gru"]
    for _ in range(150):
        side_by_side.learn()
    assert side_by_side.done == 150
    after, last = side_by_side.measured()["gru"], side_by_side.flows()["gru"]
    assert after["mean_squared_error"] < VARIANCE / 2 < VARIANCE < before["mean_squared_error"]
    assert after["share_wrong"] < before["share_wrong"]
    assert (last.output.norms != first.output.norms).any()


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [SideBySide(steps=6, cells=["gru"], seed=seed) for seed in (3, 3, 4)]
    for run in runs:
        for _ in range(2):
            run.learn()
    one, same, other = (run.measured()["gru"]["mean_squared_error"] for run in runs)
    assert one == same != other


@pytest.mark.parametrize("wrong", [{"steps": 1}, {"memory": 1}, {"memory": 9, "forget_bias": 1.0}])
def test_invalid_arguments_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ArgumentError):
        SideBySide(**wrong)  # type: ignore[arg-type]


def test_a_flow_without_shares_and_jacobians_has_the_same_norms() -> None:
    whole, quick = (gradient_flow("lstm", steps=8, hidden_size=3, shares=shares, jacobians=shares) for shares in (1, 0))
    assert whole.shares is not None
    assert (quick.shares, quick.log10_products, quick.spectra, quick.exponents) == (None, None, None, None)
    for name, state in whole.states.items():
        np.testing.assert_array_equal(state.norms, quick.states[name].norms)
    alone = gradient_flow("lstm", steps=8, hidden_size=3, jacobians=False)
    np.testing.assert_array_equal(alone.shares, whole.shares)
