"""statmech-cl solve: the mean-field equations of one task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..output import check_writable_file, to_csv, to_json, to_table, write_atomic
from ..problem import PRIORS, Task
from ..solution import ConvergenceError
from .options import Choice, Number, Numbers

BRANCHES = ("low", "high", "best", "all")
_SHOWN = ("alpha", "q", "r", "q_star", "p", "eps_g", "free_entropy", "replicon", "quadrature_error", "status")


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
@click.option("--json", "form", flag_value="json", help="Write JSON: an object for one alpha, a list for several.")
@click.option("--csv", "form", flag_value="csv", help="Write CSV.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write to this file; its suffix chooses the form."
)
def command(
    alpha: tuple[float, ...],
    beta: float,
    prior: str,
    branch: str,
    q_star: float | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Solve the mean-field equations at each ALPHA.

    \b
    Example:
      statmech-cl solve --alpha 0.5 --beta 20 --json
      statmech-cl solve --alpha 0.1:2:0.1 --csv -o theory.csv
      statmech-cl solve --alpha 1.7 --branch all
    """
    if output is not None:
        check_writable_file(output)
    tasks = [Task(alpha=value, beta=beta, prior=prior, q_star=q_star) for value in alpha]
    from statmech_cl import solve

    rows: list[dict[str, Any]] = []
    failures = []
    for task in tasks:
        try:
            found = solve(task, branch=branch)
        except (ValueError, ConvergenceError) as error:
            if len(tasks) == 1:
                raise
            failures.append(f"alpha={task.alpha:g}: {error}")
            rows.append({"alpha": task.alpha, "beta": beta, "prior": prior, "status": "failed", "message": str(error)})
            continue
        rows.extend(solution.to_dict() for solution in (found if isinstance(found, Sequence) else [found]))
    text = _written(rows, form or _suffix_form(output), single=len(tasks) == 1 and branch != "all")
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomic(output, text)
    if failures:
        click.echo(f"statmech-cl: error: {len(failures)} of {len(tasks)} alphas failed; {failures[0]}", err=True)
        raise click.exceptions.Exit(1)


def _suffix_form(output: Path | None) -> str:
    return output.suffix[1:] if output is not None and output.suffix in (".json", ".csv") else "table"


def _written(rows: list[dict[str, Any]], form: str, *, single: bool) -> str:
    if form == "json":
        return to_json(rows[0] if single else rows)
    if form == "csv":
        return to_csv(rows)
    return to_table(rows, _SHOWN) + "\n"
