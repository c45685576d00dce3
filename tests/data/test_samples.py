"""The shipped reviews."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import ricorda
from ricorda.data.read import Examples, read_examples

SAMPLES = Path(ricorda.__file__).parent / "samples"


@pytest.fixture(scope="module")
def train() -> Examples:
    return read_examples(SAMPLES / "reviews.csv", by="language")


@pytest.fixture(scope="module")
def test() -> Examples:
    return read_examples(SAMPLES / "reviews_test.csv", by="language")


def counts(examples: Examples) -> Counter[tuple[str, str]]:
    assert examples.labels is not None
    assert examples.groups is not None
    return Counter(zip(examples.groups, examples.labels, strict=True))


def words(text: object) -> list[str]:
    return re.findall(r"\w+", str(text).lower())


def trigrams(text: object) -> set[tuple[str, ...]]:
    found = words(text)
    return set(zip(found, found[1:], found[2:], strict=False))


def test_there_are_enough_and_they_are_half_and_half(train: Examples, test: Examples) -> None:
    parts = {(language, label) for language in ("en", "it") for label in ("negative", "positive")}
    assert counts(test) == dict.fromkeys(parts, 25)
    assert len(train.inputs) >= 600
    assert set(counts(train)) == parts
    for count in counts(train).values():
        assert count == pytest.approx(len(train.inputs) / 4, rel=0.05)


def test_none_is_there_twice(train: Examples, test: Examples) -> None:
    times = Counter(" ".join(words(text)) for text in [*train.inputs, *test.inputs])
    assert [text for text, count in times.items() if count > 1] == []
    assert "" not in times


def test_no_review_of_the_test_resembles_one_to_train_on(train: Examples, test: Examples) -> None:
    rows_with = defaultdict(set)
    for row, text in enumerate(train.inputs):
        for trigram in trigrams(text):
            rows_with[trigram].add(row)
    sizes = [len(trigrams(text)) for text in train.inputs]
    for text in test.inputs:
        mine = trigrams(text)
        shared = Counter(row for trigram in mine for row in rows_with[trigram])
        for row, count in shared.items():
            assert count <= 0.45 * min(len(mine), sizes[row]), f"{text} / {train.inputs[row]}"


def test_the_licence_and_a_note_lie_beside_them(train: Examples) -> None:
    assert "Apache License 2.0" in (SAMPLES / "LICENSE.md").read_text(encoding="utf-8")
    assert f"{len(train.inputs):,}" in (SAMPLES / "README.md").read_text(encoding="utf-8")
