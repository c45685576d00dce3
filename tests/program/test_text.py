"""Cells from texts: those of the catalogue mean the same, and nothing else than the language is ever run."""

import inspect
import linecache
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ricorda.catalogue import CELLS
from ricorda.errors import CellError
from ricorda.program.text import LANGUAGE, LONGEST, read_cell

IMPORTS = "import math\nfrom math import e as E\n\nfrom ricorda import affine, cell, parameter, sigmoid, tanh\n\n\n"
BODY = "def mine(x, h):\n    {}\n    return tanh(affine('h', h, x))\n"


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_of_the_catalogue_means_the_same_as_a_text(name: str) -> None:
    read = read_cell(IMPORTS + inspect.getsource(CELLS[name].function))
    assert read.program == CELLS[name].program
    assert read.options == CELLS[name].options
    for option, value in read.options.items():
        if isinstance(value, int) and not isinstance(value, bool):
            changed = {option: value + 1}
            assert read.with_options(changed).program == CELLS[name].with_options(changed).program


def test_the_language_is_what_the_package_offers_to_cells() -> None:
    import ricorda

    assert set(LANGUAGE) <= set(ricorda.__all__)
    assert set(LANGUAGE) >= {"affine", "parameter", "tanh", "where", "delay", "sum"}
    assert not {"apply", "projection", "cell", "load", "Recurrent"} & set(LANGUAGE)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("def mine(x, h):\n    return tanh(affine('h', h, x)", 2, "was never closed"),
        ("def mine(x, h):\n    return tanhh(affine('h', h, x))", 2, "there is no function tanhh"),
        ("def mine(x, h):\n    a = affine('a', x)\n    return tanh(b)", 3, "name 'b' is not defined"),
        ("def mine(x, h):\n    return W @ h", 2, "name 'W' is not defined"),
        ("def mine(x, h):\n    return x @ h", 2, "matri"),
        ("def mine(x, h):\n    return x + h", 2, "affine"),
        (
            "import torch\n\n\ndef mine(x, h):\n    return torch.tanh(affine('h', h, x))",
            1,
            "nothing else can be imported",
        ),
        ("def mine(x, h):\n    return h.tanh()", 2, "there are no attributes such as .tanh"),
        ("def mine(x, h):\n    if h > 0:\n        h = -h\n    return h", 2, "branch"),
        ("def mine(x, h):\n    return tanh(affine('h', h, x)), h", 1, "returns 2 values but has 1 state"),
        (
            "def mine(x, h):\n\n    # A comment.\n    z = affine('z', h, x)\n    return tanh(affine('h', h, x))",
            1,
            "reaches no new state",
        ),
        ("@cell(paper='x', colour='red')\ndef mine(x, h):\n    return tanh(affine('h', h, x))", 1, "colour"),
        ("x = 1\n", 1, "only imports and one function"),
        ("", 1, "there are 0 functions"),
        ("def a(x, h):\n    return h\n\n\ndef b(x, h):\n    return h\n", 5, "there are 2 functions"),
    ],
)
def test_a_mistake_is_explained_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(CellError) as caught:
        read_cell(text)
    assert words in str(caught.value)
    assert caught.value.line == line
    assert linecache.cache.get("equations") is None


@pytest.mark.parametrize(
    "statement",
    [
        "__import__('os').system('touch ran')",
        "a = open('ran', 'w')",
        "a = x.__class__",
        "a = x.tape.frame.f_back",
        "a = tanh.__globals__",
        "a = [c for c in (1, 2)]",
        "a = (lambda: 1)()",
        "a = (b := x)",
        "a = eval('1')",
        "import os",
        "global tanh",
        "del h",
        "a = f'{x.tape}'",
        "a = tanh(f'{x!r}')",
        "a = affine(f'{1:>99999999}', x)",
        "a = affine(**{'name': 'a'})",
        "a = x[0]",
        "with x: pass",
        "try:\n        a = 1\n    finally:\n        a = 2",
        "while 1 < 2:\n        a = 1",
        "assert x",
        "raise x",
        "def inner():\n        return 1",
        "class A: pass",
        "a = {'b': 1}['b']",
        "a = {1, 2}",
        "a = yield",
        "a = await x",
        "a, *b = x, h",
        "h.tape = 1",
        "_float = x",
        "for n in x:\n        a = n",
        "for n in range(2, **{'a': 1}):\n        a = n",
        "for n in range(2, step=open('ran', 'w')):\n        a = n",
        "a: open('ran', 'w') = 1",
    ],
)
def test_nothing_but_the_language_is_run(statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CellError):
        read_cell(BODY.format(statement))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "head",
    [
        "def mine(x, h, *, a=open('ran', 'w')):",
        "def mine(x: open('ran', 'w'), h) -> open('ran', 'w'):",
        "@open('ran', 'w')\ndef mine(x, h):",
        "@cell(paper=open('ran', 'w'))\ndef mine(x, h):",
        "@cell(*open('ran', 'w'))\ndef mine(x, h):",
        "@cell(**open('ran', 'w'))\ndef mine(x, h):",
        "@cell\n@cell.__class__\ndef mine(x, h):",
        "def mine(x, h, *a, **b):",
        "def mine(x, h=open('ran', 'w')):",
        "async def mine(x, h):",
    ],
)
def test_nor_is_it_around_the_equations(head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        read_cell(f"{head}\n    return tanh(affine('h', h, x))\n")
    except CellError:
        assert ":" not in head or not head.startswith("def mine(x: ")
    else:
        assert head.startswith("def mine(x: ")  # Annotations are left out.
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "a = 9 ** 9 ** 9 ** 9",
        "a = 3\n    for n in range(60):\n        a = a * a",
        "a = 3\n    for n in range(60):\n        a *= a",
        "for n in range(10 ** 9):\n        a = n",
        "for n in range(60):\n        for m in range(60):\n            a = n * m",
        "a = 'a' * 10 ** 9",
        "a = 'a'\n    for n in range(60):\n        a = a + a",
        "a = (x, h)\n    for n in range(60):\n        a = a + a",
        "a = (x, h)\n    for n in range(60):\n        a = (a, a)",
        "a = (x, h)\n    b = a",
        "a = {'b': 1}\n    for n in range(60):\n        a = {'b': a, 'c': a}",
        "a = f'{h}'",
        "a = 'b'\n    for n in range(60):\n        a = f'{a}{a}'",
        "a = " + "(" * 150 + "x" + ")" * 150 + ".b",
        "a = " + "-" * 5_000 + "x",
        "a = x" + " + x" * 1_300,
        "a = " + "9" * 5_000,
        "h = h * x\n    " * 3 + "#" * LONGEST,
    ],
)
def test_no_text_keeps_anybody_waiting(statement: str) -> None:
    began = time.process_time()
    with suppress(CellError):
        read_cell(BODY.format(statement))
    assert time.process_time() - began < 2
