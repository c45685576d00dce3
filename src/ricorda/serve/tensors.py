"""Tensors of the Open Inference Protocol: in JSON, or behind it as bytes (the binary tensor extension).

https://github.com/kserve/open-inference-protocol, and "Binary tensor data extension" of Triton's server.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from ricorda.serve.refused import RefusedError

Array = np.ndarray[Any, np.dtype[Any]]

LENGTH = "inference-header-content-length"
"""The header that says how many bytes the JSON before binary tensors has."""

DTYPES = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


@dataclass(frozen=True)
class Asked:
    """An inference request.

    Parameters
    ----------
    inputs : arrays by name; of BYTES, arrays of str
    outputs : names that are wanted, each with whether as bytes; None for all
    parameters : of the request
    """

    id: str
    inputs: dict[str, Array]
    outputs: dict[str, bool] | None
    parameters: dict[str, Any]

    def binary(self, name: str) -> bool:
        """Whether an output is wanted as bytes."""
        if self.outputs is not None:
            return self.outputs[name]
        return self.parameters.get("binary_data_output") is True


def read(body: bytes, length: str | None) -> Asked:
    """A request's body; raises RefusedError with 400 if it is not put together as it has to be."""
    if length is not None and not (length.isdigit() and int(length) <= len(body)):
        raise RefusedError(400, f"the header Inference-Header-Content-Length is {length!r:.20}: give the JSON's bytes")
    split = len(body) if length is None else int(length)
    try:
        value = json.loads(body[:split])
    except (ValueError, RecursionError):
        raise RefusedError(400, "the request is no JSON: send an inference request") from None
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), list) or not value["inputs"]:
        raise RefusedError(400, "the request has no list inputs: send at least one tensor")
    rest, inputs = body[split:], dict[str, Array]()
    for tensor in value["inputs"]:
        name, array, used = _tensor(tensor, rest)
        inputs[name], rest = array, rest[used:]
    if rest:
        raise RefusedError(
            400, f"{len(rest):,} bytes behind the JSON belong to no tensor: name them by binary_data_size"
        )
    parameters = value.get("parameters", {})
    if not isinstance(parameters, dict):
        raise RefusedError(400, "parameters is no object: give names and values")
    return Asked(str(value.get("id", "")), inputs, _outputs(value.get("outputs")), parameters)


def _outputs(wanted: Any) -> dict[str, bool] | None:
    if wanted is None or wanted == []:
        return None
    names: dict[str, bool] = {}
    for one in wanted if isinstance(wanted, list) else [None]:
        name = one.get("name") if isinstance(one, dict) else None
        parameters = one.get("parameters", {}) if isinstance(one, dict) else None
        if not isinstance(parameters, dict) or not isinstance(name, str):
            raise RefusedError(400, "outputs is no list of objects with a name: leave it out for all outputs")
        names[name] = parameters.get("binary_data") is True
    return names


def _tensor(tensor: Any, rest: bytes) -> tuple[str, Array, int]:
    """Name and value of a tensor, and how many of the bytes behind the JSON it has."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise RefusedError(400, "an input has no name: send name, shape, datatype and data")
    name, shape, kind = tensor["name"], tensor.get("shape"), tensor.get("datatype")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 8:
        raise RefusedError(400, f"the input {name!r:.40} has no shape: give a list of whole numbers")
    if kind != "BYTES" and kind not in DTYPES:
        raise RefusedError(
            400, f"the input {name!r:.40} has the datatype {kind!r:.20}: give one of BYTES, {', '.join(DTYPES)}"
        )
    parameters, count = tensor.get("parameters", {}), math.prod(shape)
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    wrong = RefusedError(400, f"the input {name!r:.40} does not hold {count:,} values of {kind}, as its shape says")
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(rest):
            raise RefusedError(400, f"the input {name!r:.40} has a binary_data_size that the body has not")
        array = _texts(rest[:size], wrong) if kind == "BYTES" else _numbers(rest[:size], kind, wrong)
    else:
        size, array = 0, _listed(tensor.get("data"), kind, wrong)
    if array.size != count:
        raise wrong
    return name, array.reshape(shape), size


def _numbers(data: bytes, kind: str, wrong: RefusedError) -> Array:
    dtype = np.dtype(DTYPES[kind])
    if len(data) % dtype.itemsize:
        raise wrong
    return np.frombuffer(data, dtype)


def _texts(data: bytes, wrong: RefusedError) -> Array:
    """Texts, each behind its length in four bytes."""
    texts, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at) if at + 4 <= len(data) else (len(data),)
        at += 4
        if at + length > len(data):
            raise wrong
        texts.append(_decoded(data[at : at + length]))
        at += length
    return _objects(texts)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RefusedError(400, "a text of an input is no UTF-8: encode it") from None


def _listed(data: Any, kind: str, wrong: RefusedError) -> Array:
    """The values of a list, which may be nested."""
    flat: list[Any] = []
    todo = [data]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo.extend(reversed(value))
        else:
            flat.append(value)
    if kind == "BYTES":
        if not all(isinstance(value, str) for value in flat):
            raise wrong
        return _objects(flat)
    if not all(isinstance(value, bool | int | float) for value in flat):
        raise wrong
    try:
        with np.errstate(over="ignore"):
            return np.array(flat, DTYPES[kind]) if flat else np.zeros(0, DTYPES[kind])
    except (OverflowError, ValueError, TypeError):
        raise wrong from None


def _objects(texts: list[str]) -> Array:
    array: Array = np.empty(len(texts), object)
    array[:] = texts
    return array


def write(name: str, asked: Asked, outputs: dict[str, Array]) -> tuple[bytes, dict[str, str]]:
    """The body of a response and its headers; outputs are arrays of numbers, or of str."""
    wanted = outputs if asked.outputs is None else asked.outputs
    tensors, binary = [], []
    for output in wanted:
        if output not in outputs:
            raise RefusedError(422, f"there is no output {output!r:.40}: the model has {', '.join(outputs)}")
        array = outputs[output]
        kind = (
            "BYTES" if array.dtype == object else next(kind for kind, dtype in DTYPES.items() if array.dtype == dtype)
        )
        tensor: dict[str, Any] = {"name": output, "datatype": kind, "shape": list(array.shape)}
        if asked.binary(output):
            texts = (text.encode("utf-8", "backslashreplace") for text in array.ravel()) if kind == "BYTES" else ()
            data = b"".join(struct.pack("<I", len(t)) + t for t in texts) if kind == "BYTES" else array.tobytes()
            binary.append(data)
            tensor["parameters"] = {"binary_data_size": len(data)}
        else:
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    said = {"model_name": name, "model_version": "1", "outputs": tensors}
    head = json.dumps({**said, **({"id": asked.id} if asked.id else {})}).encode()
    if not binary:
        return head, {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", LENGTH: str(len(head))}
    return head + b"".join(binary), headers
