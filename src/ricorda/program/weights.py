"""Where the weights of a program's affines stand in the parameters of a layer: torch.nn's layout.

`weight_ih` [gates*H, I] stacks the matrices that multiply the input, `weight_hh` [gates*H, H] those that multiply an
affine's first recurrent operand (a state, or a value computed from one), `weight_hh2` those of its second. All have
the order of the affines. `bias_ih` belongs to `weight_ih`, `bias_hh` to `weight_hh`. The projection has a matrix of its
own, `weight_hr` [P, H], and a learned vector its own name.

What does not fit into that layout stands alone. An affine of another size than H has a matrix for each operand,
`weight_<affine>_<place>` with the operand's place from 1 on, and one bias, `bias_<affine>`. An affine of size H has
such a matrix for each operand of another size: `weight_z_3` [H, I] if the third operand of the affine `z` is a state of
size I. (Values of size I that depend on inputs alone are no such operands: `weight_ih` multiplies them.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from ricorda.errors import CellError
from ricorda.program.ir import PROJECTION, Program
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE


@dataclass(frozen=True)
class Block:
    """The rows of a parameter that are its block number `position`."""

    parameter: str
    position: int


@dataclass
class Shape:
    """The shape of a parameter: the equal sizes of its stacked blocks, and that of its columns (None for a vector)."""

    rows: list[str]
    columns: str | None


@dataclass
class Layout:
    """The parameters of a layer and each affine's blocks in them.

    Parameters
    ----------
    shapes : name of each parameter to its shape, in torch.nn's order
    matrices : affine (by index) to a block for each operand, in the operands' order
    biases : affine to the blocks of its biases (torch.nn adds two where an affine takes the input and a state)
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    matrices: dict[int, list[Block]] = field(default_factory=dict)
    biases: dict[int, list[Block]] = field(default_factory=dict)


@lru_cache(maxsize=256)
def layout(program: Program, bias: bool = True) -> Layout:
    """The layout of a program's weights.

    Raises
    ------
    CellError
        If stacked matrices differ in columns, which only happens with a projected state, or if an affine has the name
        of a stacked bias.
    """
    result = Layout(shapes={name: Shape([], None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")})

    def place(parameter: str, rows: str, columns: str | None) -> Block:
        shape = result.shapes.setdefault(parameter, Shape([], columns))
        if not shape.rows:
            shape.columns = columns
        elif shape.columns != columns:
            raise CellError(
                f"cell {program.name} cannot have proj_size: {parameter} would multiply a projected and a whole state"
            )
        if shape.rows and shape.rows[0] != rows:
            raise CellError(f"the name {parameter} is kept for the layer's own weights: rename the affine of that name")
        shape.rows.append(rows)
        return Block(parameter, len(shape.rows) - 1)

    for index in program.affines:
        affine = program.values[index]
        recurrent = 0
        result.matrices[index] = []
        for number, operand in enumerate(affine.args, start=1):
            size, of_input = program.values[operand].size, operand in program.of_input
            name = f"weight_{affine.name}_{number}"
            if affine.name == PROJECTION:
                name = f"weight_{PROJECTION}"
            elif affine.size == HIDDEN_SIZE and of_input and size == INPUT_SIZE:
                name = "weight_ih"
            elif affine.size == HIDDEN_SIZE and not of_input and size in (HIDDEN_SIZE, PROJECTED_SIZE):
                recurrent += 1
                name = f"weight_hh{recurrent if recurrent > 1 else ''}"
            result.matrices[index].append(place(name, affine.size, size))
        result.biases[index] = []
        if bias and affine.bias:
            of_inputs = [operand in program.of_input for operand in affine.args]
            names = ["bias_ih"] * any(of_inputs) + ["bias_hh"] * (not all(of_inputs))
            for name in names if affine.size == HIDDEN_SIZE else [f"bias_{affine.name}"]:
                result.biases[index].append(place(name, affine.size, None))
    for value in program.values:
        if value.op == "parameter":
            place(value.name, value.size, None)
    result.shapes = {name: shape for name, shape in result.shapes.items() if shape.rows}
    return result
