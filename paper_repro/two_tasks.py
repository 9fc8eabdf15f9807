"""eps_1 and eps_2 against alpha_2: two tasks, theory lines and descent points (figures 3a-d, A1b-d)."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import perceptrons
from .framework import Context, Data, Row, Verdict
from .perceptrons import agreement, prepare, seeds, settings, two_task_theory_row

SOURCES = (*perceptrons.SOURCES, "statmech_cl.paper_repro.two_tasks")
COLORS = {-0.5: "#D55E00", 0.0: "#000000", 0.5: "#0072B2"}


def scales(*, gammas: list[float], alpha_1: float = 2.0, prior: str = "none", beta: float = 20.0) -> dict[str, Any]:
    """The sizes of a figure. Theory runs on a finer grid of alpha_2 than descent."""
    shared = {
        "alpha_1": alpha_1,
        "gammas": gammas,
        "r0": [-0.5, 0.0, 0.5],
        "prior": prior,
        "beta": beta,
        "epochs": 200,
    }
    fine = [0.1, 0.25, *np.arange(0.5, 5.01, 0.25).tolist()]
    return {
        "quick": shared | {"n": 500, "n_seeds": 8, "alpha_2": [0.5, 1.0, 2.0, 3.0, 4.0, 5.0], "fine": fine},
        "paper": shared | {"n": 1000, "n_seeds": 20, "alpha_2": np.arange(0.5, 5.01, 0.5).tolist(), "fine": fine},
    }


def compute(context: Context) -> Data:
    """Theory on the fine grid, descent on the coarse one, for every r0 and gamma."""
    from statmech_cl.simulations.measure import two_task_row

    prepare()
    size = context.parameters
    case = {"alpha_1": size["alpha_1"], "prior": size["prior"]}
    pairs = [{"gamma": gamma, "r0": r0} for gamma in size["gammas"] for r0 in size["r0"]]
    grid = [{**case, **pair, "beta": size["beta"], "alpha_2": a} for pair in pairs for a in size["fine"]]
    lines = context.points("two tasks/theory", two_task_theory_row, grid, "theory")
    rows = [
        {"kind": "theory", **point, **{name: line[name] for name in ("eps_1", "eps_2", "p_1", "p_2")}}
        for point, line in zip(grid, lines, strict=True)
    ]
    descent = settings(epochs=size["epochs"], records=1)
    common = {**case, "n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    grid = [{**common, **pair, "alpha_2": a} for pair in pairs for a in size["alpha_2"]]
    found = context.points("two tasks/descent", two_task_row, grid, "descent")
    for point, row in zip(grid, found, strict=True):
        kept = {name: value for name, value in row.items() if not name.endswith("_seeds") or name == "n_seeds"}
        rows.append({"kind": "descent", **case, "gamma": point["gamma"], "r0": point["r0"], **kept})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data, tasks: tuple[int, ...]) -> Any:
    """One panel for each task: lines of theory, points of descent, one colour for each r0."""
    from statmech_cl import figures

    gammas = data.parameters["gammas"]
    figure, axes = figures.new(1, len(tasks), squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        for r0 in data.parameters["r0"]:
            for gamma in gammas:
                label = f"$r_0={r0:g}$" + (f", $\\gamma={gamma:g}$" if len(gammas) > 1 else "")
                color = COLORS.get(r0)
                line = "-" if gamma == gammas[0] else ":"
                chosen = {"r0": r0, "gamma": gamma}
                theory = {"kind": "theory", **chosen}
                ax.plot(data.column("alpha_2", **theory), data.column(f"eps_{task}", **theory), line, color=color)
                figures.points(
                    ax, data.select(kind="descent", **chosen), f"eps_{task}", x="alpha_2", color=color, label=label
                )
        ax.set_xlabel(r"$\alpha_2$")
        ax.set_ylabel(rf"$\epsilon_{task}$")
        ax.set_ylim(bottom=0.0)
        known = rf"$\alpha_1={data.parameters['alpha_1']:g}$"
        ax.set_title(known + (rf", $\gamma={gammas[0]:g}$" if len(gammas) == 1 else ""))
    axes[0, 0].legend(title="lines: theory, points: descent", title_fontsize=7)
    return figure


def verdict(data: Data, tasks: tuple[int, ...]) -> Verdict:
    """Theory beside descent at every point of descent."""
    from statmech_cl.solution import Estimate

    rows = []
    for task in tasks:
        for row in data.select(kind="descent"):
            chosen = {name: row[name] for name in ("r0", "gamma", "alpha_2")}
            theory = data.column(f"eps_{task}", kind="theory", **chosen)
            if row[f"eps_{task}"] is None:
                continue
            estimate = Estimate(row[f"eps_{task}"], row[f"eps_{task}_error"], row["n_seeds"])
            what = f"eps_{task} r0={row['r0']:g} alpha_2={row['alpha_2']:g}"
            if len(data.parameters["gammas"]) > 1:
                what += f" gamma={row['gamma']:g}"
            rows.append(Row(what, theory[0] if theory else None, estimate, "descent"))
    names = " and ".join(f"eps_{task}" for task in tasks)
    sentence, holds = agreement(rows, f"{names} against alpha_2")
    return Verdict(rows, sentence, holds)
