"""statmech-cl compare: theory beside simulation at the user's own parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..output import check_writable_folder, to_csv, to_json, write_atomic
from ..store import Store
from .results import kept_in
from .simulation import grid, simulation_options


@click.command("compare")
@simulation_options
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder.")
def command(alpha: tuple[float, ...], quiet: bool, out: Path, **options: Any) -> None:
    """Set theory beside simulation at each ALPHA: a table here; compare.csv, .json, .png and .pdf in OUT.

    Where the theory has several solutions the simulation is set against the nearest one, and the thermodynamic one is
    named beside it. Finished points are kept in OUT/store.sqlite.

    \b
    Example:
      statmech-cl compare --alpha 0.5,1,1.5,2 --n 500 --seeds 8
      statmech-cl compare --alpha 0.2:0.6:0.2 --with gibbs --n 200
    """
    folder = check_writable_folder(out)
    points = grid(alpha, **options)
    from statmech_cl import figures
    from statmech_cl.paper_repro import Context, Data, one_task, runner
    from statmech_cl.provenance import versions
    from statmech_cl.simulations.perceptron.rows import descent_row, gibbs_row

    method, beta, prior = options["method"], options["beta"], options["prior"]
    function = descent_row if method == "descent" else gibbs_row
    with kept_in(out), Store(folder / runner.STORE_NAME) as store:
        context = Context(
            parameters={}, scale="", device=options["device"], seed=options["seed"], store=store, quiet=quiet
        )
        rows = one_task.theory(context, alphas=alpha, beta=beta, prior=prior)
        rows += one_task.simulation(context, method, function, points)
    data = Data(rows, {"method": method, "beta": beta, "alphas": list(alpha), **{**points[0], "alpha": None}})
    del data.parameters["alpha"]
    verdict = one_task.verdict(data, one_task.OBSERVABLES, judged="eps_g", method=method)
    with figures.style():
        figure, panels = figures.new(1, 2)
        for ax, names in zip(panels, (("q", "r", "q_star"), ("p", "eps_g")), strict=True):
            one_task.draw_panel(ax, data, names)
            ax.legend()
        panels[0].set_title(rf"$\beta={beta:g}$, $N={options['n']}$, prior {prior}")
        pictures = {kind: figures.rendered(figure, kind) for kind in ("png", "pdf")}
    record = {"parameters": data.parameters, "verdict": verdict.to_dict(), "versions": versions()}
    contents: dict[str, str | bytes] = {**pictures, "csv": to_csv(data.rows), "json": to_json(record)}
    for suffix, content in contents.items():
        write_atomic(folder / f"compare.{suffix}", content)
    click.echo(verdict.table())
    click.echo(f"\n{verdict.sentence}")
    click.echo("wrote " + " ".join(str(folder / f"compare.{suffix}") for suffix in contents))
