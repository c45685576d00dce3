"""The stages of a step as code of a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import llvmlite.ir as ir
import numpy as np

from ricorda.engines.cpu.words.emit import I32
from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.export.stages import Array, Home, Product, Reduction, Step, Units
from ricorda.export.to_wasm.memory import Memory
from ricorda.export.to_wasm.words import LANES, Words

WIDEST = 8
"""Vectors of sums that are made at once: more do not fit into the registers of the processors that run it."""


class StepCode:
    """Writes a step into a function.

    Parameters
    ----------
    step : Step
    memory : where its matrices and learned vectors are put
    places : (kind, name) -> address, of the inputs, the states, and ("scratch", "")
    """

    def __init__(self, step: Step, memory: Memory, places: Mapping[tuple[str, str], int]) -> None:
        self.step, self.memory = step, memory
        self.places = dict(places)
        for name, values in step.weights.items():
            self.places["weight", name] = memory.keep(values)

    def write(self, e: Words) -> None:
        """Write all stages in their order."""
        for stage in self.step.stages:
            if isinstance(stage, Product):
                operands = [(self.at(e, home), home.size) for home in stage.operands]
                product(e, self.memory, operands, stage.matrices, stage.bias, self.at(e, stage.home))
            elif isinstance(stage, Reduction):
                REDUCED[stage.op](e, self.at(e, stage.operand), stage.operand.size, self.at(e, stage.home))
            else:
                self.units(e, stage)

    def at(self, e: Words, home: Home) -> ir.Value:
        """A pointer to a home's first number."""
        address = self.places[home.kind, "" if home.kind == "scratch" else home.name]
        return e.at(e.address(address), home.offset) if home.offset else e.address(address)

    def units(self, e: Words, stage: Units) -> None:
        """The pointwise lines of a stage, a vector of units after the other."""
        over(e, stage.size, partial(self._vector, e, stage))

    def _vector(self, e: Words, stage: Units, unit: ir.Value, count: int) -> None:
        values: dict[int, ir.Value] = {}

        def value(i: int) -> ir.Value:
            line = self.step.lines[i]
            if line.op == "constant":
                return e.constant(line.number)
            if i not in values:
                assert line.home is not None  # It is of an earlier stage.
                first = self.at(e, line.home)
                values[i] = e.number(first) if line.size == 1 else e.load(e.at(first, unit))
            return values[i]

        for i in stage.lines:
            values[i] = EMITTERS[self.step.lines[i].op](e, *map(value, self.step.lines[i].args))
        for home, new in [(home, value(i)) for home, i in stage.stores]:
            e.put(new, e.at(self.at(e, home), unit), count)


def over(e: Words, size: int, body: Callable[[ir.Value, int], Any]) -> None:
    """Run `body(first unit, how many)` for each vector of units; the last may have fewer than the others."""
    whole, rest = divmod(size, LANES)
    if whole:

        def inside(i: ir.Value) -> Sequence[ir.Value]:
            body(e.b.mul(i, I32(LANES)), LANES)
            return ()

        e.repeat(whole, inside)
    if rest:
        body(I32(whole * LANES), rest)


def product(
    e: Words,
    memory: Memory,
    operands: Sequence[tuple[ir.Value, int]],
    matrices: Sequence[Array],
    bias: Array,
    result: ir.Value,
) -> None:
    """Matrices times vectors, plus a bias.

    The rows are taken some vectors at a time, their weights in the order in which they are used: of each column the
    numbers of these rows.
    """
    rows = len(bias)
    width = _width(rows // LANES)
    blocks = rows // (LANES * width) if width else 0
    if blocks:
        packed = [_packed(matrices, bias, block * width * LANES, width * LANES) for block in range(blocks)]
        base = e.address(memory.keep(np.concatenate(packed)))

        def block(number: ir.Value) -> Sequence[ir.Value]:
            start = e.at(base, e.b.mul(number, I32(len(packed[0]))))
            sums = _sums(e, operands, start, width)
            target = e.at(result, e.b.mul(number, I32(width * LANES)))
            for place, vector in enumerate(sums):
                e.put(vector, e.at(target, place * LANES))
            return ()

        e.repeat(blocks, block)
    done = blocks * width * LANES
    if done < rows:
        width = -(-(rows - done) // LANES)
        base = e.address(memory.keep(_packed(matrices, bias, done, width * LANES)))
        for place, vector in enumerate(_sums(e, operands, base, width)):
            first = done + place * LANES
            e.put(vector, e.at(result, first), min(LANES, rows - first))


def _width(vectors: int) -> int:
    """The vectors of a block: those that leave the fewest over, and of these the most."""
    return max(range(1, min(vectors, WIDEST) + 1), key=lambda width: (-(vectors % width > 0), width), default=0)


def _packed(matrices: Sequence[Array], bias: Array, first: int, rows: int) -> Array:
    """The bias and the columns of some rows one behind the other; rows that there are not are zeros."""
    parts = [np.append(bias, np.zeros(rows, np.float32))[first : first + rows]]
    for matrix in matrices:
        block = np.zeros((matrix.shape[1], rows), np.float32)
        own = matrix[first : first + rows]
        block[:, : len(own)] = own.T
        parts.append(block.ravel())
    return np.concatenate(parts).astype(np.float32)


def _sums(e: Words, operands: Sequence[tuple[ir.Value, int]], weights: ir.Value, width: int) -> Sequence[ir.Value]:
    """The sums of a block of rows, as vectors."""
    sums: Sequence[ir.Value] = [e.load(e.at(weights, place * LANES)) for place in range(width)]
    offset = width * LANES
    for vector, size in operands:
        columns = e.at(weights, offset)

        def column(i: ir.Value, *sums: ir.Value, columns: ir.Value = columns, vector: ir.Value = vector) -> Any:
            factor = e.number(e.at(vector, i))
            start = e.at(columns, e.b.mul(i, I32(width * LANES)))
            return [
                e.multiply_add(factor, e.load(e.at(start, place * LANES)), total) for place, total in enumerate(sums)
            ]

        sums = e.repeat(size, column, *sums)
        offset += size * width * LANES
    return sums


def reduced(
    e: Words,
    vector: ir.Value,
    size: int,
    join: Callable[[ir.Value, ir.Value], ir.Value],
    start: float,
    of: Callable[[ir.Value], ir.Value] = lambda value: value,
) -> ir.Value:
    """What joins the units of a vector, as a number."""
    whole, rest = divmod(size, LANES)
    total = e.constant(start)
    if whole:
        (total,) = e.repeat(
            whole, lambda i, total: [join(total, of(e.load(e.at(vector, e.b.mul(i, I32(LANES))))))], total
        )
    if rest:
        last = of(e.load(e.at(vector, whole * LANES)))
        lanes = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [ir.IntType(1)(lane < rest) for lane in range(LANES)])
        total = join(total, e.b.select(lanes, last, e.constant(start)))
    return e.total(total, join)


def total(e: Words, vector: ir.Value, size: int) -> ir.Value:
    """The sum of a vector's units, as a number."""
    return reduced(e, vector, size, e.b.fadd, 0.0)


def greatest(e: Words, vector: ir.Value, size: int) -> ir.Value:
    """The largest unit of a vector, as a number; NaN if one is."""

    def larger(a: ir.Value, b: ir.Value) -> ir.Value:
        first = e.b.fcmp_unordered("uno", a, a)
        return e.b.select(e.b.or_(first, e.b.fcmp_ordered(">", a, b)), a, b)

    return reduced(e, vector, size, larger, -np.inf)


def _sum(e: Words, vector: ir.Value, size: int, result: ir.Value) -> None:
    e.b.store(total(e, vector, size), result, align=4)


def _mean(e: Words, vector: ir.Value, size: int, result: ir.Value) -> None:
    e.b.store(e.b.fdiv(total(e, vector, size), ir.Constant(e.scalar, float(size))), result, align=4)


def _largest(e: Words, vector: ir.Value, size: int, result: ir.Value) -> None:
    e.b.store(greatest(e, vector, size), result, align=4)


def _variance(e: Words, vector: ir.Value, size: int, result: ir.Value) -> None:
    count = ir.Constant(e.scalar, float(size))
    mean = e.splat(e.b.fdiv(total(e, vector, size), count))

    def squared(value: ir.Value) -> ir.Value:
        difference = e.b.fsub(value, mean)
        return e.b.fmul(difference, difference)

    e.b.store(e.b.fdiv(reduced(e, vector, size, e.b.fadd, 0.0, squared), count), result, align=4)


REDUCED: dict[str, Callable[[Words, ir.Value, int, ir.Value], None]] = {
    "sum": _sum,
    "mean": _mean,
    "largest": _largest,
    "variance": _variance,
}
"""The code of each reduction."""
