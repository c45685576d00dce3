"""Draws docs/pictures/gates.png and units.png: an LSTM that was trained on the sample reviews reads one."""

from pathlib import Path

import ricorda
from ricorda import SequenceClassifier
from ricorda.data.read import read_examples
from ricorda.insight import followers_of, gates_of
from ricorda.insight.drawing import save_figure

HERE = Path(__file__).parent
SAMPLES = Path(ricorda.__file__).parent / "samples"
TEXT = (
    'They call it "a masterpiece of silence" (it is long), yet I was bored, then angry, and in the end moved to tears.'
)

reviews = read_examples(SAMPLES / "reviews.csv")
test = read_examples(SAMPLES / "reviews_test.csv")
model = SequenceClassifier(
    hidden_size=48, bidirectional=False, pooling="last", tokenizer="word", min_frequency=2, epochs=10, random_state=0
).fit(reviews, reviews.labels)
print(f"accuracy on the test file: {model.score(test, test.labels):.1%}")

gates = gates_of(model, TEXT)
save_figure(gates.plot(), HERE / "gates.png")

followers = followers_of(model, list(test.inputs), show=TEXT)
for name in followers.correlations:
    print(name, followers.steps[name], followers.best(name, 3))
save_figure(followers.plot("position", "verdict"), HERE / "units.png")
