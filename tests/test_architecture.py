"""Imports point one way and in no circle, files and functions are short, and nothing heavy is imported early."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import ricorda

ROOMS = (
    "errors",
    "telling",
    "files",
    "locks",
    "shown",
    "program",
    "cells",
    "catalogue",
    "engines",
    "nn",
    "data",
    "training",
    "tasks",
    "insight",
    "export",
    "scoring",
    "searching",
    "serve",
    "page",
    "cli",
)
"""A file imports from its own room and from those before it."""

SOURCE = Path(ricorda.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = {
    "torch",
    "numpy",
    "polars",
    "sklearn",
    "rich",
    "typer",
    "matplotlib",
    "tokenizers",
    "safetensors",
    "fastapi",
    "nicegui",
    "optuna",
}


class Imports(ast.NodeVisitor):
    """The modules that a file imports when it runs, wherever in it; (line, module)."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[tuple[int, str]] = []

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for each in node.orelse:
                self.visit(each)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(node.lineno, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        parts = self.package.split(".")[: 1 - node.level or None] if node.level else []
        module = ".".join([*parts, *([node.module] if node.module else [])])
        if module == "ricorda":
            self.found += [(node.lineno, f"ricorda.{alias.name}") for alias in node.names]
        else:
            self.found.append((node.lineno, module))


def imports(code: str, package: str = "ricorda") -> list[tuple[int, str]]:
    visitor = Imports(package)
    visitor.visit(ast.parse(code))
    return visitor.found


def wrong_way(code: str, room: str, package: str = "ricorda") -> Iterator[str]:
    """The imports from rooms that come after a file's own, or from none."""
    for line, module in imports(code, package):
        if module.split(".")[0] == "ricorda" and module != "ricorda.__version__":
            parts = module.split(".")
            other = parts[1] if len(parts) > 1 else "ricorda itself"
            if other not in ROOMS or ROOMS.index(other) > ROOMS.index(room):
                yield f"line {line}: {room} imports {module}"


def _room(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "cli" if first == "__main__" else first


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SOURCE)) for path in FILES])
def test_a_file_imports_from_its_own_room_and_those_before(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        pytest.skip("it names all public names, and imports them when they are used: see the test below")
    assert _room(path) in ROOMS
    package = ".".join(path.relative_to(SOURCE.parent).parent.parts)
    assert list(wrong_way(path.read_text(encoding="utf-8"), _room(path), package)) == []


def test_every_room_has_a_file() -> None:
    assert {_room(path) for path in FILES if path != SOURCE / "__init__.py"} == set(ROOMS)


def test_the_package_itself_imports_the_standard_library_only() -> None:
    found = imports((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    assert found
    assert [module for _, module in found if module.split(".")[0] not in sys.stdlib_module_names] == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("from ricorda.nn import Recurrent", True),
        ("def f():\n    import ricorda.tasks.saving", True),
        ("from ricorda import tasks", True),
        ("from ricorda import LSTM", True),
        ("import ricorda", True),
        ("from ..tasks import saving", True),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    from ricorda.cli import main", True),
        ("from ricorda.program import ir", False),
        ("from . import reference", False),
        ("import torch", False),
        ("from ricorda import __version__", False),
        ("if TYPE_CHECKING:\n    from ricorda.cli import main", False),
    ],
)
def test_the_check_itself_tells_right_from_wrong(code: str, wrong: bool) -> None:
    assert bool(list(wrong_way(code, "engines", "ricorda.engines"))) == wrong


MOST_LINES = 400
"""Of a file."""

MOST_CODE = 60
"""Lines of code of a function: its docstring, blank lines and lines of comment are not counted."""

MOST_OF_TASKS_AND_DOORS = 14_910
"""Lines of `tasks` and `cli` together: a parameter, and `fit`, are written once."""

SHOWING = ("plot", "to_html")
"""Functions that may import the file that draws their result, which imports the result's class for its own part."""


def edges(code: str, module: str, modules: Mapping[str, bool]) -> set[str]:
    """The modules of `modules` (name -> whether it is a package) that a module imports, wherever and for whatever.

    What a function of `SHOWING` imports is left out.
    """
    found: set[str] = set()
    package = module if modules[module] else module.rpartition(".")[0]

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef) and node.name in SHOWING:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: 1 - node.level or None] if node.level else []
            origin = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in modules else origin)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(code))
    return (found & modules.keys()) - {module}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules of which each imports, in the end, all others of its group (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            start = stack.index(module)
            group = stack[start:]
            del stack[start:]
            if len(group) > 1:
                result.append(sorted(group))

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return sorted(result)


def _modules() -> dict[str, Path]:
    """All modules by name, the package itself left out: it names everything, and imports it when it is used."""
    names = {}
    for path in FILES:
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del names["ricorda"]
    return names


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = _modules()
    packages = {name: path.name == "__init__.py" for name, path in modules.items()}
    graph = {name: edges(path.read_text(encoding="utf-8"), name, packages) for name, path in modules.items()}
    assert len(graph) > 100
    assert circles(graph) == []


FIRST = "from pack import second"
MODULES = {"pack": True, "pack.first": False, "pack.second": False, "pack.sub": True}


@pytest.mark.parametrize(
    ("second", "circle"),
    [
        ("import pack.first", True),
        ("from pack.first import name", True),
        ("from . import first", True),
        ("def f():\n    from pack import first", True),
        ("if TYPE_CHECKING:\n    from pack.first import Name", True),
        ("class A:\n    def show(self):\n        from pack import first", True),
        ("import pack.sub", False),
        ("import torch", False),
        ("class A:\n    def plot(self):\n        from pack import first", False),
        ("def to_html():\n    from pack.first import page", False),
    ],
)
def test_the_check_for_circles_tells_right_from_wrong(second: str, circle: bool) -> None:
    codes = {"pack": "", "pack.first": FIRST, "pack.second": second, "pack.sub": ""}
    graph = {name: edges(code, name, MODULES) for name, code in codes.items()}
    assert circles(graph) == ([["pack.first", "pack.second"]] if circle else [])


def test_a_circle_may_be_long_and_several_are_told_apart() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert circles(graph) == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SOURCE)) for path in FILES])
def test_a_file_has_no_more_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def lines_of_code(code: str) -> dict[str, int]:
    """Lines of code of each function, by its name and the line that it begins in."""
    lines = code.splitlines()
    result = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            if ast.get_docstring(node, clean=False) is not None:
                own -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
            code_lines = [
                line for line in own if lines[line - 1].strip() and not lines[line - 1].strip().startswith("#")
            ]
            result[f"{node.name}, line {node.lineno}"] = len(code_lines)
    return result


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SOURCE)) for path in FILES])
def test_a_function_has_no_more_than_60_lines_of_code(path: Path) -> None:
    counts = lines_of_code(path.read_text(encoding="utf-8"))
    assert {name: count for name, count in counts.items() if count > MOST_CODE} == {}


def test_docstrings_comments_and_blank_lines_are_not_counted() -> None:
    code = '''
@decorated
def outer(a):
    """Two

    paragraphs."""
    # A comment.

    text = "not a docstring"  # It counts once.

    def inner():
        return text

    return inner
'''
    assert lines_of_code(code) == {"outer, line 3": 5, "inner, line 11": 2}
    assert lines_of_code("def f():\n" + "    x = 1\n" * 60) == {"f, line 1": 61}


def test_tasks_and_doors_stay_short() -> None:
    rooms = [path for path in FILES if _room(path) in ("tasks", "cli")]
    assert len(rooms) > 50
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in rooms) <= MOST_OF_TASKS_AND_DOORS


def _loaded(code: str) -> dict[str, object]:
    """What a fresh interpreter prints as its last line, which is JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


START = """
import json, sys, time
begin = time.perf_counter()
import ricorda
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""

HELP = """
import json, sys
from ricorda.cli import main
sys.argv = ["ricorda", "--help"]
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = None
print()
print(json.dumps({"code": code, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def test_importing_the_package_loads_nothing_heavy_and_takes_no_time() -> None:
    answers = [_loaded(START) for _ in range(5)]
    modules = answers[0]["modules"]
    assert isinstance(modules, list)
    assert "ricorda" in modules
    assert HEAVY & set(modules) == set()
    assert min(float(str(answer["seconds"])) for answer in answers) < 0.1


def test_help_loads_neither_torch_nor_tables() -> None:
    answer = _loaded(HELP)
    modules = answer["modules"]
    assert isinstance(modules, list)
    assert "typer" in modules
    assert (HEAVY - {"numpy", "rich", "typer", "safetensors"}) & set(modules) == set()
    assert not answer["code"]


def test_files_of_tests_have_names_of_their_own() -> None:
    """Pytest imports them by these names alone, and so two of one name cannot be collected together."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
