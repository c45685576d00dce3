"""Sizes other than H in the language: what a cell may write, what it becomes, and how mistakes are told."""

import json
from typing import Any

import pytest
from sized_cells import SIZED, gru_d

from ricorda import CellError, affine, cell, equations, parameter, sigmoid, tanh
from ricorda.nn import Recurrent
from ricorda.program.differentiate import forward_loop, read_of_inputs
from ricorda.program.ir import Program
from ricorda.program.weights import layout


@pytest.mark.parametrize("name", SIZED)
def test_a_program_survives_its_file(name: str) -> None:
    program = SIZED[name][0].program
    assert Program.from_json(json.loads(json.dumps(program.to_json()))) == program


def test_inputs_come_first_and_have_their_sizes() -> None:
    program = gru_d.program
    assert [(value.name, value.size) for value in program.inputs] == [("x", "I"), ("mask", "I"), ("gap", "1")]
    assert [(value.name, value.size) for value in program.states] == [("h", "H"), ("x_last", "I")]
    assert program.values[program.first_state].name == "h"


def test_what_depends_on_inputs_alone_stays_outside_of_the_loop() -> None:
    program = gru_d.program
    read = {program.values[index].op for index in read_of_inputs(program)}
    assert read == {"expand", "multiply", "subtract"}  # The gap for all features, mask * x and 1 - mask.
    ops = {line.op for line in forward_loop(program).lines if line.size == "I"}
    assert "sequence" in ops
    assert "carried" in ops


def test_one_number_a_row_is_written_as_if_it_had_every_size() -> None:
    @cell(inputs={"gap": 1})
    def timed(x, gap, h):
        return tanh(affine("h", h, x)) * (1 - gap) + h * gap

    assert equations(timed.program) == ["h_t = tanh(W_h [h_{t-1}, x_t] + b_h) * (1 - gap_t) + h_{t-1} * gap_t"]
    assert [value.size for value in timed.program.values if value.op == "expand"] == ["H", "H"]


def test_a_size_s_equations_are_those_of_every_size() -> None:
    text = "\n".join(equations(gru_d.program))
    assert "gap_t + start_x" in text
    assert "x_last_t = mask_t * x_t + (1 - mask_t) * x_last_{t-1}" in text


def _wrong(mistake: str) -> Any:
    def of_unknown_size(x, h):
        return tanh(affine("h", h, x, size="K"))

    def of_no_size(x, h):
        return tanh(affine("h", h, x)) * parameter("p", size=0)

    def of_two_sizes(x, h):
        return tanh(affine("h", h, x)) * sigmoid(affine("g", h, size=32))

    def plain(x, h, c):
        return tanh(affine("h", h, x)), 0.5 * c

    def of_another_size(x, h, c):
        return tanh(affine("h", h, x)), tanh(affine("c", h))

    def timed(x, gap, h):
        return tanh(affine("h", h, x)) * gap

    def unused(x, gap, h):
        return tanh(affine("h", h, x))

    return {
        "an unknown size": cell(of_unknown_size),
        "no numbers": cell(of_no_size),
        "two sizes": cell(of_two_sizes),
        "a new value of another size": cell(sizes={"c": 32})(of_another_size),
        "the output's size": cell(sizes={"h": 32})(plain),
        "the size of no state": cell(sizes={"d": 32})(plain),
        "no size of a state": cell(sizes={"c": 2.5})(plain),  # type: ignore[dict-item]
        "an input of another name": cell(inputs={"time": 1})(timed),
        "no state": cell(inputs={"gap": 1, "h": "H"})(timed),
        "an unused input": cell(inputs={"gap": 1})(unused),
        "no size of an input": cell(inputs={"gap": "gap"})(timed),
    }[mistake]


MISTAKES = {
    "an unknown size": 'the size \'K\' is none: give "H" for hidden_size, "I" for input_size',
    "no numbers": "the size 0 is none",
    "two sizes": "a vector of size H (hidden_size) cannot go with one of size 32: bring one to the other's size",
    "a new value of another size": "state c has size 32 but its new value has size H (hidden_size)",
    "the output's size": "its sizes has 'h', and h is the layer's output, which has hidden_size numbers",
    "the size of no state": "its sizes has 'd', no state: give the sizes of its other states",
    "no size of a state": "the size 2.5 is none",
    "an input of another name": "its inputs are time: make them its arguments right after x",
    "no state": "its inputs are gap, h: make them its arguments right after x, and its states those after them",
    "an unused input": "no new state depends on the input gap",
    "no size of an input": "the size 'gap' is none",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(mistake: str) -> None:
    with pytest.raises(CellError) as raised:
        _ = _wrong(mistake).program
    assert MISTAKES[mistake] in str(raised.value)
    assert "test_program_sizes.py, line" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_projection_goes_with_other_sizes() -> None:
    @cell(sizes={"m": 3})
    def projected(x, h, m):
        m = tanh(affine("m", h, m, size=3))
        return tanh(affine("h", h, x, m)), m

    shapes = layout(projected.projected_program).shapes
    assert (shapes["weight_m_1"].rows, shapes["weight_m_1"].columns) == (["3"], "P")
    assert (shapes["weight_hr"].rows, shapes["weight_hr"].columns) == (["P"], "H")


def test_a_name_of_a_stacked_bias_is_kept() -> None:
    @cell
    def wrong(x, h):
        return tanh(affine("h", h, x, affine("hh", h, size=3)))

    with pytest.raises(CellError, match="the name bias_hh is kept for the layer's own weights"):
        Recurrent(wrong, 2, 4)


@pytest.mark.parametrize(
    ("place", "changes", "reason"),
    [
        (0, {"size": "H"}, "line 0 is not a proper input"),
        (1, {"size": "P"}, "line 1 is not a proper input"),
        (3, {"size": "I"}, "line 3 is not a proper state"),
        (4, {"size": "P"}, "line 4 is not a proper state"),
        (6, {"args": [2]}, "line 6 is not a proper expand"),
    ],
)
def test_damage_is_told(place: int, changes: dict[str, Any], reason: str) -> None:
    data = gru_d.program.to_json()
    if place == 6:
        place = next(index for index, line in enumerate(data["values"]) if line["op"] == "expand")
        user = next(line for line in data["values"] if place in line.get("args", []))
        user["args"] = [2 if arg == place else arg for arg in user["args"]]  # Without the repetition of the number.
        changes, reason = {}, f"is not a proper {user['op']}"
    data["values"][place] = {**data["values"][place], **changes}
    with pytest.raises(CellError, match=reason):
        Program.from_json(data)
