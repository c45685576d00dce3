"""`ricorda inspect unroll`: the network unrolled over its steps, with the real numbers on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli.inspect.source import as_example, first_and_last, refuse_beside_model
from ricorda.cli.options import Json, Layer, Picture
from ricorda.cli.output import print_json, print_table, write_picture
from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from ricorda.insight.unrolled.result import Unrolled


def unroll(
    folder: Annotated[Path | None, typer.Argument(help="A model folder; without it, --cell.")] = None,
    text: Annotated[str | None, typer.Argument(help="What the model is to read.")] = None,
    cell: Annotated[str | None, typer.Option(help="A name from `ricorda cells`, or FILE.py:NAME.")] = None,
    inputs: Annotated[
        str | None, typer.Option(help='What the cell is to read: "0,0.5,1"; of several features, "1,2;3,4".')
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The cell's weights, JSON or safetensors.", show_default="one unit, drawn")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights that are drawn.")] = 0,
    unit: Annotated[int | None, typer.Option(help="A unit, from 0, to show alone.")] = None,
    layer: Layer = None,
    backward: Annotated[bool, typer.Option("--backward", help="Show the direction that reads from the end.")] = False,
    window: Annotated[
        str | None, typer.Option(help="First and last step to show, FIRST:LAST, at most 8.", show_default="the first 8")
    ] = None,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Draw the network unrolled over its steps, with the real numbers on it.

    Of several units, the table has a gate's mean, and the norm of anything else.

    For example:

      ricorda inspect unroll model "a warm and funny film" --picture unrolled.png

      ricorda inspect unroll --cell lstm --inputs "0,0.5,0.25,1" --weights weights.json

      ricorda inspect unroll --cell mycells.py:mgu --inputs "1,0,0,0" --json
    """
    asked = first_and_last(window) or (0, 8)
    whole = (
        _of_model(folder, text, layer, backward, cell, inputs, weights)
        if folder
        else _of_cell(cell, inputs, weights, seed)
    )
    whole = whole if unit is None else whole.unit(unit)
    shown = whole[slice(*asked)]
    if picture is not None:
        write_picture(shown.plot(), picture)
    if as_json:
        print_json(_facts(shown))
    else:
        _print(shown, len(whole))


def _of_model(
    folder: Path,
    text: str | None,
    layer: int | None,
    backward: bool,
    cell: str | None,
    inputs: str | None,
    weights: Path | None,
) -> Unrolled:
    refuse_beside_model(folder, "a cell alone", cell=cell, inputs=inputs, weights=weights)
    from ricorda.insight.unrolled.view import unroll as unrolled
    from ricorda.tasks.loading import load

    model = load(folder)
    return unrolled(model, as_example(model, text), layer=layer, backward=backward)


def _of_cell(cell: str | None, inputs: str | None, weights: Path | None, seed: int) -> Unrolled:
    if cell is None or inputs is None:
        raise ArgumentError("there is nothing to unroll: give a model folder and a text, or --cell and --inputs")
    numbers = [[_number(number, inputs) for number in step.split(",")] for step in inputs.split(";")]
    if len({len(step) for step in numbers}) > 1:
        raise ArgumentError(f"--inputs {inputs!r} has steps of different lengths: give each as many numbers")
    import torch

    from ricorda.insight.unrolled.view import read_weights
    from ricorda.insight.unrolled.view import unroll as unrolled

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        steps = numbers if ";" in inputs else numbers[0]
        return unrolled(cell, steps, None if weights is None else read_weights(weights))


def _number(text: str, inputs: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(
            f"--inputs {inputs!r} has {text!r}, which is no number: give numbers, such as 0,0.5,1"
        ) from None


def _facts(shown: Unrolled) -> dict[str, Any]:
    return {
        "cell": shown.program.title,
        "first": shown.first,
        "tokens": list(shown.tokens),
        "inputs": shown.inputs.tolist(),
        "initial": {name: values.tolist() for name, values in shown.initial.items()},
        "values": {name: values.tolist() for name, values in shown.values.items()},
    }


def _print(shown: Unrolled, steps: int) -> None:
    """A row a value, in the order of computation, a column a step."""
    from ricorda.insight.drawing import label

    heads = [
        str(number) if token == str(number) else f"{number} {label(token)}"
        for number, token in enumerate(shown.tokens, shown.first)
    ]
    first = {name: f"{shown.brief(name, values):.2f}" for name, values in shown.initial.items()}
    rows = [
        (name, first.get(name, ""), *(f"{value:.2f}" for value in shown.brief(name, values)))
        for name, values in {shown.program.values[0].name: shown.inputs, **shown.values}.items()
    ]
    last = shown.first + len(shown) - 1
    title = f"{shown.program.title}, steps {shown.first} to {last} of {steps:,}"
    print_table(title, ["value", "before", *heads], rows)
