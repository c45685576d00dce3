"""The body of a loop over time, forward or backward, from which a compiled engine generates code.

`differentiate.py` and `schedule.py` make and arrange it. The same code generation then serves the forward pass and
BPTT, which differ in their lines only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ricorda.program.sizes import HIDDEN_SIZE

LOOP_LEAVES = ("constant", "vector", "carried", "sequence", "before", "mask", "locked_mask")


@dataclass(frozen=True)
class Factor:
    """The matrix that a product multiplies one of its operands by: a block of the layer's weights.

    Parameters
    ----------
    affine : index of the affine in the cell's program
    position : which of its operands the block belongs to
    """

    affine: int
    position: int


@dataclass(frozen=True)
class Line:
    """One line of a loop's body; all values are [rows, size].

    Parameters
    ----------
    op : a row of the operation table, or
        "constant": `number`;
        "vector": a learned vector [size], or the bias of an affine that does not read the input;
        "carried": the value that the previous step stored under `name`: a state, or the gradient of one;
        "sequence": read at this step from memory [steps, rows, size];
        "before": the state `name` as it entered this step, read from the forward pass's memory;
        "mask", "locked_mask": zeros and ones, drawn at each step, or once for the whole sequence; zero with
        probability `number`;
        "product": the sum of the operands `args`, each times the matrix in `factors` (its transpose in BPTT).
    args : indices of the arguments, which are earlier lines
    size : that of the program's value
    """

    op: str
    args: tuple[int, ...] = ()
    size: str = HIDDEN_SIZE
    name: str = ""
    number: float = 0.0
    factors: tuple[Factor, ...] = ()


@dataclass(frozen=True)
class Loop:
    """The body of a loop over time.

    Parameters
    ----------
    lines : in the order of computation
    carried : (name, line) of the values that the next step reads, in the order of the states
    stored : (name, line) of the values that each step writes to memory [steps, rows, size]
    backward : whether the steps are taken from the last to the first and the matrices transposed
    summed : (name, line) of the values that are summed over all steps
    """

    lines: tuple[Line, ...]
    carried: tuple[tuple[str, int], ...]
    stored: tuple[tuple[str, int], ...]
    backward: bool = False
    summed: tuple[tuple[str, int], ...] = ()

    @property
    def written(self) -> tuple[tuple[str, int], ...]:
        """Name and line of all values that a step writes."""
        return (*self.stored, *self.carried, *self.summed)

    @cached_property
    def sequences(self) -> tuple[tuple[str, str], ...]:
        """Name and size of the values that each step reads from memory."""
        return tuple((line.name, line.size) for line in self.lines if line.op == "sequence")
