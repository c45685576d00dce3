"""`SequenceRegressor`: many to one number, or several, as a scikit-learn estimator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.baseline import Baseline, linear_of_numbers
from ricorda.data.batches import Rows
from ricorda.data.held_out import split_rows
from ricorda.data.inputs import KINDS, read_inputs
from ricorda.data.targets import read_targets
from ricorda.errors import ModelFolderError
from ricorda.tasks.config import Shape
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import Card
from ricorda.tasks.many_to_one.estimator import ManyToOneEstimator
from ricorda.tasks.many_to_one.examples import Examples, outputs
from ricorda.tasks.many_to_one.network import ManyToOne
from ricorda.tasks.many_to_one.wide_learning import LearnedWide, learn_numbers
from ricorda.tasks.measure import Measure
from ricorda.tasks.regress.examples import measured
from ricorda.tasks.regress.metrics import Report, report
from ricorda.tasks.regress.objective import Regression
from ricorda.tasks.regress.parameters import RegressParameters
from ricorda.tasks.scaling import Scaling
from ricorda.tasks.worth import of_numbers


class SequenceRegressor(RegressorMixin, ManyToOneEstimator, RegressParameters):  # type: ignore[misc]
    """A recurrent network that reads a sequence and predicts a number, or several.

    `fit` takes X, a sequence of N texts, lists of tokens or arrays of numbers [T, I] (or [T]) of different lengths, or
    an array [N, T] or [N, T, I]; and y, the targets [N] or [N, outputs]. Targets, like numbers that are read, are
    standardised by the training examples' mean and deviation.

    Attributes
    ----------
    target_names_ : list of str
        The names of the outputs: columns of a file, or "y", or "y1", "y2" and so on.
    encoder_ : Encoder
        Its tokeniser, or number of features.
    scaling_ : Scaling
        Mean and deviation of each output among the training examples.

    Examples
    --------
    >>> import numpy as np
    >>> from ricorda import SequenceRegressor
    >>> series = [np.linspace(0, height, 5) for height in np.linspace(-1, 1, 100)]
    >>> model = SequenceRegressor(hidden_size=8, random_state=0).fit(series, [numbers.sum() for numbers in series])
    >>> bool(abs(model.predict([np.zeros(5)])[0]) < 0.5)
    True
    """

    TASK: ClassVar[str] = "regress"
    SCORES: ClassVar[Mapping[str, str]] = {
        "r2": "R2",
        "mae": "mean absolute error",
        "validation_loss": "loss (standardised)",
    }
    LOSS: ClassVar[str] = "error of standardised targets"
    SHAPE: ClassVar[Shape] = {
        "targets": {"names": list, "mean": list, "scale": list},
        "input": {"kind": str, "features": int},
    }

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of each example, [N], or its numbers, [N, outputs], if the model was trained on several.

        Raises
        ------
        DataError
            If the examples are of another kind than the model was trained on, or one is invalid.
        """
        sequences = self._encode(X)
        numbers = self.scaling_.undo(outputs(self.network_, sequences))
        return numbers[:, 0] if self.single_output_ else numbers

    def answers(self, X: Any) -> Iterator[dict[str, float]]:
        """What `ricorda predict --json` prints of each example: its number, or numbers, by name."""
        yield from map(self.answer_of, self.predict(X).reshape(-1, len(self.target_names_)))

    def answer_of(self, row: NDArray[np.float64]) -> dict[str, float]:
        """The answer that the numbers [outputs] of an example make."""
        return dict(zip(self.target_names_, row.tolist(), strict=True))

    def evaluate(self, X: Any, y: Any) -> Report:
        """R2, mean absolute and root mean squared error, of each output and of their mean.

        Raises
        ------
        DataError
            If an example or a target is invalid, or there are fewer than two.
        """
        check_is_fitted(self, "network_")
        examples = self._known_examples(X, y, self.encoder_, vars(self))
        numbers = self.scaling_.undo(outputs(self.network_, examples.sequences))
        figures = report(examples.targets, numbers, self.target_names_)
        return replace(figures, **self._alternatives(self.baseline_, examples.targets, examples))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @property
    def _outputs(self) -> int:
        return len(self.target_names_)

    def _read_targets(self, X: Any, y: Any, count: int) -> tuple[NDArray[Any], dict[str, Any]]:
        targets = read_targets(y, count)
        columns = targets.reshape(count, -1)
        names = list(getattr(X, "target_names", ()))
        if len(names) != columns.shape[1]:
            names = _names(targets)
        return columns, {"target_names_": names, "single_output_": targets.ndim == 1}

    def _split(self, targets: NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
        return split_rows(len(targets), fraction, seed, least=2)

    def _known_examples(
        self, X: Any, y: Any, encoder: Encoder, learned: Mapping[str, Any], names: tuple[str, str] = ("X", "y")
    ) -> Examples:
        return measured(X, y, encoder, len(learned["target_names_"]), names)

    def _learned_from(self, examples: Examples) -> dict[str, Any]:
        return {"scaling_": Scaling.of(examples.targets)}

    def _baseline(self, examples: Examples, learned: Mapping[str, Any]) -> Baseline:
        return linear_of_numbers(examples.sequences, examples.targets)

    def _alternatives(self, baseline: Baseline, known: NDArray[Any], examples: Examples) -> dict[str, Any]:
        return of_numbers(baseline, known, examples.sequences, examples.targets)

    def _task(self, examples: Examples, held_out: Examples, network: ManyToOne) -> Regression:
        return Regression(network, examples, held_out, self.scaling_, self.loss)

    def _learn_wide(self, examples: Examples, vocabulary: int, learned: Mapping[str, Any]) -> LearnedWide:
        standardised = learned["scaling_"].standardise(examples.targets)
        return learn_numbers(examples.sequences, vocabulary, standardised)

    def _error(self, scores: NDArray[np.float64], targets: NDArray[Any]) -> float:
        return float(np.square(scores - self.scaling_.standardise(targets)).mean())

    def _measured(self, scores: NDArray[np.float64], targets: NDArray[Any]) -> float:
        return float(np.abs(self.scaling_.undo(scores) - targets).mean())

    def _description(self) -> dict[str, Any]:
        return {
            **super()._description(),
            "targets": {
                "names": self.target_names_,
                "single": self.single_output_,
                "mean": self.scaling_.mean.tolist(),
                "scale": self.scaling_.scale.tolist(),
            },
        }

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        targets = description["targets"]
        names, numbers, single = targets["names"], [*targets["mean"], *targets["scale"]], targets["single"]
        right = (
            names
            and all(isinstance(name, str) for name in names)
            and len(targets["mean"]) == len(targets["scale"]) == len(names)
            and all(isinstance(number, float) and math.isfinite(number) for number in numbers)
            and all(scale > 0 for scale in targets["scale"])
            and (single is False or (single is True and len(names) == 1))
        )
        if not right:
            raise ModelFolderError("its targets are not names with a mean and a scale each")
        super()._restore(description, tokenizers)
        self.scaling_ = Scaling(np.array(targets["mean"]), np.array(targets["scale"]))
        self.target_names_, self.single_output_ = names, single

    def _card(self) -> Card:
        ranges = [
            f"`{name}` (mean {mean:.4g}, standard deviation {scale:.4g} in training)"
            for name, mean, scale in zip(self.target_names_, self.scaling_.mean, self.scaling_.scale, strict=True)
        ]
        return Card(
            title=f"Numbers from {KINDS[self.encoder_.kind]}",
            does=f"It reads a sequence and says {', '.join(ranges)}.",
            use=self._uses,
            limits="It knows what its examples showed and nothing else: where sequences or numbers lie outside the "
            "range of theirs, it is a guess. It says one number and not how sure it is.",
            pipeline="tabular-regression" if self.encoder_.kind == "numbers" else "text-classification",
        )

    # What insight asks of a task

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        return super()._hold_out(X, read_targets(y, len(read_inputs(X, missing=True)[1])), seed)

    def _measure(self) -> Measure:
        return Measure("mean squared error", "an example: its squared error", False)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        said = np.asarray(self.predict(X))
        errors = np.square(said - np.asarray(y, dtype=np.float64)).reshape(len(said), -1).mean(1)
        return errors, np.ones(len(errors))


def _names(targets: NDArray[np.float64]) -> list[str]:
    columns = targets[0].size
    return ["y"] if columns == 1 else [f"y{number}" for number in range(1, columns + 1)]
