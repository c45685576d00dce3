"""The CPU engine against the reference: built-in and random cells, shapes, lengths, directions, records, types."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from engine_cases import PROGRAMS, Case, check, every_name
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cells import sources, traced

from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.run import steps

EDGES = st.sampled_from([1, 15, 16, 17, 31, 33, 64, 65]) | st.integers(1, 40)
"""Sizes around the widths of vectors and tiles."""


@pytest.fixture(params=[4, steps.CHUNK_ROWS], ids=["small chunks", "whole chunks"])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    steps.full.cache_clear()
    monkeypatch.setattr(steps, "CHUNK_ROWS", request.param)
    yield
    steps.full.cache_clear()


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    T, B = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    lengths = draw(st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B))
    return {
        "T": T,
        "B": B,
        "I": draw(EDGES),
        "H": draw(EDGES),
        "P": draw(EDGES),
        "lengths": lengths,
        "reverse": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**16)),
    }


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=12)
@given(shape=shapes())
def test_built_in_cells(name: str, shape: dict[str, Any]) -> None:
    check(Case(PROGRAMS[name], **shape), cpu)


@pytest.mark.parametrize("name", ["rnn", "lstm_peephole", "gru", "gru_reset_after", "lstm, projected"])
@settings(max_examples=12)
@given(shape=shapes())
def test_built_in_cells_in_float32_without_biases_recorded(name: str, shape: dict[str, Any]) -> None:
    record = every_name(PROGRAMS[name])
    check(Case(PROGRAMS[name], bias=False, dtype=torch.float32, record=record, **shape), cpu)


SEVERAL = st.lists(shapes(), min_size=4, max_size=4)
"""A cell is compiled once and tried in several shapes."""


@settings(max_examples=12)
@given(source=sources(), shapes_=SEVERAL, data=st.data())
def test_random_cells(source: str, shapes_: list[dict[str, Any]], data: st.DataObject) -> None:
    program = traced(source)
    record = tuple(data.draw(st.lists(st.sampled_from(every_name(program)), unique=True)))
    for shape in shapes_:
        check(Case(program, record=record, **shape), cpu)


@settings(max_examples=4)
@given(source=sources(), shapes_=SEVERAL)
def test_random_cells_in_float32(source: str, shapes_: list[dict[str, Any]]) -> None:
    program = traced(source)
    for shape in shapes_:
        check(Case(program, dtype=torch.float32, **shape), cpu)
