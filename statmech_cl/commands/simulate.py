"""statmech-cl simulate: perceptrons of binary weights at the user's own parameters."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ..output import to_csv, to_json, to_table
from ..progress import bar
from ..store import Store
from .results import choose_form, deliver, result_options
from .simulation import flat, grid, printable, simulated, simulation_options, simulation_version


@click.command("simulate")
@simulation_options
@result_options(
    as_json="Write JSON, the values of the single seeds included.", as_csv="Write CSV: means and standard errors."
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="Keep finished points in this file, and find them there."
)
def command(
    alpha: tuple[float, ...],
    quiet: bool,
    form: str | None,
    output: Path | None,
    store: Path | None,
    **options: Any,
) -> None:
    """Train perceptrons of binary weights at each ALPHA and print what they reached, with standard errors.

    Ctrl-C writes the finished points; with --store the same command again computes only what is missing.

    \b
    Example:
      statmech-cl simulate --alpha 0.5,1,2 --n 500 --seeds 8
      statmech-cl simulate --alpha 0.1:2:0.1 --n 1000 --seeds 20 -o descent.csv --store descent.sqlite
    """
    form = choose_form(form, output)
    points = grid(alpha, **options)
    rows: list[dict[str, Any]] = []
    with Store(store, version=simulation_version()) if store is not None else nullcontext() as opened:
        try:
            found = simulated(opened, options["method"], points)
            for row in bar(found, "simulate", total=len(points), quiet=quiet):
                rows.append(row)
        except KeyboardInterrupt:
            _write(rows, form, output, single=False)
            raise KeyboardInterrupt(f"interrupted after {len(rows)} of {len(points)} points") from None
    _write(rows, form, output, single=len(points) == 1)


def _write(rows: list[dict[str, Any]], form: str, output: Path | None, *, single: bool) -> None:
    if form == "json":
        text = to_json(rows[0] if single else rows)
    elif form == "csv":
        text = to_csv([flat(row) for row in rows])
    else:
        text = to_table([printable(row) for row in rows]) + "\n"
    deliver(text, output)
