"""A root between two values of opposite sign.

SciPy has it too, in a package that takes longer to load than the first solve takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

_ROUNDING = 4.0 * sys.float_info.epsilon
_MOST = 200


def root_between(function: Callable[[float], float], low: float, high: float, *, xtol: float) -> float:
    """x in [low, high] with function(x) = 0, to xtol: inverse quadratic interpolation where three points allow it
    (Chandrupatla's criterion), else bisection.

    Raises
    ------
    ValueError : the function has the same sign at both ends.
    """
    x1, x2 = high, low
    f1, f2 = function(x1), function(x2)
    if f2 == 0.0:
        return x2
    if f1 != 0.0 and not f1 * f2 < 0.0:
        raise ValueError(f"function must change its sign between {low!r} and {high!r}, got {f2!r} and {f1!r}")
    share = 0.5
    for _ in range(_MOST):
        best = x1 if abs(f1) < abs(f2) else x2
        shortest = (0.5 * xtol + _ROUNDING * abs(best)) / abs(x2 - x1)
        if shortest > 0.5 or f1 == 0.0:
            return best
        x = x1 + min(max(share, shortest), 1.0 - shortest) * (x2 - x1)
        f = function(x)
        if f * f1 > 0.0:  # the root is between x and x2
            x3, f3 = x1, f1
        else:
            x3, f3, x2, f2 = x2, f2, x1, f1
        x1, f1 = x, f
        place, height = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
        share = 0.5
        if f1 != 0.0 and height**2 < place and (1.0 - height) ** 2 < 1.0 - place:
            far = (x3 - x1) / (x2 - x1)
            share = f1 / (f2 - f1) * f3 / (f2 - f3) + far * f1 / (f3 - f1) * f2 / (f3 - f2)
    return x1 if abs(f1) < abs(f2) else x2
