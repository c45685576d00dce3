"""The options that every `ricorda train` command shares, under the names of the estimators' parameters.

An option that is not given leaves the parameter at the estimator's own default; the default shown in `--help` is
written here, because reading the estimator would import torch (a test holds the two together).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(panel: str, help: str, default: str, *names: str) -> Any:
    return typer.Option(*names, help=help, show_default=default, rich_help_panel=panel)


def _network(help: str, default: str, *names: str) -> Any:
    return _option("The network", help, default, *names)


def _reading(help: str, default: str, *names: str) -> Any:
    return _option("Reading the data", help, default, *names)


def _training(help: str, default: str, *names: str) -> Any:
    return _option("The training", help, default, *names)


Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a stopped training left off.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model that --out holds.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Write a TensorBoard log too.")]

TextColumn = Annotated[str | None, _reading("Column of the texts.", "text", "--text")]
LabelColumn = Annotated[str | None, _reading("Column of the labels.", "label", "--label")]
Valid = Annotated[str | None, _reading("Other data, to choose the best epoch by.", "a part of DATA", "--valid")]
Tokenizer = Annotated[str | None, _reading("What a token is: word, bpe or char.", "bpe")]
VocabSize = Annotated[int | None, _reading("Most tokens to know.", "4000")]
MinFrequency = Annotated[int | None, _reading("Fewest times to meet a token to know it.", "5")]
Lowercase = Annotated[
    bool | None, _reading("Whether to read small letters only.", "lowercase", "--lowercase/--keep-case")
]
MaxLength = Annotated[int | None, _reading("Steps after which a sequence is cut.", "none")]

CellName = Annotated[str | None, _network("A name from `ricorda cells`, or FILE.py:NAME.", "lstm", "--cell")]
HiddenSize = Annotated[int | None, _network("Units of a layer and direction.", "80")]
Layers = Annotated[int | None, _network("Layers.", "1", "--layers")]
Bidirectional = Annotated[
    bool | None, _network("Whether to read from the end too.", "bidirectional", "--bidirectional/--one-direction")
]
EmbeddingSize = Annotated[int | None, _network("Numbers a token is turned into.", "100")]
Pooling = Annotated[str | None, _network("One vector from all steps: last, mean, max or attention.", "max")]
Dropout = Annotated[float | None, _network("Share of numbers dropped in training.", "0.5")]
WordDropout = Annotated[float | None, _network("Share of tokens read as unknown in training.", "0.2")]

Epochs = Annotated[int | None, _training("Passes over the data.", "10")]
BatchSize = Annotated[int | None, _training("Examples a step and process.", "32")]
LearningRate = Annotated[float | None, _training("Largest rate of AdamW.", "0.002")]
WeightDecay = Annotated[float | None, _training("Weight decay of AdamW.", "0.05")]
Warmup = Annotated[float | None, _training("Share of the steps in which the rate rises.", "0.1")]
ClipNorm = Annotated[float | None, _training("Largest norm of a gradient.", "1.0")]
ClassWeight = Annotated[str | None, _training("`balanced`: examples of rare classes count more.", "none")]
ValidationFraction = Annotated[float | None, _training("Part of DATA to choose by, without --valid.", "0.1")]
Patience = Annotated[int | None, _training("Epochs without a better score to stop after.", "none")]
Scoring = Annotated[str | None, _training("What chooses the best epoch: accuracy or macro_f1.", "accuracy")]
Device = Annotated[str | None, _training("auto, cpu, cuda or cuda:N.", "auto")]
Precision = Annotated[str | None, _training("32 or bf16.", "32")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.", rich_help_panel="The training")]
