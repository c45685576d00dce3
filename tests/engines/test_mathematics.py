from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kernels import PROCESSORS, Kernel

from ricorda.engines.cpu.words.mathematics import EMITTERS
from ricorda.program.operations import OPERATIONS, REDUCTIONS


def sigmoid(x):
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + t), t / (1 + t))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


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
}
SINGLES = {
    "negative": np.negative,
    "abs": np.abs,
    "relu": lambda a: np.where(a < 0, 0, a),
    "sign": np.sign,
    "sqrt": np.sqrt,
    "positive": lambda a: np.where(a > 0, 1.0, 0.0),
}
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
    assert set(OPERATIONS) - {*REDUCTIONS} == set(EMITTERS)  # what is over the units is computed before a stage
    assert set(CURVES) | set(PAIRS) | set(SINGLES) == set(EMITTERS)


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


@ELEMENTS
@pytest.mark.parametrize("name", ["maximum", "minimum", "relu", "exp", "log", "sigmoid", "softplus", "tanh"])
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
