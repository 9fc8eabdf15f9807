"""statmech-cl phase-diagram: the lines in a plane of two parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..output import parted_table, to_json, write_atomic
from ..problem import Chain, Problem, Task
from .chain_options import chain_options, columns
from .options import Axis, Count
from .results import ROWS, check_plot, choose_form, deliver, result_options, rows_as

if TYPE_CHECKING:
    from ..equilibrium.plane.diagram import PhaseDiagram

_EVENTS = ("fold", "replicon", "maxwell")


@click.command("phase-diagram")
@click.option("--x", type=Axis(), default="alpha=0.2:3", show_default=True, help="Parameter of the abscissa.")
@click.option("--y", type=Axis(), default="beta=10:200", show_default=True, help="Parameter of the ordinate.")
@click.option("--event", "events", multiple=True, help="A line to draw, e.g. 'eps_g = 0.1'; default the three events.")
@click.option("--rows", type=Count(2, 1000), default=3, show_default=True, help="Rows on which lines are looked for.")
@chain_options("alpha", "beta", "overlap", "gamma", "anchor", "memory", "prior")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the diagram (.pdf, .png, .svg).")
@result_options(as_json="Write JSON.", as_csv="Write the points of the lines as CSV.")
def command(
    x: tuple[str, float, float],
    y: tuple[str, float, float],
    events: tuple[str, ...],
    rows: int,
    form: str | None,
    plot: Path | None,
    output: Path | None,
    **given: tuple[Any, ...],
) -> None:
    """Draw folds, replicon = 1 and equal free entropies in a plane of two parameters, with what holds between them.

    One --alpha, or none, makes it the plane of a single task; two or more describe a chain as `statmech-cl chain` does,
    and the solutions are those of its last task. Parameters: alpha, beta, q_star; of a chain alpha, beta, gamma,
    memory, overlap (of the last task), alpha_1, gamma_2 ... (of task 1, 2 ...).

    \b
    Example:
      statmech-cl phase-diagram --x alpha=0.2:3 --y beta=10:200 --plot phases.pdf
      statmech-cl phase-diagram --alpha 2 --alpha 1 --x alpha=0.1:5 --y gamma=0.02:2 --json
      statmech-cl phase-diagram --alpha 2 --alpha 1 --x alpha=0.1:5 --y gamma=0.02:2 --event 'eps_1 = 0.1'
    """
    problem = _problem(given, x, y)
    form = choose_form(form, output)
    check_plot(plot)
    from statmech_cl import phase_diagram

    diagram = phase_diagram(problem, x[0], y[0], (x[1:], y[1:]), events=events or _EVENTS, rows=rows)
    if plot is not None:
        _draw(diagram, plot, 1 if isinstance(problem, Task) else len(problem.tasks))
    deliver(_written(diagram, form), output)


def _problem(given: dict[str, tuple[Any, ...]], *axes: tuple[str, float, float]) -> Problem:
    """The problem whose two parameters are varied; what an axis varies need not be given."""
    varied = {name: low for name, low, _ in axes}
    filled = () if given["alpha"] else ("alpha",)
    if filled:
        if "alpha" not in varied:
            raise ValueError("alpha must be given, or be on an axis")
        given = {**given, "alpha": (varied["alpha"],)}
    described = columns(given, alone="alpha must be given once for each task")
    values = {name: [_single(name, value) for value in column] for name, column in described.items()}
    n_tasks = len(values["alpha"])
    for name in ("alpha", "beta") if n_tasks == 1 else ("overlap", "gamma", "memory"):
        if given[name] and n_tasks <= 2 and (name in varied or f"{name}_2" in varied) and name not in filled:
            raise ValueError(f"{name} must not be given where it is on an axis, got {values[name][-1]!r}")
    if n_tasks == 1:
        for name in ("overlap", "gamma", "anchor", "memory"):
            if given[name]:
                raise ValueError(f"{name} must not be given for a single task: it has no reference")
        q_star = 0.5 if "q_star" in varied else None
        return Task(alpha=values["alpha"][0], beta=values["beta"][0], prior=values["prior"][0], q_star=q_star)
    names = ("alpha", "beta", "gamma", "anchor", "memory", "prior")
    tasks = tuple(Task(**{name: values[name][t] for name in names}) for t in range(n_tasks))
    return Chain(tasks, overlaps=tuple(values["overlap"][1:]))


def _single(name: str, value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    if len(value) != 1:
        raise ValueError(f"{name} must be one number here (--x and --y hold the spans), got {len(value)}")
    return value[0]


def _written(diagram: PhaseDiagram, form: str) -> str | bytes:
    content = diagram.to_dict()
    if form == "json":
        return to_json(content)
    if form in ROWS:
        return rows_as(
            [
                {"event": line.event, "curve": number, diagram.x: x, diagram.y: y}
                for number, line in enumerate(diagram.curves)
                for x, y in zip(line.x, line.y, strict=True)
            ],
            form,
        )
    lines = []
    for line in diagram.curves:
        first, last = (f"{diagram.x} = {line.x[k]:.6g}, {diagram.y} = {line.y[k]:.6g}" for k in (0, -1))
        ends = " and ".join(f"{end} at {at}" for end, at in zip(line.ends, (first, last), strict=True))
        lines.append(f"{line.event}: {len(line.x)} points, ends: {ends}")
        for crossing in line.crossings:
            place = f"{diagram.x} = {crossing[diagram.x]:.10g}, {diagram.y} = {crossing[diagram.y]:.10g}"
            lines.append(f"  {crossing['event']} crosses 1 on it at {place}")
    for cusp in diagram.cusps:
        lines.append(f"cusp at {diagram.x} = {cusp[diagram.x]:.10g}, {diagram.y} = {cusp[diagram.y]:.10g}")
    regions = [{**region, "share": round(region["share"], 3)} for region in content["regions"]]
    return "\n".join(lines) + "\n\n" + parted_table(regions) + "\n"


def _draw(diagram: PhaseDiagram, path: Path, n_tasks: int) -> None:
    from statmech_cl import figures

    with figures.style():
        write_atomic(path, figures.rendered(figures.phase_diagram(diagram, n_tasks=n_tasks), path.suffix[1:]))
