"""Local measures at neighbouring fields, from one exponential a node for all of them.

    exp[f(m) + b m] = exp[f(m) + b_0 m] exp[(b - b_0) m]

The second factor is the same for every f: what costs a site an exponential for each field and node is a product of
tables where many sites see the same fields. A block of fields lies close together, so that one window of nodes, and one
centre for the distances of m that variances are taken from, serve all of it.
"""

from __future__ import annotations

import math

from ._jit import njit, njit_loop
from .local import TOGETHER
from .sums import sums
from .vector import exp, log

SPAN = 12.0  # of a block in b
FAR = 100.0  # in b, from the field at which a site's weights were computed to those that they are carried to
_LEAST = -460.0  # of the exponents: no weight becomes subnormal on its way


@njit
def block_end(b, first):
    """One past the last field of the block of b : (n,) that begins at `first`."""
    last = first + 1
    while last < b.size and last < first + TOGETHER and b[last] - b[first] <= SPAN:
        last += 1
    return last


@njit_loop
def tilts(b, m, shift, out):
    """out = exp(b m - shift)."""
    for k in range(m.size):
        out[k] = exp(b * m[k] - shift)


@njit_loop
def weights_of(exponents, top):
    """exp(x - top) in place of the exponents x."""
    for k in range(exponents.size):
        x = exponents[k] - top
        exponents[k] = exp(x if x > _LEAST else _LEAST)


@njit_loop
def _product(weights, tilt, out):
    """out = weights tilt, and its maximum."""
    top = 0.0
    for k in range(weights.size):
        x = weights[k] * tilt[k]
        out[k] = x
        if x > top:
            top = x
    return top


@njit
def carried(weights, tilt, first, drop, out):
    """Weights in the middle of a block, in `out`: the window of nodes from `first` on that may count in it, and the
    heaviest one."""
    top = _product(weights[first:], tilt[first:], out[first:])
    least = top * math.exp(-drop - SPAN)
    last = weights.size
    while out[first] < least:
        first += 1
    while out[last - 1] < least:
        last -= 1
    at = first
    while out[at] < top:
        at += 1
    return first, last, at


@njit_loop
def weighted_gaps(weights, m, shortfall, sech2, centre, near, side, edge, first, second):
    """The weights times 1 - m^2, times the distance of m from m = centre, and times its square; distances are taken
    between those to the edge where that keeps digits."""
    for k in range(m.size):
        gap = side * (near - shortfall[k]) if m[k] * side >= 0.0 else m[k] - centre
        edge[k] = weights[k] * sech2[k]
        first[k] = weights[k] * gap
        second[k] = first[k] * gap


@njit_loop
def _means(z, edge, first, second, top, centre, near, side, agreeing, opposed, log_z, variance, above, below):
    """From sums at each field ln Z and what `add_fields` sums: <1 - m^2>, <m>^2, <m^2> - <m>^2 and its square, in place
    of the sums, 1 - <m> and 1 + <m>, the weights of both signs together, in place of one, and times these distances."""
    for k in range(z.size):
        inverse = 1.0 / z[k]
        gap = first[k] * inverse
        mean = centre + gap
        to_edge = near - side * gap  # 1 - side <m>
        log_z[k] = top + log(z[k])
        variance[k] = second[k] * inverse - gap * gap
        above[k] = to_edge if side > 0.0 else 2.0 - to_edge
        below[k] = 2.0 - to_edge if side > 0.0 else to_edge
        edge[k] *= inverse
        first[k] = mean * mean
        second[k] = variance[k] * variance[k]
        z[k] = agreeing[k] + opposed[k]
        agreeing[k] *= above[k]
        opposed[k] *= below[k]


@njit
def add_fields(summed, table, size, top, centre, near, side):
    """Add `size` fields to the sums of a pass, see `anchored.add_node`.

    table : rows of sums of the weights times 1, 1 - m^2, distances from m = centre and their squares, then of what the
    fields weigh where s = +1 and s = -1; four more are scratch.
    """
    z, edge, first, second = table[0, :size], table[1, :size], table[2, :size], table[3, :size]
    agreeing, opposed, log_z, variance = table[4, :size], table[5, :size], table[6, :size], table[7, :size]
    above, below = table[8, :size], table[9, :size]
    _means(z, edge, first, second, top, centre, near, side, agreeing, opposed, log_z, variance, above, below)
    averages = sums(z, (first, variance, edge, log_z, second))
    for i in range(5):
        summed[i] += averages[i + 1]
    plus, minus = sums(agreeing, (above,)), sums(opposed, (below,))
    summed[5] += plus[0] + minus[0]
    summed[6] += plus[1] + minus[1]
