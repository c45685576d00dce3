"""Before a stage in int8: the rows that its products multiply, rounded to bytes with a scale a row.

A row's scale is known when all of its units are, so this waits for whole rows as a reduction does.
"""

from __future__ import annotations

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.kernels.plan import Addresses, Plan
from ricorda.engines.cpu.products.library import declared


def emit_quantised(code: Code, plan: Plan, number: int) -> Frame | None:
    """Write `quantise<number>(step, low, row0, row1)`: the operands that no earlier stage of the step has rounded."""
    operands = plan.first_used(number)
    if code.target.products != "int8" or not operands:
        return None
    f = code.function(f"quantise{number}", numbers=4)
    step, low, row0, row1 = f.arguments
    addresses = Addresses(f, plan, step, low)
    for operand in operands:
        base, ld = addresses.in_full(operand)
        columns = f.number(plan.loop.lines[operand].size)
        f.call(declared(code, "quantise"), ld, columns, row0, row1, base, addresses.operand(operand)[0])
    f.finish()
    return f
