"""The textbook's picture of a cell unrolled over its steps, with real numbers: laid out from the cell's program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.drawing import DIVERGING, SEQUENTIAL, decimals, label
from ricorda.insight.memory.decomposition import additive_states
from ricorda.insight.unrolled.result import Unrolled
from ricorda.program.ir import LEAVES, Program
from ricorda.program.operations import OPERATIONS, is_gate
from ricorda.program.show import equations
from ricorda.tasks.pictures import BLUE, GREEN, GREY, ORANGE, WIDTH, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

MARGIN, TITLE, OUTPUT, LANE, PILL, INPUT, TOKEN, EQUATION = 0.25, 0.45, 0.65, 0.56, 0.5, 0.62, 0.2, 0.21
"""Inches: the margin, the title, an output above its box, a state's lane, a named value, an input below its box, its
token, an equation."""

MOST_UNITS = 12
"""The most units whose values are drawn as coloured cells."""

COLOUR_OF = {(0, 1): BLUE, (-1, 1): ORANGE}
"""Colours of squashing functions, by their bounds."""


@dataclass(frozen=True)
class Row:
    """A named value inside the box: its name, its operation, and the name of the operation's argument, if any."""

    name: str
    op: str
    argument: str | None


def rows_of(program: Program) -> list[Row]:
    """The named values that stand inside the box, in the order of computation.

    States that pass through their lane are left out, and pre-activations that stand beside their activation.
    """
    names = {index: name for name, index in reversed(program.names)}
    on_lanes = {program.outputs[place] for place in additive_states(program)}
    shown = [index for index in sorted(names) if program.values[index].op not in LEAVES and index not in on_lanes]
    arguments = {index: args[0] for index in shown if len(args := program.values[index].args) == 1}
    arguments = {index: arg for index, arg in arguments.items() if program.values[index].op != "affine"}
    beside = {arg for arg in arguments.values() if program.values[arg].op == "affine"}
    return [
        Row(names[index], program.values[index].op, names.get(arguments.get(index, -1)))
        for index in shown
        if index not in beside
    ]


def draw_unrolled(unrolled: Unrolled) -> Figure:
    """Draw a box for each step, with the states' lanes through it."""
    picture = _Picture(unrolled)
    return picture.draw()


class _Picture:
    """The layout; places are in inches, y upwards from the lower edge."""

    def __init__(self, unrolled: Unrolled) -> None:
        self.unrolled = unrolled
        self.program = unrolled.program
        self.rows = rows_of(self.program)
        states = [state.name for state in self.program.states]
        self.above = [name for name in reversed(states) if name in unrolled.kept] or states[-1:]
        self.below = [name for name in reversed(states) if name not in self.above]
        self.single = all(values.shape[1] == 1 for values in unrolled.values.values())
        self.wide = unrolled.inputs.shape[1] > 1
        self.strips = self.wide or not self.single
        self.equations = _mathematics(self.program)
        steps = len(unrolled)
        self.pitch = (WIDTH - 2 * MARGIN) / steps
        self.gap = min(0.9, 0.34 * self.pitch)
        if steps < 3:  # A box is not wider than its numbers need.
            self.pitch = (WIDTH - 2 * MARGIN) / 3
            self.gap = 0.9
        self.box = (WIDTH - 2 * MARGIN - self.gap * (steps + 1)) / steps if steps >= 3 else self.pitch - self.gap
        self.left = (WIDTH - steps * self.box - (steps + 1) * self.gap) / 2 + self.gap
        self.small = steps > 5
        self.named = any(token != str(number) for number, token in enumerate(unrolled.tokens, unrolled.first))
        below = INPUT + TOKEN * self.named + 0.15 * self.wide
        self.bottom: float = 0.15 + EQUATION * -(-len(self.equations) // 2) + 0.35 * self.strips + below
        inside: float = LANE * (len(self.above) + len(self.below)) + PILL * len(self.rows) + 0.2
        self.top: float = self.bottom + inside
        self.height = self.top + OUTPUT + TITLE + (0.0 if self.single else 0.1)
        self.figure = new_figure(self.height)
        self.figure.set_layout_engine("none")  # Everything has its absolute place.
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH), ylim=(0, self.height))
        self.axes.axis("off")

    def draw(self) -> Figure:
        """Draw all parts of the picture."""
        unrolled = self.unrolled
        last = unrolled.first + len(unrolled) - 1
        units = "one unit" if self.single else f"{max(numbers.shape[1] for numbers in unrolled.values.values())} units"
        steps = f"step {last}" if len(unrolled) == 1 else f"steps {unrolled.first} to {last}"
        title = f"{self.program.title}, {units}, {steps}"
        self.axes.text(MARGIN, self.height - 0.28, title, fontsize=13, fontweight="bold", va="center")
        for step in range(len(unrolled)):
            self._draw_step(step)
        for number, name in enumerate([*self.above, *self.below]):
            self._draw_lane(name, self._lane(number))
        self._draw_equations()
        if self.strips:
            self._draw_scales()
        return self.figure

    def _lane(self, number: int) -> float:
        """The height of a state's arrow."""
        if number < len(self.above):
            return self.top - 0.1 - LANE * (number + 0.5)
        return self.bottom + 0.1 + LANE * (len(self.above) + len(self.below) - number - 0.5)

    def _box(self, step: int) -> float:
        return self.left + step * (self.box + self.gap)

    def _draw_step(self, step: int) -> None:
        from matplotlib.patches import FancyBboxPatch

        x, middle = self._box(step), self._box(step) + self.box / 2
        style = "round,pad=0,rounding_size=0.1"
        height = self.top - self.bottom
        self.axes.add_patch(
            FancyBboxPatch(
                (x, self.bottom), self.box, height, boxstyle=style, facecolor="#f6f6f6", edgecolor=GREY, zorder=1
            )
        )
        first = self.top - 0.1 - LANE * len(self.above)
        for number, row in enumerate(self.rows):
            self._draw_row(row, step, x + 0.05, first - PILL * number)
        self._arrow(middle, self.bottom - 0.3, middle, self.bottom)
        self._draw_input(step, middle)
        self._arrow(middle, self.top, middle, self.top + 0.3)
        output = self.program.output_name
        values = self.unrolled.values[output][step]
        self._say(middle, self.top + 0.43, self._equation(output, step, values), 9 if self.small else 10)
        if not self.single:
            self._cells(middle, self.top + 0.55, values, min(self.box, 1.3), gate=False)

    def _draw_input(self, step: int, middle: float) -> None:
        token, values = self.unrolled.tokens[step], self.unrolled.inputs[step]
        text = self._equation(self.program.values[0].name, step, values)
        self._say(middle, self.bottom - 0.42, text, 9 if self.small else 10)
        if self.wide:
            self._cells(middle, self.bottom - 0.64, values, min(self.box, 1.3), gate=False)
        if self.named:
            shown = label(token)
            most = int((self.box + self.gap) / 0.105)
            shown = shown if len(shown) <= most else shown[: most - 1] + "…"
            self._say(middle, self.bottom - (0.78 if self.wide else 0.62), shown, 11, weight="bold")

    def _draw_row(self, row: Row, step: int, x: float, top: float) -> None:
        """A value: its name and number, and below them its operation's argument, or its units."""
        from matplotlib.patches import FancyBboxPatch

        width, colour = self.box - 0.1, _colour(row.op)
        values = self.unrolled.values[row.name][step]
        style = "round,pad=0,rounding_size=0.07"
        self.axes.add_patch(
            FancyBboxPatch(
                (x, top - PILL + 0.04),
                width,
                PILL - 0.08,
                boxstyle=style,
                facecolor=colour,
                alpha=0.16,
                linewidth=0,
                zorder=2,
            )
        )
        size = 9 if self.small else 11
        name, number = row.name, self._number(values, gate=is_gate(row.op))
        room = int((width - 0.16 - 0.0085 * size * len(number)) / (0.0078 * size))
        name = _name(name) if len(name) <= max(room, 1) else _name(name[: max(room - 1, 1)])[:-1] + ".$"
        alone = self.single and row.argument is None
        line = top - (PILL / 2 if alone else 0.155)
        self._say(x + 0.05, line, name, size, ha="left")
        self._say(x + width - 0.05, line, number, size, ha="right", weight="bold")
        if not self.single:
            self._cells(x + width / 2, top - PILL + 0.1, values, width - 0.1, gate=is_gate(row.op))
        elif row.argument is not None:
            before = self.unrolled.values[row.argument][step][0]
            symbol = OPERATIONS[row.op].symbol or row.op
            text = f"{symbol}({decimals(before)})"
            self._say(x + width - 0.05, top - 0.345, text, size - (2.5 if self.small else 2), ha="right", colour=GREY)

    def _draw_lane(self, name: str, y: float) -> None:
        """Draw a state's arrows between boxes, and its line through them if each step keeps a share of it."""
        unrolled, values = self.unrolled, self.unrolled.values[name]
        before = np.concatenate([unrolled.initial[name][None], values])
        for step in range(len(unrolled) + 1):
            end = self._box(step)
            start = end - self.gap
            self._arrow(start, y, end, y, width=1.6)
            size = 8 if self.small else 10
            middle = start + self.gap / 2 - 0.03
            self._say(middle, y + 0.11, self._number(before[step]), size, weight="bold")
            self._say(middle, y - 0.12, _italic(name, unrolled.first + step - 1), size, colour=GREY)
            if not self.single:
                self._cells(middle, y - 0.29, before[step], self.gap * 0.8, gate=False)
        if name not in unrolled.kept:
            return
        share = unrolled.kept[name]
        for step in range(len(unrolled)):
            self._draw_update(name, y, step, share[step], values[step] - share[step] * before[step])

    def _draw_update(self, name: str, y: float, step: int, share: Array, written: Array) -> None:
        """The line of a state through a box: it is multiplied by the kept share, then the written part is added."""
        x = self._box(step)
        self.axes.plot([x, x + self.box], [y, y], color="black", linewidth=1.6, solid_capstyle="butt", zorder=2)
        size = 8 if self.small else 10
        for place, sign, number in (
            (0.27, "×", self._number(share, gate=True)),
            (0.73, "+", self._number(written)),
        ):
            middle = x + place * self.box
            self.axes.plot([middle], [y], "o", markersize=11, markerfacecolor="white", markeredgecolor=GREEN, zorder=3)
            self._say(middle, y - 0.005, sign, 9, colour=GREEN, weight="bold")
            self._say(middle, y - 0.19, number, size, colour=GREEN)

    def _draw_equations(self) -> None:
        half = -(-len(self.equations) // 2)
        for number, line in enumerate(self.equations):
            column, row = divmod(number, half)
            y = 0.12 + EQUATION * (half - row - 0.5)
            self._say(MARGIN + column * (WIDTH / 2), y, line, 9, ha="left", colour="#333333")

    def _draw_scales(self) -> None:
        """The legend of the coloured cells."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        size = max(numbers.shape[1] for numbers in self.unrolled.values.values())
        cells = f"cells: the first {MOST_UNITS} of {size} units" if size > MOST_UNITS else "cells: the units"
        y = 0.12 + EQUATION * -(-len(self.equations) // 2) + 0.2
        text = f"numbers: the mean of a gate, the norm ‖·‖ of anything else; {cells}"
        self._say(MARGIN, y, text, 8, ha="left", colour="#333333")
        for x, kind, low, name in ((WIDTH - 3.6, SEQUENTIAL, 0, "gate"), (WIDTH - 1.75, DIVERGING, -1, "other")):
            self._say(x - 0.1, y, name, 8, ha="right", colour="#333333")
            axes = self.figure.add_axes(((x + 0.22) / WIDTH, (y - 0.05) / self.height, 0.9 / WIDTH, 0.1 / self.height))
            bar = self.figure.colorbar(ScalarMappable(Normalize(low, 1), kind), cax=axes, orientation="horizontal")
            bar.set_ticks([])
            self._say(x + 0.17, y, str(low).replace("-", "−"), 8, ha="right", colour="#333333")
            self._say(x + 1.2, y, "1", 8, colour="#333333")

    def _cells(self, middle: float, y: float, values: Array, width: float, *, gate: bool) -> None:
        """The first units as coloured cells."""
        import matplotlib as mpl
        from matplotlib.patches import Rectangle

        shown = values[:MOST_UNITS]
        side = min(width / len(shown), 0.16)
        colours = mpl.colormaps[SEQUENTIAL](shown) if gate else mpl.colormaps[DIVERGING](0.5 + 0.5 * shown)
        start = middle - side * len(shown) / 2
        for number, colour in enumerate(colours):
            patch = Rectangle(
                (start + number * side, y), side, 0.1, facecolor=colour, edgecolor="#999999", linewidth=0.3, zorder=4
            )
            self.axes.add_patch(patch)

    def _equation(self, name: str, step: int, values: Array) -> str:
        name = _italic(name, self.unrolled.first + step)
        return f"{name if len(values) == 1 else f'‖{name}‖'} = {self._number(values)}"

    def _number(self, values: Array, *, gate: bool = False) -> str:
        if len(values) == 1:
            return decimals(values[0])
        return f"{values.mean() if gate else np.linalg.norm(values):.2f}"

    def _say(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        ha: str = "center",
        colour: str = "black",
        weight: str = "normal",
    ) -> None:
        self.axes.text(x, y, text, fontsize=size, ha=ha, va="center", color=colour, fontweight=weight, zorder=5)

    def _arrow(self, x: float, y: float, to_x: float, to_y: float, width: float = 1.2) -> None:
        shape = {"arrowstyle": "-|>,head_width=0.18,head_length=0.35", "linewidth": width, "color": "black"}
        self.axes.annotate("", (to_x, to_y), (x, y), arrowprops={**shape, "shrinkA": 0, "shrinkB": 0}, zorder=2)


def _colour(op: str) -> str:
    bounds = OPERATIONS[op].bounds if op in OPERATIONS else None
    return GREY if bounds is None else COLOUR_OF.get(bounds, GREY)


def _mathematics(program: Program) -> list[str]:
    """The cell's equations, as mathematics where matplotlib can typeset them."""
    from matplotlib.mathtext import MathTextParser

    parser: Any = MathTextParser("path")
    lines = []
    for plain, latex in zip(equations(program), equations(program, "latex"), strict=True):
        line = f"${latex}$"
        try:
            parser.parse(line)
        except ValueError:
            line = plain.replace("$", r"\$")
        lines.append(line)
    return lines


def _name(name: str) -> str:
    """A name as mathematics; what follows its first letter and underscore becomes a subscript."""
    letter, _, below = name.partition("_")
    if len(letter) == 1 and below:
        return f"${letter}_{{{_upright(below)}}}$"
    return f"${name}$" if len(name) == 1 else f"${_upright(name)}$"


def _upright(text: str) -> str:
    escaped = text.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"


def _italic(name: str, step: int) -> str:
    """A variable with its step as a subscript."""
    return f"${name if len(name) == 1 else _upright(name)}_{{{step}}}$"
