"""A stack of layers before it has weights: names, shapes and sizes of its parameters and states."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, Program
from ricorda.program.weights import layout


class Stack:
    """Layers of one program, each on the output of the previous one, in one or both directions; made by `stack_of`.

    All attributes are plain values that are computed at once: torch.compile can read them but could not compute them.

    Attributes
    ----------
    program : Program
        A step of each layer, in evaluation.
    bias : bool
        Whether the affines add biases.
    input_size, hidden_size, proj_size : int
        I, H and P of the first layer; P is 0 where there is no projection.
    num_layers, directions : int
        Number of layers, and directions of each (1 or 2).
    names : tuple of str
        The parameters of one layer in one direction, in torch.nn's order.
    suffixes : tuple of tuple of str
        The suffixes of those names in each layer and direction: `(("_l0", "_l0_reverse"), ...)`.
    sizes : tuple of dict
        The numbers behind "I", "H" and "P" in each layer; P is H where there is no projection.
    shapes : dict of str to tuple of int
        The shape of each parameter by its full name, in the order of layers, directions and `names`.
    full_names : tuple of str
        The keys of `shapes`.
    states : tuple of (int, int)
        First and last size of each state [layers * directions, B, size].
    """

    def __init__(
        self,
        program: Program,
        bias: bool,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        directions: int,
        proj_size: int,
    ) -> None:
        self._arguments = program, bias, input_size, hidden_size, num_layers, directions, proj_size
        self.program, self.bias = program, bias
        self.input_size, self.hidden_size, self.proj_size = input_size, hidden_size, proj_size
        self.num_layers, self.directions = num_layers, directions
        of_layer = layout(program, bias).shapes
        self.names = tuple(of_layer)
        ends = ("", "_reverse")[:directions]
        self.suffixes = tuple(tuple(f"_l{level}{end}" for end in ends) for level in range(num_layers))
        output = proj_size or hidden_size
        self.sizes: tuple[dict[str, int], ...] = tuple(
            {INPUT_SIZE: directions * output if level else input_size, HIDDEN_SIZE: hidden_size, PROJECTED_SIZE: output}
            for level in range(num_layers)
        )
        self.shapes: dict[str, tuple[int, ...]] = {}
        for sizes, suffixes in zip(self.sizes, self.suffixes, strict=True):
            for suffix in suffixes:
                for name, shape in of_layer.items():
                    columns = () if shape.columns is None else (sizes[shape.columns],)
                    self.shapes[name + suffix] = (sum(sizes[row] for row in shape.rows), *columns)
        self.full_names = tuple(self.shapes)
        self.states = tuple((num_layers * directions, self.sizes[0][state.size]) for state in program.states)

    def __reduce__(self) -> tuple[Any, ...]:  # Copies and pickles of a layer share this object.
        return stack_of, self._arguments


@lru_cache(maxsize=256)
def stack_of(
    program: Program, bias: bool, input_size: int, hidden_size: int, num_layers: int, directions: int, proj_size: int
) -> Stack:
    """The only stack with these arguments: engines look up by identity what they keep for a stack."""
    return Stack(program, bias, input_size, hidden_size, num_layers, directions, proj_size)
