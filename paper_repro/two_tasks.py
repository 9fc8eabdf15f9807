"""eps_1 and eps_2 against alpha_2: two tasks, theory lines and descent points (figures 3a-d, A1b-d)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from . import perceptrons
from .framework import Context, Data, Verdict
from .perceptrons import agreement, compared, prepare, seeds, settings, two_task_theory_row, unstable

SOURCES = (*perceptrons.SOURCES, "statmech_cl.paper_repro.two_tasks")
_LINE = ("eps_1", "eps_2", "p_1", "p_2", "q", "r", "q_star", "replicon", "status")
_JUMP = 0.07  # in eps_2, between neighbours on the grid of alpha_2
COLORS = {-0.5: "#D55E00", 0.0: "#000000", 0.5: "#0072B2"}


def scales(*, gamma: float, alpha_1: float = 2.0, prior: str = "none", beta: float = 20.0) -> dict[str, Any]:
    """The sizes of a figure. Theory runs on a finer grid of alpha_2 than descent."""
    shared = {
        "alpha_1": alpha_1,
        "gamma": gamma,
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
    case = {name: size[name] for name in ("alpha_1", "gamma", "prior")}
    grid = [{**case, "beta": size["beta"], "r0": r0, "alpha_2": a} for r0 in size["r0"] for a in size["fine"]]
    lines = context.points("two tasks/theory", two_task_theory_row, grid, "theory")
    rows = [
        {"kind": "theory", **point, **{name: line[name] for name in _LINE}}
        for point, line in zip(grid, lines, strict=True)
    ]
    descent = settings(epochs=size["epochs"], records=1)
    common = {**case, "n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    grid = [{**common, "r0": r0, "alpha_2": a} for r0 in size["r0"] for a in size["alpha_2"]]
    found = context.points("two tasks/descent", two_task_row, grid, "descent")
    for point, row in zip(grid, found, strict=True):
        kept = {name: value for name, value in row.items() if not name.endswith("_seeds") or name == "n_seeds"}
        rows.append({"kind": "descent", **case, "r0": point["r0"], **kept})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data, tasks: tuple[int, ...]) -> Any:
    """One panel for each task: lines of theory, points of descent, one colour for each r0."""
    from statmech_cl import figures

    size = data.parameters
    figure, axes = figures.new(1, len(tasks), squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        name = f"eps_{task}"
        for r0 in size["r0"]:
            look = {"x": "alpha_2", "color": COLORS[r0]}
            line, found = data.select(kind="theory", r0=r0), data.select(kind="descent", r0=r0)
            for part in _parts(line):
                figures.curve(ax, part, name, stable=[row["replicon"] < 1 for row in part], **look)
            figures.points(ax, found, name, label=f"$r_0={r0:g}$", **look)
        ax.set_xlabel(r"$\alpha_2$")
        ax.set_ylabel(rf"$\epsilon_{task}$")
        ax.set_ylim(bottom=0.0)
        ax.set_title(rf"$\alpha_1={size['alpha_1']:g}$, $\gamma={size['gamma']:g}$, $N={size['n']}$")
    axes[0, 0].legend(title="lines: theory, points: descent", title_fontsize=7)
    return figure


def _parts(line: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The line cut where task 2 jumps to its teacher: a first-order transition is no steep curve."""
    jumps = [
        index + 1
        for index, (a, b) in enumerate(pairwise(line))
        if a["alpha_2"] >= 1.0 and abs(b["eps_2"] - a["eps_2"]) > _JUMP
    ]
    return [line[start:stop] for start, stop in pairwise([0, *jumps, len(line)])]


def verdict(data: Data, tasks: tuple[int, ...]) -> Verdict:
    """Theory beside descent at every point of descent."""
    from statmech_cl.solution import Estimate

    rows = []
    for task in tasks:
        for row in data.select(kind="descent"):
            (theory,) = data.select(kind="theory", r0=row["r0"], alpha_2=row["alpha_2"])
            if row[f"eps_{task}"] is None:
                continue
            estimate = Estimate(row[f"eps_{task}"], row[f"eps_{task}_error"], row["n_seeds"] - row["diverged"])
            what = f"eps_{task} r0={row['r0']:g} alpha_2={row['alpha_2']:g}"
            rows.append(compared(what, theory[f"eps_{task}"], estimate, unstable(theory["replicon"])))
    names = " and ".join(f"eps_{task}" for task in tasks)
    sentence, holds = agreement(rows, f"{names} against alpha_2")
    return Verdict(rows, sentence, holds)
