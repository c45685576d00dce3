"""Turns texts into token ids, with tokenisers that the `tokenizers` library trains on the user's own texts.

| kind | token | unknown tokens |
| --- | --- | --- |
| word | a word, a punctuation mark, an emoji | `<unk>` |
| bpe | a part of a word, learned by byte-pair encoding (Sennrich et al. 2016) | spelled in bytes |
| char | a Unicode character, spaces among them | `<unk>` |

All kinds read a text after Unicode's composition (NFC), with ’ as ' and without the emoji's variation selectors.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ricorda.errors import ArgumentError

PADDING, UNKNOWN = 0, 1
UNKNOWN_TOKEN = "<unk>"
_MARKS = ["<pad>", UNKNOWN_TOKEN]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_SMALLEST_VOCABULARY = {"word": len(_MARKS) + 1, "bpe": len(_MARKS) + len(_BYTES) + 1, "char": len(_MARKS) + 1}
LONGEST_WORD = 100_000
"""Characters after which a word is cut."""
KINDS = tuple(_SMALLEST_VOCABULARY)

Texts = Sequence[str] | Sequence[list[str]]

# A word token is the first alternative that fits. English contractions are split as the Penn Treebank does
# (do n't, it 's), so that the negation is a token of its own and raw text meets the tokens of corpora that come
# split already; Italian elisions and apocopes keep their apostrophe (l' amore, un po', e').
_LETTER = r"[\p{L}\p{M}\p{N}]"
_NOT = rf"[nN]'[tT](?!{_LETTER})"
_CLITIC = rf"(?:[sSdDmM]|[rR][eE]|[lL][lL]|[vV][eE])(?!{_LETTER})"
_EMOJI = r"\p{Extended_Pictographic}[\x{1F3FB}-\x{1F3FF}]?"
_WORD_TOKEN = "|".join(
    [
        rf"{_EMOJI}(?:\x{{200D}}{_EMOJI})*",
        r"\p{Regional_Indicator}{2}",  # a flag
        _NOT,
        rf"{_LETTER}+?(?={_NOT})",
        rf"'(?:{_CLITIC}|(?:em|til|n)(?!{_LETTER})|\p{{N}}0s)",
        r"\p{N}+(?:[.,]\p{N}+)+",
        rf"\p{{L}}(?:\.\p{{L}})+(?!{_LETTER})\.?",  # u.s.
        r"(?:[mM](?:rs?|s)|[dDjJsS]r|vs|etc|inc|bros|[sS]ig|[dD]ott|[pP]rof|ecc|\p{L}(?=\.\s))\.",
        rf"{_LETTER}+'(?!{_CLITIC})(?=[\p{{L}}\p{{N}}])",  # l'amore
        rf"(?<!'){_LETTER}+'(?![\p{{L}}\p{{M}}\p{{N}}'])",  # un po'
        rf"{_LETTER}+(?:(?:[-&]|\\/){_LETTER}+)*",  # well-made, r&b; the treebank writes a slash as \/
        r"-[lr][rcs]b-",  # brackets as the treebank writes them
        r"\.{2,}|-{2,}|``|''|\\/|(?:\\\*)+",
        r"\S",
    ]
)
_WORD = rf"(?=\S)(?:{_WORD_TOKEN})"  # The guard keeps spaces from the alternatives; (?i) would take ten times as long.


def read_tokenizer(text: str) -> Tokenizer:
    """A tokeniser from its JSON, held to what ids and unknown words need: the text may come from anywhere.

    Raises
    ------
    ArgumentError
        If its ids have gaps or lack the marks, or it cannot read a word that it never met.
    """
    try:
        tokenizer = Tokenizer.from_str(text)
        vocabulary = tokenizer.get_vocab()
        tokens = {id: token for token, id in vocabulary.items()}
        reads = bool(tokenizer.encode("a \u2603").ids)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # The library's panics are no Exceptions.
        raise ArgumentError(f"the tokenizer cannot be used: {' '.join(str(error).split()):.200}") from None
    whole = reads and len(tokens) == len(vocabulary) and tokens.keys() == set(range(len(tokens)))
    if not whole or (tokens[0], tokens.get(1)) not in (("<pad>", "<unk>"), ("<unk>", "<eos>")):
        raise ArgumentError("the tokenizer's ids are not those of padding, unknown and known tokens")
    return tokenizer


def train_tokenizer(
    kind: str,
    texts: Texts,
    *,
    vocab_size: int = 20_000,
    min_frequency: int = 1,
    lowercase: bool = True,
) -> Tokenizer:
    """Train a tokeniser; the same texts give the same tokeniser, byte for byte.

    Parameters
    ----------
    kind
        "word", "bpe" or "char".
    texts
        Texts; or, for "word" only, lists of tokens, each of which is taken as it stands, in its own case.
    vocab_size
        Most tokens that the vocabulary may hold, the two marks `<pad>` and `<unk>` (and the 256 bytes of "bpe")
        among them. The most frequent ones stay.
    min_frequency
        How often a token ("bpe": a pair that becomes one) must occur to enter the vocabulary.
    lowercase
        Read texts in lower case.

    Returns
    -------
    tokenizers.Tokenizer
        Id 0 is `<pad>` and id 1 is `<unk>`. `to_str()` is the content of tokenizer.json.

    Raises
    ------
    ArgumentError
        If the kind is unknown, the vocabulary has no room for a token, the frequency is below 1 or above that of every
        token, or token lists come to a kind that reads texts.
    """
    if kind not in _SMALLEST_VOCABULARY:
        raise ArgumentError(f"tokenizer {kind!r} is unknown: choose one of {', '.join(_SMALLEST_VOCABULARY)}")
    if vocab_size < _SMALLEST_VOCABULARY[kind]:
        raise ArgumentError(
            f"vocab_size {vocab_size} is too small for the {kind} tokenizer: give at least {_SMALLEST_VOCABULARY[kind]}"
        )
    if min_frequency < 1:
        raise ArgumentError(f"min_frequency {min_frequency} is too small: give at least 1")
    if not _are_token_lists(texts):
        tokenizer = _text_tokenizer(kind, cast(Sequence[str], texts), vocab_size, min_frequency, lowercase)
    elif kind == "word":
        tokenizer = _token_list_tokenizer(texts, vocab_size, min_frequency)
    else:
        raise ArgumentError(f"the {kind} tokenizer reads texts, not token lists: use the word tokenizer")
    if tokenizer.get_vocab_size() == len(_MARKS):
        raise ArgumentError(
            f"no token of the texts reaches min_frequency {min_frequency}: give a smaller one, or more texts"
        )
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Texts) -> list[list[int]]:
    """Token ids of each text, or of each token list if the tokeniser was trained on token lists.

    A text that is not blank has at least one id, and no text has the id of `<pad>`, even where it contains the
    word "<pad>".

    Raises
    ------
    ArgumentError
        If token lists come to a tokeniser of texts, or texts to one of token lists.
    """
    for_lists = tokenizer.pre_tokenizer is None
    # `id or UNKNOWN` below: a token that is spelled like padding has its id, 0, and must not be taken for it.
    if _are_token_lists(texts):
        if not for_lists:
            raise ArgumentError("the tokenizer was trained on texts, not on token lists: give each text as one string")
        return [[tokenizer.token_to_id(token) or UNKNOWN for token in tokens] for tokens in texts]
    if for_lists and len(texts):
        raise ArgumentError("the tokenizer was trained on token lists: give each text as a list of its tokens")
    strings = cast(Sequence[str], texts)
    encodings = tokenizer.encode_batch_fast([_valid(text) for text in strings])
    return [
        [id or UNKNOWN for id in encoding.ids] or [UNKNOWN] * bool(text.strip())
        for encoding, text in zip(encodings, strings, strict=True)
    ]


def counts_of(tokenizer: Tokenizer, texts: Texts) -> NDArray[np.intp]:
    """How often each token occurs in texts, [tokens]."""
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.intp)
    for ids in encode(tokenizer, texts):
        np.add.at(counts, ids, 1)
    return counts


def tokens_of(tokenizer: Tokenizer, text: str | list[str]) -> list[str]:
    """The tokens behind the ids that `encode` gives for one text: what the model reads, `<unk>` for unknown ones.

    A part of a word that begins with a space has ▁ for it.
    """
    (ids,) = encode(tokenizer, cast(Texts, [text]))
    if isinstance(tokenizer.decoder, decoders.ByteLevel):  # Its tokens are spelled in bytes.
        return [tokenizer.decode([id]).replace(" ", "▁") for id in ids]
    return [cast(str, tokenizer.id_to_token(id)) for id in ids]


def spans_of(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Where the tokens behind the ids that `encode` gives stand in a text: the first character and the one after."""
    spans: list[tuple[int, int]] = tokenizer.encode(_valid(text)).offsets
    return spans or [(0, len(text))] * bool(text.strip())


def with_words(tokenizer: Tokenizer, words: Sequence[str], vocab_size: int) -> Tokenizer:
    """The same word tokeniser with other words, so many of the first ones as the vocabulary may hold.

    Raises
    ------
    ArgumentError
        If it may hold none.
    """
    if vocab_size < _SMALLEST_VOCABULARY["word"]:
        raise ArgumentError(
            f"vocab_size {vocab_size} is too small for the word tokenizer: give at least {_SMALLEST_VOCABULARY['word']}"
        )
    content = json.loads(tokenizer.to_str())
    kept = [word for word in words if word not in _MARKS][: vocab_size - len(_MARKS)]
    content["model"]["vocab"] = {token: id for id, token in enumerate([*_MARKS, *kept])}
    return Tokenizer.from_str(json.dumps(content))


def _are_token_lists(texts: Texts) -> TypeGuard[Sequence[list[str]]]:
    return len(texts) > 0 and not isinstance(texts[0], str)


def _valid(text: str) -> str:
    """The text as a tokenizer can take it: � for lone surrogates, which are no UTF-8, and no endless words."""
    text = text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if len(text) > LONGEST_WORD:  # On millions of letters the tokenizers' regular expressions give up, and panic.
        text = re.sub(rf"\S{{{LONGEST_WORD}}}(?=\S)", r"\g<0> ", text)
    return text


def _text_tokenizer(kind: str, texts: Sequence[str], vocab_size: int, min_frequency: int, lowercase: bool) -> Tokenizer:
    tokenizer, trainer = _untrained(kind, vocab_size, min_frequency)
    steps = [
        normalizers.NFC(),
        normalizers.Replace(Regex("[’ʼ´]"), "'"),
        normalizers.Replace(Regex("[\ufe0e\ufe0f]"), ""),
    ]
    tokenizer.normalizer = normalizers.Sequence([*steps, *([normalizers.Lowercase()] if lowercase else [])])
    tokenizer.train_from_iterator(map(_valid, texts), trainer, length=len(texts))
    return _without_special_tokens(tokenizer)


def _untrained(kind: str, vocab_size: int, min_frequency: int) -> tuple[Tokenizer, trainers.Trainer]:
    words = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    limits: dict[str, Any] = {"vocab_size": vocab_size, "min_frequency": min_frequency, "show_progress": False}
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        # Merging takes the square of a piece's length; the mark ▁ opens a piece, so that a part knows whether it does.
        pieces = pre_tokenizers.Split(Regex(r"\S{1,64}"), "isolated")
        opening = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pieces, opening])
        alphabet = (vocab_size - len(_MARKS) - len(_BYTES) + 1) // 2  # The other half is for merges.
        marks = [*_MARKS, *_BYTES]
        return tokenizer, trainers.BpeTrainer(special_tokens=marks, limit_alphabet=alphabet, **limits)
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = words if kind == "word" else pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return tokenizer, trainers.WordLevelTrainer(special_tokens=_MARKS, **limits)


def _without_special_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """The same vocabulary, where a text that contains "<pad>" does not get padding's id in its middle."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(content))


def _token_list_tokenizer(texts: Sequence[list[str]], vocab_size: int, min_frequency: int) -> Tokenizer:
    counts = Counter(token for tokens in texts for token in tokens if token not in _MARKS)
    frequent = sorted((-count, token) for token, count in counts.items() if count >= min_frequency)
    kept = [token for _, token in frequent[: vocab_size - len(_MARKS)]]
    vocabulary = {token: id for id, token in enumerate([*_MARKS, *kept])}
    return Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
