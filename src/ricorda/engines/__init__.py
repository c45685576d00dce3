"""Engines run a program over a sequence. One contract, several implementations; `reference` is the oracle.

An engine's `run` takes one layer and one direction:

    run(program, parameters, x, states, *, lengths, reverse, record, seed, watch) -> Run

    parameters: name -> tensor, as `program.weights.layout` says       x: [T, B, I]
    states: a tensor [B, size] for each state                          lengths: int64 [B] on the CPU, or None (all T)
    seed: an int, from which the program's random masks come as `masks` says, alike in every engine
    watch: gets, in BPTT, each state's name and the norms [T, B] of the gradients of its new values

The CPU engine takes the rest of `Manner` too.

Steps beyond a row's length do not touch its states, and read as zero in every result.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Manner(NamedTuple):
    """How a run is made, beside what it computes.

    Parameters
    ----------
    bf16 : whether the factors of float32 products are rounded to bf16; sums and states stay in float32
    checkpoint : "sqrt" or a number: the steps of the segments that BPTT runs again instead of keeping their values
    watch : gets, in BPTT, each state's name and the norms [T, B] of the gradients of its new values
    """

    bf16: bool = False
    checkpoint: str | int | None = None
    watch: Callable[[str, Tensor], None] | None = None


USUAL = Manner()
"""Full precision, all values kept, nobody watching."""


class Run(NamedTuple):
    """Output [T, B, size], final states [B, size] each, recorded values [T, B, size] each."""

    output: Tensor
    states: tuple[Tensor, ...]
    records: dict[str, Tensor]
