"""What the estimators of all tasks share: parameters, seeds, the training run, the model folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer
from torch import nn

from ricorda.errors import ArgumentError
from ricorda.program.ir import Program
from ricorda.tasks.config import Shape
from ricorda.tasks.flow import TrainingFlow
from ricorda.tasks.modelcard import Card, summary
from ricorda.tasks.parameters import SHARED, Rule, check_parameters
from ricorda.training.loop import train
from ricorda.training.options import TrainingOptions
from ricorda.training.task import Task

__all__ = ["Card", "SequenceEstimator"]


class SequenceEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """The base of the estimators; a task writes `fit`, what comes out of it, and what is marked as abstract here.

    Attributes
    ----------
    TASK : str
        The task's name, in `config.json` and for the command.
    RULES : mapping
        The rules of the parameters that only this task has, or has otherwise; the others stand in `parameters`.
    SCORES : mapping
        The numbers of a validation that are shown, and what they are called; the first is what "score" usually
        follows, "validation_loss" is drawn beside the training's loss.
    LOSS : str
        What the loss is, with its unit.
    SHAPE : mapping
        What `config.json` must say besides what it says for all tasks; see `config`.
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second, and the
        gradient's flow in its watched steps.
    network_ : torch.nn.Module
        The trained network.
    program_ : Program
        Its cell.
    summary_ : dict
        What there is to say of the training.
    """

    TASK: ClassVar[str]
    RULES: ClassVar[Mapping[str, Rule]] = {}
    SCORES: ClassVar[Mapping[str, str]]
    LOSS: ClassVar[str] = "cross-entropy (nats)"
    SHAPE: ClassVar[Shape] = {}

    network_: Any
    program_: Program
    history_: list[dict[str, Any]]
    summary_: dict[str, Any]
    n_iter_: int

    @abstractmethod
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: Any = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
        watch_gradients: int | None = None,
    ) -> Self:
        """Train on examples."""

    @abstractmethod
    def _network(self, program: Program) -> nn.Module:
        """A network for the parameters and the fitted attributes, not trained."""

    @abstractmethod
    def _description(self) -> dict[str, Any]:
        """What `config.json` must say for `_restore`, as JSON has it."""

    @abstractmethod
    def _tokenizers(self) -> dict[str, Tokenizer]:
        """What stands in files of its own: "tokenizer", or "of_something_tokenizer"."""

    @abstractmethod
    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        """Set the fitted attributes from what `_description` and `_tokenizers` returned; raises for what cannot be."""

    @abstractmethod
    def _card(self) -> Card:
        """What the model card says."""

    @property
    def gradient_flow_(self) -> TrainingFlow:
        """Where the gradient went in time while training.

        Raises
        ------
        AttributeError
            If that was not watched: `fit(..., watch_gradients=N)`.
        """
        check_is_fitted(self, "network_")
        flow = TrainingFlow.of(self.history_)
        if flow is None:
            raise AttributeError("no gradient was watched in this training: give fit a number, as watch_gradients=10")
        return flow

    def check_parameters(self) -> None:
        """Raise ArgumentError if a parameter cannot be."""
        check_parameters(self, {**SHARED, **self.RULES})
        self._options(seed=0)

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `ricorda.load` reads it. Raises ModelFolderError if it cannot be written."""
        from ricorda.tasks.saving import save_model

        check_is_fitted(self, "network_")
        save_model(self, Path(folder))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    @contextmanager
    def _keeping_what_was_learned(self) -> Iterator[None]:
        """A `fit` that fails or is stopped within the block leaves the attributes as they were."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def _fresh_network(self, program: Program, seed: int) -> Any:
        """A network with the seed's weights; ArgumentError if there is not the memory for it."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            try:
                return self._network(program)
            except RuntimeError as error:  # torch has no narrower one for this
                named = [
                    f"{name} {getattr(self, name)}" for name in ("hidden_size", "embedding_size") if hasattr(self, name)
                ]
                raise ArgumentError(
                    f"{' and '.join(named)} make a network larger than the memory: give smaller ones"
                ) from error

    def _train(
        self,
        task: Task,
        program: Program,
        seed: int,
        *,
        data: str,
        examples: int,
        validation_examples: int,
        folder: str | Path | None,
        resume: bool,
        progress: bool,
        tensorboard: bool,
        watch_gradients: int | None,
    ) -> None:
        """Train the task's module and keep it; `data` is a fingerprint, the rest as in `ricorda.training.train`."""
        history = train(
            task,
            self._options(seed),
            folder=None if folder is None else Path(folder),
            resume=resume,
            progress=progress,
            tensorboard=tensorboard,
            watch_gradients=watch_gradients,
            settings={**self._json_parameters(), "program": program.to_json(), "data": data},
        )
        self.program_, self.network_, self.history_ = program, task.module, history
        self.n_iter_ = len(history)
        self.summary_ = summary(history, task.module, examples, validation_examples)

    def _options(self, seed: int) -> TrainingOptions:
        names = {field.name for field in fields(TrainingOptions)} - {"seed"}
        return TrainingOptions(
            **{name: value for name, value in self.get_params(deep=False).items() if name in names}, seed=seed
        )

    def _json_parameters(self) -> dict[str, Any]:
        """The parameters but the cell, as JSON has them; a random state that is no number is left out."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        del parameters["cell"]
        if isinstance(parameters["random_state"], np.random.RandomState):
            parameters["random_state"] = None
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}

    @classmethod
    def _parameters_from(cls, saved: Mapping[str, Any], _description: Mapping[str, Any]) -> dict[str, Any]:
        """What `_json_parameters` wrote, as the constructor takes it."""
        return dict(saved)
