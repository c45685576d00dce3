"""A look at a review: the verdict, and what each word gave to it, as plain data for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ricorda.data.tokenization import UNKNOWN_TOKEN, spans_of
from ricorda.errors import ArgumentError
from ricorda.insight.memory.result import Memory
from ricorda.insight.memory.view import memory_of
from ricorda.insight.memory.words import Word, held, numbers_of, window_words
from ricorda.page.models import lent

Span = tuple[int, int]
"""The first character of a part of a text, and the one after it."""


def look_at(folder: Path, text: str, dropped: Sequence[Span] = ()) -> dict[str, Any]:
    """What a model says of a text, and its words.

    Parameters
    ----------
    folder : the model's
    text : as it was typed
    dropped : the parts of it that the model is not to read

    Returns
    -------
    dict
        verdict : {"label", "shares": [(label, probability), ...]}, {"name", "number"}, or None if it gives none
        memory : the `Memory` itself
        words : a dict for each, dropped ones too, in the text's order
        notes : sentences
        before, after : whether there is more text before and after the words

    Raises
    ------
    RicordaError
        If the model cannot read it.
    """
    with lent(folder) as model:
        kind = getattr(getattr(model, "encoder_", None), "kind", "texts")
        if kind != "texts" or model.TASK == "forecast":
            reads = "numbers" if model.TASK == "forecast" else kind
            raise ArgumentError(f"this model reads {reads}, no text: choose one that was trained on texts")
        read, origin = kept(text, dropped)
        memory = memory_of(model, read)
        verdict = _verdict(model, read)
        spans = spans_of(model.encoder_.tokenizer, read) if hasattr(model, "encoder_") else None
    read_words = window_words(memory)
    words = [
        _word(memory, word, still, read, spans, origin)
        for word, still in zip(read_words, held(memory, read_words), strict=True)
    ]
    end = memory.start + len(memory.tokens)
    return {
        "verdict": verdict,
        "memory": memory,
        "words": _with_dropped(words, text, dropped),
        "notes": list(memory.notes),
        "before": memory.start > 0,
        "after": end < memory.steps,
    }


def kept(text: str, dropped: Sequence[Span]) -> tuple[str, list[int]]:
    """A text without some parts, and where each of its characters stood."""
    gone = {place for start, stop in dropped for place in range(start, min(stop, len(text)))}
    origin = [place for place in range(len(text)) if place not in gone]
    return "".join(text[place] for place in origin), origin


def words_of(text: str, words: Sequence[dict[str, Any]]) -> list[str]:
    """The words of a look that the model read, as they stand in the text."""
    return [text[word["start"] : word["stop"]] for word in words if word["start"] is not None and not word["dropped"]]


def _verdict(model: Any, text: str) -> dict[str, Any] | None:
    if hasattr(model, "classes_") and hasattr(model, "predict_proba") and model.TASK == "classify":
        shares = model.predict_proba([text])[0]
        named = [(str(label), float(share)) for label, share in zip(model.classes_, shares, strict=True)]
        return {"label": max(named, key=lambda pair: pair[1])[0], "shares": named}
    if model.TASK == "regress":
        number = model.predict([text])[0]
        first = number if model.single_output_ else number[0]
        return {"name": model.target_names_[0], "number": float(first)}
    return None


def _word(
    memory: Memory, word: Word, still: list[int], read: str, spans: list[Span] | None, origin: list[int]
) -> dict[str, Any]:
    text, start, stop = word.text, None, None
    if spans is not None:
        pieces = spans[memory.start + word.pieces.start : memory.start + word.pieces.stop]
        first, last = pieces[0][0], pieces[-1][1]
        while first < last and read[first].isspace():  # A part that begins with a space.
            first += 1
        if first < last:
            text, start, stop = read[first:last], origin[first], origin[last - 1] + 1
    return {
        "text": text,
        "start": start,
        "stop": stop,
        "dropped": False,
        "unknown": all(memory.tokens[piece] == UNKNOWN_TOKEN for piece in word.pieces),
        "value": word.value,
        "strength": word.strength,
        "marks": word.marks.replace("-", "−"),
        "numbers": numbers_of(memory, word),
        "held": still,
    }


def _with_dropped(words: list[dict[str, Any]], text: str, dropped: Sequence[Span]) -> list[dict[str, Any]]:
    """The words with the dropped ones among them; `held` counts words that were read, whose numbers are `place`."""
    for place, word in enumerate(words):
        word["place"] = place
    for start, stop in dropped:
        place = next((at for at, word in enumerate(words) if (word["start"] or 0) > start), len(words))
        word = {
            "text": text[start:stop],
            "start": start,
            "stop": stop,
            "dropped": True,
            "unknown": False,
            "place": None,
        }
        words.insert(place, {**word, "value": 0.0, "strength": 0.0, "marks": "", "numbers": {}, "held": []})
    return words
