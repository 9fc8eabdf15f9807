"""The entropic side behind a reference that acts as a random field: the KL anchor, and no anchor (Franz-Parisi).

The reference configuration theta_ref of a site has a known density; task t sees it through its anchor. For the KL
anchor

    -beta gamma KL(q_theta || q_theta_ref) = beta gamma [ Ent(m) + m theta_ref - ln 2 cosh theta_ref ]

so that the reference is a random external field, and all that matters is a function of the total field

    b = sqrt(q_hat) x + shift + scale theta_ref,    scale = beta gamma memory,

whose density is the reference's, smoothed by a Gaussian. The shift is r_hat s, and r_hat_k s_k besides for each earlier
task k whose patterns are replayed: it depends on the signs of the teachers that the task sees.

A density of theta_ref is carried as masses on a fine grid of local nodes, one column for each kind of sites. Columns of
one shift form a group: columns starts[g] to starts[g + 1] have shifts[g].
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
def total_field(theta, masses, starts, shifts, scale, kappa, q_hat, a, refine, far_tails, half, first, last):
    """Nodes of the total field b : (k,) and the weights (k, c) of each column, which sum to what its masses do.

    theta : (n,); masses : (n, c), of which rows first to last count; starts : (g + 1,), shifts : (g,), the groups of
    columns. With `far_tails` the Gaussian's tails are kept much further down, so that the rarest of signs is seen.
    With `half`, there are two columns, s = +1 and s = -1, the masses of theta and s include those of -theta and -s, and
    one of each pair of fields b with s and -b with -s is enough.
    """
    sd = math.sqrt(q_hat)
    if scale == 0.0:
        if half:
            masses = masses.copy()
            masses[:, 1] = 0.0
        return _field_alone(masses, starts, shifts, sd, a, refine, far_tails)
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
            masses = masses.copy()
            masses[first] *= 0.5
        return _narrow_field(theta, masses, starts, shifts, scale, sd, first, last, stride)
    # One grid for all columns, as dense as the smoothed density and the step of <m> at b = 0 ask for.
    reach = math.sqrt(2.0 * DROP * refine)
    low = scale * theta[first] + shifts.min() - reach * sd
    high = scale * theta[last - 1] + shifts.max() + reach * sd
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
    weights = np.empty((b.size, masses.shape[1]))
    for g in range(shifts.size):
        group = masses[:, starts[g] : starts[g + 1]]
        weights[:, starts[g] : starts[g + 1]] = _smoothed(
            b, jacobian, shifts[g], theta, group, scale, sd, drop, stride, first, last
        )
    return b, weights


@njit
def _field_alone(masses, starts, shifts, sd, a, refine, far_tails):
    """The total field without a reference in it: nodes of its own for every group."""
    parts = []
    size = 0
    for g in range(shifts.size):
        if sd == 0.0:
            parts.append((shifts[g : g + 1].copy(), np.ones(1)))
        else:
            known = -1
            for h in range(g):
                if abs(shifts[h]) == abs(shifts[g]):
                    known = h
            # <m> is odd in b: opposite shifts have opposite nodes
            side = 1.0 if shifts[g] >= 0.0 else -1.0
            if known < 0:
                b, weight = field_nodes(abs(shifts[g]), sd * sd, a, far_tails, refine)
                parts.append((side * b, weight))
            elif shifts[known] == shifts[g]:
                parts.append(parts[known])
            else:
                parts.append((-parts[known][0], parts[known][1]))
        size += parts[g][0].size
    field = np.empty(size)
    weights = np.zeros((size, masses.shape[1]))
    k = 0
    for g in range(shifts.size):
        b, weight = parts[g]
        field[k : k + b.size] = b
        for c in range(starts[g], starts[g + 1]):
            weights[k : k + b.size, c] = masses[:, c].sum() * weight
        k += b.size
    return field, weights


@njit
def _narrow_field(theta, masses, starts, shifts, scale, sd, first, last, stride):
    """Where the Gaussian is too narrow for a grid of theta: nine Hermite nodes at every stride-th of the masses."""
    order = _HERMITE_X.size
    per_group = ((last - first + stride - 1) // stride) * order
    b = np.empty(shifts.size * per_group)
    weights = np.zeros((b.size, masses.shape[1]))
    k = 0
    for i in range(first, last, stride):
        for j in range(order):
            centre = scale * theta[i] + sd * _HERMITE_X[j]
            weight = stride * _HERMITE_W[j]
            for g in range(shifts.size):
                b[g * per_group + k] = centre + shifts[g]
                for c in range(starts[g], starts[g + 1]):
                    weights[g * per_group + k, c] = weight * masses[i, c]
            k += 1
    return b, weights


@njit
def field_averages(theta, masses, signs, shifts, scale, kappa, q_hat, q_star_hat, half, refine, moved):
    """One entropic pass where the reference is a random field: as `entropic`, with means over theta_ref and the signs
    too, and then E s_k <m> and q - (E s_k <m>)^2 of the other teachers, (2, k).

    masses : (n, g), a group in each column; signs : (g, 1 + k), there of the task's own teacher and of k others;
    shifts : (g,). half : see `total_field`. moved : (N_RESPONSES,) to which `responses` adds, or (0,).
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    b, weights = total_field(
        theta, masses, np.arange(shifts.size + 1), shifts, scale, kappa, q_hat, a, refine, False, half, first, last
    )
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    m, shortfall, sech2, base = interval_nodes(a, kappa, slope, refine)
    scratch = np.empty((3, m.size))
    above = np.zeros(b.size)
    below = np.zeros(b.size)
    agreeing = np.zeros((signs.shape[1], b.size))
    opposed = np.zeros((signs.shape[1], b.size))
    for j in range(signs.shape[1]):
        for g in range(shifts.size):
            side = agreeing[j] if signs[g, j] > 0.0 else opposed[j]
            for k in range(b.size):
                side[k] += weights[k, g]
    sums = np.zeros(N_SUMS)
    i, j = 0, m.size
    for k in range(b.size):
        if k % TOGETHER == 0:
            i, j = shared_window(base, m, b, k, b.size, 0.0, 1.0)
        if agreeing[0, k] + opposed[0, k] >= NEGLIGIBLE:
            above[k], below[k] = add_node(
                sums, agreeing[0, k], opposed[0, k], b[k], m[i:j], shortfall[i:j], sech2[i:j], base[i:j], scratch
            )
            if moved.size > 0:
                add_node_responses(moved, agreeing[0, k], opposed[0, k], above[k], below[k], scratch, j - i)
    q, fluctuation, uncertainty, g_s, spread, deficit, _ = sums
    perpendicular = _scatter(agreeing[0], opposed[0], above, below, deficit)
    others = np.empty((2, signs.shape[1] - 1))
    for j in range(1, signs.shape[1]):
        of_other = 0.0
        for k in range(b.size):
            of_other += agreeing[j, k] * above[k] + opposed[j, k] * below[k]
        others[0, j - 1] = 1.0 - of_other
        others[1, j - 1] = _scatter(agreeing[j], opposed[j], above, below, of_other)
    return q, 1.0 - deficit, fluctuation, uncertainty, perpendicular, g_s, spread, others


@njit
def _scatter(agreeing, opposed, above, below, deficit):
    """q - r^2 from the distances s - <m>, whose mean is `deficit`, free of cancellation."""
    total = 0.0
    for k in range(above.size):
        total += agreeing[k] * (above[k] - deficit) ** 2 + opposed[k] * (below[k] - deficit) ** 2
    return total


@njit
def field_observables(theta, masses, starts, shifts, scale, kappa, q_hat, q_star_hat, refine, far_tails):
    """At the nodes of the total field b : (k,): the weights (k, c) of `masses`, groups of columns as in `total_field`,
    then <m>, the share of m < 0 and that of m > 0, each (k,)."""
    a = q_star_hat - 0.5 * q_hat
    first, last = (0, theta.size) if far_tails else support(np.abs(masses).sum(axis=1))
    b, weights = total_field(
        theta, masses, starts, shifts, scale, kappa, q_hat, a, refine, far_tails, False, first, last
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
        if np.abs(weights[k]).sum() > negligible:
            log_norm, mean[k], _, _, _, _ = local_moments(b[k], m[i:j], shortfall[i:j], sech2[i:j], base[i:j], scratch)
            first_m, last_m = minus if mean[k] > 0.0 else plus
            rarer_base = half_base[first_m:last_m]
            negative[k], positive[k] = rarer_sign(
                log_norm, b[k], mean[k], half_m[first_m:last_m], rarer_base, rarer_base, half_scratch
            )
    return b, weights, mean, negative, positive


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
