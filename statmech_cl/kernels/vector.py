"""exp for loops that are to become vector instructions: it has no call and no branch, so that LLVM can make them so.

    exp(x) = 2^k exp(r),   k = round(x / ln 2),   |r| <= ln(2) / 2,   exp(r) = 1 + r + r^2 P(r)

P interpolates (exp(r) - 1 - r) / r^2 at ten Chebyshev nodes: 2e-17 relative. 2^k is put together from its bits.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit_exact

_LOWEST = -708.0  # 2^k would leave the normal numbers below
_PER_LN2 = 1.0 / math.log(2.0)
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the high part times any k is exact
_ROUND = 1.5 * 2.0**52  # added, it leaves round(x) in the lowest bits
_P0, _P1, _P2, _P3, _P4 = 0.5, 0.16666666666666669, 0.04166666666662399, 0.008333333333330051, 0.0013888888917281794
_P5, _P6, _P7 = 0.00019841269863105968, 2.480152119021773e-05, 2.7557268378684192e-06
_P8, _P9 = 2.7620138719733994e-07, 2.5100424157005067e-08


@njit_exact
def exp(x):
    """exp(x) to 3e-16 relative for -708 <= x <= 709; below, exp(-708) = 3e-308 in place of less."""
    x = max(x, _LOWEST)
    shifted = x * _PER_LN2 + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = _P9
    p = p * r + _P8
    p = p * r + _P7
    p = p * r + _P6
    p = p * r + _P5
    p = p * r + _P4
    p = p * r + _P3
    p = p * r + _P2
    p = p * r + _P1
    p = p * r + _P0
    power = (np.float64(shifted).view(np.int64) + 1023) << 52
    return (1.0 + (r + r * r * p)) * np.int64(power).view(np.float64)
