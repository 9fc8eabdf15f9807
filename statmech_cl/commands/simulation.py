"""What `simulate` and `compare` share: the options that choose a simulation, and the points they ask for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from statmech_cl.simulations.perceptron.simulation import METHODS

from .._version import __version__
from ..problem import Chain, Problem, from_dict, to_dict
from ..provenance import named
from ..store import Store
from .chain_options import ALL, chain_options
from .options import Choice, Count, Number, network_options, quiet_option

# The settings that belong to one method; the others serve both.
SETTINGS = {
    "descent": ("epochs", "optimizer", "learning_rate", "weight_decay"),
    "gibbs": ("warmup", "draws", "walkers", "start"),
}
MUCH_MEMORY = 1e9  # bytes; a run that takes more says so before it starts


def simulation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options of a simulation: those of a chain, how to simulate, and the sizes."""
    positive = Number(low=0.0, open_low=True)
    options: list[Callable[..., Any]] = [
        click.option("--with", "method", type=Choice(METHODS), default="descent", show_default=True, help="How."),
        click.option("--n", type=Count(low=2), default=500, show_default=True, help="Number of weights N."),
        network_options,
        click.option("--units", type=Count(), help="Units of each hidden layer of a tree; default near N^(1/(L+1))."),
        click.option("--seeds", type=Count(low=2), default=8, show_default=True, help="Number of seeds."),
        click.option("--seed", type=Count(low=0), default=0, show_default=True, help="The first seed."),
        click.option("--epochs", type=Count(), help="Descent: passes over the patterns.  [default: 200]"),
        click.option("--optimizer", type=Choice(["sgd", "adam"]), help="Descent.  [default: sgd]"),
        click.option("--learning-rate", type=positive, help="Descent: eta.  [default: 0.02]"),
        click.option("--weight-decay", type=Number(low=0.0), help="Descent: decay of the fields.  [default: 0.03]"),
        click.option("--warmup", type=Count(low=10), help="Gibbs: iterations thrown away.  [default: 300]"),
        click.option("--draws", type=Count(low=4), help="Gibbs: iterations kept.  [default: 300]"),
        click.option("--walkers", type=Count(low=2), help="Gibbs: walkers of each seed.  [default: 4]"),
        click.option("--start", type=Choice(["prior", "teacher"]), help="Gibbs: where they start.  [default: prior]"),
        click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="For torch."),
        quiet_option(),
    ]
    simulated = functools.reduce(lambda decorated, option: option(decorated), reversed(options), function)
    return chain_options(*ALL)(simulated)


def settings_of(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of the method, filled in.

    Raises
    ------
    ValueError : a setting of the other method was given, or one is out of range.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    for other, names in SETTINGS.items():
        foreign = [name for name in names if name in settings]
        if other != method and foreign:
            raise ValueError(f"{foreign[0]} must not be given with {method}, it belongs to {other}")
    if method == "descent":
        from statmech_cl.simulations.perceptron.descent import DescentSettings

        return dataclasses.asdict(DescentSettings(**{"replicas": 2, **settings}))
    from statmech_cl.simulations.perceptron.gibbs_records import GibbsSettings

    return dataclasses.asdict(GibbsSettings(**settings))


def grid(
    method: str,
    chosen: Sequence[Problem],
    *,
    n: int,
    seeds: int,
    seed: int,
    device: str,
    settings: Mapping[str, Any],
    units: int | None = None,
) -> list[dict[str, Any]]:
    """The parameters of each point in JSON types: what `problem_row` takes.

    Raises
    ------
    ValueError : there is no such device, a point does not fit into its memory, or n into the tree's layers.
    """
    from statmech_cl.simulations.perceptron import memory
    from statmech_cl.simulations.perceptron.problem_rows import shape_for

    shape = shape_for(chosen[0], n, units)

    most = max(memory.check(one, method=method, n=n, n_seeds=seeds, device=device, **settings) for one in chosen)
    if most > MUCH_MEMORY:
        click.echo(f"the patterns take about {memory.said(most)} of memory", err=True)
    common = {"method": method, "n": n, "seeds": list(range(seed, seed + seeds)), "device": device, **settings}
    if shape is not None:
        common["units"] = shape.layers[0]
    return [{"problem": to_dict(problem), **common} for problem in chosen]


def simulated(store: Store | None, points: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The row of each point behind its parameters, one at a time, from the store where it is there already."""
    from statmech_cl.simulations.device import one_thread
    from statmech_cl.simulations.perceptron.problem_rows import problem_row

    one_thread()
    name, version = named(problem_row)
    for parameters in points:
        row = None if store is None else store.get(name, parameters, version=version)
        if row is None:
            row = problem_row(**parameters)
            if store is not None:
                row = store.put(name, parameters, row, version=version)
        yield {**asked(parameters), "version": __version__, **row}


def asked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a point as a row begins: the method, alpha (a list for a chain), and the rest."""
    problem = from_dict(parameters["problem"])
    rest = {name: value for name, value in parameters.items() if name not in ("problem", "method")}
    if "units" in rest:
        channel: Any = (problem.tasks[0] if isinstance(problem, Chain) else problem).channel
        rest |= {"hidden_layers": channel.hidden_layers, "activation": channel.activation}
    method = parameters["method"]
    if isinstance(problem, Chain):
        alphas = [task.alpha for task in problem.tasks]
        return {"method": method, "alpha": alphas, "chain": problem.to_dict(), **rest}
    temperature = {} if method == "descent" else {"beta": problem.beta}  # a descent has no temperature
    return {"method": method, "alpha": problem.alpha, **temperature, "prior": problem.prior, **rest}


def printable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row for a table: alpha (the one used where P = alpha N is no whole number), N, P, the number of seeds, each
    mean and error as 0.1504(11). Of a chain the errors on every task, then q_star, after the last."""
    from statmech_cl.simulations.perceptron.rows import get_estimate

    rounded = row["alpha_used"] != row["alpha"]
    names = [name for name in ("alpha", "alpha_used", "n", "units", "patterns", "replayed", "n_seeds") if name in row]
    if not rounded:
        names.remove("alpha_used")
    shown = {name: _short(row[name]) for name in names}
    means = [name for name in row if f"{name}_error" in row]
    if isinstance(row["alpha"], list):
        count = len(row["alpha"])
        means = [*(f"eps_g_after_{count}_on_{on}" for on in range(1, count + 1)), f"q_star_after_{count}"]
    shown.update((name.replace(f"_g_after_{len(means) - 1}_on_", "_"), get_estimate(row, name)) for name in means)
    shown.update((name, f"{row[name]:.3g}") for name in ("ess", "rhat") if name in row)
    if row["diverged"]:
        shown["diverged"] = row["diverged"]
    return shown


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(f"{one:g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else value


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without the values of the single seeds: what a CSV holds. Of a chain alpha_1, alpha_2, ... and so on."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("alpha", "patterns", "alpha_used", "replayed") and isinstance(value, list):
            plain.update((f"{name}_{number}", one) for number, one in enumerate(value, start=1))
        elif name == "chain":
            later = zip(value["tasks"][1:], value.get("overlaps", ()), strict=False)
            for number, (task, overlap) in enumerate(later, start=2):
                plain |= {f"overlap_{number}": overlap}
                plain |= {f"{kept}_{number}": task[kept] for kept in ("gamma", "anchor", "memory")}
                if task["replay"]:
                    plain[f"replay_{number}"] = ",".join(f"{k}={alpha:g}" for k, alpha in task["replay"].items())
        elif not isinstance(value, (list, tuple, dict)):
            plain[name] = value
    return plain
