"""statmech-cl reproduce: a figure of the paper, with its data and its verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from statmech_cl.paper_repro import FIGURES, Result

from ..output import to_table
from .options import Choice, Count, quiet_option
from .results import conclude, kept_in


class _Figure(click.ParamType):
    """The id of a figure, completed by the shell."""

    name = "figure"

    def shell_complete(self, context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        """The ids that start with `incomplete`."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in (*FIGURES, "all") if name.startswith(incomplete)]


@click.command("reproduce")
@click.argument("figures", type=_Figure(), nargs=-1, metavar="FIGURE...")
@click.option("--list", "listing", is_flag=True, help="Show every figure, what it shows and how long it takes.")
@click.option("--scale", type=Choice(["quick", "paper"]), default="quick", show_default=True, help="Size of the runs.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Output folder."
)
@click.option("--report", is_flag=True, help="Write OUT/report.html, one page with every figure made in OUT.")
@click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where torch runs.")
@click.option("--seed", type=Count(low=0), default=0, show_default=True, help="Seed of every generator.")
@quiet_option()
def command(
    figures: tuple[str, ...],
    listing: bool,
    scale: str,
    out: Path,
    report: bool,
    device: str,
    seed: int,
    quiet: bool,
) -> None:
    """Make each FIGURE of the paper: PNG, PDF, data as CSV, parameters and verdict as JSON.

    `all` makes every one, and the report. The last line says HOLDS or DOES NOT HOLD and why; the exit status is 1 where
    a verdict does not hold. Finished points are kept in OUT/store.sqlite; the same command again computes only what is
    missing.

    \b
    Example:
      statmech-cl reproduce fig2b --scale quick --out results
      statmech-cl reproduce fig2a fig2b --report
      statmech-cl reproduce all
    """
    if listing:
        click.echo(_listing())
        return
    if not figures:
        raise click.UsageError("give a figure, or --list to see them")
    wanted = tuple(FIGURES) if "all" in figures else tuple(dict.fromkeys(figures))
    from statmech_cl.paper_repro import reproduce, reproduce_all

    options: dict[str, Any] = {"scale": scale, "out": out, "device": device, "seed": seed, "quiet": quiet}
    for figure in wanted if len(wanted) < len(FIGURES) else ():
        entry = FIGURES.get(figure)
        expected = "" if entry is None else (entry.quick if scale == "quick" else entry.paper)
        if expected and not quiet and sys.stderr.isatty():  # with the progress bars: not in a pipe
            click.echo(
                f"{figure} at scale {scale}: {expected} of processor time, less what is stored already", err=True
            )
    with kept_in(out):
        if len(wanted) == 1 and not report:
            done = reproduce(wanted[0], **options)
            _echo(wanted[0], done)
            conclude(done.verdict.sentence, holds=done.verdict.holds)
            return
        made = reproduce_all(**options, figures=wanted, report=report or "all" in figures, on_result=_echo)
    if made.page is not None:
        click.echo(f"wrote {made.page}")
    standing = sum(result.verdict.holds for result in made.results.values())
    fallen = [name for name in wanted if name in made.failures or not made.results[name].verdict.holds]
    said = f"{standing} of {len(wanted)} verdicts hold"
    conclude(said + (f"; not those of {', '.join(fallen)}" if fallen else ""), holds=made.holds)


def _echo(figure: str, done: Result | str) -> None:
    click.echo(f"{figure}: {FIGURES[figure].shows}")
    if isinstance(done, str):
        click.echo(f"failed: {done}\n")
        return
    click.echo(done.verdict.table())
    click.echo(f"\n{'holds' if done.verdict.holds else 'does not hold'}: {done.verdict.sentence}")
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
    return to_table(rows, widest={"shows": 54})
