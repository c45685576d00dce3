"""A network's weights as a file holds them: a tied weight, which has several names, is stored once."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def named_weights(network: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers, a tied one under the first of its names."""
    first_names = _first_names(network)
    return {name: tensor for name, tensor in network.state_dict().items() if first_names[name] == name}


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network, which may lie on the meta device, the weights that `named_weights` returned.

    Raises
    ------
    RuntimeError
        If one is missing, of another shape, or belongs nowhere; torch's own.
    """
    buffers = {name for name, _ in network.named_buffers()}
    weights = {name: value if name in buffers else nn.Parameter(value) for name, value in tensors.items()}
    first_names = _first_names(network)
    others = {name: weights[first] for name, first in first_names.items() if name != first and first in weights}
    network.load_state_dict({**weights, **others}, assign=True)  # one parameter under two names ties them again


def _first_names(network: nn.Module) -> dict[str, str]:
    """The first name of the tensor that each name stands for."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(value), name) for name, value in network.state_dict(keep_vars=True).items()}
