"""A browser's uploads: made-up names, limits, bombs, quotas, and folders that go."""

import asyncio
import gzip
import io
import os
import struct
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="nicegui is not installed")

from ricorda.page.trainings import store
from ricorda.page.trainings.store import MODELS, RefusedError, names_of, suffix_of, take, tidy


class File:
    """An upload as it arrives."""

    def __init__(self, name: str, content: bytes = b"text,label\na,b\n", size: int | None = None) -> None:
        self.name, self.content, self._size = name, content, size

    def size(self) -> int:
        return len(self.content) if self._size is None else self._size

    async def iterate(self) -> AsyncIterator[bytes]:
        yield self.content


def taken(folder: Path, *files: File, in_use: tuple[str, ...] = ()) -> list[str]:
    async def run() -> list[str]:
        return [await take(folder, file, in_use=in_use) for file in files]

    return asyncio.run(run())


def refused(folder: Path, file: File) -> str:
    with pytest.raises(RefusedError) as caught:
        taken(folder, file)
    assert [path for path in folder.rglob("*") if path.name not in (store.NAMES,) and "data" in path.name] == []
    return caught.value.key


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("reviews.csv", ".csv"),
        ("../../../etc/passwd", ".txt"),
        ("..\\..\\boot.ini", ".txt"),
        ("/etc/cron.d/run.csv", ".csv"),
        ("..", ".txt"),
        (".", ".txt"),
        ("", ".txt"),
        (".csv", ".txt"),
        ("a.CSV.GZ", ".csv.gz"),
        ("a.zip", ".zip"),
        ("a.csv.zip", ".zip"),
        ("a.py", ".txt"),
        ("a.csv/b", ".txt"),
        ("récensione \u202e vsc.\u0301.parquet", ".parquet"),
        ("x" * 5_000 + ".tsv", ".tsv"),
        ("a.csv\n.py", ".txt"),
        ("a\0.csv", ".csv"),
        ("talk.conllu.gz", ".conllu.gz"),
        ("--out", ".txt"),
    ],
)
def test_whatever_a_file_was_called_its_name_here_is_made_up(tmp_path: Path, name: str, suffix: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    assert suffix_of(name) == suffix
    assert taken(own, File(name)) == [f"data-1{suffix}"]
    assert names_of(own) == {f"data-1{suffix}": name[:200]}
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["own", f"data-1{suffix}", store.NAMES])


def test_large_and_empty_files_are_refused_before_they_are_kept(tmp_path: Path) -> None:
    assert refused(tmp_path, File("a.csv", size=store.LARGEST + 1)) == "too_large"
    assert refused(tmp_path, File("a.csv", b"")) == "empty"


def zipped(*members: tuple[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def lying(packed: bytes, says: int) -> bytes:
    """An archive whose directory says that its first file is small."""
    place = packed.rindex(b"PK\x01\x02")
    return packed[: place + 24] + struct.pack("<I", says) + packed[place + 28 :]


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "UNPACKED", 1_000_000)
    much, little = bytes(2_000_000), bytes(500_000)
    assert refused(tmp_path, File("a.csv.gz", gzip.compress(much))) == "unpacks"
    assert refused(tmp_path, File("a.csv", gzip.compress(little) * 3)) == "unpacks", "it is told by what it holds"
    assert refused(tmp_path, File("a.zip", zipped(("a.csv", much)))) == "unpacks"
    several = zipped(*((name, little) for name in ("a.csv", "b.csv", "c.csv")))
    assert refused(tmp_path, File("a.zip", several)) == "unpacks"
    assert refused(tmp_path, File("a.xlsx", lying(zipped(("xl/sheet1.xml", much)), 10))) == "unpacks"
    assert refused(tmp_path, File("a.zip", zipped(("a.csv", little), kind=zipfile.ZIP_LZMA))) == "unusual"
    assert taken(tmp_path, File("a.csv.gz", gzip.compress(little)), File("b.zip", zipped(("b.csv", little)))) == [
        "data-1.csv.gz",
        "data-2.zip",
    ]


def test_an_archive_of_very_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_MEMBERS", 10)
    assert refused(tmp_path, File("a.zip", zipped(*((f"{number}", b"") for number in range(11))))) == "too_many"


def test_a_parquet_file_of_very_many_equal_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars as pl

    monkeypatch.setattr(store, "UNPACKED", 1_000_000)
    buffer = io.BytesIO()
    pl.DataFrame({"number": pl.repeat(1, 200_000, eager=True)}).write_parquet(buffer)
    assert len(buffer.getvalue()) < 100_000
    assert refused(tmp_path, File("a.parquet", buffer.getvalue())) == "unpacks"


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b", b"PK\x03\x04 nothing", b"PAR1 nothing", gzip.compress(b"a" * 999, mtime=0)[:-9]]
)
def test_what_is_damaged_is_left_to_the_reader_who_says_so(tmp_path: Path, content: bytes) -> None:
    assert taken(tmp_path, File("a.csv", content)) == ["data-1.csv"]


def test_of_a_thousand_uploads_the_last_ones_stay_and_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_FILES", 5)
    names = taken(tmp_path, *(File(f"{number}.csv") for number in range(40)), in_use=("data-1.csv",))
    assert names == [f"data-{number}.csv" for number in range(1, 41)], "no name comes back while its file is there"
    assert list(names_of(tmp_path)) == ["data-1.csv", *(f"data-{number}.csv" for number in range(37, 41))]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_browsers_folder_has_a_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "QUOTA", 1_000)
    assert taken(tmp_path, File("a.csv", bytes(500))) == ["data-1.csv"]
    with pytest.raises(RefusedError, match="full"):
        taken(tmp_path, File("b.csv", bytes(600)))
    assert list(names_of(tmp_path)) == ["data-1.csv"]


def test_folders_go_that_nobody_looks_into(tmp_path: Path) -> None:
    now = 10_000_000.0
    for name, idle, model in [
        ("new", 60, False),
        ("old", 2 * store.IDLE_WITHOUT, False),
        ("trained", 2 * store.IDLE_WITHOUT, True),
        ("ancient", 2 * store.IDLE, True),
    ]:
        own = tmp_path / name
        (own / MODELS / "lstm-1").mkdir(parents=True)
        (own / "data-1.csv").touch()
        if model:
            (own / MODELS / "lstm-1" / "config.json").touch()
        os.utime(own, (now - idle, now - idle))
    tidy(tmp_path, now=now)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "trained"]
    tidy(tmp_path / "nothing")
