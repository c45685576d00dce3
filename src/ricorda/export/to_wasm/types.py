"""The types of a model for TypeScript, with what this model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
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
  step({arguments}): Float32Array;
  /** What the last step of a sequence gives, from a new start. */
  run(sequence: Iterable<{item}>): Float32Array;
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
}


def types_of(about: Mapping[str, Any]) -> str:
    """A module's types, from what it tells of itself."""
    kinds, params = [], []
    for given in about["inputs"]:
        if given["type"] == "i32":
            kinds.append("number")
            params.append(f"the number of a token, below {given['below']}; any other is read as unknown")
        else:
            kinds.append("number" if given["size"] == 1 else "ArrayLike<number>")
            params.append(f"{given['size']} number{'s' * (given['size'] > 1)}")
    names = [given["name"] for given in about["inputs"]]
    item = kinds[0] if len(kinds) == 1 else f"readonly [{', '.join(kinds)}]"
    size = about["output"]["size"]
    return _TEXT.format(
        title=f"{about['task']}, cell {about['cell']}",
        labels=", labels" if "labels" in about else "",
        params="\n".join(f"   * @param {name} {text}" for name, text in zip(names, params, strict=True)),
        returns=f"{size} number{'s' * (size > 1)}: {_GIVES[about['output']['gives']]}",
        arguments=", ".join(f"{name}: {kind}" for name, kind in zip(names, kinds, strict=True)),
        item=item,
    )
