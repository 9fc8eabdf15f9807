"""Pseudo-arclength continuation: follow a solution along a parameter, round every fold.

Points are x = (y, c), y of any size, c the parameter in a coordinate of order-one scale; along the curve x(s) the
tangent t satisfies d(y' - y)/dx . t = 0, and each new point solves y'(y; c) = y together with t . (x - predicted) = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import brentq

from .saddle import COARSE, DIFFERENCE, LARGEST_HATS, newton

_FIRST_STEP = 0.05
_LONGEST = 0.5
_SHORTEST = 1e-6
_BEND = 0.97  # cosine between successive tangents below which a step is halved
_STRAIGHT = 0.995  # and above which the next one is longer
_MOST_POINTS = 2000
_EDGE_HATS = 0.3 * LARGEST_HATS  # at beta >= 100 the unstable branch meets this first

Family = Callable[[float], Any]


@dataclass(frozen=True)
class Node:
    """A point of a curve: x = (y, c), d(y' - y)/dx and the unit tangent there, and the sweep that certifies it."""

    x: np.ndarray
    derivative: np.ndarray
    tangent: np.ndarray
    sweep: Any

    @property
    def c(self) -> float:
        return float(self.x[-1])


@dataclass(frozen=True)
class Curve:
    """A followed curve and why it ended: "span", "edge" (q_star -> 1) or "lost"."""

    nodes: list[Node]
    end: str

    def folds(self) -> list[int]:
        """Indices k such that the curve turns between nodes k and k + 1."""
        signs = [node.tangent[-1] > 0.0 for node in self.nodes]
        return [k for k in range(len(signs) - 1) if signs[k] != signs[k + 1]]


def _derivative(family: Family, x: np.ndarray, refine: float) -> np.ndarray:
    """d(y' - y)/dx, (size, size + 1), by one-sided differences."""
    at = family(x[-1]).sweep(x[:-1], refine)
    columns = []
    for e in DIFFERENCE * np.eye(x.size):
        columns.append((family(x[-1] + e[-1]).sweep(x[:-1] + e[:-1], refine).gap - at.gap) / DIFFERENCE)
    return np.column_stack(columns)


def _tangent(derivative: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Unit null vector of the derivative, pointing as `along` does."""
    tangent = np.linalg.svd(derivative)[2][-1]
    return tangent if tangent @ along > 0.0 else -tangent


def _node(family: Family, x: np.ndarray, sweep: Any, along: np.ndarray, refine: float) -> Node:
    derivative = _derivative(family, x, refine)
    return Node(x, derivative, _tangent(derivative, along), sweep)


def _correct(family: Family, node: Node, step: float, refine: float) -> Node | None:
    """The point of the curve at arclength `step` from `node`, or None; `refine` sets the rule of the new derivative."""
    predicted = node.x + step * node.tangent
    x = predicted.copy()
    derivative = node.derivative
    move = None
    last = None
    for _ in range(10):
        sweep = family(x[-1]).sweep(x[:-1])
        if not np.all(np.isfinite(sweep.gap)):
            return None
        if sweep.settled:
            derivative = _derivative(family, x, refine)
            if not np.all(np.isfinite(derivative)):
                return None  # beyond the edge, where the hats have no bound
            return Node(x, derivative, _tangent(derivative, node.tangent), sweep)
        if move is not None:
            derivative = derivative + np.outer(sweep.gap - last - derivative @ move, move) / (move @ move)
        system = np.vstack([derivative, node.tangent])
        move = -np.linalg.lstsq(system, np.append(sweep.gap, node.tangent @ (x - predicted)), rcond=None)[0]
        if np.abs(move).max() > abs(step) + 1e-3:
            return None
        x = x + move
        last = sweep.gap
    return None


def first_node(family: Family, y: np.ndarray, c: float, direction: float) -> Node:
    """The start of a curve at a known solution y at parameter coordinate c; `direction` is the sign of dc/ds."""
    along = np.append(np.zeros(y.size), direction)
    return _node(family, np.append(y, c), family(c).sweep(y), along, 1.0)


def _land(family: Family, inside: Node, outside: Node, bound: float) -> Node | None:
    """The point of the curve exactly at the bound that it has just crossed, or None where Newton does not converge."""
    root = newton(family(bound), between(inside, outside, bound), close=True)
    if not root.converged:
        return None
    x = np.append(root.sweep.y, bound)
    return _node(family, x, root.sweep, inside.tangent, 1.0)


def follow(family: Family, start: Node, low: float, high: float) -> Curve:
    """Follow the curve from `start` until c leaves [low, high], q_star reaches 1 or the curve is lost."""
    nodes = [start]
    step = _FIRST_STEP
    while len(nodes) < _MOST_POINTS:
        here = nodes[-1]
        there = _correct(family, here, step, COARSE)
        landed = there is not None and not low < there.c < high
        if there is not None and landed:
            there = _land(family, here, there, low if there.c <= low else high)
        if there is None or there.tangent @ here.tangent < _BEND:
            step = 0.5 * step
            if step < _SHORTEST:
                return Curve(nodes, "lost")
            continue
        nodes.append(there)
        if landed:
            return Curve(nodes, "span")
        if there.sweep.at_edge or there.sweep.hats.size > _EDGE_HATS:
            return Curve(nodes, "edge")
        if there.tangent @ here.tangent > _STRAIGHT:
            step = min(1.5 * step, _LONGEST)
    return Curve(nodes, "lost")


def locate(family: Family, left: Node, right: Node, function: Callable[[Node], float]) -> Node:
    """The point between two neighbouring nodes where `function` (of opposite signs at both) vanishes."""
    length = float(left.tangent @ (right.x - left.x))
    found: dict[float, Node] = {0.0: left, length: right}

    def value(s: float) -> float:
        if s not in found:
            node = _correct(family, left, s, 1.0)
            if node is None:
                raise ArithmeticError(f"the curve was lost between c = {left.c:g} and {right.c:g}")
            found[s] = node
        return function(found[s])

    s = brentq(value, 0.0, length, xtol=1e-9 * max(1.0, length))
    value(s)
    return found[s]


def segments(curve: Curve) -> list[tuple[int, int]]:
    """Index ranges [first, last] between folds, along each of which c is monotone."""
    cuts = [-1, *curve.folds(), len(curve.nodes) - 1]
    return [(a + 1, b) for a, b in pairwise(cuts)]


def between(a: Node, b: Node, c: float) -> np.ndarray:
    """y at coordinate c between two neighbouring nodes, by Hermite's cubic in arclength (good next to a fold too)."""
    length = float(np.linalg.norm(b.x - a.x))

    def point(t: float) -> np.ndarray:
        return (
            (2 * t**3 - 3 * t**2 + 1) * a.x
            + (t**3 - 2 * t**2 + t) * length * a.tangent
            + (3 * t**2 - 2 * t**3) * b.x
            + (t**3 - t**2) * length * b.tangent
        )

    if (a.c - c) * (b.c - c) >= 0.0:
        return (a if abs(a.c - c) < abs(b.c - c) else b).x[:-1]
    return point(brentq(lambda t: point(t)[-1] - c, 0.0, 1.0, xtol=1e-12))[:-1]


def log_replicon(node: Node) -> float:
    """ln of the replicon: zero where the ansatz changes its stability."""
    return math.log(max(node.sweep.replicon, 1e-300))
