"""Words in their sentence, as language models of characters read them (Akbik, Blythe, Vollgraf 2018).

A model that reads in order has read a word, and all before it, when it has read the word's last character; one that
reads from the end has read it, and all behind it, at the first. What they put out there, 'contextual string
embeddings', stands beside a word's own vector. The models learn no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.vocabulary import Vocabulary
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.tasks.encoding import batches_of_like_length
from ricorda.tasks.language.reading import Reader
from ricorda.tasks.pretrained import Pretrained

CHARACTERS_AT_ONCE = 16_384
"""Characters of a batch of sentences, padding included: this bounds the memory."""

MOST_LAYERS = 1_000
"""Layers of a language model in a folder; more would take long to make before their weights are missed."""


@dataclass(frozen=True)
class Spelled:
    """The characters of a sentence.

    Parameters
    ----------
    ids : int64 [C]
        What stands before the sentence, its characters, and what stands behind it.
    first, last : int64 [T]
        The places of each word's first and last character.
    """

    ids: Tensor
    first: Tensor
    last: Tensor


@dataclass(frozen=True)
class ContextSizes:
    """The sizes of a language model of characters, and whether it reads from the end."""

    reverse: bool
    embedding: int
    hidden: int
    layers: int


@dataclass(frozen=True)
class Spelling:
    """How sentences are spelled for language models, and the sizes of the models.

    Parameters
    ----------
    reader : Reader
        The models' own; that of the first is that of both, but for the direction.
    sizes : tuple of ContextSizes
        One for each model.
    """

    reader: Reader
    sizes: tuple[ContextSizes, ...]

    @classmethod
    def of(cls, begun: Pretrained) -> Spelling:
        """The spelling for some models; raises ArgumentError if their tokens are no characters."""
        reader = begun.models[0].reader_
        if reader.vocabulary.kind != "char":
            raise ArgumentError(
                f"pretrained is a model of tokens of the kind {reader.vocabulary.kind!r}, and a tagger reads words "
                "character by character: train it with --tokenizer char"
            )
        sizes = (
            ContextSizes(bool(model.reverse), int(model.embedding_size), int(model.hidden_size), int(model.num_layers))
            for model in begun.models
        )
        return cls(reader, tuple(sizes))

    def spell(self, words: Sequence[str]) -> Spelled:
        """The characters of a sentence's words, a space between them."""
        vocabulary = self._vocabulary
        parts = [vocabulary.ids(vocabulary.split(word)).tolist() or [0] for word in words]
        space, edge = vocabulary.ids([" "]).tolist(), [] if self.reader.before is None else [self.reader.before]
        ids, first, last = list(edge), list[int](), list[int]()
        for part in parts:
            first.append(len(ids))
            last.append(len(ids) + len(part) - 1)
            ids += [*part, *space]
        return Spelled(torch.tensor([*ids[:-1], *edge]), torch.tensor(first), torch.tensor(last))

    def description(self) -> dict[str, Any]:
        """All that `restored` needs besides the tokeniser, as JSON."""
        return {**self.reader.to_json(), "models": [asdict(sizes) for sizes in self.sizes]}

    @classmethod
    def restored(cls, description: Mapping[str, Any], tokenizer: Tokenizer) -> Spelling:
        """The spelling that `description` wrote; raises ModelFolderError if it is invalid."""
        models = [ContextSizes(**sizes) for sizes in description["models"]]
        numbers = [number for sizes in models for number in (sizes.embedding, sizes.hidden, sizes.layers)]
        right = all(type(number) is int and number > 0 for number in numbers)
        if not models or not right or max(sizes.layers for sizes in models) > MOST_LAYERS:
            raise ModelFolderError("its models of characters have no sizes")
        reader = Reader.from_json(description, tokenizer)
        if reader.vocabulary is None or reader.vocabulary.kind != "char":
            raise ModelFolderError("its models of characters read no characters")
        return cls(reader, tuple(models))

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokeniser of characters."""
        return self._vocabulary.tokenizer

    @property
    def _vocabulary(self) -> Vocabulary:
        assert self.reader.vocabulary is not None
        return self.reader.vocabulary


class Context(nn.Module):
    """Language models of characters that learn no more.

    Parameters
    ----------
    program : Program
        Their cell.
    alphabet : int
        Characters that they know.
    sizes : sequence of ContextSizes
        One for each.
    """

    def __init__(self, program: Program, alphabet: int, sizes: Sequence[ContextSizes]) -> None:
        super().__init__()
        self.sizes = sizes
        self.embeddings = nn.ModuleList(nn.Embedding(alphabet, one.embedding) for one in sizes)
        self.readers = nn.ModuleList(Recurrent(program, one.embedding, one.hidden, one.layers) for one in sizes)
        self.requires_grad_(False)

    @property
    def width(self) -> int:
        """Numbers for a word."""
        return sum(one.hidden for one in self.sizes)

    def begin(self, begun: Pretrained) -> None:
        """Take the weights of the language models."""
        for embedding, reader, model in zip(self.embeddings, self.readers, begun.models, strict=True):
            embedding.load_state_dict(model.network_.embedding.state_dict())
            reader.load_state_dict(model.network_.recurrent.state_dict())

    def forward(self, sentences: Sequence[Spelled]) -> Tensor:
        """The words of sentences in their context, [T, B, width], in half precision; zeros beyond a sentence's end."""
        device = next(self.parameters()).device
        lengths = torch.tensor([len(sentence.ids) for sentence in sentences])
        parts = []
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            for one, embedding, reader in zip(self.sizes, self.embeddings, self.readers, strict=True):
                ids = [sentence.ids.flip(0) if one.reverse else sentence.ids for sentence in sentences]
                y, _ = reader(embedding(pad_sequence(ids).to(device)), lengths=lengths)
                places = [len(s.ids) - 1 - s.first if one.reverse else s.last for s in sentences]
                words = [y[where.to(device), row] for row, where in enumerate(places)]
                parts.append(pad_sequence(words))
        return torch.cat(parts, dim=2).half()  # They are most of what a training keeps in memory.

    def of_each(self, sentences: Sequence[Spelled]) -> list[Tensor]:
        """The words of each sentence in their context, [T, width] in half precision, on the CPU."""
        contexts: list[Any] = [None] * len(sentences)
        for rows in self._batches(sentences):
            batch = self([sentences[row] for row in rows]).cpu()
            for column, row in enumerate(rows):
                contexts[row] = batch[: len(sentences[row].last), column].clone()
        return contexts

    def _batches(self, sentences: Sequence[Spelled]) -> Iterator[list[int]]:
        return batches_of_like_length([len(sentence.ids) for sentence in sentences], CHARACTERS_AT_ONCE)
