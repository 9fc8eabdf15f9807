"""statmech-cl search: settings of the methods of continual learning, chosen on held-out training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from statmech_cl.simulations.deep.names import MOST_TASKS

from ..output import check_writable_folder, parted_table, to_csv, write_atomic
from ..progress import bar
from ..store import Store
from .options import Choice, Count, quiet_option
from .results import kept_in


@click.command("search")
@click.argument("scenario", type=Choice(["permuted-mnist"]))
@click.option("--methods", required=True, help="Names, separated by commas; `all` for every one that has a grid.")
@click.option("--tasks", type=Count(high=MOST_TASKS), default=5, show_default=True, help="Number of tasks.")
@click.option("--epochs", type=Count(), default=5, show_default=True, help="Epochs for each task at full length.")
@click.option("--batches", type=Count(low=0), default=500, show_default=True, help="Batches an epoch at full length.")
@click.option("--short-epochs", type=Count(), default=1, show_default=True, help="Epochs at short length.")
@click.option("--short-batches", type=Count(), default=300, show_default=True, help="Batches an epoch at short length.")
@click.option("--keep", type=Count(), default=2, show_default=True, help="Settings that go on to full length.")
@click.option("--widths", default="512,512", show_default=True, help="Hidden layers.")
@click.option("--seed", type=Count(low=0), default=0, show_default=True, help="Seed of the runs.")
@click.option(
    "--permutation-seed", type=Count(low=0), default=1000, show_default=True, help="Seed of the permutations."
)
@click.option("--test-images", type=Count(low=0), default=4000, show_default=True, help="Held-out images, 0 for all.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder that holds mnist/ and fashion-mnist/.")
@click.option("--subset", is_flag=True, help="Use the embedded subset whatever else there is.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Output folder."
)
@click.option("--jobs", type=Count(), default=1, show_default=True, help="Runs at a time, each a process of its own.")
@quiet_option()
def command(
    scenario: str,
    methods: str,
    tasks: int,
    epochs: int,
    batches: int,
    short_epochs: int,
    short_batches: int,
    keep: int,
    widths: str,
    seed: int,
    permutation_seed: int,
    test_images: int,
    data_dir: Path | None,
    subset: bool,
    out: Path,
    jobs: int,
    quiet: bool,
) -> None:
    """Try every setting of METHODS at a short length, the best at full length, and print them, best first.

    Judged on the last sixth of the training images; test images are not looked at. Keep the seed of the permutations
    apart from those of your tables. Finished runs are kept in OUT/store.sqlite: the same command again goes on from
    there. Writes OUT/search-SCENARIO.csv.

    \b
    Example:
      statmech-cl search permuted-mnist --methods vcl,ewc --keep 2
    """
    from statmech_cl.simulations.deep import search as searching
    from statmech_cl.simulations.deep.names import SCENARIOS

    from .benchmark import hidden_layers, whole_data

    names = list(searching.GRIDS) if methods == "all" else list(dict.fromkeys(methods.split(",")))
    shared: dict[str, Any] = {
        "scenario_name": scenario,
        "n_tasks": tasks,
        "heads": "single",
        "subset": not whole_data(SCENARIOS[scenario].datasets, data_dir, subset),
        "validation": True,
        "epochs": epochs,
        "batches": batches,
        "batch_size": 64,
        "network": "mlp",
        "widths": hidden_layers(widths),
        "seed": seed,
        "permutation_seed": permutation_seed,
        "device": "cpu",
        "test_images": test_images,
        "curve": False,
        "look_back": 1,
    }
    folder = check_writable_folder(out)
    checkpoints = check_writable_folder(folder / "checkpoints")
    rows: list[dict[str, Any]] = []
    stem = folder / f"search-{scenario}"
    with kept_in(out, "runs"), Store(folder / "store.sqlite") as store:
        searched = searching.search(
            store,
            names,
            shared,
            short={"epochs": short_epochs, "batches": short_batches},
            keep=keep,
            checkpoints=checkpoints,
            data_dir=data_dir,
            jobs=jobs,
        )
        for row in bar(searched, "search", total=None, quiet=quiet):
            rows.append(row)
            write_atomic(stem.with_suffix(".csv"), to_csv(rows))
    rows.sort(key=lambda row: (names.index(row["method"]), row["length"], -row["average"]))
    click.echo(parted_table([{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]))
    click.echo(f"\nwrote {stem}.csv")
