"""A cell: a function over symbols, and facts about it."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsIndex, overload

from ricorda.errors import CellError
from ricorda.program.ir import Program
from ricorda.program.trace import trace


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: its equations as a function, and facts about it.

    Parameters
    ----------
    function : callable
        `function(x, h, ...)` over symbols, the input first, then the states; returns the new states.
        The first state is the layer's output.
    forget_gate : str, optional
        Name of the affine whose sigmoid says how much of the state is kept.
    candidate : str, optional
        Name of the variable that holds the update of the state before a gate lets it in; recurrent dropout acts on it.
    paper : str
        Where the equations come from.
    weakness : str
        A known weakness.
    year : int, optional
        The year in which the equations were first published.
    differs : tuple of str
        Where well-known implementations leave the paper, a line each.
    """

    function: Callable[..., Any]
    forget_gate: str | None = None
    candidate: str | None = None
    paper: str = ""
    weakness: str = ""
    year: int | None = None
    differs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def family(self) -> str:
        """The family of a built-in cell, which is the file of `ricorda.cells` that it stands in; else empty."""
        package, _, file = self.function.__module__.rpartition(".")
        return file if package == "ricorda.cells" else ""

    @property
    def summary(self) -> str:
        """The first sentence of the function's docstring."""
        return " ".join((self.function.__doc__ or "").strip().partition("\n\n")[0].split())

    @cached_property
    def program(self) -> Program:
        """One step, traced.

        Raises
        ------
        CellError
            If the equations are invalid.
        """
        return trace(self.function, forget_gate=self.forget_gate, candidate=self.candidate)

    @cached_property
    def projected_program(self) -> Program:
        """One step with the first state projected to proj_size numbers (Sak et al. 2014)."""
        state = self.program.states[0].name  # A mistake in the cell itself is reported as such.
        try:
            return trace(self.function, projected=True, forget_gate=self.forget_gate, candidate=self.candidate)
        except CellError as error:
            raise CellError(
                f"cell {self.name} cannot have proj_size, with which state {state} goes into an affine only: {error}"
            ) from None

    def __call__(self, *symbols: Any) -> Any:
        """The equations inside another cell's."""
        return self.function(*symbols)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle a decorated cell by its name, like a function: the name of its function now refers to the cell.

        A cell of a script is pickled by value, since other processes cannot import the script.
        """
        module, name = self.function.__module__, self.function.__qualname__
        if module != "__main__" and getattr(sys.modules.get(module), name, None) is self:
            return pkgutil.resolve_name, (f"{module}:{name}",)
        return super().__reduce_ex__(protocol)


@overload
def cell(function: Callable[..., Any], /) -> Cell: ...


@overload
def cell(
    *,
    forget_gate: str | None = None,
    candidate: str | None = None,
    paper: str = "",
    weakness: str = "",
    year: int | None = None,
    differs: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Cell]: ...


def cell(
    function: Callable[..., Any] | None = None,
    /,
    *,
    forget_gate: str | None = None,
    candidate: str | None = None,
    paper: str = "",
    weakness: str = "",
    year: int | None = None,
    differs: tuple[str, ...] = (),
) -> Cell | Callable[[Callable[..., Any]], Cell]:
    """Make a `Cell` of a function; used as a decorator, with or without arguments (see `Cell`)."""
    if function is not None:
        return Cell(function)
    return lambda function: Cell(function, forget_gate, candidate, paper, weakness, year, differs)
