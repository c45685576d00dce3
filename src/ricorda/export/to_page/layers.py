"""Recurrent layers as a page runs them: the lines of the cell's program with their weights, and what memory needs.

Other than C and WebAssembly, a page shows the values of the lines themselves. So it runs the program, whose lines
insight speaks of, and not the stages of `step.py`, which share their memory.
"""

from __future__ import annotations

from typing import Any

from ricorda.export.step import MOST, Packed, arrays_of
from ricorda.export.to_page.numbers import Numbers
from ricorda.insight.memory.decomposition import additive_lines, followed_states, shown_lines
from ricorda.insight.memory.remains import leaf_lines
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS


def layers_of(layer: Recurrent, numbers: Numbers) -> dict[str, Any]:
    """A stack of layers: for each level and direction its lines; and how the last level's states are followed."""
    stack, program = layer.stack, layer.stack.program
    levels = []
    for level, suffixes in enumerate(stack.suffixes):
        directions = []
        for suffix in suffixes:
            arrays = arrays_of(layer, level, suffix)
            lines = _lines(program, stack.sizes[level], arrays, Packed(program, arrays, stack.bias), numbers)
            places = {"outputs": list(program.outputs), "result": program.result}
            directions.append({"cell": program.name, "lines": lines, **places})
        levels.append(directions)
    return {"levels": levels, "memory": memory_of_lines(layer)}


def _lines(program: Program, sizes: Any, arrays: Any, packed: Packed, numbers: Numbers) -> list[dict[str, Any]]:
    lines = []
    needed = program.reaching.union(range(len(program.inputs) + len(program.states)))
    for index, value in enumerate(program.values):
        line: dict[str, Any] = {"op": value.op, "args": list(value.args), "size": sizes[value.size]}
        if index not in needed:
            line["op"] = "unused"
        elif value.op in ("input", "state"):
            line["name"] = value.name
        elif value.op == "parameter":
            line["vector"] = numbers.keep(arrays[value.name])
        elif value.op == "affine":
            places = range(len(value.args))
            line["matrices"] = [numbers.keep(packed.matrix([index], place)) for place in places]
            line["bias"] = numbers.keep(packed.bias(index, line["size"]))
        if value.op in ("state", "constant"):
            line["number"] = max(-MOST, min(value.number, MOST))
        lines.append(line)
    return lines


def memory_of_lines(layer: Recurrent) -> dict[str, Any] | None:
    """What following a state takes, by the numbers of lines; None if the cell has no additive state.

    `shows` says whether the output comes from such states, so that the verdict can be divided among the steps.
    """
    program, places = layer.programs[False], followed_states(layer)
    if not places:
        return None
    return {
        "places": list(places),
        "states": [state.name for state in program.states],
        "first": program.first_state,
        "additive": {place: sorted(additive_lines(program, place) & program.reaching) for place in places},
        "leaves": {index: place for index, place in leaf_lines(program).items() if index in program.reaching},
        "moving": sorted(shown_lines(program) & program.reaching),
        "shows": program.result in shown_lines(program),
        "sums": [name for name, row in OPERATIONS.items() if row.terms],
    }
