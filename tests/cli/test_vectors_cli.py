"""`--vectors` of `ricorda train`: what is said of them, and one sentence for what is wrong with them."""

import json
from pathlib import Path

import pytest
from command_line import Command

OPTIONS = ["--hidden-size", "4", "--device", "cpu", "--epochs", "2", "--batch-size", "8", "--out", "model"]
TRAIN = ["train", "classify", "data.csv", *OPTIONS, "--vectors", "vectors.txt"]
FILE = "film 1 2 3\nlovely -1 0.5 0\ngreat 0 0 1\n"


def test_it_says_what_the_file_covers_and_info_says_it_again(folder: Path, ricorda_command: Command) -> None:
    (folder / "vectors.txt").write_text(FILE, encoding="utf-8")
    done = ricorda_command(*TRAIN, "--freeze-vectors")
    sentence = (
        "vectors.txt has vectors for 2 of the 22 words of the training (9.1%; 9.1% of its text); 1 of its other words "
        "are known too."
    )
    assert done.code == 0, done
    assert sentence in done.out
    (folder / "vectors.txt").unlink()
    assert sentence in ricorda_command("info", "model").out
    parameters = json.loads(ricorda_command("info", "model", "--json").out)["parameters"]
    expected = {"vectors": "vectors.txt", "freeze_vectors": True, "embedding_size": 3, "tokenizer": "word"}
    assert parameters == {**parameters, **expected}
    assert ricorda_command("predict", "model", "a great film").code == 0


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (FILE + "warm 1 2\n", [], "line 4 of vectors.txt has a vector of 2 numbers, and line 1 has 3"),
        (FILE.replace("0.5", "x"), [], "line 2 of vectors.txt has 'x' for a number"),
        ("", [], "vectors.txt is empty"),
        ("uno 1 2\n", [], "vectors.txt has a vector for none of the 22 words"),
        (FILE, ["--embedding-size", "8"], "--embedding-size is 8, and vectors.txt has vectors of 3 numbers: leave it"),
        (FILE, ["--vectors", "vector.txt"], "vector.txt does not exist: did you mean vectors.txt?"),
        (FILE, ["--vectors", "-"], "vectors are read from a file on this machine"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    folder: Path, ricorda_command: Command, content: str, options: list[str], sentence: str
) -> None:
    (folder / "vectors.txt").write_text(content, encoding="utf-8")
    assert ricorda_command(*TRAIN, *options).sentence.startswith(sentence)
    assert not (folder / "model").exists()
