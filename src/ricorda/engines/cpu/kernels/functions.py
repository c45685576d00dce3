"""The functions that a loop's kernel is made of: they pack weights and values, multiply, and run stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.kernels.plan import Plan, chunk_begin, factor_rows, length_along, tile_vectors
from ricorda.engines.cpu.kernels.stage import emit_reductions, emit_stage
from ricorda.engines.cpu.kernels.team import emit_barrier
from ricorda.engines.cpu.kernels.worker import Worker
from ricorda.engines.cpu.products.half import emit_halve, put_row
from ricorda.engines.cpu.products.pack import emit_column_sums, emit_pack_columns, emit_pack_rows, emit_pack_transposed
from ricorda.engines.cpu.products.product import emit_rows_product, emit_weight_product, panels
from ricorda.engines.cpu.words.emit import I64
from ricorda.program.loop import Factor


@dataclass(frozen=True)
class WeightOperand:
    """What some weights multiply in the forward pass, and so one of the two operands of their gradient.

    Parameters
    ----------
    kind : "input", "before" for a state as it entered the step, or "sequence" for a value of the step
    name : of the state or of the value
    size : its size
    factors : of the weights that multiply it: the factor, and name (in the chunk) and size of its affine's gradient
    """

    kind: str
    name: str
    size: str
    factors: tuple[tuple[Factor, str, str], ...]


class Functions:
    """The functions of one loop, and the parts of a kernel that call them."""

    def __init__(self, code: Code, plan: Plan, parallel: bool) -> None:
        self.code, self.plan = code, plan
        self.barrier = emit_barrier(code.module, code.target) if parallel else None
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

    def pack_bundles(self, worker: Worker) -> None:
        """Pack the matrices of all stages: `[tile][K][product][vector][lane]`."""
        f, plan = worker.f, self.plan
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

                worker.share(f.ceil(size, width * lanes), pack)

    def pack_inputs(self, worker: Worker, inputs: Sequence[Factor], z_columns: ir.Value) -> None:
        """Pack the matrices that multiply the input, one above the other, in panels."""
        f, lanes = worker.f, self.code.target.lanes
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

        worker.share(f.ceil(z_columns, f.target.panel * lanes), pack)

    def add_biases(self, worker: Worker, inputs: Sequence[Factor]) -> None:
        """Add up the biases of the affines that take the input."""
        f, layout = worker.f, self.plan.layout
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

        worker.share(I64(1), all_affines)

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

    def pack_weight_operand(
        self,
        worker: Worker,
        position: int,
        operand: WeightOperand,
        first: ir.Value,
        last: ir.Value,
        low: ir.Value,
        rows: ir.Value,
    ) -> None:
        """Pack an operand of the weights' gradients, in the order of the chunk's rows."""
        f = worker.f
        size = f.number(operand.size)

        def pack(panel0: ir.Value, panel1: ir.Value) -> None:
            panels = f.pointer(f"weight operand {position}")
            if operand.kind != "before":
                base = f.pointer("x" if operand.kind == "input" else f"sequence {operand.name}")
                start = f.e.at(base, f.times(low, size))
                f.call(self.pack_rows, size, rows, size, rows, 0, panel0, panel1, start, panels)
                return
            offsets, counts = f.pointer("offsets", I64), f.pointer("counts", I64)

            # Rows must come in the order of memory (see put_row), which may be the reverse of the steps'.
            last_step = f.sum(last, -1)
            backwards = f.b.icmp_signed(">", f.b.load(f.e.at(offsets, first)), f.b.load(f.e.at(offsets, last_step)))

            def one_step(i: ir.Value) -> None:
                step = f.b.select(backwards, f.b.sub(f.sum(first, last_step), i), i)
                earlier = f.b.load(f.e.at(offsets, f.most(0, f.sum(step, -1))))
                base = f.b.select(
                    f.b.icmp_signed("==", step, I64(0)),
                    f.pointer(f"initial {operand.name}"),
                    f.e.at(f.pointer(f"sequence {operand.name}"), f.times(earlier, size)),
                )
                count = f.b.load(f.e.at(counts, step))
                at = f.b.sub(f.b.load(f.e.at(offsets, step)), low)
                # Within a panel the rows of a step follow those of the previous steps.
                f.call(self.pack_rows, size, count, size, rows, at, panel0, panel1, base, panels)

            f.loop(first, last, one_step)

        worker.share(f.ceil(size, f.target.panel * f.target.lanes), pack)

    def weight_gradients(
        self, worker: Worker, operands: Sequence[WeightOperand], low: ir.Value, rows: ir.Value, add: ir.Value
    ) -> None:
        """Compute the gradients of all matrices; each thread takes some rows of each."""
        f, plan = worker.f, self.plan
        e = f.e

        def packed(name: str, m0: ir.Value) -> ir.Value:
            return e.at(f.pointer("packed gradients"), f.times(f.sum(self.column(f, name), m0), f.number("chunk_rows")))

        for name, size in sorted({(name, size) for operand in operands for _, name, size in operand.factors}):

            def pack(m0: ir.Value, m1: ir.Value, name: str = name) -> None:
                a = e.at(chunk_begin(f, plan, low), f.sum(self.column(f, name), m0))
                f.call(self.pack_columns, f.number("chunk_ld"), rows, f.b.sub(m1, m0), a, packed(name, m0))

            worker.share(f.number(size), pack)
        for position, operand in enumerate(operands):
            columns = f.number(operand.size)
            for factor, name, size in operand.factors:
                block = plan.layout.matrices[factor.affine][factor.position]
                row = f.times(block.position, f.number(size))
                gradient, panels = f.pointer(f"gradient {block.parameter}"), f.pointer(f"weight operand {position}")

                def product(
                    m0: ir.Value, m1: ir.Value, name: str = name, columns: ir.Value = columns, row: ir.Value = row,
                    gradient: ir.Value = gradient, panels: ir.Value = panels,
                ) -> None:  # fmt: skip
                    out = e.at(gradient, f.times(f.sum(row, m0), columns))
                    f.call(
                        self.weight_product, f.b.sub(m1, m0), f.pairs(rows), columns, columns, add,
                        packed(name, m0), panels, out,
                    )  # fmt: skip

                worker.share(f.number(size), product)

    def column(self, f: Frame, name: str, half: bool = False) -> ir.Value:
        """Where a value begins in the rows of the chunk, or in those of its copy in pairs."""
        return self.plan.columns[name].begin(f, half)

    def clear_totals(self, worker: Worker) -> None:
        """Set the sums of the learned vectors' gradients to zero; each row has its own."""
        f = worker.f
        for name in self.plan.totals:
            base, size = f.pointer(f"total {name}"), f.number(self.plan.total_size(name))

            def rows(first: ir.Value, last: ir.Value, base: ir.Value = base, size: ir.Value = size) -> None:
                begin, end = f.times(first, size), f.times(last, size)
                f.loop(begin, end, lambda i: f.b.store(ir.Constant(f.e.scalar, 0.0), f.e.at(base, i)))

            worker.share(f.number("B"), rows)

    def sum_totals(self, worker: Worker) -> None:
        """Add up the rows' sums of the learned vectors' gradients."""
        f = worker.f
        for name, columns in self.plan.totals.items():
            base, size = f.pointer(f"total {name}"), f.number(self.plan.total_size(name))
            sums = f.e.at(f.pointer("sums"), columns.begin(f))

            def total(
                v0: ir.Value, v1: ir.Value, base: ir.Value = base, size: ir.Value = size, sums: ir.Value = sums
            ) -> None:
                f.call(self.column_sums, size, f.number("B"), size, 0, v0, v1, base, sums)

            worker.share(f.ceil(size, f.target.lanes), total)

    def halve_states(self, worker: Worker) -> None:
        """Copy the initial states, in pairs, to where the first step reads them."""
        f, plan = worker.f, self.plan
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

            worker.share(f.number("B"), halve)
        worker.meet()
