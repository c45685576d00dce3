"""Reads sentences with a tag for each word: CoNLL-U, CoNLL's columns, and lines of `word/TAG`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

from ricorda.data.doors import door
from ricorda.data.notices import say
from ricorda.data.places import REPAIR, BadLineError, Place, SourceRows, row_name
from ricorda.data.source import extension, lines
from ricorda.data.synthetic import is_synthetic, read_synthetic
from ricorda.errors import DataError

Format = Literal["conllu", "columns", "pairs", "words"]
Line = tuple[int, str]

_CONLLU_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_LOOKED_AT = 1_000
"""Rows at the beginning of a file that its form is told from."""
_BY_EXTENSION: dict[str, Format] = {
    **dict.fromkeys((".conllu", ".conllup"), "conllu"),
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


@door
def read_tagged(path: str | Path, *, column: str = "upos") -> Tagged:
    """Read tagged sentences.

    | source | sentences |
    | --- | --- |
    | `.conllu`, `.conllup` | CoNLL-U: ten columns, or those of its `# global.columns`; a word a row |
    | `.conll`, `.iob`, `.iob2`, `.bio`, `.col` | columns: the first is the word, the last the tag |
    | `synthetic:NAME` | drawn: see `ricorda.data.synthetic` |
    | anything else | what its first row looks like: one of these, or a sentence a row of `word/TAG` |

    Each may be gzipped, and may be an address (https://, s3://, gs://, az://, hf://). In CoNLL-U a blank row, or ids
    that begin again, end a sentence.

    Parameters
    ----------
    path
        The file or address.
    column : str
        Which column of CoNLL-U has the tags, in small or capital letters.

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


@door
def read_words_in_parts(path: str | Path, *, sentences: int = 1_024, tags: Collection[str] = ()) -> Iterator[Tagged]:
    """Read sentences without tags, so many at a time: what `read_tagged` reads, or a sentence a row.

    Parameters
    ----------
    path
        The file or address.
    sentences
        The most sentences of a part.
    tags
        Tags that are known. A file that is no CoNLL by its name or first row is a sentence a row, unless it has these
        tags where `word/TAG` or columns have them.

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
    remaining = _sentences(source, tagged=False, tags=frozenset(tags))
    while part := list(islice(remaining, sentences)):
        yield _collected(iter(part), source)


def _sentences(
    source: str, *, tagged: bool = True, column: str = "upos", tags: Collection[str] = ()
) -> Iterator[Sentence]:
    """Read sentence after sentence; see `read_tagged` and `read_words_in_parts`."""
    rows = _rows(source)
    opening = list(islice(rows, _LOOKED_AT))
    first = [row for _, row in opening]
    form = _BY_EXTENSION.get(extension(source)) or _guess(first[0])
    if not tagged and form != "conllu" and extension(source) not in _BY_EXTENSION:
        if not _holds(form, first, tags):
            form = "words"
        else:
            say(source, f"it is read as {IN_WORDS[form]}: its tags are left out")
    if tagged and form != "conllu" and column not in ("upos", "xpos"):
        raise DataError(f"{source} is no CoNLL-U, whose columns have names such as {column!r:.40}: leave --column out")
    read = _READERS[form]
    has_sentences = False
    for sentence in read(opening, rows, source, column if tagged else None):
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


def _guess(row: str) -> Format:
    if row.count("\t") == len(_CONLLU_COLUMNS) - 1 or re.match(
        r"# *(sent_id|text|newdoc|newpar|global\.columns)( |=|$)", row
    ):
        return "conllu"
    words = split_words(row)
    pairs = sum(1 for word in words if "/" in word[1:-1])
    return "pairs" if 2 * pairs > len(words) or (len(words) == 1 and row != DOCUMENT) else "columns"


def _holds(form: Format, rows: Sequence[str], tags: Collection[str]) -> bool:
    """Whether rows are of this form, with known tags: all in columns, most behind slashes."""
    if form == "pairs":
        words = [word.rpartition("/") for row in rows for word in split_words(row)]
        return all(word and tag for word, _, tag in words) and 2 * sum(tag in tags for _, _, tag in words) > len(words)
    fields = [_fields(row) for row in rows if row and not row.startswith(("#", DOCUMENT))]
    last = {row[-1].strip() for row in fields}
    same = len({len(row) for row in fields}) == 1 and len(fields[0]) > 1
    return same and last <= set(tags) and ("" in rows or len(last) > 1)  # A full stop may be a tag, and end each line.


def _fields(row: str) -> list[str]:
    return row.split("\t") if "\t" in row else split_words(row)


def _read_conllu(opening: list[Line], rest: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    names: Sequence[str] = _CONLLU_COLUMNS
    places: dict[str, int] = {}
    words: list[str] = []
    tags: list[str] = []
    first = last_id = 0
    for number, row in chain(opening, rest, [(0, "")]):
        if row.startswith("#"):
            plus = re.match(r"# *global\.columns *=(.*)", row)
            if plus:
                names, places = plus[1].split(), {}
            continue
        places = places or _conllu_places(names, source, column)
        fields = row.split("\t")
        where = row_name(source, number)
        if row and len(fields) != len(names):
            form = "CoNLL-U" if names is _CONLLU_COLUMNS else "its `# global.columns`"
            count = f"{_columns(len(fields))} where {form} has {len(names)}"
            raise DataError(f"{where} has {count}, with a tab between: correct the row")
        id = fields[places["ID"]] if row and "ID" in places else str(last_id + 1)
        if not re.fullmatch(r"[0-9]{1,9}([-.][0-9]{1,9})?", id):
            raise DataError(f"{where} has the id {id!r:.40}, which is no word's number: correct the row")
        if not id.isdigit():
            continue  # It is a surface word whose parts follow, or an elided word.
        if words and (not row or int(id) <= last_id):  # Ids that begin again begin a sentence.
            yield Sentence(words, tags, first)
            words, tags = [], []
        if not row:
            last_id = 0
            continue
        last_id = int(id)
        word = fields[places["FORM"]]
        if not word.strip():
            raise DataError(f"{where} has no word: {REPAIR}")
        first = first if words else number
        words.append(word)
        if column is not None:
            tag = fields[places[column.upper()]].strip()
            if tag in ("", "_"):
                others = [name.lower() for name in ("UPOS", "XPOS") if name in names and name != column.upper()]
                choice = f", or choose --column {others[0]}" if others else ""
                raise DataError(f"{where} has no tag in its column {column.upper()}: {REPAIR}{choice}")
            tags.append(tag)


def _conllu_places(names: Sequence[str], source: str, column: str | None) -> dict[str, int]:
    """Where each column stands, by its name in capital letters."""
    places = {name.upper(): index for index, name in enumerate(names)}
    for name in ("FORM", *([] if column is None else [column.upper()])):
        if name not in places:
            there = ", ".join(places) or "none"
            way_out = "write one" if name == "FORM" else "choose one with --column"
            raise DataError(f"{source} has no column {name!r:.40} among its columns {there:.400}: {way_out}")
    return places


DOCUMENT = "-DOCSTART-"
"""CoNLL's mark between documents; it may stand alone, or with fields of any number."""


def _read_columns(opening: list[Line], rest: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    first = expected = 0
    is_comment = _comments_of([row for _, row in opening])
    comments: list[int] = []
    for number, row in chain(opening, rest, [(0, "")]):
        marks_document = _fields(row)[:1] == [DOCUMENT]
        if not row.strip() or marks_document:
            if words:
                yield Sentence(words, tags, first)
            words, tags = [], []
            continue
        if not words and is_comment(row):
            comments.append(number)
            continue
        fields = _fields(row)
        expected = expected or len(fields)
        if len(fields) != expected or (column is not None and expected < 2):
            where = "the first has" if expected > 1 else "a word and its tag make"
            raise DataError(
                f"{row_name(source, number)} has {_columns(len(fields))} where {where} {max(expected, 2)}: "
                "correct the row"
            )
        if not fields[0].strip() or (column is not None and not fields[-1].strip()):
            missing = "word" if not fields[0].strip() else "tag"
            raise DataError(f"{row_name(source, number)} has no {missing}: {REPAIR}")
        first = first if words else number
        words.append(fields[0].strip())
        if column is not None:
            tags.append(fields[-1].strip())
    if comments:
        rows = "row" if len(comments) == 1 else f"{len(comments):,} rows, the first in row"
        say(source, f"{rows} {comments[0]} with # before a sentence is taken for a comment")


def _comments_of(first: Sequence[str]) -> Callable[[str], bool]:
    """Tells a comment from a word that begins with #, by the form of the first rows.

    A comment has another number of fields than a word; or # and a space before a last field that no word has as its
    tag.
    """
    words = [_fields(row) for row in first if row.strip() and not row.startswith(("#", DOCUMENT))]
    widths = Counter(len(fields) for fields in words)
    width = widths.most_common(1)[0][0] if widths else 0
    tags = {fields[-1] for fields in words}

    def is_comment(row: str) -> bool:
        fields = _fields(row)
        if not row.startswith("#") or not width:
            return False
        return len(fields) != width or (row.startswith("# ") and fields[-1] not in tags)

    return is_comment


def _read_pairs(opening: list[Line], rest: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    for number, row in chain(opening, rest):
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


def _read_words(opening: list[Line], rest: Iterator[Line], source: str, column: str | None) -> Iterator[Sentence]:
    for number, row in chain(opening, rest):
        words = split_words(row)
        _refuse_empty(words, source, number)
        yield Sentence(words, [], number)


def _refuse_empty(words: list[str], source: str, number: int) -> None:
    if not words:
        raise DataError(f"{row_name(source, number)} is an empty sentence: {REPAIR}")


def _columns(count: int) -> str:
    return f"{count} column{'s' * (count != 1)}"


IN_WORDS: dict[Format, str] = {"pairs": "word/TAG", "columns": "columns of words and tags"}
_READERS: dict[Format, Callable[[list[Line], Iterator[Line], str, str | None], Iterator[Sentence]]] = {
    "conllu": _read_conllu,
    "columns": _read_columns,
    "pairs": _read_pairs,
    "words": _read_words,
}
