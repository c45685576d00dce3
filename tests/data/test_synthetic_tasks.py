"""Synthetic tasks: what the papers define, held against a second way of saying it."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ricorda.data.synthetic import (
    ADDING,
    COPY,
    ORDER,
    PARITY,
    REBER,
    SYNTHETIC_TASKS,
    SyntheticTask,
    adding,
    copying,
    reber,
)
from ricorda.data.synthetic.reber import REBER_SYMBOLS
from ricorda.errors import ArgumentError

SEEDS = st.integers(0, 2**63)
NUMBERS = st.integers(1, 40)

REBER_STRING = re.compile(r"B(?P<second>[TP])B(TS*X(XT*VP)*(S|XT*VV)|PT*V(P(XT*VP)*(S|XT*VV)|V))E(?P=second)E")
"""The embedded grammar as a regular expression, worked out from the automaton's drawing by hand."""


@pytest.mark.parametrize("task", SYNTHETIC_TASKS.values(), ids=list(SYNTHETIC_TASKS))
@given(seed=SEEDS, number=NUMBERS)
def test_examples_follow_from_seed_and_number_alone_and_fill_their_lengths(
    task: SyntheticTask, seed: int, number: int
) -> None:
    first, again = task.generate(seed, number), task.generate(seed, number)
    for name in ("inputs", "targets", "lengths"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert len(first.inputs) == len(first.targets) == len(first.lengths) == number
    assert first.lengths.max() <= first.inputs.shape[1]
    if task.symbols:
        beyond = np.arange(first.inputs.shape[1]) >= first.lengths[:, None]
        assert ((first.inputs == -1) == beyond).all()
        assert first.inputs.max() < len(task.symbols)
    other = task.generate(seed + 1, 40).inputs
    assert other.shape != task.generate(seed, 40).inputs.shape or (other != task.generate(seed, 40).inputs).any()


@given(seed=SEEDS, number=NUMBERS, T=st.integers(2, 90))
def test_adding_asks_for_the_sum_of_the_marked_numbers_one_in_each_half(seed: int, number: int, T: int) -> None:
    made = ADDING.generate(seed, number, T=T)
    values, marks = made.inputs[..., 0], made.inputs[..., 1]
    assert made.inputs.shape == (number, T, 2)
    assert ((values >= 0) & (values < 1)).all()
    for half in (marks[:, : T // 2], marks[:, T // 2 :]):
        assert (np.sort(half, axis=1) == np.eye(half.shape[1])[-1]).all()
    np.testing.assert_allclose(made.targets, (values * marks).sum(1), rtol=1e-6)


def test_who_always_says_one_has_the_variance_as_error_on_adding() -> None:
    sums = ADDING.generate(0, 200_000, T=2).targets
    assert np.mean((sums - 1.0) ** 2) == pytest.approx(adding.VARIANCE, rel=0.01)


def test_an_added_sum_is_wrong_from_an_error_of_008_which_is_004_of_half_the_sum() -> None:
    assert adding.wrong(np.array([1.0, 1.079, 1.081, 0.9]), np.ones(4)) == 0.5


@given(seed=SEEDS, number=NUMBERS, T=st.integers(1, 60))
def test_copy_has_ten_symbols_then_blanks_a_delimiter_and_ten_blanks(seed: int, number: int, T: int) -> None:
    made = COPY.generate(seed, number, T=T)
    for read, said in zip(made.inputs, made.targets, strict=True):
        text = "".join(COPY.symbols[symbol] for symbol in read)
        found = re.fullmatch(rf"([a-h]{{10}})_{{{T - 1}}}\|_{{10}}", text)
        assert found
        assert "".join(COPY.labels[tag] for tag in said) == "_" * (T + 10) + found[1]


def test_the_memoryless_loss_of_copy_is_that_of_guessing_each_symbol() -> None:
    targets = COPY.generate(0, 50, T=30).targets
    guess = np.full((50, 50, 9), 1e-30)
    guess[:, :40, 8], guess[:, 40:, :8] = 1, 1 / 8
    loss = -np.log(np.take_along_axis(guess, targets[..., None], axis=2)).mean()
    assert loss == pytest.approx(copying.memoryless(30))


def test_a_sequence_is_recalled_when_all_ten_symbols_are_right_and_blanks_do_not_count() -> None:
    targets = COPY.generate(0, 4, T=3).targets
    found = targets.copy()
    found[0, -1] += 1
    found[1, 0] = 0
    assert copying.recalled(found, targets) == 0.75


@given(seed=SEEDS, number=NUMBERS, T=st.integers(10, 120), symbols=st.sampled_from([2, 3]))
def test_order_says_which_relevant_symbols_came_in_which_order(seed: int, number: int, T: int, symbols: int) -> None:
    made = ORDER.generate(seed, number, T=T, symbols=symbols)
    labels = ORDER.labels_for(symbols=symbols)
    assert len(labels) == 2**symbols
    assert ((made.lengths >= T) & (made.lengths <= T + T // 10)).all()
    for row, target, length in zip(made.inputs, made.targets, made.lengths, strict=True):
        text = "".join(ORDER.symbols[symbol] for symbol in row[:length])
        assert re.fullmatch(r"E[abcdXY]*B", text)
        assert "".join(re.findall("[XY]", text)) == labels[target]


def test_relevant_symbols_stand_where_the_paper_has_them() -> None:
    for symbols, bounds in ((2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])):
        made = ORDER.generate(1, 3_000, T=100, symbols=symbols)
        where = np.array([np.flatnonzero(row >= 6) for row in made.inputs])
        assert [*zip(where.min(0).tolist(), where.max(0).tolist(), strict=True)] == bounds


@given(seed=SEEDS, number=NUMBERS, T=st.integers(1, 60))
def test_parity_is_odd_where_the_bits_multiply_to_minus_one(seed: int, number: int, T: int) -> None:
    made = PARITY.generate(seed, number, T=T)
    assert made.inputs.shape == (number, T)
    assert ((-1.0) ** made.inputs).prod(1).tolist() == np.where(made.targets == 1, -1, 1).tolist()


# Reber


def strings(seed: int, number: int) -> list[str]:
    made = REBER.generate(seed, number)
    whole = []
    for read, said, length in zip(made.inputs, made.targets, made.lengths, strict=True):
        assert read[1:length].tolist() == said[: length - 1].tolist()
        whole.append("".join(REBER_SYMBOLS[symbol] for symbol in [*read[:length], said[length - 1]]))
    return whole


@given(seed=SEEDS, number=NUMBERS)
def test_every_string_is_one_of_the_grammar_and_is_asked_for_symbol_by_symbol(seed: int, number: int) -> None:
    for string in strings(seed, number):
        assert REBER_STRING.fullmatch(string), string


def test_all_short_strings_of_the_grammar_are_drawn_and_no_other() -> None:
    short = {string for string in strings(0, 20_000) if len(string) <= 10}
    letters = ["B", "TP", "B", "TPSXV", "TPSXV", "TPSXV", "TPSXV"]
    texts = {""}
    candidates = set()
    for choices in letters:
        texts = {text + each for text in texts for each in choices}
        candidates |= {f"{text}E{text[1]}E" for text in texts if len(text) > 1}
    assert short == {text for text in candidates if REBER_STRING.fullmatch(text)}


@given(seed=SEEDS)
def test_what_may_follow_is_what_leads_to_another_string_of_the_grammar(seed: int) -> None:
    (string,) = strings(seed, 1)
    sets = reber.allowed(string)
    everywhere = strings(1, 3_000)
    for length in range(1, min(len(string), 7)):
        begun = [other for other in everywhere if other.startswith(string[:length])]
        assert sets[length - 1] == {other[length] for other in begun}
    assert sets[-3:] == [{string[1]}, {"E"}, set()]


def test_a_string_of_no_grammar_is_refused() -> None:
    with pytest.raises(ValueError, match="'BTBTXSEPE' is no string of the embedded Reber grammar"):
        reber.allowed("BTBTXSEPE")


def test_a_string_is_predicted_when_the_most_probable_are_exactly_those_allowed() -> None:
    string = "BPBPVVEPE"
    right = np.array([[each in allowed for each in REBER_SYMBOLS] for allowed in reber.allowed(string)], dtype=float)
    assert reber.predicted(right[:-1], string)
    assert reber.predicted(right[:-1] * 0.01, string)
    forgetful = right[:-1].copy()
    forgetful[-2, REBER_SYMBOLS.index("T")] = 1.1  # the long-range symbol forgotten
    assert not reber.predicted(forgetful, string)


# What cannot be


def test_numbers_that_cannot_be_are_refused() -> None:
    for call, sentence in (
        (
            lambda: ADDING.generate(0, 3, T=1),
            "T=1 of synthetic:adding is out of bounds: give a number of steps, from 2 to 10,000",
        ),
        (lambda: ADDING.generate(0, 3, steps=9), "synthetic:adding has no option 'steps': choose among T"),
        (lambda: REBER.generate(0, 3, T=9), "synthetic:reber has no option 'T': choose among none"),
        (lambda: PARITY.generate(-1, 3), "seed is -1: give a whole number of at least 0"),
        (lambda: PARITY.generate(0, 0), "number is 0: give at least 1 example"),
    ):
        with pytest.raises(ArgumentError) as refused:
            call()
        assert str(refused.value) == sentence
