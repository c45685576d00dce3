"""The memory of a run: a buffer for each name that a kernel uses, and the block of arguments that it reads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.kernels.plan import Plan
from ricorda.engines.cpu.run.steps import Steps
from ricorda.engines.cpu.words.target import Target
from ricorda.engines.masks import stream_key
from ricorda.program.ir import Program

ALIGN = 64
"""Bytes of a cache line and of the widest vector."""

KEPT_BYTES = 1 << 20
"""Larger buffers are not kept between calls: such calls take so long that a new allocation does not count."""


class NamedValues:
    """The arguments of a kernel by name: numbers and addresses.

    The buffers that only the kernel uses are parts of one allocation.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.values: dict[str, int] = {}
        self.alive: list[Tensor | np.ndarray | Arguments] = []
        self.buffers: dict[str, int] = {}

    def numbers(self, **values: int) -> None:
        """Set numbers."""
        self.values |= values

    def give(self, name: str, tensor: Tensor | None, offset: int = 0) -> None:
        """Set the address of a contiguous tensor's element `offset`; 0 for None."""
        if tensor is None:
            self.values[name] = 0
            return
        self.alive.append(tensor)
        self.values[name] = tensor.data_ptr() + offset * tensor.element_size()

    def give_array(self, name: str, array: np.ndarray) -> None:
        """Set the address of an array."""
        self.alive.append(array)
        self.values[name] = array.__array_interface__["data"][0]

    def scratch(self, name: str, numbers: int) -> None:
        """Ask for a buffer of `numbers` numbers."""
        self.buffers[name] = numbers

    def block(self, slots: Mapping[str, int]) -> ctypes.Array[ctypes.c_int64]:
        """The block of arguments; it and its buffers live as long as this object."""
        arguments = Template(self, slots).arguments()
        self.alive.append(arguments)
        block: ctypes.Array[ctypes.c_int64] = arguments.block
        return block


class Template:
    """The arguments of a kernel that stay the same from call to call; made once for a shape.

    Parameters
    ----------
    values : those arguments
    slots : the kernel's slots by name
    parameters : slot, name and byte offset of the weights that the kernel reads, see `parameter_slots`
    names : names of the other arguments that each call sets
    slots_for : from the steps of a batch to the `_Slots` of the pass
    kernel : the kernel, a `Compiled`

    Attributes
    ----------
    call : the `_Slots` of the steps that the template is for, see `at`

    Raises
    ------
    LookupError
        If the kernel reads an argument that nobody sets: it would crash.
    """

    def __init__(
        self,
        values: NamedValues,
        slots: Mapping[str, int],
        parameters: Sequence[tuple[int, str, int]] = (),
        names: Collection[str] = (),
        slots_for: Callable[[Steps], Any] | None = None,
        kernel: Any = None,
    ) -> None:
        self.slots, self.dtype, self.constant = slots, values.dtype, values.alive
        self.parameters, self.slots_for, self.kernel = parameters, slots_for, kernel
        self.call: Any = None
        size = self.dtype.itemsize
        step = ALIGN // size
        self.room = step
        """The length of the allocation for all buffers, in numbers."""
        self.buffers: list[tuple[int, int]] = []
        for name, numbers in values.buffers.items():
            if name in slots:
                self.buffers.append((slots[name], (self.room - step) * size))
                self.room += -(-numbers // step) * step + step
        weights = {slot for slot, _, _ in parameters}
        here = values.values.keys() | values.buffers.keys() | {"barrier", *names}
        missing = sorted(name for name, slot in slots.items() if slot not in weights and name not in here)
        if missing:
            raise LookupError(f"the kernel's {', '.join(missing)} are not given")
        self.free: list[Arguments] = []
        """Arguments of ended calls, to be used again."""
        self.words = (ctypes.c_int64 * (spare(slots) + 1 + 3 * ALIGN // 8))()
        for name, value in values.values.items():
            if name in slots:
                self.words[slots[name]] = value

    def at(self, steps: Steps, parts: int, by_units: bool) -> Template:
        """The template for the steps of a batch; parameters as those of `step_values`."""
        numbers, arrays = step_values(steps, parts, by_units)
        own = copy(self)
        own.words = type(self.words).from_buffer_copy(self.words)
        own.constant = [*self.constant, *arrays.values()]
        own.free = []
        own.call = self.slots_for(steps) if self.slots_for else None
        addresses = {name: array.__array_interface__["data"][0] for name, array in arrays.items()}
        for name, value in (*numbers.items(), *addresses.items()):
            slot = self.slots.get(name)
            if slot is not None:
                own.words[slot] = value
        return own

    def arguments(self) -> Arguments:
        """Arguments with buffers of their own."""
        try:
            return self.free.pop()  # Two threads never get the same one.
        except IndexError:
            return Arguments(self)

    def take_back(self, arguments: Arguments) -> None:
        """Keep small buffers for the next call of the shape: in short calls every allocation counts."""
        if not self.free and self.room * self.dtype.itemsize <= KEPT_BYTES:
            self.free.append(arguments)


def spare(slots: Mapping[str, int]) -> int:
    """An extra slot, for arguments that this kernel does not read."""
    return len(slots)


class Arguments:
    """The arguments of one call.

    Attributes
    ----------
    block : the memory that the kernel reads, a word for each slot; it lives as long as this object
    """

    def __init__(self, template: Template) -> None:
        self._parameters = template.parameters
        self._constant = template.constant  # The block points to these, so they must live as long.
        self.block: Any = type(template.words).from_buffer_copy(template.words)
        self._room = torch.empty(template.room, dtype=template.dtype, device="cpu")
        address = -(-self._room.data_ptr() // ALIGN) * ALIGN
        for slot, offset in template.buffers:
            self.block[slot] = address + offset
        if "barrier" in template.slots:
            end = ctypes.addressof(self.block) + 8 * (spare(template.slots) + 1)
            self.block[template.slots["barrier"]] = -(-end // ALIGN) * ALIGN

    def give_parameters(self, parameters: Mapping[str, Tensor]) -> None:
        """Set the addresses of the weights, which are contiguous and live as long as the call."""
        block = self.block
        for slot, name, offset in self._parameters:
            block[slot] = parameters[name].data_ptr() + offset


def step_values(steps: Steps, parts: int, by_units: bool) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """The numbers and arrays, by name, that describe the steps of a batch to a kernel.

    Parameters
    ----------
    parts : threads that share the work
    by_units : whether they share units rather than rows
    """
    chunk_steps, chunk_bounds, splits = steps.shared(parts)
    numbers = {
        "begun": steps.begun,
        "B": steps.B,
        "rows": steps.rows,
        "parts": parts,
        "by_units": int(by_units),
        "chunks": len(chunk_steps) - 1,
        "chunk_rows": int((chunk_bounds[1::2] - chunk_bounds[::2]).max()),
    }
    arrays = {
        "chunk_steps": chunk_steps,
        "chunk_bounds": chunk_bounds,
        "row_splits": splits,
        "offsets": steps.offsets,
        "counts": steps.counts,
    }
    return numbers, arrays


STEP_VALUES = (
    *("begun", "B", "rows", "parts", "by_units", "chunks", "chunk_rows"),
    *("chunk_steps", "chunk_bounds", "row_splits", "offsets", "counts"),
)
"""The names that `step_values` returns."""


def give_stages(values: NamedValues, plan: Plan, sizes: Mapping[str, int], B: int, target: Target) -> None:
    """Ask for buffers for packed matrices and for values that go from stage to stage."""
    lines, lanes = plan.loop.lines, target.lanes
    for index in plan.operands:
        values.scratch(f"int8 {index}", target.rows(B) * target.row(sizes[lines[index].size]))
    for index in plan.half_lines:
        values.scratch(f"half {index}", B * sizes[lines[index].size])
    for name in plan.totals:
        values.scratch(f"total {name}", B * sizes[plan.total_size(name)])
    for name in plan.half_states:
        values.scratch(f"half place {name}", 2 * B * sizes[plan.state_size(name)])
    for number, stage in enumerate(plan.schedule.stages):
        for position, bundle in enumerate(stage.bundles):
            K = sum(target.depth(sizes[lines[operand].size]) for operand in bundle.operands)
            units = -(-sizes[stage.size] // lanes) * lanes
            values.scratch(f"bundle {number} {position}", units * len(bundle.products) * K)
        for index in stage.kept:
            values.scratch(f"kept {index}", B * sizes[lines[index].size])
        for index in stage.reductions:
            values.scratch(f"reduced {index}", B)


def mask_names(program: Program) -> list[str]:
    """The names of the arguments that `give_masks` sets."""
    return ["row numbers", *(f"mask {program.values[index].name}" for index in program.masks)]


def give_masks(block: Any, slots: Mapping[str, int], program: Program, steps: Steps, seed: int) -> Tensor | None:
    """Set the keys of the program's random masks and the row numbers; the caller keeps these until the kernel ends."""
    if not program.masks:
        return None
    for stream, index in enumerate(program.masks):
        block[slots.get(f"mask {program.values[index].name}", spare(slots))] = stream_key(seed, stream)
    rows = torch.arange(steps.B, device="cpu") if steps.order is None else steps.order
    block[slots.get("row numbers", spare(slots))] = rows.data_ptr()
    return rows


def give_parameters(
    values: NamedValues, kernels: Kernels, parameters: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> None:
    """Set the addresses of the weights, under each name that a loop has for them."""
    for name, parameter, place in _places_of_parameters(kernels, sizes):
        values.give(name, parameters[parameter], place)


def give_absent_biases(values: NamedValues, kernels: Kernels, sizes: Mapping[str, int]) -> None:
    """Set zeros for the biases that a loop adds but a layer without biases does not have."""
    for index, value in enumerate(kernels.program.values):
        if value.op == "affine" and value.bias and index not in kernels.parts and not kernels.layout.biases[index]:
            zeros = torch.zeros(sizes[value.size], dtype=values.dtype, device="cpu")
            values.give(f"vector b_{value.name}", zeros)


def parameter_slots(kernels: Kernels, slots: Mapping[str, int], sizes: Mapping[str, int]) -> list[tuple[int, str, int]]:
    """Slot, name and byte offset of all weights that a kernel reads."""
    size = kernels.dtype.itemsize
    places = _places_of_parameters(kernels, sizes)
    return [(slots[name], parameter, place * size) for name, parameter, place in places if name in slots]


def _places_of_parameters(kernels: Kernels, sizes: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    """For each name that a loop reads a weight by: the name, the parameter, and the first of its numbers."""
    for name, shape in kernels.layout.shapes.items():
        yield f"parameter {name}", name, 0
        if shape.columns is None:
            yield f"vector {name}", name, 0
    for index, value in enumerate(kernels.program.values):
        if value.op == "affine" and index not in kernels.parts:
            for block in kernels.layout.biases[index]:
                yield f"vector b_{value.name}", block.parameter, block.position * sizes[value.size]


def packed(columns: int, K: int, lanes: int) -> int:
    """The length of a packed matrix, in numbers."""
    return -(-columns // lanes) * lanes * K


def padded(columns: int, target: Target) -> int:
    """The number of columns, rounded up to whole panels."""
    panel = target.panel * target.lanes
    return -(-columns // panel) * panel
