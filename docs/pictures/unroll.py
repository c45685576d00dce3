"""Draws docs/pictures/unroll.png, the worked LSTM example, and unroll_text.png, a trained GRU on a text."""

from pathlib import Path

import ricorda
from ricorda import SequenceClassifier
from ricorda.data.read import read_examples
from ricorda.insight import read_weights, unroll
from ricorda.insight.drawing import save_figure

HERE = Path(__file__).parent
SAMPLES = Path(ricorda.__file__).parent / "samples"

worked = unroll("lstm", [1, 0.5, 0.25, 1], read_weights(HERE.parent / "worked_lstm.json"))
save_figure(worked.plot(), HERE / "unroll.png")

reviews = read_examples(SAMPLES / "reviews.csv")
model = SequenceClassifier(
    cell="gru", hidden_size=24, bidirectional=False, tokenizer="word", min_frequency=2, epochs=3, random_state=0
).fit(reviews, reviews.labels)
save_figure(unroll(model, "I was bored, then moved.").plot(), HERE / "unroll_text.png")
