"""The solutions with k steps of replica symmetry breaking at a point.

The curves of one step come from `rsb_openings`. Each further step opens a level whose own replicon exceeds 1; where
none does, further steps stay closed and change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..channels import StepChannel
from ..problem import Task, refuse_replay
from ..solution import BRANCHES, ConvergenceError, Solution, Status
from ..step_solution import StepSolution
from ..validation import check_choice, check_count, check_number
from .landscape import ALPHA_FIRST, describe
from .one_task import solve_task, thermodynamic, warn_outside
from .rsb import to_step_unknowns, weights_of
from .rsb_openings import Candidate, opened_somewhere, openings, solutions_on, step_equations
from .saddle import RESIDUAL_WANTED, newton

_MOST_ASKED = 100  # steps; far fewer converge
CONVERGED = 1e-6  # the change of eps_g from one number of steps to the next at which rsb="converged" stops
MOST_STEPS = 6  # and the number of steps at which it gives up
_REFINE = 1.5  # the rule that estimates the quadrature error
_MARGIN = 1e-5  # of a replicon above 1: what breaks there moves eps_g by less than its own rounding


def solve_steps(
    task: Task, rsb: int | str, branch: str, on_failure: str, parisi: float | None = None
) -> StepSolution | list[StepSolution]:
    """solve(task, rsb=...): see there."""
    check_choice("branch", branch, BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    check_steps(rsb)
    if parisi is not None:
        parisi = check_number("parisi", parisi, low=0.0, high=1.0, open_low=True, open_high=True)
        if rsb != 1:
            raise ValueError(f"parisi prescribes the breaking point of one step: rsb must be 1, got {rsb!r}")
    refuse_without_steps(task)
    refuse_replay(task, "a single task")
    warn_outside(task)
    solutions = [with_steps(task, one, rsb, on_failure, parisi) for one in _candidates(task, rsb, branch)]
    if not solutions:
        raise ConvergenceError(
            f"no solution with rsb={rsb} at {describe(task)}", state=(math.nan, math.nan, math.nan), residual=math.nan
        )
    if branch in ("low", "high"):
        return solutions[0]
    solutions = informed(solutions)
    return solutions if branch == "all" else next(one for one in solutions if one.thermodynamic)


def informed(solutions: Sequence[StepSolution]) -> list[StepSolution]:
    """Each solution of a point with how many there are beside it, and which one has the largest free entropy."""
    leading = thermodynamic(solutions)
    return [replace(one, coexisting=len(solutions) - 1, thermodynamic=one is leading) for one in solutions]


def check_steps(rsb: int | str) -> None:
    """One line that says what rsb may be."""
    if isinstance(rsb, str) and rsb != "converged":
        raise ValueError(f"rsb must be a whole number >= 0 or 'converged', got {rsb!r}")
    if not isinstance(rsb, str):
        check_count("rsb", rsb, low=0, high=_MOST_ASKED)


def refuse_without_steps(task: Task) -> None:
    """One line for what is not solved with steps."""
    if task.q_star is not None:
        raise ValueError(f"q_star must be None with rsb, got {task.q_star!r}")
    if not isinstance(task.channel, StepChannel):
        raise ValueError(f"channel must have step_averages with rsb, got {task.channel!r}")


def _candidates(task: Task, rsb: int | str, branch: str) -> list[Candidate | Solution]:
    """What the steps start from: solutions that are stable as they are, and those with one step open."""
    symmetric: Any
    if rsb == 0 or task.alpha < ALPHA_FIRST:
        symmetric = solve_task(task, branch, "raise")
        return list(symmetric) if isinstance(symmetric, list) else [symmetric]
    one_step = step_equations(task, 1)
    broken = [candidate for opening in openings(task) for candidate in solutions_on(opening, one_step)]
    if branch == "high":
        symmetric = solve_task(task, "high", "raise")
        if not symmetric.replicon < 1.0:
            raise ValueError(f"branch 'high' is not stable at {describe(task)}; with rsb allowed are low, best and all")
        return [symmetric]
    if branch == "low":
        return [_low(task, broken)]
    symmetric = solve_task(task, "all", "raise")
    stable = [one for one in symmetric if one.replicon < 1.0]
    return [*stable, *broken]


def _low(task: Task, broken: Sequence[Candidate]) -> Candidate | Solution:
    """The solution that continuation from alpha -> 0 reaches, up to the first fold."""
    first = next((opening for opening in openings(task) if opening.even), None)
    if first is None or task.alpha <= min(alpha for alpha, _ in first.ends):
        symmetric: Any = solve_task(task, "low", "raise")
        return symmetric
    stretch = first.stretches[0]
    if task.alpha > stretch.high:
        raise ValueError(
            f"branch 'low' ends at alpha = {stretch.high:.6g} with one step, got alpha {task.alpha!r}; there it folds "
            f"back"
        )
    return next(candidate for candidate in broken if candidate.even)


def with_steps(
    task: Task, start: Candidate | Solution, rsb: int | str, on_failure: str, parisi: float | None = None
) -> StepSolution:
    """The solution with `rsb` steps that belongs to a replica-symmetric or one-step one."""
    if isinstance(start, Solution):
        return closed_solution(start, 0 if isinstance(rsb, str) else rsb, parisi)
    if parisi is not None:
        start = _prescribed(start, parisi)
    if rsb == "converged":
        return _converged(task, start, on_failure)
    assert isinstance(rsb, int)
    while start.equations.k < rsb and start.root.converged:
        more = _another(start)
        if more is None:
            break
        start = more
    return _checked(task, start, on_failure, rsb)


def _converged(task: Task, start: Candidate, on_failure: str) -> StepSolution:
    """As many steps as eps_g asks for."""
    here = _checked(task, start, on_failure, 1)
    while start.equations.k < MOST_STEPS:
        more = _another(start)
        if more is None:
            return here
        start, before = more, here
        here = _checked(task, start, on_failure, start.equations.k)
        if abs(here.eps_g - before.eps_g) < CONVERGED:
            return here
    raise ConvergenceError(
        f"eps_g still moves by more than {CONVERGED:g} at {MOST_STEPS} steps, at {describe(task)}; give rsb a number",
        state=(here.q, here.r, here.q_star),
        residual=here.residual,
    )


def _another(start: Candidate) -> Candidate | None:
    """One step more, at the level of the largest replicon; None where every level is stable."""
    image = start.image
    level = int(np.argmax(image.replicons))
    if not image.replicons[level] > 1.0 + _MARGIN:
        return None
    equations = replace(start.equations, k=start.equations.k + 1)
    root = opened_somewhere(equations, image.before, image.replicons)
    if root is not None:
        return Candidate(equations, root, start.even)
    orders = image.before
    raise ConvergenceError(
        f"no solution with {equations.k} steps was found at alpha={equations.alpha:g}, beta={equations.beta:g}, where "
        f"level {level} of {equations.k - 1} has replicon {image.replicons[level]:.6f}; take fewer steps",
        state=(orders.q, orders.r, orders.q_star),
        residual=image.residual,
    )


def _prescribed(start: Candidate, x: float) -> Candidate:
    """The one-step solution at breaking point x, in steps of ln x from the free one."""
    orders = start.image.before
    here = float(orders.parisi[0])
    count = max(1, math.ceil(abs(math.log(x / here)) / 0.4))
    candidate = start
    for value in np.geomspace(here, x, count + 1)[1:]:
        equations = replace(start.equations, parisi=(float(value),))
        y = to_step_unknowns(candidate.image.before, False)
        candidate = Candidate(equations, newton(equations, y, polish=True), start.even)
        if not candidate.root.converged:
            break
    if candidate.equations.parisi != (x,):  # rounding of geomspace, or where the last step failed
        equations = replace(start.equations, parisi=(x,))
        y = to_step_unknowns(candidate.image.before, False)
        candidate = Candidate(equations, newton(equations, y, polish=True), start.even)
    return candidate


def _checked(task: Task, candidate: Candidate, on_failure: str, k: int) -> StepSolution:
    if not candidate.root.converged and on_failure == "raise":
        orders = candidate.image.before
        raise ConvergenceError(
            f"no fixed point with {candidate.equations.k} steps after {candidate.root.n_steps} Newton steps at "
            f"{describe(task)} (residual {candidate.image.residual:.1e}, wanted {RESIDUAL_WANTED:.0e}); "
            f"try another alpha or fewer steps",
            state=(orders.q, orders.r, orders.q_star),
            residual=candidate.image.residual,
        )
    return certified(task, candidate, k)


def certified(task: Task, candidate: Candidate, k: int) -> StepSolution:
    """Observables and error estimates at a root; steps up to k that did not open are closed ones."""
    equations, image = candidate.equations, candidate.image
    here = image.before
    refined = equations.image(image.y, _REFINE)
    shift = -np.linalg.lstsq(candidate.root.jacobian, refined.gap, rcond=None)[0]
    moved = equations.orders(image.y + shift)
    share, share_refined = equations.flipped(image, 1.0), equations.flipped(refined, _REFINE)
    eps_g = equations.channel.eps_g(share)
    hats, x = image.hats, here.parisi
    more = k - equations.k
    complexity = None
    if k == 1:
        complexity = 0.0 if equations.free else float(-(x[0] ** 2) * image.areas[0])
    return StepSolution(
        task=task,
        q=float(weights_of(x) @ here.overlaps),
        r=here.r,
        q_star=here.q_star,
        q_hat=float(hats.overlaps[-1]),
        r_hat=float(hats.r_hat),
        q_star_hat=float(hats.q_star_hat),
        p=1.0 - 2.0 * share,
        eps_g=eps_g,
        free_entropy=equations.free_entropy(image),
        replicon=float(image.replicons[-1]),
        residual=image.residual,
        quadrature_error=max(moved.distance(here), abs(equations.channel.eps_g(share_refined) - eps_g)),
        status=Status.CONVERGED if candidate.root.converged else Status.NOT_CONVERGED,
        n_steps=candidate.root.n_steps,
        saddle=not candidate.even,
        overlaps=(*here.overlaps.tolist(), *more * [float(here.overlaps[-1])]),
        parisi=(*x.tolist(), *more * [math.nan]),
        replicons=(*image.replicons.tolist(), *more * [float(image.replicons[-1])]),
        complexity=complexity,
    )


def closed_solution(symmetric: Solution, k: int, parisi: float | None = None) -> StepSolution:
    """A replica-symmetric solution with k closed steps."""
    shared = {name: getattr(symmetric, name) for name in Solution.__dataclass_fields__}
    return StepSolution(
        **shared | {"coexisting": None, "thermodynamic": None},
        overlaps=(k + 1) * (symmetric.q,),
        parisi=k * (math.nan if parisi is None else parisi,),
        replicons=(k + 1) * (symmetric.replicon,),
        complexity=0.0 if k == 1 else None,
    )
