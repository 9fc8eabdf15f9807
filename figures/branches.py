"""Pictures of branches: every solution along a parameter, stable stretches solid, unstable ones dashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes import COLORS, curve, marked, new

if TYPE_CHECKING:
    from statmech_cl.equilibrium.trace import Branch


def branches(branch: Branch) -> Figure:
    """Order parameters with the folds (circles), and eps_g, against the parameter followed; transitions dotted."""
    figure, (left, right) = new(1, 2)
    for name, label in (("q_star", r"$q_*$"), ("q", "$q$"), ("r", "$r$")):
        branch_lines(left, branch, name, label=label)
    left.set_ylabel("order parameters")
    left.legend(title="dashed: replicon > 1, or a saddle\ncircles: folds", title_fontsize=6)
    branch_lines(right, branch, "eps_g")
    for fold in branch.folds:
        for name in ("q_star", "q", "r"):
            left.plot(
                fold[branch.parameter], fold[name], "o", color=COLORS[name], markersize=3, markerfacecolor="white"
            )
    for ax in (left, right):
        for at in branch.transitions:
            marked(ax, at, "free entropies cross", linestyle=":")
    return figure


def branch_lines(ax: Axes, branch: Branch, y: str, *, label: str | None = None) -> Axes:
    """Column `y` of every curve of `branch`; a colour for the quantity, a dash where replicon > 1 and on saddles."""
    for start, stop in branch.curves:
        rows = branch.points[start:stop]
        stable = [point.replicon < 1.0 + 1e-6 and not point.saddle for point in rows]
        curve(ax, rows, y, x=branch.parameter, stable=stable, label=label)
        label = None
    return ax
