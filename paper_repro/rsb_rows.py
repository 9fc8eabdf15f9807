"""Rows of theory with steps of replica symmetry breaking: a solution on a branch, and one at a held breaking point."""

from __future__ import annotations

from typing import Any

from statmech_cl.problem import Task

_KEPT = ("q", "r", "q_star", "p", "eps_g", "free_entropy", "replicon", "residual", "quadrature_error", "overlaps",
         "parisi", "complexity")  # fmt: skip


def step_row(*, alpha: float, beta: float, rsb: int | str, branch: str) -> dict[str, Any]:
    """The solution with `rsb` steps (or "converged") on the branch "low" or "high"; "missing" says why there is none,
    or is None."""
    from statmech_cl import ConvergenceError, solve

    try:
        solution: Any = solve(Task(alpha=alpha, beta=beta), rsb=rsb, branch=branch)
    except (ValueError, ConvergenceError) as error:
        return {"alpha": alpha, "rsb": rsb, "branch": branch, "missing": str(error)}
    return {"alpha": alpha, "rsb": rsb, "branch": branch, "missing": None, **_kept(solution)}


def held_row(*, alpha: float, beta: float, parisi: float | None) -> dict[str, Any]:
    """One step with its breaking point held at `parisi` (None: free), on the low branch; "family" is the free entropy
    of a single family, Phi - Sigma / x_1."""
    from statmech_cl import solve

    solution: Any = solve(Task(alpha=alpha, beta=beta), rsb=1, branch="low", parisi=parisi)
    row = {"alpha": alpha, "held": parisi is not None, "x": solution.parisi[0], **_kept(solution)}
    return row | {"family": solution.free_entropy - solution.complexity / solution.parisi[0]}


def _kept(solution: Any) -> dict[str, Any]:
    row = solution.to_dict()
    return {name: row[name] for name in _KEPT} | {"weights": list(solution.weights)}
