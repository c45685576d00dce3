"""Files as they come: packed, damaged, through the standard input; whatever is wrong is one sentence."""

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import polars
import pytest

from ricorda.data import standard_input
from ricorda.data.corpus import read_corpus
from ricorda.data.doors import door
from ricorda.data.music import read_music
from ricorda.data.number_columns import opening
from ricorda.data.pairs import read_pairs, read_sentences
from ricorda.data.parts import read_in_parts
from ricorda.data.read import read_examples
from ricorda.data.series import read_series
from ricorda.data.source import extension
from ricorda.data.tagged import read_tagged, read_words_in_parts
from ricorda.data.targets import read_measured
from ricorda.errors import LONGEST, DataError, RicordaError

READERS: dict[str, Callable[[Path], Any]] = {
    "examples": read_examples,
    "parts": lambda path: list(read_in_parts(path, rows=2)),
    "pairs": lambda path: read_pairs(path, source="text", target="label"),
    "sentences": lambda path: list(read_sentences(path, source="text")),
    "measured": lambda path: read_measured(path, targets=["number"]),
    "corpus": read_corpus,
    "tagged": read_tagged,
    "words": lambda path: list(read_words_in_parts(path)),
    "series": read_series,
    "names": opening,
    "music": read_music,
}


def assert_one_sentence(error: RicordaError) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) <= LONGEST


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "zstd"])
def test_damaged_parquet_is_one_sentence_at_every_door(tmp_path: Path, compression: Any) -> None:
    random = Random(0)
    path = tmp_path / "data.parquet"
    table = polars.DataFrame({"text": ["a", "b", "c"] * 5, "label": ["x", "y", "x"] * 5, "number": [1.5, 2, 3] * 5})
    table.write_parquet(path, compression=compression)
    whole = path.read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(damaged[: random.choice([len(whole), len(whole), random.randrange(len(whole))])])
        for name in ("examples", "parts", "pairs", "measured", "series", "names"):
            try:
                READERS[name](path)
            except RicordaError as error:
                refused += 1
                assert_one_sentence(error)
    assert refused > 50


@pytest.mark.parametrize("name", sorted({*READERS} - {"names"}))  # Its caller looks at the extension first.
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".txt", ".csv", ".conllu", ".parquet", ".zip", ".csv.gz"])
def test_what_is_no_data_is_one_sentence_at_every_door(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"data{ending}"
    deep = "[" * 100_000
    for content in (
        deep,
        '{"text": ' + deep,
        f"{'x' * 9_000},{'y' * 9_000}\n" * 3,
        "PAR1PAR1",
        "\0",
        "\ufffd,\n\n,",
        "",
    ):
        path.write_text(content, encoding="utf-8")
        try:
            READERS[name](path)
        except RicordaError as error:
            assert_one_sentence(error)


def test_what_a_library_raises_is_one_sentence_and_our_own_mistake_is_not() -> None:
    class PanicException(BaseException):  # libraries in Rust call it so
        pass

    @door
    def parts(source: str, failure: BaseException) -> Iterator[int]:
        yield 1
        raise failure

    for failure, words in [
        (OverflowError("int too large"), r"f cannot be read \(OverflowError: int too large\): correct it"),
        (PanicException("a\nb" * 5_000), r"f cannot be read \(PanicException: a ba b"),
        (RecursionError(), "f is nested too deeply"),
        (MemoryError(), "f does not fit into the memory: split it"),
        (PermissionError(), "f may not be read"),
    ]:
        reading = parts("f", failure)
        assert next(reading) == 1
        with pytest.raises(DataError, match=words) as caught:
            next(reading)
        assert_one_sentence(caught.value)
    for mistake in (TypeError, KeyboardInterrupt):
        with pytest.raises(mistake):
            list(parts("f", mistake()))


def test_a_message_is_cut_in_the_middle() -> None:
    message = str(DataError("begin " + "x" * 5_000 + " end"))
    assert LONGEST - 5 < len(message) <= LONGEST
    assert (message[:6], message[-4:]) == ("begin ", " end")


CSV = "text,label\nuno,a\ndue,b\n"


@pytest.mark.parametrize("name", ["data.zip", "data.csv.zip"])
def test_the_file_in_a_zip_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/reviews.csv", CSV)
        archive.writestr("__MACOSX/._reviews.csv", "x")
    assert read_examples(path).labels == ["a", "b"]
    assert extension(str(path)) == ".csv"
    with zipfile.ZipFile(path, "w") as archive:
        polars.DataFrame({"text": ["uno"], "label": ["a"]}).write_parquet(content := io.BytesIO())
        archive.writestr("reviews.parquet", content.getvalue())
    assert read_examples(path).labels == ["a"]


def test_a_zip_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    with pytest.raises(DataError, match=r"data\.zip holds 2 files: unpack it, and give a file or the folder"):
        read_examples(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", CSV * 50, zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + b"\0\0\0" + whole[53:])
    with pytest.raises(DataError, match=r"data\.zip has damaged"):
        read_examples(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"data\.zip has damaged"):
        read_examples(path)
    locked = bytearray(whole)
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        locked[locked.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    path.write_bytes(locked)
    with pytest.raises(DataError, match=r"data\.zip is locked by a password: unpack it"):
        read_examples(path)


class _Stream:
    closed = False

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("form", ["csv", "semicolons", "tsv", "jsonl", "parquet", "lines", "tabs", "zip"])
def test_the_standard_input_is_read_by_what_it_holds(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    zipped, parquet = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("reviews.csv", CSV)
    polars.DataFrame({"text": ["uno", "due"], "label": ["a", "b"]}).write_parquet(parquet)
    content = {
        "csv": CSV.encode(),
        "semicolons": CSV.replace(",", ";").encode(),
        "tsv": CSV.replace(",", "\t").encode(),
        "jsonl": b'{"text": "uno", "label": "a"}\n{"text": "due", "label": "b"}\n',
        "parquet": parquet.getvalue(),
        "lines": b"a uno\nb due\n",
        "tabs": b"a\tuno\na\tdue\n",
        "zip": zipped.getvalue(),
    }[form]
    monkeypatch.setattr(sys, "stdin", _Stream(content))
    for _ in range(2):
        examples = read_examples("-")
        assert (examples.inputs, examples.labels) == (["uno", "due"], ["a", "a" if form == "tabs" else "b"])
    assert "row" in examples.place(0)
    assert examples.place(0).endswith(" of the standard input")


@pytest.mark.parametrize("header", ["", "source\ttarget\n"])
def test_pairs_come_through_the_standard_input(monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    monkeypatch.setattr(sys, "stdin", _Stream(f"{header}a\tuno\na\tdue\n".encode()))
    pairs = read_pairs("-")
    assert (pairs.inputs, pairs.targets) == (["a", "a"], ["uno", "due"])


def test_a_standard_input_without_data_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stream(b""))
    with pytest.raises(DataError, match=r"^the standard input is empty: give a file with one example a line$"):
        read_examples("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match=r"^the standard input is closed: pipe data into the command, or name a file$"):
        standard_input.content()


def test_deep_json_is_no_music(tmp_path: Path) -> None:
    path = tmp_path / "music.json"
    path.write_text("[" * 50_000 + "]" * 50_000, encoding="utf-8")
    with pytest.raises(DataError, match=r"music\.json is no JSON \(a value out of bounds\): give a list of pieces"):
        read_music(path)
    path.write_text(json.dumps({"train": [[[60]]]}), encoding="utf-8")
    assert read_music(path).training == [[[60]]]


SHEET = "".join(
    f'<row r="{row}">' + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells) + "</row>"
    for row, cells in enumerate((("text", "label"), ("uno", "a"), ("due", "b")), 1)
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORKBOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="rId1" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOCUMENT}"><sheets>'
    '<sheet name="Reviews" sheetId="1" r:id="rId1"/><sheet name="Notes" sheetId="2" r:id="rId2"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">'
    + "".join(
        f'<Relationship Id="rId{number}" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in (1, 2)
    )
    + "</Relationships>",
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{SHEET}</sheetData></worksheet>',
    "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{_MAIN}"><sheetData/></worksheet>',
}


def test_the_first_sheet_of_a_workbook_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("fastexcel")
    path = tmp_path / "reviews.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in WORKBOOK.items():
            archive.writestr(name, content)
    examples = read_examples(path)
    assert (examples.inputs, examples.labels, examples.place(1)) == (["uno", "due"], ["a", "b"], f"row 3 of {path}")
    assert caplog.messages == [f"{path}: of its 2 sheets the first is read, 'Reviews'"]
    assert opening(path)[0] == ["text", "label"]
    with pytest.raises(DataError, match="has no column 'star': choose one of 'text', 'label' with --label"):
        read_examples(path, label="star")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"(no Excel workbook, or a damaged one: save it again|has damaged)"):
        read_examples(path)


def test_a_workbook_without_its_reader_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ricorda.data.excel.find_spec", lambda _: None)
    path = tmp_path / "reviews.xlsx"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"reviews\.xlsx is an Excel workbook: save it as CSV, or install its reader"):
        read_examples(path)


def test_running_text_of_the_standard_input_is_no_table_though_its_commas_are_even(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prose = "On he went, and on, far\nShe looked up, then down, slowly\nNothing, nobody, nowhere\n"
    monkeypatch.setattr(sys, "stdin", _Stream(prose.encode()))
    assert read_corpus("-") == prose
    assert caplog.messages == [
        "the standard input: it is read as running text; a table is read if --text names its column"
    ]
    monkeypatch.setattr(sys, "stdin", _Stream(b"title,text\na,one\nb,two\n"))
    assert read_corpus("-", text="title") == ["a", "b"]
    monkeypatch.setattr(sys, "stdin", _Stream(b'{"text": "one"}\n{"text": "two"}\n'))
    assert read_corpus("-") == ["one", "two"]
