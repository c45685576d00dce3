"""Files are read in parts: the same examples and mistakes as at once, in bounded memory."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from small_models import LABELS, TEXTS, small

from ricorda.cli.classify import predict
from ricorda.cli.source import AT_ONCE, InputSource
from ricorda.data.parts import read_in_parts
from ricorda.data.read import read_examples
from ricorda.errors import ArgumentError, DataError

ROWS = [
    (f"text {number}\nof two lines" if number % 7 == 3 else f"text {number}", f"l{number % 3}") for number in range(25)
]


def _csv(path: Path) -> None:
    lines = [f'"{text}",{label}\n' for text, label in ROWS]
    path.write_text("text,label\n" + "".join(lines) + "\n \n", encoding="utf-8")


def _csv_gz(path: Path) -> None:
    _csv(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def _tsv(path: Path) -> None:
    path.write_text(
        "text\tlabel\n" + "".join(f"{text.replace(chr(10), ' ')}\t{label}\n" for text, label in ROWS), encoding="utf-8"
    )


def _json_lines(path: Path) -> None:
    path.write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS), encoding="utf-8"
    )


def _parquet(path: Path) -> None:
    texts, labels = zip(*ROWS, strict=True)
    pl.DataFrame({"text": texts, "label": labels}).write_parquet(path, row_group_size=9)


def _text_lines(path: Path) -> None:
    path.write_text("".join(f"{label} {text.replace(chr(10), ' ')}\n" for text, label in ROWS), encoding="utf-8")


def _folder(path: Path) -> None:
    for number, (text, label) in enumerate(ROWS):
        (path / label).mkdir(parents=True, exist_ok=True)
        (path / label / f"{number}.txt").write_text(text, encoding="utf-8")


FORMS: dict[str, Callable[[Path], None]] = {
    "data.csv": _csv,
    "data.csv.gz": _csv_gz,
    "data.tsv": _tsv,
    "data.jsonl": _json_lines,
    "data.parquet": _parquet,
    "data.txt": _text_lines,
    "data": _folder,
}


@pytest.mark.parametrize("rows", [1, 4, 25, 1000])
@pytest.mark.parametrize("name", FORMS)
def test_the_parts_together_are_the_whole_with_its_places(tmp_path: Path, name: str, rows: int) -> None:
    FORMS[name](tmp_path / name)
    whole = read_examples(tmp_path / name)
    parts = list(read_in_parts(tmp_path / name, labelled=True, rows=rows))
    assert max(len(part.inputs) for part in parts) <= rows
    if name != "data.parquet":
        assert len(parts) == -(-25 // rows)
    assert [text for part in parts for text in part.inputs] == whole.inputs
    assert [label for part in parts for label in part.labels or []] == whole.labels
    places = [part.place(index) for part in parts for index in range(len(part.inputs))]
    assert places == [whole.place(index) for index in range(25)]


@pytest.mark.parametrize("name", FORMS)
def test_without_labels(tmp_path: Path, name: str) -> None:
    FORMS[name](tmp_path / name)
    whole = read_examples(tmp_path / name, labelled=False)
    parts = list(read_in_parts(tmp_path / name, rows=10))
    assert [text for part in parts for text in part.inputs] == whole.inputs
    assert all(part.labels is None for part in parts)


def test_what_comes_before_a_mistake_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "a,b\n" * 10 + ",b\n" + "a,b\n", encoding="utf-8")
    parts = read_in_parts(path, rows=4)
    assert [len(next(parts).inputs) for _ in range(2)] == [4, 4]
    with pytest.raises(DataError, match=r"^row 12 of .*data.csv, column 'text', has an empty text"):
        next(parts)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "", "is empty: give a file with a header and rows"),
        ("a.csv", "text\n", "has a header but no rows: add rows"),
        ("a.jsonl", "", "is empty: give a file with one JSON object a line"),
        ("a.txt", "", "is empty: give a file with one example a line"),
    ],
)
def test_a_source_without_rows_is_told(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        list(read_in_parts(tmp_path / name))
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has columns but no rows"):
        list(read_in_parts(tmp_path / "a.parquet"))
    with pytest.raises(ArgumentError, match="--text words names a column"):
        list(read_in_parts(tmp_path / "a.txt", text="words"))


def peak(work: Callable[[], Any]) -> int:
    """The most bytes that Python objects took at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data.txt"])
def test_reading_takes_the_memory_of_a_part(tmp_path: Path, name: str) -> None:
    path, text = tmp_path / name, "word " * 200
    line = {"data.csv": f'"{text}"\n', "data.jsonl": json.dumps({"text": text}) + "\n", "data.txt": f"{text}\n"}[name]
    path.write_text("text\n" * (name == "data.csv") + line * 20_000, encoding="utf-8")  # 20 MB
    seen = 0

    def read() -> None:
        nonlocal seen
        for part in read_in_parts(path, rows=500):
            seen += len(part.inputs)

    assert peak(read) < 4 * 500 * len(line)
    assert seen == 20_000


def test_predictions_of_a_large_file_take_the_memory_of_a_part(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = small(max_length=3).fit(TEXTS, LABELS)
    words = "a warm and funny film " * 40

    def peak_of(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        path.write_text("text\n" + "".join(f"{number} {words}\n" for number in range(rows)), encoding="utf-8")
        return peak(lambda: predict(model, InputSource(None, str(path)), True))

    peaks = [peak_of(rows) for rows in (AT_ONCE, AT_ONCE, 6 * AT_ONCE)]  # the first one imports too
    assert peaks[2] < 1.5 * peaks[1]
    probabilities = [json.loads(line)["probability"] for line in capfd.readouterr().out.splitlines()]
    assert len(probabilities) == 8 * AT_ONCE
    wanted = model.predict_proba([f"{number} {words}" for number in range(3070, 3080)]).max(1)
    np.testing.assert_allclose(probabilities[2 * AT_ONCE :][3070:3080], wanted, rtol=1e-5)
