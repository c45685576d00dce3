"""Damaged files through every reader: each is read, or refused in one sentence of bounded length.

A case is a number: the same one makes the same bytes and gives them to all readers under the same name.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ricorda.data.corpus import read_corpus
from ricorda.data.music import read_music
from ricorda.data.pairs import read_pairs, read_sentences
from ricorda.data.read import read_examples
from ricorda.data.series import read_series
from ricorda.data.tagged import read_tagged, read_words_in_parts
from ricorda.errors import RicordaError

LONGEST = 3_000
"""Characters of a message: a path, a value and a list of columns, all shortened, and what to do."""

READERS: dict[str, Callable[[Path], Any]] = {
    "examples": lambda path: read_examples(path, text="text", label="label"),
    "examples by itself": lambda path: read_examples(path),
    "unlabelled": lambda path: read_examples(path, labelled=False),
    "tagged": read_tagged,
    "words": lambda path: deque(read_words_in_parts(path), maxlen=0),
    "pairs": read_pairs,
    "named pairs": lambda path: read_pairs(path, source="text", target="label"),
    "sentences": lambda path: deque(read_sentences(path), maxlen=0),
    "corpus": read_corpus,
    "named corpus": lambda path: read_corpus(path, text="text"),
    "music": read_music,
    "series": read_series,
    "named series": lambda path: read_series(path, time="time", targets=["value"], covariates=["label"]),
    "targets alone": lambda path: read_series(path, targets=["value"]),
}

_ROWS = [
    {"time": f"2024-01-{day:02}", "value": day / 2, "text": f"the cat sat {day}", "label": day % 2}
    for day in range(1, 9)
]
_COLUMNS = list(_ROWS[0])


def _table(separator: str) -> bytes:
    lines = [_COLUMNS, *([str(row[name]) for name in _COLUMNS] for row in _ROWS)]
    return "".join(separator.join(line) + "\n" for line in lines).encode()


def _parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(_ROWS).write_parquet(file)
    return file.getvalue()


FILES: dict[str, bytes] = {
    "a.csv": _table(","),
    "a.tsv": _table("\t"),
    "a.jsonl": "".join(json.dumps(row) + "\n" for row in _ROWS).encode(),
    "b.jsonl": b'{"text": [[1.0, 2.0], [3, 4]], "label": "a"}\n{"text": [[1, 2]], "label": "b"}\n' * 3,
    "a.json": json.dumps({"train": [[[60, 64], [62]], [[70], []]], "valid": [[[21]]], "test": [[[108]]]}).encode(),
    "a.parquet": _parquet(),
    "a.txt": b"good the cat sat\nbad a dog ran\n\xc3\xa8 vero\n",
    "b.txt": b"the/D cat/N sat/V\na/D dog/N\n",
    "a.conllu": b"# id = 1\n1\tthe\tthe\tDET\t_\t_\t2\tdet\t_\t_\n2\tcat\tcat\tNOUN\t_\t_\t0\troot\t_\t_\n\n" * 2,
    "a.conll": b"-DOCSTART- O\n\nthe O\ncat B-A\n\nRome B-LOC\n",
    "a.csv.gz": gzip.compress(_table(","), mtime=0),
    "b.tsv": b"a house\tuna casa\nthe cat\til gatto\n",
}
"""A sound file of each form; readers get the others' too."""

_WORDS: tuple[bytes, ...] = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\r", b"\r\n", b"\n\n", b"\t", b",", b";", b'"', b"'"),
    *(b"nan", b"inf", b"-inf", b"1e999", b"1_0", b"9" * 400, b"-1", b"1e308", b"0x10", b"True", b"null", b"NaN", b"\\"),
    *(b"[" * 2_000, b"[", b"]", b"{", b"}", b"[]", b"{}", b"[[[]]]", b'{"a": 1}', b"\\ud800", b"\xed\xa0\x80", b"#"),
    *(b"2024-13-45", b"10718-01-01", b"0000-00-00", b"9999-12-31", b"0001-01-01", b"9" * 20, b"24:00:00", b"1/1/1"),
    *(b"2024-01-01T00:00:00+99:00", b"2024-01-01T00:00:00.123456789Z", b"+01:00", b"2024W01", b"202401", b"2000Q1"),
    *(b"# a = b\n", b"1-2\t", b"1.1\t", b"/", b"//", b"B-", b"-DOCSTART-", b"\x1f\x8b", b"PAR1", b"x" * 5_000, b"\xe8"),
)


def damaged(number: int) -> tuple[str, bytes]:
    """A file's name and what is in it."""
    chance = random.Random(f"reader {number}")
    name = chance.choice(sorted(FILES))
    data = FILES[name]
    packed = name.endswith(".gz") and chance.random() < 0.6
    if packed:
        data = gzip.decompress(data)
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        data = _changed(data, chance)
    if packed:
        data = gzip.compress(data, mtime=0)
    if chance.random() < 0.15:
        name = f"other.{chance.choice(sorted(FILES)).partition('.')[2]}"
    return name, data


def _changed(data: bytes, chance: random.Random) -> bytes:
    """Bytes with one change."""
    start, stop = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    match chance.randrange(10):
        case 0:
            return data[:start]
        case 1:
            return data[start:]
        case 2:
            return data[:start] + data[stop:]
        case 3:
            return data[:stop] + data[start:]
        case 4:
            return data[:start] + chance.choice(_WORDS) + data[start + chance.randrange(2) :]
        case 5:
            return data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :]
        case 6:
            return data.replace(chance.choice((b"\n", b",", b"\t", b" ")), chance.choice(_WORDS))
        case 7:
            return data + FILES[chance.choice(sorted(FILES))]
        case _:
            return _other_field(data, chance)


def _other_field(data: bytes, chance: random.Random) -> bytes:
    """A field of a line replaced by another value."""
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    separator = next((mark for mark in (b"\t", b",", b": ", b" ") if mark in lines[place]), b" ")
    fields = lines[place].split(separator)
    fields[chance.randrange(len(fields))] = chance.choice(_WORDS)
    lines[place] = separator.join(fields)
    return b"\n".join(lines)


def try_readers(number: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Give a damaged file to every reader: the reader's name and "read" or "refused"; foreign exceptions come out."""
    name, data = damaged(number)
    path = folder / name
    path.write_bytes(data)
    for reader, read in READERS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path)
                outcome = "read"
            except RicordaError as error:
                sentence = str(error)
                whole = "\n" not in sentence and len(sentence) < LONGEST + len(str(path))
                outcome = "refused" if whole else f"no short sentence: {len(sentence)}, {sentence!r:.150}"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                outcome = _where(error)
        yield reader, outcome
    path.unlink()


def _where(error: BaseException) -> str:
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "ricorda" in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} in {place}: {' '.join(str(error).split()):.100}"
