"""Forgetting curves: eps_1 and eps_2 against the epoch of task 2, at three overlaps of teachers and three gammas."""

from __future__ import annotations

from typing import Any

from . import curves
from .agreement import agreement
from .figure import Context, Data, Verdict
from .two_tasks import ACCURACY, COLORS, SIZES

_SHARED = {"alpha_1": 2.0, "alpha_2": 1.0, "r0": [-0.5, 0.0, 0.5], "gammas": [1.0, 0.3, 0.1], "epochs": 200}
SCALES: dict[str, dict[str, Any]] = {
    scale: {**_SHARED, "sizes": SIZES[scale], "dynamics": ACCURACY[scale]} for scale in ("quick", "paper")
}


def compute(context: Context) -> Data:
    """Theory and descent of the chain for every r0 and gamma, all in one descent."""
    size = context.parameters
    descent = curves.whole_batch(epochs=size["epochs"])
    case = {"alpha_1": size["alpha_1"], "alpha_2": size["alpha_2"], "prior": "none"}
    cases = [{**case, "gamma": gamma, "r0": r0} for gamma in size["gammas"] for r0 in size["r0"]]
    rows = [row for row in curves.compute(context, cases, descent) if row["task"] == 2]
    return Data(rows, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """eps_1 above, eps_2 below, one column a gamma: lines of theory through points of descent."""
    from statmech_cl import figures

    size = data.parameters
    figure, axes = figures.new(2, len(size["gammas"]), width=2.6, height=2.3, sharex=True, sharey=True, squeeze=False)
    for column, gamma in enumerate(size["gammas"]):
        for task in (1, 2):
            ax = axes[task - 1, column]
            for r0 in size["r0"]:
                look = {"color": COLORS[r0], "label": f"$r_0={r0:g}$"}
                curves.draw_line(ax, data, f"eps_{task}", "epoch", select={"gamma": gamma, "r0": r0}, **look)
            ax.set_xlabel("epoch of task 2" if task == 2 else "")
            ax.set_ylabel(rf"$\epsilon_{task}$" if column == 0 else "")
            ax.set_ylim(-0.01, 0.72)
        axes[0, column].set_title(rf"$\gamma={gamma:g}$")
    title = rf"$\alpha_1={size['alpha_1']:g}$, $\alpha_2={size['alpha_2']:g}$; lines: theory, points: descent"
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, title=title, title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """p_1, p_2 and q_star at every recorded epoch of task 2; how far eps_1 overshoots by theory."""
    rows = curves.beside(data, ("p_1", "p_2", "q_star"))
    sentence, holds = agreement(rows, "p_1, p_2 and q_star over task 2")
    told = []
    for gamma in data.parameters["gammas"]:
        for r0 in data.parameters["r0"]:
            line = data.select(kind="dynamics", gamma=gamma, r0=r0)
            top = max(line, key=lambda row: row["eps_1"])
            over = top["eps_1"] - line[-1]["eps_1"]
            # beyond three standard errors of a difference
            if over > 3.0 * (top["eps_1_error"] ** 2 + line[-1]["eps_1_error"] ** 2) ** 0.5:
                told.append(f"{over:.3f} at gamma={gamma:g}, r0={r0:g} (epoch {top['epoch']})")
    overshoot = f" eps_1 overshoots its end by {'; '.join(told)}." if told else " eps_1 does not overshoot."
    return Verdict(rows, sentence + overshoot, holds)
