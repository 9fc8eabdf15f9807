"""Conjugates -> order parameters: one pass over the entropic integrals, for any local measure of one site.

    <.> = Int_{-1}^{1} dm (.) exp[ a m^2 + b m + kappa Ent(m) ] / same without (.)
    Ent(m) = ln 2 - KL(q_theta || uniform) = -sum_{+-} (1 +- m)/2 ln((1 +- m)/2)
    one task:  a = q_star_hat - q_hat / 2,  b = sqrt(q_hat) z + r_hat,  kappa = beta with the KL prior, else 0
    q = Int Dz <m>^2,   r = Int Dz <m>,   q_star = Int Dz <m^2>,   p = Int Dz <sign m>

Nodes of m and of the field b: see `nodes`.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_sums
from .nodes import DROP, field_nodes, half_nodes, local_nodes
from .vector import exp

TOGETHER = 16  # fields that share a window of nodes
_LANES = 32  # nodes that a loop of vector instructions takes at once


@njit_sums
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


@njit_sums
def _weighted(exponents, top, m, shortfall, sech2, centre, near, side):
    """Sums over nodes of exp(exponent - top) times 1, gap, gap^2 and sech2; gap is the distance to m = centre, taken
    between distances to the edge where that keeps digits."""
    z = 0.0
    first = 0.0
    second = 0.0
    edge = 0.0
    for k in range(m.size):
        weight = exp(exponents[k] - top)
        gap = side * (near - shortfall[k]) if m[k] * side >= 0.0 else m[k] - centre
        z += weight
        first += weight * gap
        second += weight * gap * gap
        edge += weight * sech2[k]
    return z, first, second, edge


@njit_sums
def total_weight(exponents, top):
    """Sum of exp(exponent - top)."""
    z = 0.0
    for k in range(exponents.size):
        z += exp(exponents[k] - top)
    return z


@njit
def local_moments(b, m, shortfall, sech2, base, exponents):
    """At one field b: ln Z, <m>, 1 - <m>, 1 + <m>, <1 - m^2> and <m^2> - <m>^2; `exponents` is scratch of m's size."""
    top = log_weights(b, m, base, exponents)
    at = 0
    while at < m.size - 1 and exponents[at] < top:
        at += 1
    # Deviations from the heaviest node, taken between the distances to the edge, keep the digits of small variances.
    centre = m[at]
    near = shortfall[at]
    side = 1.0 if centre >= 0.0 else -1.0
    z, first, second, edge = _weighted(exponents, top, m, shortfall, sech2, centre, near, side)
    first /= z
    to_edge = near - side * first  # 1 - side <m>
    above = to_edge if side > 0.0 else 2.0 - to_edge
    below = 2.0 - to_edge if side > 0.0 else to_edge
    return top + math.log(z), centre + first, above, below, edge / z, second / z - first * first


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


@njit
def entropic(q_hat, r_hat, q_star_hat, kappa, refine):
    """One pass: (q, r, q_star - q, 1 - q_star, q - r^2, Int Dz ln Z, Int Dz (<m^2> - <m>^2)^2)."""
    a = q_star_hat - 0.5 * q_hat
    b, weight = field_nodes(r_hat, q_hat, a, False, refine)
    slope = max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a)
    _, m, shortfall, sech2, base = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    scratch = np.empty(m.size)
    deficit = np.empty(b.size)
    q = 0.0
    r = 0.0
    r_deficit = 0.0
    fluctuation = 0.0
    uncertainty = 0.0
    g_s = 0.0
    spread = 0.0
    norm = 0.0
    i, j = 0, m.size
    for k in range(b.size):
        if k % TOGETHER == 0:
            i, j = window(base, m, b[k], b[min(k + TOGETHER, b.size) - 1])
        log_norm, mean, deficit[k], _, edge, variance = local_moments(
            b[k], m[i:j], shortfall[i:j], sech2[i:j], base[i:j], scratch
        )
        norm += weight[k]
        q += weight[k] * mean * mean
        r += weight[k] * mean
        r_deficit += weight[k] * deficit[k]
        uncertainty += weight[k] * edge
        fluctuation += weight[k] * variance
        g_s += weight[k] * log_norm
        spread += weight[k] * variance * variance
    r_deficit /= norm
    perpendicular = 0.0
    for k in range(b.size):
        gap = deficit[k] - r_deficit
        perpendicular += weight[k] * gap * gap
    if r > 0.5:  # digits of 1 - r near perfect overlap, of r itself for small alpha
        r = 1.0 - r_deficit
    return q, r, fluctuation, uncertainty, perpendicular, g_s, spread


@njit
def flipped(q_hat, r_hat, q_star_hat, kappa, refine):
    """(1 - p) / 2 = Int Dz Prob(m < 0): the share of sites where the binarised student contradicts the teacher."""
    a = q_star_hat - 0.5 * q_hat
    b, weight = field_nodes(r_hat, q_hat, a, True, refine)
    _, m, base = half_nodes(a, kappa, 0.0, max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a), refine)
    scratch = np.empty(m.size)
    share = 0.0
    i, j = 0, m.size
    k0, k1 = 0, m.size
    for k in range(b.size):
        if k % TOGETHER == 0:
            low, high = b[k], b[min(k + TOGETHER, b.size) - 1]
            i, j = window(base, m, low, high)
            k0, k1 = window(base, m, -high, -low)
        log_odds = log_z(b[k], m[i:j], base[i:j], scratch) - log_z(-b[k], m[k0:k1], base[k0:k1], scratch)
        share += weight[k] * both_shares(log_odds)[0]
    return share
