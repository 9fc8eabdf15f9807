"""Figure 2a: q, r, q_star against alpha at beta = 20: equilibrium and its sampler, descent and its dynamical theory.

Descent minimises E and stops where its fields happen to be; equilibrium theory is about exp(-beta E), which Hamiltonian
Monte Carlo samples. The sampler is run where the replicon is below 1: beyond, equilibrium theory with one overlap does
not claim to hold, and walkers of any affordable length disagree. The dotted lines have steps of replica symmetry
breaking, as many as eps_g asks for; figure rsb-a judges them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from . import one_task
from .agreement import agreement
from .figure import Context, Data, Verdict

__all__ = ["SCALES", "compute", "draw", "verdict"]

_ALPHAS = [0.2, 0.4, 0.6]
_SIZES = one_task.scales(steps=one_task.STEPS)
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SIZES["quick"], "gibbs": {"alphas": _ALPHAS, "sizes": [[100, 16], [200, 12]]}},
    "paper": {**_SIZES["paper"], "gibbs": {"alphas": _ALPHAS, "sizes": [[200, 40], [400, 20]]}},
}
NAMES = ("q", "r", "q_star")


def compute(context: Context) -> Data:
    """As figure 2b (the same points), and the sampler at a few alphas."""
    from statmech_cl.simulations.perceptron.gibbs_records import GibbsSettings

    data = one_task.compute(context)
    size = context.parameters
    chosen = dataclasses.asdict(GibbsSettings())
    common = {"beta": size["beta"], "prior": size["prior"], "device": context.device, **chosen}
    points = [{"alpha": alpha, **common} for alpha in size["gibbs"]["alphas"]]
    rows = one_task.sampled(context, points, size["gibbs"]["sizes"])
    return Data([*data.rows, *rows], {**data.parameters, "gibbs": {**size["gibbs"], **chosen}})


def draw(data: Data) -> Any:
    """One panel: the three order parameters."""
    from statmech_cl import figures

    figure, ax = figures.new(width=4.4, height=3.4)
    one_task.draw_panel(ax, data, NAMES)
    title = "strong lines: dynamical theory, circles: descent\npale lines: equilibrium, dotted: with steps\n"
    title += "diamonds: the sampler"
    ax.legend(title=title, title_fontsize=7, loc="lower right")
    ax.set_title(rf"$\beta={data.parameters['beta']:g}$")
    return figure


def verdict(data: Data) -> Verdict:
    """Descent beside its dynamical theory, the sampler beside equilibrium: both are judged."""
    judged = one_task.verdict(data, NAMES)
    sampled = one_task.beside_equilibrium(data, NAMES)
    sentence, agrees = agreement(sampled, "Equilibrium", "the sampler")
    return Verdict([*judged.rows, *sampled], f"{judged.sentence} {sentence}", judged.holds and agrees)
