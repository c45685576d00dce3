"""Engines run a program over a sequence. One contract, several implementations; `reference` is the oracle.

An engine is a module, or an object, with what `Engine` lists. `choose` has them in order of preference and takes, for
each request, the first without an obstacle.

Steps beyond a row's length do not touch its states, and read as zero in every result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

if TYPE_CHECKING:
    from ricorda.program.ir import Program
    from ricorda.program.stack import Stack


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


class Request(NamedTuple):
    """What a call asks of an engine: a program over a sequence, in one layer and direction or in a whole stack.

    Parameters
    ----------
    program : Program
        One step.
    parameters : mapping of str to Tensor
        The weights by the names of `program.weights.layout`; those of a stack by the names of `Stack.shapes`.
    x : Tensor [T, B, I]
        The input.
    states : sequence of Tensor
        The initial value of each state, [B, size]; of a stack [layers * directions, B, size], or () for zeros.
    lengths : int64 [B] on the processor, optional
        Steps of each row; all have T by default.
    reverse : bool
        Whether to go from each row's last step to its first.
    record : names of values, see `Program.names`
        What to return beside output and states.
    seed : int
        Of the program's random masks, which are alike in every engine (see `masks`).
    manner : Manner
        How the run is made.
    engine : str
        The engine that was asked for by its name, or "auto".
    """

    program: Program
    parameters: Mapping[str, Tensor]
    x: Tensor
    states: Sequence[Tensor]
    lengths: Tensor | None = None
    reverse: bool = False
    record: Sequence[str] = ()
    seed: int = 0
    manner: Manner = USUAL
    engine: str = "auto"


class Run(NamedTuple):
    """Output [T, B, size], final states [B, size] each, recorded values [T, B, size] each."""

    output: Tensor
    states: tuple[Tensor, ...]
    records: dict[str, Tensor]


StackRun = tuple[Tensor, Sequence[Tensor]]
"""Output [T, B, directions * size] and final states [layers * directions, B, size] of a stack."""


class LastingObstacle(str):
    """What keeps an engine from serving anything at all here: it is told to those too who left the choice open."""

    __slots__ = ()


class Stepper(Protocol):
    """A stack that is run one step at a time and keeps its states, all zero at first."""

    def states(self) -> list[Tensor]:
        """The states as they are now, [layers, B, size] each."""

    def set_states(self, states: Sequence[Tensor] | None) -> None:
        """Go on from these states, [layers, B, size] each; None for zeros."""


class PlainStepper(Stepper, Protocol):
    """A stepper by tensors."""

    def step(self, x: Tensor) -> Tensor:
        """The last layer's output [*batch, size] after a step [*batch, I], of the weights' dtype and device."""


@runtime_checkable
class TurnStepper(Stepper, Protocol):
    """A stepper by compiled functions, which the caller calls himself: a step takes a microsecond or two.

    Attributes
    ----------
    turn : the next step, see `cpu.run.stepper.Turn`
    slot : where `turn.block` takes the address of the step
    run : runs a layer's step: one of `turn.arguments`, and the number of threads, 1, as a c_int64
    """

    turn: Any
    slot: int
    run: Callable[[Any, Any], None]


class Engine(Protocol):
    """What every engine has.

    Attributes
    ----------
    name : what `engine=` and RICORDA_ENGINE call it
    title : what sentences call it, such as "the CPU engine"
    """

    name: str
    title: str

    def obstacle(self, request: Request) -> str | None:
        """Why it cannot serve a request, as the end of a sentence ("it ..."); None if it can."""

    def run(self, request: Request) -> Run:
        """Serve a request for one layer in one direction."""

    def run_stack(self, stack: Stack, request: Request) -> StackRun | None:
        """Serve a request for a whole stack, without lengths, records or masks and in the usual manner.

        None where the stack has to be run layer by layer; that also says what is wrong with shapes.
        """

    def stepper(self, stack: Stack, request: Request, batch: tuple[int, ...]) -> PlainStepper | TurnStepper | None:
        """A stack of one direction to be stepped, its weights as they are now; None if the engine has no such way.

        Parameters
        ----------
        request : with the weights of the stack, and x [1, B, I] of any numbers
        batch : (B,), or () for one row without a batch dimension
        """
