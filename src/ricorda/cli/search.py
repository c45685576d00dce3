"""`ricorda search`: a command for each task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.command import command_of
from ricorda.cli.output import print_json, print_table
from ricorda.cli.tasks import columns_given
from ricorda.cli.train import TaskCommands, read_data, task_options, with_options
from ricorda.tasks.registry import TASKS, parameters_class

_searching = partial(options.in_panel, "The search")
Out = Annotated[Path, _searching("Folder for the best model, the trials' and the report.", "--out", "-o")]
Trials = Annotated[
    int | None, _searching("Trials that there shall be, made now or before, here or elsewhere.", default="20")
]
Jobs = Annotated[int, _searching("Processes here, each with its share of the threads.")]
Storage = Annotated[
    str | None,
    _searching("Journal file, or a database's URL, that several machines share.", default="a file in --out"),
]
Study = Annotated[str, _searching("Name of the search in its storage.")]
_limit = partial(_searching, "Time after which no trial begins, as 30m.", default="none")
TimeLimit = Annotated[str | None, _limit("--time", "--time-limit")]
OnlyLimit = Annotated[str | None, _limit("--time-limit")]  # where --time is the column of the times
Space = Annotated[Path | None, _searching("TOML file of what is searched.", default="what is not given below")]
Test = Annotated[str | None, _searching("Other data to measure on; nothing is chosen by it.", default="none")]
Valid = Annotated[
    str | None,
    options.reading("Other data, to choose by.", "--validation", "--valid", default="a part of DATA"),
]

OURS = ("trials", "jobs", "storage", "study", "time_limit", "space")


class Searches(TaskCommands):
    """A command for each task."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A task's command."""
        return command_of(_search_of(cmd_name), cmd_name) if cmd_name in TASKS else None


app = typer.Typer(
    cls=Searches,
    help="Search a model's parameters by trials, stopped early where they promise little.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _search() -> None: ...  # without it, typer would not take this for a group


def _options(
    data: str,
    out: Out = Path("search"),
    trials: Trials = None,
    time_limit: TimeLimit = None,
    jobs: Jobs = 1,
    storage: Storage = None,
    study: Study = "ricorda",
    space: Space = None,
    test: Test = None,
    as_json: options.Json = False,
) -> None: ...  # what the commands of all tasks take


def _search_of(task: str) -> Callable[..., None]:
    """The function of a task's command: it takes what `ricorda train` takes of this task, and `_options`."""
    data, *theirs = task_options(task).values()
    _, *ours = inspect.signature(_options, eval_str=True).parameters.values()
    dated = any(item.name == "time" for item in theirs)
    others = {"valid": Valid, **({"time_limit": OnlyLimit} if dated else {})}
    every = [
        item.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=others.get(item.name, item.annotation))
        for item in (data, *ours, *theirs)
    ]
    help = _HELP.format(task=task, limit="--time-limit" if dated else "--time")
    return with_options(lambda **arguments: _run(task, arguments), every, help)


_HELP = """Search a model's parameters: trials on one split of your data, stopped early where they promise little.

    Options as of `ricorda train {task}`: what is given is kept, and the rest is searched. In the end the best and the
    default parameters are trained with three other seeds. Ctrl-C stops; the same command goes on.

    For example:

      ricorda search {task} DATA --trials 40 --jobs 2 --out searched

      ricorda search {task} DATA {limit} 1h --cell gru --epochs 10 --test TEST --out searched

      ricorda search {task} DATA --space space.toml --storage /shared/study.journal --out searched
    """


def _run(task: str, arguments: Mapping[str, Any]) -> None:
    given = options.parameters_given(parameters_class(task), arguments)
    from ricorda.searching.command import search_into_folder
    from ricorda.searching.run import check_folder
    from ricorda.tasks.registry import estimator_of

    check_folder(arguments["out"])
    model = estimator_of(task)(**given)
    model.check_parameters()
    X, y, validation, test = read_data(task, arguments)
    model.columns_ = columns_given(task, arguments)
    wanted = {name: arguments[name] for name in OURS}
    result = search_into_folder(
        model, X, y, arguments["out"], {**wanted, "fixed": list(given), "validation": validation, "test": test}
    )
    if arguments["as_json"]:
        print_json(result.to_json())
        return
    for table in result.tables():
        print_table(table.title, table.columns, table.rows)
    for sentence in result.says():
        print(sentence)
    out = arguments["out"]
    print(f"The best model is in {out}, the picture in {out / 'search.png'}, the numbers in {out / 'search.json'}")
