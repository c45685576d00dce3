"""What a step of a layer is made of, as exports print it: plain data, no torch.

A step is a list of stages, taken in order. A matrix product and a reduction over the units need all units of what they
read, so that lies in memory before: each is a stage of its own. All else is pointwise and computed unit by unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Home:
    """Where numbers lie in memory.

    Parameters
    ----------
    kind : "input", "state" or "weight" of the name `name`, or "scratch", the step's own memory
    size : how many numbers
    name : of the input, state or weight
    offset : first number within the scratch memory
    """

    kind: str
    size: int
    name: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Line:
    """A value of a step.

    Parameters
    ----------
    op : a row of the operation table, or "input", "state" (as it enters the step), "weight", "constant", "product"
    args : indices of its arguments, which are earlier lines
    size : how many numbers; 1 for what is the same for all units, which goes with vectors of any size
    number : value of a constant
    home : where it lies once it is computed; None for constants and for what only the rest of its stage uses
    """

    op: str
    args: tuple[int, ...] = ()
    size: int = 1
    number: float = 0.0
    home: Home | None = None


@dataclass(frozen=True, eq=False)
class Product:
    """A sum of matrices times vectors, plus a bias: the affines of the same operands, one below the other.

    Parameters
    ----------
    home : where the result goes, [rows]
    operands : the vectors, [columns] each
    matrices : a matrix [rows, columns] for each, float32
    bias : [rows], float32; zeros where no affine has one
    """

    home: Home
    operands: tuple[Home, ...]
    matrices: tuple[Array, ...]
    bias: Array


@dataclass(frozen=True)
class Reduction:
    """One number of all units of a vector; `op` is one of `operations.REDUCTIONS`."""

    op: str
    home: Home
    operand: Home


@dataclass(frozen=True)
class Units:
    """Pointwise lines, computed for one unit after the other, or for several at once.

    Parameters
    ----------
    size : the units
    lines : indices of the lines that are computed, in order. An argument that is not among them is a constant, or is
        read from its home: at the unit's place, or its only number if that has the size 1
    stores : (home, line): what is written. All reading of a unit comes before its writing, since a home may be that of
        a state which is read here. A line of size 1 is written to all units
    """

    size: int
    lines: tuple[int, ...]
    stores: tuple[tuple[Home, int], ...]


Stage = Product | Reduction | Units


@dataclass(frozen=True, eq=False)
class Step:
    """One step of one layer in one direction.

    Parameters
    ----------
    name : of the cell
    inputs : name and size of each input; the first is the layer's input, or the output of the layer below
    states : name and size of each state; the first is the layer's output once the step is done
    begins : what each state begins with, in the order of the states
    lines : all values, see `Line`
    stages : what is done, in order; afterwards the states have their new values
    weights : the learned vectors that lines read, by name, float32. Matrices and biases stand in the products
    scratch : how many numbers of memory a step needs for itself; nothing in it lasts until the next step
    """

    name: str
    inputs: Mapping[str, int]
    states: Mapping[str, int]
    begins: tuple[float, ...]
    lines: tuple[Line, ...]
    stages: tuple[Stage, ...]
    weights: Mapping[str, Array]
    scratch: int

    @property
    def output(self) -> Home:
        """Where the layer's output lies after a step."""
        name, size = next(iter(self.states.items()))
        return Home("state", size, name)

    @property
    def operations(self) -> frozenset[str]:
        """The rows of the operation table that it needs."""
        stages = [stage for stage in self.stages if not isinstance(stage, Product)]
        of_units = {self.lines[i].op for stage in stages if isinstance(stage, Units) for i in stage.lines}
        return frozenset(of_units | {stage.op for stage in stages if isinstance(stage, Reduction)})
