"""Rows of theory for any problem, a task or a chain: every solution at a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statmech_cl.problem import Task, from_dict


def solutions_row(*, problem: Mapping[str, Any]) -> dict[str, Any]:
    """All solutions of the problem that `statmech_cl.problem.to_dict` wrote, saddles left out, by rising overlap r.

    Of a task q, r, q_star, p, eps_g; of a chain eps_k and p_k on every task k after the last, and q_star of the last.
    `replicon` is the largest of all tasks.
    """
    from statmech_cl import solve

    task_or_chain = from_dict(problem)
    solutions: Any = solve(task_or_chain, branch="all")
    rows = []
    for solution in solutions:
        tasks = [solution] if isinstance(task_or_chain, Task) else solution.tasks
        last = tasks[-1]
        if last.saddle:
            continue
        row = {name: getattr(last, name) for name in ("q", "r", "q_star")}
        row |= {name: getattr(last, name) for name in ("p", "eps_g")} if last is solution else solution.after_last()
        row |= {"replicon": max(task.replicon for task in tasks), "free_entropy": last.free_entropy}
        rows.append(row | {"thermodynamic": last.thermodynamic})
    return {"solutions": sorted(rows, key=lambda row: row["r"])}
