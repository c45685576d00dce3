"""`ricorda` for translators: `train translate`, and what `predict` and `evaluate` do with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table
from ricorda.cli.training import train_and_tell

if TYPE_CHECKING:
    from ricorda.cli.source import Source
    from ricorda.tasks.translate.estimator import Translator
    from ricorda.tasks.translate.inference import Translation

DEFAULTS: dict[str, object] = {
    "vocab_size": 4_000,
    "min_frequency": 2,
    "lowercase": False,
    "shared_vocabulary": False,
    "max_length": 250,
    "cell": "lstm",
    "hidden_size": 256,
    "num_layers": 1,
    "bidirectional": True,
    "embedding_size": 256,
    "attention": "multiplicative",
    "input_feeding": False,
    "tied_embeddings": True,
    "dropout": 0.3,
    "label_smoothing": 0.1,
    "beam_size": 5,
    "length_penalty": 1.0,
    "coverage_penalty": 0.0,
    "epochs": 10,
    "batch_size": 64,
    "learning_rate": 4e-3,
    "weight_decay": 0.01,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "validation_fraction": 0.05,
    "patience": None,
    "device": "auto",
    "precision": "32",
}

NO_ATTENTION = "none"
"""What `--attention` is given for a decoder without it."""


def _network(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=options.NETWORK)


def _reading(help: str, *names: str, default: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=default or True, rich_help_panel=options.READING)


def _searching(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel="The search for a translation")


SourceColumn = Annotated[str | None, _reading("Column of the sentences.", "--source", default="source, or the first")]
TargetColumn = Annotated[
    str | None, _reading("Column of their translations.", "--target", default="target, or the second")
]
BeamSize = Annotated[int | None, _searching("Unfinished translations that are kept; 1 is greedy.")]
LengthPenalty = Annotated[float | None, _searching("How much longer translations are preferred (alpha).")]
CoveragePenalty = Annotated[float | None, _searching("How much leaving a part out counts against one (beta).")]


def train(
    data: Annotated[
        list[str], typer.Argument(help="TSV, CSV, JSON lines or Parquet files with a sentence and a translation a row.")
    ],
    out: options.Out,
    source: SourceColumn = None,
    target: TargetColumn = None,
    valid: options.Valid = None,
    vocab_size: options.VocabSize = None,
    min_frequency: options.MinFrequency = None,
    lowercase: options.Lowercase = None,
    shared_vocabulary: Annotated[
        bool | None, _reading("Whether both languages have the same tokens.", "--shared-vocabulary/--own-vocabularies")
    ] = None,
    max_length: Annotated[int | None, _reading("Most tokens of a sentence; a longer one is refused.")] = None,
    cell: options.CellName = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.Layers = None,
    bidirectional: options.Bidirectional = None,
    embedding_size: options.EmbeddingSize = None,
    attention: Annotated[str | None, _network("multiplicative, additive or none.")] = None,
    input_feeding: Annotated[
        bool | None, _network("Whether the decoder reads what it saw before.", "--input-feeding/--no-input-feeding")
    ] = None,
    tied_embeddings: Annotated[
        bool | None, _network("Whether embeddings are the output layer too.", "--tied-embeddings/--own-output")
    ] = None,
    dropout: options.Dropout = None,
    label_smoothing: Annotated[float | None, _network("Share of the loss that all tokens have alike.")] = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
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
    """Train a translator: a sentence goes in, another one comes out.

    A .tsv without a header needs no column names. Several files are learned from together. Ctrl-C stops after the
    current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train translate pairs.tsv --out model

      ricorda train translate pairs.csv --source en --target it --out model

      ricorda train translate talks.tsv.gz chats.tsv.gz --valid dev.tsv --hidden-size 512 --out model
    """
    parameters = parameters_of(locals())
    from ricorda.tasks.translate.estimator import Translator

    model = Translator(**parameters)
    model.check_parameters()
    (X, y), validation, _ = read(data, valid, source=source, target=target)
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


def parameters_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The estimator's parameters among a command's arguments."""
    parameters = options.given(arguments, DEFAULTS)
    return {**parameters, "attention": None} if parameters.get("attention") == NO_ATTENTION else parameters


def read(
    data: Sequence[str], valid: str | None, test: str | None = None, *, source: str | None, target: str | None
) -> list[Any]:
    """Sentences and translations of the files to train on, and of each other file; None for one that there is not."""
    from ricorda.data.pairs import read_pairs

    files = (data, None if valid is None else [valid], None if test is None else [test])
    found = [None if each is None else read_pairs(*each, source=source, target=target) for each in files]
    return [None if each is None else (each, each.targets) for each in found]


def predict(
    model: Translator,
    source: Source,
    as_json: bool,
    *,
    source_column: SourceColumn = None,
    beam_size: BeamSize = None,
    length_penalty: LengthPenalty = None,
    coverage_penalty: CoveragePenalty = None,
    n_best: Annotated[int | None, _searching("Translations of each sentence.")] = None,
    attention: Annotated[
        Path | None, typer.Option(help="A picture (PNG) to write, of where attention lies in the first translation.")
    ] = None,
) -> None:
    """Print the translation of each sentence, one a line; or several, with their scores."""
    search: dict[str, Any] = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
    }
    for number, batch in enumerate(_batches(source, source_column)):
        found = model.translate(batch, n_best=n_best or 1, **search)
        sentences = getattr(batch, "inputs", batch)
        if attention is not None and number == 0:
            _draw(model, sentences[0], found[0][0].text, attention)
        for sentence, best in zip(sentences, found, strict=True):
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
    search: dict[str, Any] = {
        "beam_size": beam_size,
        "length_penalty": length_penalty,
        "coverage_penalty": coverage_penalty,
    }
    result = model.evaluate(pairs, pairs.targets, **search)
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
    print_table(
        "By the sentences' length",
        ["words", "sentences", "BLEU"],
        [
            (
                f"{each.first} to {each.last}" if each.last else f"{each.first} or more",
                each.sentences,
                f"{each.bleu:.1f}",
            )
            for each in result.by_length
        ],
    )


def _batches(source: Source, column: str | None) -> Iterator[Any]:
    if source.file is None or source.texts:
        yield from source.batches()
        return
    from ricorda.data.pairs import read_sentences

    yield from read_sentences(source.file, source=column)


def _print_best(sentence: str, best: list[Translation], as_json: bool, *, alone: bool) -> None:
    if as_json:
        print_json({"source": sentence, "translations": [vars(each) for each in best]})
    elif alone:
        print(best[0].text)
    else:
        print_table(sentence, ["score", "translation"], [(f"{each.score:.3f}", each.text) for each in best])


def _draw(model: Translator, sentence: str, translation: str, path: Path) -> None:
    from ricorda.files import write_atomically
    from ricorda.tasks.translate.pictures import attention_picture

    write_atomically(path, attention_picture(model.attend(sentence, translation)))
