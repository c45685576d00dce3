"""Options that follow the data: as usual where there is much, more and smaller steps where there is little."""

import pytest

from ricorda import SequenceClassifier
from ricorda.training.options import Auto, TrainingOptions

AUTOMATIC = TrainingOptions(epochs=Auto(10), batch_size=Auto(32))


@pytest.mark.parametrize(
    ("rows", "epochs", "batch_size"),
    [(1, 100, 1), (5, 100, 5), (60, 80, 8), (200, 26, 8), (600, 26, 24), (2_048, 10, 32), (100_000, 10, 32)],
)
def test_small_data_has_more_epochs_of_smaller_batches(rows: int, epochs: int, batch_size: int) -> None:
    fitted = AUTOMATIC.fitting(rows, lambda size: -(-rows // size))
    assert (fitted.epochs, fitted.batch_size) == (epochs, batch_size)


def test_what_is_given_is_kept() -> None:
    fitted = TrainingOptions(epochs=3, batch_size=4).fitting(1_000, lambda _size: 250)
    assert (fitted.epochs, fitted.batch_size) == (3, 4)


def test_a_classifier_of_few_texts_learns_them_by_its_defaults() -> None:
    texts, labels = ["a warm and funny film", "dull from start to end"] * 20, ["good", "bad"] * 20
    model = SequenceClassifier(hidden_size=8, embedding_size=8, random_state=0).fit(texts, labels)
    assert model.score(texts, labels) == 1.0
    assert model.summary_["validation_examples"] == 0  # so few would choose by chance
    assert model.summary_["best"]["step"] >= 200
    alone = SequenceClassifier(hidden_size=8, embedding_size=8, random_state=0, wide=False).fit(texts, labels)
    assert alone.score(texts, labels) == 1.0
    assert alone.summary_["best"]["step"] >= 500  # A wide part leaves less to learn.
    assert model.epochs == model.batch_size == "auto"
