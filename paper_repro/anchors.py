"""What KL, EWC and L2 trade, by theory: forgetting of task 1 against the error on task 2 as gamma grows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .figure import Context, Data, Row, Verdict

_KL = [*np.geomspace(0.003, 0.08, 8).round(4).tolist(), *np.geomspace(0.1, 10.0, 17).round(4).tolist()]
_L2 = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0]
_EWC = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0]  # the Fisher information of a sure weight is small: it takes more
_SHARED = {"alpha_1": 2.0, "beta": 20.0, "r0": [0.0, 0.5], "gamma": {"kl": _KL, "ewc": _EWC, "l2": _L2}}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "alpha_2": [1.0]},
    "paper": {**_SHARED, "alpha_2": [0.5, 1.0, 2.0]},
}
_LEVELS = (0.75, 0.5, 0.25)  # of what is forgotten without an anchor


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
    solved = context.points(point, grid, "theory")
    return Data([{**where, **what} for where, what in zip(grid, solved, strict=True)], dict(size))


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


def at_forgetting(rows: list[dict[str, Any]], wanted: float) -> float | None:
    """eps_2 where the curve passes this forgetting, linear between its points; None where it does not reach it."""
    ordered = sorted(rows, key=lambda row: row["gamma"])
    for before, after in pairwise(ordered):
        high, low = before["forgetting"], after["forgetting"]
        if low <= wanted <= high:
            share = 0.0 if high == low else (high - wanted) / (high - low)
            return float(before["eps_2"] + share * (after["eps_2"] - before["eps_2"]))
    return None


def verdict(data: Data) -> Verdict:
    """The error on task 2 that each anchor pays for keeping as much of task 1 as another."""
    sizes = data.parameters
    rows = []
    least: list[str] = []
    for a in sizes["alpha_2"]:
        for r0 in sizes["r0"]:
            (free,) = data.select(alpha_2=a, r0=r0, anchor="none")
            for level in _LEVELS:
                eps_2_of = {}
                for name in sizes["gamma"]:
                    eps_2 = at_forgetting(
                        [free, *data.select(alpha_2=a, r0=r0, anchor=name)], level * free["forgetting"]
                    )
                    rows.append(
                        Row(f"alpha_2={a:g} r0={r0:g} forgetting {level:g} of gamma=0, {name}: eps_2", eps_2, None)
                    )
                    if eps_2 is not None:
                        eps_2_of[name] = eps_2
                least.append(min(eps_2_of, key=lambda name: eps_2_of[name]) if eps_2_of else "none")
    counts = ", ".join(f"{name} {least.count(name)}" for name in sizes["gamma"])
    worst = max(row["quadrature_error"] for row in data.rows)
    sentence = (
        f"At equal forgetting of task 1 the least error on task 2 is reached by (times out of {len(least)}): {counts}. "
        f"Largest quadrature error {worst:.0e}."
    )
    return Verdict(rows, sentence, worst < 1e-8)
