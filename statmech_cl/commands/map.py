"""statmech-cl map: forgetting and forward transfer of two tasks over a plane of two parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..output import to_json, write_atomic
from ..problem import Chain
from ..validation import check_number
from .chain_options import chain_options, one_chain
from .options import Axis, Count
from .results import ROWS, check_plot, choose_form, deliver, result_options, rows_as

if TYPE_CHECKING:
    from ..protocols.similarity import SimilarityMap


@click.command("map")
@click.option("--x", type=Axis(), default="overlap=-0.9:0.9", show_default=True, help="Parameter of the abscissa.")
@click.option("--y", type=Axis(), default="alpha_2=0.1:3", show_default=True, help="Parameter of the ordinate.")
@click.option("--points", type=Count(2), default=13, show_default=True, help="Values of each parameter.")
@chain_options("alpha", "beta", "overlap", "gamma", "anchor", "memory", "prior", "replay")
@click.option("--workers", type=Count(), default=1, show_default=True, help="Processes beside each other.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the map (.pdf, .png, .svg).")
@result_options(as_json="Write JSON.", as_csv="Write CSV: one row for each point.")
def command(
    x: tuple[str, float, float],
    y: tuple[str, float, float],
    points: int,
    workers: int,
    form: str | None,
    plot: Path | None,
    output: Path | None,
    **given: tuple[Any, ...],
) -> None:
    """Forgetting of task 1 and transfer to task 2 at every point of a plane, and where transfer changes sign.

    The parameters are two of overlap, alpha_2 and gamma; what an axis varies is not given besides. The table is a
    summary: --json and --csv hold the points.

    \b
    Example:
      statmech-cl map --alpha 2 --gamma 1 --plot map.pdf
      statmech-cl map --alpha 2 --alpha 1 --y gamma=0.02:2 --points 25 --workers 2 --json -o map.json
    """
    chain = _chain(given, x, y)
    form = choose_form(form, output)
    check_plot(plot)
    from statmech_cl import similarity_map

    xs, ys = (np.linspace(low, high, points) for _, low, high in (x, y))
    mapped = similarity_map(chain, x=x[0], y=y[0], xs=xs, ys=ys, n_workers=workers)
    if plot is not None:
        from statmech_cl import figures

        with figures.style():
            write_atomic(plot, figures.rendered(figures.similarity_map(mapped), plot.suffix[1:]))
    deliver(_written(mapped, form), output)


def _chain(given: dict[str, tuple[Any, ...]], *axes: tuple[str, float, float]) -> Chain:
    """The two tasks, the second at the low end of what is varied."""
    for which, (name, low, high) in zip("xy", axes, strict=True):
        if not low < high:
            raise ValueError(f"{which} must have low < high, got {low:g}:{high:g}")
        for end in (low, high) if name == "overlap" else ():
            check_number(which, end, low=-1.0, high=1.0)
    varied = {name: low for name, low, _ in axes}
    for name in ("overlap", "gamma"):
        if name in varied and given[name]:
            raise ValueError(f"{name} must not be given where it is on an axis, got {given[name][0][0]!r}")
    wanted = 1 if "alpha_2" in varied else 2
    if len(given["alpha"]) != wanted:
        told = "once, for task 1, where alpha_2 is on an axis" if wanted == 1 else "twice, once a task"
        raise ValueError(f"alpha must be given {told}, got it {len(given['alpha'])} times")
    if wanted == 1:
        given = {**given, "alpha": (*given["alpha"], (varied["alpha_2"],))}
    return one_chain(given)


def _written(mapped: SimilarityMap, form: str) -> str | bytes:
    content = mapped.to_dict()
    if form == "json":
        return to_json(content)
    if form in ROWS:
        return rows_as(mapped.rows(), form)
    good = np.isfinite(mapped.eps_2)
    lines = [f"{good.sum()} of {good.size} points certified; error on task 1 before task 2: {mapped.before:.6g}"]
    for name in ("forgetting", "transfer"):
        values = getattr(mapped, name)
        for told, pick in (("least", np.nanargmin), ("largest", np.nanargmax)):
            if good.any():
                j, i = np.unravel_index(pick(values), values.shape)
                place = f"{mapped.x} = {mapped.xs[i]:.6g}, {mapped.y} = {mapped.ys[j]:.6g}"
                lines.append(f"{name}: {told} {values[j, i]:.6g} at {place}")
    for line in mapped.lines:
        kind = "vanishes" if line["kind"] == "zero" else "jumps through 0"
        lines.append(f"transfer {kind} at {mapped.x} = {line['x']:.8g}, {mapped.y} = {line['y']:.8g}")
    return "\n".join(lines) + "\n"
