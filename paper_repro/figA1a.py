"""Figure A1a: p and eps_g against alpha with the KL prior on the task, beta = 100: theory line and descent points."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import perceptrons
from .framework import Context, Data, Row, Verdict
from .perceptrons import agreement, prepare, seeds, settings, theory_row

SOURCES = (*perceptrons.SOURCES, __name__)
_SHARED = {
    "prior": "kl",
    "beta": 100.0,
    "epochs": 200,
    "fine": np.round(np.arange(0.05, 2.001, 0.05), 2).tolist(),
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 500, "n_seeds": 8, "alphas": [0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]},
    "paper": {**_SHARED, "n": 1000, "n_seeds": 20, "alphas": np.round(np.arange(0.1, 2.001, 0.1), 2).tolist()},
}


def compute(context: Context) -> Data:
    """Theory on the fine grid, descent on the coarse one."""
    from statmech_cl.simulations.measure import descent_row

    prepare()
    size = context.parameters
    grid = [
        {"alpha": alpha, "beta": size["beta"], "prior": size["prior"]}
        for alpha in sorted({*size["fine"], *size["alphas"]})
    ]
    theory = context.points("one task/theory", theory_row, grid, "theory")
    rows: list[dict[str, Any]] = [
        {"kind": "theory", **{name: row[name] for name in ("alpha", "q", "r", "q_star", "p", "eps_g", "replicon")}}
        for row in theory
    ]
    descent = settings(epochs=size["epochs"], records=1, replicas=2)
    common = {"prior": size["prior"], "n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    found = context.points("descent", descent_row, [{"alpha": a, **common} for a in size["alphas"]], "descent")
    for row in found:
        kept = {name: value for name, value in row.items() if name == "n_seeds" or not name.endswith("_seeds")}
        rows.append({"kind": "descent", **kept})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """p on the left, eps_g on the right."""
    from statmech_cl import figures

    figure, axes = figures.new(1, 2)
    theory = data.select(kind="theory")
    stable = [row["replicon"] < 1 for row in theory]
    for ax, name in zip(axes, ("p", "eps_g"), strict=True):
        figures.curve(ax, theory, name, stable=stable, label=r"theory, $\beta=100$, KL prior")
        figures.points(ax, data.select(kind="descent"), name, label="descent")
        ax.set_ylim(bottom=0.0)
    axes[0].legend()
    return figure


def verdict(data: Data) -> Verdict:
    """eps_g and p of descent beside the theory; agreement is judged on eps_g."""
    from statmech_cl.solution import Estimate

    rows = []
    for name in ("eps_g", "p"):
        for row in data.select(kind="descent"):
            (theory,) = data.select(kind="theory", alpha=row["alpha"])
            estimate = Estimate(row[name], row[f"{name}_error"], row["n_seeds"])
            note = "" if theory["replicon"] < 1 else f"replicon {theory['replicon']:.2f}"
            rows.append(Row(f"{name} at alpha={row['alpha']:g}", theory[name], estimate, note))
    judged = [row for row in rows if row.what.startswith("eps_g")]
    sentence, holds = agreement(judged, "With the KL prior")
    return Verdict(rows, sentence, holds)
