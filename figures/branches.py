"""Pictures of branches: every solution along a parameter, stable stretches solid, unstable ones dashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes import COLORS, curve, marked, new

if TYPE_CHECKING:
    from statmech_cl.equilibrium.trace import Branch


def branches(branch: Branch) -> Figure:
    """Order parameters and eps_g against the parameter followed; folds are circles, transitions dotted."""
    figure, (left, right) = new(1, 2)
    for name, label in (("q_star", r"$q_*$"), ("q", "$q$"), ("r", "$r$")):
        branch_lines(left, branch, name, label=label)
    left.set_ylabel("order parameters")
    told = ["dashed: replicon > 1, or a saddle", *["circles: folds"] * bool(branch.folds)]
    told += ["dotted: free entropies cross"] * bool(branch.transitions)
    left.legend(title="\n".join(told), title_fontsize=6)
    branch_lines(right, branch, "eps_g")
    for fold in branch.folds:
        turned = next(point for point in branch.points if (point.q, point.r) == (fold["q"], fold["r"]))
        for ax, name in ((left, "q_star"), (left, "q"), (left, "r"), (right, "eps_g")):
            ax.plot(
                fold[branch.parameter], getattr(turned, name), "o", color=COLORS[name], markersize=3,
                markerfacecolor="white",
            )  # fmt: skip
    for at in branch.transitions:
        marked(left, at, "", linestyle=":")  # along its top the curves lie
        marked(right, at, "free entropies cross", linestyle=":")
    return figure


def branch_lines(ax: Axes, branch: Branch, y: str, *, label: str | None = None) -> Axes:
    """Column `y` of every curve of `branch`; a colour for the quantity, a dash where replicon > 1 and on saddles."""
    for start, stop in branch.curves:
        rows = branch.points[start:stop]
        stable = [point.replicon < 1.0 + 1e-6 and not point.saddle for point in rows]
        curve(ax, rows, y, x=branch.parameter, stable=stable, label=label)
        label = None
    return ax
