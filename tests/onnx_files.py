"""Exported files run on ONNX Runtime, in one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.nn import Recurrent

Array = NDArray[Any]


class OnnxFile:
    """A file that ONNX Runtime has opened."""

    def __init__(self, path: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    @classmethod
    def of(cls, model: Any) -> OnnxFile:
        """A model that is in no file."""
        return cls(model.SerializeToString())

    @property
    def inputs(self) -> dict[str, list[Any]]:
        """The shape of each input."""
        return {value.name: value.shape for value in self.session.get_inputs()}

    @property
    def outputs(self) -> dict[str, list[Any]]:
        """The shape of each output."""
        return {value.name: value.shape for value in self.session.get_outputs()}

    def __call__(self, **feeds: Any) -> dict[str, Array]:
        said = self.session.run(None, {name: np.asarray(values) for name, values in feeds.items()})
        return dict(zip(self.outputs, said, strict=True))


class Drawn:
    """Numbers for a layer: input, initial states, second inputs, lengths; and what the layer makes of them."""

    def __init__(self, layer: Recurrent, T: int, B: int, lengths: Sequence[int] | None = None, seed: int = 1) -> None:
        self.layer, self.generator = layer, torch.Generator().manual_seed(seed)
        self.dtype = next(iter(layer.state_dict().values())).dtype
        rows = (B, T) if layer.batch_first else (T, B)
        sizes, stack = layer.stack.sizes[0], layer.stack
        self.x = self._numbers(*rows, layer.input_size)
        self.inputs = {v.name: self._numbers(*rows, sizes[v.size]).abs() for v in layer.program.inputs[1:]}
        self.states = [self._numbers(entries, B, size) for entries, size in stack.states]
        self.lengths = None if lengths is None else torch.tensor(lengths)

    def _numbers(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator).to(self.dtype)

    def feeds(self) -> dict[str, Array]:
        """The inputs of the exported file."""
        lengths = {} if self.lengths is None else {"lengths": self.lengths}
        names = (f"{state.name}_in" for state in self.layer.program.states)
        states = dict(zip(names, self.states, strict=True))
        every: Mapping[str, Tensor] = {"input": self.x, **self.inputs, **states, **lengths}
        return {name: (t.float() if t.dtype.itemsize == 2 else t).numpy() for name, t in every.items()}

    def results(self, layer: Recurrent | None = None) -> dict[str, Array]:
        """What a layer says, by the names of the exported file; the layer itself by default."""
        layer = self.layer if layer is None else layer
        kind = next(iter(layer.state_dict().values())).dtype
        x, *states = (t.to(kind) for t in (self.x, *self.states))
        inputs = {name: t.to(kind) for name, t in self.inputs.items()}
        hx = tuple(states) if len(states) > 1 else states[0]
        with torch.no_grad():
            y, finals = layer(x, hx, lengths=self.lengths, inputs=inputs)
        finals = finals if isinstance(finals, tuple) else (finals,)
        names = [f"{state.name}_out" for state in layer.program.states]
        return {name: t.double().numpy() for name, t in {"output": y, **dict(zip(names, finals, strict=True))}.items()}


def difference(said: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    """The largest difference, relative to the largest number of each result."""
    assert list(said) == list(wanted)
    shares = []
    for name, values in wanted.items():
        assert said[name].shape == values.shape, name
        shares.append(float(np.abs(said[name] - values).max()) / max(float(np.abs(values).max()), 1e-30))
    return max(shares)


def off(said: Any, wanted: Any) -> float:
    """The largest difference of numbers, relative to the largest; infinite if anything else is not equal."""
    if isinstance(wanted, (str, bool)):
        return 0.0 if said == wanted else np.inf
    if isinstance(wanted, dict):
        return off(list(said.items()), list(wanted.items()))
    if wanted is None:
        return 0.0 if said is None else np.inf
    if isinstance(wanted, (list, tuple)):
        return max((off(a, b) for a, b in zip(said, wanted, strict=True)), default=0.0)
    said, wanted = np.asarray(said), np.asarray(wanted)
    return (
        float(np.abs(said - wanted).max() / max(np.abs(wanted).max(), 1e-9)) if said.shape == wanted.shape else np.inf
    )
