"""How the averages of a pass move with the hats, from the cumulants of m at each field: two more sums a field.

    d<m>/db = k2,   dk2/db = k3,   dk3/db = k4,   d<f>/da = <f m^2> - <f><m^2>
    d/dr_hat E f(b) = E s f',   d/dq_hat E f(b) = E f'' / 2,   b = sqrt(q_hat) x + r_hat s + ...

with k2, k3, k4 the cumulants of m at b. `statmech_cl.responses` puts together what is summed here.
"""

from __future__ import annotations

from ._jit import njit, njit_loop
from .sums import sums

N_RESPONSES = 11


@njit
def _add(moved, agreeing, opposed, above, below, k2, k3, k4):
    """Add a field of weight `agreeing` where s = +1 and `opposed` where s = -1; above, below : 1 - <m>, 1 + <m>."""
    mean = 0.5 * (below - above)
    both, odd = agreeing + opposed, agreeing - opposed
    sides = agreeing * above - opposed * below
    skew = k3 + 2.0 * mean * k2  # cov(m, m^2)
    bend = k4 + 2.0 * k2 * k2 + 2.0 * mean * k3  # its slope in b, and cov((m - <m>)^2, m^2)
    moved[0] += odd * k3
    moved[1] += odd * skew
    moved[2] += odd * mean * k2
    moved[3] += both * mean * k3
    moved[4] += both * mean * skew
    moved[5] += both * k4
    moved[6] += both * bend
    moved[7] += both * (bend + 2.0 * mean * skew)  # the variance of m^2
    moved[8] += (agreeing * above + opposed * below) * k2
    moved[9] += sides * k3
    moved[10] += sides * skew


@njit
def _add_moments(moved, agreeing, opposed, above, below, first, second, third, fourth):
    """`_add` from the moments of the distances of m from a centre."""
    k2 = second - first * first
    k3 = third - first * (3.0 * second - 2.0 * first * first)
    k4 = fourth - first * (4.0 * third - first * (12.0 * second - 6.0 * first * first)) - 3.0 * second * second
    _add(moved, agreeing, opposed, above, below, k2, k3, k4)


@njit_loop
def times(x, y, out):
    """out = x y."""
    for k in range(x.size):
        out[k] = x[k] * y[k]


@njit
def add_node_responses(moved, agreeing, opposed, above, below, scratch, size):
    """Add a node of the field, of which `local_moments` has left weights, distances and their squares in `scratch`."""
    weights, gaps, squares = scratch[0, :size], scratch[1, :size], scratch[2, :size]
    z, first = sums(weights, (gaps,))
    times(weights, squares, weights)
    second, third, fourth = sums(weights, (gaps, squares))
    _add_moments(moved, agreeing, opposed, above, below, first / z, second / z, third / z, fourth / z)


@njit_loop
def higher_gaps(squares, m, shortfall, centre, near, side, third, fourth):
    """The weights times the third and fourth power of the distances, from those times the second; see
    `blocks.weighted_gaps`."""
    for k in range(m.size):
        gap = side * (near - shortfall[k]) if m[k] * side >= 0.0 else m[k] - centre
        third[k] = squares[k] * gap
        fourth[k] = third[k] * gap


@njit
def add_block_responses(moved, table, size, near, side):
    """Add `size` fields of a block, of which `table` has the sums that `blocks.add_fields` reads, and in rows 10 and 11
    those of the third and fourth power."""
    for k in range(size):
        inverse = 1.0 / table[0, k]
        first = table[2, k] * inverse
        to_edge = near - side * first  # 1 - side <m>
        above = to_edge if side > 0.0 else 2.0 - to_edge
        second, third, fourth = table[3, k] * inverse, table[10, k] * inverse, table[11, k] * inverse
        _add_moments(moved, table[4, k], table[5, k], above, 2.0 - above, first, second, third, fourth)
