"""Programs as JSON: there and back unchanged, and nothing that is no program comes in."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.classic import CLASSIC
from random_cells import sources, traced

from ricorda import CellError, RicordaError
from ricorda.engines import Request, reference
from ricorda.program.ir import Program
from ricorda.program.show import equations
from ricorda.program.weights import layout

Draw = Callable[[st.SearchStrategy[Any]], Any]
SIZES = {"I": 3, "H": 4, "P": 2}


def _programs() -> dict[str, Program]:
    found = {name: each.program for name, each in CLASSIC.items()}
    for name, each in CLASSIC.items():
        try:
            found[f"{name}, projected"] = each.projected_program
        except CellError:
            continue
    return found


PROGRAMS = _programs()


def through_text(program: Program) -> Program:
    return Program.from_json(json.loads(json.dumps(program.to_json(), allow_nan=False)))


def run_once(program: Program) -> None:
    """Everything that is done with a program: layout, equations, two steps, their records and gradient."""
    shapes = layout(program).shapes
    parameters = {
        name: torch.zeros(
            sum(SIZES[row] for row in shape.rows), *([] if shape.columns is None else [SIZES[shape.columns]])
        ).requires_grad_()
        for name, shape in shapes.items()
    }
    states = [torch.zeros(2, SIZES[state.size]) for state in program.states]
    names = [name for name, _ in program.names]
    run = reference.run(Request(program, parameters, torch.zeros(2, 2, 3), states, record=names))
    assert run.output.shape == (2, 2, SIZES[program.states[0].size])
    assert [state.shape for state in run.states] == [state.shape for state in states]
    assert {name: values.shape[:2] for name, values in run.records.items()} == dict.fromkeys(names, (2, 2))
    assert len(equations(program)) >= 1
    assert len(equations(program, "latex")) >= 1


def test_most_cells_with_products_alone_can_be_projected() -> None:
    assert "lstm, projected" in PROGRAMS
    assert "rnn, projected" in PROGRAMS
    assert "gru, projected" not in PROGRAMS  # its state is also multiplied element by element


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_the_same_there_and_back(name: str) -> None:
    program = PROGRAMS[name]
    back = through_text(program)
    assert back == program
    assert hash(back) == hash(program)
    assert back.to_json() == program.to_json()
    run_once(back)


@given(source=sources())
def test_a_random_cell_s_program_is_the_same_there_and_back(source: str) -> None:
    program = traced(source)
    back = through_text(program)
    assert back == program
    assert hash(back) == hash(program)


def test_what_stands_at_its_default_is_not_written() -> None:
    values = CLASSIC["lstm"].program.to_json()["values"]
    assert values[0] == {"op": "input", "size": "I", "name": "x"}
    assert values[1] == {"op": "state", "name": "h"}
    assert {"op": "affine", "args": [1, 0], "name": "i"} in values


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.sampled_from([10**400, -(10**20), 1e308, math.inf, -math.inf, math.nan, 0.5, -0.0]),
    st.sampled_from(
        [
            "",
            "I",
            "H",
            "P",
            "1",
            "add",
            "affine",
            "parameter",
            "state",
            "input",
            "constant",
            "mask",
            "locked_mask",
            "hr",
            "f",
            "x",
        ]
    ),
    st.sampled_from(["weight_hh", "h 1", "sigmoid", "maximum", "lambda", "é", "\ud800", "op", "\0"]),
    st.lists(st.one_of(st.integers(-2, 20), st.booleans(), st.just("1"), st.just(1.0)), max_size=3),
    st.dictionaries(st.sampled_from(["op", "args", "i", "h"]), st.integers(-1, 9), max_size=2),
)
KEYS = st.sampled_from(
    ["op", "args", "size", "name", "number", "bias", "values", "outputs", "names", "forget_gate", "candidate", "new"]
)


def places(data: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of the data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(place for key, value in inner for place in places(value, (*here, key)))]


@st.composite
def damaged(draw: Draw) -> Any:
    """The JSON of a program with a few parts left out, replaced, repeated or swapped."""
    data: Any = copy.deepcopy(draw(st.sampled_from(list(PROGRAMS.values()))).to_json())
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(data)))
        if not place:
            continue
        parent = data
        for key in place[:-1]:
            parent = parent[key]
        last = place[-1]
        match draw(st.sampled_from(["drop", "replace", "replace", "replace", "add", "repeat", "line"])):
            case "drop":
                del parent[last]
            case "replace":
                parent[last] = draw(ODD)
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(ODD)
            case "add" | "repeat" if isinstance(parent, list):
                parent.insert(draw(st.integers(0, len(parent))), copy.deepcopy(parent[last]))
            case "line" if isinstance(data.get("values"), list):
                data["values"].append(draw(LINE))
            case _:
                parent[last] = draw(ODD)
    return data


INDICES = st.lists(st.integers(0, 12), max_size=3)
LINE = st.fixed_dictionaries(
    {
        "op": st.sampled_from(
            ["affine", "add", "multiply", "tanh", "maximum", "constant", "parameter", "negative", "mask", "locked_mask"]
        )
    },
    optional={
        "args": INDICES,
        "size": st.sampled_from(["I", "P", "1"]),
        "name": st.sampled_from(["q", "i", "hr"]),
        "number": st.floats(),
        "bias": st.booleans(),
    },
)


def accept_or_refuse(data: Any) -> bool:
    """Whether it is a program, which then runs; a refusal is a CellError of one sentence."""
    try:
        program = Program.from_json(data)
    except CellError:
        return False
    assert through_text(program) == program
    try:
        layout(program)
    except CellError:  # as of a cell that is traced: proj_size cannot be
        return False
    run_once(program)
    return True


@settings(max_examples=800)
@given(data=damaged())
def test_a_damaged_program_is_refused_or_runs(data: Any) -> None:
    accept_or_refuse(data)


@settings(max_examples=150)
@given(lines=st.lists(LINE, min_size=1, max_size=5), outputs=st.lists(st.integers(0, 7), min_size=1, max_size=2))
def test_made_up_lines_are_refused_or_run(lines: list[dict[str, Any]], outputs: list[int]) -> None:
    head = [{"op": "input", "size": "I", "name": "x"}, {"op": "state", "name": "h"}, {"op": "state", "name": "c"}]
    names = dict(zip(["h", "c"], outputs, strict=False))
    data = {
        "name": "made",
        "values": head[: 1 + len(outputs)] + lines,
        "outputs": outputs,
        "names": names,
        "forget_gate": None,
    }
    accept_or_refuse(data)


@pytest.mark.parametrize("data", [None, 3, "lstm", [], {}, {"values": []}, {"values": [[]]}, {"values": {"op": 1}}])
def test_what_is_nothing_like_a_program_is_refused(data: Any) -> None:
    with pytest.raises(CellError, match=r"the saved program of a cell is damaged .* save the model again"):
        Program.from_json(data)


def _lstm(**changes: Any) -> dict[str, Any]:
    return {**CLASSIC["lstm"].program.to_json(), **changes}


def _line(place: int, **changes: Any) -> dict[str, Any]:
    data = _lstm()
    data["values"][place] = {**data["values"][place], **changes}
    return data


def _coupled_with_a_name_for_a_number() -> dict[str, Any]:
    data = CLASSIC["lstm_coupled"].program.to_json()
    place = next(place for place, line in enumerate(data["values"]) if line["op"] == "constant")
    return {**data, "names": {**data["names"], "one": place}}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_line(3, args=[1, 7]), "line 3 uses a value that is not there yet"),
        (_line(3, args=[1, 3]), "line 3 uses a value that is not there yet"),
        (_line(3, args=[-1]), "line 3 uses a value that is not there yet"),
        (_line(3, args=[True, 0]), "line 3 uses a value that is not there yet"),
        (_line(4, op="cosine"), "line 4, 'cosine', is not known to this version"),
        (_line(4, args=[1, 2]), "line 4, 'sigmoid', is not known to this version"),
        (_line(4, size="I"), "line 4 is not a proper sigmoid"),
        *((_line(3, size=size), "line 3 is not a proper affine") for size in ("P", "J", "0", "032", "-3", "٣", "")),
        (_line(1, size="I"), "line 1 is not a proper state"),
        (_line(3, op="constant", args=[], size="1", name="", number=math.nan), "line 3 is not a proper constant"),
        (_line(3, op="constant", args=[], size="1", name="", number=10**400), "OverflowError"),
        (_lstm(outputs=[1, 99]), "a name or an output is that of no vector"),
        (_coupled_with_a_name_for_a_number(), "a name or an output is that of no vector"),
        (_lstm(outputs=[1]), "outputs and states do not match"),
        (_lstm(outputs=[0, 1]), "outputs and states do not match"),
        (_lstm(outputs=[1, 2]), "a state's name is not that of its new value"),
        (_lstm(forget_gate="q"), "its forget gate is no affine"),
        (_lstm(candidate="q"), "its candidate is none of its names"),
        (_lstm(candidate=[]), "TypeError"),
        (_lstm(name="two words"), "a name is not one"),
        (_lstm(values=_lstm()["values"][3:]), "line 0 uses a value that is not there yet"),
    ],
)
def test_damage_is_told_by_line_and_kind(data: Any, reason: str) -> None:
    with pytest.raises(CellError, match=reason) as raised:
        Program.from_json(data)
    assert isinstance(raised.value, RicordaError)
