"""Tokenisers in the page: the same token numbers as in Python, whatever the text."""

import json
import random
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from browser import chromium, script
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ricorda import ArgumentError
from ricorda.data.tokenization import encode, train_tokenizer
from ricorda.data.vocabulary import train_vocabulary
from ricorda.export.to_page.tokens import class_of, tokenizer_of

PIECES = [
    *[
        "perché",
        "l'amore",
        "un po'",
        "don't",
        "It’s",
        "N'T",
        "'em",
        "'90s",
        "cannot",
        "sig. Rossi",
        "prof.",
        "mr.",
        "u.s.",
    ],
    *[
        "e\u0301",
        "è\u0301",
        "È",
        "ẞ",
        "ΟΔΟΣ",
        "İstanbul",
        "ﬁ",
        "\u212b",
        "\u2126",
        "ʼ",
        "´",
        "ǅ",
        "\u0345",
        "<pad>",
        "<unk>",
    ],
    *["👩\u200d👩\u200d👧", "🇮🇹🇫🇷", "❤\ufe0f", "😀🏽", "中文", "日本語テキスト", "العربية", "हिन्दी", "3.14", "1,000"],
    *["well-made", "r&b", "\\/", "--", "...", "''", "``", "-lrb-", "\\*", "▁", "▁a", "<", ">", "</script>"],
    *["a\u00a0b", "\x85", "\ufeff", "x\u200bz", "\u1680", "\x1c", "\t", "\n", "\r\n", " ", "  ", "\u2028"],
]


def _texts(count: int) -> list[str]:
    rng = random.Random(0)

    def character() -> str:
        code = rng.randrange(rng.choice([0x80, 0x300, 0x3000, 0x20000, 0x110000]))
        return "a" if 0xD800 <= code < 0xE000 else chr(code)

    def text() -> str:
        if rng.random() < 0.7:
            return "".join(rng.choice(PIECES) + rng.choice(["", " ", " ", "'"]) for _ in range(rng.randrange(1, 8)))
        return "".join(rng.choice([character(), rng.choice(PIECES)]) for _ in range(rng.randrange(1, 12)))

    made = [text() for _ in range(count)]
    return [*made, *(unicodedata.normalize("NFD", text) for text in made[: count // 4]), "", " ", "\xa0", "\ufe0f"]


TEXTS = _texts(1600)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with chromium() as browser:
        page = browser.new_page()
        page.set_content("<p>")
        page.add_script_tag(content=script("tokens.js") + "\nwindow.Tokenizer = Tokenizer;")
        yield page


READ = "([tokenizer, texts]) => { const t = new Tokenizer(tokenizer); return texts.map(x => t.read(x).map(y => y.id)) }"


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("kind", ["word", "bpe", "char"])
def test_two_thousand_texts_have_the_same_tokens(kind: str, lowercase: bool, page: Any) -> None:
    tokenizer = train_tokenizer(kind, TEXTS[:500], vocab_size=1200, lowercase=lowercase)
    ours = page.evaluate(READ, [tokenizer_of(tokenizer), TEXTS])
    for text, ids, theirs in zip(TEXTS, ours, encode(tokenizer, TEXTS), strict=True):
        assert ids == theirs, ascii(text)


def test_halves_of_characters_are_read_alike(page: Any) -> None:
    tokenizer = train_tokenizer("char", ["ab\ufffd"])
    texts = "['a' + String.fromCharCode(0xd800) + 'b', String.fromCharCode(0xdfff)]"
    ours = page.evaluate(f"t => {texts}.map(x => new Tokenizer(t).read(x).map(y => y.id))", tokenizer_of(tokenizer))
    assert ours == encode(tokenizer, ["a\ud800b", "\udfff"])


@pytest.mark.parametrize("kind", ["word", "bpe", "char"])
def test_the_vocabularies_of_language_models(kind: Any, page: Any) -> None:
    vocabulary = train_vocabulary(kind, TEXTS[:500], lowercase=True)
    ours = page.evaluate(READ, [tokenizer_of(vocabulary.tokenizer), TEXTS])
    for text, ids in zip(TEXTS, ours, strict=True):
        assert ids == vocabulary.ids(vocabulary.split(text)).tolist(), ascii(text)


def test_classes_are_the_library_s_own() -> None:
    numbers, last, members = class_of("N"), 0, set[int]()
    for first, length in zip(numbers[::2], numbers[1::2], strict=True):
        members |= set(range(last + first, last + first + length + 1))
        last += first + length
    assert {*map(ord, "0१²½")} <= members
    assert not {*map(ord, "a ,")} & members
    # Beyond these planes Unicode has no letters, numbers or spaces, so they are not asked for.
    assert not any(unicodedata.category(chr(code))[0] in "LMN" for code in range(0x40000, 0xE0000))


def _with(**changes: Any) -> Tokenizer:
    tokenizer = train_tokenizer("word", ["a b"])
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (_with(normalizer=normalizers.NFKC()), "its normaliser NFKC"),
        (_with(pre_tokenizer=pre_tokenizers.Punctuation()), "its pre-tokeniser Punctuation"),
        (_with(pre_tokenizer=pre_tokenizers.ByteLevel()), "its pre-tokeniser ByteLevel"),
        (_with(model=models.WordPiece({"<pad>": 0, "<unk>": 1}, unk_token="<unk>")), "its model, WordPiece"),
        (_with(model=models.BPE({"<unk>": 0, "a": 1}, [], dropout=0.5)), "its model, BPE"),
    ],
)
def test_what_cannot_be_taken_along_exactly_is_refused(tokenizer: Tokenizer, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"{message}: train it with --tokenizer word, bpe or char"):
        tokenizer_of(tokenizer)


@pytest.mark.parametrize("pattern", [r"(?i)a", r"a.b", r"\bword", r"[a&&b]", r"[\S]", r"a<b", r"a++", r"^a", r"\h"])
def test_expressions_that_may_mean_something_else_are_refused(pattern: str) -> None:
    content = json.loads(train_tokenizer("word", ["a b"]).to_str())
    content["pre_tokenizer"]["pattern"]["Regex"] = pattern
    with pytest.raises(ArgumentError, match="its regular expression"):
        tokenizer_of(Tokenizer.from_str(json.dumps(content)))
