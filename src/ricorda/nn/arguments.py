"""Checks of a layer's arguments. Each raises ArgumentError with the argument, its value and what to give instead."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

from ricorda.catalogue import as_cell
from ricorda.errors import ArgumentError, ArgumentTypeError
from ricorda.nn.rounding import check_precision
from ricorda.program.cell import Cell
from ricorda.program.gates import check_forget_gate
from ricorda.program.ir import Program
from ricorda.program.sizes import INPUT_SIZE


def check_sizes(input_size: int, hidden_size: int, num_layers: int, proj_size: int) -> tuple[int, int, int, int]:
    """The sizes as Python's own numbers, if a layer can have them."""
    sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
    for name, size in sizes.items():
        if not _whole(size):
            raise ArgumentTypeError(f"{name} is {size!r}: give a whole number of at least 1")
        if size < 1:
            raise ArgumentError(f"{name} is {size!r}: give a whole number of at least 1")
    if not _whole(proj_size) or not 0 <= proj_size < hidden_size:
        kind = ArgumentError if _whole(proj_size) else ArgumentTypeError
        raise kind(
            f"proj_size is {proj_size!r}: give a whole number below hidden_size ({hidden_size}), or 0 for no projection"
        )
    return int(input_size), int(hidden_size), int(num_layers), int(proj_size)


def _whole(number: object) -> bool:
    """Whether a value is a whole number, of Python or NumPy."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def _real(number: object) -> bool:
    """Whether a value is a number, of Python or NumPy."""
    return isinstance(number, Real) and not isinstance(number, bool)


def check_choices(**choices: bool) -> None:
    """Refuse values other than True and False: a slip in the order of the arguments shows here."""
    for name, choice in choices.items():
        if not isinstance(choice, bool):
            raise ArgumentTypeError(f"{name} is {choice!r}: give True or False")


def check_numbers(dropout: float, forget_bias: float | None) -> None:
    """Raise if dropout is not a probability, or forget_bias not a finite number."""
    if not _real(dropout) or not 0 <= dropout <= 1:
        raise ArgumentError(f"dropout is {dropout!r}: give a probability, 0 to 1")
    if forget_bias is None:
        return
    if not _real(forget_bias) or not math.isfinite(forget_bias):
        raise ArgumentError(f"forget_bias is {forget_bias!r}: give a finite number, or None to draw it")


def check_dropout(dropout: float, num_layers: int) -> None:
    """Warn the caller of a constructor that dropout, which acts between layers, does nothing in a single one."""
    if dropout > 0 and num_layers == 1:
        sentence = f"dropout={dropout} acts between layers, and num_layers=1 has no place for it"
        warnings.warn(sentence, UserWarning, stacklevel=3)


def check_memory(memory: int | None, forget_bias: float | None) -> None:
    """Raise if memory is not a number of steps, or if forget_bias sets the same biases."""
    if memory is None:
        return
    if not _whole(memory) or memory < 2:
        raise ArgumentError(f"memory is {memory!r}: give a whole number of steps of at least 2, or None")
    if forget_bias is not None:
        raise ArgumentError(f"memory={memory} and forget_bias={forget_bias} set the same biases: give one of them")


def check_probability(name: str, probability: Any) -> float:
    """A probability as Python's own number; refuse 1 and above, with which nothing would be left."""
    if not _real(probability) or not 0 <= probability < 1:
        raise ArgumentError(f"{name} is {probability!r}: give a probability, from 0 to below 1")
    return float(probability)


def check_manner(checkpoint: object, precision: object) -> None:
    """Raise if the length of segments is invalid, or the precision unknown."""
    whole = isinstance(checkpoint, int) and not isinstance(checkpoint, bool) and checkpoint > 0
    if checkpoint is not None and checkpoint != "sqrt" and not whole:
        raise ArgumentError(f"checkpoint is {checkpoint!r}: give 'sqrt', a number of steps of at least 1, or None")
    check_precision(precision)


def check_record(record: Sequence[str] | str, program: Program) -> tuple[str, ...]:
    """The names of the values to record; raises if the program lacks one."""
    record = (record,) if isinstance(record, str) else tuple(record)
    known = dict(program.names)
    for name in record:
        if name not in known:
            raise ArgumentError(
                f"record has {name!r}, which cell {program.name} does not name: it has {', '.join(known)}"
            )
    return record


def check_stacking(program: Program, num_layers: int) -> None:
    """Raise if layers above the first would need second inputs of their own size."""
    names = [value.name for value in program.inputs[1:] if value.size == INPUT_SIZE]
    if names and num_layers > 1:
        raise ArgumentError(
            f"num_layers is {num_layers}, and cell {program.name} takes {', '.join(names)} of the input's size, which "
            "a layer above the first has not: give num_layers=1"
        )


def program_of(cell: Cell | Program | str | Callable[..., Any], projected: bool) -> Program:
    """The program of a cell in any form that a layer accepts."""
    if isinstance(cell, Program):
        if cell.projected != projected:
            raise ArgumentError(
                f"the program of cell {cell.name} was traced {'with' if cell.projected else 'without'} a projection, "
                f"and proj_size says {'with' if projected else 'without'}: give the cell itself"
            )
        return cell
    cell = as_cell(cell)
    check_forget_gate(cell.program)
    return cell.projected_program if projected else cell.program


_DEFAULTS = {
    "proj_size": 0,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "forget_bias": None,
    "memory": None,
    "engine": "auto",
    "checkpoint": None,
    "precision": "float32",
}
"""Defaults that `extra_repr` leaves out."""


def non_defaults(layer: object) -> list[str]:
    """The arguments of a layer that differ from their defaults, as text."""
    values = {name: getattr(layer, name) for name in _DEFAULTS}
    return [f"{name}={value!r}" for name, value in values.items() if value != _DEFAULTS[name]]
