"""Whether a search beats the defaults, and what that is worth on examples that chose nothing; for `make check-real`.

The study and all its models are kept, so a check that was stopped goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from reached import Row, mean_of, there
from real_classify import multiemotions

from ricorda import SequenceClassifier, search

TRIALS = 20
WORK = Path(__file__).parents[1] / "build" / "real_search"


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Search with the first seed; the best and the default parameters are compared with three others."""
    if not there(data / "multiemotions_it"):
        return
    training, validation, test = multiemotions(data / "multiemotions_it")
    model = SequenceClassifier(random_state=seeds[0])
    found = search(model, *training, trials=TRIALS, validation=validation, test=test, folder=WORK, progress=True)
    minutes = max(trial.seconds for trial in found.trials) / 60
    print("", *found.says(), f"Best: {found.best_parameters}", "", sep="\n", flush=True)
    best, default = found.repeated.get("best", found.repeated["default"]), found.repeated["default"]
    own = float("nan") if found.default is None else found.default.score
    yield Row(
        f"search: MultiEmotions-It, the best of {TRIALS} trials, validation accuracy",
        f"{found.best_score:.1%}",
        f"above the defaults' {own:.1%}",
        minutes,
        found.best_score > own,
    )
    for part, ours, theirs in (
        ("validation", best.scores, default.scores),
        ("test", best.measured, default.measured),
    ):
        yield Row(
            f"search: its parameters with three other seeds, {part} accuracy",
            mean_of(ours.tolist(), ".1%"),
            f"above the defaults' {mean_of(theirs.tolist(), '.1%')}",
            minutes,
            bool(ours.mean() > theirs.mean()),
        )
