"""A network's weights as a file holds them: one that stands under several names (a tied one) only once."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers, a tied one under the first of its names."""
    first_names = _first_names(network)
    return {name: tensor for name, tensor in network.state_dict().items() if first_names[name] == name}


def put_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network, which may lie on the meta device, the weights that `weights_of` returned.

    Raises
    ------
    RuntimeError
        If one is missing, of another shape, or belongs nowhere; torch's own.
    """
    buffers = {name for name, _ in network.named_buffers()}
    weights = {name: each if name in buffers else nn.Parameter(each) for name, each in tensors.items()}
    first_names = _first_names(network)
    others = {name: weights[first] for name, first in first_names.items() if name != first and first in weights}
    network.load_state_dict({**weights, **others}, assign=True)  # one parameter under two names ties them again


def _first_names(network: nn.Module) -> dict[str, str]:
    """Of each name the first one that the same tensor stands under."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(each), name) for name, each in network.state_dict(keep_vars=True).items()}
