"""`SequenceTagger`: many to many, aligned, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.inputs import place_of
from ricorda.data.labels import read_labels
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.cells import program_of
from ricorda.tasks.config import Shape
from ricorda.tasks.estimator import Card, SequenceEstimator
from ricorda.tasks.fingerprint import fingerprint
from ricorda.tasks.parameters import COUNT, FLAG, Rule, is_number
from ricorda.tasks.tag.examples import split, target_tensors, targeted
from ricorda.tasks.tag.inference import Inputs, of_each
from ricorda.tasks.tag.metrics import NumberReport, TagReport, number_report, tag_report
from ricorda.tasks.tag.network import Aligned, Sizes
from ricorda.tasks.tag.reading import Reading, read_sequences
from ricorda.tasks.tag.targets import classes_of, read_targets
from ricorda.tasks.tag.training import Tagging, Targeted, unread_probabilities
from ricorda.tasks.tag.words import Vocabulary


class SequenceTagger(SequenceEstimator):
    """A recurrent network that gives each step of a sequence a tag, or numbers.

    Sequences are lists of words, or arrays of numbers [T, I] (or [T]) of different lengths. A word is read as itself
    and, by a recurrent layer of its own, character by character. Where the targets are numbers, the network learns
    them by their squared error.

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
        Numbers a word is turned into; not used for arrays.
    character_embedding_size, character_hidden_size : int
        Numbers a character is turned into, and units that read a word's characters in each direction; 0 units for a
        tagger that reads words as a whole alone.
    crf : bool
        Whether a linear-chain conditional random field scores neighbouring tags together (Lafferty et al. 2001).
    dropout : float
        Probability of dropping a number that enters or leaves the recurrent layers, while training.
    word_dropout : float
        A word that occurs n times in the training is read as unknown with probability
        word_dropout / (word_dropout + n) while training (Kiperwasser, Goldberg 2016).
    vocab_size, min_frequency, lowercase
        Most words to know, how often each must occur, and whether they are known by their small letters; characters
        are read as they stand.
    epochs, batch_size, learning_rate, weight_decay, warmup, clip_norm
        Of the training: passes over the examples, examples a step (and process), AdamW's largest rate and decay,
        the share of all steps over which the rate rises (over the rest it falls to zero), the largest norm of a
        gradient (None: any).
    validation_fraction : float
        Share of the examples that is kept apart to choose the best epoch, unless `fit` is given others; 0 for none.
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
    classes_ : array [tags]
        The tags, sorted; None where the targets are numbers.
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, words a second.
    network_ : torch.nn.Module
        The trained network.
    reading_ : Reading
        Its vocabulary, or number of features.

    Examples
    --------
    >>> from ricorda import SequenceTagger
    >>> sentences, tags = [["the", "cat", "sleeps"], ["cats", "sleep"]] * 20, [["D", "N", "V"], ["N", "V"]] * 20
    >>> model = SequenceTagger(hidden_size=8, epochs=10, learning_rate=0.02, random_state=0).fit(sentences, tags)
    >>> model.predict([["the", "cats", "sleep"]])
    [['D', 'N', 'V']]
    """

    TASK: ClassVar[str] = "tag"
    RULES: ClassVar[Mapping[str, Rule]] = {
        "character_embedding_size": COUNT,
        "character_hidden_size": Rule(
            lambda value: value == 0 or COUNT.holds(value), "a whole number, 0 to read no characters"
        ),
        "crf": FLAG,
        "word_dropout": Rule(lambda value: is_number(value) and value >= 0, "a number of at least 0"),
    }
    SCORES: ClassVar[Mapping[str, str]] = {"validation_loss": "loss"}
    SHAPE: ClassVar[Shape] = {
        "classes": (list, NoneType),
        "outputs": int,
        "input": {"kind": str, "features": int},
    }

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "lstm",
        *,
        hidden_size: int = 200,
        num_layers: int = 2,
        bidirectional: bool = True,
        memory: int | None = None,
        embedding_size: int = 100,
        character_embedding_size: int = 50,
        character_hidden_size: int = 50,
        crf: bool = False,
        dropout: float = 0.5,
        word_dropout: float = 0.25,
        vocab_size: int = 50_000,
        min_frequency: int = 1,
        lowercase: bool = True,
        epochs: int = 15,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.05,
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
        self.character_embedding_size = character_embedding_size
        self.character_hidden_size = character_hidden_size
        self.crf = crf
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.vocab_size = vocab_size
        self.min_frequency = min_frequency
        self.lowercase = lowercase
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
        """Train on sequences and what belongs to each of their steps.

        Parameters
        ----------
        X : sequence of lists of words, or of arrays [T, I]; or an array [N, T] or [N, T, I]
            The examples.
        y : sequence of lists of tags (texts, whole numbers or booleans), or of arrays [T] or [T, O] of numbers
            Their targets: as many steps in each as in its example.
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
        place = place_of(X)
        kind, inputs = read_sequences(X, place)
        target_kind, targets = read_targets(y, inputs, place)
        classes = classes_of(targets) if target_kind == "tags" else None
        if classes is None and self.crf:
            raise ArgumentError("crf=True scores tags, and y has numbers: leave it out, or give tags")
        seed = self._seed()
        training, held_out = split(len(inputs), self.validation_fraction if validation is None else 0.0, seed)
        known = [inputs[row] for row in training]
        vocabulary = None
        if kind == "tokens":
            limits = {"vocab_size": self.vocab_size, "min_frequency": self.min_frequency}
            vocabulary = Vocabulary.learn(known, lowercase=self.lowercase, **limits)
        reading = Reading(kind, vocabulary, 0 if vocabulary else inputs[0].shape[1])
        outputs = targets[0].shape[1] if classes is None else len(classes)
        encoded = reading.encode(kind, inputs, place)
        numbered = target_tensors(targets, inputs, classes, place)
        everything = Targeted(encoded, numbered)
        examples, held = everything.take(training), everything.take(held_out)
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise ArgumentError(f"validation is of type {type(validation).__name__}: give a pair, (X, y)")
            held = targeted(*validation, reading, classes, outputs, ("validation[0]", "validation[1]"))
        with self._keeping_what_was_learned():
            self.classes_, self.reading_, self.outputs_ = classes, reading, outputs
            self._name_scores()
            network: Aligned = self._fresh_network(program, seed)
            network.standardise(
                examples.inputs.sequences if kind == "numbers" else None,
                examples.targets if classes is None else None,
            )
            unread = unread_probabilities(vocabulary.counts(known), self.word_dropout) if vocabulary else None
            self._train(
                Tagging(network, examples, held, unread),
                program,
                seed,
                data=fingerprint(examples.tensors(), held.tensors()),
                examples=len(training),
                validation_examples=len(held.targets),
                folder=folder,
                resume=resume,
                progress=progress,
                tensorboard=tensorboard,
                watch_gradients=watch_gradients,
            )
        return self

    def predict(self, X: Any) -> list[Any]:
        """The tags of each sequence, a list of lists; or its numbers, a list of arrays float64 [T, O].

        Raises
        ------
        DataError
            If the sequences are of another kind than the model was trained on, or one cannot be.
        """
        inputs = self._encode(X)
        if self.classes_ is None:
            return self._numbers(inputs)
        names = self.classes_.tolist()
        return [[names[tag] for tag in tags] for tags in self._verdicts(inputs)]

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """Probability of each tag at each step, an array [T, tags] for each sequence, in the order of `classes_`.

        With `crf` these are the marginals, each tag's probability over all sequences of tags.

        Raises
        ------
        ArgumentError
            If the model gives numbers.
        DataError
            As `predict`.
        """
        inputs = self._encode(X)
        if self.classes_ is None:
            raise ArgumentError("the model gives numbers, which have no probabilities: use predict")
        return self._probabilities(inputs)

    def score(self, X: Any, y: Any) -> float:
        """Share of steps with the right tag; for numbers R2, the share of their variance that is explained."""
        report = self.evaluate(X, y)
        return report.accuracy if isinstance(report, TagReport) else report.r2

    def evaluate(self, X: Any, y: Any) -> TagReport | NumberReport:
        """Accuracy, that of unseen words, precision, recall and F1 of each tag and of spans; or errors of numbers.

        Raises
        ------
        DataError
            If a tag is none of `classes_`, or a sequence cannot be.
        """
        check_is_fitted(self, "network_")
        examples = targeted(X, y, self.reading_, self.classes_, self.outputs_)
        truth = [target.numpy() for target in examples.targets]
        if self.classes_ is None:
            return number_report(truth, self._numbers(examples.inputs))
        probabilities = self._probabilities(examples.inputs)
        return tag_report(
            truth,
            probabilities,
            self._verdicts(examples.inputs) if self.crf else [each.argmax(1) for each in probabilities],
            [seen.numpy() for seen in examples.inputs.seen()],
            self.classes_.tolist(),
        )

    def _encode(self, X: Any) -> Inputs:
        check_is_fitted(self, "network_")
        place = place_of(X)
        kind, inputs = read_sequences(X, place)
        return self.reading_.encode(kind, inputs, place)

    def _verdicts(self, inputs: Inputs) -> list[NDArray[Any]]:
        return of_each(self.network_, inputs, self.network_.best)

    def _probabilities(self, inputs: Inputs) -> list[NDArray[Any]]:
        return of_each(self.network_, inputs, self.network_.probabilities)

    def _numbers(self, inputs: Inputs) -> list[NDArray[Any]]:
        return of_each(self.network_, inputs, lambda scores, _lengths: self.network_.numbers(scores).double())

    def _network(self, program: Program) -> Aligned:
        vocabulary = self.reading_.vocabulary
        sizes = Sizes(
            outputs=self.outputs_,
            hidden=int(self.hidden_size),  # NumPy has whole numbers of its own
            layers=int(self.num_layers),
            bidirectional=self.bidirectional,
            vocabulary=0 if vocabulary is None else vocabulary.words.get_vocab_size(),
            embedding=int(self.embedding_size),
            alphabet=0 if vocabulary is None else vocabulary.characters.get_vocab_size(),
            character_embedding=int(self.character_embedding_size),
            character_hidden=int(self.character_hidden_size),
            features=self.reading_.features,
            numbers=self.classes_ is None,
        )
        return Aligned(program, sizes, dropout=self.dropout, crf=self.crf, memory=self.memory)

    def _description(self) -> dict[str, Any]:
        return {
            "classes": None if self.classes_ is None else self.classes_.tolist(),
            "outputs": self.outputs_,
            "input": self.reading_.description(),
        }

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return self.reading_.tokenizers()

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        names, outputs = description["classes"], description["outputs"]
        classes = None if names is None else read_labels(names, len(names), "classes")
        if classes is not None and (classes.tolist() != np.unique(classes).tolist() or len(classes) != outputs):
            raise ModelFolderError("its classes are not different and in order, one for each output")
        self.reading_ = Reading.restored(description["input"], tokenizers, lowercase=self.lowercase)
        self.classes_, self.outputs_ = classes, outputs
        self._name_scores()

    def _name_scores(self) -> None:
        """Say what is shown of a validation: other numbers for tags than for numbers, so not for the class."""
        if self.classes_ is None:
            names = {"r2": "R2", "validation_loss": "squared error (of deviation 1)"}
        else:
            names = {"accuracy": "accuracy", "validation_loss": "log loss (nats)"}
        self.__dict__ |= {"SCORES": names, "LOSS": names["validation_loss"]}

    def _card(self) -> Card:
        use = []
        if self.reading_.kind == "tokens":
            use = ['ricorda predict FOLDER "Il gatto dorme ."', "ricorda predict FOLDER --file sentences.txt"]
        steps = "word of a sentence" if self.reading_.kind == "tokens" else "step of a series"
        gives = f"one of {len(self.classes_)} tags" if self.classes_ is not None else f"{self.outputs_} numbers"
        return Card(
            title="A tagger of sequences",
            does=f"It gives each {steps} {gives}.",
            use=use,
            python="model.predict([...])  # lists of words" if use else "model.predict([...])  # arrays [T, I]",
            limits="It knows what its examples showed and nothing else: other subjects, languages or times than "
            "theirs are a guess, and so are words that it never saw; `ricorda evaluate` says how good a guess.",
        )
