"""What was trained leaves Python: trained models and layers in forms that other programs run.

A function for each way out, imported when it is used: `ricorda.export.c(model, "model.h")`. Its code is in the package
`to_<way>` here. All ways read the same lowering of a cell, `export/step.py`; what a kind of model cannot do in a form
is refused in one sentence.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ricorda.export.backend import Backend
    from ricorda.export.to_c.door import c
    from ricorda.export.to_hub.door import hub
    from ricorda.export.to_onnx.door import onnx
    from ricorda.export.to_page.door import page
    from ricorda.export.to_wasm.door import wasm

__all__ = [
    "Backend",
    "c",
    "hub",
    "onnx",
    "page",
    "wasm",
]

_HOMES = {
    "ricorda.export.backend": ("Backend",),
    "ricorda.export.to_c.door": ("c",),
    "ricorda.export.to_hub.door": ("hub",),
    "ricorda.export.to_onnx.door": ("onnx",),
    "ricorda.export.to_page.door": ("page",),
    "ricorda.export.to_wasm.door": ("wasm",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ricorda.export' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
