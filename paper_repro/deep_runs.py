"""What the deep figures share: the grid of runs, their rows, and averages over seeds."""

from __future__ import annotations

import numpy as np

from statmech_cl.solution import Estimate

from .framework import Context, Data

SOURCES = (
    "statmech_cl.simulations.continual",
    "statmech_cl.simulations.datasets",
    "statmech_cl.simulations.methods",
    "statmech_cl.simulations.methods_field",
    "statmech_cl.simulations.methods_metaplastic",
    "statmech_cl.simulations.methods_weights",
    "statmech_cl.simulations.networks",
    "statmech_cl.paper_repro.deep_runs",
)


def accuracy_rows(context: Context, figure: str, scenario: str) -> Data:
    """Every method of `context.parameters` on every seed; one row for each evaluation, `log` and options aside."""
    from statmech_cl.simulations.continual import run_point

    sizes = context.parameters
    grid = [
        {
            "method": method,
            "options": options,
            "scenario_name": scenario,
            "n_tasks": sizes["n_tasks"],
            "heads": "single",
            "subset": sizes["subset"],
            "validation": False,
            "epochs": sizes["epochs"],
            "batches": sizes["batches"],
            "batch_size": sizes["batch_size"],
            "network": "mlp",
            "widths": sizes["widths"],
            "seed": context.seed + index,
            "device": context.device,
        }
        for index in range(sizes["n_seeds"])
        for method, options in sizes["methods"].items()
    ]
    results = context.points(f"{figure}/run", run_point, grid, figure)
    rows = [
        {"method": result["method"], "seed": result["seed"], **row} for result in results for row in result["rows"]
    ]
    return Data(rows, dict(sizes))


def final(data: Data, method: str) -> dict[str, np.ndarray]:
    """Over seeds: `average` accuracy at the end, accuracy just `learned`, and `forgotten` since; of the first view."""
    from statmech_cl.simulations.continual import RunResult

    rows = data.select(method=method)
    seeds = sorted({row["seed"] for row in rows})
    view = rows[0]["view"]
    n_tasks = max(row["on_task"] for row in rows)
    found = [
        RunResult(method, seed, {}, n_tasks, [r for r in rows if r["seed"] == seed]).metrics(view) for seed in seeds
    ]
    return {
        "average": np.array([m["average"] for m in found]),
        "learned": np.array([m["learned"] for m in found]),
        "forgotten": np.array([-m["backward_transfer"] for m in found]),
    }


def difference(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Mean of a - b over seeds, (n,) each, with its standard error (the same seeds: paired)."""
    return Estimate.from_samples(np.asarray(a) - np.asarray(b))

