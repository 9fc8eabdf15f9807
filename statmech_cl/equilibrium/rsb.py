"""The saddle-point equations of k steps of replica symmetry breaking, as a map y'(y) = y.

    Phi = -q_star_hat q_star - r_hat r + (1/2) sum_{l=0}^{k} (x_{l+1} - x_l) q_hat_l q_l + G_S + alpha G_E
    q_hat_l = alpha E[f_l'^2],  q_l = E[g_l'^2],  r_hat, r, q_star_hat, q_star as in replica symmetry, at the last level
    dPhi/dx_l = -(1/2) (q_hat_l q_l - q_hat_{l-1} q_{l-1}) + (S^g_l + alpha S^f_l) / x_l^2 = 0

with S_l = E x_l (f_l - f_{l-1}), the relative entropy of step l (see `statmech_cl.kernels.steps`). k = 0 is replica
symmetry. dPhi/dx_l is half the area between the curves q_hat(q) of the patterns and q(q_hat) of the sites, which meet
at both ends of the step; it vanishes as the third power of a small step, and is divided by that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..channels import StepChannel
from ..kernels.steps import entropic_steps, field_grid
from ..orders import StepOrders
from ..sites import StepSite
from .saddle import DIFFERENCE, EDGE, LARGEST_HATS, RESIDUAL_WANTED

_TARGET = 1e-11  # of y' - y
_ROUNDING = 4e-17  # of y' - y, per unit of the hats
_AREA_ROUNDING = 3e-16  # of dPhi/dx_l, per unit of q_hat_l
_SMALL, _FINER = 0.03, 1.2  # a step below this share of q_0 asks for a finer rule
_FARTHEST = 300.0
_SIGNS = np.array([1.0, -1.0])


class StepHats(NamedTuple):
    """The conjugates: q_hat_0, the steps (k,) of q_hat, r_hat and q_star_hat."""

    q_hat: float
    steps: np.ndarray
    r_hat: float
    q_star_hat: float

    @property
    def overlaps(self) -> np.ndarray:
        """q_hat_0, ..., q_hat_k."""
        return self.q_hat + np.concatenate([[0.0], np.cumsum(self.steps)])

    @property
    def curvature(self) -> float:
        """a = q_star_hat - q_hat_k / 2, of a m^2 in the local measure."""
        return self.q_star_hat - 0.5 * (self.q_hat + float(self.steps.sum()))

    @property
    def size(self) -> float:
        return abs(self.q_hat) + float(self.steps.sum()) + abs(self.r_hat) + abs(self.q_star_hat)


def weights_of(parisi: np.ndarray) -> np.ndarray:
    """P(q): the probabilities x_{l+1} - x_l of the overlaps q_0, ..., q_k."""
    return np.diff(np.concatenate([[0.0], parisi, [1.0]]))


def to_step_orders(y: np.ndarray, parisi: np.ndarray | None) -> StepOrders:
    """The order parameters at y; `parisi` are the breaking points where they are not unknowns."""
    y = np.clip(y, -_FARTHEST, _FARTHEST)
    k = (y.size - 3) // 2 if parisi is None else parisi.size
    q_star = 1.0 / (1.0 + math.exp(-y[0]))
    last = q_star / (1.0 + math.exp(-y[1]))
    ratios = np.exp(y[3 : 3 + k])
    q = last / (1.0 + ratios.sum())
    if parisi is None:
        gaps = np.exp(y[3 + k :])
        parisi = np.cumsum(gaps) / (1.0 + gaps.sum())
    return StepOrders(
        q=q,
        r=math.sqrt(q) * math.tanh(y[2]),
        perpendicular=q / math.cosh(y[2]) ** 2,
        steps=q * ratios,
        fluctuation=q_star / (1.0 + math.exp(y[1])),
        uncertainty=1.0 / (1.0 + math.exp(y[0])),
        parisi=parisi,
    )


def to_step_unknowns(orders: StepOrders, free: bool) -> np.ndarray:
    """Inverse of to_step_orders; `free` says whether the breaking points are unknowns."""
    tiny = 1e-300
    last = orders.q + float(orders.steps.sum())
    first = [
        math.log((1.0 - orders.uncertainty) / orders.uncertainty),
        math.log(max(last, tiny) / orders.fluctuation),
        math.asinh(orders.r / math.sqrt(max(orders.perpendicular, tiny))),
    ]
    ratios = np.log(np.maximum(orders.steps, tiny) / max(orders.q, tiny))
    if not free:
        return np.concatenate([first, ratios])
    weights = weights_of(orders.parisi)
    return np.concatenate([first, ratios, np.log(weights[:-1] / weights[-1])])


class StepImage(NamedTuple):
    """One application of the map: as `saddle.Image`, with `areas`, dPhi/dx_l (k,)."""

    y: np.ndarray
    gap: np.ndarray
    before: StepOrders
    after: StepOrders
    hats: StepHats
    areas: np.ndarray
    free: bool
    g_e: float
    g_s: float
    replicons: np.ndarray  # (k + 1,) of every level
    fields: np.ndarray
    jacobian: np.ndarray  # of the fields
    top: np.ndarray  # (2, n) masses of the fields at the last level, for s = +1 and s = -1

    @property
    def settled(self) -> bool:
        """Whether y' - y is as small as double precision lets it be; of a small step only the digits that q has."""
        k = self.areas.size if self.free else 0
        of_orders = np.abs(self.gap[: self.gap.size - k])
        of_orders[3:] *= np.minimum(self.before.steps / self.before.q, 1.0)
        if not (of_orders.max() < max(_TARGET, _ROUNDING * self.hats.size) and self.residual < RESIDUAL_WANTED):
            return False
        floor = _AREA_ROUNDING * self.hats.overlaps[1:]
        return k == 0 or bool(np.all((np.abs(self.areas) < floor) | (np.abs(self.gap[-k:]) < _TARGET)))

    @property
    def residual(self) -> float:
        """Largest change of r, q_star and the overlaps under the raw map, and largest |dPhi/dx_l| where x_l is free."""
        change = self.after.distance(self.before)
        return max(change, float(np.abs(self.areas).max())) if self.free and self.areas.size else change

    @property
    def at_edge(self) -> bool:
        return self.before.uncertainty <= EDGE


@dataclass(frozen=True)
class StepEquations:
    """y'(y) - y = 0 of k steps, at fixed alpha, beta, site and channel.

    Unknowns: logit q_star, ln q_k / (q_star - q_k), asinh r / sqrt(q_0 - r^2), ln (q_l - q_{l-1}) / q_0 for each step,
    and ln (x_l - x_{l-1}) / (1 - x_k), unless `parisi` prescribes the breaking points.
    """

    alpha: float
    beta: float
    site: StepSite
    channel: StepChannel
    k: int
    parisi: tuple[float, ...] | None = None

    @property
    def free(self) -> bool:
        return self.parisi is None

    @property
    def size(self) -> int:
        return 3 + self.k + (self.k if self.free else 0)

    @property
    def difference(self) -> float:
        """Of areas divided by the cube of a small step the rounding is larger than that of the other gaps."""
        return DIFFERENCE if self.k == 0 else 10.0 * DIFFERENCE

    def orders(self, y: np.ndarray) -> StepOrders:
        return to_step_orders(y, None if self.parisi is None else np.array(self.parisi))

    def unknowns(self, orders: StepOrders, free: bool) -> np.ndarray:
        """Inverse of orders(); `free` says whether the breaking points are unknowns."""
        return to_step_unknowns(orders, free)

    def image(self, y: np.ndarray, refine: float = 1.0) -> StepImage:
        before = self.orders(y)
        if self.k > 0 and before.steps.min() < _SMALL * before.q:
            refine *= _FINER  # the rule's error is divided by the cube of a small step
        return self.apply(before, y, refine)

    def apply(self, before: StepOrders, y: np.ndarray, refine: float) -> StepImage:
        """The map at `before`, whose unknowns are y; equal neighbours (a step of 0) are allowed here."""
        xs, patterns = before.parisi, self.channel.step_averages(before, self.beta, refine)
        hats = StepHats(
            self.alpha * patterns.q_hat, self.alpha * patterns.steps, self.alpha * patterns.r_hat,
            self.alpha * patterns.q_star_hat,
        )  # fmt: skip
        swept = self._sites(hats, xs, refine) if hats.size < LARGEST_HATS else None
        if swept is None:
            lost = np.full(xs.size + 1, math.nan)
            return StepImage(
                y, np.full(self.size, math.inf), before, before, hats, lost[1:], self.free, patterns.g_e, math.nan,
                lost, np.empty(0), np.empty(0), np.empty((2, 0)),
            )  # fmt: skip
        b, jacobian, (q, r, steps, fluctuation, uncertainty, perpendicular, g_s, spreads, of_sites, top) = swept
        after = StepOrders(q, r, perpendicular, steps, fluctuation, uncertainty, xs)
        # of each curve the area above its own chord: off the solution too both vanish with the step's third power
        above_f = self.alpha * patterns.entropies / xs**2
        above_f -= 0.25 * before.steps * (hats.overlaps[1:] + hats.overlaps[:-1])
        above_g = of_sites / xs**2 - 0.25 * hats.steps * (after.overlaps[1:] + after.overlaps[:-1])
        areas = above_f + above_g
        gap = to_step_unknowns(after, False) - y[: 3 + self.k]
        if self.free:
            cube = np.maximum(hats.steps * before.steps**2, 1e-300) / before.q_star
            gap = np.concatenate([gap, areas / cube])
        replicons = self.alpha * patterns.bends * spreads
        return StepImage(y, gap, before, after, hats, areas, self.free, patterns.g_e, g_s, replicons, b, jacobian, top)

    def _sites(self, hats: StepHats, xs: np.ndarray, refine: float) -> tuple[np.ndarray, np.ndarray, tuple] | None:
        """Fields and the averages over the sites, or None where the grid would be too fine."""
        site, variance = self.site, hats.q_hat
        sources = site.sources(math.sqrt(variance), refine)
        if sources is None:
            return None
        means, shares, constant = sources
        wide = abs(hats.r_hat) if shares[:, 1].any() else 0.0
        low, high = means.min() + min(hats.r_hat, wide and -wide), means.max() + max(hats.r_hat, wide)
        b, jacobian = field_grid(low, high, variance, hats.steps, xs, hats.curvature, refine)
        if b.size == 0:
            return None
        mass = smeared(b, jacobian, means + hats.r_hat * _SIGNS[:, None], shares.T, variance)
        g, mean, slope, edge, width = site.local(b, hats.curvature, refine)
        swept = entropic_steps(b, jacobian, mass, g, mean, slope, edge, width, hats.steps, xs)
        return b, jacobian, (*swept[:6], swept[6] + constant, *swept[7:])

    def free_entropy(self, at: StepImage) -> float:
        """Phi at the point of an image."""
        orders, hats = at.before, at.hats
        pairs = 0.5 * float(weights_of(orders.parisi) @ (hats.overlaps * orders.overlaps))
        return pairs - hats.q_star_hat * orders.q_star - hats.r_hat * orders.r + at.g_s + self.alpha * at.g_e

    def flipped(self, at: StepImage, refine: float) -> float:
        """(1 - p) / 2 at the point of an image."""
        return self.site.flipped_at(at.fields, at.top, at.hats.curvature, refine)


def smeared(b: np.ndarray, jacobian: np.ndarray, means: np.ndarray, shares: np.ndarray, variance: float) -> np.ndarray:
    """Masses (c, n) of the fields b : (n,) around means : (c, s) with shares : (c, s), each with Gaussian noise."""
    norm = jacobian / math.sqrt(2.0 * math.pi * variance)
    mass = np.zeros((len(shares), b.size))
    for row, centres, weights in zip(mass, means, shares, strict=True):
        if weights.any():
            row += norm * (np.exp(-0.5 * (b[:, None] - centres) ** 2 / variance) @ weights)
    return mass
