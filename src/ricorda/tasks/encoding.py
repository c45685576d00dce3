"""From a task's inputs to tensors: token ids for texts and token lists, float32 for numbers; and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.beside import NOTHING, Beside
from ricorda.data.inputs import ONE_OF, Kind, place_of, read_inputs
from ricorda.data.places import Place
from ricorda.data.tokenization import PADDING, encode, train_tokenizer
from ricorda.errors import DataError

LONGEST = 10_000
"""Steps that a sequence may have if no max_length is set; a longer one is probably a mistake in the data."""

STEPS_AT_ONCE = 32_768
"""Steps, padding included, that a batch of predictions may have: this bounds the memory."""


@dataclass
class Encoder:
    """How a model reads its inputs.

    Parameters
    ----------
    kind : {"texts", "tokens", "numbers"}
        The kind of input that it was trained on.
    max_length : int, optional
        Steps after which a sequence is cut.
    tokenizer : Tokenizer, optional
        The tokeniser of texts and token lists.
    features : int
        Features I of numbers.
    longest : int, optional
        A sequence of more steps that is not cut is refused; None refuses none.
    beside : Beside
        What the cell reads beside numbers.
    """

    kind: Kind
    max_length: int | None
    tokenizer: Tokenizer | None = None
    features: int = 0
    longest: int | None = LONGEST
    beside: Beside = NOTHING

    @classmethod
    def learn(
        cls,
        kind: Kind,
        inputs: Sequence[Any],
        *,
        max_length: int | None,
        tokenizer: str,
        vocab_size: int,
        min_frequency: int,
        lowercase: bool,
    ) -> Encoder:
        """Learn an encoder from training examples; for the tokeniser's parameters see `train_tokenizer`."""
        if kind == "numbers":
            return cls(kind, max_length, features=inputs[0].shape[1])
        trained = train_tokenizer(
            tokenizer if kind == "texts" else "word",  # Token lists are taken as they stand.
            inputs,
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            lowercase=lowercase,
        )
        return cls(kind, max_length, trained)

    @property
    def vocabulary(self) -> int:
        """Number of token ids; 0 for numbers."""
        return 0 if self.tokenizer is None else self.tokenizer.get_vocab_size()

    @property
    def width(self) -> int:
        """Numbers a step of an encoded sequence of numbers; 0 for texts and token lists."""
        return self.beside.width(self.features)

    def read(self, X: Any, argument: str = "X") -> list[Tensor]:
        """A user's examples, checked and encoded; raises as `encode` and `read_inputs` do."""
        kind, inputs = read_inputs(X, argument, missing=self.beside.mask)
        return self.encode(kind, inputs, place_of(X, argument))

    def encode(self, kind: Kind, inputs: Sequence[Any], place: Place) -> list[Tensor]:
        """Each input as int64 ids [T] or float32 numbers [T, I], with what `beside` puts behind them.

        Raises
        ------
        DataError
            If the inputs are of another kind or size than the model was trained on, or one is too long.
        """
        if kind != self.kind:
            raise DataError(f"{place(0)} has {ONE_OF[kind]}, and the model was trained on {self.kind}: give it those")
        if self.tokenizer is None:
            for index, array in enumerate(inputs):
                self._check_features(array, place(index))
            sequences = [self.beside.encoded(array) for array in inputs]
        else:
            sequences = [torch.tensor(ids) for ids in encode(self.tokenizer, inputs)]
        for index, sequence in enumerate(sequences):
            if self.max_length is None and self.longest is not None and len(sequence) > self.longest:
                raise DataError(
                    f"{place(index)} has {len(sequence):,} steps, more than {self.longest:,}: shorten it, or train "
                    "with max_length, the number of steps after which a sequence is cut"
                )
        return [sequence[: self.max_length] for sequence in sequences]

    def _check_features(self, array: Any, where: str) -> None:
        if self.features and array.shape[1] != self.features:
            raise DataError(
                f"{where} has {array.shape[1]} features a step, "
                f"and the model was trained on {self.features}: give it as many"
            )
        if trouble := self.beside.trouble(array):
            raise DataError(f"{where} {trouble}")


def collate(sequences: Sequence[Tensor], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """A batch [T, B, ...] padded at the ends, and its lengths [B] on the CPU."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return pad_sequence(list(sequences), padding_value=PADDING).to(device), lengths


def batches_of_like_length(lengths: Sequence[int], steps: int | None = None) -> Iterator[list[int]]:
    """Row numbers of batches for prediction: rows of like length together, so that there is little padding.

    Parameters
    ----------
    lengths : sequence of int
        Steps of each row.
    steps : int, optional
        The most steps of a batch, padding included; STEPS_AT_ONCE by default. A longer row is a batch of its own.
    """
    most, rows = steps or STEPS_AT_ONCE, list[int]()
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) + 1) * lengths[row] > most:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
