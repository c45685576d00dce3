"""A word on the command line becomes a cell, or one sentence that says what was given and the way out."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ricorda import ArgumentError, CellError, cells
from ricorda.catalogue import CELLS, FAMILIES, find_cell
from ricorda.program.cell import Cell

OWN = """from ricorda import affine, cell, tanh

number = 3


@cell(paper="mine")
def decorated(x, h):
    return tanh(affine("h", h, x))


def plain(x, h):
    return tanh(affine("h", h, x))
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.py"
    file.write_text(OWN, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["rnn", "rnn_relu", "lstm", "lstm_peephole", "lstm_coupled", "gru", "gru_reset_after"])
def test_a_built_in_cell_is_found_by_its_name(name: str) -> None:
    assert find_cell(name) is getattr(cells, name)
    assert find_cell(name).name == name


def test_the_built_in_cells_say_what_they_are_and_where_they_come_from() -> None:
    assert sorted(CELLS) == cells.__all__
    assert {each.family for each in CELLS.values()} == set(FAMILIES)
    assert [*CELLS] == sorted(CELLS, key=lambda name: [*FAMILIES].index(CELLS[name].family))  # Sorting keeps the order.
    for name, each in CELLS.items():
        assert each is getattr(cells, name)
        assert each.summary
        assert str(each.year) in each.paper
        assert each.weakness
        assert set(dict(each.meanings)) == set(each.options)


def test_a_cell_is_pickled_by_its_name_and_older_pickles_open() -> None:
    assert pickle.loads(pickle.dumps(cells.lstm)) is cells.lstm
    older = b"\x80\x04cpkgutil\nresolve_name\n\x8c\x12ricorda.cells:lstm\x85R."  # When all cells stood in one file.
    assert pickle.loads(older) is cells.lstm


@pytest.mark.parametrize(
    ("given", "meant"), [("lstn", "lstm"), ("ltsm", "lstm"), ("gruu", "gru"), ("gru_reset_befor", "gru_reset_after")]
)
def test_a_slip_is_told_what_was_meant(given: str, meant: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        find_cell(given)
    assert str(raised.value) == (
        f"there is no cell {given!r}: did you mean {meant!r}? "
        f"The cells are {', '.join(CELLS)}, or FILE.py:NAME for one of your own"
    )


@pytest.mark.parametrize("given", ["transformer", "", "own.py", "file.txt:lstm", ":", "a:b", "LSTM!:lstm"])
def test_what_is_like_no_cell_is_told_all_cells(given: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        find_cell(given)
    assert str(raised.value) == (
        f"there is no cell {given!r}: the cells are {', '.join(CELLS)}, or FILE.py:NAME for one of your own"
    )


@pytest.mark.parametrize("name", ["decorated", "plain"])
def test_a_cell_is_found_in_a_file_decorated_or_not(own: Path, name: str) -> None:
    found = find_cell(f"{own}:{name}")
    assert isinstance(found, Cell)
    assert found.name == name
    assert [value.name for value in found.program.states] == ["h"]
    assert found.paper == ("mine" if name == "decorated" else "")


def test_a_path_may_hold_colons_and_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "a folder: mine"
    folder.mkdir()
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    assert find_cell(f"{folder / 'own.py'}:decorated").name == "decorated"


def test_a_file_that_changed_is_run_again(own: Path) -> None:
    assert find_cell(f"{own}:decorated").paper == "mine"
    own.write_text(OWN.replace('"mine"', '"somebody else"'), encoding="utf-8")
    assert find_cell(f"{own}:decorated").paper == "somebody else"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "missing.py"
    with pytest.raises(ArgumentError) as raised:
        find_cell(f"{file}:cell")
    assert str(raised.value) == f"there is no file {str(file)!r} to take a cell from: give FILE.py:NAME"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ArgumentError, match=r"there is no file .*folder\.py"):
        find_cell(f"{tmp_path / 'folder.py'}:cell")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def broken(:\n", "SyntaxError: "),
        ("import there_is_no_such_module\n", "ModuleNotFoundError: No module named 'there_is_no_such_module'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("a = '\0'\n", "SyntaxError: "),
    ],
)
def test_a_file_that_fails_is_named_with_the_reason(tmp_path: Path, code: str, reason: str) -> None:
    file = tmp_path / "failing.py"
    file.write_text(code, encoding="utf-8")
    with pytest.raises(CellError) as raised:
        find_cell(f"{file}:cell")
    assert str(raised.value).startswith(f"{file} cannot be run ({reason}")
    assert str(raised.value).endswith("mend it first")


def test_a_file_of_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes(b"a = '\xe8'\n")
    with pytest.raises(CellError, match=r"latin\.py cannot be run \(SyntaxError"):
        find_cell(f"{file}:cell")


def test_a_file_that_calls_the_language_outside_a_cell_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "outside.py"
    file.write_text("from ricorda import affine\nz = affine('i')\n", encoding="utf-8")
    with pytest.raises(CellError, match="affine was called outside a cell"):
        find_cell(f"{file}:cell")


@pytest.mark.parametrize("name", ["missing", "number", ""])
def test_a_name_that_is_no_cell_is_told_the_file_s_cells(own: Path, name: str) -> None:
    with pytest.raises(CellError) as raised:
        find_cell(f"{own}:{name}")
    assert str(raised.value) == f"{own} defines no cell {name!r}: its cells are decorated"


def test_a_file_without_cells_says_none(tmp_path: Path) -> None:
    file = tmp_path / "empty.py"
    file.write_text("", encoding="utf-8")
    with pytest.raises(CellError, match=r"empty\.py defines no cell 'lstm': its cells are none$"):
        find_cell(f"{file}:lstm")


def test_the_command_prints_the_sentence_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ricorda", "cells", f"{tmp_path / 'no.py'}:cell"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "to take a cell from: give FILE.py:NAME" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
