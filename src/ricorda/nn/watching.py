"""How the gradient changes over time: BPTT itself records it, without a second pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from ricorda.nn.recurrent import Recurrent, Watcher


class GradientNorms:
    """The norms that the last backward pass within `watch_gradients` recorded for each layer.

    Attributes
    ----------
    norms : dict of dict of Tensor [num_layers, directions, T, B] ([..., B, T] with batch_first)
        Name of the layer in the module ("" for the module itself) and of the state to the norm of dL/ds_t over the
        units, for each step and row; 0 beyond a row's length.
    """

    def __init__(self) -> None:
        self.norms: dict[str, dict[str, Tensor]] = {}

    def watcher(self, name: str, layer: Recurrent) -> Watcher:
        """A function that keeps the norms of one layer."""

        def take(state: str, entry: int, norms: Tensor) -> None:
            directions = 2 if layer.bidirectional else 1
            shape = (layer.num_layers, directions, *norms.shape)
            states = self.norms.setdefault(name, {})
            if state not in states or states[state].shape != shape:
                states[state] = norms.new_zeros(shape)
            states[state][entry // directions, entry % directions] = norms

        return take


@contextmanager
def watch_gradients(module: nn.Module) -> Iterator[GradientNorms]:
    """Record the norms of the gradients of all states of a module's recurrent layers.

    The forward and the backward call must both be within:

        with watch_gradients(model) as flow:
            loss(model(x)).backward()
        flow.norms["rnn"]["h"]        # [num_layers, directions, T, B]

    Parameters
    ----------
    module : nn.Module
        A `Recurrent` layer, or a module that has some.
    """
    gradients = GradientNorms()
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, Recurrent)]
    before = [layer.watcher for _, layer in layers]
    for name, layer in layers:
        layer.watcher = gradients.watcher(name, layer)
    try:
        yield gradients
    finally:
        for (_, layer), watcher in zip(layers, before, strict=True):
            layer.watcher = watcher
