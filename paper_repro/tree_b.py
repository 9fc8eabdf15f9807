"""Forgetting of the first task and the gain on the second against the overlap of the teachers, for trees of 0 to 3
hidden layers of signs; theory, with the KL anchor.

Perfect overlap with the first teacher is out of reach at the smaller alpha and in reach at the larger one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .figure import Context, Data, Row, Verdict
from .tree_rows import tree_chain_row

_SIZE: dict[str, Any] = {
    "alpha": [1.0, 2.0],
    "beta": 20.0,
    "gamma": 1.0,
    "hidden_layers": [0, 1, 2, 3],
    "r0": [round(-1.0 + 0.1 * k, 1) for k in range(1, 20)],
}
SCALES: dict[str, dict[str, Any]] = {"quick": {**_SIZE}, "paper": {**_SIZE}}
_JUMP = 0.15  # a step of eps_g between neighbours above which the line is broken: the solution has changed its curve


def compute(context: Context) -> Data:
    """A row for each alpha, depth and overlap of the teachers."""
    size = context.parameters
    grid = [
        {"alpha": [alpha, alpha], "beta": size["beta"], "r0": r0, "hidden_layers": layers}
        | {"anchor": "kl", "gamma": size["gamma"]}
        for alpha in size["alpha"]
        for layers in size["hidden_layers"]
        for r0 in size["r0"]
    ]
    rows = [
        {"alpha": where["alpha"][0], "hidden_layers": where["hidden_layers"], "r0": where["r0"]}
        | {"eps_first": solved["eps_g"][0][0], "eps_1": solved["eps_g"][1][0], "eps_2": solved["eps_g"][1][1]}
        | {"forgetting": solved["forgetting"][0], "gain": solved["gain"]}
        | {"replicon_1": solved["replicon"][0], "replicon_2": solved["replicon"][1]}
        | {name: solved[name] for name in ("residual", "quadrature_error")}
        for where, solved in zip(grid, context.points(tree_chain_row, grid, "theory"), strict=True)
    ]
    return Data(rows, dict(size))


def draw(data: Data) -> Any:
    """Forgetting and gain against r0, a row of panels for each alpha, a line for each depth."""
    from statmech_cl import figures

    alphas = data.parameters["alpha"]
    figure, axes = figures.new(len(alphas), 2, squeeze=False)
    for pair, alpha in zip(axes, alphas, strict=True):
        for ax, name in zip(pair, ("forgetting", "gain"), strict=True):
            for layers in data.parameters["hidden_layers"]:
                here = {"alpha": alpha, "hidden_layers": layers}
                _line(
                    ax,
                    data.select(**here),
                    name,
                    f"C{layers}",
                    f"{layers} hidden layers" if layers != 1 else "1 hidden layer",
                )
            ax.axhline(0.0, color="0.5", linewidth=0.6, linestyle=":")
            ax.set_xlabel("$r_0$")
            ax.set_title(rf"$\alpha_1 = \alpha_2 = {alpha:g}$", fontsize=8)
        pair[0].set_ylabel("forgetting of task 1")
        pair[1].set_ylabel("gain on task 2")
    axes[0][0].legend(fontsize=6)
    return figure


def _line(ax: Any, rows: list[dict[str, Any]], name: str, color: str, label: str) -> None:
    """Points, joined where no error jumps."""
    for k, (a, b) in enumerate(zip(rows, [*rows[1:], None], strict=True)):
        ax.plot(a["r0"], a[name], ".", color=color, markersize=3, label=label if k == 0 else None)
        if b is not None and max(abs(a[eps] - b[eps]) for eps in ("eps_1", "eps_2")) <= _JUMP:
            ax.plot([a["r0"], b["r0"]], [a[name], b[name]], color=color, linewidth=0.9)


def verdict(data: Data) -> Verdict:
    """How forgetting at r0 = 0 (or the overlap next to it) depends on depth is told; judged is how exact the solutions
    are."""
    r0 = min(data.parameters["r0"], key=abs)
    depths = data.parameters["hidden_layers"]
    rows, told = [], []
    for alpha in data.parameters["alpha"]:
        values = []
        for layers in depths:
            (row,) = data.select(alpha=alpha, hidden_layers=layers, r0=r0)
            values.append(row["forgetting"])
            share = row["forgetting"] / (0.5 - row["eps_first"])
            stable = max(row["replicon_1"], row["replicon_2"]) < 1.0
            note = f"eps_g {row['eps_first']:.4f}, then {row['eps_1']:.4f} ({share:.1%} of what was known); "
            note += f"gain {row['gain']:+.4f}; "
            note += "replicons below 1" if stable else "a replicon above 1"
            rows.append(Row(f"forgetting, alpha={alpha:g}, hidden_layers={layers}, r0={r0:g}", values[-1], None, note))
        falls = all(b < a for a, b in pairwise(values))
        rises = all(b > a for a, b in pairwise(values))
        what = "falls with every layer" if falls else "rises with every layer" if rises else "is not monotone in depth"
        told.append(f"at alpha = {alpha:g} forgetting {what}")
    residual, error = max(data.column("residual")), max(data.column("quadrature_error"))
    sentence = f"At r0 = {r0:g}, {'; '.join(told)}. Largest residual {residual:.0e}, quadrature error {error:.0e}."
    return Verdict(rows, sentence, residual < 1e-10 and error < 1e-9)
