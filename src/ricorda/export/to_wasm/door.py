"""`ricorda.export.wasm`: a trained model or a layer as a WebAssembly module."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.export.model import check_weights, network_of, refuse
from ricorda.export.to_wasm.forecast import module_of_forecaster
from ricorda.export.to_wasm.module import custom
from ricorda.export.to_wasm.program import NOTE, module_of
from ricorda.export.to_wasm.types import types_of
from ricorda.files import write_atomically

WAY = "WebAssembly"


def wasm(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model as a WebAssembly module, and beside it an ES module that runs it, with its types.

    The module needs nothing from outside and runs in browsers, in Node and in every other runtime with vectors of 128
    bits (`simd128`). A model of "model.wasm" is run by "model.js"; the types are in "model.d.ts".

    Parameters
    ----------
    model : Recurrent, or a trained estimator
        A layer of one direction, or a classifier, regressor, tagger, language model or forecaster of such layers.
    path : path
        The module to write, a name that ends in ".wasm".

    Raises
    ------
    ArgumentError
        If the model has no steps or reads what a step does not have, a weight is no finite number, or the name has
        another ending.
    ModelFolderError
        If a file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".wasm":
        raise ArgumentError(f"a WebAssembly module is to be written to {path}: give a name that ends in .wasm")
    check_weights(model)
    module = _module(model)
    about = json.loads(custom(module, NOTE))
    write_atomically(path.with_suffix(".d.ts"), types_of(about))
    write_atomically(path.with_suffix(".js"), files("ricorda.export.to_wasm").joinpath("model.js").read_text("utf-8"))
    write_atomically(path, module)


def _module(model: Any) -> bytes:
    if getattr(model, "TASK", "") == "forecast" and hasattr(model, "network_"):
        return module_of_forecaster(model)
    network = network_of(model, WAY)
    if network.bidirectional:
        refuse(WAY, "what reads in both directions", "train it in one (bidirectional=False, --one-direction)")
    if network.attention is not None:
        refuse(WAY, "a model that weighs all steps at the end", "train it with --pooling max, mean or last")
    return module_of(network)
