"""trace(problem) -> Branch: every solution along a parameter, its folds, its stability, its transitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bracket import root_between
from ..frames import frame
from ..problem import Chain, Task
from ..solution import ChainSolution, Solution
from ..validation import check_choice, check_number
from .chain import Walk, roots_of
from .continuation import Curve, Family, Node, halfway, locate, log_replicon
from .landscape import Stretch, curves_from, fold_nodes, stretches_of
from .one_task import starts, warn_outside
from .saddle import Equations, Root, certify, equations_of, newton

if TYPE_CHECKING:
    import pandas

PARAMETERS = ("alpha", "beta", "q_star")
CHAIN_PARAMETERS = ("alpha", "gamma")

_STRAIGHT = 1e-3  # of a picture's width or height: how far a fine line may lie from its points
_DEEPEST = 4  # halvings between two points of the continuation


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Solutions along a parameter, in the order in which continuation met them.

    Attributes
    ----------
    parameter : "alpha", "beta", "q_star" or "gamma".
    points : Solutions, curve after curve, the folds and stability crossings among them.
    chains : of a chain, the whole ChainSolution behind each of the points; empty for a task.
    curves : (start, stop) index ranges of the separate curves in `points`.
    folds : where a curve turns, each {parameter, "q", "r", "q_star"}.
    stability : parameter values where the replicon crosses 1.
    transitions : parameter values where the free entropies of two coexisting branches cross.
    ends : for each curve why it ended: "span", or "edge" where q_star -> 1 (1 - q_star < 1e-6 is not followed).
    """

    parameter: str
    points: list[Solution]
    chains: list[ChainSolution]
    curves: list[tuple[int, int]]
    folds: list[dict[str, float]]
    stability: list[float]
    transitions: list[float]
    ends: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: {"points", "folds", "stability", "transitions", "curves", "ends"}; of a chain each point has
        eps_1, ..., eps_T and p_1, ..., p_T besides."""
        points = [point.to_dict() for point in self.points]
        for row, chain in zip(points, self.chains, strict=bool(self.chains)):
            row |= chain.after_last()
        return {
            "points": points,
            "folds": self.folds,
            "stability": self.stability,
            "transitions": self.transitions,
            "curves": [list(span) for span in self.curves],
            "ends": self.ends,
        }

    def to_frame(self) -> pandas.DataFrame:
        """The points as a pandas DataFrame, one row each, with `curve`, the number of the curve that each lies on."""
        rows = self.to_dict()["points"]
        numbers = [number for number, (start, stop) in enumerate(self.curves) for _ in range(start, stop)]
        return frame([{**row, "curve": number} for row, number in zip(rows, numbers, strict=True)])


@dataclass(frozen=True)
class Axis:
    """A parameter, the coordinate of order-one scale in which it is followed, and the problems along it."""

    name: str
    to_coordinate: Callable[[float], float]
    from_coordinate: Callable[[float], float]
    task: Task

    def at(self, value: float) -> Task:
        changed: dict[str, Any] = {self.name: value}
        return replace(self.task, **changed)

    def family(self) -> Family:
        if self.name == "alpha":  # the site does not depend on alpha
            base = equations_of(self.task)
            return lambda c: replace(base, alpha=c)
        return lambda c: equations_of(self.at(self.from_coordinate(c)))

    def starts(self, c: float) -> list[np.ndarray]:
        """y next to every solution known at coordinate c."""
        task = self.at(self.from_coordinate(c))
        warn_outside(task)
        return starts(task, equations_of(task), "all")


def _identity(x: float) -> float:
    return x


def _logit(x: float) -> float:
    return math.log(x / (1.0 - x))


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _axis(task: Task, parameter: str) -> Axis:
    maps: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
        "alpha": (_identity, _identity),
        "beta": (math.log, math.exp),
        "q_star": (_logit, _expit),
    }
    return Axis(parameter, *maps[parameter], task)


@dataclass(frozen=True, eq=False)
class ChainAxis:
    """The last task's alpha or gamma, the coordinate in which it is followed, and the equations along it."""

    name: str
    task: Task
    walk: Walk

    def to_coordinate(self, value: float) -> float:
        return value if self.name == "alpha" else math.log(value)

    def from_coordinate(self, c: float) -> float:
        return c if self.name == "alpha" else math.exp(c)

    def at(self, value: float) -> Task:
        return replace(self.task, alpha=value) if self.name == "alpha" else replace(self.task, gamma=value)

    def family(self) -> Family:
        last = len(self.walk.chain.tasks) - 1
        if self.name == "alpha":  # the site does not depend on alpha
            base = self.walk.equations(last, self.task)
            return lambda c: replace(base, alpha=c)

        @lru_cache(maxsize=4)  # a node asks for the same c several times
        def at(c: float) -> Equations:
            return self.walk.equations(last, self.at(self.from_coordinate(c)))

        return at

    def chain_solution(self, solution: Solution) -> ChainSolution:
        """The chain that ends in this solution of its last task."""
        chain = self.walk.chain
        last = len(chain.tasks) - 1
        changed = replace(chain, tasks=(*chain.tasks[:-1], solution.task))
        walk = replace(self.walk, chain=changed)
        return walk.go_on(last, walk.site(last, solution.task), solution).solution()

    def starts(self, c: float) -> list[np.ndarray]:
        """y of every solution known at coordinate c."""
        return [root.image.y for root in roots_of(self.family()(c), "all") if root.converged]


def chain_axis(chain: Chain, parameter: str) -> ChainAxis:
    """The axis of a chain's last task; the tasks before it are solved here."""
    if len(chain.tasks) < 2:
        raise ValueError(f"problem must be a chain of two tasks or more, got {len(chain.tasks)}; trace its Task")
    walk = Walk.begin(chain, "best", "raise")
    for t in range(1, len(chain.tasks) - 1):
        walk = walk.step(t, "best", "raise")[0]
    return ChainAxis(parameter, chain.tasks[-1], walk)


def trace(
    problem: Task | Chain, *, parameter: str = "alpha", span: tuple[float, float] | None = None, fine: bool = False
) -> Branch:
    """Follow every solution of y'(y) = y along a parameter, round every fold (pseudo-arclength continuation).

    Parameters
    ----------
    problem : the task, or a chain whose last task is followed (the earlier ones take their best solutions); its own
        value of `parameter` is not read.
    parameter : "alpha", "beta" or "q_star"; for a chain "alpha" or "gamma".
    span : (low, high) values of the parameter, 0 < low < high; default (0.05, 3) for alpha, required otherwise.
        Curves start from every solution found at both ends.
    fine : whether to solve between the points of the continuation too, until a line drawn through all of them has no
        corner. Folds, stability and transitions do not change.

    Returns
    -------
    Branch : points, folds (located to 1e-9), stability crossings and transitions inside the span. The points of a chain
        are the last task's Solutions; `chains` holds the forgetting matrix at each of them.

    Raises
    ------
    ValueError : an unknown parameter, an empty or reversed span.
    ConvergenceError : no start was found.
    """
    check_choice("parameter", parameter, CHAIN_PARAMETERS if isinstance(problem, Chain) else PARAMETERS)
    if span is None:
        if parameter != "alpha":
            raise ValueError(f"span must be given as (low, high) for parameter {parameter!r}, got None")
        span = (0.05, 3.0)
    low = check_number("span[0]", span[0], low=0.0, open_low=True)
    high = check_number("span[1]", span[1], low=0.0, open_low=True)
    if not low < high:
        raise ValueError(f"span must be (low, high) with low < high, got ({low!r}, {high!r})")
    axis = chain_axis(problem, parameter) if isinstance(problem, Chain) else _axis(problem, parameter)
    family = axis.family()
    bounds = (axis.to_coordinate(low), axis.to_coordinate(high))
    begun = [
        (root, c, direction)
        for c, direction in ((bounds[0], 1.0), (bounds[1], -1.0))
        for root in (newton(family(c), y) for y in axis.starts(c))
        if root.converged
    ]
    return _branch(axis, family, curves_from(family, begun, *bounds), bounds[1] - bounds[0] if fine else None)


def _branch(axis: Axis | ChainAxis, family: Family, curves: list[Curve], width: float | None) -> Branch:
    """width : of the span in the parameter's coordinate, where points are to be filled in."""
    points: list[Solution] = []
    spans = []
    folds = []
    stability = []
    stretches: list[Stretch] = []
    for curve in curves:
        located = fold_nodes(family, curve)
        for fold in located:
            orders = fold.image.before
            value = axis.from_coordinate(fold.c)
            folds.append({axis.name: value, "q": orders.q, "r": orders.r, "q_star": orders.q_star})
        turning = dict(zip(curve.folds(), located, strict=True))
        nodes = [curve.nodes[0]]
        for k, (a, b) in enumerate(pairwise(curve.nodes)):
            between_them = [turning[k]] if k in turning else []
            if log_replicon(a) * log_replicon(b) < 0.0:
                crossing = locate(family, a, b, log_replicon)
                stability.append(axis.from_coordinate(crossing.c))
                between_them.append(crossing)

            def along(node: Node, a: Node = a) -> float:
                return float(a.tangent @ (node.x - a.x))

            nodes += [*sorted(between_them, key=along), b]
        if width is not None:
            nodes = [nodes[0], *(n for a, b in pairwise(nodes) for n in (*_between(family, a, b, width), b))]
        stretches += stretches_of(curve, located)
        begin = len(points)
        points += [_point(axis, family, node) for node in nodes]
        spans.append((begin, len(points)))
    return Branch(
        parameter=axis.name,
        points=points,
        chains=[axis.chain_solution(point) for point in points] if isinstance(axis, ChainAxis) else [],
        curves=spans,
        folds=folds,
        stability=sorted(stability),
        transitions=[axis.from_coordinate(c) for c in _transitions(family, stretches)],
        ends=[curve.end for curve in curves],
    )


def _between(family: Family, a: Node, b: Node, width: float, depth: int = _DEEPEST) -> list[Node]:
    """Points between two neighbours on a curve, halved until the one in the middle lies on the line through both."""
    middle = halfway(family, a, b) if depth > 0 else None
    if middle is None:
        return []
    start, here, end = (_seen(node, width) for node in (a, middle, b))
    chord = end - start
    off = here - start
    off = off - chord * float(off @ chord) / max(float(chord @ chord), 1e-300)
    if np.abs(off).max() < _STRAIGHT:
        return [middle]
    return [*_between(family, a, middle, width, depth - 1), middle, *_between(family, middle, b, width, depth - 1)]


def _seen(node: Node, width: float) -> np.ndarray:
    """Where a point lies in a picture; the angle of r behaves as the error does, which has no slope at r = 1."""
    orders = node.image.before
    return np.array([node.c / width, orders.q, orders.q_star, orders.r, math.acos(min(abs(orders.r), 1.0)) / math.pi])


def _point(axis: Axis | ChainAxis, family: Family, node: Node) -> Solution:
    equations = family(node.c)
    # At a fold the error is a shift across the curve, in the parameter too: at fixed parameter it has no bound.
    at_fold = abs(node.tangent[-1]) < 1e-3
    root = Root(node.image, node.derivative if at_fold else node.derivative[:, :-1], 0, True)
    return certify(axis.at(axis.from_coordinate(node.c)), equations, root)


def _transitions(family: Family, stretches: list[Stretch]) -> list[float]:
    """Coordinates where the free entropies of two coexisting minima cross."""

    def potential(stretch: Stretch, c: float) -> float:
        equations = family(c)
        return equations.free_entropy(newton(equations, stretch.start(c), polish=True).image)

    crossings = []
    minima = [stretch for stretch in stretches if stretch.order % 2 == 0]
    for a, b in combinations(minima, 2):
        low, high = max(a.low, b.low), min(a.high, b.high)
        margin = 1e-6 * (high - low)
        if high - low < 1e-6:
            continue

        def gap(c: float, a: Stretch = a, b: Stretch = b) -> float:
            return potential(a, c) - potential(b, c)

        if gap(low + margin) * gap(high - margin) < 0.0:
            crossings.append(root_between(gap, low + margin, high - margin, xtol=1e-11))
    return sorted(crossings)
