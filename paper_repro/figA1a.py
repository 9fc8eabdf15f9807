"""Figure A1a: p and eps_g against alpha with the KL prior on the task, beta = 100: theory line and descent points."""

from __future__ import annotations

from typing import Any

from . import one_task
from .figure import Data, Verdict
from .one_task import compute

__all__ = ["SCALES", "compute", "draw", "verdict"]

SCALES = one_task.scales(beta=100.0, prior="kl")
NAMES = ("p", "eps_g")


def draw(data: Data) -> Any:
    """p on the left, eps_g on the right."""
    from statmech_cl import figures

    figure, axes = figures.new(1, 2)
    for ax, name in zip(axes, NAMES, strict=True):
        one_task.draw_panel(ax, data, [name])
        ax.set_ylim(bottom=0.0)
    title = "strong lines: dynamical theory, circles: descent, pale lines: equilibrium"
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, title=title, title_fontsize=7)
    axes[0].set_title(rf"KL prior, $\beta={data.parameters['beta']:g}$")
    return figure


def verdict(data: Data) -> Verdict:
    """p at every simulated alpha."""
    return one_task.verdict(data, ("p",))
