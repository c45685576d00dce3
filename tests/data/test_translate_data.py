"""Sentence pairs from files, subwords there and back, and what is refused."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ricorda.data.held_out import split_by_sentence
from ricorda.data.pairs import as_texts, read_pairs, read_sentences
from ricorda.data.sentences import Sentences, read_pairs_of
from ricorda.data.subwords import SMALLEST_VOCABULARY, as_written, decode_subwords, train_subwords
from ricorda.data.tokenization import PADDING, UNKNOWN, encode
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.translate.examples import Subwords

ENGLISH = ["The cat sleeps.", "Don't go, Anna!", "It costs 1,250 euros."]
ITALIAN = ["Il gatto dorme.", "Non andare, Anna!", "Costa 1.250 euro."]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def rows(separator: str, header: str = "") -> str:
    lines = [f"{source}{separator}{target}" for source, target in zip(ENGLISH, ITALIAN, strict=True)]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("plain.tsv", rows("\t"), (None, None)),
        ("plain.tsv.gz", rows("\t"), (None, None)),
        ("blank_end.tsv", rows("\t") + "\n \n", (None, None)),
        ("carriage.tsv", rows("\t").replace("\n", "\r\n"), (None, None)),
        ("default_names.tsv", rows("\t", "source\ttarget"), (None, None)),
        ("named.tsv", rows("\t", "en\tit"), ("en", "it")),
        (
            "named.jsonl",
            "\n".join(map(json.dumps, [{"en": a, "it": b} for a, b in zip(ENGLISH, ITALIAN, strict=True)])),
            ("en", "it"),
        ),
    ],
)
def test_pairs_are_read_from_tables(tmp_path: Path, name: str, text: str, columns: tuple[str, str]) -> None:
    found = read_pairs(written(tmp_path, name, text), source=columns[0], target=columns[1])
    assert found.inputs == ENGLISH
    assert found.targets == ITALIAN


def test_pairs_are_read_from_csv_and_parquet_alike(tmp_path: Path) -> None:
    table = polars.DataFrame({"it": ITALIAN, "number": [1, 2, 3], "en": ENGLISH})
    table.write_csv(tmp_path / "pairs.csv")
    table.write_parquet(tmp_path / "pairs.parquet")
    for name in ("pairs.csv", "pairs.parquet"):
        found = read_pairs(tmp_path / name, source="en", target="it")
        assert (found.inputs, found.targets) == (ENGLISH, ITALIAN)


def test_several_files_are_one_set_of_pairs_whose_places_are_known(tmp_path: Path) -> None:
    first, second = written(tmp_path, "a.tsv", "a\tb\n"), written(tmp_path, "b.tsv", "source\ttarget\nc\td\ne\tf\n")
    found = read_pairs(first, second)
    assert found.inputs == ["a", "c", "e"]
    assert found.targets == ["b", "d", "f"]
    assert [found.place(index) for index in range(3)] == [
        f"row 1 of {first}",
        f"row 2 of {second}",
        f"row 3 of {second}",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.tsv", "a\nb\nc\n"), ("s.tsv", "a\tx\nb\ty\nc\tz\n"), ("s.tsv", "source\na\nb\nc\n"), ("s.txt", "a\nb\nc\n")],
)
def test_sentences_alone_are_read_in_parts_that_know_their_places(tmp_path: Path, name: str, text: str) -> None:
    path = written(tmp_path, name, text)
    parts = list(read_sentences(path, rows=2))
    assert [part.inputs for part in parts] == [["a", "b"], ["c"]]
    assert parts[1].targets is None
    assert parts[1].place(0) == f"row {4 if text.startswith('source') else 3} of {path}"


def test_a_part_is_read_before_a_later_one_is_found_to_be_broken(tmp_path: Path) -> None:
    parts = read_sentences(written(tmp_path, "s.tsv", "a\tx\nb\ty\nc\n"), rows=2)
    assert next(parts).inputs == ["a", "b"]
    with pytest.raises(DataError, match=r"row 3 of .* has 1 column"):
        next(parts)


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        (
            "p.tsv",
            "a\tb\nc\n",
            {},
            "row 2 of {path} has 1 column, with a tab between, where 2 are needed: correct the row",
        ),
        ("p.tsv", "a\tb\nc\td\te\n", {}, "row 2 of {path} has 3 columns, with a tab between, where 2 are needed"),
        ("p.tsv", "a\tb\nc\t \n", {}, "row 2 of {path}, column 2, has a blank text: fill it in or leave it out"),
        ("p.tsv", "\tb\n", {}, "row 1 of {path}, column 1, has an empty text"),
        ("p.tsv", "a\tb\n\nc\td\n", {}, "row 2 of {path} is blank: delete the line or fill it in"),
        ("p.tsv", "", {}, "{path} is empty: give a file with one pair"),
        (
            "p.tsv",
            "en\tde\na\tb\n",
            {"source": "en", "target": "it"},
            "{path} has no column 'it': choose one of 'en', 'de'",
        ),
        (
            "p.tsv",
            "en\tit\na\tb\nc\n",
            {"source": "en", "target": "it"},
            "row 3 of {path} has 1 field where the header has 2",
        ),
        (
            "p.csv",
            "en,it\na,b\nc,\n",
            {"source": "en", "target": "it"},
            "row 3 of {path}, column 'it', has an empty text",
        ),
        ("p.jsonl", '{"en": "a", "it": 5}\n', {"source": "en", "target": "it"}, "has 5, which is no text"),
        ("p.jsonl", '{"en": "a", "it": null}\n', {"source": "en", "target": "it"}, "has no text"),
        ("p.txt", "a\tb\n", {}, "{path} is no table by its name: give a .csv, .tsv"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, columns: dict[str, str], message: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(DataError) as error:
        read_pairs(path, **columns)
    assert message.format(path=path) in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_named_by_their_row(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_bytes(b"a\tb\nperch\xe9\tc\n")
    with pytest.raises(DataError, match=r"row 2 of .* is not UTF-8 text"):
        read_pairs(path)


def test_texts_are_strings_and_something() -> None:
    def place(index: int) -> str:
        return f"X[{index}]"

    assert as_texts(np.array(["a", "b"]), place, "X") == ["a", "b"]
    for wrong, message in [
        ("a text", "X is of type str"),
        ([], "X holds no text"),
        (["a", ["b"]], r"X\[1\] has \['b'\], which is no text"),
        (["a", "\ud800"], r"X\[1\] has half a surrogate pair"),
    ]:
        with pytest.raises(DataError, match=message):
            as_texts(wrong, place, "X")


def test_subwords_give_the_text_back() -> None:
    tokenizer = train_subwords(ENGLISH + ITALIAN, vocab_size=400, min_frequency=1, lowercase=False)
    texts = ['He said "no"...', "l'amore dell’anno ʼn ´x", "日本 🎉 ½", "a_b @c #d $5.00 (e)", "a▁b ▁ c▁"]
    for text in [*ENGLISH, *ITALIAN, *texts, "1\u202f000\u00a0!"]:
        (ids,) = encode(tokenizer, [text])
        assert decode_subwords(tokenizer, ids) == text
        assert not {PADDING, UNKNOWN} & set(ids)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1))
def test_any_word_comes_back(word: str) -> None:
    import unicodedata

    tokenizer = _TOKENIZER
    (ids,) = encode(tokenizer, [f"a {word}"])
    assert decode_subwords(tokenizer, ids) == unicodedata.normalize("NFC", f"a {word}")


_TOKENIZER = train_subwords(ENGLISH + ITALIAN, vocab_size=350, min_frequency=1, lowercase=False)


def test_a_source_is_read_with_any_apostrophe_and_blank_and_a_target_is_written_as_it_was() -> None:
    texts = ["l’amico dell’orto\u00a0!", "l’orto"] * 3
    for shared in (False, True):
        subwords = Subwords.learn(texts, texts, shared=shared, vocab_size=320, min_frequency=1, lowercase=False)
        same = ["l’amico !", "l'amico !", "lʼamico\u00a0!", "l´amico\u202f!"]
        assert len({tuple(ids) for ids in encode(subwords.source, same)}) == 1
        assert subwords.written(same) == same
        assert len(encode(subwords.target, ["l’amico"])[0]) < 4  # It was learned, not spelled in bytes.


def test_texts_are_compared_as_they_are_written() -> None:
    folded = train_subwords(ENGLISH, vocab_size=300, min_frequency=1, lowercase=True)
    assert as_written(folded, ["Perche\u0301  NO\n"]) == ["perché no"]


def test_subwords_are_the_same_for_the_same_texts_and_keep_to_their_number() -> None:
    first, second = (train_subwords(ENGLISH, vocab_size=300, min_frequency=1, lowercase=True) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert first.get_vocab_size() <= 300
    assert decode_subwords(first, encode(first, ["THE CAT"])[0]) == "the cat"
    with pytest.raises(
        ArgumentError, match=f"vocab_size 100 is too small for subwords: give at least {SMALLEST_VOCABULARY}"
    ):
        train_subwords(ENGLISH, vocab_size=100, min_frequency=1, lowercase=False)


def test_a_text_that_spells_a_mark_is_a_text() -> None:
    tokenizer = train_subwords(["<pad> <unk> </s>"] * 3, vocab_size=300, min_frequency=1, lowercase=False)
    (ids,) = encode(tokenizer, ["<pad> and <unk>"])
    assert decode_subwords(tokenizer, ids) == "<pad> and <unk>"
    assert min(ids) > UNKNOWN


def test_too_long_a_sentence_is_named_with_its_place_and_the_way_out() -> None:
    subwords = Subwords.learn(ENGLISH, ITALIAN, shared=False, vocab_size=300, min_frequency=1, lowercase=False)
    long = "cat " * 10_000
    sources, targets = read_pairs_of([ENGLISH[0], ENGLISH[1]], [ITALIAN[0], long])
    with pytest.raises(DataError, match=r"^y\[1\] has \d\d,\d{3} subwords in its target, more than 250: split it, "):
        subwords.encode_pairs(sources, targets, 250)
    with pytest.raises(DataError, match=r"^X\[0\] has \d\d,\d{3} subwords in its text, more than 250: split it into"):
        subwords.encode_sources(Sentences.read([long]), 250)


def test_as_many_translations_as_sentences_are_needed() -> None:
    with pytest.raises(ArgumentError, match="X has 3 sentences and y 2: give pairs"):
        read_pairs_of(ENGLISH, ITALIAN[:2])


def test_a_sentence_is_in_one_part_with_all_its_translations() -> None:
    sources = [f"sentence {number // 3}" for number in range(90)]
    training, kept = split_by_sentence(sources, 0.2, seed=0)
    assert sorted([*training, *kept]) == list(range(90))
    assert len(kept) == 18
    assert not {sources[row] for row in training} & {sources[row] for row in kept}
    assert list(split_by_sentence(sources, 0.2, seed=0)[1]) == list(kept)
    assert list(split_by_sentence(sources, 0.2, seed=1)[1]) != list(kept)
    assert len(split_by_sentence(sources, 0.0, seed=0)[1]) == 0
    with pytest.raises(ArgumentError, match=r"validation_fraction=0\.5 of 1 different sentences leaves none"):
        split_by_sentence(["a"] * 4, 0.5, seed=0)
