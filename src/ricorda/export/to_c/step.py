"""A step of a layer as statements of C."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.export.stages import Array, Home, Product, Reduction, Step, Units
from ricorda.export.to_c.mathematics import EXPRESSIONS
from ricorda.export.to_c.text import array, single

AT_ONCE = 4
"""Columns of a matrix that are added in one pass over the rows."""
KEYWORDS = re.compile(
    "alignas|alignof|and|asm|auto|bool|break|case|catch|char|class|const|continue|default|delete|do|double|else|enum|"
    "explicit|export|extern|false|float|for|friend|goto|if|inline|int|long|mutable|namespace|new|not|operator|or|"
    "private|protected|public|register|restrict|return|short|signed|sizeof|static|struct|switch|template|this|throw|"
    "true|try|typedef|typeid|typename|union|unsigned|using|virtual|void|volatile|while|xor"
)
OURS = re.compile("s|x|y|i|k|steps|token|numbers|v[0-9]+|x[0-9]")
"""Names of arguments and variables of our own."""


def is_word(name: str) -> bool:
    """Whether a name is a keyword of C or C++, or one of ours."""
    return bool(KEYWORDS.fullmatch(name) or OURS.fullmatch(name))


def field_name(name: str, number: int) -> str:
    """A name of a cell as one of C: Python's may have letters that C has not, or be a word of C or of ours."""
    fits = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and not is_word(name)
    return name if fits else f"value{number}"


@dataclass
class Constants:
    """The constant arrays of a header, and their bytes.

    Parameters
    ----------
    int8 : whether matrices are whole numbers from -127 to 127 with a scale a row
    """

    int8: bool
    texts: list[str] = field(default_factory=list)
    bytes: int = 0

    def add(self, name: str, numbers: NDArray[Any]) -> str:
        """An array of its own type; its name in C."""
        kind = {"f": "float", "i": "int32_t", "u": "uint32_t"}[numbers.dtype.kind]
        if numbers.dtype.itemsize < 4:
            kind = {"int8": "signed char", "uint8": "unsigned char", "uint16": "uint16_t"}[numbers.dtype.name]
        self.texts.append(array(kind, f"${name}", numbers))
        self.bytes += numbers.nbytes
        return f"${name}"


def quantised(matrix: Array) -> tuple[NDArray[np.int8], Array]:
    """A matrix [rows, columns] as whole numbers from -127 to 127, and the scale of each row."""
    largest = np.abs(matrix).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


def product(
    constants: Constants, name: str, result: str, operands: Sequence[str], matrices: Sequence[Array], bias: Array
) -> list[str]:
    """Statements that put bias + the sum of matrices times vectors into `result`.

    The matrices stand transposed: so the innermost loop is over the rows, whose sums do not wait for each other, and a
    compiler may vectorise it without changing a bit. In int8, a sum is brought from one matrix's scale to the next's.

    Parameters
    ----------
    result, operands : C's text of an element, with `{}` for the index
    """
    rows = len(bias)
    scales: list[Array] = []
    columns = list(matrices)
    if constants.int8:
        pairs = [quantised(matrix) for matrix in matrices]
        columns, scales = [pair[0] for pair in pairs], [pair[1] for pair in pairs]  # type: ignore[misc]
    b = constants.add(f"b{name}", bias)
    target = result.format("i")
    start = "" if scales else f"{b}[i]"
    out: list[str] = []
    for place, (matrix, operand) in enumerate(zip(columns, operands, strict=True)):
        w = constants.add(f"w{name}_{place}", np.ascontiguousarray(matrix.T))
        out += _columns(w, matrix.shape[1], rows, target, operand, bool(scales), start if place == 0 else target)
        if scales:
            last = place == len(columns) - 1
            factor = scales[place] if last else scales[place] / scales[place + 1]
            r = constants.add(f"r{name}_{place}", factor)
            out += [f"for (i = 0; i < {rows}; ++i)"]
            out += [f"    {target} = {target} * {r}[i]{f' + {b}[i]' if last else ''};"]
    return out


def _columns(w: str, columns: int, rows: int, target: str, operand: str, int8: bool, start: str) -> list[str]:
    """The columns of a matrix times an operand, added to what the target is to start with."""
    cast, out = "(float)" if int8 else "", list[str]()

    def some(first: str, width: int, begin: str) -> list[str]:
        """Statements that add `width` columns from the one of number `first` on."""
        places = [f"{first} + {n}" if n else first for n in range(width)]
        if first == "0":
            places = list(map(str, range(width)))
        terms = [f"{cast}{w}[{place}][i] * x{n}" for n, place in enumerate(places)]
        summands = [begin, *terms] if begin else terms
        loads = [f"x{n} = {operand.format(place)}" for n, place in enumerate(places)]
        return [
            f"    const float {', '.join(loads)};",
            f"    for (i = 0; i < {rows}; ++i)",
            f"        {target} = " + "\n            + ".join(summands) + ";",
            "}",
        ]

    begun = min(AT_ONCE, columns) if start != target else 0  # A loop that only copied would become a call of memcpy.
    if begun:
        out += ["{", *some("0", begun, start)]
    whole = begun + (columns - begun) // AT_ONCE * AT_ONCE
    for first, end, width in ((begun, whole, AT_ONCE), (whole, columns, 1)):
        if first < end:
            out += [f"for (k = {first}; k < {end}; k += {width}) {{", *some("k", width, target)]
    return out


class StepText:
    """A step of a layer in C.

    Parameters
    ----------
    step : Step
    level : number of the layer, from 0
    x : C's text of an element of the first input, with `{}` for the index
    constants : takes the step's arrays
    """

    def __init__(self, step: Step, level: int, x: str, constants: Constants) -> None:
        self.step, self.level, self.constants = step, level, constants
        inputs = {name: field_name(name, number) for number, name in enumerate(step.inputs)}
        self.places = {("input", name): f"{text}[{{}}]" for name, text in inputs.items()}
        self.places["input", next(iter(step.inputs))] = x
        self.beside = [inputs[name] for name in list(step.inputs)[1:]]
        self.fields = {name: field_name(name, number) for number, name in enumerate(step.states)}
        for name, text in self.fields.items():
            self.places["state", name] = f"s->layer{level}.{text}[{{}}]"
        for name, numbers in step.weights.items():
            own = constants.add(f"p{level}_{field_name(name, len(constants.texts))}", numbers)
            self.places["weight", name] = f"{own}[{{}}]"

    def memory(self) -> str:
        """The layer's member of the state."""
        arrays = " ".join(f"float {self.fields[name]}[{size}];" for name, size in self.step.states.items())
        return f"struct {{ {arrays} }} layer{self.level};"

    def reset(self) -> list[str]:
        """Statements that set the first states."""
        out = []
        for (name, size), begin in zip(self.step.states.items(), self.step.begins, strict=True):
            out.append(f"$fill({self.places['state', name].removesuffix('[{}]')}, {single(begin)}, {size});")
        return out

    def statements(self) -> list[str]:
        """The stages."""
        out: list[str] = []
        for number, stage in enumerate(self.step.stages):
            if isinstance(stage, Product):
                operands = [self.at(home) for home in stage.operands]
                result = self.at(stage.home)
                out += product(self.constants, f"{self.level}_{number}", result, operands, stage.matrices, stage.bias)
            elif isinstance(stage, Reduction):
                first = self.at(stage.operand).format(0)
                out.append(f"{self.at(stage.home).format(0)} = $reduce_{stage.op}(&{first}, {stage.operand.size});")
            else:
                out += self.units(stage)
        return out

    def units(self, stage: Units) -> list[str]:
        """A loop over the units of a stage."""
        own = {i for i, line in enumerate(self.step.lines) if line.op == "constant"} | set(stage.lines)
        body = []
        for i in stage.lines:
            line = self.step.lines[i]
            args = [self.value(arg, arg in own) for arg in line.args]
            body.append(f"const float v{i} = {EXPRESSIONS[line.op].format(*args)};")
        copied = [i for i in dict.fromkeys(i for _, i in stage.stores) if i not in own]
        body += [f"const float v{i} = {self.value(i, False)};" for i in copied]
        for home, i in stage.stores:  # What is only copied is volatile: the loop would become a call of memcpy.
            place = self.at(home).format("i")
            place = f"*(volatile float *)&{place}" if i in copied or self.step.lines[i].op == "constant" else place
            body.append(f"{place} = {self.value(i, True)};")
        return [f"for (i = 0; i < {stage.size}; ++i) {{", *(f"    {line}" for line in body), "}"]

    def value(self, i: int, is_here: bool) -> str:
        """A line's number at the unit i: a constant, computed in this stage, or read."""
        line = self.step.lines[i]
        if line.op == "constant":
            text = single(line.number)
            return f"({text})" if text.startswith("-") else text
        if is_here:
            return f"v{i}"
        assert line.home is not None
        return self.at(line.home).format("i" if line.size > 1 else 0)

    def at(self, home: Home) -> str:
        """An element of a home, with `{}` for the index."""
        if home.kind == "scratch":
            return f"s->scratch[{home.offset} + {{}}]" if home.offset else "s->scratch[{}]"
        return self.places[home.kind, home.name]
