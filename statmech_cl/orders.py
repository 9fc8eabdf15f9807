"""The order parameters of one task, their small differences, and the unknowns in which the equations are solved.

The unknowns are y = (logit q_star, logit(q / q_star), asinh(r / sqrt(q - r^2))): unconstrained, and blind to the digits
that q_star - q, 1 - q_star and q - r^2 lose near perfect overlap.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Orders(NamedTuple):
    """Order parameters with their small differences, which are computed and kept apart.

    fluctuation : q_star - q, the mean thermal variance of m. uncertainty : 1 - q_star, the mean variance of a weight.
    perpendicular : q - r^2, what is learned but not of the teacher.
    """

    q: float
    r: float
    fluctuation: float
    uncertainty: float
    perpendicular: float

    @property
    def q_star(self) -> float:
        return 1.0 - self.uncertainty

    def distance(self, other: Orders) -> float:
        """Largest difference in q, r and q_star."""
        return max(abs(self.q - other.q), abs(self.r - other.r), abs(self.uncertainty - other.uncertainty))


class Hats(NamedTuple):
    """The conjugates of q, r and q_star."""

    q_hat: float
    r_hat: float
    q_star_hat: float

    @property
    def size(self) -> float:
        """Sum of their absolute values: what cancels in a m^2 + b m, and so what rounding goes with."""
        return abs(self.q_hat) + abs(self.r_hat) + abs(self.q_star_hat)


class PatternAverages(NamedTuple):
    """One pass over the patterns at alpha = 1: the hats, G_E, and 2 Int Dz H F''^2 of the replicon."""

    hats: Hats
    g_e: float
    bend: float


class SiteAverages(NamedTuple):
    """One pass over the sites: the order parameters, G_S, and Int (<m^2> - <m>^2)^2 of the replicon; of the k teachers
    whose patterns are replayed E s_k <m> and q - (E s_k <m>)^2 besides, (2, k). Sites behind a reference may add
    what `responses` needs for derivatives in the hats."""

    orders: Orders
    g_s: float
    spread: float
    others: np.ndarray = np.zeros((2, 0))
    moved: np.ndarray | None = None


def to_orders(y: np.ndarray) -> Orders:
    """The order parameters at y, their differences free of cancellation."""
    y1, y2, y3 = [min(max(v, -300.0), 300.0) for v in y.tolist()]
    q_star = 1.0 / (1.0 + math.exp(-y1))
    q = q_star / (1.0 + math.exp(-y2))
    fluctuation, uncertainty = q_star / (1.0 + math.exp(y2)), 1.0 / (1.0 + math.exp(y1))
    return Orders(q, math.sqrt(q) * math.tanh(y3), fluctuation, uncertainty, q / math.cosh(y3) ** 2)


def to_unknowns(orders: Orders) -> np.ndarray:
    """Inverse of to_orders."""
    return np.array(
        [
            math.log((1.0 - orders.uncertainty) / orders.uncertainty),
            math.log(max(orders.q, 1e-300) / orders.fluctuation),
            math.asinh(orders.r / math.sqrt(max(orders.perpendicular, 1e-300))),
        ]
    )


class StepOrders(NamedTuple):
    """Order parameters and their small differences, each computed and kept apart.

    q : q_0. r. perpendicular : q_0 - r^2. steps : (k,) q_l - q_{l-1}. fluctuation : q_star - q_k.
    uncertainty : 1 - q_star. parisi : (k,) x_1 ... x_k.
    """

    q: float
    r: float
    perpendicular: float
    steps: np.ndarray
    fluctuation: float
    uncertainty: float
    parisi: np.ndarray

    @property
    def overlaps(self) -> np.ndarray:
        """q_0, ..., q_k."""
        return self.q + np.concatenate([[0.0], np.cumsum(self.steps)])

    @property
    def q_star(self) -> float:
        return 1.0 - self.uncertainty

    def distance(self, other: StepOrders) -> float:
        """Largest difference in r, q_star and the overlaps."""
        return max(
            abs(self.r - other.r),
            abs(self.uncertainty - other.uncertainty),
            float(np.abs(self.overlaps - other.overlaps).max()),
        )


class StepPatterns(NamedTuple):
    """One sweep over the patterns at alpha = 1 with k steps: q_hat_0 and the steps (k,) of q_hat, r_hat, q_star_hat,
    G_E, the patterns' factor (k + 1,) of the replicon of each level, and E x_l (f_l - f_{l-1}), (k,)."""

    q_hat: float
    steps: np.ndarray
    r_hat: float
    q_star_hat: float
    g_e: float
    bends: np.ndarray
    entropies: np.ndarray
