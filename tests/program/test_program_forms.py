"""Forms in the language: what they may be, what of them is refused, and that programs keep them."""

from collections.abc import Callable
from typing import Any

import pytest

from ricorda import CellError, affine, cell, parameter, tanh
from ricorda.program.ir import Program
from ricorda.program.learned import described, learned, without_forms
from ricorda.program.show import equations


def program_of(form: Any = "", number: Any = "") -> Program:
    @cell
    def own(x, h):
        return tanh(affine("h", h, x, form=form)) + parameter("u", form=number) * h

    return own.program


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("skew( 0.010 )", "skew(0.01)"),
        ("low_rank(8)", "low_rank(8)"),
        ("fixed", "fixed"),
        ({"recurrent": "orthogonal"}, "orthogonal"),
        ({"recurrent": "fixed"}, "recurrent=fixed"),
        ({"bias": "fixed", "input": "low_rank(2)"}, "input=low_rank(2); bias=fixed"),
        ({"bias": "fixed", "input": "fixed", "recurrent": "fixed"}, "fixed"),
    ],
)
def test_a_form_has_one_text_and_is_saved(form: Any, text: str) -> None:
    program = program_of(form, "clamp(-1,1)")
    affine_line, parameter_line = (value for value in program.values if value.form)
    assert (affine_line.form, parameter_line.form) == (text, "clamp(-1, 1)")
    assert Program.from_json(program.to_json()) == program
    assert program_of(text, "clamp(-1, 1)") == program


def test_programs_without_forms_are_saved_as_before() -> None:
    program = program_of()
    assert all({"form", "shares"}.isdisjoint(line) for line in program.to_json()["values"])
    assert learned(program) is None
    assert without_forms(program) is program


def test_engines_get_the_same_program_whatever_the_form() -> None:
    assert without_forms(program_of("orthogonal", "number")) == program_of()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("skewed", "'skewed': give one of 'fixed', 'skew(gamma)'"),
        ("skew", "write 'skew(gamma)', with finite numbers"),
        ("skew(one)", "write 'skew(gamma)', with finite numbers"),
        ("low_rank(0)", "write 'low_rank(rank)', with whole numbers of at least 1"),
        ("low_rank(1.5)", "write 'low_rank(rank)', with whole numbers of at least 1"),
        ({"input": "skew(1)"}, "the form of its input is 'skew(1)': give one of 'fixed', 'low_rank(rank)'"),
        ({"gate": "fixed"}, "its form has 'gate': 'fixed': give texts for 'recurrent', 'input', 'bias'"),
        ({"bias": 1}, "its form has 'bias': 1"),
        (8, "its form is 8: give a text"),
    ],
)
def test_a_form_that_is_none_is_refused(form: Any, words: str) -> None:
    with pytest.raises(CellError) as error:
        program_of(form)
    assert words in str(error.value)
    assert "test_program_forms.py" in str(error.value)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("skew(1)", "the form of its parameter is 'skew(1)': give one of 'fixed', 'number', 'clamp(low, high)'"),
        ("clamp(1, 1)", "its first number must be below its second"),
        ({"recurrent": "fixed"}, "a parameter has no parts: give a text"),
    ],
)
def test_a_parameter_s_form_that_is_none_is_refused(number: Any, words: str) -> None:
    with pytest.raises(CellError) as error:
        program_of(number=number)
    assert words in str(error.value)


def no_state(x, h):
    return h + affine("h", x, form="orthogonal")


def no_input(x, h):
    return affine("x", x) + affine("h", h, form={"input": "fixed"})


def no_bias(x, h):
    return affine("h", h, x, bias=False, form={"bias": "fixed"})


def of_none(x, h):
    return affine("h", h, x, shared=True)


def of_other_sizes(x, h):
    return affine("h", tanh(affine("h", h, x)), shared=True)


def of_a_form(x, h):
    return affine("h", affine("h", h) + affine("x", x), form="orthogonal", shared=True)


def of_a_bias(x, h):
    first = affine("h", h, bias=False) + affine("x", x)
    return affine("h", first, bias=True, shared=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            no_state,
            "has no recurrent part, and the form 'orthogonal' is for that: it has 'input' and 'bias', so write form",
        ),
        (no_input, 'affine("h", ...) has no input part'),
        (no_bias, 'affine("h", ...) has no bias part'),
        (of_none, 'affine("h", ..., shared=True) takes the weights of an earlier affine, and none has that name'),
        (of_other_sizes, "multiplies sizes H, and the weights are for H, I: give operands of the same sizes"),
        (of_a_form, "takes the weights as they are: give form, init and bias where they are first used"),
    ],
)
def test_what_an_affine_does_not_have_can_have_no_form(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(CellError) as error:
        _ = cell(function).program
    assert words in str(error.value)


def test_shared_weights_have_the_bias_of_the_first_use() -> None:
    assert [value.bias for value in cell(of_a_bias).program.values if value.op == "affine"] == [False, True, False]


def test_a_second_affine_of_a_name_is_answered_with_both_ways_out() -> None:
    def twice(x, h):
        return affine("h", tanh(affine("h", h) + affine("x", x)))

    with pytest.raises(CellError, match=r'give each its own, or write affine\("h", ..., shared=True\) for the same'):
        _ = cell(twice).program


def unfolded(x, h):
    y = tanh(affine("in", x) + affine("r", h))
    return affine("r", y, shared=True)


def test_shared_weights_are_printed_under_their_one_name_and_saved() -> None:
    program = cell(unfolded).program
    assert equations(program) == ["y_t = tanh(W_in x_t + b_in + W_r h_{t-1} + b_r)", "h_t = W_r y_t + b_r"]
    assert Program.from_json(program.to_json()) == program
    assert {"z_r", "z_r_2"} <= set(dict(program.names))


@pytest.mark.parametrize("change", [{"shares": "in"}, {"shares": "none"}, {"form": "skew(1)"}, {"bias": False}])
def test_damaged_programs_are_refused(change: dict[str, Any]) -> None:
    data = cell(unfolded).program.to_json()
    last = next(line for line in data["values"] if line.get("shares"))
    last.update(change)
    if change == {"bias": False}:
        assert Program.from_json(data)
        return
    with pytest.raises(CellError):
        Program.from_json(data)


def test_forms_are_described() -> None:
    assert described(program_of({"recurrent": "skew(0.01)", "input": "low_rank(8)"}, "number")) == [
        "W_h = M - M^T - 0.01 I",
        "W_h of the input = M N of rank 8",
        "u: one number for all units",
    ]
    assert described(program_of("fixed")) == ["W_h and b_h never trained"]
