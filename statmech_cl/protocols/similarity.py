"""similarity_map(chain): forgetting and forward transfer of two tasks over a plane of two parameters.

    forgetting = eps_1 after task 2 - eps_1 before it
    transfer   = eps_2 learned alone - eps_2 learned behind task 1's anchor     (> 0: the anchor helps task 2)

Every point takes the solution that solve() calls best. Along a column (x fixed) Newton's method begins at the solutions
of the neighbouring point: once upwards, from the anchor alone, and once downwards, from perfect overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..equilibrium.chain import Walk, check_strength, free_start
from ..equilibrium.one_task import select, solve_task
from ..equilibrium.saddle import Root, attempt, certify, high_start, newton
from ..problem import Chain, Task
from ..processes import own_pool
from ..solution import ConvergenceError, Solution, Status
from ..validation import check_choice, check_count, check_number

PARAMETERS = ("overlap", "alpha_2", "gamma")
_GRIDS = ("forgetting", "transfer", "eps_1", "eps_2", "alone", "replicon")

_QUADRATURE_WANTED = 1e-9
_SAME = 1e-5  # between two roots, in the unknowns
_CLOSE = 1e-8  # of a line's place, in units of the grid's step
_NEAR_FOLD = 1e-3  # the same where the points between two branches, next to a fold, are not certified
_JUMP = 1e-6  # |transfer| beyond which a sign change so narrow is a jump between branches


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityMap:
    """Forgetting and transfer on a grid; nan where nothing is certified.

    Attributes
    ----------
    x, y : names of the parameters. xs : (nx,), ys : (ny,).
    eps_1, eps_2, alone : (ny, nx) error on task 1 and on task 2 after task 2, and on task 2 learned without task 1.
    before : error on task 1 before task 2.
    forgetting, transfer : (ny, nx) eps_1 - before, alone - eps_2.
    replicon : (ny, nx) of task 2's solution; replica symmetry is stable below 1.
    reason : (ny, nx) why a point is nan; "" where it is certified.
    lines : where transfer changes sign between two neighbours of the grid: each {x, y, kind}, kind "zero" (transfer
        vanishes there, found by bisection) or "jump" (it changes sign where the best solution, with or without task 1,
        changes branch; found to a thousandth of the grid's step where the points next to a fold are not certified).
    """

    x: str
    y: str
    xs: np.ndarray
    ys: np.ndarray
    before: float
    eps_1: np.ndarray
    eps_2: np.ndarray
    alone: np.ndarray
    replicon: np.ndarray
    reason: np.ndarray
    lines: list[dict[str, Any]]

    @property
    def forgetting(self) -> np.ndarray:
        return self.eps_1 - self.before

    @property
    def transfer(self) -> np.ndarray:
        return self.alone - self.eps_2

    def to_dict(self) -> dict[str, Any]:
        """Plain values: x, y, xs, ys, before, the grids (row by row of ys, None where nothing is certified), lines."""
        grids = {
            name: [[float(v) if np.isfinite(v) else None for v in row] for row in getattr(self, name)]
            for name in _GRIDS
        }
        reason = self.reason.tolist()
        plain = {"x": self.x, "y": self.y, "xs": self.xs.tolist(), "ys": self.ys.tolist(), "before": self.before}
        return {**plain, **grids, "reason": reason, "lines": self.lines}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each point."""
        plain = self.to_dict()
        return [
            {self.x: x, self.y: y, **{name: plain[name][j][i] for name in (*_GRIDS, "reason")}}
            for j, y in enumerate(plain["ys"])
            for i, x in enumerate(plain["xs"])
        ]

    def __repr__(self) -> str:
        """Short: the plane, and how much of it is certified."""
        good = int(np.isfinite(self.eps_2).sum())
        return f"SimilarityMap({self.x}, {self.y}: {good} of {self.eps_2.size} points certified)"


@dataclass(frozen=True, eq=False)
class _Point:
    """What one point of the map says, and the roots that start its neighbours."""

    eps_1: float
    eps_2: float
    alone: float
    replicon: float
    reason: str
    roots: tuple[np.ndarray, ...]

    @property
    def transfer(self) -> float:
        return self.alone - self.eps_2


def similarity_map(
    chain: Chain,
    *,
    x: str = "overlap",
    y: str = "alpha_2",
    xs: Sequence[float] | np.ndarray,
    ys: Sequence[float] | np.ndarray,
    n_workers: int = 1,
) -> SimilarityMap:
    """Forgetting of task 1 and forward transfer to task 2, at every point of xs times ys.

    Parameters
    ----------
    chain : two tasks; the parameters x and y of it are replaced.
    x, y : two of "overlap" (of the teachers), "alpha_2" (patterns of task 2 per weight), "gamma" (of task 2's anchor).
    xs, ys : rising values, at least two of each.
    n_workers : processes beside each other.

    Raises
    ------
    ValueError : not two tasks, unknown or equal parameters, values out of range.
    ConvergenceError : the first task has no certified solution.
    """
    values = _checked(chain, x, y, xs, ys)
    check_count("n_workers", n_workers)
    nx, ny = (v.size for v in values)
    before = Walk.begin(chain, "best", "raise").solutions[0].eps_g
    with _mapper(n_workers) as each:
        columns = each(_column, [(chain, x, float(a), y, values[1]) for a in values[0]])
        edges = _edges(columns, values)
        lines = each(_crossing, [(chain, x, y, *edge) for edge in edges])

    def grid(name: str, kind: Any = float) -> np.ndarray:
        return np.array([[getattr(columns[i][j], name) for i in range(nx)] for j in range(ny)], dtype=kind)

    return SimilarityMap(
        x=x, y=y, xs=values[0], ys=values[1], before=before, eps_1=grid("eps_1"), eps_2=grid("eps_2"),
        alone=grid("alone"), replicon=grid("replicon"), reason=grid("reason", object),
        lines=[line for line in lines if line is not None],
    )  # fmt: skip


def _checked(chain: Chain, x: str, y: str, xs: Any, ys: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(chain, Chain) or len(chain.tasks) != 2 or chain.law is not None:
        raise ValueError(f"chain must be a Chain of two tasks with overlaps, got {chain!r}")
    check_choice("x", x, PARAMETERS)
    check_choice("y", y, [name for name in PARAMETERS if name != x])
    if "gamma" in (x, y) and chain.tasks[1].anchor == "none":
        raise ValueError("gamma must not be varied without an anchor, got anchor 'none'")
    if chain.tasks[1].q_star is not None:
        raise ValueError(f"q_star must be free in a map, got {chain.tasks[1].q_star!r}")
    checked = []
    for name, parameter, values in (("xs", x, xs), ("ys", y, ys)):
        low, high = (-1.0, 1.0) if parameter == "overlap" else (0.0, np.inf)
        above = parameter == "alpha_2"
        if np.ndim(values) != 1:
            raise ValueError(f"{name} must be at least two rising values, got {values!r}")
        row = np.array([check_number(name, v, low=low, high=high, open_low=above) for v in values])
        if row.size < 2 or not (np.diff(row) > 0.0).all():
            raise ValueError(f"{name} must be at least two rising values, got {list(values)!r}")
        checked.append(row)
    for parameter, row in zip((x, y), checked, strict=True):
        if parameter == "gamma":
            chain = _at(chain, {"gamma": float(row[-1])})
    check_strength(chain)
    return checked[0], checked[1]


@contextmanager
def _mapper(n_workers: int) -> Iterator[Callable[..., list[Any]]]:
    if n_workers == 1:
        yield lambda function, items: [function(item) for item in items]
        return
    with own_pool(n_workers) as pool:
        yield lambda function, items: list(pool.map(function, items))


def _at(chain: Chain, values: dict[str, float]) -> Chain:
    """The chain with the given overlap, alpha_2 and gamma."""
    changed: dict[str, Any] = {"alpha" if k == "alpha_2" else k: v for k, v in values.items() if k != "overlap"}
    tasks = (chain.tasks[0], replace(chain.tasks[1], **changed))
    return Chain(tasks, overlaps=values.get("overlap", chain.overlaps))


@lru_cache(maxsize=4096)
def _alone(task: Task) -> Solution:
    """Task 2 without a past: a first task does not read its anchor."""
    solutions: Any = solve_task(replace(task, gamma=1.0, anchor="kl", memory=1.0, replay={}), "best", "return")
    return solutions


def _point(chain: Chain, values: dict[str, float], starts: Sequence[Callable[[Any], Root | None]]) -> _Point:
    """Solve task 2 from every start, take the best of what converged, and certify it."""
    chain = _at(chain, values)
    walk = Walk.begin(chain, "best", "raise")
    task = chain.tasks[1]
    equations = walk.equations(1, task)
    roots: list[Root] = []
    for start in starts:
        root = start(equations)
        fresh = root is not None and all(np.abs(root.image.y - other.image.y).max() > _SAME for other in roots)
        if root is not None and root.converged and fresh:
            roots.append(root)
    if not roots:
        return _nothing("no fixed point was reached")
    kept = tuple(root.image.y for root in roots)
    best = select([certify(task, equations, root) for root in roots], "best")[0]
    alone = _alone(task)
    for name, solution in (("task 2", best), ("task 2 alone", alone)):
        if solution.status is not Status.CONVERGED:
            return _nothing(f"{name}: {solution.status}, residual {solution.residual:.0e}", kept)
        if not solution.quadrature_error < _QUADRATURE_WANTED:
            return _nothing(f"{name}: quadrature error {solution.quadrature_error:.0e}", kept)
    share = walk.go_on(1, equations.site, best).flipped[1][0]
    eps_1 = chain.tasks[0].channel.eps_g(float(share))
    return _Point(eps_1, best.eps_g, alone.eps_g, best.replicon, "", kept)


def _nothing(reason: str, roots: tuple[np.ndarray, ...] = ()) -> _Point:
    return _Point(np.nan, np.nan, np.nan, np.nan, reason, roots)


def _from(y: np.ndarray) -> Callable[[Any], Root | None]:
    return lambda equations: attempt(equations, y)


def _from_anchor(equations: Any) -> Root | None:
    return newton(equations, free_start(equations))


def _from_top(equations: Any) -> Root | None:
    return attempt(equations, high_start(equations))


def _column(item: tuple[Chain, str, float, str, np.ndarray]) -> list[_Point]:
    """The points at one x: upwards from the anchor alone, downwards from perfect overlap, the best of both."""
    chain, x, a, y, ys = item
    down: list[tuple[np.ndarray, ...]] = []
    known: tuple[np.ndarray, ...] = ()
    for b in ys[::-1]:
        try:
            walk = Walk.begin(_at(chain, {x: a, y: float(b)}), "best", "raise")
            equations = walk.equations(1, walk.chain.tasks[1])
            root = attempt(equations, known[0]) if known else None
            root = root or _from_top(equations)
        except ConvergenceError:
            root = None
        known = (root.image.y,) if root is not None and root.converged else ()
        down.append(known)
    points: list[_Point] = []
    before: tuple[np.ndarray, ...] = ()
    for b, top in zip(ys, down[::-1], strict=True):
        starts = [_from(v) for v in (*before, *top)]
        point = _point(chain, {x: a, y: float(b)}, starts if before else [_from_anchor, *starts])
        if not point.roots:
            point = _point(chain, {x: a, y: float(b)}, [_from_anchor, *starts])
        before = point.roots[:1]
        points.append(point)
    return points


# --- where transfer changes sign --------------------------------------------------------------------------------------


def _edges(columns: list[list[_Point]], values: tuple[np.ndarray, np.ndarray]) -> list[tuple[Any, ...]]:
    """Neighbouring certified points with transfers of opposite signs: (x, y), (x, y), roots of both."""
    xs, ys = values
    edges = []
    for i, column in enumerate(columns):
        for j, here in enumerate(column):
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < xs.size and m < ys.size and here.transfer * columns[k][m].transfer < 0.0:
                    there = columns[k][m]
                    ends = (xs[i], ys[j]), (xs[k], ys[m])
                    edges.append((*ends, here.transfer, (*here.roots, *there.roots)))
    return edges


def _crossing(item: tuple[Any, ...]) -> dict[str, Any] | None:
    """The sign change between two neighbours: regula falsi along the edge; None where a point fails."""
    chain, x, y, begin, end, first, roots = item
    a, b = np.array(begin), np.array(end)
    starts = [_from(v) for v in roots]

    def transfer(s: float) -> float:
        at = a + s * (b - a)
        point = _point(chain, {x: float(at[0]), y: float(at[1])}, starts)
        return point.transfer

    low, high, at_low, at_high = 0.0, 1.0, first, transfer(1.0)
    if not first * at_high < 0.0:  # the roots of both ends lead to another branch there, or to none
        return None
    middle, value, side = 0.5, np.nan, 0
    for n in range(60):
        middle = 0.5 * (low + high) if n > 10 else (low * at_high - high * at_low) / (at_high - at_low)
        value = transfer(middle)
        if not np.isfinite(value):
            if high - low > _NEAR_FOLD:
                return None
            break
        if abs(value) < 1e-12 or high - low < _CLOSE:
            break
        if value * first > 0.0:
            low, at_low, at_high, side = middle, value, at_high * (0.5 if side == 1 else 1.0), 1
        else:
            high, at_high, at_low, side = middle, value, at_low * (0.5 if side == -1 else 1.0), -1
    at = a + middle * (b - a)
    return {"x": float(at[0]), "y": float(at[1]), "kind": "zero" if abs(value) < _JUMP else "jump"}  # nan is a jump
