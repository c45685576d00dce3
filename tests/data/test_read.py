import csv
import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ricorda.data.pairs import read_pairs
from ricorda.data.parts import read_in_parts
from ricorda.data.read import read_examples
from ricorda.data.targets import read_measured
from ricorda.errors import ArgumentError, DataError

Write = Callable[[str, str | bytes], str]
TABLE = b"text,label\ngood,pos\nbad,neg\n"
CUT_GZIP = gzip.compress(Random(0).randbytes(999).hex().encode(), mtime=0)[:-99]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into an empty working folder and give its relative path."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, content: str | bytes) -> str:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write_file


def refusal(path: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_examples(path, **options)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", TABLE),
        ("a.CSV", TABLE.replace(b"\n", b"\r\n") + b"\r\n"),
        ("bom.csv", b"\xef\xbb\xbf" + TABLE),
        ("no_end.csv", TABLE.rstrip()),
        ("a.tsv", TABLE.replace(b",", b"\t")),
        ("a.jsonl", b'{"text": "good", "label": "pos"}\n{"label": "neg", "text": "bad"}\n\n'),
        ("a.ndjson", b'\xef\xbb\xbf{"text": "good", "label": "pos"}\r\n{"label": "neg", "text": "bad"}'),
        ("a.train", b"pos good\nneg bad\n\n"),
        ("a", b"pos good\r\nneg bad"),
    ],
)
def test_every_text_format_gives_the_same_examples(write: Write, name: str, content: bytes, zipped: bool) -> None:
    path = write(name + ".gz", gzip.compress(content)) if zipped else write(name, content)
    examples = read_examples(path)
    assert examples.inputs == ["good", "bad"]
    assert examples.labels == ["pos", "neg"]
    assert examples.source == path
    first_row = 2 if name.lower().endswith(("csv", "tsv")) else 1
    assert [examples.place(0), examples.place(1)] == [f"row {first_row + i} of {path}" for i in (0, 1)]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["good", "bad"], ["good", "bad"]),
        ([["very", "good"], ["bad"]], [["very", "good"], ["bad"]]),
        ([[1, 2, 3], [4]], [[[1], [2], [3]], [[4]]]),
        ([[[1.5, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], [[[1.5, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]),
    ],
)
@pytest.mark.parametrize("format", ["jsonl", "parquet", "parquet.gz"])
def test_json_lines_and_parquet_hold_texts_tokens_and_numbers(
    write: Write, format: str, inputs: list[Any], expected: list[Any]
) -> None:
    if format == "jsonl":
        rows = [json.dumps({"x": x, "y": y}) for x, y in zip(inputs, [1, 0], strict=True)]
        path = write("a.jsonl", "\n".join(rows))
    else:
        pl.DataFrame({"x": inputs, "y": [1, 0]}).write_parquet(write("a.parquet", ""))
        path = write("a." + format, gzip.compress(Path("a.parquet").read_bytes())) if "gz" in format else "a.parquet"
    examples = read_examples(path, text="x", label="y")
    assert examples.labels == ["1", "0"]
    assert examples.place(1) == f"row 2 of {path}"
    for read, wanted in zip(examples.inputs, expected, strict=True):
        if isinstance(read, np.ndarray):
            assert read.dtype == np.float32
            np.testing.assert_array_equal(read, wanted)
        else:
            assert read == wanted


def test_parquet_arrays_of_fixed_size_are_numbers(write: Write) -> None:
    inputs = pl.Series([[[1, 2], [3, 4]]], dtype=pl.Array(pl.Array(pl.Int16, 2), 2))
    pl.DataFrame({"text": inputs, "label": pl.Series(["a"], dtype=pl.Categorical)}).write_parquet(
        write("a.parquet", "")
    )
    examples = read_examples("a.parquet")
    np.testing.assert_array_equal(examples.inputs[0], [[1, 2], [3, 4]])
    assert examples.labels == ["a"]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ('"pos"', "pos"),
        ('" pos "', "pos"),
        ('"none"', "none"),
        ("1", "1"),
        ("1.0", "1"),
        ('"1.0"', "1"),
        ("-2.00", "-2"),
        ('"1.5"', "1.5"),
        ("true", "true"),
    ],
)
def test_labels_become_strings(write: Write, written: str, label: str) -> None:
    assert read_examples(write("a.jsonl", f'{{"text": "x", "label": {written}}}')).labels == [label]


def test_whole_numbers_are_one_label_in_every_format(write: Write) -> None:
    pl.DataFrame({"text": ["x"], "label": [1.0]}).write_parquet(write("a.parquet", ""))
    paths = ["a.parquet", write("a.csv", "text,label\nx,1.0"), write("b.csv", "text,label\nx,1"), write("a", "1 x")]
    assert [read_examples(path).labels for path in paths] == [["1"]] * 4


def test_quoted_fields_keep_commas_quotes_and_line_ends(write: Write) -> None:
    path = write("a.csv", 'id,label,text\n1,pos,"so ""good"",\nreally"\n2,neg,12" vinyl\n')
    assert read_examples(path).inputs == ['so "good",\nreally', '12" vinyl']


def test_tsv_knows_no_quotes(write: Write) -> None:
    assert read_examples(write("a.tsv", 'text\tlabel\n"so\tpos\n')).inputs == ['"so']


def test_row_numbers_count_records_and_lines_are_given_where_they_differ(write: Write) -> None:
    path = write("a.csv", 'text,label\n"a\nb\n\nc",pos\nd,neg\n"e\nf",pos\n')
    examples = read_examples(path)
    assert [examples.place(i) for i in range(3)] == [
        "row 2 of a.csv",
        "row 3 (line 6) of a.csv",
        "row 4 (line 7) of a.csv",
    ]
    assert refusal(write("b.csv", 'text,label\n"a\nb",pos\nd,\n')).startswith(
        "row 3 (line 4) of b.csv, column 'label',"
    )


def test_line_files_split_on_the_first_ascii_space_alone(write: Write) -> None:
    examples = read_examples(write("sst.train", "1 8\u00a01\\/2 is\u2028a film\u0085\n0\u00a0x a b\n"))
    assert examples.inputs == ["8\u00a01\\/2 is\u2028a film\u0085", "a b"]
    assert examples.labels == ["1", "0\u00a0x"]


def test_a_folder_has_a_class_a_sub_folder(write: Write) -> None:
    for name in ("r/pos/b.txt", "r/pos/a.txt", "r/neg/c.txt", "r/neg/.d.txt", "r/.git/e.txt", "r/neg/notes.md"):
        write(name, f"text of {name}\n")
    write("r/pos/z.txt.gz", gzip.compress(b"zipped"))
    examples = read_examples("r")
    assert examples.labels == ["neg", "pos", "pos", "pos"]
    assert examples.inputs == ["text of r/neg/c.txt", "text of r/pos/a.txt", "text of r/pos/b.txt", "zipped"]
    assert examples.place(1) == str(Path("r/pos/a.txt"))


def test_without_labels_neither_column_nor_class_is_needed(write: Write) -> None:
    texts = ["so good", "so bad"]
    table = "review\nso good\nso bad\n"
    for path, options in [
        (write("a.csv", table), {"text": "review"}),
        (write("b.csv", "text,label\nso good,\nso bad,x\n"), {}),
        (write("a.jsonl", '{"text": "so good"}\n{"text": "so bad", "label": 1}'), {}),
        (write("a", "so good\nso bad\n"), {}),
    ]:
        examples = read_examples(path, labelled=False, **options)
        assert (examples.inputs, examples.labels) == (texts, None)
    write("r/a.txt", "so good")
    write("r/sub/b.txt", "so bad")
    assert read_examples("r", labelled=False).inputs == texts


def test_a_text_of_a_megabyte_is_read_in_each_format(write: Write) -> None:
    text = "bella " * 175_000
    write("r/pos/a.txt", text)
    for path in (
        write("a.csv", f"text,label\n{text},pos\n"),
        write("a.tsv", f"text\tlabel\n{text}\tpos\n"),
        write("a.jsonl", json.dumps({"text": text, "label": "pos"})),
        write("a", f"pos {text}"),
        "r",
    ):
        assert read_examples(path).inputs == [text]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip), min_size=1)
)
def test_any_text_survives_csv_json_lines_and_parquet(write: Write, texts: list[str]) -> None:
    with Path("a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["text", "label"], *([text, "x"] for text in texts)])
    write("a.jsonl", "\n".join(json.dumps({"text": text, "label": "x"}) for text in texts))
    pl.DataFrame({"text": texts, "label": ["x"] * len(texts)}).write_parquet("a.parquet")
    for path in ("a.csv", "a.jsonl", "a.parquet"):
        assert read_examples(path).inputs == texts


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", ["empty.csv is empty", "header and rows"]),
        ("empty.csv.gz", gzip.compress(b"", mtime=0), ["empty.csv.gz is empty"]),
        ("blank.csv", "\n\n", ["blank.csv is empty"]),
        ("empty.jsonl", "", ["empty.jsonl is empty", "JSON object a line"]),
        ("empty.txt", "\n", ["empty.txt is empty", "one example a line"]),
        ("header.csv", "text,label\n", ["header.csv has a header but no rows", "add rows"]),
        ("column.csv", "review,label\nx,y\n", ["column.csv", "'text'", "'review', 'label'", "--text"]),
        ("column.csv", "text,sentiment\nx,y\n", ["column.csv", "'label'", "'text', 'sentiment'", "--label"]),
        ("column.jsonl", '{"text": "x"}\n', ["row 1 of column.jsonl", "'label'", "'text'", "--label"]),
        ("column.jsonl", '{"text": "x", "label": 1}\n{"label": 1}', ["row 2 of column.jsonl", "'text'", "complete"]),
        ("bars.csv", "text|label\nx|y\n", ["bars.csv", "'text|label'", "by commas"]),
        ("twice.csv", "text,text,label\nx,y,z\n", ["twice.csv", "2 columns named 'text'", "rename"]),
        ("few.csv", "text,label\nx,y\nx\nx,y\n", ["row 3 of few.csv", "1 field ", "has 2 fields", "correct the row"]),
        ("many.csv", "text,label\nx, y,z\n", ["row 2 of many.csv", "3 fields", "quote a field"]),
        ("few.tsv", "text\tlabel\nx\n", ["row 2 of few.tsv", "1 field", "correct the row"]),
        ("open.csv", 'text,label\nx,y\n"x,y\nx,y\n', ["row 3 of open.csv is broken", "close each quote"]),
        ("inner.csv", 'text,label\n"so "x" y",z\n', ["row 2 of inner.csv is broken", "double the quotes"]),
        ("mac.csv", "text,label\rx,y\r", ["row 1 of mac.csv", "carriage return", "tr '\\r' '\\n'"]),
        ("gap.csv", "text,label\nx,y\n\nx,y\n", ["row 3 of gap.csv is blank", "delete"]),
        ("gap.jsonl", '{"text": "x", "label": 1}\n\n{"text": "x", "label": 1}', ["row 2 of gap.jsonl is blank"]),
        ("gap.txt", "1 a\n\n1 b\n", ["row 2 of gap.txt is blank", "delete"]),
        ("null.csv", "text,label\nx,y\nx,\n", ["row 3 of null.csv", "'label'", "empty label", "fill it in"]),
        ("nan.csv", "text,label\nx,NaN\n", ["row 2 of nan.csv", "'label'", "'NaN'", "fill it in"]),
        ("null.jsonl", '{"text": "x", "label": null}', ["row 1 of null.jsonl", "'label'", "no label", "fill it in"]),
        ("nan.jsonl", '{"text": "x", "label": NaN}', ["row 1 of nan.jsonl", "'label'", "NaN", "fill it in"]),
        ("half.jsonl", '{"text": "x", "label": 1.5}', ["row 1 of half.jsonl", "1.5", "whole numbers"]),
        ("list.jsonl", '{"text": "x", "label": [1]}', ["row 1 of list.jsonl", "[1]", "whole numbers"]),
        ("label.txt", "1 a\n b\n", ["row 2 of label.txt", "empty label", "fill it in"]),
        ("space.txt", "1 a\n1\n", ["row 2 of space.txt", "'1'", "`label text`"]),
        ("text.csv", "text,label\n,y\n", ["row 2 of text.csv", "'text'", "empty text", "fill it in"]),
        ("text.csv", "text,label\n \u00a0,y\n", ["row 2 of text.csv", "'text'", "blank text", "fill it in"]),
        ("text.txt", "1 \n", ["row 1 of text.txt", "empty text", "fill it in"]),
        ("text.jsonl", '{"text": null, "label": 1}', ["row 1 of text.jsonl", "'text'", "no text", "fill it in"]),
        ("text.jsonl", '{"text": 5, "label": 1}', ["row 1 of text.jsonl", "has 5", "--text"]),
        ("text.jsonl", '{"text": "\\ud800", "label": 1}', ["row 1 of text.jsonl", "surrogate", "fill it in"]),
        ("latin.csv", "text,label\nx,y\ncaffè,y\n".encode("latin1"), ["row 3 of latin.csv", "0xe8", "'caff'", "iconv"]),
        ("mixed.csv", "text,label\nperché,y\n".encode() + b"caff\xe8,y\n", ["row 3 of mixed.csv", "UTF-8", "iconv -f"]),
        ("late.csv", b'text,label\n"a\nb",y\nx\xe8,y\n', ["row 3 (line 4) of late.csv", "UTF-8", "iconv -f"]),
        ("latin.txt", b"1 a\n1 caff\xe8\n", ["row 2 of latin.txt", "UTF-8", "iconv -f cp1252"]),
        ("quotes.txt", b"1 a\n1 l\x92amico\n", ["row 2 of quotes.txt", "0x92", "iconv -f cp1252 -t utf-8 quotes.txt"]),
        ("mac.txt", b"1 a\n1 \x8d\n", ["0x8d", "iconv -f ENCODING", "not cp1252"]),
        ("latin.jsonl", b'{"text": "caff\xe8"}', ["row 1 of latin.jsonl", "UTF-8", "iconv -f cp1252"]),
        ("wide.csv", "text,label\nx,y\n".encode("utf-16"), ["row 1 of wide.csv", "UTF-16", "iconv -f utf-16"]),
        ("film.mp4", b"\xff\x00\xfe\n", ["row 1 of film.mp4", "binary data", "CSV"]),
        ("zero.txt", b"1 a\0b\n", ["row 1 of zero.txt", "zero byte", "UTF-8 text"]),
        ("short.csv.gz", CUT_GZIP, ["short.csv.gz ends", "again"]),
        ("sum.csv.gz", gzip.compress(TABLE, mtime=0)[:-8] + b"01234567", ["sum.csv.gz has damaged gzip data", "again"]),
        ("broken.jsonl", '{"text": "x", "label": 1}\n{"text": "x"', ["row 2 of broken.jsonl is no JSON", "one JSON"]),
        ("deep.jsonl", "[" * 99_999, ["row 1 of deep.jsonl is no JSON", "one JSON object"]),
        ("array.json", '[{"text": "x", "label": 1}]', ["row 1 of array.json is a JSON array", "jq -c '.[]'"]),
        ("text.parquet", "no table", ["text.parquet is no Parquet file", "again"]),
        ("empty.parquet", "", ["empty.parquet is no Parquet file"]),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_sentence_with_place_and_way_out(
    write: Write, name: str, content: str | bytes, said: list[str]
) -> None:
    message = refusal(write(name, content))
    for part in said:
        assert part in message
    assert "\n" not in message
    assert message.count(": ") >= 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[[1, 2]], [[3, 4], [5, float("nan")]]], ["row 2 of", "'text'", "NaN at step 2, feature 2", "replace"]),
        ([[1, 2], [3, float("inf")]], ["row 2 of", "inf at step 2, feature 1", "replace"]),
        ([[1, None]], ["row 1 of", "NaN at step 2", "replace"]),
        ([[1e39]], ["row 1 of", "1e+39 at step 1", "replace"]),
        ([[[1, 2]], [[1, 2, 3]]], ["row 2 of", "3 features", "row 1 of", "has 2", "the same features"]),
        ([[[1, 2], [3]]], ["row 1 of", "a list of 1 at step 2", "a list of 2", "as many numbers"]),
        ([[1], []], ["row 2 of", "empty list", "fill it in"]),
        ([[[]]], ["row 1 of", "empty lists", "T lists"]),
        ([[[[1]]]], ["row 1 of", "nested too deeply", "T lists"]),
        ([["a", None]], ["row 1 of", "None as token 2", "string"]),
        ([["a"], ["a", ""]], ["row 2 of", "'' as token 2", "string"]),
        ([[" "]], ["row 1 of", "blank tokens", "fill it in"]),
    ],
)
@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_bad_sequences_are_refused_with_row_step_and_way_out(
    write: Write, format: str, values: list[Any], said: list[str]
) -> None:
    path = write("a." + format, "\n".join(json.dumps({"text": value, "label": 1}) for value in values))
    if format == "parquet":
        pl.DataFrame({"text": values, "label": [1] * len(values)}, strict=False).write_parquet(path)
    message = refusal(path)
    for part in ["a." + format, "'text'", *said]:
        assert part in message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, [2]], ["a list of 1 at step 2", "one value"]),
        ([[1, 2], None], ["null at step 2", "a list of 2"]),
        ([{}], ["{} at step 1", "no number"]),
        ([1, "2"], ["'2' at step 2", "no number"]),
        ([1, 10**400], ["out of bounds"]),
    ],
)
def test_mixed_json_lists_are_refused(write: Write, value: list[Any], said: list[str]) -> None:
    message = refusal(write("a.jsonl", json.dumps({"text": value, "label": 1})))
    for part in ["row 1 of a.jsonl", *said]:
        assert part in message


def test_rows_of_different_kinds_are_refused_and_both_named(write: Write) -> None:
    message = refusal(write("a.jsonl", '{"text": ["a"], "label": 1}\n{"text": "a", "label": 1}'))
    for part in ["row 2 of a.jsonl", "a text", "row 1 of a.jsonl", "a token list", "same kind"]:
        assert part in message


def test_a_parquet_file_without_the_column_or_rows_or_end_is_refused(write: Write) -> None:
    pl.DataFrame({"text": ["x"], "stars": [1.5], "film": [{"year": 1}]}).write_parquet(write("a.parquet", ""))
    assert "a.parquet has no column 'label': choose one of 'text', 'stars', 'film' with --label" in refusal("a.parquet")
    assert "row 1 of a.parquet, column 'stars', has the label 1.5" in refusal("a.parquet", label="stars")
    assert "row 1 of a.parquet, column 'film', has {'year': 1}, which is neither" in refusal(
        "a.parquet", text="film", label="text"
    )
    write("b.parquet", Path("a.parquet").read_bytes()[:-9])
    assert "b.parquet is no Parquet file, or a damaged one" in refusal("b.parquet")
    pl.DataFrame({"text": [], "label": []}).write_parquet("c.parquet")
    assert "c.parquet has columns but no rows: add rows" in refusal("c.parquet")


@pytest.mark.parametrize("name", ["reviws.csv", "reviews.tsv"])
def test_a_missing_file_is_refused_with_the_names_that_are_close(write: Write, name: str) -> None:
    write("data/reviews.csv", TABLE)
    write("data/notes.md", "")
    message = refusal(f"data/{name}")
    assert f"data/{name} does not exist: did you mean data/reviews.csv?" in message
    assert "notes" not in message
    assert "nor does its folder nowhere" in refusal(f"nowhere/{name}")


def test_a_file_without_permission_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.csv", TABLE)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(Path, "open", denied)  # the tests may run as root, whom no permission stops
    assert refusal(path) == "a.csv may not be read: give yourself the permission, e.g. chmod +r a.csv"
    monkeypatch.setattr(Path, "iterdir", denied)
    assert "chmod +r" in refusal(".")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"r/a.txt": "x"}, ["r holds no sub-folders with .txt files", "named after the class"]),
        ({"r/pos/a.txt": "x", "r/neg/a.md": "x"}, ["neg holds no .txt file", "remove the folder"]),
        ({"r/pos/a.txt": ""}, [os.path.join("r", "pos", "a.txt"), "empty text", "fill it in"]),
        ({"r/pos/a.txt": b"x\n\xe8"}, ["row 2 of " + os.path.join("r", "pos", "a.txt"), "UTF-8", "iconv"]),
    ],
)
def test_a_bad_folder_is_refused(write: Write, files: dict[str, str | bytes], said: list[str]) -> None:
    for name, content in files.items():
        write(name, content)
    message = refusal("r")
    for part in said:
        assert part in message


def test_column_names_are_refused_where_there_are_no_columns(write: Write) -> None:
    write("r/pos/a.txt", "x")
    for path, options in [(write("a.txt", "1 x"), {"text": "review"}), ("r", {"label": "stars"})]:
        with pytest.raises(ArgumentError, match=rf"--(text review|label stars).*{path}.*leave the option out"):
            read_examples(path, **options)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, like most web servers of files without byte ranges."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/short.csv":
            self.send_response(200)
            self.send_header("Content-Length", "99")
            self.end_headers()
            self.wfile.write(TABLE)
        elif self.path == "/secret.csv":
            self.send_error(403)
        else:
            super().do_GET()


class Bucket(BaseHTTPRequestHandler):
    """Answers as much of the S3 protocol as reading objects takes."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        content = self.objects.get(self.path, b"")
        status = 200 if self.path in self.objects else 404
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        size = len(content)
        if content and asked:
            first, last = asked.split("-")
            start = int(first) if first else max(0, size - int(last))
            stop = min(int(last) + 1, size) if first and last else size
            status, content = 206, content[start:stop]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()


def serve(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    yield from serve(partial(Quiet, directory=str(tmp_path)))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    for address in serve(Bucket):
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "name",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-south-1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(Bucket, "objects", {}, raising=False)
        yield Bucket.objects


def test_files_are_read_over_http(write: Write, web: str) -> None:
    write("a.csv", TABLE)
    write("a.csv.gz", gzip.compress(TABLE))
    write("a.jsonl", '{"text": "good", "label": "pos"}\n{"text": "bad", "label": "neg"}')
    pl.DataFrame({"text": ["good", "bad"], "label": ["pos", "neg"]}).write_parquet("a.parquet")
    for name in ("a.csv", "a.csv?download=1", "a.csv.gz", "a.jsonl", "a.parquet"):
        examples = read_examples(f"{web}/{name}")
        assert (examples.inputs, examples.labels) == (["good", "bad"], ["pos", "neg"])
    assert examples.place(1) == f"row 2 of {web}/a.parquet"


def test_what_goes_wrong_over_http_is_said_in_one_sentence(write: Write, web: str) -> None:
    write("bad.csv", "text,label\nx,\n")
    assert f"row 2 of {web}/bad.csv, column 'label'" in refusal(f"{web}/bad.csv")
    for name in ("none.csv", "none.parquet"):
        assert refusal(f"{web}/{name}") == f"{web}/{name} does not exist: check the address"
    assert "may not be read with your credentials" in refusal(f"{web}/secret.csv")
    assert "cannot be downloaded (IncompleteRead)" in refusal(f"{web}/short.csv")
    assert "cannot be read: check the address" in refusal("http://127.0.0.1:1/a.csv")
    assert "unknown kind of address" in refusal("ftp://127.0.0.1/a.csv")


def test_files_are_read_from_cloud_storage(write: Write, bucket: dict[str, bytes]) -> None:
    pl.DataFrame({"text": ["good", "bad"], "label": ["pos", "neg"]}).write_parquet(write("a.parquet", ""))
    bucket["/films/a.csv"] = b"\xef\xbb\xbf" + TABLE
    bucket["/films/a.csv.gz"] = gzip.compress(TABLE)
    bucket["/films/a.parquet"] = Path("a.parquet").read_bytes()
    bucket["/films/lines.csv"] = b'text,label\n"a\nb",y\nc,\n'
    bucket["/films/latin.csv"] = b"text,label\ncaff\xe8,y\n"
    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        examples = read_examples(f"s3://films/{name}")
        assert (examples.inputs, examples.labels) == (["good", "bad"], ["pos", "neg"])
    assert "row 3 (line 4) of s3://films/lines.csv, column 'label'" in refusal("s3://films/lines.csv")
    assert "is not UTF-8 text: convert the file" in refusal("s3://films/latin.csv")
    for name in ("none.csv", "none.parquet"):
        assert refusal(f"s3://films/{name}") == f"s3://films/{name} does not exist: check the address"


def test_lines_are_split_at_the_tab_where_every_line_has_one(tmp_path: Path) -> None:
    tabbed, mixed = tmp_path / "sms.txt", tmp_path / "mixed.txt"
    tabbed.write_text("ham\tCi vediamo domani\nvery bad\tHai vinto\tsubito\n", encoding="utf-8")
    examples = read_examples(tabbed)
    assert (examples.labels, examples.inputs) == (["ham", "very bad"], ["Ci vediamo domani", "Hai vinto\tsubito"])
    mixed.write_text("ham Ci\tvediamo\nspam\tHai vinto\nham ecco\n", encoding="utf-8")
    examples = read_examples(mixed)
    assert (examples.labels, examples.inputs) == (["ham", "spam", "ham"], ["Ci\tvediamo", "Hai vinto", "ecco"])


def test_labels_that_are_known_are_left_out_of_lines_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "new.txt"
    for end in (" ", "\t"):
        path.write_text(f"ham{end}Ci vediamo\nspam{end}Hai vinto\n" * 60, encoding="utf-8")
        (part, *_) = read_in_parts(path, is_label={"ham", "spam"}.__contains__, rows=50)
        assert part.inputs[:2] == ["Ci vediamo", "Hai vinto"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: each line begins with a label and a {end}: only the texts are read" for end in ("space", "tab")
    ]
    path.write_text("ham is what I eat\nNothing else\n", encoding="utf-8")
    (part,) = read_in_parts(path, is_label={"ham", "spam"}.__contains__)
    assert part.inputs == ["ham is what I eat", "Nothing else"]


@pytest.mark.parametrize("between", [";", "\t"])
def test_a_csv_may_have_another_separator_which_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, between: str
) -> None:
    path = tmp_path / "excel.csv"
    rows = ["text;label", '"Bello, davvero; sì";pos', "Brutto, lungo;neg", "Così;neg"]
    path.write_text("\n".join(row.replace(";", between) for row in rows), encoding="utf-8")
    examples = read_examples(path)
    assert examples.inputs == [f"Bello, davvero{between} sì", "Brutto, lungo", "Così"]
    assert examples.labels == ["pos", "neg", "neg"]
    assert examples.place(2) == f"row 4 of {path}"
    word = {";": "a semicolon", "\t": "a tab"}[between]
    assert caplog.messages == [f"{path}: {word} separates its columns"]


def test_commas_stay_the_separator_where_they_are_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\na;b;c,x\nd;e,y\n", encoding="utf-8")
    assert read_examples(path).inputs == ["a;b;c", "d;e"]
    path.write_text("text;label\n" + "a, b;x\n" * 200 + "c;y;z\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 202 of .* has 3 fields where .*contains a semicolon"):
        read_examples(path)
    assert caplog.messages == [f"{path}: a semicolon separates its columns"]


def test_one_column_for_text_and_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\na,b\n", encoding="utf-8")
    for read in (
        lambda: read_examples(path, text="x", label="x"),
        lambda: read_pairs(path, source="x", target="x"),
        lambda: read_measured(path, text="x", targets=["y", "x"]),
    ):
        with pytest.raises(ArgumentError, match=r"^--(text|source) and --(label|target) both name the column 'x'"):
            read()
