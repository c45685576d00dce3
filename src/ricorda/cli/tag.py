"""`ricorda train tag`, and what `predict` and `evaluate` do with a tagger."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import astuple
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_each, print_json, print_pairs, print_scores, print_worth
from ricorda.cli.synthetic import print_success, success_of
from ricorda.errors import DataError

if TYPE_CHECKING:
    from ricorda.cli.source import InputSource
    from ricorda.data.tagged import Tagged
    from ricorda.tasks.tag.estimator import SequenceTagger
    from ricorda.tasks.tag.metrics import TagReport

TRAIN = """Train a tagger: a sentence goes in, a tag for each of its words comes out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train tag train.conllu --valid dev.conllu --column xpos --out model

      ricorda train tag names.iob2 --crf --out model

      ricorda train tag sentences.txt --cell gru --epochs 5 --out model
    """
"""The help of the command that trains."""

TagColumn = Annotated[
    str | None,
    typer.Option("--column", help="Column of CoNLL-U that has the tags.", show_default="upos"),
]


def read(
    data: Annotated[
        str,
        typer.Argument(
            help="CoNLL-U (.conllu), columns of word and tag (.conll, .iob2), lines of word/TAG, or synthetic:NAME."
        ),
    ],
    valid: options.Valid = None,
    test: str | None = None,
    *,
    column: TagColumn = None,
) -> list[Any]:
    """Sentences and tags of each source; None for one that is not given."""
    sources = [None if name is None else _read(name, column) for name in (data, valid, test)]
    return [None if source is None else (source, source.labels) for source in sources]


def predict(model: SequenceTagger, source: InputSource, as_json: bool) -> None:
    """Print sentences as `word/TAG` lines; as JSON, words, tags and the tags' probabilities."""
    for sentences in _sentences(source, model.known_tags()):
        if as_json:
            print_each(model.answers(sentences))
            continue
        for words, chosen in zip(sentences.inputs, model.predict(sentences), strict=True):
            sys.stdout.write(" ".join(f"{word}/{tag}" for word, tag in zip(words, chosen, strict=True)) + "\n")


def evaluate(model: SequenceTagger, data: str, as_json: bool, *, column: TagColumn = None) -> None:
    """Print the accuracy, that of unseen words, each tag's F1, and that of spans where tags are BIO."""
    from ricorda.tasks.tag.metrics import TagReport

    examples = _read(data, column)
    report = model.evaluate(examples, examples.labels)
    success = success_of(model, data)
    if as_json:
        print_json({**report.to_json(), **success})
    elif isinstance(report, TagReport):
        _print_report(report)
        print_worth(report, "accuracy", report.accuracy, report.steps)
        print_success(success)


def _read(data: str, column: str | None) -> Tagged:
    from ricorda.data.tagged import read_tagged

    return read_tagged(data, column=column or "upos")


def _sentences(source: InputSource, tags: list[str]) -> Iterator[Tagged]:
    from ricorda.cli.source import Texts, standard_input
    from ricorda.data.tagged import Tagged, read_words_in_parts, split_words

    if not source.texts:
        if source.file is None:
            standard_input()  # It says that it is read, or that it is closed.
        yield from read_words_in_parts(source.file or "-", tags=tags)
        return
    for texts in source.batches():
        assert isinstance(texts, Texts)  # Files are read above.
        sentences = [split_words(text) for text in texts]
        for index, words in enumerate(sentences):
            if not words:
                raise DataError(f"{texts.place(index)} is empty: give a sentence, its words apart by spaces")
        yield Tagged(sentences, [[] for _ in sentences], texts.place)


def _print_report(report: TagReport) -> None:
    unseen = "none" if report.unseen_accuracy is None else f"{report.unseen_accuracy:.1%} of {report.unseen:,}"
    pairs = [
        ("accuracy", f"{report.accuracy:.2%}"),
        ("words unseen in training", unseen),
        ("log loss", f"{report.log_loss:.3f} nats"),
    ]
    if report.span_f1 is not None:
        pairs.append(("span F1", f"{report.span_f1:.2%}"))
    print_pairs(f"{report.sequences:,} sentences, {report.steps:,} words", pairs)
    print_scores("Tags", ("tag", "count"), map(astuple, report.tags))
    if report.spans:
        print_scores("Spans", ("type", "count"), map(astuple, report.spans))
