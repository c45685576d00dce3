"""What a model is worth beside the obvious alternatives, said after the training and in the model card."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command

from ricorda.tasks.worth import of_classes, of_numbers, of_tokens, sentences

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
    (told,) = sentences({"best": {"epoch": 3}, "validation_examples": 0}, SCORES)
    assert told.startswith("Nothing was held out")


def test_alternatives_are_what_their_names_say() -> None:
    good, bad = torch.tensor([2, 3]), torch.tensor([4, 3])
    part = [good, bad, bad] * 10, np.array([0, 1, 1] * 10)
    majority, bag = of_classes(part, part)["alternatives"]["values"].values()
    assert (majority, bag) == (pytest.approx(2 / 3), 1.0)
    numbers = [good, bad] * 10, np.array([[0.0], [1.0]] * 10)
    mean, bag = of_numbers(numbers, numbers)["alternatives"]["values"].values()
    assert mean == 0.5
    assert bag < 0.2
    assert of_tokens("accuracy", [1, 1, 2], [1, 2])["alternatives"]["values"].popitem()[1] == 0.5
    nats = of_tokens("validation_loss", [0, 0, 1], [1])["alternatives"]["values"].popitem()[1]
    assert nats == pytest.approx(-np.log(2 / 5))


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

    few = ricorda_command(*train, "--validation-fraction", "0.2", "--out", tmp_path / "few")
    told = "The validation part has fewer than 10 examples, too few to choose an epoch by: the weights are those of the"
    card = (tmp_path / "few" / "README.md").read_text(encoding="utf-8")
    assert told in few.out
    assert told in card
    assert re.search(r"8 │ +[\d.]+% │ +[\d.]+ │ +[\d.]+ │", few.out)  # Its numbers are told all the same.
    assert "Weights of the last epoch, on 8 validation examples:" in card
    assert re.search("validation +8 examples: accuracy", ricorda_command("info", tmp_path / "few").out)
