"""What the perceptron figures share: the grid of seeds and settings, rows of theory, and when a verdict holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from statmech_cl.problem import Chain, Task
from statmech_cl.solution import Estimate

from .framework import Context, Row

# A change in any of these makes the stored points stale.
SOURCES = (
    "statmech_cl.kernels",
    "statmech_cl.problem",
    "statmech_cl.saddle",
    "statmech_cl.branches",
    "statmech_cl.chain",
    "statmech_cl.continuation",
    "statmech_cl.simulations.descent",
    "statmech_cl.simulations.gibbs",
    "statmech_cl.simulations.measure",
    "statmech_cl.simulations.perceptron",
    "statmech_cl.simulations.teachers",
    "statmech_cl.paper_repro.perceptrons",
)

# Descent minimises E from one kind of start; theory averages over exp(-beta E). Their eps differ by up to this much at
# every size and however many seeds: a verdict holds within 3 standard errors plus this.
ALLOWANCE = 0.03
# Where all seeds give one number, N sites cannot show a smaller difference than this.
_RESOLUTION = 1e-3


def seeds(context: Context) -> list[int]:
    """The seeds of a run: n_seeds of them from the run's seed on."""
    return list(range(context.seed, context.seed + context.parameters["n_seeds"]))


def settings(**changes: Any) -> dict[str, Any]:
    """The one setting of descent that every figure uses, with what a figure must change (records, epochs)."""
    from statmech_cl.simulations.descent import DescentSettings  # loads torch

    return dataclasses.asdict(DescentSettings(**changes))


def prepare() -> None:
    """One thread for torch: the steps of a descent are too short for more."""
    from statmech_cl.simulations.descent import one_thread

    one_thread()


def theory_row(
    *, alpha: float, beta: float, prior: str = "none", q_star: float | None = None, branch: str = "best"
) -> dict[str, Any]:
    """The replica-symmetric solution of one task."""
    from statmech_cl import solve

    found: Any = solve(Task(alpha=alpha, beta=beta, prior=prior, q_star=q_star), branch=branch)
    return found.to_dict()


def two_task_theory_row(**case: Any) -> dict[str, Any]:
    """The solution that `two_task_solutions_row` lists at (alpha_2, r0), where it is the only one.

    Raises
    ------
    ValueError : several solutions coexist, or none was found.
    """
    found = two_task_solutions_row(**case)["solutions"]
    if len(found) != 1:
        raise ValueError(f"alpha_2 and r0 must have one solution here, got {len(found)} at {case!r}")
    return found[0]


def two_task_solutions_row(
    *, alpha_1: float, alpha_2: float, gamma: float, r0: float, beta: float, prior: str = "none", anchor: str = "kl"
) -> dict[str, Any]:
    """Every solution of the Franz-Parisi potential: eps_1, eps_2, p_1, p_2 and the order parameters of the second task,
    by rising overlap r with teacher 2, saddles between two others left out; none where no iteration converged.
    """
    from statmech_cl import ConvergenceError, solve

    tasks = (
        Task(alpha=alpha_1, beta=beta, prior=prior),
        Task(alpha=alpha_2, beta=beta, gamma=gamma, anchor=anchor),
    )
    try:
        found: Any = solve(Chain(tasks, overlaps=(r0,)), branch="all")
    except ConvergenceError:
        found = []
    named = ("q", "r", "q_star", "replicon", "free_entropy", "residual", "quadrature_error")
    rows = [
        {
            "eps_1": float(solution.eps_g[1, 0]),
            "eps_2": float(solution.eps_g[1, 1]),
            "p_1": float(solution.p[1, 0]),
            "p_2": float(solution.p[1, 1]),
            **{name: float(getattr(solution.tasks[1], name)) for name in named},
        }
        for solution in found
    ]
    # of three, the one in the middle separates the others: nothing ever rests there
    return {"solutions": sorted(rows, key=lambda row: row["r"])[::2]}


def compared(what: str, theory: float | None, simulation: Estimate, *notes: str) -> Row:
    """A line of a verdict. Seeds that all give the same number (a student at the teacher) have a standard error of 0,
    and z says nothing: the note says so."""
    if simulation.error == 0.0:
        notes = (*notes, "every seed gives this value")
    return Row(what, theory, simulation, "; ".join(note for note in notes if note))


def unstable(replicon: float) -> str:
    """A word where the replica-symmetric ansatz is unstable."""
    return "" if replicon < 1.0 else f"replicon {replicon:.2f}"


def agreement(rows: Sequence[Row], what: str, method: str = "descent") -> tuple[str, bool]:
    """One sentence on how far simulation and theory lie apart in `rows` (of eps), and whether they agree."""
    pairs = [(row.simulation, row.theory) for row in rows if row.theory is not None and row.simulation is not None]
    gaps = [abs(simulation.mean - theory) for simulation, theory in pairs]
    near = [
        gap <= (3.0 * simulation.error if simulation.error > 0.0 else _RESOLUTION)
        for gap, (simulation, _) in zip(gaps, pairs, strict=True)
    ]
    good = [gap <= 3.0 * simulation.error + ALLOWANCE for gap, (simulation, _) in zip(gaps, pairs, strict=True)]
    compared = [row.what for row in rows if row.theory is not None and row.simulation is not None]
    apart = [what for what, fine in zip(compared, good, strict=True) if not fine]
    sentence = (
        f"{what}: theory and {method} agree within 3 standard errors at {sum(near)} of {len(pairs)} points, and within "
        f"{ALLOWANCE:g} more at {sum(good)}; largest difference {max(gaps):.3f}"
    )
    return sentence + (f"; apart at {', '.join(apart)}." if apart else "."), not apart
