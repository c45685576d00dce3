"""`LanguageModel`: what comes next, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.music import KEYS
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.cells import program_of
from ricorda.tasks.config import Shape
from ricorda.tasks.estimator import Card, SequenceEstimator
from ricorda.tasks.fingerprint import fingerprint
from ricorda.tasks.language.card import card_of
from ricorda.tasks.language.generation import Sampling
from ricorda.tasks.language.given import Given, read_condition, read_given, read_parts
from ricorda.tasks.language.network import Dropouts, NextStep, Sizes
from ricorda.tasks.language.reading import Reader
from ricorda.tasks.language.scoring import Evaluation, losses_of
from ricorda.tasks.language.sequences import Sequences
from ricorda.tasks.language.training import NextStepTraining
from ricorda.tasks.language.vocabulary import END, UNKNOWN, Vocabulary
from ricorda.tasks.language.writing import written
from ricorda.tasks.parameters import COUNT, FLAG, OPTIONAL_COUNT, SHARE, Rule, one_of


class LanguageModel(SequenceEstimator):
    r"""A recurrent network that predicts the next step of a text, and so writes.

    It learns from one running text, from documents (texts or token lists), or from pieces of polyphonic music: lists of
    steps, each the list of the MIDI numbers of the notes that sound. A step of music is any of 88 keys at once.

    Parameters
    ----------
    cell : str, Cell or function
        The recurrent cell: a name that `ricorda cells` lists, "FILE.py:NAME", or a cell itself.
    hidden_size, num_layers : int
        Units of a layer, and layers.
    embedding_size : int
        Numbers a token is turned into.
    tie_embeddings : bool
        Whether the output's matrix is the embedding's (Press, Wolf 2017); where they are of different sizes, a matrix
        stands between.
    adaptive_softmax : bool
        Whether rare tokens share clusters of the output (Grave et al. 2017): for large vocabularies.
    dropout : float
        Probability of dropping a number that leaves a recurrent layer, step by step.
    embedding_dropout, input_dropout, state_dropout, weight_drop, zoneout : float
        Of tokens, everywhere in a batch; of a layer's inputs, and of units where a state enters the recurrent products,
        for a whole window; of entries of the recurrent matrices; and the probability that a unit keeps its old state
        (Gal, Ghahramani 2016; Merity et al. 2018; Krueger et al. 2017).
    tokenizer : {"char", "bpe", "word"}
        What a token of a text is: a character, a part of a word, or what stands between white space, a line's end
        being a token too. Token lists are taken as they stand.
    vocab_size : int, optional
        Most tokens; by default all, and 4,000 of "bpe".
    min_frequency : int
        Fewest times to meet a token to know it.
    lowercase : bool
        Whether to read small letters only.
    window : int
        Steps that a gradient goes back (truncated BPTT); the state goes on from window to window.
    epochs, batch_size, learning_rate, optimizer, weight_decay, schedule, warmup, clip_norm
        Of the training: passes over the text; parallel rows that the text is cut into, or documents, in a step (and
        process); the largest rate; "adamw" or "sgd"; its weight decay; whether the rate falls to zero ("linear",
        "cosine") or not ("constant") after the share `warmup` of all steps over which it rises; the largest norm of a
        gradient (None: any).
    validation_fraction : float
        Share at the end of the text, or of the documents, that is kept apart to choose the best epoch, unless `fit` is
        given another; 0 for none.
    patience : int, optional
        Epochs without a better score after which training stops early.
    device : str
        "auto" for a GPU if there is one, or torch's name of a device.
    precision : {"32", "bf16"}
        Of the products while training. "bf16" takes about two thirds of the time on processors that have it.
    random_state : int, RandomState or None
        Seed of everything random.

    Attributes
    ----------
    reader_ : Reader
        How it reads: the vocabulary, and what it was trained on.
    condition_size_ : int
        Numbers of the vector that a document begins with; 0 for none.
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second.
    network_ : torch.nn.Module
        The trained network.

    Examples
    --------
    >>> from ricorda import LanguageModel
    >>> model = LanguageModel(hidden_size=32, epochs=5, batch_size=4, window=20, random_state=0)
    >>> model = model.fit("the cat sat on the mat\n" * 100)
    >>> "".join(model.generate("the c", length=5, temperature=0))
    'at sa'
    """

    TASK: ClassVar[str] = "language"
    SCORES: ClassVar[Mapping[str, str]] = {"validation_loss": "negative log-likelihood (nats per step)"}
    LOSS: ClassVar[str] = "negative log-likelihood (nats per step)"
    SHAPE: ClassVar[Shape] = {"input": {"kind": str, "tokens": str, "unknown": int, "condition": int}}
    RULES: ClassVar[Mapping[str, Rule]] = {
        "tokenizer": one_of("char", "bpe", "word"),
        "vocab_size": OPTIONAL_COUNT,
        "tie_embeddings": FLAG,
        "adaptive_softmax": FLAG,
        "embedding_dropout": SHARE,
        "input_dropout": SHARE,
        "state_dropout": SHARE,
        "weight_drop": SHARE,
        "zoneout": SHARE,
        "min_frequency": COUNT,
        "window": COUNT,
    }

    reader_: Reader
    condition_size_: int

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "lstm",
        *,
        hidden_size: int = 512,
        num_layers: int = 1,
        embedding_size: int = 64,
        tie_embeddings: bool = False,
        adaptive_softmax: bool = False,
        dropout: float = 0.25,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: float = 0.0,
        tokenizer: str = "char",
        vocab_size: int | None = None,
        min_frequency: int = 1,
        lowercase: bool = False,
        window: int = 100,
        epochs: int = 12,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        optimizer: str = "adamw",
        weight_decay: float = 0.01,
        schedule: str = "linear",
        warmup: float = 0.05,
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
        self.embedding_size = embedding_size
        self.tie_embeddings = tie_embeddings
        self.adaptive_softmax = adaptive_softmax
        self.dropout = dropout
        self.embedding_dropout = embedding_dropout
        self.input_dropout = input_dropout
        self.state_dropout = state_dropout
        self.weight_drop = weight_drop
        self.zoneout = zoneout
        self.tokenizer = tokenizer
        self.vocab_size = vocab_size
        self.min_frequency = min_frequency
        self.lowercase = lowercase
        self.window = window
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
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
        condition: Any = None,
        validation: Any = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
        watch_gradients: int | None = None,
    ) -> Self:
        """Train on a text, documents or music.

        Parameters
        ----------
        X : str, Path, or a list of texts, token lists or pieces of music
            A text is one stream; a path is read by `ricorda.data.corpus.read_corpus` or, if it ends in .json,
            `ricorda.data.music.read_music`.
        y : None
            Not used.
        condition : array [N, C], optional
            A vector for each document, token list or piece, with which its sequence begins: the states before the
            first step are a learned map of it.
        validation : as X, or (X, condition) where there are conditions, optional
            What to choose the best epoch by.
        folder, resume, progress, tensorboard, watch_gradients
            As in `SequenceClassifier.fit`.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter or what is given cannot be.
        """
        self.check_parameters()
        program = program_of(self.cell)
        given, held_out = read_parts(
            X, condition, validation, share=float(self.validation_fraction), anywhere=self.tokenizer == "char"
        )
        seed = self._seed()
        with self._keeping_what_was_learned():
            self.reader_ = Reader.learn(
                given,
                self.tokenizer,
                vocab_size=self.vocab_size,
                min_frequency=self.min_frequency,
                lowercase=self.lowercase,
            )
            self.condition_size_ = 0 if given.condition is None else given.condition.shape[1]
            training = self.reader_.sequences(given)
            validated = None if held_out is None else self.reader_.sequences(held_out)
            network = self._fresh_network(program, seed)
            if training.condition is not None:
                network.standardise(training.condition)
            task = NextStepTraining(
                network,
                training,
                validated,
                int(self.window),
                characters=0 if held_out is None else _characters(held_out),
            )
            self._train(
                task,
                program,
                seed,
                data=fingerprint(*_tensors(training), *_tensors(validated)),
                examples=training.predictions,
                validation_examples=0 if validated is None else validated.predictions,
                folder=folder,
                resume=resume,
                progress=progress,
                tensorboard=tensorboard,
                watch_gradients=watch_gradients,
            )
        return self

    def evaluate(self, X: Any, *, condition: Any = None) -> Evaluation:
        """How well other text, or music, is predicted, the state carried from its first step to its last.

        A text is read as if a line had just ended.

        Parameters
        ----------
        X, condition
            As in `fit`.

        Raises
        ------
        DataError
            If it is of another kind than the training's, or has what the model does not know.
        """
        given = self._read(X, condition)
        sequences = self.reader_.sequences(given, "X")
        nats = sum(float(part.double().sum()) for part in losses_of(self.network_, sequences))
        return Evaluation.of(
            nats, sequences.predictions, keys=self.reader_.kind == "music", characters=_characters(given)
        )

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-probability of a step, in nats: the higher, the better."""
        return -self.evaluate(X).nats

    def score_tokens(self, text: Any, *, condition: Any = None) -> list[tuple[str, float]]:
        """Each token of a text or token list with its log-probability, in nats; of a piece of music, each step.

        The first is left out where nothing is known that could stand before it: no line end in the training text.
        """
        as_one = self._as_one(text)
        sequences = self.reader_.sequences(self._read(as_one, condition, "text"), "text")
        losses = torch.cat(list(losses_of(self.network_, sequences))).tolist()
        if self.reader_.kind == "music":
            tokens = [" ".join(map(str, step)) for step in text]
        else:
            tokens = [self._shown(id) for id in sequences.steps[1:].tolist()]
        return [(token, -loss) for token, loss in zip(tokens, losses, strict=True)]

    def generate(
        self,
        prompt: Any = "",
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        condition: Any = None,
    ) -> Iterator[Any]:
        """Write on from a prompt, as it comes: an iterator.

        Parameters
        ----------
        prompt : str, token list, or piece of music
            What is read first; without it, writing begins behind a line's or a document's end, and music with silence.
        length : int
            The most tokens, or steps of music; a document may end before.
        temperature : float
            Scores are divided by it before they become probabilities; 0 takes what is most probable.
        top_k, top_p : optional
            Tokens only: draw from the k most probable, or from the most probable that together have this probability.
        seed : int, optional
            The same one gives the same text.
        condition : array [C], optional
            The vector that the sequence begins with, if the model was trained with such.

        Yields
        ------
        str, or list of int for music
            Pieces which, joined, are the text that follows the prompt; tokens of a token list; or the notes of a step.

        Raises
        ------
        ArgumentError, DataError
            At once, if an argument cannot be, or the prompt has what the model does not know.
        """
        check_is_fitted(self, "network_")
        sampling = Sampling(temperature, top_k, top_p)
        vector = self._one_condition(condition)
        return written(self.network_, self.reader_, prompt, sampling, length=length, seed=seed, condition=vector)

    def _read(self, X: Any, condition: Any, argument: str = "X") -> Given:
        check_is_fitted(self, "network_")
        given = read_given(X, argument, condition)
        size = 0 if given.condition is None else given.condition.shape[1]
        if size != self.condition_size_:
            raise ArgumentError(
                f"the model was trained with vectors of {self.condition_size_} numbers as condition, and "
                f"{size or 'none'} were given: give a vector of that size for each document"
                if self.condition_size_
                else "the model was trained without condition: leave it out"
            )
        return given

    def _one_condition(self, condition: Any) -> torch.Tensor | None:
        if (condition is not None) != bool(self.condition_size_):
            has = (
                f"a condition of {self.condition_size_} numbers: give" if self.condition_size_ else "no condition: drop"
            )
            raise ArgumentError(f"the model was trained with {has} one")
        return None if condition is None else read_condition(condition, 1, self.condition_size_)[0]

    def _as_one(self, text: Any) -> Any:
        """A text or the only document, token list or piece."""
        check_is_fitted(self, "network_")
        return text if self.reader_.kind == "stream" else [text]

    def _shown(self, id: int) -> str:
        vocabulary = cast(Vocabulary, self.reader_.vocabulary)
        if vocabulary.kind == "bpe" and id not in (UNKNOWN, END):
            return str(vocabulary.tokenizer.decode([id]))
        return vocabulary.token(id)

    def _network(self, program: Program) -> NextStep:
        vocabulary = self.reader_.vocabulary
        if self.tie_embeddings and self.adaptive_softmax:
            raise ArgumentError("tie_embeddings and adaptive_softmax are both on: choose one of them")
        music = self.reader_.kind == "music"
        sizes = Sizes(
            hidden=int(self.hidden_size),
            layers=int(self.num_layers),
            vocabulary=0 if vocabulary is None else len(vocabulary),
            embedding=0 if music else int(self.embedding_size),
            keys=KEYS if music else 0,
            condition=self.condition_size_,
            tied=self.tie_embeddings and not music,
            adaptive=self.adaptive_softmax and not music,
        )
        if sizes.adaptive and (sizes.vocabulary < 20 or sizes.hidden < 16):
            raise ArgumentError(
                "adaptive_softmax is for at least 20 tokens and a hidden_size of 16, and here are "
                f"{sizes.vocabulary} and {sizes.hidden}: leave it out"
            )
        dropouts = Dropouts(
            plain=self.dropout,
            embedding=self.embedding_dropout,
            input=self.input_dropout,
            state=self.state_dropout,
            weight=self.weight_drop,
            zoneout=self.zoneout,
        )
        return NextStep(program, sizes, dropouts)

    def _description(self) -> dict[str, Any]:
        return {"input": {**self.reader_.to_json(), "condition": self.condition_size_}}

    def _tokenizers(self) -> dict[str, Tokenizer]:
        vocabulary = self.reader_.vocabulary
        return {} if vocabulary is None else {"tokenizer": vocabulary.tokenizer}

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        found = description["input"]
        if found["condition"] < 0 or not set(tokenizers) <= {"tokenizer"}:
            raise ModelFolderError("its condition or its tokenizers are not those of a language model")
        self.reader_ = Reader.from_json(found, tokenizers.get("tokenizer"))
        self.condition_size_ = found["condition"]

    def _card(self) -> Card:
        return card_of(self.reader_)


def _characters(given: Given) -> int:
    """Characters of texts; 0 for what has none."""
    return sum(map(len, given.parts)) if given.kind in ("stream", "documents") else 0


def _tensors(sequences: Sequences | None) -> list[Any]:
    return [] if sequences is None else [sequences.steps, sequences.lengths, sequences.condition]
