"""A user's examples, ready for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ricorda.data.fingerprint import fingerprint
from ricorda.errors import ArgumentError
from ricorda.training.processes import Processes
from ricorda.training.sharded import Sharded
from ricorda.training.task import Task


@dataclass(frozen=True)
class Prepared:
    """A user's examples, ready for training.

    Parameters
    ----------
    learned : dict
        Fitted attributes that the network depends on, such as the classes and the tokenizer.
    task : callable
        Makes of a fresh network what the training loop needs.
    data : str
        A fingerprint of all that decides what is learned.
    examples, validation_examples : int
        The number of examples to train on and to validate with.
    afterwards : callable, optional
        Makes of the trained network more of `summary_`.
    settings : mapping
        More that a resumed training must have in common with its beginning, as JSON; it replaces parameters.
    """

    learned: dict[str, Any]
    task: Callable[[Any], Task]
    data: str
    examples: int
    validation_examples: int
    afterwards: Callable[[Any], dict[str, Any]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def over(self, shards: Processes) -> Prepared:
        """The same of the examples of all processes, of which each holds a shard; only the first one's is validated."""
        if shards.size == 1:
            return self
        counts = shards.gather(self.examples)

        def afterwards(network: Any) -> dict[str, Any]:
            more = self.afterwards(network) if self.afterwards and shards.first else {}
            network.load_state_dict(shards.agree(network.state_dict()))  # The first one's was calibrated.
            return shards.agree(more)

        return replace(
            self,
            task=lambda network: Sharded(self.task(network), shards),
            data=fingerprint(shards.gather(self.data)),
            examples=sum(counts),
            validation_examples=shards.agree(self.validation_examples),
            afterwards=afterwards,
            settings={**shards.agree(self.settings), "shards": shards.size},
        )


@contextmanager
def keeping_what_was_learned(model: Any) -> Iterator[None]:
    """If the block fails or is stopped, a model's attributes become again what they were before it."""
    before = model.__dict__.copy()
    try:
        yield
    except BaseException:
        model.__dict__ = before
        raise
    model.__dict__.pop("_shards", None)  # Processes are no part of what was learned.


def pair_of(validation: Any) -> tuple[Any, Any]:
    """Validation examples and their targets. Raises ArgumentError if they are not a pair."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise ArgumentError(f"validation is of type {type(validation).__name__}: give a pair, (X, y)")
    return validation[0], validation[1]
