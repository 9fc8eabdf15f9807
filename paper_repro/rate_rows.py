"""Rows of map-c: how fast task 1 is forgotten at first, and how far its error overshoots, by the dynamical theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate


def rate_rows(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`rate`, the mean rise of eps_1 per epoch over the first epochs of task 2, and `overshoot`, the largest eps_1 over
    its epochs (that of the mean curve, at `epoch`) minus the last, with errors over independent batches.

    points : alpha_1, alpha_2, gamma, r0, first (epochs), samples, batches and seed of `learn`, fields of
        DescentSettings; all the same but alpha_2 and r0.
    """
    from statmech_cl.dynamics import DescentSettings, learn_many
    from statmech_cl.problem import Chain, Task

    named = ("alpha_1", "alpha_2", "gamma", "r0", "first")
    rest = {name: value for name, value in points[0].items() if name not in named}
    accuracy = {name: rest.pop(name) for name in ("samples", "batches", "seed")}
    chains = [
        Chain((Task(alpha=at["alpha_1"]), Task(alpha=at["alpha_2"], gamma=at["gamma"])), overlaps=(at["r0"],))
        for at in points
    ]
    rows = []
    for at, curve in zip(points, learn_many(chains, DescentSettings(**rest), **accuracy, certify=False), strict=True):
        eps = np.arccos(np.clip(curve.stages[1].batches["p"][:, 0], -1.0, 1.0)) / np.pi  # (batches, epochs + 1)
        top = int(eps.mean(axis=0).argmax())
        rate = Estimate.from_samples((eps[:, at["first"]] - eps[:, 0]) / at["first"])
        over = Estimate.from_samples(eps[:, top] - eps[:, -1])
        told = {"rate": rate.mean, "rate_error": rate.error, "overshoot": over.mean, "overshoot_error": over.error}
        rows.append({**told, "epoch": top})
    return rows
