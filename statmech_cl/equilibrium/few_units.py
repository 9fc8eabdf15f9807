"""Solutions of trees of few units along alpha: Newton's method from the solution for many units.

Only the branch that begins at alpha = 0 is followed. The K-fold integrals decide the digits: what the residual is under
the rule, and how far the solution moves under a finer one (quadrature_error), stands in each solution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..few_units import FewUnits
from ..problem import Task
from ..solution import Solution
from ..trees import Tree
from .landscape import describe
from .one_task import solve_task
from .saddle import certify, equations_of, failure, newton


def solve_few_units(
    units: int, alphas: Sequence[float], *, beta: float = 20.0, points: int | None = None
) -> list[Solution]:
    """The solution of one hidden layer of `units` units of signs (3 or 5) that belongs to small alpha, at each alpha.

    alphas : patterns per weight; beta : a whole number.
    points : of the outer rule in each of `units` directions, as in `FewUnits`.

    Raises
    ------
    ValueError : units, alphas, beta or points out of range.
    ConvergenceError : no iteration converged.
    """
    if np.ndim(alphas) != 1:
        raise ValueError(f"alphas must be a sequence of numbers, got {alphas!r}")
    solutions = []
    for alpha in alphas:
        task = Task(alpha=alpha, beta=beta, channel=FewUnits(units=units, points=points))
        near = solve_task(Task(alpha=alpha, beta=beta, channel=Tree()), "low", "raise")
        assert isinstance(near, Solution)
        equations = equations_of(task)
        root = newton(equations, equations.beside(near))
        if not root.converged:
            raise failure(f"{units} units, {describe(task)}", root, "take a smaller alpha")
        solutions.append(certify(task, equations, root))
    return solutions
