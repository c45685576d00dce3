"""What cells cannot do with their values, in words: what arrays, tensors and numbers can, and symbols cannot."""

from __future__ import annotations

from typing import Any, NoReturn

from ricorda.errors import CellError
from ricorda.program.operations import OPERATIONS

FUNCTIONS = (
    "a cell's functions are those of ricorda, such as ricorda.tanh, and its operators + - * / % ** > >= < and <="
)
COMPLEX = "complex numbers are out of a cell's scope: write the real and the imaginary part as two states"
MATRICES = (
    "matrix memories, and products of vectors that give a matrix or a number, are out of a cell's scope: "
    "its values are vectors"
)
WHOLE = (
    "a cell's values are whole vectors, whose units cannot be taken apart: write an affine or a state for each part, "
    "or sum, mean or largest over the units"
)
NO_NUMBER = f"a cell's values are symbols for the numbers of every step, and no numbers themselves: {FUNCTIONS}"

_OF_COMPLEX = ("real", "imag", "conj", "conjugate", "angle")
_OF_MATRICES = ("T", "mT", "H", "mH", "t", "dot", "mm", "matmul", "bmm", "outer", "transpose")
_OF_TENSORS = ("shape", "size", "ndim", "dim", "numel", "dtype", "device", "grad", "data", "requires_grad")


class Refusals:
    """The base of symbols: each method says what to write instead."""

    __slots__ = ()
    __array_ufunc__ = None  # So NumPy's numbers leave `number * symbol` to the symbol.

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # Python itself and notebooks ask for these.
            raise AttributeError(name)
        if name in _OF_COMPLEX:
            raise CellError(COMPLEX)
        if name in _OF_MATRICES:
            raise CellError(MATRICES)
        if name in _OF_TENSORS:
            raise CellError(f"a cell's values are symbols without {name}: their sizes are input_size and hidden_size")
        instead = f"write {name}(...)" if name in OPERATIONS else FUNCTIONS
        raise CellError(f"a cell's values have no attribute or method {name}: {instead}")

    def __getitem__(self, place: Any) -> NoReturn:
        raise CellError(WHOLE)

    def __setitem__(self, place: Any, value: Any) -> NoReturn:
        raise CellError(WHOLE)

    def __iter__(self) -> NoReturn:
        raise CellError(WHOLE)

    def __len__(self) -> NoReturn:
        raise CellError(WHOLE)

    def __matmul__(self, other: Any) -> NoReturn:
        if isinstance(other, Refusals):
            raise CellError(MATRICES)
        raise CellError('a cell multiplies by a matrix as affine("name", h), which learns it')

    __rmatmul__ = __matmul__

    def __complex__(self) -> NoReturn:
        raise CellError(COMPLEX)

    def __float__(self) -> NoReturn:
        raise CellError(NO_NUMBER)

    __int__ = __index__ = __round__ = __float__

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise CellError(NO_NUMBER)

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        raise _of_a_library("numpy", function)

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any) -> NoReturn:
        raise _of_a_library("torch", function)


def _of_a_library(library: str, function: Any) -> CellError:
    name = getattr(function, "__name__", "").strip("_")
    if name in _OF_MATRICES or name in ("einsum", "tensordot", "inner", "vdot", "kron"):
        return CellError(MATRICES)
    return CellError(f"{library}'s {name} does not work on a cell's values: {FUNCTIONS}")
