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
        return sum(abs(hat) for hat in self)


class PatternAverages(NamedTuple):
    """One pass over the patterns at alpha = 1: the hats, G_E, and 2 Int Dz H F''^2 of the replicon."""

    hats: Hats
    g_e: float
    bend: float


class SiteAverages(NamedTuple):
    """One pass over the sites: the order parameters, G_S, and Int (<m^2> - <m>^2)^2 of the replicon; where patterns of
    task 1 may be replayed, E<m> and q - (E<m>)^2 besides."""

    orders: Orders
    g_s: float
    spread: float
    first: tuple[float, float] | None = None


def to_orders(y: np.ndarray) -> Orders:
    """The order parameters at y, their differences free of cancellation."""
    y1, y2, y3 = (min(max(float(v), -300.0), 300.0) for v in y)
    q_star = 1.0 / (1.0 + math.exp(-y1))
    q = q_star / (1.0 + math.exp(-y2))
    return Orders(
        q=q,
        r=math.sqrt(q) * math.tanh(y3),
        fluctuation=q_star / (1.0 + math.exp(y2)),
        uncertainty=1.0 / (1.0 + math.exp(y1)),
        perpendicular=q / math.cosh(y3) ** 2,
    )


def to_unknowns(orders: Orders) -> np.ndarray:
    """Inverse of to_orders."""
    return np.array(
        [
            math.log((1.0 - orders.uncertainty) / orders.uncertainty),
            math.log(max(orders.q, 1e-300) / orders.fluctuation),
            math.asinh(orders.r / math.sqrt(max(orders.perpendicular, 1e-300))),
        ]
    )
