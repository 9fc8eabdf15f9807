"""Steps of replica symmetry breaking: tilted Gaussian convolutions of a function of one variable, down and up again.

    f_{l-1}(w) = (1/x_l) ln Int Dz exp[x_l f_l(w + sqrt(Delta_l) z)],   l = k, ..., 1
    <A>_{l-1}(w) = Int Dz A(w + sqrt(Delta_l) z) exp[x_l (f_l(w + sqrt(Delta_l) z) - f_{l-1}(w))]

Slopes go down as averages, f_{l-1}' = <f_l'>_{l-1}, and f_{l-1}'' = <f_l''>_{l-1} + x_l <(f_l' - f_{l-1}')^2>_{l-1};
the masses at level 0 go up by the same weights. One graded grid serves every level: a trapezoidal sum in its coordinate
converges exponentially as long as its steps are below the widths of all the Gaussians, so that nothing is interpolated
and the number of levels is free.

Energetic side: f_k = F of `energetic`, at V = q_star - q_k; level 0 is 2 H(r z / sqrt(q_0 - r^2)) Dz, w = sqrt(q_0) z.
Entropic side: g_k = ln Z of `entropic`, with a = q_star_hat - q_hat_k / 2 and Delta_l the steps of q_hat; or that of
another local measure.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_loop
from .energetic import tilted
from .gaussian import upper_tail
from .grids import graded_nodes
from .local import interval_nodes, local_moments, sign_nodes, sign_shares, window
from .sums import dot, total
from .vector import exp

MOST_NODES = 3000  # a grid that wants more is refused: its narrowest Gaussian is 1e-3 of its range
_DROP = 37.0  # log of the weight at which a window ends
_CROWDED = 1.9  # the energetic grid's nodes near its bend, against graded_nodes' own
_STEEPER = 1.2  # a slope between nodes, against the largest one at nodes


@njit_loop
def _exponents(f, x, nodes, log_jacobian, centre, level, half_rate, out):
    """out = log_jacobian + x (f - level) - half_rate (nodes - centre)^2, and its maximum."""
    top = -math.inf
    for j in range(nodes.size):
        gap = nodes[j] - centre
        e = log_jacobian[j] + x * (f[j] - level) - half_rate * gap * gap
        out[j] = e
        top = max(top, e)
    return top


@njit
def _farthest(x, slope, variance, uneven):
    """How far from its centre a tilted Gaussian can have weight: beyond, its exponent is below that at the centre by
    _DROP, whatever a function of at most this slope does and however `uneven` the logarithms of the Jacobian are."""
    pull = _STEEPER * x * slope * variance
    return pull + math.sqrt(pull * pull + 2.0 * variance * (_DROP + uneven))


@njit_loop
def _weigh(exponents, top, weights):
    """weights = exp(exponents - top)."""
    for j in range(weights.size):
        weights[j] = exp(exponents[j] - top)


@njit_loop
def _gaps(x, below, weights, gaps, squares):
    """gaps = x - below, and weights (x - below)^2 with them."""
    for j in range(x.size):
        gaps[j] = x[j] - below
        squares[j] = weights[j] * gaps[j] * gaps[j]


@njit_loop
def _rise(weights, share, first, last, above):
    """above += share * weights."""
    for j in range(first, last):
        above[j] += share * weights[j]


@njit
def climb(nodes, jacobian, f, slope, second, xs, variances, mass):
    """All levels of a function: from f = f_k and its slopes (n,) down to level 0, and from mass (c, n) there up to k.

    xs, variances : (k,) x_l and Delta_l, l = 1 .. k; Delta_l = 0 is no step. Returns f_0 and f_0' (n,), the masses at
    level k (c, n), for every step E (f_l' - f_{l-1}')^2 and E x_l (f_l - f_{l-1}), each (k,): what E f_l'^2 gains, and
    the relative entropy of the tilted measure; and E f_l''^2 of every level, (k + 1,).
    """
    k = xs.size
    n = nodes.size
    fs = np.empty((k + 1, n))
    slopes = np.empty((k + 1, n))
    seconds = np.empty((k + 1, n))
    fs[k] = f
    slopes[k] = slope
    seconds[k] = second
    steps = np.empty((k, n, n))
    first = np.zeros((k, n), dtype=np.int64)
    last = np.zeros((k, n), dtype=np.int64)
    shares = np.empty((k, n))
    squares = np.zeros((k, n))
    rises = np.zeros((k, n))
    log_jacobian = np.log(jacobian)
    uneven = log_jacobian.max() - log_jacobian.min()
    exponents = np.empty(n)
    gaps = np.empty(n)
    weighted = np.empty(n)
    for level in range(k - 1, -1, -1):
        if variances[level] == 0.0:
            fs[level] = fs[level + 1]
            slopes[level] = slopes[level + 1]
            seconds[level] = seconds[level + 1]
            continue
        half_rate = 0.5 / variances[level]
        log_norm = -0.5 * math.log(2.0 * math.pi * variances[level])
        x, inner = xs[level], level + 1
        farthest = _farthest(x, np.abs(slopes[inner]).max(), variances[level], uneven)
        begin = end = 0
        for i in range(n):
            while nodes[begin] < nodes[i] - farthest:
                begin += 1
            while end < n and nodes[end] <= nodes[i] + farthest:
                end += 1
            f_near, near, out = fs[inner, begin:end], nodes[begin:end], exponents[begin:end]
            top = _exponents(f_near, x, near, log_jacobian[begin:end], nodes[i], fs[inner, i], half_rate, out)
            low, high = begin, end
            while exponents[low] < top - _DROP:
                low += 1
            while exponents[high - 1] < top - _DROP:
                high -= 1
            weights = steps[level, i, low:high]
            _weigh(exponents[low:high], top, weights)
            mass_here = total(weights)
            fs[level, i] = fs[inner, i] + (top + math.log(mass_here) + log_norm) / x
            slopes[level, i] = dot(weights, slopes[inner, low:high]) / mass_here
            _gaps(slopes[inner, low:high], slopes[level, i], weights, gaps[low:high], weighted[low:high])
            square = total(weighted[low:high]) / mass_here
            seconds[level, i] = dot(weights, seconds[inner, low:high]) / mass_here + x * square
            squares[level, i] = square
            _gaps(fs[inner, low:high], fs[level, i], weights, gaps[low:high], weighted[low:high])
            rises[level, i] = x * dot(weights, gaps[low:high]) / mass_here
            first[level, i], last[level, i] = low, high
            shares[level, i] = 1.0 / mass_here
    gains = np.zeros(k)
    entropies = np.zeros(k)
    bends = np.zeros(k + 1)
    here = mass
    for level in range(k + 1):
        above = np.zeros(mass.shape)
        step = level < k and variances[level] > 0.0
        for i in range(n):
            weight = 0.0
            for c in range(mass.shape[0]):
                weight += here[c, i]
            bends[level] += weight * seconds[level, i] * seconds[level, i]
            if step and weight > 0.0:
                gains[level] += weight * squares[level, i]
                entropies[level] += weight * rises[level, i]
                for c in range(mass.shape[0]):
                    if here[c, i] > 0.0:
                        share = shares[level, i] * here[c, i]
                        _rise(steps[level, i], share, first[level, i], last[level, i], above[c])
        if step:
            here = above
    return fs[0], slopes[0], here, gains, entropies, bends


@njit
def _narrowest(xs, variances, bend):
    """The width of the narrowest tilted Gaussian of all steps; `bend` is the largest -f_k''."""
    narrow = math.inf
    for level in range(xs.size - 1, -1, -1):
        if variances[level] > 0.0:
            sharper = 1.0 + xs[level] * variances[level] * bend
            narrow = min(narrow, math.sqrt(variances[level] / sharper))
            bend /= sharper
    return narrow


@njit
def _size(low, high, smooth):
    """Roughly how many nodes graded_nodes will use."""
    return 1.4 * (high - low) / smooth


@njit
def energetic_steps(q, r, perpendicular, steps, fluctuation, uncertainty, xs, beta, flips, refine):
    """One pass over the patterns, everything at alpha = 1: q_hat_0, r_hat, q_star_hat, G_E, E f_l''^2 of all levels,
    and for every step q_hat_l - q_hat_{l-1} and E x_l (f_l - f_{l-1}).

    q = q_0, perpendicular = q_0 - r^2, steps = q_l - q_{l-1} (k,), fluctuation = q_star - q_k, and
    uncertainty = 1 - q_star. A grid of more than MOST_NODES nodes is not made: the numbers returned are nan.
    """
    wide = steps.sum()
    root_v, root_d = math.sqrt(fluctuation), math.sqrt(uncertainty)
    reach = math.sqrt(2.0 * _DROP * refine)
    scale = root_d * math.sqrt(perpendicular / (perpendicular + uncertainty)) / _CROWDED
    smooth = min(math.sqrt(perpendicular), _narrowest(xs, steps, beta / (uncertainty + beta * fluctuation))) / scale
    low = -reach * math.sqrt(q + wide) / scale
    high = -low if r < 0.0 or flips > 0.0 else reach * math.sqrt(perpendicular + wide) / scale
    if not _size(low, high, smooth) * refine < MOST_NODES:
        bad = np.full(xs.size, math.nan)
        return math.nan, math.nan, math.nan, math.nan, np.full(xs.size + 1, math.nan), bad, bad
    w, jacobian = graded_nodes(low, high, smooth, 0.0, refine)
    w *= scale
    jacobian *= scale
    n = w.size
    f, h, square, uh = tilted(w, root_v, root_d, beta, refine)
    slope = np.empty(n)
    second = np.empty(n)
    mass = np.empty((1, n))
    for i in range(n):
        slope[i] = -beta / root_d * h[i]
        second[i] = (beta / uncertainty) * ((beta - 1.0) * square[i] + uh[i] - beta * h[i] * h[i])
        z = w[i] / math.sqrt(q)
        step = r * z / math.sqrt(perpendicular)
        mass[0, i] = jacobian[i] * math.exp(-0.5 * z * z) * math.sqrt(2.0 / (math.pi * q))
        mass[0, i] *= (1.0 - flips) * upper_tail(step) + flips * upper_tail(-step)
    f0, slope0, top, gains, entropies, bends = climb(w, jacobian, f, slope, second, xs, steps, mass)
    q_hat = 0.0
    r_hat = 0.0
    q_star_hat = 0.0
    g_e = 0.0
    for i in range(n):
        q_hat += mass[0, i] * slope0[i] * slope0[i]
        g_e += mass[0, i] * f0[i]
        q_star_hat += top[0, i] * square[i]
        r_hat -= jacobian[i] * math.exp(-0.5 * w[i] * w[i] / perpendicular) * slope0[i]
    r_hat *= (1.0 - 2.0 * flips) / (math.pi * math.sqrt(perpendicular))
    q_star_hat *= 0.5 * beta * (beta - 1.0) / uncertainty
    return q_hat, r_hat, q_star_hat, g_e, bends, gains, entropies


@njit
def field_grid(mean_low, mean_high, variance, steps, xs, a, refine):
    """Nodes b and db/dt for fields with means in [mean_low, mean_high], variance q_hat_0 and steps of q_hat (k,).

    A step pushes the field outwards, by at most x_l (q_hat_l - q_hat_{l-1}). No nodes where there would be too many.
    """
    reach = math.sqrt(2.0 * _DROP * refine)
    spread = reach * math.sqrt(variance + steps.sum()) + (xs * steps).sum()
    smooth = min(math.sqrt(variance), _narrowest(xs, steps, 0.0))
    low, high = mean_low - spread, mean_high + spread
    if not _size(low, high, smooth) * refine < MOST_NODES:
        return np.empty(0), np.empty(0)
    return graded_nodes(low, high, smooth, a, refine)


@njit
def local_functions(b, a, kappa, refine):
    """ln Z, <m>, <1 - m^2> and <m^2> - <m>^2 at the fields b, each (n,)."""
    n = b.size
    slope = max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a)
    m, shortfall, sech2, base = interval_nodes(a, kappa, slope, refine)
    scratch = np.empty((3, m.size))
    g = np.empty(n)
    mean = np.empty(n)
    edge = np.empty(n)
    variance = np.empty(n)
    i, j = 0, m.size
    for k in range(n):
        if k % 16 == 0:
            i, j = window(base, m, b[k], b[min(k + 16, n) - 1])
        g[k], mean[k], _, _, edge[k], variance[k] = local_moments(
            b[k], m[i:j], shortfall[i:j], sech2[i:j], base[i:j], scratch
        )
    return g, mean, edge, variance


@njit
def entropic_steps(b, jacobian, mass, g, mean, slope, edge, variance, steps, xs):
    """One sweep over the sites whose fields have mass (2, n) at level 0, for s = +1 and s = -1: q_0, r, the steps of q,
    q_star - q_k, 1 - q_star, q_0 - r^2, G_S, E g_l''^2 of all levels, E x_l (g_l - g_{l-1}), the masses at level k.

    The local measure comes as functions of the field, each (n,): ln Z, its first two derivatives <m> and `slope`,
    <1 - m^2>, and what goes into q_star - q_k, on [-1, 1] the slope once more.
    """
    n = b.size
    g0, mean0, top, gains, entropies, bends = climb(b, jacobian, g, mean, slope, xs, steps, mass)
    r = 0.0
    for k in range(n):
        r += (mass[0, k] - mass[1, k]) * mean0[k]
    q = 0.0
    perpendicular = 0.0
    fluctuation = 0.0
    uncertainty = 0.0
    g_s = 0.0
    for k in range(n):
        here = top[0, k] + top[1, k]
        fluctuation += here * variance[k]
        uncertainty += here * edge[k]
        q += (mass[0, k] + mass[1, k]) * mean0[k] * mean0[k]
        perpendicular += mass[0, k] * (mean0[k] - r) ** 2 + mass[1, k] * (mean0[k] + r) ** 2
        g_s += (mass[0, k] + mass[1, k]) * g0[k]
    return q, r, gains, fluctuation, uncertainty, perpendicular, g_s, bends, entropies, top


@njit
def flipped_steps(b, top, a, kappa, refine):
    """(1 - p) / 2: the share of sites with s m < 0, of the masses (2, n) at level k."""
    m, base = sign_nodes(a, kappa, max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a), refine)
    scratch = np.empty(m.size)
    share = 0.0
    for k in range(b.size):
        if top[0, k] + top[1, k] > 0.0:
            negative, positive = sign_shares(b[k], m, base, base, scratch)
            share += top[0, k] * negative + top[1, k] * positive
    return share
