"""The solutions of a single task at a point: all of them, or the one that is asked for."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..orders import Hats
from ..problem import Task, refuse_replay
from ..solution import BRANCHES, ConvergenceError, Solution, Status
from ..validation import check_choice, check_number
from .landscape import ALPHA_FIRST, ALPHA_LAST, Near, Stretch, describe, landscape
from .saddle import EDGE, Equations, certify, equations_of, failure, high_start, low_start, multiplier, newton

CERTIFIED_ALPHA = 3.0
CERTIFIED_BETA = (1.0, 200.0)
# Where Newton's method finds digits: far outside of what is certified, well inside of what a double holds.
_BETAS = (1e-5, 1e5)
_Q_STARS = (1e-4, 1.0 - 1e-6)


def solve_task(task: Task, branch: str, on_failure: str) -> Solution | list[Solution]:
    """solve() for a single Task."""
    check_choice("branch", branch, BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    refuse_replay(task, "a single task")
    warn_outside(task)
    if task.alpha == 0.0:
        only = replace(_at_zero(task), coexisting=0, thermodynamic=True)
        return [only] if branch == "all" else only
    equations = equations_of(task)
    solutions = [_finish(task, equations, start, on_failure) for start in _near(task, equations, branch)]
    others: list[Solution] = []
    if branch in ("low", "high") and ALPHA_FIRST <= task.alpha <= ALPHA_LAST:
        others = [_finish(task, equations, start, "return") for start in _near(task, equations, "all")]
    chosen = select(solutions, branch, others)
    return chosen if branch == "all" else chosen[0]


def select(
    solutions: list[Solution], branch: str, others: Sequence[Solution] = (), *, counted: bool = True
) -> list[Solution]:
    """What `branch` asks for among the solutions: all distinct ones, or a list of one. Each says how many there are
    beside it, those in `others` included, and whether it is the thermodynamic one; nothing of this where `counted` is
    false."""
    if not counted:
        return solutions[:1]
    distinct = _distinct([*solutions, *others])
    leading = thermodynamic(distinct)

    def informed(solution: Solution) -> Solution:
        beside = sum(s.status is Status.CONVERGED and not _same(s, solution) for s in distinct)
        return replace(solution, coexisting=beside, thermodynamic=_same(solution, leading))

    if branch == "all":
        return [informed(s) for s in _distinct(solutions)]
    if branch == "best":
        return [informed(best_of(solutions))]
    return [informed(leading if branch == "thermodynamic" else solutions[0])]


def thermodynamic(solutions: Sequence[Solution]) -> Solution:
    """Largest free entropy of all that are no saddles, whatever their replicon."""
    converged = [s for s in solutions if s.status is Status.CONVERGED] or list(solutions)
    return max([s for s in converged if not s.saddle] or converged, key=lambda s: s.free_entropy)


def best_of(solutions: Sequence[Solution]) -> Solution:
    """Largest free entropy among the solutions stable in both ways, or, where there is none, among those that are no
    saddles."""
    converged = [s for s in solutions if s.status is Status.CONVERGED] or list(solutions)
    stable = [s for s in converged if s.stable]
    return max(stable, key=lambda s: s.free_entropy) if stable else thermodynamic(converged)


def starts(task: Task, equations: Equations, branch: str) -> list[np.ndarray]:
    """Where Newton's method begins for each solution asked for."""
    return [start.y for start in _near(task, equations, branch)]


def _near(task: Task, equations: Equations, branch: str) -> list[Near]:
    alpha = task.alpha
    if alpha < ALPHA_FIRST:
        return [Near(low_start(equations))]  # the only solution there
    land = landscape(task)
    if branch == "low":
        low = land.low()
        if alpha > low.high and not (low.high >= ALPHA_LAST - 1e-6):
            raise ValueError(f"branch 'low' ends at alpha = {low.high:.6g}, got alpha {alpha!r}; {_ending(low)}")
        if alpha > ALPHA_LAST and low is land.top():
            return [Near(high_start(equations))]
        return [low.near(alpha)]
    if branch == "high":
        top = land.top()
        if top is None:
            raise ValueError(f"branch 'high' was not found at {describe(task)}; allowed are low, best and all")
        if alpha < top.low:
            raise ValueError(f"branch 'high' ends at alpha = {top.low:.6g}, got alpha {alpha!r}; use a larger alpha")
        if alpha > top.high and top.high < ALPHA_LAST - 1e-6:
            raise ValueError(f"branch 'high' ends at alpha = {top.high:.6g}, got alpha {alpha!r}; {_ending(top)}")
        return [Near(high_start(equations)) if alpha > ALPHA_LAST else top.near(alpha)]
    if alpha > ALPHA_LAST:
        spanning = [s for s in land.stretches if s.high >= ALPHA_LAST - 1e-6]
        beyond = [Near(high_start(equations)) if s is land.top() else s.near(alpha) for s in spanning]
        return beyond or [Near(high_start(equations))]
    covering = [stretch for stretch in land.stretches if stretch.low <= alpha <= stretch.high]
    if not covering:
        raise ConvergenceError(
            f"no solution with 1 - q_star > {EDGE:g} at {describe(task)}",
            state=(math.nan, math.nan, math.nan),
            residual=math.nan,
        )
    return [stretch.near(alpha) for stretch in covering]


def _ending(low: Stretch) -> str:
    return "there q_star reaches 1" if low.end == "edge" else "there it folds back"


def _finish(task: Task, equations: Equations, start: Near, on_failure: str) -> Solution:
    root = newton(equations, start.y, polish=True, jacobian=start.jacobian)
    if not root.converged:
        root = newton(equations, start.y)
    if not root.converged and on_failure == "raise":
        far = task.alpha > 2.0 * CERTIFIED_ALPHA
        outside = f"alpha lies too far outside [0, {CERTIFIED_ALPHA:g}]"
        raise failure(describe(task), root, outside if far else "trace the branch from a nearby alpha")
    return certify(task, equations, root)


def _distinct(solutions: list[Solution]) -> list[Solution]:
    """Without repetitions: next to a fold two starts may end in the same solution."""
    kept: list[Solution] = []
    for s in solutions:
        if not any(_same(s, k) for k in kept):
            kept.append(s)
    return kept


def _same(a: Solution, b: Solution) -> bool:
    return abs(a.q - b.q) + abs(a.r - b.r) + abs(a.q_star - b.q_star) <= 1e-7


def _at_zero(task: Task) -> Solution:
    """alpha = 0: no pattern, q = r = 0, and the local measure alone."""
    equations = equations_of(task)
    q_star_hat = 0.0
    if task.q_star is not None:
        q_star_hat = multiplier(equations, task.q_star)
    nothing = Hats(1e-300, 0.0, q_star_hat)
    here, refined = (equations.site.averages(nothing, refine) for refine in (1.0, 1.5))
    q_star = here.orders.q_star
    return Solution(
        task=task, q=0.0, r=0.0, q_star=q_star, q_hat=0.0, r_hat=0.0, q_star_hat=q_star_hat, p=0.0,
        eps_g=0.5, free_entropy=here.g_s - q_star_hat * q_star, replicon=0.0, residual=0.0,
        quadrature_error=abs(refined.orders.uncertainty - here.orders.uncertainty), status=Status.CONVERGED, n_steps=0,
    )  # fmt: skip


def warn_outside(task: Task, stacklevel: int = 4) -> None:
    """Warn outside of what is certified; a ValueError where nothing could be computed."""
    check_number("beta", task.beta, low=_BETAS[0], high=_BETAS[1])
    if task.q_star is not None:
        check_number("q_star", task.q_star, low=_Q_STARS[0], high=_Q_STARS[1])
    low, high = CERTIFIED_BETA
    if not low <= task.beta <= high:
        line = f"beta = {task.beta:g} lies outside the certified range [{low:g}, {high:g}]"
        warnings.warn(line, stacklevel=stacklevel)
    if task.alpha > CERTIFIED_ALPHA:
        line = f"alpha = {task.alpha:g} lies outside the certified range [0, {CERTIFIED_ALPHA:g}]"
        warnings.warn(line, stacklevel=stacklevel)
