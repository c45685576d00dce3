"""`ricorda train tag`, and what `predict` and `evaluate` do with a tagger."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table
from ricorda.cli.synthetic import print_success, success_of
from ricorda.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from ricorda.cli.source import Source
    from ricorda.data.tagged import Tagged
    from ricorda.tasks.tag.estimator import SequenceTagger
    from ricorda.tasks.tag.metrics import TagReport, TagScore

DEFAULTS: dict[str, object] = {
    "cell": "lstm",
    "hidden_size": 200,
    "num_layers": 2,
    "bidirectional": True,
    "memory": None,
    "embedding_size": 100,
    "character_embedding_size": 50,
    "character_hidden_size": 50,
    "crf": False,
    "dropout": 0.5,
    "word_dropout": 0.25,
    "vocab_size": 50_000,
    "min_frequency": 1,
    "lowercase": True,
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "weight_decay": 0.05,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "validation_fraction": 0.1,
    "patience": None,
    "device": "auto",
    "precision": "32",
}
"""The estimator's own, written again because reading it would import torch (a test holds the two together)."""

TagColumn = Annotated[
    str | None,
    typer.Option("--column", help="Tags of CoNLL-U: upos or xpos.", show_default="upos"),
]
CharacterEmbeddingSize = Annotated[
    int | None, typer.Option(help="Numbers a character is turned into.", rich_help_panel=options.NETWORK)
]
CharacterHiddenSize = Annotated[
    int | None,
    typer.Option(help="Units that read a word's characters; 0 for none.", rich_help_panel=options.NETWORK),
]
Crf = Annotated[
    bool | None,
    typer.Option(
        "--crf/--no-crf", help="Whether neighbouring tags are scored together.", rich_help_panel=options.NETWORK
    ),
]


def train(
    data: Annotated[
        str,
        typer.Argument(
            help="CoNLL-U (.conllu), columns of word and tag (.conll, .iob2), lines of word/TAG, or synthetic:NAME."
        ),
    ],
    out: options.Out,
    column: TagColumn = None,
    valid: options.Valid = None,
    vocab_size: options.VocabSize = None,
    min_frequency: options.MinFrequency = None,
    lowercase: options.Lowercase = None,
    cell: options.CellName = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.Layers = None,
    bidirectional: options.Bidirectional = None,
    memory: options.Memory = None,
    embedding_size: options.EmbeddingSize = None,
    character_embedding_size: CharacterEmbeddingSize = None,
    character_hidden_size: CharacterHiddenSize = None,
    crf: Crf = None,
    dropout: options.Dropout = None,
    word_dropout: options.WordDropout = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
    warmup: options.Warmup = None,
    clip_norm: options.ClipNorm = None,
    validation_fraction: options.ValidationFraction = None,
    patience: options.Patience = None,
    device: options.Device = None,
    precision: options.Precision = None,
    random_state: options.Seed = 0,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    tensorboard: options.TensorBoard = False,
    watch_gradients: options.WatchGradients = None,
    as_json: options.Json = False,
) -> None:
    """Train a tagger: a sentence goes in, a tag for each of its words comes out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train tag train.conllu --valid dev.conllu --column xpos --out model

      ricorda train tag names.iob2 --crf --out model

      ricorda train tag sentences.txt --cell gru --epochs 5 --out model
    """
    given = options.given(locals(), DEFAULTS)
    from ricorda.cli.training import train_and_tell
    from ricorda.tasks.tag.estimator import SequenceTagger

    model = SequenceTagger(**given)
    model.check_parameters()
    (X, y), validation, _ = read(data, valid, column=column)
    train_and_tell(
        model,
        X,
        y,
        out,
        validation=validation,
        resume=resume,
        overwrite=overwrite,
        tensorboard=tensorboard,
        watch_gradients=watch_gradients,
        as_json=as_json,
    )


def read(data: str, valid: str | None, test: str | None = None, *, column: str | None) -> list[Any]:
    """Sentences and tags of each source; None for one that there is not."""
    found = [None if each is None else _read(each, column) for each in (data, valid, test)]
    return [None if each is None else (each, each.labels) for each in found]


def predict(model: SequenceTagger, source: Source, as_json: bool) -> None:
    """Print sentences as `word/TAG` lines; as JSON, words, tags and the tags' probabilities."""
    if model.reading_.kind != "tokens" or model.classes_ is None:
        raise ArgumentError(
            "the model reads or gives numbers, which no command prints: use ricorda.load(FOLDER).predict(...) in Python"
        )
    for sentences in _sentences(source):
        tags = model.predict(sentences)
        if not as_json:
            for words, each in zip(sentences.inputs, tags, strict=True):
                sys.stdout.write(" ".join(f"{word}/{tag}" for word, tag in zip(words, each, strict=True)) + "\n")
            continue
        index_of = {tag: index for index, tag in enumerate(model.classes_.tolist())}
        probabilities = model.predict_proba(sentences)
        for words, each, of_tags in zip(sentences.inputs, tags, probabilities, strict=True):
            chosen = [float(of_tags[step, index_of[tag]]) for step, tag in enumerate(each)]
            print_json({"words": words, "tags": each, "probabilities": chosen})


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
        print_success(success)


def _read(data: str, column: str | None) -> Tagged:
    from ricorda.data.tagged import TAG_COLUMNS, read_tagged

    if column is not None and column not in TAG_COLUMNS:
        raise ArgumentError(f"--column is {column!r}: give one of {', '.join(TAG_COLUMNS)}")
    return read_tagged(data, column=column or "upos")


def _sentences(source: Source) -> Iterator[Tagged]:
    from ricorda.cli.source import Texts
    from ricorda.data.tagged import Tagged, read_words_in_parts, words_of

    if source.file is not None:
        yield from read_words_in_parts(source.file)
        return
    for texts in source.batches():
        assert isinstance(texts, Texts)  # of a file it is not asked
        sentences = [words_of(text) for text in texts]
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
    _print_scores("Tags", "tag", report.tags)
    if report.spans:
        _print_scores("Spans", "type", report.spans)


def _print_scores(title: str, what: str, scores: tuple[TagScore, ...]) -> None:
    rows: list[tuple[Any, ...]] = [
        (each.label, f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.f1:.3f}", f"{each.count:,}")
        for each in scores
    ]
    print_table(title, [what, "precision", "recall", "F1", "count"], rows)
