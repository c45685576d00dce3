"""The lines of a stage in waves: no chain of one wave has two long functions, nothing is taken too early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import CLASSIC

from ricorda.engines.cpu.kernels.waves import waves
from ricorda.program.differentiate import training_loops
from ricorda.program.loop import Line, Loop
from ricorda.program.operations import OPERATIONS

PROGRAMS = {name: cell.program for name, cell in CLASSIC.items()}


def is_long(op: str) -> bool:
    return op in OPERATIONS and OPERATIONS[op].long


def longest(loop: Loop, indices: list[int], wave_of: dict[int, int]) -> int:
    """The most long functions of one wave that wait for each other."""
    depth: dict[int, int] = {}
    for index in indices:
        args = [arg for arg in loop.lines[index].args if arg in wave_of and wave_of[arg] == wave_of[index]]
        depth[index] = max((depth[arg] for arg in args), default=0) + is_long(loop.lines[index].op)
    return max(depth.values(), default=0)


def check(loop: Loop, indices: list[int], left: set[int]) -> dict[int, int]:
    wave_of = waves(loop, indices, left)
    assert list(wave_of) == indices
    for index in indices:
        for arg in loop.lines[index].args:
            assert arg not in wave_of or wave_of[arg] <= wave_of[index]
    assert longest(loop, indices, wave_of) <= 1
    new = dict(loop.carried)
    for index in indices:  # a state may lie where its new value is written
        line = loop.lines[index]
        if line.op == "carried" and new[line.name] in wave_of:
            assert wave_of[index] <= wave_of[new[line.name]]
    return wave_of


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_loops_of_a_built_in_cell_have_no_chain_of_two_long_functions(name: str) -> None:
    trained = training_loops(PROGRAMS[name])
    for loop in (trained.forward, trained.backward):
        indices = [i for i, line in enumerate(loop.lines) if line.op not in ("product", "sequence", "before", "vector")]
        check(loop, indices, {line for _, line in loop.written})


def test_an_lstm_s_output_gate_goes_beside_the_tanh_of_its_cell_state() -> None:
    program = PROGRAMS["lstm"]
    loop = training_loops(program).forward
    stored = dict(loop.stored)
    sigmoids = [i for i, line in enumerate(loop.lines) if line.op == "sigmoid"]
    tanhs = [i for i, line in enumerate(loop.lines) if line.op == "tanh"]
    indices = [i for i, line in enumerate(loop.lines) if line.op in ("add", "multiply", "sigmoid", "tanh", "carried")]
    wave_of = check(loop, indices, {stored["h"]})
    assert [wave_of[i] for i in tanhs] == [0, 1]
    assert sorted(wave_of[i] for i in sigmoids) == [0, 0, 1]
    assert wave_of[stored["h"]] == 1


LINES = st.tuples(st.sampled_from(["tanh", "sigmoid", "negative", "add"]), st.integers(0, 99), st.integers(0, 99))


@given(st.lists(LINES, max_size=12), st.integers(0, 99))
def test_any_lines(operations: list[tuple[str, int, int]], new: int) -> None:
    lines = [Line("sequence", name="z"), Line("carried", name="h")]
    for op, *args in operations:
        lines.append(Line(op, tuple(arg % len(lines) for arg in args[: 1 + (op == "add")])))
    new %= len(lines)
    loop = Loop(tuple(lines), (("h", new),), ())
    check(loop, list(range(1, len(lines))), {new, len(lines) - 1})


def test_a_state_is_read_before_its_new_value_takes_its_place() -> None:
    lines = (
        Line("sequence", name="z"),
        Line("carried", name="h"),
        Line("sigmoid", (0,)),
        Line("tanh", (2,)),
        Line("add", (1, 3)),
    )
    waves_of = {new: check(Loop(lines, (("h", new),), ()), [1, 2, 3, 4], {new, 4}) for new in (2, 4)}
    assert [waves_of[new][1] for new in (2, 4)] == [0, 1]
