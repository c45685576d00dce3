"""`ricorda.export.onnx`: a trained model or a layer as a file of ONNX."""

from __future__ import annotations

from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.files import write_atomically

FORMS = ("sequence", "step")


def onnx(
    model: Any,
    path: str | PathLike[str],
    *,
    form: str | None = None,
    lengths: bool = False,
    states: bool = False,
) -> None:
    """Write a model as a file of ONNX, which ONNX Runtime and others run.

    Steps and rows are free: the file takes any T and B. A layer whose equations are those of ONNX's LSTM, GRU or RNN
    becomes that operator; every other one a Scan. Numbers are float32, or float64 if the weights are; narrower weights
    are written as float32.

    Parameters
    ----------
    model : Recurrent, or a trained estimator
        What to write, as it predicts. For an estimator the tokenisers are written beside the file, and the file holds
        their hashes; see `docs/onnx.md` for the inputs and outputs of each task.
    path : path
        The file. A translator becomes two: `model.onnx` is the decoder's step, `model.encoder.onnx` reads sources.
    form : {"sequence", "step"}, optional
        Whether a call reads whole sequences, or one step and the states before it. By default sequences, but for a
        translator, which writes step by step.
    lengths : bool
        For a layer: whether its rows have lengths, an input `lengths` [B]; otherwise all have all T steps.
    states : bool
        For a layer: whether the initial states are inputs, `h_in` for a state h; otherwise a sequence begins as the
        cell says. In the form "step" they always are.

    Raises
    ------
    ArgumentError
        If the model cannot go that way, a weight is no finite number, or the package onnx is missing.
    ModelFolderError
        If the file cannot be written. No half-written file is left.
    """
    if form is None:
        form = "step" if getattr(model, "TASK", "") == "translate" else "sequence"
    if form not in FORMS:
        raise ArgumentError(f"form is {form!r}: give {' or '.join(map(repr, FORMS))}")
    if find_spec("onnx") is None:
        raise ArgumentError("the package onnx is missing: install it with `pip install 'ricorda[onnx]'`")
    from ricorda.export.model import check_weights
    from ricorda.export.to_onnx.models import files_of
    from ricorda.export.to_onnx.serial import serialised
    from ricorda.export.to_onnx.signature import layer_as_onnx
    from ricorda.nn import Recurrent
    from ricorda.nn.onnx_import.layer import NodeLayer
    from ricorda.tasks.estimator import SequenceEstimator

    check_weights(model)
    path = Path(path)
    if isinstance(model, Recurrent):
        if form == "step" and model.bidirectional:
            raise ArgumentError("a bidirectional layer has no step: its second direction starts at the sequence's end")
        if form == "step" and model.backwards[0]:
            raise ArgumentError("a layer that reads backwards has no step: it starts at the sequence's end")
        if isinstance(model, NodeLayer) and model.begins and not states and form == "sequence":
            raise ArgumentError(
                "the layer begins with states of its own file: give states=True, and the states as inputs"
            )
        files = {path: serialised(layer_as_onnx(model, form, lengths=lengths, states=states), path)}
    elif isinstance(model, SequenceEstimator):
        if lengths or states:
            raise ArgumentError("lengths and states are for a layer, and this is a model: leave them out")
        files = files_of(model, path, form)
    else:
        raise ArgumentError(
            f"the model is a {type(model).__name__}: give a ricorda.nn.Recurrent or a trained model of ricorda"
        )
    for file, content in files.items():
        write_atomically(file, content)
