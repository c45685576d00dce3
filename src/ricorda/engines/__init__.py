"""Engines run a program over a sequence. One contract, several implementations; `reference` is the oracle.

An engine is a module or an object that has what `Engine` lists. `choose` lists the engines in order of preference; the
first one without an obstacle serves a request.

Steps beyond a row's length do not change its states and are zero in every result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

if TYPE_CHECKING:
    from ricorda.program.ir import Program
    from ricorda.program.stack import Stack


class Manner(NamedTuple):
    """How an engine runs a request.

    Parameters
    ----------
    factors : "bf16" or "int8" if the factors of float32 products are rounded to it; sums and states stay in float32
    checkpoint : "sqrt" or a number: length of the segments that BPTT runs again instead of keeping their values
    watch : called in BPTT with each state's name and the norms [T, B] of the gradients of its new values
    """

    factors: str = ""
    checkpoint: str | int | None = None
    watch: Callable[[str, Tensor], None] | None = None


USUAL = Manner()
"""Full precision, all values kept, no gradients watched."""


class Request(NamedTuple):
    """What an engine should run: a program over a sequence, for one layer and direction or for a whole stack.

    Parameters
    ----------
    program : Program
        One step.
    parameters : mapping of str to Tensor
        The weights, named as in `program.weights.layout`; for a stack as in `Stack.shapes`.
    x : Tensor [T, B, I]
        The input.
    states : sequence of Tensor
        The initial value of each state, [B, size]; for a stack [layers * directions, B, size], or () for zeros.
    lengths : int64 [B] on the processor, optional
        Steps of each row; all have T by default.
    reverse : bool
        Whether to go from each row's last step to its first.
    record : names of values, see `Program.names`
        The values to return besides output and states.
    seed : int, or int64 [] for the reference where its number cannot be read
        Seed of the program's random masks, which are the same in every engine (see `masks`).
    manner : Manner
        How to run it.
    engine : str
        The name of the engine that was requested, or "auto".
    inputs : mapping of str to Tensor [T, B, size]
        The program's inputs besides the first.
    """

    program: Program
    parameters: Mapping[str, Tensor]
    x: Tensor
    states: Sequence[Tensor]
    lengths: Tensor | None = None
    reverse: bool = False
    record: Sequence[str] = ()
    seed: int | Tensor = 0
    manner: Manner = USUAL
    engine: str = "auto"
    inputs: Mapping[str, Tensor] = MappingProxyType({})


class Run(NamedTuple):
    """Output [T, B, size], final states [B, size] each, recorded values [T, B, size] each."""

    output: Tensor
    states: tuple[Tensor, ...]
    records: dict[str, Tensor]


StackRun = tuple[Tensor, Sequence[Tensor]]
"""Output [T, B, directions * size] and final states [layers * directions, B, size] of a stack."""


class LastingObstacle(str):
    """Why an engine cannot serve any request on this machine: users are warned even with engine="auto"."""

    __slots__ = ()


class Stepper(Protocol):
    """A stack that runs one step at a time and keeps its states; all states are zero at first."""

    def states(self) -> list[Tensor]:
        """The states as they are now, [layers, B, size] each."""

    def set_states(self, states: Sequence[Tensor] | None) -> None:
        """Go on from these states, [layers, B, size] each; None for zeros."""


class PlainStepper(Stepper, Protocol):
    """A stepper that takes and returns tensors."""

    def step(self, x: Tensor, inputs: Mapping[str, Tensor] = ...) -> Tensor:
        """The last layer's output [*batch, size] after a step [*batch, I], of the weights' dtype and device.

        Parameters
        ----------
        inputs : mapping of str to Tensor [B, size]
            The program's inputs besides the first; those of programs that have no others are left out.
        """


@runtime_checkable
class TurnStepper(Stepper, Protocol):
    """A stepper whose compiled functions the caller calls directly, since a step takes only a microsecond or two.

    Attributes
    ----------
    turn : the next step, see `cpu.run.stepper.Turn`
    slot : the slot of `turn.block` for the address of the step
    run : runs a layer's step; takes one of `turn.arguments`, and the number of threads, 1, as a c_int64
    """

    turn: Any
    slot: int
    run: Callable[[Any, Any], None]


class Engine(Protocol):
    """What every engine has.

    Attributes
    ----------
    name : its name in `engine=` and RICORDA_ENGINE
    title : its name in sentences, such as "the CPU engine"
    """

    name: str
    title: str

    def obstacle(self, request: Request) -> str | None:
        """Why it cannot serve a request, as the end of a sentence ("it ..."); None if it can."""

    def run(self, request: Request) -> Run:
        """Serve a request for one layer in one direction."""

    def run_stack(self, stack: Stack, request: Request) -> StackRun | None:
        """Serve a request for a whole stack, without lengths, records or masks and in the usual manner.

        None if the stack must be run layer by layer, where wrong shapes are reported too.
        """

    def stepper(self, stack: Stack, request: Request, batch: tuple[int, ...]) -> PlainStepper | TurnStepper | None:
        """A stepper for a stack of one direction, with its present weights; None if the engine cannot step it.

        Parameters
        ----------
        request : has the weights of the stack, and an x [1, B, I] whose numbers do not matter
        batch : (B,), or () for one row without a batch dimension
        """
