"""The entropic side behind a reference field: the second and later tasks of a chain (Franz-Parisi).

The reference configuration theta_ref of a site has a known density; task t sees it through its anchor. For the KL
anchor

    -beta gamma KL(q_theta || q_theta_ref) = beta gamma [ Ent(m) + m theta_ref - ln 2 cosh theta_ref ]

so that the reference is a random external field, and all that matters is a function of the total field

    b = sqrt(q_hat) x + r_hat s + scale theta_ref,    scale = beta gamma memory,

whose density is the reference's, smoothed by a Gaussian. For anchors quadratic in theta, c (theta - mu)^2 / 2 c and
mu functions of theta_ref, the local measure keeps theta_ref as a second argument; integrals run over (theta_ref, b).

A density of theta_ref is carried as masses on a fine grid of local nodes, one column for each group of sites; the sites
of a column share the sign s of the task's teacher.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_sums
from .entropic import (
    _DROP,
    both_shares,
    field_nodes,
    graded_nodes,
    half_nodes,
    local_moments,
    local_nodes,
    log_z,
    sign_shares,
    window,
)
from .vector import exp

FINE = 10  # the reference's grid is finer than a local measure's by this factor, to resolve narrow smoothing
_NEGLIGIBLE = 1e-18  # masses below it are not visited
_POINT = 1e-16  # a variance of b that stands for none
_FAR_DROP = 200.0  # log of the weight at which a window ends where rare signs are counted
_SMOOTHEST = 2.0  # in b: under a quadratic anchor <m> may bend anywhere, at a rate of order 1
_BUMP = 0.2  # scale in theta on which a reference's density varies
_HERMITE_X, _HERMITE_W = np.polynomial.hermite_e.hermegauss(9)
_HERMITE_W = _HERMITE_W / math.sqrt(2.0 * math.pi)


@njit
def support(mass):
    """First and one past the last index of non-negligible mass : (n,)."""
    first = 0
    last = mass.size
    while first < last - 1 and mass[first] < _NEGLIGIBLE:
        first += 1
    while last > first + 1 and mass[last - 1] < _NEGLIGIBLE:
        last -= 1
    return first, last


@njit
def _smoothed(b, jacobian, shift, theta, masses, scale, sd, drop, stride, first, last):
    """Weights (k, c) of the nodes b : (k,) under scale theta_ref + shift + sd x, from every stride-th of the masses."""
    columns = masses.shape[1]
    weights = np.zeros((b.size, columns))
    reach = math.sqrt(2.0 * drop) * sd
    norm = stride / (sd * math.sqrt(2.0 * math.pi))
    i0 = first
    for k in range(b.size):
        at = b[k] - shift
        low = (at - reach) / scale
        high = (at + reach) / scale
        while i0 + stride < last and theta[i0] < low:  # b ascends, and the window with it
            i0 += stride
        for i in range(i0, last, stride):
            if theta[i] > high:
                break
            x = (at - scale * theta[i]) / sd
            gauss = math.exp(-0.5 * x * x)
            for c in range(columns):
                weights[k, c] += masses[i, c] * gauss
        for c in range(columns):
            weights[k, c] *= norm * jacobian[k]
    return weights


@njit
def total_field(theta, above, below, scale, kappa, q_hat, r_hat, a, refine, whole, first, last):
    """Nodes of the total field b : (k,) and the weights (k, c) of each column, which sum to what its masses do.

    theta : (n,); above, below : (n, c), columns of masses with s = +1 and with s = -1, of which rows first to last
    count. With `whole` the Gaussian's tails are kept much further down, so that the rarest of signs is seen.
    """
    sd = math.sqrt(q_hat)
    if scale == 0.0:
        return _field_alone(above, below, sd, r_hat, a, refine, whole)
    spacing = 0.0
    for i in range(first, last - 1):
        spacing = max(spacing, theta[i + 1] - theta[i])
    stride = int(min(0.6 * sd / (scale * spacing * refine), FINE))
    if stride < 1:
        # For each x a sum over theta_ref, which has to see <sign m> step over sqrt(kappa - 2 a) in b.
        width = math.sqrt(1.0 + max(kappa - 2.0 * a, 0.0)) / scale
        stride = max(int(min(0.6 * width / spacing, FINE) / refine), 1)
        return _narrow_field(theta, above, below, scale, sd, r_hat, first, last, stride)
    # One grid for all columns, as dense as the smoothed density and the step of <m> at b = 0 ask for.
    reach = math.sqrt(2.0 * _DROP * refine)
    margin = reach * sd + abs(r_hat)
    low = scale * theta[first] - margin
    high = scale * theta[last - 1] + margin
    if whole:
        width = math.sqrt(1.0 + max(-2.0 * a, 0.0))
        low = min(low, -reach * width)
        high = max(high, reach * width)
    drop = _FAR_DROP if whole else _DROP
    smooth = math.sqrt(q_hat + (_BUMP * scale) ** 2)
    b, jacobian = graded_nodes(low, high, smooth, a, refine)
    weights_above = _smoothed(b, jacobian, r_hat, theta, above, scale, sd, drop, stride, first, last)
    weights_below = _smoothed(b, jacobian, -r_hat, theta, below, scale, sd, drop, stride, first, last)
    return b, weights_above, weights_below


@njit
def _field_alone(above, below, sd, r_hat, a, refine, whole):
    """The total field without a reference in it."""
    if sd == 0.0:
        b = np.array([r_hat, -r_hat])
        weight = np.ones(1)
    else:
        b_above, weight = field_nodes(r_hat, sd * sd, a, whole, refine)
        b = np.concatenate((b_above, -b_above))
    half = weight.size
    weights_above = np.zeros((2 * half, above.shape[1]))
    weights_below = np.zeros((2 * half, below.shape[1]))
    for c in range(above.shape[1]):
        weights_above[:half, c] = above[:, c].sum() * weight
    for c in range(below.shape[1]):
        weights_below[half:, c] = below[:, c].sum() * weight
    return b, weights_above, weights_below


@njit
def _narrow_field(theta, above, below, scale, sd, r_hat, first, last, stride):
    """Where the Gaussian is too narrow for a grid of theta: nine Hermite nodes at every stride-th of the masses."""
    order = _HERMITE_X.size
    half = ((last - first + stride - 1) // stride) * order
    b = np.empty(2 * half)
    weights_above = np.zeros((2 * half, above.shape[1]))
    weights_below = np.zeros((2 * half, below.shape[1]))
    k = 0
    for i in range(first, last, stride):
        for j in range(order):
            centre = scale * theta[i] + sd * _HERMITE_X[j]
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
def field_sweep(theta, masses, scale, kappa, q_hat, r_hat, q_star_hat, refine):
    """One entropic sweep where the reference is a random field: as `entropic`, with means over theta_ref and s too.

    masses : (n, 2), the sites with s = +1 and with s = -1.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    plus, minus = np.ascontiguousarray(masses[:, :1]), np.ascontiguousarray(masses[:, 1:])
    b, agreeing, opposed = total_field(theta, plus, minus, scale, kappa, q_hat, r_hat, a, refine, False, first, last)
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    _, m, short, sech2, base = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    scratch = np.empty(m.size)
    above = np.zeros(b.size)
    below = np.zeros(b.size)
    q = 0.0
    v = 0.0
    d = 0.0
    g_s = 0.0
    spread = 0.0
    deficit = 0.0
    for k in range(b.size):
        weight = agreeing[k, 0] + opposed[k, 0]
        if weight < _NEGLIGIBLE:
            continue
        log_norm, mean, above[k], below[k], edge, variance = local_moments(b[k], m, short, sech2, base, scratch)
        q += weight * mean * mean
        d += weight * edge
        v += weight * variance
        g_s += weight * log_norm
        spread += weight * variance * variance
        deficit += agreeing[k, 0] * above[k] + opposed[k, 0] * below[k]
    u = 0.0
    for k in range(b.size):  # q - r^2 from the distances s - <m>, free of cancellation
        u += agreeing[k, 0] * (above[k] - deficit) ** 2 + opposed[k, 0] * (below[k] - deficit) ** 2
    return q, 1.0 - deficit, v, d, u, g_s, spread


@njit
def field_observables(theta, above, below, scale, kappa, q_hat, r_hat, q_star_hat, refine, whole):
    """At the nodes of the total field b : (k,): the weights (k, c) of `above` and of `below`, columns of masses with
    s = +1 and with s = -1, then <m>, the share of m < 0 and that of m > 0, each (k,)."""
    a = q_star_hat - 0.5 * q_hat
    first, last = (0, theta.size) if whole else support(np.abs(above).sum(axis=1) + np.abs(below).sum(axis=1))
    b, weights_above, weights_below = total_field(
        theta, above, below, scale, kappa, q_hat, r_hat, a, refine, whole, first, last
    )
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    _, m, short, sech2, base = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    _, half_m, half_base = half_nodes(a, kappa, 0.0, slope, refine)
    scratch = np.empty(m.size)
    half_scratch = np.empty(half_m.size)
    mean = np.zeros(b.size)
    negative = np.zeros(b.size)
    positive = np.zeros(b.size)
    negligible = 0.0 if whole else _NEGLIGIBLE
    for k in range(b.size):
        if np.abs(weights_above[k]).sum() + np.abs(weights_below[k]).sum() > negligible:
            mean[k] = local_moments(b[k], m, short, sech2, base, scratch)[1]
            negative[k], positive[k] = sign_shares(b[k], half_m, half_base, half_base, half_scratch)
    return b, weights_above, weights_below, mean, negative, positive


@njit_sums
def add_density(b, weight, at, m, base, density):
    """density += weight exp(base + b m - at), all : (n,)."""
    for k in range(m.size):
        density[k] += weight * exp(base[k] + b * m[k] - at)


@njit
def next_density(b, weights, a, kappa, refine):
    """Masses of theta under exp[a m^2 + b m + kappa Ent] / Z(b), for several distributions of b at once.

    b : (n,), weights : (n, g). Returns theta (k,) and masses (k, g) on the fine grid.
    """
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    theta, m, _, _, base = local_nodes(a, kappa, 0.0, slope, refine, FINE)
    _, m1, _, _, base1 = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    mass = np.zeros((weights.shape[1], theta.size))
    row = np.empty(theta.size)
    scratch = np.empty(m1.size)
    for k in range(b.size):
        if weights[k].sum() < _NEGLIGIBLE:
            continue
        i, j = window(base, m, b[k], b[k])
        at = log_z(b[k], m1, base1, scratch)
        row[i:j] = 0.0
        add_density(b[k], 1.0, at, m[i:j], base[i:j], row[i:j])
        for g in range(weights.shape[1]):
            for n in range(i, j):
                mass[g, n] += weights[k, g] * row[n]
    return theta, np.ascontiguousarray(mass.T)


# --- anchors quadratic in theta ---------------------------------------------------------------------------------------


@njit
def _bent(base, theta, curvature, centre, out):
    """out = base - curvature (theta - centre)^2 / 2: the local measure's log-weights under a quadratic anchor."""
    for k in range(theta.size):
        gap = theta[k] - centre
        out[k] = base[k] - 0.5 * curvature * gap * gap


@njit
def _balance(low, high, start, m, short, sech2, bent, scratch):
    """The field in [low, high] where <m> = 0, about which it may step; an end if there is none inside."""
    b = min(max(start, low), high)
    left = low
    right = high
    for _ in range(60):
        _, mean, _, _, _, variance = local_moments(b, m, short, sech2, bent, scratch)
        if mean > 0.0:
            right = b
        else:
            left = b
        trial = b - mean / max(variance, 1e-300)
        if not left < trial < right:
            trial = 0.5 * (left + right)
        if abs(trial - b) < 1e-2 or abs(mean) < 0.1:  # as near as a node
            return trial
        b = trial
    return b


@njit
def _reference_stride(theta, curvature, first, last, q_hat, refine):
    """Every how many fine nodes a reference is needed: as theta_ref passes 0, <sign m> steps over 1/sqrt(c), or over
    what the field smears it to, as it moves theta by sqrt(q_hat)/c (2.5 at most in m sech^2)."""
    spacing = 0.0
    for i in range(first, last - 1):
        spacing = max(spacing, theta[i + 1] - theta[i])
    largest = curvature[first:last].max()
    smooth = min(max(1.0 / math.sqrt(largest), math.sqrt(q_hat) / (2.5 * largest)), _BUMP)
    return max(int(min(0.6 * smooth / (spacing * refine), FINE / refine)), 1)


@njit
def _fields(r_hat, q_hat, a, refine, drop):
    """The largest |b|, and a grid of b - balance with db/dt that serves every reference.

    It is uniform in a coordinate of its own; each reference cuts its range out of it.
    """
    sd = math.sqrt(max(q_hat, _POINT))
    reach = math.sqrt(2.0 * drop * refine) * sd + abs(r_hat)
    x, jacobian = graded_nodes(-2.0 * reach, 2.0 * reach, min(sd, _SMOOTHEST), a, refine)
    return reach, x, jacobian


@njit
def _gauss(b, mean, q_hat):
    """The density of sqrt(q_hat) x + mean at b."""
    variance = max(q_hat, _POINT)
    gap = b - mean
    return math.exp(-0.5 * gap * gap / variance) / math.sqrt(2.0 * math.pi * variance)


@njit
def quadratic_sweep(reference, masses, curvature, centre, kappa, q_hat, r_hat, q_star_hat, refine):
    """One entropic sweep under a quadratic anchor: as `entropic`, with means over theta_ref and s too.

    reference : (n,) theta_ref, masses : (n, 2) the sites with s = +1 and s = -1, curvature, centre : (n,) c and mu.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    stride = _reference_stride(reference, curvature, first, last, q_hat, refine)
    reach, x, jacobian = _fields(r_hat, q_hat, a, refine, _DROP)
    slope = reach + 2.0 * abs(a)
    root_c = math.sqrt(curvature[first:last].max())
    theta, m, short, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    bent = np.empty(m.size)
    scratch = np.empty(m.size)
    q = 0.0
    v = 0.0
    d = 0.0
    g_s = 0.0
    spread = 0.0
    deficit = 0.0
    squares = 0.0
    balance = 0.0
    for i in range(first, last, stride):
        if masses[i, 0] + masses[i, 1] < _NEGLIGIBLE:
            continue
        _bent(base, theta, curvature[i], centre[i], bent)
        k0, k1 = window(bent, m, -reach, reach)
        near_m, near_short, near_sech2, near = m[k0:k1], short[k0:k1], sech2[k0:k1], bent[k0:k1]
        balance = _balance(-reach, reach, balance, near_m, near_short, near_sech2, near, scratch)
        for k in range(np.searchsorted(x, -reach - balance), np.searchsorted(x, reach - balance)):
            b = x[k] + balance
            agreeing = stride * jacobian[k] * masses[i, 0] * _gauss(b, r_hat, q_hat)
            opposed = stride * jacobian[k] * masses[i, 1] * _gauss(b, -r_hat, q_hat)
            weight = agreeing + opposed
            if weight < _NEGLIGIBLE:
                continue
            log_norm, mean, above, below, edge, variance = local_moments(
                b, near_m, near_short, near_sech2, near, scratch
            )
            q += weight * mean * mean
            d += weight * edge
            v += weight * variance
            g_s += weight * log_norm
            spread += weight * variance * variance
            deficit += agreeing * above + opposed * below
            squares += agreeing * above * above + opposed * below * below
    return q, 1.0 - deficit, v, d, squares - deficit * deficit, g_s, spread


@njit
def quadratic_observables(reference, masses, curvature, centre, kappa, q_hat, r_hat, q_star_hat, refine, whole):
    """Under a quadratic anchor, for each reference and each sign of the task's teacher, (3, 2, n): the share of m < 0,
    that of m > 0 and <m>; a product with masses : (n,) is their mean. References not needed for that are left at 0.

    masses : (n,) of all sites, which tell the references that count.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses)
    stride = _reference_stride(reference, curvature, first, last, q_hat, refine)
    reach, x, jacobian = _fields(r_hat, q_hat, a, refine, _FAR_DROP if whole else _DROP)
    slope = reach + 2.0 * abs(a)
    root_c = math.sqrt(curvature[first:last].max())
    theta, m, short, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    half_theta, half_m, half_base = half_nodes(a, kappa, root_c, slope, refine)
    bent = np.empty(m.size)
    scratch = np.empty(m.size)
    half_scratch = np.empty(half_m.size)
    bent_plus = np.empty(half_m.size)
    bent_minus = np.empty(half_m.size)
    negligible = 0.0 if whole else _NEGLIGIBLE
    result = np.zeros((3, 2, reference.size))
    balance = 0.0
    for i in range(first, last, stride):
        if masses[i] <= negligible:
            continue
        _bent(base, theta, curvature[i], centre[i], bent)
        _bent(half_base, half_theta, curvature[i], centre[i], bent_plus)
        _bent(half_base, half_theta, curvature[i], -centre[i], bent_minus)
        k0, k1 = window(bent, m, -reach, reach)
        plus = window(bent_plus, half_m, -reach, reach)
        minus = window(bent_minus, half_m, -reach, reach)
        near_m, near_short, near_sech2, near = m[k0:k1], short[k0:k1], sech2[k0:k1], bent[k0:k1]
        balance = _balance(-reach, reach, balance, near_m, near_short, near_sech2, near, scratch)
        for k in range(np.searchsorted(x, -reach - balance), np.searchsorted(x, reach - balance)):
            b = x[k] + balance
            agreeing = stride * jacobian[k] * _gauss(b, r_hat, q_hat)
            opposed = stride * jacobian[k] * _gauss(b, -r_hat, q_hat)
            if (agreeing + opposed) * masses[i] <= negligible:
                continue
            _, mean, above, below, _, _ = local_moments(b, near_m, near_short, near_sech2, near, scratch)
            if not whole and above < _NEGLIGIBLE:  # the share of m < 0 is less than 1 - <m>
                negative, positive = 0.0, 1.0
            elif not whole and below < _NEGLIGIBLE:
                negative, positive = 1.0, 0.0
            else:
                negative, positive = both_shares(
                    log_z(b, half_m[plus[0] : plus[1]], bent_plus[plus[0] : plus[1]], half_scratch)
                    - log_z(-b, half_m[minus[0] : minus[1]], bent_minus[minus[0] : minus[1]], half_scratch)
                )
            for side, weight in ((0, agreeing), (1, opposed)):
                result[0, side, i] += weight * negative
                result[1, side, i] += weight * positive
                result[2, side, i] += weight * mean
    return result


@njit
def quadratic_density(reference, masses, curvature, centre, s, kappa, q_hat, r_hat, q_star_hat, refine):
    """What a task under a quadratic anchor leaves behind as the next reference, on columns of sites that share the
    teacher's sign s: theta (k,) and masses (k, c) on the fine grid, from masses : (n, c)."""
    a = q_star_hat - 0.5 * q_hat
    columns = masses.shape[1]
    total = masses.sum(axis=1)
    first, last = support(total)
    stride = _reference_stride(reference, curvature, first, last, q_hat, refine)
    reach, x, jacobian = _fields(r_hat, q_hat, a, refine, _DROP)
    slope = reach + 2.0 * abs(a)
    root_c = math.sqrt(curvature[first:last].max())
    theta, m, short, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    fine_theta, fine_m, _, _, fine_base = local_nodes(a, kappa, root_c, slope, refine, FINE)
    bent = np.empty(m.size)
    scratch = np.empty(m.size)
    fine_bent = np.empty(fine_m.size)
    row = np.empty(fine_m.size)
    density = np.zeros((fine_theta.size, columns))
    balance = 0.0
    for i in range(first, last, stride):
        if total[i] < _NEGLIGIBLE:
            continue
        _bent(base, theta, curvature[i], centre[i], bent)
        _bent(fine_base, fine_theta, curvature[i], centre[i], fine_bent)
        k0, k1 = window(bent, m, -reach, reach)
        j0, j1 = window(fine_bent, fine_m, -reach, reach)
        near_m, near_short, near_sech2, near = m[k0:k1], short[k0:k1], sech2[k0:k1], bent[k0:k1]
        balance = _balance(-reach, reach, balance, near_m, near_short, near_sech2, near, scratch)
        row[j0:j1] = 0.0
        for k in range(np.searchsorted(x, -reach - balance), np.searchsorted(x, reach - balance)):
            b = x[k] + balance
            weight = stride * jacobian[k] * _gauss(b, r_hat * s, q_hat)
            if weight * total[i] < _NEGLIGIBLE:
                continue
            at = log_z(b, near_m, near, scratch)
            add_density(b, weight, at, fine_m[j0:j1], fine_bent[j0:j1], row[j0:j1])
        for j in range(j0, j1):
            for c in range(columns):
                density[j, c] += masses[i, c] * row[j]
    return fine_theta, density
