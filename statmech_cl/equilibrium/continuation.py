"""Pseudo-arclength continuation: follow a solution along a parameter, round every fold.

Points are x = (y, c), y of any size, c the parameter in a coordinate of order-one scale; along the curve x(s) the
tangent t satisfies d(y' - y)/dx . t = 0, and each new point solves y'(y; c) = y together with t . (x - predicted) = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..bracket import root_between
from .saddle import COARSE, DIFFERENCE, LARGEST_HATS, Image, jacobian_of

_COARSE_ERROR = 1e-4  # of y, above which the coarse rule gives no derivative
_FIRST_STEP = 0.05
_LONGEST = 0.5
_SHORTEST = 1e-6
_BEND = 0.97  # cosine between successive tangents below which a step is halved
_STRAIGHT = 0.995  # and above which the next one is longer
_MOST_POINTS = 2000
_LONGEST_MOVE = 2.0  # of one component, towards a point of a curve
_NEARLY_TURNED = 0.05  # dc/ds below which two folds may lie within a step
_NARROWINGS = 24
_EDGE_HATS = 0.3 * LARGEST_HATS  # at beta >= 100 the unstable branch meets this first

Family = Callable[[float], Any]
Bound = tuple[int, float, float]  # which component of x stays between which values


@runtime_checkable
class Differentiated(Protocol):
    """A family that knows a better way to its derivative than one-sided differences of all unknowns."""

    def derivative(self, x: np.ndarray, refine: float) -> np.ndarray: ...


@dataclass(frozen=True)
class Node:
    """A point of a curve: x = (y, c), d(y' - y)/dx and the unit tangent there, and the image that certifies it."""

    x: np.ndarray
    derivative: np.ndarray
    tangent: np.ndarray
    image: Any

    @property
    def c(self) -> float:
        return float(self.x[-1])


@dataclass(frozen=True)
class Curve:
    """A followed curve and why it ended: "span", "edge" (q_star -> 1), "lost", or what `follow_within` was told."""

    nodes: list[Node]
    end: str

    def folds(self) -> list[int]:
        """Indices k such that the curve turns between nodes k and k + 1."""
        signs = [node.tangent[-1] > 0.0 for node in self.nodes]
        return [k for k in range(len(signs) - 1) if signs[k] != signs[k + 1]]


def _derivative(family: Family, x: np.ndarray, refine: float) -> np.ndarray:
    """d(y' - y)/dx, (size, size + 1), by one-sided differences unless the family, or the image, has its own way."""
    if isinstance(family, Differentiated):
        return family.derivative(x, refine)
    at = family(x[-1]).image(x[:-1], refine)
    if refine < 1.0 and np.abs(at.gap).max() > _COARSE_ERROR:
        # At a solution this is the coarse rule's error: where it is large its derivative is noise.
        refine = 1.0
        at = family(x[-1]).image(x[:-1], refine)
    if isinstance(at, Image) and at.response is not None:
        along = (family(x[-1] + DIFFERENCE).image(x[:-1], refine).gap - at.gap) / DIFFERENCE
        return np.column_stack([jacobian_of(family(x[-1]), at, refine), along])
    columns = []
    for e in DIFFERENCE * np.eye(x.size):
        columns.append((family(x[-1] + e[-1]).image(x[:-1] + e[:-1], refine).gap - at.gap) / DIFFERENCE)
    return np.column_stack(columns)


def _tangent(derivative: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Unit null vector of the derivative, pointing as `along` does."""
    tangent = np.linalg.svd(derivative)[2][-1]
    return tangent if tangent @ along > 0.0 else -tangent


def _node(family: Family, x: np.ndarray, image: Any, along: np.ndarray, refine: float) -> Node:
    derivative = _derivative(family, x, refine)
    return Node(x, derivative, _tangent(derivative, along), image)


def _ahead(node: Node, other: Node, step: float) -> tuple[np.ndarray, np.ndarray]:
    """x at `step` along the tangent of `node` on the cubic through two nodes, and the derivative on a straight line."""
    apart = other.x - node.x
    length = float(node.tangent @ apart)
    bend = (apart - length * node.tangent) / length**2
    turn = (other.tangent / float(node.tangent @ other.tangent) - node.tangent) / length
    x = node.x + step * (node.tangent + step * (3.0 * bend - turn + step / length * (turn - 2.0 * bend)))
    return x, node.derivative + step / length * (other.derivative - node.derivative)


def _correct(family: Family, node: Node, step: float, refine: float, other: Node | None = None) -> Node | None:
    """The point of the curve at arclength `step` from `node`, or None; `refine` sets the rule of the new derivative.
    With `other`, a second node of the curve, the search starts closer."""
    predicted = node.x + step * node.tangent
    x, derivative = (predicted.copy(), node.derivative) if other is None else _ahead(node, other, step)
    move = None
    last = None
    for _ in range(10):
        image = family(x[-1]).image(x[:-1])
        if not np.all(np.isfinite(image.gap)):
            return None
        if image.settled:
            derivative = _derivative(family, x, refine)
            if not np.all(np.isfinite(derivative)):
                return None  # beyond the edge, where the hats have no bound
            return Node(x, derivative, _tangent(derivative, node.tangent), image)
        if move is not None:
            derivative = derivative + np.outer(image.gap - last - derivative @ move, move) / (move @ move)
        system = np.vstack([derivative, node.tangent])
        move = -np.linalg.lstsq(system, np.append(image.gap, node.tangent @ (x - predicted)), rcond=None)[0]
        if np.abs(move).max() > abs(step) + 1e-3:
            return None
        x = x + move
        last = image.gap
    return None


def first_node(family: Family, y: np.ndarray, c: float, direction: float) -> Node:
    """The start of a curve at a known solution y at parameter coordinate c; `direction` is the sign of dc/ds."""
    along = np.append(np.zeros(y.size), direction)
    return _node(family, np.append(y, c), family(c).image(y), along, 1.0)


def first_node_of(family: Family, x: np.ndarray) -> Node:
    """A point near a curve, as a start for `pinned`."""
    return _node(family, x, family(x[-1]).image(x[:-1]), np.append(np.zeros(x.size - 1), 1.0), COARSE)


def pinned(family: Family, x: np.ndarray, derivative: np.ndarray, held: np.ndarray, along: np.ndarray) -> Node | None:
    """The point of the curve near x with the same product held . x, or None; `derivative` is one nearby."""
    x = x.copy()
    move = None
    last = None
    for _ in range(20):
        image = family(x[-1]).image(x[:-1])
        if not np.all(np.isfinite(image.gap)):
            return None
        if image.settled:
            return _node(family, x, image, along, 1.0)
        if move is not None:
            derivative = derivative + np.outer(image.gap - last - derivative @ move, move) / (move @ move)
        move = -np.linalg.lstsq(np.vstack([derivative, held]), np.append(image.gap, 0.0), rcond=None)[0]
        move[held == 1.0] = 0.0  # exactly
        if np.abs(move).max() > _LONGEST_MOVE:
            return None
        x = x + move
        last = image.gap
    return None


def _land(family: Family, inside: Node, outside: Node, bound: Bound) -> Node | None:
    """The point of the curve exactly at the bound that it has just crossed, or None where Newton does not converge."""
    index, low, high = bound
    value = low if outside.x[index] <= low else high
    x = interpolated(inside, outside, value, index)
    x[index] = value
    held = np.zeros(x.size)
    held[index] = 1.0
    return pinned(family, x, inside.derivative, held, inside.tangent)


def follow(family: Family, start: Node, low: float, high: float) -> Curve:
    """Follow the curve from `start` until c leaves [low, high], q_star reaches 1 or the curve is lost."""
    curve = follow_within(family, start, [(-1, low, high)])
    return Curve(with_close_folds(family, curve.nodes), curve.end)


def follow_within(
    family: Family,
    start: Node,
    bounds: Sequence[Bound],
    longest: Callable[[Node], float] = lambda node: _LONGEST,
    stop: Callable[[Node, Node], str | None] = lambda before, here: None,
) -> Curve:
    """Follow the curve from `start` until a component of x leaves its bounds, q_star reaches 1, `stop` gives a reason
    to end at the latest node, or the curve is lost; `longest` bounds the next step."""
    nodes = [start]
    step = _FIRST_STEP
    while len(nodes) < _MOST_POINTS:
        here = nodes[-1]
        step = min(step, longest(here))
        there = _correct(family, here, step, COARSE, nodes[-2] if len(nodes) > 1 else None)
        crossed = [] if there is None else [b for b in bounds if not b[1] < there.x[b[0]] < b[2]]
        if there is not None and crossed:
            landings = [_land(family, here, there, bound) for bound in crossed]
            reached = [node for node in landings if node is not None]
            there = min(reached, key=lambda node: float(here.tangent @ (node.x - here.x)), default=None)
        if there is None or there.tangent @ here.tangent < _BEND:
            step = 0.5 * step
            if step < _SHORTEST:
                return Curve(nodes, "lost")
            continue
        nodes.append(there)
        if crossed:
            return Curve(nodes, "span")
        if there.image.at_edge or there.image.hats.size > _EDGE_HATS:
            return Curve(nodes, "edge")
        reason = stop(here, there)
        if reason is not None:
            return Curve(nodes, reason)
        if there.tangent @ here.tangent > _STRAIGHT:
            step = min(1.5 * step, _LONGEST)
    return Curve(nodes, "lost")


def with_close_folds(family: Family, nodes: list[Node]) -> list[Node]:
    """The nodes, and where dc/ds is least between two folds so close that one step passes both."""
    kept = list(nodes)
    k = 1
    while k < len(kept) - 1:
        slopes = np.array([node.tangent[-1] for node in kept[k - 1 : k + 2]])
        sign = math.copysign(1.0, slopes[1])
        slopes *= sign
        if slopes.min() > 0.0 and slopes[1] <= slopes[[0, 2]].min() and slopes[1] < _NEARLY_TURNED:
            least = _least_slope(family, kept[k - 1], kept[k + 1], sign)
            if least is not None and least.tangent[-1] * sign < 0.0:
                after = float(kept[k - 1].tangent @ (least.x - kept[k].x)) > 0.0
                kept.insert(k + 1 if after else k, least)
                k += 1
        k += 1
    return kept


def _least_slope(family: Family, left: Node, right: Node, sign: float) -> Node | None:
    """The node between two others where sign dc/ds is least, or the first that is met where it is negative."""
    length = float(left.tangent @ (right.x - left.x))
    low, high = 0.0, length
    best = None
    for _ in range(_NARROWINGS):  # by thirds: dc/ds has one minimum there
        inner = [_correct(family, left, low + share * (high - low), 1.0) for share in (1 / 3, 2 / 3)]
        if inner[0] is None or inner[1] is None:
            return best
        values = [sign * float(node.tangent[-1]) for node in inner if node is not None]
        best = inner[0] if values[0] < values[1] else inner[1]
        if min(values) < 0.0:
            return best
        low, high = (low, low + 2 / 3 * (high - low)) if values[0] < values[1] else (low + (high - low) / 3, high)
    return best


def halfway(family: Family, left: Node, right: Node) -> Node | None:
    """The point of the curve half the way between two neighbouring nodes; None where Newton's method fails."""
    return _correct(family, left, 0.5 * float(left.tangent @ (right.x - left.x)), 1.0, right)


def locate(family: Family, left: Node, right: Node, function: Callable[[Node], float]) -> Node:
    """The point between two neighbouring nodes where `function` (of opposite signs at both) vanishes."""
    length = float(left.tangent @ (right.x - left.x))
    nodes: dict[float, Node] = {0.0: left, length: right}

    def value(s: float) -> float:
        if s not in nodes:
            node = _correct(family, left, s, 1.0, right)
            if node is None:
                raise ArithmeticError(f"the curve was lost between c = {left.c:g} and {right.c:g}")
            nodes[s] = node
        return function(nodes[s])

    s = root_between(value, 0.0, length, xtol=1e-9 * max(1.0, length))
    value(s)
    return nodes[s]


def segments(curve: Curve) -> list[tuple[int, int]]:
    """Index ranges [first, last] between folds, along each of which c is monotone."""
    cuts = [-1, *curve.folds(), len(curve.nodes) - 1]
    return [(a + 1, b) for a, b in pairwise(cuts)]


def between(a: Node, b: Node, c: float) -> np.ndarray:
    """y at coordinate c between two neighbouring nodes."""
    return interpolated(a, b, c, -1)[:-1]


def interpolated(a: Node, b: Node, value: float, index: int) -> np.ndarray:
    """x between two neighbouring nodes where component `index` has this value, by Hermite's cubic in arclength (good
    next to a fold too)."""
    if (a.x[index] - value) * (b.x[index] - value) >= 0.0:
        return (a if abs(a.x[index] - value) < abs(b.x[index] - value) else b).x.copy()
    length = float(np.linalg.norm(b.x - a.x))
    rise = b.x - a.x
    # x(t) = a.x + t (first + t (second + t third))
    first, second = length * a.tangent, 3.0 * rise - length * (2.0 * a.tangent + b.tangent)
    third = length * (a.tangent + b.tangent) - 2.0 * rise
    offset, *slopes = (float(part[index]) for part in (a.x - value, first, second, third))

    def excess(t: float) -> float:
        return offset + t * (slopes[0] + t * (slopes[1] + t * slopes[2]))

    t = root_between(excess, 0.0, 1.0, xtol=1e-12)
    return a.x + t * (first + t * (second + t * third))


def log_replicon(node: Node) -> float:
    """ln of the replicon: zero where the ansatz changes its stability."""
    return math.log(max(node.image.replicon, 1e-300))
