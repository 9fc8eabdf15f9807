"""A classical test of the steps: the Sherrington-Kirkpatrick spin glass without a field, by the same recursion.

    g_k(b) = ln 2 cosh b,   b with variance beta^2 q_0 and steps of beta^2 (q_l - q_{l-1}),   beta = 1 / temperature
    Phi = (beta^2 / 4) [1 - 2 q_k + sum_l (x_{l+1} - x_l) q_l^2] + Int Dz g_0(beta sqrt(q_0) z)
    q_l = E[g_l'^2],   dPhi/dx_l = -(beta^2 / 4) (q_l^2 - q_{l-1}^2) + S_l / x_l^2 = 0

Only the local function g_k and the energetic side differ from a task's: recursion (`kernels.steps.climb`), Newton's
method and the way a further step is opened are the same. Its numbers have stood in the literature since G. Parisi,
J. Phys. A 13, L115 (1980).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..kernels.steps import climb, field_grid
from ..orders import StepOrders
from ..solution import ConvergenceError
from ..validation import check_count, check_number
from .rsb import weights_of
from .rsb_openings import opened_somewhere
from .saddle import DIFFERENCE, RESIDUAL_WANTED, Root, newton

_BEGIN = 0.5  # the temperature at which steps are opened; lower ones are reached from there
_FACTOR = 0.85  # of the temperature, from one solution to the next
_TARGET = 1e-9  # of y' - y
_AREA_ROUNDING = 3e-16  # of dPhi/dx_l, per unit of beta^2
_REFINE = 1.5  # the rule that estimates the quadrature error


@dataclass(frozen=True, kw_only=True)
class GlassSolution:
    """The Sherrington-Kirkpatrick model at one temperature with k steps; energies per spin, in units of the coupling.

    Attributes
    ----------
    overlaps, parisi, replicons : as for `StepSolution`.
    energy, free_energy, entropy : with k steps; the entropy is negative where k is too small.
    residual, quadrature_error : as for `StepSolution`; the error covers the overlaps.
    """

    temperature: float
    overlaps: tuple[float, ...]
    parisi: tuple[float, ...]
    replicons: tuple[float, ...]
    energy: float
    free_energy: float
    entropy: float
    residual: float
    quadrature_error: float


class GlassImage(NamedTuple):
    """One application of the map: as `rsb.StepImage`."""

    y: np.ndarray
    gap: np.ndarray
    before: StepOrders
    after: np.ndarray  # q_0 ... q_k
    areas: np.ndarray
    free: bool
    beta: float
    g_0: float
    replicons: np.ndarray

    @property
    def residual(self) -> float:
        """Largest change of the overlaps under the raw map, and largest |dPhi/dx_l| where x_l is free."""
        change = float(np.abs(self.after - self.before.overlaps).max())
        return max(change, float(np.abs(self.areas).max())) if self.free and self.areas.size else change

    @property
    def settled(self) -> bool:
        k = self.areas.size if self.free else 0
        of_areas = np.abs(self.areas) < _AREA_ROUNDING * self.beta**2
        small = np.concatenate([np.abs(self.gap[: self.gap.size - k]) < _TARGET, of_areas[:k]])
        return bool(np.all(small | (np.abs(self.gap) < _TARGET))) and self.residual < RESIDUAL_WANTED

    @property
    def at_edge(self) -> bool:
        return False

    @property
    def square(self) -> float:
        """Mean square of the overlap, sum_l (x_{l+1} - x_l) q_l^2."""
        return float(weights_of(self.before.parisi) @ self.before.overlaps**2)


@dataclass(frozen=True)
class GlassEquations:
    """y'(y) - y = 0. Unknowns: ln q_0 / (1 - q_k), ln (q_l - q_{l-1}) / (1 - q_k), and ln (x_l - x_{l-1}) / (1 - x_k)
    unless `parisi` prescribes the breaking points."""

    beta: float
    k: int
    parisi: tuple[float, ...] | None = None

    @property
    def size(self) -> int:
        return self.k + 1 + (self.k if self.parisi is None else 0)

    @property
    def difference(self) -> float:
        return 10.0 * DIFFERENCE

    def orders(self, y: np.ndarray) -> StepOrders:
        shares = np.exp(np.clip(y[: self.k + 1], -300.0, 300.0))
        left = 1.0 / (1.0 + shares.sum())
        q, steps = float(shares[0] * left), shares[1:] * left
        if self.parisi is not None:
            xs = np.array(self.parisi)
        else:
            gaps = np.exp(np.clip(y[self.k + 1 :], -300.0, 300.0))
            xs = np.cumsum(gaps) / (1.0 + gaps.sum())
        return StepOrders(q, 0.0, q, steps, float(left), 0.0, xs)

    def unknowns(self, orders: StepOrders, free: bool) -> np.ndarray:
        """Inverse of orders(); `free` says whether the breaking points are unknowns."""
        of_overlaps = np.log(np.array([orders.q, *orders.steps]) / orders.fluctuation)
        if not free:
            return of_overlaps
        weights = weights_of(orders.parisi)
        return np.concatenate([of_overlaps, np.log(weights[:-1] / weights[-1])])

    def image(self, y: np.ndarray, refine: float = 1.0) -> GlassImage:
        before = self.orders(y)
        xs, square = before.parisi, self.beta**2
        variances = square * before.steps
        b, jacobian = field_grid(0.0, 0.0, square * before.q, variances, xs, 0.0, max(refine, 1.0))
        if b.size == 0:
            lost = np.full(self.k + 1, math.nan)
            return GlassImage(y, np.full(self.size, math.inf), before, lost, lost[1:], True, self.beta, math.nan, lost)
        mean, edge = np.tanh(b), 1.0 / np.cosh(np.minimum(np.abs(b), 350.0)) ** 2
        mass = jacobian * np.exp(-0.5 * b**2 / (square * before.q)) / math.sqrt(2.0 * math.pi * square * before.q)
        g_0, mean_0, top, gains, entropies, bends = climb(
            b, jacobian, np.logaddexp(b, -b), mean, edge, xs, variances, mass[None]
        )
        q_0 = float(mass @ mean_0**2)
        after = q_0 + np.concatenate([[0.0], np.cumsum(gains)])
        gap = np.log(np.array([q_0, *gains]) / float(top[0] @ edge)) - y[: self.k + 1]
        # above the chord of each step, which the energetic side, a straight line, is itself
        areas = entropies / xs**2 - 0.25 * variances * (after[1:] + after[:-1])
        if self.parisi is None:
            gap = np.concatenate([gap, areas / np.maximum(square * before.steps**3, 1e-300)])
        free = self.parisi is None
        return GlassImage(y, gap, before, after, areas, free, self.beta, float(mass @ g_0), square * bends)


def solve_glass(temperature: float, k: int) -> GlassSolution:
    """The Sherrington-Kirkpatrick model without a field, below its transition, with k steps.

    Parameters
    ----------
    temperature : in units of the coupling, 0 < temperature < 1 (at 1 and above every overlap is 0).
    k : number of steps; k = 0 is replica symmetry.

    Raises
    ------
    ConvergenceError : no fixed point.

    Source: G. Parisi, J. Phys. A 13, L115 (1980).
    """
    temperature = check_number("temperature", temperature, low=0.0, high=1.0, open_low=True, open_high=True)
    check_count("k", k, low=0)
    here = max(temperature, _BEGIN)
    begin = StepOrders(1.0 - here, 0.0, 1.0 - here, np.empty(0), here, 0.0, np.empty(0))
    equations = GlassEquations(1.0 / here, 0)
    root: Root | None = newton(equations, equations.unknowns(begin, True), polish=True)
    while root is not None and root.converged and equations.k < k:
        equations = replace(equations, k=equations.k + 1)
        root = opened_somewhere(equations, root.image.before, int(np.argmax(root.image.replicons)))
    while root is not None and root.converged and here > temperature:
        here = max(temperature, _FACTOR * here)
        equations = replace(equations, beta=1.0 / here)
        root = newton(equations, root.image.y, polish=True)
    if root is None or not root.converged:
        state = (math.nan, math.nan, math.nan)
        raise ConvergenceError(
            f"no fixed point with {k} steps at temperature={temperature:g} (lost at {here:.3g}); take fewer steps",
            state=state,
            residual=math.nan if root is None else root.image.residual,
        )
    return _result(equations, root)


def _result(equations: GlassEquations, root: Root) -> GlassSolution:
    image, beta = root.image, equations.beta
    refined = equations.image(image.y, _REFINE)
    moved = equations.orders(image.y - np.linalg.lstsq(root.jacobian, refined.gap, rcond=None)[0])
    orders = image.before
    phi = 0.25 * beta**2 * (1.0 - 2.0 * (1.0 - orders.fluctuation) + image.square) + image.g_0
    energy = -0.5 * beta * (1.0 - image.square)
    return GlassSolution(
        temperature=1.0 / beta,
        overlaps=tuple(orders.overlaps.tolist()),
        parisi=tuple(orders.parisi.tolist()),
        replicons=tuple(image.replicons.tolist()),
        energy=energy,
        free_energy=-phi / beta,
        entropy=phi + beta * energy,
        residual=image.residual,
        quadrature_error=moved.distance(orders),
    )
