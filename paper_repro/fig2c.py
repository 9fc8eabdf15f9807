"""Figure 2c: convergence time of gradient descent against alpha in [1, 2]: it slows down near the transition."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, seeds, settings, without_seeds

_SHARED = {"tolerance": 0.05, "epochs": 300, "records": 150}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {
        **_SHARED,
        "n": 500,
        "n_seeds": 32,
        "alphas": [1.0, 1.2, 1.4, 1.5, 1.6, 1.7, 1.75, 1.8, 1.85, 1.9, 2.0],
    },
    "paper": {**_SHARED, "n": 3000, "n_seeds": 20, "alphas": np.round(np.arange(1.0, 2.001, 0.05), 2).tolist()},
}


def compute(context: Context) -> Data:
    """Time and outcome of descent at every alpha."""
    from statmech_cl.simulations.perceptron.rows import convergence_row

    prepare()
    size = context.parameters
    descent = settings(epochs=size["epochs"], records=size["records"], test_patterns=0)
    common = {"n": size["n"], "seeds": seeds(context), "device": context.device, "tolerance": size["tolerance"]}
    grid = [{"alpha": alpha, **common, **descent} for alpha in size["alphas"]]
    rows = context.points(convergence_row, grid, "descent")
    kept = [without_seeds(row) for row in rows]
    return Data(kept, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """Time on the left axis, share of seeds that find the teacher on the right."""
    from statmech_cl import figures

    figure, ax = figures.new()
    figures.points(ax, data.rows, "time", color="#0072B2", label="time", fmt="o-")
    ax.set_ylabel("convergence time (epochs)")
    ax.set_ylim(bottom=0.0)
    right = ax.twinx()
    right.plot(data.column("alpha"), data.column("solved"), "s--", color="0.5", linewidth=0.8, markersize=3)
    right.set_ylabel("share of seeds at the teacher (grey)")
    right.spines["right"].set_visible(True)
    right.set_ylim(-0.02, 1.05)
    return figure


def verdict(data: Data) -> Verdict:
    """Is there a peak of the time inside the range, higher than both ends by 3 standard errors of the difference?"""
    from statmech_cl.estimate import Estimate

    rows = [
        Row(
            f"time at alpha={row['alpha']:g}",
            None,
            Estimate(row["time"], row["time_error"], row["n_seeds"]),
            f"{row['solved']:.0%} of seeds end at the teacher",
        )
        for row in data.rows
    ]
    solved = [row for row in data.rows if row["solved"] >= 0.5]
    peak = max(solved, key=lambda row: row["time"]) if solved else data.rows[0]
    end = data.rows[-1]
    excess = (peak["time"] - end["time"]) / np.hypot(peak["time_error"], end["time_error"]) if peak is not end else 0.0
    holds = bool(solved) and excess > 3.0
    sentence = (
        f"Where descent finds the teacher, the time grows from {end['time']:.0f} epochs at alpha={end['alpha']:g} to "
        f"{peak['time']:.0f} at alpha={peak['alpha']:g} ({excess:.1f} standard errors): "
        + ("critical slowing down on the way to the transition." if holds else "no slowing down is resolved.")
    )
    return Verdict(rows, sentence, holds)
