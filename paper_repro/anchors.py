"""What KL, EWC and L2 trade, by theory: forgetting of task 1 against the error on task 2 as gamma grows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .framework import Context, Data, Row, Verdict

SOURCES = ("statmech_cl.kernels", "statmech_cl.saddle", "statmech_cl.branches", "statmech_cl.chain", __name__)
_FEW = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0]
_MANY = [*np.geomspace(0.003, 0.09, 14).round(4).tolist(), *np.geomspace(0.1, 10.0, 21).round(4).tolist()]
_SHARED = {"alpha_1": 2.0, "beta": 20.0, "r0": [0.0, 0.5], "alpha_2": [1.0]}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "gamma": {"kl": _MANY, "ewc": _FEW, "l2": _FEW}},
    "paper": {**_SHARED, "alpha_2": [1.0, 2.0], "gamma": {"kl": _MANY, "ewc": _MANY[:-5], "l2": _MANY}},
}


def point(
    *, alpha_1: float, alpha_2: float, beta: float, r0: float, anchor: str, gamma: float
) -> dict[str, float | str]:
    """Both errors after the second task, and what the second task added to the first one's."""
    from statmech_cl import Chain, Task, solve

    first = Task(alpha=alpha_1, beta=beta)
    solution: Any = solve(Chain((first, Task(alpha=alpha_2, beta=beta, gamma=gamma, anchor=anchor)), overlaps=r0))
    before, after = solution.eps_g[0, 0], solution.eps_g[1]
    last = solution.tasks[1]
    return {
        "eps_1": float(after[0]),
        "eps_2": float(after[1]),
        "forgetting": float(after[0] - before),
        "replicon": last.replicon,
        "quadrature_error": last.quadrature_error,
    }


def compute(context: Context) -> Data:
    """Theory at every anchor and gamma; without an anchor once."""
    size = context.parameters
    grid = [
        {"alpha_1": size["alpha_1"], "alpha_2": a, "beta": size["beta"], "r0": r0, "anchor": anchor, "gamma": gamma}
        for a in size["alpha_2"]
        for r0 in size["r0"]
        for anchor, gammas in {"none": [0.0], **size["gamma"]}.items()
        for gamma in gammas
    ]
    found = context.points("anchors/theory", point, grid, "theory")
    return Data([{**where, **what} for where, what in zip(grid, found, strict=True)], dict(size))


def draw(data: Data) -> Any:
    """A panel for each overlap and alpha_2."""
    from statmech_cl import figures

    sizes = data.parameters
    panels = [(a, r0) for a in sizes["alpha_2"] for r0 in sizes["r0"]]
    figure, axes = figures.new(len(sizes["alpha_2"]), len(sizes["r0"]), squeeze=False)
    for ax, (a, r0) in zip(axes.flat, panels, strict=True):
        figures.front(ax, data.select(alpha_2=a, r0=r0))
        ax.set_title(rf"$\alpha_1 = {sizes['alpha_1']:g}$, $\alpha_2 = {a:g}$, $r_0 = {r0:g}$")
    return figure


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row where both errors together are least."""
    return min(rows, key=lambda row: row["eps_1"] + row["eps_2"])


def verdict(data: Data) -> Verdict:
    """The least sum of both errors that each anchor reaches, over gamma."""
    sizes = data.parameters
    rows = []
    orders = []
    for a in sizes["alpha_2"]:
        for r0 in sizes["r0"]:
            least = {name: best(data.select(alpha_2=a, r0=r0, anchor=name)) for name in sizes["gamma"]}
            for name, row in least.items():
                total = row["eps_1"] + row["eps_2"]
                where = f"alpha_2={a:g} r0={r0:g} {name}: least eps_1 + eps_2"
                rows.append(Row(where, total, None, f"at gamma={row['gamma']:g}"))
            orders.append(sorted(least, key=lambda name: least[name]["eps_1"] + least[name]["eps_2"]))
    first = {order[0] for order in orders}
    sentence = (
        f"The least sum of both errors over gamma is reached with the anchor {' or '.join(sorted(first))}; "
        f"orders from best to worst: {'; '.join(' < '.join(order) for order in orders)}."
    )
    worst = max(row["quadrature_error"] for row in data.rows)
    return Verdict(rows, f"{sentence} Largest quadrature error {worst:.0e}.", worst < 1e-8)
