"""A byte-pair encoding that gives the text back: what a translator reads and writes.

Other than the tokenisers of `tokenization`, its tokens keep the spaces between words, as the mark ▁ that a token
begins with, so that joining them is all that is needed to get a text. What is written is as its examples were: every
character, after Unicode's composition (NFC). What is only read may have its quotes and spaces made alike.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ricorda.data.tokenization import UNKNOWN, encode
from ricorda.errors import ArgumentError

_MARKS = ["<pad>", "<unk>"]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SMALLEST_VOCABULARY = len(_MARKS) + len(_BYTES) + 2

_QUOTES = "[’ʼ´]"
"""What is typed for an apostrophe, beside the typewriter's own."""
_BAR = "\ufdd0"
"""Stands for a ▁ of the text itself; Unicode keeps this code for such uses, no text has it."""

# The pieces that no token crosses: a word, an elision (l', don'), a digit, marks. Merging takes the square of a piece's
# length, so pieces are short.
_PIECE = r"▁?[\p{L}\p{M}]{1,64}['’ʼ´]?|▁?\p{N}|▁?[^▁\p{L}\p{M}\p{N}]{1,8}|▁"


def train_subwords(texts: Sequence[str], *, vocab_size: int, min_frequency: int, lowercase: bool) -> Tokenizer:
    """Learn a byte-pair encoding (Sennrich et al. 2016); the same texts give the same one.

    Parameters
    ----------
    texts
        Texts without lone surrogates. Spaces at their ends are not kept, and runs of spaces, tabs and line ends are one
        space; other blanks (no-break spaces) are characters.
    vocab_size
        Most tokens, `<pad>` (id 0), `<unk>` (id 1, which no text has) and the 256 bytes that spell unknown
        characters among them.
    min_frequency
        How often a pair must occur to become a token.
    lowercase
        Read texts in lower case.

    Returns
    -------
    tokenizers.Tokenizer
        `encode` of `ricorda.data.tokenization` takes it; `decode_subwords` is the way back.

    Raises
    ------
    ArgumentError
        If the vocabulary cannot hold one token.
    """
    if vocab_size < SMALLEST_VOCABULARY:
        raise ArgumentError(f"vocab_size {vocab_size} is too small for subwords: give at least {SMALLEST_VOCABULARY}")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    steps = [
        normalizers.NFC(),
        normalizers.Replace(Regex(r"[ \t-\r]+"), " "),
        normalizers.Replace("▁", _BAR),
    ]
    tokenizer.normalizer = normalizers.Sequence(
        [*steps, normalizers.Strip(), *([normalizers.Lowercase()] if lowercase else [])]
    )
    spaces = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([spaces, pre_tokenizers.Split(Regex(_PIECE), "isolated")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Replace(_BAR, "▁")]
    )
    alphabet = _alphabet(map(tokenizer.normalizer.normalize_str, texts))
    alphabet = alphabet[: (vocab_size - len(_MARKS) - len(_BYTES) + 1) // 2]  # The other half is for merges.
    trainer = trainers.BpeTrainer(
        special_tokens=[*_MARKS, *_BYTES],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []  # Otherwise a text that contains "<pad>" would get the id of padding.
    return Tokenizer.from_str(json.dumps(content))


def reader_of(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer for texts that are only read: to it, all apostrophes are one, and so are all blanks."""
    reader = Tokenizer.from_str(tokenizer.to_str())
    alike = [normalizers.Replace(Regex(_QUOTES), "'"), normalizers.Replace(Regex(r"\s+"), " ")]
    reader.normalizer = normalizers.Sequence([tokenizer.normalizer, *alike])
    return reader


def with_one_quote(text: str) -> str:
    """The text with the apostrophe that a reader (`reader_of`) has for all."""
    return re.sub(_QUOTES, "'", text)


def _alphabet(texts: Iterable[str]) -> list[str]:
    """The texts' characters, the most frequent first; the trainer's own choice among equals differs from run to run."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    counts["▁"] = counts.pop(" ", 0) + 1  # It opens every text.
    return sorted(counts, key=lambda character: (-counts[character], character))


def decode_subwords(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text that tokens spell; bytes that are no UTF-8 become �."""
    return str(tokenizer.decode([id for id in ids if id > UNKNOWN], skip_special_tokens=False)).strip()


def as_written(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """The texts as `decode_subwords` would write them: composed, and in lower case if the tokenizer is.

    Two texts that a reader takes for the same are alike then, so translations and references are compared in this form.
    """
    return [decode_subwords(tokenizer, ids) for ids in encode(tokenizer, texts)]
