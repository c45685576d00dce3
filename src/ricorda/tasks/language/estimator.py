"""`LanguageModel`: what comes next, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.baseline import Baseline, check_baseline, frequencies
from ricorda.data.fingerprint import fingerprint
from ricorda.data.inputs import place_of
from ricorda.data.material import Material, read_condition, read_material, read_training
from ricorda.data.music import KEYS
from ricorda.data.vocabulary import END, UNKNOWN, Vocabulary
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.program.ir import Program
from ricorda.tasks.config import Shape
from ricorda.tasks.estimator import Card, Prepared, SequenceEstimator
from ricorda.tasks.language import scoring
from ricorda.tasks.language.card import card_of
from ricorda.tasks.language.generation import Sampling
from ricorda.tasks.language.network import Dropouts, NextStep, Sizes
from ricorda.tasks.language.objective import NextStepTraining
from ricorda.tasks.language.parameters import LanguageParameters
from ricorda.tasks.language.reading import Reader
from ricorda.tasks.language.scoring import PART, Evaluation, by_part, losses_of
from ricorda.tasks.language.sequences import Sequences
from ricorda.tasks.language.writing import written
from ricorda.tasks.measure import Measure
from ricorda.tasks.worth import of_frequencies


class LanguageModel(SequenceEstimator, LanguageParameters):
    r"""A recurrent network that predicts the next step of a text, and so can write.

    It learns from one running text, from documents (texts or token lists), or from pieces of polyphonic music: lists of
    steps, each the list of the MIDI numbers of the notes that sound. A step of music is any of 88 keys at once.

    Attributes
    ----------
    reader_ : Reader
        How it reads: the vocabulary, and what it was trained on.
    condition_size_ : int
        The length of the vector that a document begins with; 0 if there is none.

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

    reader_: Reader
    condition_size_: int

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
        shards: bool = False,
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
            Material to choose the best epoch by.
        folder, resume, progress, tensorboard, watch_gradients, shards
            As in `SequenceEstimator.fit`.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter or the text is invalid.
        """
        training: dict[str, Any] = {"resume": resume, "progress": progress, "tensorboard": tensorboard}
        training |= {"watch_gradients": watch_gradients, "shards": shards}
        return self._fit(X, y, validation, folder, training, condition=condition)

    def evaluate(self, X: Any, *, condition: Any = None) -> Evaluation:
        """How well other text or music is predicted; the state is carried from its first step to its last.

        A text is read as if a line had just ended.

        Parameters
        ----------
        X, condition
            As in `fit`.

        Raises
        ------
        DataError
            If it is of another kind than the training's, or has steps that the model does not know.
        """
        material = self._read(X, condition)
        sequences = self.reader_.sequences(material, "X")
        nats = sum(float(part.double().sum()) for part in losses_of(self.network_, sequences))
        figures = Evaluation.of(
            nats, sequences.predictions, keys=self.reader_.kind == "music", characters=_characters(material)
        )
        told = of_frequencies("nats", self.baseline_, sequences.predicted) if self.baseline_ else {}
        return replace(figures, **told)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-probability of a step, in nats: the higher, the better."""
        return -self.evaluate(X).nats

    def score_tokens(self, text: Any, *, condition: Any = None) -> list[tuple[str, float]]:
        """Each token of a text or token list with its log-probability, in nats; for a piece of music, each step.

        They are in the order in which the model reads them.

        The first token is left out if nothing can stand before it, because the training text has no line end.
        """
        sequences, log_probabilities = self._scored(text, condition)
        if self.reader_.kind == "music":
            tokens = [" ".join(map(str, step)) for step in (text[::-1] if self.reverse else text)]
        else:
            tokens = [self._shown(id) for id in sequences.steps[1:].tolist()]
        return list(zip(tokens, log_probabilities.tolist(), strict=True))

    def answers(self, X: Any) -> Iterator[dict[str, Any]]:
        """What `ricorda predict --json` prints of each text: its log-probability, and those of its tokens."""
        return (answer for _text, answer, _steps in self.scored(X))

    def scored(self, X: Any) -> Iterator[tuple[Any, dict[str, Any], int]]:
        """Each text with its answer, see `answers`, and the number of its tokens.

        Raises
        ------
        ArgumentError
            If the model reads music.
        DataError
            If a text cannot be read.
        """
        check_is_fitted(self, "network_")
        if self.reader_.kind == "music":
            raise ArgumentError("the model reads music, and predict reads texts: use ricorda evaluate")
        place = place_of(X)
        for index, text in enumerate(getattr(X, "inputs", X)):
            read = text.split() if self.reader_.kind == "tokens" and isinstance(text, str) else text
            try:
                sequences, log_probabilities = self._scored(read, None)
            except DataError as error:
                raise DataError(f"{place(index)} cannot be scored: {error}") from None
            steps, total, written = len(log_probabilities), float(log_probabilities.sum(dtype=float)), {}
            if len(read) <= scoring.MOST_TOKENS:
                scores = log_probabilities.tolist()
                pairs = zip(sequences.steps[1:].tolist(), scores, strict=True)
                total = sum(scores)
                written = {"tokens": [{"token": self._shown(id), "log_probability": score} for id, score in pairs]}
            yield text, {"nats": -total / steps, "log_probability": total, **written}, steps

    def log_probabilities(self, text: Any, *, condition: Any = None) -> NDArray[np.float32]:
        """The log-probabilities of `score_tokens` alone, an array [T], for texts whose tokens would fill the memory."""
        return self._scored(text, condition)[1]

    def _scored(self, text: Any, condition: Any) -> tuple[Sequences, NDArray[np.float32]]:
        as_one = self._as_one(text)
        sequences = self.reader_.sequences(self._read(as_one, condition, "text"), "text")
        return sequences, -torch.cat([part.float().cpu() for part in losses_of(self.network_, sequences)]).numpy()

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
        """Continue a prompt, piece by piece.

        Parameters
        ----------
        prompt : str, token list, or piece of music
            What is read first; without it, text begins after the end of a line or document, and music with silence.
        length : int
            The most tokens, or steps of music; a document may end before.
        temperature : float
            The scores are divided by it before they become probabilities; 0 takes the most probable token.
        top_k, top_p : optional
            Tokens only: draw from the k most probable, or from the most probable that together have this probability.
        seed : int, optional
            The same seed gives the same text.
        condition : array [C], optional
            The vector that the sequence begins with, if the model was trained with vectors.

        Yields
        ------
        str, or list of int for music
            Pieces which, joined, are the text that follows the prompt; tokens of a token list; or the notes of a step.

        Raises
        ------
        ArgumentError, DataError
            At once, if an argument is invalid, or the prompt has steps that the model does not know.
        """
        check_is_fitted(self, "network_")
        if self.reverse:
            raise ArgumentError("the model reads from the end, so that it cannot write on: take one without reverse")
        sampling = Sampling(temperature, top_k, top_p)
        vector = self._one_condition(condition)
        return written(self.network_, self.reader_, prompt, sampling, length=length, seed=seed, condition=vector)

    def _prepare(self, X: Any, y: Any, validation: Any, seed: int, condition: Any = None) -> Prepared:
        text, held_out = read_training(
            X, condition, validation, share=self.held_out_share(), anywhere=self.tokenizer == "char"
        )
        reader = Reader.learn(
            text,
            self.tokenizer,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            lowercase=self.lowercase,
            reverse=self.reverse,
        )
        examples = reader.sequences(text)
        counts = {} if reader.vocabulary is None else frequencies(examples.predicted, len(reader.vocabulary))
        validated = None if held_out is None else reader.sequences(held_out)

        def task(network: NextStep) -> NextStepTraining:
            if examples.condition is not None:
                network.standardise(examples.condition)
            characters = 0 if held_out is None else _characters(held_out)
            return NextStepTraining(network, examples, validated, int(self.window), characters=characters)

        def worth(_network: NextStep) -> dict[str, Any]:
            return of_frequencies("validation_loss", counts, validated.predicted) if counts and validated else {}

        return Prepared(
            {
                "reader_": reader,
                "condition_size_": 0 if text.condition is None else text.condition.shape[1],
                "baseline_": counts,
            },
            task,
            fingerprint(*_tensors(examples), *_tensors(validated)),
            examples.predictions,
            0 if validated is None else validated.predictions,
            worth,
        )

    def _read(self, X: Any, condition: Any, argument: str = "X") -> Material:
        check_is_fitted(self, "network_")
        material = read_material(X, argument, condition)
        size = 0 if material.condition is None else material.condition.shape[1]
        if size != self.condition_size_:
            raise ArgumentError(
                f"the model was trained with vectors of {self.condition_size_} numbers as condition, and "
                f"{size or 'none'} were given: give a vector of that size for each document"
                if self.condition_size_
                else "the model was trained without condition: leave it out"
            )
        return material

    def _one_condition(self, condition: Any) -> torch.Tensor | None:
        if (condition is not None) != bool(self.condition_size_):
            has = (
                f"a condition of {self.condition_size_} numbers: give" if self.condition_size_ else "no condition: drop"
            )
            raise ArgumentError(f"the model was trained with {has} one")
        return None if condition is None else read_condition(condition, 1, self.condition_size_)[0]

    def _as_one(self, text: Any) -> Any:
        """A text, or the single document, token list or piece of a list."""
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
        read = description["input"]
        if read["condition"] < 0 or not set(tokenizers) <= {"tokenizer"}:
            raise ModelFolderError("its condition or its tokenizers are not those of a language model")
        self.reader_ = Reader.from_json(read, tokenizers.get("tokenizer"), reverse=self.reverse)
        self.condition_size_ = read["condition"]

    def _check_baseline(self, baseline: Baseline) -> None:
        check_baseline(baseline, vocabulary=0 if self.reader_.vocabulary is None else len(self.reader_.vocabulary))

    def _card(self) -> Card:
        return card_of(self.reader_)

    # What insight asks of a task

    def _read_example(self, example: Any) -> list[str]:
        """The name of each step is what it reads; the first one reads what stands before the text."""
        scored = [token for token, _ in self.score_tokens(example)]
        return ["", *scored[:-1]]

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        first, last = read_material(X).split(self.held_out_share(), anywhere=self.tokenizer == "char")
        assert last is not None  # The share is not 0.
        parts = [part.parts[0] if part.kind == "stream" else list(part.parts) for part in (first, last)]
        return parts[0], y, parts[1]

    def _measured_on(self, X: Any, validation: Any, test: Any) -> tuple[Any, Any]:
        return (validation if test is None else test[0]), None

    def _measure(self) -> Measure:
        return Measure("nats a token", f"{PART} tokens of text: nats a token", False)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        return by_part(self.network_, self.reader_.sequences(read_material(X), "X"))


def _characters(material: Material) -> int:
    """The number of characters of texts; 0 for other material."""
    return sum(map(len, material.parts)) if material.kind in ("stream", "documents") else 0


def _tensors(sequences: Sequences | None) -> list[Any]:
    return [] if sequences is None else [sequences.steps, sequences.lengths, sequences.condition]
