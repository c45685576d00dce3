"""The memory of a run: buffers for each name that a kernel uses, and the block of arguments that it reads."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ricorda.engines.cpu.plans import Kernels
from ricorda.engines.cpu.product import PANEL
from ricorda.engines.cpu.stage import Plan
from ricorda.engines.cpu.steps import Steps
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
        self.alive: list[Tensor | np.ndarray] = []
        self._scratch: dict[str, int] = {}

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
        self._scratch[name] = numbers

    def block(self, slots: Mapping[str, int]) -> ctypes.Array[ctypes.c_int64]:
        """The arguments of a kernel; its buffers and the barrier's two counters live as long as the block does."""
        size = self.dtype.itemsize
        step = ALIGN // size
        begin, total = {}, 0
        for name, numbers in self._scratch.items():
            if name in slots:
                begin[name] = total
                total += -(-numbers // step) * step + step
        room = torch.empty(total + step, dtype=self.dtype, device="cpu")
        self.alive.append(room)
        address = -(-room.data_ptr() // ALIGN) * ALIGN
        for name, offset in begin.items():
            self.values[name] = address + offset * size
        block = (ctypes.c_int64 * (len(slots) + 32))()
        self.values["barrier"] = -(-(ctypes.addressof(block) + 8 * len(slots)) // ALIGN) * ALIGN
        for name, slot in slots.items():
            block[slot] = self.values[name]
        return block


def give_steps(memory: Memory, steps: Steps, parts: int, by_units: bool, whole: bool) -> int:
    """The numbers of a batch's steps; returns the rows of the largest chunk, all of them if the chunk is to be whole."""
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
        for index in stage.means:
            memory.scratch(f"mean {index}", B)


def give_masks(memory: Memory, program: Program, steps: Steps, seed: int) -> None:
    """The keys of the program's random masks, and the rows that they are drawn for."""
    if not program.masks:
        return
    for stream, index in enumerate(program.masks):
        memory.values[f"mask {program.values[index].name}"] = ctypes.c_int64(stream_key(seed, stream)).value
    memory.give("row numbers", torch.arange(steps.B, device="cpu") if steps.order is None else steps.order)


def give_parameters(memory: Memory, kernels: Kernels, parameters: Mapping[str, Tensor], H: int) -> None:
    """The weights, and the vectors among them under the names of the loops."""
    for name, parameter in parameters.items():
        memory.give(f"parameter {name}", parameter)
        memory.give(f"vector {name}", parameter)
    zeros: Tensor | None = None
    for index, value in enumerate(kernels.program.values):
        if value.op != "affine" or index in kernels.z_names:
            continue
        blocks = kernels.layout.biases[index]
        if blocks:
            memory.give(f"vector b_{value.name}", parameters[blocks[0].parameter], blocks[0].position * H)
        elif value.bias:
            zeros = torch.zeros(H, dtype=memory.dtype, device="cpu") if zeros is None else zeros
            memory.give(f"vector b_{value.name}", zeros)


def packed(columns: int, K: int, lanes: int) -> int:
    """Numbers of a matrix in panels."""
    return -(-columns // lanes) * lanes * K


def padded(columns: int, lanes: int) -> int:
    """Columns in whole panels."""
    return -(-columns // (PANEL * lanes)) * PANEL * lanes
