"""`ricorda train`: a command for each task, made from its parameters and from what it reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ricorda.cli import options
from ricorda.cli.command import command_of
from ricorda.cli.output import print_json, print_table
from ricorda.cli.tasks import columns_given
from ricorda.errors import ArgumentError
from ricorda.tasks.registry import TASKS, commands_of, parameters_class

if TYPE_CHECKING:
    from ricorda.tasks.estimator import SequenceEstimator


class TaskCommands(TyperGroup):
    """A command for each task, imported when it is asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {task: TyperCommand(task) for task in TASKS}  # A misspelt name gets its suggestion from these.

    def list_commands(self, ctx: Any) -> list[str]:
        """The tasks."""
        return list(TASKS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A task's command."""
        return command_of(_train_of(cmd_name), cmd_name) if cmd_name in TASKS else None


app = typer.Typer(cls=TaskCommands, help="Train a model on your own data.", no_args_is_help=True, add_completion=False)


@app.callback()
def _train() -> None: ...  # without it, typer would not take this for a group


def task_options(task: str) -> dict[str, inspect.Parameter]:
    """What every command that trains a task takes: the data, how it is read, and the estimator's parameters."""
    reading = inspect.signature(commands_of(task).read, eval_str=True).parameters
    own = [item for item in reading.values() if item.kind is item.KEYWORD_ONLY and item.default is not item.empty]
    every = [reading["data"], *own, reading["valid"], *options.parameter_options(parameters_class(task))]
    return {item.name: item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in every}


def read_data(task: str, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
    """What a command trains on, X and y, what it validates with, and what it measures on; None where there is none."""
    read = commands_of(task).read
    names = inspect.signature(read).parameters
    (X, y), validation, test = read(**{name: arguments[name] for name in names if name in arguments})
    return X, y, validation, test


def _read_shard(model: Any, processes: Any, task: str, arguments: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
    """As `read_data`, of the files of this process; what is to validate with is read by the first alone."""
    from ricorda.data.shards import joined
    from ricorda.training.sharded import own_files, with_shards

    with_shards(model, processes)
    if arguments.get("unlabelled") is not None:
        raise ArgumentError("--unlabelled is learned from by all processes alike: leave --shards out")
    files, several = own_files(arguments["data"], processes), isinstance(arguments["data"], list)
    valid = [arguments["valid"] if processes.first else None, *[None] * (len(files) - 1)]
    parts = [
        read_data(task, {**arguments, "data": [file] if several else file, "valid": other})
        for file, other in zip(files, valid, strict=True)
    ]
    return *joined(files, [(X, y) for X, y, _, _ in parts]), parts[0][2], None


def with_options(
    function: Callable[..., None], parameters: list[inspect.Parameter], help: str | None
) -> Callable[..., None]:
    """A function as typer reads it, with these parameters and this help."""
    function.__doc__ = help
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function


def _common(
    out: options.Out,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    tensorboard: options.TensorBoard = False,
    watch_gradients: options.WatchGradients = None,
    shards: options.Shards = False,
    as_json: options.Json = False,
) -> None: ...  # what the commands of all tasks take


_UNLABELLED = inspect.Parameter(
    "unlabelled", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=options.Unlabelled
)


def _train_of(task: str) -> Callable[..., None]:
    """The function of a task's command."""
    data, *others = task_options(task).values()
    out, *common = inspect.signature(_common, eval_str=True).parameters.values()
    more = [_UNLABELLED] if any(item.name == "pretrained" for item in others) else []
    every = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in (data, out, *more, *others, *common)]

    def train(**arguments: Any) -> None:
        from ricorda.tasks.registry import estimator_of
        from ricorda.training.processes import join_processes

        model = estimator_of(task)(**options.parameters_given(parameters_class(task), arguments))
        processes = join_processes(model.device)  # first of all: mistakes are then told by one process
        model.check_parameters()
        read = partial(_read_shard, model, processes) if arguments["shards"] else read_data
        X, y, validation, _ = read(task, arguments)
        model.columns_ = columns_given(task, arguments)
        _train_and_tell(model, X, y, validation, arguments)

    return with_options(train, every, commands_of(task).TRAIN)


def _train_and_tell(model: SequenceEstimator, X: Any, y: Any, validation: Any, arguments: Mapping[str, Any]) -> None:
    """Train a model into a folder and print its scores; of several processes the first does."""
    from ricorda.tasks.runs import train_into_folder

    out = arguments["out"]
    if arguments.get("unlabelled") is not None:
        arguments = {**arguments, **_begin_with_language(model, X, y, arguments)}
    how = {name: arguments[name] for name in ("resume", "overwrite", "tensorboard", "watch_gradients", "shards")}
    if not train_into_folder(model, X, y, out, validation=validation, **how):
        return
    if arguments["as_json"]:
        print_json({"folder": str(out), **model.summary_})
        return
    _print_summary(model, out)
    print_more = getattr(commands_of(model.TASK), "print_trained", None)
    if print_more is not None:
        print_more(model)


def _begin_with_language(model: Any, X: Any, y: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Train the language models that a model begins with; what follows for its own training."""
    from ricorda.data.corpus import read_corpus
    from ricorda.tasks.runs import check_out, holds_training
    from ricorda.tasks.unlabelled import pretrain

    out, resume, overwrite = arguments["out"], arguments["resume"], arguments["overwrite"]
    check_out(out, resume=resume, overwrite=overwrite)
    model._hold_out(X, y, 0)  # Mistakes in the labels are told now, and not after the language models.
    texts = read_corpus(arguments["unlabelled"], text=arguments.get("text"))
    model.pretrained = pretrain(model, X, texts, out, resume=resume, overwrite=overwrite)
    return {"resume": resume and holds_training(out)}


def _print_summary(model: SequenceEstimator, out: Path) -> None:
    from ricorda.tasks.embedding import coverage_sentences
    from ricorda.tasks.folder import CURVE, FLOW_PICTURE
    from ricorda.tasks.scores import score_text
    from ricorda.tasks.worth import sentences

    summary, best = model.summary_, model.summary_["best"]
    scores = ["none", *("" for _ in model.SCORES)]
    if summary["validation_examples"]:
        scores = [f"{summary['validation_examples']:,}", *(score_text(name, best[name]) for name in model.SCORES)]
    print_table(
        f"Trained on {summary['examples']:,} examples; the best of {summary['epochs']} epochs is {best['epoch']}",
        ["validation examples", *model.SCORES.values()],
        [scores],
    )
    for sentence in (*coverage_sentences(summary), *sentences(summary, model.SCORES, str(out))):
        print(sentence)
    flow = f", the gradient's flow in {out / FLOW_PICTURE}" if (out / FLOW_PICTURE).exists() else ""
    print(f"The model is in {out}, its learning curve in {out / CURVE}{flow}")
