"""`SequenceClassifier`: many to one, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.inputs import Kind, place_of, read_inputs
from ricorda.data.labels import read_labels
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.cells import program_of
from ricorda.tasks.classify.examples import class_weights, labelled, split
from ricorda.tasks.classify.metrics import Report, report
from ricorda.tasks.classify.network import ManyToOne, Sizes
from ricorda.tasks.classify.pooling import POOLINGS
from ricorda.tasks.classify.training import Classification, Labelled, probabilities
from ricorda.tasks.config import Shape
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import Card, SequenceEstimator
from ricorda.tasks.fingerprint import fingerprint
from ricorda.tasks.parameters import Rule, is_number, one_of


def _is_weighting(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_number(weight) and weight >= 0 for weight in value.values())
    return isinstance(value, str) and value == "balanced"


class SequenceClassifier(ClassifierMixin, SequenceEstimator):  # type: ignore[misc]
    """A recurrent network that reads a sequence and gives it one of several classes.

    Sequences are texts, lists of tokens, or arrays of numbers [T, I] (or [T]) of different lengths.

    Parameters
    ----------
    cell : str, Cell or function
        The recurrent cell: a name that `ricorda cells` lists, "FILE.py:NAME", or a cell itself.
    hidden_size, num_layers, bidirectional
        Units of a layer and direction, layers, and whether a second direction reads from the end.
    memory : int, optional
        Steps for which the gates start to remember (chrono initialisation: Tallec, Ollivier 2018), as many as lie
        between what is read and where it is wanted, or more; for cells with such gates, where these are hundreds.
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
        at least `min_frequency` times, in small letters if `lowercase`. Token lists are taken as they stand.
    max_length : int, optional
        Steps after which a sequence is cut; without it, one of more than 10,000 is refused.
    epochs, batch_size, learning_rate, weight_decay, warmup, clip_norm
        Of the training: passes over the examples, examples a step (and process), AdamW's largest rate and decay,
        the share of all steps over which the rate rises (over the rest it falls to zero), the largest norm of a
        gradient (None: any).
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

    TASK: ClassVar[str] = "classify"
    RULES: ClassVar[Mapping[str, Rule]] = {
        "pooling": one_of(*POOLINGS),
        "class_weight": Rule(_is_weighting, "'balanced', or a weight of at least 0 for each class", optional=True),
        "scoring": one_of("accuracy", "macro_f1"),
    }
    SCORES: ClassVar[Mapping[str, str]] = {
        "accuracy": "accuracy",
        "macro_f1": "macro F1",
        "validation_loss": "log loss (nats)",
    }
    SHAPE: ClassVar[Shape] = {"classes": list, "input": {"kind": str, "features": int}}

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "lstm",
        *,
        hidden_size: int = 80,
        num_layers: int = 1,
        bidirectional: bool = True,
        memory: int | None = None,
        embedding_size: int = 100,
        pooling: str = "max",
        dropout: float = 0.5,
        word_dropout: float = 0.2,
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
        clip_norm: float | None = 1.0,
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
        self.memory = memory
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
        y: Any = None,
        *,
        validation: tuple[Any, Any] | None = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
        watch_gradients: int | None = None,
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
        watch_gradients : int, optional
            Record in each so many steps where the gradient goes in time, for `gradient_flow_`, and say on standard
            error if it vanishes or explodes.

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
        classes, targets = np.unique(read_labels(y, len(inputs)), return_inverse=True)
        if len(classes) < 2:
            source = getattr(X, "source", "y")
            raise DataError(f"{source} holds one class only ({classes[0].item()!r}): give examples of at least two")
        seed = self._seed()
        training, held_out = split(targets, self.validation_fraction if validation is None else 0.0, seed)
        encoder = Encoder.learn(
            kind,
            [inputs[row] for row in training],
            max_length=self.max_length,
            tokenizer=self.tokenizer,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            lowercase=self.lowercase,
        )
        everything = Labelled(encoder.encode(kind, inputs, place_of(X)), targets)
        weights = class_weights(self.class_weight, targets[training], classes)
        examples = replace(everything.take(training), class_weights=weights)
        if validation is None:
            held_out_examples = everything.take(held_out)
        else:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise ArgumentError(f"validation is of type {type(validation).__name__}: give a pair, (X, y)")
            held_out_examples = labelled(*validation, encoder, classes, ("validation[0]", "validation[1]"))
        with self._keeping_what_was_learned():
            self.classes_, self.encoder_ = classes, encoder
            network: ManyToOne = self._fresh_network(program, seed)
            network.standardise(examples.sequences)
            self._train(
                Classification(network, examples, held_out_examples, self.scoring),
                program,
                seed,
                data=fingerprint(*examples.parts(), *held_out_examples.parts()),
                examples=len(training),
                validation_examples=len(held_out_examples.targets),
                folder=folder,
                resume=resume,
                progress=progress,
                tensorboard=tensorboard,
                watch_gradients=watch_gradients,
            )
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, [N, classes], in the order of `classes_`.

        Raises
        ------
        DataError
            If the examples are of another kind than the model was trained on, or one cannot be.
        """
        check_is_fitted(self, "network_")
        kind, inputs = read_inputs(X)
        return probabilities(self.network_, self.encoder_.encode(kind, inputs, place_of(X)))

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each example, [N]; raises as `predict_proba` does."""
        best = self.predict_proba(X).argmax(1)
        result: NDArray[Any] = self.classes_[best]
        return result

    def evaluate(self, X: Any, y: Any) -> Report:
        """Accuracy, macro F1, F1 of each class, confusion and calibration on labelled examples.

        Raises
        ------
        DataError
            If a label is none of `classes_`, or an example cannot be.
        """
        check_is_fitted(self, "network_")
        examples = labelled(X, y, self.encoder_, self.classes_)
        return report(examples.targets, probabilities(self.network_, examples.sequences), self.classes_.tolist())

    def _network(self, program: Program) -> ManyToOne:
        vocabulary = self.encoder_.vocabulary
        sizes = Sizes(
            classes=len(self.classes_),
            hidden=int(self.hidden_size),  # NumPy has whole numbers of its own
            layers=int(self.num_layers),
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            vocabulary=vocabulary,
            embedding=self.embedding_size if vocabulary else 0,
            features=self.encoder_.features,
        )
        return ManyToOne(program, sizes, dropout=self.dropout, word_dropout=self.word_dropout, memory=self.memory)

    def _description(self) -> dict[str, Any]:
        return {
            "classes": self.classes_.tolist(),
            "input": {"kind": self.encoder_.kind, "features": self.encoder_.features},
        }

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return {} if self.encoder_.tokenizer is None else {"tokenizer": self.encoder_.tokenizer}

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        classes = read_labels(description["classes"], len(description["classes"]), "classes")
        if classes.tolist() != np.unique(classes).tolist() or len(classes) < 2:
            raise ModelFolderError("its classes are not different and in order")
        kind, features = description["input"]["kind"], description["input"]["features"]
        for_numbers = (kind == "numbers", features != 0, not tokenizers)
        if kind not in get_args(Kind) or len(set(for_numbers)) > 1 or set(tokenizers) - {"tokenizer"}:
            raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokenizer or number of features")
        self.classes_ = classes
        self.encoder_ = Encoder(kind, self.max_length, tokenizers.get("tokenizer"), features)

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
        kind = {"texts": "texts", "tokens": "lists of tokens", "numbers": "arrays of numbers"}[self.encoder_.kind]
        classes = [f"`{label}`" for label in self.classes_.tolist()]
        return Card(
            title=f"A classifier of {kind}",
            does=f"It gives a sequence one of {len(classes)} classes: {', '.join(classes)}.",
            use=[
                *(['ricorda predict FOLDER "..."'] if self.encoder_.kind == "texts" else []),
                "ricorda evaluate FOLDER DATA",
            ],
            limits="It knows what its examples showed and nothing else: other subjects, languages or times than theirs "
            "are a guess. Its probabilities are the network's own; `ricorda evaluate` prints how well they are "
            "calibrated.",
            python="model.predict_proba([...])",
        )
