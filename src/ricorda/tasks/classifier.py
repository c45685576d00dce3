"""`SequenceClassifier`: many to one, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from ricorda.catalogue import find_cell
from ricorda.data.inputs import place_of, read_inputs
from ricorda.data.labels import read_labels
from ricorda.errors import ArgumentError, DataError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.classification import Classification, Labelled, fingerprint, probabilities
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.metrics import Report, report
from ricorda.tasks.network import ManyToOne, Sizes
from ricorda.tasks.parameters import check_parameters
from ricorda.training.loop import train
from ricorda.training.options import TrainingOptions


class SequenceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A recurrent network that reads a sequence and gives it one of several classes.

    Sequences are texts, lists of tokens, or arrays of numbers [T, I] (or [T]) of different lengths.

    Parameters
    ----------
    cell : str, Cell or function
        The recurrent cell: a name that `ricorda cells` lists, "FILE.py:NAME", or a cell itself.
    hidden_size, num_layers, bidirectional
        Units of a layer and direction, layers, and whether a second direction reads from the end.
    embedding_size : int
        Numbers a token is turned into; not used for arrays.
    pooling : {"last", "mean", "max", "attention"}
        How the outputs of all steps become one vector.
    dropout : float
        Probability of dropping a number that enters or leaves the recurrent layers, while training.
    word_dropout : float
        Probability of reading a token as unknown, while training.
    tokenizer : {"word", "bpe", "char"}
        What a token of a text is; learned from the training examples alone, as are `vocab_size` tokens that occur
        at least `min_frequency` times, in small letters if `lowercase`.
    max_length : int, optional
        Steps after which a sequence is cut; without it, one of more than 10,000 is refused.
    epochs, batch_size, learning_rate, weight_decay, warmup, clip_norm
        Of the training: passes over the examples, examples a step (and process), AdamW's largest rate and decay,
        the share of all steps over which the rate rises (over the rest it falls to zero), the largest norm of a
        gradient.
    class_weight : "balanced", dict or None
        Weights of the classes' examples in the loss.
    validation_fraction : float
        Share of the examples that is kept apart to choose the best epoch, unless `fit` is given others; 0 for none.
    patience : int, optional
        Epochs without a better score after which training stops early.
    scoring : {"accuracy", "macro_f1"}
        The score that chooses the best epoch.
    device : str
        "auto" for a GPU if there is one, or torch's name of a device.
    precision : {"32", "bf16"}
        Of the computation.
    random_state : int, RandomState or None
        Seed of everything random.

    Attributes
    ----------
    classes_ : array [classes]
        The classes, sorted.
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second.
    network_ : torch.nn.Module
        The trained network.
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

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "lstm",
        *,
        hidden_size: int = 80,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 100,
        pooling: str = "max",
        dropout: float = 0.5,
        word_dropout: float = 0.1,
        tokenizer: str = "bpe",
        vocab_size: int = 4_000,
        min_frequency: int = 5,
        lowercase: bool = True,
        max_length: int | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.05,
        warmup: float = 0.1,
        clip_norm: float = 1.0,
        class_weight: str | dict[Any, float] | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        scoring: str = "accuracy",
        device: str = "auto",
        precision: str = "32",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.embedding_size = embedding_size
        self.pooling = pooling
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.tokenizer = tokenizer
        self.vocab_size = vocab_size
        self.min_frequency = min_frequency
        self.lowercase = lowercase
        self.max_length = max_length
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.scoring = scoring
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
    ) -> Self:
        """Train on labelled sequences.

        Parameters
        ----------
        X : sequence of texts, token lists or arrays [T, I]; or an array [N, T] or [N, T, I]
            The examples.
        y : sequence [N]
            Their labels.
        validation : (X, y), optional
            Other examples, to choose the best epoch by.
        folder : path, optional
            Where to keep checkpoints and `history.jsonl` while training.
        resume : bool
            Whether to go on from the checkpoint in `folder`.
        progress : bool
            Whether to show a progress bar.
        tensorboard : bool
            Whether to write the history for TensorBoard too, into `folder`.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter, an example or a label cannot be.
        """
        self.check_parameters()
        program = program_of(self.cell)
        kind, inputs = read_inputs(X)
        labels = read_labels(y, len(inputs))
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            source = getattr(X, "source", "y")
            raise DataError(
                f"{source} holds one class only ({self.classes_[0].item()!r}): give examples of at least two"
            )
        seed = int(check_random_state(self.random_state).randint(2**31))
        training, held_out = self._split(targets, seed, with_validation=validation is None)
        self.encoder_ = Encoder.learn(
            kind,
            [inputs[index] for index in training],
            max_length=self.max_length,
            tokenizer=self.tokenizer,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            lowercase=self.lowercase,
        )
        sequences = self.encoder_.encode(kind, inputs, place_of(X))
        examples = Labelled(sequences, targets, self._class_weights(targets[training])).take(training)
        held_out_examples = Labelled(sequences, targets).take(held_out)
        if validation is not None:
            held_out_examples = Labelled(*self._encode(*validation, name="validation"))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network_ = ManyToOne(program, self.sizes(), dropout=self.dropout, word_dropout=self.word_dropout)
        self.network_.standardise(examples.sequences)
        task = Classification(self.network_, examples, held_out_examples, self.scoring)
        self.history_ = train(
            task,
            self._options(seed),
            folder=None if folder is None else Path(folder),
            resume=resume,
            progress=progress,
            tensorboard=tensorboard,
            settings={**self.json_parameters(), "program": program.to_json(), "data": fingerprint(examples)},
        )
        self.n_iter_ = len(self.history_)
        self.summary_ = self._summary(examples, held_out_examples)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, [N, classes], in the order of `classes_`.

        Raises
        ------
        DataError
            If the examples are of another kind than the model was trained on, or one cannot be.
        """
        check_is_fitted(self)
        kind, inputs = read_inputs(X)
        return probabilities(self.network_, self.encoder_.encode(kind, inputs, place_of(X)))

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each example, [N]; raises as `predict_proba` does."""
        result: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return result

    def evaluate(self, X: Any, y: Any) -> Report:
        """Accuracy, macro F1, F1 of each class, confusion and calibration on labelled examples.

        Raises
        ------
        DataError
            If a label is none of `classes_`, or an example cannot be.
        """
        check_is_fitted(self)
        sequences, targets = self._encode(X, y, name="X")
        return report(targets, probabilities(self.network_, sequences), self.classes_.tolist())

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `ricorda.load` reads it. Raises ModelFolderError if it cannot be written."""
        from ricorda.tasks.saving import save_classifier

        check_is_fitted(self)
        save_classifier(self, Path(folder))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags

    def _encode(self, X: Any, y: Any, name: str) -> tuple[list[torch.Tensor], NDArray[np.intp]]:
        """Labelled examples for the trained classes; `name` is the argument's, for messages."""
        place = place_of(X, name)
        kind, inputs = read_inputs(X, name)
        labels = read_labels(y, len(inputs))
        positions = np.searchsorted(self.classes_, labels)
        positions = np.minimum(positions, len(self.classes_) - 1)
        unknown = np.flatnonzero(self.classes_[positions] != labels)
        if len(unknown):
            known = ", ".join(repr(label) for label in self.classes_.tolist()[:20])
            raise DataError(
                f"{place(int(unknown[0]))} has the label {labels[unknown[0]].item()!r}, which the training never saw: "
                f"its labels were {known}"
            )
        return self.encoder_.encode(kind, inputs, place), positions

    def _split(
        self, targets: NDArray[np.intp], seed: int, *, with_validation: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices of the training and of the validation examples; each class in both where it has the examples."""
        everything = np.arange(len(targets))
        if not with_validation or not self.validation_fraction:
            return everything, everything[:0]
        counts = np.bincount(targets)
        held_out = max(1, round(self.validation_fraction * len(targets)))
        stratify = targets if counts.min() > 1 and held_out >= len(counts) else None
        if held_out >= len(targets) or (stratify is not None and len(targets) - held_out < len(counts)):
            raise ArgumentError(
                f"validation_fraction={self.validation_fraction} of {len(targets)} examples leaves too few to train "
                "on: give more examples, or 0"
            )
        training, kept = train_test_split(everything, test_size=held_out, random_state=seed, stratify=stratify)
        if len(np.unique(targets[training])) < len(counts):
            raise DataError("a class has too few examples to keep some apart: give more, or validation_fraction=0")
        return np.sort(training), np.sort(kept)

    def _class_weights(self, targets: NDArray[np.intp]) -> NDArray[np.float64] | None:
        if self.class_weight is None:
            return None
        try:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[targets])
        except ValueError as error:
            raise ArgumentError(
                f"class_weight={self.class_weight!r} does not fit ({error}): name the classes of y"
            ) from None
        return np.asarray(weights, dtype=np.float64)

    def sizes(self) -> Sizes:
        """The shape of the network for these parameters, classes and inputs."""
        return Sizes(
            classes=len(self.classes_),
            hidden=self.hidden_size,
            layers=self.num_layers,
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            vocabulary=self.encoder_.vocabulary,
            embedding=self.embedding_size if self.encoder_.vocabulary else 0,
            features=self.encoder_.features,
        )

    def check_parameters(self) -> None:
        """Raise ArgumentError if a parameter cannot be."""
        check_parameters(self)
        self._options(seed=0)

    def json_parameters(self) -> dict[str, Any]:
        """The parameters but the cell, as JSON has them; a random state that is no number is left out."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        del parameters["cell"]
        if isinstance(self.class_weight, dict):
            parameters["class_weight"] = [float(self.class_weight.get(label, 1.0)) for label in self.classes_.tolist()]
        if not isinstance(self.random_state, int):
            parameters["random_state"] = None
        return parameters

    def _summary(self, examples: Labelled, held_out: Labelled) -> dict[str, Any]:
        """What the model card says of the training."""
        scored = [epoch for epoch in self.history_ if "score" in epoch]
        best = max(scored, key=lambda epoch: epoch["score"]) if scored else self.history_[-1]
        return {
            "examples": len(examples.targets),
            "validation_examples": len(held_out.targets),
            "epochs": len(self.history_),
            "best": best,
            "weights": sum(weight.numel() for weight in self.network_.parameters()),
        }

    def _options(self, seed: int) -> TrainingOptions:
        return TrainingOptions(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            clip_norm=self.clip_norm,
            patience=self.patience,
            seed=seed,
            device=self.device,
            precision=self.precision,
        )


def program_of(cell: str | Cell | Program | Callable[..., Any]) -> Program:
    """The program of a cell given in any of the ways that `SequenceClassifier` takes one."""
    if isinstance(cell, Program):
        return cell
    if isinstance(cell, str):
        return find_cell(cell).program
    return (cell if isinstance(cell, Cell) else Cell(cell)).program
