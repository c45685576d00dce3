"""The model card of a language model, in its own words."""

from __future__ import annotations

from ricorda.tasks.language.reading import Reader
from ricorda.tasks.modelcard import Card

TOKENS = {"char": "characters", "bpe": "parts of words", "word": "words", "tokens": "tokens"}


def card_of(reader: Reader) -> Card:
    """The card of a model with this reader."""
    vocabulary = reader.vocabulary
    if vocabulary is None:
        title, does = "A model of polyphonic music", "It predicts which of a piano's 88 keys sound at the next step."
        use, python = "ricorda generate FOLDER --length 64", "list(model.generate(length=64))"
    else:
        title = "A language model"
        does = f"It predicts the next of {len(vocabulary):,} {TOKENS[vocabulary.kind]}, and so it writes."
        use, python = 'ricorda generate FOLDER --prompt "..."', '"".join(model.generate("..."))'
    limits = (
        "It imitates what it was trained on: it knows nothing, and what it writes may be false or offend. Its figures "
        "are those of material like the training's."
    )
    if reader.reverse:
        does = "It reads from the end and predicts what stands before, so that other models can begin with it."
        use, python = "ricorda train classify DATA --pretrained FOLDER", 'model.evaluate("...")'
    pipeline = "" if vocabulary is None else "text-generation"
    return Card(title, does, [use, "ricorda evaluate FOLDER DATA"], limits, python, pipeline)
