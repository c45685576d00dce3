"""`from_onnx`: the recurrent nodes of an ONNX file as layers."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ricorda.errors import DataError, RicordaError
from ricorda.nn.onnx_import.graph import Reader, Scope, recurrent_nodes, written_out
from ricorda.nn.onnx_import.node import OPERATORS, Array, Node, layer_of, read_node
from ricorda.nn.recurrent import Recurrent

if TYPE_CHECKING:
    import onnx

LARGEST = 2**31
"""Bytes of an ONNX file: its format cannot hold more; larger models keep their weights in files beside it."""


def from_onnx(path: str | os.PathLike[str]) -> dict[str, Recurrent]:
    """The recurrent layers of an ONNX file, whatever wrote it.

    Each LSTM, GRU and RNN node becomes a layer with the node's weights bit for bit, also those inside branches, loops
    and functions. Weights may be initialisers, constants, or made of these by the nodes that exporters write. What
    the node is given in each run is given to the layer's call: lengths as `lengths=`, initial states as `hx`.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    dict of str to Recurrent
        The layers by their nodes' names; by the name of the first output if a node has none. A node with
        `layout=1` gives a layer with `batch_first=True`. A layer's output has the directions side by side,
        [T, B, directions * H], where the node's Y is [T, directions, B, H].

    Raises
    ------
    DataError
        If the file cannot be read, has no such node, or a node cannot become a layer; the message names the node and
        what of it.

    Notes
    -----
    Where the operator's text leaves something open, it is done as ONNX Runtime does it: `input_forget` means f = 1 - i,
    and the clip does not act on the cell state. Where a gate of a cell here is 1 minus that of ONNX (`gru` and
    `lstm_coupled`), the signs of its weights are turned.
    """
    if find_spec("onnx") is None:
        raise DataError("from_onnx needs the package onnx: install it (pip install 'ricorda[onnx]')")
    path = Path(path)
    model = written_out(_parsed(path), path)
    reader = Reader(path, {entry.domain: entry.version for entry in model.opset_import})
    layers: dict[str, Recurrent] = {}
    others: set[str] = set()
    try:
        for node, scope in recurrent_nodes(model.graph, reader):
            name = node.name or next(filter(None, node.output), node.op_type)
            number, own = 2, name
            while own in layers:
                own, number = f"{name}_{number}", number + 1
            layers[own] = _layer(path, node, scope)
    except RecursionError:
        raise DataError(f"{path} is nested too deeply to be a model: export it again") from None
    if not layers:
        others = {node.op_type for node in model.graph.node}
        kinds = f"its operators are {', '.join(sorted(others))}"[:200] if others else "it has no node at all"
        raise DataError(f"{path} has no LSTM, GRU or RNN node ({kinds}): give a file with a recurrent network")
    return layers


def _parsed(path: Path) -> onnx.ModelProto:
    """The model that a file holds, without weights that stand in other files."""
    import onnx

    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder" if stat.S_ISDIR(about.st_mode) else "no plain file"
            raise DataError(f"{path} is {kind}: give an ONNX file")
        if about.st_size >= LARGEST:
            raise DataError(
                f"{path} has {about.st_size / 2**30:.1f} GB, and an ONNX file is smaller than 2: save its weights "
                "beside it (onnx.save with save_as_external_data=True)"
            )
        return onnx.load_model_from_string(path.read_bytes())
    except RicordaError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise DataError(f"{path} does not fit into the memory") from None
    except Exception:  # Protobuf's DecodeError, and whatever else damaged bytes lead to.
        raise DataError(f"{path} is no ONNX file, or a damaged one: export it again") from None


def _layer(path: Path, proto: onnx.NodeProto, scope: Scope) -> Recurrent:
    import onnx

    title = f"{path}: {proto.op_type} node {proto.name or next(filter(None, proto.output), '')!r:.80}"
    try:
        attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in proto.attribute}
    except ValueError:
        raise DataError(f"{title} has an attribute without a value: export it again") from None
    node = read_node(proto.op_type, title, attributes)
    return layer_of(node, _weights(node, proto, scope))


def _weights(node: Node, proto: onnx.NodeProto, scope: Scope) -> dict[str, Array]:
    """The node's weights, and what its states begin with where that is in the file and not zero."""
    names = dict(zip(OPERATORS[node.op].inputs, proto.input, strict=False))
    weights: dict[str, Array] = {}
    for name in ("W", "R", "B", "P"):
        if names.get(name):
            values = scope.constant(names[name])
            if values is None:
                raise DataError(
                    f"{node.title} has {name} from the value {names[name]!r:.60}, which is computed in each run: a "
                    "layer's weights are constants"
                )
            weights[name] = values
        elif name in ("W", "R"):
            raise DataError(f"{node.title} has no {name}: export it again")
    states = OPERATORS[node.op].states
    initial = {name: scope.constant(names[name]) for name in states if names.get(name)}
    if any(values is not None and values.any() for values in initial.values()):
        for name in states:
            weights[name] = _beginning(node, name, initial.get(name), weights["R"])
    return weights


def _beginning(node: Node, name: str, values: Array | None, R: Array) -> Array:
    """What a state begins with, [D, H], from a constant [D, B, H] ([B, D, H] if B is first)."""
    import numpy as np

    if values is None:
        return np.zeros((node.directions, R.shape[-1]), R.dtype)
    if values.ndim != 3:
        raise DataError(f"{node.title} has {name} of shape {list(values.shape)}, and it has 3 dimensions")
    rows = values.transpose(1, 0, 2) if node.batch_first else values
    if rows.shape[1] < 1 or (rows != rows[:, :1]).any():
        raise DataError(
            f"{node.title} has {name} with another constant for each row of a batch: give it to the layer as hx"
        )
    first: Any = rows[:, 0]
    return np.asarray(first)
