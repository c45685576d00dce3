"""A stack of layers before it has weights: names, shapes and sizes of its parameters and states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ricorda.errors import CellError
from ricorda.program.ir import Program
from ricorda.program.learned import Learned, learned, recurrent_matrices, without_forms
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, Sizes
from ricorda.program.weights import Block, layout

if TYPE_CHECKING:
    from torch import Tensor


class Piece(NamedTuple):
    """A piece of `program.learned`, in a layer whose sizes are known: `tensors` are names of what it is made from."""

    name: str
    form: str
    numbers: tuple[float, ...]
    tensors: tuple[str, ...]
    shape: tuple[int, ...]


class Recipe(NamedTuple):
    """How a layer's weights are made: pieces, and a weight's blocks as (piece, how many it has, which one)."""

    pieces: tuple[Piece, ...]
    weights: tuple[tuple[str, tuple[tuple[str, int, int], ...]], ...]


class Stack:
    """Layers of one program, each on the output of the previous one, in one or both directions; made by `stack_of`.

    All attributes are plain values that are computed at once: torch.compile can read them but could not compute them.

    Attributes
    ----------
    program : Program
        A step of each layer, in evaluation, as engines run it.
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
    sizes : tuple of Sizes
        The numbers behind "I", "H" and "P" in each layer; P is H where there is no projection.
    shapes : dict of str to tuple of int
        The shape of each parameter by its full name, in the order of layers, directions and `names`.
    full_names : tuple of str
        The keys of `shapes`; only "", which no parameter is called, if the weights are made from the parameters.
    recurrent : tuple of str
        The matrices that multiply states, or values computed from them, for one layer in one direction.
    learned : dict of str to tuple of int
        The shapes of what a layer keeps, its parameters and what is never trained: `shapes` but for cells with forms.
    learned_names : tuple of str
        The same for one layer in one direction, the names alone.
    fixed : frozenset of str
        Those that are never trained, by full name.
    recipes : tuple of Recipe
        For each layer, how its weights are made; none if they are `learned` themselves.
    states : tuple of (int, int)
        First and last size of each state [layers * directions, B, size]. Where layers differ in I, a state of that size
        is as wide as the widest of them, and the others' numbers come first.
    uniform : bool
        Whether no state has numbers that some layer does not use.
    begins : bool
        Whether a state begins with another number than zero.
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
        self.program, self.bias = without_forms(program), bias
        self.input_size, self.hidden_size, self.proj_size = input_size, hidden_size, proj_size
        self.num_layers, self.directions = num_layers, directions
        of_layer = layout(program, bias).shapes
        self.names = tuple(of_layer)
        ends = ("", "_reverse")[:directions]
        self.suffixes = tuple(tuple(f"_l{level}{end}" for end in ends) for level in range(num_layers))
        output = proj_size or hidden_size
        self.sizes: tuple[Sizes, ...] = tuple(
            Sizes(
                {
                    INPUT_SIZE: directions * output if level else input_size,
                    HIDDEN_SIZE: hidden_size,
                    PROJECTED_SIZE: output,
                }
            )
            for level in range(num_layers)
        )
        self.shapes: dict[str, tuple[int, ...]] = {}
        for sizes, suffixes in zip(self.sizes, self.suffixes, strict=True):
            for suffix in suffixes:
                for name, shape in of_layer.items():
                    columns = () if shape.columns is None else (sizes[shape.columns],)
                    self.shapes[name + suffix] = (sum(sizes[row] for row in shape.rows), *columns)
        self.full_names = tuple(self.shapes)
        self.recurrent = recurrent_matrices(program)
        self.learned, self.learned_names = self.shapes, self.names
        self.fixed: frozenset[str] = frozenset()
        self.recipes: tuple[Recipe, ...] = ()
        pieces = learned(program, bias)
        if pieces is not None:
            self._make(pieces)
        widths = [[sizes[state.size] for sizes in self.sizes] for state in program.states]
        self.states = tuple((num_layers * directions, max(of_layers)) for of_layers in widths)
        self.begins = any(state.number for state in self.program.states)
        self.uniform = all(min(of_layers) == max(of_layers) for of_layers in widths)

    def of_layer(self, states: Sequence[Tensor], entry: int) -> list[Tensor]:
        """The states [B, size] of a layer and direction, from those of all [layers * directions, B, size]."""
        sizes = self.sizes[entry // self.directions]
        widths = (sizes[state.size] for state in self.program.states)
        return [state[entry, :, :width] for state, width in zip(states, widths, strict=True)]

    def computing(self, program: Program) -> Stack:
        """These layers with a program that computes the same from other parameters; engines make such programs."""
        other = object.__new__(Stack)
        other.__dict__ |= {**self.__dict__, "program": program, "names": tuple(layout(program, self.bias).shapes)}
        return other

    def _make(self, pieces: Learned) -> None:
        """Set what cells with forms have of their own."""
        self.full_names = ("",)
        self.recipes = tuple(_recipe(pieces, sizes) for sizes in self.sizes)
        self.learned = {
            name + suffix: shape
            for sizes, suffixes in zip(self.sizes, self.suffixes, strict=True)
            for suffix in suffixes
            for piece in pieces.shapes
            for name, shape in pieces.tensors_of(piece, sizes).items()
        }
        self.learned_names = tuple(name for piece in self.recipes[0].pieces for name in piece.tensors)
        for number, name in enumerate(self.learned_names):
            if name in self.learned_names[:number]:
                raise CellError(f"cell {self.program.name} would have two weights of the name {name}: rename an affine")
        fixed = {piece.tensors[0] for piece in self.recipes[0].pieces if piece.form == "fixed"}
        self.fixed = frozenset(name + suffix for suffixes in self.suffixes for suffix in suffixes for name in fixed)

    def __reduce__(self) -> tuple[Any, ...]:  # Copies and pickles of a layer share this object.
        return stack_of, self._arguments


def _recipe(learned: Learned, sizes: dict[str, int]) -> Recipe:
    pieces = []
    for name in learned.shapes:
        tensors, shape = tuple(learned.tensors_of(name, sizes)), learned.dimensions(name, sizes)
        pieces.append(Piece(name, *learned.forms.get(name, ("", ())), tensors, shape))
    weights = [(name, _runs(learned, blocks)) for name, blocks in learned.weights.items()]
    return Recipe(tuple(pieces), tuple(weights))


def _runs(learned: Learned, blocks: list[Block]) -> tuple[tuple[str, int, int], ...]:
    """The blocks of a weight, those that are a whole piece as one: most weights take no more than one operation."""
    runs: list[tuple[str, int, int]] = []
    at = 0
    while at < len(blocks):
        name, number = blocks[at].parameter, blocks[at].position
        count = len(learned.shapes[name].rows)
        whole = blocks[at : at + count] == [Block(name, position) for position in range(count)]
        runs.append((name, 1, 0) if whole else (name, count, number))
        at += count if whole else 1
    return tuple(runs)


@lru_cache(maxsize=256)
def stack_of(
    program: Program, bias: bool, input_size: int, hidden_size: int, num_layers: int, directions: int, proj_size: int
) -> Stack:
    """The only stack with these arguments: engines look up by identity what they keep for a stack."""
    return Stack(program, bias, input_size, hidden_size, num_layers, directions, proj_size)
