"""The measure of one site at a field b: nodes in m, its averages, and how it is shared between the signs.

    <.> = Int_{-1}^{1} dm (.) exp[ a m^2 + b m + kappa Ent(m) ] / same without (.)
    Ent(m) = ln 2 - KL(q_theta || uniform) = -sum_{+-} (1 +- m)/2 ln((1 +- m)/2)

The measure is written in theta = atanh m, where its edges decay like exp(-2 |theta|), and integrated by trapezoidal
sums that are uniform in a coordinate tau(theta), whose slope is the sum of what each feature of the integrand asks for;
it is inverted at all nodes at once, by vector instructions.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import fma, njit, njit_inline, njit_loop
from .sums import sums, total
from .vector import exp, log

_THETA_STEP = 0.32  # in tau
_EDGE_RATE = 1.9  # of tau in theta: a field b draws the measure to the edge as exp(-2 b exp(-2 theta) - 2 theta)
_PANEL = 2.5  # in tau, of the half line, 16 Gauss-Legendre nodes each: 1e-13
_DECAY = 16.0  # of exp(-slope m) over the panel next to m = 0, or to an edge
_GROWTH = 2.0  # of a panel, per distance from there
_WIDE = 5.0  # of a panel in m, in widths of exp[a m^2]
TOGETHER = 16  # fields that share a window of nodes
_LANES = 32  # nodes that a loop of vector instructions takes at once
DROP = 37.0  # log of the weight at which a window ends
HALLEY = 2e-6  # length of the last step towards a node, in its scale: the cube is what stays as an error
MOST = 100  # such steps
_LN2 = math.log(2.0)
_GAUSS_X, _GAUSS_W = np.polynomial.legendre.leggauss(16)
_LOG_GAUSS_W = np.log(_GAUSS_W)
# atan(z) = z (A0 + A1 z^2 + ...) for 0 <= z <= tan(pi / 8): 4e-17, by interpolation at Chebyshev nodes.
_A0, _A1, _A2, _A3 = 1.0, -0.3333333333332844, 0.1999999999885511, -0.14285714180976467
_A4, _A5, _A6, _A7 = 0.11111106180455946, -0.09090773074808414, 0.07689953496306857, -0.06640233930429408
_A8, _A9, _A10 = 0.056883492268090106, -0.04348052215716462, 0.021135373157693246


@njit_inline
def _gudermann(half):
    """2 atan(tanh(theta / 2)), theta >= 0, from half = exp(-theta)."""
    tanh = (1.0 - half) / (1.0 + half)
    z = tanh / (1.0 + math.sqrt(1.0 + tanh * tanh))
    s = z * z
    a = _A10
    a = fma(a, s, _A9)
    a = fma(a, s, _A8)
    a = fma(a, s, _A7)
    a = fma(a, s, _A6)
    a = fma(a, s, _A5)
    a = fma(a, s, _A4)
    a = fma(a, s, _A3)
    a = fma(a, s, _A2)
    a = fma(a, s, _A1)
    a = fma(a, s, _A0)
    return 4.0 * z * a


@njit_inline
def halley(value, slope, bend):
    """The step towards a root from there; its length is bounded where the bend is not small."""
    newton = value / slope
    return newton / max(1.0 - 0.5 * newton * bend / slope, 0.5)


@njit_loop
def _step_to_theta(tau, rate, root_kappa, root_a, theta):
    """One step of every theta >= 0 towards tau(theta) = tau; the longest step relative to 1 + theta."""
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
        move = halley(excess, slope, bend)
        theta[k] -= move
        size = abs(move) / (1.0 + theta[k])
        moved = size if size > moved else moved
    return moved


@njit
def _theta_of(tau, rate, root_kappa, root_a):
    """The inverse of tau(theta) = rate theta + root_kappa gd(theta) + root_a tanh(theta), for each tau >= 0.

    It is concave: from below, Newton's steps, and Halley's, do not pass the solution by far.
    """
    theta = np.empty(tau.size)
    for k in range(tau.size):
        theta[k] = max(tau[k] / (rate + root_kappa + root_a), (tau[k] - root_a - 0.5 * math.pi * root_kappa) / rate)
    for _ in range(MOST):
        if _step_to_theta(tau, rate, root_kappa, root_a, theta) < HALLEY:
            break
    return theta


@njit_loop
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


@njit
def _panels(end, first, longest):
    """Edges of panels on [0, end], the shortest at 0, each at most as long as its distance from there allows."""
    edges = [0.0]
    while edges[-1] < end:
        edges.append(min(edges[-1] + min(longest, max(first, _GROWTH * edges[-1])), end))
    return edges


@njit
def _gauss_nodes(a, slope, refine, halfway):
    """Nodes m > 0 without entropy, each (n,) and m ascending: m, 1 - m and the log of exp[a m^2] dm. Composite
    Gauss-Legendre in m, panels as short next to m = 1 as exp(slope m) asks for, and next to m = 0 where `halfway`
    between the two, 0.5, is not 0."""
    first = _DECAY / refine / max(slope, 1.0)
    longest = _WIDE / refine / math.sqrt(1.0 + 2.0 * abs(a))
    left, right = _panels(halfway, first, longest), _panels(1.0 - halfway, first, longest)
    order = _GAUSS_X.size
    n_left = len(left) - 1
    n = (n_left + len(right) - 1) * order
    m = np.empty(n)
    shortfall = np.empty(n)
    base = np.empty(n)
    k = 0
    for panel in range(n // order):
        from_zero = panel < n_left
        i = panel if from_zero else n // order - 1 - panel
        edges = left if from_zero else right  # distances from m = 0, or from m = 1
        half = 0.5 * (edges[i + 1] - edges[i])
        for j in range(order):
            x = _GAUSS_X[j] if from_zero else -_GAUSS_X[j]
            distance = edges[i] + half * (1.0 + x)
            m[k] = distance if from_zero else 1.0 - distance
            shortfall[k] = 1.0 - distance if from_zero else distance
            base[k] = a * m[k] * m[k] + _LOG_GAUSS_W[j] + math.log(half)
            k += 1
    return m, shortfall, base


@njit
def _gauss_interval(a, slope, refine):
    """`interval_nodes` without entropy."""
    right_m, right_shortfall, right_base = _gauss_nodes(a, slope, refine, 0.0)
    half = right_m.size
    m, shortfall = np.empty(2 * half), np.empty(2 * half)
    sech2, base = np.empty(2 * half), np.empty(2 * half)
    for k in range(half):
        i, j = half + k, half - 1 - k
        m[i], m[j] = right_m[k], -right_m[k]
        shortfall[i] = shortfall[j] = right_shortfall[k]
        sech2[i] = sech2[j] = right_shortfall[k] * (2.0 - right_shortfall[k])
        base[i] = base[j] = right_base[k]
    return m, shortfall, sech2, base


@njit
def interval_nodes(a, kappa, slope, refine):
    """Nodes of [-1, 1], each (n,): m, 1 - |m|, 1 - m^2 and the log of exp[a m^2 + kappa Ent] dm: without entropy there
    is nothing singular at the edges, and Gauss-Legendre needs far fewer than the line of theta.

    kappa : None where there is none; the nodes of theta are then not even compiled.
    """
    if kappa is None:  # a test of its own: Numba leaves out what follows only then
        return _gauss_interval(a, slope, refine)
    if kappa == 0.0:
        return _gauss_interval(a, slope, refine)
    _, m, shortfall, sech2, base = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    return m, shortfall, sech2, base


@njit
def sign_nodes(a, kappa, slope, refine):
    """Nodes of [0, 1], each (n,): m and the log of exp[a m^2 + kappa Ent] dm, as dense next to m = 0 as at the edge;
    kappa as in `interval_nodes`."""
    if kappa is None:  # as in `interval_nodes`
        m, _, base = _gauss_nodes(a, slope, refine, 0.5)
        return m, base
    if kappa == 0.0:
        m, _, base = _gauss_nodes(a, slope, refine, 0.5)
        return m, base
    _, m, base = half_nodes(a, kappa, 0.0, slope, refine)
    return m, base


@njit_loop
def log_weights(b, m, base, out):
    """out = base + b m, and its maximum."""
    top = -math.inf
    for k in range(m.size):
        e = base[k] + b * m[k]
        out[k] = e
        if e > top:  # max() would keep the loop from becoming vector instructions
            top = e
    return top


@njit
def window(base, m, low, high):
    """First and one past the last node that can carry weight at some field in [low, high].

    Against a node j further left, node k > j gains with b, so it is out for good if it is outweighed at b = high; and
    the other way round.
    """
    last = 0
    top = -math.inf
    for k in range(m.size):
        e = base[k] + high * m[k]
        top = max(top, e)
        if e > top - DROP:
            last = k + 1
    first = m.size - 1
    top = -math.inf
    for k in range(m.size - 1, -1, -1):
        e = base[k] + low * m[k]
        top = max(top, e)
        if e > top - DROP:
            first = k
    # Nodes are summed _LANES at a time, left-over ones one by one: the window grows to a multiple where it can.
    first = min(first, last - 1)
    width = min((last - first + _LANES - 1) // _LANES * _LANES, m.size)
    first = min(first, m.size - width)
    return first, first + width


@njit_loop
def _exponentials(x, top):
    """exp(x - top) in place of x."""
    for k in range(x.size):
        x[k] = exp(x[k] - top)


@njit_loop
def _weights_and_gaps(weights, top, m, shortfall, centre, near, side, gaps, squares):
    """exp(x - top) in place of x, the distances of m from m = centre, taken between distances to the edge where that
    keeps digits, and their squares."""
    for k in range(m.size):
        weights[k] = exp(weights[k] - top)
        gap = side * (near - shortfall[k]) if m[k] * side >= 0.0 else m[k] - centre
        gaps[k] = gap
        squares[k] = gap * gap


@njit
def total_weight(exponents, top):
    """Sum of exp(exponent - top); the terms replace the exponents."""
    _exponentials(exponents, top)
    return total(exponents)


@njit
def local_moments(b, m, shortfall, sech2, base, scratch):
    """At one field b: ln Z, <m>, 1 - <m>, 1 + <m>, <1 - m^2> and <m^2> - <m>^2; `scratch` is (3, n) or larger."""
    weights, gaps, squares = scratch[0, : m.size], scratch[1, : m.size], scratch[2, : m.size]
    top = log_weights(b, m, base, weights)
    at = 0
    while at < m.size - 1 and weights[at] < top:
        at += 1
    # Deviations from the heaviest node, taken between the distances to the edge, keep the digits of small variances.
    near = shortfall[at]
    side = 1.0 if m[at] >= 0.0 else -1.0
    _weights_and_gaps(weights, top, m, shortfall, m[at], near, side, gaps, squares)
    z, edge, first, second = sums(weights, (sech2, gaps, squares))
    first /= z
    to_edge = near - side * first  # 1 - side <m>
    above = to_edge if side > 0.0 else 2.0 - to_edge
    below = 2.0 - to_edge if side > 0.0 else to_edge
    return top + math.log(z), m[at] + first, above, below, edge / z, second / z - first * first


@njit
def log_z(b, m, base, exponents):
    """ln of the sum of exp(base + b m); `exponents` is scratch of m's size."""
    top = log_weights(b, m, base, exponents)
    return top + math.log(total_weight(exponents[: m.size], top))


@njit
def shared_window(base, m, b, k, end, shift, side):
    """`window` for the fields side (b[k] + shift), side (b[k + 1] + shift), ..., TOGETHER of them before b[end]."""
    low = math.inf
    high = -math.inf
    for j in range(k, min(k + TOGETHER, end)):
        low = min(low, side * (b[j] + shift))
        high = max(high, side * (b[j] + shift))
    return window(base, m, low, high)


@njit
def rarer_sign(log_norm, b, mean, m, base_minus, base_plus, exponents):
    """Probabilities of m < 0 and of m > 0 at one field b, each without cancellation: the rarer one from nodes m > 0 on
    the half line, as a share of Z, whose logarithm is `log_norm`; `mean` : <m>. Else as `sign_shares`."""
    if mean > 0.0:
        rare = min(math.exp(log_z(-b, m, base_minus, exponents) - log_norm), 1.0)
        return rare, 1.0 - rare
    rare = min(math.exp(log_z(b, m, base_plus, exponents) - log_norm), 1.0)
    return 1.0 - rare, rare


@njit
def both_shares(log_odds):
    """(1 / (1 + odds), odds / (1 + odds)) from ln odds."""
    if log_odds > 0.0:
        rare = math.exp(-log_odds)
        return rare / (1.0 + rare), 1.0 / (1.0 + rare)
    rare = math.exp(log_odds)
    return 1.0 / (1.0 + rare), rare / (1.0 + rare)


@njit
def sign_shares(b, m, base_minus, base_plus, exponents):
    """Probabilities of m < 0 and of m > 0 at one field b, each without cancellation, from nodes m > 0 on the half line.

    `base_minus`, `base_plus` are the log-weights of -m and of m, apart from the field's; `exponents` is scratch.
    """
    return both_shares(log_z(b, m, base_plus, exponents) - log_z(-b, m, base_minus, exponents))


@njit
def negative_share(b, m, base_minus, base_plus):
    """Probability of m < 0 at one field b, (1 - <sign m>) / 2 without cancellation; arguments as `sign_shares`."""
    return sign_shares(b, m, base_minus, base_plus, np.empty(m.size))[0]
