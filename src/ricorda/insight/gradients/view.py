"""`gradient_flow`: how much of the gradient arrives at each earlier step, in any cell, layer or trained model."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.gradients import jacobians as jacobian
from ricorda.insight.gradients.result import Array, GradientFlow, StateFlow
from ricorda.insight.gradients.trail import as_argument, trail_of
from ricorda.insight.passage import passage, recurrent_layers
from ricorda.nn import Recurrent, watch_gradients
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.estimator import SequenceEstimator

SMALLEST = 1e-150
"""Smaller norms become 0: double precision cannot hold their squares."""


def gradient_flow(
    what: str | Cell | Program | Callable[..., Any] | Recurrent | SequenceEstimator,
    inputs: Any = None,
    *,
    steps: int = 100,
    rows: int = 16,
    input_size: int | None = None,
    hidden_size: int = 64,
    level: int = -1,
    reverse: bool = False,
    jacobians: bool = True,
    shares: bool = True,
    seed: int = 0,
) -> GradientFlow:
    """Follow the gradient of the last state back through time.

    The loss is L_T = v . h_T, v a random direction of length 1 for each row, T the row's last step. The norms come from
    BPTT itself, on the engine that the layer runs on, in double precision on the processor; regularisers are as in
    evaluation.

    Parameters
    ----------
    what : cell (its name, "FILE.py:NAME", a Cell, function or Program), Recurrent, or trained estimator
        A cell gets fresh weights, drawn as torch.nn draws them. Of an estimator, the layers that read its input are
        taken; of a translator, the encoder. A layer or estimator is not changed.
    inputs : optional
        For a cell or layer: numbers as the layer takes them, [T, B, I]. For an estimator: a list of examples, or one
        text, as its `predict` takes them. By default numbers drawn from N(0, 1), for an estimator instead of its
        embeddings.
    steps : int
        Steps of random input; with other input, how far to look back from each row's end.
    rows : int
        Rows of random input; with other input, the most rows that are read.
    input_size, hidden_size : int
        The sizes of a fresh cell; input_size is hidden_size by default.
    level : int
        The layer to watch, from 0; the last by default. The gradient starts from its h_T.
    reverse : bool
        Whether to watch the second direction, whose last step is the first of the input.
    jacobians : bool
        Whether to compute the Jacobians of 4 rows too, which takes most of the time. Fewer rows, and then fewer steps,
        are taken if the Jacobians would fill more than 512 MB.
    shares : bool
        Whether to compute each step's share in the gradient of the recurrent weights, which takes most of the rest.
    seed : int
        The seed of the fresh weights, the random input and the directions.

    Raises
    ------
    ArgumentError
        If an argument is invalid.
    DataError
        If an example is invalid, or has fewer than 2 steps.
    """
    _check(steps=(steps, 2), rows=(rows, 1), hidden_size=(hidden_size, 1), seed=(seed, 0))
    layer = _layer(what, hidden_size if input_size is None else input_size, hidden_size, seed)
    level = _level(layer, level, reverse)
    generator = torch.Generator().manual_seed(seed)
    if inputs is None:
        x = torch.randn(steps, rows, layer.input_size, generator=generator, dtype=torch.float64)
        lengths, initial = torch.full((rows,), steps), layer.begin(rows)
        beside = _ones(layer, x)
    elif isinstance(what, SequenceEstimator):
        x, lengths, initial, beside = _examples(what, inputs, rows)
    else:
        x = _numbers(layer, inputs)[:, :rows]
        lengths, initial = torch.full((x.shape[1],), len(x)), layer.begin(x.shape[1])
        beside = _ones(layer, x)
    layer.batch_first = False
    if int(lengths.max()) < 2:
        raise DataError(f"the input has {len(x)} step: give one of at least 2, for there is nothing to look back to")
    direction = torch.randn(x.shape[1], layer.proj_size or layer.hidden_size, generator=generator, dtype=torch.float64)
    direction /= torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    norms = _norms(layer, x, lengths, initial, direction, level=level, reverse=reverse, steps=steps, beside=beside)
    flows = {name: StateFlow.of(name, values) for name, values in norms.items()}
    named = _name(layer, level, reverse)
    if not (jacobians or shares):
        return GradientFlow(named, flows, None, None, None, None)
    trail = trail_of(layer, x, lengths, initial, level=level, reverse=reverse, steps=steps, beside=beside)
    of_weights = jacobian.weight_shares(trail, direction) if shares else None
    products = spectra = exponents = None
    if jacobians:
        matrices = jacobian.jacobians(trail)
        present = trail.present[: matrices.shape[0], : matrices.shape[1]]
        products = jacobian.log_products(matrices).where(present, math.nan).numpy() / math.log(10)
        spectra = jacobian.spectra(matrices).where(present[..., None], math.nan).numpy()
        exponents = jacobian.lyapunov_exponents(matrices, present.sum(dim=0), seed=seed).numpy()
    parts = None if of_weights is None else of_weights.numpy()
    return GradientFlow(named, flows, parts, products, spectra, exponents)


def _norms(
    layer: Recurrent,
    x: Tensor,
    lengths: Tensor,
    initial: tuple[Tensor, ...] | None,
    direction: Tensor,
    *,
    level: int,
    reverse: bool,
    steps: int,
    beside: Mapping[str, Tensor],
) -> dict[str, Array]:
    """The norms of each state's gradient by distance, [D, B], nan where a row has no step."""
    x = x.detach().requires_grad_()  # A layer of fixed weights learns nothing itself.
    with watch_gradients(layer) as watched:
        output = layer.program.output_name
        _, _, records = layer(x, as_argument(initial), lengths=lengths, record=[output], inputs=beside)
        ends = torch.zeros_like(lengths) if layer.backwards[reverse] else lengths - 1
        shown = records[output][level, int(reverse)][ends, torch.arange(x.shape[1])]
        (direction * shown).sum().backward()
    back = torch.arange(min(steps, len(x)))[:, None]
    places = back.expand(-1, x.shape[1]) if layer.backwards[reverse] else lengths - 1 - back
    by_state = {}
    for state in layer.program.states:
        norms = watched.norms[""][state.name][level, int(reverse)].nan_to_num(nan=math.inf, posinf=math.inf)
        norms = norms.where(norms > SMALLEST, 0.0)[places.clamp(0, len(x) - 1), torch.arange(x.shape[1])]
        by_state[state.name] = norms.where(back < lengths, math.nan).numpy()
    return by_state


def _layer(what: Any, input_size: int, hidden_size: int, seed: int) -> Recurrent:
    """A copy of the layers to look into, in double precision on the processor."""
    if isinstance(what, SequenceEstimator):
        what = recurrent_layers(what)
    if not isinstance(what, Recurrent):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = Recurrent(what, input_size, hidden_size, dtype=torch.float64)
    else:
        layer = copy.deepcopy(what).to("cpu", torch.float64).requires_grad_().eval()
    layer.eval()
    if not all(bool(weight.isfinite().all()) for weight in layer.parameters()):
        raise ArgumentError(f"cell {layer.program.name} has weights that are not finite: train it again")
    return layer


def _level(layer: Recurrent, level: int, reverse: bool) -> int:
    if isinstance(level, bool) or not isinstance(level, int) or not -layer.num_layers <= level < layer.num_layers:
        raise ArgumentError(
            f"level is {level!r}: give a whole number from 0 to {layer.num_layers - 1}, or -1 for the last"
        )
    if not isinstance(reverse, bool) or (reverse and not layer.bidirectional):
        raise ArgumentError(f"reverse is {reverse!r}, and the layer has one direction: leave it out")
    return level % layer.num_layers


def _numbers(layer: Recurrent, inputs: Any) -> Tensor:
    """A caller's own input of a layer as x [T, B, I]."""
    try:
        x = torch.as_tensor(inputs).detach().to("cpu", torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"inputs is a {type(inputs).__name__}: give numbers [T, B, I]") from None
    if x.dim() == 2:
        x = x[:, None]
    elif x.dim() == 3 and layer.batch_first:
        x = x.transpose(0, 1)
    if x.dim() != 3 or x.shape[2] != layer.input_size or not x.numel():
        raise ArgumentError(
            f"inputs has shape {tuple(x.shape)}: give [T, B, {layer.input_size}], or [T, {layer.input_size}]"
        )
    if not bool(x.isfinite().all()):
        raise ArgumentError("inputs has numbers that are not finite: leave them out")
    return x


def _ones(layer: Recurrent, x: Tensor) -> dict[str, Tensor]:
    """Second inputs for numbers x [T, B, I] that have none: all was measured, and steps are equally far apart."""
    sizes = layer.stack.sizes[0]
    return {value.name: x.new_ones(*x.shape[:2], sizes[value.size]) for value in layer.program.inputs[1:]}


_Examples = tuple[Tensor, Tensor, tuple[Tensor, ...] | None, dict[str, Tensor]]


def _examples(model: SequenceEstimator, inputs: Any, rows: int) -> _Examples:
    """What the layers of a trained model read of some examples: x [T, B, I], lengths [B], states, second inputs."""
    examples: Sequence[Any] = [inputs] if isinstance(inputs, str) else list(inputs)[:rows]
    if not examples:
        raise DataError("there is no example to look into: give one, or none for random input")
    passages = [passage(model, example) for example in examples]
    lengths = torch.tensor([len(read) for read in passages])
    pad = torch.nn.utils.rnn.pad_sequence
    x = pad([read.inputs for read in passages]).to("cpu", torch.float64)
    beside = {name: pad([read.beside[name] for read in passages]).to(x) for name in passages[0].beside}
    begin = [read.initial for read in passages if read.initial is not None]
    if len(begin) < len(passages):
        return x, lengths, None, beside
    states = tuple(torch.stack(state, dim=1).to("cpu", torch.float64) for state in zip(*begin, strict=True))
    return x, lengths, states, beside


def _name(layer: Recurrent, level: int, reverse: bool) -> str:
    parts = [layer.program.title]
    if layer.num_layers > 1:
        parts.append(f"layer {level + 1} of {layer.num_layers}")
    if layer.bidirectional:
        parts.append("backward" if reverse else "forward")
    return ", ".join(parts)


def _check(**numbers: tuple[Any, int]) -> None:
    """Refuse a value that is no whole number, or is below its minimum."""
    for name, (value, least) in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ArgumentError(f"{name} is {value!r}: give a whole number of at least {least}")
