"""statmech-cl reproduce: a figure of the paper, with its data and its verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import Choice, Count, quiet_option


class _Figure(click.ParamType):
    """The id of a figure, completed by the shell."""

    name = "figure"

    def shell_complete(self, context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        """The ids that start with `incomplete`."""
        from click.shell_completion import CompletionItem

        from statmech_cl.paper_repro import FIGURES

        return [CompletionItem(name) for name in FIGURES if name.startswith(incomplete)]


@click.command("reproduce")
@click.argument("figure", type=_Figure(), required=False)
@click.option("--list", "listing", is_flag=True, help="Show every figure, what it shows and how long it takes.")
@click.option("--scale", type=Choice(["quick", "paper"]), default="quick", show_default=True, help="Size of the runs.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Output folder."
)
@click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where torch runs.")
@click.option("--seed", type=Count(low=0), default=0, show_default=True, help="Seed of every generator.")
@quiet_option()
def command(figure: str | None, listing: bool, scale: str, out: Path, device: str, seed: int, quiet: bool) -> None:
    """Make FIGURE of the paper: PNG, PDF, data as CSV, parameters and verdict as JSON.

    Finished points are kept in OUT/store.sqlite; the same command again computes only what is missing.

    \b
    Example:
      statmech-cl reproduce fig2b --scale quick --out results
    """
    if listing:
        click.echo(_listing())
        return
    if figure is None:
        raise click.UsageError("give a figure, or --list to see them")
    from statmech_cl.paper_repro import reproduce

    try:
        result = reproduce(figure, scale=scale, out=out, device=device, seed=seed, quiet=quiet)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; finished points are kept in {out}, run again to go on") from None
    click.echo(result.verdict.table())
    click.echo(f"\n{result.verdict.sentence}")
    click.echo("wrote " + " ".join(str(path) for path in result.files))


def _listing() -> str:
    from statmech_cl.paper_repro import FIGURES

    from ..output import to_table

    rows = [
        {
            "figure": entry.id,
            "shows": entry.shows,
            "quick": entry.quick if entry.module else "not built yet",
            "paper": entry.paper,
        }
        for entry in FIGURES.values()
    ]
    return to_table(rows)
