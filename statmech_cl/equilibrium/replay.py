"""The equations of a later task with replay: fresh patterns of task 1 are learned beside the task's own.

The replayed patterns are one more pattern term, with an overlap of their own, r_1 = E s_1 <m>:

    q_hat      = alpha q_hat(q, r, q_star) + replayed q_hat(q, r_1, q_star),        q_star_hat likewise
    r_hat      = alpha r_hat(q, r, q_star),     r_hat_1 = replayed r_hat(q, r_1, q_star)
    b          = sqrt(q_hat) x + r_hat s + r_hat_1 s_1 + the anchor's field
    Phi        = q_hat q / 2 - q_star_hat q_star - r_hat r - r_hat_1 r_1 + G_S + alpha G_E(r) + replayed G_E(r_1)

with q_hat(...), r_hat(...), G_E of one pattern per weight. Teacher 1 is 1 in the gauge of a chain (s_1 = 1), so r_hat_1
shifts the field of every site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..channels import PLAIN, Channel
from ..orders import Hats, Orders, SiteAverages, to_orders, to_unknowns
from ..sites import FieldSite
from ..solution import Solution
from .saddle import LARGEST_HATS, Equations, Image, Replayed

_TINY = 1e-12


@dataclass(frozen=True)
class ReplayEquations(Equations):
    """y'(y) - y = 0 of a task with replay: four unknowns, those of one task and asinh(r_1 / sqrt(q - r_1^2)).

    replayed : patterns of task 1 per weight. first : the channel of task 1. overlap : of the two teachers.
    """

    replayed: float = 0.0
    first: Channel = PLAIN
    overlap: float = 0.0

    @property
    def size(self) -> int:
        return 4

    def scaled(self, alpha: float) -> Equations:
        return replace(self, alpha=alpha, replayed=self.replayed * alpha / self.alpha)

    def orders(self, y: np.ndarray) -> Orders:
        return to_orders(y[:3])

    def of_first(self, y: np.ndarray) -> Orders:
        """The order parameters with r_1 in place of r."""
        return to_orders(y[[0, 1, 3]])

    def unknowns(self, sites: SiteAverages) -> np.ndarray:
        assert sites.first is not None
        r_1, perpendicular = sites.first
        seen = math.asinh(r_1 / math.sqrt(max(perpendicular, _TINY)))
        return np.append(to_unknowns(sites.orders), seen)

    def aligned(self, orders: Orders) -> np.ndarray:
        r_1 = self.overlap * orders.r
        away = orders.perpendicular + (1.0 - self.overlap**2) * orders.r**2
        return np.append(to_unknowns(orders), math.asinh(r_1 / math.sqrt(away)))

    def further_starts(self) -> list[np.ndarray]:
        orders = self.first.aligned(self.replayed, self.beta, self.site.kappa)
        y = self.aligned(orders)
        return [y[[0, 1, 3, 2]]]

    def beside(self, at: Solution) -> np.ndarray:
        site = self._held(at.r_hat_1 or 0.0)
        return self.unknowns(site.averages(Hats(at.q_hat, at.r_hat, at.q_star_hat), 1.0))

    def site_at(self, image: Image) -> FieldSite:
        assert image.replayed is not None
        return self._held(image.replayed.r_hat)

    def _held(self, r_hat_1: float) -> FieldSite:
        assert isinstance(self.site, FieldSite)
        return replace(self.site, offset=r_hat_1)

    def distance(self, y: np.ndarray, image: Image) -> float:
        assert image.replayed is not None
        return max(super().distance(y, image), abs(self.of_first(y).r - image.replayed.before))

    def image(self, y: np.ndarray, refine: float = 1.0) -> Image:
        before, of_first = self.orders(y), self.of_first(y)
        own = self.channel.averages(before, self.beta, refine)
        old = self.first.averages(of_first, self.beta, refine)
        hats = Hats(
            self.alpha * own.hats.q_hat + self.replayed * old.hats.q_hat,
            self.alpha * own.hats.r_hat,
            self.alpha * own.hats.q_star_hat + self.replayed * old.hats.q_star_hat,
        )
        r_hat_1 = self.replayed * old.hats.r_hat
        g_e = own.g_e + self.replayed / self.alpha * old.g_e  # what alpha G_E is to be
        if hats.q_hat < 0.0 or not hats.size + abs(r_hat_1) < LARGEST_HATS:
            seen = Replayed(of_first.r, of_first.r, r_hat_1)
            return Image(y, np.full(4, math.inf), before, before, hats, g_e, math.nan, math.nan, seen)
        sites = self._held(r_hat_1).averages(hats, refine)
        assert sites.first is not None
        replicon = (self.alpha * own.bend + self.replayed * old.bend) * sites.spread
        seen = Replayed(of_first.r, sites.first[0], r_hat_1)
        return Image(y, self.unknowns(sites) - y, before, sites.orders, hats, g_e, sites.g_s, replicon, seen)

    def free_entropy(self, at: Image) -> float:
        assert at.replayed is not None
        return super().free_entropy(at) - at.replayed.r_hat * at.replayed.before
