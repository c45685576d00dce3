"""Numbers to be learned: read as they stand, from files and from Python; what is none is named with its place."""

import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ricorda.data.targets import LARGEST, as_numbers, read_measured, read_targets
from ricorda.errors import ArgumentError, DataError

NUMBERS = st.floats(-LARGEST, LARGEST)


# From Python


@given(st.lists(NUMBERS, min_size=1))
def test_numbers_come_through_to_the_last_bit(numbers: list[float]) -> None:
    for given_as in (numbers, tuple(numbers), np.array(numbers), torch.tensor(numbers, dtype=torch.float64)):
        found = read_targets(given_as, len(numbers))
        assert (found.dtype, found.shape) == (np.float64, (len(numbers),))
        assert found.tolist() == numbers


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
        ([(1, 2), np.array([3, 4])], [[1.0, 2.0], [3.0, 4.0]]),
        (np.ones((2, 1)), [[1.0], [1.0]]),
        ([torch.tensor(1.5), np.float32(2.5)], [1.5, 2.5]),
        ([True, False], [1.0, 0.0]),
        ([decimal.Decimal("1.5"), 2], [1.5, 2.0]),
        (polars.DataFrame({"a": [1, 2], "b": [3.0, 4.0]}), [[1.0, 3.0], [2.0, 4.0]]),
        (polars.Series([1, 2]), [1.0, 2.0]),
    ],
)
def test_all_that_holds_numbers_is_taken(given: Any, found: list[Any]) -> None:
    assert read_targets(given, 2).tolist() == found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "y is of type NoneType: give a sequence with a number for each example"),
        (3.0, "y is of type float: give a sequence with a number for each example"),
        ([1.0], "there are 2 examples and 1 targets: give one for each example"),
        ([1.0, None], "y[1] has no number: fill it in or leave it out"),
        ([1.0, " "], "y[1] has no number: fill it in or leave it out"),
        ([1.0, "high"], "y[1] has 'high', which is no number: write one, with a decimal point"),
        ([1.0, "1,5"], "y[1] has '1,5', which is no number: write one, with a decimal point"),
        ([1.0, {}], "y[1] has {}, which is no number: write one, with a decimal point"),
        ([1.0, 1j], "y[1] has 1j, which is no number: write one, with a decimal point"),
        ([1.0, float("nan")], "y[1] has nan, which is no finite number: fill it in or leave it out"),
        (np.array([1.0, -np.inf]), "y[1] has -inf, which is no finite number: fill it in or leave it out"),
        ([1.0, 1e39], "y[1] has 1e+39, beyond the numbers of a network: choose a larger unit"),
        ([[1.0, 2.0], [1.0]], "y[1] is of another length than y[0]: give as many numbers for each example"),
        ([1.0, [1.0]], "y[1] is of another length than y[0]: give as many numbers for each example"),
        ([[], []], "y[0] is empty: give one number or more for each example"),
        ([[1.0], [[2.0]]], "y[1] has [2.0], which is no number: write one, with a decimal point"),
        ([[1.0, 2.0], [3.0, None]], "y[1] has no number: fill it in or leave it out"),
    ],
)
def test_what_is_no_number_is_refused_in_a_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(DataError) as refused:
        read_targets(given, 2)
    assert str(refused.value) == sentence


def test_a_whole_number_beyond_all_bounds_is_not_finite() -> None:
    with pytest.raises(DataError, match=r"row 0 has 1000.*, which is no finite number"):
        as_numbers([10**400], lambda index: f"row {index}")


# From files


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "data.csv": _csv,
    "data.jsonl": _json_lines,
    "data.parquet": lambda path, rows: polars.DataFrame(rows).write_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_table_gives_texts_and_one_column_or_several(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path, [{"text": "a b", "target": 1.5, "w": 2}, {"text": "c", "target": -3.25, "w": 7}])
    one = read_measured(path)
    assert (one.inputs, one.targets.tolist(), one.target_names) == (["a b", "c"], [1.5, -3.25], ("target",))
    assert read_measured(path, default=["w"]).targets.tolist() == [2.0, 7.0]
    several = read_measured(path, targets=["w", "target"])
    assert (several.targets.tolist(), several.target_names) == ([[2.0, 1.5], [7.0, -3.25]], ("w", "target"))
    assert several.place(1) == f"row {3 if name == 'data.csv' else 2} of {path}"


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
def test_a_column_may_hold_series_of_different_lengths(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path, [{"x": [[1.0, 2.0]] * 3, "y": 1}, {"x": [[0.5, 1.0]], "y": 2}])
    found = read_measured(path, text="x", targets=["y"])
    assert [array.shape for array in found.inputs] == [(3, 2), (1, 2)]
    WRITERS[name](path, [{"x": [1.0, 2.0], "y": 1}, {"x": [3.0], "y": 2}])
    assert [array.tolist() for array in read_measured(path, text="x", targets=["y"]).inputs] == [[[1], [2]], [[3]]]


def test_lines_hold_a_number_and_a_text(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("3.5 a warm film\n-1 dull\n", encoding="utf-8")
    found = read_measured(path)
    assert (found.inputs, found.targets.tolist(), found.target_names) == (["a warm film", "dull"], [3.5, -1.0], ())


def test_a_parquet_column_of_decimals_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    prices = polars.Series([decimal.Decimal("1.25"), decimal.Decimal("2.50")], dtype=polars.Decimal(10, 2))
    polars.DataFrame({"text": ["a", "b"], "target": prices}).write_parquet(path)
    assert read_measured(path).targets.tolist() == [1.25, 2.5]


def test_a_synthetic_task_has_no_columns() -> None:
    found = read_measured("synthetic:adding?T=5&n=3")
    assert (found.targets.shape, found.target_names) == ((3,), ())
    assert found.place(2) == "row 3 of synthetic:adding?T=5&n=3"


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        ("text,target\na,\n", {}, "row 2 of data.csv, column 'target', has no number: fill it in or leave it out"),
        (
            "text,target\na,1\nb,NaN\n",
            {},
            "row 3 of data.csv, column 'target', has 'NaN', which is no finite number: fill it in or leave it out",
        ),
        (
            "text,target\na,good\n",
            {},
            "row 2 of data.csv, column 'target', has 'good', which is no number: write one, with a decimal point",
        ),
        ("text,y\na,1\n", {}, "data.csv has no column 'target': choose one of 'text', 'y' with --target"),
        (
            "text,y\na,1\n",
            {"targets": ["y", "z"]},
            "data.csv has no column 'z': choose one of 'text', 'y' with --target number 2",
        ),
        ("text,target\n,1\n", {}, "row 2 of data.csv, column 'text', has an empty text: fill it in or leave it out"),
        ("text,target\na,1\n", {"targets": ["target"] * 2}, "--target target is given twice: leave one out"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_a_sentence(
    content: str, arguments: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(content, encoding="utf-8")
    with pytest.raises((ArgumentError, DataError)) as refused:
        read_measured("data.csv", **arguments)
    assert str(refused.value) == sentence


def test_columns_are_of_tables_alone_and_folders_have_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("1 a\n", encoding="utf-8")
    for arguments in ({"text": "x"}, {"targets": ["x"]}):
        with pytest.raises(ArgumentError, match=r"names a column, and .* has none: leave the option out"):
            read_measured(path, **arguments)
    with pytest.raises(DataError, match="is a folder, which has no numbers to learn"):
        read_measured(tmp_path)
    path.write_text("one a\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"row 1 of .* has 'one', which is no number"):
        read_measured(path)


def test_an_underscore_is_no_part_of_a_number() -> None:
    with pytest.raises(DataError, match="row 1 has '2020_1', which is no number"):
        as_numbers(["1", "2020_1"], lambda index: f"row {index}")
