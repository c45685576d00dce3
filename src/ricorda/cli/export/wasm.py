"""`ricorda export wasm`: a model as a WebAssembly module."""

from __future__ import annotations

from ricorda.cli.options import ModelFolder, OutFile


def wasm(folder: ModelFolder, out: OutFile) -> None:
    """Write a model as a WebAssembly module, with an ES module beside it that runs it in browsers and in Node.

    For example:

      ricorda export wasm model --out model.wasm
    """
    from ricorda.export.to_wasm.door import wasm as write_wasm
    from ricorda.tasks.loading import load

    write_wasm(load(folder), out)
