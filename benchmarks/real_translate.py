"""English to Italian: `Translator` beside the BLEU to reach; a part of `make check-real`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ricorda import Translator
from ricorda.data.pairs import Pairs, read_pairs

TATOEBA, EUROPARL = "tatoeba_en_it", "europarl_en_it_short"
TO_REACH, MINUTES = 22.0, 45.0
OVER_GREEDY = 0.5
LONG = 12
"""Sentences of more words than this show what the plain form, without attention, forgets."""

Row = tuple[str, str, str, float, bool]


def check(data: Path, seeds: Sequence[int], **parameters: object) -> list[Row]:
    """Train with and without attention on both sets together, and compare on Tatoeba's test part.

    The first seed only, as a training takes long. Tatoeba's pairs stand twice, for they are what is tested.

    Returns
    -------
    list of (what, reached, asked, minutes, ok)
    """
    folders = [data / TATOEBA, data / EUROPARL]
    for folder in folders:
        if not folder.is_dir():
            print(f"translation is skipped: {folder} is absent")
            return []
    tatoeba, europarl = (folder / "train.en-it.tsv.gz" for folder in folders)
    train = read_pairs(tatoeba, tatoeba, europarl)
    dev, test, europarl_test = (
        read_pairs(folders[number] / name)
        for number, name in ((0, "dev.en-it.tsv"), (0, "test.en-it.tsv"), (1, "test.en-it.tsv"))
    )
    settings = {"random_state": seeds[0], **parameters}
    model, minutes = _trained(train, dev, settings)
    plain, plain_minutes = _trained(train, dev, {**settings, "attention": None})
    beam = model.evaluate(test, test.targets).bleu
    greedy = model.evaluate(test, test.targets, beam_size=1).bleu
    long = _longer(test, europarl_test)
    looking, forgetting = (each.evaluate(*long).bleu for each in (model, plain))
    return [
        (
            "translation: Tatoeba, BLEU",
            f"{beam:.1f}",
            f"{TO_REACH:g} in {MINUTES:g} minutes",
            minutes,
            beam >= TO_REACH and minutes <= MINUTES,
        ),
        (
            "translation: beam over greedy, BLEU",
            f"{beam - greedy:+.2f} ({greedy:.1f})",
            f"{OVER_GREEDY:+g}",
            minutes,
            beam - greedy >= OVER_GREEDY,
        ),
        (
            f"translation: attention, over {LONG} words, BLEU",
            f"{looking:.1f}, without {forgetting:.1f}",
            "twice that without",
            plain_minutes,
            looking >= 2 * forgetting,
        ),
    ]


def _trained(train: Pairs, dev: Pairs, parameters: dict[str, object]) -> tuple[Translator, float]:
    start = time.perf_counter()
    model = Translator(**parameters).fit(train, train.targets, validation=(dev, dev.targets))
    return model, (time.perf_counter() - start) / 60


def _longer(*parts: Pairs) -> tuple[list[str], list[str]]:
    """The pairs whose source has more than LONG words; few of Tatoeba's have."""
    pairs = [pair for part in parts for pair in zip(part.inputs, part.targets or (), strict=True)]
    chosen = [pair for pair in pairs if len(pair[0].split()) > LONG]
    return [source for source, _ in chosen], [target for _, target in chosen]
