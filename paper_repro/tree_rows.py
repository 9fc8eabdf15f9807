"""Rows of the theory of trees: chains of tasks with hidden layers of signs."""

from __future__ import annotations

from typing import Any

from statmech_cl.problem import Chain, Task
from statmech_cl.trees import Tree

_NAMED = ("q", "r", "q_star", "p", "eps_g", "replicon", "residual", "quadrature_error")


def tree_chain_row(
    *, alpha: list[float], beta: float, r0: float, hidden_layers: int, anchor: str, gamma: float
) -> dict[str, Any]:
    """eps_g[after_task][on_task] of a chain; forgetting, and the gain on the last task: what its error lies below that
    of the same task learned alone; the replicon of every task (unstable above 1)."""
    from statmech_cl import solve

    channel = Tree(hidden_layers=hidden_layers)
    first, *later = alpha
    tasks = [Task(alpha=first, beta=beta, channel=channel)]
    tasks += [Task(alpha=a, beta=beta, channel=channel, anchor=anchor, gamma=gamma) for a in later]
    solution: Any = solve(Chain(tuple(tasks), overlaps=r0))
    alone: Any = solve(Task(alpha=alpha[-1], beta=beta, channel=channel))
    return {
        "eps_g": solution.eps_g.tolist(),
        "forgetting": solution.forgetting.tolist(),
        "gain": float(alone.eps_g - solution.eps_g[-1, -1]),
        "replicon": [float(task.replicon) for task in solution.tasks],
        "residual": max(float(task.residual) for task in solution.tasks),
        "quadrature_error": max(float(task.quadrature_error) for task in solution.tasks),
    }


def tree_theory_row(*, alpha: list[float], beta: float, r0: float, gamma: float, hidden_layers: int) -> dict[str, Any]:
    """A chain under the KL anchor named as by `simulations.tree.rows`: q_t, r_t, q_star_t, p_t_k; and replicon_t."""
    from statmech_cl import solve

    channel = Tree(hidden_layers=hidden_layers)
    tasks = tuple(Task(alpha=a, beta=beta, gamma=gamma, channel=channel) for a in alpha)
    found: Any = solve(Chain(tasks, overlaps=r0))
    row: dict[str, Any] = {}
    for t, task in enumerate(found.tasks, start=1):
        row |= {f"{name}_{t}": float(getattr(task, name)) for name in ("q", "r", "q_star", "replicon")}
        row |= {f"p_{t}_{k + 1}": float(value) for k, value in enumerate(found.p[t - 1])}
    return row


def few_units_row(*, units: int, alpha: float, beta: float) -> dict[str, Any]:
    """One hidden layer of few units of signs, on the branch from alpha = 0."""
    from statmech_cl.equilibrium.few_units import solve_few_units

    (found,) = solve_few_units(units, [alpha], beta=beta)
    return {name: float(getattr(found, name)) for name in _NAMED}


def many_units_row(*, alpha: float, beta: float) -> dict[str, Any]:
    """As `few_units_row`, for many units."""
    from statmech_cl import solve

    found: Any = solve(Task(alpha=alpha, beta=beta, channel=Tree()), branch="low")
    return {name: float(getattr(found, name)) for name in _NAMED}
