"""What a run leaves: every evaluation with its labels, and the matrix `accuracy[after_task, on_task]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass
class RunResult:
    """One method, one seed.

    Attributes
    ----------
    rows : one for each evaluation: after_task, epoch (within that task), on_task (both tasks from 1), view, accuracy
        (under the scenario's heads), accuracy_task_aware (argmax among the task's own outputs only), error (standard
        error over the draws of a sampled view, else None), end (of a task). Of the probabilities, averaged over the
        draws of a sampled view: accuracy_averaged, nll, ece, and after the last task auroc (see `uncertainty`), None
        where it was not asked for. after_task = 0 is the network before training.
    log : one for each epoch: after_task, epoch, loss (mean over its batches), seconds, and the method's diagnostics.
    histograms : at the end of each task the method's `histogram()`: of v for binary weights, empty for others.
    """

    method: str
    seed: int
    options: dict[str, Any]
    n_tasks: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    histograms: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    peak_mib: float = 0.0

    def matrix(self, view: str, *, task_aware: bool = False) -> np.ndarray:
        """accuracy[after_task, on_task] at the ends of the tasks, (n_tasks, n_tasks); nan where it was not measured."""
        out = np.full((self.n_tasks, self.n_tasks), np.nan)
        column = "accuracy_task_aware" if task_aware else "accuracy"
        last = {(r["after_task"], r["on_task"]): r[column] for r in self.rows if r["view"] == view and r["end"]}
        for (after, on), value in last.items():
            if after > 0:
                out[after - 1, on - 1] = value
        return out

    def untrained(self, view: str) -> np.ndarray:
        """Accuracy on each task before any training, (n_tasks,)."""
        first = {r["on_task"]: r["accuracy"] for r in self.rows if r["view"] == view and r["after_task"] == 0}
        return np.array([first.get(on, np.nan) for on in range(1, self.n_tasks + 1)])

    def metrics(self, view: str, *, task_aware: bool = False) -> dict[str, float]:
        """See `metrics`."""
        return metrics(self.matrix(view, task_aware=task_aware), self.untrained(view))

    def at_the_end(self, view: str, column: str) -> float:
        """Mean of a column of `rows` over all tasks after the last one; nan where it was not measured."""
        last = [r[column] for r in self.rows if r["view"] == view and r["end"] and r["after_task"] == self.n_tasks]
        return float(np.mean([np.nan if value is None else value for value in last])) if last else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> RunResult:
        """The result that `to_dict` wrote."""
        return cls(**saved)


def metrics(accuracy: np.ndarray, untrained: np.ndarray | None = None) -> dict[str, float]:
    """What `accuracy[after_task, on_task] : (T, T)` comes to.

    average            mean over tasks of accuracy[T, k]
    recent             the same over the last five tasks
    learned            mean over tasks of accuracy[k, k], each task just after it was learned
    forgetting         mean over k < T of max_{t < T} accuracy[t, k] - accuracy[T, k]
    backward_transfer  mean over k < T of accuracy[T, k] - accuracy[k, k]
    forward_transfer   mean over k > 1 of accuracy[k-1, k] - untrained[k]
    (nan where there is nothing to average; what was not measured, nan, is left out of the maximum).
    """
    n = len(accuracy)
    last, diagonal = accuracy[-1], np.diag(accuracy)
    out = {"average": float(last.mean()), "recent": float(last[-5:].mean()), "learned": float(diagonal.mean())}
    if n == 1:
        return {**out, "forgetting": np.nan, "backward_transfer": np.nan, "forward_transfer": np.nan}
    best = np.array([np.fmax.reduce(accuracy[k : n - 1, k]) for k in range(n - 1)])
    out["forgetting"] = float((best - last[:-1]).mean())
    out["backward_transfer"] = float((last[:-1] - diagonal[:-1]).mean())
    before = np.full(n, np.nan) if untrained is None else untrained
    out["forward_transfer"] = float((np.diag(accuracy, 1) - before[1:]).mean())
    return out
