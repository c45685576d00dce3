"""The layer: any cell over a sequence, stacked and in both directions, with torch.nn's arguments and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence

from ricorda.engines import USUAL, Manner, Request, operation
from ricorda.engines.choose import check_engine, recorded, run_stack, wanted
from ricorda.engines.choose import run as run_layer
from ricorda.engines.obstacles import hidden
from ricorda.errors import ArgumentError
from ricorda.nn.arguments import (
    check_choices,
    check_dropout,
    check_manner,
    check_memory,
    check_numbers,
    check_record,
    check_sizes,
    check_stacking,
    non_defaults,
    program_of,
)
from ricorda.nn.biases import GateBiases
from ricorda.nn.forms import all_weights_of, draw, register, trained, weights_of
from ricorda.nn.initialisation import initialise
from ricorda.nn.regularisers import Regularisers, draw_seed
from ricorda.nn.rounding import factors_of
from ricorda.nn.sequences import Batch, Lengths, State, first_states, widened
from ricorda.nn.stream import Stream
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.program.learned import without_forms
from ricorda.program.stack import stack_of
from ricorda.program.weights import layout

Watcher = Callable[[str, int, Tensor], None]
"""Called with a state's name, the number of layer and direction, and the gradients' norms [T, B]."""


class Recurrent(nn.Module):
    """A cell of any equations over a sequence.

    Parameters
    ----------
    cell : Cell, Program, str or function
        The cell: one of `ricorda.cells`, its name, "FILE.py:NAME" (each also with
        options, as "NAME(rate=0.5)"), or a function over symbols.
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
        Numbers P to which the output state is projected (Sak et al. 2014); 0 for no projection.
    forget_bias : float, optional
        Initial value of the forget gate's bias (1 helps long memory: Jozefowicz et al. 2015); by default it is drawn
        like all others.
    memory : int, optional
        Steps for which the layer remembers before it has learned anything: the biases of the gates that keep a state
        start with log U(1, memory - 1), those of the gates that write to it with the negatives (chrono initialisation:
        Tallec, Ollivier 2018). Gates are found by what they do; refused if none is certain to keep a state.
    zoneout : float, or a mapping of state names to floats
        Probability that a unit of a state keeps its old value at a step; in evaluation the state is the expected
        value (Krueger et al. 2017).
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
    engine : {"auto", "cpu", "torch", "reference"}
        What computes: "cpu" is machine code compiled for the cell and the processor, "torch" torch's own kernels for
        the cells that torch has (cuDNN on a GPU), "reference" torch operations, one step after another. "auto" is the
        engine that the environment variable RICORDA_ENGINE names; without it the first of "cpu", "torch" (not on the
        processor) and "reference" that can serve. If the engine named here cannot serve, the next one that can does,
        and a warning says why.
    checkpoint : "sqrt" or int, optional
        For long sequences: BPTT runs segments of this many steps ("sqrt": about sqrt(T)) again instead of keeping all
        values; with "sqrt" memory grows with the square root of T (Chen et al. 2016).
    precision : {"float32", "bf16", "int8"}
        What the factors of a float32 layer's products are rounded to on the processor; sums and states stay in float32.
        "bf16" is what torch.autocast("cpu") does; "int8" acts in evaluation without gradients, with a scale for each
        row of the weights and, found as it is read, of the inputs and states. Both are faster if the processor has such
        products, and correct on every other.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k], each also with `_reverse` : Parameter
        As in torch.nn: `[gates*H, I]`, `[gates*H, H]`, `[gates*H]`, in the order of the cell's affines; a projection
        has `weight_hr_l[k]` [P, H], and learned vectors of a cell (peepholes) their own names; matrices of other sizes
        have those of `program.weights`, such as `weight_u_1_l[k]`. An affine with a form has tensors of its own, such
        as `weight_hh_<affine>_l[k]`; buffers if they are fixed. With layer_norm, `gain_<affine>_l[k]` and
        `shift_<affine>_l[k]` [H], those of the cell state with `state_c` for `<affine>`.

    Raises
    ------
    ArgumentError
        If a size, a probability or an engine is invalid, or the cell lacks what an option acts on: a forget gate, a
        candidate, a state of that name.
    CellError
        If the cell's equations are invalid.
    """

    backwards: tuple[bool, ...] = (False, True)  # Whether a direction reads each row from its last step to its first.

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
        input_size, hidden_size, num_layers, proj_size = check_sizes(input_size, hidden_size, num_layers, proj_size)
        check_choices(bias=bias, batch_first=batch_first, bidirectional=bidirectional)
        check_numbers(dropout, forget_bias)
        check_memory(memory, forget_bias)
        check_engine(engine)
        check_manner(checkpoint, precision)
        check_dropout(dropout, num_layers)
        self.program = program_of(cell, projected=proj_size > 0)
        check_stacking(self.program, num_layers)
        self.regularisers = Regularisers(
            zoneout, input_dropout, state_dropout, recurrent_dropout, weight_drop, layer_norm
        )
        self._regularised = bool(self.regularisers.non_defaults())
        programs = {mode: self.regularisers.program(self.program, training=mode) for mode in (False, True)}
        self.programs = {mode: without_forms(program) for mode, program in programs.items()}
        self.texts = {mode: operation.text_of(program) for mode, program in self.programs.items()}
        self.stack = stack_of(
            programs[False], bias, input_size, hidden_size, num_layers, 2 if bidirectional else 1, proj_size
        )
        register(self, self.stack, device, dtype)
        self.engine, self.checkpoint, self.precision = engine, checkpoint, precision
        self.watcher: Watcher | None = None
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first = bias, batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.forget_bias, self.memory = forget_bias, memory
        self._biases = GateBiases(self.program, bias, layer_norm, hidden_size)
        if not getattr(self, next(iter(self.stack.learned))).is_meta:  # There weights are read, not drawn.
            self._biases.check(forget_bias, memory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from U(-1/sqrt(H), 1/sqrt(H)), as torch.nn does, or as the cell says (`init`).

        Then the biases are set for `forget_bias` and `memory`. Layer normalisation starts with gains of 1 and shifts
        of 0.
        """
        normalising = set(self.stack.names).difference(layout(self.program, self.bias).shapes)
        draw(self, self.stack, 1 / math.sqrt(self.hidden_size), normalising)
        initialise(self, self.program, self.stack)
        for suffix in chain.from_iterable(self.stack.suffixes):
            parameters = {name: getattr(self, name + suffix) for name in self.stack.learned_names}
            self._biases.start(parameters, self.forget_bias, self.memory)

    def forward(
        self,
        input: Tensor | PackedSequence | Proxy,
        hx: State | None = None,
        lengths: Lengths | None = None,
        *,
        record: Sequence[str] = (),
        inputs: Mapping[str, Tensor | PackedSequence] | None = None,
    ) -> Any:
        """Run the layer.

        Parameters
        ----------
        input : Tensor [T, B, I] ([B, T, I] with batch_first, [T, I] for one sequence) or PackedSequence
            The sequence.
        hx : Tensor, or a tuple of one for each state, [num_layers * directions, B, size], optional
            Initial states; by default zeros, or what the cell says.
        lengths : whole numbers [B], optional
            Steps of each row, 0 to T, instead of packing; the input beyond them is never read.
        record : names of values, optional
            Which of the cell's named values to return: its variables (such as the gates "i" and "f", after their
            activation), its states, and `z_<affine>` for a gate before its activation.
        inputs : mapping of str to Tensor [T, B, size] or PackedSequence, in the form of the input
            The inputs that the cell takes besides the first, by name. Those of size 1 may be [T, B].

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
            If a shape, a length, a name or RICORDA_ENGINE is invalid.
        """
        recording = recorded()
        if lengths is None and not record and not inputs and self.runs_plainly and not recording:
            ran = self._run_stack(input, hx)
            if ran is not None:
                return ran
        if isinstance(input, Proxy):
            return self._as_leaf(input, hx, lengths, record, inputs)
        record = check_record(record, self.program) if record else ()
        weight: Tensor = getattr(self, next(iter(self.stack.learned)))
        batch = Batch.read(input, lengths, batch_first=self.batch_first, input_size=self.input_size, weight=weight)
        initial = batch.initial(self.stack, hx)
        batch.take(self.program, {} if inputs is None else inputs, self.stack.sizes[0])
        y, finals, traces = self._run_layers(batch, initial, record, recording)
        states = tuple(batch.final(torch.stack(widened(state))) for state in zip(*finals, strict=True))
        result = batch.output(y), states if len(states) > 1 else states[0]
        if not record:
            return result
        return *result, {name: self._by_layer(batch, [trace[name] for trace in traces]) for name in record}

    def _run_stack(self, input: Any, hx: Any) -> tuple[Tensor, State] | None:
        """All layers in one call of an engine; None if they must go one by one, where mistakes are reported too."""
        if not isinstance(input, Tensor) or input.dim() != 3:
            return None
        weights: Mapping[str, Any] = self._parameters
        if tuple(weights) != self.stack.full_names:  # A subclass may have more, a parametrization fewer.
            weights = all_weights_of(self, self.stack)
        x = input.transpose(0, 1) if self.batch_first else input
        if hx is None and self.stack.begins:
            hx = first_states(self.stack, x.shape[1], getattr(self, next(iter(self.stack.learned))))
        states = () if hx is None else hx if isinstance(hx, (tuple, list)) else (hx,)
        factors = "" if self.precision == "float32" else factors_of(self, next(iter(weights.values())), (x, *states))
        manner = Manner(factors) if factors else USUAL
        request = Request(self.stack.program, weights, x, states, manner=manner, engine=wanted(self.engine))
        ran = run_stack(self.stack, request)
        if ran is None:
            return None
        output, finals = ran
        return output.transpose(0, 1) if self.batch_first else output, tuple(finals) if len(finals) > 1 else finals[0]

    def _as_leaf(self, input: Proxy, hx: Any, lengths: Any, record: Sequence[str], inputs: Any) -> Proxy:
        """The layer as one node of a graph that torch.fx.symbolic_trace writes."""
        tracer: Any = input.tracer
        if tracer.root is self:
            raise ArgumentError("torch.fx.symbolic_trace was given a layer alone: trace a module that contains it")
        options = {"record": record, "inputs": dict(inputs)} if inputs else {"record": record} if record else {}
        options |= {"lengths": lengths} if lengths is not None else {}
        node: Proxy = tracer.create_proxy("call_module", tracer.path_of_module(self), (input, hx), options)
        return node

    def _run_layers(
        self, batch: Batch, initial: Sequence[Tensor], record: Sequence[str], recording: bool
    ) -> tuple[Tensor, list[tuple[Tensor, ...]], list[dict[str, Tensor]]]:
        """The last layer's output, and the final states and records of each layer and direction."""
        program, training = self.programs[self.training], self.training
        seed = draw_seed(program) if program.masks else None
        number = 0 if seed is None or recording else seed if hidden(seed) else int(seed)
        regularised = training and self._regularised
        engine = wanted(self.engine)
        y, inputs = batch.x, batch.inputs
        factors = factors_of(self, batch.weight, (batch.x, *initial))
        if factors:
            y, initial = y.to(batch.weight.dtype), [state.to(batch.weight.dtype) for state in initial]
            inputs = {name: values.to(batch.weight.dtype) for name, values in inputs.items()}
        finals: list[tuple[Tensor, ...]] = []
        traces: list[dict[str, Tensor]] = []
        for level, suffixes in enumerate(self.stack.suffixes):
            outputs = []
            if regularised:
                y = self.regularisers.drop_input(y)
            for direction, suffix in enumerate(suffixes):
                drop = partial(self.regularisers.drop_weights, recurrent=self.stack.recurrent) if regularised else None
                parameters = weights_of(self, self.stack, level, suffix, drop)
                entry = len(finals)  # Each layer and direction has its own masks.
                states = self.stack.of_layer(initial, entry)
                manner = Manner(factors, self.checkpoint, self._watch(batch, entry) if self.watcher else None)
                options = batch.lengths, self.backwards[direction], record, number + entry, manner, engine, inputs
                request = Request(program, parameters, y, states, *options)
                if recording:
                    run = operation.run(request, self.texts[training], None if seed is None else seed + entry)
                else:
                    run = run_layer(request)
                outputs.append(run.output)
                finals.append(run.states)
                traces.append(run.records)
            y = torch.cat(outputs, dim=2) if self.bidirectional else outputs[0]
            if self.dropout and training and level < self.num_layers - 1:
                y = batch.drop(y, self.dropout)
        return y, finals, traces

    def begin(self, rows: int | None) -> tuple[Tensor, ...] | None:
        """States of the layer's own that a sequence begins with, without a batch for None; None if it has none."""
        return None

    def stream(self, batch_size: int | None = None, precision: str | None = None) -> Stream:
        """An object that takes one step at a time and keeps its state.

        Parameters
        ----------
        batch_size : int, optional
            Rows of each step; None for single steps [I] without a batch dimension.
        precision : {"float32", "bf16", "int8"}, optional
            By default the layer's own. A step of a large layer takes as long as its weights take to be read.

        Raises
        ------
        ArgumentError
            If the layer is bidirectional: its second direction starts at a sequence's end.
        """
        if self.bidirectional:
            raise ArgumentError(
                "a bidirectional layer cannot stream: its second direction starts at the sequence's end"
            )
        return Stream(self, batch_size, precision)

    @property
    def runs_plainly(self) -> bool:
        """Whether a call is deterministic, not in bf16, keeps all values, and nobody watches the gradients."""
        if self.training and (self._regularised or (self.dropout and self.num_layers > 1)):
            return False
        rounds = self.precision == "bf16" or (self.precision == "int8" and self.training)
        return self.watcher is None and self.checkpoint is None and not rounds

    def flatten_parameters(self) -> None:
        """Do nothing: callers of torch.nn's layers call it."""

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, in torch.nn's order."""
        return trained(self, self.stack)

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, as torch.nn prints them."""
        parts = [f"{self.input_size}, {self.hidden_size}", *non_defaults(self)]
        parts += self.regularisers.non_defaults()
        if type(self) is Recurrent:
            parts.insert(0, self.program.title)
        return ", ".join(parts)

    def _watch(self, batch: Batch, entry: int) -> Callable[[str, Tensor], None]:
        """A function that passes the gradients' norms of one layer and direction to the watcher."""
        watcher = self.watcher
        assert watcher is not None  # The caller has checked it.
        return lambda state, norms: watcher(state, entry, batch.trace(norms[..., None])[..., 0])

    def _by_layer(self, batch: Batch, traces: list[Tensor]) -> Tensor:
        stacked = torch.stack(widened(traces))
        return batch.trace(stacked.view(self.num_layers, self.stack.directions, *stacked.shape[1:]))
