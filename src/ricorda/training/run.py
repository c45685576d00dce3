"""Where a run stands: everything of it that is not a tensor."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ricorda.training.flow import FLOW, FlowRecord
from ricorda.training.learner import Outcome

Record = dict[str, Any]
"""The record of an epoch: numbers by their names, and a list of `FlowRecord`s if some steps were watched."""


def best_of(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of the best of at least one epoch: the last one where nothing is scored.

    The highest score wins, of equal ones the lowest loss of the validation, and of these the last epoch, which has
    learned the most, at the smallest rate.
    """

    def rank(record: Mapping[str, Any]) -> tuple[float, ...]:
        if "score" not in record:
            return -math.inf, 0.0, record["epoch"]
        return record["score"], -record.get("validation_loss", 0.0), record["epoch"]

    return max(history, key=rank)


@dataclass
class Totals:
    """Sums over the steps of the epoch under way, as floats and integers that JSON keeps exactly."""

    steps: int = 0
    loss: float = 0.0
    weight: float = 0.0
    gradient_norm: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    def add(self, outcome: Outcome, *, tokens: int, seconds: float) -> None:
        """Add a step."""
        self.steps += 1
        self.loss += outcome.loss
        self.weight += outcome.weight
        self.gradient_norm += outcome.gradient_norm
        self.tokens += tokens
        self.seconds += seconds

    @property
    def mean_loss(self) -> float:
        """Weighted mean of the rows' losses."""
        return self.loss / self.weight if self.weight else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Steps of the rows per second, over all processes."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass
class RunState:
    """The history of a run and the epoch under way.

    Attributes
    ----------
    epochs, steps_per_epoch, patience
        The options of these names, and the number of batches in an epoch.
    told
        The task's: how a score is written, as a format of the values of an epoch.
    history
        A record for every finished epoch.
    totals
        Sums over the epoch under way.
    flows
        Records of its watched steps.
    flow
        The flow of the last watched step, to be shown; it is not part of the state.
    """

    epochs: int
    steps_per_epoch: int
    patience: int | None
    told: str = "score {score:.4f}"
    history: list[Record] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    flows: list[FlowRecord] = field(default_factory=list)
    flow: Sequence[FlowRecord] = ()

    @property
    def epoch_under_way(self) -> int:
        """The number of the epoch under way, counted from 1; the last one if all are finished."""
        return min(len(self.history) + 1, self.epochs)

    @property
    def steps_done(self) -> int:
        """Steps since the run began."""
        return len(self.history) * self.steps_per_epoch + self.totals.steps

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch, counted from 1; see `best_of`."""
        return int(best_of(self.history)["epoch"]) if self.history else 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or `patience` epochs have passed without a better score.

        A lower loss under the same score is no better score.
        """
        done = len(self.history)
        scores = [record.get("score", -math.inf) for record in self.history]
        if self.patience is None or not scores or max(scores) == -math.inf:
            return done == self.epochs
        return done == self.epochs or done - (scores.index(max(scores)) + 1) >= self.patience

    def take_flow(self, flow: Sequence[FlowRecord], *, steps_between: int) -> None:
        """Keep a watched step's flow to be shown, and record that of every `steps_between`-th step of the run."""
        self.flow = flow
        if (flow[0]["step"] - 1) % steps_between == 0:
            self.flows += flow

    def finish_epoch(self, scores: Mapping[str, float], *, learning_rate: float, seconds: float) -> None:
        """Put the epoch under way into the history, with the numbers of its validation, and begin the next."""
        totals = self.totals
        record: Record = {
            "epoch": len(self.history) + 1,
            "step": self.steps_done,
            "loss": totals.mean_loss,
            **scores,
            "learning_rate": learning_rate,
            "gradient_norm": totals.gradient_norm / totals.steps,
            "tokens_per_second": totals.tokens_per_second,
            "seconds": seconds,
        }
        if self.flows:
            record[FLOW] = self.flows
        self.history.append(record)
        self.totals, self.flows = Totals(), []

    def state(self) -> dict[str, Any]:
        """All that changes, as JSON."""
        return {"history": self.history, "totals": asdict(self.totals), "flows": self.flows}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.history = list(state["history"])
        self.totals = Totals(**state["totals"])
        self.flows = list(state.get("flows", []))  # Older versions watched nothing.
