"""How far the recurrent layers and the wide part are to be trusted: a factor of the scores of each.

A network's scores are surer of its training examples than of others. The factors that err least on examples that it did
not learn from make its probabilities honest (Guo et al. 2017, "On Calibration of Modern Neural Networks"), and leave as
much of each part as helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.model_selection import KFold

from ricorda.tasks.encoding import batches_of_like_length, collate
from ricorda.tasks.evaluating import evaluating
from ricorda.tasks.many_to_one.examples import Examples
from ricorda.tasks.many_to_one.network import ManyToOne

Array = NDArray[np.float64]

FOLDS, LEAST = 3, 30
"""Parts of training examples of which none are held out, each predicted by a network of the others, and the fewest
examples for which that is done."""

LEAST_FACTOR, LARGEST_FACTOR = 0.01, 20.0


@dataclass(frozen=True)
class Parts:
    """Scores [N, C] of examples that a network did not learn from, by its recurrent layers and by its wide part."""

    deep: Array
    wide: Array

    @classmethod
    def of(cls, network: ManyToOne, examples: Examples) -> Parts:
        """What a network's parts say of examples."""
        deep = np.empty((len(examples), network.head.out_features))
        wide, device = np.zeros_like(deep), network.head.weight.device
        with evaluating(network):
            for rows in batches_of_like_length([len(sequence) for sequence in examples.sequences]):
                inputs, lengths = collate([examples.sequences[row] for row in rows], device)
                none = torch.zeros(len(rows), deep.shape[1], device=device)
                deep[rows] = network(inputs, lengths, none).double().cpu().numpy()
                if network.wide is not None:
                    wide[rows] = network.wide(inputs, lengths).double().cpu().numpy()
        return cls(deep, wide)

    def factors(self, error: Callable[[Array], float]) -> tuple[float, float]:
        """The factors with the least mean error; few examples keep them near one.

        Parameters
        ----------
        error : callable
            From scores [N, C] to the mean error of an example.
        """

        def objective(factors: Array) -> float:
            deep, wide = factors
            return error(deep * self.deep + wide * self.wide) + float(np.square(factors - 1).sum()) / len(self.deep)

        best = minimize(objective, [1.0, 1.0], method="L-BFGS-B", bounds=[(LEAST_FACTOR, LARGEST_FACTOR)] * 2)
        deep, wide = best.x
        return float(deep), float(wide)


def in_turns(count: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Rows to learn from and rows to predict, so often that every row is predicted once."""
    yield from KFold(FOLDS, shuffle=True, random_state=seed).split(np.arange(count))
