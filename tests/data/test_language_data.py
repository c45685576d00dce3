"""Reading running text, documents and music."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ricorda.data.corpus import read_corpus, read_text
from ricorda.data.material import read_material
from ricorda.data.music import are_pieces, notes_of, read_music, roll_of
from ricorda.errors import DataError


def test_a_text_is_read_whole_with_plain_line_ends(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one\r\n\r\ntwo  three"), ("b", "è\n" * 1000)):
        (tmp_path / name).write_bytes(text.encode())
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        plain = text.replace("\r\n", "\n")
        assert read_corpus(tmp_path / name) == read_corpus(tmp_path / f"{name}.gz") == plain
        assert read_material(tmp_path / name).parts == [plain]


def test_folders_and_tables_are_documents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b", "a"):
        (folder / f"{name}.txt").write_text(f"{name}\n{name}", encoding="utf-8")
    assert read_corpus(folder) == ["a\na", "b\nb"]
    (tmp_path / "t.jsonl").write_text('{"text": ["a", "b"]}\n{"text": ["c"]}\n', encoding="utf-8")
    assert read_corpus(tmp_path / "t.jsonl") == [["a", "b"], ["c"]]
    (tmp_path / "t.csv").write_text("title\nfirst one\nsecond\n", encoding="utf-8")
    assert read_corpus(tmp_path / "t.csv", text="title") == ["first one", "second"]
    (tmp_path / "n.jsonl").write_text('{"text": [1.5, 2]}\n', encoding="utf-8")
    with pytest.raises(DataError, match="holds numbers: give texts or token lists"):
        read_corpus(tmp_path / "n.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: give some text"),
        (b"\n \n", "is blank: give some text"),
        (b"good\nb\xffd", "row 2 of .* is not UTF-8 text"),
        (b"go\0od", "row 1 of .* holds a zero byte"),
    ],
)
def test_text_that_is_none_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_text(str(tmp_path / "x"))
    with pytest.raises(DataError, match="does not exist"):
        read_text(str(tmp_path / "y"))


def test_music_is_read_with_its_parts(tmp_path: Path) -> None:
    pieces = [[[60, 64], []], [[21], [108]]]
    (tmp_path / "a.json").write_text(json.dumps(pieces), encoding="utf-8")
    assert read_music(tmp_path / "a.json").training == pieces
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps({"train": pieces, "test": pieces[:1]}).encode()))
    found = read_music(tmp_path / "b.json.gz")
    assert (found.training, found.validation, found.test) == (pieces, None, pieces[:1])
    assert read_material(tmp_path / "b.json.gz").kind == "music"


def test_a_roll_has_the_notes_and_they_come_back() -> None:
    piece = [[60, 64, 67], [], [21, 108]]
    roll = roll_of(piece)
    assert roll.shape == (3, 88)
    assert roll.sum(1).tolist() == [3, 0, 2]
    assert [notes_of(step) for step in roll] == piece
    assert np.flatnonzero(roll[2]).tolist() == [0, 87]


@pytest.mark.parametrize(
    ("value", "music"),
    [
        ([[[60]]], True),
        ([[[]]], True),
        ([[], [[60]]], False),
        ([["a"]], False),
        (["a"], False),
        ([[1.5]], False),
        ([[1, 2]], False),
        ("a", False),
        ([], False),
    ],
)
def test_pieces_are_told_from_texts_and_numbers(value: object, music: bool) -> None:
    assert are_pieces(value) == music


def test_music_that_is_too_deep_or_too_large_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "music.json"
    for content in ("[" * 99_999, "[[[" + "6" * 5_000 + "]]]"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"music.json is no JSON \(a value out of bounds\)"):
            read_music(path)
    path.write_text("[[" + "[" * 900 + "]" * 900 + "]]", encoding="utf-8")
    with pytest.raises(DataError, match=r"has the note \[\[") as caught:
        read_music(path)
    assert len(str(caught.value)) < 500
