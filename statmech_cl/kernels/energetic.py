"""Order parameters -> conjugates: one pass over the energetic integrals.

    F(w)       = ln Int Dx H^beta( (sqrt(V) x + w) / sqrt(D) ),          V = q_star - q,  D = 1 - q_star
    q_hat      =  2 alpha Int Dz H(r z / sqrt(U)) F'(sqrt(q) z)^2,       U = q - r^2
    r_hat      = -2 alpha / sqrt(2 pi) Int Dz F'(sqrt(U) z)
    q_star_hat =  2 alpha Int Dz H(r z / sqrt(U)) (dF/dq_star)(sqrt(q) z)

With u = (sqrt(V) x + w) / sqrt(D), h(u) the hazard of H, and E the mean under the inner integrand,

    F' = -(beta / sqrt D) E[h],   dF/dq_star = beta (beta - 1) / (2 D) E[h^2],
    F'' = (beta / D) ((beta - 1) E[h^2] + E[u h] - beta E[h]^2),

so that nothing is divided by V, U or q. All integrals over w = sqrt(q) z are trapezoidal sums, which converge
exponentially for analytic integrands, in coordinates that follow the integrands' own scales.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_inline, njit_loop
from .gaussian import log_h_hazard, upper_tail
from .sums import sums
from .vector import exp

# Sizes of the default rule; `refine` in the passes divides steps and widens windows.
_INNER_STEP = 0.68  # in widths of the inner integrand
_OUTER_STEP = 0.13  # in t, with w = scale * sinh(t)
_DROP = 37.0  # log of the weight at which a window ends
_FLAT = -9.0  # u below which H = 1
_BEND, _BEND_WIDTH = -2.5, 4.0  # u around which the shared nodes get denser, and over which at least
_STRIP = 5.0  # nodes over which their spacing changes, at least
_CURVATURE = 6.0  # what h^2 and u h ask for beside H^beta
_ALWAYS_SHARED = 0.2  # flank width, against 1 for the Gaussian, below which all w share their nodes
_MOST_NODES = 1e6  # more are wanted only far beyond any solution: the numbers returned are nan
_START = np.int64(0)  # no literal, of which a version of its own would be compiled
_LANES = 8  # nodes that a loop of vector instructions takes at once


@njit
def _window(shift, s, beta, drop, start):
    """The mode of -x^2/2 + beta ln H(s x + shift), its height, and a range outside of which it lies `drop` below."""
    x = start
    top = curvature = 0.0
    for _ in range(60):
        u = s * x + shift
        log_h, hazard = log_h_hazard(u)
        top = beta * log_h - 0.5 * x * x
        curvature = 1.0 + beta * s * s * hazard * max(hazard - u, 0.0)
        step = (x + beta * s * hazard) / curvature
        if abs(step) < 1e-3:
            break
        x -= step
    # The curvature is at least 1 and grows to the right; H is at most 1.
    left = max(x - math.sqrt(2.0 * drop), -math.sqrt(2.0 * (drop - top)))
    return x, top, left - 0.01, x + math.sqrt(2.0 * drop / curvature) + 0.01


@njit_loop
def _tabulate(u, beta, heights, h, hh, uh):
    """beta ln H, h, h^2 and u h at u."""
    for k in range(u.size):
        log_h, hazard = log_h_hazard(u[k])
        heights[k] = beta * log_h
        h[k] = hazard
        hh[k] = hazard * hazard
        uh[k] = u[k] * hazard


@njit_loop
def _weigh(x, heights, jacobian, centre, top, weights):
    """weights = jacobian exp(height - (x - centre)^2 / 2 - top)."""
    for k in range(x.size):
        gap = x[k] - centre
        weights[k] = jacobian[k] * exp(heights[k] - 0.5 * gap * gap - top)


@njit_inline
def _height(x, heights, centre, k):
    gap = x[k] - centre
    return heights[k] - 0.5 * gap * gap


@njit
def _average(nodes, jacobian, centre, top, weights, first, last, result, k):
    """Put F and the means from the nodes first to last, whose weights lack exp(top), into column k of the result.

    nodes : (5, n), x and what `_tabulate` knows there.
    """
    heights, h = nodes[1, first:last], nodes[2, first:last]
    hh, uh = nodes[3, first:last], nodes[4, first:last]
    here = weights[first:last]
    _weigh(nodes[0, first:last], heights, jacobian[first:last], centre, top, here)
    norm, mean_h, mean_hh, mean_uh = sums(here, (h, hh, uh))
    result[0, k] = top + math.log(norm)
    result[1, k] = mean_h / norm
    result[2, k] = mean_hh / norm
    result[3, k] = mean_uh / norm


@njit
def _coordinate(s, beta, refine):
    """Width, rise and turn of t = rise y + turn sqrt(1 + y^2), u = _BEND + width y: dt/du goes from the 1/s of a
    Gaussian to the sqrt(1/s^2 + beta) where H^beta narrows it."""
    slow, fast = 1.0 / s, math.sqrt(1.0 / (s * s) + beta + _CURVATURE)
    width = max(_BEND_WIDTH, _STRIP * _INNER_STEP / math.sqrt(slow * fast))
    each = 0.5 * width * refine / _INNER_STEP
    return width, each * (fast + slow), each * (fast - slow)


@njit
def _to_coordinate(u, width, rise, turn):
    y = (u - _BEND) / width
    return rise * y + turn * math.sqrt(1.0 + y * y)


@njit
def _shared_nodes(low, high, width, rise, turn):
    """Nodes u from below `low` to above `high`, and du/dt; their number is a multiple of _LANES."""
    first = math.floor(_to_coordinate(low, width, rise, turn))
    size = int(_to_coordinate(high, width, rise, turn) - first) + 2
    size = (size + _LANES - 1) // _LANES * _LANES
    u = np.empty(size)
    jacobian = np.empty(size)
    both = rise * rise - turn * turn
    for k in range(size):
        t = first + k
        root = turn * math.sqrt(t * t + both)
        # the two are the same, each free of cancellation on its side
        y = (t * t - turn * turn) / (rise * t + root) if t > 0.0 else (rise * t - root) / both
        u[k] = _BEND + width * y
        jacobian[k] = width / (rise + turn * y / math.sqrt(1.0 + y * y))
    return u, jacobian


@njit
def _by_shared_nodes(shifts, flat, u, jacobian, s, beta, drop, result):
    """`tilted` at the ascending shifts = w / sqrt(D) from `flat` on, from nodes u for all of them and what each stands
    for."""
    n = u.size
    nodes = np.empty((5, n))
    x, heights = nodes[0], nodes[1]
    for k in range(n):
        x[k] = u[k] / s
    _tabulate(u, beta, heights, nodes[2], nodes[3], nodes[4])
    weights = np.empty(n)
    first = at = last = _START
    # The highest node, and both ends of the window, move to the right with the shift.
    for k in range(flat, shifts.size):
        centre = shifts[k] / s
        top = _height(x, heights, centre, at)
        while at + 1 < n:
            more = _height(x, heights, centre, at + 1)
            if more < top:
                break
            at += 1
            top = more
        while _height(x, heights, centre, first) < top - drop:
            first += 1
        last = max(last, at)
        while last + 1 < n and _height(x, heights, centre, last) > top - drop:
            last += 1
        size = min((last - first + _LANES) // _LANES * _LANES, n)
        i = min(first, n - size)
        _average(nodes, jacobian, centre, top, weights, i, i + size, result, k)


@njit
def _by_own_nodes(shifts, flat, s, beta, drop, step, result):
    """`tilted` at the shifts = w / sqrt(D) from `flat` on, each from evenly spaced nodes x of its own."""
    n = int((2.0 * math.sqrt(2.0 * drop) + 0.02) / step) + 1 + _LANES
    nodes = np.empty((5, n))
    x = nodes[0]
    u, weights, jacobian = np.empty(n), np.empty(n), np.empty(n)
    for j in range(n):
        jacobian[j] = step / math.sqrt(2.0 * math.pi)
    mode = 0.0
    for k in range(flat, shifts.size):
        mode, top, left, right = _window(shifts[k], s, beta, drop, mode)
        size = (int((right - left) / step) + _LANES) // _LANES * _LANES
        for j in range(size):
            x[j] = left + j * step
            u[j] = s * x[j] + shifts[k]
        _tabulate(u[:size], beta, nodes[1], nodes[2], nodes[3], nodes[4])
        _average(nodes, jacobian, 0.0, top, weights, _START, size, result, k)


@njit
def tilted(w, root_v, root_d, beta, refine):
    """F(w) and the means E[h], E[h^2], E[u h] under H^beta Dx, each (n,), for ascending w : (n,).

    With u = s x + w / sqrt D, s = sqrt(V / D), the log-integrand -x^2/2 + beta ln H(u) is concave, and its mode moves
    to x = -10 and beyond for w > 0. In u, it is a Gaussian that moves with w, and H^beta that does not: all w share
    nodes whose spacing follows both. Where s is small these would be many, and w far apart have none in common: there
    each has its own, even ones around the mode.
    """
    s = root_v / root_d
    drop = _DROP * refine
    reach = math.sqrt(2.0 * drop)
    n = w.size
    shifts = np.empty(n)
    result = np.empty((4, n))
    for k in range(n):
        shifts[k] = w[k] / root_d
    flat = n  # counted down: from 0, a literal, two versions of what it is handed to would be compiled
    while flat > 0 and shifts[flat - 1] + s * reach >= _FLAT:
        flat -= 1
        for i in range(4):
            result[i, flat] = math.nan
    for k in range(flat):
        for i in range(4):
            result[i, k] = 0.0
    if flat < n:
        _, _, left, _ = _window(shifts[flat], s, beta, drop, 0.0)
        _, _, _, right = _window(shifts[n - 1], s, beta, drop, 0.0)
        low, high = shifts[flat] + s * left, shifts[n - 1] + s * right
        width, rise, turn = _coordinate(s, beta, refine)
        shared = _to_coordinate(high, width, rise, turn) - _to_coordinate(low, width, rise, turn)
        sharp = 1.0 / math.sqrt(1.0 + beta * s * s)
        step = sharp * _INNER_STEP / refine
        if sharp >= _ALWAYS_SHARED and shared > 2.0 * reach / step * (n - flat):
            _by_own_nodes(shifts, flat, s, beta, drop, step, result)
        elif shared < _MOST_NODES:
            u, jacobian = _shared_nodes(low, high, width, rise, turn)
            for k in range(u.size):
                jacobian[k] /= s * math.sqrt(2.0 * math.pi)
            _by_shared_nodes(shifts, flat, u, jacobian, s, beta, drop, result)
    return result[0], result[1], result[2], result[3]


@njit
def energetic(q, r, fluctuation, uncertainty, perpendicular, beta, flips, refine):
    """One pass: (q_hat, r_hat, q_star_hat, G_E, replicon factor), all at alpha = 1.

    fluctuation V = q_star - q, uncertainty D = 1 - q_star and perpendicular U = q - r^2 come beside q and r, so that no
    difference is taken here. `flips` is the probability that a label is flipped: H(x) above becomes
    (1 - flips) H(x) + flips H(-x).
    """
    root_q, root_u = math.sqrt(q), math.sqrt(perpendicular)
    root_v, root_d = math.sqrt(fluctuation), math.sqrt(uncertainty)
    # The label's step H(r z / sqrt U) has width sqrt(q U)/|r| in w; beyond it, w > 0 matters only over sqrt U.
    # F' bends over sqrt D. The left tail ends with the Gaussian of width sqrt q; for r < 0, or where labels are
    # flipped, the right one does.
    scale = root_u * root_d / math.sqrt(perpendicular + uncertainty)
    reach = math.sqrt(2.0 * _DROP) * math.sqrt(refine)
    left = math.asinh(reach * root_q / scale)
    right = left if r < 0.0 or flips > 0.0 else math.asinh(reach * root_u / scale)
    step = _OUTER_STEP / refine
    below = int(left / step) + 1
    above = int(right / step) + 1

    w = np.empty(below + above + 1)
    for k in range(w.size):
        w[k] = scale * math.sinh((k - below) * step)
    f, h1, h2, uh = tilted(w, root_v, root_d, beta, refine)
    q_hat = 0.0
    r_hat = 0.0
    q_star_hat = 0.0
    g_e = 0.0
    replicon = 0.0
    for k in range(w.size):
        jacobian = scale * math.cosh((k - below) * step) * step / math.sqrt(2.0 * math.pi)
        z = w[k] / root_q
        weight = upper_tail(r * z / root_u)
        if flips > 0.0:
            weight = (1.0 - flips) * weight + flips * upper_tail(-r * z / root_u)
        weight *= 2.0 * jacobian / root_q * math.exp(-0.5 * z * z)
        z = w[k] / root_u
        second = (beta / uncertainty) * ((beta - 1.0) * h2[k] + uh[k] - beta * h1[k] * h1[k])
        q_hat += weight * h1[k] * h1[k]
        q_star_hat += weight * h2[k]
        g_e += weight * f[k]
        replicon += weight * second * second
        r_hat += jacobian / root_u * math.exp(-0.5 * z * z) * h1[k]
    q_hat *= beta * beta / uncertainty
    r_hat *= (1.0 - 2.0 * flips) * 2.0 * beta / math.sqrt(2.0 * math.pi * uncertainty)
    q_star_hat *= 0.5 * beta * (beta - 1.0) / uncertainty
    return q_hat, r_hat, q_star_hat, g_e, replicon
