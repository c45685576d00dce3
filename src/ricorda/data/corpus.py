"""Reads running text: one stream from a text file, or documents from a folder or a table."""

from __future__ import annotations

import os
from pathlib import Path

from ricorda.data.doors import door
from ricorda.data.inputs import has_surrogates
from ricorda.data.notices import say
from ricorda.data.places import REPAIR, BadLineError, row_name
from ricorda.data.read import read_examples
from ricorda.data.source import STANDARD_INPUT, extension, lines
from ricorda.data.synthetic import refuse_synthetic
from ricorda.data.tables import FORMATS
from ricorda.errors import DataError


@door
def read_corpus(path: str | Path, *, text: str | None = None) -> str | list[str] | list[list[str]]:
    r"""Read what a language model learns from.

    | source | text |
    | --- | --- |
    | a folder | a document for each .txt file |
    | .csv, .tsv, .jsonl, .ndjson, .parquet | a document for each row; JSON lines and Parquet may hold token lists |
    | anything else | the file's text as one stream |

    The standard input ("-") is one stream, unless it is JSON lines or Parquet, or `text` names a column.

    Each may be gzipped, and each but the folder may be an address (https://, s3://, gs://, az://, hf://).

    Parameters
    ----------
    path
        The file, folder or address.
    text
        The column of a table; "text" by default.

    Returns
    -------
    str, list of str, or list of lists of str
        The stream, with \n at the end of its lines, or the documents.

    Raises
    ------
    DataError
        If the source is unreadable or invalid; the message names file, row and remedy.
    """
    source = os.fspath(path)
    refuse_synthetic(source, "language")
    form = extension(source)
    if source == STANDARD_INPUT and text is None and form in (".csv", ".tsv"):
        form = ""  # Lines of prose may have as many commas each.
        say(source, "it is read as running text; a table is read if --text names its column")
    if os.path.isdir(source) or form in FORMATS:
        documents = read_examples(source, text=text, labelled=False).inputs
        if not isinstance(documents[0], str | list):
            raise DataError(f"{source} holds numbers: give texts or token lists")
        return documents
    return read_text(source)


@door
def read_text(source: str) -> str:
    r"""The text of a file, gzipped or not, or of an address; lines end in \n.

    Raises
    ------
    DataError
        If it is unreadable, not UTF-8, or blank.
    """
    parts: list[str] = []
    try:
        for line in lines(source):
            parts.append(line[:-2] + "\n" if line.endswith("\r\n") else line)
    except BadLineError as error:
        raise DataError(f"{row_name(source, len(parts) + 1)} {error}") from None
    return check_text("".join(parts), source)


def check_text(text: str, where: str) -> str:
    """The text, if it is valid.

    Raises
    ------
    DataError
        If it is blank, or has half a surrogate pair.
    """
    if not text.strip():
        raise DataError(f"{where} is {'blank' if text else 'empty'}: give some text")
    if has_surrogates(text):
        raise DataError(f"{where} has half a surrogate pair, which is no character: {REPAIR}")
    return text
