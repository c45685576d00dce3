"""What language models reach on published text and music; `check_real.py` calls `check`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ricorda import LanguageModel
from ricorda.data.corpus import read_text
from ricorda.data.music import read_music

Row = tuple[str, str, str, float, bool]
"""What it is, what was reached, what is asked, minutes, and whether it holds."""

CHARACTERS: dict[str, Any] = {"precision": "bf16"}
CHARACTERS_LONG: dict[str, Any] = {
    "num_layers": 2,
    "embedding_size": 128,
    "dropout": 0.4,
    "epochs": 24,
    "precision": "bf16",
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
    "precision": "bf16",
}
WORDS_REGULARISED: dict[str, Any] = {**WORDS, "dropout": 0.3, "tie_embeddings": True, "window": 35, "epochs": 20}
MUSIC: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 200,
    "dropout": 0.3,
    "batch_size": 8,
    "window": 200,
    "epochs": 60,
    "learning_rate": 3e-3,
}


def check(data: Path, seeds: Sequence[int]) -> list[Row]:
    """Train on each set of `data` that is there; runs of under three minutes with every seed, others with the first."""
    rows: list[Row] = []
    if _there(data / "tinyshakespeare"):
        text = read_text(str(data / "tinyshakespeare" / "input.txt.gz"))
        rows += [
            _characters("characters, 3 minutes", text, CHARACTERS, seeds, asked=1.45, within=3),
            _characters("characters, 20 minutes", text, CHARACTERS_LONG, seeds[:1], asked=1.40, within=20),
        ]
    if _there(data / "ptb"):
        names = ("ptb.train.txt.gz", "ptb.valid.txt", "ptb.test.txt")
        parts = [read_text(str(data / "ptb" / name)) for name in names]
        rows += [
            _words("words, 2 x 200", parts, WORDS, seeds[0], asked=114.5),
            _words("words, 2 x 200, regularised", parts, WORDS_REGULARISED, seeds[0], asked=100.0),
        ]
    if _there(data / "jsb_chorales"):
        rows.append(_music(data / "jsb_chorales" / "jsb-chorales-quarter.json", seeds))
    return rows


def _there(folder: Path) -> bool:
    if not folder.is_dir():
        print(f"skipped: {folder} is absent")
    return folder.is_dir()


def _characters(
    name: str, text: str, choices: dict[str, Any], seeds: Sequence[int], *, asked: float, within: float
) -> Row:
    """The last tenth of the text, its state carried from its first character to its last."""
    nats, minutes = [], []
    for seed in seeds:
        started = time.perf_counter()
        model = LanguageModel(random_state=seed, **choices).fit(text)
        minutes.append((time.perf_counter() - started) / 60)
        nats.append(model.evaluate(text[int(0.9 * len(text)) :]).nats)
    mean = statistics.mean(nats)
    reached = f"{mean:.3f} nats ({' '.join(f'{each:.3f}' for each in nats)})"
    return name, reached, f"{asked:.2f}", max(minutes), mean <= asked and max(minutes) <= within


def _words(name: str, parts: Sequence[str], choices: dict[str, Any], seed: int, *, asked: float) -> Row:
    started = time.perf_counter()
    model = LanguageModel(random_state=seed, **choices).fit(parts[0], validation=parts[1])
    minutes = (time.perf_counter() - started) / 60
    perplexity = model.evaluate(parts[2]).perplexity or float("inf")
    return name, f"perplexity {perplexity:.1f}", f"{asked:.1f}", minutes, perplexity <= asked and minutes <= 40


def _music(path: Path, seeds: Sequence[int]) -> Row:
    """Bach's chorales in quarters; Chung et al. (2014) have 8.54 with a GRU and 8.67 with an LSTM."""
    music = read_music(path)
    nats, minutes = [], []
    for seed in seeds:
        started = time.perf_counter()
        model = LanguageModel(random_state=seed, **MUSIC).fit(music.training, validation=music.validation)
        minutes.append((time.perf_counter() - started) / 60)
        nats.append(model.evaluate(music.test).nats)
    mean = statistics.mean(nats)
    return "chorales", f"{mean:.2f} nats a step", "8.54", max(minutes), mean <= 8.54


if __name__ == "__main__":
    for row in check(Path(__file__).parents[2] / "shared" / "data", (0, 1, 2)):
        print(row)
