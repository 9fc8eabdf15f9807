"""The entropic side behind a reference under an anchor quadratic in theta (Franz-Parisi): EWC, L2, and their like.

    exp[ a m^2 + b m + kappa Ent(m) - c (theta - mu)^2 / 2 ],   b = sqrt(q_hat) x + r_hat s

with c and mu functions of theta_ref: the local measure keeps theta_ref as a second argument, and integrals run over
(theta_ref, b). Densities of theta_ref are carried as in `anchored_field`.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit
from .anchored import BUMP, FAR_DROP, FINE, N_SUMS, NEGLIGIBLE, add_density, add_node, support
from .grids import graded_nodes
from .local import DROP, TOGETHER, half_nodes, local_moments, local_nodes, log_z, rarer_sign, shared_window, window

_POINT = 1e-16  # a variance of b that stands for none
_SMOOTHEST = 2.0  # in b: under a quadratic anchor <m> may bend anywhere, at a rate of order 1


@njit
def _anchor(base, theta, curvature, centre, out):
    """out = base - curvature (theta - centre)^2 / 2: the local measure's log-weights under a quadratic anchor."""
    for k in range(theta.size):
        gap = theta[k] - centre
        out[k] = base[k] - 0.5 * curvature * gap * gap


@njit
def _balance(low, high, start, m, shortfall, sech2, anchored, scratch):
    """The field in [low, high] where <m> = 0, about which it may step; an end if there is none inside."""
    b = min(max(start, low), high)
    left = low
    right = high
    for _ in range(60):
        _, mean, _, _, _, variance = local_moments(b, m, shortfall, sech2, anchored, scratch)
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
    smooth = min(max(1.0 / math.sqrt(largest), math.sqrt(q_hat) / (2.5 * largest)), BUMP)
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
def _grids(reference, curvature, first, last, q_hat, r_hat, a, refine, drop):
    """Every how many references one is needed, and the grid of fields; the slope and stiffness that nodes must bear."""
    stride = _reference_stride(reference, curvature, first, last, q_hat, refine)
    reach, x, jacobian = _fields(r_hat, q_hat, a, refine, drop)
    return stride, reach, x, jacobian, reach + 2.0 * abs(a), math.sqrt(curvature[first:last].max())


@njit
def _within(x, reach, balance):
    """The range of the grid x in which the field x + balance lies in [-reach, reach]."""
    return np.searchsorted(x, -reach - balance), np.searchsorted(x, reach - balance)


@njit
def _gauss(b, mean, q_hat):
    """The density of sqrt(q_hat) x + mean at b."""
    variance = max(q_hat, _POINT)
    gap = b - mean
    return math.exp(-0.5 * gap * gap / variance) / math.sqrt(2.0 * math.pi * variance)


@njit
def quadratic_averages(reference, masses, curvature, centre, kappa, q_hat, r_hat, q_star_hat, refine):
    """One entropic pass under a quadratic anchor: as `entropic`, with means over theta_ref and s too.

    reference : (n,) theta_ref, masses : (n, 2) the sites with s = +1 and s = -1, curvature, centre : (n,) c and mu.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses.sum(axis=1))
    stride, reach, x, jacobian, slope, root_c = _grids(reference, curvature, first, last, q_hat, r_hat, a, refine, DROP)
    theta, m, shortfall, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    anchored = np.empty(m.size)
    scratch = np.empty((3, m.size))
    sums = np.zeros(N_SUMS)
    balance = 0.0
    for i in range(first, last, stride):
        if masses[i, 0] + masses[i, 1] < NEGLIGIBLE:
            continue
        _anchor(base, theta, curvature[i], centre[i], anchored)
        k0, k1 = window(anchored, m, -reach, reach)
        near_m, near_shortfall, near_sech2, near = m[k0:k1], shortfall[k0:k1], sech2[k0:k1], anchored[k0:k1]
        balance = _balance(-reach, reach, balance, near_m, near_shortfall, near_sech2, near, scratch)
        begin, end = _within(x, reach, balance)
        n0, n1 = 0, near_m.size
        for k in range(begin, end):
            b = x[k] + balance
            if (k - begin) % TOGETHER == 0:
                n0, n1 = shared_window(near, near_m, x, k, end, balance, 1.0)
            agreeing = stride * jacobian[k] * masses[i, 0] * _gauss(b, r_hat, q_hat)
            opposed = stride * jacobian[k] * masses[i, 1] * _gauss(b, -r_hat, q_hat)
            if agreeing + opposed >= NEGLIGIBLE:
                add_node(
                    sums,
                    agreeing,
                    opposed,
                    b,
                    near_m[n0:n1],
                    near_shortfall[n0:n1],
                    near_sech2[n0:n1],
                    near[n0:n1],
                    scratch,
                )
    q, fluctuation, uncertainty, g_s, spread, deficit, squares = sums
    return q, 1.0 - deficit, fluctuation, uncertainty, squares - deficit * deficit, g_s, spread


@njit
def quadratic_observables(reference, masses, curvature, centre, kappa, q_hat, r_hat, q_star_hat, refine, far_tails):
    """Under a quadratic anchor, for each reference and each sign of the task's teacher, (3, 2, n): the share of m < 0,
    that of m > 0 and <m>; a product with masses : (n,) is their mean. References not needed for that are left at 0.

    masses : (n,) of all sites, which tell the references that count.
    """
    a = q_star_hat - 0.5 * q_hat
    first, last = support(masses)
    stride, reach, x, jacobian, slope, root_c = _grids(
        reference, curvature, first, last, q_hat, r_hat, a, refine, FAR_DROP if far_tails else DROP
    )
    theta, m, shortfall, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    half_theta, half_m, half_base = half_nodes(a, kappa, root_c, slope, refine)
    anchored = np.empty(m.size)
    scratch = np.empty((3, m.size))
    half_scratch = np.empty(half_m.size)
    anchored_plus = np.empty(half_m.size)
    anchored_minus = np.empty(half_m.size)
    negligible = 0.0 if far_tails else NEGLIGIBLE
    result = np.zeros((3, 2, reference.size))
    balance = 0.0
    for i in range(first, last, stride):
        if masses[i] <= negligible:
            continue
        _anchor(base, theta, curvature[i], centre[i], anchored)
        _anchor(half_base, half_theta, curvature[i], centre[i], anchored_plus)
        _anchor(half_base, half_theta, curvature[i], -centre[i], anchored_minus)
        k0, k1 = window(anchored, m, -reach, reach)
        near_m, near_shortfall, near_sech2, near = m[k0:k1], shortfall[k0:k1], sech2[k0:k1], anchored[k0:k1]
        balance = _balance(-reach, reach, balance, near_m, near_shortfall, near_sech2, near, scratch)
        begin, end = _within(x, reach, balance)
        n0, n1 = 0, near_m.size
        plus = minus = (0, half_m.size)
        for k in range(begin, end):
            b = x[k] + balance
            if (k - begin) % TOGETHER == 0:
                n0, n1 = shared_window(near, near_m, x, k, end, balance, 1.0)
                plus = shared_window(anchored_plus, half_m, x, k, end, balance, 1.0)
                minus = shared_window(anchored_minus, half_m, x, k, end, balance, -1.0)
            agreeing = stride * jacobian[k] * _gauss(b, r_hat, q_hat)
            opposed = stride * jacobian[k] * _gauss(b, -r_hat, q_hat)
            if (agreeing + opposed) * masses[i] <= negligible:
                continue
            log_norm, mean, above, below, _, _ = local_moments(
                b, near_m[n0:n1], near_shortfall[n0:n1], near_sech2[n0:n1], near[n0:n1], scratch
            )
            if not far_tails and above < NEGLIGIBLE:  # the share of m < 0 is less than 1 - <m>
                negative, positive = 0.0, 1.0
            elif not far_tails and below < NEGLIGIBLE:
                negative, positive = 1.0, 0.0
            else:
                h0, h1 = minus if mean > 0.0 else plus
                negative, positive = rarer_sign(
                    log_norm, b, mean, half_m[h0:h1], anchored_minus[h0:h1], anchored_plus[h0:h1], half_scratch
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
    stride, reach, x, jacobian, slope, root_c = _grids(reference, curvature, first, last, q_hat, r_hat, a, refine, DROP)
    theta, m, shortfall, sech2, base = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    fine_theta, fine_m, _, _, fine_base = local_nodes(a, kappa, root_c, slope, refine, FINE)
    anchored = np.empty(m.size)
    scratch = np.empty((3, m.size))
    fine_anchored = np.empty(fine_m.size)
    row = np.empty(fine_m.size)
    density = np.zeros((fine_theta.size, columns))
    balance = 0.0
    for i in range(first, last, stride):
        if total[i] < NEGLIGIBLE:
            continue
        _anchor(base, theta, curvature[i], centre[i], anchored)
        _anchor(fine_base, fine_theta, curvature[i], centre[i], fine_anchored)
        k0, k1 = window(anchored, m, -reach, reach)
        j0, j1 = window(fine_anchored, fine_m, -reach, reach)
        near_m, near_shortfall, near_sech2, near = m[k0:k1], shortfall[k0:k1], sech2[k0:k1], anchored[k0:k1]
        balance = _balance(-reach, reach, balance, near_m, near_shortfall, near_sech2, near, scratch)
        row[j0:j1] = 0.0
        for k in range(*_within(x, reach, balance)):
            b = x[k] + balance
            weight = stride * jacobian[k] * _gauss(b, r_hat * s, q_hat)
            if weight * total[i] < NEGLIGIBLE:
                continue
            at = log_z(b, near_m, near, scratch[0])
            add_density(b, weight, at, fine_m[j0:j1], fine_anchored[j0:j1], row[j0:j1])
        for j in range(j0, j1):
            for c in range(columns):
                density[j, c] += masses[i, c] * row[j]
    return fine_theta, density
