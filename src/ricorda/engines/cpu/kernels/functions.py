"""The functions that a loop's kernel is made of: they pack weights and values, multiply, and run stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.kernels.plan import Plan, depth_along, factor_rows, tile_vectors
from ricorda.engines.cpu.kernels.quantised import emit_quantised
from ricorda.engines.cpu.kernels.shares import (
    emit_pack_before,
    emit_pack_factor,
    emit_pack_gradient,
    emit_pack_sequence,
    emit_weight_gradient,
)
from ricorda.engines.cpu.kernels.stage import emit_reductions, emit_stage
from ricorda.engines.cpu.kernels.team import emit_barrier
from ricorda.engines.cpu.kernels.worker import Worker
from ricorda.engines.cpu.products.library import declared
from ricorda.engines.cpu.products.product import panels
from ricorda.engines.cpu.words.emit import I1, I64
from ricorda.program.loop import Factor
from ricorda.program.weights import Block


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
        self.rows_product = declared(code, "rows_product")
        self.halve = declared(code, "halve") if code.target.products == "bf16" else None
        self.quantise = declared(code, "quantise") if code.target.products == "int8" else None
        if plan.loop.backward:
            self.pack_rows = declared(code, "pack_rows")
            self.column_sums = declared(code, "column_sums")
            self.pack_gradient = emit_pack_gradient(code, plan, declared(code, "pack_columns"))
            self.weight_gradient = emit_weight_gradient(code, declared(code, "weight_product"))
            self.pack_sequence = emit_pack_sequence(code, self.pack_rows)
            self.pack_before = emit_pack_before(code, self.pack_rows)
            self.pack_factor = emit_pack_factor(code, None)
        else:
            self.pack_transposed = declared(code, "pack_transposed")
            self.pack_factor = emit_pack_factor(code, self.pack_transposed)
        self.stages = [emit_stage(code, plan, number) for number in range(len(plan.schedule.stages))]
        self.before = [
            [f for f in (emit_reductions(code, plan, number), emit_quantised(code, plan, number)) if f is not None]
            for number in range(len(plan.schedule.stages))
        ]

    @property
    def in_full(self) -> bool:
        """Whether products take factors as they are, and not rounded."""
        return self.halve is None and self.quantise is None

    def pack_bundles(self, worker: Worker) -> None:
        """Pack the matrices of all stages: `[tile][K][product][vector][lane]`."""
        f, plan = worker.f, self.plan
        for number, stage in enumerate(plan.schedule.stages):
            for position, bundle in enumerate(stage.bundles):
                size, width, count = f.number(stage.size), tile_vectors(stage, f.target), len(bundle.products)
                whole = depth_along(f, plan, bundle.operands)
                panels = f.pointer(f"bundle {number} {position}")
                for place, operand in enumerate(bundle.operands):
                    begin, K = depth_along(f, plan, bundle.operands[:place]), f.number(plan.loop.lines[operand].size)
                    for p, product in enumerate(bundle.products):
                        weights, ld = factor_rows(f, plan, plan.loop.lines[product].factors[place])
                        numbers = (ld, K, size, width, count, p, whole, begin)
                        f.call(self.pack_factor, worker.thread, worker.threads, *numbers, weights, panels)

    def pack_inputs(self, worker: Worker, inputs: Sequence[Factor], z_columns: ir.Value) -> None:
        """Pack the matrices that multiply the input, one above the other, in panels."""
        f, lanes = worker.f, self.code.target.lanes
        weights, ld = factor_rows(f, self.plan, inputs[0])

        def pack(first: ir.Value, last: ir.Value) -> None:
            def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
                to = f.e.at(f.pointer("input weights"), f.times(column, f.depth(f.number("I"))))

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
        """Pack an operand of the weights' gradients, in the order of the chunk's rows, if one of them is wanted."""
        f = worker.f
        size, panels = f.number(operand.size), f.pointer(f"weight operand {position}")
        numbers: tuple[ir.Value, ...] = (worker.thread, worker.threads, size, low, rows)
        wanted: ir.Value = I1(0)
        for parameter in sorted({self._block(factor).parameter for factor, _, _ in operand.factors}):
            wanted = f.b.or_(wanted, self._is_wanted(f, parameter))

        def pack() -> None:
            if operand.kind == "before":
                entered, kept = f.pointer(f"initial {operand.name}"), f.pointer(f"sequence {operand.name}")
                f.call(self.pack_before, *numbers, first, last, entered, kept, panels)
            else:
                base = f.pointer("x" if operand.kind == "input" else f"sequence {operand.name}")
                f.call(self.pack_sequence, *numbers, base, panels)

        f.when(wanted, pack)

    def _block(self, factor: Factor) -> Block:
        return self.plan.layout.matrices[factor.affine][factor.position]

    def _is_wanted(self, f: Frame, parameter: str) -> ir.Value:
        """Whether there is room for the gradient of a parameter."""
        return f.b.icmp_signed("!=", f.number(f"gradient {parameter}"), I64(0))

    def weight_gradients(
        self, worker: Worker, operands: Sequence[WeightOperand], low: ir.Value, rows: ir.Value, add: ir.Value
    ) -> None:
        """Compute the gradients of all matrices that are wanted; each thread takes some rows of each."""
        f = worker.f
        own = worker.thread, worker.threads
        for name, size in sorted({(name, size) for operand in operands for _, name, size in operand.factors}):
            f.call(self.pack_gradient, *own, f.number(size), low, rows, self.column(f, name))
        for position, operand in enumerate(operands):
            columns, panels = f.number(operand.size), f.pointer(f"weight operand {position}")
            for factor, name, size in operand.factors:
                block = self._block(factor)
                out = f.e.at(f.pointer(f"gradient {block.parameter}"), f.times(block.position, f.number(size), columns))
                given = (f.number(size), rows, columns, add, self.column(f, name), panels, out)
                product = partial(f.call, self.weight_gradient, *own, *given)
                f.when(self._is_wanted(f, block.parameter), product)

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
            second = f.e.at(f.pointer(f"half place {name}"), f.times(f.number("B"), f.words(size)))

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
