"""Exact and fast method of the dynamical theory beside descent: eps_g and q_star of one task at five alphas.

The settings are the defaults of descent on the whole batch. Judged are descent beside the fast method and the exact
method beside the fast one, in p and q_star, at the epochs of the table.
"""

from __future__ import annotations

from typing import Any

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement
from .curve_kernels import exact_row
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import settings

_SHARED = {"alphas": [0.2, 0.5, 1.0, 1.5, 2.0], "epochs": 200, "table": [10, 50, 200]}
# dynamics: the fast method; exact: the exact one
SCALES: dict[str, dict[str, Any]] = {
    "quick": _SHARED
    | {"sizes": [[500, 24], [1000, 16], [2000, 8]]}
    | {"dynamics": {"samples": 2048, "batches": 8}, "exact": {"samples": 512, "batches": 8}},
    "paper": _SHARED
    | {"sizes": [[1000, 24], [2000, 12], [4000, 6]]}
    | {"dynamics": {"samples": 8192, "batches": 8}, "exact": {"samples": 1024, "batches": 8}},
}
_NAMES = ("p_1", "eps_1", "q_star")


def compute(context: Context) -> Data:
    """The fast method with descent and its limits, and the exact method."""
    size = context.parameters
    descent = settings(batch=None, epochs=size["epochs"], records=20, test_patterns=0)
    rows = curves.compute(context, [{"alpha_1": alpha} for alpha in size["alphas"]], descent)
    grid = [{"alpha": alpha, **size["exact"], "seed": context.seed, **descent} for alpha in size["alphas"]]
    for point, curve in zip(grid, context.points(exact_row, grid, "exact method"), strict=True):
        for epoch, p, p_error, q_star, q_star_error in zip(
            *(curve[name] for name in ("epochs", "p", "p_error", "q_star", "q_star_error")), strict=True
        ):
            row = {"kind": "exact", "alpha_1": point["alpha"], "task": 1, "epoch": epoch, "p_1": p}
            # a method without a wrong sign in any sample cannot show a smaller share than one
            row["p_1_error"] = max(p_error, 2.0 / (point["samples"] * point["batches"]))
            rows.append({**row, **curves.eps_of(1, row), "q_star": q_star, "q_star_error": q_star_error})
    return Data(rows, {**size, "descent": descent})


def draw(data: Data) -> Any:
    """eps_g and q_star against epoch, one colour for each alpha."""
    from statmech_cl import figures

    figure, axes = figures.new(1, 2, width=3.4, height=2.9)
    for ax, name, label in zip(axes, ("eps_1", "q_star"), (r"$\epsilon_g$", r"$q_\star$"), strict=True):
        for index, alpha in enumerate(data.parameters["alphas"]):
            look = {"color": f"C{index}", "label": rf"$\alpha={alpha:g}$"}
            curves.draw_line(ax, data, name, "epoch", select={"alpha_1": alpha}, **look)
            exact = data.select(kind="exact", alpha_1=alpha)
            ax.plot([row["epoch"] for row in exact], [row[name] for row in exact], ":", color="k", linewidth=0.8)
        ax.set(xlabel="epoch", ylabel=label)
    title = "lines: fast method, dotted: exact method, points: descent"
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=5, title=title, title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """Descent and the exact method beside the fast one; eps_g stands beside p, and is not judged."""
    table, batches = data.parameters["table"], data.parameters["exact"]["batches"]
    rows, exact = [], []
    for epoch in table:
        rows += curves.beside(data, ("p_1", "q_star"), epoch=epoch)
    for alpha in data.parameters["alphas"]:
        for epoch in table:
            (fast,), (slow,) = (data.select(kind=kind, alpha_1=alpha, epoch=epoch) for kind in ("dynamics", "exact"))
            for name in _NAMES:
                exact.append(
                    Row(
                        f"{name} alpha_1={alpha:g} epoch={epoch}, exact",
                        fast[name],
                        Estimate(slow[name], slow[f"{name}_error"], batches),
                        judged=name != "eps_1",
                        theory_error=fast[f"{name}_error"],
                        theory_n=fast["count"],
                    )
                )
    sentence, holds = agreement(rows, f"p and q_star at epochs {', '.join(map(str, table))}")
    again, agrees = agreement(exact, "Beside the fast method", "the exact method")
    return Verdict([*rows, *exact], f"{sentence} {again}", holds and agrees)
