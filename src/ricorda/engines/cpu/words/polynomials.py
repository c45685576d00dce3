"""The constants of the vector functions in `mathematics.py`, a set per element type.

The polynomials are minimax in the relative error of the function that they serve, found with Remez's exchange
algorithm in 200 bits (E. Ya. Remez, 1934; J.-M. Muller, "Elementary Functions", 3rd ed., chapter 3) with the leading
coefficients held at their exact values, then rounded to the element type. `narrow` is weighted up to nine times as
heavily, by 1 + 8 exp(-((r - 0.16) / 0.12)**2), where the other roundings of tanh weigh most. Coefficients go from the
lowest degree up.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """What range reduction and polynomials need in one element type.

    Parameters
    ----------
    mantissa : stored bits of the significand
    bias : bias of the exponent
    ln2_high, ln2_low : log(2) as a sum; the high part has so few bits that its product with any exponent is exact
    least, most : exp is 0 below `least` and infinite above `most`
    one : sigmoid is 1 from here on, tanh from half of it
    room : sigmoid works on numbers scaled by 2**room, which keeps subnormal results out of its intermediate values
    narrow : (exp(r) - 1) / r for |r| <= log(2) / 2
    wide : (exp(r) - 1) / r for |r| <= log(2)
    atanh : (2 atanh(s) - 2 s) / s**3 in s**2, for |s| <= 1/3
    sine : (sin(r) - r) / r**3 in r**2, for |r| <= 0.8
    cosine : (cos(r) - 1 + r**2 / 2) / r**4 in r**2, for |r| <= 0.8
    """

    mantissa: int
    bias: int
    ln2_high: float
    ln2_low: float
    least: float
    most: float
    one: float
    room: int
    narrow: tuple[float, ...]
    wide: tuple[float, ...]
    atanh: tuple[float, ...]
    sine: tuple[float, ...]
    cosine: tuple[float, ...]

    @property
    def magic(self) -> float:
        """1.5 * 2**mantissa: a small number added to it is rounded to an integer, which stands in the lowest bits."""
        return float(3 << (self.mantissa - 1))


QUARTER_TURN = (1.5707963267923333, 2.5633441515839558e-12, 1.0562999066987428e-23)
"""Half of pi as a sum of float64; products of the first two, of 37 bits, with whole numbers below 2**16 are exact."""

# The relative errors are 0.73 (narrow), 0.39 (wide), 0.08 (atanh), 0.07 (sine) and 0.002 (cosine) times 2**-24.
SINGLE = Constants(
    mantissa=23,
    bias=127,
    ln2_high=0.69314575,
    ln2_low=1.4286068e-06,
    least=-104.0,
    most=89.0,
    one=20.0,
    room=32,
    narrow=(1.0, 0.5, 0.16666621, 0.041664578, 0.008358693, 0.0014098786),
    wide=(1.0, 0.5, 0.166666, 0.041663438, 0.008337207, 0.0014073361, 0.00019433956),
    atanh=(0.6666641, 0.40021703, 0.27999064, 0.28024867),
    sine=(-0.16666654, 0.008332071, -0.00019503069),
    cosine=(0.04166664, -0.0013887194, 2.4419196e-05),
)

# The relative errors are 0.40 (narrow), 0.20 (wide), 0.03 (atanh), 0.04 (sine) and 0.001 (cosine) times 2**-53.
DOUBLE = Constants(
    mantissa=52,
    bias=1023,
    ln2_high=0.6931471805598903,
    ln2_low=5.497923018708371e-14,
    least=-746.0,
    most=710.0,
    one=40.0,
    room=64,
    narrow=(
        1.0,
        0.5,
        0.1666666666666714,
        0.041666666666625496,
        0.00833333333298673,
        0.0013888888918036492,
        0.0001984127065718737,
        2.4801519679138835e-05,
        2.75565338835352e-06,
        2.76208386961661e-07,
        2.533711088240026e-08,
    ),
    wide=(
        1.0,
        0.5,
        0.166666666666669,
        0.04166666666668402,
        0.008333333333272712,
        0.0013888888885138979,
        0.00019841269893664326,
        2.480159022210803e-05,
        2.755729945516098e-06,
        2.755626741713322e-07,
        2.50553570025265e-08,
        2.1054922613715673e-09,
        1.5908209504209226e-10,
    ),
    atanh=(
        0.6666666666666631,
        0.40000000000157354,
        0.2857142854783975,
        0.22222223970636631,
        0.18181743892036378,
        0.1538656064412921,
        0.13300963862476514,
        0.1210616511723512,
        0.0833974874631236,
        0.17019243794758265,
    ),
    sine=(
        -0.1666666666666662,
        0.00833333333331984,
        -0.00019841269827728956,
        2.7557312965234725e-06,
        -2.5050643633380946e-08,
        1.5890127142720847e-10,
    ),
    cosine=(
        0.041666666666666574,
        -0.0013888888888869803,
        2.48015872868015e-05,
        -2.7557313582748725e-07,
        2.0875619291217376e-09,
        -1.1354295450528324e-11,
    ),
)
