"""What `simulate` and `compare` share: the options that choose a simulation, and the points they ask for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from .._version import __version__
from ..problem import PRIORS, Task
from ..provenance import code_version
from ..store import Store
from .options import Choice, Count, Number, Numbers, quiet_option

# The settings that belong to one method; the others serve both.
SETTINGS = {
    "descent": ("epochs", "optimizer", "learning_rate", "weight_decay"),
    "gibbs": ("warmup", "draws", "chains", "start"),
}
METHODS = tuple(SETTINGS)


def simulation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options of a simulation of one task."""
    positive = Number(low=0.0, open_low=True)
    options = [
        click.option("--alpha", type=Numbers(low=0.0), required=True, help="0.5, a list 0.5,1,2 or a range 0.1:2:0.1."),
        click.option("--beta", type=positive, default=20.0, show_default=True, help="Inverse temperature."),
        click.option("--prior", type=Choice(PRIORS), default="none", show_default=True, help="Prior on the weights."),
        click.option("--with", "method", type=Choice(METHODS), default="descent", show_default=True, help="How."),
        click.option("--n", type=Count(low=2), default=500, show_default=True, help="Number of weights N."),
        click.option("--seeds", type=Count(low=2), default=8, show_default=True, help="Number of seeds."),
        click.option("--seed", type=Count(low=0), default=0, show_default=True, help="The first seed."),
        click.option("--epochs", type=Count(), help="Descent: sweeps over the patterns.  [default: 200]"),
        click.option("--optimizer", type=Choice(["sgd", "adam"]), help="Descent.  [default: sgd]"),
        click.option("--learning-rate", type=positive, help="Descent: eta.  [default: 0.02]"),
        click.option("--weight-decay", type=Number(low=0.0), help="Descent: decay of the fields.  [default: 0.03]"),
        click.option("--warmup", type=Count(low=10), help="Gibbs: iterations thrown away.  [default: 300]"),
        click.option("--draws", type=Count(low=4), help="Gibbs: iterations kept.  [default: 300]"),
        click.option("--chains", type=Count(low=2), help="Gibbs: chains of each seed.  [default: 4]"),
        click.option("--start", type=Choice(["prior", "teacher"]), help="Gibbs: where chains start.  [default: prior]"),
        click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="For torch."),
        quiet_option(),
    ]
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), function)


def grid(
    alpha: tuple[float, ...],
    *,
    method: str,
    beta: float,
    prior: str,
    n: int,
    seeds: int,
    seed: int,
    device: str,
    **given: Any,
) -> list[dict[str, Any]]:
    """The parameters of each point in JSON types, every setting filled in.

    Raises
    ------
    ValueError : a setting of the other method was given.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    for other, names in SETTINGS.items():
        foreign = [name for name in names if name in settings]
        if other != method and foreign:
            raise ValueError(f"{foreign[0]} must not be given with {method}, it belongs to {other}")
    tasks = [Task(alpha=value, beta=beta, prior=prior) for value in alpha]
    chosen = list(range(seed, seed + seeds))
    common = {"prior": prior, "n": n, "seeds": chosen, "device": device}
    if method == "descent":
        from statmech_cl.simulations.perceptron.descent import DescentSettings

        common.update(dataclasses.asdict(DescentSettings(**{"replicas": 2, **settings})))
    else:
        from statmech_cl.simulations.perceptron.gibbs import GibbsSettings

        common.update(beta=beta, **dataclasses.asdict(GibbsSettings(**settings)))
    return [{"alpha": task.alpha, **common} for task in tasks]


def simulated(store: Store | None, method: str, points: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The row of each point behind its parameters, one at a time, from the store where it is there already."""
    from statmech_cl.simulations.perceptron import rows as measure
    from statmech_cl.simulations.perceptron.descent import one_thread

    one_thread()
    compute = measure.descent_row if method == "descent" else measure.gibbs_row
    for parameters in points:
        if store is None:
            row = compute(**parameters)
        else:
            row = store.get_or_compute(f"simulate/{method}", parameters, compute)
        yield {"method": method, **parameters, "version": __version__, **row}


def simulation_version() -> str:
    """The version under which simulated points are stored."""
    return code_version("statmech_cl.simulations.perceptron.rows")


def printable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row for a table: alpha, N, the number of seeds, each mean and error as 0.1504(11)."""
    from statmech_cl.simulations.perceptron.rows import get_estimate

    shown: dict[str, Any] = {name: row[name] for name in ("alpha", "n", "n_seeds")}
    shown.update((name, get_estimate(row, name)) for name in row if f"{name}_error" in row)
    shown.update((name, f"{row[name]:.3g}") for name in ("ess", "rhat") if name in row)
    if row["diverged"]:
        shown["diverged"] = row["diverged"]
    return shown


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without the values of the single seeds: what a CSV holds."""
    return {name: value for name, value in row.items() if not isinstance(value, (list, tuple))}
