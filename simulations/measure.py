"""One simulated point as a row of plain numbers: what tables, result stores and figures take.

The row of a task holds, for each observable x, its mean over the seeds (`x`), the standard error (`x_error`) and the
values of the single seeds (`x_seeds`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from statmech_cl.problem import Task
from statmech_cl.solution import Estimate

from .descent import DescentSettings, check_seeds, descend

DESCENT_OBSERVABLES = ("q", "r", "q_star", "p", "eps_g", "eps_test", "loss")


def descent_row(
    *,
    alpha: float,
    prior: str = "none",
    q_star: float | None = None,
    n: int,
    seeds: Sequence[int] | int,
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """Gradient descent of one task, to convergence of the epochs given: a row with the observables q, r, q_star, p,
    eps_g (arccos of the teacher overlap p, over pi), eps_test (on fresh patterns) and loss (E/P).

    settings : fields of DescentSettings. Two replicas unless told otherwise, which is what q needs.

    Raises
    ------
    ValueError : an argument out of range (from Task, DescentSettings, descend), fewer than 2 seeds (no error bar).
    """
    chosen = seeds_for_error_bars(seeds)
    result = descend(
        Task(alpha=alpha, prior=prior, q_star=q_star),
        n=n,
        seeds=chosen,
        settings=DescentSettings(**{"replicas": 2, **settings}),
        device=device,
    )
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(chosen), "diverged": len(result.diverged)}
    for name in DESCENT_OBSERVABLES:
        put_estimate(row, name, result.values(name))
    return row


def put_estimate(row: dict[str, Any], name: str, values: np.ndarray) -> None:
    """Add mean, standard error and single values of an observable to a row; nan seeds (diverged) are left out of the
    mean, and what cannot be estimated is None."""
    finite = np.asarray(values, dtype=float)[np.isfinite(values)]
    estimate = Estimate.from_samples(finite) if finite.size >= 2 else None
    row[name] = None if estimate is None else estimate.mean
    row[f"{name}_error"] = None if estimate is None else estimate.error
    row[f"{name}_seeds"] = [None if not math.isfinite(value) else float(value) for value in values]


def get_estimate(row: dict[str, Any], name: str) -> Estimate | None:
    """The estimate that `put_estimate` wrote."""
    if row.get(name) is None:
        return None
    return Estimate(row[name], row[f"{name}_error"], sum(value is not None for value in row[f"{name}_seeds"]))


def seeds_for_error_bars(seeds: Sequence[int] | int) -> tuple[int, ...]:
    """The seeds as a tuple; at least two, or there is no error bar."""
    chosen = check_seeds(seeds)
    if len(chosen) < 2:
        raise ValueError(f"seeds must be at least 2 for an error bar, got {len(chosen)}")
    return chosen
