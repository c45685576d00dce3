"""Exported models in the place of the trained ones: an estimator whose network is a file on ONNX Runtime.

For each task there is a class that has what the task asks of its network when it predicts, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.tokenization import PADDING
from ricorda.errors import ArgumentError, DataError, RicordaError
from ricorda.export.to_onnx.models import beside, hash_of
from ricorda.export.to_onnx.session import Session
from ricorda.export.to_onnx.translate import ENCODER
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.forecast.heads import Head
from ricorda.tasks.loading import without_network
from ricorda.tasks.registry import TASKS, estimator_of
from ricorda.tasks.tag.words import LONGEST_WORD, Words
from ricorda.tasks.translate.attention import SourceMemory
from ricorda.tasks.translate.network import Started


def open_exported(path: str | Path) -> SequenceEstimator:
    """A model that predicts by an exported file, with the tokenisers that stand beside it.

    Raises
    ------
    ArgumentError
        If the package onnxruntime is missing.
    DataError
        If the file is damaged, foreign or only a layer, or a tokeniser is missing or another one.
    """
    path = Path(path)
    session = Session(path)
    task = session.text("task")
    if task not in RUNS or task not in TASKS:
        holds = "a layer alone" if task == "layer" else f"a model of the task {task!r:.40}"
        raise DataError(f"{path} holds {holds}, for which there is no command: run it by ONNX Runtime itself")
    config = session.says("config")
    try:
        tokenizers = {name: _tokenizer(path, name, wanted) for name, wanted in session.says("tokenizers").items()}
        model: Any = without_network(estimator_of(task), config, tokenizers)
        model.network_ = RUNS[task](session, model)
    except (ArgumentError, DataError):
        raise
    except Exception as error:  # tokenizers raises bare Exceptions, and the metadata may hold anything.
        reason = str(error) if isinstance(error, RicordaError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{path} does not hold together ({reason:.200}): export it again") from None
    return model  # type: ignore[no-any-return]


def _tokenizer(path: Path, name: str, wanted: str) -> str:
    """The text of a tokeniser: of the file that was written beside the exported one, or the model folder's own."""
    file = beside(path, f"{name}.json")
    own = path.with_name(f"{name}.json")
    for candidate in (file, own):
        if candidate.is_file() and hash_of(content := candidate.read_bytes()) == wanted:
            return content.decode()
    wrong = next((candidate for candidate in (file, own) if candidate.is_file()), None)
    if wrong is not None:
        raise DataError(f"{wrong} is not the tokenizer that {path} was exported with: restore it or export again")
    raise DataError(f"{file} is missing, the tokenizer that was written beside {path}: put it there or export again")


class _Network(nn.Module):
    """What stands in the place of a network, on the processor."""

    def __init__(self, session: Session, model: Any) -> None:
        super().__init__()
        self.session, self.model = session, model
        self.by_step = session.text("form") == "step"
        self.place = nn.Parameter(torch.empty(0))  # Callers ask a network's parameters where it computes.

    def said(self, feeds: Mapping[str, Any], lengths: Tensor) -> dict[str, Any]:
        """The outputs [T, B, ...] or [B, ...] for inputs [T, B, ...]."""
        if self.by_step:
            return self.session.step_by_step(feeds)[0]
        return self.session.run({**feeds, "lengths": lengths})


class _ManyToOne(_Network):
    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Scores [B, classes], or standardised numbers."""
        said = self.said({"numbers" if inputs.is_floating_point() else "ids": inputs}, lengths)
        output = said["scores" if "scores" in said else "predictions"]
        if self.by_step:
            output = output[lengths.numpy() - 1, np.arange(len(lengths))]
        if "scores" not in said:
            output = self.model.scaling_.standardise(output)
        return torch.from_numpy(output)


class _Aligned(_Network):
    """A tagger: words go in as rows of numbers, the id, the count of the characters, and these."""

    def __init__(self, session: Session, model: Any) -> None:
        super().__init__(session, model)
        self.head = SimpleNamespace(weight=self.place)
        self._spelled: dict[str, Tensor] = {}
        self.context = self._spell if "sentence" in session.shapes else None

    def read(self, words: Words) -> Tensor:
        """The words as rows of whole numbers [n, 2 + L]."""
        spelled = torch.full((len(words.ids), LONGEST_WORD), PADDING)
        spelled[:, : words.characters.shape[1]] = words.characters
        return torch.cat([words.ids[:, None], words.lengths[:, None], spelled], dim=1)

    def _spell(self, sentences: Any) -> Tensor:
        """Keep the characters of sentences for the call that follows; [T, B, 0]."""
        parts = {"sentence": "ids", "first": "first", "last": "last"}
        self._spelled = {name: pad_sequence([getattr(one, part) for one in sentences]) for name, part in parts.items()}
        self._spelled["sentence_lengths"] = torch.tensor([len(one.ids) for one in sentences])
        return torch.empty(*self._spelled["first"].shape, 0)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Scores, or numbers, [T, B, outputs]; the tags and probabilities are kept for the caller."""
        if x.is_floating_point():
            feeds = {"numbers": x}
        else:
            feeds = {"words": x[..., 0], "letters": x[..., 1], "characters": x[..., 2:], **self._spelled}
        self._said = self.said(feeds, lengths)
        return torch.from_numpy(self._said["scores" if "scores" in self._said else "predictions"])

    def best(self, _scores: Tensor, _lengths: Tensor) -> Tensor:
        """The tags [T, B] of the last call."""
        return torch.from_numpy(self._said["tags"])

    def probabilities(self, _scores: Tensor, _lengths: Tensor) -> Tensor:
        """The probability of each tag at each step of the last call, float64 [T, B, tags]."""
        return torch.from_numpy(self._said["probabilities"]).double()

    def numbers(self, scores: Tensor) -> Tensor:
        """Numbers in their own units, which they have already."""
        return scores


class _NextStep(_Network):
    """A language model; the outputs that go from it to the loss are the log-probabilities themselves."""

    def __init__(self, session: Session, model: Any) -> None:
        super().__init__(session, model)
        vocabulary = model.reader_.vocabulary
        self.sizes = SimpleNamespace(vocabulary=0 if vocabulary is None else len(vocabulary), keys=0)
        self.output = SimpleNamespace(losses=lambda said, targets: -said.gather(1, targets[:, None])[:, 0])

    def forward(self, inputs: Tensor, state: Any, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Log-probabilities [T, B, vocabulary] of what follows ids [T, B], and the states after them."""
        steps, rows = inputs.shape
        feeds, states = {"ids": inputs.long()}, self.session.begin(rows) if state is None else state
        if self.by_step:
            said, states = self.session.step_by_step(feeds, states)
        else:
            every = torch.full((rows,), steps) if lengths is None else lengths
            said = self.session.run({**feeds, "lengths": every, **states})
            states = self.session.go_on(said)
        return torch.from_numpy(said["log_probabilities"]), states


class _EncoderDecoder(_Network):
    """A translator: the decoder's step, and the encoder from the file beside it."""

    def __init__(self, session: Session, model: Any) -> None:
        super().__init__(session, model)
        self.encoder = Session(beside(session.path, f"{ENCODER}.onnx"))
        self.output = SimpleNamespace(weight=self.place)

    def start(self, sources: Tensor, lengths: Tensor) -> Started:
        """Read source tokens [S, B]."""
        said = {
            name: torch.from_numpy(value)
            for name, value in self.encoder.run({"sources": sources, "lengths": lengths}).items()
        }
        memory = SourceMemory(said["values"], said["keys"], said["closed"]) if "keys" in said else None
        return Started(memory, tuple(said[state.input] for state in self.session.carried))

    def step(self, tokens: Tensor, started: Started) -> tuple[Tensor, Started, Tensor | None]:
        """Scores [rows, vocabulary] of the token after `tokens` [rows], what follows, and the attention's weights."""
        states = {state.input: value for state, value in zip(self.session.carried, started.state, strict=True)}
        memory = {} if started.memory is None else vars(started.memory)
        said = self.session.run({"tokens": tokens, **states, **memory})
        after = tuple(torch.from_numpy(value) for value in self.session.go_on(said).values())
        weights = torch.from_numpy(said["attention"]) if "attention" in said else None
        return torch.from_numpy(said["scores"]), Started(started.memory, after), weights


class _Forecast(_Network):
    """A forecaster; the file reads and says numbers in the series' own units."""

    def __init__(self, session: Session, model: Any) -> None:
        super().__init__(session, model)
        self.sizes = SimpleNamespace(steps=model.steps_at_once)
        self.head = Head(model.head, model.loss, model.quantiles)

    def forward(
        self, past: Tensor, past_covariates: Tensor, future_covariates: Tensor, _seen: Tensor | None = None
    ) -> Tensor:
        """The forecast [B, targets, steps, head.size] as the network says it, in deviations from the mean.

        Cells that ask which values were seen are not exported.
        """
        facts = self.model.facts_
        known = torch.cat([past_covariates, future_covariates], 2)
        feeds = {"past": facts.scaling.variables.undo(past.mT.double().numpy())}
        if facts.covariates:
            feeds["covariates"] = facts.scaling.known.undo(known.mT.double().numpy())
        said, own = self.session.run(feeds), facts.scaling.variables.part(facts.target_columns)
        parts = own.standardise(said["forecast"])[..., None]
        if "quantiles" in said:
            parts = (said["quantiles"] - own.mean[:, None]) / own.scale[:, None]
        if "deviations" in said:
            parts = np.concatenate([parts, (said["deviations"] / own.scale)[..., None]], axis=3)
        return torch.from_numpy(parts.swapaxes(1, 2)).float()

    @property
    def end(self) -> Tensor:
        """The end of the training's series, which an exported file does not hold."""
        raise ArgumentError(
            "an exported forecaster does not hold the series of its training: give the one to go on from (--file)"
        )

    end_covariates = end


RUNS: dict[str, Callable[[Session, Any], Any]] = {
    "classify": _ManyToOne,
    "regress": _ManyToOne,
    "tag": _Aligned,
    "translate": _EncoderDecoder,
    "language": _NextStep,
    "forecast": _Forecast,
}
