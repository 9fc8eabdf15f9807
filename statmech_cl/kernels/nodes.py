"""Where the integrands of the entropic side are looked at: nodes of the local measure and of its fields.

The local measure is written in theta = atanh m, where its edges decay like exp(-2 |theta|), and integrated by sums that
are uniform in a coordinate tau(theta), whose slope is the sum of what each feature of the integrand asks for; fields
likewise, in a coordinate t(b). Each coordinate is inverted at all nodes at once, by vector instructions.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_exact, njit_sums
from .vector import exp, log

DROP = 37.0  # log of the weight at which a window ends
_THETA_STEP = 0.32  # in tau
_EDGE_RATE = 1.9  # of tau in theta: a field b draws the measure to the edge as exp(-2 b exp(-2 theta) - 2 theta)
_FIELD_STEP = 1.15  # in t, see field_nodes
_CROWD = 5.0  # nodes per unit of asinh next to a step or a corner
_PANEL = 2.5  # in tau, of the half line, 16 Gauss-Legendre nodes each: 1e-13
_DECAY = 16.0  # of exp(-slope m) over the panel next to m = 0
_GROWTH = 2.0  # of a panel, per distance from there
_UNDERFLOW = 38.5  # exp(-z^2/2) is 0 beyond
_HALLEY = 2e-5  # length of the last step towards a node, in its scale: the cube is what stays as an error
_MOST = 100  # such steps
_LN2 = math.log(2.0)
_GAUSS_X, _GAUSS_W = np.polynomial.legendre.leggauss(16)
# atan(z) = z (A0 + A1 z^2 + ...) for 0 <= z <= tan(pi / 8): 4e-17, by interpolation at Chebyshev nodes.
_A0, _A1, _A2, _A3 = 1.0, -0.3333333333332844, 0.1999999999885511, -0.14285714180976467
_A4, _A5, _A6, _A7 = 0.11111106180455946, -0.09090773074808414, 0.07689953496306857, -0.06640233930429408
_A8, _A9, _A10 = 0.056883492268090106, -0.04348052215716462, 0.021135373157693246


@njit_exact
def _gudermann(half):
    """2 atan(tanh(theta / 2)), theta >= 0, from half = exp(-theta)."""
    tanh = (1.0 - half) / (1.0 + half)
    z = tanh / (1.0 + math.sqrt(1.0 + tanh * tanh))
    s = z * z
    a = _A10
    a = a * s + _A9
    a = a * s + _A8
    a = a * s + _A7
    a = a * s + _A6
    a = a * s + _A5
    a = a * s + _A4
    a = a * s + _A3
    a = a * s + _A2
    a = a * s + _A1
    a = a * s + _A0
    return 4.0 * z * a


@njit_exact
def _halley(value, slope, bend):
    """The step towards a root from there; its length is bounded where the bend is not small."""
    newton = value / slope
    return newton / max(1.0 - 0.5 * newton * bend / slope, 0.5)


@njit_sums
def _step_to_theta(tau, rate, root_kappa, root_a, theta):
    """One step of every theta >= 0 towards tau(theta) = tau; the sum of the steps relative to 1 + theta."""
    moved = 0.0
    for k in range(tau.size):
        half = exp(-theta[k])
        e = half * half
        m = (1.0 - e) / (1.0 + e)
        sech = 2.0 * half / (1.0 + e)
        excess = rate * theta[k] + root_a * m - tau[k]
        if root_kappa > 0.0:
            excess += root_kappa * _gudermann(half)
        slope = rate + root_kappa * sech + root_a * sech * sech
        bend = -(root_kappa * sech + 2.0 * root_a * sech * sech) * m
        move = _halley(excess, slope, bend)
        theta[k] -= move
        moved += abs(move) / (1.0 + theta[k])
    return moved


@njit
def _theta_of(tau, rate, root_kappa, root_a):
    """The inverse of tau(theta) = rate theta + root_kappa gd(theta) + root_a tanh(theta), for each tau >= 0.

    It is concave: from below, Newton's steps, and Halley's, do not pass the solution by far.
    """
    theta = np.empty(tau.size)
    for k in range(tau.size):
        theta[k] = max(tau[k] / (rate + root_kappa + root_a), (tau[k] - root_a - 0.5 * math.pi * root_kappa) / rate)
    for _ in range(_MOST):
        if _step_to_theta(tau, rate, root_kappa, root_a, theta) < _HALLEY:
            break
    return theta


@njit_sums
def _log_weights(theta, steps, a, kappa, rate, root_kappa, root_a, m, sech2, base):
    """m, 1 - m^2 and ln[step dtheta/dtau exp(a m^2 + kappa Ent(m)) (1 - m^2)] at m = tanh(theta), theta >= 0, without
    cancellation."""
    for k in range(theta.size):
        half = exp(-theta[k])
        e = half * half
        inverse = 1.0 / (1.0 + e)
        tanh = (1.0 - e) * inverse
        edge = 4.0 * e * inverse * inverse
        log_1e = log(1.0 + e)
        entropy = log_1e + 2.0 * theta[k] * e * inverse  # -sum_{+-} (1 +- m)/2 ln((1 +- m)/2)
        slope = rate + root_kappa * 2.0 * half * inverse + root_a * edge
        m[k] = tanh
        sech2[k] = edge
        base[k] = a * tanh * tanh + kappa * entropy + 2.0 * (_LN2 - theta[k] - log_1e) + log(steps[k] / slope)


@njit
def _theta_end(slope, refine):
    """Where the tails exp(-2 theta), which start at about ln(2 b)/2 for a slope b at the edge, have no weight left."""
    return 0.5 * DROP * refine + 0.5 * math.log(2.0 + 2.0 * slope)


@njit
def _rates(a, kappa, root_c, slope, refine):
    """The three terms of dtau/dtheta, and tau where the measure ends."""
    root_kappa, root_a = math.sqrt(kappa), math.sqrt(2.0 * abs(a))
    rate = math.sqrt(_EDGE_RATE**2 + 0.25 * root_c**2)
    end = _theta_end(slope, refine)
    last = rate * end + root_a * math.tanh(end) + root_kappa * 2.0 * math.atan(math.tanh(0.5 * end))
    return rate, root_kappa, root_a, last


@njit
def local_nodes(a, kappa, root_c, slope, refine, fine):
    """Nodes of the full line, each (n,): theta, m, 1 - |m|, 1 - m^2 and the log of exp[a m^2 + kappa Ent] dm.

    `root_c` is what a term -c (theta - mu)^2 / 2 asks for, `slope` the largest |b| + 2 |a| that draws to an edge;
    `fine` divides the step.
    """
    rate, root_kappa, root_a, end = _rates(a, kappa, root_c, slope, refine)
    step = _THETA_STEP / (refine * fine)
    half = int(end / step) + 1
    n = 2 * half + 1
    theta = np.empty(n)
    m = np.empty(n)
    shortfall = np.empty(n)
    sech2 = np.empty(n)
    base = np.empty(n)
    right = _theta_of(np.arange(half + 1) * step, rate, root_kappa, root_a)
    steps = np.full(half + 1, step)
    _log_weights(right, steps, a, kappa, rate, root_kappa, root_a, m[half:], sech2[half:], base[half:])
    for k in range(half + 1):
        theta[half + k] = right[k]
        theta[half - k] = -right[k]
        m[half - k] = -m[half + k]
        shortfall[half + k] = shortfall[half - k] = sech2[half + k] / (1.0 + m[half + k])
        sech2[half - k] = sech2[half + k]
        base[half - k] = base[half + k]
    return theta, m, shortfall, sech2, base


@njit
def half_nodes(a, kappa, root_c, slope, refine):
    """Nodes of the half line m > 0 (composite Gauss-Legendre in tau), each (n,): theta, m and the log-weights.

    The panels next to m = 0 are as short as exp(-slope m) asks for: there ends what a strong field pushes away.
    """
    rate, root_kappa, root_a, end = _rates(a, kappa, root_c, slope, refine)
    longest = _PANEL / refine
    first = _DECAY / refine * (rate + root_kappa + root_a) / max(slope, 1.0)
    panels = 0
    left = 0.0
    while left < end:
        left += min(longest, max(first, _GROWTH * left))
        panels += 1
    order = _GAUSS_X.size
    tau = np.empty(panels * order)
    steps = np.empty(panels * order)
    left = 0.0
    for k in range(panels):
        width = min(longest, max(first, _GROWTH * left))
        for j in range(order):
            tau[k * order + j] = left + (0.5 + 0.5 * _GAUSS_X[j]) * width
            steps[k * order + j] = 0.5 * width * _GAUSS_W[j]
        left += width
    theta = _theta_of(tau, rate, root_kappa, root_a)
    m = np.empty(theta.size)
    base = np.empty(theta.size)
    _log_weights(theta, steps, a, kappa, rate, root_kappa, root_a, m, np.empty(theta.size), base)
    return theta, m, base


@njit_exact
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


@njit_exact
def _density(x, rate, width, corner, at_corner):
    """dt/db."""
    square = width * width
    density = rate + _CROWD / math.sqrt(square + x * x)
    density += at_corner / math.sqrt(square + (x + corner) * (x + corner))
    return density + at_corner / math.sqrt(square + (x - corner) * (x - corner))


@njit_sums
def _step_to_field(first, step, rate, width, corner, at_corner, low, high, x, left, right):
    """One step of every x towards t(x) = first + k step, kept inside brackets [left, right] that shrink; their sum."""
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
        trial = here - _halley(excess, rate + density, bend)
        slack = 1e-12 * (high - low)  # rounding
        outside = (trial < left[k] - slack) | (trial > right[k] + slack)
        trial = 0.5 * (left[k] + right[k]) if outside else trial
        trial = low if trial < low else trial
        trial = high if trial > high else trial
        x[k] = trial
        moved += abs(trial - here)
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
    left = np.full(n, low)
    right = np.full(n, high)
    for _ in range(_MOST):
        moved = _step_to_field(t_low, step, rate, width, corner, at_corner, low, high, b, left, right)
        if moved < _HALLEY * min(smooth, width):
            break
    for k in range(n):
        jacobian[k] = step / _density(b[k], rate, width, corner, at_corner)
    return b, jacobian


@njit_sums
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
