"""The options that several commands share, under the names of the estimators' parameters.

An option that is not given leaves the parameter at the estimator's own default; the one shown in `--help` stands in
`DEFAULTS` of the task's command, because reading the estimator would import torch (a test holds the two together).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

NETWORK, READING, TRAINING = "The network", "Reading the data", "The training"


def _network(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=NETWORK)


def _reading(help: str, *names: str, default: str | None = None) -> Any:
    return typer.Option(*names, help=help, show_default=default or True, rich_help_panel=READING)


def _training(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=TRAINING)


Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a stopped training left off.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model that --out holds.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Write a TensorBoard log too.")]

TextColumn = Annotated[str | None, _reading("Column of the texts.", "--text", default="text")]
LabelColumn = Annotated[str | None, _reading("Column of the labels.", "--label", default="label")]
AnswerColumn = Annotated[
    str | None, _reading("Column of the right translations or numbers.", "--target", default="as for the training")
]
Valid = Annotated[str | None, _reading("Other data, to choose the best epoch by.", "--valid", default="a part of DATA")]
Tokenizer = Annotated[str | None, _reading("What a token is: word, bpe or char.")]
VocabSize = Annotated[int | None, _reading("Most tokens to know.")]
MinFrequency = Annotated[int | None, _reading("Fewest times to meet a token to know it.")]
Lowercase = Annotated[bool | None, _reading("Whether to read small letters only.", "--lowercase/--keep-case")]
MaxLength = Annotated[int | None, _reading("Steps after which a sequence is cut.")]

CellName = Annotated[str | None, _network("A name from `ricorda cells`, or FILE.py:NAME.", "--cell")]
HiddenSize = Annotated[int | None, _network("Units of a layer and direction.")]
Layers = Annotated[int | None, _network("Layers.", "--layers")]
Bidirectional = Annotated[bool | None, _network("Whether to read from the end too.", "--bidirectional/--one-direction")]
Memory = Annotated[int | None, _network("Steps for which the gates start to remember.")]
EmbeddingSize = Annotated[int | None, _network("Numbers a token is turned into.")]
Pooling = Annotated[str | None, _network("One vector from all steps: last, mean, max or attention.")]
Dropout = Annotated[float | None, _network("Share of numbers dropped in training.")]
WordDropout = Annotated[float | None, _network("Share of tokens read as unknown in training.")]

Epochs = Annotated[int | None, _training("Passes over the data.")]
BatchSize = Annotated[int | None, _training("Examples a step and process.")]
LearningRate = Annotated[float | None, _training("Largest rate of AdamW.")]
WeightDecay = Annotated[float | None, _training("Weight decay of AdamW.")]
Warmup = Annotated[float | None, _training("Share of the steps in which the rate rises.")]
ClipNorm = Annotated[float | None, _training("Largest norm of a gradient.")]
ClassWeight = Annotated[str | None, _training("`balanced`: examples of rare classes count more.")]
ValidationFraction = Annotated[float | None, _training("Part of DATA to choose by, without --valid.")]
Patience = Annotated[int | None, _training("Epochs without a better score to stop after.")]
Scoring = Annotated[str | None, _training("What chooses the best epoch: accuracy or macro_f1.")]
Device = Annotated[str | None, _training("auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str | None, _training("32 or bf16.")]
WatchGradients = Annotated[
    int | None, typer.Option("--watch-gradients", metavar="N", help="Record the gradient's flow each N steps.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.", rich_help_panel="The training")]


def given(arguments: Mapping[str, Any], defaults: Mapping[str, object]) -> dict[str, Any]:
    """The estimator's parameters among a command's arguments that were given.

    Parameters
    ----------
    arguments : mapping
        The command's `locals()`.
    defaults : mapping
        The task's `DEFAULTS`: the parameters' names, but for the seed.
    """
    return {name: arguments[name] for name in (*defaults, "random_state") if arguments[name] is not None}
