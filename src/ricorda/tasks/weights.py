"""A network's weights in a file: a tied weight, which has several names, is stored once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ricorda.errors import ModelFolderError


def named_weights(network: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers; a tied one is under the first of its names."""
    first_names = _first_names(network)
    return {name: tensor for name, tensor in network.state_dict().items() if first_names[name] == name}


def check_weights(tensors: Mapping[str, Tensor], model: Any) -> None:
    """Hold the weights of a file to the sizes of an estimator, before anything of these sizes is built.

    Raises
    ------
    ModelFolderError
        If they are not numbers in float32, or too few for the sizes.
    """
    layers, units = int(model.num_layers), int(model.hidden_size)
    kinds = {tensor.dtype for tensor in tensors.values()} - {torch.int32}  # Whole numbers name grams of a wide part.
    right = kinds == {torch.float32} and layers <= len(tensors)
    if not right or layers * units > sum(tensor.numel() for tensor in tensors.values()):
        raise ModelFolderError(f"its weights are not those of {layers} layers of {units} units, in float32")
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ModelFolderError(f"its weight {name!r:.80} holds NaN or infinity")


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network, which may lie on the meta device, the weights that `named_weights` returned.

    Raises
    ------
    RuntimeError
        If a weight is missing, of another shape, or unknown; the error is torch's own.
    """
    buffers = {name for name, _ in network.named_buffers()}
    weights = {name: value if name in buffers else nn.Parameter(value) for name, value in tensors.items()}
    first_names = _first_names(network)
    others = {name: weights[first] for name, first in first_names.items() if name != first and first in weights}
    network.load_state_dict({**weights, **others}, assign=True)  # One parameter under two names ties them again.


def _first_names(network: nn.Module) -> dict[str, str]:
    """For each name, the first name of the same tensor."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(value), name) for name, value in network.state_dict(keep_vars=True).items()}
