"""Series are read as they stand in their tables; what is missing is filled in and said, what is wrong is refused."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from ricorda.data.clock import Clock
from ricorda.data.series import Series, as_series, read_series
from ricorda.data.targets import read_measured
from ricorda.errors import ArgumentError, DataError


def read(folder: Path, text: str, name: str = "data.csv", **options: Any) -> Series:
    (folder / name).write_text(text, encoding="utf-8")
    return read_series(folder / name, **options)


def refusal(folder: Path, text: str, name: str = "data.csv", **options: Any) -> str:
    with pytest.raises((ArgumentError, DataError)) as caught:
        read(folder, text, name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_table_is_a_series_whatever_its_format(tmp_path: Path) -> None:
    rows = [{"day": f"2024-01-0{n}", "a": n + 0.5, "b": 10 * n} for n in (1, 2, 3)]
    lines = [[str(value) for value in row.values()] for row in rows]
    polars.DataFrame(rows).with_columns(polars.col("day").str.to_date()).write_parquet(tmp_path / "data.parquet")
    found = [
        read(tmp_path, "\n".join(map(",".join, [["day", "a", "b"], *lines])), time="day"),
        read(tmp_path, "\n".join(map("\t".join, [["day", "a", "b"], *lines])), "data.tsv", time="day"),
        read(tmp_path, "\n".join(map(json.dumps, rows)), "data.jsonl", time="day"),
        read_series(tmp_path / "data.parquet", time="day"),
    ]
    for series in found:
        assert series.values.tolist() == [[1.5, 10.0], [2.5, 20.0], [3.5, 30.0]]
        assert (series.names, series.targets, series.covariates.shape) == (("a", "b"), ("a", "b"), (3, 0))
        assert (series.clock, series.time_name, series.notes) == (found[0].clock, "day", ())
        assert series.clock.text(3) == "2024-01-04"
        assert series.observed.all()


def test_without_a_column_of_times_the_rows_are_the_steps(tmp_path: Path) -> None:
    series = read(tmp_path, "day,a\nMonday,1\nTuesday,2\n")
    assert (series.names, series.clock, series.clock.text(2)) == (("a",), Clock(), "3")
    assert series.notes == ("column 'day' holds no numbers: it is left out (name a column of dates with --time)",)


def test_targets_are_some_of_the_variables_and_variables_some_of_the_columns(tmp_path: Path) -> None:
    text = "a,b,c\n1,2,3\n4,5,6\n"
    assert read(tmp_path, text, targets=["c", "a"]).targets == ("a", "c")
    series = read(tmp_path, text, targets=["c"], variables=["c"])
    assert (series.names, series.values.tolist()) == (("c",), [[3.0], [6.0]])


def test_missing_rows_and_values_are_filled_in_with_what_was_known_before_and_said(tmp_path: Path) -> None:
    text = "day,a,b\n2024-01-05,1,5\n2024-01-06,,n/a\n2024-01-08,4,8\n2024-01-12,8,\n"
    series = read(tmp_path, text, time="day")
    assert series.values[:, 0].tolist() == [1, 1, 1, 4, 4, 4, 4, 8]
    assert series.observed[:, 0].tolist() == [True, False, False, True, False, False, False, True]
    assert series.values[:, 1].tolist() == [5, 5, 5, 8, 8, 8, 8, 8]
    assert series.observed[:, 1].tolist() == [True, False, False, True, False, False, False, False]
    assert series.notes == (
        "4 rows missing at steps of 1 day: added (at most 3 in a row, after 2024-01-08)",
        "column 'a' lacks 5 values: filled in with the last one before",
        "column 'b' lacks 6 values: filled in with the last one before",
    )


def test_rows_before_all_columns_have_begun_are_left_out_and_said(tmp_path: Path) -> None:
    series = read(tmp_path, "day,a,b\n2024-01-01,1,\n2024-01-02,2,\n2024-01-03,3,9\n2024-01-04,4,\n", time="day")
    assert series.values.tolist() == [[3, 9], [4, 9]]
    assert series.clock.text(0) == "2024-01-03"
    assert series.notes[0] == "2 rows before 2024-01-03 left out: not all columns have begun"


def test_rows_with_covariates_alone_are_the_future(tmp_path: Path) -> None:
    series = read(tmp_path, "a,holiday\n1,0\n2,1\n,0\n,\n,1\n", covariates=["holiday"])
    assert (len(series), series.covariates.ravel().tolist()) == (2, [0, 1, 0, 0, 1])
    assert series.past_covariates.ravel().tolist() == [0, 1]
    assert series.notes == (
        "the last 3 rows hold covariates alone: the future",
        "column 'holiday' lacks 1 value: filled in with the last one before",
    )
    assert len(read(tmp_path, "a\n1\n2\nNA\n")) == 3  # without covariates, time has gone on


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("", {}, "data.csv is empty: give a file with a header and rows"),
        ("a\n", {}, "data.csv has a header but no rows: add rows"),
        ("a,b\n1\n", {}, "row 2 of data.csv has 1 field where the header has 2 fields: correct the row"),
        ("a,b\n1,2\n\n3,4\n", {}, "row 3 of data.csv is blank: delete the line or fill it in"),
        ("a\n1\n2\n", {"targets": ["b"]}, "data.csv has no column 'b': choose one of 'a' with --target"),
        ("a\n1\n2\n", {"time": "b"}, "data.csv has no column 'b': choose one of 'a' with --time"),
        ("a\n1\n", {"covariates": ["b"]}, "data.csv has no column 'b': choose one of 'a' with --covariate"),
        (
            "a\n1\n",
            {"variables": ["b"], "like": Clock()},
            "data.csv has no column 'b': give a table that has it, or rename one of 'a'",
        ),
        (
            "a|b\n1|2\n",
            {"targets": ["b"]},
            "data.csv has no column 'b' but one named 'a|b': separate .csv by commas and .tsv by tabs",
        ),
        ("a,a\n1,2\n", {}, "data.csv has 2 columns named 'a': rename them so that one is meant"),
        ("a\n1\n", {"covariates": ["a"]}, "data.csv has no column but 'a': add one with the series' values"),
        ("a,b\n1,2\n", {"targets": ["a", "a"]}, "--target a is named by --target already: leave one of them out"),
        ("a,b\n1,2\n", {"targets": ["a"], "time": "a"}, "--target a is named by --time already: leave one of them out"),
        (
            "a\n1\ntwo\n",
            {},
            "row 3 of data.csv, column 'a', has 'two', which is no number: write it with a point, or leave it empty",
        ),
        (
            "a\ntwo\n1\n",
            {"targets": ["a"]},
            "row 2 of data.csv, column 'a', has 'two', which is no number: write it with a point, or leave it empty",
        ),
        ("a\n1\n1e999\n", {}, "row 3 of data.csv, column 'a', has '1e999', which is not finite: correct it or leave"),
        ("a\nx\ny\n", {}, "data.csv has no column of numbers: name one with --target"),
        ("a,b\n1,\n2,\n", {}, "data.csv, column 'b', holds no number: leave the column out or fill it in"),
        ("a,b\n1,\n,2\n", {}, "data.csv has no row from which on all columns have values: leave a column out"),
        ("t,a\n1,5\n,6\n", {"time": "t"}, "row 3 of data.csv, column 't', has no date: fill it in or leave the row"),
        ("t,a\n2,5\n1,6\n", {"time": "t"}, "row 3 of data.csv, column 't', has 1, which is before the row before"),
        ("t,a\n2,5\n2,6\n", {"time": "t"}, "row 3 of data.csv, column 't', has 2, as the row before: keep one of"),
    ],
)
def test_a_mistake_in_a_table_is_one_sentence(
    tmp_path: Path, text: str, options: dict[str, Any], sentence: str
) -> None:
    found = refusal(tmp_path, text, **options)
    assert found.startswith(sentence)


def test_mistakes_of_other_formats_are_told_with_their_rows(tmp_path: Path) -> None:
    assert refusal(tmp_path, '{"a": 1}\n{"b": 2}\n', "data.jsonl") == (
        "row 2 of data.jsonl has no column 'a': choose one of 'b' with --target a, or complete the row"
    )
    assert refusal(tmp_path, '{"a": 1}\n{"a": [2]}\n', "data.jsonl").startswith(
        "row 2 of data.jsonl, column 'a', has [2]"
    )
    assert refusal(tmp_path, "1\n2\n", "data.txt") == (
        "data.txt is no table: give a series as .csv, .tsv, .jsonl or .parquet"
    )
    with pytest.raises(DataError, match=r"absent\.csv does not exist: check the path"):
        read_series(tmp_path / "absent.csv")


def test_a_long_table_is_read_in_parts_with_its_rows_counted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ricorda.data.number_columns._AT_ONCE", 3)
    text = "t,a,b\n" + "".join(f"{n},{n * n},{'x' if n < 2 else n}\n" for n in range(10))
    series = read(tmp_path, text, time="t")
    assert series.values.ravel().tolist() == [n * n for n in range(10)]
    assert series.notes == ("column 'b' holds no numbers: it is left out",)
    assert refusal(tmp_path, text.replace("64", "?!"), time="t").startswith("row 10 of data.csv, column 'a', has '?!'")


def test_numbers_are_written_without_underscores_and_truth_is_one_or_nought(tmp_path: Path) -> None:
    text = "a,sale\n1,True\n2,FALSE\n3,true\n"
    series = read(tmp_path, text, covariates=["sale"])
    assert series.covariates.ravel().tolist() == [1.0, 0.0, 1.0]
    assert read(tmp_path, text).names == ("a",)  # A column that nobody names is no number yet.
    for column, options in ((0, {"targets": ["a"]}), (1, {"covariates": ["sale"]})):
        rows = [["1", "1"], ["2", "2"]]
        rows[1][column] = "2020_1"
        table = "a,sale\n" + "\n".join(map(",".join, rows))
        assert f"column {['a', 'sale'][column]!r}, has '2020_1', which is no number" in refusal(
            tmp_path, table, **options
        )
    huge = f'{{"a": 1}}\n{{"a": {10**400}}}\n'
    assert "which is not finite" in refusal(tmp_path, huge, "data.jsonl")
    assert "which is not finite" in refusal(tmp_path, huge.replace("1}", f"{10**400}}}", 1), "data.jsonl")


def test_the_only_column_of_dates_is_the_times_unless_they_are_not_regular(tmp_path: Path) -> None:
    text = "day,a\n2024-01-01,1\n2024-01-02,2\n"
    series = read(tmp_path, text)
    assert (series.time_name, series.clock.text(2), series.names) == ("day", "2024-01-03", ("a",))
    assert series.notes == ("column 'day' holds dates: they are the times of the rows",)
    assert read(tmp_path, text, targets=["a"], variables=["a"]).time_name == "day"
    assert read(tmp_path, text, like=Clock()).time_name is None
    two = "day,a,other\n2024-01-01,1,2024-01-01\n2024-01-02,2,2024-01-05\n"
    assert read(tmp_path, two).time_name is None
    series = read(tmp_path, "day,a\n2024-01-01,1\n2024-01-03,2\n2024-01-02,3\n")
    assert (series.time_name, len(series)) == (None, 3)
    assert series.notes[0].startswith("the dates of column 'day' are not used, the rows are the steps: row 4 of ")


@pytest.mark.parametrize("sort", [False, True])
def test_several_series_in_a_table_are_named_by_the_column_that_tells_them_apart(tmp_path: Path, sort: bool) -> None:
    rows = [f"{name},2024-01-{day:02d},{day},x" for name in ("north", "south", "west") for day in range(1, 8)]
    rows = sorted(rows, key=lambda row: row.split(",")[1]) if sort else rows
    text = "unique_id,day,a,word\n" + "\n".join(rows)
    for options in ({"time": "day"}, {}, {"time": "day", "targets": ["a"], "variables": ["a"]}):
        assert refusal(tmp_path, text, **options) == (
            "data.csv holds 3 series, which column 'unique_id' tells apart (north, south ...): write one of them to a "
            "file of its own, or give `Forecaster.fit` a list of all"
        )
    assert "if there are several series in the table" in refusal(tmp_path, text.replace("south", "north"), time="day")


def test_what_libraries_raise_is_one_sentence_of_bounded_length(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[[1, 2], [3]]\n", "data.jsonl").startswith("row 1 of data.jsonl is a JSON array")
    assert "is no JSON" in refusal(tmp_path, "[" * 99_999, "data.jsonl")
    assert "has [[[[" in refusal(tmp_path, '{"a": 1}\n{"a": ' + "[" * 900 + "]" * 900 + "}\n", "data.jsonl")
    (tmp_path / "data.parquet").write_bytes(b"PAR1" + bytes(60) + b"PAR1")
    with pytest.raises(DataError, match="is no Parquet file, or a damaged one"):
        read_series(tmp_path / "data.parquet")
    days = polars.Series("day", [3_200_000, 3_200_001]).cast(polars.Int32).cast(polars.Date)
    polars.DataFrame({"day": days, "a": [1, 2]}).write_parquet(tmp_path / "data.parquet")
    with pytest.raises(DataError, match="column 'day', holds a date outside the years 1 to 9999"):
        read_series(tmp_path / "data.parquet", time="day")
    many = ",".join(f"column_{number}" for number in range(5_000)) + "\n"
    assert len(refusal(tmp_path, many, targets=["b"])) < 1_100
    assert "row 3 of data.csv" in refusal(tmp_path, f"{'a' * 5_000}\n1\nx\n")
    for names in ({"time": ["a"]}, {"targets": [["a"]]}, {"covariates": [3]}):
        assert "which is no name of a column" in refusal(tmp_path, "a,b\n1,2\n", **names)


# Arrays


def test_arrays_and_data_frames_are_series() -> None:
    assert as_series([1.0, 2.0]).values.tolist() == [[1.0], [2.0]]
    assert as_series([1, 2]).names == ("y",)
    assert as_series(np.ones((3, 2))).names == ("y1", "y2")
    frame = polars.DataFrame({"a": [1, 2], "b": [3.0, 4.0]})
    series = as_series(frame, targets=["b"])
    assert (series.names, series.targets, series.values.tolist()) == (("a", "b"), ("b",), [[1, 3], [2, 4]])
    assert as_series(series, targets=[0]).targets == ("a",)
    known = as_series([1, 2], covariates=[[0], [1], [2]])
    assert (known.covariates.tolist(), known.past_covariates.tolist()) == ([[0], [1], [2]], [[0], [1]])


@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        ("a text", {}, "X is no array of numbers: give T numbers, or T rows of as many numbers each"),
        ([[1, 2], [3]], {}, "X is no array of numbers: give T numbers, or T rows of as many numbers each"),
        ([10**400], {}, "X is no array of numbers: give T numbers, or T rows of as many numbers each"),
        ([], {}, "X has the shape (0,): give T numbers, or T rows of as many numbers each"),
        (np.ones((2, 2, 2)), {}, "X has the shape (2, 2, 2): give T numbers, or T rows of as many numbers each"),
        ([1.0, float("nan")], {}, "X has NaN at [1, 0]: fill it in, or read a table"),
        ([1.0, float("inf")], {}, "X has inf at [1, 0]: fill it in, or read a table"),
        ([1, 2, 3], {"covariates": [1, 2]}, "covariates has 2 steps and X 3: give them for all steps"),
        ([1, 2], {"targets": [1]}, "targets has 1, which is no variable: choose of y"),
        ([1, 2], {"targets": ["y", 0]}, "targets has 'y' twice: leave one out"),
        (as_series([1, 2]), {"covariates": [1, 2]}, "covariates were given, but X has its own: leave one of them out"),
    ],
)
def test_a_mistake_in_an_array_is_one_sentence(given: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ArgumentError, DataError)) as caught:
        as_series(given, **options)
    assert str(caught.value).startswith(sentence)


def test_a_part_is_the_steps_between_with_their_times() -> None:
    series = Series(
        np.arange(6.0).reshape(3, 2),
        np.array([[True, False]] * 3),
        ("a", "b"),
        ("a",),
        np.arange(5.0)[:, None],
        ("known",),
        Clock(datetime.combine(date(2024, 1, 31), datetime.min.time()), "month end"),
    )
    part = series.part(1, 2)
    assert (part.values.tolist(), part.observed.tolist()) == ([[2.0, 3.0]], [[True, False]])
    assert (part.covariates.tolist(), part.clock.text(0)) == ([[1.0]], "2024-02-29")


def test_decimal_commas_of_a_table_with_semicolons_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("t;a;b\n1;1,5;1.250\n2;-0,25;12.250,5\n3;2;0.125\n4;,5;1e3\n", encoding="utf-8")
    assert read_series(path, time="t").values.tolist() == [[1.5, 1250], [-0.25, 12250.5], [2, 0.125], [0.5, 1000]]
    assert caplog.messages == [f"{path}: a semicolon separates its columns, and its numbers have decimal commas"]
    path.write_text("t;a\n1;1.250\n2;2.5\n", encoding="utf-8")
    assert read_series(path, time="t").values.tolist() == [[1.25], [2.5]]
    path.write_text("text;target\nuno;1,5\ndue;2,5\n", encoding="utf-8")
    assert read_measured(path).targets.tolist() == [1.5, 2.5]


class PandasIndex:
    """What is used of pandas' DatetimeIndex, which has no zone in the first and one in the second."""

    name = None

    def __init__(self, days: list[Any]) -> None:
        self.days = days

    def to_pydatetime(self) -> np.ndarray:
        return np.array(self.days, dtype=object)


class PandasFrame(dict[Any, Any]):
    """What is used of pandas' DataFrame."""

    def __init__(self, columns: dict[Any, Any], days: list[Any]) -> None:
        super().__init__(columns)
        self.columns, self.index = list(columns), PandasIndex(days)


def test_an_index_or_a_column_of_dates_is_kept() -> None:
    days = [datetime(2024, 1, day) for day in (1, 2, 4)]
    frame = polars.DataFrame({"day": days, "a": [1, 2, None], "b": [3.0, 4.0, 5.0]})
    for data in (frame, PandasFrame({"a": [1, 2, float("nan")], "b": [3.0, 4.0, 5.0]}, days)):
        series = as_series(data, targets=["b"])
        assert (series.names, series.targets, series.clock.text(4)) == (("a", "b"), ("b",), "2024-01-05")
        assert series.values.tolist() == [[1, 3], [2, 4], [2, 4], [2, 5]]
        assert series.observed.tolist() == [[True, True], [True, True], [False, False], [False, True]]
        assert series.notes[0].startswith("1 row missing at steps of 1 day: added")
    one = as_series(PandasFrame({7: [1, 2, 3]}, days))
    assert (one.names, one.clock.words, one.time_name) == (("7",), "1 day", "time")
    assert as_series(polars.DataFrame({"a": [1, 2]})).values.tolist() == [[1], [2]]
    with pytest.raises(DataError, match=r"row 1 of X, column 'time', has no date"):
        as_series(PandasFrame({"a": [1, 2]}, [days[0], float("nan")]))
    with pytest.raises(DataError, match="X has the column 'a', which holds no numbers: leave it out"):
        as_series(polars.DataFrame({"day": days[:2], "a": ["x", "y"]}))
