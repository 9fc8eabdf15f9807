"""What `simulate` and `compare` share: the options that choose a simulation, and the points they ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from .._version import __version__
from ..problem import PRIORS, Task
from ..store import Store, source_version
from .options import Choice, Count, Number, Numbers, quiet_option

METHODS = ("descent",)


def simulation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options of a simulation of one task."""
    positive = Number(low=0.0, open_low=True)
    options = [
        click.option("--alpha", type=Numbers(low=0.0), required=True, help="0.5, a list 0.5,1,2 or a range 0.1:2:0.1."),
        click.option("--prior", type=Choice(PRIORS), default="none", show_default=True, help="Prior on the weights."),
        click.option(
            "--with", "method", type=Choice(METHODS), default="descent", show_default=True, help="Simulation."
        ),
        click.option("--n", type=Count(low=2), default=500, show_default=True, help="Number of weights N."),
        click.option("--seeds", type=Count(low=2), default=8, show_default=True, help="Number of seeds."),
        click.option("--seed", type=Count(low=0), default=0, show_default=True, help="The first seed."),
        click.option("--epochs", type=Count(), default=100, show_default=True, help="Epochs of the descent."),
        click.option("--optimizer", type=Choice(["sgd", "adam"]), default="sgd", show_default=True, help="Optimizer."),
        click.option("--learning-rate", type=positive, default=0.02, show_default=True, help="Learning rate eta."),
        click.option("--weight-decay", type=Number(low=0.0), default=0.0, show_default=True, help="Decay of theta."),
        click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="For torch."),
        quiet_option(),
    ]
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), function)


def grid(
    alpha: tuple[float, ...], *, method: str, prior: str, n: int, seeds: int, seed: int, **settings: Any
) -> list[dict[str, Any]]:
    """The parameters of each point, in JSON types; validated."""
    tasks = [Task(alpha=value, prior=prior) for value in alpha]
    chosen = list(range(seed, seed + seeds))
    return [{"alpha": task.alpha, "prior": prior, "n": n, "seeds": chosen, **settings} for task in tasks]


def simulated(store: Store | None, method: str, points: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The row of each point behind its parameters, one at a time, from the store where it is there already."""
    from statmech_cl.simulations.descent import one_thread
    from statmech_cl.simulations.measure import descent_row

    one_thread()
    for parameters in points:
        if store is None:
            row = descent_row(**parameters)
        else:
            row = store.get_or_compute(f"simulate/{method}", parameters, descent_row)
        yield {"method": method, **parameters, "version": __version__, **row}


def simulation_version() -> str:
    """The version under which simulated points are stored."""
    return source_version("statmech_cl.problem", "statmech_cl.simulations")


def printable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row for a table: alpha, N, the number of seeds, each mean and error as 0.1504(11)."""
    from statmech_cl.simulations.measure import get_estimate

    shown: dict[str, Any] = {name: row[name] for name in ("alpha", "n", "n_seeds")}
    shown.update((name, get_estimate(row, name)) for name in row if f"{name}_error" in row)
    if row["diverged"]:
        shown["diverged"] = row["diverged"]
    return shown


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without the values of the single seeds: what a CSV holds."""
    return {name: value for name, value in row.items() if not isinstance(value, (list, tuple))}
