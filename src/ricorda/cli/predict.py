"""`ricorda predict`: verdicts of a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ricorda.cli.options import Json, TextColumn
from ricorda.cli.output import print_json, print_table
from ricorda.errors import ArgumentError, DataError

AT_ONCE = 1024
"""Lines of the standard input that are read before their verdicts are given."""


def predict(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without them, --file or the standard input.")
    ] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="Data to read, as for `ricorda train`.")] = None,
    text: TextColumn = None,
    as_json: Json = False,
) -> None:
    """Give texts their class, and its probability.

    For example:

      ricorda predict model "I lost the first five minutes, yet I loved it to the end"

      ricorda predict model --file new.csv --text text --json

      cat reviews.txt | ricorda predict model
    """
    if texts and file is not None:
        raise ArgumentError(f"texts and --file {file} were given: give one of them")
    from ricorda.tasks.saving import load

    model = load(folder)
    for batch in _batches(texts, file, text):
        _print(model, batch, as_json)


class Texts(list[str]):
    """Texts of the command line or the standard input, which know their places."""

    def __init__(self, texts: list[str], where: str, first: int = 1) -> None:
        super().__init__(texts)
        self.where = where
        self.first = first

    def place(self, index: int) -> str:
        """What to call a text in a message."""
        return self.where.format(self.first + index)


def _batches(texts: list[str] | None, file: str | None, column: str | None) -> Iterator[Any]:
    if texts:
        yield Texts(texts, "text {} of the command line")
    elif file is not None:
        from ricorda.data.read import read_examples

        yield read_examples(file, text=column, labelled=False)
    else:
        lines, first = _lines_of_standard_input(), 1
        while batch := list(islice(lines, AT_ONCE)):
            yield Texts(batch, "line {} of the standard input", first)
            first += len(batch)
        if first == 1:
            raise DataError("the standard input is empty: give one text a line, or texts as arguments")


def _lines_of_standard_input() -> Iterator[str]:
    """Lines without their ends; as in files, blank ones at the end are left out."""
    blank = []
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            text = line.decode("utf-8" if number > 1 else "utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"line {number} of the standard input is not UTF-8 text (byte 0x{line[error.start]:02x}): "
                "convert it, e.g. with iconv -f latin1 -t utf-8"
            ) from None
        blank.append(text)
        if text.strip():
            yield from blank
            blank = []


def _print(model: Any, batch: Any, as_json: bool) -> None:
    probabilities = model.predict_proba(batch)
    classes = model.classes_.tolist()
    best = probabilities.argmax(1)
    if as_json:
        for row, verdict in zip(probabilities, best, strict=True):
            by_class = {str(name): float(p) for name, p in zip(classes, row, strict=True)}
            print_json({"label": classes[verdict], "probability": float(row[verdict]), "probabilities": by_class})
        return
    inputs = getattr(batch, "inputs", batch)
    rows = [
        (classes[verdict], f"{row[verdict]:.1%}", _shortened(example))
        for row, verdict, example in zip(probabilities, best, inputs, strict=True)
    ]
    print_table(None, ["verdict", "probability", "input"], rows)


def _shortened(example: Any) -> str:
    if isinstance(example, str):
        line = " ".join(example.split())
        return line if len(line) <= 200 else line[:199] + "…"
    return f"{len(example)} steps"
