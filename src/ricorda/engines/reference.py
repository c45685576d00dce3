"""The reference engine: torch operations, one step after another, in any dtype on any device.

Autograd computes its gradients, of any order. Tests compare the other engines with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.engines import PlainStepper, Request, Run, StackRun
from ricorda.engines.masks import Masks
from ricorda.engines.obstacles import hidden, tracing_state
from ricorda.program.ir import MASKS, Program
from ricorda.program.operations import OPERATIONS
from ricorda.program.sizes import Sizes
from ricorda.program.stack import Stack
from ricorda.program.weights import Block, Layout, layout

name = "reference"
title = "the slower reference engine"


def obstacle(request: Request) -> str | None:
    """None: it can serve every request."""
    return None


def run_stack(stack: Stack, request: Request) -> StackRun | None:
    """None: a stack goes layer by layer."""
    return None


def stepper(stack: Stack, request: Request, batch: tuple[int, ...]) -> PlainStepper | None:
    """None: a step is a call of the layer."""
    return None


def run(request: Request, parts: Sequence[int] = ()) -> Run:
    """Serve a request for one layer in one direction.

    Parameters
    ----------
    parts : if the request's x has not the input but what was computed from the inputs, side by side: the lines that it
        is of, an affine for its products with inputs plus biases
    """
    program, parameters, x, states, lengths, reverse, record, seed, manner, *_ = request
    watch = manner.watch
    T, B, _ = x.shape
    sizes = sizes_of(program, parameters, states)
    if tracing_state() is not None:
        x = torch.stack(x.unbind())  # A traced layer then refuses inputs of another number of steps.
    counts, order, places, alive = _rows(lengths, T, B, x.device)
    if parts:
        widths = [sizes[program.values[index].size] for index in parts]
        known = dict(zip(parts, torch.split(x, widths, dim=2), strict=True))
    else:
        known = dict(enumerate([x, *(request.inputs[value.name] for value in program.inputs[1:])]))
    for index, rows in known.items():
        rows = rows if alive is None else torch.where(alive, rows, 0)  # Padding may be NaN.
        known[index] = rows.flatten(0, 1) if places is None else rows.flatten(0, 1).index_select(0, places)
    if places is not None:
        states = [state.index_select(0, order) for state in states]
    ends = order.new_full((B,), T) if lengths is None else lengths.to(x.device).index_select(0, order)
    masks = Masks(program, seed, order, ends if reverse else None, sizes, x.dtype)
    step = _Step(program, parameters, known, counts, masks)
    recorded = [dict(program.names)[name] for name in record]
    shown = program.outputs.index(program.result) if program.result in program.outputs else None
    traces: list[list[Tensor]] = [[] for _ in recorded]
    outputs: list[Tensor] = []
    watched = None
    if watch is not None:
        watched = _Watched(watch, {state.name: x.new_zeros(T, B) for state in program.states})
        if torch.is_grad_enabled():  # A new state may be an initial one, whose gradient is wanted then.
            states = [state if state.requires_grad else state.detach().requires_grad_() for state in states]
    current = tuple(states)
    for t in reversed(range(T)) if reverse else range(T):
        n = counts[t]
        if watched is not None:  # A new state may be an old one, whose gradient is then that of this step's.
            current = tuple(state.view_as(state) for state in current)
        values = step(t, current if n == B else [state[:n] for state in current])
        new = tuple(values[index].to(old.dtype) for index, old in zip(program.outputs, current, strict=True))
        if watched is not None:
            watched.follow(program, new, t, order[:n])
        outputs.append(values[program.result].to(states[0].dtype) if shown is None else new[shown])
        for trace, index in zip(traces, recorded, strict=True):
            trace.append(values[index].to(states[0].dtype))  # Under autocast the products come in another dtype.
        if alive is not None:
            new = tuple(torch.where(alive[t], a, old) for a, old in zip(new, current, strict=True))
        current = new if n == B else tuple(torch.cat([a, old[n:]]) for a, old in zip(new, current, strict=True))

    def over_time(steps: list[Tensor]) -> Tensor:
        steps = steps[::-1] if reverse else steps
        if places is None:
            values = torch.stack(steps)
            return values if alive is None else torch.where(alive, values, 0)
        values = torch.cat(steps)
        return values.new_zeros(T * B, values.shape[1]).index_copy(0, places, values).view(T, B, values.shape[1])

    if places is not None:
        current = tuple(state.index_select(0, order.argsort()) for state in current)
    return Run(over_time(outputs), current, {n: over_time(s) for n, s in zip(record, traces, strict=True)})


class _Rows(NamedTuple):
    """The rows that each step works on.

    Parameters
    ----------
    counts : the first so many of the order, at each step
    order : [B] of the caller's batch
    places : [N] where each row of each step lies in the T * B of the input; None where all steps have all rows
    alive : [T, B, 1] the rows that have a step, where all steps work on all rows; None where no other row is touched
    """

    counts: list[int]
    order: Tensor
    places: Tensor | None = None
    alive: Tensor | None = None


def _rows(lengths: Tensor | None, T: int, B: int, device: torch.device) -> _Rows:
    """The rows of each step, the longest first: nothing is computed from padding, which may be NaN."""
    all_rows = _Rows([B] * T, torch.arange(B, device=device))
    if lengths is None:
        return all_rows
    if hidden(lengths):
        return all_rows._replace(alive=(lengths.to(device) > torch.arange(T, device=device)[:, None])[..., None])
    if bool((lengths >= T).all()):
        return all_rows
    ends, order = lengths.sort(descending=True, stable=True)
    alive = ends > torch.arange(T)[:, None]  # [T, B]
    places = (torch.arange(T)[:, None] * B + order)[alive]
    return _Rows(alive.sum(dim=1).tolist(), order.to(device), places.to(device))


class _Watched:
    """The norms of the states' gradients, reported once BPTT has ended: some states may get no gradient at all.

    Parameters
    ----------
    watch : what they are reported to
    norms : state -> its norms [T, B], 0 where nothing arrives
    """

    def __init__(self, watch: Callable[[str, Tensor], None], norms: Mapping[str, Tensor]) -> None:
        self.watch, self.norms, self.waiting = watch, norms, False

    def follow(self, program: Program, new: Sequence[Tensor], t: int, rows: Tensor) -> None:
        """Once the gradient of a new state at step `t` is computed, write its norms."""
        for state, value in zip(program.states, new, strict=True):
            if value.requires_grad:
                value.register_hook(partial(self._take, self.norms[state.name][t], rows))  # type: ignore[no-untyped-call]

    def _take(self, norms: Tensor, rows: Tensor, gradient: Tensor | None) -> None:
        if gradient is not None:  # torch says so where nothing that reads a value has a gradient for it.
            norms.index_copy_(0, rows, torch.linalg.vector_norm(gradient.detach(), dim=1))
        if not self.waiting:
            self.waiting = True
            torch.autograd.Variable._execution_engine.queue_callback(self._report)

    def _report(self) -> None:
        self.waiting = False
        for state, norms in self.norms.items():
            self.watch(state, norms)


def sizes_of(program: Program, parameters: Mapping[str, Tensor], states: Sequence[Tensor]) -> Sizes:
    """The numbers behind the program's sizes."""
    sizes = Sizes({value.size: state.shape[1] for value, state in zip(program.states, states, strict=True)})
    for name, shape in layout(program).shapes.items():
        if name in parameters:
            sizes[shape.rows[0]] = len(parameters[name]) // len(shape.rows)
            if shape.columns is not None:
                sizes[shape.columns] = parameters[name].shape[1]
    return sizes


class Product(NamedTuple):
    """Affines that share their first recurrent operand, so that one matrix product serves them all."""

    operand: int
    affines: tuple[int, ...]


@lru_cache(maxsize=256)
def products(program: Program) -> tuple[Product, ...]:
    """The recurrent products of a step: an LSTM has one, the reset-before GRU two, of which one waits for the other."""
    groups: dict[tuple[int, str], list[int]] = {}
    for index in program.affines:
        affine = program.values[index]
        operand = next((arg for arg in affine.args if arg not in program.of_input), None)
        if operand is not None:
            groups.setdefault((operand, affine.size), []).append(index)
    return tuple(Product(operand, tuple(affines)) for (operand, _), affines in groups.items())


class _Step:
    """One step of a program; what does not wait for a state is computed for all steps in advance.

    Parameters
    ----------
    known : line -> [n_0 + n_1 + ..., size], the rows of each step one below the other: the inputs, or the values that
        were computed from them (see `run`)
    counts : [n_0, n_1, ...], the number of rows at each step
    masks : the program's masks
    """

    def __init__(
        self,
        program: Program,
        parameters: Mapping[str, Tensor],
        known: Mapping[int, Tensor],
        counts: list[int],
        masks: Masks,
    ) -> None:
        self.program = program
        self.parameters = parameters
        self.layout = layout(program, bias=any(name.startswith("bias_") for name in parameters))
        self.known = known
        self.like = next(iter(known.values()))
        self.counts = counts
        self.masks = masks
        self.of_input = values_of_inputs(program, known, self.like)
        self.of_input_steps = {index: self._steps(values) for index, values in self.of_input.items() if values.dim()}
        self.product_of = {index: product for product in products(program) for index in product.affines}
        self.matrices: dict[Product, Tensor] = {}
        self.further: dict[int, list[tuple[Tensor, int]]] = {}  # Other recurrent operands, which few affines have.
        self.without_state: dict[Product | int, Sequence[Tensor]] = {}
        for product in products(program):
            blocks = [self._recurrent(index)[0][0] for index in product.affines]
            self.matrices[product] = self._rows(blocks).t()
            self.without_state[product] = self._time_parallel(product.affines)
            for index in product.affines:
                self.further[index] = [(self._rows([block]), arg) for block, arg in self._recurrent(index)[1:]]
        for index in set(program.affines) - set(self.product_of):
            self.without_state[index] = self._time_parallel((index,))

    def __call__(self, t: int, states: Sequence[Tensor]) -> list[Tensor]:
        """All values of the program at step `t`."""
        values: list[Tensor] = []
        done: dict[int, Tensor] = {}
        entering = iter(states)
        for index, value in enumerate(self.program.values):
            match value.op:
                case _ if index in self.of_input:
                    steps = self.of_input_steps.get(index)
                    values.append(self.of_input[index] if steps is None else steps[t])
                case _ if index in self.program.of_input:
                    values.append(self.like)  # It has no value, and no step needs it.
                case "state":
                    values.append(next(entering))
                case "parameter":
                    values.append(self.parameters[value.name].expand(self.counts[t], -1))
                case op if op in MASKS:
                    values.append(self.masks.at(index, t, self.counts[t]))
                case "affine":
                    if index not in done:
                        done.update(self._affines(index, t, values))
                    z = done[index]
                    for weight, operand in self.further.get(index, ()):
                        z = z + F.linear(values[operand], weight)
                    values.append(z)
                case op:
                    values.append(OPERATIONS[op].reference(torch, *(values[arg] for arg in value.args)))
        return values

    def _affines(self, index: int, t: int, values: Sequence[Tensor]) -> dict[int, Tensor]:
        """The pre-activations of all affines that share a product with this one."""
        product = self.product_of.get(index)
        if product is None:
            return {index: self.without_state[index][t]}
        z = torch.addmm(self.without_state[product][t], values[product.operand], self.matrices[product])
        return dict(zip(product.affines, z.chunk(len(product.affines), dim=1), strict=True))

    def _recurrent(self, index: int) -> list[tuple[Block, int]]:
        """The block and operand of each recurrent product of an affine."""
        return [(block, arg) for block, arg in self._operands(index) if arg not in self.program.of_input]

    def _operands(self, index: int) -> list[tuple[Block, int]]:
        return list(zip(self.layout.matrices[index], self.program.values[index].args, strict=True))

    def _time_parallel(self, affines: Sequence[int]) -> Sequence[Tensor]:
        """The affines' products with the input plus their biases, side by side: a tensor [n_t, rows] for each step."""
        program = self.program
        inputs = [[(b, arg) for b, arg in self._operands(index) if arg in program.of_input] for index in affines]
        biases = [self._bias(index) for index in affines]
        present = [bias for bias in biases if bias is not None]
        whole = not self.known.keys() & set(affines) and len(present) in (0, len(affines))
        if whole and all([arg for _, arg in operands] == [0] for operands in inputs):
            weight = self._rows([block for ((block, _),) in inputs])
            return self._steps(F.linear(self.known[0], weight, torch.cat(present) if present else None))
        parts = []
        for index, operands, bias in zip(affines, inputs, biases, strict=True):
            if index in self.known:
                parts.append(self.known[index])
                continue
            part = self.like.new_zeros(len(self.like), self._rows(self.layout.matrices[index][:1]).shape[0])
            for block, operand in operands:
                part = part + F.linear(self.of_input[operand], self._rows([block]))
            parts.append(part if bias is None else part + bias)
        return self._steps(torch.cat(parts, dim=1))

    def _steps(self, values: Tensor) -> Sequence[Tensor]:
        """Values of all steps, split into steps."""
        return torch.split(values, self.counts)

    def _bias(self, index: int) -> Tensor | None:
        blocks = self.layout.biases[index]
        return sum((self._rows([block]) for block in blocks[1:]), self._rows(blocks[:1])) if blocks else None

    def _rows(self, blocks: Sequence[Block]) -> Tensor:
        """The blocks one below the other; the parameter itself if they are all its blocks in order."""
        name = blocks[0].parameter
        if blocks == [Block(name, position) for position in range(len(self.layout.shapes[name].rows))]:
            return self.parameters[name]
        return torch.cat([block_of(self.parameters, self.layout, block) for block in blocks])


def values_of_inputs(program: Program, known: Mapping[int, Tensor], like: Tensor) -> dict[int, Tensor]:
    """The constants of a program, and the values [N, size] that depend on inputs alone.

    Parameters
    ----------
    known : the inputs by index, or those of the values that are known already; others are left out then
    like : has the dtype and device of the result
    """
    values: dict[int, Tensor] = {}
    for index, value in enumerate(program.values):
        if index in known and value.op != "affine":
            values[index] = known[index]
        elif value.op == "constant":
            values[index] = torch.as_tensor(value.number, dtype=like.dtype, device=like.device)
        elif index in program.of_input | program.constants and value.args and values.keys() >= set(value.args):
            values[index] = OPERATIONS[value.op].reference(torch, *(values[arg] for arg in value.args))
    return values


def block_of(parameters: Mapping[str, Tensor], layout: Layout, block: Block) -> Tensor:
    """A block of a layer's parameters."""
    return parameters[block.parameter].chunk(len(layout.shapes[block.parameter].rows))[block.position]
