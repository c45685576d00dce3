"""What a layer learns where that is not the weights themselves, and how the two belong together.

Engines take the weights of `program.weights.layout`. What a layer learns are pieces: `weight_hh` and its like, with the
rows of all affines without a form, and a piece of its own, such as `weight_hh_m`, for each matrix, bias or vector that
has one. `nn.forms` makes the pieces from learned tensors, and the weights from the pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ricorda.program.forms import BIAS, FORMS, INPUT, PARAMETER, RECURRENT, Dimensions, parse, parts_of
from ricorda.program.ir import PROJECTION, Program, Value
from ricorda.program.sizes import HIDDEN_SIZE
from ricorda.program.weights import Block, Shape, layout


@dataclass
class Learned:
    """What a layer learns, as pieces, and how the weights are put together from them.

    Parameters
    ----------
    shapes : name of each piece to its shape; those without a form are learned as they are
    forms : name of a piece to the name and the numbers of its form
    matrices, biases : affine (by index) to its blocks, as in `Layout`, in the pieces
    weights : name of each weight that engines take to the blocks of pieces that are its rows
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    forms: dict[str, tuple[str, tuple[float, ...]]] = field(default_factory=dict)
    matrices: dict[int, list[Block]] = field(default_factory=dict)
    biases: dict[int, list[Block]] = field(default_factory=dict)
    weights: dict[str, list[Block]] = field(default_factory=dict)

    def tensors_of(self, piece: str, sizes: Mapping[str, int]) -> dict[str, Dimensions]:
        """The tensors that a layer keeps for a piece: `weight_left_hh_m` and `weight_right_hh_m` for a `weight_hh_m`.

        Raises
        ------
        ArgumentError
            If the sizes cannot have its form.
        """
        shape = self.dimensions(piece, sizes)
        if piece not in self.forms:
            return {piece: shape}
        name, numbers = self.forms[piece]
        kind, _, rest = piece.partition("_")
        tensors = FORMS[name].tensors(shape, *numbers)
        return {f"{kind}_{prefix}{rest}" if prefix else piece: own for prefix, own in tensors.items()}

    def dimensions(self, piece: str, sizes: Mapping[str, int]) -> Dimensions:
        """The shape of a piece once it is made."""
        shape = self.shapes[piece]
        rows = sum(sizes[row] for row in shape.rows)
        return (rows,) if shape.columns is None else (rows, sizes[shape.columns])


@lru_cache(maxsize=256)
def learned(program: Program, bias: bool = True) -> Learned | None:
    """What a layer of a program learns; None if that is the weights themselves."""
    if not any(value.form or value.shares for value in program.values):
        return None
    plan, result = layout(program, bias), Learned()
    places: dict[Block, Block] = {}
    weight_of: dict[str, str] = {}

    def place(block: Block, name: str, form: str, part: str) -> Block:
        """The block of a piece for a block of a weight."""
        weight = plan.shapes[block.parameter]
        alone = part == PARAMETER or weight.rows[block.position] != HIDDEN_SIZE
        alone = alone or block.parameter.startswith(f"weight_{name}_")
        piece = block.parameter if alone or not form else f"{block.parameter}_{name}"
        shape = result.shapes.setdefault(piece, Shape([], weight.columns))
        shape.rows.append(weight.rows[block.position])
        weight_of[piece] = block.parameter
        if form:
            result.forms[piece] = parse(form, part)
        places[block] = Block(piece, len(shape.rows) - 1)
        return places[block]

    first = {program.values[index].name: index for index in program.affines}
    for index in program.affines:
        affine, matrices, biases = program.values[index], plan.matrices[index], plan.biases[index]
        if affine.shares:
            origin = first[affine.shares]
            result.matrices[index] = result.matrices[origin]
            result.biases[index] = result.biases[origin] if biases else []
            places |= zip(matrices, result.matrices[index], strict=True)
            places |= zip(biases, result.biases[index], strict=True)
            continue
        form = parts_of(affine.form)
        parts = [INPUT if operand in program.of_input else RECURRENT for operand in affine.args]
        result.matrices[index] = [
            place(block, affine.name, form.get(part, ""), part) for block, part in zip(matrices, parts, strict=True)
        ]
        result.biases[index] = [place(block, affine.name, form.get(BIAS, ""), BIAS) for block in biases]
    for value in program.values:
        if value.op == "parameter":
            place(Block(value.name, 0), value.name, value.form, PARAMETER)
    for name, shape in plan.shapes.items():
        result.weights[name] = [places[Block(name, number)] for number in range(len(shape.rows))]
    order = {name: number for number, name in enumerate(plan.shapes)}
    result.shapes = {piece: result.shapes[piece] for piece in sorted(result.shapes, key=lambda p: order[weight_of[p]])}
    return result


def without_forms(program: Program) -> Program:
    """The program that engines run: they take weights however these are made and whatever they start with."""
    if not any(value.form or value.shares or value.init for value in program.values):
        return program
    return replace(program, values=tuple(replace(value, form="", shares="", init="") for value in program.values))


def recurrent_matrices(program: Program) -> tuple[str, ...]:
    """The names of the matrices that multiply states, or values computed from them; the projection is none of them."""
    names: dict[str, None] = {}
    for index, blocks in (learned(program) or layout(program)).matrices.items():
        for block, operand in zip(blocks, program.values[index].args, strict=True):
            if operand not in program.of_input and program.values[index].name != PROJECTION:
                names[block.parameter] = None
    return tuple(names)


def described(program: Program) -> list[str]:
    """What is known of the weights that have forms, a line each, such as `W_h = M - M^T - 0.01 I`."""
    lines = []
    for value in program.values:
        if value.op == "affine" and value.form == "fixed":
            lines.append(f"W_{value.name}{f' and b_{value.name}' * value.bias} never trained")
            continue
        parts = parts_of(value.form) if value.op == "affine" or not value.form else {PARAMETER: value.form}
        for part, text in parts.items():
            name, numbers = parse(text, part)
            shown = [repr(number).removesuffix(".0") for number in numbers]
            lines.append(FORMS[name].equation.format(*shown, W=_weight(value, part)))
    return lines


def starts(program: Program) -> list[str]:
    """What weights start with that are not drawn as the layer draws them, a line each, such as `W_h: orthogonal`.

    States that do not begin with zero are first, as `m_0 = -1e+30`.
    """
    lines = [f"{state.name}_0 = {state.number:g}" for state in program.states if state.number]
    for value in program.values:
        parts = parts_of(value.init) if value.op == "affine" or not value.init else {PARAMETER: value.init}
        for part, text in parts.items():
            lines.append(f"{_weight(value, part)}: {text}")
    return lines


def _weight(value: Value, part: str) -> str:
    kind = {PARAMETER: "", BIAS: "b_"}.get(part, "W_")
    return f"{kind}{value.name}{' of the input' * (part == INPUT)}"
