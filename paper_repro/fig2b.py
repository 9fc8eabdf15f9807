"""Figure 2b: p and eps_g against alpha at beta = 20: equilibrium, descent and its dynamical theory."""

from __future__ import annotations

import math
from typing import Any

from . import one_task
from .figure import Data, Row, Verdict
from .one_task import compute

__all__ = ["SCALES", "compute", "draw", "verdict"]

SCALES = one_task.scales(steps=one_task.STEPS)
NAMES = ("p", "eps_g")
# The paper quotes eps_g ~ alpha^-13.1 at large alpha: measured here over this range of the high-overlap branch.
_POWER_RANGE = (1.9, 2.0)
_PAPER_POWER = -13.1


def draw(data: Data) -> Any:
    """Two panels: p and eps_g on a linear scale, eps_g on a logarithmic one."""
    from statmech_cl import figures

    figure, (left, right) = figures.new(1, 2)
    one_task.draw_panel(left, data, NAMES)
    title = "strong lines: dynamical theory, circles: descent, pale lines: equilibrium, dotted: with steps"
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, title=title, title_fontsize=7)
    left.set_title(rf"$\beta={data.parameters['beta']:g}$")
    one_task.draw_panel(right, data, ("eps_g",), top=0.43)
    right.set_yscale("log")
    bounds = _bounds(data)
    if bounds:
        figures.upper_bounds(right, [a for a, _ in bounds], [b for _, b in bounds], color=figures.COLORS["eps_g"])
    right.set_title("the same, logarithmic; dashed: replicon above 1\narrow: upper bound at 95 %")
    return figure


def _bounds(data: Data) -> list[tuple[float, float]]:
    """(alpha, upper bound of eps_g at 95 %) where the limit of descent is no wrong sign or less than none, which a
    logarithm cannot show. Of n weights in all, fewer than 3 / n are wrong where none was; where some were wrong at
    small N, the limit p lies above p - 2 standard errors."""
    weights = sum(n * n_seeds for n, n_seeds in data.parameters["sizes"])
    wrong = {row["alpha_1"] for row in data.select(kind="descent") if row["p_1"] < 1.0 - 1e-6}
    bounds = []
    for row in data.select(kind="limit"):
        if not row["eps_1"] > 0.0:
            spare = 2.0 * row["p_1_error"] if row["alpha_1"] in wrong else 6.0 / weights
            bounds.append((row["alpha_1"], math.acos(max(-1.0, 1.0 - spare)) / math.pi))
    return bounds


def verdict(data: Data) -> Verdict:
    """p at every simulated alpha, and the exponent that the paper quotes."""
    judged = one_task.verdict(data, ("p",))
    power = Row("d ln eps_g / d ln alpha", exponent(data), None, f"high branch near alpha = 2; paper: {_PAPER_POWER}")
    return Verdict([*judged.rows, power], judged.sentence, judged.holds)


def exponent(data: Data) -> float | None:
    """Slope of ln eps_g against ln alpha of the stable line between the ends of the range, None without such points."""
    low, high = _POWER_RANGE
    line = [row for row in data.select(kind="line", stable=True) if low <= row["alpha"] <= high and row["eps_g"] < 0.01]
    line.sort(key=lambda row: row["alpha"])
    if len(line) < 2:
        return None
    first, last = line[0], line[-1]
    return math.log(last["eps_g"] / first["eps_g"]) / math.log(last["alpha"] / first["alpha"])
