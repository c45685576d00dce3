"""Imports point one way, from doors to foundations, and nothing heavy is imported before it is needed."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ricorda

ROOMS = (
    "errors",
    "files",
    "program",
    "cells",
    "catalogue",
    "engines",
    "nn",
    "data",
    "training",
    "tasks",
    "insight",
    "cli",
)
"""A file imports from its own room and from those before it."""

SOURCE = Path(ricorda.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = {"torch", "numpy", "polars", "sklearn", "rich", "typer", "matplotlib", "tokenizers", "safetensors"}


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
    assert {"torch", "polars", "sklearn", "matplotlib", "tokenizers"} & set(modules) == set()
    assert not answer["code"]
