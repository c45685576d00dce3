"""`SequenceRegressor`: many to one number, or several, as a scikit-learn estimator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.inputs import Kind, place_of, read_inputs
from ricorda.data.targets import read_targets
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.cells import program_of
from ricorda.tasks.classify.network import ManyToOne, Sizes
from ricorda.tasks.classify.pooling import POOLINGS
from ricorda.tasks.config import Shape
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import Card, SequenceEstimator
from ricorda.tasks.fingerprint import fingerprint
from ricorda.tasks.parameters import Rule, one_of
from ricorda.tasks.regress.examples import measured, split
from ricorda.tasks.regress.metrics import Report, report
from ricorda.tasks.regress.training import LOSSES, Measurements, Regression, Scaling, outputs


class SequenceRegressor(RegressorMixin, SequenceEstimator):  # type: ignore[misc]
    """A recurrent network that reads a sequence and says a number, or several.

    Sequences are texts, lists of tokens, or arrays of numbers [T, I] (or [T]) of different lengths. Targets, like
    numbers that are read, are standardised by the training examples' mean and deviation.

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
        Probability of dropping a number that enters or leaves the recurrent layers, while training. Unlike for
        classes, it costs more than it gains where exact numbers are read.
    word_dropout : float
        Probability of reading a token as unknown, while training.
    tokenizer : {"word", "bpe", "char"}
        What a token of a text is; learned from the training examples alone, as are `vocab_size` tokens that occur
        at least `min_frequency` times, in small letters if `lowercase`. Token lists are taken as they stand.
    max_length : int, optional
        Steps after which a sequence is cut; without it, one of more than 10,000 is refused.
    loss : {"mse", "mae"}
        Squared or absolute error of the standardised targets; the second minds outliers less.
    epochs, batch_size, learning_rate, weight_decay, warmup, clip_norm
        Of the training: passes over the examples, examples a step (and process), AdamW's largest rate and decay,
        the share of all steps over which the rate rises (over the rest it falls to zero), the largest norm of a
        gradient (None: any).
    validation_fraction : float
        Share of the examples that is kept apart to choose the epoch with the best R2, unless `fit` is given others; 0
        for none.
    patience : int, optional
        Epochs without a better score after which training stops early.
    device : str
        "auto" for a GPU if there is one, or torch's name of a device.
    precision : {"32", "bf16"}
        Of the computation.
    random_state : int, RandomState or None
        Seed of everything random.

    Attributes
    ----------
    target_names_ : list of str
        What the outputs are called: columns of a file, or "y", or "y1", "y2" and so on.
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second.
    network_ : torch.nn.Module
        The trained network.
    encoder_ : Encoder
        Its tokeniser, or number of features.
    scaling_ : Scaling
        Mean and deviation of each output among the training examples.

    Examples
    --------
    >>> import numpy as np
    >>> from ricorda import SequenceRegressor
    >>> series = [np.linspace(0, height, 5) for height in np.linspace(-1, 1, 100)]
    >>> model = SequenceRegressor(hidden_size=8, random_state=0).fit(series, [each.sum() for each in series])
    >>> model.predict([np.zeros(5)]).round()
    array([0.])
    """

    TASK: ClassVar[str] = "regress"
    RULES: ClassVar[Mapping[str, Rule]] = {"pooling": one_of(*POOLINGS), "loss": one_of(*LOSSES)}
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

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "lstm",
        *,
        hidden_size: int = 80,
        num_layers: int = 1,
        bidirectional: bool = True,
        memory: int | None = None,
        embedding_size: int = 100,
        pooling: str = "last",
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        tokenizer: str = "bpe",
        vocab_size: int = 4_000,
        min_frequency: int = 5,
        lowercase: bool = True,
        max_length: int | None = None,
        loss: str = "mse",
        epochs: int = 10,
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        clip_norm: float | None = 1.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
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
        self.loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.patience = patience
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
        """Train on sequences and their numbers.

        Parameters
        ----------
        X : sequence of texts, token lists or arrays [T, I]; or an array [N, T] or [N, T, I]
            The examples.
        y : array or sequence [N] or [N, outputs]
            Their targets.
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
            If a parameter, an example or a target cannot be.
        """
        self.check_parameters()
        program = program_of(self.cell)
        kind, inputs = read_inputs(X)
        targets = read_targets(y, len(inputs))
        columns = targets.reshape(len(inputs), -1)
        seed = self._seed()
        training, held_out = split(len(inputs), self.validation_fraction if validation is None else 0.0, seed)
        encoder = Encoder.learn(
            kind,
            [inputs[row] for row in training],
            max_length=self.max_length,
            tokenizer=self.tokenizer,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            lowercase=self.lowercase,
        )
        everything = Measurements(encoder.encode(kind, inputs, place_of(X)), columns)
        examples, held_out_examples = everything.take(training), everything.take(held_out)
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise ArgumentError(f"validation is of type {type(validation).__name__}: give a pair, (X, y)")
            held_out_examples = measured(*validation, encoder, columns.shape[1], ("validation[0]", "validation[1]"))
        with self._keeping_what_was_learned():
            self.encoder_, self.scaling_ = encoder, Scaling.of(examples.targets)
            self.target_names_ = list(getattr(X, "target_names", ()))
            if len(self.target_names_) != columns.shape[1]:
                self.target_names_ = _names(targets)
            self.single_output_ = targets.ndim == 1
            network: ManyToOne = self._fresh_network(program, seed)
            network.standardise(examples.sequences)
            self._train(
                Regression(network, examples, held_out_examples, self.scaling_, self.loss),
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

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of each example, [N], or [N, outputs] if the model was trained on such.

        Raises
        ------
        DataError
            If the examples are of another kind than the model was trained on, or one cannot be.
        """
        check_is_fitted(self, "network_")
        kind, inputs = read_inputs(X)
        found = self.scaling_.undo(outputs(self.network_, self.encoder_.encode(kind, inputs, place_of(X))))
        return found[:, 0] if self.single_output_ else found

    def evaluate(self, X: Any, y: Any) -> Report:
        """R2, mean absolute and root mean squared error, of all outputs and of each.

        Raises
        ------
        DataError
            If an example or a target cannot be, or there are fewer than two.
        """
        check_is_fitted(self, "network_")
        examples = measured(X, y, self.encoder_, len(self.target_names_))
        found = self.scaling_.undo(outputs(self.network_, examples.sequences))
        return report(examples.targets, found, self.target_names_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _network(self, program: Program) -> ManyToOne:
        vocabulary = self.encoder_.vocabulary
        sizes = Sizes(
            classes=len(self.target_names_),
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
            "input": {"kind": self.encoder_.kind, "features": self.encoder_.features},
            "targets": {
                "names": self.target_names_,
                "single": self.single_output_,
                "mean": self.scaling_.mean.tolist(),
                "scale": self.scaling_.scale.tolist(),
            },
        }

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return {} if self.encoder_.tokenizer is None else {"tokenizer": self.encoder_.tokenizer}

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
        kind, features = description["input"]["kind"], description["input"]["features"]
        for_numbers = (kind == "numbers", features != 0, not tokenizers)
        if kind not in get_args(Kind) or len(set(for_numbers)) > 1 or set(tokenizers) - {"tokenizer"}:
            raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokenizer or number of features")
        self.encoder_ = Encoder(kind, self.max_length, tokenizers.get("tokenizer"), features)
        self.scaling_ = Scaling(np.array(targets["mean"]), np.array(targets["scale"]))
        self.target_names_, self.single_output_ = names, single

    def _card(self) -> Card:
        kind = {"texts": "texts", "tokens": "lists of tokens", "numbers": "arrays of numbers"}[self.encoder_.kind]
        ranges = [
            f"`{name}` (mean {mean:.4g}, standard deviation {scale:.4g} in training)"
            for name, mean, scale in zip(self.target_names_, self.scaling_.mean, self.scaling_.scale, strict=True)
        ]
        return Card(
            title=f"Numbers from {kind}",
            does=f"It reads a sequence and says {', '.join(ranges)}.",
            use=[
                *(['ricorda predict FOLDER "..."'] if self.encoder_.kind == "texts" else []),
                "ricorda evaluate FOLDER DATA",
            ],
            limits="It knows what its examples showed and nothing else: where sequences or numbers lie outside the "
            "range of theirs, it is a guess. It says one number and not how sure it is.",
        )


def _names(targets: NDArray[np.float64]) -> list[str]:
    columns = targets[0].size
    return ["y"] if columns == 1 else [f"y{number}" for number in range(1, columns + 1)]
