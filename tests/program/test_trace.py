"""What a cell's function becomes, and what its author is told about a mistake in it."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from ricorda import Cell, CellError, affine, cell, parameter, sigmoid, tanh
from ricorda.catalogue import CELLS, find_cell
from ricorda.nn import Recurrent
from ricorda.program.symbols import Symbol
from ricorda.program.trace import trace

HEADER = """import math
from functools import partial
import numpy as np
import torch
import ricorda
from ricorda import affine, cell, exp, log, maximum, parameter, sigmoid, tanh

def helper(x, h):
    return tanh(affine("help", x)) + x

"""

# what is wrong, the cell `wrong` with the place marked `#!`, the expression quoted, what the message says
MISTAKES = {
    "undefined state": (
        "def wrong(x, h):\n    return tanh(affine('h', h, x)) + c #!\n",
        "c",
        "name 'c' is not defined; the input and the states are the cell's arguments: x, h",
    ),
    "too few new states": (
        "def wrong(x, h, c): #!\n    return tanh(affine('h', h, x))\n",
        "def wrong(x, h, c): #!",
        "it returns 1 value but has 2 states (h, c)",
    ),
    "too many new states": (
        "def wrong(x, h): #!\n    h = tanh(affine('h', h, x))\n    return h, h\n",
        "def wrong(x, h): #!",
        "it returns 2 values but has 1 state (h)",
    ),
    "no new state": (
        "def wrong(x, h): #!\n    tanh(affine('h', h, x))\n",
        "def wrong(x, h): #!",
        "the new value of state h is None",
    ),
    "sizes that differ": (
        "def wrong(x, h):\n    return tanh(affine('h', h, x)) + sigmoid(x * h) #!\n",
        "x * h",
        "a vector of size I (input_size) cannot go with one of size H (hidden_size)",
    ),
    "two affines of one name": (
        "def wrong(x, h):\n    i = affine('i', h, x)\n    return i * affine('i', x) #!\n",
        "affine('i', x)",
        'there are two of the name "i"',
    ),
    "two parameters of one name": (
        "def wrong(x, h):\n    return affine('i', x) * parameter('p') + parameter('p') * h #!\n",
        "parameter('p')",
        'there are two of the name "p"',
    ),
    "a parameter named as a state": (
        "def wrong(x, h):\n    return affine('i', x) * parameter('h') #!\n",
        "parameter('h')",
        'there are two of the name "h", state and parameter',
    ),
    "a parameter named as the layer's own": (
        "def wrong(x, h):\n    return affine('i', x) * parameter('weight_hh') #!\n",
        "parameter('weight_hh')",
        "the name 'weight_hh' is kept for the layer's own weights",
    ),
    "no use of the input": (
        "def wrong(x, h): #!\n    return tanh(affine('h', h))\n",
        "def wrong(x, h): #!",
        "no new state depends on the input x",
    ),
    "an affine in vain": (
        "def wrong(x, h): #!\n    g = affine('g', h, x)\n    return tanh(affine('h', h, x))\n",
        "def wrong(x, h): #!",
        'affine("g", ...) reaches no new state',
    ),
    "a parameter in vain": (
        "def wrong(x, h): #!\n    p = parameter('p')\n    return tanh(affine('h', h, x))\n",
        "def wrong(x, h): #!",
        'parameter("p", ...) reaches no new state',
    ),
    "a branch": (
        "def wrong(x, h):\n    if h: #!\n        return tanh(affine('h', x))\n    return tanh(affine('h', h, x))\n",
        "if h: #!" if sys.version_info < (3, 12) else "h",
        "cannot branch on a value",
    ),
    "a branch within an expression": (
        "def wrong(x, h):\n    return h and affine('h', x) #!\n",
        "h and affine('h', x)" if sys.version_info < (3, 12) else "h",
        "cannot branch on a value",
    ),
    "a branch on a comparison": (
        "def wrong(x, h):\n    if h > 0: #!\n        return tanh(affine('h', x))\n    return tanh(affine('h', h, x))\n",
        "h > 0",
        "cannot branch on a value: write the choice as where(a > b, ...)",
    ),
    "a chain of comparisons": (
        "def wrong(x, h):\n    return tanh(affine('h', h, x)) * (0 < h < 1) #!\n",
        "0 < h < 1",
        "cannot branch on a value",
    ),
    "an equality": (
        "def wrong(x, h):\n    return h if x == h else tanh(affine('h', h, x)) #!\n",
        "x == h",
        "cannot ask whether values are equal",
    ),
    "torch.tanh": (
        "def wrong(x, h):\n    return torch.tanh(affine('h', h, x)) #!\n",
        "torch.tanh(affine('h', h, x))",
        "a cell's functions are those of ricorda, such as ricorda.tanh",
    ),
    "np.tanh": (
        "def wrong(x, h):\n    return np.tanh(affine('h', h, x)) #!\n",
        "np.tanh(affine('h', h, x))",
        "a cell's functions are those of ricorda, such as ricorda.tanh",
    ),
    "math.tanh": (
        "def wrong(x, h):\n    return math.tanh(affine('h', h, x)) #!\n",
        "math.tanh(affine('h', h, x))",
        "a cell's functions are those of ricorda, such as ricorda.tanh",
    ),
    "an error of many lines": (
        "def wrong(x, h):\n    return torch.clamp(affine('h', h, x), -1, 1) #!\n",
        "torch.clamp(affine('h', h, x), -1, 1)",
        "torch's clamp does not work on a cell's values: a cell's functions are those of ricorda",
    ),
    "a mistake that torch finds": (
        "def wrong(x, h):\n    return torch.nn.functional.softmax(affine('h', h, x), dim=-1) #!\n",
        "torch.nn.functional.softmax(affine('h', h, x), dim=-1)",
        "a cell's functions are those of ricorda, such as ricorda.tanh",
    ),
    "a tensor": (
        "def wrong(x, h):\n    return maximum(affine('h', h, x), torch.ones(3)) #!\n",
        "maximum(affine('h', h, x), torch.ones(3))",
        "not with Tensor",
    ),
    "whole division": (
        "def wrong(x, h, c):\n    return tanh(h // 2) + affine('h', x), c #!\n",
        "h // 2",
        "its operators + - * / % ** > >= < and <=",
    ),
    "a conjunction": (
        "def wrong(x, h, c):\n    return tanh((h > 0) & (c > 0)) + affine('h', x), c #!\n",
        "(h > 0) & (c > 0)",
        "its operators + - * / % ** > >= < and <=",
    ),
    "a call": (
        "def wrong(x, h, c):\n    return tanh(h(2)) + affine('h', x), c #!\n",
        "h(2)",
        "a cell's functions are those of ricorda",
    ),
    "a unit": (
        "def wrong(x, h, c):\n    return tanh(h[0]) + affine('h', x), c #!\n",
        "h[0]",
        "a cell's values are whole vectors, whose units cannot be taken apart",
    ),
    "a slice": (
        "def wrong(x, h, c):\n    return tanh(h[:, 2:]) + affine('h', x), c #!\n",
        "h[:, 2:]",
        "a cell's values are whole vectors",
    ),
    "unpacking": (
        "def wrong(x, h, c):\n    return tanh(max(*h)) + affine('h', x), c #!\n",
        "max(*h)",
        "a cell's values are whole vectors",
    ),
    "a length": (
        "def wrong(x, h, c):\n    return tanh(len(h) * h) + affine('h', x), c #!\n",
        "len(h)",
        "a cell's values are whole vectors",
    ),
    "a method": (
        "def wrong(x, h, c):\n    return tanh(h.tanh()) + affine('h', x), c #!\n",
        "h.tanh",
        "a cell's values have no attribute or method tanh: write tanh(...)",
    ),
    "a method of tensors": (
        "def wrong(x, h, c):\n    return tanh(h.view(-1)) + affine('h', x), c #!\n",
        "h.view",
        "a cell's values have no attribute or method view: a cell's functions are",
    ),
    "a shape": (
        "def wrong(x, h, c):\n    return tanh(h.shape[0]) + affine('h', x), c #!\n",
        "h.shape",
        "symbols without shape: their sizes are input_size and hidden_size",
    ),
    "a matrix product": (
        "def wrong(x, h, c):\n    return tanh(h @ np.eye(3)) + affine('h', x), c #!\n",
        "h @ np.eye(3)",
        'a cell multiplies by a matrix as affine("name", h)',
    ),
    "a matrix product from the left": (
        "def wrong(x, h, c):\n    return tanh(torch.eye(3) @ h) + affine('h', x), c #!\n",
        "torch.eye(3) @ h",
        "are out of a cell's scope",
    ),
    "an outer product": (
        "def wrong(x, h, c):\n    return tanh(h @ c) + affine('h', x), c #!\n",
        "h @ c",
        "matrix memories, and products of vectors that give a matrix or a number, are out",
    ),
    "an outer product of torch": (
        "def wrong(x, h, c):\n    return tanh(torch.outer(h, c)) + affine('h', x), c #!\n",
        "torch.outer(h, c)",
        "matrix memories",
    ),
    "a transpose": (
        "def wrong(x, h, c):\n    return tanh(h.T) + affine('h', x), c #!\n",
        "h.T",
        "matrix memories",
    ),
    "an imaginary number": (
        "def wrong(x, h, c):\n    return tanh(1j * h) + affine('h', x), c #!\n",
        "1j * h",
        "complex numbers are out of a cell's scope",
    ),
    "a complex number": (
        "def wrong(x, h, c):\n    return tanh(np.complex64(1j) * h) + affine('h', x), c #!\n",
        "np.complex64(1j) * h",
        "complex numbers are out of a cell's scope",
    ),
    "a real part": (
        "def wrong(x, h, c):\n    return tanh(h.real) + affine('h', x), c #!\n",
        "h.real",
        "complex numbers are out of a cell's scope",
    ),
    "a number of Python": (
        "def wrong(x, h, c):\n    return tanh(float(h) * h) + affine('h', x), c #!\n",
        "float(h)",
        "no numbers themselves: a cell's functions are those of ricorda",
    ),
    "a range": (
        "def wrong(x, h, c):\n    return tanh(h * len(range(h))) + affine('h', x), c #!\n",
        "range(h)",
        "no numbers themselves",
    ),
    "an array": (
        "def wrong(x, h, c):\n    return tanh(np.asarray(h)) + affine('h', x), c #!\n",
        "np.asarray(h)",
        "no numbers themselves",
    ),
    "a function of arrays": (
        "def wrong(x, h, c):\n    return tanh(np.concatenate([h, c])) + affine('h', x), c #!\n",
        "np.concatenate([h, c])",
        "numpy's concatenate does not work on a cell's values",
    ),
    "a tensor times a value": (
        "def wrong(x, h, c):\n    return tanh(torch.ones(3) * h) + affine('h', x), c #!\n",
        "torch.ones(3) * h",
        "torch's mul does not work on a cell's values",
    ),
    "the largest of two": (
        "def wrong(x, h, c):\n    return tanh(max(h, c)) + affine('h', x), c #!\n",
        "max(h, c)",
        "write the choice as where(a > b, ...), maximum or minimum",
    ),
    "a sum over the units of a number": (
        "def wrong(x, h, c):\n    return tanh(ricorda.sum(2) * h) + affine('h', x), c #!\n",
        "ricorda.sum(2)",
        "sum(...) is taken over the units of a vector",
    ),
    "an affine of a number": (
        "def wrong(x, h):\n    return tanh(affine('h', x, 1.0)) #!\n",
        "affine('h', x, 1.0)",
        'affine("h", ...) multiplies vectors, and one of its operands is a number',
    ),
    "an affine without a name": (
        "def wrong(x, h):\n    return tanh(affine(h, x)) #!\n",
        "affine(h, x)",
        "the first argument of affine is its name",
    ),
    "an affine of nothing": (
        "def wrong(x, h):\n    return tanh(affine('h')) #!\n",
        "affine('h')",
        'affine("h") has nothing to multiply',
    ),
    "a name that is no identifier": (
        "def wrong(x, h):\n    return tanh(affine('h 1', x)) #!\n",
        "affine('h 1', x)",
        "not 'h 1'",
    ),
    "star arguments": (
        "def wrong(x, *states): #!\n    return tanh(affine('h', x, *states))\n",
        "def wrong(x, *states): #!",
        "its arguments must be the input and at least one state",
    ),
    "no state": (
        "def wrong(x): #!\n    return tanh(affine('h', x))\n",
        "def wrong(x): #!",
        "its arguments must be the input and at least one state",
    ),
    "a default": (
        "def wrong(x, h, rate=0.5): #!\n    return rate * tanh(affine('h', h, x))\n",
        "def wrong(x, h, rate=0.5): #!",
        "its argument rate=0.5 has a default, and its arguments are the input and the states: write options after",
    ),
    "a partial of too few arguments": (
        "def wrong(x, h): #!\n    return tanh(affine('h', h, x))\n\nwrong = partial(wrong, 1)\n",
        "def wrong(x, h): #!",
        "its arguments must be the input and at least one state",
    ),
    "a partial of an argument that there is not": (
        "def wrong(x, h): #!\n    return tanh(affine('h', h, x))\n\nwrong = partial(wrong, k=1)\n",
        "def wrong(x, h): #!",
        "its functools.partial does not go with its arguments",
    ),
    "an option without a default": (
        "def wrong(x, h, *, rate): #!\n    return rate * tanh(affine('h', h, x))\n",
        "def wrong(x, h, *, rate): #!",
        "its option rate has no default: give it one",
    ),
    "an option that is no number": (
        "def wrong(x, h, *, rate=None): #!\n    return rate * tanh(affine('h', h, x))\n",
        "def wrong(x, h, *, rate=None): #!",
        "its option rate has the default None: give it a finite number",
    ),
    "a state of the input's size": (
        "def wrong(x, h): #!\n    return x\n",
        "def wrong(x, h): #!",
        "state h has size H (hidden_size) but its new value has size I (input_size)",
    ),
    "a number where the state stands": (
        "def wrong(x, dt, h): #!\n    return dt, h + dt * tanh(affine('h', h, x))\n",
        "def wrong(x, dt, h): #!",
        "state dt never changes, since its new value is the old one: a number of the cell's is an option "
        '(`*, dt=0.1`), and what is read beside the input is a second input (`@cell(inputs={"dt": "H"})`)',
    ),
    "a state that nothing changes": (
        "def wrong(x, h, c): #!\n    return tanh(affine('h', h, x)) + c, c\n",
        "def wrong(x, h, c): #!",
        "state c never changes, since its new value is the old one",
    ),
    "a state that is a learned vector after every step": (
        "def wrong(x, h, u): #!\n    return tanh(affine('h', h, x)) * u, sigmoid(parameter('p')) * 2\n",
        "def wrong(x, h, u): #!",
        "state u is the same after every step, since its new value depends on no input and no state: a learned vector "
        'is `parameter("u")`, a number of the cell\'s an option (`*, u=0.1`)',
    ),
    "a state of one number that is the same after every step": (
        "@cell(sizes={'n': 1})\ndef wrong(x, h, n): #!\n    return tanh(affine('h', h, x)) * n, n ** 0\n",
        "def wrong(x, h, n): #!",
        "state n is the same after every step",
    ),
    "a state of what is the same at every step": (
        "def wrong(x, h, u): #!\n    return tanh(affine('h', h, x)) * u, affine('u', parameter('p'))\n",
        "def wrong(x, h, u): #!",
        "state u is the same after every step",
    ),
    "a forget gate that is no affine": (
        "@cell(forget_gate='f')\ndef wrong(x, h): #!\n    return tanh(affine('h', h, x))\n",
        "def wrong(x, h): #!",
        'its forget_gate is "f", which none of its affines is called',
    ),
    "an expression of two lines": (
        "def wrong(x, h):\n    i = affine('i', x)\n    return tanh(i) + (x #!\n        * h)\n",
        "x #! * h",
        "cannot go with one of size H",
    ),
    "an expression after letters of two bytes": (
        "def wrong(x, h):\n    è, ü = affine('à', x), x * h #!\n    return è * ü\n",
        "x * h",
        "cannot go with one of size H",
    ),
    "a mistake inside a function of the file": (
        HEADER[HEADER.index("def helper") :].replace("+ x", "+ x #!").replace("helper", "within")
        + "def wrong(x, h):\n    return within(x, h)\n",
        'tanh(affine("help", x)) + x',
        "cannot go with one of size I",
    ),
    "a mistake inside another cell": (
        "@cell\ndef inner(x, h):\n    return affine('q', x) * q #!\n\n"
        "@cell\ndef wrong(x, h):\n    return inner(x, h)\n",
        "q",
        "name 'q' is not defined",
    ),
    "infinity": (
        "def wrong(x, h):\n    return affine('h', h, x) * math.inf #!\n",
        "affine('h', h, x) * math.inf",
        "a cell's numbers are finite, and inf is not",
    ),
    "not a number": (
        "def wrong(x, h):\n    return maximum(affine('h', h, x), math.nan) #!\n",
        "maximum(affine('h', h, x), math.nan)",
        "a cell's numbers are finite, and nan is not",
    ),
    "a variable with the name of a pre-activation": (
        "def wrong(x, h): #!\n    z_i = tanh(affine('i', h, x))\n    return z_i\n",
        "def wrong(x, h): #!",
        'its variable z_i has the name of what affine("i", ...) gives, and is something else',
    ),
    "a lambda": (
        "wrong = lambda x, h: tanh(affine('h', h, x)) #!\n",
        "wrong = lambda x, h: tanh(affine('h', h, x)) #!",
        "a cell needs a name, and a lambda has none: write it with def",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_file_line_and_expression(tmp_path: Path, mistake: str) -> None:
    code, expression, message = MISTAKES[mistake]
    file = tmp_path / "mistakes.py"
    file.write_text(HEADER + code, encoding="utf-8")
    line = 1 + next(n for n, text in enumerate(file.read_text(encoding="utf-8").splitlines()) if "#!" in text)
    with pytest.raises(CellError) as raised:
        _ = find_cell(f"{file}:wrong").program
    text = str(raised.value)
    assert re.match(r"cell (wrong|<lambda>) \(mistakes\.py, line \d+\): `", text), text
    assert f"(mistakes.py, line {line}): `{expression}`: " in text
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("class wrong:\n    pass\n", "<class"),
        ("wrong = len\n", "len"),
    ],
)
def test_what_is_no_function_is_no_cell(tmp_path: Path, code: str, shown: str) -> None:
    file = tmp_path / "mistakes.py"
    file.write_text(HEADER + code, encoding="utf-8")
    with pytest.raises(CellError, match="a cell is a function of the input and its states") as raised:
        _ = find_cell(f"{file}:wrong").program
    assert shown in str(raised.value)


@pytest.mark.parametrize("write", [lambda: affine("i"), lambda: parameter("p"), lambda: tanh(0.5)])
def test_the_language_is_refused_outside_a_cell(write: Callable[[], Symbol]) -> None:
    with pytest.raises(CellError, match="was called outside a cell"):
        write()


def test_a_symbol_kept_from_another_trace_is_refused() -> None:
    kept = []

    def first(x, h):  # type: ignore[no-untyped-def]
        kept.append(h)
        return tanh(affine("h", h, x))

    def second(x, h):  # type: ignore[no-untyped-def]
        return tanh(affine("h", h, x)) + kept[0]

    trace(first)
    with pytest.raises(CellError, match="a symbol of another cell's trace"):
        trace(second)


def test_an_error_leaves_no_trace_under_way() -> None:
    def wrong(x, h):  # type: ignore[no-untyped-def]
        return x * h

    with pytest.raises(CellError):
        trace(wrong)
    with pytest.raises(CellError, match="outside a cell"):
        affine("i")


def named(x: Symbol, h: Symbol, c: Symbol) -> tuple[Symbol, Symbol]:
    i = sigmoid(affine("i", h, x))
    number = 0.5
    c = number * c + i * tanh(affine("g", x))
    h = tanh(c)
    return h, c


def test_variables_states_and_preactivations_have_names() -> None:
    program = trace(named)
    names = dict(program.names)
    assert set(names) == {"i", "h", "c", "z_i", "z_g"}
    assert [value.name for value in program.states] == ["h", "c"]
    assert program.outputs == (names["h"], names["c"])
    assert program.values[names["i"]].op == "sigmoid"
    assert program.values[names["i"]].args == (names["z_i"],)
    assert [program.values[names[name]].name for name in ("z_i", "z_g")] == ["i", "g"]
    assert program.values[names["h"]].args == (names["c"],)


def test_a_state_s_name_is_its_new_value_s_whatever_variable_holds_it() -> None:
    def renamed(x, h):  # type: ignore[no-untyped-def]
        new = tanh(affine("h", h, x))
        h = 2 * new
        return new

    names = dict(trace(renamed).names)
    assert names["h"] == names["new"] == trace(renamed).outputs[0]


def test_a_cell_within_a_cell_writes_its_equations_into_it() -> None:
    @cell
    def inner(x, h):  # type: ignore[no-untyped-def]
        hidden = sigmoid(affine("i", h, x))
        return hidden

    @cell
    def outer(x, h):  # type: ignore[no-untyped-def]
        kept = inner(x, h)
        return kept * tanh(affine("o", kept))

    program = outer.program
    assert [program.values[index].name for index in program.affines] == ["i", "o"]
    assert set(dict(program.names)) == {"kept", "h", "z_i", "z_o"}  # not the inner cell's own variables
    assert inner.program.name == "inner"


def _ignore(frame: FrameType, event: str, arg: Any) -> Any:
    return _ignore


@pytest.mark.parametrize("hook", ["settrace", "setprofile"])
def test_a_debugger_and_a_profiler_at_work_change_nothing(hook: str) -> None:
    before = getattr(sys, hook.replace("set", "get"))()
    calls: list[str] = []

    def watch(frame: FrameType, event: str, arg: Any) -> Any:
        calls.append(frame.f_code.co_name)
        return _ignore

    plain = trace(named)
    try:
        getattr(sys, hook)(watch)
        watched = trace(named)
        kept = getattr(sys, hook.replace("set", "get"))()
    finally:
        getattr(sys, hook)(before)
    assert watched == plain
    assert kept is watch
    assert "named" in calls


def _without_source(code: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"affine": affine, "tanh": tanh}
    exec(compile(code, "<generated>", "exec"), namespace)
    function: Callable[..., Any] = namespace["made"]
    return function


def test_a_function_without_source_is_traced_with_its_names() -> None:
    program = trace(_without_source("def made(x, h):\n    new = tanh(affine('h', h, x))\n    return new\n"))
    assert set(dict(program.names)) == {"h", "new", "z_h"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def made(x, h):\n    return x * h\n", r"cell made \(<generated>, line 2\): a vector of size I"),
        ("def made(x, h):\n    return x\n", r"cell made \(<generated>, line 1\): `def made\(\.\.\.\)`: state h has"),
    ],
)
def test_a_mistake_without_source_is_told_with_its_line(code: str, says: str) -> None:
    with pytest.raises(CellError, match=says):
        trace(_without_source(code))


@pytest.mark.parametrize("name", CELLS)
def test_tracing_again_gives_an_equal_program(name: str) -> None:
    again = replace(CELLS[name]).program
    assert again is not CELLS[name].program
    assert again == CELLS[name].program
    assert hash(again) == hash(CELLS[name].program)


def test_a_forget_gate_is_found_by_its_name() -> None:
    program = CELLS["lstm"].program
    assert program.forget_affine is not None
    assert program.values[program.forget_affine].name == "f"
    assert CELLS["rnn"].program.forget_affine is None


@cell
def plain_sum(x, h):  # type: ignore[no-untyped-def]
    """It adds the state to its own, which proj_size makes of another size."""
    return h + tanh(affine("h", h, x))


def test_a_cell_that_cannot_be_projected_says_so_and_why() -> None:
    with pytest.raises(CellError, match=r"cell plain_sum cannot have proj_size, .* `h \+ tanh") as raised:
        _ = plain_sum.projected_program
    assert "size P (proj_size) cannot go with one of size H" in str(raised.value)
    assert "with which state h goes into an affine only" in str(raised.value)


def test_a_mistake_of_the_cell_itself_is_told_before_that_of_its_projection() -> None:
    def wrong(x, memory):  # type: ignore[no-untyped-def]
        return x * memory

    with pytest.raises(CellError, match=r"size I .* cannot go with one of size H") as raised:
        _ = Cell(wrong).projected_program
    assert "proj_size" not in str(raised.value)


def test_a_variable_that_is_bound_again_names_each_of_its_values() -> None:
    @cell
    def again(x, h):  # type: ignore[no-untyped-def]
        x_1 = affine("x", x)
        c = affine("h", h)
        c = tanh(c)
        c = tanh(c)
        x = x_1
        for depth in range(3):
            h = sigmoid(affine(f"l{depth}", h)) * h + c
        return h + x

    names = dict(again.program.names)
    affines, values = (
        {"z_x", "z_h", "z_l0", "z_l1", "z_l2"},
        {"x_1", "x_1_", "c_1", "c_2", "c", "h_1", "h_2", "h_3", "h"},
    )
    assert set(names) == affines | values
    layer = Recurrent(again, 3, 4, engine="reference")
    x = torch.randn(5, 2, 3)
    output, _, records = layer(x, record=names)
    assert torch.equal(records["c_1"], records["z_h"])
    assert torch.equal(records["c_2"], records["z_h"].tanh())
    assert torch.equal(records["c"], records["z_h"].tanh().tanh())
    assert torch.equal(records["h_3"] + records["x_1"], records["h"])
    assert torch.equal(records["h"][0, 0], output)
    for depth in (1, 2):
        gate = records[f"z_l{depth}"].sigmoid()
        torch.testing.assert_close(records[f"h_{depth + 1}"], gate * records[f"h_{depth}"] + records["c"])


def test_names_of_comprehensions_and_of_branches_not_taken_are_left_out() -> None:
    @cell
    def listed(x, h):  # type: ignore[no-untyped-def]
        gates = [sigmoid(z) for z in (affine("a", h, x), affine("b", h, x))]
        new, other = gates
        return new * h + other

    assert list(dict(listed.program.names)) == ["z_a", "z_b", "new", "other", "h"]
