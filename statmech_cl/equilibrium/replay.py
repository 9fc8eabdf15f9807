"""The equations of a later task with replay: fresh patterns of earlier tasks are learned beside the task's own.

The a_k N replayed patterns of task k are one more pattern term, with an overlap of their own, r_k = E s_k <m>:

    q_hat      = alpha q_hat(q, r, q_star) + sum_k a_k q_hat(q, r_k, q_star),        q_star_hat likewise
    r_hat      = alpha r_hat(q, r, q_star),     r_hat_k = a_k r_hat(q, r_k, q_star)
    b          = sqrt(q_hat) x + r_hat s + sum_k r_hat_k s_k + the anchor's field
    Phi        = q_hat q / 2 - q_star_hat q_star - r_hat r - sum_k r_hat_k r_k
                 + G_S + alpha G_E(q, r, q_star) + sum_k a_k G_E(q, r_k, q_star)

with q_hat(...), r_hat(...), G_E of one pattern per weight. s and the s_k are the teachers' signs on a site. The
reference depends on those of the earlier tasks: a site's field and its reference are correlated through them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..channels import Channel
from ..orders import Hats, Orders, SiteAverages, to_orders, to_unknowns
from ..sites import FieldSite
from ..solution import Solution
from .saddle import LARGEST_HATS, Equations, Image, Replayed

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class ReplayEquations(Equations):
    """y'(y) - y = 0 of a task that replays k others: the three unknowns of one task, and asinh(r_j / sqrt(q - r_j^2))
    of each of them.

    replayed : (k,) patterns of each per weight. channels : (k,) theirs. overlaps : (1 + k, 1 + k), of the teachers, the
    task's own first.
    """

    replayed: tuple[float, ...] = ()
    channels: tuple[Channel, ...] = ()
    overlaps: np.ndarray = field(default_factory=lambda: np.ones((1, 1)))

    @property
    def size(self) -> int:
        return 3 + len(self.replayed)

    def scaled(self, alpha: float) -> Equations:
        return replace(self, alpha=alpha, replayed=tuple(amount * alpha / self.alpha for amount in self.replayed))

    def orders(self, y: np.ndarray) -> Orders:
        return to_orders(y[:3])

    def of_replayed(self, y: np.ndarray) -> list[Orders]:
        """The order parameters with each r_k in place of r."""
        return [to_orders(y[[0, 1, j]]) for j in range(3, self.size)]

    def unknowns(self, sites: SiteAverages) -> np.ndarray:
        seen = [math.asinh(r / math.sqrt(max(perpendicular, _TINY))) for r, perpendicular in sites.others.T.tolist()]
        return np.append(to_unknowns(sites.orders), seen)

    def aligned(self, orders: Orders) -> np.ndarray:
        return self._near(orders, 0)

    def further_starts(self) -> list[np.ndarray]:
        near = zip(self.channels, self.replayed, strict=True)
        starts = [channel.aligned(amount, self.beta, self.site.kappa) for channel, amount in near]
        return [self._near(orders, j) for j, orders in enumerate(starts, start=1)]

    def _near(self, orders: Orders, teacher: int) -> np.ndarray:
        """y where these are the order parameters with one of the teachers, 0 the task's own."""
        seen = []
        for overlap in self.overlaps[teacher].tolist():
            away = orders.perpendicular + (1.0 - overlap**2) * orders.r**2
            seen.append(math.asinh(overlap * orders.r / math.sqrt(away)))
        return np.array([*to_unknowns(orders)[:2], *seen])

    def beside(self, at: Solution) -> np.ndarray:
        site = self._held(tuple(at.r_hat_of.values()))
        return self.unknowns(site.averages(Hats(at.q_hat, at.r_hat, at.q_star_hat), 1.0))

    def site_at(self, image: Image) -> FieldSite:
        return self._held(tuple(image.replayed.r_hat.tolist()))

    def _held(self, replayed: tuple[float, ...]) -> FieldSite:
        assert isinstance(self.site, FieldSite)
        return replace(self.site, replayed=replayed)

    def distance(self, y: np.ndarray, image: Image) -> float:
        pairs = zip(self.of_replayed(y), image.replayed.before.tolist(), strict=True)
        return max([super().distance(y, image), *(abs(orders.r - r) for orders, r in pairs)])

    def image(self, y: np.ndarray, refine: float = 1.0) -> Image:
        before, of_replayed = self.orders(y), self.of_replayed(y)
        own = self.channel.averages(before, self.beta, refine)
        others = [
            channel.averages(orders, self.beta, refine)
            for channel, orders in zip(self.channels, of_replayed, strict=True)
        ]
        # alpha and every a_k, with what one pattern per weight of each does
        terms = list(zip((self.alpha, *self.replayed), (own, *others), strict=True))
        hats = Hats(
            sum(amount * averages.hats.q_hat for amount, averages in terms),
            self.alpha * own.hats.r_hat,
            sum(amount * averages.hats.q_star_hat for amount, averages in terms),
        )
        r_hats = np.array([amount * averages.hats.r_hat for amount, averages in terms[1:]])
        g_e = sum(amount * averages.g_e for amount, averages in terms) / self.alpha  # what alpha G_E is to be
        seen = np.array([orders.r for orders in of_replayed])
        if hats.q_hat < 0.0 or not hats.size + float(np.abs(r_hats).sum()) < LARGEST_HATS:
            nowhere = np.full(self.size, math.inf)
            return Image(y, nowhere, before, before, hats, g_e, math.nan, math.nan, Replayed(seen, seen, r_hats))
        sites = self._held(tuple(r_hats.tolist())).averages(hats, refine)
        replicon = sum(amount * averages.bend for amount, averages in terms) * sites.spread
        replayed = Replayed(seen, sites.others[0], r_hats)
        return Image(y, self.unknowns(sites) - y, before, sites.orders, hats, g_e, sites.g_s, replicon, replayed)

    def free_entropy(self, at: Image) -> float:
        return super().free_entropy(at) - float(at.replayed.r_hat @ at.replayed.before)
