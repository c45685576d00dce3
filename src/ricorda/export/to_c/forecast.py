"""A forecaster in C: from a window in the series' own units to the steps after it.

It is `ForecastNetwork.forward` for one window, with the scaling of the series around it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ricorda.data.beside import NOTHING
from ricorda.export.model import Network, refuse
from ricorda.export.stages import Array
from ricorda.export.step import steps_of
from ricorda.export.to_c.header import Code, Header, Layers, check_name, finished
from ricorda.export.to_c.parts import function
from ricorda.export.to_c.step import Constants, product
from ricorda.export.to_c.text import single
from ricorda.tasks.forecast.heads import LEAST_DEVIATION
from ricorda.tasks.forecast.network import LEAST_VARIANCE


def write_forecaster(model: Any, name: str, int8: bool) -> Header:
    """The header of a trained forecaster.

    Raises
    ------
    ArgumentError
        If it has covariates, or its cell reads more than the values.
    """
    check_name(name)
    network, sizes = model.network_, model.network_.sizes
    if sizes.covariates:
        refuse("C", "a forecaster with covariates", "train it without, or export it as WebAssembly or ONNX")
    if network.beside != NOTHING:
        refuse("C", "a forecaster whose cell reads what is missing", "choose another cell, or export it as ONNX")
    plain = Network("forecast", None, steps_of(network.layers))
    code = Code(Constants(int8))
    layers = Layers(plain, code)
    code.functions.append(function("void $begin($state *s)", layers.resets))
    targets, rows = len(sizes.targets), sizes.steps * network.output_size
    code.members += [f"float x[{plain.layers[0][0].inputs[_first(plain)]}];", f"float row[{rows}];"]
    code.members += [f"float normal[{sizes.variables * sizes.context}];"]
    code.members += [f"float mean[{sizes.variables}];", f"float deviation[{sizes.variables}];"]
    code.members += [f"float scratch[{layers.scratch}];"]
    code.sizes = {"CONTEXT": sizes.context, "VARIABLES": sizes.variables, "STEPS": sizes.steps, "TARGETS": targets}
    code.sizes["NUMBERS"] = network.head.size
    constants = code.constants
    constants.add("target", np.array(sizes.targets, np.int32))
    constants.add("mean", model.facts_.scaling.variables.mean.astype(np.float32))
    constants.add("scale", model.facts_.scaling.variables.scale.astype(np.float32))
    says = {"point": "the number", "quantile": "the quantiles, rising", "gaussian": "mean and standard deviation"}
    code.public(
        "Forecast the steps after a window [CONTEXT][VARIABLES], both in the series' own units:\n"
        f"   y [STEPS][TARGETS][NUMBERS] gets {says[network.head.kind]} of each.",
        "void $predict($state *s, const float *past, float *y)",
        [
            "int v, t, p, f, row;",
            *_normalised(network, constants),
            *_read(network, layers, constants),
            *_said(network, constants),
        ],
    )
    return finished(code, name, plain)


def _first(network: Network) -> str:
    return next(iter(network.layers[0][0].inputs))


def _array(tensor: Any) -> Array:
    result: Array = tensor.detach().float().cpu().numpy()
    return result


def _normalised(network: Any, constants: Constants) -> list[str]:
    """Statements that bring the window into `normal` [variables][context], and keep by what it was normalised."""
    C, V = network.sizes.context, network.sizes.variables
    lines = [
        f"float *normal = s->normal + v * {C}, mean = 0.0f, deviation = 1.0f;",
        f"for (t = 0; t < {C}; ++t)",
        f"    normal[t] = (past[t * {V} + v] - $mean[v]) / $scale[v];",
    ]
    if network.window:
        lines += [
            "deviation = 0.0f;",
            f"for (t = 0; t < {C}; ++t)",
            "    mean += normal[t];",
            f"mean /= {single(C)};",
            f"for (t = 0; t < {C}; ++t)",
            "    deviation += (normal[t] - mean) * (normal[t] - mean);",
            f"deviation = $sqrt(deviation / {single(C)} + {single(LEAST_VARIANCE)});",
            f"for (t = 0; t < {C}; ++t)",
            "    normal[t] = (normal[t] - mean) / deviation;",
        ]
    if network.gain is not None:
        gain, shift = constants.add("gain", _array(network.gain)), constants.add("shift", _array(network.shift))
        lines += [
            f"for (t = 0; t < {C}; ++t)",
            f"    normal[t] = normal[t] * {gain}[v] + {shift}[v];",
            f"deviation /= {gain}[v] + {single(LEAST_VARIANCE**2)};",
            f"mean -= {shift}[v] * deviation;",
        ]
    lines += ["s->mean[v] = mean;", "s->deviation[v] = deviation;"]
    return [f"for (v = 0; v < {V}; ++v) {{", *(f"    {line}" for line in lines), "}"]


def _read(network: Any, layers: Layers, constants: Constants) -> list[str]:
    """Statements that run the layers over the patches of each row, and put their output into `y`."""
    sizes, size, targets = network.sizes, network.head.size, len(network.sizes.targets)
    rows, together = (targets, 1) if network.independent else (1, sizes.variables)
    variable = "$target[row]" if network.independent else "f"
    per_step = 1 if network.independent else targets
    head = product(
        constants,
        "output",
        "s->row[{}]",
        [layers.output],
        [_array(network.output.weight)],
        _array(network.output.bias),
    )
    count = per_step * size
    lines = [
        "$begin(s);",
        f"for (p = 0; p < {sizes.context}; p += {sizes.patch}) {{",
        f"    for (f = 0; f < {together}; ++f)",
        f"        for (t = 0; t < {sizes.patch}; ++t)",
        f"            s->x[f * {sizes.patch} + t] = s->normal[{variable} * {sizes.context} + p + t];",
        *(f"    {call}" for call in layers.calls("s->x")),
        "}",
        *head,
        f"for (t = 0; t < {sizes.steps}; ++t)",
        f"    for (f = 0; f < {count}; ++f)",
        f"        *(volatile float *)&y[(t * {targets} + row) * {size} + f] = s->row[t * {count} + f];",
    ]
    return [f"for (row = 0; row < {rows}; ++row) {{", *(f"    {line}" for line in lines), "}"]


def _said(network: Any, constants: Constants) -> list[str]:
    """Statements that add the linear map to `y`, and bring it into the series' own units."""
    sizes, kind, size = network.sizes, network.head.kind, network.head.size
    lines = [
        "const float mean = s->mean[$target[row]], deviation = s->deviation[$target[row]];",
        f"float *said = y + (t * {len(sizes.targets)} + row) * {size}, own = 0.0f;",
        "v = $target[row];",
    ]
    if network.autoregression is not None:
        weight = constants.add("own_weight", _array(network.autoregression.weight))
        bias = constants.add("own_bias", _array(network.autoregression.bias))
        lines += [
            f"own = {bias}[t];",
            f"for (p = 0; p < {sizes.context}; ++p)",
            f"    own += {weight}[t][p] * s->normal[v * {sizes.context} + p];",
        ]
    if kind == "gaussian":
        lines += [
            "said[0] = ((said[0] + own) * deviation + mean) * $scale[v] + $mean[v];",
            f"said[1] = ($softplus(said[1]) * $abs(deviation) + {single(LEAST_DEVIATION)}) * $scale[v];",
        ]
    else:
        lines += [
            f"for (f = 0; f < {size}; ++f) {{",
            "    const float here = ((said[f] + own) * deviation + mean) * $scale[v] + $mean[v];",
            "    for (p = f; p > 0 && said[p - 1] > here; --p)",
            "        said[p] = said[p - 1];",
            "    said[p] = here;",
            "}",
        ]
    return [
        f"for (row = 0; row < {len(sizes.targets)}; ++row)",
        f"    for (t = 0; t < {sizes.steps}; ++t) {{",
        *(f"        {line}" for line in lines),
        "    }",
    ]
