"""Which cells remember over hundreds of steps: adding and copy memory, by their papers' measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from reached import Row

from ricorda import SequenceRegressor, SequenceTagger
from ricorda.data.synthetic import COPY, adding, copying, read_synthetic

CELLS = ("rnn", "lstm", "gru")
WITHOUT_GATES = ("rnn",)
"""These fail at both tasks; the others solve both."""

COMMON: dict[str, Any] = {"bidirectional": False, "num_layers": 1, "dropout": 0.0, "batch_size": 32}
ADDING: dict[str, Any] = {**COMMON, "hidden_size": 64, "learning_rate": 5e-3, "epochs": 12}
COPYING: dict[str, Any] = {**COMMON, "hidden_size": 128, "learning_rate": 1e-2, "weight_decay": 0.0, "epochs": 45}
MEMORY = {"adding": {"lstm": 400}, "copy": {"lstm": 1_500, "gru": 120}}
"""Steps for which gates start to remember; adding, the GRU does without."""

EXAMPLES = {"adding": 8_000, "copy": 16_000}


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train each cell with the first seed at both tasks, and judge it on 1,000 new sequences; `data` is not needed.

    No curriculum: all sequences have their full length from the first step on.
    """
    for task, train in (("adding, T = 400", _adding), ("copy, T = 100", _copy)):
        for cell in CELLS:
            yield _row(task, train, cell, seeds[0])


def _row(task: str, train: Callable[[str, int], tuple[str, bool]], cell: str, seed: int) -> Row:
    started = time.perf_counter()
    reached, solved = train(cell, seed)
    asked = "to fail" if cell in WITHOUT_GATES else "to be solved"
    minutes = (time.perf_counter() - started) / 60
    return Row(f"memory: {task}, {cell}", reached, asked, minutes, solved == (cell not in WITHOUT_GATES))


def _adding(cell: str, seed: int) -> tuple[str, bool]:
    train, test = (
        read_synthetic(f"synthetic:adding?T=400&n={number}&seed={of}", "regress")
        for number, of in ((EXAMPLES["adding"], seed), (1_000, 1_000_000))
    )
    model = SequenceRegressor(cell, random_state=seed, memory=MEMORY["adding"].get(cell), **ADDING)
    model.fit(train.inputs, train.targets)
    predicted, sums = model.predict(test.inputs), np.array(test.targets)
    error, wrong = float(np.square(predicted - sums).mean()), adding.wrong(predicted, sums)
    return f"squared error {error:.4f}, {wrong:.1%} wrong", error < 0.01 and wrong <= 0.01


def _copy(cell: str, seed: int) -> tuple[str, bool]:
    """Symbols are read as one-hot vectors, as in the paper."""
    train, test = (COPY.generate(of, number, T=100) for number, of in ((EXAMPLES["copy"], seed), (1_000, 1_000_000)))
    one_hot = np.eye(len(COPY.symbols), dtype=np.float32)
    model = SequenceTagger(cell, random_state=seed, memory=MEMORY["copy"].get(cell), **COPYING)
    model.fit(one_hot[train.inputs], train.targets)
    recalled = copying.recalled(np.array(model.predict(one_hot[test.inputs])), test.targets)
    loss = model.evaluate(one_hot[test.inputs], test.targets).to_json()["log_loss"]
    without = copying.memoryless(100)
    return f"{recalled:.1%} recalled, {loss:.4f} nats (without memory {without:.4f})", recalled >= 0.99
