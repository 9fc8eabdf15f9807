"""map-b: forgetting and transfer at nine points of a similarity map, by sampler and descent beside the theory.

Rule: that of `pairs`. Task 2 alone, and task 1 before it, are the theory's in what is drawn: the simulated points
differ from eps_1 and eps_2 after task 2 by a known number.
"""

from __future__ import annotations

from typing import Any

from . import pairs
from .agreement import agreement
from .figure import Context, Data, Verdict
from .pair_rows import pair_row
from .theory_rows import theory_row

_COLORS = ("#D55E00", "#000000", "#0072B2")
SCALES: dict[str, dict[str, Any]] = {
    scale: {"alpha_1": 2.0, "beta": 20.0, "gamma": 1.0, "r0": [-0.6, 0.0, 0.6], "alpha_2": [0.3, 0.6, 1.0]}
    | {"line": [0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2], "sizes": pairs.SIZES[scale]}
    for scale in ("quick", "paper")
}


def compute(context: Context) -> Data:
    """The nine points, and lines of theory through them."""
    size = dict(context.parameters)
    fixed = {name: size[name] for name in ("alpha_1", "beta", "gamma")}
    cases = [{**fixed, "r0": r0, "alpha_2": alpha_2} for r0 in size["r0"] for alpha_2 in size["alpha_2"]]
    rows, _ = pairs.compute(context, cases)
    grid = [{**fixed, "r0": r0, "alpha_2": alpha_2} for r0 in size["r0"] for alpha_2 in size["line"]]
    line = context.points(pair_row, grid, "lines")
    asked = [{"alpha": alpha_2, "beta": size["beta"], "branch": "thermodynamic"} for alpha_2 in size["line"]]
    found = zip(size["line"], context.points(theory_row, asked, "task 2 alone"), strict=True)
    alone = {alpha_2: row["eps_g"] for alpha_2, row in found}
    rows += [{"kind": "line", **at, **row, "alone": alone[at["alpha_2"]]} for at, row in zip(grid, line, strict=True)]
    return Data(rows, size)


def draw(data: Data) -> Any:
    """Forgetting and transfer against alpha_2, a colour for each overlap."""
    from statmech_cl import figures

    figure, axes = figures.new(1, 2, width=3.2, height=2.7)
    for r0, color in zip(data.parameters["r0"], _COLORS, strict=False):
        line = data.select(kind="line", r0=r0)
        before = line[0]["eps_1_before"]
        alone = {row["alpha_2"]: row["alone"] for row in line}
        x = [row["alpha_2"] for row in line]
        axes[0].plot(x, [row["eps_1"] - before for row in line], color=color, label=f"$r_0={r0:g}$")
        axes[1].plot(x, [row["alone"] - row["eps_2"] for row in line], color=color)
        for kind, marker in (("gibbs limit", "D"), ("descent limit", "o")):
            style = {"fmt": marker, "color": color, "markersize": 3.5}
            style["markerfacecolor"] = color if marker == "D" else "white"
            for row in data.select(kind=kind, r0=r0):
                axes[0].errorbar(row["alpha_2"], row["eps_1"] - before, row["eps_1_error"], **style)
                transfer = alone[row["alpha_2"]] - row["eps_2"]
                axes[1].errorbar(row["alpha_2"], transfer, row["eps_2_error"], **style)
    for ax, name in zip(axes, ("forgetting", "transfer"), strict=True):
        ax.set_xlabel(r"$\alpha_2$")
        ax.set_ylabel(name)
        ax.axhline(0.0, color="0.6", linewidth=0.6)
    axes[0].legend(fontsize=6, title="diamonds: sampler\ncircles: descent", title_fontsize=6)
    return figure


def verdict(data: Data) -> Verdict:
    """See the module's text."""
    rows = pairs.beside(data, "gibbs")
    sentence, holds = agreement(rows, "p_1 and p_2 after task 2", "the sampler")
    sentence += f" Descent is at most {pairs.apart(data):.3f} away from equilibrium in eps."
    return Verdict([*rows, *pairs.beside(data, "descent")], sentence, holds)
