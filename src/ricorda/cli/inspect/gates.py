"""`ricorda inspect gates`: how the gates open and close on a text, and which units follow which property."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli.inspect.source import as_example, first_and_last
from ricorda.cli.options import Json, Layer, ModelFolder, Picture
from ricorda.cli.output import print_json, print_parts, print_table, write_picture
from ricorda.errors import DataError

if TYPE_CHECKING:
    from ricorda.insight.gates.result import Gates
    from ricorda.insight.gates.units_result import Followers
    from ricorda.tasks.estimator import SequenceEstimator

SHARES = ("mean", "below_0.1", "above_0.9")
TEXTS, BEST = 200, 3
"""Texts of a file that are read, and units that are printed for each property."""


def gates(
    folder: ModelFolder,
    example: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The text to show; without it, the first of --file.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help=f"Texts to compare units on (the first {TEXTS}).")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column of the texts.", show_default="text")] = None,
    gate: Annotated[str | None, typer.Option(help="The only gate to show.")] = None,
    property_: Annotated[
        str | None, typer.Option("--property", help="The only property to show, such as quotation.")
    ] = None,
    unit: Annotated[int | None, typer.Option(help="A unit, from 0, to show on the text.")] = None,
    layer: Layer = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Look into the direction that reads from the end.")
    ] = False,
    window: Annotated[
        str | None, typer.Option(help="First and last step to show, FIRST:LAST.", show_default="the first 60")
    ] = None,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Show how the gates open and close on a text, and which units follow which property.

    The picture shows the gates; with --unit or --property, the text coloured by units.

    For example:

      ricorda inspect gates model "I lost the first five minutes, yet I loved it to the end" --picture gates.png

      ricorda inspect gates model --file reviews.csv --property quotation --picture quotation.png

      ricorda inspect gates model "A warm, funny film" --gate f --unit 7
    """
    from ricorda.insight.gates.properties import followers_of
    from ricorda.insight.gates.result import HEATMAP_STEPS, window_of
    from ricorda.insight.gates.view import gates_of
    from ricorda.tasks.loading import load

    asked = first_and_last(window)
    model = load(folder)
    examples = list(_examples(model, example, file, text))
    shown = examples[0] if example is None else as_example(model, example)
    result = gates_of(model, shown, layer=layer, backward=backward)
    names = list(result.values) if gate is None else [result.check_gate(gate)]
    steps = window_of(len(result.tokens), asked, HEATMAP_STEPS)
    followers = followers_of(model, examples, show=shown, value=gate, layer=layer, backward=backward)
    if unit is not None:
        followers.check_unit(unit)
    properties = _properties(followers) if property_ is None else [property_]
    best = {name: followers.best(name, BEST) for name in properties}
    if picture is not None:
        if unit is None and property_ is None:
            figure = result.plot(gate=gate, window=asked)
        else:
            figure = followers.plot(*properties, unit=unit, window=asked)
        write_picture(figure, picture)
    if as_json:
        print_json(_facts(result, names, followers, best, unit))
        return
    _print_gates(result, names)
    _print_followers(followers, best, len(examples))
    titled = [(f"{name}, ", units[0][0]) for name, units in best.items() if units] if unit is None else [("", unit)]
    for title, number in titled:
        _print_coloured(f"{title}unit {number} of {followers.value}", followers, number, steps)


def _is_series(followers: Followers) -> bool:
    """Whether steps have no name but their number."""
    return list(followers.tokens) == [str(step) for step in range(1, len(followers.tokens) + 1)]


def _properties(followers: Followers) -> list[str]:
    """Those of a text; the steps of a series have their place alone."""
    return [name for name in followers.correlations if name == "position" or not _is_series(followers)]


def _examples(model: SequenceEstimator, example: str | None, file: str | None, text: str | None) -> Iterator[Any]:
    """What units are compared on; without a file, what is shown."""
    if file is not None:
        from ricorda.cli.tasks import remembered
        from ricorda.data.parts import read_in_parts

        yield from next(iter(read_in_parts(file, text=text or remembered(model, "--text", file), rows=TEXTS))).inputs
    elif example is not None or model.GOES_ON:
        yield as_example(model, example)
    else:
        raise DataError("there is no text to look into: give one, or --file")


def _facts(
    gates: Gates, names: Sequence[str], followers: Followers, best: dict[str, list[tuple[int, float]]], unit: int | None
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "cell": gates.cell,
        "tokens": list(gates.tokens),
        "gates": {
            name: {
                key: float(values.mean()) for key, values in zip(SHARES, (gates.values[name], *saturated), strict=True)
            }
            for name, saturated in gates.saturated.items()
            if name in names
        },
        "time_constants": {name: list(map(_finite, steps)) for name, steps in gates.time_constants.items()},
        "properties": {
            name: {
                "steps": followers.steps[name],
                "units": [{"unit": number, "correlation": value} for number, value in units],
            }
            for name, units in best.items()
        },
    }
    if unit is not None:
        facts["unit"] = {"of": followers.value, "values": followers.activations[:, unit].tolist()}
    return facts


def _finite(number: float) -> float | None:
    """A number as JSON has it: what lasts for ever is null."""
    return float(number) if math.isfinite(number) else None


def _print_gates(gates: Gates, names: Sequence[str]) -> None:
    from ricorda.insight.gates.result import range_names

    saturated = gates.saturated
    rows = [
        (name, f"{gates.values[name].mean():.2f}", *(f"{share.mean():.0%}" for share in saturated[name]))
        for name in names
    ]
    print_table(f"Gates of {gates.cell}, {len(gates.tokens):,} steps", ["gate", "mean", "below 0.1", "above 0.9"], rows)
    counts = gates.counts()
    if counts:
        title = "Units by time constant (steps until 1/e is left)"
        print_table(title, ["state", *range_names()], [(name, *units) for name, units in counts.items()])


def _print_followers(followers: Followers, best: dict[str, list[tuple[int, float]]], texts: int) -> None:
    rows = [
        (
            name,
            ", ".join(f"{unit} ({value:+.2f})" for unit, value in units) or "it never changes",
            f"{followers.steps[name]:,}",
        )
        for name, units in best.items()
    ]
    over = "the series" if _is_series(followers) else "1 text" if texts == 1 else f"{texts} texts"
    print_table(f"Units of {followers.value} by correlation, over {over}", ["property", "units", "steps"], rows)


def _print_coloured(title: str, followers: Followers, unit: int, window: slice) -> None:
    """A unit on the text: red and + above zero, blue and - below."""
    from rich.text import Text

    from ricorda.insight.memory.words import AGAINST, FOR, Word
    from ricorda.insight.passage import spaced

    values = followers.activations[window, unit]
    most = float(abs(values).max()) or 1.0
    line = Text("…" if window.start else "")
    for token, value in zip(spaced(followers.tokens[window]), values.tolist(), strict=True):
        word = Word(token.strip() or "·", range(0), value, value / most)
        line.append(" " if line and token[:1] == " " else "")
        line.append(word.text + word.marks, (FOR if value > 0 else AGAINST)[len(word.marks) - 1] if word.marks else "")
    print_parts(Text(title, style="bold"), line)
