"""Derivatives of the order parameters in the hats and of the unknowns in the order parameters, for Newton's steps."""

from __future__ import annotations

import math

import numpy as np

from .orders import Orders, SiteAverages


def of_sites(sites: SiteAverages) -> np.ndarray:
    """d y / d hats, (3, 3): how the unknowns answer to the hats at sites that told what moves."""
    assert sites.moved is not None
    return of_unknowns(sites.orders) @ of_orders(sites.moved, sites.orders, sites.spread)


def of_orders(moved: np.ndarray, orders: Orders, spread: float) -> np.ndarray:
    """d(q, r, fluctuation, uncertainty, perpendicular) / d(q_hat, r_hat, q_star_hat), (5, 3), from the sums of
    `kernels.responses` : (11,); `spread` is E (<m^2> - <m>^2)^2."""
    odd_3, odd_skew, odd_2, mean_3, mean_skew, fourth, bend, square, away_2, away_3, away_skew = moved.tolist()
    v, far = orders.fluctuation, 1.0 - orders.r
    by_q = [spread + mean_3, 0.5 * odd_3, 0.5 * fourth, -0.5 * bend, spread - away_3 + far * odd_3]  # at fixed a
    by_r = [2.0 * odd_2, v, odd_3, -odd_skew, -2.0 * (away_2 - far * v)]
    by_a = [2.0 * mean_skew, odd_skew, bend, -square, -2.0 * (away_skew - far * odd_skew)]
    return np.array([[q - 0.5 * a, r, a] for q, r, a in zip(by_q, by_r, by_a, strict=True)])


def of_unknowns(orders: Orders) -> np.ndarray:
    """d to_unknowns / d(q, r, fluctuation, uncertainty, perpendicular), (3, 5)."""
    q, r, fluctuation, uncertainty, perpendicular = orders
    root = math.sqrt(perpendicular + r * r)
    return np.array(
        [
            [0.0, 0.0, 0.0, -1.0 / (uncertainty * (1.0 - uncertainty)), 0.0],
            [1.0 / q, 0.0, -1.0 / fluctuation, 0.0, 0.0],
            [0.0, 1.0 / root, 0.0, 0.0, -0.5 * r / (perpendicular * root)],
        ]
    )
