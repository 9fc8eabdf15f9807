"""Rows of two tasks by equilibrium theory, for the points that simulations are set beside."""

from __future__ import annotations

from typing import Any

from statmech_cl.problem import Chain, Task


def pair_of(
    *, alpha_1: float, alpha_2: float, gamma: float, r0: float, beta: float, replay: float = 0.0, anchor: str = "kl"
) -> Chain:
    """Two tasks, of which the second may replay patterns of the first."""
    second = Task(alpha=alpha_2, beta=beta, gamma=gamma, anchor=anchor, replay={1: replay})
    return Chain((Task(alpha=alpha_1, beta=beta), second), overlaps=r0)


def pair_row(**case: Any) -> dict[str, Any]:
    """Both overlaps and errors after task 2, of the solution of largest free entropy; and its certificate."""
    from statmech_cl import solve

    solution = solve(pair_of(**case), branch="thermodynamic")
    last = solution.tasks[1]
    names = ("q_star", "replicon", "residual", "quadrature_error", "coexisting")
    row: dict[str, Any] = {"eps_1_before": float(solution.eps_g[0, 0]), **{name: getattr(last, name) for name in names}}
    return row | solution.after_last()


def optimum_row(*, alpha_1: float, alpha_2: float, r0: float, beta: float) -> dict[str, Any]:
    """The gamma that makes the worse of both errors least, and its certificate."""
    from statmech_cl import optimise

    optimum = optimise(pair_of(alpha_1=alpha_1, alpha_2=alpha_2, gamma=1.0, r0=r0, beta=beta), objective="worst")
    return {
        "gamma": float(optimum.values["gamma"][0]),
        "worst": optimum.objective,
        "gradient": optimum.gradient,
        "thermodynamic": all(optimum.thermodynamic),
        "starts": optimum.starts,
    }
