"""`ricorda inspect memory`: what a model kept of a text, and what each word gave to its verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli.inspect.source import as_example, first_and_last, text_or_standard_input
from ricorda.cli.options import Json, ModelFolder
from ricorda.cli.output import print_json, print_parts, print_table, write_picture

if TYPE_CHECKING:
    from ricorda.insight.memory.result import Memory

HEADS = {
    "left": "left at the end",
    "verdict": "for the verdict",
    "wide": "of that, wide",
    "integrated_gradients": "integrated gradients",
}
"""What the table calls columns whose names are not the words for them."""


def memory(
    folder: ModelFolder,
    text: Annotated[
        str | None, typer.Argument(help="What the model is to read; without it, the standard input.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--class", help="Whose score is explained.", show_default="the class that the model says"),
    ] = None,
    layer: Annotated[int | None, typer.Option(help="The layer to look into, from 1.", show_default="the last")] = None,
    window: Annotated[
        str | None, typer.Option(help="First and last token to show, FIRST:LAST.", show_default="the last 200")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw it to this file (.png, .svg, .pdf).", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write it to this file as an HTML page.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a model kept of a text, and what each word gave to its verdict.

    Each token: how much it wrote into the state and what is left of that at the end (norms), and what it gave to the
    verdict by three accounts: the exact decomposition of the state, integrated gradients, and leaving it out.

    For example:

      ricorda inspect memory model "slow at first, yet I loved it to the end"

      ricorda inspect memory model "slow at first, yet I loved it" --class negative --html memory.html

      ricorda inspect memory model --window 1:100 < long_review.txt
    """
    from ricorda.insight.memory.view import memory_of
    from ricorda.tasks.loading import load

    shown = first_and_last(window)
    model = load(folder)
    result = memory_of(
        model, as_example(model, text_or_standard_input(model, text)), target=target, layer=layer, window=shown
    )
    if picture is not None:
        write_picture(result.plot(), picture)
    if html is not None:
        from ricorda.files import write_atomically

        write_atomically(html, result.to_html())
        print(f"The page is in {html}", file=sys.stderr)
    if as_json:
        print_json(_as_json(result))
    else:
        _print(result)


def _as_json(kept: Memory) -> dict[str, Any]:
    verdict = kept.verdict
    result: dict[str, Any] = {
        "steps": kept.steps,
        "layer": kept.layer,
        "state": kept.remains[0].state if kept.remains else None,
        "tokens": kept.to_frame().to_dicts(),
        "notes": list(kept.notes),
    }
    if verdict is None:
        return result
    named = {"scores": verdict.scores, "bias": verdict.bias, "rest": verdict.rest, "initial": verdict.initial}
    return {
        **result,
        "explained": {"label": verdict.label, "rival": verdict.rival, "value": float(verdict.of(verdict.scores))},
        **{name: dict(zip(map(str, verdict.labels), values.tolist(), strict=True)) for name, values in named.items()},
        "completeness_error": verdict.integrated.error,
        "points": verdict.integrated.points,
        "window_alone": verdict.alone,
        "agreement": {
            f"{one}, {other}": None if rho != rho else rho  # JSON has no nan
            for (one, other), rho in verdict.agreement.items()
        },
    }


def _print(kept: Memory) -> None:
    from rich.text import Text

    from ricorda.insight.memory.words import coloured, facts, title_and_values

    print_parts(Text(title_and_values(kept)[0], style="bold"), coloured(kept))
    columns = kept.columns()
    rows = [
        (step, token, *(f"{values[place]:.3f}" for values in columns.values()))
        for place, (step, token) in enumerate(zip(range(kept.start + 1, kept.steps + 1), kept.tokens, strict=False))
    ]
    heads = ["step", "token"] if kept.thing == "word" else ["step"]
    rows = rows if kept.thing == "word" else [(step, *numbers) for step, _, *numbers in rows]
    print_table(None, [*heads, *(HEADS.get(name, name) for name in columns)], rows)
    for fact in facts(kept):
        sys.stdout.write(f"{fact}\n")
