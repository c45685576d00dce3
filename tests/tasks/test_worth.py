"""What a model is worth beside the obvious alternatives, said after the training and in the model card."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ricorda import LanguageModel, SequenceClassifier, SequenceRegressor, SequenceTagger, Translator, load
from ricorda.data.baseline import (
    by_linear,
    check_baseline,
    evenly,
    frequencies,
    linear_of_classes,
    linear_of_numbers,
)
from ricorda.errors import ModelFolderError
from ricorda.tasks.folder import BASELINE
from ricorda.tasks.worth import of_classes, of_frequencies, of_numbers, sentences

SCORES = {"accuracy": "accuracy", "mae": "mean absolute error"}


def _summary(value: float, count: int, measure: str = "accuracy", **others: float) -> dict[str, Any]:
    return {
        "best": {"score": value, measure: value},
        "validation_examples": count,
        "alternatives": {"measure": measure, "values": others},
    }


def test_a_model_is_better_or_no_better_than_each_alternative() -> None:
    (told,) = sentences(_summary(0.8, 1_000, majority=0.5, bag=0.75), SCORES)
    assert told == "By accuracy, the model has 80.0%, majority 50.0%, bag 75.0%: it is better than these."
    (told,) = sentences(_summary(0.7, 1_000, majority=0.5, bag=0.75), SCORES)
    assert told.endswith("it is no better than bag.")
    (told,) = sentences(_summary(0.76, 1_000, majority=0.5, bag=0.75), SCORES)
    assert told.endswith("it is not clearly better than bag.")  # A thousand examples tell it within 3 points.
    (told,) = sentences(_summary(2.0, 1_000, "mae", mean=1.5), SCORES)  # an error: less is better
    assert told.endswith("it is no better than mean.")


def test_a_small_validation_part_is_called_so_and_none_as_well() -> None:
    *_, told = sentences(_summary(0.83, 6, majority=0.5), SCORES)
    assert told == "The validation part is small: 6 examples tell an accuracy within 40 points."
    (told,) = sentences({"best": {"epoch": 3}, "validation_examples": 0}, SCORES, "models/mine")
    assert told.startswith("Nothing was held out")
    assert "`ricorda evaluate models/mine DATA`" in told


def test_alternatives_are_what_their_names_say() -> None:
    good, bad = torch.tensor([2, 3]), torch.tensor([4, 3])
    texts, classes = [good, bad, bad] * 10, np.array([0, 1, 1] * 10)
    told = of_classes(linear_of_classes(texts, classes, 2), classes, texts, classes)
    majority, bag = told["alternatives"]["values"].values()
    assert (majority, bag) == (pytest.approx(2 / 3), 1.0)
    texts, numbers = [good, bad] * 10, np.array([[0.0], [1.0]] * 10)
    mean, bag = of_numbers(linear_of_numbers(texts, numbers), numbers, texts, numbers)["alternatives"][
        "values"
    ].values()
    assert mean == 0.5
    assert bag < 0.2
    counts = frequencies(torch.tensor([1, 1, 2]), 3)
    assert of_frequencies("accuracy", counts, [1, 2])["alternatives"]["values"].popitem()[1] == 0.5
    nats = of_frequencies("validation_loss", frequencies(torch.tensor([0, 0, 1]), 2), [1])
    assert nats["alternatives"]["values"].popitem()[1] == pytest.approx(-np.log(2 / 5))


def test_a_bag_of_tokens_is_scikit_learns_own() -> None:
    draw = np.random.default_rng(0)
    texts = [torch.from_numpy(draw.integers(2, 40, draw.integers(1, 9))) for _ in range(90)]
    unseen = [torch.tensor([50, 3, 3]), torch.tensor([7])]
    classes, numbers = draw.integers(0, 3, 90), draw.normal(size=(90, 2))
    vectors = TfidfVectorizer(analyzer=torch.Tensor.tolist)
    rows, others = vectors.fit_transform(texts), vectors.transform(unseen)
    right = LogisticRegression(max_iter=1_000).fit(rows, classes).decision_function(others)
    np.testing.assert_allclose(by_linear(linear_of_classes(texts, classes, 3), unseen), right, rtol=1e-5, atol=1e-6)
    right = Ridge().fit(rows, numbers).predict(others)
    np.testing.assert_allclose(by_linear(linear_of_numbers(texts, numbers), unseen), right, rtol=1e-5, atol=1e-6)
    two = LogisticRegression(max_iter=1_000).fit(rows, classes > 0).predict(others)
    np.testing.assert_array_equal(by_linear(linear_of_classes(texts, (classes > 0) * 1, 2), unseen).argmax(1), two * 1)


def test_of_arrays_it_is_a_linear_model_on_steps_evenly_apart() -> None:
    draw = np.random.default_rng(0)
    arrays = [draw.normal(5, 3, (int(draw.integers(4, 9)), 2)).astype(np.float32) for _ in range(80)]
    steps = round(float(np.mean([len(array) for array in arrays])))
    rows = np.array(
        [
            np.stack(
                [np.interp(np.linspace(0, len(array) - 1, steps), range(len(array)), c) for c in array.T], 1
            ).ravel()
            for array in arrays
        ]
    )
    sequences = [torch.from_numpy(array) for array in arrays]
    np.testing.assert_allclose(evenly(sequences, steps), rows)
    classes, numbers = draw.integers(0, 3, 80), draw.normal(size=(80, 2))
    right = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(rows, classes)
    linear = linear_of_classes(sequences, classes, 3)
    np.testing.assert_allclose(by_linear(linear, sequences), right.decision_function(rows), rtol=1e-4, atol=1e-4)
    told = of_classes(linear, classes, sequences, classes)["alternatives"]["values"]
    assert told["a logistic regression on steps evenly apart"] == right.score(rows, classes)
    right = make_pipeline(StandardScaler(), Ridge()).fit(rows, numbers).predict(rows)
    linear = linear_of_numbers(sequences, numbers)
    np.testing.assert_allclose(by_linear(linear, sequences), right, rtol=1e-4, atol=1e-4)
    told = of_numbers(linear, numbers, sequences, numbers)["alternatives"]["values"]
    assert told["a ridge regression on steps evenly apart"] == pytest.approx(np.abs(right - numbers).mean())
    one_step = [torch.full((length, 1), float(length)) for length in (1, 1, 2)]
    assert evenly(one_step, 1).tolist() == [[1], [1], [2]]
    smallest = [torch.full((2, 1), 1e-44 * row) for row in range(9)]  # The weights would be infinite.
    assert linear_of_numbers(smallest, np.arange(9.0)[:, None]) == {}


def test_evaluations_compare_too_from_the_folder_alone(tmp_path: Path) -> None:
    texts, labels = ["a warm film", "a dull film"] * 20, ["good", "bad"] * 20
    tiny: dict[str, Any] = {"hidden_size": 4, "epochs": 1, "random_state": 0, "device": "cpu"}
    models: list[tuple[Any, Any, Any]] = [
        (SequenceClassifier(min_frequency=1, **tiny), texts, labels),
        (SequenceRegressor(min_frequency=1, **tiny), texts, [1.0, 0.0] * 20),
        (SequenceClassifier(**tiny), [np.arange(3.0), -np.arange(4.0)] * 20, labels),
        (LanguageModel(tokenizer="word", validation_fraction=0, **tiny), ["the cat sat", "a dog ran"] * 20, None),
        (SequenceTagger(**tiny), [["the", "cat"], ["a", "dog"]] * 20, [["D", "N"]] * 40),
        (
            Translator(vocab_size=300, **tiny),
            [f"{text} as ever" for text in texts],
            [f"{text} as ever" for text in texts],
        ),
    ]
    for model, X, y in models:
        model.fit(X, y)
        model.save(tmp_path / model.TASK)
        assert (tmp_path / model.TASK / BASELINE).exists() == (model.TASK in ("classify", "regress", "language"))
        opened: Any = load(tmp_path / model.TASK)
        figures = opened.evaluate(X) if y is None else opened.evaluate(X, y)
        assert figures.alternatives == figures.to_json()["alternatives"]
        values = figures.alternatives["values"]
        if model.TASK == "classify":
            assert list(values.values()) == [0.5, 1.0]
        elif model.TASK == "regress":
            assert values["always saying the mean"] == 0.5
            assert values["a ridge regression on a bag of tokens"] < 0.2
        elif model.TASK == "language":  # Six words and two ends, and no unknown word: the counts are 20 and 40 of 160.
            counts = np.array([21.0] * 6 + [41, 1])
            right = -np.log(counts / counts.sum()) @ (counts - 1) / 160
            assert values["going by the frequencies alone"] == pytest.approx(right)
        elif model.TASK == "tag":
            assert values == {"always saying the most frequent tag": 0.5}
        else:  # Each is a translation of itself, so copying is right.
            assert values == {"copying the source": pytest.approx(100.0)}


def test_a_folder_with_another_baseline_is_refused() -> None:
    texts, classes = [torch.tensor([2, 3]), torch.tensor([4, 3])] * 9, np.array([0, 1] * 9)
    bag = linear_of_classes(texts, classes, 2)
    check_baseline(bag, outputs=2)
    linear = linear_of_classes([torch.full((2, 3), float(kind)) for kind in classes], classes, 2)
    check_baseline(linear, outputs=2, features=3)
    check_baseline(frequencies(torch.tensor([1, 2]), 4), vocabulary=4)
    wrong: list[tuple[Any, dict[str, int]]] = [
        (bag, {"outputs": 3}),
        (bag, {"vocabulary": 4}),
        (frequencies(torch.tensor([1, 2]), 4), {"vocabulary": 5}),
        (frequencies(torch.tensor([1, 2]), 4), {"outputs": 2}),
        ({"counts": torch.tensor([1, -1])}, {"vocabulary": 2}),
        ({**bag, "bias": bag["bias"] * torch.nan}, {"outputs": 2}),
        ({**bag, "tokens": torch.zeros_like(bag["tokens"])}, {"outputs": 2}),
        ({name: bag[name] for name in ("tokens", "idf", "weights")}, {"outputs": 2}),
        (bag, {}),
        (bag, {"outputs": 2, "features": 1}),
        (linear, {"outputs": 2, "features": 4}),
        (linear, {"outputs": 3, "features": 3}),
    ]
    for baseline, sizes in wrong:
        with pytest.raises(ModelFolderError, match="baseline"):
            check_baseline(baseline, **sizes)


def test_the_command_says_so(tmp_path: Path, ricorda_command: Command) -> None:
    lines = [f"{label},a {word} film" for label, word in [("good", "warm"), ("bad", "dull")] * 20]
    (tmp_path / "reviews.csv").write_text("label,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    options = ["--epochs", "2", "--hidden-size", "4", "--embedding-size", "4", "--min-frequency", "1"]
    train = ("train", "classify", tmp_path / "reviews.csv", *options)
    done = ricorda_command(*train, "--validation-fraction", "0.25", "--out", tmp_path / "m")
    assert re.search(r"By accuracy, the model has [\d.]+%, always saying the most frequent class 50.0%", done.out)
    assert "10 examples tell an accuracy within 31 points" in done.out
    assert re.search(r"epoch 1/2  loss [\d.]+  accuracy [\d.]+%", done.err)
    assert "always saying the most frequent class" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    done = ricorda_command("evaluate", tmp_path / "m", tmp_path / "reviews.csv")
    assert re.search(r"By accuracy, the model has [\d.]+%, .* class 50.0%, .* bag of tokens 100.0%: it is", done.out)

    few = ricorda_command(*train, "--validation-fraction", "0.2", "--out", tmp_path / "few")
    told = "The validation part has fewer than 10 examples, too few to choose an epoch by: the weights are those of the"
    card = (tmp_path / "few" / "README.md").read_text(encoding="utf-8")
    assert told in few.out
    assert told in card
    assert re.search(r"8 │ +[\d.]+% │ +[\d.]+ │ +[\d.]+ │", few.out)  # Its numbers are told all the same.
    assert "Weights of the last epoch, on 8 validation examples:" in card
    assert re.search("validation +8 examples: accuracy", ricorda_command("info", tmp_path / "few").out)
