"""How good translations are: BLEU and chrF by sacrebleu, overall and by the sources' length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ricorda.tasks.scores import Figures

BUCKETS = (3, 6, 9, 12, 15, 20, 30)
"""The last number of words of each bucket of sources; a further bucket holds longer ones."""


@dataclass(frozen=True)
class Bucket:
    """BLEU of the sources that have `first` to `last` words (None: any number from `first` on)."""

    first: int
    last: int | None
    sentences: int
    bleu: float


@dataclass(frozen=True, repr=False)
class Report(Figures):
    """An evaluation of translations.

    Parameters
    ----------
    sentences, references : int
        The number of different sources, and of the translations that they were compared with.
    bleu, chrf : float
        BLEU (Papineni et al. 2002) and chrF (Popovic 2015), 0 to 100, against all references of each source.
    signature, chrf_signature : str
        sacrebleu's description of how they were computed (Post 2018).
    length_ratio : float
        Tokens of the translations over those of the references.
    by_length : a bucket of sources each
        BLEU by the number of words of the source.
    """

    sentences: int
    references: int
    bleu: float
    chrf: float
    signature: str
    chrf_signature: str
    length_ratio: float
    by_length: tuple[Bucket, ...]


def grouped(sources: Sequence[str], references: Sequence[str]) -> dict[str, list[str]]:
    """The different sources in their order, with all references of each."""
    groups: dict[str, list[str]] = {}
    for source, reference in zip(sources, references, strict=True):
        groups.setdefault(source, []).append(reference)
    return groups


def bleu(translations: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False) -> float:
    """BLEU, 0 to 100, of translations, each against the references of its source."""
    from sacrebleu.metrics.bleu import BLEU

    return float(BLEU(lowercase=lowercase).corpus_score(list(translations), _streams(references)).score)


def report(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> Report:
    """Compare a translation of each source with its references.

    Parameters
    ----------
    sources, translations : sequence of str
        Equally many; the sources are all different.
    references : sequence of sequences of str
        One or more references of each source.
    lowercase : bool
        Whether all are compared in small letters; the signatures say so.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    by_bleu, by_chrf, streams = BLEU(lowercase=lowercase), CHRF(lowercase=lowercase), _streams(references)
    overall, characters = by_bleu.corpus_score(list(translations), streams), by_chrf.corpus_score(translations, streams)
    return Report(
        sentences=len(sources),
        references=sum(map(len, references)),
        bleu=float(overall.score),
        chrf=float(characters.score),
        signature=str(by_bleu.get_signature()),
        chrf_signature=str(by_chrf.get_signature()),
        length_ratio=float(overall.ratio),
        by_length=_by_length(sources, translations, references),
    )


def _by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[Bucket, ...]:
    words = [len(source.split()) for source in sources]
    buckets = []
    for first, last in zip((1, *(bound + 1 for bound in BUCKETS)), (*BUCKETS, None), strict=True):
        rows = [row for row, count in enumerate(words) if first <= count and (last is None or count <= last)]
        if rows:
            score = bleu([translations[row] for row in rows], [references[row] for row in rows])
            buckets.append(Bucket(first, last, len(rows), score))
    return tuple(buckets)


def _streams(references: Sequence[Sequence[str]]) -> Any:  # sacrebleu's type leaves out None.
    """References as sacrebleu takes them: the first of each source, the second, ...; None if there are no more."""
    most = max(map(len, references))
    return [[texts[number] if number < len(texts) else None for texts in references] for number in range(most)]


def sentence_scores(translations: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """ChrF of each translation, 0 to 100, against all its references."""
    from sacrebleu.metrics.chrf import CHRF

    chrf = CHRF()
    return [chrf.sentence_score(said, right).score for said, right in zip(translations, references, strict=True)]
