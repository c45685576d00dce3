"""An exported file on ONNX Runtime, and what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.errors import ArgumentError, DataError
from ricorda.export.to_onnx.serial import MOST_BYTES
from ricorda.export.to_onnx.signature import PREFIX, Carried

Array = NDArray[Any]
Arrays = dict[str, Array]


_TYPES = {
    "tensor(int64)": np.int64,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
}


class Session:
    """A file that ONNX Runtime has opened.

    Parameters
    ----------
    path : path
        The file.

    Attributes
    ----------
    carried : list of Carried
        The states that go from one call to the next.

    Raises
    ------
    ArgumentError
        If the package onnxruntime is missing.
    DataError
        If there is no such file, it is no model of ONNX, or `ricorda.export.onnx` has not written it.
    """

    def __init__(self, path: Path) -> None:
        if find_spec("onnxruntime") is None:
            raise ArgumentError("the package onnxruntime is missing: install it with `pip install 'ricorda[onnx]'`")
        import onnxruntime

        self.path = path
        try:
            size = path.stat().st_size
            if size > MOST_BYTES:
                raise DataError(f"{path} has {size:,} bytes, and a file of ONNX holds up to 2 GB: it is none")
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): give a file of `ricorda export onnx`") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # What is wrong is said once, below.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # Its threads would go on spinning.
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no common base of their own.
            reason = " ".join(str(error).split())
            raise DataError(
                f"{path} is no model that ONNX Runtime can open, or it is damaged ({reason:.120}): export it again"
            ) from None
        self._metadata = self._session.get_modelmeta().custom_metadata_map
        if f"{PREFIX}task" not in self._metadata:
            raise DataError(f"{path} is a model of ONNX that ricorda did not write: give one of `ricorda export onnx`")
        inputs = self._session.get_inputs()
        self.shapes = {value.name: value.shape for value in inputs}
        self._types = {value.name: _TYPES[value.type] for value in inputs}
        self._outputs = [value.name for value in self._session.get_outputs()]
        self.carried = self._states() if f"{PREFIX}states" in self._metadata else []

    def _states(self) -> list[Carried]:
        try:
            return [Carried(str(one["input"]), str(one["output"]), float(one["begins"])) for one in self.says("states")]
        except (LookupError, TypeError, ValueError):
            raise DataError(f"{self.path} has no states as {PREFIX}states in its metadata: export it again") from None

    def text(self, key: str) -> str:
        """A text of the metadata."""
        try:
            return str(self._metadata[f"{PREFIX}{key}"])
        except KeyError:
            raise DataError(f"{self.path} lacks {PREFIX}{key} in its metadata: export it again") from None

    def says(self, key: str) -> Any:
        """What the metadata has in JSON."""
        try:
            return json.loads(self.text(key))
        except (json.JSONDecodeError, RecursionError):
            raise DataError(f"{self.path} has no JSON as {PREFIX}{key} in its metadata: export it again") from None

    def run(self, feeds: Mapping[str, Any]) -> Arrays:
        """The outputs by name, for inputs by name; tensors become arrays of the types that the file reads."""
        arrays: Arrays = {name: np.ascontiguousarray(feeds[name], type) for name, type in self._types.items()}
        return dict(zip(self._outputs, self._session.run(None, arrays), strict=True))

    def begin(self, rows: int) -> Arrays:
        """The states before the first step, for so many rows."""
        states: Arrays = {}
        for name, _, number in self.carried:
            shape = [size if isinstance(size, int) else rows for size in self.shapes[name]]
            states[name] = np.full(shape, number, self._types[name])
        return states

    def go_on(self, said: Arrays) -> Arrays:
        """The states for the next call, from the outputs of this one."""
        return {state.input: said[state.output] for state in self.carried}

    def step_by_step(self, feeds: Mapping[str, Any], states: Arrays | None = None) -> tuple[Arrays, Arrays]:
        """The outputs [T, B, ...] of inputs [T, B, ...], by a file of the form "step"; and the states afterwards."""
        steps, rows = next(iter(feeds.values())).shape[:2]
        states = self.begin(rows) if states is None else states
        said: list[Arrays] = []
        for step in range(steps):
            said.append(self.run({**{name: values[step] for name, values in feeds.items()}, **states}))
            states = self.go_on(said[-1])
        carried = {state.output for state in self.carried}
        return {name: np.stack([one[name] for one in said]) for name in said[0].keys() - carried}, states
