"""Text files are read and written as UTF-8: Windows takes another encoding where none is named."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [path for folder in ("src", "tests", "benchmarks", "docs") for path in sorted((ROOT / folder).rglob("*.py"))]


def without_encoding(code: str) -> list[int]:
    """The lines in which a text file is opened, read or written without the name of its encoding."""
    return [node.lineno for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call) and _lacks(node)]


def _lacks(call: ast.Call) -> bool:
    if any(keyword.arg in ("encoding", None) for keyword in call.keywords):
        return False
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in ("read_text", "write_text"):
        return len(call.args) < (1 if function.attr == "read_text" else 2)
    if isinstance(function, ast.Name) and function.id == "open":
        return _is_text(call.args[1:2])
    return isinstance(function, ast.Attribute) and function.attr == "open" and bool(call.args) and _is_text(call.args)


def _is_text(mode: list[ast.expr]) -> bool:
    if not mode:
        return True
    text = mode[0].value if isinstance(mode[0], ast.Constant) else "b"
    return isinstance(text, str) and set(text) <= set("rwxat+")


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "docs"])
def test_text_files_are_utf_8_by_name(folder: str) -> None:
    files = [path for path in FILES if path.is_relative_to(ROOT / folder)]
    assert files
    found = {str(path): without_encoding(path.read_text(encoding="utf-8")) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("path.read_text()", True),
        ("path.write_text('a')", True),
        ("open('a')", True),
        ("open('a', 'w')", True),
        ("path.open('w')", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text('a', 'utf-8')", False),
        ("open('a', 'rb')", False),
        ("open(0, mode)", False),
        ("os.open(name, flags)", False),
    ],
)
def test_the_check_tells_right_from_wrong(code: str, found: bool) -> None:
    assert bool(without_encoding(code)) == found
