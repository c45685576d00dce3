"""A seventh task, whole: two texts in, one class out. Nothing in `src/` knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import ClassifierMixin
from torch import Tensor, nn

from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import parts_of, split_rows
from ricorda.nn import Recurrent
from ricorda.tasks.encoding import Encoder, collate
from ricorda.tasks.estimator import Card, Prepared, SequenceEstimator, pair_of
from ricorda.tasks.measure import Measure
from ricorda.tasks.parameters import Embedding
from ricorda.training.task import Task


@dataclass(repr=False, eq=False, kw_only=True)
class PairParameters(Embedding):
    hidden_size: int = 16
    embedding_size: int = 16
    min_frequency: int = 1


class Pair(nn.Module):
    def __init__(self, program: Any, tokens: int, embedding: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.embedding, self.recurrent = nn.Embedding(tokens, embedding), Recurrent(program, embedding, hidden)
        self.head = nn.Linear(3 * hidden, classes)

    def read(self, texts: list[Tensor]) -> Tensor:
        tokens, lengths = collate(texts, self.head.weight.device)
        state = self.recurrent(self.embedding(tokens), lengths=lengths)[1]
        return (state[0] if isinstance(state, tuple) else state)[-1]

    def forward(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        a, b = self.read([first for first, _ in pairs]), self.read([second for _, second in pairs])
        return self.head(torch.cat([a, b, (a - b).abs()], 1))


class Pairing(Task):
    def __init__(self, module: Pair, pairs: list[Any], y: Any, held: list[Any], held_y: Any) -> None:
        self.module, self.pairs, self.y, self.held, self.held_y = module, pairs, torch.tensor(y), held, np.array(held_y)
        self.lengths = [len(first) + len(second) for first, second in pairs]

    def loss(self, rows: Any) -> tuple[Tensor, Tensor]:
        scores = self.module([self.pairs[row] for row in rows])
        return F.cross_entropy(scores, self.y[rows].to(scores.device), reduction="sum"), torch.tensor(float(len(rows)))

    def validate(self) -> dict[str, float]:
        scores = self.module(self.held).cpu()
        right = float((scores.argmax(1).numpy() == self.held_y).mean())
        loss = float(F.cross_entropy(scores, torch.from_numpy(self.held_y)))
        return {"score": right, "accuracy": right, "validation_loss": loss}


class PairClassifier(ClassifierMixin, SequenceEstimator, PairParameters):
    """Gives a class to two texts."""

    TASK: ClassVar[str] = "pair"
    SCORES: ClassVar[Mapping[str, str]] = {"accuracy": "accuracy", "validation_loss": "log loss (nats)"}
    SHAPE: ClassVar[Any] = {"classes": list}

    def _texts(self, encoder: Encoder, X: Any) -> list[tuple[Tensor, Tensor]]:
        sides = [encoder.encode("texts", side, str) for side in zip(*getattr(X, "inputs", X), strict=True)]
        return list(zip(*sides, strict=True))

    def _prepare(self, X: Any, y: Any, validation: Any, seed: int) -> Prepared:
        if validation is None:
            X, y, validation = self._hold_out(X, y, seed)
        classes, (held_X, held_y) = np.unique(y), pair_of(validation)
        texts = [text for pair in getattr(X, "inputs", X) for text in pair]
        words = {name: getattr(self, name) for name in ("vocab_size", "min_frequency", "lowercase")}
        encoder = Encoder.learn("texts", texts, max_length=None, tokenizer="word", **words)
        pairs, held = self._texts(encoder, X), self._texts(encoder, held_X)
        indices = [np.searchsorted(classes, labels) for labels in (y, held_y)]
        learned = {"classes_": classes, "encoder_": encoder}
        data = fingerprint(pairs, held, *indices)
        return Prepared(
            learned, lambda net: Pairing(net, pairs, indices[0], held, indices[1]), data, len(pairs), len(held)
        )

    def predict(self, X: Any) -> Any:
        with torch.inference_mode():
            return self.classes_[self.network_(self._texts(self.encoder_, X)).argmax(1).cpu().numpy()]

    def _network(self, program: Any) -> Pair:
        return Pair(program, self.encoder_.vocabulary, self.embedding_size, self.hidden_size, len(self.classes_))

    def _description(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist()}

    def _tokenizers(self) -> dict[str, Any]:
        return {"tokenizer": self.encoder_.tokenizer}

    def _restore(self, description: Any, tokenizers: Any) -> None:
        self.classes_, self.encoder_ = np.array(description["classes"]), Encoder("texts", None, *tokenizers.values())

    def _card(self) -> Card:
        return Card("A classifier of pairs", "It gives two texts a class.", [], "It knows its examples.")

    def _read_example(self, example: Any) -> list[str]:
        self.predict([example])
        return list(example[0].split())

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        return parts_of(X, y, *split_rows(len(y), self.validation_fraction, seed, "pair"))

    def _measure(self) -> Measure:
        return Measure("accuracy", "a pair: right (1) or wrong (0)", True, share=True)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        return self.predict(X) == np.asarray(y), np.ones(len(y))
