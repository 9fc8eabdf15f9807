"""trace(problem) -> Branch, and solve(problem): every branch, its folds, its stability, its transition.

A landscape is all that continuation in alpha reaches for given beta, prior and q_star: the curve that begins at
alpha -> 0 and the one that begins at perfect overlap and large alpha (often the same curve). It is traced once and
kept; a solve then starts Newton's method next to each coexisting solution, which makes it both quick and complete.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq

from .continuation import Curve, Family, Node, between, first_node, follow, locate, log_replicon, segments
from .problem import Chain, Task, check_choice, check_number
from .saddle import EDGE, Equations, Root, certify, equations_of, failure, high_start, low_start, multiplier, newton
from .solution import ConvergenceError, Solution, Status

if TYPE_CHECKING:
    from .chain import ChainAxis

BRANCHES = ("low", "high", "best", "all")
PARAMETERS = ("alpha", "beta", "q_star")
CHAIN_PARAMETERS = ("alpha", "gamma")

CERTIFIED_ALPHA = 3.0
CERTIFIED_BETA = (1.0, 200.0)

_ALPHA_FIRST = 0.01  # below, the solution at alpha -> 0 is a Newton step away
_ALPHA_LAST = 3.5  # above, perfect overlap is


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Solutions along a parameter, in the order in which continuation met them.

    Attributes
    ----------
    parameter : "alpha", "beta" or "q_star".
    points : Solutions, curve after curve, the folds and stability crossings among them.
    curves : (start, stop) index ranges of the separate curves in `points`.
    folds : where a curve turns, each {parameter, "q", "r", "q_star"}.
    stability : parameter values where the replicon crosses 1.
    transitions : parameter values where the free entropies of two coexisting branches cross.
    ends : for each curve why it ended: "span", or "edge" where q_star -> 1 (1 - q_star < 1e-6 is not followed).
    """

    parameter: str
    points: list[Solution]
    curves: list[tuple[int, int]]
    folds: list[dict[str, float]]
    stability: list[float]
    transitions: list[float]
    ends: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: {"points", "folds", "stability", "transitions", "curves", "ends"}."""
        return {
            "points": [point.to_dict() for point in self.points],
            "folds": self.folds,
            "stability": self.stability,
            "transitions": self.transitions,
            "curves": [list(span) for span in self.curves],
            "ends": self.ends,
        }


# --- one parameter: a family of problems ---------------------------------------------------------------------------


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
        _warn_outside(task)
        return _starts(task, equations_of(task), "all")


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


# --- the landscape -------------------------------------------------------------------------------------------------


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
        cs = np.array([node.c for node in self.nodes])
        rising = cs[-1] > cs[0]
        k = int(np.searchsorted(cs if rising else -cs, c if rising else -c))
        k = min(max(k, 1), len(cs) - 1)
        return between(self.nodes[k - 1], self.nodes[k], c)


@dataclass(frozen=True)
class Landscape:
    """The stretches of all curves of one (beta, prior, q_star), in the order in which they were met."""

    stretches: tuple[Stretch, ...]

    def low(self) -> Stretch:
        return self.stretches[0]

    def top(self) -> Stretch | None:
        """The stretch that reaches perfect overlap at the largest alpha, if continuation got there."""
        reaching = [s for s in self.stretches if s.high >= _ALPHA_LAST - 1e-6]
        return reaching[-1] if reaching else None


def _fold_nodes(family: Family, curve: Curve) -> tuple[Node, ...]:
    """The folds of a curve, located where dc/ds = 0."""
    return tuple(
        locate(family, curve.nodes[k], curve.nodes[k + 1], lambda node: float(node.tangent[3])) for k in curve.folds()
    )


def _stretches(curve: Curve, folds: tuple[Node, ...]) -> list[Stretch]:
    result = []
    for order, (first, last) in enumerate(segments(curve)):
        nodes = tuple(curve.nodes[first : last + 1])
        if order > 0:
            nodes = (folds[order - 1], *nodes)
        if order < len(folds):
            nodes = (*nodes, folds[order])
        result.append(Stretch(nodes, order, "fold" if order < len(folds) else curve.end))
    return result


def _curve_from(family: Family, root: Root, c: float, direction: float, low: float, high: float) -> Curve:
    return follow(family, first_node(family, root.sweep.y, c, direction), low, high)


def stretches_from(family: Family, begun: list[tuple[Root, float, float]], low: float, high: float) -> list[Stretch]:
    """The stretches of the curves through roots at given coordinates and directions, each curve once."""
    curves: list[Curve] = []
    for root, c, direction in begun:
        if not any(_passes(curve, root.sweep.y, c) for curve in curves):
            curves.append(_curve_from(family, root, c, direction, low, high))
    return [stretch for curve in curves for stretch in _stretches(curve, _fold_nodes(family, curve))]


@lru_cache(maxsize=64)
def landscape(beta: float, prior: str, q_star: float | None) -> Landscape:
    """All that continuation in alpha reaches from alpha -> 0 and from perfect overlap, alpha in [0.01, 3.5]."""
    task = Task(alpha=_ALPHA_FIRST, beta=beta, prior=prior, q_star=q_star)
    family = _axis(task, "alpha").family()
    begin = newton(family(_ALPHA_FIRST), low_start(family(_ALPHA_FIRST)))
    if not begin.converged:
        raise failure(describe(task), begin, "beta may lie too far outside [1, 200]")
    curves = [_curve_from(family, begin, _ALPHA_FIRST, 1.0, _ALPHA_FIRST, _ALPHA_LAST)]
    end = curves[0].nodes[-1]
    if end.c < _ALPHA_LAST - 1e-6 and q_star is None:
        # The curve turned back or ran into q_star = 1: perfect overlap lies on a curve of its own.
        top = newton(family(_ALPHA_LAST), high_start(family(_ALPHA_LAST)))
        if top.converged:
            curves.append(_curve_from(family, top, _ALPHA_LAST, -1.0, _ALPHA_FIRST, _ALPHA_LAST))
    return Landscape(tuple(stretch for curve in curves for stretch in _stretches(curve, _fold_nodes(family, curve))))


# --- solve ---------------------------------------------------------------------------------------------------------


def describe(task: Task) -> str:
    """The parameters by which an error names a task."""
    text = f"alpha={task.alpha:g}, beta={task.beta:g}, prior={task.prior}"
    return text if task.q_star is None else f"{text}, q_star={task.q_star:g}"


def solve_task(task: Task, branch: str, on_failure: str) -> Solution | list[Solution]:
    """solve() for a single Task."""
    check_choice("branch", branch, BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    _warn_outside(task)
    if task.alpha == 0.0:
        only = _at_zero(task)
        return [only] if branch == "all" else only
    equations = equations_of(task)
    found = [_finish(task, equations, y, on_failure) for y in _starts(task, equations, branch)]
    chosen = select(found, branch)
    return chosen if branch == "all" else chosen[0]


def select(found: list[Solution], branch: str) -> list[Solution]:
    """What `branch` asks for among the solutions found: all distinct ones, or a list of one."""
    if branch == "all":
        return _distinct(found)
    return [best_of(found) if branch == "best" else found[0]]


def best_of(solutions: Sequence[Solution]) -> Solution:
    """Largest free entropy among the stable solutions, or, where there is none, the largest of all."""
    converged = [s for s in solutions if s.status is Status.CONVERGED] or list(solutions)
    stable = [s for s in converged if s.stable]
    return max(stable or converged, key=lambda s: s.free_entropy)


def _starts(task: Task, equations: Equations, branch: str) -> list[np.ndarray]:
    """Where Newton's method begins for each solution asked for."""
    alpha = task.alpha
    if alpha < _ALPHA_FIRST:
        return [low_start(equations)]  # the only solution there
    land = landscape(task.beta, task.prior, task.q_star)
    if branch == "low":
        low = land.low()
        if alpha > low.high and not (low.high >= _ALPHA_LAST - 1e-6):
            raise ValueError(f"branch 'low' ends at alpha = {low.high:.6g}, got alpha {alpha!r}; {_ending(low)}")
        if alpha > _ALPHA_LAST:
            return [high_start(equations)]
        return [low.start(alpha)]
    if branch == "high":
        top = land.top()
        if top is None:
            raise ValueError(f"branch 'high' was not found at {describe(task)}; allowed are low, best and all")
        if alpha < top.low:
            raise ValueError(f"branch 'high' ends at alpha = {top.low:.6g}, got alpha {alpha!r}; use a larger alpha")
        return [high_start(equations) if alpha > _ALPHA_LAST else top.start(alpha)]
    if alpha > _ALPHA_LAST:
        return [high_start(equations)]
    covering = [stretch for stretch in land.stretches if stretch.low <= alpha <= stretch.high]
    if not covering:
        raise ConvergenceError(
            f"no solution with 1 - q_star > {EDGE:g} at {describe(task)}",
            state=(math.nan, math.nan, math.nan),
            residual=math.nan,
        )
    return [stretch.start(alpha) for stretch in covering]


def _ending(low: Stretch) -> str:
    return "there q_star reaches 1" if low.end == "edge" else "there it folds back"


def _finish(task: Task, equations: Equations, y: np.ndarray, on_failure: str) -> Solution:
    root = newton(equations, y, close=True)
    if not root.converged:
        root = newton(equations, y)
    if not root.converged and on_failure == "raise":
        raise failure(describe(task), root, "trace the branch from a nearby alpha")
    return certify(task, equations, root)


def _distinct(solutions: list[Solution]) -> list[Solution]:
    """Without repetitions: next to a fold two starts may end in the same solution."""
    kept: list[Solution] = []
    for s in solutions:
        if all(abs(s.q - k.q) + abs(s.r - k.r) + abs(s.q_star - k.q_star) > 1e-7 for k in kept):
            kept.append(s)
    return kept


def _at_zero(task: Task) -> Solution:
    """alpha = 0: no pattern, q = r = 0, and the local measure alone."""
    equations = equations_of(task)
    q_star_hat = 0.0
    if task.q_star is not None:
        q_star_hat = multiplier(equations, task.q_star)
    tiny = 1e-300
    values = [equations.site.sweep(tiny, 0.0, q_star_hat, refine) for refine in (1.0, 1.5)]
    _, _, _, d, _, g_s, _ = values[0]
    return Solution(
        task=task, q=0.0, r=0.0, q_star=1.0 - d, q_hat=0.0, r_hat=0.0, q_star_hat=q_star_hat, p=0.0, eps_g=0.5,
        free_entropy=g_s - q_star_hat * (1.0 - d), replicon=0.0, residual=0.0,
        quadrature_error=abs(values[1][3] - d), status=Status.CONVERGED, n_steps=0,
    )  # fmt: skip


def _warn_outside(task: Task) -> None:
    low, high = CERTIFIED_BETA
    if not low <= task.beta <= high:
        warnings.warn(f"beta = {task.beta:g} lies outside the certified range [{low:g}, {high:g}]", stacklevel=4)
    if task.alpha > CERTIFIED_ALPHA:
        warnings.warn(f"alpha = {task.alpha:g} lies outside the certified range [0, {CERTIFIED_ALPHA:g}]", stacklevel=4)


# --- trace ---------------------------------------------------------------------------------------------------------


def trace(problem: Task | Chain, *, parameter: str = "alpha", span: tuple[float, float] | None = None) -> Branch:
    """Follow every solution of y'(y) = y along a parameter, round every fold (pseudo-arclength continuation).

    Parameters
    ----------
    problem : the task, or a chain whose last task is followed (the earlier ones take their best solutions); its own
        value of `parameter` is not read.
    parameter : "alpha", "beta" or "q_star"; for a chain "alpha" or "gamma".
    span : (low, high) values of the parameter, 0 < low < high; default (0.05, 3) for alpha, required otherwise.
        Curves start from every solution found at both ends.

    Returns
    -------
    Branch : points, folds (located to 1e-9), stability crossings and transitions inside the span. The points of a chain
        are the last task's Solutions.

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
    axis: Axis | ChainAxis
    if isinstance(problem, Chain):
        from .chain import chain_axis

        axis = chain_axis(problem, parameter)
    else:
        axis = _axis(problem, parameter)
    family = axis.family()
    bounds = (axis.to_coordinate(low), axis.to_coordinate(high))
    curves: list[Curve] = []
    for c, direction in ((bounds[0], 1.0), (bounds[1], -1.0)):
        for y in axis.starts(c):
            if not any(_passes(curve, y, c) for curve in curves):
                root = newton(family(c), y)
                if root.converged:
                    curves.append(_curve_from(family, root, c, direction, *bounds))
    return _branch(axis, family, curves)


def _passes(curve: Curve, y: np.ndarray, c: float) -> bool:
    """Whether a curve starts or ends at this solution."""
    return any(
        abs(node.c - c) < 1e-6 and np.abs(node.x[:3] - y).max() < 1e-3 for node in (curve.nodes[0], curve.nodes[-1])
    )


def _branch(axis: Axis | ChainAxis, family: Family, curves: list[Curve]) -> Branch:
    points: list[Solution] = []
    spans = []
    folds = []
    stability = []
    stretches: list[Stretch] = []
    for curve in curves:
        fold_nodes = _fold_nodes(family, curve)
        for fold in fold_nodes:
            orders = fold.sweep.before
            value = axis.from_coordinate(fold.c)
            folds.append({axis.name: value, "q": orders.q, "r": orders.r, "q_star": 1.0 - orders.d})
        turning = dict(zip(curve.folds(), fold_nodes, strict=True))
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
        stretches += _stretches(curve, fold_nodes)
        begin = len(points)
        points += [_point(axis, family, node) for node in nodes]
        spans.append((begin, len(points)))
    return Branch(
        parameter=axis.name,
        points=points,
        curves=spans,
        folds=folds,
        stability=sorted(stability),
        transitions=[axis.from_coordinate(c) for c in _transitions(family, stretches)],
        ends=[curve.end for curve in curves],
    )


def _point(axis: Axis | ChainAxis, family: Family, node: Node) -> Solution:
    equations = family(node.c)
    # At a fold the error is a shift across the curve, in the parameter too: at fixed parameter it has no bound.
    at_fold = abs(node.tangent[3]) < 1e-3
    root = Root(node.sweep, node.derivative if at_fold else node.derivative[:, :3], 0, True)
    return certify(axis.at(axis.from_coordinate(node.c)), equations, root)


def _transitions(family: Family, stretches: list[Stretch]) -> list[float]:
    """Coordinates where the free entropies of two coexisting minima cross."""

    def potential(stretch: Stretch, c: float) -> float:
        equations = family(c)
        return equations.free_entropy(newton(equations, stretch.start(c), close=True).sweep)

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
            crossings.append(float(brentq(gap, low + margin, high - margin, xtol=1e-11)))
    return sorted(crossings)
