"""The network unrolled over its steps: every named value of every step, as numbers and as the textbook's picture."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.gates.view import layer_and_side
from ricorda.insight.memory.decomposition import Values, additive_states, keep_and_written, stretches
from ricorda.insight.passage import Passage, passage
from ricorda.insight.unrolled.result import Unrolled
from ricorda.nn import Recurrent
from ricorda.nn.arguments import program_of
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.program.learned import learned
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, Sizes
from ricorda.program.weights import Shape, layout
from ricorda.tasks.estimator import SequenceEstimator

Array = NDArray[Any]
AnyCell = Cell | Program | str | Callable[..., Any]


def unroll(
    source: SequenceEstimator | Passage | Recurrent | AnyCell,
    inputs: Any = None,
    weights: Mapping[str, ArrayLike] | None = None,
    *,
    layer: int | None = None,
    backward: bool = False,
) -> Unrolled:
    """Unroll a network over its steps.

    Parameters
    ----------
    source : SequenceEstimator, Passage, Recurrent, or a cell in any of the ways that a layer takes one
        What to unroll.
    inputs : for a model an example as its `predict` takes it; for a layer or a cell numbers [T, I], or [T] if I is 1
        What it reads. A layer or a cell starts as it does for a new sequence.
    weights : mapping of str to array, optional
        Weights of a cell, under torch.nn's names (`weight_ih_l0` [gates*H, I], `weight_hh_l0` [gates*H, H],
        `bias_ih_l0`, `bias_hh_l0` [gates*H]); biases that are missing are 0. Without weights the cell has one unit with
        random weights, drawn as a layer draws them.
    layer : int, optional
        The layer of a stack, from 1; by default the last.
    backward : bool
        Whether to take the direction that reads from the end.

    Returns
    -------
    Unrolled
        All numbers, in float64.

    Raises
    ------
    ArgumentError
        If weights, a layer or a direction are invalid.
    DataError
        If the input is invalid.
    """
    if isinstance(source, SequenceEstimator):
        read = passage(source, inputs)
    elif isinstance(source, Passage):
        read = source
    else:
        numbers = _numbers(inputs)
        recurrent = source if isinstance(source, Recurrent) else layer_of(source, weights, input_size=numbers.shape[1])
        read = _read_numbers(recurrent, numbers)
    level, side = layer_and_side(read.layer, layer, backward)
    parts = list(stretches(read.layer, read.inputs, read.initial, level=level, direction=side, beside=read.beside))
    program = read.layer.programs[False]

    def joined(line: Callable[[Values], Tensor]) -> Array:
        return torch.cat([line(part.values) for part in parts]).numpy()

    def named(index: int) -> Array:
        return joined(lambda values: values[index])

    def kept(place: int) -> Array:
        return joined(lambda values: keep_and_written(values, place, program.outputs[place])[0])

    lines = sorted(program.names, key=lambda line: line[1])
    return Unrolled(
        program=read.layer.program,
        first=1,
        tokens=read.tokens[::-1] if read.layer.backwards[side] else read.tokens,
        inputs=named(0),
        initial={
            state.name: parts[0].values[program.first_state + number][0].numpy()
            for number, state in enumerate(program.states)
        },
        values={name: named(index) for name, index in lines},
        kept={program.states[number].name: kept(number) for number in additive_states(program)},
    )


def layer_of(cell: AnyCell, weights: Mapping[str, ArrayLike] | None = None, *, input_size: int = 1) -> Recurrent:
    """A layer of float64 from a cell and its weights, as `unroll` takes them.

    Raises
    ------
    ArgumentError
        If a weight is missing, unknown, of another shape or not finite.
    """
    if weights is None:
        return Recurrent(cell, input_size, 1, dtype=torch.float64)
    arrays = {name.removesuffix("_l0"): _array(name, weight) for name, weight in weights.items()}
    program = program_of(cell, projected="weight_hr" in arrays)
    if learned(program) is not None:
        raise ArgumentError(
            f"weights were given, and those of cell {program.name} are made from what is learned: give a layer, "
            "ricorda.nn.Recurrent, that has them"
        )
    shapes = layout(program).shapes
    for name in weights:
        if name.removesuffix("_l0") not in shapes:
            wanted = ", ".join(f"{needed}_l0" for needed in shapes)
            raise ArgumentError(f"weights have {name!r}, and cell {program.name} has {wanted}: give those")
    for name in shapes:
        if name not in arrays and not name.startswith("bias_"):
            raise ArgumentError(f"weights have no {name + '_l0'!r}, which cell {program.name} needs: add it")
    sizes = _sizes(shapes, arrays)
    for name, array in arrays.items():
        shape = shapes[name]
        wanted_shape = (sum(sizes[row] for row in shape.rows), *([sizes[shape.columns]] if shape.columns else []))
        if array.shape != wanted_shape:
            raise ArgumentError(
                f"{name}_l0 is {_by(array.shape)}, and a {program.name} of input_size {sizes[INPUT_SIZE]} and "
                f"hidden_size {sizes[HIDDEN_SIZE]} has {_by(wanted_shape)}: rows are the gates' in the cell's order"
            )
    projected = sizes.get(PROJECTED_SIZE, 0)
    result = Recurrent(cell, sizes[INPUT_SIZE], sizes[HIDDEN_SIZE], proj_size=projected, dtype=torch.float64)
    with torch.no_grad():
        for name in shapes:
            parameter = getattr(result, f"{name}_l0")
            parameter.copy_(torch.zeros_like(parameter) if name not in arrays else torch.as_tensor(arrays[name]))
    return result


def read_weights(path: str | Path) -> dict[str, Any]:
    """A cell's weights from a file: an object of lists in JSON, or safetensors.

    Raises
    ------
    DataError
        If there is no such file, or it is in neither format.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return dict(load_file(path))
        weights = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): give a JSON or safetensors file") from None
    except Exception as error:  # Each kind of damage raises another exception of safetensors.
        raise DataError(f"{path} is neither JSON nor safetensors ({error}): give a file of weights") from None
    if not isinstance(weights, dict):
        raise DataError(f'{path} holds no object: give {{"weight_ih_l0": [[...]], ...}}')
    return weights


def _read_numbers(recurrent: Recurrent, numbers: Array) -> Passage:
    weight = next(recurrent.parameters())
    if numbers.shape[1] != recurrent.input_size:
        raise DataError(
            f"inputs have {numbers.shape[1]} numbers a step, and the layer takes {recurrent.input_size}: give as many"
        )
    return Passage(
        copy.deepcopy(recurrent).eval(),
        tuple(str(step + 1) for step in range(len(numbers))),
        torch.as_tensor(numbers).to(weight),
    )


def _numbers(inputs: Any) -> Array:
    """A caller's input as numbers [T, I]."""
    try:
        numbers = np.asarray(inputs, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"inputs are {_short(inputs)}: give numbers [T, I], or [T]") from None
    numbers = numbers[:, None] if numbers.ndim == 1 else numbers
    if numbers.ndim != 2 or 0 in numbers.shape or not np.isfinite(numbers).all():
        raise DataError(f"inputs are {_short(inputs)}: give finite numbers [T, I], or [T], of at least one step")
    return numbers


def _array(name: str, values: ArrayLike) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is {_short(values)}: give rows of as many numbers each") from None
    if not np.isfinite(array).all():
        raise ArgumentError(f"{name} has a number that is not finite: mend it")
    return array


def _sizes(shapes: Mapping[str, Shape], arrays: Mapping[str, Array]) -> Sizes:
    """The sizes that weights imply, those of a matrix's columns before those of its rows."""
    sizes, of_rows = Sizes(), Sizes()
    for name, shape in shapes.items():
        if shape.columns is not None:
            if arrays[name].ndim != 2:
                raise ArgumentError(f"{name}_l0 is {_by(arrays[name].shape)}: give rows of as many numbers each")
            if not shape.columns.isdigit():
                sizes.setdefault(shape.columns, arrays[name].shape[1])
        if name in arrays and not shape.rows[0].isdigit():  # Biases may be left out.
            of_rows.setdefault(shape.rows[0], len(arrays[name]) // len(shape.rows))
    return Sizes({**of_rows, **sizes})


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
