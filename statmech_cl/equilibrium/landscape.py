"""The curves in alpha on which every solution of a problem lies.

A landscape is all that continuation in alpha reaches for given beta, prior and q_star: the curve that begins at
alpha -> 0 and the one that begins at perfect overlap and large alpha (often the same curve). It is traced once and
kept; a solve then starts Newton's method next to each coexisting solution, which makes it both quick and complete.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np

from ..channels import Channel
from ..problem import Task
from .continuation import Curve, Family, Node, between, first_node, follow, interpolated, locate, segments
from .saddle import EDGE, Equations, Root, attempt, equations_of, failure, high_start, low_start, newton

ALPHA_FIRST = 0.01  # below, the solution at alpha -> 0 is a Newton step away
ALPHA_LAST = 3.5  # above, perfect overlap is
_TOPS = (ALPHA_LAST, 2.5, 1.75, 1.25, 0.9, 0.6, 0.4)  # perfect overlap is begun at the first where q_star is clear of 1
_CLEAR = 4.0  # of the edge
_NEAR_FOLD = 0.02  # of the determinant at the farther node: below, it is as small as its error


class Near(NamedTuple):
    """Where Newton's method begins: y next to a solution, and d(y' - y)/dy there where that is known."""

    y: np.ndarray
    jacobian: np.ndarray | None = None


@dataclass(frozen=True)
class Stretch:
    """A part of a curve between folds, the folds themselves included, on which the parameter is monotone."""

    nodes: tuple[Node, ...]
    order: int  # 0 is where the curve began; even ones alternate with the saddles between them
    end: str  # how the curve went on from here: "fold", "span", "edge" or "lost"

    @property
    def low(self) -> float:
        return min(self.nodes[0].c, self.nodes[-1].c)

    @property
    def high(self) -> float:
        return max(self.nodes[0].c, self.nodes[-1].c)

    def start(self, c: float) -> np.ndarray:
        """y next to the solution at c, interpolated along the curve."""
        k = self._interval(c)
        return between(self.nodes[k], self.nodes[k + 1], c)

    def near(self, c: float) -> Near:
        """`start`, and the derivative on the cubic through the four nodes around it."""
        k = self._interval(c)
        x = interpolated(self.nodes[k], self.nodes[k + 1], c, -1)
        first = min(max(k - 1, 0), max(len(self.nodes) - 4, 0))
        at = self._lengths[first : first + 4].tolist()
        s = self._lengths[k] + math.dist(x, self.nodes[k].x)
        weights = [math.prod((s - other) / (here - other) for other in at if other != here) for here in at]
        jacobian = np.dot(weights, self._jacobians[first : first + 4].reshape(len(at), -1)).reshape(x.size - 1, -1)
        # Its determinant tells a saddle: next to a fold, where that is near 0, its sign would be a guess.
        here = np.linalg.det(jacobian) / self._determinants[k : k + 2]
        return Near(x[:-1], jacobian if here.min() > _NEAR_FOLD and here.max() > 0.5 else None)

    @cached_property
    def _rising(self) -> np.ndarray:
        cs = np.array([node.c for node in self.nodes])
        return cs if cs[-1] > cs[0] else -cs

    @cached_property
    def _jacobians(self) -> np.ndarray:
        return np.array([node.derivative[:, :-1] for node in self.nodes])

    @cached_property
    def _determinants(self) -> np.ndarray:
        return np.linalg.det(self._jacobians)

    @cached_property
    def _lengths(self) -> np.ndarray:
        steps = [float(np.linalg.norm(b.x - a.x)) for a, b in pairwise(self.nodes)]
        return np.concatenate([[0.0], np.cumsum(steps)])

    def _interval(self, c: float) -> int:
        """k such that c lies between nodes k and k + 1."""
        k = int(np.searchsorted(self._rising, c if self.nodes[-1].c > self.nodes[0].c else -c))
        return min(max(k, 1), len(self.nodes) - 1) - 1


@dataclass(frozen=True)
class Landscape:
    """The stretches of all curves in alpha of one problem, in the order in which they were met.

    apart : how many of them belong to a curve from perfect overlap that the curve from alpha -> 0 does not reach.
    """

    stretches: tuple[Stretch, ...]
    apart: int = 0

    def low(self) -> Stretch:
        return self.stretches[0]

    def top(self) -> Stretch | None:
        """The stretch that reaches perfect overlap at the largest alpha, if continuation got there."""
        if self.apart:
            return self.stretches[-self.apart]
        reaching = [s for s in self.stretches if s.high >= ALPHA_LAST - 1e-6]
        return reaching[-1] if reaching else None


def fold_nodes(family: Family, curve: Curve) -> tuple[Node, ...]:
    """The folds of a curve, located where dc/ds = 0."""
    return tuple(
        locate(family, curve.nodes[k], curve.nodes[k + 1], lambda node: float(node.tangent[-1])) for k in curve.folds()
    )


def stretches_of(curve: Curve, folds: tuple[Node, ...]) -> list[Stretch]:
    result = []
    for order, (first, last) in enumerate(segments(curve)):
        nodes = tuple(curve.nodes[first : last + 1])
        if order > 0:
            nodes = (folds[order - 1], *nodes)
        if order < len(folds):
            nodes = (*nodes, folds[order])
        result.append(Stretch(nodes, order, "fold" if order < len(folds) else curve.end))
    return result


def curve_from(family: Family, root: Root, c: float, direction: float, low: float, high: float) -> Curve:
    return follow(family, first_node(family, root.image.y, c, direction), low, high)


def curves_from(family: Family, begun: list[tuple[Root, float, float]], low: float, high: float) -> list[Curve]:
    """The curves through roots at given coordinates and directions, each curve once."""
    curves: list[Curve] = []
    for root, c, direction in begun:
        if not any(_passes(curve, root.image.y, c) for curve in curves):
            curves.append(curve_from(family, root, c, direction, low, high))
    return curves


def stretches_from(family: Family, begun: list[tuple[Root, float, float]], low: float, high: float) -> list[Stretch]:
    """The stretches of the curves through roots at given coordinates and directions, each curve once."""
    curves = curves_from(family, begun, low, high)
    return [stretch for curve in curves for stretch in stretches_of(curve, fold_nodes(family, curve))]


def _passes(curve: Curve, y: np.ndarray, c: float) -> bool:
    """Whether a curve starts or ends at this solution."""
    return any(
        abs(node.c - c) < 1e-6 and np.abs(node.x[:-1] - y).max() < 1e-3 for node in (curve.nodes[0], curve.nodes[-1])
    )


def describe(task: Task) -> str:
    """The parameters by which an error names a task."""
    text = f"alpha={task.alpha:g}, beta={task.beta:g}, prior={task.prior}"
    return text if task.q_star is None else f"{text}, q_star={task.q_star:g}"


@lru_cache(maxsize=64)
def _landscape(beta: float, prior: str, q_star: float | None, channel: Channel) -> Landscape:
    task = Task(alpha=ALPHA_FIRST, beta=beta, prior=prior, q_star=q_star, channel=channel)
    base = equations_of(task)

    def family(c: float) -> Equations:
        return replace(base, alpha=c)

    if q_star is None:
        high_start(family(ALPHA_LAST))  # a channel without one refuses before the curve from alpha -> 0 is traced
    begin = newton(family(ALPHA_FIRST), low_start(family(ALPHA_FIRST)))
    if not begin.converged:
        raise failure(describe(task), begin, "beta may lie too far outside [1, 200]")
    lowest = curve_from(family, begin, ALPHA_FIRST, 1.0, ALPHA_FIRST, ALPHA_LAST)
    stretches = stretches_of(lowest, fold_nodes(family, lowest))
    top = _top_curve(family, stretches) if task.q_star is None else None
    if top is None:
        return Landscape(tuple(stretches))
    apart = stretches_of(top, fold_nodes(family, top))
    return Landscape((*stretches, *apart), len(apart))


def _top_curve(family: Family, known: list[Stretch]) -> Curve | None:
    """The curve through perfect overlap, from its largest alpha down, unless it is the `known` one from alpha -> 0."""
    for c in _TOPS:
        root = attempt(family(c), high_start(family(c)))
        if root is None or not root.converged or root.image.before.uncertainty < _CLEAR * EDGE:
            continue
        if any(s.low <= c <= s.high and np.abs(s.start(c) - root.image.y).max() < 1e-2 for s in known):
            return None
        down = curve_from(family, root, c, -1.0, ALPHA_FIRST, ALPHA_LAST)
        if c == ALPHA_LAST:
            return down
        up = curve_from(family, root, c, 1.0, ALPHA_FIRST, ALPHA_LAST)
        return Curve([replace(node, tangent=-node.tangent) for node in up.nodes[:0:-1]] + down.nodes, down.end)
    return None


def landscape(task: Task) -> Landscape:
    """All that continuation in alpha reaches from alpha -> 0 and from perfect overlap, alpha in [0.01, 3.5].

    It depends on the task's beta, prior, q_star and channel; it is traced once for each of these and kept.
    """
    return _landscape(task.beta, task.prior, task.q_star, cast(Hashable, task.channel))
