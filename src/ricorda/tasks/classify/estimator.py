"""`SequenceClassifier`: many to one, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax  # type: ignore[import-untyped]
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.baseline import Baseline, linear_of_classes
from ricorda.data.batches import Rows
from ricorda.data.held_out import split_by_class
from ricorda.data.inputs import KINDS
from ricorda.data.labels import read_labels
from ricorda.errors import DataError, ModelFolderError
from ricorda.tasks.classify.examples import class_weights, labelled
from ricorda.tasks.classify.metrics import Report, report
from ricorda.tasks.classify.objective import Classification, probabilities
from ricorda.tasks.classify.parameters import ClassifyParameters
from ricorda.tasks.config import Shape
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import Card
from ricorda.tasks.many_to_one.estimator import ManyToOneEstimator
from ricorda.tasks.many_to_one.examples import Examples, outputs
from ricorda.tasks.many_to_one.network import ManyToOne
from ricorda.tasks.many_to_one.wide_learning import MOST_CLASSES, LearnedWide, learn_classes
from ricorda.tasks.measure import Measure
from ricorda.tasks.scores import log_loss
from ricorda.tasks.worth import FACTORS, TEMPERATURE, of_classes
from ricorda.training.calibration import LEAST_TO_CALIBRATE, temperature


class SequenceClassifier(ClassifierMixin, ManyToOneEstimator, ClassifyParameters):  # type: ignore[misc]
    """A recurrent network that reads a sequence and gives it one of several classes.

    `fit` takes X, a sequence of N texts, lists of tokens or arrays of numbers [T, I] (or [T]) of different lengths, or
    an array [N, T] or [N, T, I]; and y, the label of each.

    Attributes
    ----------
    classes_ : array [classes]
        The classes, sorted.
    encoder_ : Encoder
        Its tokeniser, or number of features.

    Examples
    --------
    >>> from ricorda import SequenceClassifier
    >>> texts = ["a warm and funny film", "dull from start to end"] * 20
    >>> model = SequenceClassifier(hidden_size=8, epochs=10, random_state=0).fit(texts, ["good", "bad"] * 20)
    >>> model.predict(["a funny film"])
    array(['good'], dtype='<U4')
    """

    TASK: ClassVar[str] = "classify"
    SCORES: ClassVar[Mapping[str, str]] = {
        "accuracy": "accuracy",
        "macro_f1": "macro F1",
        "validation_loss": "log loss (nats)",
    }
    SHAPE: ClassVar[Shape] = {"classes": list, "input": {"kind": str, "features": int}}

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, [N, classes], in the order of `classes_`.

        They are calibrated by a temperature if at least 100 examples were held out to validate on.

        Raises
        ------
        DataError
            If the examples are of another kind than the model was trained on, or one is invalid.
        """
        sequences = self._encode(X)  # It raises if there is no network yet.
        return probabilities(self.network_, sequences)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each example, [N]; raises as `predict_proba` does."""
        best = self.predict_proba(X).argmax(1)
        classes: NDArray[Any] = self.classes_[best]
        return classes

    def answers(self, X: Any) -> Iterator[dict[str, Any]]:
        """What `ricorda predict --json` prints of each example: its class, and the probability of each class."""
        yield from map(self.answer_of, self.predict_proba(X))

    def answer_of(self, row: NDArray[np.float64]) -> dict[str, Any]:
        """The answer that the probabilities [classes] of an example make."""
        best, classes = int(row.argmax()), self.classes_.tolist()
        shares = {str(name): p for name, p in zip(classes, row.tolist(), strict=True)}
        return {"label": classes[best], "probability": float(row[best]), "probabilities": shares}

    def evaluate(self, X: Any, y: Any) -> Report:
        """Accuracy, macro F1, F1 of each class, confusion, calibration and reliability on labelled examples.

        Raises
        ------
        DataError
            If a label is none of `classes_`, or an example is invalid.
        """
        check_is_fitted(self, "network_")
        examples = labelled(X, y, self.encoder_, self.classes_)
        figures = report(examples.targets, probabilities(self.network_, examples.sequences), self.classes_.tolist())
        return replace(figures, **self._alternatives(self.baseline_, examples.targets, examples))

    @property
    def _outputs(self) -> int:
        return len(self.classes_)

    def _read_targets(self, X: Any, y: Any, count: int) -> tuple[NDArray[Any], dict[str, Any]]:
        labels = read_labels(y, count)
        classes = np.unique(np.concatenate(self._shards.gather(np.unique(labels))))
        if len(classes) < 2:
            source = getattr(X, "source", "y")
            raise DataError(f"{source} holds one class only ({classes[0].item()!r}): give examples of at least two")
        return np.searchsorted(classes, labels), {"classes_": classes}

    def _split(self, targets: NDArray[Any], fraction: float, seed: int) -> tuple[Rows, Rows]:
        return split_by_class(targets, fraction, seed)

    def _known_examples(
        self, X: Any, y: Any, encoder: Encoder, learned: Mapping[str, Any], names: tuple[str, str] = ("X", "y")
    ) -> Examples:
        return labelled(X, y, encoder, learned["classes_"], names)

    def _baseline(self, examples: Examples, learned: Mapping[str, Any]) -> Baseline:
        return linear_of_classes(examples.sequences, examples.targets, len(learned["classes_"]))

    def _alternatives(self, baseline: Baseline, known: NDArray[Any], examples: Examples) -> dict[str, Any]:
        return of_classes(baseline, known, examples.sequences, examples.targets)

    def _task(self, examples: Examples, held_out: Examples, network: ManyToOne) -> Classification:
        counts = np.sum(self._shards.gather(np.bincount(examples.targets, minlength=len(self.classes_))), axis=0)
        weights = class_weights(self.class_weight, counts, self.classes_)
        return Classification(network, examples, held_out, self.scoring, weights)

    def _learn_wide(self, examples: Examples, vocabulary: int, learned: Mapping[str, Any]) -> LearnedWide | None:
        classes = learned["classes_"]
        if len(classes) > MOST_CLASSES:
            return None
        counts = np.bincount(examples.targets, minlength=len(classes))
        weights = class_weights(self.class_weight, counts, classes)
        return learn_classes(examples.sequences, vocabulary, examples.targets, len(classes), weights)

    def _error(self, scores: NDArray[np.float64], targets: NDArray[Any]) -> float:
        return log_loss(softmax(scores, axis=1)[np.arange(len(targets)), targets])

    def _measured(self, scores: NDArray[np.float64], targets: NDArray[Any]) -> float:
        return float((scores.argmax(1) == targets).mean())

    def _calibrate(self, network: ManyToOne, held_out: Examples) -> dict[str, Any]:
        if len(held_out) < LEAST_TO_CALIBRATE:
            return {}
        chosen = temperature(outputs(network, held_out.sequences), held_out.targets)
        network.weigh(1 / chosen)
        return {TEMPERATURE: chosen, FACTORS: {"deep": 1 / chosen}}

    def _description(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), **super()._description()}

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        classes = read_labels(description["classes"], len(description["classes"]), "classes")
        if classes.tolist() != np.unique(classes).tolist() or len(classes) < 2:
            raise ModelFolderError("its classes are not different and in order")
        self.classes_ = classes
        super()._restore(description, tokenizers)

    def _json_parameters(self) -> dict[str, Any]:
        parameters = super()._json_parameters()
        if isinstance(self.class_weight, dict):
            parameters["class_weight"] = [float(self.class_weight.get(label, 1.0)) for label in self.classes_.tolist()]
        return parameters

    @classmethod
    def _parameters_from(cls, saved: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, Any]:
        weights = saved["class_weight"]
        if not isinstance(weights, list):
            return dict(saved)
        return {**saved, "class_weight": dict(zip(description["classes"], weights, strict=True))}

    def _card(self) -> Card:
        classes = [f"`{label}`" for label in self.classes_.tolist()]
        own = "the network's own, which is mostly too sure of itself after few examples"
        probabilities = "calibrated on examples that it did not learn from" if FACTORS in self.summary_ else own
        return Card(
            title=f"A classifier of {KINDS[self.encoder_.kind]}",
            does=f"It gives a sequence one of {len(classes)} classes: {', '.join(classes)}.",
            use=self._uses,
            limits="It knows what its examples showed and nothing else: other subjects, languages or times than theirs "
            f"are a guess. Its probabilities are {probabilities}; `ricorda evaluate` prints what they are worth.",
            python="model.predict_proba([...])",
            pipeline="tabular-classification" if self.encoder_.kind == "numbers" else "text-classification",
        )

    # What insight asks of a task

    def _measure(self) -> Measure:
        return Measure("accuracy", "an example: right (1) or wrong (0)", True, share=True)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        said = self.predict(X)
        return said == read_labels(y, len(said)), np.ones(len(said))
