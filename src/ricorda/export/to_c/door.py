"""`ricorda.export.c`: a trained model or a layer as one header in C99."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

from ricorda.export.model import check_weights, network_of
from ricorda.export.to_c import golden
from ricorda.export.to_c.forecast import write_forecaster
from ricorda.export.to_c.header import write
from ricorda.files import write_atomically


def c(
    model: Any,
    path: str | PathLike[str],
    *,
    name: str = "model",
    int8: bool = False,
    test: str | PathLike[str] | None = None,
) -> None:
    """Write a model as one header in C99.

    The header needs no library: no malloc, no stdio, no libm. All that a sequence needs is in a `NAME_state`, so
    several can be read at a time.

    Parameters
    ----------
    model : Recurrent, or a trained estimator
        A layer of one direction, or a model of such layers.
    path : path
        The file to write.
    name : str
        What the names in the header begin with.
    int8 : bool
        Whether matrices are kept as whole numbers of 8 bits with a scale a row: a quarter of the size. States stay
        float.
    test : path, optional
        A C program to write too: it compares what the header gives with what the model gives here.

    Raises
    ------
    ArgumentError
        If it cannot be written as C: it reads in both directions, translates, or has parts of neither; or if a
        weight is no finite number.
    ModelFolderError
        If the file cannot be written.
    """
    check_weights(model)
    include = "" if test is None else Path(os.path.relpath(path, Path(test).parent)).as_posix()
    if getattr(model, "TASK", "") == "forecast" and hasattr(model, "network_"):
        header = write_forecaster(model, name, int8)
        program = golden.forecast(model, include, name, int8) if include else ""
    else:
        network = network_of(model, "C")
        header = write(network, name, int8)
        program = golden.program(model, network, include, name, int8) if include else ""
    write_atomically(path, header.text)
    if test is not None:
        write_atomically(test, program)
