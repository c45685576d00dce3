"""The network of a translator: an encoder, a learned bridge to a decoder, attention, and scores of the next token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ricorda.data.tokenization import PADDING, UNKNOWN
from ricorda.nn import Recurrent
from ricorda.nn.sequences import states_of
from ricorda.program.ir import Program
from ricorda.tasks.embedding import EMBEDDING_SCALE
from ricorda.tasks.translate.attention import Attention, SourceMemory

BOUNDARY = PADDING
"""The token that begins and ends a translation: no text has padding's id, and padded steps are never read."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a translator's network."""

    source_vocabulary: int
    target_vocabulary: int
    embedding: int
    hidden: int
    layers: int
    bidirectional: bool
    attention: str | None
    input_feeding: bool
    tied: bool
    shared: bool


@dataclass(frozen=True)
class Started:
    """Sources that were read, and the state of their decoder.

    Parameters
    ----------
    memory : SourceMemory, optional
        The attention's memory; None without attention.
    state : tuple of Tensor [.., rows, size]
        The decoder's states; under input feeding also the last step's input of the output layer. Rows of one source are
        neighbours.
    """

    memory: SourceMemory | None
    state: tuple[Tensor, ...]


class EncoderDecoder(nn.Module):
    """From source tokens to scores of each next target token.

    Parameters
    ----------
    program : Program
        The cell of encoder and decoder.
    sizes : Sizes
        Its shape.
    dropout : float
        Dropout on embeddings, between layers, on the decoder's states and before the output layer.
    """

    def __init__(self, program: Program, sizes: Sizes, *, dropout: float) -> None:
        super().__init__()
        self.sizes = sizes
        self.dropout = nn.Dropout(dropout)
        between = dropout if sizes.layers > 1 else 0.0
        E, H, layers = sizes.embedding, sizes.hidden, sizes.layers
        directions = 2 if sizes.bidirectional else 1
        self.target_embedding = _embedding(sizes.target_vocabulary, E)
        self.source_embedding = self.target_embedding if sizes.shared else _embedding(sizes.source_vocabulary, E)
        self.encoder = Recurrent(program, E, H, layers, bidirectional=sizes.bidirectional, dropout=between)
        self.bridges = nn.ModuleList(nn.Linear(directions * H, H) for _ in program.states for _ in range(layers))
        width = E if sizes.tied else H
        self.decoder = Recurrent(program, E + (width if sizes.input_feeding else 0), H, layers, dropout=between)
        self.attention = None if sizes.attention is None else Attention(sizes.attention, H, directions * H)
        self.combine = nn.Linear(H + (directions * H if sizes.attention else 0), width)
        self.output = nn.Linear(width, sizes.target_vocabulary)
        if sizes.tied:
            self.output.weight = self.target_embedding.weight

    def start(self, sources: Tensor, lengths: Tensor) -> Started:
        """Read source tokens [S, B] of lengths [B] (on the CPU)."""
        y, state = self.encoder(self.dropout(self.source_embedding(sources)), lengths=lengths)
        initial = []
        for number, final in enumerate(states_of(state)):
            levels = final.view(self.sizes.layers, -1, *final.shape[1:])  # [layers, directions, B, H]
            ends = torch.stack(
                [
                    self.bridges[number * self.sizes.layers + layer](torch.cat(tuple(level), 1))
                    for layer, level in enumerate(levels)
                ]
            )
            shown = number == 0 and not self.encoder.program.output  # The first state is an output.
            initial.append((ends.tanh() if shown else ends).to(y.dtype))
        if self.sizes.input_feeding:
            initial.append(y.new_zeros(1, sources.shape[1], self.combine.out_features))
        memory = None if self.attention is None else self.attention.memory(y.transpose(0, 1).contiguous(), lengths)
        return Started(memory, tuple(initial))

    def forward(self, started: Started, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The input of the output layer at all steps, [N, width], N the sum of the lengths, row after row.

        Parameters
        ----------
        started : Started
            The sources, a row for each target.
        inputs : int Tensor [T, B]
            The token before each step, the first a BOUNDARY.
        lengths : int Tensor [B], on the CPU
            Steps of each row.
        """
        return self.teach(started, inputs, lengths)[0]

    def teach(self, started: Started, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """`forward`, and the attention's weights [B, T, S]."""
        x = self.dropout(self.target_embedding(inputs))
        alive = (torch.arange(len(inputs)) < lengths.unsqueeze(1)).to(inputs.device)  # [B, T]
        if self.sizes.input_feeding:
            return self._teach_fed(started, x, alive)
        y, _ = self.decoder(x, _as_argument(started.state), lengths=lengths)
        states, weights = self.dropout(y).transpose(0, 1), None
        read = None
        if self.attention is not None:
            assert started.memory is not None
            read, weights = self.attention(states, started.memory)
        return self._combined(states[alive], None if read is None else read[alive]), weights

    def _teach_fed(self, started: Started, x: Tensor, alive: Tensor) -> tuple[Tensor, Tensor | None]:
        steps, weights, state = [], [], started.state
        for step in torch.split(x, 1):
            features, state, weight = self._step(step, state, started.memory)
            steps.append(features)
            weights += [] if weight is None else [weight]
        return torch.stack(steps, 1)[alive], torch.cat(weights, 1) if weights else None

    def step(self, tokens: Tensor, started: Started) -> tuple[Tensor, Started, Tensor | None]:
        """Scores [rows, vocabulary] of the token after `tokens` [rows], the state after them, and weights [B, n, S].

        No translation has an unknown token: its score is -inf.
        """
        x = self.dropout(self.target_embedding(tokens)).unsqueeze(0)
        features, state, weights = self._step(x, started.state, started.memory)
        scores = self.output(features).float() if features.dtype is torch.bfloat16 else self.output(features)
        scores[:, UNKNOWN] = -torch.inf
        return scores, Started(started.memory, state), weights

    def loss(self, features: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """The sum over tokens [N] of their cross-entropy, smoothed (Szegedy et al. 2016), under features [N, width]."""
        return F.cross_entropy(self.output(features), targets, label_smoothing=smoothing, reduction="sum")

    def _step(
        self, x: Tensor, state: tuple[Tensor, ...], memory: SourceMemory | None
    ) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
        """One step of x [1, rows, E]: features [rows, width], states, and weights [B, rows of a source, S]."""
        fed = self.sizes.input_feeding
        states = state[:-1] if fed else state
        y, after = self.decoder(torch.cat([x, state[-1]], dim=2) if fed else x, _as_argument(states))
        query, read, weights = self.dropout(y[0]), None, None
        if self.attention is not None:
            assert memory is not None
            vectors, weights = self.attention(query.view(len(memory.values), -1, query.shape[1]), memory)
            read = vectors.flatten(0, 1)
        features = self._combined(query, read)
        after = states_of(after)
        return features, (*after, features.unsqueeze(0)) if fed else after, weights

    def _combined(self, states: Tensor, read: Tensor | None) -> Tensor:
        """The attentional vector tanh(W [c; h]) (Luong et al. 2015, equation 5), or the state if nothing was read."""
        whole = states if read is None else torch.cat([read, states], dim=-1)
        vector: Tensor = self.dropout(self.combine(whole).tanh())
        return vector


def _as_argument(states: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    return states if len(states) > 1 else states[0]


def _embedding(entries: int, size: int) -> nn.Embedding:
    embedding = nn.Embedding(entries, size)  # Padding's id is the BOUNDARY, so it is not zero.
    with torch.no_grad():
        embedding.weight.mul_(EMBEDDING_SCALE)
    return embedding
