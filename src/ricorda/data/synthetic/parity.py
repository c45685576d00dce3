"""Parity: whether the number of ones is odd, which one forgotten or doubled step turns around."""

from __future__ import annotations

import numpy as np

from ricorda.data.synthetic.task import Drawn, Generated, Model, Option, SyntheticTask, same_lengths


def _generate(random: np.random.Generator, number: int, T: int) -> Generated:
    bits = random.integers(0, 2, (number, T))
    return Generated(bits, bits.sum(1) % 2, same_lengths(number, T))


def _measure(model: Model, drawn: Drawn) -> dict[str, float]:
    return {"share_right": float((model.predict(drawn.inputs) == np.array(drawn.targets)).mean())}


PARITY = SyntheticTask(
    name="parity",
    relation="classify",
    paper="Minsky, Papert, 'Perceptrons', 1969; as a sequence: Schmidhuber, Hochreiter, Bengio, 'Evaluating benchmark "
    "problems by random guessing', in 'A field guide to dynamical recurrent networks', 2001",
    definition="T random bits. Asked for: whether the number of ones is odd.",
    success="every new sequence right; guessing gets half, and there is nothing between for who reads all but one bit",
    options={"T": Option(20, 1, "a number of bits")},
    generator=_generate,
    measure=_measure,
    symbols=("0", "1"),
    labels=("even", "odd"),
)
