"""English to Italian: `Translator` beside the BLEU to reach; a part of `make check-real`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sacrebleu
from reached import Row, fast_precision, there

from ricorda import Translator
from ricorda.data.pairs import Pairs, read_pairs

TATOEBA, EUROPARL = "tatoeba_en_it", "europarl_en_it_short"
TO_REACH, MINUTES = 22.0, 45.0
OVER_GREEDY = 0.5
LONG = 12
"""Sentences of more words than this show what the plain form, without attention, forgets."""

SETTINGS: dict[str, Any] = {"epochs": 3, "learning_rate": 6e-3, "dropout": 0.2}


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train with and without attention on both sets together, and compare on Tatoeba's test part.

    The first seed only, as a training takes long. Tatoeba's pairs stand three times, for they are what is tested.
    """
    tatoeba, europarl = data / TATOEBA, data / EUROPARL
    if not (there(tatoeba) and there(europarl)):
        return
    train = read_pairs(*[tatoeba / "train.en-it.tsv.gz"] * 3, europarl / "train.en-it.tsv.gz")
    dev, test = (read_pairs(tatoeba / f"{part}.en-it.tsv") for part in ("dev", "test"))
    long = _longer(test, read_pairs(europarl / "test.en-it.tsv"))
    settings = {"random_state": seeds[0], "precision": fast_precision(), **SETTINGS}
    model, minutes = _trained(train, dev, settings)
    beam = model.evaluate(test, test.targets).bleu
    greedy = model.evaluate(test, test.targets, beam_size=1).bleu
    alone = sacrebleu.corpus_bleu(model.predict(test), [test.targets]).score
    yield Row(
        "translation: Tatoeba, BLEU",
        f"{beam:.1f} against all references of a sentence, {alone:.1f} against one at a time",
        f"{TO_REACH:g} in {MINUTES:g} minutes",
        minutes,
        min(beam, alone) >= TO_REACH and minutes <= MINUTES,
    )
    yield Row(
        "translation: beam over greedy, BLEU",
        f"{beam - greedy:+.2f} ({greedy:.1f})",
        f"{OVER_GREEDY:+g}",
        minutes,
        beam - greedy >= OVER_GREEDY,
    )
    plain, plain_minutes = _trained(train, dev, {**settings, "attention": None})
    looking, forgetting = (translator.evaluate(*long).bleu for translator in (model, plain))
    yield Row(
        f"translation: attention, over {LONG} words, BLEU",
        f"{looking:.1f}, without {forgetting:.1f}",
        "twice that without",
        plain_minutes,
        looking >= 2 * forgetting,
    )


def _trained(train: Pairs, dev: Pairs, parameters: dict[str, Any]) -> tuple[Translator, float]:
    start = time.perf_counter()
    model = Translator(**parameters).fit(train, train.targets, validation=(dev, dev.targets))
    return model, (time.perf_counter() - start) / 60


def _longer(*parts: Pairs) -> tuple[list[str], list[str]]:
    """The pairs whose source has more than LONG words; few of Tatoeba's have."""
    pairs = [pair for part in parts for pair in zip(part.inputs, part.targets or (), strict=True)]
    chosen = [pair for pair in pairs if len(pair[0].split()) > LONG]
    return [source for source, _ in chosen], [target for _, target in chosen]
