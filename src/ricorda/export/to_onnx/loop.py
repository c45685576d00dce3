"""A program as a loop of ONNX: what waits for no state outside, over all steps at once; the rest in a Scan.

The same equations are written without a loop for one step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from ricorda.errors import ArgumentError
from ricorda.export.to_onnx.graph import Graph
from ricorda.export.to_onnx.operations import ACCURATE, DIVIDING, ONNX
from ricorda.program.ir import Program
from ricorda.program.operations import EXPAND
from ricorda.program.weights import Block, layout

Array = NDArray[Any]


class Steps(NamedTuple):
    """The steps of a batch.

    Parameters
    ----------
    alive : bool [T, B, 1]
        Whether a row has a step there.
    lengths : int32 [B]
    """

    alive: str
    lengths: str

    @classmethod
    def of(cls, g: Graph, x: str, lengths: str) -> Steps:
        """The steps of a batch x [T, B, ...] whose rows have lengths, int64 [B]."""
        steps = g.Range(0, g.Squeeze(g.size(x, 0)), 1)
        alive = g.Unsqueeze(g.Less(g.Unsqueeze(steps, [1]), lengths), [2])
        return cls(alive, g.cast(lengths, np.int32))


class Group(NamedTuple):
    """Affines inside the loop that multiply the same value first, so that one product serves them all."""

    operand: int
    affines: tuple[int, ...]


class Equations:
    """One step of a program, as nodes.

    Parameters
    ----------
    program : Program
    weights : name -> array, see `program.weights`
    rounds : bool
        Whether the factors of products are rounded to bf16.
    name : str
        What the names of the weights begin with.
    """

    def __init__(self, program: Program, weights: Mapping[str, Array], *, rounds: bool, name: str) -> None:
        missing = sorted({value.op for value in program.values if value.args} - ONNX.keys() - {"affine"})
        if missing:
            raise ArgumentError(
                f"cell {program.name} uses {', '.join(missing)}, which ricorda.export.to_onnx.operations lacks: "
                "add its row there"
            )
        self.program, self.weights, self.rounds, self.name = program, weights, rounds, name
        divides = any(value.op in DIVIDING for value in program.values)
        self.rows = {**ONNX, **ACCURATE} if divides else ONNX
        self.layout = layout(program, bias=any(key.startswith("bias_") for key in weights))

    @cached_property
    def inside(self) -> frozenset[int]:
        """The lines that depend on a state."""
        inside = set[int]()
        for index, value in enumerate(self.program.values):
            if value.op == "state" or not inside.isdisjoint(value.args):
                inside.add(index)
        return frozenset(inside)

    @cached_property
    def over_time(self) -> frozenset[int]:
        """The lines outside that are not the same at every step."""
        over_time = set[int]()
        for index, value in enumerate(self.program.values):
            if value.op == "input" or not over_time.isdisjoint(value.args):
                over_time.add(index)
        return frozenset(over_time - self.inside)

    @cached_property
    def groups(self) -> list[Group]:
        """The affines inside, by the first value inside that they multiply."""
        groups: dict[tuple[int, str], list[int]] = {}
        for index in self.program.affines:
            value = self.program.values[index]
            first = next((arg for arg in value.args if arg in self.inside), None)
            if first is not None:
                groups.setdefault((first, value.size), []).append(index)
        return [Group(operand, tuple(affines)) for (operand, _), affines in groups.items()]

    def outside(self, g: Graph, inputs: Sequence[str]) -> dict[int | Group, str]:
        """Add what waits for no state: the lines outside, and the parts of the groups' products that are outside.

        Parameters
        ----------
        inputs : names of the program's inputs, [T, B, size] or, for one step, [B, size]
        """
        known: dict[int | Group, str] = dict(enumerate(inputs))
        for index, value in enumerate(self.program.values):
            if index in known or index in self.inside or index not in self.program.reaching:
                continue
            match value.op:
                case "constant":
                    known[index] = g.numbers(np.array(value.number), "number")
                case "parameter":
                    known[index] = g.numbers(self.weights[value.name], f"{self.name}.{value.name}")
                case "affine":
                    part = self._part(g, (index,), known)
                    assert part is not None  # An affine multiplies something.
                    known[index] = part
                case op:
                    known[index] = self.rows[op](g, *(known[arg] for arg in value.args))
        for group in self.groups:
            part = self._part(g, group.affines, known)
            if part is not None:
                known[group] = part
        return known

    def step(self, g: Graph, known: Mapping[int | Group, str], states: Sequence[str]) -> tuple[str, list[str]]:
        """Add what depends on the states [B, size]; the result are the output and the new ones."""
        program, values = self.program, dict(known)
        values |= dict(enumerate(states, start=program.first_state))
        group_of = {index: group for group in self.groups for index in group.affines}
        for index, value in enumerate(program.values):
            if index in values or index not in self.inside or index not in program.reaching:
                continue
            if value.op == "affine":
                values |= self._products(g, group_of[index], values)
            else:
                values[index] = self.rows[value.op](g, *(values[arg] for arg in value.args))
        new = [
            g.Expand(values[index], g.Shape(old)) if self._may_be_narrow(index) else values[index]
            for index, old in zip(program.outputs, states, strict=True)
        ]
        return values[program.result] if program.output else new[0], new

    def _may_be_narrow(self, index: int) -> bool:
        """Whether a value may have fewer numbers than its size says, which ONNX then repeats where it is used."""
        value = self.program.values[index]
        return value.op == EXPAND or not (index in self.over_time or index in self.inside)

    def _products(self, g: Graph, group: Group, values: Mapping[int | Group, str]) -> dict[int | Group, str]:
        """The affines of a group."""
        first = {index: self._block_of(index, group.operand) for index in group.affines}
        R = np.concatenate(list(first.values()))
        operand = self._factor(g, values[group.operand])
        z = g.Gemm(operand, self._matrix(g, R), values.get(group))
        results = g.split(z, [len(block) for block in first.values()])
        affines: dict[int | Group, str] = dict(zip(group.affines, results, strict=True))
        for index in group.affines:
            for arg, block in self._operands(index):
                if arg in self.inside and arg != group.operand:
                    product = g.MatMul(self._factor(g, values[arg]), self._matrix(g, self._rows(block)))
                    affines[index] = g.Add(affines[index], product)
        return affines

    def _part(self, g: Graph, affines: Sequence[int], known: Mapping[int | Group, str]) -> str | None:
        """The affines' products with what is outside, and their biases, side by side; None if there are neither."""
        biases = [[self._rows(block) for block in self.layout.biases[index]] for index in affines]
        sizes = [len(self._rows(self.layout.matrices[index][0])) for index in affines]
        operands = {arg: None for index in affines for arg, _ in self._operands(index) if arg not in self.inside}
        whole: str | None = None
        for operand in operands:
            blocks = [self._block_of(index, operand, size) for index, size in zip(affines, sizes, strict=True)]
            product = g.MatMul(self._factor(g, known[operand]), self._matrix(g, np.concatenate(blocks), "W"))
            whole = product if whole is None else g.Add(whole, product)
        if not any(biases):
            return whole
        kind = next(iter(self.weights.values())).dtype
        summed = [sum(of_one, np.zeros(size, kind)) for of_one, size in zip(biases, sizes, strict=True)]
        bias = g.numbers(np.concatenate(summed), f"{self.name}.B")
        return bias if whole is None else g.Add(whole, bias)

    def _block_of(self, index: int, operand: int, size: int = 0) -> Array:
        """The matrix by which an affine multiplies a value, [size, n]; zeros if it does not."""
        blocks = [self._rows(block) for arg, block in self._operands(index) if arg == operand]
        if blocks:
            return sum(blocks[1:], blocks[0])
        width = next(
            self._rows(block).shape[1]
            for other in self.program.affines
            for arg, block in self._operands(other)
            if arg == operand
        )
        return np.zeros((size, width), next(iter(self.weights.values())).dtype)

    def _operands(self, index: int) -> list[tuple[int, Block]]:
        return list(zip(self.program.values[index].args, self.layout.matrices[index], strict=True))

    def _rows(self, block: Block) -> Array:
        of_all = self.weights[block.parameter]
        return np.split(of_all, len(self.layout.shapes[block.parameter].rows))[block.position]

    def _matrix(self, g: Graph, rows: Array, kind: str = "R") -> str:
        """A constant by which values are multiplied from the right."""
        return g.numbers(rounded(rows).T if self.rounds else rows.T, f"{self.name}.{kind}")

    def _factor(self, g: Graph, value: str) -> str:
        return g.Cast(g.Cast(value, to=TensorProto.BFLOAT16), to=g.type) if self.rounds else value


def rounded(values: Array) -> Array:
    """Numbers rounded to bf16."""
    result: Array = torch.from_numpy(np.array(values)).bfloat16().float().numpy()
    return result


def add_loop(
    g: Graph,
    equations: Equations,
    inputs: Sequence[str],
    states: Sequence[str],
    steps: Steps | None,
    *,
    reverse: bool,
) -> tuple[str, list[str]]:
    """Add a Scan over inputs [T, B, size]; its output [T, B, size], and the final states [B, size] each."""
    known = equations.outside(g, inputs)
    body = g.body()
    needed: set[int | Group] = {group for group in equations.groups if group in known and _moves(equations, group)}
    program = equations.program
    inside = equations.inside & program.reaching
    used = {arg for index in inside for arg in _read(equations, index)} | {*program.outputs, program.result}
    needed |= used & equations.over_time
    entering = [body.input(f"before_{value.name}", g.type, None) for value in program.states]
    scanned = sorted(needed, key=str)
    local = {**known, **{key: body.input("now", g.type, None) for key in scanned}}
    alive = body.input("alive", np.bool_, None) if steps is not None else None
    output, new = equations.step(body, local, entering)
    if alive is not None:
        output = body.Where(alive, output, 0.0)
        new = [body.Where(alive, value, old) for value, old in zip(new, entering, strict=True)]
    for value in (*new, output):
        body.returns(value, g.type)
    over_time = [*(known[key] for key in scanned), *([] if steps is None else [steps.alive])]
    *finals, said = g.add(
        "Scan",
        *states,
        *over_time,
        outputs=len(states) + 1,
        body=body.proto(program.name),
        num_scan_inputs=len(over_time),
        scan_input_directions=[int(reverse)] * len(over_time),
        scan_output_directions=[int(reverse)],
    )
    return said, finals


def _read(equations: Equations, index: int) -> tuple[int, ...]:
    """The lines that a line inside reads there; the products of affines with what is outside are outside too."""
    value = equations.program.values[index]
    return () if value.op == "affine" else value.args


def _moves(equations: Equations, group: Group) -> bool:
    """Whether the outside part of a group's products is not the same at every step."""
    return any(arg in equations.over_time for index in group.affines for arg in equations.program.values[index].args)
