"""Rows of theory: what the figures store of a solution, of a traced line, of a second task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from statmech_cl.channels import PLAIN
from statmech_cl.problem import Chain, Task
from statmech_cl.trees import Tree

LINE_FROM = 0.01  # the alpha at which a drawn line of theory begins
_LINE_STEP = 0.025  # and its longest step
_SECOND_FROM = 0.05  # where a line of second tasks begins
_OBSERVABLES = ("q", "r", "q_star", "p", "eps_g")
_SOLUTION = (*_OBSERVABLES, "free_entropy", "replicon", "stable", "residual", "quadrature_error", "status")


def theory_row(
    *, alpha: float, beta: float, prior: str = "none", q_star: float | None = None, branch: str = "best"
) -> dict[str, Any]:
    """The replica-symmetric solution of one task."""
    from statmech_cl import solve

    solution: Any = solve(Task(alpha=alpha, beta=beta, prior=prior, q_star=q_star), branch=branch)
    return solution.to_dict()


def line_row(*, to: float, beta: float, prior: str, hidden_layers: int = 0) -> dict[str, Any]:
    """Every branch of a perceptron, or of a tree of signs, for alpha in [0.01, to]: points in the order in which
    continuation met them (`curve` numbers the separate curves), and what happens along them."""
    from statmech_cl import trace

    channel = Tree(hidden_layers=hidden_layers) if hidden_layers else PLAIN
    branch = trace(Task(alpha=to, beta=beta, prior=prior, channel=channel), span=(LINE_FROM, to))
    points = []
    for number, (start, stop) in enumerate(branch.curves):
        met = branch.points[start:stop]
        for point in [met[0], *(s for pair in pairwise(met) for s in (*_between(*pair), pair[1]))]:
            points.append({"curve": number, "alpha": point.task.alpha, **_kept(point)})
    events = [{"event": "fold", "alpha": fold["alpha"]} for fold in branch.folds]
    events += [{"event": "transition", "alpha": alpha} for alpha in branch.transitions]
    events += [{"event": "replicon 1", "alpha": alpha} for alpha in branch.stability]
    return {"points": points, "events": events}


def _between(a: Any, b: Any) -> list[Any]:
    """Solutions between two neighbours on a curve, so that the drawn line has no corners."""
    from statmech_cl import solve

    count = int(abs(b.task.alpha - a.task.alpha) / _LINE_STEP)
    solutions = []
    for share in (k / (count + 1) for k in range(1, count + 1)):
        alpha = a.task.alpha + share * (b.task.alpha - a.task.alpha)
        guess = {name: (1 - share) * getattr(a, name) + share * getattr(b, name) for name in ("q", "r", "q_star")}

        def miss(solution: Any, guess: dict[str, float] = guess) -> float:
            return sum(abs(getattr(solution, name) - value) for name, value in guess.items())

        candidates: Any = solve(dataclasses.replace(a.task, alpha=alpha), branch="all")
        solutions.append(min(candidates, key=miss))
    return solutions


def all_row(*, alpha: float, beta: float, prior: str) -> dict[str, Any]:
    """Every solution at one alpha. `thermodynamic` marks the one of largest free entropy; `between` the saddles that
    separate two of the others, at which nothing ever rests."""
    from statmech_cl import solve

    everything: Any = solve(Task(alpha=alpha, beta=beta, prior=prior), branch="all")
    solutions = sorted(everything, key=lambda solution: solution.r)
    best = max(solution.free_entropy for solution in solutions[::2])
    return {
        "solutions": [
            {
                "alpha": alpha,
                **_kept(solution),
                "between": number % 2 == 1,
                "thermodynamic": solution.free_entropy == best,
            }
            for number, solution in enumerate(solutions)
        ]
    }


def _kept(solution: Any) -> dict[str, Any]:
    row = solution.to_dict()
    return {name: row[name] for name in _SOLUTION}


def two_task_theory_row(**case: Any) -> dict[str, Any]:
    """The solution that `two_task_solutions_row` lists at (alpha_2, r0), where it is the only one.

    Raises
    ------
    ValueError : several solutions coexist, or none was found.
    """
    solutions = two_task_solutions_row(**case)["solutions"]
    if len(solutions) != 1:
        raise ValueError(f"alpha_2 and r0 must have one solution here, got {len(solutions)} at {case!r}")
    return solutions[0]


def two_task_solutions_row(
    *, alpha_1: float, alpha_2: float, gamma: float, r0: float, beta: float, prior: str = "none", anchor: str = "kl"
) -> dict[str, Any]:
    """Every solution of the Franz-Parisi potential: eps_1, eps_2, p_1, p_2 and the order parameters of the second task,
    by rising overlap r with teacher 2, saddles between two others left out; none where no iteration converged.
    """
    from statmech_cl import solve

    tasks = (
        Task(alpha=alpha_1, beta=beta, prior=prior),
        Task(alpha=alpha_2, beta=beta, gamma=gamma, anchor=anchor),
    )
    return _second_task(lambda: solve(Chain(tasks, overlaps=(r0,)), branch="all"))


def two_task_line_row(
    *, alpha_1: float, to: float, gamma: float, r0: float, beta: float, prior: str = "none", anchor: str = "kl"
) -> dict[str, Any]:
    """Every branch of the second task for alpha_2 in [0.05, to], round its folds: points in the order in which
    continuation met them; `curve` numbers the separate curves."""
    from statmech_cl import trace

    tasks = (Task(alpha=alpha_1, beta=beta, prior=prior), Task(alpha=to, beta=beta, gamma=gamma, anchor=anchor))
    branch = trace(Chain(tasks, overlaps=(r0,)), parameter="alpha", span=(_SECOND_FROM, to), fine=True)
    return {
        "points": [
            {"curve": number, "alpha_2": chain.tasks[-1].task.alpha, **_kept(chain.tasks[-1]), **chain.after_last()}
            for number, (start, stop) in enumerate(branch.curves)
            for chain in branch.chains[start:stop]
        ]
    }


_SMOOTHING = 0.1  # in theta: the kernel that makes a density of measured fields
_STEP = 0.004


def given_reference_row(
    *,
    theta: list[float],
    share: list[float],
    alpha_1: float,
    alpha_2: float,
    gamma: float,
    r0: float,
    beta: float,
    prior: str = "none",
    anchor: str = "kl",
) -> dict[str, Any]:
    """As `two_task_solutions_row`, given the fields that a simulated first task left: `share` of the sites at `theta`,
    in the gauge where teacher 1 is 1.

    The patterns of task 2 are independent of the reference, which enters the theory through the density of its fields
    alone: this is the theory of the second task, whatever is wrong with that of the first.
    """
    from statmech_cl.equilibrium.chain import solve_given

    tasks = (
        Task(alpha=alpha_1, beta=beta, prior=prior),
        Task(alpha=alpha_2, beta=beta, gamma=gamma, anchor=anchor),
    )
    sites, weights = np.array(theta), np.array(share)
    grid = np.arange(sites.min() - 6.0 * _SMOOTHING, sites.max() + 6.0 * _SMOOTHING, _STEP)
    density = np.exp(-0.5 * ((grid[:, None] - sites) / _SMOOTHING) ** 2) @ weights
    return _second_task(lambda: solve_given(Chain(tasks, overlaps=(r0,)), grid, density))


def _second_task(solve: Callable[[], Any]) -> dict[str, Any]:
    from statmech_cl import ConvergenceError

    try:
        solutions = solve()
    except ConvergenceError:
        solutions = []
    named = ("q", "r", "q_star", "replicon", "free_entropy", "residual", "quadrature_error")
    rows = [
        {
            "eps_1": float(solution.eps_g[1, 0]),
            "eps_2": float(solution.eps_g[1, 1]),
            "p_1": float(solution.p[1, 0]),
            "p_2": float(solution.p[1, 1]),
            **{name: float(getattr(solution.tasks[1], name)) for name in named},
        }
        for solution in solutions
    ]
    # of three, the one in the middle separates the others: nothing ever rests there
    return {"solutions": sorted(rows, key=lambda row: row["r"])[::2]}
