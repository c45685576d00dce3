"""`ricorda inspect gradients`: where the gradient goes in time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ricorda.cli.inspect.source import refuse_beside_model
from ricorda.cli.options import Json, Picture
from ricorda.cli.output import print_json, print_table, write_picture
from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from ricorda.insight.gradients.result import GradientFlow, StateFlow

_CELLS, _HIDDEN_SIZE = "rnn,lstm,gru", 64


def gradients(
    folder: Annotated[Path | None, typer.Argument(help="A model folder; without it, fresh cells.")] = None,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts for the model to read; else random input.")] = None,
    cells: Annotated[
        str | None,
        typer.Option(help="Names from `ricorda cells`, or FILE.py:NAME, with commas between.", show_default=_CELLS),
    ] = None,
    hidden_size: Annotated[
        int | None, typer.Option(help="Units of a fresh cell, and features of its input.", show_default="64")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps to look back.")] = 100,
    rows: Annotated[int, typer.Option(help="Rows of random input.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Show where the gradient goes in time: whether it vanishes, explodes or is sound.

    The memory is the distance from which on the gradient stays below 1 % of its largest.

    For example:

      ricorda inspect gradients --cells rnn,lstm,gru --steps 100 --picture flow.png

      ricorda inspect gradients model "I lost the first five minutes, yet I loved it to the end"

      ricorda inspect gradients --cells lstm,mycells.py:mgu --hidden-size 128
    """
    names = _names(folder, cells, hidden_size)
    from ricorda.insight.gradients.view import gradient_flow

    if folder is None:
        size = _HIDDEN_SIZE if hidden_size is None else hidden_size
        flows = [gradient_flow(name, steps=steps, rows=rows, hidden_size=size, seed=seed) for name in names]
    else:
        from ricorda.tasks.loading import load

        count = len(texts) if texts else rows
        flows = [gradient_flow(load(folder), texts or None, steps=steps, rows=count, seed=seed)]
    if picture is not None:
        from ricorda.insight.gradients.picture import draw_flows

        write_picture(draw_flows(flows), picture)
    if as_json:
        print_json([flow.to_json() for flow in flows])
        return
    _print(flows)


def _names(folder: Path | None, cells: str | None, hidden_size: int | None) -> list[str]:
    """The fresh cells to look into."""
    if folder is not None:
        refuse_beside_model(folder, "fresh cells", cells=cells, hidden_size=hidden_size)
        return []
    from ricorda.catalogue import split_names

    names = split_names(_CELLS if cells is None else cells)
    if not all(names):
        raise ArgumentError(
            f"--cells {cells!r} has a name that is empty: give names with commas between, such as {_CELLS}"
        )
    return names


def _print(flows: list[GradientFlow]) -> None:
    columns = ["cell", "state", "half-life", "memory", "largest exponent", "norm at far end", "verdict"]
    rows = [
        (
            flow.cell,
            state.name,
            _pace(state),
            f"over {flow.steps}" if state.memory_length is None else state.memory_length,
            "" if flow.largest_exponent is None else f"{flow.largest_exponent:.3f}",
            _power(state.far_end),
            state.verdict,
        )
        for flow in flows
        for state in flow.states.values()
    ]
    title = f"Gradient over {flows[0].steps} steps, {flows[0].output.norms.shape[1]} rows (steps; nats a step)"
    print_table(title, columns, rows)
    for flow in flows:
        print(f"{flow.cell}: {flow.carrier.sentence}.")


def _pace(state: StateFlow) -> str:
    if state.half_life is not None:
        return f"{state.half_life:,.1f}"
    return "flat" if state.doubling_time is None else f"doubles in {state.doubling_time:,.1f}"


def _power(log10: float) -> str:
    """10 to the power of a number that may be too small or large for a float."""
    if log10 == float("-inf"):
        return "0"
    if log10 == float("inf"):
        return "over 1e+150"
    exponent = int((log10 + 0.00218) // 1)  # 9.95 and more would be written 10.0
    return f"{10 ** (log10 - exponent):.1f}e{exponent:+03d}"
