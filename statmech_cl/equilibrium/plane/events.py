"""What holds along a line: the fixed point's equations and one more, in the unknowns (state, cx, cy).

    fold        y' = y,  (d(y' - y)/dy) v = 0,  |v| = 1                      state (y, v)
    replicon    y' = y,  ln replicon = 0                                     state y
    level       y' = y,  f(solution) = value                                 state y
    maxwell     y_a' = y_a,  y_b' = y_b,  Phi(y_a) = Phi(y_b)                state (y_a, y_b)
    cusp        g(0) = g'(0) = g''(0) = 0,  |v| = 1,  v . a = 0              state (y, v, a)
                with g(s) = y' - y at y + s v + s^2 a / 2

Derivatives along v are central differences of sixth order whose step is as wide as the map's smoothness allows, so that
the rounding of one application of the map, 1e-13 in y' - y, stays below 1e-10 in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...orders import Hats
from ..saddle import DIFFERENCE, Equations, Image
from .parameters import Plane

_STEP = 0.01  # in y along v, of g'
_FAR_STEP = 0.02  # where the hats exceed _FAR, and rounding with them
_FAR = 2e4
_WIDE = 0.03  # of g''
_SLOPE_ROUNDING = 8e-18  # of g', per unit of the hats, times the step
_ENTROPY_ROUNDING = 2e-16  # of Phi, per unit of the hats
_COARSEST = 1e-10  # rounding beyond which a line is not followed
_CROSS = 1e-3  # of mixed second differences: they only steer Newton and the tangent
_SLOPE = (45.0 / 60.0, -9.0 / 60.0, 1.0 / 60.0)  # of g(k h) - g(-k h), k = 1, 2, 3, for h g'
_BEND = (270.0 / 180.0, -27.0 / 180.0, 2.0 / 180.0)  # of g(k h) + g(-k h) - 2 g(0), for h^2 g''


@dataclass(frozen=True, eq=False)
class LineImage:
    """One evaluation of a line's equations. y : all unknowns but the last; gap : what is to vanish; images : of each
    solution that the state holds; floor : below which the rows beyond y' - y are rounding."""

    y: np.ndarray
    gap: np.ndarray
    images: tuple[Image, ...]
    floor: float

    @property
    def settled(self) -> bool:
        mapped = sum(s.gap.size for s in self.images)
        return all(s.settled for s in self.images) and bool(np.abs(self.gap[mapped:]).max() < self.floor)

    @property
    def at_edge(self) -> bool:
        return any(s.at_edge for s in self.images) or self.floor > _COARSEST

    @property
    def hats(self) -> Hats:
        return max((s.hats for s in self.images), key=lambda hats: hats.size)

    @property
    def residual(self) -> float:
        """The largest of what is left of the raw maps, and of the rows that make the event."""
        mapped = sum(s.gap.size for s in self.images)
        return max(*(s.residual for s in self.images), float(np.abs(self.gap[mapped:]).max()))


class Line:
    """A family of line equations with cy for its parameter: continuation follows it."""

    copies = 1  # solutions in the state

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.size = task_size(plane)

    def __call__(self, cy: float) -> _At:
        return _At(self, cy)

    def image(self, x: np.ndarray, refine: float) -> LineImage:
        raise NotImplementedError

    def same(self, a: np.ndarray, b: np.ndarray) -> float:
        """How far two points are apart, as points of the line."""
        return float(np.abs(a - b).max())

    def y(self, x: np.ndarray, copy: int = 0) -> np.ndarray:
        return x[copy * self.size : (copy + 1) * self.size]


@dataclass(frozen=True)
class _At:
    """The line's equations at fixed cy."""

    line: Line
    cy: float

    @property
    def size(self) -> int:
        return self.line.size * self.line.copies + 1

    def image(self, y: np.ndarray, refine: float = 1.0) -> LineImage:
        return self.line.image(np.append(y, self.cy), refine)


def task_size(plane: Plane) -> int:
    """Unknowns of one solution."""
    return plane.equations(plane.x.bounds[0], plane.y.bounds[0]).size


class Level(Line):
    """One solution on which a function of it vanishes."""

    def __init__(self, plane: Plane, function: Callable[[Plane, np.ndarray, Image, float], float]) -> None:
        super().__init__(plane)
        self.function = function

    def image(self, x: np.ndarray, refine: float) -> LineImage:
        at = self.plane.equations(x[-2], x[-1]).image(x[:-2], refine)
        if not np.isfinite(at.gap).all():
            return LineImage(x[:-1], np.append(at.gap, math.inf), (at,), 0.0)
        return LineImage(x[:-1], np.append(at.gap, self.function(self.plane, x, at, refine)), (at,), 1e-11)


def log_replicon_of(plane: Plane, x: np.ndarray, at: Image, refine: float) -> float:
    """Zero where the ansatz changes its stability."""
    return math.log(max(at.replicon, 1e-300))


def observable(read: Callable[[Any], float], value: float) -> Callable[[Plane, np.ndarray, Image, float], float]:
    """read(solution) - value, as a Level wants it."""

    def function(plane: Plane, x: np.ndarray, at: Image, refine: float) -> float:
        return float(read(plane.solution(x[-2], x[-1], at, refine))) - value

    return function


def along(equations: Equations, y: np.ndarray, v: np.ndarray, step: float, refine: float) -> np.ndarray:
    """d/ds of y' - y at y + s v, s = 0."""
    total = np.zeros(y.size)
    for k, factor in enumerate(_SLOPE, 1):
        ahead, behind = (equations.image(y + sign * k * step * v, refine).gap for sign in (1.0, -1.0))
        total += factor * (ahead - behind)
    return total / step


class Fold(Line):
    """A solution and the direction in which it is double."""

    copies = 2

    def image(self, x: np.ndarray, refine: float) -> LineImage:
        n = self.size
        y, v = x[:n], x[n : 2 * n]
        equations = self.plane.equations(x[-2], x[-1])
        at = equations.image(y, refine)
        step = _STEP if at.hats.size < _FAR else _FAR_STEP
        slope = along(equations, y, v, step, refine) if np.isfinite(at.gap).all() else np.full(n, math.inf)
        floor = max(2e-11, _SLOPE_ROUNDING * at.hats.size / step)
        return LineImage(x[:-1], np.concatenate([at.gap, slope, [0.5 * (v @ v - 1.0)]]), (at,), floor)

    def derivative(self, x: np.ndarray, refine: float) -> np.ndarray:
        """From images at y +- h v, moved along every unknown: the mean is y' - y, the half difference its slope."""
        n = self.size
        y, v = x[:n], x[n : 2 * n]

        def pair(moved: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            equations = self.plane.equations(c[0], c[1])
            ahead, behind = (equations.image(moved + sign * _CROSS * v, refine).gap for sign in (1.0, -1.0))
            return 0.5 * (ahead + behind), (ahead - behind) / (2.0 * _CROSS)

        columns = []
        for e in np.eye(n + 2):
            step = _CROSS * e
            plus = pair(y + step[:n], x[2 * n :] + step[n:])
            minus = pair(y - step[:n], x[2 * n :] - step[n:])
            columns.append([(a - b) / (2.0 * _CROSS) for a, b in zip(plus, minus, strict=True)])
        mapped = np.column_stack([c[0] for c in columns])
        slopes = np.column_stack([c[1] for c in columns])
        derivative = np.zeros((2 * n + 1, 2 * n + 2))
        derivative[:n, :n], derivative[:n, 2 * n :] = mapped[:, :n], mapped[:, n:]
        derivative[n : 2 * n, :n], derivative[n : 2 * n, 2 * n :] = slopes[:, :n], slopes[:, n:]
        derivative[n : 2 * n, n : 2 * n] = mapped[:, :n]
        derivative[2 * n, n : 2 * n] = v
        return derivative

    def same(self, a: np.ndarray, b: np.ndarray) -> float:
        turned = b.copy()
        turned[self.size : 2 * self.size] *= -1.0
        return min(super().same(a, b), super().same(a, turned))


class Maxwell(Line):
    """Two solutions of the same free entropy."""

    copies = 2

    def image(self, x: np.ndarray, refine: float) -> LineImage:
        equations = self.plane.equations(x[-2], x[-1])
        a, b = (equations.image(self.y(x, copy), refine) for copy in (0, 1))
        finite = np.isfinite(a.gap).all() and np.isfinite(b.gap).all()
        difference = equations.free_entropy(a) - equations.free_entropy(b) if finite else math.inf
        floor = max(1e-11, _ENTROPY_ROUNDING * max(a.hats.size, b.hats.size))
        return LineImage(x[:-1], np.concatenate([a.gap, b.gap, [difference]]), (a, b), floor)

    def derivative(self, x: np.ndarray, refine: float) -> np.ndarray:
        """Either solution moves its own rows only."""
        n = self.size
        derivative = np.zeros((2 * n + 1, 2 * n + 2))
        for copy, sign in ((0, 1.0), (1, -1.0)):
            y = self.y(x, copy)
            rows = slice(copy * n, (copy + 1) * n)

            def pair(moved: np.ndarray, c: np.ndarray) -> np.ndarray:
                equations = self.plane.equations(c[0], c[1])
                at = equations.image(moved, refine)
                return np.append(at.gap, equations.free_entropy(at))

            here = pair(y, x[-2:])
            for j, e in enumerate(DIFFERENCE * np.eye(n + 2)):
                column = (pair(y + e[:n], x[-2:] + e[n:]) - here) / DIFFERENCE
                where = copy * n + j if j < n else n + j
                derivative[rows, where] = column[:n]
                derivative[2 * n, where] += sign * column[n]
        return derivative

    def same(self, a: np.ndarray, b: np.ndarray) -> float:
        n = self.size
        return min(super().same(a, b), super().same(a, np.concatenate([b[n : 2 * n], b[:n], b[2 * n :]])))

    def apart(self, x: np.ndarray) -> float:
        """How far the two solutions are from each other."""
        return float(np.abs(self.y(x, 0) - self.y(x, 1)).max())


@dataclass(frozen=True)
class CuspImage:
    """One evaluation of the cusp's equations."""

    y: np.ndarray
    gap: np.ndarray
    at: Image

    @property
    def settled(self) -> bool:
        n = self.at.gap.size
        return self.at.settled and bool(np.abs(self.gap[n : 2 * n]).max() < 3e-11 and np.abs(self.gap).max() < 1e-9)

    @property
    def at_edge(self) -> bool:
        return self.at.at_edge


@dataclass(frozen=True)
class Cusp:
    """The point where three solutions meet, in the unknowns (y, v, a, cx, cy)."""

    plane: Plane

    @property
    def size(self) -> int:
        return 3 * task_size(self.plane) + 2

    @property
    def difference(self) -> float:
        return DIFFERENCE

    def image(self, x: np.ndarray, refine: float = 1.0) -> CuspImage:
        n = (x.size - 2) // 3
        y, v, a = x[:n], x[n : 2 * n], x[2 * n : 3 * n]
        equations = self.plane.equations(x[-2], x[-1])
        at = equations.image(y, refine)
        slope = along(equations, y, v, _STEP, refine)
        bend = np.zeros(n)
        for k, factor in enumerate(_BEND, 1):
            s = k * _WIDE
            ahead, behind = (equations.image(y + t * v + 0.5 * t * t * a, refine).gap for t in (s, -s))
            bend += factor * (ahead + behind - 2.0 * at.gap)
        return CuspImage(x, np.concatenate([at.gap, slope, bend / _WIDE**2, [0.5 * (v @ v - 1.0), v @ a]]), at)
