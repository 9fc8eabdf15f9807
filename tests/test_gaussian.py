"""ln H, its hazard and the tails, against mpmath at 40 digits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from statmech_cl.kernels.gaussian import log_h_hazard, upper_tail

mpmath.mp.dps = 40


def exact(u: float) -> tuple[float, float]:
    x = mpmath.mpf(u)
    h = mpmath.erfc(x / mpmath.sqrt(2)) / 2
    return float(mpmath.log(h)), float(mpmath.exp(-x * x / 2) / (mpmath.sqrt(2 * mpmath.pi) * h))


@settings(deadline=None)
@given(st.floats(-60.0, 300.0))
@example(0.0)
@example(-0.0)
@example(1e-300)
@example(-1e-8)
@example(38.0)
def test_agrees_with_mpmath(u):
    for value, true in zip(log_h_hazard(u), exact(u), strict=True):
        assert abs(value - true) < 2.5e-15 * max(1.0, abs(true))


@pytest.mark.parametrize("u", [1e3, 1e6, 1e12])
def test_far_tail_is_mills_ratio(u):
    log_h, hazard = log_h_hazard(u)
    assert hazard == pytest.approx(u + 1.0 / u, rel=1e-11)
    assert log_h == pytest.approx(-0.5 * u * u - math.log(u) - 0.5 * math.log(2 * math.pi), rel=1e-6 / u + 1e-15)


def test_hazard_grows_and_exceeds_its_argument():
    # Both follow from the concavity of ln H; the mode search of the energetic kernel relies on them.
    u = np.linspace(-12.0, 60.0, 20_001)
    hazards = np.array([log_h_hazard(float(x))[1] for x in u])
    assert np.all(np.diff(hazards) > -4e-15 * np.maximum(1.0, hazards[1:]))
    assert np.all(hazards >= u)


@settings(deadline=None)
@given(st.floats(-10.0, 37.0))
def test_upper_tail(u):
    true = mpmath.erfc(mpmath.mpf(u) / mpmath.sqrt(2)) / 2
    # erfc multiplies the rounding of its argument by u^2
    assert upper_tail(u) == pytest.approx(float(true), rel=4e-16 * (4.0 + u * u))


def test_upper_tail_underflows_to_zero():
    assert upper_tail(50.0) == 0.0
    assert upper_tail(-50.0) == 1.0
