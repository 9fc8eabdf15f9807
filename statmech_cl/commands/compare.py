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

    Descent, on the whole batch, is set beside its dynamical theory, the sampler beside equilibrium; both run at N/2 and
    N, extrapolated to N -> infinity. Finished points are kept in OUT/store.sqlite.

    \b
    Example:
      statmech-cl compare --alpha 0.5,1,1.5,2 --n 500 --seeds 8
      statmech-cl compare --alpha 0.2:0.6:0.2 --with gibbs --n 200
    """
    folder = check_writable_folder(out)
    points = grid(alpha, **options)
    from statmech_cl import figures
    from statmech_cl.paper_repro import Context, one_task, runner
    from statmech_cl.provenance import versions

    with kept_in(out), Store(folder / runner.STORE_NAME) as store:
        context = Context(
            parameters={}, scale="", device=options["device"], seed=options["seed"], store=store, quiet=quiet
        )
        data, verdict = _compared(context, list(alpha), points[0], options)
    with figures.style():
        figure, panels = figures.new(1, 2)
        for ax, names in zip(panels, (("q", "r", "q_star"), ("p", "eps_g")), strict=True):
            one_task.draw_panel(ax, data, names)
        panels[0].legend(*one_task.legend(data))
        panels[0].set_title(rf"$\beta={options['beta']:g}$, $N={options['n']}$, prior {options['prior']}")
        pictures = {kind: figures.rendered(figure, kind) for kind in ("png", "pdf")}
    record = {"parameters": data.parameters, "verdict": verdict.to_dict(), "versions": versions()}
    contents: dict[str, str | bytes] = {**pictures, "csv": to_csv(data.rows), "json": to_json(record)}
    for suffix, content in contents.items():
        write_atomic(folder / f"compare.{suffix}", content)
    click.echo(verdict.table())
    click.echo(f"\n{verdict.sentence}")
    click.echo("wrote " + " ".join(str(folder / f"compare.{suffix}") for suffix in contents))


def _compared(context: Any, alphas: list[float], point: dict[str, Any], options: dict[str, Any]) -> tuple[Any, Any]:
    """Simulation at N/2 and N, extrapolated to N -> infinity; descent beside its dynamical theory on the whole batch,
    the sampler beside equilibrium."""
    import dataclasses

    from statmech_cl.paper_repro import Data, Verdict, curves, one_task
    from statmech_cl.paper_repro.agreement import agreement

    method, n, seeds = options["method"], options["n"], options["seeds"]
    sizes = [[max(2, n // 2), 2 * seeds], [n, seeds]]
    kept = {name: value for name, value in point.items() if name not in ("alpha", "n", "seeds", "device", "prior")}
    size: dict[str, Any] = {"alphas": alphas, "beta": options["beta"], "prior": options["prior"], "sizes": sizes}
    rows = one_task.theory(context, alphas=alphas, beta=options["beta"], prior=options["prior"])
    if method == "gibbs":
        common = {"prior": options["prior"], "device": options["device"], **kept}
        rows += one_task.sampled(context, [{"alpha": alpha, **common} for alpha in alphas], sizes)
        data = Data(rows, {"method": method, **size, **kept})
        found = one_task.beside_equilibrium(data, one_task.OBSERVABLES)
        sentence, holds = agreement(found, "Equilibrium", "the sampler")
        return data, Verdict(found, sentence + one_task.replicon_sentence(data), holds)
    if kept["optimizer"] != "sgd":
        raise ValueError(f"optimizer must be sgd, whose theory is known, got {kept['optimizer']!r}")
    size["dynamics"] = {"samples": 2048, "batches": 8}
    settings = {**kept, "batch": None, "records": 1}
    cases = [{"alpha_1": alpha, "prior": options["prior"]} for alpha in alphas]
    rows += curves.compute(dataclasses.replace(context, parameters=size), cases, settings, last=True)
    data = Data(rows, {"method": method, **size, **settings})
    return data, one_task.verdict(data, ("q", "r", "q_star", "p"))
