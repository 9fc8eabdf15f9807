"""P(q): the overlaps that replica exchange samples, and the weights that the theory gives to q_0, ..., q_k.

The rule, written before the run that it judges: the mean overlap E<m>^2, extrapolated in N, is set against that of one
step, as in `rsb_a`. The width of P(q) is shown: at finite N it also holds the scatter between problems.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import rsb_a
from .figure import Context, Data, Row, Verdict


def _scales() -> dict[str, dict[str, Any]]:
    return {scale: {k: v for k, v in size.items() if k != "line"} for scale, size in rsb_a.scales().items()}


SCALES = _scales()


def compute(context: Context) -> Data:
    """Theory and sampler at the same alphas: the same rows as those of rsb-a."""
    return Data([*rsb_a.theory(context), *rsb_a.sampled(context)], dict(context.parameters))


def draw(data: Data) -> Any:
    """A panel for each alpha: histograms at each N (left axis), the theory's weights as lines (right axis)."""
    from statmech_cl import figures

    alphas = data.column("alpha", kind="limit")
    figure, axes = figures.new(1, len(alphas), width=2.6, squeeze=False)
    for ax, alpha in zip(axes[0], alphas, strict=True):
        for number, row in enumerate(data.select(kind="sampler", alpha=alpha)):
            height = np.array(row["histogram"])
            edges = np.linspace(0.0, 1.0, height.size + 1)
            ax.stairs(height, edges, color=str(0.65 - 0.35 * number), label=f"sampler, $N = {row['n']}$")
        right = ax.twinx()
        for k in (0, 1):
            (told,) = data.select(kind="theory", alpha=alpha, rsb=k)
            right.vlines(told["overlaps"], 0.0, told["weights"], color=f"C{k}", linewidth=2.0 - k * 0.5,
                         linestyle=":" if k == 0 else "-", label=f"theory, $k = {k}$")  # fmt: skip
        right.set_ylim(0.0, 1.1)
        ax.set_xlim(0.3, 1.0)
        ax.set_title(rf"$\alpha = {alpha:g}$")
        ax.set_xlabel("overlap $q$")
    axes[0, 0].set_ylabel("$P(q)$")
    right.set_ylabel("weight of $q_l$")
    handles = [*axes[0, 0].get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def verdict(data: Data) -> Verdict:
    """The mean overlap, judged; the width of P(q), shown."""
    judged = rsb_a.judge(data, ("q",))
    rows = list(judged.rows)
    for alpha in data.column("alpha", kind="limit"):
        (told,) = data.select(kind="theory", alpha=alpha, rsb=1)
        mean = float(np.dot(told["weights"], told["overlaps"]))
        width = math.sqrt(float(np.dot(told["weights"], (np.array(told["overlaps"]) - mean) ** 2)))
        seen = [f"N = {row['n']}: {_width(row['histogram']):.4f}" for row in data.select(kind="sampler", alpha=alpha)]
        rows.append(Row(f"width of P(q), alpha = {alpha:g}, k = 1", width, None, ", ".join(seen), judged=False))
    return Verdict(rows, judged.sentence, judged.holds)


def _width(histogram: list[float]) -> float:
    share = np.array(histogram) / sum(histogram)
    centres = (np.arange(share.size) + 0.5) / share.size
    return math.sqrt(float(share @ centres**2 - (share @ centres) ** 2))
