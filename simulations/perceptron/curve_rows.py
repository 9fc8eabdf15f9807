"""Descent of one task or of two at every recorded epoch, as a row of plain numbers: what is set beside learning curves.

A row holds `stages`, one for each task: `epochs`, and for each of p (one list a teacher), r (likewise), q_star, q and
loss the means over seeds and their standard errors (`p_error`, ...); `n`, `n_seeds` and `diverged`.
`loss_seeds` of a stage is the loss of each seed, (records, seeds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statmech_cl.problem import Chain, Task

from .descent import DescentSettings, descend_many
from .records import Stage


def problem(
    *,
    alpha_1: float,
    alpha_2: float | None = None,
    gamma: float = 1.0,
    r0: float = 0.0,
    prior: str = "none",
    anchor: str = "kl",
) -> Chain:
    """The chain that a point's parameters name."""
    first = Task(alpha=alpha_1, prior=prior)
    if alpha_2 is None:
        return Chain((first,))
    return Chain((first, Task(alpha=alpha_2, gamma=gamma, anchor=anchor)), overlaps=(r0,))


NAMED = ("alpha_1", "alpha_2", "gamma", "r0", "prior", "anchor")


def descent_curves(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The row of each point; points of the same alphas, n, seeds, device and settings descend together."""
    rest = {name: value for name, value in points[0].items() if name not in NAMED}
    n, seeds, device = (rest.pop(name) for name in ("n", "seeds", "device"))
    chains = [problem(**{name: point[name] for name in NAMED if name in point}) for point in points]
    results = descend_many(chains, n=n, seeds=tuple(seeds), settings=DescentSettings(**rest), device=device)
    return [
        {
            "n": n,
            "n_seeds": len(seeds),
            "diverged": len(result.diverged),
            "stages": [_stage(stage) for stage in result.stages],
        }
        for result in results
    ]


def _stage(stage: Stage) -> dict[str, Any]:
    row: dict[str, Any] = {"epochs": [int(epoch) for epoch in stage.epochs]}
    for name in ("p", "r", "q_star", "q", "loss"):
        values = getattr(stage, name)  # (records, ..., seeds)
        if name == "q" and np.isnan(values).all():
            continue
        mean, error = values.mean(-1), values.std(-1, ddof=1) / np.sqrt(values.shape[-1])
        row[name], row[f"{name}_error"] = mean.T.tolist(), error.T.tolist()
    row["loss_seeds"] = stage.loss.tolist()
    return row
