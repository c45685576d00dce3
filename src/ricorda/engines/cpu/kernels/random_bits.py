"""The random bits of masks as vector code; `ricorda.engines.masks` defines them."""

from __future__ import annotations

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.words.emit import I32, I64
from ricorda.engines.masks import GOLDEN32


def mix64(f: Frame, z: ir.Value) -> ir.Value:
    """The finaliser of splitmix64."""
    b = f.b
    z = b.mul(b.xor(z, b.lshr(z, I64(30))), I64(0xBF58476D1CE4E5B9))
    z = b.mul(b.xor(z, b.lshr(z, I64(27))), I64(0x94D049BB133111EB))
    return b.xor(z, b.lshr(z, I64(31)))


def random_mask(f: Frame, key: ir.Value, row: ir.Value, unit: ir.Value, probability: float) -> ir.Value:
    """A mask for a row and a vector of units: each is 0 with the probability, else 1.

    Parameters
    ----------
    key : the key before the row is mixed in: it depends on the seed, the mask's stream and the step
    """
    b, lanes = f.b, f.target.lanes
    own = mix64(f, b.add(key, b.load(f.e.at(f.pointer("row numbers", I64), row))))
    kind = ir.VectorType(I32, lanes)

    def all_lanes(number: int) -> ir.Constant:
        return ir.Constant(kind, [number] * lanes)

    def lowbias32(x: ir.Value) -> ir.Value:
        x = b.mul(b.xor(x, b.lshr(x, all_lanes(16))), all_lanes(0x7FEB352D))
        x = b.mul(b.xor(x, b.lshr(x, all_lanes(15))), all_lanes(0x846CA68B))
        return b.xor(x, b.lshr(x, all_lanes(16)))

    units = b.add(
        f.e.splat(b.mul(b.trunc(unit, I32), I32(GOLDEN32))),
        ir.Constant(kind, [lane * GOLDEN32 % 2**32 for lane in range(lanes)]),
    )
    low, high = f.e.splat(b.trunc(own, I32)), f.e.splat(b.trunc(b.lshr(own, I64(32)), I32))
    bits = lowbias32(b.add(lowbias32(b.xor(units, low)), high))
    kept = b.icmp_unsigned(">=", bits, all_lanes(int(probability * 2**32)))
    return b.select(kept, f.e.constant(1.0), f.e.constant(0.0))
