"""statmech-cl simulate: perceptrons of binary weights at the user's own parameters."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ..output import columns_of, fitted_table, to_json, to_table
from ..progress import bar
from ..store import Store
from .chain_options import ALL, problems_of
from .options import network
from .results import ROWS, all_option, choose_form, deliver, result_options, rows_as, store_option
from .simulation import flat, grid, printable, settings_of, simulated, simulation_options

_SPARE = ("n_seeds", "n", "r", "loss", "eps_test")


@click.command("simulate")
@simulation_options
@result_options(
    as_json="Write JSON, the values of the single seeds included.", as_csv="Write CSV: means and standard errors."
)
@all_option()
@store_option()
def command(
    method: str,
    n: int,
    hidden_layers: int | None,
    activation: str | None,
    units: int | None,
    seeds: int,
    seed: int,
    device: str,
    quiet: bool,
    form: str | None,
    output: Path | None,
    everything: bool,
    store: Path | None,
    **given: Any,
) -> None:
    """Train perceptrons or trees of binary weights and print what they reached, with standard errors.

    --alpha once is one task; a list 0.5,1 or a range simulates each. --alpha once for each task is a chain, described
    by the same options as in `chain`. Ctrl-C writes the finished points; with --store the same command again computes
    only what is missing. A run that takes more than 1 GB of memory says so first. The exit status is 1 where every seed
    of a point diverged.

    \b
    Example:
      statmech-cl simulate --alpha 0.5,1,2 --n 500 --seeds 8
      statmech-cl simulate --alpha 2 --alpha 1 --gamma 1 --overlap 0.5 --n 500
      statmech-cl simulate --alpha 2 --hidden-layers 1 --activation sign --n 500 --units 25
      statmech-cl simulate --alpha 0.1:2:0.1 --n 1000 --seeds 20 -o descent.csv --store descent.sqlite
    """
    form = choose_form(form, output, everything=everything)
    words = {name: given.pop(name) for name in ALL}
    if method == "descent" and words["beta"]:
        raise ValueError("beta must not be given with descent, which has no temperature; it belongs to gibbs")
    chosen = [problem for _, problem in problems_of(words, network(hidden_layers, activation))]
    settings = settings_of(method, given)
    points = grid(method, chosen, n=n, seeds=seeds, seed=seed, device=device, settings=settings, units=units)
    rows: list[dict[str, Any]] = []
    with Store(store) if store is not None else nullcontext() as opened:
        try:
            for row in bar(simulated(opened, points), "simulate", total=len(points), quiet=quiet):
                rows.append(row)
        except KeyboardInterrupt:
            if rows:
                _write(rows, form, output, single=False, everything=everything)
            raise KeyboardInterrupt(f"interrupted after {len(rows)} of {len(points)} points") from None
    _write(rows, form, output, single=len(points) == 1, everything=everything)
    _warn(rows)
    lost = [row for row in rows if row["diverged"] == row["n_seeds"]]
    if lost:
        at = lost[0]["alpha"]
        said = f"every seed diverged at {len(lost)} of {len(rows)} points, first at alpha = {at}; lower --learning-rate"
        click.echo(f"statmech-cl: error: {said}", err=True)
        raise click.exceptions.Exit(1)


def _warn(rows: list[dict[str, Any]]) -> None:
    """One line on standard error where sampled numbers are not to be trusted."""
    from statmech_cl.simulations.perceptron.problem_rows import doubts

    doubtful = [(row["alpha"], doubts(row)) for row in rows if doubts(row)]
    if doubtful:
        alpha, told = doubtful[0]
        click.echo(
            f"statmech-cl: warning: {len(doubtful)} of {len(rows)} points are not in equilibrium; at alpha = {alpha} "
            f"{' and '.join(told)}; take more --warmup and --draws",
            err=True,
        )


def _write(rows: list[dict[str, Any]], form: str, output: Path | None, *, single: bool, everything: bool) -> None:
    content: str | bytes
    if form == "json":
        content = to_json(rows[0] if single else rows)
    elif form in ROWS:
        content = rows_as([flat(row) for row in rows], form)
    else:
        shown = [printable(row) for row in rows]
        content = (to_table(shown) if everything else fitted_table(shown, columns_of(shown), _SPARE)) + "\n"
    deliver(content, output)
