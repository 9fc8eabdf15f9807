"""Complexity against the free entropy of one family, as the breaking point x_1 of one step runs.

    Sigma = -x_1^2 dPhi/dx_1,    phi = Phi - Sigma / x_1,    dSigma/dphi = -x_1

Sigma comes from the areas between curves, phi from Phi itself: that the slope of one against the other is -x_1 checks
both. The rule: at every marked x_1 the slope is -x_1 to 1e-3 of itself, and Sigma vanishes (1e-9) at the free x_1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .figure import Context, Data, Row, Verdict
from .rsb_rows import held_row

_NEAR = 0.01  # of x_1: how far apart the slope is taken
_SLOPE, _ZERO = 1e-3, 1e-9
SCALES: dict[str, dict[str, Any]] = {
    "quick": {"beta": 20.0, "alphas": [0.8, 1.0, 1.25], "x": [0.03, 0.95, 40], "marked": [0.1, 0.4, 0.7]},
    "paper": {"beta": 20.0, "alphas": [0.8, 1.0, 1.25], "x": [0.02, 0.98, 100], "marked": [0.1, 0.4, 0.7]},
}


def compute(context: Context) -> Data:
    """The free solution, the same with its breaking point held there, a line in x_1, and neighbours of marked x_1."""
    size = context.parameters
    rows: list[dict[str, Any]] = []
    for alpha in size["alphas"]:
        at = {"alpha": alpha, "beta": size["beta"]}
        (free,) = context.points(held_row, [{**at, "parisi": None}], "free")
        (same,) = context.points(held_row, [{**at, "parisi": free["x"]}], "held there")
        low, high, count = size["x"]
        line = context.points(
            held_row,
            [{**at, "parisi": float(x)} for x in np.geomspace(low, high, count)],
            f"alpha = {alpha:g}",
        )
        rows += [{"kind": "free", **free}, {"kind": "same", **same}, *({"kind": "line", **row} for row in line)]
        for x in size["marked"]:
            pair = context.points(
                held_row, [{**at, "parisi": x * (1.0 - _NEAR)}, {**at, "parisi": x * (1.0 + _NEAR)}], "slope"
            )
            rows += [{"kind": "pair", "marked": x, **row} for row in pair]
    return Data(rows, dict(size))


def draw(data: Data) -> Any:
    """Left: Sigma against phi, a circle at the free x_1; right: against x_1."""
    from statmech_cl import figures

    figure, (left, right) = figures.new(1, 2)
    for number, alpha in enumerate(data.parameters["alphas"]):
        line, (free,) = data.select(kind="line", alpha=alpha), data.select(kind="free", alpha=alpha)
        for ax, name in ((left, "family"), (right, "x")):
            origin = free["family"] if name == "family" else 0.0
            ax.plot([row[name] - origin for row in line], [row["complexity"] for row in line], color=f"C{number}",
                    label=rf"$\alpha = {alpha:g}$")  # fmt: skip
            ax.plot(free[name] - origin, 0.0, "o", color=f"C{number}", markerfacecolor="white", markersize=4)
            ax.axhline(0.0, color="0.6", linewidth=0.6)
            ax.set_ylabel(r"complexity $\Sigma$")
    left.set_xlabel(r"free entropy of a family $-$ its value at $\Sigma = 0$")
    right.set_xlabel("breaking point $x_1$")
    highest = max(data.column("complexity", kind="line"))
    for ax in (left, right):
        ax.set_ylim(-1.5 * highest, 1.2 * highest)
    shown = [row for row in data.select(kind="line") if row["complexity"] > -1.5 * highest]
    origins = {row["alpha"]: row["family"] for row in data.select(kind="free")}
    at = [row["family"] - origins[row["alpha"]] for row in shown]
    margin = 0.05 * (max(at) - min(at))
    left.set_xlim(min(at) - margin, max(at) + margin)
    left.locator_params(axis="x", nbins=5)
    left.legend()
    return figure


def verdict(data: Data) -> Verdict:
    """dSigma/dphi beside -x_1, and Sigma at the free x_1."""
    rows, worst, zero = [], 0.0, 0.0
    for alpha in data.parameters["alphas"]:
        for x in data.parameters["marked"]:
            a, b = data.select(kind="pair", alpha=alpha, marked=x)
            slope = (b["complexity"] - a["complexity"]) / (b["family"] - a["family"])
            worst = max(worst, abs(slope / x + 1.0))
            rows.append(Row(f"dSigma/dphi, alpha = {alpha:g}, x_1 = {x:g}", -x, None, f"differences: {slope:.6f}"))
        (same,) = data.select(kind="same", alpha=alpha)
        zero = max(zero, abs(same["complexity"]))
        rows.append(Row(f"Sigma at the free x_1 = {same['x']:.6f}, alpha = {alpha:g}", 0.0, None,
                        f"{same['complexity']:.1e}"))  # fmt: skip
    residual = max(data.column("residual", kind="line"))
    error = max(data.column("quadrature_error", kind="line"))
    sentence = (
        f"The slope of complexity against the free entropy of a family is -x_1 to {worst:.0e} of itself; at the free "
        f"x_1 complexity is at most {zero:.0e}; largest residual {residual:.0e}, quadrature error {error:.0e}."
    )
    return Verdict(rows, sentence, worst < _SLOPE and zero < _ZERO and residual < 1e-10)
