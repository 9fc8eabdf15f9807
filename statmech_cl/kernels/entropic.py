"""Conjugates -> order parameters: one sweep over the entropic integrals, for any local measure of one site.

    <.> = Int_{-1}^{1} dm (.) exp[ a m^2 + b m + kappa Ent(m) ] / same without (.)
    Ent(m) = ln 2 - KL(q_theta || uniform) = -sum_{+-} (1 +- m)/2 ln((1 +- m)/2)
    one task:  a = q_star_hat - q_hat / 2,  b = sqrt(q_hat) z + r_hat,  kappa = beta with the KL prior, else 0
    q = Int Dz <m>^2,   r = Int Dz <m>,   q_star = Int Dz <m^2>,   p = Int Dz <sign m>

The measure is written in theta = atanh m, where its edges decay like exp(-2 |theta|), and integrated by trapezoidal
sums that are uniform in a coordinate tau(theta), whose slope is the sum of what each feature of the integrand asks for.
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import njit

_THETA_STEP = 0.32  # in tau
_EDGE_RATE = 1.9  # of tau in theta: a field b draws the measure to the edge as exp(-2 b exp(-2 theta) - 2 theta)
_FIELD_STEP = 1.15  # in t, see field_nodes
_CROWD = 5.0  # nodes per unit of asinh next to a step or a corner
_PANEL = 3.0  # in tau, of the half line, 16 Gauss-Legendre nodes each
_DROP = 37.0  # log of the weight at which a window ends
_UNDERFLOW = 38.5  # exp(-z^2/2) is 0 beyond
_NEWTON = 1e-8  # length of the last step towards a node, in its scale: the square is what stays as an error
_GAUSS_X, _GAUSS_W = np.polynomial.legendre.leggauss(16)


@njit
def _log_sech2(theta):
    """ln(1 - tanh(theta)^2), without the cancellation."""
    x = abs(theta)
    return 2.0 * (math.log(2.0) - x - math.log1p(math.exp(-2.0 * x)))


@njit
def _entropy(theta):
    """Ent(m) = -sum_{+-} (1 +- m)/2 ln((1 +- m)/2) at m = tanh(theta)."""
    x = abs(theta)
    e = math.exp(-2.0 * x)
    return math.log1p(e) + 2.0 * x * e / (1.0 + e)


@njit
def _tau(theta, rate, root_kappa, root_a):
    """The coordinate tau(theta) and its derivative: what the edges, kappa Ent(m) and a m^2 ask for, added up."""
    m = math.tanh(theta)
    sech = 1.0 / math.cosh(theta)
    value = rate * theta + root_kappa * 2.0 * math.atan(math.tanh(0.5 * theta)) + root_a * m
    return value, rate + root_kappa * sech + root_a * sech * sech


@njit
def _theta(tau, rate, root_kappa, root_a, start):
    """Inverse of _tau for tau >= 0, by Newton from a nearby point between safe bounds."""
    low = 0.0
    high = tau / rate
    theta = min(max(start, low), high)
    for _ in range(100):
        value, slope = _tau(theta, rate, root_kappa, root_a)
        if value > tau:
            high = theta
        else:
            low = theta
        trial = theta - (value - tau) / slope
        if not low <= trial <= high:
            trial = 0.5 * (low + high)
        if abs(trial - theta) < _NEWTON * (1.0 + abs(theta)):
            return trial
        theta = trial
    return theta


@njit
def _theta_end(slope, refine):
    """Where the tails exp(-2 theta), which start at about ln(2 b)/2 for a slope b at the edge, have no weight left."""
    return 0.5 * _DROP * refine + 0.5 * math.log(2.0 + 2.0 * slope)


@njit
def local_nodes(a, kappa, root_c, slope, refine, fine):
    """Nodes of the full line, each (n,): theta, m, 1 - |m|, 1 - m^2 and the log of exp[a m^2 + kappa Ent] dm.

    `root_c` is what a term -c (theta - mu)^2 / 2 asks for, `slope` the largest |b| + 2 |a| that draws to an edge;
    `fine` divides the step.
    """
    root_kappa, root_a = math.sqrt(kappa), math.sqrt(2.0 * abs(a))
    rate = math.sqrt(_EDGE_RATE**2 + 0.25 * root_c**2)
    end, _ = _tau(_theta_end(slope, refine), rate, root_kappa, root_a)
    step = _THETA_STEP / (refine * fine)
    half = int(end / step) + 1
    n = 2 * half + 1
    theta = np.empty(n)
    m = np.empty(n)
    short = np.empty(n)
    sech2 = np.empty(n)
    base = np.empty(n)
    x = 0.0
    density = math.inf
    for k in range(half + 1):
        x = _theta(k * step, rate, root_kappa, root_a, x + step / density)
        _, density = _tau(x, rate, root_kappa, root_a)
        log_sech2 = _log_sech2(x)
        tanh = math.tanh(x)
        value = a * tanh * tanh + kappa * _entropy(x) + log_sech2 + math.log(step / density)
        for j in (half - k, half + k):
            theta[j] = x if j >= half else -x
            m[j] = tanh if j >= half else -tanh
            sech2[j] = math.exp(log_sech2)
            short[j] = sech2[j] / (1.0 + tanh)
            base[j] = value
    return theta, m, short, sech2, base


@njit
def half_nodes(a, kappa, root_c, slope, refine):
    """Nodes of the half line m > 0 (composite Gauss-Legendre in tau), each (n,): theta, m and the log-weights."""
    root_kappa, root_a = math.sqrt(kappa), math.sqrt(2.0 * abs(a))
    rate = math.sqrt(_EDGE_RATE**2 + 0.25 * root_c**2)
    end, _ = _tau(_theta_end(slope, refine), rate, root_kappa, root_a)
    panels = int(end * refine / _PANEL) + 1
    width = end / panels
    order = _GAUSS_X.size
    nodes = np.empty(panels * order)
    m = np.empty(panels * order)
    base = np.empty(panels * order)
    theta = 0.0
    last = 0.0
    _, density = _tau(theta, rate, root_kappa, root_a)
    for k in range(panels):
        for j in range(order):
            tau = (k + 0.5 + 0.5 * _GAUSS_X[j]) * width
            theta = _theta(tau, rate, root_kappa, root_a, theta + (tau - last) / density)
            last = tau
            _, density = _tau(theta, rate, root_kappa, root_a)
            tanh = math.tanh(theta)
            i = k * order + j
            nodes[i] = theta
            m[i] = tanh
            base[i] = (
                a * tanh * tanh
                + kappa * _entropy(theta)
                + _log_sech2(theta)
                + math.log(0.5 * width * _GAUSS_W[j] / density)
            )
    return nodes, m, base


@njit
def local_moments(b, m, short, sech2, base, exponents):
    """At one field b: ln Z, <m>, 1 - <m>, 1 + <m>, <1 - m^2> and <m^2> - <m>^2; `exponents` is scratch of m's size."""
    top = -math.inf
    at = 0
    for k in range(m.size):
        e = base[k] + b * m[k]
        exponents[k] = e
        if e > top:
            top = e
            at = k
    # Deviations from the heaviest node, taken between the distances to the edge, keep the digits of small variances.
    centre = m[at]
    near = short[at]
    side = 1.0 if centre >= 0.0 else -1.0
    z = 0.0
    first = 0.0
    second = 0.0
    edge = 0.0
    for k in range(m.size):
        e = exponents[k] - top
        if e > -_DROP:
            weight = math.exp(e)
            gap = side * (near - short[k]) if m[k] * side >= 0.0 else m[k] - centre
            z += weight
            first += weight * gap
            second += weight * gap * gap
            edge += weight * sech2[k]
    first /= z
    to_edge = near - side * first  # 1 - side <m>
    above = to_edge if side > 0.0 else 2.0 - to_edge
    below = 2.0 - to_edge if side > 0.0 else to_edge
    return top + math.log(z), centre + first, above, below, edge / z, second / z - first * first


@njit
def negative_share(b, m, base_minus, base_plus):
    """Probability of m < 0 at one field b, (1 - <sign m>) / 2 without cancellation, from nodes m > 0 on the half line.

    `base_minus`, `base_plus` are the log-weights of -m and of m, apart from the field's.
    """
    top_minus = -math.inf
    top_plus = -math.inf
    for k in range(m.size):
        top_minus = max(top_minus, base_minus[k] - b * m[k])
        top_plus = max(top_plus, base_plus[k] + b * m[k])
    minus = 0.0
    plus = 0.0
    for k in range(m.size):
        e = base_minus[k] - b * m[k] - top_minus
        if e > -_DROP:
            minus += math.exp(e)
        e = base_plus[k] + b * m[k] - top_plus
        if e > -_DROP:
            plus += math.exp(e)
    # Beyond exp(700) the share is 0 in double precision.
    return 1.0 / (1.0 + plus / minus * math.exp(min(top_plus - top_minus, 700.0)))


@njit
def _crowding(x, width, corner, at_corner):
    """Nodes asked for by the features of <.> as functions of b: (number up to x, density at x)."""
    count = _CROWD * math.asinh(x / width)
    density = _CROWD / math.sqrt(width * width + x * x)
    if at_corner > 0.0:
        for centre in (-corner, corner):
            gap = x - centre
            count += at_corner * math.asinh(gap / width)
            density += at_corner / math.sqrt(width * width + gap * gap)
    return count, density


@njit
def graded_nodes(low, high, smooth, a, refine):
    """Nodes b on [low, high] and db/dt, for integrals of a local average times a weight that varies over `smooth`.

    For a > 0 the averages step at b = 0 over a width of order 1. For a < 0, <m> is a ramp between corners at b = -+2 a,
    rounded over sqrt(-2 a), and <sign m> steps over that width at 0. What these and the weight ask for adds up.
    """
    rate = 1.0 / (0.65 * smooth)
    corner = max(-2.0 * a, 0.0)
    width = math.sqrt(1.0 + corner)
    at_corner = _CROWD * corner * corner / (corner * corner + 4.0 * width * width)
    t_low = rate * low + _crowding(low, width, corner, at_corner)[0]
    t_high = rate * high + _crowding(high, width, corner, at_corner)[0]
    n = int((t_high - t_low) * refine / _FIELD_STEP) + 2
    step = (t_high - t_low) / (n - 1)
    b = np.empty(n)
    jacobian = np.empty(n)
    x = low
    for k in range(n):
        t = t_low + k * step
        left = low
        right = high
        for _ in range(200):  # t(b) is monotone; Newton, kept inside a shrinking bracket
            count, density = _crowding(x, width, corner, at_corner)
            excess = rate * x + count - t
            if excess > 0.0:
                right = x
            else:
                left = x
            trial = x - excess / (rate + density)
            if not left <= trial <= right:
                trial = 0.5 * (left + right)
            move = trial - x
            x = trial
            if abs(move) < _NEWTON * min(smooth, width):
                break
        _, density = _crowding(x, width, corner, at_corner)
        b[k] = x
        jacobian[k] = step / (rate + density)
    return b, jacobian


@njit
def field_nodes(mean, variance, a, whole, refine):
    """Nodes b and weights for Int Dz f(mean + sqrt(variance) z), f one of the local averages.

    With `whole` the range includes b = 0, however deep in the Gaussian's tail it lies.
    """
    sd = math.sqrt(variance)
    reach = math.sqrt(2.0 * _DROP * refine)
    low = mean - reach * sd
    high = mean + reach * sd
    if whole:
        width = math.sqrt(1.0 + max(-2.0 * a, 0.0))
        low = max(min(low, -reach * width), mean - _UNDERFLOW * sd)
        high = min(max(high, reach * width), mean + _UNDERFLOW * sd)
    b, jacobian = graded_nodes(low, high, sd, a, refine)
    weight = np.empty(b.size)
    for k in range(b.size):
        z = (b[k] - mean) / sd
        weight[k] = jacobian[k] / (sd * math.sqrt(2.0 * math.pi)) * math.exp(-0.5 * z * z)
    return b, weight


@njit
def entropic(q_hat, r_hat, q_star_hat, kappa, refine):
    """One sweep: (q, r, q_star - q, 1 - q_star, q - r^2, Int Dz ln Z, Int Dz (<m^2> - <m>^2)^2)."""
    a = q_star_hat - 0.5 * q_hat
    b, weight = field_nodes(r_hat, q_hat, a, False, refine)
    slope = max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a)
    _, m, short, sech2, base = local_nodes(a, kappa, 0.0, slope, refine, 1.0)
    scratch = np.empty(m.size)
    deficit = np.empty(b.size)
    q = 0.0
    r = 0.0
    r_deficit = 0.0
    v = 0.0
    d = 0.0
    g_s = 0.0
    spread = 0.0
    norm = 0.0
    for k in range(b.size):
        log_z, mean, deficit[k], _, edge, variance = local_moments(b[k], m, short, sech2, base, scratch)
        norm += weight[k]
        q += weight[k] * mean * mean
        r += weight[k] * mean
        r_deficit += weight[k] * deficit[k]
        d += weight[k] * edge
        v += weight[k] * variance
        g_s += weight[k] * log_z
        spread += weight[k] * variance * variance
    r_deficit /= norm
    u = 0.0
    for k in range(b.size):
        gap = deficit[k] - r_deficit
        u += weight[k] * gap * gap
    if r > 0.5:  # digits of 1 - r near perfect overlap, of r itself for small alpha
        r = 1.0 - r_deficit
    return q, r, v, d, u, g_s, spread


@njit
def flipped(q_hat, r_hat, q_star_hat, kappa, refine):
    """(1 - p) / 2 = Int Dz Prob(m < 0): the share of sites where the binarised student contradicts the teacher."""
    a = q_star_hat - 0.5 * q_hat
    b, weight = field_nodes(r_hat, q_hat, a, True, refine)
    _, m, base = half_nodes(a, kappa, 0.0, max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a), refine)
    share = 0.0
    for k in range(b.size):
        share += weight[k] * negative_share(b[k], m, base, base)
    return share
