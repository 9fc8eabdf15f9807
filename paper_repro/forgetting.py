"""The forgetting matrix of a chain of five tasks, by theory, at three strengths of the KL anchor."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import Context, Data, Row, Verdict

_SIZE = {"alpha": [2.0, 2.0, 2.0, 2.0, 2.0], "beta": 20.0, "r0": 0.0, "gamma": [0.05, 0.3, 1.0]}
SCALES: dict[str, dict[str, Any]] = {"quick": {**_SIZE}, "paper": {**_SIZE}}


def matrix_row(*, alpha: list[float], beta: float, r0: float, gamma: float) -> dict[str, Any]:
    """eps_g[after_task][on_task] of a chain with the KL anchor, and the largest quadrature error."""
    from statmech_cl import Chain, Task, solve

    solution = solve(Chain(tuple(Task(alpha=a, beta=beta, gamma=gamma) for a in alpha), overlaps=r0))
    return {
        "eps_g": solution.eps_g.tolist(),
        "quadrature_error": max(task.quadrature_error for task in solution.tasks),
    }


def compute(context: Context) -> Data:
    """One matrix for each gamma, a row for each of its entries."""
    size = context.parameters
    grid = [{**{name: size[name] for name in ("alpha", "beta", "r0")}, "gamma": gamma} for gamma in size["gamma"]]
    matrices = context.points(matrix_row, grid, "theory")
    rows = [
        {"gamma": where["gamma"], "after_task": after + 1, "on_task": on + 1, "eps_g": value}
        | {"quadrature_error": what["quadrature_error"]}
        for where, what in zip(grid, matrices, strict=True)
        for after, line in enumerate(what["eps_g"])
        for on, value in enumerate(line)
    ]
    return Data(rows, dict(size))


def matrix(data: Data, gamma: float) -> np.ndarray:
    """eps_g[after_task, on_task] : (T, T)."""
    n_tasks = len(data.parameters["alpha"])
    return np.array(data.column("eps_g", gamma=gamma)).reshape(n_tasks, n_tasks)


def draw(data: Data) -> Any:
    """A heat map for each gamma."""
    from statmech_cl import figures

    gammas = data.parameters["gamma"]
    figure, axes = figures.new(1, len(gammas), squeeze=False)
    for ax, gamma in zip(axes[0], gammas, strict=True):
        figures.forgetting_matrix(ax, matrix(data, gamma))
        ax.set_title(rf"KL, $\gamma = {gamma:g}$")
    return figure


def verdict(data: Data) -> Verdict:
    """What is left of the first task, and what the last one reaches."""
    rows = []
    for gamma in data.parameters["gamma"]:
        eps_g = matrix(data, gamma)
        rows.append(Row(f"gamma={gamma:g}: eps_g on task 1 after the last", float(eps_g[-1, 0]), None))
        rows.append(Row(f"gamma={gamma:g}: eps_g on the last task", float(eps_g[-1, -1]), None))
        rows.append(Row(f"gamma={gamma:g}: mean eps_g after the last", float(eps_g[-1].mean()), None))
    means = {gamma: float(matrix(data, gamma)[-1].mean()) for gamma in data.parameters["gamma"]}
    best = min(means, key=lambda gamma: means[gamma])
    worst = max(data.column("quadrature_error"))
    sentence = f"After the last task the mean error over all tasks is least at gamma = {best:g} ({means[best]:.4f})."
    return Verdict(rows, f"{sentence} Largest quadrature error {worst:.0e}.", worst < 1e-8)
