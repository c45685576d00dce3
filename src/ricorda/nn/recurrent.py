"""The layer: any cell over a sequence, stacked and in both directions, with torch.nn's arguments and shapes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ricorda.engines import Manner, choose, operation
from ricorda.errors import ArgumentError
from ricorda.nn import short
from ricorda.nn.arguments import (
    check_choices,
    check_manner,
    check_memory,
    check_numbers,
    check_record,
    check_sizes,
    program_of,
)
from ricorda.nn.regularisers import Regularisers, draw_seed
from ricorda.nn.sequences import Batch, Lengths, State
from ricorda.nn.stream import Stream
from ricorda.nn.watching import Watcher
from ricorda.program.cell import Cell
from ricorda.program.gates import memory_gates
from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, Program
from ricorda.program.weights import Block, layout

_PRINTED = {
    "proj_size": 0,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "forget_bias": None,
    "memory": None,
    "engine": "auto",
    "checkpoint": None,
    "precision": "float32",
}
"""Arguments that a layer's text has where they are not these."""


class Recurrent(nn.Module):
    """A cell of any equations over a sequence.

    Parameters
    ----------
    cell : Cell, Program, str or function
        The cell: one of `ricorda.cells`, its name, "FILE.py:NAME", or a function over symbols.
    input_size : int
        Features a step, I.
    hidden_size : int
        Units, H.
    num_layers : int
        Layers, each on the output of the one before.
    bias : bool
        Whether the affines add biases.
    batch_first : bool
        Whether input and output are [B, T, ...] instead of [T, B, ...]; states are [.., B, ..] always.
    dropout : float
        Probability of dropping an output between layers while training.
    bidirectional : bool
        Whether a second direction reads each row from its last step to its first.
    proj_size : int
        If positive, the output state is projected to so many numbers, P (Sak et al. 2014).
    forget_bias : float, optional
        What the forget gate's bias starts with (1 helps long memory: Jozefowicz et al. 2015); by default it is drawn
        as all the others are.
    memory : int, optional
        Steps for which the layer remembers before it has learned anything: the biases of the gates that keep a state
        start with log U(1, memory - 1), those of the gates that write to it with the negatives (chrono initialisation:
        Tallec, Ollivier 2018). It acts on cells whose new state is a sum that a gate lets the old one into.
    zoneout : float, or a mapping of state names to floats
        Probability that a unit of a state keeps its old value at a step; in evaluation the state is what is to be
        expected (Krueger et al. 2017).
    input_dropout : float
        Probability of dropping a feature of a row's input, for the whole sequence, in each layer (variational dropout:
        Gal, Ghahramani 2016).
    state_dropout : float
        Probability of dropping a unit where a state enters the recurrent products, for the whole sequence (same paper).
    recurrent_dropout : float
        Probability of dropping a unit of the cell's candidate at a step (Semeniuta et al. 2016).
    weight_drop : float
        Probability of dropping an entry of the recurrent matrices, for the whole call (Merity et al. 2018).
    layer_norm : bool
        Whether pre-activations, and a cell state where the output is computed from it, are normalised over their units
        (Ba et al. 2016).
    engine : {"auto", "cpu", "reference"}
        What computes: "reference" torch operations, a step after the other, "cpu" machine code compiled for the cell
        and the processor; "auto" is what the environment variable RICORDA_ENGINE says, else "cpu" wherever that can
        serve. Where "cpu" is asked for and cannot, the reference serves, and a warning says why.
    checkpoint : "sqrt" or int, optional
        Long sequences: BPTT runs segments of about sqrt(T), or of so many, steps again instead of keeping all their
        values, so memory grows with the square root of T (Chen et al. 2016).
    precision : {"float32", "bf16"}
        "bf16" rounds the factors of a float32 layer's products to bf16, with sums and states in float32, as
        torch.autocast("cpu") does: faster where the processor has such products, right elsewhere.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k], each also with `_reverse` : Parameter
        As in torch.nn: `[gates*H, I]`, `[gates*H, H]`, `[gates*H]`, in the order of the cell's affines; a projection
        has `weight_hr_l[k]` [P, H], and learned vectors of a cell (peepholes) their own names. With layer_norm,
        `gain_<affine>_l[k]` and `shift_<affine>_l[k]` [H], those of the cell state with `state_c` for `<affine>`.

    Raises
    ------
    ArgumentError
        If a size, a probability or an engine cannot be, or the cell has not what an option acts on: a forget gate, a
        candidate, a state of that name.
    CellError
        If the cell's equations cannot be.
    """

    def __init__(
        self,
        cell: Cell | Program | str | Callable[..., Any],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        forget_bias: float | None = None,
        memory: int | None = None,
        zoneout: float | Mapping[str, float] = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        layer_norm: bool = False,
        engine: str = "auto",
        checkpoint: str | int | None = None,
        precision: str = "float32",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_sizes(input_size, hidden_size, num_layers, proj_size)
        check_choices(bias=bias, batch_first=batch_first, bidirectional=bidirectional)
        check_numbers(dropout, forget_bias)
        check_memory(memory, forget_bias)
        choose.check_engine(engine)
        check_manner(checkpoint, precision)
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} acts between layers, and num_layers=1 has no place for it",
                UserWarning,
                stacklevel=2,
            )
        self.program = program_of(cell, projected=proj_size > 0)
        self.regularisers = Regularisers(
            zoneout, input_dropout, state_dropout, recurrent_dropout, weight_drop, layer_norm
        )
        self._regularised = bool(self.regularisers.given())
        self.programs = {mode: self.regularisers.program(self.program, training=mode) for mode in (False, True)}
        self.texts = {mode: choose.text_of(program) for mode, program in self.programs.items()}
        self.engine = engine
        self.checkpoint = checkpoint
        self.precision = precision
        self.watcher: Watcher | None = None
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.forget_bias = forget_bias
        if forget_bias is not None and not self._forget_biases():
            gate = "forget gate" if self.program.forget_affine is None else "bias in its forget gate"
            why = f"cell {self.program.name} has no {gate}" if bias else "bias=False"
            raise ArgumentError(f"forget_bias={forget_bias} was given, but {why}: leave it out")
        self.memory = memory
        if memory is not None and not self._lasting_biases():
            why = f"cell {self.program.name} has no gate that keeps a state" if bias else "bias=False"
            raise ArgumentError(f"memory={memory} was given, but {why}: leave it out")
        self._shapes = layout(self.programs[False], bias).shapes
        of_layers = [self._sizes(level) for level in range(num_layers)]
        directions = 2 if bidirectional else 1
        self.arrangement = (
            tuple(self._shapes),
            tuple((own[INPUT_SIZE], own[HIDDEN_SIZE], own[PROJECTED_SIZE] or own[HIDDEN_SIZE]) for own in of_layers),
            directions,
        )
        """Names of a layer's and direction's parameters; I, H and P of each layer; directions."""
        self.state_sizes = [(num_layers * directions, of_layers[0][state.size]) for state in self.program.states]
        """First and last size of each state [layers * directions, B, size]."""
        self.weight_shapes: dict[str, tuple[int, ...]] = {}
        """Of each parameter by its name, in the order of layers and directions."""
        for level in range(num_layers):
            for suffix in self._suffixes(level):
                for name, shape in self._shapes.items():
                    sizes = [sum(map(self._sizes(level).__getitem__, shape.rows))]
                    if shape.columns is not None:
                        sizes.append(self._sizes(level)[shape.columns])
                    weight = nn.Parameter(torch.empty(sizes, device=device, dtype=dtype))
                    self.register_parameter(name + suffix, weight)
                    self.weight_shapes[name + suffix] = tuple(sizes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from U(-1/sqrt(H), 1/sqrt(H)), as torch.nn does, then set the forget gate's bias.

        Layer normalisation starts with gains of 1 and shifts of 0.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        own = layout(self.program, self.bias).shapes
        for name, weight in self.named_parameters():
            if name.rpartition("_l")[0] in own:
                nn.init.uniform_(weight, -bound, bound)
            else:
                nn.init.constant_(weight, 1.0 if name.startswith("gain_") else 0.0)
        for level in range(self.num_layers):
            for suffix in self._suffixes(level):
                if self.forget_bias is not None:
                    self._set_biases(self._forget_biases(), suffix, torch.tensor(self.forget_bias))
                if self.memory is not None:
                    lasting = torch.empty(self.hidden_size).uniform_(1, self.memory - 1).log()
                    for blocks, sign in self._lasting_biases():
                        self._set_biases(blocks, suffix, sign * lasting)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
        record: Sequence[str] = (),
    ) -> Any:
        """Run the layer.

        Parameters
        ----------
        input : Tensor [T, B, I] ([B, T, I] with batch_first, [T, I] for one sequence) or PackedSequence
            The sequence.
        hx : Tensor, or a tuple of one for each state, [num_layers * directions, B, size], optional
            Initial states; zeros by default.
        lengths : whole numbers [B], optional
            Steps of each row, 0 to T; what lies beyond is never read. Instead of packing.
        record : names of values, optional
            Which of the cell's named values to return: its variables (such as the gates "i" and "f", after their
            activation), its states, and `z_<affine>` for a gate before its activation.

        Returns
        -------
        output : Tensor [T, B, directions * size] or PackedSequence
            The first state of the last layer at each step, in the form of the input; 0 beyond a row's length.
        state : Tensor, or a tuple of one for each state, [num_layers * directions, B, size]
            Each row's states after its last step.
        records : dict of Tensor [num_layers, directions, T, B, size], only if `record` was given
            Each recorded value ([..., B, T, size] with batch_first), 0 beyond a row's length.

        Raises
        ------
        ArgumentError
            If a shape, a length, a name or RICORDA_ENGINE cannot be.
        """
        if lengths is None and not record:
            ran = short.run(self, input, hx)
            if ran is not None:
                return ran
        record = check_record(record, self.program)
        weight: Tensor = getattr(self, next(iter(self._shapes)) + "_l0")
        batch = Batch.read(input, lengths, batch_first=self.batch_first, input_size=self.input_size, weight=weight)
        entries = self.num_layers * (2 if self.bidirectional else 1)
        initial = batch.initial(self.program, hx, entries, self._sizes(0))
        program = self.programs[self.training]
        seed = draw_seed(program)
        engine = choose.wanted(self.engine)
        bf16 = self._takes_bf16(weight)
        y = batch.x.to(weight.dtype) if bf16 else batch.x
        initial = [state.to(weight.dtype) for state in initial] if bf16 else initial
        finals: list[tuple[Tensor, ...]] = []
        traces: list[dict[str, Tensor]] = []
        for level in range(self.num_layers):
            outputs = []
            y = self.regularisers.drop_input(y) if self.training else y
            for direction, suffix in enumerate(self._suffixes(level)):
                parameters = {name: getattr(self, name + suffix) for name in self._shapes}
                run = operation.run(
                    engine,
                    program,
                    self.texts[self.training],
                    self.regularisers.drop_weights(parameters) if self.training else parameters,
                    y,
                    [state[len(finals)] for state in initial],
                    lengths=batch.lengths,
                    reverse=direction == 1,
                    record=record,
                    seed=None if seed is None else seed + len(finals),  # each layer and direction has masks of its own
                    manner=Manner(bf16, self.checkpoint, self._watch(batch, len(finals))),
                )
                outputs.append(run.output)
                finals.append(run.states)
                traces.append(run.records)
            y = torch.cat(outputs, dim=2) if self.bidirectional else outputs[0]
            if self.dropout and self.training and level < self.num_layers - 1:
                y = F.dropout(y, self.dropout)
        states = tuple(batch.final(_stacked(state)) for state in zip(*finals, strict=True))
        result = batch.output(y), states if len(states) > 1 else states[0]
        if not record:
            return result
        return *result, {name: self._by_layer(batch, [trace[name] for trace in traces]) for name in record}

    def stream(self, batch_size: int | None = None) -> Stream:
        """An object that takes one step at a time and keeps its state.

        Parameters
        ----------
        batch_size : int, optional
            Rows of each step; None for single steps [I] without a batch dimension.

        Raises
        ------
        ArgumentError
            If the layer is bidirectional: its second direction starts at a sequence's end.
        """
        if self.bidirectional:
            raise ArgumentError(
                "a bidirectional layer cannot stream: its second direction starts at the sequence's end"
            )
        return Stream(self, batch_size)

    @property
    def runs_plainly(self) -> bool:
        """Whether a call computes its cell in full precision: without chance, nobody watching, all values kept."""
        if self.training and (self._regularised or (self.dropout and self.num_layers > 1)):
            return False
        return self.watcher is None and self.checkpoint is None and self.precision == "float32"

    def flatten_parameters(self) -> None:
        """Do nothing: it is here because callers of torch.nn's layers call it."""

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, in torch.nn's order."""
        names = self._shapes
        suffixes = [suffix for level in range(self.num_layers) for suffix in self._suffixes(level)]
        return [[getattr(self, name + suffix) for name in names] for suffix in suffixes]

    def extra_repr(self) -> str:
        """The arguments, those at their default left out, as torch.nn prints them."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        given = {name: getattr(self, name) for name in _PRINTED}
        parts += [f"{name}={value!r}" for name, value in given.items() if value != _PRINTED[name]]
        parts += self.regularisers.given()
        if type(self) is Recurrent:
            parts.insert(0, self.program.name)
        return ", ".join(parts)

    def _suffixes(self, level: int) -> list[str]:
        return [f"_l{level}", f"_l{level}_reverse"] if self.bidirectional else [f"_l{level}"]

    def _sizes(self, level: int) -> dict[str, int]:
        """The numbers behind "I", "H" and "P" in a layer."""
        output = (self.proj_size or self.hidden_size) * (2 if self.bidirectional else 1)
        return {
            INPUT_SIZE: self.input_size if level == 0 else output,
            HIDDEN_SIZE: self.hidden_size,
            PROJECTED_SIZE: self.proj_size,
        }

    def _forget_biases(self) -> list[Block]:
        """Where the forget gate's biases, which are added, stand in the parameters; nowhere if it has none."""
        affine = self.program.forget_affine
        return [] if affine is None else self._biases_of(affine)

    def _lasting_biases(self) -> list[tuple[list[Block], int]]:
        """The biases of each gate that decides how long a state lasts, and whether it does where they are large."""
        found = [(self._biases_of(affine), sign) for affine, sign in memory_gates(self.program).items()]
        return [(blocks, sign) for blocks, sign in found if blocks]

    def _biases_of(self, affine: int) -> list[Block]:
        """Where the biases of an affine, which are added, stand in the parameters."""
        if self.regularisers.layer_norm:  # which takes away what all units have in common
            return [Block(f"shift_{self.program.values[affine].name}", 0)]
        return layout(self.program, self.bias).biases.get(affine, [])

    def _set_biases(self, blocks: Sequence[Block], suffix: str, value: Tensor) -> None:
        for number, block in enumerate(blocks):  # they are added
            rows = slice(block.position * self.hidden_size, (block.position + 1) * self.hidden_size)
            with torch.no_grad():
                getattr(self, block.parameter + suffix)[rows] = 0.0 if number else value

    def _takes_bf16(self, weight: Tensor) -> bool:
        """Whether products take factors of bf16: by the layer's precision, or as autocast asks."""
        autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
        return weight.dtype is torch.float32 and weight.is_cpu and (autocast or self.precision == "bf16")

    def _watch(self, batch: Batch, entry: int) -> Callable[[str, Tensor], None] | None:
        """What takes the norms of one layer's and direction's gradients, if anybody asks."""
        watcher = self.watcher
        if watcher is None:
            return None
        return lambda state, norms: watcher(state, entry, batch.trace(norms[..., None])[..., 0])

    def _by_layer(self, batch: Batch, traces: list[Tensor]) -> Tensor:
        stacked = torch.stack(traces)
        return batch.trace(stacked.reshape(self.num_layers, -1, *stacked.shape[1:]))


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0].unsqueeze(0) if len(tensors) == 1 else torch.stack(list(tensors))
