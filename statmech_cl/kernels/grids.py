"""Nodes of Gaussian fields, graded towards where the integrand bends: all at once, by vector instructions."""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_inline, njit_loop
from .local import DROP, HALLEY, MOST, halley
from .vector import exp, log

_FIELD_STEP = 1.15  # in t, see field_nodes
_CROWD = 5.0  # nodes per unit of asinh next to a step or a corner
_UNDERFLOW = 38.5  # exp(-z^2/2) is 0 beyond


@njit_inline
def _asinh(x):
    size = abs(x)
    value = log(size + math.sqrt(1.0 + size * size))
    return value if x >= 0.0 else -value


@njit
def _crowding(x, width, corner, at_corner):
    """Nodes asked for by the features of <.> as functions of b, up to x."""
    count = _CROWD * math.asinh(x / width)
    if at_corner > 0.0:
        count += at_corner * (math.asinh((x - corner) / width) + math.asinh((x + corner) / width))
    return count


@njit_inline
def _density(x, rate, width, corner, at_corner):
    """dt/db."""
    square = width * width
    density = rate + _CROWD / math.sqrt(square + x * x)
    density += at_corner / math.sqrt(square + (x + corner) * (x + corner))
    return density + at_corner / math.sqrt(square + (x - corner) * (x - corner))


@njit_loop
def _step_to_field(first, step, rate, width, corner, at_corner, low, high, x, left, right):
    """One step of every x towards t(x) = first + k step, in brackets [left, right] that shrink; the longest step."""
    moved = 0.0
    square = width * width
    for k in range(x.size):
        here = x[k]
        squares = square + here * here
        density = _CROWD / math.sqrt(squares)
        bend = -here * density / squares
        count = _CROWD * _asinh(here / width)
        if at_corner > 0.0:
            gap = here - corner
            squares = square + gap * gap
            more = at_corner / math.sqrt(squares)
            density += more
            bend -= gap * more / squares
            count += at_corner * _asinh(gap / width)
            gap = here + corner
            squares = square + gap * gap
            more = at_corner / math.sqrt(squares)
            density += more
            bend -= gap * more / squares
            count += at_corner * _asinh(gap / width)
        excess = rate * here + count - (first + k * step)
        right[k] = here if excess > 0.0 else right[k]
        left[k] = left[k] if excess > 0.0 else here
        trial = here - halley(excess, rate + density, bend)
        slack = 1e-12 * (high - low)  # rounding
        outside = (trial < left[k] - slack) | (trial > right[k] + slack)
        trial = 0.5 * (left[k] + right[k]) if outside else trial
        trial = low if trial < low else trial
        trial = high if trial > high else trial
        x[k] = trial
        size = abs(trial - here)
        moved = size if size > moved else moved
    return moved


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
    t_low = rate * low + _crowding(low, width, corner, at_corner)
    t_high = rate * high + _crowding(high, width, corner, at_corner)
    n = int((t_high - t_low) * refine / _FIELD_STEP) + 2
    step = (t_high - t_low) / (n - 1)
    b = np.empty(n)
    jacobian = np.empty(n)
    x = low
    pace = 0.0
    before = 1.0 / _density(low, rate, width, corner, at_corner)
    for k in range(n):  # near the nodes, by the slopes of the last two
        x = min(x + step * pace, high)
        here = 1.0 / _density(x, rate, width, corner, at_corner)
        pace = 1.5 * here - 0.5 * before
        before = here
        b[k] = x
    b[n - 1] = high  # exactly: from just inside, steps would leave the bracket and halve it
    left = np.empty(n)
    right = np.empty(n)
    for k in range(n):
        left[k] = low
        right[k] = high
    for _ in range(MOST):
        moved = _step_to_field(t_low, step, rate, width, corner, at_corner, low, high, b, left, right)
        if moved < HALLEY * min(smooth, width):
            break
    for k in range(n):
        jacobian[k] = step / _density(b[k], rate, width, corner, at_corner)
    return b, jacobian


@njit_loop
def _gauss_weights(b, jacobian, mean, sd, weight):
    """weight = jacobian times the density of mean + sd z at b."""
    for k in range(b.size):
        z = (b[k] - mean) / sd
        weight[k] = jacobian[k] / (sd * math.sqrt(2.0 * math.pi)) * exp(-0.5 * z * z)


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
    _gauss_weights(b, jacobian, mean, sd, weight)
    return b, weight
