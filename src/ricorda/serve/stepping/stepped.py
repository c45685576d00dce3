"""Models that take one step at a time: what a step is for each task, and what is said after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ricorda.errors import ArgumentError, DataError
from ricorda.export.model import network_of
from ricorda.serve.stepping.layers import LayerSteps
from ricorda.serve.stepping.session import Session
from ricorda.tasks.encoding import LONGEST
from ricorda.tasks.evaluating import added_up, rows_apart

Array = np.ndarray[Any, np.dtype[Any]]

WAY = "a stream of steps"

MOST_STEPS = 1_000_000
"""Steps of a session at most."""

NUMBERS = {int, float}
"""The types of JSON's numbers."""

TOP = 5
"""Tokens that a language model names as the next ones."""


class Stepped(ABC):
    """A model that takes steps.

    Attributes
    ----------
    features : int
        Numbers of a step; 0 of one that reads tokens.
    work : int
        Multiplications of a step.
    most : int
        Steps of a session at most.
    """

    features = 0
    work = 0
    most = MOST_STEPS

    @abstractmethod
    def begin(self) -> Session:
        """A session before its first step."""

    @abstractmethod
    def read(self, step: Any) -> list[Any]:
        """A client's step as the steps of the network: a piece of text may be several; raises DataError."""

    @abstractmethod
    def take(self, sessions: Sequence[Session], steps: Sequence[Any]) -> None:
        """Take a step of each session."""

    @abstractmethod
    def say(self, sessions: Sequence[Session]) -> list[Array]:
        """What the model says after the last step of each: an array of numbers."""

    @abstractmethod
    def tell(self, session: Session, said: Array) -> dict[str, Any]:
        """The same as JSON."""

    def read_bytes(self, data: bytes) -> list[Any]:
        """A step as float32 numbers, or int32 ids of tokens, little-endian."""
        if self.features:
            if len(data) != 4 * self.features:
                raise DataError(
                    f"a step of {len(data)} bytes was sent: send {self.features} numbers of float32, "
                    f"{4 * self.features} bytes"
                )
            return self.read(np.frombuffer(data, "<f4").tolist())
        return self.read_ids(data)

    def read_ids(self, data: bytes) -> list[Any]:
        """Ids of tokens; raises DataError."""
        raise DataError("this model reads no bytes: send its steps as JSON")


class NetworkStepped(Stepped):
    """A model whose recurrent layers take the steps: an embedding or numbers before them, a head behind them."""

    def __init__(self, model: Any) -> None:
        self.model, self.network = model, model.network_
        self.layers = LayerSteps(self.network.recurrent)
        self.vocabulary = 0
        if hasattr(self.network, "embedding"):
            self.embedding = self.network.embedding.weight.detach().float().cpu().numpy()
            self.vocabulary = len(self.embedding)
        else:
            self.features = len(self.network.mean)
            self.mean, self.scale = (part.detach().float().cpu() for part in (self.network.mean, self.network.scale))
        self.work = self.layers.work

    def begin(self) -> Session:
        """The states, the last output, and what `_more` adds."""
        output = np.zeros(self.layers.width, np.float32)
        return Session({"states": self.layers.begin(), "output": output, **self._more()})

    def _more(self) -> dict[str, Array]:
        """What a session keeps besides the states."""
        return {}

    def take(self, sessions: Sequence[Session], steps: Sequence[Any]) -> None:
        """Take a step of each session."""
        if self.vocabulary:
            x = self.embedding[list(steps)]
        else:
            x = ((torch.from_numpy(np.stack(steps)) - self.mean) / self.scale).numpy()
        outputs, states = self.layers.step(x, [session.arrays["states"] for session in sessions])
        for session, step, y, state in zip(sessions, steps, outputs, states, strict=True):
            session.arrays["states"], session.arrays["output"] = state, y.copy()
            session.steps += 1
            self._keep(session, step, y)

    def _keep(self, session: Session, step: Any, y: Array) -> None:
        """Keep what the task needs of a step besides the states."""

    def read_ids(self, data: bytes) -> list[Any]:
        """Ids of tokens, int32."""
        ids = np.frombuffer(data, "<i4") if len(data) % 4 == 0 else np.zeros(0, np.int32)
        if not len(ids) or not ((ids >= 0) & (ids < self.vocabulary)).all():
            raise DataError(f"a step of bytes is ids of tokens, int32 from 0 to {self.vocabulary - 1}, at least one")
        return [int(id) for id in ids]

    def _numbers(self, step: Any) -> list[Any]:
        """A step of numbers: a list of them, or a number alone where there is one."""
        step = [step] if type(step) in NUMBERS else step
        # A step takes some 100 us with all that is around it, so that this has to be quick.
        if type(step) is not list or len(step) != self.features or not NUMBERS.issuperset(map(type, step)):
            raise DataError(f'a step is a list of {self.features} numbers: send it as in {{"step": [...]}}')
        try:
            with np.errstate(over="ignore"):
                row = np.array(step, np.float32)
        except OverflowError:
            row = np.array([np.inf])
        if not np.isfinite(row).all():
            raise DataError("a step has a number that is not finite: replace it")
        return [row]


class ManyToOneStepped(NetworkStepped):
    """A classifier or regressor: after each step it says what `ricorda predict --json` says of all so far."""

    def __init__(self, model: Any) -> None:
        network = network_of(model, WAY)
        if network.pooling == "attention":
            raise ArgumentError(
                "attention looks at all steps together: train the model with --pooling last, mean or max"
            )
        if model.encoder_.beside != type(model.encoder_.beside)():
            raise ArgumentError(
                "the cell reads elapsed times or masks beside numbers, and a stream has none: use predict"
            )
        super().__init__(model)
        self.kind = network.pooling
        if self.network.wide is not None:
            self.most = LONGEST

    def _more(self) -> dict[str, Array]:
        more: dict[str, Array] = {}
        if self.kind != "last":
            more["pooled"] = np.full(self.network.head.in_features, 0.0 if self.kind == "mean" else -np.inf, np.float32)
        if self.network.wide is not None:
            more["ids"] = np.zeros(0, np.int32)
        return more

    def read(self, step: Any) -> list[Any]:
        """A list of numbers, or a text, whose tokens are read one after the other, or a token."""
        if self.features:
            return self._numbers(step)
        if not isinstance(step, str):
            raise DataError('a step is a piece of text: send it as in {"step": "a word"}')
        text = step if self.model.encoder_.kind == "texts" else [step]
        return [int(id) for id in self.model.encoder_.read([text], "step")[0]]

    def _keep(self, session: Session, step: Any, y: Array) -> None:
        arrays = session.arrays
        if self.kind == "mean":
            arrays["pooled"] = arrays["pooled"] + y
        elif self.kind == "max":
            arrays["pooled"] = np.maximum(arrays["pooled"], y)
        if "ids" in arrays:
            arrays["ids"] = np.append(arrays["ids"], np.int32(step))

    def take(self, sessions: Sequence[Session], steps: Sequence[Any]) -> None:
        """Take a step of each session; those after the model's `max_length` are not read, as in predictions."""
        most = self.model.max_length
        if most is not None:
            pairs = [pair for pair in zip(sessions, steps, strict=True) if pair[0].steps < most]
            if not pairs:
                return
            sessions, steps = zip(*pairs, strict=True)
        super().take(sessions, steps)

    def say(self, sessions: Sequence[Session]) -> list[Array]:
        """Probabilities of the classes, or numbers."""
        name = "output" if self.kind == "last" else "pooled"
        vectors = torch.from_numpy(np.stack([session.arrays[name] for session in sessions]))
        with torch.inference_mode():
            if self.kind == "mean":
                vectors = vectors / torch.tensor([session.steps for session in sessions]).to(vectors)[:, None]
            scores = rows_apart(self.network.head, vectors.to(self.network.head.weight.device))
            if self.network.wide is not None:
                scores = torch.cat([row + self._wide(one) for row, one in zip(scores, sessions, strict=True)])
            scores = scores.double()
            if self.model.TASK == "classify":
                return list(scores.softmax(1).cpu().numpy())
            return list(self.model.scaling_.undo(scores.cpu().numpy()))

    def _wide(self, session: Session) -> Tensor:
        ids = torch.from_numpy(session.arrays["ids"].astype(np.int64))[:, None]
        wide: Tensor = self.network.wide(ids, torch.tensor([len(ids)]), add=added_up)
        return wide

    def tell(self, session: Session, said: Array) -> dict[str, Any]:
        """The answer of `ricorda predict --json`."""
        answer: dict[str, Any] = self.model.answer_of(said)
        return answer


class TagStepped(NetworkStepped):
    """A tagger that reads from the beginning alone: the tag of each word when it comes, or its numbers."""

    def __init__(self, model: Any) -> None:
        network_of(model, WAY)
        if getattr(model.network_, "beside", None) not in (None, type(model.network_.beside)()):
            raise ArgumentError(
                "the cell reads elapsed times or masks beside numbers, and a stream has none: use predict"
            )
        super().__init__(model)

    def read(self, step: Any) -> list[Any]:
        """A word, or a list of numbers."""
        if self.features:
            return self._numbers(step)
        if not isinstance(step, str) or not step or step.split() != [step]:
            raise DataError('a step is a word: send it as in {"step": "gatto"}')
        words, (numbers,) = self.model.reading_.vocabulary.read([[step]])
        return [int(words.ids[numbers[0]])]

    def say(self, sessions: Sequence[Session]) -> list[Array]:
        """Probabilities of the tags, or numbers."""
        with torch.inference_mode():
            rows = torch.from_numpy(np.stack([session.arrays["output"] for session in sessions]))
            scores = rows_apart(self.network.head, rows.to(self.network.head.weight.device))
            if self.model.classes_ is None:
                return list(self.network.numbers(scores).double().cpu().numpy())
            return list(scores.double().softmax(1).cpu().numpy())

    def tell(self, session: Session, said: Array) -> dict[str, Any]:
        """The tag with its probability, or the numbers."""
        if self.model.classes_ is None:
            return {"numbers": said.tolist()}
        best = int(said.argmax())
        return {"tag": self.model.classes_[best].item(), "probability": float(said[best])}


class LanguageStepped(NetworkStepped):
    """A language model: how probable the last token was, and which come next."""

    def __init__(self, model: Any) -> None:
        if model.reader_.kind == "music":
            raise ArgumentError("a stream has one token a step, and the model reads music: use it from Python")
        if model.reverse:
            raise ArgumentError("the model reads from the end, so that it takes no steps: take one without reverse")
        network_of(model, WAY)
        super().__init__(model)
        output = self.network.output
        self.head = nn.Sequential(output.between, output.linear)

    def begin(self) -> Session:
        """A session that has read what stands before every text."""
        session = super().begin()
        session.arrays["last"] = np.zeros(1, np.float64)
        before = self.model.reader_.before
        if before is not None:
            self.take([session], [before])
            session.arrays["last"], session.steps = np.full(1, np.inf), 0
        return session

    def read(self, step: Any) -> list[Any]:
        """A piece of text, whose tokens are read one after the other, or a token of a list."""
        if not isinstance(step, str) or not step:
            raise DataError('a step is a piece of text: send it as in {"step": "a"}')
        text = [step] if self.model.reader_.kind == "tokens" else step
        return [int(id) for id in self.model.reader_.read(text, "step")]

    def take(self, sessions: Sequence[Session], steps: Sequence[Any]) -> None:
        """Take a step of each session, and keep how probable it was."""
        begun = [session for session in sessions if session.arrays["output"].any()]
        said = dict(zip(map(id, begun), self.say(begun), strict=True)) if begun else {}
        for session, step in zip(sessions, steps, strict=True):
            known = said.get(id(session))
            session.arrays["last"] = np.full(1, np.inf if known is None else known[step])
        super().take(sessions, steps)

    def say(self, sessions: Sequence[Session]) -> list[Array]:
        """The log-probability of each token to be the next."""
        with torch.inference_mode():
            rows = torch.from_numpy(np.stack([session.arrays["output"] for session in sessions]))
            scores = rows_apart(self.head, rows.to(self.network.output.linear.weight.device))
            return list(F.log_softmax(scores.double(), 1).cpu().numpy())

    def tell(self, session: Session, said: Array) -> dict[str, Any]:
        """The log-probability of the last token, and the most probable next ones."""
        last = float(session.arrays["last"][0])
        best = np.argsort(-said, kind="stable")[:TOP]
        following = [{"token": self.model._shown(int(id)), "probability": float(np.exp(said[id]))} for id in best]
        return {"log_probability": None if last == np.inf else last, "next": following}
