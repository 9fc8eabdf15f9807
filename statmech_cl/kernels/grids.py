"""Nodes of Gaussian fields, graded towards where the integrand bends."""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit
from .local import DROP, HALLEY

_FIELD_STEP = 1.15  # in t, see field_nodes
_CROWD = 5.0  # nodes per unit of asinh next to a step or a corner
_UNDERFLOW = 38.5  # exp(-z^2/2) is 0 beyond


@njit
def _crowding(x, width, corner, at_corner):
    """Nodes asked for by the features of <.> as functions of b: number up to x, density at x and its derivative."""
    square = width * width + x * x
    count = _CROWD * math.asinh(x / width)
    density = _CROWD / math.sqrt(square)
    bend = -x * density / square
    if at_corner > 0.0:
        for centre in (-corner, corner):
            gap = x - centre
            square = width * width + gap * gap
            here = at_corner / math.sqrt(square)
            count += at_corner * math.asinh(gap / width)
            density += here
            bend -= gap * here / square
    return count, density, bend


@njit
def _crowding_density(x, width, corner, at_corner):
    """The second of what _crowding returns, alone."""
    density = _CROWD / math.sqrt(width * width + x * x)
    if at_corner > 0.0:
        density += at_corner / math.sqrt(width * width + (x + corner) * (x + corner))
        density += at_corner / math.sqrt(width * width + (x - corner) * (x - corner))
    return density


@njit
def graded_nodes(low, high, smooth, a, refine):
    """Nodes b on [low, high] and db/dt, for integrals of a local average times a weight that varies over `smooth`.

    For a > 0 the averages step at b = 0 over a width of order 1. For a < 0, <m> is a ramp between corners at b = -+2 a,
    rounded over sqrt(-2 a), and <sign m> steps over that width at 0. What these and the weight ask for adds up.
    """
    rate = 1.0 / (0.65 * smooth)
    corner = max(-2.0 * a, 0.0)
    width = math.sqrt(1.0 + corner)
    at_corner = _CROWD * corner * corner / (corner * corner + 4.0 * width * width)
    t_low = rate * low + _crowding(low, width, corner, at_corner)[0]
    t_high = rate * high + _crowding(high, width, corner, at_corner)[0]
    n = int((t_high - t_low) * refine / _FIELD_STEP) + 2
    step = (t_high - t_low) / (n - 1)
    b = np.empty(n)
    jacobian = np.empty(n)
    x = low
    pace = 0.0
    slack = 1e-12 * (high - low)
    before = 1.0 / (rate + _crowding(low, width, corner, at_corner)[1])
    for k in range(n):
        t = t_low + k * step
        left = low
        right = high
        x = min(max(x + step * pace, low), high)
        density = rate
        for _ in range(200):  # t(b) is monotone; Halley, kept inside a shrinking bracket
            count, crowd, bend = _crowding(x, width, corner, at_corner)
            density = rate + crowd
            excess = rate * x + count - t
            if excess > 0.0:
                right = x
            else:
                left = x
            newton = excess / density
            trial = x - newton / max(1.0 - 0.5 * newton * bend / density, 0.5)
            outside = not left - slack <= trial <= right + slack  # by more than rounding
            if outside:
                trial = 0.5 * (left + right)
            move = trial - x
            x = min(max(trial, low), high)
            if abs(move) < HALLEY * min(smooth, width) and not outside:
                break
        density = rate + _crowding_density(x, width, corner, at_corner)
        pace = 1.5 / density - 0.5 * before
        before = 1.0 / density
        b[k] = x
        jacobian[k] = step * before
    return b, jacobian


@njit
def field_nodes(mean, variance, a, far_tails, refine):
    """Nodes b and weights for Int Dz f(mean + sqrt(variance) z), f one of the local averages.

    With `far_tails` the range includes b = 0, however deep in the Gaussian's tail it lies.
    """
    sd = math.sqrt(variance)
    reach = math.sqrt(2.0 * DROP * refine)
    low = mean - reach * sd
    high = mean + reach * sd
    if far_tails:
        width = math.sqrt(1.0 + max(-2.0 * a, 0.0))
        low = max(min(low, -reach * width), mean - _UNDERFLOW * sd)
        high = min(max(high, reach * width), mean + _UNDERFLOW * sd)
    b, jacobian = graded_nodes(low, high, sd, a, refine)
    weight = np.empty(b.size)
    for k in range(b.size):
        z = (b[k] - mean) / sd
        weight[k] = jacobian[k] / (sd * math.sqrt(2.0 * math.pi)) * math.exp(-0.5 * z * z)
    return b, weight
