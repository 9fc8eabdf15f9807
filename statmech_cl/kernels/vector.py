"""exp and log for loops that are to become vector instructions: no call and no branch, so that LLVM can make them so.

    exp(x) = 2^k exp(r),   k = round(x / ln 2),   |r| <= ln(2) / 2,   exp(r) = 1 + r + r^2 P(r)

P interpolates (exp(r) - 1 - r) / r^2 at ten Chebyshev nodes: 2e-17 relative. 2^k is put together from its bits.

    log(x) = k ln 2 + 2 f + 2 f^3 Q(f^2),   x = 2^k m,   1/sqrt 2 <= m < sqrt 2,   f = (m - 1) / (m + 1)

Q interpolates (atanh(f) - f) / f^3 at eight Chebyshev nodes: 3e-20 relative to f.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import fma, njit_inline

_LOWEST = -708.0  # 2^k would leave the normal numbers below
_PER_LN2 = 1.0 / math.log(2.0)
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the high part times any k is exact
_ROUND = 1.5 * 2.0**52  # added, it leaves round(x) in the lowest bits
_P0, _P1, _P2, _P3, _P4 = 0.5, 0.16666666666666669, 0.04166666666662399, 0.008333333333330051, 0.0013888888917281794
_P5, _P6, _P7 = 0.00019841269863105968, 2.480152119021773e-05, 2.7557268378684192e-06
_P8, _P9 = 2.7620138719733994e-07, 2.5100424157005067e-08


@njit_inline
def exp(x):
    """exp(x) to 3e-16 relative for -708 <= x <= 709; below, exp(-708) = 3e-308 in place of less."""
    x = max(x, _LOWEST)
    shifted = fma(x, _PER_LN2, _ROUND)
    k = shifted - _ROUND
    r = fma(k, -_LN2_LOW, fma(k, -_LN2_HIGH, x))
    p = _P9
    p = fma(p, r, _P8)
    p = fma(p, r, _P7)
    p = fma(p, r, _P6)
    p = fma(p, r, _P5)
    p = fma(p, r, _P4)
    p = fma(p, r, _P3)
    p = fma(p, r, _P2)
    p = fma(p, r, _P1)
    p = fma(p, r, _P0)
    power = (np.float64(shifted).view(np.int64) + 1023) << 52
    return (1.0 + fma(r * r, p, r)) * np.int64(power).view(np.float64)


_ROOT_HALF = int(np.float64(math.sqrt(0.5)).view(np.int64))
_ONE = 1023 << 52  # the bits of 1.0
_TWO_52 = int(np.float64(2.0**52).view(np.int64))  # an integer put below its bits is added to it
_LN2 = math.log(2.0)
_Q0, _Q1, _Q2, _Q3 = 0.3333333333333333, 0.2000000000000044, 0.14285714285401807, 0.11111111195856958
_Q4, _Q5, _Q6, _Q7 = 0.09090897820066453, 0.07693119851407329, 0.06634386569328443, 0.06543313073920051


@njit_inline
def log(x):
    """log(x) to 3e-16 of max(1, |log x|), for positive normal x."""
    bits = np.float64(x).view(np.int64)
    raised = np.uint64(bits + (_ONE - _ROOT_HALF)) >> np.uint64(52)  # k + 1023
    k = np.int64(np.int64(raised) | _TWO_52).view(np.float64) - (2.0**52 + 1023.0)
    m = np.int64(bits - (np.int64(raised) << 52) + _ONE).view(np.float64)
    f = (m - 1.0) / (m + 1.0)
    s = f * f
    q = _Q7
    q = fma(q, s, _Q6)
    q = fma(q, s, _Q5)
    q = fma(q, s, _Q4)
    q = fma(q, s, _Q3)
    q = fma(q, s, _Q2)
    q = fma(q, s, _Q1)
    q = fma(q, s, _Q0)
    return fma(k, _LN2, 2.0 * fma(f * s, q, f))
