"""The operation table's rows in C: `EXPRESSIONS` has the text of each, `FUNCTIONS` the functions that they call.

They are those of the CPU engine, `engines/cpu/words/mathematics.py`, for one float at a time and without fused
multiply-adds: the same polynomials, so as exact, and the same bits from every compiler. `$` stands for what the names
of a header begin with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from ricorda.engines.cpu.words.polynomials import DOUBLE, QUARTER_TURN, SINGLE
from ricorda.export.to_c.text import double, single
from ricorda.program.operations import SMALLEST_DIVISOR


def _polynomial(x: str, coefficients: Sequence[float], written: Callable[[float], str] = single) -> str:
    """A polynomial by Horner's scheme; coefficients from the lowest degree up."""
    value = written(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = f"({value} * {x} + {written(coefficient)})"
    return value.removeprefix("(").removesuffix(")")


def _reduced(of: str, period: float) -> str:
    """Statements that split `of` = n * period * log(2) + r; the lowest bits of `shifted` hold n."""
    k = SINGLE
    return f"""\
    float shifted = {of} * {single(1 / (period * math.log(2)))} + {single(k.magic)};
    float n = shifted - {single(k.magic)};
    float r = n * {single(-period * k.ln2_low)} + (n * {single(-period * k.ln2_high)} + {of});"""


def _bits_of_power(offset: int, inverse: bool = False) -> str:
    """2**(offset + n), or 2**(offset - n), as a number."""
    start = (SINGLE.bias + offset) << SINGLE.mantissa
    return f"$number({start}u {'-' if inverse else '+'} ($bits(shifted) << {SINGLE.mantissa}))"


def _alternating(coefficients: Sequence[float], unit: float) -> list[float]:
    return [-unit * c * (-1) ** degree for degree, c in enumerate(coefficients)]


_K, _D = SINGLE, DOUBLE
_UNIT = math.ldexp(1.0, _K.room)
_MIDDLE = int(math.ldexp(_K.bias - 2 + math.sqrt(2), _K.mantissa))
_MIDDLE_D = int(math.ldexp(_D.bias - 2 + math.sqrt(2), _D.mantissa))

FUNCTIONS: dict[str, str] = {
    "bits": """\
static inline uint32_t $bits(float a)
{
    union { float number; uint32_t bits; } u;
    u.number = a;
    return u.bits;
}
""",
    "number": """\
static inline float $number(uint32_t bits)
{
    union { float number; uint32_t bits; } u;
    u.bits = bits;
    return u.number;
}
""",
    "abs": """\
static inline float $abs(float a)
{
    return $number($bits(a) & 0x7fffffffu);
}
""",
    "with_sign": """\
static inline float $with_sign(float a, float of)
{
    return $number(($bits(a) & 0x7fffffffu) | ($bits(of) & 0x80000000u));
}
""",
    "within": """\
static inline float $within(float a, float least, float most) /* NaN stays NaN */
{
    a = most < a ? most : a;
    return least > a ? least : a;
}
""",
    "exp": f"""\
static inline float $exp(float a)
{{
    float x = $within(a, {single(_K.least)}, {single(_K.most)});
{_reduced("x", 2.0)}
    float half = {_bits_of_power(0)};
    float value = r * ({_polynomial("r", _K.wide)}) + 1.0f;
    return value * half * half;
}}
""",
    "sigmoid": f"""\
static inline float $sigmoid(float a)
{{
    float x = $within(a, {single(_K.least)}, {single(_K.one)});
{_reduced("x", 1.0)}
    float power = {_bits_of_power(_K.room)};
    float slope = {_polynomial("r", _alternating(_K.narrow, _UNIT))};
    return power / (r * slope + power + {single(_UNIT)});
}}
""",
    "tanh": f"""\
static inline float $tanh(float a)
{{
    float size = $abs(a);
    float x = {single(_K.one / 2)} < size ? {single(_K.one / 2)} : size;
{_reduced("x", 0.5)}
    float twice = {_bits_of_power(1, inverse=True)};
    float curve = {_polynomial("r", [math.ldexp(c, d + 2) for d, c in enumerate(_K.narrow[1:])])};
    float above = r * r * curve + (r * 2.0f + (twice * -0.5f + 1.0f));
    return $with_sign(above / (above + twice), a);
}}
""",
    "log1p": f"""\
static inline float $log1p(float f) /* for f from sqrt(1/2) - 1 to 1 */
{{
    float s = f / (f + 2.0f);
    float z = s * s;
    return s * (z * ({_polynomial("z", _K.atanh)}) - f) + f;
}}
""",
    "log": f"""\
static inline float $log(float a)
{{
    int small = a < 1.175494351e-38f;
    uint32_t bits = $bits(small ? a * {single(2.0 ** (_K.mantissa + 1))} : a);
    uint32_t n = bits - {_MIDDLE}u;
    n = n >> {_K.mantissa} | (n & 0x80000000u ? 0xfffffe00u : 0u);
    float fraction = $number(bits - (n << {_K.mantissa}));
    float exponent = (float)((int32_t)n - (small ? {_K.mantissa + 1} : 0));
    float value = exponent * {single(math.log(2))} + $log1p(fraction - 1.0f);
    if (a <= 0.0f)
        return $number(a < 0.0f ? 0x7fc00000u : 0xff800000u);
    return $bits(a) < 0x7f800000u ? value : a;
}}
""",
    "softplus": f"""\
static inline float $softplus(float a)
{{
    float below = -$abs(a);
    float x = {single(_K.least)} > below ? {single(_K.least)} : below;
{_reduced("x", 1.0)}
    float growth = r * r * ({_polynomial("r", _K.narrow[1:])}) + r;
    float scaled = (growth + 1.0f) * {_bits_of_power(_K.room)};
    return (0.0f > a ? 0.0f : a) + $log1p(scaled * {single(1 / _UNIT)});
}}
""",
    "sqrt": """\
static inline float $sqrt(float a) /* bit by bit, rounded correctly; it needs no library */
{
    uint32_t m = $bits(a), root = 0, rest = 0;
    int32_t e;
    int i;
    if (!(a > 0.0f) || m >= 0x7f800000u)
        return a < 0.0f ? $number(0x7fc00000u) : a;
    e = (int32_t)(m >> 23);
    if (e == 0)
        for (e = 1; m < 0x800000u; m <<= 1)
            --e;
    m = ((m & 0x7fffffu) | 0x800000u) << 1;
    e -= 127;
    if (e & 1) {
        m <<= 1;
        --e;
    }
    for (i = 24; i > -26; i -= 2) { /* two bits of m at a time, from the top, and zeros after its last */
        rest = rest << 2 | (i < 0 ? 0u : m >> i & 3u);
        root <<= 1;
        if (rest > 2 * root) {
            rest -= 2 * root + 1;
            root += 1;
        }
    }
    return $number((root >> 1) + (root & 1u) + ((uint32_t)(e / 2 + 126) << 23));
}
""",
    "floor": """\
static inline float $floor(float a)
{
    float size = $abs(a);
    float near = size < 8388608.0f ? $with_sign(size + 8388608.0f - 8388608.0f, a) : a;
    return near > a ? near - 1.0f : near;
}
""",
    "remainder": """\
static inline float $remainder(float a, float b)
{
    float q = $floor(a / b);
    float rest = q == 0.0f ? a : (float)((double)a - (double)q * (double)b);
    if ((($bits(rest) ^ $bits(b)) & 0x80000000u) && rest != 0.0f)
        rest += b;
    return $abs(q) < 8388608.0f ? rest : (a - a) / b;
}
""",
    "wave": f"""\
static inline float $wave(float a, uint32_t turn) /* the sine, `turn` quarter turns ahead */
{{
    float shifted = a * {single(2 / math.pi)} + {single(_K.magic)};
    double n = (double)(shifted - {single(_K.magic)});
    double rest = n * {double(-QUARTER_TURN[0])} + (double)a;
    float r = $within((float)(n * {double(-QUARTER_TURN[1] - QUARTER_TURN[2])} + rest), -0.8f, 0.8f);
    float z = r * r;
    float sine = r * z * ({_polynomial("z", _K.sine)}) + r;
    float cosine = z * z * ({_polynomial("z", _K.cosine)}) + (z * -0.5f + 1.0f);
    turn += $bits(shifted);
    return $number($bits(turn & 1u ? cosine : sine) ^ (turn & 2u) << 30);
}}
""",
    "pow": f"""\
static inline double $double(uint64_t bits)
{{
    union {{ double number; uint64_t bits; }} u;
    u.bits = bits;
    return u.number;
}}

static inline float $pow(float a, float b) /* in double: exp(b log |a|) */
{{
    union {{ double number; uint64_t bits; }} u;
    float size = $abs(a), value;
    int whole = $floor(b) == b, odd = whole && $floor(b * 0.5f) != b * 0.5f;
    double f, s, z, power, shifted, n, r;
    uint64_t e;
    if (b == 0.0f || a == 1.0f)
        return 1.0f;
    if (size == 1.0f)
        return b != b ? b : odd ? a : a < 0.0f && !whole ? $number(0x7fc00000u) : 1.0f;
    if (a != a || b != b)
        return a + b;
    if (size == 0.0f || $bits(size) == 0x7f800000u) {{ /* its logarithm is infinite */
        value = (size == 0.0f) == (b < 0.0f) ? $number(0x7f800000u) : 0.0f;
        return odd ? $with_sign(value, a) : value;
    }}
    if (a < 0.0f && !whole)
        return $number(0x7fc00000u);
    u.number = (double)size;
    e = (u.bits - {_MIDDLE_D}u) >> 52;
    e |= e & 0x800u ? 0xfffffffffffff000u : 0u;
    f = $double(u.bits - (e << 52)) - 1.0;
    s = f / (f + 2.0);
    z = s * s;
    power = s * (z * ({_polynomial("z", _D.atanh, double)}) - f) + f;
    power = (double)b * ((double)(int64_t)e * {double(math.log(2))} + power);
    power = power > {double(_D.most)} ? {double(_D.most)} : power < {double(_D.least)} ? {double(_D.least)} : power;
    shifted = power * {double(1 / (2 * math.log(2)))} + {double(_D.magic)};
    n = shifted - {double(_D.magic)};
    r = n * {double(-2 * _D.ln2_low)} + (n * {double(-2 * _D.ln2_high)} + power);
    u.number = shifted;
    z = $double(4607182418800017408u + (u.bits << 52));
    value = (float)((r * ({_polynomial("r", _D.wide, double)}) + 1.0) * z * z);
    return odd ? $with_sign(value, a) : value;
}}
""",
    "copy": """\
static inline void $copy(volatile float *to, const float *from, int n) /* or it would become a call of memcpy */
{
    int i;
    for (i = 0; i < n; ++i)
        to[i] = from[i];
}
""",
    "fill": """\
static inline void $fill(volatile float *to, float value, int n) /* or it would become a call of memset */
{
    int i;
    for (i = 0; i < n; ++i)
        to[i] = value;
}
""",
    "softmax": """\
static inline void $softmax(float *y, int n)
{
    float most = y[0], total = 0.0f;
    int i;
    for (i = 1; i < n; ++i)
        most = y[i] > most ? y[i] : most;
    for (i = 0; i < n; ++i) {
        y[i] = $exp(y[i] - most);
        total += y[i];
    }
    for (i = 0; i < n; ++i)
        y[i] /= total;
}
""",
    "maximum": """\
static inline float $maximum(float a, float b)
{
    return a != a || a > b ? a : b;
}
""",
    "minimum": """\
static inline float $minimum(float a, float b)
{
    return a != a || a < b ? a : b;
}
""",
}
"""C's text of each function, each after those that it calls."""

EXPRESSIONS: dict[str, str] = {
    "abs": "$abs({0})",
    "add": "{0} + {1}",
    "cos": "$wave({0}, 1u)",
    "divide": "{0} / {1}",
    "exp": "$exp({0})",
    "greater": "{0} > {1} ? 1.0f : 0.0f",
    "greater_equal": "{0} >= {1} ? 1.0f : 0.0f",
    "hard_sigmoid": "$within({0} + 3.0f, 0.0f, 6.0f) / 6.0f",
    "log": "$log({0})",
    "maximum": "$maximum({0}, {1})",
    "minimum": "$minimum({0}, {1})",
    "multiply": "{0} * {1}",
    "negative": "-{0}",
    "positive": "{0} > 0.0f ? 1.0f : 0.0f",
    "pow": "$pow({0}, {1})",
    "relu": "0.0f > {0} ? 0.0f : {0}",
    "remainder": "$remainder({0}, {1})",
    "safe_divide": f"$abs({{1}}) < {single(SMALLEST_DIVISOR)} ? 0.0f : {{0}} / {{1}}",
    "safe_sqrt": "$sqrt({0})",
    "share": "{0} < {1} ? 0.0f : {0} == {1} ? 0.5f : 1.0f",
    "sigmoid": "$sigmoid({0})",
    "sign": "{0} > 0.0f ? 1.0f : {0} < 0.0f ? -1.0f : {0}",
    "sin": "$wave({0}, 0u)",
    "softplus": "$softplus({0})",
    "sqrt": "$sqrt({0})",
    "subtract": "{0} - {1}",
    "tanh": "$tanh({0})",
    "where": "{0} != 0.0f ? {1} : {2}",
}
"""C's text of each pointwise operation."""

REDUCING: dict[str, tuple[str, str, str]] = {
    "sum": ("0.0f", "total += a[i]", "total"),
    "mean": ("0.0f", "total += a[i]", "total / (float)n"),
    "largest": ("a[0]", "total = total != total || total > a[i] ? total : a[i]", "total"),
    "variance": ("0.0f", "total += (a[i] - mean) * (a[i] - mean)", "total / (float)n"),
}
"""Of each reduction: what `total` starts with, what a unit does to it, and the result."""


def reduction(op: str) -> str:
    """C's text of the function that reduces n numbers to one."""
    start, of_unit, result = REDUCING[op]
    mean = "    const float mean = $mean(a, n);\n" if op == "variance" else ""
    return (
        f"static inline float $reduce_{op}(const float *a, int n)\n{{\n    int i;\n{mean}    float total = {start};\n"
        f"    for (i = 0; i < n; ++i)\n        {of_unit};\n    return {result};\n}}\n"
    )


for _op in ("sum", "mean", "largest", "variance"):
    FUNCTIONS[f"reduce_{_op}"] = reduction(_op).replace("$mean(", "$reduce_mean(")


def needed(texts: Iterable[str]) -> list[str]:
    """The functions that texts call, with those that these call, in order; from `FUNCTIONS`."""
    names, ahead = set[str](), list(texts)
    while ahead:
        for name in set(re.findall(r"\$(\w+)\(", ahead.pop())) & FUNCTIONS.keys() - names:
            names.add(name)
            ahead.append(FUNCTIONS[name])
    return [text for name, text in FUNCTIONS.items() if name in names]
