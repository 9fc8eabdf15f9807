"""statmech-cl reproduce: a figure of the paper, with its data and its verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from statmech_cl.paper_repro import FIGURES, Result

from ..output import to_table
from .options import Choice, Count, quiet_option
from .results import kept_in


class _Figure(click.ParamType):
    """The id of a figure, completed by the shell."""

    name = "figure"

    def shell_complete(self, context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        """The ids that start with `incomplete`."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in (*FIGURES, "all") if name.startswith(incomplete)]


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

    FIGURE `all` makes every one and OUT/report.html; its exit status is 1 where a verdict does not hold.

    Finished points are kept in OUT/store.sqlite; the same command again computes only what is missing.

    \b
    Example:
      statmech-cl reproduce fig2b --scale quick --out results
      statmech-cl reproduce all
    """
    if listing:
        click.echo(_listing())
        return
    if figure is None:
        raise click.UsageError("give a figure, or --list to see them")
    from statmech_cl.paper_repro import reproduce, reproduce_all

    options: dict[str, Any] = {"scale": scale, "out": out, "device": device, "seed": seed, "quiet": quiet}
    entry = FIGURES.get(figure)
    expected = "" if entry is None else (entry.quick if scale == "quick" else entry.paper)
    if expected and not quiet and sys.stderr.isatty():  # with the progress bars: not in a pipe
        click.echo(f"{figure} at scale {scale}: {expected} of processor time, less what is stored already", err=True)
    with kept_in(out):
        if figure != "all":
            _echo(figure, reproduce(figure, **options))
            return
        report = reproduce_all(**options, on_result=_echo)
    standing = sum(result.verdict.holds for result in report.results.values())
    click.echo(f"{standing} of {len(report.results) + len(report.failures)} verdicts hold; wrote {report.page}")
    if not report.holds:
        raise click.exceptions.Exit(1)


def _echo(figure: str, done: Result | str) -> None:
    click.echo(f"{figure}: {FIGURES[figure].shows}")
    if isinstance(done, str):
        click.echo(f"failed: {done}\n")
        return
    click.echo(done.verdict.table())
    click.echo(f"\n{done.verdict.sentence}")
    click.echo("wrote " + " ".join(str(path) for path in done.files) + "\n")


def _listing() -> str:
    rows = [
        {
            "figure": entry.id,
            "shows": entry.shows,
            "quick": entry.quick,
            "paper": entry.paper,
        }
        for entry in FIGURES.values()
    ]
    return to_table(rows)
