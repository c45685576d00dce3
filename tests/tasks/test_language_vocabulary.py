"""Texts to ids and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ricorda.data.material import read_material
from ricorda.data.vocabulary import END, UNKNOWN, Kind, Vocabulary, train_vocabulary
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.language.reading import Reader

TEXT = "the cat sat on the mat\nè già qui, <eos> naïve ☂ 🙂🙂\n\n  two  spaces\tand a tab\r\n" * 3


def written(vocabulary: Vocabulary, text: str, *, lines: bool = False) -> str:
    writer = vocabulary.writer()
    return "".join(writer.write(int(id)) for id in vocabulary.ids(vocabulary.split(text, lines=lines)))


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_what_is_read_is_written_again_to_the_letter(kind: Kind) -> None:
    vocabulary = train_vocabulary(kind, [TEXT])
    assert written(vocabulary, TEXT) == TEXT


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(deadline=None, max_examples=100)
def test_byte_pairs_know_every_text(text: str) -> None:
    assert written(BYTE_PAIRS, text) == text
    assert UNKNOWN not in BYTE_PAIRS.ids(BYTE_PAIRS.split(text))


def test_the_sign_for_broken_bytes_is_a_character_as_any_other() -> None:
    assert written(BYTE_PAIRS, "\ufffd") == "\ufffd"
    assert written(BYTE_PAIRS, "a\ufffdè\ufffd\ufffd") == "a\ufffdè\ufffd\ufffd"


BYTE_PAIRS = train_vocabulary("bpe", [TEXT])


def test_words_are_what_stands_between_white_space_and_a_line_ends_with_a_mark() -> None:
    vocabulary = train_vocabulary("word", ["a b\nb  c\n"])
    assert vocabulary.split("a b\nb  c\n", lines=True) == ["a", "b", "<eos>", "b", "c", "<eos>"]
    assert vocabulary.split("a b\nb  c\n") == ["a", "b", "b", "c"]
    assert [vocabulary.token(id) for id in range(len(vocabulary))] == ["<unk>", "<eos>", "b", "a", "c"]
    assert written(vocabulary, "a b\nb  c\n", lines=True) == "a b\nb c\n"


def test_marks_that_stand_in_a_text_of_words_are_the_marks() -> None:
    vocabulary = train_vocabulary("word", ["the <unk> sat\n"])
    assert vocabulary.ids(vocabulary.split("<unk> <eos>")).tolist() == [UNKNOWN, END]
    assert len(vocabulary) == 4


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
def test_the_most_frequent_stay(kind: Kind) -> None:
    most = {"char": 4, "word": 4, "bpe": 260}[kind]
    vocabulary = train_vocabulary(kind, ["aaa aaa aaa bb bb c"], vocab_size=most)
    assert len(vocabulary) <= most
    assert vocabulary.find({"char": "a", "word": "aaa", "bpe": "aa"}[kind]) is not None
    with pytest.raises(ArgumentError, match="vocab_size is 2: give at least"):
        train_vocabulary(kind, ["a"], vocab_size=2)


def test_no_token_as_frequent_is_a_mistake() -> None:
    with pytest.raises(ArgumentError, match="min_frequency is 9, and no token is met as often"):
        train_vocabulary("word", ["a b c"], min_frequency=9)


def test_lower_case_is_read_and_kept_in_the_tokenizer() -> None:
    for kind in ("char", "word", "bpe"):
        vocabulary = train_vocabulary(kind, ["The CAT\n" * 5], lowercase=True)  # type: ignore[arg-type]
        again = Vocabulary(vocabulary.kind, type(vocabulary.tokenizer).from_str(vocabulary.tokenizer.to_str()))
        assert again.split("THE cat") == vocabulary.split("the cat")
        assert UNKNOWN not in again.ids(again.split("THE cat"))


@pytest.mark.parametrize("kind", ["char", "word"])
def test_the_tokenizers_library_reads_the_saved_file_alike(kind: Kind) -> None:
    vocabulary = train_vocabulary(kind, [TEXT])
    text = "the cat sat naïve"
    assert vocabulary.tokenizer.encode(text).ids == vocabulary.ids(vocabulary.split(text)).tolist()


def reader(X: Any, tokenizer: str = "char", **options: Any) -> Reader:
    given: dict[str, Any] = {"vocab_size": None, "min_frequency": 1, "lowercase": False, **options}
    return Reader.learn(read_material(X), tokenizer, **given)


def test_a_text_begins_behind_a_line_end_if_there_is_one() -> None:
    found = reader("ab\nab\n").sequences(read_material("ba"))
    assert found.predictions == 2
    assert found.steps[0] == reader("ab\nab\n").before
    assert reader("abab").sequences(read_material("ba")).predictions == 1


def test_documents_begin_and_end_with_a_mark() -> None:
    found = reader(["ab", "b"]).sequences(read_material(["a", "bb"]))
    assert found.steps.tolist()[:3] == [END, found.steps[1], END]
    assert found.lengths.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("tokenizer", "text", "message"),
    [("char", "cabéc", "'é' as character 4"), ("word", "ab zz ab\n", "'zz' as word 2")],
)
def test_what_the_training_never_had_is_named(tokenizer: str, text: str, message: str) -> None:
    learned = reader("ab cab\n" * 3, tokenizer)
    with pytest.raises(DataError, match=f"X has {message}, which the training text never had"):
        learned.sequences(read_material(text), "X")
    with pytest.raises(DataError, match=f"prompt has {message}"):
        learned.prompt(text)


def test_a_model_that_met_unknown_words_reads_others_as_such() -> None:
    learned = reader("a b <unk> b\n" * 3, "word")
    assert learned.prompt("a zz") == [END, *learned.prompt("a")[1:], UNKNOWN]
    rare = reader("a a a b b b c\n", "word", min_frequency=2)
    assert rare.sequences(read_material("c q\n"), "X").steps.tolist() == [END, UNKNOWN, UNKNOWN, END]


@pytest.mark.parametrize(
    ("given_now", "message"),
    [
        ("", "X is empty: give some text"),
        (" \n ", "X is blank: give some text"),
        ("a\ud800", "half a surrogate pair"),
        ([], "X holds no document"),
        (7, "X is of type int: give a text, a path, or a list"),
        (["a", ""], r"X\[1\] has an empty text"),
        ([["a"], [""]], "make each token a string that is not empty"),
        ([[1.5, 2.5]], "X holds numbers"),
    ],
)
def test_what_cannot_be_read_is_said(given_now: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_material(given_now)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ([[1.0]], "shape .1, 1.: give a vector for each of 2 documents"),
        ([[1.0], [np.nan]], "not finite"),
        ([["a"], ["b"]], "no array of numbers"),
    ],
)
def test_conditions_that_do_not_fit_are_said(condition: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_material(["a", "b"], "X", condition)
    with pytest.raises(ArgumentError, match="X is one text: give a list of texts"):
        read_material("text", "X", condition)


def test_a_long_line_is_read_whole() -> None:
    line = " ".join(f"w{number % 97}" for number in range(10_000))
    for tokenizer in ("char", "word", "bpe"):
        found = reader(line + "\n", tokenizer).sequences(read_material(line))
        assert found.predictions >= 10_000


@given(st.text("ab \n", min_size=30, max_size=200), st.floats(0.1, 0.9))
def test_the_parts_of_a_split_text_are_the_text(text: str, fraction: float) -> None:
    if not text.strip():
        return
    for anywhere in (True, False):
        if not anywhere and not text[int(len(text) * (1 - fraction)) - 1 : -1].strip("ab"):
            continue  # no white space left to split at
        first, last = read_material(text).split(fraction, anywhere=anywhere)
        assert last is not None
        assert first.parts[0] + last.parts[0] == text
        assert anywhere or first.parts[0][-1].isspace()


@pytest.mark.parametrize(
    "remedy", [{"tokenizer": "bpe", "min_frequency": 1}, {"tokenizer": "char", "min_frequency": 2}]
)
def test_the_remedies_that_are_named_for_an_unseen_character_read_it(remedy: dict[str, Any]) -> None:
    text, unseen = "the cat sat on the mat, and that was that!\n" + "the rat\n" * 9, "the ☂ sat"
    reader = Reader.learn(read_material(text), "char", vocab_size=None, min_frequency=1, lowercase=False)
    with pytest.raises(
        DataError, match="or train with --tokenizer bpe, which reads every text, or with --min-frequency 2"
    ):
        reader.sequences(read_material(unseen), "X")
    reader = Reader.learn(read_material(text), **remedy, vocab_size=None, lowercase=False)
    assert reader.sequences(read_material(unseen), "X").predictions > 0
