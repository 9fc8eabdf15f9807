"""Conjugates -> order parameters: one pass over the entropic integrals, for any local measure of one site.

    one task:  a = q_star_hat - q_hat / 2,  b = sqrt(q_hat) z + r_hat,  kappa = beta with the KL prior, else 0
    q = Int Dz <m>^2,   r = Int Dz <m>,   q_star = Int Dz <m^2>,   p = Int Dz <sign m>

with <.> of the site at the field b, see `local`.
"""

from __future__ import annotations

import numpy as np

from ._jit import njit
from .grids import field_nodes
from .local import TOGETHER, both_shares, interval_nodes, local_moments, log_z, sign_nodes, window

# As NumPy's they are no literals: one compiled version of `field_nodes` serves both.
_NEAR, _FAR = np.bool_(False), np.bool_(True)


@njit
def entropic(q_hat, r_hat, q_star_hat, kappa, refine):
    """One pass: (q, r, q_star - q, 1 - q_star, q - r^2, Int Dz ln Z, Int Dz (<m^2> - <m>^2)^2). kappa : None for 0
    compiles less."""
    a = q_star_hat - 0.5 * q_hat
    b, weight = field_nodes(r_hat, q_hat, a, _NEAR, refine)
    slope = max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a)
    m, shortfall, sech2, base = interval_nodes(a, kappa, slope, refine)
    scratch = np.empty((3, m.size))
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
    b, weight = field_nodes(r_hat, q_hat, a, _FAR, refine)
    m, base = sign_nodes(a, kappa, max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a), refine)
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
