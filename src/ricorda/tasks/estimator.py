"""What the estimators of all tasks share: parameters, the one `fit`, the model folder, what insight asks of a task."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer
from torch import nn

from ricorda.data.baseline import Baseline, check_baseline
from ricorda.errors import ArgumentError
from ricorda.program.ir import Program
from ricorda.tasks.cells import as_program
from ricorda.tasks.config import Shape
from ricorda.tasks.flow import TrainingFlow
from ricorda.tasks.folder import check_nothing_foreign
from ricorda.tasks.measure import Measure
from ricorda.tasks.modelcard import Card, summary
from ricorda.tasks.parameters import Parameters, check_parameters, documented, later_ones, parameters_of
from ricorda.tasks.prepared import Prepared, keeping_what_was_learned, pair_of
from ricorda.tasks.rules import AUTO, folders_of
from ricorda.tasks.saving import save_model
from ricorda.tasks.worth import FACTORS
from ricorda.training.checkpoint import begun_with, check_settings
from ricorda.training.devices import find_device
from ricorda.training.loop import train
from ricorda.training.options import LEAST_STEPS, Auto, TrainingOptions
from ricorda.training.processes import ALONE, Processes, join_processes, launched
from ricorda.training.sharded import with_shards
from ricorda.training.task import Task

__all__ = ["Card", "Prepared", "SequenceEstimator", "pair_of"]


ATTRIBUTES = """history_ : list of dict
    One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second.
network_ : torch.nn.Module
    The trained network.
"""
"""The attributes in the docstring of every estimator."""


class SequenceEstimator(BaseEstimator, Parameters, ABC):  # type: ignore[misc]
    """The base of the estimators.

    A task writes its parameters as a dataclass (see `parameters`), the abstract methods here, and the constants below
    that have no value.

    Attributes
    ----------
    TASK : str
        The task's name, in `config.json` and for the command.
    SCORES : mapping
        The numbers of a validation that are shown, and their names for readers. The first is usually the "score";
        "validation_loss" is drawn beside the training's loss.
    LOSS : str
        The name of the loss, with its unit.
    SHAPE : mapping
        Keys of this task in `config.json`, besides those of all tasks; see `config`.
    READER : str
        The attribute of the network that holds the recurrent layers that read the input.
    GOES_ON : bool
        Whether the model can predict without an example, from where its training ended.
    READS_BESIDE : bool
        Whether a cell may take a mask of missing numbers and elapsed times.
    SHARDS : bool
        Whether each of several processes may have examples of its own; `_prepare` then speaks with `_shards`.
    history_ : list of dict
        One for each epoch: loss, validation numbers, learning rate, norm of the gradient, tokens a second, and the
        gradient's flow in its watched steps.
    network_ : torch.nn.Module
        The trained network.
    program_ : Program
        The program of its cell.
    summary_ : dict
        Facts about the training.
    columns_ : mapping
        Columns of a table that the command was told to train on, by its options.
    baseline_ : mapping
        A small model of the training examples that evaluations compare with.
    taken_ : mapping
        Parameters that a pretrained model decided, by their names.
    """

    TASK: ClassVar[str]
    SCORES: ClassVar[Mapping[str, str]]
    LOSS: ClassVar[str] = "cross-entropy (nats)"
    SHAPE: ClassVar[Shape] = {}
    READER: ClassVar[str] = "recurrent"
    GOES_ON: ClassVar[bool] = False
    READS_BESIDE: ClassVar[bool] = False
    SHARDS: ClassVar[bool] = False

    network_: Any
    program_: Program
    history_: list[dict[str, Any]]
    summary_: dict[str, Any]
    n_iter_: int
    columns_: Mapping[str, str] = MappingProxyType({})
    baseline_: Baseline = MappingProxyType({})
    taken_: Mapping[str, Any] = MappingProxyType({})
    _progress: bool = False
    _shards: Processes = ALONE

    def __init_subclass__(cls, **options: Any) -> None:
        """Write the parameters, and the attributes of all tasks, into the docstring."""
        super().__init_subclass__(**options)
        text, mark = inspect.cleandoc(cls.__doc__ or ""), "\nAttributes\n----------\n"
        before, _, own = text.partition(mark)
        cls.__doc__ = f"{before.rstrip()}\n\n{documented(cls)}\n{mark}{ATTRIBUTES}{own}"

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
        shards: bool = False,
    ) -> Self:
        """Train on examples.

        Parameters
        ----------
        X, y
            The examples and what is to be learned from each, in the forms that the class takes.
        validation : (X, y), optional
            Other examples, to choose the best epoch by.
        folder : path, optional
            Where to keep checkpoints and `history.jsonl` while training.
        resume : bool
            Whether to go on from the checkpoint in `folder`.
        progress : bool
            Whether to show a progress bar.
        tensorboard : bool
            Whether to write the history for TensorBoard too, into `folder`.
        watch_gradients : int, optional
            Record in every so many steps where the gradient goes in time, for `gradient_flow_`, and warn on standard
            error if it vanishes or explodes.
        shards : bool
            Whether X and y are this process's own, of several under torchrun that train one model.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter, an example or what is to be learned from it is invalid.
        """
        training = {"resume": resume, "progress": progress, "tensorboard": tensorboard, "shards": shards}
        return self._fit(X, y, validation, folder, {**training, "watch_gradients": watch_gradients})

    def begin(self, X: Any, y: Any, validation: Any, **data: Any) -> tuple[Task, Prepared, int]:
        """Prepare the training: set the fitted attributes, and make the network with its first weights.

        Returns
        -------
        task : Task
            The training to run; its `module` is the network.
        prepared : Prepared
            The examples.
        seed : int
            The seed of the training.
        """
        self.check_parameters()
        self.program_ = as_program(self.cell, beside=self.READS_BESIDE)
        processes = join_processes(self.device)
        seed = processes.agree(int(check_random_state(self.random_state).randint(2**31)))
        prepared = self._prepare(X, y, validation, seed, **data).over(self._shards)
        self.__dict__ |= prepared.learned
        task = prepared.task(self._fresh_network(self.program_, seed))
        return task, prepared, seed

    @abstractmethod
    def _prepare(self, X: Any, y: Any, validation: Any, seed: int) -> Prepared:
        """The examples of a `fit`, checked, split and encoded; a task may take more arguments by name."""

    @abstractmethod
    def _network(self, program: Program) -> nn.Module:
        """An untrained network for the parameters and the fitted attributes."""

    @abstractmethod
    def _description(self) -> dict[str, Any]:
        """The content of `config.json` that `_restore` needs, as JSON."""

    @abstractmethod
    def _tokenizers(self) -> dict[str, Tokenizer]:
        """The tokenisers by the names of their files: "tokenizer", or "of_something_tokenizer"."""

    @abstractmethod
    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        """Set the fitted attributes from what `_description` and `_tokenizers` returned; raises if they are invalid."""

    @abstractmethod
    def _card(self) -> Card:
        """The model card."""

    def answers(self, X: Any) -> Iterator[Any]:
        """What `ricorda predict --json` prints of each example, as plain data; raises as `predict` does."""
        raise ArgumentError(f"a model of the task {self.TASK} has no answers in JSON: use predict in Python")

    def _check_baseline(self, baseline: Baseline) -> None:
        """Raise ModelFolderError for a baseline that this model does not have; `_restore` has been called."""
        check_baseline(baseline)

    # What insight asks of a task

    @abstractmethod
    def _read_example(self, example: Any) -> list[str] | None:
        """Let the network read one example, as `predict` takes it.

        Returns
        -------
        list of str, optional
            The name of each step; None if steps have no names.
        """

    @abstractmethod
    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        """The split that `fit` would make with this seed: X and y to train on, and the validation data."""

    @abstractmethod
    def _measure(self) -> Measure:
        """The measure by which a comparison judges examples."""

    @abstractmethod
    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        """The measure of each example, [N], and the weight of each in the mean, [N]."""

    def _measured_on(self, X: Any, validation: Any, test: Any) -> tuple[Any, Any]:
        """The data for `_outcomes` in a comparison: the test data or, without any, the validation data."""
        X, y = validation if test is None else test
        return X, y

    @property
    def gradient_flow_(self) -> TrainingFlow:
        """Where the gradient went in time while training.

        Raises
        ------
        AttributeError
            If no step was watched: `fit(..., watch_gradients=N)`.
        """
        check_is_fitted(self, "network_")
        flow = TrainingFlow.of(self.history_)
        if flow is None:
            raise AttributeError("no gradient was watched in this training: give fit a number, as watch_gradients=10")
        return flow

    def check_parameters(self, *, to_train: bool = True) -> None:
        """Raise ArgumentError if a parameter is invalid or, for a training, this machine lacks the device."""
        check_parameters(self)
        self._options(seed=0)
        if to_train and not launched():  # Processes under torchrun find their devices together.
            find_device(self.device)

    def save(self, folder: str | Path) -> None:
        """Write the model folder; `ricorda.load` reads it. Raises ModelFolderError for a folder of other files."""
        check_is_fitted(self, "network_")
        check_nothing_foreign(Path(folder))
        save_model(self, Path(folder))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags

    def _fresh_network(self, program: Program, seed: int) -> Any:
        """A network with the seed's weights; raises ArgumentError if the memory is too small for it."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            try:
                return self._network(program)
            except RuntimeError as error:  # torch raises no narrower class here.
                sizes = self._json_parameters()
                named = [f"{name} {sizes[name]}" for name in ("hidden_size", "embedding_size") if name in sizes]
                raise ArgumentError(
                    f"{' and '.join(named)} make a network larger than the memory: give smaller ones"
                ) from error

    def _fit(
        self,
        X: Any,
        y: Any,
        validation: Any,
        folder: Any,
        training: Mapping[str, Any],
        before: SequenceEstimator | None = None,
        **data: Any,
    ) -> Self:
        """Train, or go on from a finished model; `data` holds the arguments that only this task's `fit` has."""
        with keeping_what_was_learned(self):
            self.check_parameters()
            processes = join_processes(self.device)
            self._shards = with_shards(self, processes) if training.get("shards") else ALONE
            training = {name: value for name, value in training.items() if name != "shards"}
            if training["resume"] and folder is not None:
                self._go_on_as_begun(processes.agree(begun_with(folder) if processes.first else {}))
            task, prepared, seed = self.begin(X, y, validation, **data)
            if before is not None:
                training = {**training, "history": self._go_on_from(before, folder)}
                task.module.load_state_dict(before.network_.state_dict())
                if FACTORS in before.summary_:  # The training goes on from the weights that it ended with.
                    factors = before.summary_[FACTORS]
                    cast(Any, task.module).weigh(**{part: 1 / factor for part, factor in factors.items()})
            self.history_ = train(
                task,
                self._options(seed),
                folder=None if folder is None else Path(folder),
                settings=self._settings(prepared),
                **training,
            )
            self.network_, self.n_iter_ = task.module, len(self.history_)
            self._progress = training["progress"] and processes.first
            counts = prepared.examples, prepared.validation_examples
            self.summary_ = summary(self.history_, self.network_, *counts)
            if prepared.afterwards is not None:
                self.summary_ |= prepared.afterwards(self.network_)
        return self

    def _settings(self, prepared: Prepared) -> dict[str, Any]:
        """All that a resumed training must have in common with its beginning, as JSON."""
        facts = {"program": self.program_.to_json(), "data": prepared.data}
        return {**prepared.settings, **self._json_parameters(), **facts, **prepared.settings}  # the first is told first

    def _go_on_as_begun(self, begun: Mapping[str, Any]) -> None:
        """Give parameters that were none yet when a training began the values that it began with."""
        defaults = {field.name: field.default for field, _ in parameters_of(type(self))}
        for name, before in later_ones(type(self)).items():
            if name not in begun and getattr(self, name) == defaults[name]:
                setattr(self, name, before)

    def _go_on_from(self, before: SequenceEstimator, folder: Path) -> list[dict[str, Any]]:
        """The history of a model with the same parameters, but for the epochs, on the same data; raises for another."""

        def settings(model: SequenceEstimator) -> dict[str, Any]:
            learned = [model._description(), {name: value.to_str() for name, value in model._tokenizers().items()}]
            facts = {**model._json_parameters(), "program": model.program_.to_json(), "data": learned}
            return dict(json.loads(json.dumps({**facts, "epochs": None, "vectors": None})))  # The weights have begun.

        check_settings(folder.parent, settings(before), settings(self))
        return before.history_

    @property
    def _least_steps(self) -> int:
        """Steps that small data is trained for where the epochs are automatic."""
        return LEAST_STEPS

    def _options(self, seed: int) -> TrainingOptions:
        names = {field.name for field in fields(TrainingOptions)} - {"seed"}
        values = {name: value for name, value in self.get_params(deep=False).items() if name in names}
        for name, usual in (("epochs", self.EPOCHS), ("batch_size", self.BATCH_SIZE)):
            if values[name] == AUTO:
                values[name] = Auto(usual, self._least_steps)
        return TrainingOptions(**values, seed=seed)

    def _now(self, name: str) -> Any:
        """The value of a parameter in this training: that of what it begins with, or the estimator's own."""
        return {name: getattr(self, name), **self.settled(), **self.taken_}[name]

    def _json_parameters(self) -> dict[str, Any]:
        """The parameters except the cell, as JSON; a random state that is not a number becomes null.

        What a model does not use of later versions is left out: so it is saved as it was, and earlier ones can open it.
        """
        parameters: dict[str, Any] = {**self.get_params(deep=False), **self.settled(), **self.taken_}
        del parameters["cell"]
        for name, before in later_ones(type(self)).items():
            if parameters[name] == before:
                del parameters[name]
        if isinstance(parameters["random_state"], np.random.RandomState):
            parameters["random_state"] = None
        if parameters.get("pretrained") is not None:
            parameters["pretrained"] = folders_of(parameters["pretrained"])
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items()}

    @classmethod
    def _parameters_from(cls, saved: Mapping[str, Any], _description: Mapping[str, Any]) -> dict[str, Any]:
        """What `_json_parameters` wrote, as the constructor takes it."""
        return dict(saved)
