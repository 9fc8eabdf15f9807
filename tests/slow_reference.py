"""One application of the replica-symmetric map, slowly: adaptive quadrature straight from the equations.

Shares no code and no coordinates with `statmech_cl.kernels`: H by `scipy.special`, integrals over x, z and m by
adaptive bisection of Gauss-Legendre panels, with break points on ladders around every scale of the integrands. Written
to be believed, not to be fast: seconds for one application.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

_X, _W = np.polynomial.legendre.leggauss(20)
_TOLERANCE = 1e-13
_LADDER = 10.0 ** np.arange(-6.0, 3.01, 0.5)


class Hats(NamedTuple):
    q_hat: float
    r_hat: float
    q_star_hat: float


class Orders(NamedTuple):
    """q, r, and the small differences q_star - q, 1 - q_star and q - r^2."""

    q: float
    r: float
    fluctuation: float
    uncertainty: float
    perpendicular: float


def integrate(
    f: Callable[[np.ndarray], np.ndarray], breaks: Iterable[float], tolerance: float = _TOLERANCE
) -> np.ndarray:
    """Integral of f : (n,) -> (k, n) between the outermost breaks, panels split until halving them changes nothing.

    The error allowed is `tolerance` times the integral of |f|, component by component.
    """
    edges = np.unique(np.asarray(list(breaks), dtype=float))
    left, right = edges[:-1], edges[1:]
    coarse, size = _panels(f, left, right)
    scale = size.sum(axis=1)
    total = np.zeros_like(scale)
    for _ in range(60):
        middle = 0.5 * (left + right)
        halves, sizes = _panels(f, np.concatenate([left, middle]), np.concatenate([middle, right]))
        fine = halves[:, : left.size] + halves[:, left.size :]
        scale = np.maximum(scale, total + sizes.sum(axis=1))
        done = np.all(np.abs(fine - coarse) <= tolerance * np.maximum(scale, 1e-280)[:, None], axis=0)
        total = total + fine[:, done].sum(axis=1)
        if done.all():
            return total
        left, right = np.concatenate([left[~done], middle[~done]]), np.concatenate([middle[~done], right[~done]])
        again = np.concatenate([~done, ~done])
        coarse = halves[:, again]
    raise ArithmeticError("adaptive bisection did not end")


def _panels(
    f: Callable[[np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    half = 0.5 * (right - left)
    x = (0.5 * (left + right))[:, None] + half[:, None] * _X[None, :]
    values = f(x.ravel()).reshape(-1, left.size, _X.size)
    return (values @ _W) * half, (np.abs(values) @ _W) * half


def ladder(low: float, high: float, *centres: float) -> list[float]:
    """Break points in [low, high] that crowd geometrically around each centre."""
    points = [low, high]
    for centre in centres:
        points += [centre, *(centre - _LADDER), *(centre + _LADDER)]
    return [x for x in points if low <= x <= high]


def log_h(u: np.ndarray) -> np.ndarray:
    return special.log_ndtr(-np.asarray(u))


def hazard(u: np.ndarray) -> np.ndarray:
    """-(d/du) ln H(u); erfcx overflows far to the left, where H is 1."""
    u = np.asarray(u, dtype=float)
    left = np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi) / special.ndtr(-np.minimum(u, 0.0))
    return np.where(u < 0.0, left, math.sqrt(2.0 / math.pi) / special.erfcx(np.maximum(u, 0.0) / math.sqrt(2.0)))


def tilted(w: float, v: float, d: float, beta: float) -> tuple[float, np.ndarray]:
    """F(w) = ln Int Dx H^beta((sqrt(v) x + w) / sqrt(d)) and the means (h, h^2, u h, x, x^2) under that integrand."""
    s, shift = math.sqrt(v / d), w / math.sqrt(d)

    def slope(x: float) -> float:
        return x + beta * s * float(hazard(s * x + shift))

    mode = optimize.brentq(slope, -beta * s * float(hazard(shift)) - 1e-9, 1e-9, xtol=1e-12)

    def exponent(x: np.ndarray) -> np.ndarray:
        return -0.5 * x * x + beta * log_h(s * x + shift)

    top = float(exponent(np.array(mode)))

    def integrand(x: np.ndarray) -> np.ndarray:
        u = s * x + shift
        h = hazard(u)
        return np.exp(exponent(x) - top) * np.array([np.ones_like(x), h, h * h, u * h, x - mode, (x - mode) ** 2])

    # The exponent is concave with curvature >= 1: 10 away from the mode it has dropped by 50 at least.
    bend = min(max(-shift / s, mode - 10.0), mode + 10.0)
    norm, h1, h2, uh, x1, x2 = integrate(integrand, ladder(mode - 10.0, mode + 10.0, mode, bend))
    means = np.array([h1, h2, uh, x1 + mode * norm, x2 + 2.0 * mode * x1 + mode**2 * norm]) / norm
    return top + math.log(norm / math.sqrt(2.0 * math.pi)), means


def energetic(orders: Orders, beta: float, flips: float = 0.0) -> tuple[Hats, float, float]:
    """Hats at alpha = 1, G_E, and 2 Int Dz H F''^2; each label is flipped with probability `flips`."""
    q, r, v, d, u = orders
    root_q, root_u = math.sqrt(q), math.sqrt(u)

    def integrand(ws: np.ndarray) -> np.ndarray:
        rows = []
        for w in ws:
            f, (h1, h2, uh, _, _) = tilted(w, v, d, beta)
            agreeing = special.ndtr(-r * w / (root_q * root_u))
            step = (1.0 - flips) * agreeing + flips * (1.0 - agreeing)
            gauss = 2.0 * step * math.exp(-0.5 * w * w / q) / math.sqrt(2.0 * math.pi * q)
            narrow = math.exp(-0.5 * w * w / u) / math.sqrt(2.0 * math.pi * u)
            first = -beta / math.sqrt(d) * h1
            second = beta / d * ((beta - 1.0) * h2 + uh - beta * h1 * h1)
            by_q_star = 0.5 * beta * (beta - 1.0) / d * h2
            rows.append([gauss * first**2, narrow * first, gauss * by_q_star, gauss * f, gauss * second**2])
        return np.array(rows).T

    reach = 9.0 * root_q
    scales = [root_u, math.sqrt(d), root_q * root_u / max(abs(r), 1e-12)]
    breaks = [0.0, -reach, reach]
    for scale in scales:
        breaks += [sign * scale * k for sign in (-1.0, 1.0) for k in (0.5, 1.0, 2.0, 4.0, 8.0) if scale * k < reach]
    q_hat, r_hat, q_star_hat, g_e, bend = integrate(integrand, breaks)
    return Hats(q_hat, -2.0 * (1.0 - 2.0 * flips) / math.sqrt(2.0 * math.pi) * r_hat, q_star_hat), g_e, bend


def local(a: float, b: float, kappa: float) -> tuple[float, float, float, float, float]:
    """ln Z, 1 - <m>, <1 - m^2>, variance and Prob(m < 0) under exp[a m^2 + b m + kappa Ent(m)] on [-1, 1].

    Each half is integrated in y = -ln s, s = 1 - |m|, so that neither edge loses digits.
    """

    def entropy(s: np.ndarray) -> np.ndarray:
        return -special.xlogy(1.0 - 0.5 * s, 1.0 - 0.5 * s) - special.xlogy(0.5 * s, 0.5 * s)

    def exponent(side: float, s: np.ndarray) -> np.ndarray:
        return (a + side * b) - s * (2.0 * a + side * b) + a * s * s + kappa * entropy(s)

    # rounding of m, times the steepest slope of the exponent that matters
    tolerance = _TOLERANCE + 1e-14 * math.sqrt(abs(a))
    y_end = 42.0 + math.log(1.0 + abs(b) + 2.0 * abs(a) + kappa)
    grid = np.exp(-np.linspace(0.0, y_end, 4001))
    tops = [exponent(side, grid) - np.log(1.0 / grid) for side in (1.0, -1.0)]
    best = [int(np.argmax(values)) for values in tops]
    top = max(values.max() for values in tops)
    side0 = 1.0 if tops[0].max() >= tops[1].max() else -1.0
    s0 = grid[best[0 if side0 > 0 else 1]]
    parts = []
    for side, at in zip((1.0, -1.0), best, strict=True):

        def integrand(y: np.ndarray, side: float = side, peak: float = grid[at]) -> np.ndarray:
            s = np.exp(-y)
            # a m^2 + b m relative to its value at the peak: a of 1e6 would cancel to noise otherwise
            rise = (s - peak) * (a * (s + peak - 2.0) - side * b)
            weight = np.exp(rise + kappa * (entropy(s) - entropy(peak)) + exponent(side, peak) - y - top)
            gap = side0 * (s0 - s) if side == side0 else side * (1.0 - s) - side0 * (1.0 - s0)
            shortfall = s if side > 0.0 else 2.0 - s
            return weight * np.array([np.ones_like(s), shortfall, s * (2.0 - s), gap, gap * gap])

        peak = -math.log(grid[at])
        parts.append(integrate(integrand, [0.0, y_end, *ladder(0.0, y_end, peak)], tolerance))
    both = parts[0] + parts[1]
    _, shortfall, edge, gap, square = both / both[0]
    return top + math.log(both[0]), shortfall, edge, square - gap * gap, parts[1][0] / both[0]


def entropic(hats: Hats, kappa: float) -> tuple[Orders, float, float, float]:
    """Orders, G_S, Int Dz (<m^2> - <m>^2)^2 and the flipped share (1 - p) / 2."""
    a = hats.q_star_hat - 0.5 * hats.q_hat
    root = math.sqrt(hats.q_hat)

    def integrand(zs: np.ndarray) -> np.ndarray:
        rows = []
        for z in zs:
            log_z, shortfall, edge, variance, negative = local(a, root * z + hats.r_hat, kappa)
            gauss = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
            averaged = (shortfall, shortfall**2, edge, variance, log_z, variance**2, negative)
            rows.append([gauss * f for f in (1.0, (1.0 - shortfall) ** 2, *averaged)])
        return np.array(rows).T

    noise = 10.0 * (_TOLERANCE + 1e-14 * math.sqrt(abs(a)))  # of the inner integrals
    zero = -hats.r_hat / root
    width = math.sqrt(1.0 + max(-2.0 * a, 0.0)) / root
    low = min(-9.5, max(zero - 12.0 * width, -38.0))
    breaks = [low, 9.5, *np.linspace(-9.0, 9.0, 13)]
    for field in (0.0, 2.0 * a, -2.0 * a):
        centre = zero + field / root
        breaks += [centre + k * width for k in (-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0)]
    norm, q, shortfall, shortfall2, d, v, g_s, spread, share = integrate(
        integrand, [b for b in breaks if low <= b <= 9.5], noise
    )
    assert abs(norm - 1.0) < 1e-12
    return Orders(q, 1.0 - shortfall, v, d, shortfall2 - shortfall * shortfall), g_s, spread, share


def free_entropy(q: float, r: float, q_star: float, hats: Hats, alpha: float, beta: float, kappa: float) -> float:
    """Phi as a functional of independent order parameters and hats."""
    _, g_e, _ = energetic(Orders(q, r, q_star - q, 1.0 - q_star, q - r * r), beta)
    _, g_s, _, _ = entropic(hats, kappa)
    return 0.5 * hats.q_hat * q - hats.q_star_hat * q_star - hats.r_hat * r + g_s + alpha * g_e
