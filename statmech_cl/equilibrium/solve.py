"""solve(problem): the one door to solutions at a point."""

from __future__ import annotations

from typing import Literal, overload

from ..problem import Chain, Task
from ..solution import ChainSolution, Solution
from ..step_solution import StepSolution
from .chain import solve_chain
from .one_task import solve_task
from .rsb_solve import solve_steps
from .step_chain import solve_step_chain


@overload
def solve(
    problem: Task,
    *,
    branch: Literal["low", "high", "best"] = "best",
    on_failure: str = "raise",
    rsb: int | Literal["converged"],
    parisi: float | None = None,
) -> StepSolution: ...
@overload
def solve(
    problem: Chain,
    *,
    branch: Literal["best", "thermodynamic"] = "best",
    on_failure: str = "raise",
    rsb: int | Literal["converged"],
) -> ChainSolution: ...
@overload
def solve(problem: Task, *, branch: Literal["all"], on_failure: str = "raise") -> list[Solution]: ...
@overload
def solve(problem: Chain, *, branch: Literal["all"], on_failure: str = "raise") -> list[ChainSolution]: ...
@overload
def solve(
    problem: Task, *, branch: Literal["low", "high", "best", "thermodynamic"] = "best", on_failure: str = "raise"
) -> Solution: ...
@overload
def solve(
    problem: Chain, *, branch: Literal["low", "high", "best", "thermodynamic"] = "best", on_failure: str = "raise"
) -> ChainSolution: ...
@overload
def solve(
    problem: Task | Chain,
    *,
    branch: str,
    on_failure: str = "raise",
    rsb: int | str | None = None,
    parisi: float | None = None,
) -> Solution | ChainSolution | StepSolution | list[Solution] | list[ChainSolution] | list[StepSolution]: ...
def solve(
    problem: Task | Chain,
    *,
    branch: str = "best",
    on_failure: str = "raise",
    rsb: int | str | None = None,
    parisi: float | None = None,
) -> Solution | ChainSolution | StepSolution | list[Solution] | list[ChainSolution] | list[StepSolution]:
    """Solve the replica-symmetric saddle-point equations, y'(y) = y, by Newton's method.

        q_hat = 2 alpha Int Dz H(r z/sqrt(q-r^2)) F'^2,     r_hat = -2 alpha/sqrt(2 pi) Int Dz F',
        q_star_hat = 2 alpha Int Dz H(r z/sqrt(q-r^2)) dF/dq_star,
        q = Int Dz <m>^2,  r = Int Dz <m>,  q_star = Int Dz <m^2>          (Phys. Rev. E 108, 014309; docs/theory.md)

    Parameters
    ----------
    problem : a Task, or a Chain of them (then `branch` chooses among the last task's solutions; earlier tasks take the
        best).
    branch : "low" (reaches alpha -> 0, up to its first fold), "high" (reaches perfect overlap at large alpha, down to
        its fold), "best" (largest free entropy among the solutions with replicon < 1, or of all where there is none;
        it may be metastable: read its `thermodynamic`), "thermodynamic" (largest free entropy of all), or "all" (a list
        of every coexisting solution). Saddles are never "best" nor "thermodynamic".
    on_failure : "raise" a ConvergenceError, or "return" the unconverged Solution, whose status says so.
    rsb : None for replica symmetry; a number k >= 0 for k steps of replica symmetry breaking, or "converged": as many
        as eps_g asks for (until it moves by less than 1e-6). Then solutions whose replica symmetry is unstable are
        replaced by those with steps, and "best" is "thermodynamic". In a Chain every task may break
        (`statmech_cl.equilibrium.step_chain`); branch is then "best", "thermodynamic" or "all".
    parisi : prescribes the breaking point x_1 of one step, 0 < parisi < 1 (with rsb=1 only).

    Returns
    -------
    Solution, StepSolution (with rsb), or ChainSolution; a list of them for branch="all".

    Raises
    ------
    ValueError : an unknown branch, or one that does not reach this alpha (the message says where it ends).
    ConvergenceError : no fixed point; carries the last state and what to try.

    Warns
    -----
    UserWarning : alpha > 3 or beta outside [1, 200], where the error estimates have not been certified.
    """
    if rsb is None and parisi is not None:
        raise ValueError(f"parisi must come with rsb=1, got parisi {parisi!r} without rsb")
    if rsb is not None and isinstance(problem, Task):
        return solve_steps(problem, rsb, branch, on_failure, parisi)
    if rsb is not None and isinstance(problem, Chain):
        if parisi is not None:
            raise ValueError(f"parisi must come with a Task, got {parisi!r} with a Chain")
        return solve_step_chain(problem, rsb, branch, on_failure)
    if isinstance(problem, Task):
        return solve_task(problem, branch, on_failure)
    if isinstance(problem, Chain):
        return solve_chain(problem, branch, on_failure)
    raise ValueError(f"problem must be a Task or a Chain, got {problem!r}")
