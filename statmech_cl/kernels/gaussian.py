"""ln H and its hazard H'/H, fast and with their tails.

    H(u) = erfc(u / sqrt 2) / 2,     hazard(u) = exp(-u^2/2) / (sqrt(2 pi) H(u)) = -(d/du) ln H(u)

Both are the innermost calls of every energetic pass. For x = |u|, H(x) exp(x^2/2) has no scale but that of x itself, so
that one polynomial serves all of it,

    (1 + c x) H(x) exp(x^2/2) = P(t),   t = (x - k) / (x + k),   -1 <= t < 1,

and for u < 0, H(u) = 1 - H(-u). No branch, no call and no table: loops over many u become vector instructions.
"""

from __future__ import annotations

import math

from ._jit import fma, njit, njit_inline
from .vector import exp, log

_K, _C = 5.3, 1.4
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
# P in powers of t: the first 25 terms of its Chebyshev series, computed with 50 digits; the next one is 1e-18.
_P0, _P1, _P2 = 0.6132911637733841, -0.07079136280695306, 0.0028511026827287424
_P3, _P4, _P5 = 0.03997115149392907, -0.05337296398722148, 0.045400471692061226
_P6, _P7, _P8 = -0.028890203845554737, 0.013955258004759745, -0.004787211150207257
_P9, _P10, _P11 = 0.000856450252905488, 0.00014752197531622637, -0.00014301807713194256
_P12, _P13, _P14 = 2.5047689778395598e-05, 1.1167684499511344e-05, -5.613545190131576e-06
_P15, _P16, _P17 = -5.074223005858497e-07, 8.639320950351805e-07, -2.37026679117146e-08
_P18, _P19, _P20 = -1.2808184452658928e-07, 1.0765661943246869e-08, 1.9197325638470328e-08
_P21, _P22, _P23 = -1.7489126234662435e-09, -2.5709028255462605e-09, 1.4515201872493248e-10
_P24 = 2.1129566103723252e-10


@njit_inline
def _polynomial(t):
    """P(t), by Horner's rule in t^2 for even and odd powers apart: neither waits for the other."""
    square = t * t
    even = _P24
    even = fma(even, square, _P22)
    even = fma(even, square, _P20)
    even = fma(even, square, _P18)
    even = fma(even, square, _P16)
    even = fma(even, square, _P14)
    even = fma(even, square, _P12)
    even = fma(even, square, _P10)
    even = fma(even, square, _P8)
    even = fma(even, square, _P6)
    even = fma(even, square, _P4)
    even = fma(even, square, _P2)
    even = fma(even, square, _P0)
    odd = _P23
    odd = fma(odd, square, _P21)
    odd = fma(odd, square, _P19)
    odd = fma(odd, square, _P17)
    odd = fma(odd, square, _P15)
    odd = fma(odd, square, _P13)
    odd = fma(odd, square, _P11)
    odd = fma(odd, square, _P9)
    odd = fma(odd, square, _P7)
    odd = fma(odd, square, _P5)
    odd = fma(odd, square, _P3)
    odd = fma(odd, square, _P1)
    return fma(t, odd, even)


@njit_inline
def log_h_hazard(u):
    """(ln H(u), hazard(u)) for any finite u, each to 2e-15 relative to max(1, |value|)."""
    x = abs(u)
    growth = fma(_C, x, 1.0)
    shared = 1.0 / ((x + _K) * growth)
    mills = _polynomial((x - _K) * growth * shared) * ((x + _K) * shared)
    half = 0.5 * u * u
    gauss = exp(-half)
    right = u >= 0.0
    h = mills if right else fma(-mills, gauss, 1.0)  # without its factor exp(-u^2/2) on the right
    hazard = (_DENSITY if right else _DENSITY * gauss) / h
    return log(h) - (half if right else 0.0), hazard


@njit
def upper_tail(u):
    """H(u), by math.erfc: underflows to 0 beyond u = 38, where a factor H no longer matters."""
    return 0.5 * math.erfc(u / math.sqrt(2.0))
