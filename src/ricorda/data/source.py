"""Opens local and remote files, plain, gzipped or zipped, and the standard input, and reads them as lines of UTF-8.

Downloads over HTTP go through the standard library, as polars asks servers for byte ranges, which many refuse;
cloud storage and Hugging Face go through polars, which takes credentials from the environment.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ricorda import telling
from ricorda.data import standard_input
from ricorda.data.places import BadLineError
from ricorda.data.separators import separator_of
from ricorda.errors import DataError

if TYPE_CHECKING:
    import polars

STANDARD_INPUT = "the standard input"
"""The source that `-` stands for, by the name that messages have for it."""

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_WEB = ("http", "https")
_CLOUD = ("s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl", "hf")


def is_remote(source: str) -> bool:
    """Whether the source is an address rather than a path."""
    return "://" in source


def extension(source: str) -> str:
    """The lower-case extension that tells the format: without a `.gz` behind it, and in a `.zip` that of its file.

    The standard input has the extension of what it holds.
    """
    if source == STANDARD_INPUT:
        return _extension_of_standard_input()
    name = PurePosixPath(urlsplit(source).path if _scheme(source) in _WEB else source.replace(os.sep, "/"))
    if name.suffix.lower() == ".zip" and not os.path.isdir(source):
        with _damage_named(source), io.BufferedReader(_raw(source)) as raw, zipfile.ZipFile(raw) as archive:
            name = PurePosixPath(_only_file(archive, source))
    return (name.with_suffix("") if name.suffix.lower() == ".gz" else name).suffix.lower()


def _extension_of_standard_input() -> str:
    """By what a format begins with; a table of text by its first lines, which have as many fields each."""
    with opened(STANDARD_INPUT) as stream:
        head = stream.read(65_536)
    if head.startswith(b"PAR1") or head.startswith(_ZIP):  # Of zipped data the file inside is open already.
        return ".parquet" if head.startswith(b"PAR1") else ".xlsx"
    first = head[: head.rfind(b"\n") + 1].decode("utf-8-sig", "replace").splitlines(keepends=True)[:50]
    if first and first[0].lstrip().startswith("{"):
        return ".jsonl"
    separator = separator_of(first, default="")
    openings = [line.split("\t")[0] for line in first]
    if separator == "\t" and openings[0] in openings[1:]:
        return ""  # What begins several lines is a label and no column's name.
    return "" if not separator else ".tsv" if separator == "\t" else ".csv"


def lines(source: str) -> Iterator[str]:
    r"""Lines with their ends (\n or \r\n), decoded, without a byte order mark.

    Raises
    ------
    DataError
        If the source is unreadable or damaged.
    BadLineError
        At a line that is no UTF-8 text.
    """
    if _scheme(source) in _CLOUD:
        yield from _cloud_lines(source)
        return
    with opened(source) as stream:
        for number, line in enumerate(stream):
            try:
                text = line.decode("utf-8" if number else "utf-8-sig")
            except UnicodeDecodeError as error:
                raise BadLineError(_not_utf8(source, line, error)) from None
            if "\0" in text:
                raise BadLineError("holds a zero byte, so this is no text: save the file as UTF-8 text or as Parquet")
            yield text


@contextmanager
def opened(source: str) -> Iterator[io.BufferedIOBase]:
    """Open a local file, an HTTP address or the standard input, unpacked; raises DataError if that fails."""
    with _damage_named(source), io.BufferedReader(_raw(source)) as raw:
        if raw.peek(2)[:2] == _GZIP:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked
        elif raw.peek(4)[:4] == _ZIP:
            with zipfile.ZipFile(raw) as archive:
                if "[Content_Types].xml" not in archive.namelist():  # A workbook is a zip file too.
                    with archive.open(_only_file(archive, source)) as member:
                        yield io.BufferedReader(cast(io.RawIOBase, member))
                    return
            raw.seek(0)
            yield raw
        else:
            yield raw


@contextmanager
def _damage_named(source: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise DataError(f"{source} ends in the middle of its gzip data: copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise DataError(f"{source} has damaged gzip data: copy or download it again") from None
    except (zipfile.BadZipFile, NotImplementedError):
        raise DataError(f"{source} has damaged or unusual zip data: unpack it, or copy or download it again") from None
    except OSError as error:
        raise DataError(unreadable(source, error)) from None


def _only_file(archive: zipfile.ZipFile, source: str) -> str:
    """The name of the one file in an archive; folders and what a Mac adds are no files."""
    names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    names = [name for name in names if not name.endswith("/") and not PurePosixPath(name).name.startswith(".")]
    if len(names) != 1:
        count = f"{len(names)} files" if names else "no file"
        raise DataError(f"{source} holds {count}: unpack it, and give a file or the folder")
    if archive.getinfo(names[0]).flag_bits & 1:
        raise DataError(f"{source} is locked by a password: unpack it")
    return names[0]


def scan_parquet(source: str) -> polars.LazyFrame:
    """A Parquet source as a lazy table; the caller translates the errors that polars raises while reading."""
    import polars

    if _scheme(source) in _CLOUD:
        return polars.scan_parquet(source, glob=False)
    with opened(source) as stream:
        if not isinstance(getattr(stream, "raw", None), io.FileIO):
            return polars.scan_parquet(io.BytesIO(stream.read()))
    return polars.scan_parquet(source, glob=False)


def unreadable(source: str, error: OSError) -> str:
    """One sentence that says why a source is unreadable."""
    if is_remote(source):
        return _unreachable(source, error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _missing(Path(source))
    if isinstance(error, PermissionError):
        how = "in its properties, under Security" if telling.WINDOWS else f"e.g. chmod +r {source}"
        return f"{source} may not be read: give yourself the permission, {how}"
    return f"{source} cannot be read ({error.strerror or error}): check the path and the disk"


def _scheme(source: str) -> str:
    return source.split("://")[0].lower() if is_remote(source) else ""


def _raw(source: str) -> io.RawIOBase:
    if source == STANDARD_INPUT:
        return cast(io.RawIOBase, io.BytesIO(standard_input.content()))
    if not is_remote(source):
        return cast(io.RawIOBase, Path(source).open("rb", buffering=0))
    if _scheme(source) not in _WEB:
        known = ", ".join(f"{scheme}://" for scheme in (*_WEB, *_CLOUD))
        raise DataError(f"{source} has an unknown kind of address: use a local path or one of {known}")
    request = Request(source, headers={"User-Agent": "ricorda"})
    try:
        with urlopen(request, timeout=60) as response:
            return cast(
                io.RawIOBase, io.BytesIO(response.read())
            )  # Read whole, because a download that ends early would pass for a file.
    except HTTPError as error:
        error.close()  # The error holds the connection.
        raise
    except HTTPException as error:
        reason = type(error).__name__
        raise DataError(f"{source} cannot be downloaded ({reason}): check the address and try again") from None


def _cloud_lines(source: str) -> Iterator[str]:
    import polars

    try:
        column = polars.scan_lines(source, glob=False).collect().to_series()
    except OSError as error:
        raise DataError(_unreachable(source, error)) from None
    except polars.exceptions.PolarsError as error:
        if "utf8" in str(error):
            advice = _iconv(source, "cp1252")
            raise BadLineError(f"or a later one is not UTF-8 text: convert the file, e.g. {advice}") from None
        raise DataError(_unreachable(source, OSError(str(error)))) from None
    for number, line in enumerate(column):
        yield (line if number else line.removeprefix("\ufeff")) + "\n"


def _not_utf8(source: str, line: bytes, error: UnicodeDecodeError) -> str:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"is UTF-16, not UTF-8: convert the file, e.g. {_iconv(source, 'utf-16')}"
    if b"\0" in line:
        return "is binary data, not text: give a CSV, TSV, JSON lines or Parquet file, or a folder of .txt files"
    before = line[max(0, error.start - 20) : error.start].decode("utf-8", "ignore")
    byte = f"byte 0x{line[error.start]:02x}" + (f" behind {before!r}" if before else "")
    return f"is not UTF-8 text ({byte}): convert the file, e.g. {_iconv(source, encoding_of(line))}"


def encoding_of(line: bytes) -> str:
    """What to call the likely encoding of a line that is no UTF-8, for iconv.

    Windows' own, cp1252, has the letters of latin1, and its quotes and dashes where latin1 has control characters.
    """
    try:
        line.decode("cp1252")
    except UnicodeDecodeError:  # It has no character for five of the bytes.
        return "ENCODING"
    return "cp1252"


def _iconv(source: str, encoding: str) -> str:
    if telling.WINDOWS:
        return "by Notepad's Save as, with the encoding UTF-8"
    name = PurePosixPath(source.replace(os.sep, "/")).name
    why = " (with the name of its encoding, which is not cp1252)" if encoding == "ENCODING" else ""
    return f"iconv -f {encoding} -t utf-8 {name} > utf8-{name}{why}"


def _missing(path: Path) -> str:
    if not os.path.isdir(path.parent):
        return f"{path} does not exist, nor does its folder {path.parent}: check the path"
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        names = []
    close = [str(path.parent / name) for name in get_close_matches(path.name, names, cutoff=0.75)]
    hint = f"did you mean {' or '.join(close)}?" if close else "check the path"
    return f"{path} does not exist: {hint}"


def _unreachable(source: str, error: OSError) -> str:
    gone = error.code in (404, 410) if isinstance(error, HTTPError) else "404 Not Found" in str(error)
    if isinstance(error, FileNotFoundError) or gone:  # Older versions of polars have only the server's words.
        return f"{source} does not exist: check the address"
    if isinstance(error, PermissionError) or (isinstance(error, HTTPError) and error.code in (401, 403)):
        return f"{source} may not be read with your credentials: check them and the address"
    if isinstance(error, HTTPError):
        return f"{source} cannot be read, the server answers {error.code}: check the address or try again later"
    return f"{source} cannot be read: check the address, the network, your credentials and that the file is whole"
