"""The kernels of a loop: pack the weights, then chunk of steps by chunk of steps, on all threads of a team.

Forward, the products with the input are taken for a whole chunk at once, then its steps one after another. Backward,
the steps of a chunk leave the gradients of the affines, from which the gradients of weights and input follow at once.

Rows are independent of each other, so with rows enough each thread takes some of them through all steps of a chunk
without waiting; else the threads share the units of each stage and meet after it. The results are the same, bit by
bit: every sum is taken in the same order whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from ricorda.engines.cpu.code import Code, Frame
from ricorda.engines.cpu.emit import I64
from ricorda.engines.cpu.half import emit_halve, put_row
from ricorda.engines.cpu.pack import emit_column_sums, emit_pack_columns, emit_pack_rows, emit_pack_transposed
from ricorda.engines.cpu.places import Plan, factor_rows, length_along, tile_vectors
from ricorda.engines.cpu.product import emit_rows_product, emit_weight_product, panels
from ricorda.engines.cpu.stage import emit_reductions, emit_stage
from ricorda.engines.cpu.target import Target
from ricorda.engines.cpu.team import emit_barrier, emit_entry
from ricorda.program.loop import Factor


@dataclass(frozen=True)
class Source:
    """What the gradient of some weights multiplies: the input, a state as it entered the step, a value of the step.

    Parameters
    ----------
    kind : {"input", "before", "sequence"}
    name : of the state or of the value
    size : "I", "H" or "P"
    factors : of the weights that multiply it: the factor, the name in the chunk and the size of its affine's gradient
    """

    kind: str
    name: str
    size: str
    factors: tuple[tuple[Factor, str, str], ...]


def emit_forward(target: Target, plan: Plan, inputs: Sequence[Factor], parallel: bool) -> Code:
    """The module of a forward loop.

    Parameters
    ----------
    inputs : the factors of the input, in the order of their columns in the chunk; none where the chunk is given whole
    """
    code = Code(target)
    kernels = _Kernels(code, plan)
    for name, packing in (("run", True), ("run_packed", False)):
        emit_entry(code.module, _forward_body(code, kernels, inputs, packing), name, parallel)
    return code


def _forward_body(code: Code, kernels: _Kernels, inputs: Sequence[Factor], packing: bool) -> ir.Function:
    """Write the forward pass of one thread, with or without packing the weights before."""
    f = code.function("body" if packing else "body_packed", numbers=2)
    thread, threads = f.given
    team = _Team(f, thread, threads, kernels.barrier)
    z_columns = f.sum(0, *(f.number("H") for _ in inputs))
    if packing:
        kernels.pack_bundles(team)
        if inputs:
            kernels.pack_inputs(team, inputs, z_columns)
            kernels.add_biases(team, inputs)
        team.meet()
    kernels.halve_states(team)

    def project(low: ir.Value, row0: ir.Value, row1: ir.Value, column: ir.Value, columns: ir.Value) -> None:
        K = f.pairs(f.number("I"))
        x = f.e.at(f.pointer("x"), f.times(low, f.number("I")))
        if kernels.halve is not None:
            f.call(kernels.halve, f.number("I"), row0, row1, x, f.pointer("half x"))
            x = f.pointer("half x")
        weights = f.e.at(f.pointer("input weights"), f.times(column, K))
        out, bias = (f.e.at(f.pointer(name), column) for name in ("chunk", "input bias"))
        f.call(kernels.rows_product, K, K, f.number("chunk_ld"), columns, row0, row1, x, weights, out, bias)

    def chunk(number: ir.Value) -> None:
        first, last, low, high = team.chunk(number)
        rows = f.b.sub(high, low)

        def whole() -> None:
            if inputs:
                team.share(rows, lambda row0, row1: project(low, row0, row1, I64(0), z_columns))
                team.meet()
            team.steps(kernels, first, last, low)

        def single() -> None:
            def products(column: ir.Value, columns: ir.Value) -> None:
                project(low, I64(0), rows, column, columns)

            _single_step(f, kernels, len(inputs), first, rows, products)

        if packing or not inputs or len(kernels.stages) > 1 or kernels.reductions[0]:
            whole()
        else:
            alone = f.b.icmp_signed("==", f.times(f.b.sub(last, first), f.number("parts")), I64(1))
            f.when(f.b.and_(alone, _is_in_blocks(f)), single, whole)
        f.when(f.b.icmp_signed("<", f.sum(number, 1), f.number("chunks")), team.meet)

    f.loop(0, f.number("chunks"), chunk)
    return f.finish()


def _is_in_blocks(f: Frame) -> ir.Value:
    """Whether the columns of a panel belong to one affine, and there are panels enough for their order to matter."""
    H, block = f.number("H"), f.target.panel * f.target.lanes
    whole = f.b.icmp_signed("==", f.b.urem(H, I64(block)), I64(0))
    return f.b.and_(whole, f.b.icmp_signed(">=", H, I64(4 * block)))


def _single_step(
    f: Frame,
    kernels: _Kernels,
    affines: int,
    step: ir.Value,
    rows: ir.Value,
    project: Callable[[ir.Value, ir.Value], None],
) -> None:
    """A step of one stage, panel by panel of units, each with its products with the input.

    Steps of odd number take the panels backwards: they begin with the weights that the step before left in the cache.
    """
    block = f.target.panel * f.target.lanes
    tiles = f.target.panel // tile_vectors(kernels.plan.schedule.stages[0], f.target)
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
    target: Target, plan: Plan, sources: Sequence[Source], sums: Sequence[tuple[str, str]], parallel: bool
) -> Code:
    """The module of a backward loop.

    Parameters
    ----------
    sources : what the weights' gradients are products with; the input first, if its weights are the kernel's
    sums : (name in the chunk, size) of what is summed over rows and steps, into `sums`, which has the chunk's columns
    """
    code = Code(target)
    kernels = _Kernels(code, plan)
    f = code.function("body", numbers=2)
    thread, threads = f.given
    e, lanes = f.e, target.lanes
    team = _Team(f, thread, threads, kernels.barrier)
    given_input = sources[0] if sources and sources[0].kind == "input" else None
    kernels.pack_bundles(team)
    input_wanted = f.b.icmp_signed("!=", f.number("dx"), I64(0))
    I = f.number("I")
    if given_input is not None:
        weights, ld = factor_rows(f, plan, given_input.factors[0][0])
        K = f.sum(0, *(f.number("H") for _ in given_input.factors))

        def pack(first: ir.Value, last: ir.Value) -> None:
            each = f.number("H")  # one block after another: each fills whole pairs
            whole = f.times(K, 1) if kernels.halve is None else f.times(len(given_input.factors), f.pairs(each), 2)
            for position in range(len(given_input.factors)):
                at = f.times(position, each if kernels.halve is None else f.times(f.pairs(each), 2))
                block = e.at(weights, f.times(position, each, ld))
                f.call(kernels.pack_rows, ld, each, I, whole, at, first, last, block, f.pointer("input weights"))

        f.when(input_wanted, lambda: team.share(f.ceil(I, f.target.panel * lanes), pack))
    team.meet()

    def chunk(reversed_number: ir.Value) -> None:
        number = f.b.sub(f.sum(f.number("chunks"), -1), reversed_number)
        add = f.b.zext(f.b.icmp_signed(">", reversed_number, I64(0)), I64)
        first, last, low, high = team.chunk(number)
        rows = f.b.sub(high, low)
        team.steps(kernels, first, last, low, backward=True)
        team.meet()
        for name, size in sums:
            column = kernels.column(f, name)

            def total(v0: ir.Value, v1: ir.Value, size: str = size, column: ir.Value = column) -> None:
                f.call(
                    kernels.column_sums, f.number("chunk_ld"), rows, f.number(size), add, v0, v1,
                    e.at(f.pointer("chunk"), column), e.at(f.pointer("sums"), column),
                )  # fmt: skip

            team.share(f.ceil(f.number(size), lanes), total)
        for position, source in enumerate(sources):
            kernels.pack_source(team, position, source, first, last, low, rows)
        team.meet()
        kernels.weights(team, sources, rows, add)
        if given_input is not None:
            column = kernels.column(f, given_input.factors[0][1])

            def to_input(row0: ir.Value, row1: ir.Value) -> None:
                out = e.at(f.pointer("dx"), f.times(low, I))
                null = f.b.inttoptr(I64(0), target.number.as_pointer())
                ld, gradients = f.number("chunk_ld"), e.at(f.pointer("chunk"), column)
                if kernels.halve is not None:
                    ld = f.number("half_ld")
                    gradients = e.at(f.pointer("half chunk"), kernels.column(f, given_input.factors[0][1], half=True))
                along = f.times(len(given_input.factors), f.pairs(f.number("H")))
                f.call(
                    kernels.rows_product, ld, along, I, I, row0, row1, gradients, f.pointer("input weights"), out, null
                )

            f.when(input_wanted, lambda: team.share(rows, to_input))
        team.meet()

    f.loop(0, f.number("chunks"), chunk)
    emit_entry(code.module, f.finish(), "run", parallel)
    return code


class _Kernels:
    """The functions that a loop's kernel is made of."""

    def __init__(self, code: Code, plan: Plan) -> None:
        self.code, self.plan = code, plan
        self.barrier = emit_barrier(code.module, code.target)
        self.rows_product = emit_rows_product(code)
        self.pack_rows = emit_pack_rows(code)
        self.halve = emit_halve(code) if code.target.products == "bf16" else None
        if plan.loop.backward:
            self.weight_product = emit_weight_product(code)
            self.pack_columns = emit_pack_columns(code)
            self.column_sums = emit_column_sums(code)
        else:
            self.pack_transposed = emit_pack_transposed(code)
        self.stages = [emit_stage(code, plan, number) for number in range(len(plan.schedule.stages))]
        self.reductions = [emit_reductions(code, plan, number) for number in range(len(plan.schedule.stages))]

    def pack_bundles(self, team: _Team) -> None:
        """Pack the matrices of all stages: `[tile][K][product][vector][lane]`."""
        f, plan = team.f, self.plan
        lanes = f.target.lanes
        for number, stage in enumerate(plan.schedule.stages):
            for position, bundle in enumerate(stage.bundles):
                width, count = tile_vectors(stage, f.target), len(bundle.products)
                size = f.number(stage.size)
                whole = length_along(f, plan, bundle.operands)

                def pack(
                    first: ir.Value,
                    last: ir.Value,
                    number: int = number,
                    position: int = position,
                    width: int = width,
                    count: int = count,
                    size: ir.Value = size,
                    whole: ir.Value = whole,
                ) -> None:
                    bundle = plan.schedule.stages[number].bundles[position]

                    def tile(tile: ir.Value) -> None:
                        vector = f.times(tile, width)
                        vectors = f.least(width, f.b.sub(f.ceil(size, lanes), vector))
                        columns = f.times(vectors, count)
                        start = f.times(vector, count * lanes, whole)
                        panel = f.e.at(f.pointer(f"bundle {number} {position}"), start)
                        for place, operand in enumerate(bundle.operands):
                            K = f.number(plan.loop.lines[operand].size)
                            for p, product in enumerate(bundle.products):
                                factor = plan.loop.lines[product].factors[place]
                                self._pack_factor(f, factor, panel, vector, vectors, columns, p, K, size)
                            panel = f.e.at(panel, f.times(f.pairs(K), columns, lanes))

                    f.loop(first, last, tile)

                team.share(f.ceil(size, width * lanes), pack)

    def pack_inputs(self, team: _Team, inputs: Sequence[Factor], z_columns: ir.Value) -> None:
        """Pack the matrices that multiply the input, one above the other, in panels."""
        f, lanes = team.f, self.code.target.lanes
        weights, ld = factor_rows(f, self.plan, inputs[0])

        def pack(first: ir.Value, last: ir.Value) -> None:
            def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
                to = f.e.at(f.pointer("input weights"), f.times(column, f.pairs(f.number("I"))))

                def one(v: ir.Value) -> None:
                    unit = f.sum(column, f.times(v, lanes))
                    at = f.e.at(to, f.times(v, lanes))
                    f.call(
                        self.pack_transposed, ld, f.number("I"), z_columns, unit, f.times(vectors, lanes), weights, at
                    )

                f.loop(0, vectors, one)

            panels(f, z_columns, panel, first, last)

        team.share(f.ceil(z_columns, f.target.panel * lanes), pack)

    def add_biases(self, team: _Team, inputs: Sequence[Factor]) -> None:
        """Add up the biases of the affines that take the input."""
        f, layout = team.f, self.plan.layout
        H = f.number("H")

        def all_affines(first: ir.Value, last: ir.Value) -> None:
            def once(_: ir.Value) -> None:
                for position, factor in enumerate(inputs):

                    def one(
                        unit: ir.Value, mask: ir.Value | None, position: int = position, factor: Factor = factor
                    ) -> None:
                        total = f.e.constant(0.0)
                        for block in layout.biases[factor.affine]:
                            bias = f.e.at(f.pointer(f"parameter {block.parameter}"), f.times(block.position, H), unit)
                            total = f.b.fadd(total, f.e.load(bias, mask))
                        f.e.store(total, f.e.at(f.pointer("input bias"), f.times(position, H), unit), mask)

                    f.vectors(0, f.ceil(H, f.target.lanes), H, one)

            f.loop(first, last, once)

        team.share(I64(1), all_affines)

    def _pack_factor(
        self, f: Frame, factor: Factor, panel: ir.Value, vector: ir.Value, vectors: ir.Value, columns: ir.Value,
        p: int, K: ir.Value, size: ir.Value,
    ) -> None:  # fmt: skip
        lanes = f.target.lanes
        weights, ld = factor_rows(f, self.plan, factor)
        stride = f.times(columns, lanes)

        def one(v: ir.Value) -> None:
            unit = f.times(f.sum(vector, v), lanes)
            to = f.e.at(panel, f.times(f.sum(f.times(vectors, p), v), lanes))
            if not self.plan.loop.backward:
                f.call(self.pack_transposed, ld, K, size, unit, stride, weights, to)
                return

            def row(k: ir.Value) -> None:
                line = f.e.at(weights, f.sum(f.times(k, ld), unit))
                f.masked(unit, size, lambda mask: put_row(f, k, f.e.load(line, mask), to, stride))

            f.loop(0, K, row)

        f.loop(0, vectors, one)

    def pack_source(
        self, team: _Team, position: int, source: Source, first: ir.Value, last: ir.Value, low: ir.Value, rows: ir.Value
    ) -> None:
        """Pack what the weights' gradients multiply, in the order of the chunk's rows."""
        f = team.f
        size = f.number(source.size)

        def pack(panel0: ir.Value, panel1: ir.Value) -> None:
            panels = f.pointer(f"source {position}")
            if source.kind != "before":
                base = f.pointer("x" if source.kind == "input" else f"sequence {source.name}")
                start = f.e.at(base, f.times(low, size))
                f.call(self.pack_rows, size, rows, size, rows, 0, panel0, panel1, start, panels)
                return
            offsets, counts = f.pointer("offsets", I64), f.pointer("counts", I64)

            # rows in order, which may be that of the steps or its reverse: see put_row
            last_step = f.sum(last, -1)
            backwards = f.b.icmp_signed(">", f.b.load(f.e.at(offsets, first)), f.b.load(f.e.at(offsets, last_step)))

            def one_step(i: ir.Value) -> None:
                step = f.b.select(backwards, f.b.sub(f.sum(first, last_step), i), i)
                earlier = f.b.load(f.e.at(offsets, f.most(0, f.sum(step, -1))))
                base = f.b.select(
                    f.b.icmp_signed("==", step, I64(0)),
                    f.pointer(f"initial {source.name}"),
                    f.e.at(f.pointer(f"sequence {source.name}"), f.times(earlier, size)),
                )
                count = f.b.load(f.e.at(counts, step))
                at = f.b.sub(f.b.load(f.e.at(offsets, step)), low)
                # within a panel the rows of a step follow those of the steps before
                f.call(self.pack_rows, size, count, size, rows, at, panel0, panel1, base, panels)

            f.loop(first, last, one_step)

        team.share(f.ceil(size, f.target.panel * f.target.lanes), pack)

    def weights(self, team: _Team, sources: Sequence[Source], rows: ir.Value, add: ir.Value) -> None:
        """The gradients of all matrices: each thread takes some rows of each."""
        f, plan = team.f, self.plan
        e = f.e

        def packed(name: str, m0: ir.Value) -> ir.Value:
            return e.at(f.pointer("packed gradients"), f.times(f.sum(self.column(f, name), m0), f.number("chunk_rows")))

        for name, size in sorted({(name, size) for source in sources for _, name, size in source.factors}):

            def pack(m0: ir.Value, m1: ir.Value, name: str = name) -> None:
                a = e.at(f.pointer("chunk"), f.sum(self.column(f, name), m0))
                f.call(self.pack_columns, f.number("chunk_ld"), rows, f.b.sub(m1, m0), a, packed(name, m0))

            team.share(f.number(size), pack)
        for position, source in enumerate(sources):
            columns = f.number(source.size)
            for factor, name, size in source.factors:
                block = plan.layout.matrices[factor.affine][factor.position]

                row = f.times(block.position, f.number(size))
                gradient, panels = f.pointer(f"gradient {block.parameter}"), f.pointer(f"source {position}")

                def product(
                    m0: ir.Value, m1: ir.Value, name: str = name, columns: ir.Value = columns, row: ir.Value = row,
                    gradient: ir.Value = gradient, panels: ir.Value = panels,
                ) -> None:  # fmt: skip
                    out = e.at(gradient, f.times(f.sum(row, m0), columns))
                    f.call(
                        self.weight_product, f.b.sub(m1, m0), f.pairs(rows), columns, columns, add,
                        packed(name, m0), panels, out,
                    )  # fmt: skip

                team.share(f.number(size), product)

    def column(self, f: Frame, name: str, half: bool = False) -> ir.Value:
        """Where a value begins in the chunk's rows, or in their copy in pairs."""
        return self.plan.columns[name].begin(f, half)

    def halve_states(self, team: _Team) -> None:
        """Copy the initial states to where the first step takes its factors in pairs from."""
        f, plan = team.f, self.plan
        if self.halve is None:
            return
        for name in plan.half_states:
            size = f.number(plan.state_size(name))
            first = f.pointer(f"initial {name}")
            second = f.e.at(f.pointer(f"half place {name}"), f.times(f.number("B"), f.pairs(size)))

            def halve(
                row0: ir.Value,
                row1: ir.Value,
                size: ir.Value = size,
                first: ir.Value = first,
                second: ir.Value = second,
            ) -> None:
                f.call(self.halve, size, row0, row1, first, second)

            team.share(f.number("B"), halve)
        team.meet()


class _Team:
    """The work of one thread in the body of a kernel."""

    def __init__(self, f: Frame, thread: ir.Value, threads: ir.Value, barrier: ir.Function) -> None:
        self.f, self.thread, self.threads = f, thread, threads
        self._barrier = barrier

    def meet(self) -> None:
        """Wait for all."""
        self.f.b.call(self._barrier, [self.f.pointer("barrier", I64), self.threads])

    def parts(self, body: Callable[[ir.Value], None]) -> None:
        """Run `body(part)` for this thread's parts: one, if the team is as large as was asked for."""
        f = self.f
        f.e.loop(self.thread, f.number("parts"), self.threads, body)

    def share(self, total: ir.Value, body: Callable[[ir.Value, ir.Value], None]) -> None:
        """Run `body(first, last)` for this thread's share of some pieces of work."""
        f = self.f
        parts = f.number("parts")
        self.parts(lambda part: body(f.part(total, part, parts), f.part(total, f.sum(part, 1), parts)))

    def chunk(self, number: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value, ir.Value]:
        """First and last step of a chunk, first and last of its rows."""
        f = self.f
        steps, rows = f.pointer("chunk_steps", I64), f.pointer("chunk_bounds", I64)
        load = f.b.load
        return (
            load(f.e.at(steps, number)),
            load(f.e.at(steps, f.sum(number, 1))),
            load(f.e.at(rows, f.times(number, 2))),
            load(f.e.at(rows, f.sum(f.times(number, 2), 1))),
        )

    def steps(self, kernels: _Kernels, first: ir.Value, last: ir.Value, low: ir.Value, backward: bool = False) -> None:
        """All steps of a chunk."""
        f, stages = self.f, kernels.plan.schedule.stages
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
                        if (reductions := kernels.reductions[number]) is not None:
                            f.call(reductions, step, low, row0, last)
                        f.call(stage, step, low, row0, last, 0, tiles(number), part)

                over_steps(step)

            self.parts(part)

        def by_units() -> None:
            def step(step: ir.Value, count: ir.Value) -> None:
                for number, stage in enumerate(kernels.stages):
                    if (reductions := kernels.reductions[number]) is not None:

                        def reduce(row0: ir.Value, row1: ir.Value, reductions: Frame = reductions) -> None:
                            f.call(reductions, step, low, row0, row1)

                        self.share(count, reduce)
                        self.meet()

                    def units(part: ir.Value, number: int = number, stage: Frame = stage) -> None:
                        t0, t1 = (f.part(tiles(number), f.sum(part, i), f.number("parts")) for i in (0, 1))
                        f.call(stage, step, low, 0, count, t0, t1, part)

                    self.parts(units)
                    self.meet()

            over_steps(step)

        f.when(f.b.icmp_signed("!=", f.number("by_units"), I64(0)), by_units, by_rows)
