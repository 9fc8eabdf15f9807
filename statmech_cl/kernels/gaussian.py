"""ln H and its hazard H'/H, fast and with their tails.

    H(u) = erfc(u / sqrt 2) / 2,     hazard(u) = exp(-u^2/2) / (sqrt(2 pi) H(u)) = -(d/du) ln H(u)

Both are the innermost calls of every energetic pass. Between U_LOW and U_HIGH they are read from piecewise polynomials
of degree 7 on intervals of 1/16 (truncation error below 1e-16: the nearest zero of H lies 3.4 away from the real axis),
fitted once at import to the C library's erfc; beyond, an asymptotic series takes over on the right, and H = 1 on the
left.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit

U_LOW, U_HIGH = -9.0, 24.0
_PER_UNIT = 16
_DEGREE = 7
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


_erfc = np.vectorize(math.erfc, otypes=[float])


def _erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x^2) erfc(x), 0 <= x < 26: x^2 in two parts, the first exact, so that exp keeps its digits. (SciPy's takes
    longer to load than a first solve.)"""
    rounded = x.astype(np.float32).astype(float)
    return np.exp(rounded * rounded) * np.exp((x - rounded) * (x + rounded)) * _erfc(x)


def _log_part(u: np.ndarray) -> np.ndarray:
    """ln H for u < 0; ln H + u^2/2 for u >= 0, where it varies slowly."""
    positive = np.log(0.5 * _erfcx(np.maximum(u, 0.0) / math.sqrt(2.0)))
    negative = np.log1p(-0.5 * _erfc(-np.minimum(u, 0.0) / math.sqrt(2.0)))
    return np.where(u >= 0.0, positive, negative)


def _hazard(u: np.ndarray) -> np.ndarray:
    positive = math.sqrt(2.0 / math.pi) / _erfcx(np.maximum(u, 0.0) / math.sqrt(2.0))
    below = np.minimum(u, 0.0)
    density = np.exp(-0.5 * below * below) / math.sqrt(2.0 * math.pi)
    return np.where(u >= 0.0, positive, density / (1.0 - 0.5 * _erfc(-below / math.sqrt(2.0))))


def _table() -> np.ndarray:
    """(intervals, 2, degree + 1) coefficients in x = 32 (u - centre), ln part first, highest power first."""
    count = int((U_HIGH - U_LOW) * _PER_UNIT) + 1  # u just below U_HIGH rounds up into the last interval
    centres = U_LOW + (np.arange(count) + 0.5) / _PER_UNIT
    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    # Values -> Chebyshev coefficients -> powers, one after the other: the product of both maps would cancel digits.
    to_chebyshev = np.polynomial.chebyshev.chebvander(nodes, _DEGREE).T * 2.0 / (_DEGREE + 1)
    to_chebyshev[0] *= 0.5
    to_powers = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for degree in range(_DEGREE + 1):
        powers = np.polynomial.chebyshev.cheb2poly(np.eye(_DEGREE + 1)[degree])
        to_powers[_DEGREE + 1 - powers.size :, degree] = powers[::-1]
    u = centres[:, None] + nodes[None, :] / (2 * _PER_UNIT)
    table = np.empty((count, 2, _DEGREE + 1))
    table[:, 0] = _log_part(u) @ to_chebyshev.T @ to_powers.T
    table[:, 1] = _hazard(u) @ to_chebyshev.T @ to_powers.T
    return table


TABLE = _table()


@njit
def log_h_hazard(u, table):
    """(ln H(u), hazard(u)) for any finite u, each to 2e-15 relative to max(1, |value|)."""
    if u < U_LOW:
        return 0.0, 0.0  # both below 1e-18
    if u >= U_HIGH:
        # Mills' ratio by its asymptotic series; the first term left out is below 1e-16 at u = 24.
        y = 1.0 / (u * u)
        series = 1.0
        for odd in (15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
            series = 1.0 - odd * y * series
        return -0.5 * u * u - _HALF_LOG_2PI - math.log(u) + math.log(series), u / series
    position = (u - U_LOW) * _PER_UNIT
    k = int(position)
    x = 2.0 * (position - k) - 1.0
    c = table[k]
    log_h = c[0, 0]
    hazard = c[1, 0]
    for j in range(1, _DEGREE + 1):
        log_h = log_h * x + c[0, j]
        hazard = hazard * x + c[1, j]
    if u >= 0.0:
        log_h -= 0.5 * u * u
    return log_h, hazard


@njit
def upper_tail(u):
    """H(u), by math.erfc: underflows to 0 beyond u = 38, where a factor H no longer matters."""
    return 0.5 * math.erfc(u / math.sqrt(2.0))
