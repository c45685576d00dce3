"""`ricorda train tag`, and predict and evaluate with its model."""

import json
from pathlib import Path

import pytest
from command_line import Command
from small_taggers import LEARNING, PAIRS, SENTENCES, SIZES, TAGS, as_options, small_tagger

OPTIONS = as_options({**SIZES, **LEARNING})
CONLLU = "".join(
    "".join(
        f"{number}\t{word}\t_\t{tag}\t{tag}X\t_\t0\t_\t_\t_\n"
        for number, (word, tag) in enumerate(zip(words, tags, strict=True), 1)
    )
    + "\n"
    for words, tags in zip(SENTENCES, TAGS, strict=True)
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tagger") / "model"
    small_tagger(**LEARNING).fit(SENTENCES, TAGS).save(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text(PAIRS, encoding="utf-8")
    (tmp_path / "data.conllu").write_text(CONLLU, encoding="utf-8")
    return tmp_path


def test_it_trains_predicts_and_evaluates(ricorda_command: Command, here: Path) -> None:
    trained = ricorda_command("train", "tag", "data.conllu", "--column", "xpos", "--out", "model", *OPTIONS, "--crf")
    assert (trained.code, "The model is in model" in trained.out) == (0, True), trained
    assert (here / "model" / "character_tokenizer.json").exists()
    predicted = ricorda_command("predict", "model", "the cat sleeps", "Dogs !")
    assert predicted.out == "the/DX cat/NX sleeps/VX\nDogs/NX !/.X\n"
    evaluated = ricorda_command("evaluate", "model", "data.conllu", "--column", "xpos")
    assert "72 words" in evaluated.out
    assert "100.00%" in evaluated.out


def test_predictions_are_the_same_from_every_source(ricorda_command: Command, here: Path, model: Path) -> None:
    (here / "words.txt").write_text("".join(" ".join(words) + "\n" for words in SENTENCES), encoding="utf-8")
    expected = ricorda_command("predict", model, *(" ".join(words) for words in SENTENCES)).out
    assert expected == PAIRS
    assert ricorda_command("predict", model, "--file", "words.txt").out == expected
    assert ricorda_command("predict", model, "--file", "data.conllu").out == expected
    assert ricorda_command("predict", model, stdin=(here / "words.txt").read_bytes()).out == expected


def test_json_has_the_words_their_tags_and_probabilities(ricorda_command: Command, model: Path) -> None:
    (line,) = ricorda_command("predict", model, "the cat", "--json").out.splitlines()
    found = json.loads(line)
    assert (found["words"], found["tags"]) == (["the", "cat"], ["D", "N"])
    assert all(0.5 < probability <= 1 for probability in found["probabilities"])


def test_an_evaluation_as_json_has_tags_and_unseen_words(ricorda_command: Command, here: Path, model: Path) -> None:
    (here / "new.txt").write_text("the/D cats/N zzz/V\n", encoding="utf-8")
    report = json.loads(ricorda_command("evaluate", model, "new.txt", "--json").out)
    assert (report["steps"], report["unseen"], report["span_f1"]) == (3, 1, None)
    assert {each["label"]: each["count"] for each in report["tags"]} == {"D": 1, "N": 1, "V": 1, ".": 0}


def test_spans_are_printed_where_tags_are_bio(ricorda_command: Command, here: Path) -> None:
    (here / "names.iob2").write_text(
        "Anna\tB-PER\nRossi\tI-PER\nsaw\tO\nRoma\tB-LOC\n\nRoma\tB-LOC\nslept\tO\n\n" * 8, encoding="utf-8"
    )
    assert ricorda_command("train", "tag", "names.iob2", "--out", "model", *OPTIONS).code == 0
    printed = ricorda_command("evaluate", "model", "names.iob2").out
    assert "span F1" in printed
    assert "PER" in printed


def test_a_model_of_numbers_is_for_python(ricorda_command: Command, here: Path) -> None:
    lengths = [[float(len(word)) for word in words] for words in SENTENCES]
    small_tagger().fit(SENTENCES, lengths).save(here / "model")
    assert ricorda_command("predict", "model", "the cat").sentence == (
        "the model reads or gives numbers, which no command prints: use ricorda.load(FOLDER).predict(...) in Python"
    )
    assert ricorda_command("evaluate", "model", "data.txt").sentence == (
        "y has tags, and the model was trained on numbers: give it those"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["train", "tag", "data.txt", "--out", "m", "--column", "ner"],
            "data.txt is no CoNLL-U, whose columns have names such as 'ner': leave --column out",
        ),
        (["train", "tag", "absent.iob2", "--out", "m"], "absent.iob2 does not exist: check the path"),
        (["predict", "MODEL", " "], "text 1 of the command line is empty: give a sentence, its words apart by spaces"),
        (["evaluate", "MODEL", "bad.txt"], "row 2 of bad.txt has 'cat' as word 2, without a tag: write word/TAG"),
        (
            ["evaluate", "MODEL", "new.txt"],
            "row 1 of new.txt has the tag 'ADJ' at step 2 ('cat'), which the training never saw: leave the sequence "
            "out, or use one of ., D, N, V",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    ricorda_command: Command, here: Path, model: Path, arguments: list[str], sentence: str
) -> None:
    (here / "bad.txt").write_text("the/D cat/N\nthe/D cat\n", encoding="utf-8")
    (here / "new.txt").write_text("the/D cat/ADJ\n", encoding="utf-8")
    done = ricorda_command(*(str(model) if each == "MODEL" else each for each in arguments))
    assert done.sentence == sentence
    assert not (here / "m").exists()


def test_tagged_sentences_of_the_standard_input_are_read_as_those_of_a_file(
    ricorda_command: Command, here: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (here / "tagged.txt").write_text(PAIRS, encoding="utf-8")
    of_file = ricorda_command("predict", model, "--file", "tagged.txt")
    piped = ricorda_command("predict", model, stdin=PAIRS.encode())
    assert piped.out == of_file.out == PAIRS
    assert caplog.messages[-1] == "the standard input: it is read as word/TAG: its tags are left out"
