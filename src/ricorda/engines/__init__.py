"""Engines run a program over a sequence. One contract, several implementations; `reference` is the oracle.

An engine's `run` takes one layer and one direction:

    run(program, parameters, x, states, *, lengths, reverse, record, seed, watch) -> Run

    parameters: name -> tensor, as `program.weights.layout` says       x: [T, B, I]
    states: a tensor [B, size] for each state                          lengths: int64 [B] on the CPU, or None (all T)
    seed: an int, from which the program's random masks come as `masks` says, alike in every engine
    watch: gets, in BPTT, each state's name and the norms [T, B] of the gradients of its new values

Steps beyond a row's length do not touch its states, and read as zero in every result.
"""

from typing import NamedTuple

from torch import Tensor


class Run(NamedTuple):
    """Output [T, B, size], final states [B, size] each, recorded values [T, B, size] each."""

    output: Tensor
    states: tuple[Tensor, ...]
    records: dict[str, Tensor]
