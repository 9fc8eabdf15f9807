"""Pictures of what the overlap of weights says about forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from .axes import new

Rows = Sequence[Mapping[str, Any]]


def fall_against_prediction(rows: Rows, levels: Mapping[str, str], *, proxy: str) -> Figure:
    """The fall of the accuracy on a task against what each of `levels` predicts, one panel each, and against the column
    `proxy` in the last one; one colour a method.

    rows : method, before, fall, told_LEVEL (the accuracy predicted) and `proxy`, one for each pair of tasks and run.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new(1, len(levels) + 1, width=2.3, height=2.4, squeeze=False, sharey=True)
    for number, method in enumerate(methods):
        mine = [row for row in rows if row["method"] == method]
        fall = [row["fall"] for row in mine]
        how: dict[str, Any] = {"marker": "os^Dv<>"[number % 7], "s": 9, "linewidths": 0.0, "color": f"C{number % 10}"}
        for ax, level in zip(axes[0], levels, strict=False):
            ax.scatter([row["before"] - row[f"told_{level}"] for row in mine], fall, label=method, **how)
        axes[0, -1].scatter([row[proxy] for row in mine], fall, **how)
    low = min(row["fall"] for row in rows)
    high = max(row["fall"] for row in rows)
    for ax, told in zip(axes[0], levels.values(), strict=False):
        ax.plot([low, high], [low, high], color="0.6", linewidth=0.7, zorder=0)
        ax.set_title(told, fontsize=7)
        ax.set_xlabel("predicted fall")
    axes[0, -1].set_xscale("log")
    axes[0, -1].set_title("spectral proxy", fontsize=7)
    axes[0, -1].set_xlabel(r"$|W-W_{then}|^2/|W_{then}|^2$")
    axes[0, 0].set_ylabel("fall of the accuracy")
    axes[0, 0].legend(fontsize=4, ncols=2, loc="lower right")
    return figure
