"""solve_many(task, alpha=values): a whole array of alphas in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..problem import Task
from ..solution import BRANCHES, Solution
from ..validation import check_choice
from .one_task import solve_task


def solve_many(
    task: Task, *, alpha: Sequence[float] | np.ndarray, branch: str = "best", on_failure: str = "raise"
) -> list[Solution]:
    """`solve(replace(task, alpha=a))` for every a of `alpha`, in their order. The curves on which the solutions lie are
    traced once, and each solve starts beside its solution.

    Parameters
    ----------
    task : its beta, prior, q_star and channel; its own alpha is not used.
    alpha : a one-dimensional array or sequence of numbers >= 0.
    branch, on_failure : as in `solve`; "all" is not for many alphas.

    Raises
    ------
    ValueError : what `solve` refuses; no one-dimensional array of numbers.
    ConvergenceError : as in `solve`, for the first alpha without a fixed point.
    """
    if not isinstance(task, Task):
        raise ValueError(f"task must be a Task, got {task!r}")
    check_choice("branch", branch, BRANCHES[:-1])
    values: Any = np.asarray(alpha, dtype=object)
    if values.ndim != 1:
        raise ValueError(f"alpha must be a one-dimensional array of numbers, got {alpha!r}")
    problems = [replace(task, alpha=value) for value in values]  # all of them checked before the first is solved
    solutions: Any = [solve_task(problem, branch, on_failure) for problem in problems]
    return list(solutions)
