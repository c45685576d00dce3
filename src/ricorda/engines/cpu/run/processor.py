"""The target of a run: products are rounded only where machine code for them can be had."""

from __future__ import annotations

import warnings
from functools import cache

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.compile import without_code
from ricorda.engines.cpu.words import target
from ricorda.engines.cpu.words.target import Target


def processor_for(x: Tensor, factors: str = "") -> Target:
    """The target for an input x [T, B, I].

    Parameters
    ----------
    factors : what the factors of float32 products are rounded to, see `Manner`
    """
    few = x.shape[1] <= target.FEW
    if x.dtype == torch.float64 or not factors:
        return target.host("f64" if x.dtype == torch.float64 else "f32", few=few)
    return able(target.host("f32", factors, few=few))


@cache
def able(rounding: Target) -> Target:
    """The same processor, but with products in full precision if no code can be had for rounded ones, as is said."""
    error = without_code(rounding)
    if error is None:
        return rounding
    say(f"products are not rounded to {rounding.products} here, as no machine code for them can be had ({error})")
    return rounding.in_full()


@cache
def say(sentence: str) -> None:
    """Warn once, though targets for few rows and for many have the same reason."""
    warnings.warn(sentence, UserWarning, stacklevel=2)
