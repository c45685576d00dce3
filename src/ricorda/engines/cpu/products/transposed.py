"""A square of numbers transposed in registers."""

from __future__ import annotations

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import I32, Emitter


def transpose(e: Emitter, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square matrix, given by its rows; computed by perfect shuffles."""
    lanes = e.lanes
    kind = ir.VectorType(I32, lanes)
    low = ir.Constant(kind, [lane // 2 + lanes * (lane % 2) for lane in range(lanes)])
    high = ir.Constant(kind, [lanes // 2 + lane // 2 + lanes * (lane % 2) for lane in range(lanes)])
    step = lanes
    while step > 1:
        pairs = [(rows[i], rows[i + lanes // 2]) for i in range(lanes // 2)]
        rows = [e.b.shuffle_vector(a, b, order) for a, b in pairs for order in (low, high)]
        step //= 2
    return rows
