"""Figure deep-d: many permuted tasks, accuracy against the number of tasks learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from statmech_cl.estimate import Estimate

from .deep_runs import accuracy_rows, matrices, scales
from .figure import Context, Data, Row, Verdict

_METHODS = ["vcl-sgd", "vcl-steps", "bimu", "online-ewc"]
_WINDOW = 5
_GOAL = 0.95
SCALES = scales(
    n_tasks=100,
    quick={"n_tasks": 10, "epochs": 1, "batches": 60, "test_images": 1000},
    paper={"epochs": 1, "batches": 300, "test_images": 2000, "n_seeds": 3},
    methods=_METHODS,
    more=[],
)
for _sizes in SCALES.values():
    _sizes |= {"look_back": _WINDOW, "curve": False}
__all__ = ["SCALES", "compute", "draw", "verdict"]


def compute(context: Context) -> Data:
    """Accuracy on the latest tasks at the end of each task, on all of them after the last."""
    return accuracy_rows(context, "deep-d", "permuted-mnist")


def draw(data: Data) -> Any:
    """The newest task, the average of the latest five, and every task after the last one."""
    from statmech_cl.figures.deep import accuracy_against_task

    return accuracy_against_task(data.rows, window=_WINDOW, title="permuted MNIST, many tasks")


def verdict(data: Data) -> Verdict:
    """Whether binary weights that know no horizon keep 95 % on the latest five tasks to the end: the lower end of the
    95 % interval (Student) of the method that has most, so of the luckiest of those that are tried."""
    rows: list[Row] = []
    ends: dict[str, Estimate] = {}
    n_tasks = data.parameters["n_tasks"]
    for method in data.parameters["methods"]:
        view, accuracies = matrices(data, method)
        latest = {t: np.array([m[t - 1, t - _WINDOW : t].mean() for m in accuracies]) for t in (_WINDOW, n_tasks)}
        end = Estimate.from_samples(latest[n_tasks])
        if view == "sign":
            ends[method] = end
        rows.append(Row(f"{method} ({view}): latest {_WINDOW} after {n_tasks} tasks", None, end))
        fall = Estimate.from_samples(latest[_WINDOW] - latest[n_tasks])
        rows.append(Row(f"{method}: fall of it since task {_WINDOW}", None, fall))
        newest = Estimate.from_samples(np.array([m[-1, -1] for m in accuracies]))
        rows.append(Row(f"{method}: newest task at the end", None, newest))
        every = Estimate.from_samples(np.array([m[-1].mean() for m in accuracies]))
        rows.append(Row(f"{method}: all tasks at the end", None, every))
    best = max(ends, key=lambda method: ends[method].mean)
    enough = ends[best].n > 1
    holds = enough and ends[best].mean - float(stdtrit(ends[best].n - 1, 0.975)) * ends[best].error > _GOAL
    sentence = (
        f"after {n_tasks} tasks the best binary method, {best}, has {ends[best]} on the latest {_WINDOW}: "
        f"{'above' if holds else 'not clearly above'} {_GOAL}"
    )
    return Verdict(rows, sentence, holds)
