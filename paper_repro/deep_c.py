"""Figure deep-c: how uncertain the weights are, and how far the posterior moves, over the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from statmech_cl.solution import Estimate

from .deep_runs import SOURCES, difference
from .framework import Context, Data, Row, Verdict

N_BINS = 20
SCALES = {
    "quick": {
        "subset": True,
        "n_tasks": 5,
        "epochs": 3,
        "batches": 60,
        "batch_size": 64,
        "widths": [512, 512],
        "n_seeds": 2,
        "methods": ["vcl-none", "vcl", "vcl-sgd"],
    },
    "paper": {
        "subset": False,
        "n_tasks": 5,
        "epochs": 5,
        "batches": 500,
        "batch_size": 64,
        "widths": [512, 512],
        "n_seeds": 5,
        "methods": ["vcl-none", "vcl", "vcl-sgd", "vcl-last-update"],
    },
}
__all__ = ["SCALES", "SOURCES", "compute", "draw", "run_row", "verdict"]


def run_row(
    *,
    method: str,
    subset: bool,
    n_tasks: int,
    epochs: int,
    batches: int,
    batch_size: int,
    widths: Sequence[int],
    seed: int,
    device: str,
) -> dict[str, Any]:
    """One run: the log of its epochs, and at the end of each task the fraction of weights in each of N_BINS bins of v.

    Returns {"log": [...], "histogram": (n_tasks, N_BINS), "average": accuracy over all tasks at the end}.
    """
    from statmech_cl.simulations.continual import Protocol, RunResult, run, scenario
    from statmech_cl.simulations.methods import Method
    from statmech_cl.simulations.methods_field import FieldMethod

    histogram: list[list[float]] = []

    def look(learner: Method, result: RunResult) -> None:
        if len(result.log) % epochs == 0 and isinstance(learner, FieldMethod):
            v = learner.network.v.detach().cpu().numpy()
            counts, _ = np.histogram(v, bins=N_BINS, range=(0.0, 1.0))
            histogram.append((counts / v.size).tolist())

    tasks = scenario("permuted-mnist", n_tasks=n_tasks, subset=subset)
    protocol = Protocol(epochs=epochs, batches=batches, batch_size=batch_size, widths=tuple(widths))
    result = run(method, tasks, protocol, seed=seed, device=device, on_epoch=look, curve=False)
    log = [{name: value for name, value in row.items() if name != "seconds"} for row in result.log]
    return {"log": log, "histogram": histogram, "average": result.metrics("sign")["average"]}


def compute(context: Context) -> Data:
    """Mean v, saturated fraction and KL to the previous posterior against epoch; the law of v after each task."""
    sizes = {name: value for name, value in context.parameters.items() if name not in ("methods", "n_seeds")}
    grid = [
        {"method": method, "seed": context.seed + index, "device": context.device, **sizes}
        for index in range(context.parameters["n_seeds"])
        for method in context.parameters["methods"]
    ]
    rows: list[dict[str, Any]] = []
    for point, found in zip(grid, context.points("deep-c/run", run_row, grid, "deep-c"), strict=True):
        who = {"method": point["method"], "seed": point["seed"]}
        for line in found["log"]:
            rows.append({"kind": "epoch", **who, **line})
        for task, fractions in enumerate(found["histogram"], start=1):
            for index, fraction in enumerate(fractions):
                v = (index + 0.5) / N_BINS
                rows.append({"kind": "law of v", **who, "after_task": task, "v": v, "fraction": fraction})
        rows.append({"kind": "end", **who, "average": found["average"]})
    return Data(rows, dict(context.parameters))


def draw(data: Data) -> Figure:
    """Top: mean v, saturated fraction and KL against epoch; bottom: the law of v after each task, a panel a method."""
    from statmech_cl.figures.deep import uncertainty

    return uncertainty(data.rows, epochs=data.parameters["epochs"])


def verdict(data: Data) -> Verdict:
    """Training makes the weights certain, task after task; annealing the temperature drives it."""
    n_tasks, epochs = data.parameters["n_tasks"], data.parameters["epochs"]

    def at_end(method: str, name: str, task: int) -> np.ndarray:
        return np.array(data.column(name, kind="epoch", method=method, after_task=task, epoch=epochs))

    rows, falls = [], []
    for method in data.parameters["methods"]:
        falls.append(difference(at_end(method, "mean_v", 1), at_end(method, "mean_v", n_tasks)))
        rows.append(Row(f"{method}: fall of mean v from task 1 to {n_tasks}", None, falls[-1]))
        saturated = Estimate.from_samples(at_end(method, "saturated", n_tasks))
        rows.append(Row(f"{method}: saturated at the end", None, saturated))
        kl = Estimate.from_samples(at_end(method, "kl", n_tasks) / 1e3)
        rows.append(Row(f"{method}: KL of the last task to the one before (1000 nats)", None, kl))
    holds = all(fall.mean > 2.0 * fall.error for fall in falls)
    become = "become" if holds else "do not become"
    sentence = f"under every method the weights {become} more certain from the first task to the last"
    return Verdict(rows, sentence, holds)
