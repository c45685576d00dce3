"""The functions that the kernels of every cell call: they are compiled once for a processor, beside the tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.products.half import emit_halve
from ricorda.engines.cpu.products.int8 import emit_pack_int8, emit_quantise
from ricorda.engines.cpu.products.pack import emit_column_sums, emit_pack_columns, emit_pack_rows, emit_pack_transposed
from ricorda.engines.cpu.products.product import emit_rows_product, emit_weight_product
from ricorda.engines.cpu.words.target import Target


@dataclass(frozen=True)
class _Function:
    """What writes a function, and how many numbers and addresses it takes after the block of arguments."""

    emit: Callable[[Frame], None]
    numbers: int
    pointers: int


FUNCTIONS = {
    "rows_product": _Function(emit_rows_product, 6, 4),
    "weight_product": _Function(emit_weight_product, 5, 3),
    "pack_rows": _Function(emit_pack_rows, 7, 2),
    "pack_columns": _Function(emit_pack_columns, 3, 2),
    "pack_transposed": _Function(emit_pack_transposed, 5, 2),
    "column_sums": _Function(emit_column_sums, 6, 2),
    "halve": _Function(emit_halve, 3, 2),
    "quantise": _Function(emit_quantise, 4, 2),
}

IN_INT8 = {"rows_product": emit_rows_product, "pack_transposed": emit_pack_int8, "quantise": emit_quantise}
"""The functions of a target with products of int8, which has no backward pass."""


def names(target: Target) -> list[str]:
    """The functions that a target has."""
    if target.products == "int8":
        return list(IN_INT8)
    return [name for name in FUNCTIONS if name != "quantise" and (name != "halve" or target.products == "bf16")]


def declared(code: Code, name: str) -> ir.Function:
    """A function of the library, for a module that calls it."""
    function = FUNCTIONS[name]
    return code.declared(code.target.symbol(name), function.numbers, function.pointers)


def emit_library(target: Target) -> Any:
    """The module of all functions: they read nothing of the block of arguments, so that they fit every cell."""
    code = Code(target)
    for name in names(target):
        emit = IN_INT8[name] if target.products == "int8" else FUNCTIONS[name].emit
        emit(Frame(code, declared(code, name)))
    assert not code.slots
    return code.module
