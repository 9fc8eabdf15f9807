"""Rows of the replica-exchange sampler: what figures and tables store of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statmech_cl.problem import Task

from .exchange import exchange
from .exchange_records import ExchangeSettings
from .gibbs_records import OBSERVABLES
from .rows import put_estimate, seeds_for_error_bars

BINS = 100  # of the histogram of overlaps, on [0, 1]
RHAT = 1.05  # a problem whose R-hat are all below it counts as settled


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

    "rhat_median", "rhat" : median and largest R-hat over seeds and scalars. "settled" : how many seeds have their
    largest below RHAT. "time", "time_max" : median over seeds, and largest, of the longest autocorrelation time among
    the scalars, in iterations. "swapped" : smallest share of accepted swaps between neighbours. "round_trips",
    "round_trips_min" : a ladder's mean number of them in the kept iterations, and that of the slowest seed. "made" :
    iterations since warm-up, mean over seeds. "histogram" : of overlaps, averaged over the disorder, a density on
    [0, 1] (overlaps below 0 are counted in the first bin).

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
    longest = np.nanmax(list(result.autocorrelation().values()), axis=0)
    counts, _ = np.histogram(np.clip(result.overlaps, 0.0, 1.0 - 1e-12), bins=BINS, range=(0.0, 1.0))
    return row | {
        "rhat": float(np.nanmax(rhat)),
        "rhat_median": float(np.nanmedian(rhat)),
        "settled": int((np.nanmax(rhat, axis=0) < RHAT).sum()),
        "time": float(np.nanmedian(longest)),
        "time_max": float(np.nanmax(longest)),
        "swapped": float(result.swapped.mean(axis=0).min()),
        "round_trips": float(result.round_trips.mean()),
        "round_trips_min": float(result.round_trips.mean(axis=1).min()),
        "made": float(result.made.mean()),
        "acceptance": float(result.stage.acceptance.mean()),
        "histogram": (counts * BINS / counts.sum()).tolist(),
    }
