"""The network of a tagger: words and their characters, or numbers; recurrent layers; a head at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.beside import NOTHING, Beside
from ricorda.nn import Recurrent
from ricorda.nn.sequences import last_outputs
from ricorda.program.ir import Program
from ricorda.tasks.embedding import token_embedding
from ricorda.tasks.scaling import measure_features
from ricorda.tasks.tag.context import Context, ContextSizes
from ricorda.tasks.tag.crf import LinearChain
from ricorda.tasks.tag.words import Words


@dataclass(frozen=True)
class Sizes:
    """The sizes of a tagger's network; either `vocabulary` or `features` is set."""

    outputs: int
    hidden: int
    layers: int
    bidirectional: bool
    vocabulary: int = 0
    embedding: int = 0
    alphabet: int = 0
    character_embedding: int = 0
    character_hidden: int = 0
    features: int = 0
    beside: Beside = NOTHING
    """What the cell reads beside numbers."""
    numbers: bool = False
    """Whether the outputs are numbers rather than scores of tags."""
    context_alphabet: int = 0
    context: tuple[ContextSizes, ...] = ()
    """Language models of characters that read the sentence too."""


class Aligned(nn.Module):
    """From a sequence to a score of each tag, or to numbers, at every step.

    Parameters
    ----------
    program : Program
        The cell of the recurrent layers, and of those that read a word's characters.
    sizes : Sizes
        Its shape.
    dropout : float
        Dropout on the input and output of the recurrent layers, and between them.
    crf : bool
        Whether neighbouring tags are scored together.
    memory : int, optional
        Steps that the recurrent layers remember at first; see `Recurrent`.
    """

    mean: Tensor
    scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self, program: Program, sizes: Sizes, *, dropout: float, crf: bool = False, memory: int | None = None
    ) -> None:
        super().__init__()
        width, self.beside = sizes.beside.features(sizes.features), sizes.beside
        if sizes.vocabulary:
            self.embedding = token_embedding(sizes.vocabulary, sizes.embedding)
            width = sizes.embedding
        else:
            self.register_buffer("mean", torch.zeros(sizes.features))
            self.register_buffer("scale", torch.ones(sizes.features))
        self.spelling: Recurrent | None = None
        if sizes.vocabulary and sizes.character_hidden:
            self.alphabet = token_embedding(sizes.alphabet, sizes.character_embedding)
            self.spelling = Recurrent(program, sizes.character_embedding, sizes.character_hidden, bidirectional=True)
            width += 2 * sizes.character_hidden
        self.context = Context(program, sizes.context_alphabet, sizes.context) if sizes.context else None
        width += 0 if self.context is None else self.context.width
        self.dropout = nn.Dropout(dropout)
        self.recurrent = Recurrent(
            program,
            width,
            sizes.hidden,
            sizes.layers,
            bidirectional=sizes.bidirectional,
            dropout=dropout if sizes.layers > 1 else 0.0,
            memory=None if memory is None else int(memory),  # A NumPy integer becomes Python's.
        )
        self.head = nn.Linear(sizes.hidden * (2 if sizes.bidirectional else 1), sizes.outputs)
        self.crf = LinearChain(sizes.outputs) if crf else None
        self.numeric = sizes.numbers
        if self.numeric:
            self.register_buffer("target_mean", torch.zeros(sizes.outputs))
            self.register_buffer("target_scale", torch.ones(sizes.outputs))

    def read(self, words: Words) -> Tensor:
        """Vectors [n, D] of distinct words: their embeddings, and the last states over their characters."""
        embedded: Tensor = self.embedding(words.ids)
        if self.spelling is None:
            return embedded
        letters = self.dropout(self.alphabet(words.characters.t()))
        y, state = self.spelling(letters, lengths=words.lengths)
        final = last_outputs(self.spelling.stack, y, state, words.lengths)  # [2, n, H]
        return torch.cat([embedded, final[0], final[1]], dim=1)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Scores, or standardised numbers, [T, B, outputs], of word vectors or numbers [T, B, ...]; lengths [B]."""
        y = self._read(x, lengths)
        scores: Tensor = self.head(self.dropout(y))
        return scores

    def apart(self, x: Tensor, lengths: Tensor) -> Tensor:
        """What `forward` says in evaluation mode; each row's scores are, to the last bit, those that it has alone."""
        y = self._read(x, lengths)
        rows = [self.head(y[:length, row].clone()) for row, length in enumerate(lengths.tolist())]
        return pad_sequence(rows)

    def _read(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The recurrent layers' outputs [T, B, size]."""
        beside: dict[str, Tensor] = {}
        if not hasattr(self, "embedding"):
            x, beside = self.beside.read(x, self.mean, self.scale)
        y: Tensor = self.recurrent(self.dropout(x), lengths=lengths, inputs=beside)[0]
        return y

    def best(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The best tags [T, B] by their scores."""
        return scores.argmax(2) if self.crf is None else self.crf.decode(scores, lengths)

    def probabilities(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Probability of each tag at each step, float64 [T, B, tags]; under a CRF its marginals."""
        scores = scores.double()
        return scores.softmax(2) if self.crf is None else self.crf.marginals(scores, lengths)

    def numbers(self, scores: Tensor) -> Tensor:
        """Standardised numbers [..., outputs] in the units of the training examples."""
        return scores * self.target_scale + self.target_mean

    def standardise(self, inputs: Sequence[Tensor] | None, targets: Sequence[Tensor] | None) -> None:
        """Take mean and scale of each feature from training sequences of numbers; None if there are no numbers."""
        if inputs is not None:
            measure = self.beside.measure if self.beside.mask else measure_features
            measure(inputs, self.mean, self.scale)
        if targets is not None:
            measure_features(targets, self.target_mean, self.target_scale)
