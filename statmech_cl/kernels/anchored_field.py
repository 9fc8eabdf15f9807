"""The entropic side behind a reference that acts as a random field: the KL anchor, and no anchor (Franz-Parisi).

The reference configuration theta_ref of a site has a known density; task t sees it through its anchor. For the KL
anchor

    -beta gamma KL(q_theta || q_theta_ref) = beta gamma [ Ent(m) + m theta_ref - ln 2 cosh theta_ref ]

so that the reference is a random external field, and all that matters is a function of the total field

    b = sqrt(q_hat) x + r_hat s + offset + scale theta_ref,    scale = beta gamma memory,

whose density is the reference's, smoothed by a Gaussian. The offset is what replayed patterns of task 1 add (s_1 = 1).

A density of theta_ref is carried as masses on a fine grid of local nodes, one column for each group of sites; the sites
of a column share the sign s of the task's teacher.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_loop
from .anchored import BUMP, FAR_DROP, FINE, N_SUMS, NEGLIGIBLE, add_density, add_node, support
from .grids import field_nodes, graded_nodes
from .local import (
    DROP,
    TOGETHER,
    interval_nodes,
    local_moments,
    local_nodes,
    log_z,
    rarer_sign,
    shared_window,
    sign_nodes,
    window,
)
from .responses import add_node_responses
from .sums import dot
from .vector import exp

_HERMITE_X, _HERMITE_W = np.polynomial.hermite_e.hermegauss(9)
_HERMITE_W = _HERMITE_W / math.sqrt(2.0 * math.pi)


@njit_loop
def _bumps(at, centres, out):
    """out = exp(-(at - centres)^2 / 2)."""
    for i in range(centres.size):
        x = at - centres[i]
        out[i] = exp(-0.5 * x * x)


@njit
def _smoothed(b, jacobian, shift, theta, masses, scale, sd, drop, stride, first, last):
    """Weights (k, c) of the nodes b : (k,) under scale theta_ref + shift + sd x, from every stride-th of the masses."""
    columns = masses.shape[1]
    weights = np.zeros((b.size, columns))
    centres = scale / sd * theta[first:last:stride]
    near = np.ascontiguousarray(masses[first:last:stride].T)
    bumps = np.empty(centres.size)
    reach = math.sqrt(2.0 * drop)
    norm = stride / (sd * math.sqrt(2.0 * math.pi))
    i = 0
    j = 0
    for k in range(b.size):
        at = (b[k] - shift) / sd
        while i + 1 < centres.size and centres[i] < at - reach:  # b ascends, and the window with it
            i += 1
        while j < centres.size and centres[j] <= at + reach:
            j += 1
        _bumps(at, centres[i:j], bumps)
        for c in range(columns):
            weights[k, c] = norm * jacobian[k] * dot(near[c, i:j], bumps)
    return weights


@njit
def total_field(theta, above, below, scale, kappa, q_hat, r_hat, offset, a, refine, far_tails, half, first, last):
    """Nodes of the total field b : (k,) and the weights (k, c) of each column, which sum to what its masses do.

    theta : (n,); above, below : (n, c), columns of masses with s = +1 and with s = -1, of which rows first to last
    count. With `far_tails` the Gaussian's tails are kept much further down, so that the rarest of signs is seen.
    With `half`, the masses of theta and s include those of -theta and -s, and one of each pair of fields b with s and
    -b with -s is enough.
    """
    sd = math.sqrt(q_hat)
    if scale == 0.0:
        return _field_alone(above, np.zeros_like(below) if half else below, sd, r_hat, offset, a, refine, far_tails)
    spacing = 0.0
    for i in range(first, last - 1):
        spacing = max(spacing, theta[i + 1] - theta[i])
    stride = int(min(0.6 * sd / (scale * spacing * refine), FINE))
    if stride < 1:
        # For each x a sum over theta_ref, which has to see <sign m> step over sqrt(kappa - 2 a) in b.
        width = math.sqrt(1.0 + max(kappa - 2.0 * a, 0.0)) / scale
        stride = max(int(min(0.6 * width / spacing, FINE) / refine), 1)
        if half:
            first = theta.size // 2
            above, below = above.copy(), below.copy()
            above[first] *= 0.5
            below[first] *= 0.5
        return _narrow_field(theta, above, below, scale, sd, r_hat, offset, first, last, stride)
    # One grid for all columns, as dense as the smoothed density and the step of <m> at b = 0 ask for.
    reach = math.sqrt(2.0 * DROP * refine)
    margin = reach * sd + abs(r_hat)
    low = scale * theta[first] + offset - margin
    high = scale * theta[last - 1] + offset + margin
    if far_tails:
        width = math.sqrt(1.0 + max(-2.0 * a, 0.0))
        low = min(low, -reach * width)
        high = max(high, reach * width)
    if half:
        low, high = 0.0, max(high, -low)
    drop = FAR_DROP if far_tails else DROP
    smooth = math.sqrt(q_hat + (BUMP * scale) ** 2)
    b, jacobian = graded_nodes(low, high, smooth, a, refine)
    if half:
        jacobian[0] *= 0.5
    weights_above = _smoothed(b, jacobian, offset + r_hat, theta, above, scale, sd, drop, stride, first, last)
    weights_below = _smoothed(b, jacobian, offset - r_hat, theta, below, scale, sd, drop, stride, first, last)
    return b, weights_above, weights_below


@njit
def _field_alone(above, below, sd, r_hat, offset, a, refine, far_tails):
    """The total field without a reference in it."""
    if sd == 0.0:
        b = np.array([offset + r_hat, offset - r_hat])
        weight = opposite = np.ones(1)
    else:
        b_above, weight = field_nodes(r_hat + offset, sd * sd, a, far_tails, refine)
        b_below, opposite = b_above, weight
        if offset != 0.0:
            b_below, opposite = field_nodes(r_hat - offset, sd * sd, a, far_tails, refine)
        b = np.concatenate((b_above, -b_below))
    half = weight.size
    weights_above = np.zeros((b.size, above.shape[1]))
    weights_below = np.zeros((b.size, below.shape[1]))
    for c in range(above.shape[1]):
        weights_above[:half, c] = above[:, c].sum() * weight
    for c in range(below.shape[1]):
        weights_below[half:, c] = below[:, c].sum() * opposite
    return b, weights_above, weights_below


@njit
def _narrow_field(theta, above, below, scale, sd, r_hat, offset, first, last, stride):
    """Where the Gaussian is too narrow for a grid of theta: nine Hermite nodes at every stride-th of the masses."""
    order = _HERMITE_X.size
    half = ((last - first + stride - 1) // stride) * order
    b = np.empty(2 * half)
    weights_above = np.zeros((2 * half, above.shape[1]))
    weights_below = np.zeros((2 * half, below.shape[1]))
    k = 0
    for i in range(first, last, stride):
        for j in range(order):
            centre = scale * theta[i] + offset + sd * _HERMITE_X[j]
            b[k] = centre + r_hat
            b[half + k] = centre - r_hat
            weight = stride * _HERMITE_W[j]
            for c in range(above.shape[1]):
                weights_above[k, c] = weight * above[i, c]
            for c in range(below.shape[1]):
                weights_below[half + k, c] = weight * below[i, c]
            k += 1
    return b, weights_above, weights_below


@njit
def field_averages(theta, masses, scale, kappa, q_hat, r_hat, q_star_hat, offset, half, refine, moved):
    """One entropic pass where the reference is a random field: as `entropic`, with means over theta_ref and s too, and
    then, without `half`, E<m> and q - (E<m>)^2.

    masses : (n, 2), the sites with s = +1 and with s = -1; half : see `total_field`. moved : (N_RESPONSES,) to which
    `responses` adds, or (0,).
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    plus, minus = np.ascontiguousarray(masses[:, :1]), np.ascontiguousarray(masses[:, 1:])
    b, agreeing, opposed = total_field(
        theta, plus, minus, scale, kappa, q_hat, r_hat, offset, a, refine, False, half, first, last
    )
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    m, shortfall, sech2, base = interval_nodes(a, kappa, slope, refine)
    scratch = np.empty((3, m.size))
    above = np.zeros(b.size)
    below = np.zeros(b.size)
    sums = np.zeros(N_SUMS)
    i, j = 0, m.size
    for k in range(b.size):
        if k % TOGETHER == 0:
            i, j = shared_window(base, m, b, k, b.size, 0.0, 1.0)
        if agreeing[k, 0] + opposed[k, 0] >= NEGLIGIBLE:
            above[k], below[k] = add_node(
                sums, agreeing[k, 0], opposed[k, 0], b[k], m[i:j], shortfall[i:j], sech2[i:j], base[i:j], scratch
            )
            if moved.size > 0:
                add_node_responses(moved, agreeing[k, 0], opposed[k, 0], above[k], below[k], scratch, j - i)
    q, fluctuation, uncertainty, g_s, spread, deficit, _ = sums
    perpendicular = 0.0
    perpendicular_1 = 0.0
    deficit_1 = 0.0
    for k in range(b.size):
        deficit_1 += (agreeing[k, 0] + opposed[k, 0]) * above[k]
    for k in range(b.size):  # q - r^2 from the distances s - <m>, free of cancellation
        perpendicular += agreeing[k, 0] * (above[k] - deficit) ** 2 + opposed[k, 0] * (below[k] - deficit) ** 2
        perpendicular_1 += (agreeing[k, 0] + opposed[k, 0]) * (above[k] - deficit_1) ** 2
    return q, 1.0 - deficit, fluctuation, uncertainty, perpendicular, g_s, spread, 1.0 - deficit_1, perpendicular_1


@njit
def field_observables(theta, above, below, scale, kappa, q_hat, r_hat, q_star_hat, offset, refine, far_tails):
    """At the nodes of the total field b : (k,): the weights (k, c) of `above` and of `below`, columns of masses with
    s = +1 and with s = -1, then <m>, the share of m < 0 and that of m > 0, each (k,)."""
    a = q_star_hat - 0.5 * q_hat
    first, last = (0, theta.size) if far_tails else support(np.abs(above).sum(axis=1) + np.abs(below).sum(axis=1))
    b, weights_above, weights_below = total_field(
        theta, above, below, scale, kappa, q_hat, r_hat, offset, a, refine, far_tails, False, first, last
    )
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    m, shortfall, sech2, base = interval_nodes(a, kappa, slope, refine)
    half_m, half_base = sign_nodes(a, kappa, slope, refine)
    scratch = np.empty((3, m.size))
    half_scratch = np.empty(half_m.size)
    mean = np.zeros(b.size)
    negative = np.zeros(b.size)
    positive = np.zeros(b.size)
    negligible = 0.0 if far_tails else NEGLIGIBLE
    i, j = 0, m.size
    plus = minus = (0, half_m.size)
    for k in range(b.size):
        if k % TOGETHER == 0:
            i, j = shared_window(base, m, b, k, b.size, 0.0, 1.0)
            plus = shared_window(half_base, half_m, b, k, b.size, 0.0, 1.0)
            minus = shared_window(half_base, half_m, b, k, b.size, 0.0, -1.0)
        if np.abs(weights_above[k]).sum() + np.abs(weights_below[k]).sum() > negligible:
            log_norm, mean[k], _, _, _, _ = local_moments(b[k], m[i:j], shortfall[i:j], sech2[i:j], base[i:j], scratch)
            first_m, last_m = minus if mean[k] > 0.0 else plus
            rarer_base = half_base[first_m:last_m]
            negative[k], positive[k] = rarer_sign(
                log_norm, b[k], mean[k], half_m[first_m:last_m], rarer_base, rarer_base, half_scratch
            )
    return b, weights_above, weights_below, mean, negative, positive


@njit
def next_density(b, weights, a, kappa, refine):
    """Masses of theta under exp[a m^2 + b m + kappa Ent] / Z(b), for several distributions of b at once.

    b : (n,), weights : (n, g). Returns theta (k,) and masses (k, g) on the fine grid.
    """
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    theta, m, _, _, base = local_nodes(a, kappa, 0.0, slope, refine, FINE)
    m1, _, _, base1 = interval_nodes(a, kappa, slope, refine)
    mass = np.zeros((weights.shape[1], theta.size))
    row = np.empty(theta.size)
    scratch = np.empty(m1.size)
    for k in range(b.size):
        if weights[k].sum() < NEGLIGIBLE:
            continue
        i, j = window(base, m, b[k], b[k])
        at = log_z(b[k], m1, base1, scratch)
        row[i:j] = 0.0
        add_density(b[k], 1.0, at, m[i:j], base[i:j], row[i:j])
        for g in range(weights.shape[1]):
            for n in range(i, j):
                mass[g, n] += weights[k, g] * row[n]
    return theta, np.ascontiguousarray(mass.T)
