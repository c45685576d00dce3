"""`ricorda` for translators: `train translate`, and what `predict` and `evaluate` do with one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table, print_worth
from ricorda.tasks.translate.parameters import SEARCH, TranslateParameters

if TYPE_CHECKING:
    from ricorda.cli.source import InputSource
    from ricorda.tasks.translate.estimator import Translator
    from ricorda.tasks.translate.inference import Translation

TRAIN = """Train a translator: a sentence goes in, another one comes out.

    A .tsv without a header needs no column names. Several files are learned from together. Ctrl-C stops after the
    current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train translate pairs.tsv --out model

      ricorda train translate pairs.csv --source en --target it --out model

      ricorda train translate talks.tsv.gz chats.tsv.gz --valid dev.tsv --hidden-size 512 --out model
    """
"""The help of the command that trains."""


SourceColumn = Annotated[
    str | None, options.reading("Column of the sentences.", "--source", default="source, or the first")
]
TargetColumn = Annotated[
    str | None, options.reading("Column of their translations.", "--target", default="target, or the second")
]
BeamSize = Annotated[int | None, options.option(TranslateParameters, "beam_size")]
LengthPenalty = Annotated[float | None, options.option(TranslateParameters, "length_penalty")]
CoveragePenalty = Annotated[float | None, options.option(TranslateParameters, "coverage_penalty")]


def read(
    data: Annotated[
        list[str], typer.Argument(help="TSV, CSV, JSON lines or Parquet files with a sentence and a translation a row.")
    ],
    valid: options.Valid = None,
    test: str | None = None,
    *,
    source: SourceColumn = None,
    target: TargetColumn = None,
) -> list[Any]:
    """Sentences and translations of the files to train on, and of each other file; None for one that is not given."""
    from ricorda.data.pairs import read_pairs

    files = (data, None if valid is None else [valid], None if test is None else [test])
    pairs = [None if names is None else read_pairs(*names, source=source, target=target) for names in files]
    return [None if sentences is None else (sentences, sentences.targets) for sentences in pairs]


def predict(
    model: Translator,
    source: InputSource,
    as_json: bool,
    *,
    source_column: SourceColumn = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
    n_best: Annotated[int | None, typer.Option(help="Translations of each sentence.", rich_help_panel=SEARCH)] = None,
    attention: Annotated[
        Path | None, typer.Option(help="A picture (PNG) to write, of where attention lies in the first translation.")
    ] = None,
) -> None:
    """Print the translation of each sentence, one a line; or several, with their scores."""
    search = _search(beam_size, length_penalty, coverage_penalty)
    for number, batch in enumerate(_batches(source, source_column)):
        translations = model.translate(batch, n_best=n_best or 1, **search)
        sentences = getattr(batch, "inputs", batch)
        if attention is not None and number == 0:
            _draw(model, sentences[0], translations[0][0].text, attention)
        for sentence, best in zip(sentences, translations, strict=True):
            _print_best(sentence, best, as_json, alone=n_best is None)


def evaluate(
    model: Translator,
    data: str,
    as_json: bool,
    *,
    source: SourceColumn = None,
    target: options.AnswerColumn = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
) -> None:
    """Print BLEU and chrF, and BLEU by the length of the sentences."""
    from ricorda.data.pairs import read_pairs

    pairs = read_pairs(data, source=source, target=target)
    result = model.evaluate(pairs, pairs.targets, **_search(beam_size, length_penalty, coverage_penalty))
    if as_json:
        print_json(result.to_json())
        return
    print_pairs(
        f"{result.sentences:,} sentences, {result.references:,} references",
        [
            ("BLEU", f"{result.bleu:.2f}   ({result.signature})"),
            ("chrF", f"{result.chrf:.2f}   ({result.chrf_signature})"),
            ("length", f"{result.length_ratio:.3f} of the references'"),
        ],
    )
    print_worth(result, "BLEU", result.bleu, result.sentences)
    print_table(
        "By the sentences' length",
        ["words", "sentences", "BLEU"],
        [
            (
                f"{bucket.first} to {bucket.last}" if bucket.last else f"{bucket.first} or more",
                bucket.sentences,
                f"{bucket.bleu:.1f}",
            )
            for bucket in result.by_length
        ],
    )


def _search(beam_size: int | None, length_penalty: float | None, coverage_penalty: float | None) -> dict[str, Any]:
    return {"beam_size": beam_size, "length_penalty": length_penalty, "coverage_penalty": coverage_penalty}


def _batches(source: InputSource, column: str | None) -> Iterator[Any]:
    if source.file is None or source.texts:
        yield from source.batches()
        return
    from ricorda.data.pairs import read_sentences

    yield from read_sentences(source.file, source=column)


def _print_best(sentence: str, best: list[Translation], as_json: bool, *, alone: bool) -> None:
    if as_json:
        from ricorda.tasks.translate.inference import answer_of

        print_json(answer_of(sentence, best))
    elif alone:
        print(best[0].text)
    else:
        print_table(sentence, ["score", "translation"], [(f"{one.score:.3f}", one.text) for one in best])


def _draw(model: Translator, sentence: str, translation: str, path: Path) -> None:
    from ricorda.files import write_atomically
    from ricorda.tasks.translate.pictures import attention_picture

    write_atomically(path, attention_picture(model.attend(sentence, translation)))
    print(f"The picture is in {path}", file=sys.stderr)
