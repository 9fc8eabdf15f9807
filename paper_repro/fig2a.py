"""Figure 2a: q, r, q_star against alpha at beta = 20: theory, gradient descent, and the Gibbs measure itself.

Descent minimises E and stops where its fields happen to be; the theory is about exp(-beta E). Hamiltonian Monte Carlo
samples that measure, so it decides whether the theory's q, r, q_star are right. It is run where the replicon is below
1: beyond, chains of any affordable length disagree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from . import one_task
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import seeds

__all__ = ["SCALES", "compute", "draw", "verdict"]

_GIBBS = {"alphas": [0.2, 0.4, 0.6]}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**one_task.scales()["quick"], "gibbs": {**_GIBBS, "n": 200}},
    "paper": {**one_task.scales()["paper"], "gibbs": {**_GIBBS, "n": 400}},
}
NAMES = ("q", "r", "q_star")
# Corrections of order 1/N to the order parameters, at N = 200 and more.
_FINITE_SIZE = 0.01


def compute(context: Context) -> Data:
    """Theory and descent as in figure 2b (the same points), and the sampler at a few alphas."""
    from statmech_cl.simulations.perceptron.gibbs import GibbsSettings
    from statmech_cl.simulations.perceptron.rows import gibbs_row

    data = one_task.compute(context)
    size = context.parameters
    chosen = dataclasses.asdict(GibbsSettings())
    common = {"beta": size["beta"], "prior": size["prior"], "n": size["gibbs"]["n"], "seeds": seeds(context)}
    points = [{"alpha": alpha, **common, "device": context.device, **chosen} for alpha in size["gibbs"]["alphas"]]
    rows = one_task.simulation(context, "gibbs", gibbs_row, points)
    return Data([*data.rows, *rows], {**data.parameters, "gibbs": {**size["gibbs"], **chosen}})


def draw(data: Data) -> Any:
    """One panel: the three order parameters."""
    from statmech_cl import figures

    figure, ax = figures.new(width=4.4, height=3.2)
    one_task.draw_panel(ax, data, NAMES)
    ax.legend(title="lines: theory", title_fontsize=7, loc="lower right")
    sizes = f"$N={data.parameters['n']}$ (descent), {data.parameters['gibbs']['n']} (gibbs)"
    ax.set_title(rf"$\beta={data.parameters['beta']:g}$, {sizes}")
    return figure


def verdict(data: Data) -> Verdict:
    """The sampler decides; descent is shown beside it with its distance from the theory."""
    sampled = [_named(row, "gibbs") for row in one_task.comparison(data, NAMES, "gibbs")]
    descended = [_named(row, "descent") for row in one_task.comparison(data, NAMES)]
    allowed = [_gap(row) <= 4.0 * row.simulation.error + _FINITE_SIZE for row in sampled if row.simulation]
    sentence = (
        f"Sampled q, r, q_star agree with the theory within 4 standard errors plus {_FINITE_SIZE:g} (finite N) at "
        f"{sum(allowed)} of {len(allowed)} values. Descent, which does not sample, differs by at most "
        + ", ".join(f"{_largest(descended, name):.3f} in {name}" for name in NAMES)
        + "."
    )
    return Verdict([*sampled, *descended], sentence + one_task.replicon_sentence(data), all(allowed))


def _named(row: Row, method: str) -> Row:
    return dataclasses.replace(row, note=f"{method}, {row.note}" if row.note else method)


def _gap(row: Row) -> float:
    return 0.0 if row.simulation is None or row.theory is None else abs(row.simulation.mean - row.theory)


def _largest(rows: Sequence[Row], name: str) -> float:
    return max(_gap(row) for row in rows if row.what.startswith(f"{name} "))
