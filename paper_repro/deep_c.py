"""Figure deep-c: how uncertain the weights are, and how far the posterior moves, over the tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from .deep_runs import difference, results, scales
from .figure import Context, Data, Row, Verdict

SCALES = scales(
    n_tasks=5,
    quick={"epochs": 3, "batches": 60},
    paper={"epochs": 5, "batches": 500},
    methods=["vcl-none", "vcl", "vcl-sgd"],
    more=["vcl-last-update"],
)
__all__ = ["SCALES", "compute", "draw", "verdict"]


def compute(context: Context) -> Data:
    """Mean v, saturated fraction and KL to the previous posterior against epoch; the law of v after each task."""
    rows: list[dict[str, Any]] = []
    for result in results(context, "deep-c", "permuted-mnist"):
        who = {"method": result.method, "seed": result.seed}
        for line in result.log:
            rows.append({"kind": "epoch", **who, **{name: value for name, value in line.items() if name != "seconds"}})
        for task, fractions in enumerate(result.histograms, start=1):
            for index, fraction in enumerate(fractions):
                v = (index + 0.5) / len(fractions)
                rows.append({"kind": "law of v", **who, "after_task": task, "v": v, "fraction": fraction})
        rows.append({"kind": "end", **who, "average": result.metrics("sign")["average"]})
    return Data(rows, dict(context.parameters))


def draw(data: Data) -> Any:
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
