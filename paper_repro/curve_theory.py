"""Learning curves by dynamical theory as rows of plain numbers, in the form of the simulations' `curve_rows`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NAMED = ("alpha_1", "alpha_2", "gamma", "r0", "prior", "anchor")


def theory_curves(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The row of each point; points of the same first task, settings and accuracy are learned together.

    A point holds what `curve_rows.problem` takes, samples, batches and seed of `learn`, and fields of DescentSettings.
    """
    from statmech_cl.dynamics import DescentSettings, learn_many
    from statmech_cl.problem import Chain, Task

    rest = {name: value for name, value in points[0].items() if name not in NAMED}
    accuracy = {name: rest.pop(name) for name in ("samples", "batches", "seed")}
    settings = DescentSettings(**rest)
    chains = []
    for point in points:
        tasks = [Task(alpha=point["alpha_1"], prior=point.get("prior", "none"))]
        if point.get("alpha_2") is not None:
            tasks.append(Task(alpha=point["alpha_2"], gamma=point["gamma"], anchor=point.get("anchor", "kl")))
        chains.append(Chain(tuple(tasks), overlaps=(point["r0"],) if len(tasks) == 2 else ()))
    return [
        {"stages": [_stage(stage) for stage in curve.stages], **accuracy}
        for curve in learn_many(chains, settings, **accuracy, certify=False)
    ]


def _stage(stage: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"epochs": stage.epochs.tolist()}
    for name in ("p", "r", "q_star", "q", "loss"):
        if name == "q" and np.isnan(stage.q).all():
            continue
        row[name], row[f"{name}_error"] = getattr(stage, name).tolist(), getattr(stage, f"{name}_error").tolist()
    row["loss_batches"] = stage.batches["loss"].tolist()
    return row
