"""Synthetic tasks as sources of examples: `synthetic:NAME?OPTION=NUMBER`."""

import numpy as np
import pytest

from ricorda.data.synthetic import ORDER, SYNTHETIC_TASKS, is_synthetic, read_synthetic
from ricorda.errors import ArgumentError


def test_a_source_is_synthetic_by_its_prefix() -> None:
    assert is_synthetic("synthetic:adding?T=400")
    assert not is_synthetic("synthetic.csv")


def test_a_source_gives_what_the_generator_makes_in_the_form_of_files() -> None:
    drawn = read_synthetic("synthetic:order?T=30&symbols=3&n=7&seed=5", "classify")
    made = ORDER.generate(5, 7, T=30, symbols=3)
    assert [len(row) for row in drawn.inputs] == made.lengths.tolist()
    assert drawn.inputs[3] == [ORDER.symbols[symbol] for symbol in made.inputs[3][: made.lengths[3]]]
    assert drawn.targets[3] == "".join(symbol for symbol in drawn.inputs[3] if symbol in "XY")


def test_each_relation_gets_its_kind_of_target() -> None:
    adding = read_synthetic("synthetic:adding?T=9&n=4", "regress")
    assert [row.shape for row in adding.inputs] == [(9, 2)] * 4
    assert all(row.dtype == np.float32 for row in adding.inputs)
    assert all(isinstance(target, float) for target in adding.targets)
    copy = read_synthetic("synthetic:copy?T=3&n=4", "tag")
    assert [(len(read), len(said)) for read, said in zip(copy.inputs, copy.targets, strict=True)] == [(23, 23)] * 4
    assert copy.targets[0] == ["_"] * 13 + copy.inputs[0][:10]
    reber = read_synthetic("synthetic:reber?n=4", "tag")
    assert all(read[1:] == said[:-1] for read, said in zip(reber.inputs, reber.targets, strict=True))
    assert set(read_synthetic("synthetic:parity?n=50", "classify").targets) == {"even", "odd"}


def test_without_options_there_are_ten_thousand_examples_of_the_papers_length() -> None:
    drawn = read_synthetic("synthetic:parity", "classify")
    assert len(drawn.inputs) == len(drawn.targets) == 10_000


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("synthetic:addin", "there is no synthetic task 'addin': choose one of adding, copy, order, parity, reber"),
        ("synthetic:", "there is no synthetic task '': choose one of adding, copy, order, parity, reber"),
        ("synthetic:adding?T=long", "synthetic:adding?T=long has 'long' as T: give a whole number"),
        ("synthetic:adding?T=-4", "synthetic:adding?T=-4 has '-4' as T: give a whole number"),
        ("synthetic:adding?T=1", "T=1 of synthetic:adding is out of bounds: give a number of steps, from 2 to 10,000"),
        ("synthetic:adding?t=9", "synthetic:adding?t=9 has 't=9': write OPTION=NUMBER, with one of T, n, seed"),
        ("synthetic:adding?T", "synthetic:adding?T has 'T': write OPTION=NUMBER, with one of T, n, seed"),
        ("synthetic:adding?", "synthetic:adding? has '': write OPTION=NUMBER, with one of T, n, seed"),
        ("synthetic:adding?T=9&T=9", "synthetic:adding?T=9&T=9 has T twice: leave one out"),
        ("synthetic:adding?n=0", "synthetic:adding?n=0 has 0 as n: give a number of examples from 1 to 1,000,000"),
        (
            "synthetic:adding?T=9999&n=99999",
            "synthetic:adding?T=9999&n=99999 has more than 100,000,000 steps in all: give a smaller n or T",
        ),
        ("synthetic:copy?T=9", "synthetic:copy is no data for the task 'regress': use it with `ricorda train tag`"),
    ],
)
def test_a_source_that_cannot_be_is_refused_in_a_sentence(source: str, sentence: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        read_synthetic(source, "regress")
    assert str(refused.value) == sentence


def test_every_task_says_paper_definition_and_success() -> None:
    for name, task in SYNTHETIC_TASKS.items():
        assert task.name == name
        assert len(task.definition) > 40
        assert len(task.success) > 40
        assert any(year in task.paper for year in ("1997", "2016", "2001"))
