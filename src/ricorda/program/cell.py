"""A cell: a function over symbols, its options, and facts about it."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, SupportsIndex, overload

from ricorda.errors import CellError
from ricorda.program.ir import Program
from ricorda.program.options import Option, code_of, defaults_of, differing, name_of, options_of, written
from ricorda.program.trace import trace


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: its equations as a function, and facts about it.

    Parameters
    ----------
    function : callable
        `function(x, h, ...)` over symbols, the input first, then the states; returns the new states. The first state is
        the layer's output, unless `output` names another value. Keyword-only arguments with defaults are the cell's
        options. A `functools.partial`, a method or an object that can be called serve as well.
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
    meanings : tuple of (option, text)
        What each option of the cell means.
    sizes : tuple of (state, size)
        Sizes of the states that have not hidden_size numbers, as the output has always: "I" for input_size, a whole
        number, or the name of an option.
    inputs : tuple of (argument, size)
        The function's arguments right after x that are inputs too, such as `(("mask", "I"), ("gap", 1))`.
    initial : tuple of (state, number)
        What a state begins with if it is not zero, such as `(("m", -math.inf),)` for a running maximum.
    output : str
        Name of the layer's output, if that is no state; the function returns it in front of the new states.
    changed : tuple of (name, value)
        Options that are not the function's defaults; calling a cell sets them: `cornn(dt=0.05)`.
    made_with : tuple of (name, value)
        Arguments of the function that made the cell, if it came from one; they are printed like options.
    place : callable, optional
        Finds a cell of a user's own file again, without the options in `changed`: pickles have it instead of the cell.
    """

    function: Callable[..., Any]
    forget_gate: str | None = None
    candidate: str | None = None
    paper: str = ""
    weakness: str = ""
    year: int | None = None
    differs: tuple[str, ...] = ()
    meanings: tuple[tuple[str, str], ...] = ()
    sizes: tuple[tuple[str, str | int], ...] = ()
    inputs: tuple[tuple[str, str | int], ...] = ()
    initial: tuple[tuple[str, float], ...] = ()
    output: str = ""
    changed: tuple[tuple[str, Option], ...] = ()
    made_with: tuple[tuple[str, Option], ...] = ()
    place: Callable[[], Cell] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The function's name."""
        return name_of(self.function)

    @property
    def family(self) -> str:
        """The family of a built-in cell, which is the first word of its file in `ricorda.cells`; else empty."""
        package, _, file = self.function.__module__.rpartition(".")
        return file.partition("_")[0] if package == "ricorda.cells" else ""

    @property
    def source(self) -> str:
        """The paper's authors and year, such as "Zhou et al. 2016"; the paper as written where unknown."""
        authors, title, _ = self.paper.partition(", '")
        if not title or self.year is None:
            return self.paper
        names = authors.split(", ")
        return f"{authors if len(names) <= 3 else f'{names[0]} et al.'} {self.year}"

    @property
    def summary(self) -> str:
        """The first sentence of the function's docstring."""
        return " ".join((inspect.getdoc(code_of(self.function)) or "").partition("\n\n")[0].split())

    @property
    def options(self) -> Mapping[str, Option]:
        """The options and their values."""
        return options_of(self.function, dict(self.changed))

    @cached_property
    def program(self) -> Program:
        """One step, traced.

        Raises
        ------
        CellError
            If the equations are invalid.
        """
        return self._trace(projected=False)

    @cached_property
    def projected_program(self) -> Program:
        """One step with the first state projected to proj_size numbers (Sak et al. 2014)."""
        if self.program.output:  # A mistake in the cell itself is reported as such.
            return self._trace(projected=True)
        state = self.program.states[0].name
        try:
            return self._trace(projected=True)
        except CellError as error:
            raise CellError(
                f"cell {self.name} cannot have proj_size, with which state {state} goes into an affine only: {error}"
            ) from None

    def __call__(self, *symbols: Any, **options: Any) -> Any:
        """The equations inside another cell's; without symbols, the cell with other options.

        Raises
        ------
        ArgumentError
            If the cell has no such option, or it has another type.
        """
        if not symbols:
            return self.with_options(options)
        return self.function(*symbols, **options_of(self.function, {**dict(self.changed), **options}))

    def with_options(self, options: Mapping[str, Any]) -> Cell:
        """The cell with other options; raises as a call does."""
        if not options:
            return self
        values = options_of(self.function, {**dict(self.changed), **options})
        defaults = defaults_of(self.function)
        return replace(self, changed=tuple(item for item in values.items() if item[1] != defaults[item[0]]))

    def __repr__(self) -> str:
        given = dict(self.made_with) | differing(self.function, defaults_of(self.function) | dict(self.changed))
        return f"<cell {self.name}({written(given)})>" if given else f"<cell {self.name}>"

    def _trace(self, projected: bool) -> Program:
        program = trace(
            self.function,
            projected=projected,
            forget_gate=self.forget_gate,
            candidate=self.candidate,
            options=self.options,
            sizes=dict(self.sizes),
            inputs=dict(self.inputs),
            initial=dict(self.initial),
            output=self.output,
        )
        given = dict(self.made_with) | differing(self.function, self.options)
        return replace(program, options=tuple(given.items()))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle a decorated cell by its name, like a function: the name of its function now refers to the cell.

        A cell of a script is pickled by value, since other processes cannot import the script, and one of FILE.py:NAME
        by its place there.
        """
        if self.place is not None:
            return _by_place, (self.place, dict(self.changed))
        module, name = (getattr(self.function, key, None) for key in ("__module__", "__qualname__"))
        if module != "__main__":
            named = getattr(sys.modules.get(str(module)), str(name), None)
            if isinstance(named, Cell) and replace(named, changed=self.changed) == self:
                return _by_name, (f"{module}:{name}", dict(self.changed))
        return super().__reduce_ex__(protocol)


def _by_name(name: str, options: Mapping[str, Option]) -> Cell:
    """A cell from its place, "module:name", and its options."""
    cell: Cell = pkgutil.resolve_name(name)
    return cell.with_options(options)


def _by_place(place: Callable[[], Cell], options: Mapping[str, Option]) -> Cell:
    return place().with_options(options)


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
    meanings: Mapping[str, str] = MappingProxyType({}),
    sizes: Mapping[str, str | int] = MappingProxyType({}),
    inputs: Mapping[str, str | int] = MappingProxyType({}),
    initial: Mapping[str, float] = MappingProxyType({}),
    output: str = "",
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
    meanings: Mapping[str, str] = MappingProxyType({}),
    sizes: Mapping[str, str | int] = MappingProxyType({}),
    inputs: Mapping[str, str | int] = MappingProxyType({}),
    initial: Mapping[str, float] = MappingProxyType({}),
    output: str = "",
) -> Cell | Callable[[Callable[..., Any]], Cell]:
    """Make a `Cell` of a function; used as a decorator, with or without arguments (see `Cell`)."""
    if function is not None:
        return Cell(function)
    of_names = tuple(meanings.items()), tuple(sizes.items()), tuple(inputs.items()), tuple(initial.items())
    return lambda function: Cell(function, forget_gate, candidate, paper, weakness, year, differs, *of_names, output)
