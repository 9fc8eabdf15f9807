"""statmech-cl solve: the mean-field equations of one task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..output import fitted_table, to_json, to_table
from ..problem import PRIORS, Task
from ..solution import BRANCHES
from .options import Choice, Number, Numbers, Steps, network, network_options, quiet_option
from .results import (
    ROWS,
    Failed,
    all_option,
    choose_form,
    deliver,
    result_options,
    rows_as,
    solve_each,
    store_option,
)

_SHOWN_STEPS = (
    "alpha",
    "overlaps",
    "parisi",
    "r",
    "q_star",
    "p",
    "eps_g",
    "free_entropy",
    "complexity",
    "coexisting",
    "thermodynamic",
    "status",
)
_SHOWN = (
    *("alpha", "q", "r", "q_star", "p", "eps_g", "free_entropy", "replicon", "quadrature_error"),
    *("coexisting", "thermodynamic", "status"),
)
_SPARE = ("quadrature_error", "p", "free_entropy", "complexity", "q", "r", "overlaps", "replicon")


@click.command("solve")
@click.option("--alpha", type=Numbers(low=0.0), required=True, help="0.5, a list 0.5,1,2 or a range 0.1:2:0.1.")
@click.option(
    "--beta", type=Number(low=0.0, open_low=True), default=20.0, show_default=True, help="Inverse temperature."
)
@click.option("--prior", type=Choice(PRIORS), default="none", show_default=True, help="Prior on the weights.")
@click.option(
    "--branch", type=Choice(BRANCHES), default="best", show_default=True, help="Which solution, where several."
)
@click.option(
    "--q-star", "q_star", type=Number(low=0.0, high=1.0, open_low=True, open_high=True), help="Prescribe E<m^2>."
)
@network_options
@click.option("--rsb", type=Steps(), help="Steps of replica symmetry breaking: a number, or converged.")
@click.option(
    "--parisi",
    type=Number(low=0.0, high=1.0, open_low=True, open_high=True),
    help="Prescribe the breaking point of one step (with --rsb 1).",
)
@result_options(as_json="Write JSON: an object for one alpha, a list for several.", as_csv="Write CSV.")
@all_option()
@store_option()
@quiet_option()
def command(
    alpha: tuple[float, ...],
    beta: float,
    prior: str,
    branch: str,
    q_star: float | None,
    hidden_layers: int | None,
    activation: str | None,
    rsb: int | str | None,
    parisi: float | None,
    form: str | None,
    output: Path | None,
    everything: bool,
    store: Path | None,
    quiet: bool,
) -> None:
    """Solve the mean-field equations at each ALPHA.

    `coexisting` counts the other solutions at the same point; `thermodynamic` says whether the free entropy is the
    largest of them. Ctrl-C writes the finished points; with --store the same command again solves only what is missing.

    \b
    Example:
      statmech-cl solve --alpha 0.5 --beta 20 --json
      statmech-cl solve --alpha 0.1:2:0.1 --csv -o theory.csv
      statmech-cl solve --alpha 1.7 --branch all
      statmech-cl solve --alpha 1 --hidden-layers 1 --activation sign
      statmech-cl solve --alpha 1.25 --rsb 1 --json
    """
    chosen = choose_form(form, output, everything=everything)
    task = Task(alpha=0.0, beta=beta, prior=prior, q_star=q_star, channel=network(hidden_layers, activation))
    points = [({"alpha": value}, replace(task, alpha=value)) for value in alpha]
    shown = _SHOWN if rsb is None else _SHOWN_STEPS

    def write(solved: list[tuple[dict[str, float], Any]]) -> None:
        rows: list[dict[str, Any]] = [
            {**swept, "beta": beta, "prior": prior, "status": "failed", "message": solution}
            if isinstance(solution, Failed)
            else solution
            for swept, solution in solved
        ]
        single = len(points) == 1 and branch != "all"
        deliver(_written(rows, chosen, shown, single=single, everything=everything), output)

    solve_each(points, branch, write, store=store, quiet=quiet, rsb=rsb, parisi=parisi)


def _written(
    rows: list[dict[str, Any]], form: str, shown: tuple[str, ...], *, single: bool, everything: bool
) -> str | bytes:
    if form == "json":
        return to_json(rows[0] if single else rows)
    if form in ROWS:
        return rows_as(rows, form)
    for row in rows:
        row |= {name: " ".join(f"{x:.6g}" for x in row[name]) for name in ("overlaps", "parisi") if name in row}
    return (to_table(rows, shown) if everything else fitted_table(rows, shown, _SPARE)) + "\n"
