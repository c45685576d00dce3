"""`ricorda predict --out`: files and folders of parts."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars
import pytest
from small_models import LABELS, TEXTS, small

from ricorda import load
from ricorda.scoring.parts import Slice

if TYPE_CHECKING:
    from command_line import Command


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("scoring") / "model"
    small().fit(TEXTS, LABELS).save(folder)
    return str(folder)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> polars.DataFrame:
    """Tables of 30 rows in the working folder."""
    monkeypatch.chdir(tmp_path)
    frame = polars.DataFrame({"id": list(range(30)), "text": TEXTS, "label": LABELS})
    frame.write_csv("data.csv")
    frame.write_ndjson("data.jsonl")
    frame.write_parquet("data.parquet", row_group_size=7)
    return frame


READ = {"csv": polars.read_csv, "jsonl": polars.read_ndjson, "parquet": polars.read_parquet}


@pytest.mark.parametrize("source", READ)
@pytest.mark.parametrize("target", READ)
def test_rows_keep_their_columns_and_order_and_gain_the_answers(
    ricorda_command: "Command", model: str, table: polars.DataFrame, source: str, target: str
) -> None:
    done = ricorda_command("predict", model, "--file", f"data.{source}", "--out", f"out.{target}", "--probabilities")
    assert (done.code, done.err) == (0, "")
    scored: Any = READ[target](f"out.{target}")
    assert scored.columns == [*table.columns, "prediction", "probability", "probability_bad", "probability_good"]
    assert scored["id"].cast(polars.Int64).to_list() == list(range(30))
    assert scored["text"].to_list() == TEXTS
    answers = list(load(model).answers(TEXTS))
    assert scored["prediction"].to_list() == [one["label"] for one in answers]
    assert scored["probability_bad"].to_list() == [one["probabilities"]["bad"] for one in answers]
    assert [name for name in os.listdir() if name.endswith(".tmp")] == []


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_parts_of_shares_are_together_the_whole_file(
    ricorda_command: "Command", model: str, table: polars.DataFrame, kind: str
) -> None:
    polars.concat([table, table]).write_parquet("more.parquet")
    files = ("--data", "data.parquet", "--data", "more.parquet")
    for index in (3, 1, 2):
        options = ("--format", kind, "--part-rows", "8", "--part", f"{index}/3")
        assert ricorda_command("predict", model, *files, "--out", "scored/", *options).code == 0
    parts = sorted(Path("scored").glob(f"part-*.{kind}"))
    assert len(parts) == 4 + 8
    assert ricorda_command("predict", model, *files, "--out", f"whole.{kind}").code == 0
    assert b"".join(part.read_bytes() for part in parts) == Path(f"whole.{kind}").read_bytes()


@pytest.mark.usefixtures("table")
def test_parts_that_are_there_are_not_made_again(ricorda_command: "Command", model: str) -> None:
    command = ("predict", model, "--file", "data.csv", "--out", "scored/", "--part-rows", "8")
    assert ricorda_command(*command).code == 0
    parts = sorted(Path("scored").glob("part-*.csv"))
    before = {part: (part.read_bytes(), part.stat().st_ino) for part in parts}
    parts[2].unlink()
    parts[3].with_name(parts[3].name + ".done.json").unlink()  # It was killed between the two.
    Path("scored", f".{'0' * 16}.tmp").write_bytes(b"half")
    assert ricorda_command(*command).code == 0
    assert {part: part.read_bytes() for part in parts} == {part: content for part, (content, _) in before.items()}
    assert [part.stat().st_ino == before[part][1] for part in parts[:2]] == [True, True]
    assert list(Path("scored").glob(".*")) == []


@pytest.mark.usefixtures("table")
def test_a_pattern_and_a_folder_name_the_same_files(ricorda_command: "Command", model: str) -> None:
    Path("many").mkdir()
    for name in ("b", "a"):
        os.link("data.csv", f"many/{name}.csv")
    for number, named in enumerate(("many/*.csv", "many")):
        assert ricorda_command("predict", model, "--file", named, "--out", f"{number}.jsonl").code == 0
    assert Path("0.jsonl").read_bytes() == Path("1.jsonl").read_bytes()
    assert len(Path("0.jsonl").read_text(encoding="utf-8").splitlines()) == 60


WRONG = {
    "out.txt": (["--file", "data.csv", "--out", "out.txt"], "ending '.txt'"),
    "no out": (["--file", "data.csv", "--part", "1/2"], "--part was given without --out"),
    "many without out": (["--file", "data.csv", "--file", "data.jsonl"], "2 files were given without --out"),
    "part 0": (["--file", "data.csv", "--out", "new/", "--part", "0/4"], "'0/4'"),
    "part 5": (["--file", "data.csv", "--out", "new/", "--part", "5/4"], "'5/4'"),
    "part words": (["--file", "data.csv", "--out", "new/", "--part", "half"], "'half'"),
    "part of a file": (["--file", "data.csv", "--out", "out.csv", "--part", "1/2"], "parts need a folder"),
    "rows": (["--file", "data.csv", "--out", "new/", "--part-rows", "0"], "--part-rows is 0"),
    "format": (["--file", "data.csv", "--out", "new/", "--format", "xml"], "'xml'"),
    "input": (["--file", "data.csv", "--out", "./data.csv"], "is the input as well"),
    "twice": (["--file", "data.csv", "--file", "*.csv", "--out", "out.csv"], "named twice"),
    "no file": (["--file", "none*.csv", "--out", "out.csv"], "fits no file"),
    "taken": (["--file", "taken.csv", "--out", "out.csv"], "'prediction' already"),
    "column": (["--file", "data.csv", "--file", "lacking.csv", "--out", "out.csv"], "lacking.csv has no column 'id'"),
    "text": (["--file", "data.csv", "--file", "data.csv.gz", "--out", "out.csv"], "no column 'text'"),
    "others": (["--file", "data.csv", "--out", "others/"], "holds mine.txt"),
    "json": (["--file", "data.csv", "--out", "out.csv", "--json"], "leave --json out"),
    "option": (["--file", "data.csv", "--out", "out.csv", "--beam-size", "3"], "--beam-size has no meaning"),
    "half": (["--file", "data.csv", "--out", "made/"], "part-00000-00000.csv is not whole"),
    "other options": (["--file", "data.csv", "--out", "made/", "--probabilities"], "with other options"),
    "other data": (["--file", "taken.csv", "--out", "made/", "--format", "csv"], "of other data"),
    "damaged": (["--file", "data.csv", "--out", "damaged/"], "manifest.json is damaged"),
    "ray": (["--file", "data.csv", "--out", "new/", "--ray", "127.0.0.1:1"], "127.0.0.1:1 does not answer"),
    "ray address": (["--file", "data.csv", "--out", "new/", "--ray", "here"], "'here'"),
}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence(ricorda_command: "Command", model: str, case: str) -> None:
    if case.startswith("ray"):
        pytest.importorskip("ray.data")
    Path("taken.csv").write_text("text,prediction\na film,1\n", encoding="utf-8")
    Path("lacking.csv").write_text("text,label\na film,good\n", encoding="utf-8")
    Path("data.csv.gz").write_text("words\na film\n", encoding="utf-8")
    for name in ("others", "damaged"):
        Path(name).mkdir()
    Path("others/mine.txt").touch()
    Path("damaged/manifest.json").write_text("{", encoding="utf-8")
    if "made/" in WRONG[case][0]:
        assert ricorda_command("predict", model, "--file", "data.csv", "--out", "made/").code == 0
        part = Path("made/part-00000-00000.csv")
        part.write_bytes(part.read_bytes()[:-9])
    arguments, said = WRONG[case]
    done = ricorda_command("predict", model, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert re.fullmatch(r"error: [^\n]+\n", done.err), done.err
    assert not Path("out.csv").exists()
    assert [name for name in os.listdir() if name.endswith(".tmp")] == []


@pytest.mark.usefixtures("table")
def test_another_model_does_not_go_on(ricorda_command: "Command", model: str) -> None:
    small(random_state=1).fit(TEXTS, LABELS).save("other")
    assert ricorda_command("predict", model, "--file", "data.csv", "--out", "scored/").code == 0
    done = ricorda_command("predict", "other", "--file", "data.csv", "--out", "scored/")
    assert done.code == 2
    assert "by another model" in done.err


@pytest.mark.usefixtures("table")
def test_rows_with_columns_of_their_own_are_refused(ricorda_command: "Command", model: str) -> None:
    Path("odd.jsonl").write_text('{"text": "a film"}\n{"text": "a film", "id": 1}\n', encoding="utf-8")
    done = ricorda_command("predict", model, "--file", "odd.jsonl", "--out", "out.csv")
    assert done.code == 2
    assert "row 2 of odd.jsonl has a column 'id'" in done.err


def test_each_chunk_is_in_one_share() -> None:
    for count in (1, 2, 5):
        shares = [Slice(index, count) for index in range(1, count + 1)]
        for file in range(4):
            for chunk in range(7):
                assert sum(share.has(file, chunk) for share in shares) == 1


@pytest.mark.usefixtures("table")
def test_lines_of_text_are_the_column_text(ricorda_command: "Command", model: str) -> None:
    Path("lines.txt").write_text("a warm film\nI slept\n", encoding="utf-8")
    assert ricorda_command("predict", model, "--file", "lines.txt", "--out", "out.jsonl").code == 0
    rows = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in rows] == ["a warm film", "I slept"]
    assert set(rows[0]) == {"text", "prediction", "probability"}
