"""What the deep figures share: their sizes, the grid of runs, rows of accuracies, and averages over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.store import Store

from .figure import Context, Data

# The runs themselves are stored as the command `benchmark` stores them, under a digest of their own.
COMPARED = ["vcl", "vcl-sgd", "metaplasticity", "ewc", "plain"]
_SHARED = {"batch_size": 64, "widths": [512, 512]}


def scales(
    *, n_tasks: int, quick: dict[str, Any], paper: dict[str, Any], methods: Sequence[str], more: Sequence[str]
) -> dict[str, Any]:
    """The sizes of a figure: the embedded images and two seeds, or whole sets, five seeds and `more` methods."""
    return {
        "quick": {"subset": True, "n_tasks": n_tasks, "n_seeds": 2, **_SHARED, **quick, "methods": [*methods]},
        "paper": {"subset": False, "n_tasks": n_tasks, "n_seeds": 5, **_SHARED, **paper, "methods": [*methods, *more]},
    }


def results(context: Context, figure: str, scenario: str) -> Iterator[Any]:
    """A RunResult for each seed and method, the seeds outermost; each method as `benchmark` would run it.

    Raises
    ------
    ValueError : the whole of a data set is wanted and not there.
    """
    from statmech_cl.simulations.deep import datasets, runs
    from statmech_cl.simulations.deep.names import SCENARIOS

    sizes = context.parameters
    if not sizes["subset"]:
        for name in SCENARIOS[scenario].datasets:
            if not datasets.find(name)[1]:
                raise ValueError(
                    f"{figure} at this scale needs the whole of {name}, found the embedded subset: "
                    f"statmech-cl data fetch {name}"
                )
    same = {name: sizes[name] for name in ("n_tasks", "subset", "epochs", "batches", "batch_size", "widths")}
    same |= {
        "scenario_name": scenario,
        "heads": "single",
        "validation": False,
        "network": "mlp",
        "normalisation": "data",
        "last_batch": False,
        "look_back": sizes.get("look_back"),
        "test_images": sizes.get("test_images", 0),
        "curve": sizes.get("curve", True),
    }
    points = [
        {
            "method": method,
            "options": runs.CHOSEN[scenario].get(method, {}),
            "seed": context.seed + index,
            "permutation_seed": context.seed + index if SCENARIOS[scenario].permuted else 0,
            "device": context.device,
            **same,
        }
        for index in range(sizes["n_seeds"])
        for method in sizes["methods"]
    ]
    checkpoints = context.store.path.parent / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    with Store(context.store.path) as store:
        finished = dict(context.bar(runs.run_points(store, points, checkpoints=checkpoints), figure, total=len(points)))
    for number in range(len(points)):
        yield finished[number]


def accuracy_rows(context: Context, figure: str, scenario: str) -> Data:
    """Every method of `context.parameters` on every seed; one row for each evaluation, `log` and options aside."""
    rows = [
        {"method": result.method, "seed": result.seed, **row}
        for result in results(context, figure, scenario)
        for row in result.rows
    ]
    return Data(rows, dict(context.parameters))


def matrices(data: Data, method: str) -> tuple[str, list[np.ndarray]]:
    """The first view of `method`, and accuracy[after_task, on_task] of it for each seed (nan: not measured)."""
    runs_of_method = _by_seed(data, method)
    view = str(runs_of_method[0].rows[0]["view"])
    return view, [result.matrix(view) for result in runs_of_method]


def final(data: Data, method: str) -> dict[str, np.ndarray]:
    """Over seeds: `average` accuracy at the end, accuracy just `learned`, and `forgotten` since; of the first view."""
    metrics = [result.metrics(str(result.rows[0]["view"])) for result in _by_seed(data, method)]
    return {
        "average": np.array([m["average"] for m in metrics]),
        "learned": np.array([m["learned"] for m in metrics]),
        "forgotten": np.array([-m["backward_transfer"] for m in metrics]),
    }


def _by_seed(data: Data, method: str) -> list[Any]:
    from statmech_cl.simulations.deep.results import RunResult

    rows = data.select(method=method)
    n_tasks = max(row["on_task"] for row in rows)
    seeds = sorted({row["seed"] for row in rows})
    return [RunResult(method, seed, {}, n_tasks, [r for r in rows if r["seed"] == seed]) for seed in seeds]


def difference(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Mean of a - b over seeds, (n,) each, with its standard error (the same seeds: paired)."""
    return Estimate.from_samples(np.asarray(a) - np.asarray(b))
