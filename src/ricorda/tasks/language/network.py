"""The network of a language model: embedding, recurrent layers, output; the state goes in and comes out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ricorda.nn import Recurrent
from ricorda.nn.sequences import State
from ricorda.program.ir import Program
from ricorda.tasks.language.output import AdaptiveSoftmax, Keys, Softmax
from ricorda.tasks.scaling import measure_features

EMBEDDING_SCALE = 0.2
"""Standard deviation of a fresh embedding; a tied one, which is also the output's matrix, has half of it."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of the network; either `vocabulary` or `keys` is set."""

    hidden: int
    layers: int
    vocabulary: int = 0
    embedding: int = 0
    keys: int = 0
    condition: int = 0
    tied: bool = False
    adaptive: bool = False


@dataclass(frozen=True)
class Dropouts:
    """The regularisers while training.

    Attributes
    ----------
    plain
        Dropout on the outputs of a recurrent layer, step by step (Zaremba et al. 2014, who drop the embedding's too,
        which costs more than it gives with characters).
    embedding
        Dropout of tokens, everywhere in a batch (Gal, Ghahramani 2016).
    input, state, weight, zoneout
        `input_dropout`, `state_dropout`, `weight_drop` and `zoneout` of `ricorda.nn.Recurrent`.
    """

    plain: float = 0.0
    embedding: float = 0.0
    input: float = 0.0
    state: float = 0.0
    weight: float = 0.0
    zoneout: float = 0.0


class NextStep(nn.Module):
    """From a sequence to what comes next at each step.

    Parameters
    ----------
    program : Program
        The cell.
    sizes : Sizes
        Its shape.
    dropouts : Dropouts
        Its regularisers.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, program: Program, sizes: Sizes, dropouts: Dropouts) -> None:
        super().__init__()
        self.sizes = sizes
        self.dropouts = dropouts
        if sizes.vocabulary:
            self.embedding = nn.Embedding(sizes.vocabulary, sizes.embedding)
            with torch.no_grad():
                self.embedding.weight.mul_(EMBEDDING_SCALE / (2 if sizes.tied else 1))
        self.recurrent = Recurrent(
            program,
            sizes.embedding or sizes.keys,
            sizes.hidden,
            sizes.layers,
            dropout=dropouts.plain if sizes.layers > 1 else 0.0,
            input_dropout=dropouts.input,
            state_dropout=dropouts.state,
            weight_drop=dropouts.weight,
            zoneout=dropouts.zoneout,
        )
        if sizes.condition:
            self.register_buffer("mean", torch.zeros(sizes.condition))
            self.register_buffer("scale", torch.ones(sizes.condition))
            self.opening = nn.Linear(sizes.condition, len(program.states) * sizes.layers * sizes.hidden)
        self.output: Softmax | AdaptiveSoftmax | Keys
        if sizes.keys:
            self.output = Keys(sizes.hidden, sizes.keys)
        elif sizes.adaptive:
            self.output = AdaptiveSoftmax(sizes.hidden, sizes.vocabulary)
        else:
            self.output = Softmax(sizes.hidden, sizes.vocabulary, self.embedding if sizes.tied else None)

    def forward(self, inputs: Tensor, state: State | None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Outputs [T, B, H] and the states after them, of token ids [T, B] or keys [T, B, K]; lengths on the CPU."""
        y, state = self.recurrent(self.embed(inputs), state, lengths=lengths)
        return F.dropout(y, self.dropouts.plain, self.training), state

    def embed(self, inputs: Tensor) -> Tensor:
        """What the recurrent layers read: [T, B, I] of ids [T, B] or keys [T, B, K]."""
        if self.sizes.keys:
            return inputs.to(next(self.parameters()).dtype)
        matrix = self.embedding.weight
        if self.training and self.dropouts.embedding:
            matrix = matrix * F.dropout(matrix.new_ones(len(matrix), 1), self.dropouts.embedding)
        return F.embedding(inputs.long(), matrix)

    def initial(self, condition: Tensor) -> State:
        """The states that sequences with the vectors [B, C] begin with: a tuple of [layers, B, H], or one."""
        standard = (condition - self.mean) / self.scale
        parts = torch.tanh(self.opening(standard)).view(len(standard), -1, self.sizes.layers, self.sizes.hidden)
        states = tuple(part.transpose(0, 1).contiguous() for part in parts.unbind(1))
        return states if len(states) > 1 else states[0]

    def standardise(self, condition: Tensor) -> None:
        """Take mean and deviation of each number from training vectors [N, C]."""
        measure_features([condition], self.mean, self.scale)
