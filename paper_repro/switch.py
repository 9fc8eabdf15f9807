"""eps_1 and eps_2 against epoch over the switch from task 1 to task 2 (figures 1b, 1c): theory through descent."""

from __future__ import annotations

from typing import Any

from . import curves
from .agreement import agreement
from .figure import Context, Data, Verdict
from .theory_rows import two_task_solutions_row
from .two_tasks import ACCURACY, SIZES

_SHARED = {"alpha_1": 2.0, "alpha_2": [1.0, 2.0, 4.0], "r0": 0.0, "gamma": 1.0, "beta": 20.0, "epochs": 200}
SCALES: dict[str, dict[str, Any]] = {
    scale: {**_SHARED, "sizes": SIZES[scale], "dynamics": ACCURACY[scale]} for scale in ("quick", "paper")
}


def compute(context: Context) -> Data:
    """Theory and descent over both tasks, and equilibrium after them."""
    size = context.parameters
    descent = curves.whole_batch(epochs=size["epochs"])
    case = {name: size[name] for name in ("alpha_1", "gamma", "r0")} | {"prior": "none"}
    rows = curves.compute(context, [{**case, "alpha_2": alpha} for alpha in size["alpha_2"]], descent)
    grid = [{**case, "alpha_2": alpha, "beta": size["beta"]} for alpha in size["alpha_2"]]
    for point, line in zip(grid, context.points(two_task_solutions_row, grid, "equilibrium"), strict=True):
        for solution in line["solutions"]:
            kept = {name: solution[name] for name in ("eps_1", "eps_2", "replicon")}
            rows.append({"kind": "equilibrium", "alpha_2": point["alpha_2"], **kept})
    for row in rows:
        if row["kind"] != "equilibrium":
            row["total"] = row["epoch"] + size["epochs"] * (row["task"] - 1)
    return Data(rows, {**size, "descent": descent})


def draw(data: Data, task: int) -> Any:
    """Lines of theory through points of descent; dashed: equilibrium after task 2 (two where solutions coexist)."""
    from statmech_cl import figures

    epochs = data.parameters["epochs"]
    figure, ax = figures.new(width=4.2, height=3.2)
    name = f"eps_{task}"
    for index, alpha in enumerate(data.parameters["alpha_2"]):
        look = {"color": f"C{index}", "label": rf"$\alpha_2={alpha:g}$"}
        curves.draw_line(ax, data, name, "total", select={"alpha_2": alpha}, **look)
        for level in data.column(name, kind="equilibrium", alpha_2=alpha):
            ax.plot([1.5 * epochs, 2 * epochs], [level, level], "--", color=f"C{index}", linewidth=0.8)
    ax.axvline(epochs, color="0.6", linewidth=0.6)
    for number in (1, 2):
        ax.text((number - 0.5) * epochs, 0.53, f"task {number}", ha="center", va="center", fontsize=7, color="0.4")
    ax.set(xlabel="epoch", ylabel=rf"$\epsilon_{task}$", ylim=(-0.01, 0.56))
    title = "lines: dynamical theory, points: descent, dashed: equilibrium"
    handles = ax.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, title=title, title_fontsize=7)
    return figure


def verdict(data: Data, task: int) -> Verdict:
    """p of this task's teacher at every recorded epoch of both tasks, and q_star. The first task is the same for every
    alpha_2, and counts once."""
    names = (f"p_{task}", "q_star")
    rows = curves.beside(data, names, task=1, alpha_2=data.parameters["alpha_2"][0])
    rows += curves.beside(data, names, task=2)
    sentence, holds = agreement(rows, f"p_{task} and q_star over both tasks")
    gaps = []
    for alpha in data.parameters["alpha_2"]:
        end = data.select(kind="limit", alpha_2=alpha, task=2)[-1][f"eps_{task}"]
        levels = data.column(f"eps_{task}", kind="equilibrium", alpha_2=alpha)
        if levels:
            gaps.append(f"{end - min(levels, key=lambda eps: abs(eps - end)):+.3f} at alpha_2={alpha:g}")
    return Verdict(rows, f"{sentence} From equilibrium the last epoch differs by {', '.join(gaps)}.", holds)
