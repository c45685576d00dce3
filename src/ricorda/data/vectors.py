"""Word vectors from a file: text of GloVe, text or binary of word2vec, `.vec` of fastText; plain, gzipped or zipped.

A file is read as a stream, and nothing is kept but the vectors of the words that are wanted, and of some of the first
others: these are the most frequent ones, as all three programs write words by their frequency.

    GloVe              a line `the 0.1 -0.2 ...` for each word
    word2vec, fastText the same under a header, `COUNT SIZE`
    word2vec, binary   the header, then for each word its bytes, a space and float32 numbers, the lowest byte first
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count, takewhile
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ricorda.data.doors import door
from ricorda.data.places import shown
from ricorda.data.source import STANDARD_INPUT, is_remote, opened
from ricorda.errors import DataError

_LARGEST = 100_000
"""Numbers that a vector may have: what says that it has more is damaged, and memory is not asked for on its word."""
_LONGEST_LINE = 32 * _LARGEST
_LONGEST_WORD = 10_000
_AT_ONCE = 1 << 20
_SHARED = 3
"""Characters that a word must share with another to have something of its vector."""
_FASTTEXT_MODEL = (793_712_314).to_bytes(4, "little")
_WHAT = "give vectors of GloVe, word2vec or fastText (.vec)"


@dataclass(frozen=True)
class Vectors:
    """Vectors of words.

    Parameters
    ----------
    size : int
        Numbers D of a vector.
    of : dict of str to float32 [D]
        The vectors of the wanted words that the file has, and of the others that were taken along.
    others : list of str
        These others, in the order of the file.
    """

    size: int
    of: dict[str, NDArray[np.float32]]
    others: list[str]


@door
def read_vectors(source: str, wanted: Collection[str], *, others: int = 0, lowercase: bool = False) -> Vectors:
    """Read the vectors of some words.

    A word has the vector that the file has under the same spelling, or else the first whose spelling differs in case
    alone. So a cased file serves texts that are read in small letters, and a file of small letters serves cased ones.

    Parameters
    ----------
    source : path
        A file on this machine.
    wanted : collection of str
        The words.
    others : int
        The number of the file's first other words to take along.
    lowercase : bool
        Whether these others are spelled in small letters.

    Raises
    ------
    DataError
        If the file is no file of vectors, damaged, or has none of the wanted words; or a vector that is kept is not
        one of finite numbers, or is there twice. The message names the line, or the byte.
    """
    if is_remote(source) or source == STANDARD_INPUT:
        raise DataError(f"vectors are read from a file on this machine, and {source} is none: copy it into one")
    with opened(source) as stream:
        file = _form(source, stream)
        chosen = _Chosen(source, file, wanted, others, lowercase)
        for position, word, numbers in file:
            chosen.take(position, word, numbers)
    if len(chosen.vectors) == len(chosen.others):
        words = ", ".join(shown(word) for word in list(wanted)[:3])
        raise DataError(
            f"{source} has a vector for none of the {len(wanted):,} words of the training ({words}, ...): give a file "
            "of their language and spelling"
        )
    return Vectors(file.size, chosen.vectors, chosen.others)


def by_spelling(words: Iterable[str], vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Vectors of words that have none, from words that begin or end alike.

    Of a word, it is the mean of two: the mean over the words that share its longest beginning, and over those that
    share its longest end. A word that shares fewer than three characters with any stays without.
    """
    alike: dict[tuple[bool, str], list[str]] = {}
    for word in vectors:
        for length in range(_SHARED, len(word) + 1):
            alike.setdefault((True, word[:length]), []).append(word)
            alike.setdefault((False, word[-length:]), []).append(word)
    result = {}
    for word in words:
        lengths = range(len(word), _SHARED - 1, -1)
        begins = next((alike[True, word[:length]] for length in lengths if (True, word[:length]) in alike), [])
        ends = next((alike[False, word[-length:]] for length in lengths if (False, word[-length:]) in alike), [])
        means = [np.mean([vectors[other] for other in others], axis=0) for others in (begins, ends) if others]
        if means:
            result[word] = np.mean(means, axis=0)
    return result


class _Form(Protocol):
    """A form of file: it gives the position, the word and the still unread numbers of each vector."""

    size: int

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]: ...

    def place(self, position: int) -> str: ...

    def numbers(self, position: int, unread: bytes) -> NDArray[np.float32]: ...


class _Chosen:
    """The vectors that are kept, while a file is read."""

    def __init__(self, source: str, file: _Form, wanted: Collection[str], others: int, lowercase: bool) -> None:
        self.source, self.file, self.lowercase, self.most = source, file, lowercase, others
        self.vectors: dict[str, NDArray[np.float32]] = {}
        self.others: list[str] = []
        self.positions: dict[str, int] = {}  # Of the words that the file has in the same spelling.
        self.spellings: dict[str, list[str]] = {}
        for word in wanted:
            self.spellings.setdefault(word.lower(), []).append(word)

    def take(self, position: int, word: bytes, unread: bytes) -> None:
        """Keep a vector for each word that it serves."""
        try:
            name = word.decode()
        except UnicodeDecodeError:  # No text has such a word; word2vec cuts long ones within a character.
            return
        small = name.lower()
        spellings = self.spellings.get(small, [])
        own = small if self.lowercase else name
        if len(self.others) < self.most and name and own not in spellings:
            self.spellings[small] = spellings = [*spellings, own]
            self.others.append(own)
        for spelling in spellings:
            if spelling == name:
                if name in self.positions:
                    raise DataError(
                        f"{self.file.place(position)} has a vector of {shown(name)}, and so has "
                        f"{self.file.place(self.positions[name])}: leave one of them out"
                    )
                self.positions[name] = position
            elif spelling in self.vectors:
                continue
            self.vectors[spelling] = self._checked(position, unread)

    def _checked(self, position: int, unread: bytes) -> NDArray[np.float32]:
        vector = self.file.numbers(position, unread)
        if not np.isfinite(vector).all():
            wrong = vector[~np.isfinite(vector)][0]
            raise DataError(f"{self.file.place(position)} has {wrong} in a vector: leave that word out, or {_WHAT}")
        return vector


def _form(source: str, stream: Any) -> _Form:
    """The form of a file, by what it begins with."""
    first = _line(source, stream, 1)
    if not first:
        raise DataError(f"{source} is empty: {_WHAT}")
    if first.startswith(_FASTTEXT_MODEL):
        raise DataError(f"{source} is a whole model of fastText: give its vectors, the file that ends in .vec")
    fields = first.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return _Text(source, stream, first)
    if max(map(len, fields)) > 18 or not (int(fields[0]) > 0 and 0 < int(fields[1]) <= _LARGEST):
        raise DataError(
            f"line 1 of {source} says {shown(first.decode().strip())}, the number of its vectors and of the numbers in "
            f"each, and no file has so many: {_WHAT}"
        )
    vectors, size = map(int, fields)
    head = stream.peek(_LONGEST_WORD)
    numbers = head.partition(b" ")[2][: 4 * size]
    line = numbers.split(b"\n")[0]
    if head and (not line or not line.isascii() or any(byte < 9 or 13 < byte < 32 for byte in numbers)):
        return _Binary(source, stream, first, vectors, size)
    return _Text(source, stream, first, (vectors, size))


class _Text:
    """Lines of a word and numbers, behind the first line; that is a header if there are counts, or else a vector."""

    def __init__(self, source: str, stream: Any, first: bytes, counts: tuple[int, int] | None = None) -> None:
        self.source, self.stream, self.first = source, stream, first
        self.vectors = counts[0] if counts else None
        self.size = counts[1] if counts else _numbers_at_the_end(first)
        if not self.size:
            raise DataError(f"line 1 of {source} is not a word and its numbers: {_WHAT}")

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        vectors = 0
        lines = chain([b"" if self.vectors else self.first], self._lines())
        for number, raw in enumerate(lines, 1):
            line = raw.replace(b"\t", b" ").rstrip(b" \r\n")
            if not line:
                continue
            vectors += 1
            word, _, numbers = line.partition(b" ")
            if line.count(b" ") != self.size:
                word, numbers = self._with_spaces(number, line.split())
            yield number, word, numbers
        if self.vectors is not None and vectors != self.vectors:
            raise _wrong_count(self.source, self.vectors, f"{vectors:,}")

    def place(self, position: int) -> str:
        return f"line {position:,} of {self.source}"

    def numbers(self, position: int, unread: bytes) -> NDArray[np.float32]:
        fields = unread.split()
        if len(fields) != self.size:
            raise self._of_another_size(position, len(fields))
        try:
            with np.errstate(over="ignore"):
                return np.array(list(map(float, fields)), dtype=np.float32)
        except ValueError:
            wrong = next(field for field in fields if not _is_number(field)).decode("utf-8", "replace")
            raise DataError(f"{self.place(position)} has {shown(wrong)} for a number: correct it, or {_WHAT}") from None

    def _lines(self) -> Iterator[bytes]:
        for number in count(2):
            line = _line(self.source, self.stream, number)
            if not line:
                return
            yield line

    def _with_spaces(self, number: int, fields: list[bytes]) -> tuple[bytes, bytes]:
        """A word and its numbers where there are more spaces than numbers: within the word, or doubled."""
        if len(fields) <= self.size or any(map(_is_number, fields[1 : -self.size])):
            raise self._of_another_size(number, len(fields) - 1)
        return b" ".join(fields[: -self.size]), b" ".join(fields[-self.size :])

    def _of_another_size(self, number: int, numbers: int) -> DataError:
        return DataError(
            f"{self.place(number)} has a vector of {numbers:,} numbers, and line 1 {'says' if self.vectors else 'has'} "
            f"{self.size:,}: all have as many, so correct the file or get it again"
        )


class _Binary:
    """A header, then words and float32 numbers."""

    def __init__(self, source: str, stream: Any, header: bytes, vectors: int, size: int) -> None:
        self.source, self.stream, self.header, self.vectors, self.size = source, stream, header, vectors, size

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        held, start, offset = b"", 0, len(self.header)  # `offset` is where what is held stands in the file.
        for number in range(self.vectors):
            while (space := held.find(b" ", start)) < 0 or len(held) <= space + 4 * self.size:
                if space < 0 and len(held) - start > _LONGEST_WORD:
                    raise DataError(
                        f"{self.place(offset + start)} begins no word: the file is damaged, or line 1 gives a wrong "
                        f"number of numbers ({self.size:,}); get it again"
                    )
                more = self.stream.read(_AT_ONCE)
                if not more:
                    raise _wrong_count(self.source, self.vectors, f"{number:,} whole ones")
                held, start, offset = held[start:] + more, 0, offset + start
            end = space + 1 + 4 * self.size
            word = held[start:space].lstrip(b"\n")
            yield offset + space - len(word), word, held[space + 1 : end]
            start = end
        if (held[start:] + self.stream.read(_AT_ONCE)).strip():
            raise _wrong_count(self.source, self.vectors, "more")

    def place(self, position: int) -> str:
        return f"byte {position:,} of {self.source}"

    def numbers(self, _position: int, unread: bytes) -> NDArray[np.float32]:
        return np.frombuffer(unread, dtype="<f4").astype(np.float32)


def _wrong_count(source: str, says: int, has: str) -> DataError:
    return DataError(
        f"line 1 of {source} says that it has {says:,} vectors, and it has {has}: it was cut short or changed, so get "
        "it again"
    )


def _line(source: str, stream: Any, number: int) -> bytes:
    line: bytes = stream.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        raise DataError(f"line {number:,} of {source} has no end within {_LONGEST_LINE:,} bytes: {_WHAT}")
    return line


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _numbers_at_the_end(line: bytes) -> int:
    """How many numbers a line ends in, behind a word, which may be a number too."""
    return sum(1 for _ in takewhile(_is_number, reversed(line.split()[1:])))
