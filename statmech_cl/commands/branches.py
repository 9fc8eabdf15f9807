"""statmech-cl branches: every solution along a parameter, round every fold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..output import fitted_table, to_json, to_table, write_atomic
from ..problem import PRIORS, Task
from ..validation import check_number
from .options import Choice, network, network_options
from .results import ROWS, all_option, check_plot, choose_form, deliver, result_options, rows_as

if TYPE_CHECKING:
    from ..equilibrium.trace import Branch

_SHOWN = ("alpha", "beta", "q", "r", "q_star", "eps_g", "free_entropy", "replicon", "saddle", "quadrature_error")
_SPARE = ("quadrature_error", "q")


class _NumberOrSpan(click.ParamType):
    """A number `20`, or a span `0.2:2.2` to be followed."""

    name = "number|low:high"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> float | tuple[float, float]:
        if not isinstance(value, str):
            return value
        name = parameter.name if parameter is not None and parameter.name else "value"
        parts = value.split(":")
        try:
            numbers = [check_number(name, float(part)) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            return numbers[0]
        if len(numbers) != 2 or not numbers[0] < numbers[1]:
            raise ValueError(f"{name} must be a number or a span low:high with low < high, got {value!r}")
        return numbers[0], numbers[1]


@click.command("branches")
@click.option("--alpha", type=_NumberOrSpan(), default="0.05:3", show_default=True, help="Patterns per weight.")
@click.option("--beta", type=_NumberOrSpan(), default="20", show_default=True, help="Inverse temperature.")
@click.option("--q-star", "q_star", type=_NumberOrSpan(), help="Prescribe E<m^2>.")
@click.option("--prior", type=Choice(PRIORS), default="none", show_default=True, help="Prior on the weights.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the branches (.pdf, .png, .svg).")
@network_options
@result_options(as_json="Write JSON.", as_csv="Write the points as CSV.")
@all_option()
def command(
    alpha: float | tuple[float, float],
    beta: float | tuple[float, float],
    q_star: float | tuple[float, float] | None,
    prior: str,
    hidden_layers: int | None,
    activation: str | None,
    form: str | None,
    plot: Path | None,
    output: Path | None,
    everything: bool,
) -> None:
    """Follow every solution along one parameter: the one given as a span low:high.

    The folds, stability and transitions come first, then a table of the points.

    \b
    Example:
      statmech-cl branches --beta 20 --alpha 0.2:2.2 --plot branches.pdf
      statmech-cl branches --alpha 1.7 --beta 5:60 --json
      statmech-cl branches --alpha 2 --q-star 0.4:0.99 --csv
    """
    given = {"alpha": alpha, "beta": beta, "q_star": q_star}
    spans = {name: value for name, value in given.items() if isinstance(value, tuple)}
    if len(spans) != 1:
        names = ", ".join(spans) or "none"
        raise ValueError(f"exactly one of alpha, beta and q_star must be a span low:high, got {names}")
    ((parameter, span),) = spans.items()
    channel = network(hidden_layers, activation)
    problem = Task(**{**given, parameter: span[0]}, prior=prior, channel=channel)  # type: ignore[arg-type]
    form = choose_form(form, output, everything=everything)
    check_plot(plot)
    from statmech_cl import trace

    branch = trace(problem, parameter=parameter, span=span)
    if plot is not None:
        _draw(trace(problem, parameter=parameter, span=span, fine=True), plot)
    deliver(_written(branch, form, everything=everything), output)


def _written(branch: Branch, form: str, *, everything: bool) -> str | bytes:
    content = branch.to_dict()
    if form == "json":
        return to_json({"parameter": branch.parameter, **content})
    if form in ROWS:
        return rows_as(content["points"], form)
    lines = []
    for fold in branch.folds:
        others = ", ".join(f"{name} = {value:.10g}" for name, value in fold.items() if name != branch.parameter)
        lines.append(f"fold at {branch.parameter} = {fold[branch.parameter]:.10g} ({others})")
    lines += [f"replicon crosses 1 at {branch.parameter} = {value:.10g}" for value in branch.stability]
    lines += [f"free entropies cross at {branch.parameter} = {value:.10g}" for value in branch.transitions]
    lines += ["a curve ends where q_star reaches 1" for end in branch.ends if end == "edge"]
    lines += ["a curve was lost: the part beyond is missing" for end in branch.ends if end == "lost"]
    points = content["points"]
    table = to_table(points, _SHOWN) if everything else fitted_table(points, _SHOWN, _SPARE)
    return "\n".join([*lines, *[""] * bool(lines), table]) + "\n"


def _draw(branch: Branch, path: Path) -> None:
    from statmech_cl import figures

    with figures.style():
        write_atomic(path, figures.rendered(figures.branches(branch), path.suffix[1:]))
