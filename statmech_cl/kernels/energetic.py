"""Order parameters -> conjugates: one pass over the energetic integrals.

    F(w)       = ln Int Dx H^beta( (sqrt(V) x + w) / sqrt(D) ),          V = q_star - q,  D = 1 - q_star
    q_hat      =  2 alpha Int Dz H(r z / sqrt(U)) F'(sqrt(q) z)^2,       U = q - r^2
    r_hat      = -2 alpha / sqrt(2 pi) Int Dz F'(sqrt(U) z)
    q_star_hat =  2 alpha Int Dz H(r z / sqrt(U)) (dF/dq_star)(sqrt(q) z)

With u = (sqrt(V) x + w) / sqrt(D), h(u) the hazard of H, and E the mean under the inner integrand,

    F' = -(beta / sqrt D) E[h],   dF/dq_star = beta (beta - 1) / (2 D) E[h^2],
    F'' = (beta / D) ((beta - 1) E[h^2] + E[u h] - beta E[h]^2),

so that nothing is divided by V, U or q. All integrals over w = sqrt(q) z are trapezoidal sums, which converge
exponentially for analytic integrands, in coordinates that follow the integrands' own scales.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit, njit_loop
from .gaussian import log_h_hazard, upper_tail
from .sums import dot, total
from .vector import exp

# Sizes of the default rule; `refine` in the passes divides steps and widens windows.
_INNER_STEP = 0.68  # in widths of the right flank of the inner integrand
_GRADED_STEP = 0.13  # in t, with x = centre + width * sinh(t)
_GRADE_BELOW = 0.2  # flank width, against 1 for the Gaussian, below which the nodes are graded
_BEND = -2.0  # where u = (sqrt(V) x + w) / sqrt(D) enters the bend of beta ln H
_OUTER_STEP = 0.13  # in t, with w = scale * sinh(t)
_DROP = 37.0  # log of the weight at which a window ends
_TOGETHER = 256  # nodes that are summed in one go


@njit_loop
def _weights(nodes, size):
    """exp(exponent) jacobian in place of the exponent, over the first nodes of (4, n): exponent, jacobian, u, h."""
    for k in range(size):
        nodes[0, k] = exp(nodes[0, k]) * nodes[1, k]


@njit
def _sums(nodes, size):
    """Sums of exp(exponent) jacobian times 1, h, h^2, u h over the first nodes of (4, n); exponents are overwritten."""
    _weights(nodes, size)
    weights, u, h = nodes[0, :size], nodes[2, :size], nodes[3, :size]
    s0 = total(weights)
    for k in range(size):
        weights[k] *= h[k]
    return s0, total(weights), dot(weights, h), dot(weights, u)


@njit
def tilted(w, root_v, root_d, beta, start, refine, table):
    """As `tilted_into`, with scratch of its own."""
    return tilted_into(w, root_v, root_d, beta, start, refine, table, np.empty((4, _TOGETHER)))


@njit
def tilted_into(w, root_v, root_d, beta, start, refine, table, nodes):
    """F(w) and the means E[h], E[h^2], E[u h] under H^beta Dx; also the mode, to start the next search.

    The log-integrand -x^2/2 + beta ln H(s x + w / sqrt D), s = sqrt(V / D), is concave: its mode is found by Newton
    and the nodes are put around it, because it moves to x = -10 and beyond for w > 0. `nodes` : (4, n) is scratch.
    """
    s = root_v / root_d
    shift = w / root_d
    x = start
    for _ in range(60):
        u = s * x + shift
        _, hazard = log_h_hazard(u, table)
        slope = x + beta * s * hazard
        curvature = 1.0 + beta * s * s * hazard * max(hazard - u, 0.0)
        step = slope / curvature
        x -= step
        if abs(step) < 1e-3:
            break
    mode = x
    u = s * mode + shift
    log_h, hazard = log_h_hazard(u, table)
    curvature = 1.0 + beta * s * s * hazard * max(hazard - u, 0.0)
    # The curvature grows to the right, from that of the Gaussian to 1 + beta s^2, mostly where u is between -3 and 0.
    # While these differ little, or the bend is out of reach, one step serves: x = mode + sharp k step. Else the nodes
    # are graded, x = centre + sharp sinh(k step), around the bend or, if it lies further right, around the mode.
    sharp = 1.0 / math.sqrt(1.0 + beta * s * s)
    graded = sharp < _GRADE_BELOW and s * (mode + 9.0) + shift > -6.0
    centre = mode
    start_t = 0.0
    step = _INNER_STEP / refine
    if graded:
        centre = mode + max(_BEND - u, 0.0) / s + 3.0 * sharp
        start_t = -math.asinh((centre - mode) / sharp)
        # far from the centre the grading must not outgrow the Gaussian around the mode
        step = min(_GRADED_STEP, 0.5 / (centre - mode)) / refine
    elif sharp < _GRADE_BELOW:
        sharp = 1.0
    drop = _DROP * refine

    top = -0.5 * mode * mode + beta * log_h
    s0 = 1.0
    s1 = hazard
    s2 = hazard * hazard
    s3 = u * hazard
    if graded:
        c0 = math.cosh(start_t)
        s0 *= c0
        s1 *= c0
        s2 *= c0
        s3 *= c0
    ratio = math.exp(step) if graded else 1.0
    for direction in (-1.0, 1.0):
        t = start_t
        e = math.exp(t) if graded else 1.0
        inside = True
        while inside:
            size = 0
            while size < nodes.shape[1]:
                t += direction * step
                if graded:
                    e = e * ratio if direction > 0.0 else e / ratio
                    x = centre + sharp * 0.5 * (e - 1.0 / e)
                    jacobian = 0.5 * (e + 1.0 / e)
                else:
                    x = centre + sharp * t
                    jacobian = 1.0
                u = s * x + shift
                log_h, hazard = log_h_hazard(u, table)
                exponent = -0.5 * x * x + beta * log_h - top
                if exponent < -drop:
                    inside = False
                    break
                nodes[0, size] = exponent
                nodes[1, size] = jacobian
                nodes[2, size] = u
                nodes[3, size] = hazard
                size += 1
            more = _sums(nodes, size)
            s0 += more[0]
            s1 += more[1]
            s2 += more[2]
            s3 += more[3]
    step *= sharp
    log_mean = top + math.log(s0 * step / math.sqrt(2.0 * math.pi))
    return log_mean, s1 / s0, s2 / s0, s3 / s0, mode


@njit
def energetic(q, r, fluctuation, uncertainty, perpendicular, beta, flips, refine, table):
    """One pass: (q_hat, r_hat, q_star_hat, G_E, replicon factor), all at alpha = 1.

    fluctuation V = q_star - q, uncertainty D = 1 - q_star and perpendicular U = q - r^2 come beside q and r, so that no
    difference is taken here. `flips` is the probability that a label is flipped: H(x) above becomes
    (1 - flips) H(x) + flips H(-x).
    """
    root_q, root_u = math.sqrt(q), math.sqrt(perpendicular)
    root_v, root_d = math.sqrt(fluctuation), math.sqrt(uncertainty)
    # The label's step H(r z / sqrt U) has width sqrt(q U)/|r| in w; beyond it, w > 0 matters only over sqrt U.
    # F' bends over sqrt D. The left tail ends with the Gaussian of width sqrt q; for r < 0, or where labels are
    # flipped, the right one does.
    scale = root_u * root_d / math.sqrt(perpendicular + uncertainty)
    reach = math.sqrt(2.0 * _DROP) * math.sqrt(refine)
    left = math.asinh(reach * root_q / scale)
    right = left if r < 0.0 or flips > 0.0 else math.asinh(reach * root_u / scale)
    step = _OUTER_STEP / refine
    below = int(left / step) + 1
    above = int(right / step) + 1

    q_hat = 0.0
    r_hat = 0.0
    q_star_hat = 0.0
    g_e = 0.0
    replicon = 0.0
    mode = 0.0
    nodes = np.empty((4, _TOGETHER))
    for k in range(-below, above + 1):
        t = k * step
        w = scale * math.sinh(t)
        f, h1, h2, uh, mode = tilted_into(w, root_v, root_d, beta, mode, refine, table, nodes)
        jacobian = scale * math.cosh(t) * step / math.sqrt(2.0 * math.pi)
        z = w / root_q
        weight = 2.0 * jacobian / root_q * math.exp(-0.5 * z * z)
        weight *= (1.0 - flips) * upper_tail(r * z / root_u) + flips * upper_tail(-r * z / root_u)
        z = w / root_u
        second = (beta / uncertainty) * ((beta - 1.0) * h2 + uh - beta * h1 * h1)
        q_hat += weight * h1 * h1
        q_star_hat += weight * h2
        g_e += weight * f
        replicon += weight * second * second
        r_hat += jacobian / root_u * math.exp(-0.5 * z * z) * h1
    q_hat *= beta * beta / uncertainty
    r_hat *= (1.0 - 2.0 * flips) * 2.0 * beta / math.sqrt(2.0 * math.pi * uncertainty)
    q_star_hat *= 0.5 * beta * (beta - 1.0) / uncertainty
    return q_hat, r_hat, q_star_hat, g_e, replicon
