"""What language models reach on published text and music; a part of `make check-real`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reached import Row, fast_precision, mean_of, there

from ricorda import LanguageModel
from ricorda.data.corpus import read_text
from ricorda.data.music import read_music

CHARACTERS: dict[str, Any] = {
    "dropout": 0.1,
    "window": 64,
    "batch_size": 16,
    "learning_rate": 5e-3,
    "schedule": "cosine",
    "epochs": 3,
}
CHARACTERS_LONG: dict[str, Any] = {
    "num_layers": 2,
    "embedding_size": 128,
    "dropout": 0.4,
    "window": 64,
    "learning_rate": 4e-3,
    "schedule": "cosine",
    "weight_decay": 0.25,
    "epochs": 9,
}
WORDS: dict[str, Any] = {  # after Zaremba et al. (2014), small: 2 x 200, here with a rate that falls linearly
    "tokenizer": "word",
    "hidden_size": 200,
    "num_layers": 2,
    "embedding_size": 200,
    "dropout": 0.0,
    "window": 20,
    "batch_size": 20,
    "optimizer": "sgd",
    "learning_rate": 20.0,
    "weight_decay": 0.0,
    "clip_norm": 0.25,
    "warmup": 0.01,
    "epochs": 4,
}
WORDS_REGULARISED: dict[str, Any] = {**WORDS, "dropout": 0.3, "tie_embeddings": True, "window": 35, "epochs": 7}
MUSIC: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 256,
    "dropout": 0.5,
    "batch_size": 8,
    "window": 200,
    "epochs": 200,
    "learning_rate": 5e-3,
    "clip_norm": 5.0,
}


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train on each set of `data` that is there; runs of under three minutes with every seed, others with the first."""
    if there(data / "tinyshakespeare"):
        text = read_text(str(data / "tinyshakespeare" / "input.txt.gz"))
        yield _characters("characters, 3 minutes", text, CHARACTERS, seeds, asked=1.45, within=3)
        yield _characters("characters, 20 minutes", text, CHARACTERS_LONG, seeds[:1], asked=1.40, within=20)
    if there(data / "ptb"):
        names = ("ptb.train.txt.gz", "ptb.valid.txt", "ptb.test.txt")
        parts = [read_text(str(data / "ptb" / name)) for name in names]
        yield _words("words, 2 x 200", parts, WORDS, seeds[0], asked=114.5)
        yield _words("words, 2 x 200, regularised", parts, WORDS_REGULARISED, seeds[0], asked=100.0)
    if there(data / "jsb_chorales"):
        yield _music(data / "jsb_chorales" / "jsb-chorales-quarter.json", seeds)


def _model(choices: dict[str, Any], seed: int) -> LanguageModel:
    return LanguageModel(random_state=seed, **{"precision": fast_precision(), **choices})


def _characters(
    name: str, text: str, choices: dict[str, Any], seeds: Sequence[int], *, asked: float, within: float
) -> Row:
    """The last tenth of the text, its state carried from its first character to its last."""
    nats, minutes = [], []
    for seed in seeds:
        started = time.perf_counter()
        model = _model(choices, seed).fit(text)
        minutes.append((time.perf_counter() - started) / 60)
        nats.append(model.evaluate(text[int(0.9 * len(text)) :]).nats)
    return Row(
        f"language: {name}, nats a character",
        mean_of(nats, ".3f"),
        f"{asked:.2f} in {within:g} minutes",
        max(minutes),
        statistics.mean(nats) <= asked and max(minutes) <= within,
    )


def _words(name: str, parts: Sequence[str], choices: dict[str, Any], seed: int, *, asked: float) -> Row:
    started = time.perf_counter()
    model = _model(choices, seed).fit(parts[0], validation=parts[1])
    minutes = (time.perf_counter() - started) / 60
    perplexity = model.evaluate(parts[2]).perplexity or float("inf")
    return Row(
        f"language: {name}, test perplexity",
        f"{perplexity:.1f}",
        f"{asked:.1f} in 40 minutes",
        minutes,
        perplexity <= asked and minutes <= 40,
    )


def _music(path: Path, seeds: Sequence[int]) -> Row:
    """Bach's chorales in quarters; Chung et al. (2014) have 8.54 with a GRU and 8.67 with an LSTM."""
    music = read_music(path)
    nats, minutes = [], []
    for seed in seeds:
        started = time.perf_counter()
        model = LanguageModel(random_state=seed, **MUSIC).fit(music.training, validation=music.validation)
        minutes.append((time.perf_counter() - started) / 60)
        nats.append(model.evaluate(music.test).nats)
    return Row(
        "language: chorales, nats a step", mean_of(nats, ".2f"), "8.54", max(minutes), statistics.mean(nats) <= 8.54
    )
