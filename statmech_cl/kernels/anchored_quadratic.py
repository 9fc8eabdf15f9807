"""The entropic side behind a reference under an anchor quadratic in theta (Franz-Parisi): EWC, L2, and their like.

    exp[ a m^2 + b m + kappa Ent(m) - c (theta - mu)^2 / 2 ],   b = sqrt(q_hat) x + r_hat s

with c and mu functions of theta_ref: the local measure keeps theta_ref as a second argument, and integrals run over
(theta_ref, b). Densities of theta_ref are carried as in `anchored_field`.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_loop
from .anchored import BUMP, FAR_DROP, FINE, N_SUMS, NEGLIGIBLE, add_density, support
from .blocks import FAR, SPAN, add_fields, block_end, carried, tilts, weighted_gaps, weights_of
from .grids import graded_nodes
from .local import (
    DROP,
    TOGETHER,
    half_nodes,
    local_moments,
    local_nodes,
    log_weights,
    log_z,
    window,
)
from .responses import add_block_responses, higher_gaps, times
from .sums import sums
from .vector import exp, log

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
        if not left <= trial <= right:
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


@njit_loop
def _densities(x, jacobian, shift, q_hat, weight, out):
    """weight times what the nodes x stand for under a Gaussian of variance q_hat around -shift."""
    variance = max(q_hat, _POINT)
    each = weight / math.sqrt(2.0 * math.pi * variance)
    for k in range(x.size):
        gap = x[k] + shift
        out[k] = each * jacobian[k] * exp(-0.5 * gap * gap / variance)


@njit_loop
def _shares(positive, mean, negative, mean_negative, log_ratio):
    """From the sums of weights and of weights times |m|, for m > 0 and for m < 0, exp(-log_ratio) to one: the shares of
    both signs and <m>, in place of the first three."""
    for k in range(mean.size):
        log_odds = log_ratio + log(positive[k]) - log(negative[k])
        odds = exp(-abs(log_odds))
        common = 1.0 / (1.0 + odds)
        rare = odds * common
        above = common if log_odds > 0.0 else rare
        below = rare if log_odds > 0.0 else common
        mean[k] = above * mean[k] / positive[k] - below * mean_negative[k] / negative[k]
        positive[k] = above
        negative[k] = below


@njit
def _places(masses, first, last, stride, curvature, centre, r_hat, q_hat, reach, x, jacobian, nodes, least):
    """The references that count, (n,); for each the window of nodes and the range of the grid x of fields that do,
    (n, 4), and the field at which <m> = 0, (n,)."""
    theta, m, shortfall, sech2, base = nodes
    used = np.arange(first, last, stride)
    places = np.zeros((used.size, 4), dtype=np.int64)
    balances = np.empty(used.size)
    anchored = np.empty(m.size)
    scratch = np.empty((3, m.size))
    variance = max(q_hat, _POINT)
    largest = stride * jacobian.max() / math.sqrt(2.0 * math.pi * variance)
    balance = 0.0
    kept = 0
    for i in used:
        peak = largest * masses[i]
        if peak <= least:
            continue
        _anchor(base, theta, curvature[i], centre[i], anchored)
        k0, k1 = window(anchored, m, -reach, reach)
        balance = _balance(-reach, reach, balance, m[k0:k1], shortfall[k0:k1], sech2[k0:k1], anchored[k0:k1], scratch)
        own = reach
        if least > 0.0:  # a field beyond has less
            own = min(reach, abs(r_hat) + math.sqrt(2.0 * variance * math.log(peak / least)))
        begin, end = _within(x, own, balance)
        used[kept] = i
        balances[kept] = balance
        places[kept] = k0, k1, begin, end
        kept += 1
    return used[:kept], places[:kept], balances[:kept]


@njit
def quadratic_averages(reference, masses, curvature, centre, kappa, q_hat, r_hat, q_star_hat, refine, moved):
    """One entropic pass under a quadratic anchor: as `entropic`, with means over theta_ref and s too.

    reference : (n,) theta_ref, masses : (n, 2) the sites with s = +1 and s = -1, curvature, centre : (n,) c and mu.
    moved : (N_RESPONSES,) to which `responses` adds, or (0,).
    """
    a = q_star_hat - 0.5 * q_hat
    everything = masses.sum(axis=1)
    first, last = support(everything)
    stride, reach, x, jacobian, slope, root_c = _grids(reference, curvature, first, last, q_hat, r_hat, a, refine, DROP)
    nodes = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    theta, m, shortfall, sech2, base = nodes
    share = min(refine, 1.0)  # of the digits: a coarse rule leaves out more
    used, places, balances = _places(
        everything, first, last, stride, curvature, centre, r_hat, q_hat, reach, x, jacobian, nodes, NEGLIGIBLE**share
    )
    weights = np.empty((used.size, m.size))
    tops = np.empty(used.size)
    tilt = np.empty(m.size)
    rows = np.empty((6, m.size))
    field_tilts = np.empty((TOGETHER, m.size))
    table = np.empty((12, TOGETHER))
    summed = np.zeros(N_SUMS)
    known_at = -math.inf
    k = 0
    while k < x.size:
        end = block_end(x, k)
        middle = 0.5 * (x[k] + x[end - 1])
        if abs(middle - known_at) > FAR:
            known_at = middle + FAR
            for n in range(used.size):
                if places[n, 3] > k and x[places[n, 2]] < known_at + FAR + SPAN:
                    k0, k1 = places[n, 0], places[n, 1]
                    own = weights[n, k0:k1]
                    _anchor(base[k0:k1], theta[k0:k1], curvature[used[n]], centre[used[n]], own)
                    tops[n] = log_weights(known_at + balances[n], m[k0:k1], own, own)
                    weights_of(own, tops[n])
        tilts(middle - known_at, m, abs(middle - known_at), tilt)
        for j in range(k, end):
            tilts(x[j] - middle, m, 0.0, field_tilts[j - k])
        for n in range(used.size):
            begin, finish = max(places[n, 2], k), min(places[n, 3], end)
            if begin >= finish:
                continue
            k1 = places[n, 1]
            i, j, at = carried(weights[n, :k1], tilt[:k1], places[n, 0], share * DROP, rows[0, :k1])
            places[n, 0] = i  # lighter nodes further left stay so at all larger fields
            near = shortfall[at]
            side = 1.0 if m[at] >= 0.0 else -1.0
            own, edge, gaps, squares = rows[0, i:j], rows[1, i:j], rows[2, i:j], rows[3, i:j]
            weighted_gaps(own, m[i:j], shortfall[i:j], sech2[i:j], m[at], near, side, edge, gaps, squares)
            for field in range(begin, finish):
                _, z, e, g, gg = sums(field_tilts[field - k, i:j], (own, edge, gaps, squares))
                table[0, field - begin], table[1, field - begin] = z, e
                table[2, field - begin], table[3, field - begin] = g, gg
            if moved.size > 0:
                third, fourth = rows[4, i:j], rows[5, i:j]
                higher_gaps(squares, m[i:j], shortfall[i:j], m[at], near, side, third, fourth)
                for field in range(begin, finish):
                    tilted = field_tilts[field - k, i:j]
                    _, table[10, field - begin], table[11, field - begin] = sums(tilted, (third, fourth))
            size = finish - begin
            for row, s in ((4, 1.0), (5, -1.0)):
                weight = stride * masses[used[n], row - 4]
                shift = balances[n] - s * r_hat
                _densities(x[begin:finish], jacobian[begin:finish], shift, q_hat, weight, table[row, :size])
            if moved.size > 0:
                add_block_responses(moved, table, size, near, side)
            add_fields(summed, table, size, tops[n] + abs(middle - known_at), m[at], near, side)
        k = end
    q, fluctuation, uncertainty, g_s, spread, deficit, squared = summed
    return q, 1.0 - deficit, fluctuation, uncertainty, squared - deficit * deficit, g_s, spread


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
    nodes = local_nodes(a, kappa, root_c, slope, refine, 1.0)
    used, places, balances = _places(
        masses, first, last, stride, curvature, centre, r_hat, q_hat, reach, x, jacobian, nodes,
        0.0 if far_tails else NEGLIGIBLE,
    )  # fmt: skip
    theta, m, base = half_nodes(a, kappa, root_c, slope, refine)
    weights = np.empty((2, used.size, m.size))  # of m > 0 and, at -m, of m < 0
    windows = np.empty((2, used.size, 2), dtype=np.int64)
    tops = np.empty((2, used.size))
    for n in range(used.size):
        for side, sign in ((0, 1.0), (1, -1.0)):
            _anchor(base, theta, curvature[used[n]], sign * centre[used[n]], weights[side, n])
            windows[side, n] = window(weights[side, n], m, -reach, reach)
    tilt = np.empty((2, m.size))
    rows = np.empty((2, m.size))
    field_tilts = np.empty((2, TOGETHER, m.size))
    table = np.empty((6, TOGETHER))
    result = np.zeros((3, 2, reference.size))
    known_at = -math.inf
    k = 0
    while k < x.size:
        end = block_end(x, k)
        middle = 0.5 * (x[k] + x[end - 1])
        if abs(middle - known_at) > FAR:
            known_at = middle + FAR
            for n in range(used.size):
                if places[n, 3] > k and x[places[n, 2]] < known_at + FAR + SPAN:
                    for side, sign in ((0, 1.0), (1, -1.0)):
                        i, j = windows[side, n]
                        own = weights[side, n, i:j]
                        _anchor(base[i:j], theta[i:j], curvature[used[n]], sign * centre[used[n]], own)
                        tops[side, n] = log_weights(sign * (known_at + balances[n]), m[i:j], own, own)
                        weights_of(own, tops[side, n])
        for side, sign in ((0, 1.0), (1, -1.0)):
            tilts(sign * (middle - known_at), m, abs(middle - known_at), tilt[side])
            for j in range(k, end):
                tilts(sign * (x[j] - middle), m, 0.0, field_tilts[side, j - k])
        for n in range(used.size):
            begin, finish = max(places[n, 2], k), min(places[n, 3], end)
            if begin >= finish:
                continue
            for side in range(2):
                k0, k1 = windows[side, n]
                i, j, _ = carried(weights[side, n, :k1], tilt[side, :k1], k0, DROP, rows[0, :k1])
                own, by_m = rows[0, i:j], rows[1, i:j]
                times(own, m[i:j], by_m)
                for field in range(begin, finish):
                    _, z, mz = sums(field_tilts[side, field - k, i:j], (own, by_m))
                    table[2 * side, field - begin], table[2 * side + 1, field - begin] = z, mz
            size = finish - begin
            positive, negative, mean = table[0, :size], table[2, :size], table[1, :size]
            _shares(positive, mean, negative, table[3, :size], tops[0, n] - tops[1, n])
            for row, s in ((4, 1.0), (5, -1.0)):
                density = table[row, :size]
                shift = balances[n] - s * r_hat
                _densities(x[begin:finish], jacobian[begin:finish], shift, q_hat, float(stride), density)
                _, below, above, first_moment = sums(density, (negative, positive, mean))
                result[0, row - 4, used[n]] += below
                result[1, row - 4, used[n]] += above
                result[2, row - 4, used[n]] += first_moment
        k = end
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
