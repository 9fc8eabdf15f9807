"""Figure 1a: eps_g against epoch of gradient descent, one task at four alphas: dynamical theory through every epoch."""

from __future__ import annotations

from typing import Any

from . import curves
from .agreement import agreement
from .figure import Context, Data, Verdict
from .theory_rows import all_row

_SHARED = {"alphas": [0.5, 1.0, 1.5, 2.0], "beta": 20.0, "epochs": 200}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {
        **_SHARED,
        "sizes": [[500, 24], [1000, 16], [2000, 8]],
        "dynamics": {"samples": 4096, "batches": 8},
    },
    "paper": {
        **_SHARED,
        "sizes": [[1000, 40], [2000, 20], [4000, 10]],
        "dynamics": {"samples": 8192, "batches": 16},
    },
}


def compute(context: Context) -> Data:
    """Theory and descent at every recorded epoch, and the equilibrium solutions at each alpha."""
    size = context.parameters
    descent = curves.whole_batch(epochs=size["epochs"])
    rows = curves.compute(context, [{"alpha_1": alpha} for alpha in size["alphas"]], descent)
    grid = [{"alpha": alpha, "beta": size["beta"], "prior": "none"} for alpha in size["alphas"]]
    for alpha, row in zip(size["alphas"], context.points(all_row, grid, "equilibrium"), strict=True):
        for solution in row["solutions"]:
            if not solution["between"]:
                kept = {name: solution[name] for name in ("eps_g", "replicon", "thermodynamic")}
                rows.append({"kind": "equilibrium", "alpha_1": alpha, **kept})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """Lines of theory through points of descent; dashed: equilibrium (two where branches coexist)."""
    from statmech_cl import figures

    figure, ax = figures.new(width=4.2, height=3.2)
    for index, alpha in enumerate(data.parameters["alphas"]):
        curves.draw_line(
            ax, data, "eps_1", "epoch", select={"alpha_1": alpha}, color=f"C{index}", label=rf"$\alpha={alpha:g}$"
        )
        for level in data.column("eps_g", kind="equilibrium", alpha_1=alpha):
            ax.axhline(level, color=f"C{index}", linestyle="--", linewidth=0.6)
    ax.set(xlabel="epoch", ylabel=r"$\epsilon_g$", ylim=(-0.01, 0.52))
    title = "lines: dynamical theory, points: descent, dashed: equilibrium"
    handles = ax.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, title=title, title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """p and q_star at every recorded epoch; the last rows of the sentence say how far equilibrium is."""
    rows = curves.beside(data, ("p_1", "q_star"))
    sentence, holds = agreement(rows, "p and q_star over the epochs")
    gaps = []
    for alpha in data.parameters["alphas"]:
        end = data.select(kind="limit", alpha_1=alpha)[-1]
        near = min(data.column("eps_g", kind="equilibrium", alpha_1=alpha), key=lambda eps: abs(eps - end["eps_1"]))
        gaps.append(f"{end['eps_1'] - near:+.3f} at alpha={alpha:g}")
    return Verdict(rows, f"{sentence} From equilibrium the last epoch differs by {', '.join(gaps)}.", holds)
