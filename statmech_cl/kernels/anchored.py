"""What the kernels behind a reference share: which masses count, and the sums of one pass, node by node."""

from __future__ import annotations

from ._jit import njit, njit_loop
from .local import local_moments
from .vector import exp

FINE = 10  # the reference's grid is finer than a local measure's by this factor, to resolve narrow smoothing
NEGLIGIBLE = 1e-18  # masses below it are not visited
FAR_DROP = 200.0  # log of the weight at which a window ends where rare signs are counted
BUMP = 0.2  # scale in theta on which a reference's density varies
N_SUMS = 7


@njit
def support(mass):
    """First and one past the last index of non-negligible mass : (n,)."""
    first = 0
    last = mass.size
    while first < last - 1 and mass[first] < NEGLIGIBLE:
        first += 1
    while last > first + 1 and mass[last - 1] < NEGLIGIBLE:
        last -= 1
    return first, last


@njit
def add_node(sums, agreeing, opposed, b, m, shortfall, sech2, base, scratch):
    """Add a node of the field b, of weight `agreeing` where s = +1 and `opposed` where s = -1, to the sums of a pass.

    sums : (7,), of <m>^2, <m^2> - <m>^2, 1 - <m^2>, ln Z, the squared variance, s - <m> and its square. Returns the
    distances 1 - <m> and 1 + <m>.
    """
    log_norm, mean, above, below, edge, variance = local_moments(b, m, shortfall, sech2, base, scratch)
    weight = agreeing + opposed
    sums[0] += weight * mean * mean
    sums[1] += weight * variance
    sums[2] += weight * edge
    sums[3] += weight * log_norm
    sums[4] += weight * variance * variance
    sums[5] += agreeing * above + opposed * below
    sums[6] += agreeing * above * above + opposed * below * below
    return above, below


@njit_loop
def add_density(b, weight, at, m, base, density):
    """density += weight exp(base + b m - at), all : (n,)."""
    for k in range(m.size):
        density[k] += weight * exp(base[k] + b * m[k] - at)
