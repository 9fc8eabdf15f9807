"""Results side by side: one line for each method, means over seeds with their errors, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from .registry import get_method
from .results import RunResult

_JUDGED = ("weights", "sign", "mean", "sampled")


def summarise(results: Sequence[RunResult], view: str, *, task_aware: bool = False) -> dict[str, Estimate | float]:
    """Each metric over the seeds, with its standard error (a bare number where there is one seed only)."""
    each = [result.metrics(view, task_aware=task_aware) for result in results]
    return {name: _over_seeds([m[name] for m in each]) for name in each[0]}


def differences(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Each method against the first one, seed by seed (the same tasks and permutations): average, learned and
    forgetting of the first views, in per cent, with the standard error of the mean difference. Needs two seeds."""
    by_name: dict[str, dict[int, dict[str, float]]] = {}
    for result in results:
        view = get_method(result.method).views[0]
        by_name.setdefault(result.method, {})[result.seed] = result.metrics(view)
    first, *others = by_name
    lines = []
    for name in others:
        seeds = sorted(by_name[first].keys() & by_name[name].keys())
        if len(seeds) < 2:
            continue
        line: dict[str, Any] = {"difference": f"{name} - {first}"}
        for metric in ("average", "learned", "forgetting"):
            gaps = [100.0 * (by_name[name][seed][metric] - by_name[first][seed][metric]) for seed in seeds]
            line[metric] = Estimate.from_samples(np.array(gaps))
        lines.append({**line, "seeds": len(seeds)})
    return lines


def _over_seeds(values: Sequence[float]) -> Estimate | float:
    return Estimate.from_samples(np.array(values)) if len(values) > 1 else float(values[0])


def table(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """One line for each method: means over its seeds with their standard errors, in per cent where they are accuracies.

    "view" is the method's first one; "average", "learned", "forgetting" and the transfers are of it, so is "last 5",
    the average of the last five tasks, where there are more. Where a method has several views, "mean", "sampled" and
    "fields" are their averages over the tasks after the last one. "nll VIEW" (nats), "ece VIEW" and "auroc VIEW" (per
    cent) are of the probabilities after the last task, over all tasks; a sampled view's are averaged over its draws.
    "task-aware" is the average when only the task's own outputs compete, where that differs; of two tasks both are
    given ("on task 1", "task-aware 1"). "task id" says whether the method was told which task an image comes from,
    "horizon" whether training was told how many tasks will come; "seconds" and "MiB" are the time of training and the
    peak of the process.
    """
    lines = []
    for name in dict.fromkeys(result.method for result in results):
        mine = [result for result in results if result.method == name]
        kind = get_method(name)
        line: dict[str, Any] = {"method": name, "view": kind.views[0]}
        for metric, value in summarise(mine, kind.views[0]).items():
            if metric != "recent":
                line[metric] = _percent(value)
            elif mine[0].n_tasks > 5:
                line["last 5"] = _percent(value)
        for view in kind.views[1:]:
            line[view] = _percent(summarise(mine, view)["average"])
        for view in [v for v in kind.views if v in _JUDGED]:
            for column, scale in (("nll", 1.0), ("ece", 100.0), ("auroc", 100.0)):
                line[f"{column} {view}"] = _over_seeds([scale * r.at_the_end(view, column) for r in mine])
        aware = _percent(summarise(mine, kind.views[0], task_aware=True)["average"])
        if aware != line["average"]:
            line["task-aware"] = aware
        if mine[0].n_tasks == 2:
            last = np.array([100.0 * result.matrix(kind.views[0])[-1] for result in mine])
            own = np.array([100.0 * result.matrix(kind.views[0], task_aware=True)[-1] for result in mine])
            for on, (values, among_own) in enumerate(zip(last.T, own.T, strict=True), start=1):
                line[f"on task {on}"] = _over_seeds(values)
                if "task-aware" in line:
                    line[f"task-aware {on}"] = _over_seeds(among_own)
        line["task id"] = "yes" if kind.told_task(mine[0].options) else "no"
        line["horizon"] = "yes" if kind.knows_horizon(mine[0].options) else "no"
        line["seeds"] = len(mine)
        line["seconds"] = round(float(np.mean([result.seconds for result in mine])), 1)
        line["MiB"] = round(max(result.peak_mib for result in mine))
        lines.append(line)
    return lines


def _percent(value: Estimate | float) -> Estimate | float:
    if isinstance(value, Estimate):
        return Estimate(100.0 * value.mean, 100.0 * value.error, value.n)
    return 100.0 * value
