"""The types of a model for TypeScript, with what this model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TEXT = """\
// The types of a model that `ricorda export wasm` wrote: {title}.

export interface Model {{
  /** What the module tells of itself: task, cell, inputs, output{labels}. */
  readonly about: Readonly<Record<string, any>>;
  /**
   * Take one step.
   *
{params}
   * @returns {returns}
   */
  step({arguments}): {array};
  /** What the last step of a sequence gives, from a new start. */
  run(sequence: Iterable<{item}>): {array};
  /** Start again: the next step begins a new sequence. */
  reset(): void;
  /** All that lasts from step to step, as bytes; set it to go on from there. */
  state: Uint8Array;
}}

/** Make a model of a module's bytes, of a response that has them, or of a compiled module. */
export function createModel(
  source: BufferSource | Response | WebAssembly.Module | Promise<BufferSource | Response>,
): Promise<Model>;
"""

_GIVES = {
    "vector": "the layer's output",
    "classes": "probabilities, together 1",
    "keys": "probabilities, one by one",
    "numbers": "in the units of the training",
    "point": "of each step ahead each target, in the units of the series",
    "quantile": "of each step ahead each target's quantiles, at the levels of about.levels, in the units of the series",
    "gaussian": "of each step ahead each target's mean and standard deviation, in the units of the series",
}


def types_of(about: Mapping[str, Any]) -> str:
    """A module's types, from what it tells of itself."""
    kinds, params = [], []
    for given in about["inputs"]:
        if given["type"] == "i32":
            kinds.append("number")
            params.append(f"the number of a token, below {given['below']}; any other is read as unknown")
        else:
            shape = given.get("shape", [given["size"]])
            kind = "number" if given["size"] == 1 else "ArrayLike<number>"
            kinds.append(kind if len(shape) == 1 else f"{kind} | ReadonlyArray<{kind}>")
            params.append(_shape(shape))
    names = [given["name"] for given in about["inputs"]]
    item = kinds[0] if len(kinds) == 1 else f"readonly [{', '.join(kinds)}]"
    output = about["output"]
    shape = _shape(output.get("shape", [output["size"]]))
    return _TEXT.format(
        title=f"{about['task']}, cell {about['cell']}",
        labels=", labels" if "labels" in about else "",
        params="\n".join(f"   * @param {name} {text}" for name, text in zip(names, params, strict=True)),
        returns=f"{shape}: {_GIVES[output['gives']]}",
        array="Float64Array" if output["type"] == "f64" else "Float32Array",
        arguments=", ".join(f"{name}: {kind}" for name, kind in zip(names, kinds, strict=True)),
        item=item,
    )


def _shape(shape: Sequence[int]) -> str:
    """How many numbers, in words."""
    if len(shape) > 1:
        return f"{' x '.join(map(str, shape))} numbers"
    return f"{shape[0]} number{'s' * (shape[0] > 1)}"
