"""Copy memory: ten symbols are to be repeated after a long blank."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.synthetic.task import Drawn, Generated, Model, Option, SyntheticTask, same_lengths

WIDTH, KINDS = 10, 8
BLANK, DELIMITER = KINDS, KINDS + 1


def _generate(random: np.random.Generator, number: int, T: int) -> Generated:
    symbols = random.integers(0, KINDS, (number, WIDTH))
    inputs = np.full((number, T + 2 * WIDTH), BLANK, dtype=np.int64)
    targets = inputs.copy()
    inputs[:, :WIDTH] = targets[:, -WIDTH:] = symbols
    inputs[:, WIDTH + T - 1] = DELIMITER
    return Generated(inputs, targets, same_lengths(number, T + 2 * WIDTH))


def memoryless(T: int) -> float:
    """Cross-entropy a step, in nats, of a model that knows the time but remembers nothing: 10 ln 8 / (T + 20)."""
    return WIDTH * math.log(KINDS) / (T + 2 * WIDTH)


def recalled(predicted: NDArray[Any], targets: NDArray[Any]) -> float:
    """Share of sequences whose ten symbols are all repeated correctly.

    Parameters
    ----------
    predicted, targets : array [N, T + 20]
        The model's tags, and the true ones.
    """
    return float((predicted[:, -WIDTH:] == targets[:, -WIDTH:]).all(1).mean())


def _measure(model: Model, drawn: Drawn) -> dict[str, float]:
    predicted, targets = np.array(model.predict(drawn.inputs)), np.array(drawn.targets)
    return {
        "share_recalled": recalled(predicted, targets),
        "loss_without_memory": memoryless(targets.shape[1] - 2 * WIDTH),
    }


COPY = SyntheticTask(
    name="copy",
    relation="tag",
    paper="Arjovsky, Shah, Bengio, 'Unitary evolution recurrent neural networks', ICML 2016 (arXiv 1511.06464), after "
    "Hochreiter, Schmidhuber 1997",
    definition="Ten symbols of eight kinds, T - 1 blanks, a delimiter, ten blanks. Asked for: a blank at each of the "
    "first T + 10 steps, then the ten symbols in their order.",
    success="all ten symbols right, with a loss far below that of who remembers nothing, 10 ln 8 / (T + 20) nats",
    options={"T": Option(100, 1, "a number of blanks")},
    generator=_generate,
    measure=_measure,
    symbols=(*"abcdefgh", "_", "|"),
    labels=(*"abcdefgh", "_"),
)
