"""The network of a many-to-one task: embedding, recurrent layers, pooling, head; beside them a wide linear part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ricorda.data.beside import NOTHING, Beside
from ricorda.nn import Recurrent
from ricorda.nn.sequences import last_outputs
from ricorda.program.ir import Program
from ricorda.tasks.embedding import drop_words, token_embedding
from ricorda.tasks.evaluating import added_up, rows_apart
from ricorda.tasks.many_to_one.pooling import Pooling
from ricorda.tasks.many_to_one.wide import Wide
from ricorda.tasks.scaling import measure_features


@dataclass(frozen=True)
class Sizes:
    """The sizes of a many-to-one network; either `vocabulary` or `features` is set."""

    classes: int
    hidden: int
    layers: int
    bidirectional: bool
    pooling: str
    vocabulary: int = 0
    embedding: int = 0
    features: int = 0
    grams: int = 0
    """Grams of the wide part; without any there is none."""
    beside: Beside = NOTHING
    """What the cell reads beside numbers."""


class ManyToOne(nn.Module):
    """From a sequence to scores of classes, or to numbers.

    Parameters
    ----------
    program : Program
        The cell.
    sizes : Sizes
        Its shape.
    dropout : float
        Dropout on the input and output of the recurrent layers, and between them.
    word_dropout : float
        Probability of reading a token as unknown while training, so that the unknown is learned too.
    memory : int, optional
        Steps that the recurrent layers remember at first; see `Recurrent`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, program: Program, sizes: Sizes, *, dropout: float, word_dropout: float = 0.0, memory: int | None = None
    ) -> None:
        super().__init__()
        self.word_dropout, self.beside = word_dropout, sizes.beside
        if sizes.vocabulary:
            self.embedding = token_embedding(sizes.vocabulary, sizes.embedding)
        else:
            self.register_buffer("mean", torch.zeros(sizes.features))
            self.register_buffer("scale", torch.ones(sizes.features))
        self.dropout = nn.Dropout(dropout)
        self.recurrent = Recurrent(
            program,
            sizes.embedding or sizes.beside.features(sizes.features),
            sizes.hidden,
            sizes.layers,
            bidirectional=sizes.bidirectional,
            dropout=dropout if sizes.layers > 1 else 0.0,
            memory=None if memory is None else int(memory),  # A NumPy integer becomes Python's.
        )
        width = sizes.hidden * (2 if sizes.bidirectional else 1)
        self.pooling = Pooling(sizes.pooling, width)
        self.head = nn.Linear(width, sizes.classes)
        self.wide = Wide(sizes.vocabulary, sizes.grams, sizes.classes) if sizes.grams else None

    def forward(self, inputs: Tensor, lengths: Tensor, offsets: Tensor | None = None) -> Tensor:
        """Scores [B, classes] before the softmax, of token ids [T, B] or numbers [T, B, I] as the encoder gives them.

        The lengths [B] are on the CPU.

        Offsets [B, classes] stand for what the wide part says.
        """
        y, last = self._read(inputs, lengths)
        scores: Tensor = self.head(self.dropout(self.pooling(y, last, lengths)))
        if offsets is None and self.wide is not None:
            offsets = self.wide(inputs, lengths)
        return scores if offsets is None else scores + offsets

    def apart(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """What `forward` says in evaluation mode; each row's scores are, to the last bit, those that it has alone."""
        y, last = self._read(inputs, lengths)
        scores = rows_apart(self.head, self.pooling.apart(y, last, lengths))
        return scores if self.wide is None else scores + self.wide(inputs, lengths, add=added_up)

    @torch.no_grad()
    def weigh(self, deep: float, wide: float = 1.0) -> None:
        """Multiply what the recurrent layers and the wide part say by a factor each, in the weights of both."""
        for weights in self.head.parameters():
            weights.mul_(deep)
        if self.wide is not None:
            self.wide.weights.mul_(wide)
            self.wide.bias.mul_(wide)

    def standardise(self, sequences: Sequence[Tensor]) -> None:
        """Take mean and scale of each feature from training sequences [T, I] of numbers; nothing to do for tokens."""
        if not hasattr(self, "embedding"):
            measure = self.beside.measure if self.beside.mask else measure_features
            measure(sequences, self.mean, self.scale)

    def _read(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The recurrent layers' outputs [T, B, size], and the final ones of both directions [B, size]."""
        x, beside = self._embed(inputs)
        y, state = self.recurrent(self.dropout(x), lengths=lengths, inputs=beside)
        return y, torch.cat(tuple(last_outputs(self.recurrent.stack, y, state, lengths)), dim=1)

    def _embed(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the recurrent layers read, before dropout, and beside it."""
        if inputs.is_floating_point():
            return self.beside.read(inputs, self.mean, self.scale)
        if self.training and self.word_dropout:
            inputs = drop_words(inputs, self.word_dropout)
        return self.embedding(inputs), {}
