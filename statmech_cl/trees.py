"""Trees of binary weights: a perceptron's energetic side at composed overlaps.

Hidden units with disjoint inputs, many inputs a unit and many units a layer; the signs that leave a unit are fixed. A
preactivation has variance 1, so the next layer sees the overlap c of two students (or of student and teacher) as

    kappa(c) = (E f(a) f(b) - E f(a) E f(b)) / Var f(a),   (a, b) standard normal with correlation c,

and a tree of L hidden layers is a perceptron at the overlaps kappa_L = kappa o ... o kappa (L times):

    G_E(q, r, q_star) = G_E^perceptron(kappa_L(q), kappa_L(r), kappa_L(q_star)),   eps_g = arccos(kappa_L(p)) / pi,
    q_hat, r_hat, q_star_hat gain the factors kappa_L'(q), kappa_L'(r), kappa_L'(q_star),
    replicon = alpha (kappa_L'(q)^2 2 Int Dz K F''^2 + kappa_L''(q) 2 Int Dz K F'^2) Int (<m^2> - <m>^2)^2.

The last line is the second derivative of G_E by an overlap of two replicas: by the chain rule its diagonal gains
kappa'' times the first derivative. The differences q_star - q, 1 - q_star and q - r^2 are composed as such: near
perfect overlap 1 - kappa of the sign is of order sqrt(1 - c), and subtracting overlaps would lose every digit.

With k steps of replica symmetry breaking every overlap q_l is composed, q_hat_l gains kappa_L'(q_l), and the replicon
of level l is the last line with q_l, E f_l''^2 and E f_l'^2 in place of the integrals; the breaking points stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from .channels import Perceptron, angle, register
from .orders import Hats, Orders, PatternAverages, StepOrders, StepPatterns
from .validation import check_choice, check_count

_X, _W = (rule.tolist() for rule in np.polynomial.legendre.leggauss(12))  # on an arc of at most pi / 2
_NEAR_ONE = 0.7  # above, kappa(r^2) - kappa(r)^2 is formed from what is missing to 1
_START_RULE = 0.65  # refine of the passes that look for a start
_LEAST = 1e-9  # 1 - q_star at which the search for perfect overlap begins; what is followed ends earlier


class Activation(Protocol):
    """kappa of an activation, with its differences. `a`, `b`, `c` are overlaps, `shortfall_c` is 1 - c."""

    @property
    def odd(self) -> bool:
        """Whether kappa(-c) = -kappa(c)."""

    def value(self, c: float) -> float:
        """kappa(c), with its relative precision for small c."""

    def gap(self, a: float, shortfall_a: float, b: float, shortfall_b: float, difference: float) -> float:
        """kappa(a) - kappa(b) for a >= b >= 0 whose difference is given."""

    def spread(self, r: float, shortfall: float) -> float:
        """kappa(r^2) - kappa(r)^2 >= 0 for r >= 0: what a teacher's overlap r alone leaves unexplained."""

    def slope(self, c: float, shortfall: float) -> float:
        """kappa'(c)."""

    def bend(self, c: float, shortfall: float) -> float:
        """kappa''(c)."""


@dataclass(frozen=True)
class Linear:
    """f(a) = a: kappa(c) = c."""

    odd: ClassVar[bool] = True

    def value(self, c: float) -> float:
        return c

    def gap(self, a: float, shortfall_a: float, b: float, shortfall_b: float, difference: float) -> float:
        return difference

    def spread(self, r: float, shortfall: float) -> float:
        return 0.0

    def slope(self, c: float, shortfall: float) -> float:
        return 1.0

    def bend(self, c: float, shortfall: float) -> float:
        return 0.0


def _cosine(s: float, c: float, shortfall: float) -> float:
    """sqrt(1 - s^2 c^2), shortfall = 1 - c."""
    return math.sqrt((1.0 - s * s) + s * s * shortfall * (1.0 + c))


def _turn(s: float, a: float, shortfall_a: float, b: float, shortfall_b: float, difference: float) -> float:
    """arcsin(s a) - arcsin(s b) for a >= b >= 0, without cancellation: an angle by its sine and its cosine."""
    if difference == 0.0:
        return 0.0
    cos_a, cos_b = _cosine(s, a, shortfall_a), _cosine(s, b, shortfall_b)
    sine = s * difference * (a + b) / (a * cos_b + b * cos_a)
    return math.atan2(sine, cos_a * cos_b + s * s * a * b)


@dataclass(frozen=True)
class Arcsine:
    """kappa(c) = arcsin(s c) / arcsin(s): s = 1 of f = sign, s = 1/2 of f(a) = erf(a / sqrt 2)."""

    odd: ClassVar[bool] = True
    s: float

    def value(self, c: float) -> float:
        return math.asin(self.s * min(max(c, -1.0), 1.0)) / math.asin(self.s)

    def gap(self, a: float, shortfall_a: float, b: float, shortfall_b: float, difference: float) -> float:
        return _turn(self.s, a, shortfall_a, b, shortfall_b, difference) / math.asin(self.s)

    def spread(self, r: float, shortfall: float) -> float:
        if r < _NEAR_ONE:
            return self.value(r * r) - self.value(r) ** 2
        if self.s == 1.0:
            lacks, square = self.gap(1.0, 0.0, r, shortfall, shortfall), shortfall * (1.0 + r)
            return lacks * (2.0 - lacks) - self.gap(1.0, 0.0, r * r, square, square)
        # The variance of r^k where k has the shares of kappa's power series, all positive: of order shortfall^2 near 1.
        k, share = _series(self.s)
        power = np.expm1(k * math.log1p(-shortfall))
        return float(share @ (power - share @ power) ** 2)

    def slope(self, c: float, shortfall: float) -> float:
        return self.s / (_cosine(self.s, c, shortfall) * math.asin(self.s))

    def bend(self, c: float, shortfall: float) -> float:
        return self.s**3 * c / (_cosine(self.s, c, shortfall) ** 3 * math.asin(self.s))


@lru_cache
def _series(s: float) -> tuple[np.ndarray, np.ndarray]:
    """The powers of arcsin(s c) / arcsin(s) and their shares, which sum to 1; s <= 1/2."""
    terms = [s]
    for j in range(1, 30):
        terms.append(terms[-1] * s * s * (2 * j - 1) ** 2 / (2 * j * (2 * j + 1)))
    return np.arange(1, 60, 2), np.array(terms) / math.asin(s)


def _arc(shortfall: float) -> float:
    """arccos(1 - shortfall)."""
    return 2.0 * math.asin(math.sqrt(0.5 * min(shortfall, 2.0)))


def _area(phi: float, turn: float) -> float:
    """Integral of x sin x from phi to phi + turn."""
    half = 0.5 * turn
    middle = phi + half
    return half * sum(w * (middle + half * x) * math.sin(middle + half * x) for x, w in zip(_X, _W, strict=True))


@dataclass(frozen=True)
class Relu:
    """f(a) = max(a, 0): kappa(c) = (sqrt(1 - c^2) + c (pi - arccos c) - 1) / (pi - 1)."""

    odd: ClassVar[bool] = False

    def value(self, c: float) -> float:
        c = min(max(c, -1.0), 1.0)
        return (c * (0.5 * math.pi + math.asin(c)) - c * c / (1.0 + math.sqrt(1.0 - c * c))) / (math.pi - 1.0)

    def gap(self, a: float, shortfall_a: float, b: float, shortfall_b: float, difference: float) -> float:
        # (pi - 1) dkappa = pi dc - phi sin(phi) dphi with c = cos phi; the second part is at most half of the first
        area = _area(_arc(shortfall_a), _turn(1.0, a, shortfall_a, b, shortfall_b, difference))
        return (math.pi * difference - area) / (math.pi - 1.0)

    def spread(self, r: float, shortfall: float) -> float:
        if r < _NEAR_ONE:
            return self.value(r * r) - self.value(r) ** 2
        # 2 (1 - kappa(r)) - (1 - kappa(r^2)) - (1 - kappa(r))^2, the terms of order shortfall taken away by hand
        areas = _area(0.0, _arc(shortfall * (1.0 + r))) - 2.0 * _area(0.0, _arc(shortfall))
        lacks = self.gap(1.0, 0.0, r, shortfall, shortfall)
        return (math.pi * shortfall * shortfall + areas) / (math.pi - 1.0) - lacks**2

    def slope(self, c: float, shortfall: float) -> float:
        return (math.pi - _arc(shortfall)) / (math.pi - 1.0)

    def bend(self, c: float, shortfall: float) -> float:
        return 1.0 / ((math.pi - 1.0) * _cosine(1.0, c, shortfall))


_ACTIVATIONS: dict[str, Activation] = {"sign": Arcsine(1.0), "erf": Arcsine(0.5), "relu": Relu(), "linear": Linear()}
MOST_LAYERS = 100  # after far fewer nothing is left of an overlap below 1
ACTIVATIONS = tuple(_ACTIVATIONS)


class Slopes(NamedTuple):
    """The first derivatives of kappa_L at q, r and q_star, and the second at q."""

    q: float
    r: float
    q_star: float
    bend: float


class StepSlopes(NamedTuple):
    """The first derivatives of kappa_L at every q_l, at r and at q_star, and the second ones at every q_l."""

    q: np.ndarray
    r: float
    q_star: float
    bends: np.ndarray


def compose(activation: Activation, before: Orders) -> tuple[Orders, Slopes]:
    """kappa of the three overlaps with their differences, and its derivatives there; q, q_star >= 0."""
    q, r, fluctuation, uncertainty, perpendicular = before
    shortfall_q, r_squared = uncertainty + fluctuation, r * r
    shortfall_r = 1.0 - r if r < 0.0 else (shortfall_q + perpendicular) / (1.0 + r)
    after_uncertainty = activation.gap(1.0, 0.0, 1.0 - uncertainty, uncertainty, uncertainty)
    after_fluctuation = activation.gap(1.0 - uncertainty, uncertainty, q, shortfall_q, fluctuation)
    # kappa of an overlap near 1 from what it lacks: the overlap itself is rounded there
    after_q = activation.value(q) if q < _NEAR_ONE else 1.0 - after_uncertainty - after_fluctuation
    after_r = activation.value(r) if r < _NEAR_ONE else 1.0 - activation.gap(1.0, 0.0, r, shortfall_r, shortfall_r)
    if r >= 0.0 or activation.odd:
        shortfall = shortfall_r if r >= 0.0 else (shortfall_q + perpendicular) / (1.0 - r)
        after_perpendicular = activation.gap(q, shortfall_q, r_squared, shortfall_q + perpendicular, perpendicular)
        after_perpendicular += activation.spread(abs(r), shortfall)
    else:
        after_perpendicular = activation.value(q) - after_r * after_r
    after = Orders(after_q, after_r, after_fluctuation, after_uncertainty, after_perpendicular)
    slopes = Slopes(
        activation.slope(q, shortfall_q),
        activation.slope(r, shortfall_r),
        activation.slope(1.0 - uncertainty, uncertainty),
        activation.bend(q, shortfall_q),
    )
    return after, slopes


def compose_steps(activation: Activation, before: StepOrders) -> tuple[StepOrders, StepSlopes]:
    """`compose` with steps: kappa of every overlap, and its derivatives there."""
    missing = np.cumsum([before.uncertainty + before.fluctuation, *before.steps[::-1]])[::-1].tolist()  # 1 - q_l
    overlaps = before.overlaps.tolist()
    first = Orders(before.q, before.r, missing[0] - before.uncertainty, before.uncertainty, before.perpendicular)
    composed, slopes = compose(activation, first)
    levels = list(zip(overlaps, missing, strict=True))
    differences = before.steps.tolist()
    steps = [activation.gap(*levels[i + 1], *levels[i], difference) for i, difference in enumerate(differences)]
    last = activation.gap(before.q_star, before.uncertainty, *levels[-1], before.fluctuation)
    after = StepOrders(
        composed.q, composed.r, composed.perpendicular, np.array(steps), last, composed.uncertainty, before.parisi
    )
    of_overlaps = np.array([activation.slope(*level) for level in levels])
    bends = np.array([activation.bend(*level) for level in levels])
    return after, StepSlopes(of_overlaps, slopes.r, slopes.q_star, bends)


@register
@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree of `hidden_layers` layers of hidden units with disjoint inputs under a unit that takes the sign.

    alpha counts patterns per weight of the whole tree. The teacher is a tree of the same shape.

    hidden_layers : L >= 0; 0 is the perceptron.
    activation : "sign", "erf" (erf(a / sqrt 2)), "relu" or "linear" of the hidden units, centred and of variance 1;
        None stands for "sign", or for no activation where there is no hidden layer.
    flips : the probability that a label of the training set is flipped, as for Perceptron.
    """

    kind: ClassVar[str] = "tree"
    hidden_layers: int = 1
    activation: str | None = None
    flips: float = 0.0

    def __post_init__(self) -> None:
        layers = check_count("hidden_layers", self.hidden_layers, low=0, high=MOST_LAYERS)
        if layers == 0 and self.activation is not None:
            raise ValueError(f"activation must come with hidden_layers of 1 or more, got {self.activation!r}")
        if layers > 0:
            object.__setattr__(self, "activation", check_choice("activation", self.activation or "sign", ACTIVATIONS))
        object.__setattr__(self, "hidden_layers", layers)
        object.__setattr__(self, "flips", Perceptron(flips=self.flips).flips)

    def composed(self, orders: Orders) -> tuple[Orders, Slopes]:
        """kappa_L of the overlaps, and the derivatives of kappa_L."""
        total = Slopes(1.0, 1.0, 1.0, 0.0)
        for _ in range(self.hidden_layers):
            orders, slopes = compose(_ACTIVATIONS[str(self.activation)], orders)
            total = Slopes(
                slopes.q * total.q,
                slopes.r * total.r,
                slopes.q_star * total.q_star,
                slopes.bend * total.q**2 + slopes.q * total.bend,
            )
        return orders, total

    def averages(self, orders: Orders, beta: float, refine: float) -> PatternAverages:
        composed, slopes = self.composed(orders)
        hats, g_e, bend = Perceptron(flips=self.flips).averages(composed, beta, refine)
        return PatternAverages(
            Hats(slopes.q * hats.q_hat, slopes.r * hats.r_hat, slopes.q_star * hats.q_star_hat),
            g_e,
            slopes.q**2 * bend + slopes.bend * hats.q_hat,
        )

    def step_averages(self, orders: StepOrders, beta: float, refine: float) -> StepPatterns:
        levels = orders.parisi.size + 1
        slope, bend, slope_r, slope_star = np.ones(levels), np.zeros(levels), 1.0, 1.0
        for _ in range(self.hidden_layers):
            orders, slopes = compose_steps(_ACTIVATIONS[str(self.activation)], orders)
            bend = slopes.bends * slope**2 + slopes.q * bend
            slope, slope_r, slope_star = slopes.q * slope, slopes.r * slope_r, slopes.q_star * slope_star
        inner = Perceptron(flips=self.flips).step_averages(orders, beta, refine)
        squares = inner.q_hat + np.concatenate([[0.0], np.cumsum(inner.steps)])  # E f_l'^2
        return StepPatterns(
            q_hat=float(slope[0] * inner.q_hat),
            steps=slope[1:] * inner.steps + np.diff(slope) * squares[:-1],
            r_hat=slope_r * inner.r_hat,
            q_star_hat=slope_star * inner.q_star_hat,
            g_e=inner.g_e,
            bends=slope**2 * inner.bends + bend * squares,
            entropies=inner.entropies,
        )

    def aligned(self, alpha: float, beta: float, kappa: float) -> Orders:
        if self.hidden_layers == 0:
            return Perceptron(flips=self.flips).aligned(alpha, beta, kappa)
        return self._sharp(alpha, beta, kappa) if self.flips == 0.0 else self._blunt(alpha, beta)

    def _sharp(self, alpha: float, beta: float, kappa: float) -> Orders:
        """Perfect overlap: 1 - m is exponential at the rate B that the hats give there, and 1 - q_star = 2 / B.

        The smallest such 1 - q_star; for the sign it goes as a high power of 1 / (alpha beta).
        """

        from scipy.optimize import brentq  # it takes longer to load than a Task may

        def excess(log_uncertainty: float) -> float:
            uncertainty = math.exp(log_uncertainty)
            hats = self.averages(_exponential(uncertainty, 0.0), beta, _START_RULE).hats
            rate = alpha * (2.0 * hats.q_star_hat - hats.q_hat + hats.r_hat) - 0.5 * kappa * math.log(4.0 / uncertainty)
            return math.log(max(rate, 1e-300) * uncertainty / 2.0)

        grid = np.linspace(math.log(_LEAST), math.log(0.5), 24).tolist()
        low = grid[0]
        if excess(low) < 0.0:
            for high in grid[1:]:
                if excess(high) >= 0.0:
                    low = float(brentq(excess, low, high, xtol=1e-2))
                    break
                low = high
        uncertainty = math.exp(low)
        q_hat = alpha * self.averages(_exponential(uncertainty, 0.0), beta, _START_RULE).hats.q_hat
        return _exponential(uncertainty, q_hat)

    def _blunt(self, alpha: float, beta: float) -> Orders:
        """m = c W at large alpha where labels are flipped: the c that minimises the mean loss."""

        from scipy.optimize import minimize_scalar

        def loss(logit_uncertainty: float) -> float:
            uncertainty = 1.0 / (1.0 + math.exp(-logit_uncertainty))
            fluctuation = 1e-9 * uncertainty * (1.0 - uncertainty)
            q = 1.0 - uncertainty - fluctuation
            r = math.sqrt(1.0 - uncertainty - 2.0 * fluctuation)
            at = Orders(q, r, fluctuation, uncertainty, fluctuation)
            return -self.averages(at, beta, _START_RULE).g_e

        uncertainty = 1.0 / (1.0 + math.exp(-minimize_scalar(loss, bounds=(-14.0, 8.0), method="bounded").x))
        fluctuation = min(uncertainty / (1.0 + alpha * beta), 0.1 * (1.0 - uncertainty))
        q = 1.0 - uncertainty - fluctuation
        return Orders(q, math.sqrt(q - fluctuation * q), fluctuation, uncertainty, fluctuation * q)

    def eps_g(self, flipped: float) -> float:
        p, shortfall = 1.0 - 2.0 * flipped, 2.0 * flipped
        for _ in range(self.hidden_layers):
            activation = _ACTIVATIONS[str(self.activation)]
            value = activation.value(p)
            p, shortfall = value, activation.gap(1.0, 0.0, p, shortfall, shortfall) if p >= 0.0 else 1.0 - value
        return angle(0.5 * shortfall)


def _exponential(uncertainty: float, q_hat: float) -> Orders:
    """Orders where 1 - m is exponential of mean uncertainty / 2 at every site, spread by the field's variance q_hat."""
    fluctuation = 0.25 * uncertainty * uncertainty
    perpendicular = (q_hat if q_hat > 0.0 else 1.0) * fluctuation * fluctuation
    q = 1.0 - uncertainty - fluctuation
    return Orders(q, math.sqrt(max(q - perpendicular, 0.0)), fluctuation, uncertainty, perpendicular)
