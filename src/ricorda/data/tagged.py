"""Reads sentences with a tag for each word: CoNLL-U, CoNLL's columns, and lines of `word/TAG`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

from ricorda.data.places import REPAIR, Place, SourceRows, row_name
from ricorda.data.source import BadLineError, extension, lines
from ricorda.data.synthetic import is_synthetic, read_synthetic
from ricorda.errors import DataError

Format = Literal["conllu", "columns", "pairs", "words"]
Line = tuple[int, str]

TAG_COLUMNS = {"upos": 3, "xpos": 4}
"""Where CoNLL-U has its universal and its language's own tags."""

_CONLLU_COLUMNS = 10
_BY_EXTENSION: dict[str, Format] = {
    ".conllu": "conllu",
    **dict.fromkeys((".conll", ".iob", ".iob2", ".bio", ".col"), "columns"),
}


class Sentence(NamedTuple):
    """Words, their tags (none if they were not asked for), and the row where the sentence begins."""

    words: list[str]
    tags: list[str]
    row: int


@dataclass(frozen=True)
class Tagged:
    """Sentences, and where each stands.

    Attributes
    ----------
    inputs
        The words of each.
    labels
        The tags of each, empty lists where they were not asked for.
    place
        Says where a sentence begins, for messages.
    """

    inputs: list[list[str]]
    labels: list[list[str]]
    place: Place


def split_words(text: str) -> list[str]:
    """The words of a text whose words stand apart by spaces or tabs; other blanks may be inside a word."""
    return re.findall(r"[^ \t\r\n]+", text)


def read_tagged(path: str | Path, *, column: str = "upos") -> Tagged:
    """Read tagged sentences.

    | source | sentences |
    | --- | --- |
    | `.conllu` | CoNLL-U: ten columns, a word a row, a blank row between sentences |
    | `.conll`, `.iob`, `.iob2`, `.bio`, `.col` | columns: the first is the word, the last the tag |
    | `synthetic:NAME` | drawn: see `ricorda.data.synthetic` |
    | anything else | what its first row looks like: one of these, or a sentence a row of `word/TAG` |

    Each may be gzipped, and may be an address (https://, s3://, gs://, az://, hf://).

    Parameters
    ----------
    path
        The file or address.
    column : {"upos", "xpos"}
        Which tags of CoNLL-U.

    Raises
    ------
    DataError
        For anything that cannot be read or used; the sentence names file, row and way out.
    """
    source = os.fspath(path)
    if is_synthetic(source):
        drawn = read_synthetic(source, "tag")
        return Tagged(drawn.inputs, drawn.targets, SourceRows(source).of)
    return _collected(_sentences(source, column=column), source)


def read_words_in_parts(path: str | Path, *, sentences: int = 1_024) -> Iterator[Tagged]:
    """Read sentences without tags, so many at a time: CoNLL-U, CoNLL's columns, or a sentence a row.

    Raises
    ------
    DataError
        As `read_tagged`, when the row is reached.
    """
    source = os.fspath(path)
    if is_synthetic(source):
        inputs = read_synthetic(source, None).inputs
        for first in range(0, len(inputs), sentences):
            part = inputs[first : first + sentences]
            yield Tagged(part, [[] for _ in part], SourceRows(source, first + 1).of)
        return
    remaining = _sentences(source, tagged=False)
    while part := list(islice(remaining, sentences)):
        yield _collected(iter(part), source)


def _sentences(source: str, *, tagged: bool = True, column: str = "upos") -> Iterator[Sentence]:
    """Read sentence after sentence; see `read_tagged`. Without tags, a row that is no columns is a sentence's words."""
    rows = _rows(source)
    opening = list(islice(rows, 1))
    form = _BY_EXTENSION.get(extension(source)) or _guess(opening[0][1], tagged)
    read = _READERS[form]
    has_sentences = False
    for sentence in read(chain(opening, rows), source, column if tagged else None):
        has_sentences = True
        yield sentence
    if not has_sentences:
        raise DataError(f"{source} holds no sentence: give at least one")


def _collected(sentences: Iterator[Sentence], source: str) -> Tagged:
    parts = list(sentences)
    rows = [sentence.row for sentence in parts]
    return Tagged(
        [sentence.words for sentence in parts],
        [sentence.tags for sentence in parts],
        lambda index: row_name(source, rows[index]),
    )


def _rows(source: str) -> Iterator[Line]:
    """Rows from the first that is not blank, without their ends and without the blank ones behind the last."""
    blank: list[Line] = []
    number, started = 0, False
    try:
        for number, text in enumerate(lines(source), 1):
            if text.strip():
                if started:
                    yield from blank
                blank, started = [], True
                yield number, text.rstrip("\r\n")
            elif len(blank) < 2:  # More blank lines between sentences mean nothing.
                blank.append((number, ""))
    except BadLineError as error:
        raise DataError(f"{row_name(source, number + 1)} {error}") from None
    if not started:
        raise DataError(f"{source} is empty: give sentences with a tag for each word")


def _guess(row: str, tagged: bool) -> Format:
    if row.count("\t") == _CONLLU_COLUMNS - 1 or re.match(
        r"# *(sent_id|text|newdoc|newpar|global\.columns)( |=|$)", row
    ):
        return "conllu"
    if not tagged:
        return "words"
    words = split_words(row)
    pairs = sum(1 for word in words if "/" in word[1:-1])
    return "pairs" if 2 * pairs > len(words) or len(words) == 1 else "columns"


def _read_conllu(rows: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    first = 0
    for number, row in chain(rows, [(0, "")]):
        if not row:
            if words:
                yield Sentence(words, tags, first)
            words, tags = [], []
            continue
        if row.startswith("#"):
            continue
        fields = row.split("\t")
        where = row_name(source, number)
        if len(fields) != _CONLLU_COLUMNS:
            raise DataError(
                f"{where} has {_columns(len(fields))} where CoNLL-U has {_CONLLU_COLUMNS}, with a tab between: "
                "correct the row"
            )
        if not re.fullmatch(r"[0-9]+([-.][0-9]+)?", fields[0]):
            raise DataError(f"{where} has the id {fields[0]!r:.40}, which is no word's number: correct the row")
        if not fields[0].isdigit():
            continue  # It is a surface word whose parts follow, or an elided word.
        if not fields[1].strip():
            raise DataError(f"{where} has no word: {REPAIR}")
        first = first if words else number
        words.append(fields[1])
        if column is not None:
            tag = fields[TAG_COLUMNS[column]].strip()
            if tag in ("", "_"):
                other = next(name for name in TAG_COLUMNS if name != column)
                raise DataError(
                    f"{where} has no tag in its column {column.upper()}: {REPAIR}, or choose --column {other}"
                )
            tags.append(tag)


def _read_columns(rows: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    first = expected = 0
    for number, row in chain(rows, [(0, "")]):
        if not row.strip():
            if words:
                yield Sentence(words, tags, first)
            words, tags = [], []
            continue
        fields = row.split("\t") if "\t" in row else split_words(row)
        expected = expected or len(fields)
        if len(fields) != expected or (column is not None and expected < 2):
            where = "the first has" if expected > 1 else "a word and its tag make"
            raise DataError(
                f"{row_name(source, number)} has {_columns(len(fields))} where {where} {max(expected, 2)}: "
                "correct the row"
            )
        if fields[0].strip() == "-DOCSTART-":
            continue  # CoNLL's mark between documents
        if not fields[0].strip() or (column is not None and not fields[-1].strip()):
            missing = "word" if not fields[0].strip() else "tag"
            raise DataError(f"{row_name(source, number)} has no {missing}: {REPAIR}")
        first = first if words else number
        words.append(fields[0].strip())
        if column is not None:
            tags.append(fields[-1].strip())


def _read_pairs(rows: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    for number, row in rows:
        pairs = split_words(row)
        _refuse_empty(pairs, source, number)
        split = [pair.rpartition("/") for pair in pairs]
        for position, (word, _, tag) in enumerate(split, 1):
            if not word or not tag:
                raise DataError(
                    f"{row_name(source, number)} has {pairs[position - 1]!r:.40} as word {position}, without a tag: "
                    "write word/TAG"
                )
        yield Sentence([word for word, _, _ in split], [tag for _, _, tag in split], number)


def _read_words(rows: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    for number, row in rows:
        words = split_words(row)
        _refuse_empty(words, source, number)
        yield Sentence(words, [], number)


def _refuse_empty(words: list[str], source: str, number: int) -> None:
    if not words:
        raise DataError(f"{row_name(source, number)} is an empty sentence: {REPAIR}")


def _columns(count: int) -> str:
    return f"{count} column{'s' * (count != 1)}"


_READERS: dict[Format, Callable[[Iterator[Line], str, str | None], Iterator[Sentence]]] = {
    "conllu": _read_conllu,
    "columns": _read_columns,
    "pairs": _read_pairs,
    "words": _read_words,
}
