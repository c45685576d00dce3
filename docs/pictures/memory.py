"""Write memory.png beside this file: a classifier trained on the sample reviews, and what it kept of another one."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from ricorda import SequenceClassifier
from ricorda.data.read import read_examples
from ricorda.insight import memory_of
from ricorda.insight.drawing import save_figure

REVIEW = "The first half is slow and the jokes are awful, but the ending moved me to tears: a wonderful film."


def main() -> None:
    """Train, look, draw."""
    with as_file(files("ricorda") / "samples" / "reviews.csv") as path:
        examples = read_examples(str(path), text="text", label="label")
    model = SequenceClassifier(hidden_size=32, epochs=5, dropout=0.3, random_state=0).fit(examples, examples.labels)
    memory = memory_of(model, REVIEW)
    print(memory.to_frame())
    save_figure(memory.plot(), Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
