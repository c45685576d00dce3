"""The memory of a run: buffers for each name that a kernel uses, and the block of arguments that it reads."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ricorda.engines.cpu.places import Plan
from ricorda.engines.cpu.plans import Kernels
from ricorda.engines.cpu.steps import Steps
from ricorda.engines.cpu.target import Target
from ricorda.engines.masks import stream_key
from ricorda.program.ir import Program

ALIGN = 64
"""Bytes: a cache line, and the widest vector."""


class Memory:
    """What a kernel is given, by name: numbers and addresses.

    Buffers that only the kernel uses are parts of one allocation.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.values: dict[str, int] = {}
        self.alive: list[Tensor | np.ndarray | Arguments] = []
        self.buffers: dict[str, int] = {}

    def numbers(self, **values: int) -> None:
        """Give numbers."""
        self.values |= values

    def give(self, name: str, tensor: Tensor | None, offset: int = 0) -> None:
        """Give a contiguous tensor, from some number on."""
        if tensor is None:
            self.values[name] = 0
            return
        self.alive.append(tensor)
        self.values[name] = tensor.data_ptr() + offset * tensor.element_size()

    def give_array(self, name: str, array: np.ndarray) -> None:
        """Give an array."""
        self.alive.append(array)
        self.values[name] = array.__array_interface__["data"][0]

    def scratch(self, name: str, numbers: int) -> None:
        """Have a buffer of so many numbers."""
        self.buffers[name] = numbers

    def block(self, slots: Mapping[str, int]) -> ctypes.Array[ctypes.c_int64]:
        """The arguments of a kernel; its buffers and the barrier's two counters live as long as the memory does."""
        arguments = Prepared(self, slots).arguments()
        self.alive.append(arguments)
        return arguments.block()


class Prepared:
    """A kernel's arguments but for what changes from call to call: made once for a shape."""

    def __init__(self, memory: Memory, slots: Mapping[str, int]) -> None:
        self.slots, self.dtype, self._alive = slots, memory.dtype, memory.alive
        size = self.dtype.itemsize
        step = ALIGN // size
        self.room = step
        """Numbers of the buffers that only the kernel uses."""
        self.buffers: list[tuple[int, int]] = []
        for name, numbers in memory.buffers.items():
            if name in slots:
                self.buffers.append((slots[name], (self.room - step) * size))
                self.room += -(-numbers // step) * step + step
        self.given = {name: value for name, value in memory.values.items() if name in slots}
        self.open = set(slots) - self.given.keys() - memory.buffers.keys() - {"barrier"}
        """Names that each call has to give."""
        self.complete = False
        """Whether a call has given them all: the next ones do."""
        self.words = (ctypes.c_int64 * (len(slots) + 3 * ALIGN // 8))()
        for name, value in self.given.items():
            self.words[slots[name]] = value

    def arguments(self) -> Arguments:
        """Arguments with buffers of their own."""
        return Arguments(self)


class Arguments:
    """The arguments of one call."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared, self._slots = prepared, prepared.slots
        self._block = type(prepared.words).from_buffer_copy(prepared.words)
        self._room = torch.empty(prepared.room, dtype=prepared.dtype, device="cpu")
        address = -(-self._room.data_ptr() // ALIGN) * ALIGN
        for slot, offset in prepared.buffers:
            self._block[slot] = address + offset
        if "barrier" in self._slots:
            self._block[self._slots["barrier"]] = (
                -(-(ctypes.addressof(self._block) + 8 * len(self._slots)) // ALIGN) * ALIGN
            )
        self._alive: list[Tensor] = []
        self._missing = set() if prepared.complete else set(prepared.open)

    def give(self, name: str, tensor: Tensor | None, offset: int = 0) -> None:
        """Give a contiguous tensor, from some number on, if the kernel takes it."""
        slot = self._slots.get(name)
        if slot is None:
            return
        if self._missing:
            self._missing.discard(name)
        if tensor is not None:
            self._alive.append(tensor)
            self._block[slot] = tensor.data_ptr() + offset * tensor.element_size()

    def give_number(self, name: str, number: int) -> None:
        """Give a number of 64 bits, if the kernel takes it."""
        slot = self._slots.get(name)
        if slot is not None:
            self._missing.discard(name)
            self._block[slot] = number

    def block(self, complete: bool = True) -> ctypes.Array[ctypes.c_int64]:
        """What the kernel reads; it lives as long as this object. The caller may complete it himself."""
        if complete and self._missing:
            raise LookupError(f"the kernel's {', '.join(sorted(self._missing))} were not given")  # else it would crash
        self._prepared.complete = complete
        return self._block


def give_steps(memory: Memory, steps: Steps, parts: int, by_units: bool, whole: bool) -> int:
    """The numbers of a batch's steps; returns the rows of the largest chunk: all of them if it is to be `whole`."""
    chunk_steps, chunk_bounds, splits = steps.shared(parts)
    if whole:
        chunk_steps = np.array([0, len(steps.counts)], np.int64)
        chunk_bounds = np.array([0, steps.rows], np.int64)
    rows = int((chunk_bounds[1::2] - chunk_bounds[::2]).max())
    memory.numbers(
        begun=steps.begun, B=steps.B, parts=parts, by_units=int(by_units), chunks=len(chunk_steps) - 1, chunk_rows=rows
    )
    memory.give_array("chunk_steps", chunk_steps)
    memory.give_array("chunk_bounds", chunk_bounds)
    memory.give_array("row_splits", splits)
    memory.give_array("offsets", steps.offsets)
    memory.give_array("counts", steps.counts)
    return rows


def give_stages(memory: Memory, plan: Plan, sizes: Mapping[str, int], B: int, lanes: int) -> None:
    """Room for packed matrices and for what goes from stage to stage."""
    lines = plan.loop.lines
    for index in plan.half_lines:
        memory.scratch(f"half {index}", B * sizes[lines[index].size])
    for name in plan.half_states:
        memory.scratch(f"half place {name}", 2 * B * sizes[plan.state_size(name)])
    for number, stage in enumerate(plan.schedule.stages):
        for position, bundle in enumerate(stage.bundles):
            K = sum(sizes[lines[operand].size] for operand in bundle.operands)
            units = -(-sizes[stage.size] // lanes) * lanes
            memory.scratch(f"bundle {number} {position}", units * len(bundle.products) * K)
        for index in stage.kept:
            memory.scratch(f"kept {index}", B * sizes[lines[index].size])
        for index in stage.reductions:
            memory.scratch(f"reduced {index}", B)


def give_masks(arguments: Arguments, program: Program, steps: Steps, seed: int) -> None:
    """The keys of the program's random masks, and the rows that they are drawn for."""
    if not program.masks:
        return
    for stream, index in enumerate(program.masks):
        arguments.give_number(f"mask {program.values[index].name}", stream_key(seed, stream))
    arguments.give("row numbers", torch.arange(steps.B, device="cpu") if steps.order is None else steps.order)


def give_parameters(memory: Memory | Arguments, kernels: Kernels, parameters: Mapping[str, Tensor], H: int) -> None:
    """The weights, and the vectors among them under the names of the loops."""
    for name, parameter in parameters.items():
        memory.give(f"parameter {name}", parameter)
        if parameter.dim() == 1:
            memory.give(f"vector {name}", parameter)
    for index, value in enumerate(kernels.program.values):
        if value.op != "affine" or index in kernels.z_names:
            continue
        blocks = kernels.layout.biases[index]
        if blocks:
            memory.give(f"vector b_{value.name}", parameters[blocks[0].parameter], blocks[0].position * H)
        elif value.bias:
            weight = next(iter(parameters.values()))
            memory.give(f"vector b_{value.name}", weight.new_zeros(H))


def parameter_slots(kernels: Kernels, slots: Mapping[str, int], H: int) -> list[tuple[int, str, int]] | None:
    """Slot, parameter and place in bytes of all that `give_parameters` gives; None if it makes something new."""
    found = [(f"{kind} {name}", name, 0) for name in kernels.layout.shapes for kind in ("parameter", "vector")]
    for index, value in enumerate(kernels.program.values):
        if value.op == "affine" and index not in kernels.z_names:
            blocks = kernels.layout.biases[index]
            if value.bias and not blocks:
                return None
            found += [(f"vector b_{value.name}", b.parameter, b.position * H * kernels.dtype.itemsize) for b in blocks]
    return [(slots[name], parameter, offset) for name, parameter, offset in found if name in slots]


def packed(columns: int, K: int, lanes: int) -> int:
    """Numbers of a matrix in panels."""
    return -(-columns // lanes) * lanes * K


def padded(columns: int, target: Target) -> int:
    """Columns in whole panels."""
    panel = target.panel * target.lanes
    return -(-columns // panel) * panel
