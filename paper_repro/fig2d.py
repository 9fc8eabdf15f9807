"""Figure 2d: eps_g against q_star at alpha = 2: gradient descent, slow annealing, and theory at fixed q_star."""

from __future__ import annotations

from typing import Any

import numpy as np

from .agreement import agreement, compared
from .figure import Context, Data, Verdict
from .perceptron_runs import prepare, seeds, settings
from .theory_rows import theory_row

_LEVELS = np.round(np.arange(0.05, 0.96, 0.05), 2).tolist()
_SHARED = {
    "alpha": 2.0,
    "beta": 20.0,
    "beta_cold": 100.0,
    "q_stars": _LEVELS,
    "fine": np.round(np.arange(0.02, 0.981, 0.02), 2).tolist(),
    "epochs_per_level": 40,
    "epochs": 200,
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n": 500, "n_seeds": 8},
    "paper": {**_SHARED, "n": 1000, "n_seeds": 20},
}


def compute(context: Context) -> Data:
    """The ramp, the path of free descent, and theory at each q_star, at beta and near beta -> infinity: a ramp that
    descends at every level has no temperature."""
    from statmech_cl.simulations.perceptron.rows import annealing_row, history_row

    prepare()
    size = context.parameters
    common = {"n": size["n"], "seeds": seeds(context), "device": context.device}
    # the decay would pull against the ramp: q_star is prescribed here
    ramp = settings(epochs=size["epochs_per_level"], weight_decay=0.0)
    grid = [{"alpha": size["alpha"], "q_stars": size["q_stars"], **common, **ramp}]
    (annealed,) = context.points(annealing_row, grid, "annealing")
    descent = settings(epochs=size["epochs"], records=size["epochs"])
    (history,) = context.points(history_row, [{"alpha_1": size["alpha"], **common, **descent}], "descent")
    levels = sorted({*size["q_stars"], *size["fine"]})
    betas = (size["beta"], size["beta_cold"])
    grid = [{"alpha": size["alpha"], "beta": beta, "q_star": level} for beta in betas for level in levels]
    theory = context.points(theory_row, grid, "theory")
    rows: list[dict[str, Any]] = [
        {
            "kind": "theory",
            "beta": point["beta"],
            "q_star": point["q_star"],
            **{n: line[n] for n in ("eps_g", "replicon")},
        }
        for point, line in zip(grid, theory, strict=True)
    ]
    for index, level in enumerate(annealed["level"]):
        named = {name: annealed[name][index] for name in ("eps_g", "eps_g_error", "loss", "loss_error")}
        rows.append({"kind": "annealing", "q_star": level, **named})
    for index, epoch in enumerate(history["epoch"]):
        rows.append(
            {
                "kind": "descent",
                "epoch": epoch,
                "q_star": history["q_star"][index],
                "eps_g": history["eps_1"][index],
                "eps_g_error": history["eps_1_error"][index],
            }
        )
    return Data(rows, {**size, "annealing": ramp, "descent": descent})


def draw(data: Data) -> Any:
    """Theory line, annealing points, the path of descent."""
    from statmech_cl import figures

    figure, ax = figures.new()
    for name, color in (("beta", "#000000"), ("beta_cold", "#009E73")):
        beta = data.parameters[name]
        theory = data.select(kind="theory", beta=beta)
        stable = [row["replicon"] < 1 for row in theory]
        label = rf"theory at fixed $q_\star$, $\beta={beta:g}$"
        figures.curve(ax, theory, "eps_g", x="q_star", stable=stable, color=color, label=label)
    figures.points(ax, data.select(kind="annealing"), "eps_g", x="q_star", color="#D55E00", label="annealing")
    path = data.select(kind="descent")
    ax.plot(
        [row["q_star"] for row in path], [row["eps_g"] for row in path], color="#0072B2", linewidth=0.9, label="descent"
    )
    ax.set_ylim(bottom=-0.01)
    ax.legend()
    return figure


def verdict(data: Data) -> Verdict:
    """Annealing beside the cold theory at every level, for a ramp that descends has no temperature; the note says what
    the theory at beta gives."""
    from statmech_cl.estimate import Estimate

    beta, cold = data.parameters["beta"], data.parameters["beta_cold"]
    rows, gaps = [], []
    for row in data.select(kind="annealing"):
        (theory,) = data.select(kind="theory", q_star=row["q_star"], beta=cold)
        (warm,) = data.select(kind="theory", q_star=row["q_star"], beta=beta)
        estimate = Estimate(row["eps_g"], row["eps_g_error"], data.parameters["n_seeds"])
        gaps.append(abs(estimate.mean - warm["eps_g"]))
        note = f"beta={beta:g}: {warm['eps_g']:.4f}, z {estimate.z(warm['eps_g']):+.1f}"
        what = f"eps_g at q_star={row['q_star']:g}, annealing"
        rows.append(compared(what, theory["eps_g"], estimate, note, replicon=theory["replicon"]))
    sentence, holds = agreement(rows, f"Along the ramp of q_star, at beta = {cold:g}", "annealing")
    return Verdict(rows, f"{sentence} At beta = {beta:g} the largest difference is {max(gaps):.3f}.", holds)
