"""Figure 2d: eps_g against q_star at alpha = 2: free descent, a slow ramp of q_star, and equilibrium at fixed q_star.

A ramp that descends at every level has no temperature, and does not wait for equilibrium: its theory is dynamical.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement, at_infinite_n
from .curve_kernels import ramp_row
from .figure import Context, Data, Row, Verdict
from .theory_rows import theory_row

_LEVELS = np.round(np.arange(0.05, 0.96, 0.05), 2).tolist()
_SHARED = {
    "alpha": 2.0,
    "beta": 20.0,
    "q_stars": _LEVELS,
    "fine": np.round(np.arange(0.02, 0.981, 0.02), 2).tolist(),
    "epochs_per_level": 20,
    "epochs": 200,
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {
        **_SHARED,
        "sizes": [[500, 16], [1000, 12], [2000, 8]],
        "dynamics": {"samples": 4096, "batches": 8},
    },
    "paper": {
        **_SHARED,
        "epochs_per_level": 40,
        "sizes": [[1000, 40], [2000, 20], [4000, 10]],
        "dynamics": {"samples": 8192, "batches": 16},
    },
}


def compute(context: Context) -> Data:
    """The ramp and free descent with their dynamical theory, and equilibrium at each q_star."""
    from statmech_cl.simulations.perceptron.rows import annealing_row

    size = context.parameters
    descent = curves.whole_batch(epochs=size["epochs"])
    rows = curves.compute(context, [{"alpha_1": size["alpha"]}], descent)
    # the decay would pull against the ramp: q_star is prescribed here
    ramp = curves.whole_batch(epochs=size["epochs_per_level"], warmup=10, weight_decay=0.0)
    case = {"alpha": size["alpha"], "q_stars": size["q_stars"]}
    (line,) = context.points(ramp_row, [{**case, **size["dynamics"], "seed": context.seed, **ramp}], "ramp, theory")
    seen = {}
    for n, n_seeds in size["sizes"]:
        chosen = curves.seeds_of(context.seed + 1000, n, n_seeds, {"alpha_1": size["alpha"]})
        point = {**case, "n": n, "seeds": chosen, "device": context.device, **ramp}
        ((seen[n]),) = context.points(annealing_row, [point], f"ramp, N = {n}")
    for index, level in enumerate(size["q_stars"]):
        values = {"p_1": line["p"][index], "p_1_error": line["p_error"][index]}
        rows.append({"kind": "ramp", "q_star": level, **values, **curves.eps_of(1, values)})
        by_size = {
            n: Estimate(seen[n]["p"][index], max(seen[n]["p_error"][index], 2.0 / (n * n_seeds)), n_seeds)
            for n, n_seeds in size["sizes"]
        }
        limit = at_infinite_n(by_size)
        values = {"p_1": limit.mean, "p_1_error": limit.error, "p_1_n": limit.n}
        rows.append({"kind": "ramp limit", "q_star": level, **values, **curves.eps_of(1, values)})
    levels = sorted({*size["q_stars"], *size["fine"]})
    grid = [{"alpha": size["alpha"], "beta": size["beta"], "q_star": level} for level in levels]
    for point, solution in zip(grid, context.points(theory_row, grid, "equilibrium"), strict=True):
        kept = {name: solution[name] for name in ("eps_g", "replicon")}
        rows.append({"kind": "equilibrium", "q_star": point["q_star"], "eps_1": kept["eps_g"], **kept})
    return Data(rows, {**size, "ramp": ramp, "descent": descent})


def draw(data: Data) -> Any:
    """Equilibrium, pale; the dynamical theory of the ramp and of free descent through their points."""
    from statmech_cl import figures

    figure, ax = figures.new(width=4.2, height=3.2)
    line = data.select(kind="equilibrium")
    stable = [row["replicon"] < 1 for row in line]
    figures.curve(ax, line, "eps_1", x="q_star", stable=stable, color="0.6", label=r"equilibrium at fixed $q_*$")
    look = {"color": "#0072B2", "label": "free descent"}
    curves.draw_line(ax, data, "eps_1", "q_star", select={"task": 1}, **look)
    ramp = data.select(kind="ramp")
    ax.plot([row["q_star"] for row in ramp], [row["eps_1"] for row in ramp], color="#D55E00", linewidth=1.0)
    points = data.select(kind="ramp limit")
    figures.points(ax, points, "eps_1", x="q_star", color="#D55E00", markersize=3, label=r"ramp of $q_*$")
    ax.set(xlabel=r"$q_*$", ylabel=r"$\epsilon_g$")
    ax.set_ylim(bottom=-0.01)
    ax.legend(title="lines through points: dynamical theory", title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """p of the ramp at every level, p and q_star of free descent at every recorded epoch."""
    rows = curves.beside(data, ("p_1", "q_star"), task=1)
    dynamics = data.parameters["dynamics"]
    floor = 2.0 / (dynamics["samples"] * dynamics["batches"])
    for expected, seen in zip(data.select(kind="ramp"), data.select(kind="ramp limit"), strict=True):
        rows.append(
            Row(
                f"p_1 on the ramp, q_star={seen['q_star']:g}",
                expected["p_1"],
                Estimate(seen["p_1"], seen["p_1_error"], seen["p_1_n"]),
                theory_error=max(expected["p_1_error"], floor),
                theory_n=dynamics["batches"],
            )
        )
    sentence, holds = agreement(rows, "p and q_star of free descent, p on the ramp")
    gaps = []
    for seen in data.select(kind="ramp limit"):
        (solution,) = data.select(kind="equilibrium", q_star=seen["q_star"])
        gaps.append(abs(seen["eps_1"] - solution["eps_1"]))
    told = f" On the ramp eps_g is up to {max(gaps):.3f} from equilibrium at beta = {data.parameters['beta']:g}."
    return Verdict(rows, sentence + told, holds)
