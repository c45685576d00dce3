"""A C program that compares an exported header with what the model says in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.export.model import Network, Numbers, Tokens
from ricorda.export.to_c.text import array

STEPS = 20
LIMIT, LIMIT_INT8 = 1e-5, 0.1
"""Largest error, of the largest number that is expected; matrices of 8 bits are less exact."""


def program(model: Any, network: Network, header: str, name: str, int8: bool) -> str:
    """The program; it prints the largest error, and ends with 1 if that is too large.

    Parameters
    ----------
    model : what was exported
    header : the file's name, as the program includes it
    """
    beside = dict(list(network.layers[0][0].inputs.items())[1:]) if network.reads is None else {}
    inputs, others = _drawn(network), {key: _random(size, 1) ** 2 for key, size in beside.items()}
    expected = _expected(model, network, inputs, others)
    every = expected.ndim == 2  # An output at each step, rather than one at the end.
    kind = "int" if inputs.dtype == np.int32 else "float"
    arrays = [array(kind, "x", inputs), array("float", "expected", expected)]
    arrays += [array("float", f"beside{number}", values) for number, values in enumerate(others.values())]
    given = ", ".join(["x[t]", *(f"beside{number}[t]" for number in range(len(others)))])
    size = expected.shape[-1]
    at = "expected[t][i]" if every else "expected[i]"
    last = "" if every else f"        if (t < {STEPS - 1})\n            continue;\n"
    limit = LIMIT_INT8 if int8 else LIMIT
    return f"""\
/* Compares {header} with the numbers that ricorda gave in Python: cc -std=c99 -ffp-contract=off THIS.c && ./a.out */
#include <stdio.h>

#define {name.upper()}_IMPLEMENTATION
#include "{header}"

{"".join(arrays)}
int main(void)
{{
    static {name}_state state;
    static float y[{size}];
    float error, worst = 0.0f, most = 1.0f;
    int t, i;
    {name}_reset(&state);
    for (t = 0; t < {STEPS}; ++t) {{
        {name}_step(&state, {given}, y);
{last}        for (i = 0; i < {size}; ++i) {{
            error = y[i] > {at} ? y[i] - {at} : {at} - y[i];
            worst = error <= worst ? worst : error;
            most = {at} > most ? {at} : -{at} > most ? -{at} : most;
        }}
    }}
    printf("largest error %g of %g\\n", (double)worst, (double)most);
    return worst <= most * {limit:g}f ? 0 : 1;
}}
"""


def forecast(model: Any, header: str, name: str, int8: bool) -> str:
    """The program of a forecaster; see `program`."""
    sizes, scaling = model.network_.sizes, model.facts_.scaling.variables
    past = np.random.default_rng(0).standard_normal((sizes.context, sizes.variables)) * scaling.scale + scaling.mean
    standard = torch.from_numpy(scaling.standardise(past)).to(next(model.network_.parameters()))
    nothing = standard.new_zeros(1, 0, sizes.context)
    with torch.no_grad():
        said = model.network_(standard.T[None], nothing, nothing[..., : sizes.steps])[0].transpose(0, 1)
    chosen = scaling.part([*sizes.targets])
    expected = said.double().cpu().numpy() * chosen.scale[:, None]
    expected[..., : 1 if model.head == "gaussian" else None] += chosen.mean[:, None]  # Not of a deviation.
    flat = expected.reshape(-1).astype(np.float32)
    limit = LIMIT_INT8 if int8 else LIMIT
    return f"""\
/* Compares {header} with the numbers that ricorda gave in Python: cc -std=c99 -ffp-contract=off THIS.c && ./a.out */
#include <stdio.h>

#define {name.upper()}_IMPLEMENTATION
#include "{header}"

{array("float", "past", past.reshape(-1).astype(np.float32))}{array("float", "expected", flat)}
int main(void)
{{
    static {name}_state state;
    static float y[{len(flat)}];
    float error, worst = 0.0f, most = 1.0f;
    int i;
    {name}_predict(&state, past, y);
    for (i = 0; i < {len(flat)}; ++i) {{
        error = y[i] > expected[i] ? y[i] - expected[i] : expected[i] - y[i];
        worst = error <= worst ? worst : error;
        most = expected[i] > most ? expected[i] : -expected[i] > most ? -expected[i] : most;
    }}
    printf("largest error %g of %g\\n", (double)worst, (double)most);
    return worst <= most * {limit:g}f ? 0 : 1;
}}
"""


def _random(size: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((STEPS, size)).astype(np.float32)


def _drawn(network: Network) -> NDArray[Any]:
    """Steps to read: token numbers [T], or numbers [T, I] like those of the training."""
    reads = network.reads
    if isinstance(reads, Tokens):
        return np.random.default_rng(0).integers(1, len(reads.embedding), STEPS).astype(np.int32)
    if isinstance(reads, Numbers):
        drawn = _random(len(reads.mean), 0) * reads.scale + reads.mean
        if reads.beside.column is not None:
            drawn[:, reads.beside.column] = np.abs(drawn[:, reads.beside.column])
        return drawn.astype(np.float32)
    drawn = _random(next(iter(network.layers[0][0].inputs.values())), 0)
    return (drawn > 0).astype(np.float32) if network.gives == "keys" else drawn


def _expected(model: Any, network: Network, inputs: NDArray[Any], others: dict[str, Any]) -> NDArray[np.float32]:
    """What the model gives: [T, O], or [O] for one thing of the whole."""
    steps = torch.from_numpy(inputs)
    with torch.no_grad():
        if network.task == "layer":
            beside = {name: torch.from_numpy(values) for name, values in others.items()}
            return _array(_layer(model, steps, beside))
        module = model.network_
        one = steps.long()[:, None] if isinstance(network.reads, Tokens) else steps[:, None]
        if isinstance(network.reads, Numbers) and network.reads.beside.mask:
            one = torch.cat([one, torch.ones_like(one)], dim=2)
        if network.task == "language":
            outputs, _ = module(one, None)
            scores = module.output(outputs[:, 0])
        elif network.task == "tag":
            x = module.embedding(one) if isinstance(network.reads, Tokens) else one
            scores = module(x, torch.tensor([STEPS]))[:, 0]
        else:
            one = one[: network.most]
            scores = module(one, torch.tensor([len(one)]))[0]
        if network.gives == "classes":
            scores = scores.softmax(-1)
        elif network.gives == "keys":
            scores = scores.sigmoid()
        else:
            scores = scores * torch.from_numpy(network.scale) + torch.from_numpy(network.shift)
    return _array(scores)


def _layer(layer: Any, steps: Tensor, beside: dict[str, Tensor]) -> Tensor:
    """The outputs [T, O] of a layer in evaluation."""
    weight, training = next(layer.parameters()), layer.training
    time = 1 if layer.batch_first else 0
    others = {name: values.to(weight).unsqueeze(1 - time) for name, values in beside.items()}
    layer.eval()
    try:
        output: Tensor = layer(steps.to(weight).unsqueeze(1 - time), inputs=others)[0]
    finally:
        layer.train(training)
    return output.squeeze(1 - time)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = tensor.float().cpu().numpy()
    return result
