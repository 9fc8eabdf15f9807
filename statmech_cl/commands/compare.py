"""statmech-cl compare: theory beside simulation at the user's own parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..output import check_writable_folder, to_csv, to_json, write_atomic
from ..problem import Task
from ..store import Store
from .chain_options import ALL, problems_of
from .options import network
from .results import conclude, kept_in
from .simulation import grid, settings_of, simulation_options


@click.command("compare")
@simulation_options
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder.")
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
    out: Path,
    **given: Any,
) -> None:
    """Set theory beside simulation: a table and a verdict here; compare.csv, .json, .png and .pdf in OUT.

    One --alpha (a list or range of it) means single tasks: descent, on the whole batch, is set beside its dynamical
    theory, the sampler beside equilibrium; both run at N/2 and N, extrapolated to N -> infinity. --alpha once for each
    task is a chain, set beside equilibrium at N; so is every tree (--hidden-layers). The exit status is 1 where the
    verdict does not hold. Finished points are kept in OUT/store.sqlite.

    \b
    Example:
      statmech-cl compare --alpha 0.5,1,1.5,2 --n 500 --seeds 8
      statmech-cl compare --alpha 0.2:0.6:0.2 --with gibbs --n 200
      statmech-cl compare --alpha 0.5 --alpha 0.5 --gamma 1 --overlap 0.5 --with gibbs --n 200
    """
    folder = check_writable_folder(out)
    problems = problems_of({name: given.pop(name) for name in ALL}, network(hidden_layers, activation))
    settings = settings_of(method, given)
    points = grid(method, [one for _, one in problems], n=n, seeds=seeds, seed=seed, device=device, settings=settings,
                  units=units)  # fmt: skip
    # of trees nothing is extrapolated: they have two sizes, and descent of them has no dynamical theory
    tasks = [problem for _, problem in problems if isinstance(problem, Task) and "units" not in points[0]]
    if len({task.beta for task in tasks}) > 1:
        raise ValueError("beta must be one number for single tasks, got several")
    from statmech_cl import figures
    from statmech_cl.paper_repro import Context, beside, one_task, runner
    from statmech_cl.provenance import versions

    with kept_in(out), Store(folder / runner.STORE_NAME) as store:
        context = Context(parameters={}, scale="", device=device, seed=seed, store=store, quiet=quiet)
        if tasks:
            data, verdict = _compared(context, tasks, method, n, seeds, settings)
        else:
            data = beside.compute(context, problems, points)
            verdict = beside.verdict(data)
    with figures.style():
        if tasks:
            figure, panels = figures.new(1, 2)
            for ax, names in zip(panels, (("q", "r", "q_star"), ("p", "eps_g")), strict=True):
                one_task.draw_panel(ax, data, names)
            panels[0].legend(*one_task.legend(data))
            panels[0].set_title(rf"$\beta={tasks[0].beta:g}$, $N={n}$, prior {tasks[0].prior}")
        else:
            figure = beside.draw(data)
        pictures = {kind: figures.rendered(figure, kind) for kind in ("png", "pdf")}
    record = {"parameters": data.parameters, "verdict": verdict.to_dict(), "versions": versions()}
    contents: dict[str, str | bytes] = {**pictures, "csv": to_csv(data.rows), "json": to_json(record)}
    for suffix, content in contents.items():
        write_atomic(folder / f"compare.{suffix}", content)
    click.echo(verdict.table())
    click.echo("\nwrote " + " ".join(str(folder / f"compare.{suffix}") for suffix in contents))
    conclude(verdict.sentence, holds=verdict.holds)


def _compared(
    context: Any, tasks: list[Task], method: str, n: int, seeds: int, settings: dict[str, Any]
) -> tuple[Any, Any]:
    """Simulation at N/2 and N, extrapolated to N -> infinity; descent beside its dynamical theory on the whole batch,
    the sampler beside equilibrium."""
    import dataclasses

    from statmech_cl.paper_repro import Data, Verdict, curves, one_task
    from statmech_cl.paper_repro.agreement import agreement

    alphas, beta, prior = [task.alpha for task in tasks], tasks[0].beta, tasks[0].prior
    sizes = [[max(2, n // 2), 2 * seeds], [n, seeds]]
    size: dict[str, Any] = {"alphas": alphas, "beta": beta, "prior": prior, "sizes": sizes}
    rows = one_task.theory(context, alphas=alphas, beta=beta, prior=prior)
    if method == "gibbs":
        common = {"prior": prior, "device": context.device, "beta": beta, **settings}
        rows += one_task.sampled(context, [{"alpha": alpha, **common} for alpha in alphas], sizes)
        data = Data(rows, {"method": method, **size, **settings})
        beside = one_task.beside_equilibrium(data, one_task.OBSERVABLES)
        sentence, holds = agreement(beside, "Equilibrium", "the sampler")
        return data, Verdict(beside, sentence + one_task.replicon_sentence(data), holds)
    if settings["optimizer"] != "sgd":
        raise ValueError(f"optimizer must be sgd, whose theory is known, got {settings['optimizer']!r}")
    size["dynamics"] = {"samples": 2048, "batches": 8}
    chosen = {**settings, "batch": None, "records": 1}
    cases = [{"alpha_1": alpha, "prior": prior} for alpha in alphas]
    rows += curves.compute(dataclasses.replace(context, parameters=size), cases, chosen, last=True)
    data = Data(rows, {"method": method, **size, **chosen})
    return data, one_task.verdict(data, ("q", "r", "q_star", "p"))
