"""Opens a trained model of any task from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode

from ricorda import __version__
from ricorda.data.tokenization import read_tokenizer
from ricorda.errors import ModelFolderError, RicordaError
from ricorda.program.ir import Program
from ricorda.tasks.cells import as_program, cell_of
from ricorda.tasks.config import check_config
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.folder import Contents, one_line, read_model
from ricorda.tasks.parameters import later_ones
from ricorda.tasks.registry import TASKS, estimator_of
from ricorda.tasks.weights import check_weights, put_weights


def load(folder: str | Path) -> SequenceEstimator:
    """Open a model folder; no code in it is run.

    Parameters
    ----------
    folder : path
        The folder that `ricorda train ... --out` or an estimator's `save` wrote.

    Returns
    -------
    SequenceEstimator
        The trained model, of its task's class.

    Raises
    ------
    ModelFolderError
        If there is none, or it is damaged, incomplete, of a newer format or of an unknown task.
    """
    return open_model(folder)[0]


def open_model(folder: str | Path) -> tuple[SequenceEstimator, dict[str, Any]]:
    """A model and the content of its `config.json`; see `load`."""
    folder = Path(folder)
    contents = read_model(folder)
    task = contents.config.get("task")
    if not isinstance(task, str) or task not in TASKS:
        raise ModelFolderError(
            f"{folder} holds a model for the task {task!r:.40}, which this ricorda ({__version__}) does not know: "
            "upgrade it with `pip install --upgrade ricorda`"
        )
    kind = estimator_of(task)
    check_config(contents.config, contents.history, folder, kind.SHAPE, kind.SCORES)
    try:
        return _restore(kind, contents), contents.config
    except Exception as error:  # tokenizers raises bare Exceptions, and the parts may hold anything.
        prefix = "" if isinstance(error, RicordaError) else f"{type(error).__name__}: "
        raise ModelFolderError(
            f"{folder} does not hold together ({prefix}{one_line(error)}): restore it or train again"
        ) from None


class _Unfilled(TorchFunctionMode):
    """Weights that are to be read are not drawn: on the meta device that would import torch._dynamo, for a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]  # torch.nn.init gives it by name
        return func(*args, **kwargs)


def without_network(
    kind: type[SequenceEstimator], config: dict[str, Any], tokenizers: Mapping[str, str]
) -> SequenceEstimator:
    """A model of which all is known but its weights; see `saving.config_of`.

    Raises
    ------
    RicordaError, Exception
        If the parts are not those of one model.
    """
    program = as_program(Program.from_json(config["program"]), beside=kind.READS_BESIDE)
    model: Any = kind(cell=cell_of(program), **_parameters(kind, config))
    model.check_parameters(to_train=False)  # Other machines may predict.
    model.program_ = program
    model._restore(config, {name: read_tokenizer(text) for name, text in tokenizers.items()})
    model.summary_, model.columns_ = config["summary"], config.get("columns", {})
    return cast(SequenceEstimator, model)


def _restore(kind: type[SequenceEstimator], contents: Contents) -> SequenceEstimator:
    model: Any = without_network(kind, contents.config, contents.tokenizers)
    model.history_, model.n_iter_ = contents.history, len(contents.history)
    model._check_baseline(contents.baseline)
    model.baseline_ = contents.baseline
    check_weights(contents.tensors, model)
    with torch.device("meta"), _Unfilled():  # A damaged file must not make us allocate memory.
        network = model._network(model.program_)
    put_weights(network, contents.tensors)
    model.network_ = network.eval()
    return cast(SequenceEstimator, model)


def _parameters(kind: type[SequenceEstimator], config: dict[str, Any]) -> dict[str, Any]:
    """The estimator's parameters except the cell; all must be there, as a default would make another model."""
    saved = {**later_ones(kind), **config["parameters"]}
    missing = {name for name in kind._get_param_names() if name != "cell"} - set(saved)
    if missing:
        raise ModelFolderError(f"the parameter {min(missing)!r} is missing")
    return kind._parameters_from(saved, config)
