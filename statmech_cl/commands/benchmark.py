"""statmech-cl benchmark: methods of continual learning side by side, on equal terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from statmech_cl.simulations.deep.names import (
    HEADS,
    MOST_TASKS,
    MOST_UNITS,
    NETWORKS,
    NORMALISATIONS,
    SCENARIOS,
    USUAL,
)

from ..output import check_writable_folder, parted_table, to_csv, to_json, write_atomic
from ..progress import bar
from ..store import Store
from ..validation import check_choice, check_count
from .options import Choice, Count, quiet_option
from .results import kept_in

_MANY = 10  # tasks that still have a line each in a picture


@click.command("benchmark")
@click.argument("scenario", type=Choice(list(SCENARIOS)))
@click.option("--methods", required=True, help="Names, separated by commas; `all` for every one.")
@click.option("--tasks", type=Count(high=MOST_TASKS), help="Number of tasks; default 5 (permuted-mnist) or 2.")
@click.option("--seeds", type=Count(), default=3, show_default=True, help="Number of seeds, from --seed on.")
@click.option("--seed", type=Count(low=0), default=0, show_default=True, help="The first seed.")
@click.option(
    "--permutation-seed",
    type=Count(low=0),
    help="Seed of the first seed's permutations, default --seed; each further seed has the next one.",
)
@click.option("--epochs", type=Count(), help="Epochs for each task; default 5 (3 for split-mnist).")
@click.option("--batches", type=Count(low=0), help="Batches an epoch, 0 for all data; default 500 (0 for split-mnist).")
@click.option("--batch-size", type=Count(), default=64, show_default=True, help="Images in a batch.")
@click.option("--last-batch", is_flag=True, help="End an epoch of all data with what is left over, a smaller batch.")
@click.option(
    "--normalisation",
    type=Choice(NORMALISATIONS),
    default="data",
    show_default=True,
    help="Of pixels: by their mean and standard deviation, or from [0, 1] to [-1, 1].",
)
@click.option("--heads", type=Choice(HEADS), default="single", show_default=True, help="Outputs.")
@click.option("--network", type=Choice(NETWORKS), help="Network; default mlp (cnn for split-mnist).")
@click.option("--widths", default="512,512", show_default=True, help="Hidden layers of the mlp.")
@click.option("--set", "settings", multiple=True, metavar="METHOD.OPTION=VALUE", help="Override a setting; repeatable.")
@click.option("--look-back", type=Count(), help="Until the last task judge on this many latest tasks; default all.")
@click.option("--ends-only", is_flag=True, help="Judge at the ends of tasks only, other views after the last: faster.")
@click.option("--test-images", type=Count(low=0), default=0, show_default=True, help="Judge on so many, 0 for all.")
@click.option("--validation", is_flag=True, help="Judge on a held-out sixth of the training set, not on test data.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder that holds mnist/ and fashion-mnist/.")
@click.option("--subset", is_flag=True, help="Use the embedded subset whatever else there is.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Output folder."
)
@click.option("--jobs", type=Count(), default=1, show_default=True, help="Runs at a time, each a process of its own.")
@click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where torch runs.")
@quiet_option()
def command(
    scenario: str,
    methods: str,
    settings: tuple[str, ...],
    tasks: int | None,
    seeds: int,
    seed: int,
    permutation_seed: int | None,
    ends_only: bool,
    widths: str,
    data_dir: Path | None,
    subset: bool,
    out: Path,
    jobs: int,
    quiet: bool,
    **protocol: Any,
) -> None:
    """Train METHODS on SCENARIO over several seeds and print one table, with standard errors.

    Each method runs at the setting chosen for the scenario on held-out images, see docs/deep-networks.md.

    Writes OUT/benchmark-SCENARIO.csv (every evaluation), .json (the table, options, versions) and .png (accuracy
    against epoch; of more than ten tasks, against the number of tasks). Finished runs are kept in OUT/store.sqlite and
    half-finished ones in OUT/checkpoints: the same command again goes on from there.

    \b
    Example:
      statmech-cl benchmark permuted-mnist --methods vcl,bayesbinn,ewc,plain --tasks 5 --seeds 3
      statmech-cl benchmark split-mnist --methods plain,l2,rana --set l2.strength=3
      statmech-cl benchmark permuted-mnist --methods vcl-steps,bimu --tasks 100 --look-back 5 --ends-only
    """
    from statmech_cl.simulations.deep import registry, runs
    from statmech_cl.simulations.deep.methods import check_options
    from statmech_cl.simulations.deep.scenarios import scenario as make_scenario
    from statmech_cl.simulations.device import check_device

    check_device(protocol["device"])
    kind = SCENARIOS[scenario]
    usual = {**USUAL, **kind.usual}
    protocol |= {name: value for name, value in usual.items() if protocol[name] is None}
    known = registry.methods()
    names = tuple(known) if methods == "all" else tuple(dict.fromkeys(methods.split(",")))
    for name in names:
        check_choice("methods", name, tuple(known))
    chosen = runs.CHOSEN[scenario]
    options = {
        name: check_options(known[name], {**chosen.get(name, {}), **given})
        for name, given in _overrides(names, settings).items()
    }
    validation = protocol["validation"]
    same: dict[str, Any] = {"n_tasks": tasks, "data_dir": data_dir, "subset": subset}
    same |= {name: protocol[name] for name in ("heads", "normalisation")}
    probe = make_scenario(scenario, **same, validation=validation, permutation_seed=permutation_seed or 0)
    shared = {
        "scenario_name": scenario,
        "n_tasks": len(probe.tasks),
        "subset": not whole_data(kind.datasets, data_dir, subset),
        "widths": hidden_layers(widths),
        "curve": not ends_only,
        **protocol,
    }
    base = seed if permutation_seed is None else permutation_seed
    points = [
        {
            "method": name,
            "options": options[name],
            "seed": seed + index,
            "permutation_seed": base + index if kind.permuted else 0,
            **shared,
        }
        for index in range(seeds)
        for name in names
    ]
    folder = check_writable_folder(out)
    checkpoints = check_writable_folder(folder / "checkpoints")
    for source in probe.sources:
        click.echo(source + (" (judged on held-out training images)" if validation else ""), err=True)
    results: list[Any] = []
    with kept_in(out, "epochs"), Store(folder / "store.sqlite") as store:
        finished = runs.run_points(store, points, checkpoints=checkpoints, data_dir=data_dir, jobs=jobs)
        for _, result in bar(finished, "benchmark", total=len(points), quiet=quiet):
            results.append(result)
    order = {name: index for index, name in enumerate(names)}
    results.sort(key=lambda result: (order[result.method], result.seed))
    _write(folder / f"benchmark-{scenario}", results, shared, list(probe.sources), options)


def whole_data(names: Sequence[str], data_dir: Path | None, subset: bool) -> bool:
    """Whether the whole of every data set is there and wanted."""
    from statmech_cl.simulations.deep import datasets

    return all(datasets.find(name, data_dir, subset=subset)[1] for name in names)


def hidden_layers(widths: str) -> list[int]:
    """The numbers of a text like 512,512."""
    return [check_count("widths", _whole("widths", part), high=MOST_UNITS) for part in widths.split(",")]


def _whole(name: str, text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _overrides(names: tuple[str, ...], settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """{method: {option: value}} of texts like `ewc.strength=100`."""
    overrides: dict[str, dict[str, Any]] = {name: {} for name in names}
    for text in settings:
        target, equals, value = text.partition("=")
        method, dot, option = target.partition(".")
        if not (equals and dot and option):
            raise ValueError(f"set must be METHOD.OPTION=VALUE, got {text!r}")
        check_choice("set", method, names)
        words: dict[str, object] = {"true": True, "false": False}
        try:
            overrides[method][option] = words[value] if value in words else float(value)
        except ValueError:
            overrides[method][option] = value
    return overrides


def _write(
    stem: Path, results: list[Any], shared: dict[str, Any], sources: list[str], options: dict[str, dict[str, Any]]
) -> None:
    from statmech_cl.figures import rendered, style
    from statmech_cl.figures.deep import accuracy_against_epoch, accuracy_against_task
    from statmech_cl.provenance import versions
    from statmech_cl.simulations.deep.tables import differences, table

    rows = [{"method": r.method, "seed": r.seed, **row} for r in results for row in r.rows]
    logs = [{"method": r.method, "seed": r.seed, **row} for r in results for row in r.log]
    lines, against = table(results), differences(results)
    record = {
        "parameters": shared,
        "data": sources,
        "options": options,
        "seeds": sorted({r.seed for r in results}),
        "table": _plain(lines),
        "differences": _plain(against),
        "accuracy[after_task][on_task]": {
            f"{r.method} seed {r.seed} {view}": r.matrix(view).tolist()
            for r in results
            for view in dict.fromkeys(row["view"] for row in r.rows)
        },
        "versions": versions(),
    }
    write_atomic(stem.with_suffix(".csv"), to_csv(rows))
    write_atomic(stem.with_name(stem.name + "-log.csv"), to_csv(logs))
    write_atomic(stem.with_suffix(".json"), to_json(record))
    with style():
        drawn = accuracy_against_task if shared["n_tasks"] > _MANY else accuracy_against_epoch
        figure = drawn(rows, title=shared["scenario_name"])
        write_atomic(stem.with_suffix(".png"), rendered(figure, "png"))
    click.echo(parted_table(_rounded(lines)))
    if against:
        click.echo("\n" + parted_table(_rounded(against), 2))
    click.echo(f"\nwrote {stem}.csv {stem}-log.csv {stem}.json {stem}.png")


def _plain(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v if isinstance(v, (str, int, float)) else str(v) for k, v in line.items()} for line in lines]


def _rounded(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: round(v, 2) if isinstance(v, float) else v for k, v in line.items()} for line in lines]
