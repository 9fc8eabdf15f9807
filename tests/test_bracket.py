"""Roots between two values of opposite sign, against SciPy's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from scipy.optimize import brentq

from statmech_cl.bracket import root_between


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (math.cos, 0.0, 3.0),
        (lambda x: x**3 - 2.0, 0.0, 5.0),
        (lambda x: math.exp(x) - 1e-3, -50.0, 1.0),
        (lambda x: x - 3.0, 3.0, 4.0),  # at an end
        (lambda x: x - 3.0, 1.0, 3.0),
        (lambda x: math.atan(40.0 * (x - 0.9)), -1.0, 50.0),
        (lambda x: 1.0 if x > 0.3 else -1.0, 0.0, 1.0),  # nothing but a step
    ],
)
def test_the_root_is_scipys(function: Callable[[float], float], low: float, high: float) -> None:
    count = 0

    def counted(x: float) -> float:
        nonlocal count
        count += 1
        return function(x)

    assert root_between(counted, low, high, xtol=1e-12) == pytest.approx(
        brentq(function, low, high, xtol=1e-13), abs=1e-12
    )
    assert count < 60


def test_the_same_sign_at_both_ends_is_refused() -> None:
    with pytest.raises(ValueError, match=r"function must change its sign between 1\.0 and 2\.0"):
        root_between(lambda x: x, 1.0, 2.0, xtol=1e-12)
