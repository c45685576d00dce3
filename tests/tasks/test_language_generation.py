"""Drawing what comes next, through the one-step engine."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_language_models import VOCABULARY, network

from ricorda.cells import gru, lstm
from ricorda.errors import ArgumentError
from ricorda.tasks.language.generation import Sampling, keys, tokens

SCORES = np.log(np.array([0.1, 0.4, 0.2, 0.3], np.float32))


def test_temperature_sharpens_and_flattens() -> None:
    assert Sampling(1.0).probabilities(SCORES) == pytest.approx([0.1, 0.4, 0.2, 0.3], rel=1e-5)
    squares = np.array([0.01, 0.16, 0.04, 0.09])
    assert Sampling(0.5).probabilities(SCORES) == pytest.approx(squares / squares.sum(), rel=1e-5)
    assert Sampling(0).probabilities(SCORES).tolist() == [0, 1, 0, 0]
    assert Sampling(1e-6).probabilities(SCORES * 1e4) == pytest.approx([0, 1, 0, 0])


def test_top_k_and_top_p_keep_the_most_probable() -> None:
    assert Sampling(top_k=2).probabilities(SCORES) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert Sampling(top_k=9).probabilities(SCORES) == pytest.approx([0.1, 0.4, 0.2, 0.3])
    assert Sampling(top_p=0.65).probabilities(SCORES) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert Sampling(top_p=0.75).probabilities(SCORES) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])
    assert Sampling(top_p=1e-9).probabilities(SCORES).tolist() == [0, 1, 0, 0]


@given(
    st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20),
    st.floats(0.01, 10),
    st.none() | st.integers(1, 25),
    st.none() | st.floats(0.01, 1),
)
@settings(max_examples=200)
def test_probabilities_are_such(
    scores: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    found = Sampling(temperature, top_k, top_p).probabilities(np.array(scores, np.float32))
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    # scores nearer to each other than this have the same probability, of which the first is found
    assert max(scores) - scores[int(found.argmax())] <= temperature * np.finfo(np.float64).eps
    assert top_k is None or (found > 0).sum() <= top_k


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature is -1: give a number from 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0: give a whole number of at least 1"),
        ({"top_p": 0.0}, "top_p is 0.0: give a number above 0 and up to 1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
    ],
)
def test_choices_that_cannot_be_are_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Sampling(**options)


@pytest.mark.parametrize("cell", [lstm, gru])
@pytest.mark.parametrize("sizes", [{}, {"tied": True}, {"adaptive": True, "vocabulary": 40, "hidden": 16}])
def test_the_most_probable_tokens_are_those_of_the_whole_network(cell: Any, sizes: dict[str, Any]) -> None:
    model = network(cell=cell, **sizes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)  # so that what is most probable differs from step to step
    found = list(tokens(model, [3, 1], Sampling(0), length=12, seed=0))
    read = [3, 1]
    for _ in range(12):
        with torch.no_grad():
            outputs, _ = model(torch.tensor(read)[:, None], None)
            read.append(int(model.output.log_probabilities(outputs[-1]).argmax()))  # type: ignore[operator]
    assert found == read[2:]


def test_tokens_are_drawn_as_often_as_probable() -> None:
    model = network().eval()
    with torch.no_grad():
        outputs, _ = model(torch.tensor([[2]]), None)
        expected = model.output.log_probabilities(outputs[0])[0].exp().numpy()  # type: ignore[operator]
    drawn = [next(tokens(model, [2], Sampling(), length=1, seed=seed)) for seed in range(2000)]
    shares = np.bincount(drawn, minlength=VOCABULARY) / 2000
    assert np.abs(shares - expected).max() < 4 * np.sqrt(0.25 / 2000)


def test_a_seed_decides_and_some_are_never_drawn_and_an_end_ends() -> None:
    model = network().eval()
    draw = lambda **options: list(tokens(model, [0], Sampling(), **{"length": 60, "seed": 1, **options}))  # noqa: E731
    assert draw() == draw()
    assert draw() != draw(seed=2)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert {4, 5} & set(draw(never=(4, 5))) == set()
    assert torch.equal(torch.get_rng_state(), state)
    whole = draw()
    assert draw(end=whole[7]) == whole[: whole.index(whole[7])]


@pytest.mark.parametrize("cell", [lstm, gru])
def test_a_condition_is_the_state_that_writing_begins_with(cell: Any) -> None:
    model = network(cell=cell, condition=3).eval()
    with torch.no_grad():
        model.opening.weight.mul_(10)
    vector = torch.tensor([1.0, -2.0, 0.5])
    found = list(tokens(model, [2], Sampling(0), length=5, seed=0, condition=vector))
    read = [2]
    for _ in range(5):
        with torch.no_grad():
            outputs, _ = model(torch.tensor(read)[:, None], model.initial(vector[None]))
            read.append(int(model.output.log_probabilities(outputs[-1]).argmax()))  # type: ignore[operator]
    assert found == read[1:]


def test_notes_are_drawn_each_with_its_own_probability() -> None:
    model = network(vocabulary=0, embedding=0, keys=5).eval()
    silence = np.zeros(5, np.uint8)
    with torch.no_grad():
        outputs, _ = model(torch.zeros(1, 1, 5), None)
        expected = torch.sigmoid(model.output(outputs[0]))[0].numpy()  # type: ignore[operator]
    drawn = np.mean([next(keys(model, [silence], 1.0, length=1, seed=seed)) for seed in range(1000)], axis=0)
    assert np.abs(drawn - expected).max() < 4 * np.sqrt(0.25 / 1000)
    greedy = next(keys(model, [silence], 0, length=1, seed=0))
    assert greedy.tolist() == (expected > 0.5).astype(int).tolist()
