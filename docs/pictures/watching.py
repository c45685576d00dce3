"""Write watching.png beside this file: the gradient's flow while an LSTM learns to judge the sample reviews."""

from pathlib import Path

import polars

import ricorda
from ricorda import SequenceClassifier
from ricorda.insight.drawing import save_figure

SAMPLES = Path(ricorda.__file__).parent / "samples" / "reviews.csv"


def main() -> None:
    """Train and draw."""
    reviews = polars.read_csv(SAMPLES)
    model = SequenceClassifier(tokenizer="word", min_frequency=2, pooling="last", epochs=6, random_state=0)
    model.fit(reviews["text"].to_list(), reviews["label"].to_list(), watch_gradients=5)
    save_figure(model.gradient_flow_.plot(), Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
