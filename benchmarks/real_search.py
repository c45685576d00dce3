"""Whether a search beats the defaults, and what that is worth on examples that chose nothing; for `make check-real`.

The study and all its models are kept, so a check that was stopped goes on where it ended.
"""

from __future__ import annotations

import time
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
    started = time.perf_counter()
    model = SequenceClassifier(random_state=seeds[0])
    found = search(model, *training, trials=TRIALS, validation=validation, test=test, folder=WORK, progress=True)
    minutes = (time.perf_counter() - started) / 60
    print("", *found.says(), f"Best: {found.best_parameters}", "", sep="\n", flush=True)
    best, default = found.repeated.get("best", found.repeated["default"]), found.repeated["default"]
    name = f"search: MultiEmotions-It, {TRIALS} trials, {{}} accuracy of the best parameters with other seeds"
    yield Row(
        name.format("validation"),
        mean_of(best.scores.tolist(), ".1%"),
        f"above the defaults' {mean_of(default.scores.tolist(), '.1%')}",
        minutes,
        bool(best.scores.mean() > default.scores.mean()),
    )
    yield Row(
        name.format("test"),
        mean_of(best.measured.tolist(), ".1%"),
        f"reported; the defaults have {mean_of(default.measured.tolist(), '.1%')}",
        minutes,
        True,
    )
