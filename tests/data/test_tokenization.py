import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ricorda.data.tokenization import LONGEST_WORD, PADDING, UNKNOWN, encode, tokens_of, train_tokenizer
from ricorda.errors import ArgumentError

KINDS = ("word", "bpe", "char")
REVIEWS = [
    "L'amore c'è, e' un po' strano... Perché no?!",
    "I don't like it; it's well-made, but we can't stay awake ❤️",
    "DELL'ARTE nell'80% dei casi 👍🏽👍 🇮🇹🇮🇹 👨‍👩‍👧",
    "bellissimo bellissima bellissimi bello bella belli",
]
TOKENIZERS = {kind: train_tokenizer(kind, REVIEWS) for kind in KINDS}


def words(text: str) -> list[str]:
    return tokens_of(train_tokenizer("word", [text]), text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("l'amore dell'Arte", "l' amore dell' arte"),
        ("C’è l´ha detto", "c' è l' ha detto"),
        ("un po' e' bravo", "un po' e' bravo"),
        ("all'80%", "all' 80 %"),
        ("'bravo' disse", "' bravo ' disse"),
        ("I don't, can't, won't, DON’T", "i do n't , ca n't , wo n't , do n't"),
        ("it's we're I'll they've he'd I'm", "it 's we 're i 'll they 've he 'd i 'm"),
        ("bella,non brutta!!! (forse)", "bella , non brutta ! ! ! ( forse )"),
        ("che dire...niente -- basta", "che dire ... niente -- basta"),
        ("well-made r&b, 3,5 o 10.000", "well-made r&b , 3,5 o 10.000"),
        ("Mr. Bean, U.S. film. Ecc.", "mr. bean , u.s. film . ecc."),
        ("❤️❤ 👍🏽👍 🇮🇹🇮🇹 👨‍👩‍👧!", "❤ ❤ 👍🏽 👍 🇮🇹 🇮🇹 👨‍👩‍👧 !"),
        ("perche\u0301 città", "perché città"),
        ("a\u00a0b\n\tc", "a b c"),
    ],
)
def test_words_and_punctuation_marks_and_emoji_are_tokens(text: str, tokens: str) -> None:
    assert words(text) == tokens.split(" ")


@pytest.mark.parametrize(
    "text",
    [
        "it 's a charming and often affecting journey , is n't it ?",
        "we 've seen `` friends '' in the '70s -- they 'd do n't worry ; i 'm ok ...",
        "-lrb- a low-budget writer\\/director -rrb- of u.s. and mr. bean \\*\\*\\* 1\\/2",
        "c.h.o. 2,500 ol' guys ' get 'em r&d",
    ],
)
def test_text_that_is_split_already_stays_as_it_is(text: str) -> None:
    assert words(text) == text.split(" ")


def test_split_and_raw_text_meet_in_the_same_tokens() -> None:
    assert words("I don't think it's good.") == words("i do n't think it 's good .")


def test_case_is_kept_on_demand_and_contractions_are_split_still() -> None:
    text = "DON'T say It'S L'Amore Mr. Bean"
    tokenizer = train_tokenizer("word", [text], lowercase=False)
    assert tokens_of(tokenizer, text) == ["DO", "N'T", "say", "It", "'S", "L'", "Amore", "Mr.", "Bean"]


def test_unknown_words_and_characters_have_the_unknown_id_and_bytes_spell_the_rest() -> None:
    assert encode(TOKENIZERS["word"], ["zabaione"]) == [[UNKNOWN]]
    assert tokens_of(TOKENIZERS["char"], "bœ") == ["b", "<unk>"]
    spelled = tokens_of(TOKENIZERS["bpe"], "œ")
    assert spelled == ["▁", "<0xC5>", "<0x93>"]
    assert tokens_of(TOKENIZERS["bpe"], "bellino") == ["▁belli", "n", "o"]


def test_characters_are_tokens_and_spaces_among_them() -> None:
    assert tokens_of(TOKENIZERS["char"], "e’ Un") == ["e", "'", " ", "u", "n"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_contains_the_padding_mark_is_not_padded(kind: str) -> None:
    tokenizer = train_tokenizer(kind, ["<pad> <unk> a b c"])
    assert PADDING not in encode(tokenizer, ["a <pad> b"])[0]
    assert tokenizer.id_to_token(PADDING) == "<pad>"
    assert tokenizer.id_to_token(UNKNOWN) == "<unk>"


def test_token_lists_are_taken_as_they_stand() -> None:
    lists = [["New York", "LOGIN", "login", "l'amore"], ["LOGIN", "", "<pad>"]]
    tokenizer = Tokenizer.from_str(train_tokenizer("word", lists).to_str())
    (first, second) = encode(tokenizer, lists)
    assert len({*first}) == 4
    assert second == [first[1], tokenizer.token_to_id(""), UNKNOWN]
    assert tokens_of(tokenizer, ["login", "New", "<pad>"]) == ["login", "<unk>", "<unk>"]


def test_the_most_frequent_tokens_stay() -> None:
    texts = ["a a a b b c", "d"]
    assert {*train_tokenizer("word", texts, vocab_size=4).get_vocab()} == {"<pad>", "<unk>", "a", "b"}
    assert {*train_tokenizer("word", texts, min_frequency=3).get_vocab()} == {"<pad>", "<unk>", "a"}
    lists = [text.split() for text in texts]
    assert {*train_tokenizer("word", lists, vocab_size=4).get_vocab()} == {"<pad>", "<unk>", "a", "b"}
    assert {*train_tokenizer("word", lists, min_frequency=3).get_vocab()} == {"<pad>", "<unk>", "a"}
    assert train_tokenizer("bpe", REVIEWS, vocab_size=300).get_vocab_size() <= 300


@pytest.mark.parametrize("kind", KINDS)
def test_a_megabyte_without_a_space_is_encoded_in_linear_time(kind: str) -> None:
    text = "a" * 1_000_000
    tokenizer = train_tokenizer(kind, [text, "bella"])
    assert len(encode(tokenizer, [text])[0]) >= 1


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.text(st.characters()))
def test_any_text_is_encoded_with_ids_of_the_vocabulary(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    (ids,) = encode(tokenizer, [text])
    assert all(PADDING < id < tokenizer.get_vocab_size() for id in ids)
    assert ids or not text.strip()
    assert len(tokens_of(tokenizer, text)) == len(ids)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.text(), min_size=1), st.lists(st.text(st.characters())), st.booleans())
def test_the_file_gives_the_same_tokenizer_again(
    kind: str, texts: list[str], others: list[str], lowercase: bool
) -> None:
    tokenizer = train_tokenizer(kind, [*texts, "bella"], lowercase=lowercase)
    again = Tokenizer.from_str(tokenizer.to_str())
    assert again.to_str() == tokenizer.to_str()
    assert encode(again, texts + others) == encode(tokenizer, texts + others)
    assert train_tokenizer(kind, [*texts, "bella"], lowercase=lowercase).to_str() == tokenizer.to_str()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_bpe_loses_no_character_it_has_not_seen(texts: list[str]) -> None:
    for text in texts:
        tokens = tokens_of(TOKENIZERS["bpe"], text)
        assert "<unk>" not in tokens


def test_training_depends_neither_on_threads_nor_on_hashes() -> None:
    script = (
        "from ricorda.data.tokenization import train_tokenizer\n"
        "texts = [f'word{i % 97} bello{i % 89}a {i}' for i in range(3000)]\n"
        "print(*(train_tokenizer(kind, texts, vocab_size=700).to_str() for kind in ('word', 'bpe', 'char')))"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={
                **os.environ,
                "RAYON_NUM_THREADS": threads,
                "TOKENIZERS_PARALLELISM": parallel,
                "PYTHONHASHSEED": threads,
            },
            capture_output=True,
            check=True,
        ).stdout
        for threads, parallel in [("1", "false"), ("2", "true"), ("4", "true")]
    }
    assert len(written) == 1
    assert len(written.pop()) > 10_000


@pytest.mark.parametrize(
    ("kind", "texts", "options", "said"),
    [
        ("words", ["a"], {}, ["'words'", "word, bpe, char"]),
        ("word", ["a"], {"vocab_size": 2}, ["vocab_size 2", "word", "at least 3"]),
        ("char", ["a"], {"vocab_size": -1}, ["vocab_size -1", "char", "at least 3"]),
        ("bpe", ["a"], {"vocab_size": 258}, ["vocab_size 258", "bpe", "at least 259"]),
        ("word", ["a"], {"min_frequency": 0}, ["min_frequency 0", "at least 1"]),
        ("word", ["a b"], {"min_frequency": 9}, ["min_frequency 9", "no token", "smaller"]),
        ("word", [["a"]], {"min_frequency": 9}, ["min_frequency 9", "no token", "smaller"]),
        ("bpe", [["a"]], {}, ["bpe", "token lists", "word tokenizer"]),
        ("char", [["a"]], {}, ["char", "token lists", "word tokenizer"]),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    kind: str, texts: Sequence[str] | Sequence[list[str]], options: dict[str, int], said: list[str]
) -> None:
    with pytest.raises(ArgumentError) as caught:
        train_tokenizer(kind, texts, **options)
    for part in said:
        assert part in str(caught.value)


def test_texts_and_token_lists_are_not_taken_for_each_other() -> None:
    with pytest.raises(ArgumentError, match=r"trained on texts.*give each text as one string"):
        encode(TOKENIZERS["word"], [["a"]])
    with pytest.raises(ArgumentError, match=r"trained on token lists.*a list of its tokens"):
        encode(train_tokenizer("word", [["a"]]), ["a"])


def test_no_texts_give_no_ids_and_a_blank_text_gives_none() -> None:
    assert encode(TOKENIZERS["word"], []) == []
    assert encode(TOKENIZERS["word"], ["", " \n"]) == [[], []]
    assert encode(TOKENIZERS["word"], ["\ufe0f"]) == [[UNKNOWN]]


def test_an_endless_word_is_cut_before_the_tokenizer_gives_up() -> None:
    word, characters = TOKENIZERS["word"], TOKENIZERS["char"]
    assert len(encode(word, ["a" * (2 * LONGEST_WORD + 1)])[0]) == 3
    assert len(encode(word, ["a" * LONGEST_WORD])[0]) == 1
    assert len(encode(characters, ["a" * LONGEST_WORD])[0]) == LONGEST_WORD
    assert len(encode(word, ["è" * 10_000_000])[0]) == 100  # Here the library itself panics.
