"""Sums in an order of their own: eight at once, which LLVM makes vector instructions, and always the same digits."""

from __future__ import annotations

from ._jit import fma, njit

_LANES = 8


@njit
def total(x):
    """Sum of x, (n,)."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = x.size - x.size % _LANES
    for k in range(0, whole, _LANES):
        s0 += x[k]
        s1 += x[k + 1]
        s2 += x[k + 2]
        s3 += x[k + 3]
        s4 += x[k + 4]
        s5 += x[k + 5]
        s6 += x[k + 6]
        s7 += x[k + 7]
    rest = 0.0
    for k in range(whole, x.size):
        rest += x[k]
    return rest + (((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)))


@njit
def dot(x, y):
    """Sum of x y, both (n,)."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = x.size - x.size % _LANES
    for k in range(0, whole, _LANES):
        s0 = fma(x[k], y[k], s0)
        s1 = fma(x[k + 1], y[k + 1], s1)
        s2 = fma(x[k + 2], y[k + 2], s2)
        s3 = fma(x[k + 3], y[k + 3], s3)
        s4 = fma(x[k + 4], y[k + 4], s4)
        s5 = fma(x[k + 5], y[k + 5], s5)
        s6 = fma(x[k + 6], y[k + 6], s6)
        s7 = fma(x[k + 7], y[k + 7], s7)
    rest = 0.0
    for k in range(whole, x.size):
        rest = fma(x[k], y[k], rest)
    return rest + (((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)))
