"""statmech-cl compare: theory beside simulation at the user's own parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..output import check_writable_folder, to_csv, to_json, write_atomic
from ..store import Store
from .chain_options import ALL, problems_of
from .results import conclude, kept_in
from .simulation import grid, settings_of, simulation_options


@click.command("compare")
@simulation_options
@click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder.")
def command(method: str, n: int, seeds: int, seed: int, device: str, quiet: bool, out: Path, **given: Any) -> None:
    """Set theory beside simulation: a table and a verdict here; compare.csv, .json, .png and .pdf in OUT.

    One --alpha (a list or range of it) means single tasks, --alpha once a task a chain, as in `simulate`; --beta is the
    theory's, and the sampler's. Where the theory has several solutions the simulation is set against the nearest one.
    Finished points are kept in OUT/store.sqlite. The exit status is 1 where the verdict does not hold.

    \b
    Example:
      statmech-cl compare --alpha 0.5,1,1.5,2 --n 500 --seeds 8
      statmech-cl compare --alpha 0.2:0.6:0.2 --with gibbs --n 200
      statmech-cl compare --alpha 0.5 --alpha 0.5 --gamma 1 --overlap 0.5 --with gibbs --n 200
    """
    folder = check_writable_folder(out)
    problems = problems_of({name: given.pop(name) for name in ALL})
    settings = settings_of(method, given)
    points = grid(method, [one for _, one in problems], n=n, seeds=seeds, seed=seed, device=device, settings=settings)
    from statmech_cl import figures
    from statmech_cl.paper_repro import Context, beside, runner
    from statmech_cl.provenance import versions

    with kept_in(out), Store(folder / runner.STORE_NAME) as store:
        context = Context(parameters={}, scale="", device=device, seed=seed, store=store, quiet=quiet)
        data = beside.compute(context, problems, points)
    verdict = beside.verdict(data)
    with figures.style():
        figure = beside.draw(data)
        pictures = {kind: figures.rendered(figure, kind) for kind in ("png", "pdf")}
    record = {"parameters": data.parameters, "verdict": verdict.to_dict(), "versions": versions()}
    contents: dict[str, str | bytes] = {**pictures, "csv": to_csv(data.rows), "json": to_json(record)}
    for suffix, content in contents.items():
        write_atomic(folder / f"compare.{suffix}", content)
    click.echo(verdict.table())
    click.echo("\nwrote " + " ".join(str(folder / f"compare.{suffix}") for suffix in contents))
    conclude(verdict.sentence, holds=verdict.holds)
