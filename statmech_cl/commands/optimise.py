"""statmech-cl optimise: the protocol of a chain that leaves the least error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..output import parted_table, to_json
from ..validation import check_choice
from .chain_options import chain_options, one_chain
from .options import Axis, Count, parse_numbers
from .results import ROWS, choose_form, deliver, result_options, rows_as

if TYPE_CHECKING:
    from ..protocols.optimal import Protocol

_PARAMETERS = ("gamma", "memory", "replay")


class _Over(click.ParamType):
    """`gamma`, `memory`, `replay`, or `replay_2`, that of one task."""

    name = "gamma|memory|replay|replay_k"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """The name, or a ValueError that names the option."""
        name = str(value).replace("-", "_")
        return name if re.fullmatch(r"replay_\d+", name) else check_choice("over", value, _PARAMETERS)


class _Objective(click.ParamType):
    """`mean`, `worst`, or one weight a task, `0.3,0.7`."""

    name = "mean|worst|weights"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> str | tuple[float, ...]:
        """The word, or the weights."""
        if value in ("mean", "worst") or isinstance(value, tuple):
            return value
        try:
            return tuple(parse_numbers("objective", str(value)))
        except ValueError:
            raise ValueError(f"objective must be mean, worst or weights such as 0.3,0.7, got {value!r}") from None


@click.command("optimise")
@chain_options("alpha", "beta", "overlap", "gamma", "anchor", "memory", "prior", "replay")
@click.option("--over", type=_Over(), multiple=True, help="What is chosen; default gamma.")
@click.option("--objective", type=_Objective(), default="mean", show_default=True, help="Of the errors at the end.")
@click.option("--bounds", type=Axis(), multiple=True, help="Of what is chosen, such as gamma=0.01:5.")
@click.option("--starts", type=Count(high=4), default=2, show_default=True, help="Starts, at most 4.")
@result_options(as_json="Write JSON.", as_csv="Write CSV: one row for each later task.")
def command(
    over: tuple[str, ...],
    objective: str | tuple[float, ...],
    bounds: tuple[tuple[str, float, float], ...],
    starts: int,
    form: str | None,
    output: Path | None,
    **given: tuple[Any, ...],
) -> None:
    """Choose gamma, memory or replay of every later task so that the errors after the last one are least.

    --over may be given several times; replay is that of every earlier task, replay_2 that of task 2 alone. The chain is
    described as in `statmech-cl chain`, without what is chosen. The exit status is 1 where the search ended before an
    optimum.

    \b
    Example:
      statmech-cl optimise --alpha 2 --alpha 1 --overlap 0.3 --objective worst
      statmech-cl optimise --alpha 1 --alpha 1 --alpha 1 --over gamma --over memory --json
      statmech-cl optimise --alpha 0.5 --alpha 1 --over gamma --over replay --bounds replay=0:1 --objective 0.3,0.7
      statmech-cl optimise --alpha 0.5 --alpha 0.5 --alpha 0.5 --gamma 0.3 --over replay --objective worst
    """
    chosen = over or ("gamma",)
    for name in chosen:
        kind, _, number = name.partition("_")
        if given[kind] and (not number or any(int(number) in dict(amounts) for amounts in given[kind])):
            raise ValueError(f"{kind} must not be given where it is chosen (--over {name})")
    form = choose_form(form, output)
    chain = one_chain(given)
    limits = {name: (low, high) for name, low, high in bounds}
    if len(limits) < len(bounds):
        raise ValueError(f"bounds must be given once for each parameter, got {[name for name, _, _ in bounds]!r}")
    from statmech_cl import optimise

    optimum = optimise(chain, chosen, objective, bounds=limits, n_starts=starts)
    deliver(_written(optimum, form), output)
    if not optimum.converged:
        click.echo(f"statmech-cl: not converged, gradient {optimum.gradient:.0e}; try more --starts", err=True)
        raise click.exceptions.Exit(1)


def _written(optimum: Protocol, form: str) -> str | bytes:
    if form == "json":
        return to_json(optimum.to_dict())
    rows = optimum.rows()
    if form in ROWS:
        return rows_as(rows, form)
    errors = ", ".join(f"{value:.6g}" for value in optimum.solution.eps_g[-1])
    wins = "no other branch wins" if all(optimum.thermodynamic) else "another branch has the larger free entropy"
    ends = ", ".join(f"{value:.6g}" for value in optimum.starts)
    return (
        f"{parted_table(rows)}\nobjective {optimum.objective:.8g}; errors on the tasks at the end: {errors}\n"
        f"gradient {optimum.gradient:.0e} (error {optimum.gradient_error:.0e}); starts ended at {ends}; {wins}\n"
    )
