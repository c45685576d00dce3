"""The kernels of a loop: they pack the weights, then work through chunks of steps, on all threads of a team.

Forward, the products with the input are computed for a whole chunk at once, then its steps one after another.
Backward, the steps of a chunk write the gradients of the affines; the gradients of weights and input are then computed
for the whole chunk at once.

Rows are independent of each other. With enough rows, each thread takes some of them through all steps of a chunk
without waiting. With few, the threads share the units of each stage and wait for each other after it. The results are
the same to the bit: every sum is computed in the same order for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.kernels.functions import Functions, WeightOperand
from ricorda.engines.cpu.kernels.plan import Plan, chunk_begin, factor_rows, tile_vectors
from ricorda.engines.cpu.kernels.team import emit_entry, emit_pair
from ricorda.engines.cpu.kernels.worker import Worker
from ricorda.engines.cpu.words import amx
from ricorda.engines.cpu.words.emit import I64
from ricorda.engines.cpu.words.target import Target
from ricorda.program.loop import Factor


def emit_forward(target: Target, plan: Plan, inputs: Sequence[Factor], parallel: bool) -> Code:
    """The module of a forward loop.

    Parameters
    ----------
    inputs : the factors of the input, in the order of their columns in the chunk; none if the caller computes the chunk
    """
    code = Code(target)
    kernels = Functions(code, plan, parallel)
    body = _forward_body(code, kernels, inputs, packing=True)
    emit_entry(code.module, body, "run", parallel)
    emit_pair(code.module, body, "run_pair", parallel)
    emit_entry(code.module, _forward_body(code, kernels, inputs, packing=False), "run_packed", parallel)
    return code


def _forward_body(code: Code, kernels: Functions, inputs: Sequence[Factor], packing: bool) -> ir.Function:
    """Write the forward pass of one thread, with or without packing the weights first."""
    f = code.function("body" if packing else "body_packed", numbers=2)
    thread, threads = f.arguments
    worker = Worker(f, thread, threads, kernels.barrier)
    z_columns = f.sum(0, *(f.number("H") for _ in inputs))
    if f.target.has_tiles:
        amx.configure(f.e)
    if packing:
        kernels.pack_bundles(worker)
        if inputs:
            kernels.pack_inputs(worker, inputs, z_columns)
            kernels.add_biases(worker, inputs)
        worker.meet()
    kernels.halve_states(worker)

    def convert(low: ir.Value, row0: ir.Value, row1: ir.Value) -> None:
        I = f.number("I")
        x, rounded = f.e.at(f.pointer("x"), f.times(low, I)), f.pointer("rounded x")
        if kernels.halve is not None:
            f.call(kernels.halve, I, row0, row1, x, rounded)
        elif kernels.quantise is not None:
            f.call(kernels.quantise, I, I, row0, row1, x, rounded)

    def project(low: ir.Value, row0: ir.Value, row1: ir.Value, column: ir.Value, columns: ir.Value) -> None:
        K, ld = f.words(f.number("I")), f.row(f.number("I"))
        x = f.e.at(f.pointer("x"), f.times(low, f.number("I"))) if kernels.in_full else f.pointer("rounded x")
        weights = f.e.at(f.pointer("input weights"), f.times(column, f.depth(f.number("I"))))
        out, bias = (f.e.at(f.pointer(name), column) for name in ("chunk", "input bias"))
        f.call(kernels.rows_product, ld, K, f.number("chunk_ld"), columns, row0, row1, x, weights, out, bias)

    def chunk(number: ir.Value) -> None:
        first, last, low, high = worker.chunk(number)
        rows = f.b.sub(high, low)

        def whole() -> None:
            if inputs:

                def share(row0: ir.Value, row1: ir.Value) -> None:
                    if not kernels.in_full:
                        convert(low, row0, row1)
                    project(low, row0, row1, I64(0), z_columns)

                worker.share(rows, share)
                worker.meet()
            _steps(worker, kernels, first, last, low)

        def single() -> None:
            def products(column: ir.Value, columns: ir.Value) -> None:
                project(low, I64(0), rows, column, columns)

            if not kernels.in_full:
                convert(low, I64(0), rows)
            for before in kernels.before[0]:
                f.call(before, first, low, 0, rows)
            _single_step(f, kernels, len(inputs), first, rows, products)

        if packing or not inputs or len(kernels.stages) > 1 or kernels.plan.schedule.stages[0].reductions:
            whole()
        else:
            alone = f.b.icmp_signed("==", f.times(f.b.sub(last, first), f.number("parts")), I64(1))
            f.when(f.b.and_(alone, _is_in_blocks(f, kernels)), single, whole)
        f.when(f.b.icmp_signed("<", f.sum(number, 1), f.number("chunks")), worker.meet)

    f.loop(0, f.number("chunks"), chunk)
    if f.target.has_tiles:
        amx.release(f.e)
    return f.finish()


def _block(kernels: Functions, target: Target) -> int:
    """Vectors of units that fill whole panels and whole tiles: the larger of their sizes, which are powers of two."""
    return max(target.panel, tile_vectors(kernels.plan.schedule.stages[0], target))


def _is_in_blocks(f: Frame, kernels: Functions) -> ir.Value:
    """Whether each block of columns belongs to one affine, and there are enough blocks for their order to matter."""
    H, block = f.number("H"), _block(kernels, f.target) * f.target.lanes
    whole = f.b.icmp_signed("==", f.b.urem(H, I64(block)), I64(0))
    return f.b.and_(whole, f.b.icmp_signed(">=", H, I64(4 * block)))


def _single_step(
    f: Frame,
    kernels: Functions,
    affines: int,
    step: ir.Value,
    rows: ir.Value,
    project: Callable[[ir.Value, ir.Value], None],
) -> None:
    """A step of one stage, one block of units after another, each with its products with the input.

    Odd steps take the blocks backwards: they begin with the weights that the previous step left in the cache.
    """
    vectors = _block(kernels, f.target)
    block, tiles = vectors * f.target.lanes, vectors // tile_vectors(kernels.plan.schedule.stages[0], f.target)
    blocks = f.b.udiv(f.number("H"), I64(block))
    odd = f.b.icmp_signed("==", f.b.urem(step, I64(2)), I64(1))
    low = f.b.load(f.e.at(f.pointer("offsets", I64), step))

    def one(i: ir.Value) -> None:
        number = f.b.select(odd, f.b.sub(f.sum(blocks, -1), i), i)
        for affine in range(affines):
            project(f.sum(f.times(affine, f.number("H")), f.times(number, block)), I64(block))
        tile = f.times(number, tiles)
        f.call(kernels.stages[0], step, low, 0, rows, tile, f.sum(tile, tiles), 0)

    f.loop(0, blocks, one)


def emit_backward(
    target: Target, plan: Plan, operands: Sequence[WeightOperand], sums: Sequence[tuple[str, str]], parallel: bool
) -> Code:
    """The module of a backward loop.

    Parameters
    ----------
    operands : the input comes first, if the kernel computes the products with it
    sums : (name in the chunk, size) of what is summed over rows and steps. The argument `sums` has the columns of the
        chunk, then those of the plan's totals
    """
    code = Code(target)
    kernels = Functions(code, plan, parallel)
    f = code.function("body", numbers=2)
    thread, threads = f.arguments
    e, lanes = f.e, target.lanes
    worker = Worker(f, thread, threads, kernels.barrier)
    of_input = operands[0] if operands and operands[0].kind == "input" else None
    kernels.pack_bundles(worker)
    kernels.clear_totals(worker)
    input_wanted = f.b.icmp_signed("!=", f.number("dx"), I64(0))
    I = f.number("I")
    if of_input is not None:
        weights, ld = factor_rows(f, plan, of_input.factors[0][0])
        K = f.sum(0, *(f.number("H") for _ in of_input.factors))

        def pack(first: ir.Value, last: ir.Value) -> None:
            height = f.number("H")  # The blocks follow each other, and each fills whole pairs.
            whole = f.times(K, 1) if kernels.halve is None else f.times(len(of_input.factors), f.words(height), 2)
            for position in range(len(of_input.factors)):
                at = f.times(position, height if kernels.halve is None else f.times(f.words(height), 2))
                block = e.at(weights, f.times(position, height, ld))
                f.call(kernels.pack_rows, ld, height, I, whole, at, first, last, block, f.pointer("input weights"))

        f.when(input_wanted, lambda: worker.share(f.ceil(I, f.target.panel * lanes), pack))
    worker.meet()

    def chunk(reversed_number: ir.Value) -> None:
        number = f.b.sub(f.sum(f.number("chunks"), -1), reversed_number)
        add = f.b.zext(f.b.icmp_signed(">", reversed_number, I64(0)), I64)
        first, last, low, high = worker.chunk(number)
        rows = f.b.sub(high, low)
        _steps(worker, kernels, first, last, low, backward=True)
        worker.meet()
        for name, size in sums:
            column = kernels.column(f, name)

            def total(v0: ir.Value, v1: ir.Value, size: str = size, column: ir.Value = column) -> None:
                f.call(
                    kernels.column_sums, f.number("chunk_ld"), rows, f.number(size), add, v0, v1,
                    e.at(chunk_begin(f, plan, low), column), e.at(f.pointer("sums"), column),
                )  # fmt: skip

            worker.share(f.ceil(f.number(size), lanes), total)
        for position, operand in enumerate(operands):
            kernels.pack_weight_operand(worker, position, operand, first, last, low, rows)
        worker.meet()
        kernels.weight_gradients(worker, operands, low, rows, add)
        if of_input is not None:
            to_input = partial(_input_gradient, f, kernels, of_input, low)
            f.when(input_wanted, lambda: worker.share(rows, to_input))
        worker.meet()

    f.loop(0, f.number("chunks"), chunk)
    kernels.sum_totals(worker)
    emit_entry(code.module, f.finish(), "run", parallel)
    return code


def _input_gradient(
    f: Frame, kernels: Functions, operand: WeightOperand, low: ir.Value, row0: ir.Value, row1: ir.Value
) -> None:
    """The gradient of rows of the input, from the affines' gradients in a chunk that begins at row `low`."""
    I, first = f.number("I"), operand.factors[0][1]
    ld, gradients = f.number("chunk_ld"), f.e.at(f.pointer("chunk"), kernels.column(f, first))
    if kernels.halve is not None:
        ld, gradients = f.number("half_ld"), f.e.at(f.pointer("half chunk"), kernels.column(f, first, half=True))
    along = f.times(len(operand.factors), f.words(f.number("H")))
    out = f.e.at(f.pointer("dx"), f.times(low, I))
    null = f.b.inttoptr(I64(0), f.target.number.as_pointer())
    f.call(kernels.rows_product, ld, along, I, I, row0, row1, gradients, f.pointer("input weights"), out, null)


def _steps(
    worker: Worker, kernels: Functions, first: ir.Value, last: ir.Value, low: ir.Value, backward: bool = False
) -> None:
    """All steps of a chunk."""
    f, stages = worker.f, kernels.plan.schedule.stages
    counts, splits = f.pointer("counts", I64), f.pointer("row_splits", I64)

    def over_steps(body: Callable[[ir.Value, ir.Value], None]) -> None:
        def one(i: ir.Value) -> None:
            step = f.b.sub(f.sum(first, last, -1), i) if backward else i
            body(step, f.b.load(f.e.at(counts, step)))

        f.loop(first, last, one)

    def tiles(number: int) -> ir.Value:
        width = tile_vectors(stages[number], f.target) if stages[number].bundles else 1
        return f.ceil(f.number(stages[number].size), width * f.target.lanes)

    def by_rows() -> None:
        def part(part: ir.Value) -> None:
            row0, end = f.b.load(f.e.at(splits, part)), f.b.load(f.e.at(splits, f.sum(part, 1)))

            def step(step: ir.Value, count: ir.Value) -> None:
                for number, stage in enumerate(kernels.stages):
                    last = f.least(end, count)
                    for before in kernels.before[number]:
                        f.call(before, step, low, row0, last)
                    f.call(stage, step, low, row0, last, 0, tiles(number), part)

            over_steps(step)

        worker.parts(part)

    def by_units() -> None:
        def step(step: ir.Value, count: ir.Value) -> None:
            for number, stage in enumerate(kernels.stages):
                for before in kernels.before[number]:

                    def rows(row0: ir.Value, row1: ir.Value, before: Frame = before) -> None:
                        f.call(before, step, low, row0, row1)

                    worker.share(count, rows)
                    worker.meet()

                def units(part: ir.Value, number: int = number, stage: Frame = stage) -> None:
                    t0, t1 = (f.part(tiles(number), f.sum(part, i), f.number("parts")) for i in (0, 1))
                    f.call(stage, step, low, 0, count, t0, t1, part)

                worker.parts(units)
                worker.meet()

        over_steps(step)

    f.when(f.b.icmp_signed("!=", f.number("by_units"), I64(0)), by_units, by_rows)
