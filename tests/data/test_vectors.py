"""Files of word vectors, in each form that the three programs write, and what becomes of damaged ones."""

import gzip
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ricorda.data.vectors import Vectors, by_spelling, read_vectors
from ricorda.errors import DataError

WORDS = {"the": [0.5, -1.25, 0.03125], "cat": [1.0, 2.0, 3.0], "naïve": [0.0, -0.125, 7.5], "sat": [4.0, 5.0, 6.0]}


def text(words: dict[str, list[float]] = WORDS, *, end: str = "\n") -> bytes:
    return "".join(f"{word} {' '.join(map(str, numbers))}{end}" for word, numbers in words.items()).encode()


def binary(words: dict[str, list[float]] = WORDS, *, between: bytes = b"\n", count: int | None = None) -> bytes:
    header = f"{len(words) if count is None else count} 3\n".encode()
    return header + b"".join(
        word.encode() + b" " + np.array(numbers, dtype="<f4").tobytes() + between for word, numbers in words.items()
    )


FORMS = {
    "GloVe": text(),
    "no end of line": text().rstrip(b"\n"),
    "Windows": text(end="\r\n"),
    "tabs": text().replace(b" ", b"\t"),
    "two spaces": text().replace(b" ", b"  "),
    "word2vec": b"4 3\n" + text(),
    "fastText": b"4 3\n" + text(end=" \n"),
    "binary": binary(),
    "gensim's binary": binary(between=b""),
}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "vectors"
    path.write_bytes(content)
    return path


def as_lists(vectors: Vectors) -> dict[str, list[float]]:
    return {word: vector.tolist() for word, vector in vectors.of.items()}


@pytest.mark.parametrize("packed", ["plain", "gzip", "zip"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(tmp_path: Path, form: str, packed: str) -> None:
    content, path = FORMS[form], tmp_path / "vectors"
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("vectors.txt", content)
    else:
        path.write_bytes(gzip.compress(content) if packed == "gzip" else content)
    vectors = read_vectors(path, ["naïve", "sat", "dog"])
    assert vectors.size == 3
    assert vectors.others == []
    assert as_lists(vectors) == {word: WORDS[word] for word in ("naïve", "sat")}
    assert all(vector.dtype == np.float32 for vector in vectors.of.values())


def test_the_first_other_words_are_taken_along(tmp_path: Path) -> None:
    vectors = read_vectors(written(tmp_path, text()), ["cat"], others=2)
    assert vectors.others == ["the", "naïve"]
    assert as_lists(vectors) == {word: WORDS[word] for word in ("the", "cat", "naïve")}


def test_a_word_has_its_own_spelling_or_the_first_that_differs_in_case(tmp_path: Path) -> None:
    cased = text({"Paris": [1.0, 1.0], "US": [2.0, 2.0], "us": [3.0, 3.0], "Us": [4.0, 4.0]})
    vectors = read_vectors(written(tmp_path, cased), ["paris", "us"])
    assert as_lists(vectors) == {"paris": [1.0, 1.0], "us": [3.0, 3.0]}
    vectors = read_vectors(written(tmp_path, cased), ["Us", "US"])
    assert as_lists(vectors) == {"US": [2.0, 2.0], "Us": [4.0, 4.0]}
    small = text({"paris": [1.0, 1.0], "zürich": [2.0, 2.0]})
    assert as_lists(read_vectors(written(tmp_path, small), ["PARIS", "Zürich"])) == {
        "PARIS": [1.0, 1.0],
        "Zürich": [2.0, 2.0],
    }


def test_others_are_spelled_as_texts_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, text({"a": [1.0], "The": [2.0], "the": [3.0], "END": [4.0]}))
    small, cased = (read_vectors(path, ["a"], others=9, lowercase=lowercase) for lowercase in (True, False))
    assert as_lists(small) == {"a": [1.0], "the": [3.0], "end": [4.0]}
    assert as_lists(cased) == {"a": [1.0], "The": [2.0], "the": [3.0], "END": [4.0]}


def test_words_with_spaces_words_that_are_numbers_and_words_that_are_no_utf8(tmp_path: Path) -> None:
    content = b". . . 1 2 3\n1999 4 5 6\nat name@domain.com 7 8 9\n\xe9\xff 1 1 1\n\nthe 0 1 2\n\xc2\x85 3 3 3\n"
    vectors = read_vectors(written(tmp_path, content), ["1999", "the", ". . ."])
    assert as_lists(vectors) == {". . .": [1, 2, 3], "1999": [4, 5, 6], "the": [0, 1, 2]}


def test_memory_holds_the_wanted_vectors_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(b"40000 50\n")
        for number in range(40_000):
            file.write(f"w{number} ".encode() + rng.random(50, dtype=np.float32).tobytes())
    wanted = [f"w{number}" for number in range(0, 40_000, 400)]
    read_vectors(path, wanted[:1])
    tracemalloc.start()
    try:
        vectors = read_vectors(path, wanted)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(vectors.of) == set(wanted)
    assert peak < path.stat().st_size / 2 < 5_000_000


def test_a_binary_file_is_told_from_text_whatever_its_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size in (5, 20, 100):
        for _ in range(50):
            numbers = rng.normal(size=(2, size)).astype("<f4")
            numbers[0, :1].view(np.uint8)[0] = ord("\n")  # What would be the end of a line.
            content = f"2 {size}\n".encode() + b"".join(
                word + b" " + row.tobytes() for word, row in zip((b"a", b"b"), numbers, strict=True)
            )
            vectors = read_vectors(written(tmp_path, content), ["a", "b"])
            np.testing.assert_array_equal(np.stack([vectors.of["a"], vectors.of["b"]]), numbers)


DAMAGED = {
    "empty": (b"", "vectors is empty"),
    "blank": (b"\n\n", "line 1 of .*vectors is not a word and its numbers"),
    "words alone": (b"the cat sat\n", "line 1 of .*vectors is not a word and its numbers"),
    "a shorter vector": (text().replace(b"-0.125 ", b""), "line 3 of .* has a vector of 2 numbers, and line 1 has 3"),
    "a longer vector": (text().replace(b"-0.125", b"1 2"), "line 3 of .* has a vector of 4 numbers, and line 1 has 3"),
    "a vector cut": (text()[:-9], "line 4 of .* has a vector of 1 numbers, and line 1 has 3"),
    "no number": (text().replace(b"2.0", b"2,0"), "line 2 of .* has '2,0' for a number"),
    "nan": (text().replace(b"2.0", b"nan"), "line 2 of .* has nan in a vector"),
    "infinity": (text().replace(b"2.0", b"1e999"), "line 2 of .* has inf in a vector"),
    "more than float32 holds": (text().replace(b"2.0", b"1e300"), "line 2 of .* has inf in a vector"),
    "a word twice": (text() + b"cat 1 1 1\n", "line 5 of .* has a vector of 'cat', and so has line 2 of "),
    "a header of another size": (b"4 2\n" + text(), "line 2 of .* has a vector of 3 numbers, and line 1 says 2"),
    "a header of more vectors": (b"5 3\n" + text(), "line 1 of .* says that it has 5 vectors, and it has 4"),
    "a header of fewer vectors": (b"3 3\n" + text(), "line 1 of .* says that it has 3 vectors, and it has 4"),
    "a header alone": (b"4 3\n", "line 1 of .* says that it has 4 vectors, and it has 0"),
    "a header of nothing": (b"0 3\n", "line 1 of .* says '0 3'"),
    "a header of no numbers": (b"4 0\n" + text(), "line 1 of .* says '4 0'"),
    "a huge size": (b"4 99999999999\n" + text(), "line 1 of .* says '4 99999999999'"),
    "a size beyond whole numbers": (b"4 " + b"9" * 5_000 + b"\n", "line 1 of .* says '4 99999"),
    "a huge count": (b"99999999999999 3\n" + text(), "says that it has 99,999,999,999,999 vectors, and it has 4"),
    "a binary cut short": (binary()[:-6], "says that it has 4 vectors, and it has 3 whole ones"),
    "a binary of more": (binary(count=3), "says that it has 3 vectors, and it has more"),
    "a binary of a huge count": (binary(count=10**15), "1,000,000,000,000,000 vectors, and it has 4 whole ones"),
    "a binary with nan": (binary({**WORDS, "cat": [1.0, float("nan"), 2.0]}), "byte 21 of .* has nan in a vector"),
    "a binary with a word twice": (
        binary({"cat": [0.1, 0.1, 0.1]}, count=2) + binary({"cat": [0.1, 0.1, 0.1]}).partition(b"\n")[2],
        "byte 21 of .* has a vector of 'cat', and so has byte 4 of ",
    ),
    "a binary without words": (b"4 3\n" + b"\0" * 30_000, "byte 4 of .* begins no word"),
    "a model of fastText": (b"\xba\x16\x4f\x2f\x0c\0\0\0", "is a whole model of fastText: give its vectors"),
    "zeros": (b"\0" * 10_000, "line 1 of .*vectors is not a word and its numbers"),
    "a line without end": (b"the " + b"1" * 4_000_000, "line 1 of .* has no end within"),
    "other words": (text({"gatto": [1.0]}), "vectors for none|a vector for none of the 4 words of the training"),
    "gzip cut short": (gzip.compress(text() * 1)[:-12], "vectors"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_one_sentence_with_its_line_or_byte(tmp_path: Path, name: str) -> None:
    content, words = DAMAGED[name]
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_vectors(path, ["the", "cat", "naïve", "sat"], others=3)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    pieces = st.sampled_from([b"", b" ", b"\n", b"\0", b"1", b"-", b"e", b"_", b"\xff", b"\t", b"nan", b"9" * 30])
    path = written(tmp_path, content[:start] + data.draw(st.one_of(st.binary(max_size=9), pieces)) + content[end:])
    try:
        vectors = read_vectors(path, list(WORDS), others=2)
    except DataError as error:
        sentence = str(error)
    else:
        sentence = str(path)
        assert all(vector.shape == (vectors.size,) and np.isfinite(vector).all() for vector in vectors.of.values())
    assert str(path) in sentence
    assert "\n" not in sentence


def test_only_what_is_kept_has_to_be_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, text().replace(b"2.0", b"nan").replace(b"-0.125", b"x"))
    assert as_lists(read_vectors(path, ["sat"])) == {"sat": WORDS["sat"]}


@pytest.mark.parametrize("source", ["https://example.org/glove.txt", "-", "s3://bucket/glove.txt"])
def test_vectors_are_read_from_a_file_of_this_machine(source: str) -> None:
    with pytest.raises(DataError, match="vectors are read from a file on this machine"):
        read_vectors(source, ["the"])


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_vectors(tmp_path / "absent.txt", ["the"])
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path, ["the"])


def test_a_word_without_vector_has_one_of_words_that_begin_and_end_alike() -> None:
    known = {"walk": [1.0], "walked": [3.0], "talked": [5.0], "wal": [100.0], "is": [7.0]}
    vectors = by_spelling(
        ["walks", "stalked", "xyz", "is", "unwalked"], {word: np.array(v, np.float32) for word, v in known.items()}
    )
    # "walk" begins two words, and no word ends in "lks"; "talked" ends one, and no word begins with "sta".
    assert {word: vector.tolist() for word, vector in vectors.items()} == {
        "walks": [2.0],
        "stalked": [5.0],
        "unwalked": [3.0],
    }
