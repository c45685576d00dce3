"""What the kernels of a cell are made from: its loops in stages, and where their values lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from ricorda.engines.cpu.kernels.code import Code
from ricorda.engines.cpu.kernels.compile import Compiled, compiled
from ricorda.engines.cpu.kernels.functions import WeightOperand
from ricorda.engines.cpu.kernels.kernel import emit_backward, emit_forward
from ricorda.engines.cpu.kernels.plan import Columns, Plan
from ricorda.engines.cpu.kernels.threads import openmp
from ricorda.engines.cpu.words.target import Target
from ricorda.program.differentiate import forward_loop, input_name, read_of_inputs, training_loops
from ricorda.program.ir import Program
from ricorda.program.loop import LOOP_LEAVES, Factor, Loop
from ricorda.program.schedule import schedule
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, Sizes
from ricorda.program.weights import Layout, layout


@dataclass(frozen=True, eq=False)
class Kernels:
    """The kernels of a cell and what a caller has to know about them.

    Parameters
    ----------
    inputs : the factors of the input, in the order of their columns; empty if the caller computes the chunk
    parts : the lines of the program that the chunk has columns for, in this order: affines for their products with
        inputs plus biases `z_*`, and values of inputs that the loop reads
    forward, backward : the plans; None for backward in inference
    weight_operands : what the weights multiply, for their gradients
    sums : (name, size) of what is stored and then summed over rows and steps
    record : names of the recorded values
    """

    program: Program
    layout: Layout
    target: Target
    inputs: tuple[Factor, ...]
    parts: tuple[int, ...]
    forward: Plan
    backward: Plan | None
    weight_operands: tuple[WeightOperand, ...]
    sums: tuple[tuple[str, str], ...]
    record: tuple[str, ...] = ()

    def run_forward(self) -> Compiled:
        """The compiled forward kernel."""
        return _compiled(self, False)

    def run_backward(self) -> Compiled:
        """The compiled backward kernel."""
        return _compiled(self, True)

    @cached_property
    def of_units(self) -> tuple[str, int]:
        """The name of a parameter whose rows are blocks of H, and the number of its blocks."""
        return next((name, len(shape.rows)) for name, shape in self.layout.shapes.items() if shape.rows[0] == "H")

    @cached_property
    def part_sizes(self) -> tuple[str, ...]:
        """The sizes of the parts."""
        return tuple(self.program.values[index].size for index in self.parts)

    @cached_property
    def dtype(self) -> torch.dtype:
        """The dtype of all tensors."""
        return torch.float64 if self.target.element == "f64" else torch.float32

    @lru_cache(maxsize=256)  # noqa: B019 -- kernels are few and kept for good
    def weight_count(self, shape: tuple[int, int, int]) -> int:
        """The number of entries of all matrices, for a shape (I, H, P)."""
        sizes = Sizes(zip("IHP", shape, strict=True))
        return sum(
            sum(sizes[row] for row in shape.rows) * sizes[shape.columns]
            for shape in self.layout.shapes.values()
            if shape.columns is not None
        )

    @cached_property
    def multiplies_input(self) -> bool:
        """Whether the kernels compute the products with the input; if not, torch does, before the loop."""
        return bool(self.inputs)


@lru_cache(maxsize=256)
def kernels_for(
    program: Program,
    names: tuple[str, ...],
    target: Target,
    *,
    training: bool = False,
    record: tuple[str, ...] = (),
    watch: bool = False,
) -> Kernels:
    """The kernels of a cell.

    Parameters
    ----------
    names : of the parameters; they show whether there are biases
    training : whether there is a backward pass
    record : names of the values to record
    watch : whether the backward pass returns the norms of the states' gradients
    """
    parameters = layout(program, any(name.startswith("bias_") for name in names))
    with_input = [index for index in program.affines if _inputs(program, index)]
    parts = (*with_input, *read_of_inputs(program))
    standard = all(_inputs(program, index) == [0] and program.values[index].size == HIDDEN_SIZE for index in with_input)
    standard = standard and len(parts) == len(with_input)
    z = Columns()
    columns: dict[str, Columns] = {}
    for index in parts:
        columns[_part_name(program, index)] = z
        z += program.values[index].size
    given = {name: at for name, at in columns.items() if not name.startswith("z_")}
    inputs = tuple(Factor(index, program.values[index].args.index(0)) for index in with_input) if standard else ()
    trained = training_loops(program, record, watch) if training else None
    loop = trained.forward if trained else forward_loop(program, record)
    if (target.products == "int8" and training) or (
        target.products == "bf16"
        and any(_takes_from_memory(made) for made in (loop, trained.backward if trained else None))
    ):
        return kernels_for(program, names, target.in_full(), training=training, record=record, watch=watch)
    stored = tuple(name for name, _ in loop.stored)
    forward = Plan(schedule(loop, target.bundle), parameters, columns, stored, whole=not standard)
    if trained is None:
        return Kernels(program, parameters, target, inputs, parts, forward, None, (), (), record)
    order = [*parts, *(index for index in program.affines if index not in parts)]
    d = Columns()
    columns = {}
    totals: dict[str, Columns] = {}
    sums: list[tuple[str, str]] = []
    for index in order:
        value, name = program.values[index], _part_name(program, index)
        columns[f"d{name}" if value.op == "affine" else f"d_{name}"] = d
        d += value.size
        if parameters.biases.get(index) and (standard or index not in parts):
            sums.append((f"dz_{value.name}", value.size))
    for value in program.values:
        if value.op == "parameter":
            totals[f"dp_{value.name}"] = d
            d += value.size
    stages = schedule(trained.backward, target.bundle)
    backward = Plan(stages, parameters, columns, (), trained.state_gradients, totals, given, whole=not standard)
    by_operand: dict[tuple[str, str, str], list[tuple[Factor, str, str]]] = {}
    for factor in inputs:
        by_operand.setdefault(("input", "", INPUT_SIZE), []).append(_use(program, factor))
    for factor, (kind, name) in trained.operands:
        size = program.values[program.values[factor.affine].args[factor.position]].size
        by_operand.setdefault((kind, name, size), []).append(_use(program, factor))
    weight_operands = tuple(WeightOperand(*key, tuple(factors)) for key, factors in by_operand.items())
    return Kernels(program, parameters, target, inputs, parts, forward, backward, weight_operands, tuple(sums), record)


def _takes_from_memory(loop: Loop | None) -> bool:
    """Whether a product multiplies something that no step computes and that therefore has no copy in pairs."""
    lines = loop.lines if loop else ()
    operands = {arg for line in lines if line.op == "product" for arg in line.args}
    return any(lines[operand].op in LOOP_LEAVES and lines[operand].op != "carried" for operand in operands)


def _inputs(program: Program, affine: int) -> list[int]:
    return [arg for arg in program.values[affine].args if arg in program.of_input]


def _part_name(program: Program, index: int) -> str:
    """The name under which a loop reads what an affine, or another line, has of the inputs."""
    value = program.values[index]
    return f"z_{value.name}" if value.op == "affine" else input_name(index)


def _use(program: Program, factor: Factor) -> tuple[Factor, str, str]:
    affine = program.values[factor.affine]
    return factor, f"dz_{affine.name}", affine.size


@lru_cache(maxsize=512)
def _compiled(kernels: Kernels, backward: bool) -> Compiled:
    parallel = openmp()

    def write() -> Code:
        if backward:
            assert kernels.backward is not None  # Only training asks for it.
            return emit_backward(kernels.target, kernels.backward, kernels.weight_operands, kernels.sums, parallel)
        return emit_forward(kernels.target, kernels.forward, kernels.inputs, parallel)

    plan = kernels.backward if backward else kernels.forward
    return compiled(
        f"{plan} {kernels.inputs} {kernels.weight_operands} {kernels.sums} {parallel}", kernels.target, write
    )
