"""Tiny taggers, and examples for them."""

from typing import Any

from ricorda.tasks.tag.estimator import SequenceTagger

SENTENCES = [["the", "cat", "sleeps"], ["cats", "sleep"], ["a", "dog", "saw", "the", "cat"], ["Dogs", "!"]] * 6
TAGS = [["D", "N", "V"], ["N", "V"], ["D", "N", "V", "D", "N"], ["N", "."]] * 6
PAIRS = "".join(
    " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True)) + "\n"
    for words, tags in zip(SENTENCES, TAGS, strict=True)
)
"""The same as a file has them."""

SIZES: dict[str, Any] = {
    **{"hidden_size": 6, "num_layers": 1, "embedding_size": 6, "character_embedding_size": 4},
    **{"character_hidden_size": 4, "epochs": 2, "batch_size": 8},
}
LEARNING: dict[str, Any] = {"epochs": 12, "learning_rate": 0.05, "dropout": 0.0, "validation_fraction": 0.0}


def small_tagger(**parameters: Any) -> SequenceTagger:
    """A tagger that trains in some 50 ms."""
    return SequenceTagger(**{**SIZES, "random_state": 0, "device": "cpu", **parameters})


def as_options(parameters: dict[str, Any]) -> list[str]:
    """Parameters as `ricorda train tag` takes them, on the CPU."""
    named = {"num_layers": "--layers"}
    options = [(named.get(name, f"--{name.replace('_', '-')}"), str(value)) for name, value in parameters.items()]
    return [part for option in options for part in option] + ["--device", "cpu"]
