"""Chains of tasks: the forgetting matrix, and what anchors trade between old tasks and new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

ANCHOR_COLORS = {"kl": "#0072B2", "ewc": "#D55E00", "l2": "#009E73", "none": "#000000"}
_MARKED = {0.1: "^", 1.0: "D"}  # two values of gamma that can be compared between anchors
ANCHOR_NAMES = {"kl": "KL", "ewc": "EWC", "l2": "L2", "none": "no anchor"}


def forgetting_matrix(ax: Axes, eps_g: Any, *, numbers: bool = True) -> Axes:
    """eps_g[after_task, on_task] as a heat map, from 0 (learned) to 1/2 (forgotten); tasks not yet met are greyed.

    eps_g : (T, T), or a ChainSolution.
    """
    matrix = np.asarray(getattr(eps_g, "eps_g", eps_g), dtype=float)
    n_tasks = len(matrix)
    ahead = np.triu(np.ones(matrix.shape, bool), 1)
    image = ax.imshow(np.ma.masked_where(ahead, matrix), vmin=0.0, vmax=0.5, cmap="viridis_r")
    ax.set_facecolor("0.92")
    if numbers:
        for after, on in np.ndindex(matrix.shape):
            value = matrix[after, on]
            color = "0.6" if on > after else "black" if value < 0.25 else "white"
            ax.text(on, after, f"{value:.2f}" if value >= 0.005 else f"{value:.1g}", ha="center", va="center",
                    color=color, fontsize=7)  # fmt: skip
    names = [str(t + 1) for t in range(n_tasks)]
    ax.set_xticks(range(n_tasks), names)
    ax.set_yticks(range(n_tasks), names)
    ax.set_xlabel("error on task")
    ax.set_ylabel("after learning task")
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label=r"$\epsilon_g$", shrink=0.9)
    return ax


def front(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> Axes:
    """One curve an anchor: forgetting of task 1 against the error on task 2, as gamma runs from 0 to strong.

    rows : each {"anchor", "gamma", "forgetting", "eps_2"}; those with anchor "none" are the common end, gamma = 0.
        Where a "replicon" is above 1 the curve is dotted.
    """
    for name, color in ANCHOR_COLORS.items():
        mine = sorted((row for row in rows if row["anchor"] == name), key=lambda row: row["gamma"])
        if not mine:
            continue
        x, y = ([row[column] for row in mine] for column in ("eps_2", "forgetting"))
        if name == "none":
            ax.plot(x, y, "s", color=color, markersize=5, label=r"$\gamma = 0$", zorder=3)
            continue
        for k in range(len(mine) - 1):  # dotted where replica symmetry is unstable at an end
            whole = all(row.get("replicon", 0.0) < 1.0 for row in mine[k : k + 2])
            ax.plot(x[k : k + 2], y[k : k + 2], "-" if whole else ":", color=color, linewidth=1.0)
        ax.plot(x, y, "o", color=color, markersize=2.5, label=ANCHOR_NAMES[name])
        for gamma, marker in _MARKED.items():
            for row in mine:
                if row["gamma"] == gamma:
                    ax.plot(row["eps_2"], row["forgetting"], marker, color=color, markersize=6,
                            markeredgecolor="white", markeredgewidth=0.5, zorder=4)  # fmt: skip
    for gamma, marker in _MARKED.items():
        if any(row["gamma"] == gamma for row in rows):
            ax.plot([], [], marker, color="0.4", markersize=5, label=rf"$\gamma = {gamma:g}$")
    ax.set_xlabel(r"error on task 2, $\epsilon_2$")
    ax.set_ylabel(r"forgetting of task 1, $\epsilon_1 - \epsilon_1^{\mathrm{before}}$")
    ax.legend(title="dotted: replicon > 1", title_fontsize=6)
    return ax
