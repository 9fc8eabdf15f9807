"""Rows of the replica-exchange sampler: what figures and tables store of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statmech_cl.problem import Task

from .exchange import OBSERVABLES, ExchangeSettings, exchange
from .rows import put_estimate, seeds_for_error_bars

BINS = 100  # of the histogram of overlaps, on [0, 1]


def exchange_row(
    *,
    alpha: float,
    beta: float = 20.0,
    prior: str = "none",
    n: int,
    seeds: Sequence[int] | int,
    device: str = "cpu",
    **settings: Any,
) -> dict[str, Any]:
    """The Gibbs measure of one task by replica exchange: q, r, q_star, p, eps_g and energy (E/P) with errors over the
    disorder, what tells whether the walkers have equilibrated, and P(q).

    settings : fields of ExchangeSettings.

    "rhat_median", "rhat" : median and largest R-hat over seeds and scalars. "time" : median over seeds of the longest
    autocorrelation time among the scalars, in iterations. "swapped" : smallest share of accepted swaps between
    neighbours. "round_trips" : a ladder's mean number of them. "histogram" : of overlaps, averaged over the disorder,
    a density on [0, 1] (overlaps below 0 are counted in the first bin).

    Raises
    ------
    ValueError : an argument out of range (from Task, ExchangeSettings, exchange), fewer than 2 seeds (no error bar).
    """
    chosen = seeds_for_error_bars(seeds)
    task = Task(alpha=alpha, beta=beta, prior=prior)
    result = exchange(task, n=n, seeds=chosen, settings=ExchangeSettings(**settings), device=device)
    row: dict[str, Any] = {"alpha": float(alpha), "n": n, "n_seeds": len(chosen)}
    for name in OBSERVABLES:
        put_estimate(row, name, result.values(name))
    rhat = np.array(list(result.stage.rhat().values()))
    times = np.array(list(result.autocorrelation().values()))
    counts, _ = np.histogram(np.clip(result.overlaps, 0.0, 1.0 - 1e-12), bins=BINS, range=(0.0, 1.0))
    return row | {
        "rhat": float(np.nanmax(rhat)),
        "rhat_median": float(np.nanmedian(rhat)),
        "time": float(np.nanmedian(np.nanmax(times, axis=0))),
        "swapped": float(result.swapped.mean(axis=0).min()),
        "round_trips": float(result.round_trips.mean()),
        "acceptance": float(result.stage.acceptance.mean()),
        "histogram": (counts * BINS / counts.sum()).tolist(),
    }
