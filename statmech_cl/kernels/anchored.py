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

from ._jit import njit
from .entropic import _DROP, field_nodes, graded_nodes, half_nodes, local_moments, local_nodes, negative_share

FINE = 10  # the reference's grid is finer than a local measure's by this factor, to resolve narrow smoothing
_NEGLIGIBLE = 1e-18  # masses below it are not visited
_SMOOTHEST = 3.0  # in b: under a quadratic anchor <m> may bend anywhere, at a rate of order 1
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
def _smoothed(c, theta, masses, column, scale, sd, stride, first, last):
    """Density at c of scale theta_ref + sd x for one column of masses, from every stride-th of them."""
    reach = math.sqrt(2.0 * _DROP) * sd
    low = (c - reach) / scale
    high = (c + reach) / scale
    i = first
    j = last
    while i < j:  # bisect for the window's first node
        middle = (i + j) // 2
        if theta[middle] < low:
            i = middle + 1
        else:
            j = middle
    i += (first - i) % stride
    total = 0.0
    while i < last and theta[i] <= high:
        x = (c - scale * theta[i]) / sd
        total += masses[i, column] * math.exp(-0.5 * x * x)
        i += stride
    return stride * total / (sd * math.sqrt(2.0 * math.pi))


@njit
def total_field(theta, masses, signs, scale, q_hat, r_hat, a, refine, first, last):
    """Nodes of the total field b : (k,) and each column's weights : (k, c), a column summing to what its masses do.

    theta : (n,), masses : (n, c), of which rows first to last count, signs : (c,) the teacher's sign in each column.
    """
    columns = signs.size
    sd = math.sqrt(q_hat)
    if scale == 0.0:
        return _field_alone(masses, signs, sd, r_hat, a, refine)
    spacing = 0.0
    for i in range(first, last - 1):
        spacing = max(spacing, theta[i + 1] - theta[i])
    stride = int(min(0.6 * sd / (scale * spacing * refine), FINE))
    if stride < 1:
        return _narrow_field(theta, masses, signs, scale, sd, r_hat, first, last, refine)
    # One grid for all columns, as dense as the smoothed density and the step of <m> at b = 0 ask for.
    reach = math.sqrt(2.0 * _DROP * refine) * sd + abs(r_hat)
    smooth = math.sqrt(q_hat + (_BUMP * scale) ** 2)
    b, jacobian = graded_nodes(scale * theta[first] - reach, scale * theta[last - 1] + reach, smooth, a, refine)
    weights = np.zeros((b.size, columns))
    for k in range(b.size):
        for c in range(columns):
            at = b[k] - signs[c] * r_hat
            weights[k, c] = jacobian[k] * _smoothed(at, theta, masses, c, scale, sd, stride, first, last)
    return b, weights


@njit
def _field_alone(masses, signs, sd, r_hat, a, refine):
    """The total field without a reference in it."""
    if sd == 0.0:
        b = np.array([r_hat, -r_hat])
        weight = np.ones(2)
        half = 1
    else:
        above, weight_above = field_nodes(r_hat, sd * sd, a, False, refine)
        below, weight_below = field_nodes(-r_hat, sd * sd, a, False, refine)
        b = np.concatenate((above, below))
        weight = np.concatenate((weight_above, weight_below))
        half = above.size
    weights = np.zeros((b.size, signs.size))
    for c in range(signs.size):
        share = masses[:, c].sum()
        if signs[c] > 0:
            weights[:half, c] = share * weight[:half]
        else:
            weights[half:, c] = share * weight[half:]
    return b, weights


@njit
def _narrow_field(theta, masses, signs, scale, sd, r_hat, first, last, refine):
    """Where the Gaussian is too narrow for a grid of theta: nine Hermite nodes at each of the coarser masses."""
    stride = max(int(FINE / refine), 1)
    count = (last - first + stride - 1) // stride
    order = _HERMITE_X.size
    b = np.empty(2 * count * order)
    weights = np.zeros((b.size, signs.size))
    k = 0
    for i in range(first, last, stride):
        for j in range(order):
            centre = scale * theta[i] + sd * _HERMITE_X[j]
            b[k] = centre + r_hat
            b[k + 1] = centre - r_hat
            for c in range(signs.size):
                weights[k if signs[c] > 0 else k + 1, c] = stride * masses[i, c] * _HERMITE_W[j]
            k += 2
    return b, weights


@njit
def field_sweep(theta, masses, scale, kappa, q_hat, r_hat, q_star_hat, refine):
    """One entropic sweep where the reference is a random field: as `entropic`, with means over theta_ref and s too.

    masses : (n, 2), the sites with s = +1 and with s = -1.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    signs = np.array([1.0, -1.0])
    b, weights = total_field(theta, masses, signs, scale, q_hat, r_hat, a, refine, first, last)
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
        weight = weights[k, 0] + weights[k, 1]
        if weight < _NEGLIGIBLE:
            continue
        log_z, mean, above[k], below[k], edge, variance = local_moments(b[k], m, short, sech2, base, scratch)
        q += weight * mean * mean
        d += weight * edge
        v += weight * variance
        g_s += weight * log_z
        spread += weight * variance * variance
        deficit += weights[k, 0] * above[k] + weights[k, 1] * below[k]
    u = 0.0
    for k in range(b.size):  # q - r^2 from the distances s - <m>, free of cancellation
        u += weights[k, 0] * (above[k] - deficit) ** 2 + weights[k, 1] * (below[k] - deficit) ** 2
    return q, 1.0 - deficit, v, d, u, g_s, spread


@njit
def field_observables(theta, masses, signs, scale, kappa, q_hat, r_hat, q_star_hat, refine):
    """At each node of the total field: b : (k,), each column's weights : (k, c), the same weighted by tanh(theta_ref),
    <m> : (k,) and the share of m < 0 : (k,)."""
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    b, weights = total_field(theta, masses, signs, scale, q_hat, r_hat, a, refine, first, last)
    tilted = masses * np.tanh(theta).reshape(-1, 1)
    _, weights_ref = total_field(theta, tilted, signs, scale, q_hat, r_hat, a, refine, first, last)
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    _, m, short, sech2, base = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    _, half_m, half_base = half_nodes(a, kappa, 0.0, slope, refine)
    scratch = np.empty(m.size)
    mean = np.zeros(b.size)
    share = np.zeros(b.size)
    for k in range(b.size):
        if weights[k].sum() >= _NEGLIGIBLE:
            mean[k] = local_moments(b[k], m, short, sech2, base, scratch)[1]
            share[k] = negative_share(b[k], half_m, half_base, half_base)
    return b, weights, weights_ref, mean, share


@njit
def next_density(b, weights, a, kappa, refine):
    """Masses of theta under exp[a m^2 + b m + kappa Ent] / Z(b), for several distributions of b at once.

    b : (n,), weights : (n, g). Returns theta (k,) and masses (k, g) on the fine grid.
    """
    slope = max(abs(b.min()), abs(b.max())) + 2.0 * abs(a)
    theta, m, _, _, base = local_nodes(a, kappa, 0.0, slope, refine, FINE)
    _, m1, short1, sech1, base1 = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    groups = weights.shape[1]
    mass = np.zeros((theta.size, groups))
    scratch = np.empty(m1.size)
    for k in range(b.size):
        if weights[k].sum() < _NEGLIGIBLE:
            continue
        log_z = local_moments(b[k], m1, short1, sech1, base1, scratch)[0]
        for j in range(theta.size):
            e = base[j] + b[k] * m[j] - log_z
            if e > -_DROP:
                density = math.exp(e)
                for g in range(groups):
                    mass[j, g] += weights[k, g] * density
    return theta, mass


# --- anchors quadratic in theta ---------------------------------------------------------------------------------------


@njit
def _bent(base, theta, curvature, centre, out):
    """out = base - curvature (theta - centre)^2 / 2: the local measure's log-weights under a quadratic anchor."""
    for k in range(theta.size):
        gap = theta[k] - centre
        out[k] = base[k] - 0.5 * curvature * gap * gap


@njit
def _window(bent, m, low, high):
    """First and one past the last node that can carry weight at some field in [low, high].

    Against a node j further left, node k > j gains with b, so it is out for good if it is outweighed at b = high; and
    the other way round.
    """
    last = 0
    top = -math.inf
    for k in range(m.size):
        e = bent[k] + high * m[k]
        top = max(top, e)
        if e > top - _DROP:
            last = k + 1
    first = m.size - 1
    top = -math.inf
    for k in range(m.size - 1, -1, -1):
        e = bent[k] + low * m[k]
        top = max(top, e)
        if e > top - _DROP:
            first = k
    return min(first, last - 1), last


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
def _balanced_field(balance, mean, q_hat, a, refine):
    """Nodes and weights of b = sqrt(q_hat) x + mean, crowded about the field at which <m> = 0."""
    sd = math.sqrt(q_hat)
    if sd == 0.0:
        return np.full(1, mean), np.ones(1)
    reach = math.sqrt(2.0 * _DROP * refine) * sd
    b, weight = graded_nodes(mean - reach - balance, mean + reach - balance, min(sd, _SMOOTHEST), a, refine)
    for k in range(b.size):
        b[k] += balance
        z = (b[k] - mean) / sd
        weight[k] *= math.exp(-0.5 * z * z) / (sd * math.sqrt(2.0 * math.pi))
    return b, weight


@njit
def _reference_stride(theta, curvature, first, last, q_hat, refine):
    """Every how many fine nodes a reference is needed: its step of <m> moves by about 2.5 c with theta_ref."""
    spacing = 0.0
    for i in range(first, last - 1):
        spacing = max(spacing, theta[i + 1] - theta[i])
    smooth = max(math.sqrt(q_hat) / (2.5 * curvature[first:last].max()), _BUMP)
    return max(int(min(0.6 * smooth / (spacing * refine), FINE / refine)), 1)


@njit
def quadratic_sweep(reference, masses, curvature, centre, kappa, q_hat, r_hat, q_star_hat, refine):
    """One entropic sweep under a quadratic anchor: as `entropic`, with means over theta_ref and s too.

    reference : (n,) theta_ref, masses : (n, 2) the sites with s = +1 and s = -1, curvature, centre : (n,) c and mu.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    stride = _reference_stride(reference, curvature, first, last, q_hat, refine)
    reach = math.sqrt(2.0 * _DROP * refine * q_hat)
    slope = reach + abs(r_hat) + 2.0 * abs(a)
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
    for side in range(2):
        mean_field = r_hat if side == 0 else -r_hat
        low = mean_field - reach
        high = mean_field + reach
        balance = mean_field
        for i in range(first, last, stride):
            if masses[i, side] < _NEGLIGIBLE:
                continue
            _bent(base, theta, curvature[i], centre[i], bent)
            k0, k1 = _window(bent, m, low, high)
            near_m, near_short, near_sech2, near = m[k0:k1], short[k0:k1], sech2[k0:k1], bent[k0:k1]
            balance = _balance(low, high, balance, near_m, near_short, near_sech2, near, scratch)
            b, field_weight = _balanced_field(balance, mean_field, q_hat, a, refine)
            for k in range(b.size):
                weight = stride * masses[i, side] * field_weight[k]
                if weight < _NEGLIGIBLE:
                    continue
                log_z, mean, above, below, edge, variance = local_moments(
                    b[k], near_m, near_short, near_sech2, near, scratch
                )
                gap = above if side == 0 else below
                q += weight * mean * mean
                d += weight * edge
                v += weight * variance
                g_s += weight * log_z
                spread += weight * variance * variance
                deficit += weight * gap
                squares += weight * gap * gap
    return q, 1.0 - deficit, v, d, squares - deficit * deficit, g_s, spread


@njit
def quadratic_after(reference, masses, curvature, centre, s, kappa, q_hat, r_hat, q_star_hat, refine, with_density):
    """What a task under a quadratic anchor leaves behind, on columns of sites that share the teacher's sign s.

    masses : (n, c). Returns the mass of m < 0 : (c,), the mean of tanh(theta_ref) m : (c,), and the next reference,
    theta : (k,) and masses : (k, c) on the fine grid (zeros unless with_density).
    """
    a = q_star_hat - 0.5 * q_hat
    columns = masses.shape[1]
    total = masses.sum(axis=1)
    first, last = support(total)
    stride = _reference_stride(reference, curvature, first, last, q_hat, refine)
    reach = math.sqrt(2.0 * _DROP * refine * q_hat)
    slope = reach + abs(r_hat) + 2.0 * abs(a)
    root_c = math.sqrt(curvature[first:last].max())
    theta, m, short, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    half_theta, half_m, half_base = half_nodes(a, kappa, root_c, slope, refine)
    fine_theta, fine_m, _, _, fine_base = local_nodes(a, kappa, root_c, slope, refine, FINE)
    bent = np.empty(m.size)
    scratch = np.empty(m.size)
    bent_plus = np.empty(half_m.size)
    bent_minus = np.empty(half_m.size)
    fine_bent = np.empty(fine_m.size)
    negative = np.zeros(columns)
    overlap = np.zeros(columns)
    density = np.zeros((fine_theta.size, columns))
    balance = r_hat * s
    for i in range(first, last, stride):
        if total[i] < _NEGLIGIBLE:
            continue
        m_ref = math.tanh(reference[i])
        _bent(base, theta, curvature[i], centre[i], bent)
        _bent(half_base, half_theta, curvature[i], centre[i], bent_plus)
        _bent(half_base, half_theta, curvature[i], -centre[i], bent_minus)
        if with_density:
            _bent(fine_base, fine_theta, curvature[i], centre[i], fine_bent)
        low = r_hat * s - reach
        high = r_hat * s + reach
        k0, k1 = _window(bent, m, low, high)
        near_m, near_short, near_sech2, near = m[k0:k1], short[k0:k1], sech2[k0:k1], bent[k0:k1]
        balance = _balance(low, high, balance, near_m, near_short, near_sech2, near, scratch)
        b, field_weight = _balanced_field(balance, r_hat * s, q_hat, a, refine)
        for k in range(b.size):
            weight = stride * field_weight[k]
            if weight * total[i] < _NEGLIGIBLE:
                continue
            log_z, mean, _, _, _, _ = local_moments(b[k], near_m, near_short, near_sech2, near, scratch)
            share = negative_share(b[k], half_m, bent_minus, bent_plus)
            for c in range(columns):
                negative[c] += weight * masses[i, c] * share
                overlap[c] += weight * masses[i, c] * m_ref * mean
            if with_density:
                for j in range(fine_theta.size):
                    e = fine_bent[j] + b[k] * fine_m[j] - log_z
                    if e > -_DROP:
                        for c in range(columns):
                            density[j, c] += weight * masses[i, c] * math.exp(e)
    return negative, overlap, fine_theta, density
