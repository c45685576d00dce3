"""`ricorda compare`: a command for each task, and one for how far cells remember on a synthetic task."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from ricorda.cli import options
from ricorda.cli.command import command_of
from ricorda.cli.output import print_json, print_table
from ricorda.cli.train import read_data, task_options, with_options
from ricorda.errors import ArgumentError
from ricorda.tasks.parameters import Parameters, Remembering
from ricorda.tasks.registry import TASKS, parameters_class

if TYPE_CHECKING:
    from ricorda.insight.comparison.length_result import LengthComparison
    from ricorda.insight.comparison.result import Comparison

SYNTHETIC = "synthetic:"
REPORT, NUMBERS, PICTURE = "report.html", "comparison.json", "comparison.png"
"""What the folder of a comparison holds beside its trainings."""

CELLS, LENGTHS = "rnn,lstm,gru", "25,50,100,200,400,800"
CHOSEN = ("cell", "learning_rate", "pretrained")
"""Parameters that a comparison chooses."""

Number = TypeVar("Number", int, float)

_comparing = partial(options.in_panel, "The comparison")
OUT = ("Folder for the trainings and the report; the same command goes on there.", "--out", "-o")
Cells = Annotated[
    str,
    _comparing(
        "Cells, with commas between them; also family:NAME, or all. The first is what the others are compared to."
    ),
]
Seeds = Annotated[int, _comparing("Trainings of each cell, from --seed on.")]
Match = Annotated[str, _comparing("What is alike: hidden (units), or parameters (weights of the recurrent layers).")]
Rates = Annotated[
    str | None, _comparing("Learning rates to search, with commas between them.", default="the task's own")
]
Test = Annotated[
    str | None, _comparing("Other data to measure on.", "--test", default="the data that epochs are chosen by")
]
Lengths = Annotated[str, _comparing("Steps T, with commas between them.")]
Out = Annotated[Path, _comparing(*OUT)]
MaybeOut = Annotated[Path | None, _comparing(*OUT, default="none")]


class Comparisons(TyperGroup):
    """A command for each task, and for each synthetic source."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The tasks."""
        return list(TASKS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a task, or that of a synthetic source."""
        if cmd_name.startswith(SYNTHETIC):
            return command_of(_bound(lengths_of, cmd_name), cmd_name)
        if cmd_name not in TASKS:
            return None
        return command_of(_of_task(cmd_name), cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is to be run; an unknown task is refused in one sentence."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            print(
                f"error: there is no task {args[0]!r:.40} to compare cells on: choose one of {', '.join(TASKS)}, or "
                "synthetic:NAME",
                file=sys.stderr,
            )
            ctx.exit(2)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Comparisons,
    help="Train several cells on the same data with the same budget, and tell what each is worth.",
    epilog="How far cells remember: ricorda compare synthetic:adding --lengths 25,50,100 --cells rnn,lstm,gru",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _compare() -> None: ...  # without it, typer would not take this for a group


def lengths_of(
    source: str,
    out: MaybeOut = None,
    lengths: Lengths = LENGTHS,
    cells: Cells = CELLS,
    seeds: Seeds = 1,
    learning_rates: Rates = None,
    hidden_size: Annotated[int | None, options.option(Parameters, "hidden_size")] = None,
    num_layers: Annotated[int | None, options.option(Parameters, "num_layers")] = None,
    memory: Annotated[int | None, options.option(Remembering, "memory")] = None,
    epochs: Annotated[int | None, options.option(Parameters, "epochs")] = None,
    batch_size: Annotated[int | None, options.option(Parameters, "batch_size")] = None,
    device: Annotated[str | None, options.option(Parameters, "device")] = None,
    precision: Annotated[str | None, options.option(Parameters, "precision")] = None,
    random_state: Annotated[int, options.option(Parameters, "random_state")] = 0,
    as_json: options.Json = False,
) -> None:
    """Measure how far each cell remembers: success on a synthetic task against the length of its sequences.

    One layer of 64 units, one direction, 12 epochs of 8,000 sequences (?n=...) at a rate of 0.005, and gates that
    begin with a memory of T steps, unless other is given. Ctrl-C stops; with --out the same command goes on.

    For example:

      ricorda compare synthetic:adding --lengths 25,50,100 --out remembered

      ricorda compare "synthetic:order?n=4000" --lengths 20,40,80 --cells rnn,gru --seeds 3
    """
    parameters = options.parameters_given(Remembering, locals())
    steps, rates = _numbers(lengths, int, "--lengths", "25,50,100"), _rates(learning_rates)
    from ricorda.insight.comparison.lengths import compare_lengths

    _told(
        partial(
            compare_lengths,
            source,
            lengths=steps,
            cells=_names(cells),
            seeds=seeds,
            learning_rates=rates,
            folder=out,
            progress=True,
            **parameters,
        ),
        out,
        as_json,
    )


def _cells_of(
    data: str,
    out: Out,
    cells: Cells = CELLS,
    seeds: Seeds = 3,
    match: Match = "hidden",
    learning_rates: Rates = None,
    test: Test = None,
    as_json: options.Json = False,
) -> None: ...  # what the commands of all tasks take


def _of_task(task: str) -> Callable[..., None]:
    """The function of a task's command: it takes what `ricorda train` takes of this task, and `_cells_of`."""
    data, *theirs = (option for name, option in task_options(task).items() if name not in CHOSEN)
    ours = inspect.signature(_cells_of, eval_str=True).parameters
    every = [data, *(option for name, option in ours.items() if name != "data"), *theirs]

    def compare_cells(**arguments: Any) -> None:
        _compare_cells(task, arguments)

    keyword = inspect.Parameter.KEYWORD_ONLY
    return with_options(compare_cells, [option.replace(kind=keyword) for option in every], _HELP.format(task=task))


_HELP = """Compare cells on your own data: scores, times, sizes, and how far back each one's gradient goes.

    Every training has the same data, the same split and the same epochs, and options as of `ricorda train {task}`.
    Each learning rate is tried with the first seed, and the best taken for all. Ctrl-C stops; the same command goes on.

    For example:

      ricorda compare {task} DATA --cells rnn,lstm,gru --seeds 3 --out compared

      ricorda compare {task} DATA --cells gru,mycells.py:mgu --match parameters --learning-rates 1e-3,3e-3 --out own
    """


def _compare_cells(task: str, arguments: Mapping[str, Any]) -> None:
    rates = _rates(arguments["learning_rates"])
    parameters = options.parameters_given(parameters_class(task), arguments)
    from ricorda.insight.comparison.view import compare, programs_of
    from ricorda.tasks.registry import estimator_of

    if hasattr(parameters_class(task), "wide"):  # Beside a wide part cells would differ by less.
        parameters.setdefault("wide", False)
    model = estimator_of(task)(**parameters)
    model.check_parameters()
    cells = programs_of(_names(arguments["cells"]))  # before data is read
    X, y, validation, test = read_data(task, arguments)
    wanted = {name: arguments[name] for name in ("seeds", "match")}
    run = partial(
        compare,
        model,
        X,
        y,
        cells=cells,
        learning_rates=rates,
        validation=validation,
        test=test,
        folder=arguments["out"],
        progress=True,
        **wanted,
    )
    _told(run, arguments["out"], arguments["as_json"])


def _told(run: Callable[[], Comparison | LengthComparison], out: Path | None, as_json: bool) -> None:
    """Run a comparison, write its report and print it."""
    if out is not None:
        _check_out(out)
    try:
        comparison = run()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "" if out is None else f"what was trained is in {out}, and the same command goes on with it"
        ) from None
    if out is not None:
        import json

        from ricorda.files import write_atomically
        from ricorda.insight.drawing import save_figure

        write_atomically(out / NUMBERS, json.dumps(comparison.to_json(), indent=1) + "\n")
        save_figure(comparison.plot(), out / PICTURE)
        write_atomically(out / REPORT, comparison.to_html())
    if as_json:
        print_json(comparison.to_json())
        return
    for table in comparison.tables():
        print_table(table.title, table.columns, table.rows)
    if out is not None:
        print(f"The report is in {out / REPORT}, the picture in {out / PICTURE}, the numbers in {out / NUMBERS}")


def _check_out(out: Path) -> None:
    """Refuse a folder in which the report would replace files that are not a comparison's."""
    from ricorda.insight.comparison.trials import RUNS

    foreign = [name for name in (REPORT, NUMBERS, PICTURE) if (out / name).exists()]
    if foreign and not (out / RUNS).is_dir():
        raise ArgumentError(f"--out {out} holds {foreign[0]!r} of something else: choose a new folder or an empty one")


def _bound(function: Callable[..., None], source: str) -> Callable[..., None]:
    """A command's function whose first argument is the command's own name."""
    _, *others = inspect.signature(function, eval_str=True).parameters.values()

    def run(**arguments: Any) -> None:
        function(source, **arguments)

    return with_options(run, list(others), function.__doc__)


def _names(text: str) -> list[str]:
    from ricorda.catalogue import split_names

    return list(filter(None, split_names(text)))


def _rates(text: str | None) -> list[float]:
    return [] if text is None else _numbers(text, float, "--learning-rates", "1e-3,3e-3,1e-2")


def _numbers(text: str, kind: Callable[[str], Number], option: str, example: str) -> list[Number]:
    try:
        return [kind(number) for number in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ArgumentError(f"{option} is {text!r:.40}: give {what} with commas between them, as {example}") from None
