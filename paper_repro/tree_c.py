"""The forgetting matrix of five tasks for trees of 0 to 3 hidden layers of signs and three anchors; theory.

Five tasks of equal size whose teachers have overlap 0 with the first. KL, EWC and L2 anchors of the same strength.
"""

from __future__ import annotations

import math
from typing import Any

from .figure import Context, Data, Row, Verdict
from .tree_rows import tree_chain_row

_SIZE: dict[str, Any] = {
    "alpha": 0.5,
    "tasks": 5,
    "beta": 20.0,
    "gamma": 0.2,
    "r0": 0.0,
    "hidden_layers": [0, 1, 2, 3],
    "anchors": ["kl", "ewc", "l2"],
}
SCALES: dict[str, dict[str, Any]] = {"quick": {**_SIZE}, "paper": {**_SIZE}}


def compute(context: Context) -> Data:
    """A row for each depth, anchor, after_task and on_task."""
    size = context.parameters
    grid = [
        {"alpha": [size["alpha"]] * size["tasks"], "beta": size["beta"], "r0": size["r0"], "gamma": size["gamma"]}
        | {"hidden_layers": layers, "anchor": anchor}
        for layers in size["hidden_layers"]
        for anchor in size["anchors"]
    ]
    rows: list[dict[str, Any]] = []
    for at, found in zip(grid, context.points(tree_chain_row, grid, "theory"), strict=True):
        where = {"hidden_layers": at["hidden_layers"], "anchor": at["anchor"]}
        rows += [
            {"kind": "error", **where, "after_task": after + 1, "on_task": on + 1, "eps_g": value}
            for after, row in enumerate(found["eps_g"])
            for on, value in enumerate(row)
        ]
        rows.append(
            {"kind": "chain", **where, "replicon": max(found["replicon"])}
            | {name: found[name] for name in ("residual", "quadrature_error")}
        )
    return Data(rows, dict(size))


def draw(data: Data) -> Any:
    """A row of matrices for each anchor, a column for each depth: eps_g after each task (down) on each task (across),
    tasks not yet learned left white."""
    import numpy as np

    from statmech_cl import figures

    size = data.parameters
    depths, anchors, count = size["hidden_layers"], size["anchors"], size["tasks"]
    figure, axes = figures.new(len(anchors), len(depths), width=1.75, height=1.6, squeeze=False)
    least = math.floor(20.0 * min(data.column("eps_g", kind="error"))) / 20.0
    image: Any = None
    for line, anchor in zip(axes, anchors, strict=True):
        for ax, layers in zip(line, depths, strict=True):
            matrix = np.full((count, count), np.nan)
            for row in data.select(kind="error", hidden_layers=layers, anchor=anchor):
                if row["on_task"] <= row["after_task"]:
                    matrix[row["after_task"] - 1, row["on_task"] - 1] = row["eps_g"]
            image = ax.imshow(matrix, vmin=least, vmax=0.5, cmap="viridis")
            for (after, on), value in np.ndenumerate(matrix):
                if np.isfinite(value):
                    ax.text(on, after, f"{value:.3f}"[1:], ha="center", va="center", fontsize=4.5,
                            color="white" if value < 0.5 * (least + 0.5) else "black")  # fmt: skip
            ax.set_xticks(range(count), [str(k + 1) for k in range(count)], fontsize=5)
            ax.set_yticks(range(count), [str(k + 1) for k in range(count)], fontsize=5)
            ax.tick_params(length=0)
            ax.grid(visible=False)
            if anchor == anchors[0]:
                ax.set_title(f"{layers} hidden layer{'s' * (layers != 1)}", fontsize=7)
            if anchor == anchors[-1]:
                ax.set_xlabel("on task", fontsize=6)
        line[0].set_ylabel(f"{anchor.upper()}\nafter task", fontsize=6)
    figure.colorbar(image, ax=axes, shrink=0.6, label=r"$\epsilon_g$")
    return figure


def verdict(data: Data) -> Verdict:
    """For each depth: the mean error over all tasks after the last, and how much of task 1 is forgotten."""
    size = data.parameters
    rows, told = [], []
    last = size["tasks"]
    for layers in size["hidden_layers"]:
        means = {}
        for anchor in size["anchors"]:
            where = {"hidden_layers": layers, "anchor": anchor}
            final = data.column("eps_g", kind="error", after_task=last, **where)
            (first,) = data.column("eps_g", kind="error", after_task=1, on_task=1, **where)
            means[anchor] = sum(final) / last
            (chain,) = data.select(kind="chain", **where)
            note = (
                f"task 1: {first:.4f}, then {final[0]:.4f} ({(final[0] - first) / (0.5 - first):.1%} of what was known)"
            )
            note += f"; largest replicon {chain['replicon']:.3g}"
            rows.append(Row(f"mean eps_g, hidden_layers={layers}, {anchor}", means[anchor], None, note))
        best, second = sorted(means, key=lambda anchor: means[anchor])[:2]
        depth = f"{layers} hidden layer{'s' * (layers != 1)}"
        told.append(f"{best} at {depth} ({means[best]:.4f}; {second} {means[second]:.4f})")
    residual, error = (max(data.column(name, kind="chain")) for name in ("residual", "quadrature_error"))
    sentence = f"Least mean error after task {last}: {', '.join(told)}. "
    sentence += f"Largest residual {residual:.0e}, quadrature error {error:.0e}."
    return Verdict(rows, sentence, residual < 1e-10 and error < 1e-9)
