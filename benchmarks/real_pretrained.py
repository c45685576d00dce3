"""Models that begin with language models of unlabelled texts, beside the same without: a part of `make check-real`."""

from __future__ import annotations

import csv
import gzip
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reached import Row, mean_of, there
from real_classify import sst
from real_tag import FOLDER as TREEBANK
from scipy import stats  # type: ignore[import-untyped]

from ricorda import SequenceClassifier, SequenceTagger
from ricorda.data.read import read_examples
from ricorda.data.tagged import read_tagged
from ricorda.tasks.unlabelled import pretrain

LABELLED = (300, 1_000)
SEEDS = range(5)
GAIN = 0.01
"""What the language models are to add to the accuracy, in the mean of the seeds."""

EUROPARL = "europarl_en_it_short"
TAGS_TO_REACH = 0.98

Texts = tuple[list[str], list[Any]]


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Gains at 300 and 1,000 labelled examples, a seed for each choice of them; tags of Italian with the first seed."""
    for name, folder, read in (("SST-2", "sst", _sst), ("SENTIPOLC 2016, polarity", "sentipolc2016", _sentipolc)):
        if there(data / folder):
            yield from _gains(name, *read(data / folder))
    if there(data / TREEBANK) and there(data / EUROPARL):
        yield _tags(data / TREEBANK, data / EUROPARL, seeds[0])


def _sst(folder: Path) -> tuple[Texts, Texts, list[str]]:
    """Training and test examples, and all training sentences, also those of SST-5."""
    training, _, test = sst(folder)
    fine = read_examples(folder / "stsa.fine.train.gz").inputs
    return training, test, sorted({*training[0], *fine})


def _sentipolc(folder: Path) -> tuple[Texts, Texts, list[str]]:
    """Tweets that are positive alone or negative alone; all tweets of the training are the unlabelled texts."""
    with gzip.open(folder / "sentipolc16_train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        _, *training = csv.reader(file)
    lines = (folder / "sentipolc16_gold2000_text.csv").read_text(encoding="utf-8").splitlines()
    test = [[*line.split(",", 8)[:8], line.split(",", 8)[8][1:-1]] for line in lines]  # Quotes in texts follow no rule.
    return _polar(training), _polar(test), [row[8] for row in training]


def _polar(rows: Sequence[Sequence[str]]) -> Texts:
    """Text and label of the rows that are positive or negative, and not both."""
    polar = [(row[8], row[2].strip('"')) for row in rows if row[2].strip('"') != row[3].strip('"')]
    return [text for text, _ in polar], [label for _, label in polar]


def _gains(name: str, training: Texts, test: Texts, unlabelled: list[str]) -> Iterator[Row]:
    """The gain at each number of labelled examples; the language models are the same for all."""
    with tempfile.TemporaryDirectory() as passing:
        start = time.perf_counter()
        like = SequenceClassifier(random_state=0)
        folders = pretrain(like, unlabelled[:1], unlabelled[1:], Path(passing), resume=False, overwrite=False)
        minutes = (time.perf_counter() - start) / 60
        for count in LABELLED:
            pairs, longest = [], 0.0
            for seed in SEEDS:
                rows = np.random.default_rng(seed).permutation(len(training[0]))[:count]
                chosen = [training[0][row] for row in rows], [training[1][row] for row in rows]
                start = time.perf_counter()
                pairs.append([_accuracy(seed, chosen, test, folders), _accuracy(seed, chosen, test, None)])
                longest = max(longest, (time.perf_counter() - start) / 60)
            yield _gain(f"{name}, {count:,} labelled", np.array(pairs), minutes + longest)


def _accuracy(seed: int, training: Texts, test: Texts, folders: list[str] | None) -> float:
    return float(SequenceClassifier(random_state=seed, pretrained=folders).fit(*training).score(*test))


def _gain(what: str, pairs: NDArray[np.float64], minutes: float) -> Row:
    """A row of accuracies [seeds, 2], with and without; the interval is Student's, of 95 %."""
    gains = pairs[:, 0] - pairs[:, 1]
    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / len(gains) ** 0.5
    with_it, without = pairs.mean(0)
    return Row(
        f"pretrained: {what}, test accuracy gained ({without:.1%} without, {with_it:.1%} with)",
        f"{gains.mean():.1%} ± {half:.1%}",
        f"{GAIN:.0%}",
        minutes,
        float(gains.mean()) >= GAIN,
    )


def _tags(treebank: Path, europarl: Path, seed: int) -> Row:
    """Tags of Italian ISDT, with language models of characters of Europarl's Italian and the treebank's own text."""
    train, dev, test = (
        read_tagged(treebank / f"it_isdt_{part}")
        for part in ("train_tagged.txt.gz", "dev_tagged.txt", "test_tagged.txt")
    )
    with gzip.open(europarl / "train.en-it.tsv.gz", "rt", encoding="utf-8") as file:
        more = [line.rstrip("\n").split("\t")[1] for line in file]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as passing:
        model = SequenceTagger(random_state=seed)
        model.pretrained = pretrain(model, train, more, Path(passing), resume=False, overwrite=False)
        model.fit(train, train.labels, validation=(dev, dev.labels))
    accuracy = model.evaluate(test, test.labels).accuracy
    minutes = (time.perf_counter() - start) / 60
    return Row(
        "pretrained: XPOS of Italian ISDT, with language models of characters, test accuracy",
        mean_of([accuracy], ".2%"),
        f"{TAGS_TO_REACH:.1%}",
        minutes,
        accuracy >= TAGS_TO_REACH,
    )
