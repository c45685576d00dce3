from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kernels import PROCESSORS, Kernel

from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.program.operations import EXPAND, OPERATIONS, REDUCTIONS


def sigmoid(x):
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + t), t / (1 + t))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def power(a, b):
    return np.where(np.isnan(a) & (b == 0), 1, np.power(a, b))


def remainder(a, b):
    """As torch has it: the exact rest of C's fmod, brought to the divisor's sign."""
    rest = np.fmod(a, b)
    return np.where((rest != 0) & (np.signbit(rest) != np.signbit(b)), rest + b, rest)


CURVES = {"exp": np.exp, "log": np.log, "sigmoid": sigmoid, "softplus": softplus, "tanh": np.tanh}
FLOATS_AWAY = 2
PAIRS = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "share": lambda a, b: np.select([a < b, a == b], [0.0, 0.5], 1.0),
    "greater": lambda a, b: np.where(a > b, 1.0, 0.0),
    "greater_equal": lambda a, b: np.where(a >= b, 1.0, 0.0),
    "safe_divide": lambda a, b: np.where(np.abs(b) < 1e-30, 0, a / b),
    "safe_sqrt": lambda a, bound: np.sqrt(a),
}
SINGLES = {
    "negative": np.negative,
    "abs": np.abs,
    "relu": lambda a: np.where(a < 0, 0, a),
    "sign": np.sign,
    "sqrt": np.sqrt,
    "positive": lambda a: np.where(a > 0, 1.0, 0.0),
    "hard_sigmoid": lambda a: np.clip(a + a.dtype.type(3), 0, 6) / a.dtype.type(6),
}
WAVES = {"sin": np.sin, "cos": np.cos}
FURTHEST = 100_000
"""Up to here waves are as exact as all other functions."""
OWN_TESTS = {"sin", "cos", "pow", "remainder", "where"}
ELEMENTS = pytest.mark.parametrize("element", ["f32", "f64"])

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def every(step: int, dtype: type) -> np.ndarray:
    """Every such number of all float32 there are, and the special ones."""
    bits = np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32)
    return np.concatenate([bits.view(np.float32).astype(dtype), special(dtype)])


def special(dtype: type) -> np.ndarray:
    info = np.finfo(dtype)
    positive = [0.0, info.smallest_subnormal, info.smallest_normal, 0.5, 1.0, 2.0, info.max, math.inf]
    return np.array([*positive, *(-number for number in positive), math.nan], dtype)


def doubles(count: int) -> np.ndarray:
    """Numbers of all magnitudes, most of them where the functions curve."""
    rng = np.random.default_rng(0)
    any_bits = rng.integers(0, 1 << 64, count, dtype=np.uint64).view(np.float64)
    steep, wide = rng.standard_normal(count) * 10 ** rng.uniform(-8, 1, count), rng.uniform(-760, 720, count)
    return np.concatenate([any_bits, steep, wide, special(np.float64)])


def distance(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """How many numbers on `want` lies; NaN is as far as can be from all but NaN."""
    kind = np.int64 if got.dtype == np.float64 else np.int32

    def order(a: np.ndarray) -> np.ndarray:
        bits = a.view(kind)
        return np.where(bits < 0, ~(bits & np.iinfo(kind).max), bits).astype(object if kind is np.int64 else np.int64)

    apart = np.abs(order(got) - order(want))
    apart = np.where(np.isnan(want) & np.isnan(got), 0, apart)
    return np.where(np.isnan(want) != np.isnan(got), np.iinfo(kind).max, apart)


def check(name: str, inputs: list[np.ndarray], got: np.ndarray, want: np.ndarray, ulps: int) -> None:
    apart = distance(got, want)
    worst = int(np.argmax(apart))
    numbers = [float(a[worst]) for a in inputs]
    assert apart[worst] <= ulps, f"{name}{numbers} is {want[worst]!r}, not {got[worst]!r}: {apart[worst]} numbers away"


def test_every_operation_has_vector_code() -> None:
    elsewhere = {*REDUCTIONS, EXPAND}  # What is over the units is computed before a stage, a repetition as a product.
    assert set(OPERATIONS) - elsewhere == set(EMITTERS)
    assert set(CURVES) | set(PAIRS) | set(SINGLES) | OWN_TESTS == set(EMITTERS)


@PROCESSORS
@pytest.mark.parametrize("name", CURVES)
def test_single_precision_is_right_over_all_floats(name: str, cpu: str | None) -> None:
    x = every(1009, np.float32)
    got = Kernel(EMITTERS[name], 1, "f32", cpu)(x)
    check(name, [x], got, CURVES[name](x.astype(np.float64)).astype(np.float32), FLOATS_AWAY)


@PROCESSORS
@pytest.mark.parametrize("name", CURVES)
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="NumPy has no numbers finer than float64 here")
def test_double_precision_is_right_over_all_magnitudes(name: str, cpu: str | None) -> None:
    x = doubles(40_000)
    got = Kernel(EMITTERS[name], 1, "f64", cpu)(x)
    check(name, [x], got, CURVES[name](x.astype(np.longdouble)).astype(np.float64), FLOATS_AWAY)


@PROCESSORS
@ELEMENTS
@pytest.mark.parametrize("name", [*PAIRS, *SINGLES])
def test_arithmetic_and_comparisons_are_exact(name: str, element: str, cpu: str | None) -> None:
    dtype = np.float32 if element == "f32" else np.float64
    values = np.concatenate([special(dtype), special(dtype), every(20_000_003, dtype)])
    inputs = [values] if name in SINGLES else [a.ravel() for a in np.meshgrid(values, values)]
    got = Kernel(EMITTERS[name], len(inputs), element, cpu)(*inputs)
    want = (SINGLES | PAIRS)[name](*inputs).astype(dtype)
    # of 0 and -0 either is the larger one
    check(name, inputs, got + dtype(0), want + dtype(0), 0)


def angles(dtype: type) -> np.ndarray:
    """Angles up to the furthest, and the numbers closest to quarter turns, where waves are smallest."""
    rng = np.random.default_rng(1)
    quarters = (np.arange(int(2 * FURTHEST / math.pi)) * (2 * np.arccos(np.longdouble(0))) / 2).astype(dtype)
    some = rng.uniform(-FURTHEST, FURTHEST, 40_000), rng.standard_normal(40_000) * 10 ** rng.uniform(-8, 2, 40_000)
    return np.concatenate([quarters, -quarters, *some, every(40_009, np.float32)]).astype(dtype)


@PROCESSORS
@pytest.mark.parametrize("name", WAVES)
@pytest.mark.parametrize(
    ("element", "finer"),
    [
        ("f32", np.float64),
        pytest.param(
            "f64",
            np.longdouble,
            marks=pytest.mark.skipif(
                np.finfo(np.longdouble).nmant < 60, reason="NumPy has no numbers finer than float64 here"
            ),
        ),
    ],
)
def test_waves_are_right_up_to_a_hundred_thousand_and_bounded_beyond(
    element: str, finer: type, name: str, cpu: str | None
) -> None:
    x = angles(np.float32 if element == "f32" else np.float64)
    got, near = Kernel(EMITTERS[name], 1, element, cpu)(x), np.abs(x) <= FURTHEST
    check(name, [x[near]], got[near], WAVES[name](x[near].astype(finer)).astype(x.dtype), FLOATS_AWAY)
    assert np.nanmax(np.abs(got)) <= 1
    np.testing.assert_array_equal(np.isnan(got), ~np.isfinite(x))


def grid(element: str) -> list[np.ndarray]:
    dtype = np.float32 if element == "f32" else np.float64
    rng = np.random.default_rng(2)
    usual = np.concatenate([np.arange(-8, 9) / 2, rng.standard_normal(60), rng.uniform(-300, 300, 60)]).astype(dtype)
    return [
        a.ravel() for a in np.meshgrid(np.concatenate([special(dtype), usual]), np.concatenate([special(dtype), usual]))
    ]


@PROCESSORS
@ELEMENTS
def test_a_remainder_is_exact_where_the_quotient_is_below_the_next_whole_number_of_its_type(
    element: str, cpu: str | None
) -> None:
    a, b = grid(element)
    got, want = Kernel(EMITTERS["remainder"], 2, element, cpu)(a, b), remainder(a, b)
    near = ~(np.abs(a / b) >= 2.0 ** np.finfo(a.dtype).nmant) | ~np.isfinite(a) | (b == 0)
    check("remainder", [a[near], b[near]], got[near] + a.dtype.type(0), want[near] + a.dtype.type(0), 0)
    np.testing.assert_array_equal(got[~near], 0)
    of_torch = torch.remainder(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    near &= np.isfinite(a / b) | (b == 0)  # Where the quotient is infinite, torch has NaN.
    np.testing.assert_array_equal(got[near], of_torch[near])


@PROCESSORS
@ELEMENTS
def test_a_power_is_as_right_as_it_says(element: str, cpu: str | None) -> None:
    a, b = grid(element)
    got = Kernel(EMITTERS["pow"], 2, element, cpu)(a, b)
    if element == "f32":
        check("pow", [a, b], got, power(a.astype(np.float64), b.astype(np.float64)).astype(a.dtype), FLOATS_AWAY)
        return
    want = power(a, b)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    usual = np.isfinite(want) & (want != 0) & (np.abs(want) > 1e-300)
    size = 4 + 2 * np.nan_to_num(np.abs(b[usual] * np.log(np.abs(a[usual]))))
    assert (np.abs(got[usual] / want[usual] - 1) <= size * np.finfo(np.float64).eps).all()
    np.testing.assert_array_equal(np.signbit(got[usual]), np.signbit(want[usual]))
    assert (np.abs(got[want == 0]) <= 1e-300).all()


@PROCESSORS
@ELEMENTS
def test_a_choice_takes_what_its_condition_says(element: str, cpu: str | None) -> None:
    a, b = grid(element)
    condition = np.resize(special(a.dtype.type), len(a))
    got = Kernel(EMITTERS["where"], 3, element, cpu)(condition, a, b)
    check("where", [condition, a, b], got, np.where(condition != 0, a, b), 0)


@ELEMENTS
@pytest.mark.parametrize(
    "name",
    [
        *("maximum", "minimum", "relu", "exp", "log", "sigmoid", "softplus", "tanh", "greater"),
        *("greater_equal", "hard_sigmoid", "safe_divide"),
    ],
)
def test_the_reference_agrees_on_special_numbers(name: str, element: str) -> None:
    dtype = np.float32 if element == "f32" else np.float64
    values = special(dtype)
    inputs = [a.ravel() for a in np.meshgrid(values, values)][: OPERATIONS[name].arity]
    got = Kernel(EMITTERS[name], len(inputs), element)(*inputs)
    want = OPERATIONS[name].reference(torch, *map(torch.from_numpy, inputs)).numpy()
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps, atol=0)


@PROCESSORS
@ELEMENTS
def test_tanh_is_odd_and_sigmoid_and_tanh_stay_within_their_limits(element: str, cpu: str | None) -> None:
    x = np.abs(doubles(20_000)).astype(np.float32 if element == "f32" else np.float64)
    tanh = Kernel(EMITTERS["tanh"], 1, element, cpu)
    np.testing.assert_array_equal(tanh(-x), -tanh(x))
    assert np.nanmax(tanh(x)) == 1
    both = Kernel(EMITTERS["sigmoid"], 1, element, cpu)(np.concatenate([x, -x]))
    assert np.nanmax(both) == 1
    assert np.nanmin(both) == 0
    assert np.signbit(tanh(np.array([-0.0]))[0])


@PROCESSORS
@ELEMENTS
@pytest.mark.parametrize("name", EMITTERS)
def test_no_lane_calls_a_library(name: str, element: str, cpu: str | None) -> None:
    arity = OPERATIONS[name].arity
    assert "call" not in Kernel(EMITTERS[name], arity, element, cpu).assembly
