"""Whole models as C: what a header gives is what the model gives, and what C cannot have is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from c_programs import build, run
from small_models import LABELS, TEXTS
from task_cases import SENTENCES, TAGS, TINY, WALKS

import ricorda
from ricorda import LanguageModel, SequenceClassifier, SequenceRegressor, SequenceTagger

ONE_WAY = {**TINY, "bidirectional": False}
SUMS = [float(walk.sum()) for walk in WALKS]
MUSIC = [[[60, 64], [62], [], [64, 67, 71]] * 5] * 4
PAIRS = [np.column_stack([walk[:, 0], np.arange(1.0, len(walk) + 1), walk[:, 1]]) for walk in WALKS]
HOLES = [np.where(np.arange(len(pair))[:, None] % 3 == [0, 4, 2], np.nan, pair) for pair in PAIRS]


def classifier(**more: Any) -> SequenceClassifier:
    words = {"tokenizer": "word", "min_frequency": 1, "embedding_size": 5, "validation_fraction": 0.2}
    return SequenceClassifier(**{**ONE_WAY, **words, **more}).fit(TEXTS, LABELS)


def tagger(**more: Any) -> SequenceTagger:
    return SequenceTagger(**{**ONE_WAY, "character_hidden_size": 0, **more})


MODELS = {
    "texts": lambda: classifier(),
    "texts_cut": lambda: classifier(max_length=7, num_layers=2, cell="gru"),
    "texts_last": lambda: classifier(pooling="last", wide=False),
    "texts_mean": lambda: classifier(pooling="mean"),
    "texts_attention": lambda: classifier(pooling="attention"),
    "walks": lambda: SequenceClassifier(**ONE_WAY).fit(WALKS, [total > 0 for total in SUMS]),
    "sums": lambda: SequenceRegressor(**ONE_WAY).fit(WALKS, SUMS),
    "two_sums": lambda: SequenceRegressor(**ONE_WAY, pooling="mean").fit(WALKS, np.array([SUMS, SUMS]).T * [1, -9]),
    "times": lambda: SequenceRegressor(**ONE_WAY, cell="gru_d", gap=1).fit(HOLES, SUMS),
    "text_sums": lambda: SequenceRegressor(**ONE_WAY, tokenizer="word").fit(TEXTS, [len(text) for text in TEXTS]),
    "tags": lambda: tagger().fit(SENTENCES, TAGS),
    "tag_numbers": lambda: tagger(cell="mgu").fit(WALKS, [walk * 3 + 1 for walk in WALKS]),
    "language": lambda: LanguageModel(**TINY, tokenizer="char").fit("the cat sat on the mat.\n" * 20),
    "tied": lambda: LanguageModel(**TINY, tie_embeddings=True, embedding_size=4, tokenizer="char").fit("abcd " * 60),
    "music": lambda: LanguageModel(**TINY).fit(MUSIC),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    torch.manual_seed(0)
    return {name: make() for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory) -> Path:
    """A folder with a header and a test program of each model, in float and in int8."""
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        ricorda.export.c(model, folder / f"{name}.h", name=name, test=folder / f"{name}_test.c")
        small = folder / f"{name}_small.h"
        ricorda.export.c(model, small, name=f"{name}_small", int8=True, test=folder / f"{name}_small_test.c")
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_a_header_gives_what_the_model_gives(exported, name: str) -> None:
    checked = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    for kind, options in ((name, checked), (f"{name}_small", ["-O0"])):
        said = run([build("gcc", exported / f"{kind}_test.c", *options)])
        assert re.fullmatch(r"largest error \S+ of \S+\n", said)
