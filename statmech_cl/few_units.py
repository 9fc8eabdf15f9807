"""Trees of one hidden layer with few units of signs: a perceptron's energetic side becomes K-dimensional.

K units of n -> infinity inputs each; the teacher's label is the majority of its K signs, and the student's probability
of it is the exact sum over the hidden signs,

    P(+|h) = sum over majorities of + of prod_l pi_l^{1[sigma_l = +]} (1 - pi_l)^{1[sigma_l = -]},
    pi_l = H(-h_l / sqrt(1 - q_star)),

    G_E = 2 Int Dz_1 .. Dz_K T(z) F(sqrt(q) z),   F(w) = ln Int Dx_1 .. Dx_K P(+|sqrt(q_star - q) x + w)^beta,
    T(z) = P(majority of +) for independent signs, + with probability H(-r z_l / sqrt(q - r^2)).

For a whole beta, P^beta is a polynomial of degree beta in each pi_l with coefficients >= 0 in pi^a (1 - pi)^(beta - a).
So the K-fold inner integral is exactly a sum of products of integrals over one Gaussian,

    Int Dx P^beta = sum_a C[a_1 .. a_K] prod_l M_{a_l}(w_l),   M_a(w) = Int Dx pi^a (1 - pi)^(beta - a),

all terms positive: nothing cancels, however small it is. The K-fold outer integral is a product of trapezoidal rules,
on which points that differ by a permutation are taken once, and those outside a ball not at all. The hats, with
F_l = dF/dw_l,

    q_hat = 2 alpha K E[T F_1^2],   q_star_hat = 2 alpha K E[T (dF/dq_star of unit 1)],
    r_hat = 2 alpha K / sqrt(2 pi) E[(P the other signs are split evenly) F_1],   w_1 of variance q - r^2,
    replicon = 2 alpha K E[T (F_11^2 + (K - 1) F_12^2)] Int (<m^2> - <m>^2)^2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .channels import angle, register
from .orders import Hats, Orders, PatternAverages
from .validation import check_count

_REACH = 7.0  # of the outer integral in each direction, in standard deviations
_RADIUS = {1: 7.0, 3: 7.7, 5: 8.1}  # of the ball that holds as much of the Gaussian as _REACH does in one direction
_POINTS = {1: 96, 3: 96, 5: 34}  # of its rule at refine = 1
_MOST_WAYS = 10**7  # entries of the polynomial in the units of which half have to be up
_MOST_UNITS = 5


class _Moments(NamedTuple):
    """M_a(w) for every w and a, each row over its largest entry, whose logarithm is `scale`; and its derivatives by w,
    twice by w, and by q_star."""

    m: np.ndarray
    first: np.ndarray
    second: np.ndarray
    star: np.ndarray
    scale: np.ndarray


def _moments(w: np.ndarray, variance: float, uncertainty: float, power: int, refine: float) -> _Moments:
    """`w : (n,)`; arrays (n, power + 1). The trapezoidal rule in h on a grid that follows the sharpest integrand."""
    from scipy.special import log_ndtr

    root = math.sqrt(uncertainty)
    width = 1.0 / math.sqrt(1.0 / variance + power / uncertainty)
    reach = float(np.abs(w).max()) + (7.0 * math.sqrt(variance) + 2.0 * root) * math.sqrt(refine)
    count = 2 * math.ceil(reach * refine / (0.8 * width)) + 1
    h = np.linspace(-reach, reach, count)
    t = h / root
    log_up, log_down = log_ndtr(t), log_ndtr(-t)
    density = -0.5 * t * t - 0.5 * math.log(2.0 * math.pi)
    a = np.arange(power + 1)[:, None]
    log_g = a * log_up + (power - a) * log_down
    by_star = (a * np.exp(density - log_up) - (power - a) * np.exp(density - log_down)) * (0.5 * t / uncertainty)
    x = (h - w[:, None]) / variance  # the Gaussian's own derivative by w is x
    gauss = -0.5 * variance * x * x - 0.5 * math.log(2.0 * math.pi * variance) + math.log(h[1] - h[0])
    log_m = np.empty((w.size, power + 1))
    first, second, star = np.empty_like(log_m), np.empty_like(log_m), np.empty_like(log_m)
    for j in range(power + 1):
        terms = gauss + log_g[j]
        top = terms.max(axis=1)
        weight = np.exp(terms - top[:, None])
        total = weight.sum(axis=1)
        log_m[:, j] = top + np.log(total)
        weight /= total[:, None]
        first[:, j] = (weight * x).sum(axis=1)
        second[:, j] = (weight * x * x).sum(axis=1) - 1.0 / variance
        star[:, j] = 0.5 * second[:, j] + weight @ by_star[j]
    scale = log_m.max(axis=1)
    m = np.exp(log_m - scale[:, None])
    return _Moments(m, m * first, m * second, m * star, scale)


@lru_cache(maxsize=8)
def _ways(units: int, power: int) -> np.ndarray:
    """C: P^power in products of pi^a (1 - pi)^(power - a), (power + 1, ...) with one axis a unit."""
    ways = np.ones((1,) * units)
    for degree in range(1, power + 1):
        longer = np.zeros((degree + 1,) * units)
        for signs in np.ndindex(*(2,) * units):
            if 2 * sum(signs) > units:
                longer[tuple(slice(s, s + degree) for s in signs)] += ways
        ways = longer
    return ways


class _Outer(NamedTuple):
    """The outer rule in one direction, and the radius of the ball to which its K-fold product is kept."""

    z: np.ndarray
    mass: np.ndarray
    radius: float


class _Sorted(NamedTuple):
    """Nondecreasing tuples of outer points for some units: a tensor contracted with each of them (first axis), the
    points, and the sum of their z^2."""

    tensor: np.ndarray
    points: np.ndarray
    far: np.ndarray

    @property
    def permutations(self) -> np.ndarray:
        count = self.points.shape[1]
        same = np.ones(self.points.shape[0])
        run = np.ones(self.points.shape[0])
        for k in range(1, count):
            run = np.where(self.points[:, k] == self.points[:, k - 1], run + 1.0, 1.0)
            same *= run
        return math.factorial(count) / same


def _contracted(ways: np.ndarray, m: np.ndarray, count: int, outer: _Outer) -> _Sorted:
    """The last `count` axes contracted with rows of m, for every sorted choice of rows in the ball."""
    tensor, points, far = ways[None], np.zeros((1, 0), dtype=int), np.zeros(1)
    for done in range(count):
        pieces, chosen, distances = [], [], []
        for i, square in enumerate(outer.z**2):
            near = far + square <= outer.radius**2
            fits = np.flatnonzero(near if done == 0 else near & (points[:, -1] <= i))
            pieces.append(tensor[fits] @ m[i])
            chosen.append(np.column_stack([points[fits], np.full(fits.size, i)]))
            distances.append(far[fits] + square)
        tensor, points, far = (np.concatenate(parts) for parts in (pieces, chosen, distances))
    return _Sorted(tensor, points, far)


def _pluses(up: np.ndarray) -> np.ndarray:
    """`up : (n, c)` probabilities of +: the law of the number of pluses, (c + 1, n)."""
    law = np.zeros((up.shape[1] + 1, up.shape[0]))
    law[0] = 1.0
    for column in up.T:
        law[1:] = law[1:] * (1.0 - column) + law[:-1] * column
        law[0] *= 1.0 - column
    return law


def _at_least(law: np.ndarray, count: int) -> Any:
    return law[count:].sum(axis=0) if count < law.shape[0] else 0.0


@register
@dataclass(frozen=True, kw_only=True)
class FewUnits:
    """A tree of one hidden layer of an odd number of units that take signs, with many inputs each; see the module.

    units : K, 1, 3 or 5. beta must be a whole number.
    points : of the outer rule in each of the K directions, by default 96 (1 and 3 units) or 34 (5 units). Time grows as
        points^K.
    """

    kind: ClassVar[str] = "few units"
    units: int = 3
    points: int | None = None

    def __post_init__(self) -> None:
        if check_count("units", self.units) not in _POINTS:
            raise ValueError(f"units must be one of {', '.join(map(str, _POINTS))}, got {self.units}")
        if self.points is not None:
            check_count("points", self.points, low=16)

    def averages(self, orders: Orders, beta: float, refine: float) -> PatternAverages:
        power = round(beta)
        if beta != power:
            raise ValueError(f"beta must be a whole number for a tree of few units, got {beta!r}")
        k = self.units
        if (power + 1) ** k > _MOST_WAYS:
            raise ValueError(f"beta must be smaller for a tree of {k} units, whose sums would not end, got {beta!r}")
        n = round((self.points or _POINTS[k]) * refine)
        wider = math.sqrt(max(refine, 1.0))
        z = np.linspace(-_REACH, _REACH, n) * wider
        mass = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
        at = (orders.fluctuation, orders.uncertainty, power, refine)
        here = _moments(math.sqrt(orders.q) * z, *at)
        inside = _moments(math.sqrt(orders.perpendicular) * z, *at)
        slope = orders.r / math.sqrt(orders.perpendicular)
        # Far from any solution the sums underflow; nan then turns Newton's method back.
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._summed(_Outer(z, mass, _RADIUS[k] * wider), here, inside, slope, power)

    def _summed(self, outer: _Outer, here: _Moments, inside: _Moments, slope: float, power: int) -> PatternAverages:
        from scipy.special import ndtr

        k = self.units
        up = ndtr(slope * outer.z)
        q_hat = r_hat = star_hat = g_e = bend = 0.0
        if k == 1:
            parts: Iterator[tuple[Any, ...]] = iter([_alone(_ways(1, power), here, inside, outer.mass, up)])
        else:
            parts = _by_first(_ways(k, power), here, inside, outer, up, k)
        for weight, label, inner, d1, d2, d11, d12, star, scale, split, e1, e_inner, e_weight in parts:
            first, second = d1 / inner, d2 / inner
            twice = weight * label
            q_hat += (twice * first**2).sum()
            star_hat += (twice * star / inner).sum()
            g_e += (twice * (np.log(inner) + scale)).sum()
            bend += (twice * ((d11 / inner - first**2) ** 2 + (k - 1) * (d12 / inner - first * second) ** 2)).sum()
            r_hat += (e_weight * split * e1 / e_inner).sum()
        hats = Hats(2.0 * k * q_hat, 2.0 * k / math.sqrt(2.0 * math.pi) * r_hat, 2.0 * k * star_hat)
        return PatternAverages(hats, 2.0 * g_e, 2.0 * k * bend)

    def aligned(self, alpha: float, beta: float, kappa: float) -> Orders:
        raise ValueError(f"channel must be one whose branches are followed, got {self!r}; solve_few_units solves it")

    def eps_g(self, flipped: float) -> float:
        """The majorities of K signs differ, each of which differs with probability arccos(p) / pi."""
        wrong, k = angle(flipped), self.units
        differ = 0.0
        for plus in range((k + 1) // 2, k + 1):  # of the teacher's signs; the other half is its mirror image
            for lost in range(plus + 1):
                for won in range(k - plus + 1):
                    if 2 * (plus - lost + won) < k:
                        ways = math.comb(k, plus) * math.comb(plus, lost) * math.comb(k - plus, won)
                        differ += ways * wrong ** (lost + won) * (1.0 - wrong) ** (k - lost - won)
        return differ * 2.0 ** (1 - k)


def _alone(ways: np.ndarray, here: _Moments, inside: _Moments, mass: np.ndarray, up: np.ndarray) -> tuple[Any, ...]:
    """K = 1: the perceptron."""
    inner, d1, d11, star = (part @ ways for part in (here.m, here.first, here.second, here.star))
    none = np.zeros_like(inner)
    return (mass, up, inner, d1, none, d11, none, star, here.scale, 1.0, inside.first @ ways, inside.m @ ways, mass)


def _by_first(
    ways: np.ndarray, here: _Moments, inside: _Moments, outer: _Outer, up: np.ndarray, k: int
) -> Iterator[tuple[Any, ...]]:
    """What the sums are made of, at one outer point of unit 1 after another: arrays over the points of the others that
    lie in the ball, unit 2 by itself and the rest sorted."""
    rest = _contracted(ways, here.m, k - 2, outer)
    square, inside_ball = outer.z**2, outer.radius**2
    second, others = np.nonzero(square[:, None] + rest.far <= inside_ball)
    distance = square[second] + rest.far[others]
    nearest = np.argsort(distance)  # what is in the ball for a given unit 1 then comes first
    second, others, distance = second[nearest], others[nearest], distance[nearest]
    weight = outer.mass[second] * (rest.permutations * outer.mass[rest.points].prod(axis=1))[others]
    scale = here.scale[second] + here.scale[rest.points].sum(axis=1)[others]
    law = _pluses(up[rest.points])
    half, two = (k + 1) // 2, up[second]
    both, one, neither = (np.broadcast_to(_at_least(law, half - count), rest.far.shape)[others] for count in (2, 1, 0))
    if_up, if_down = two * both + (1.0 - two) * one, two * one + (1.0 - two) * neither
    split = two * law[half - 2][others] + (1.0 - two) * law[half - 1][others]
    # unit 2 in m and in its derivative: (points, a_1)
    plain, turned = (np.empty((second.size, ways.shape[0])) for _ in range(2))
    for b in range(outer.z.size):
        at = np.flatnonzero(second == b)
        of_rest = rest.tensor[others[at]]
        plain[at], turned[at] = (of_rest @ part[b] for part in (here.m, here.first))
    for i, mass in enumerate(outer.mass):
        count = int(np.searchsorted(distance, inside_ball - square[i], side="right"))
        rows = (here.m[i], here.first[i], here.second[i], here.star[i], inside.m[i], inside.first[i])
        inner, d1, d11, star, e_inner, e1 = np.stack(rows) @ plain[:count].T
        d2, d12 = np.stack(rows[:2]) @ turned[:count].T
        label = up[i] * if_up[:count] + (1.0 - up[i]) * if_down[:count]
        at = mass * weight[:count]
        yield (
            at, label, inner, d1, d2, d11, d12, star, here.scale[i] + scale[:count], split[:count], e1, e_inner, at,
        )  # fmt: skip
