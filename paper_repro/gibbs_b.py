"""What the sampler sees along alpha, started from the prior: order parameters, and whether the walkers agree (R-hat)
where the replicon exceeds 1.

Where the replicon is below 1 the sampler is judged beside equilibrium theory, by the rule of `agreement`, at every
alpha and whatever R-hat is. Where it is above, theory with one overlap claims nothing: samples at one N are shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from . import curves, one_task
from .agreement import agreement
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, without_seeds
from .theory_rows import theory_row

_NAMES = ("q", "r", "q_star", "p")
_SHARED = {
    "beta": 20.0,
    "fine": np.round(np.arange(0.05, 1.901, 0.05), 2).tolist(),
    "stable": [0.2, 0.4, 0.6, 0.7],
    "unstable": [0.8, 1.0, 1.25, 1.5, 1.75],
    "warmup": 300,
    "leapfrogs": 20,
}
# sizes: N and seeds of each where the replicon is below 1; n, n_seeds: where it is above
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "sizes": [[100, 24], [200, 16]], "n": 200, "n_seeds": 12, "draws": 200},
    "paper": {**_SHARED, "sizes": [[100, 80], [200, 60], [400, 40]], "n": 400, "n_seeds": 40, "draws": 600},
}


def compute(context: Context) -> Data:
    """Samples at every alpha, their limits where the theory is stable, and its low-overlap branch."""
    from statmech_cl.simulations.perceptron.rows import gibbs_row

    prepare()
    size = context.parameters
    sampler = {name: size[name] for name in ("warmup", "draws", "leapfrogs", "beta")} | {"device": context.device}
    rows = one_task.sampled(context, [{"alpha": alpha, **sampler} for alpha in size["stable"]], size["sizes"])
    grid = [{"alpha": alpha, **sampler, "n": size["n"], "seeds": _seeds(context, alpha)} for alpha in size["unstable"]]
    rows += [{"kind": "gibbs", **without_seeds(row)} for row in context.points(gibbs_row, grid, "sampler")]
    alphas = sorted({*size["fine"], *size["stable"], *size["unstable"]})
    grid = [{"alpha": alpha, "beta": size["beta"], "branch": "low"} for alpha in alphas]
    named = ("alpha", *_NAMES, "eps_g", "replicon")
    for row in context.points(theory_row, grid, "theory"):
        rows.append({"kind": "theory", **{name: row[name] for name in named}})
    return Data(rows, dict(size))


def _seeds(context: Context, alpha: float) -> list[int]:
    size = context.parameters
    return curves.seeds_of(context.seed, size["n"], size["n_seeds"], {"alpha_1": alpha})


def _shown(data: Data) -> list[dict[str, Any]]:
    """The samples at the largest N of each alpha, in the order of alpha."""
    largest: dict[float, dict[str, Any]] = {}
    for row in data.select(kind="gibbs"):
        if row["alpha"] not in largest or row["n"] > largest[row["alpha"]]["n"]:
            largest[row["alpha"]] = row
    return [largest[alpha] for alpha in sorted(largest)]


def draw(data: Data) -> Any:
    """Order parameters on the left (dashed: replicon above 1), R-hat and the replicon on the right."""
    from statmech_cl import figures

    theory, gibbs = data.select(kind="theory"), _shown(data)
    limits, unstable = data.select(kind="gibbs limit"), data.parameters["unstable"]
    figure, (left, right) = figures.new(1, 2)
    stable = [row["replicon"] < 1 for row in theory]
    for name in _NAMES:
        figures.curve(left, theory, name, stable=stable)
        symbol = "$q_*$" if name == "q_star" else f"${name}$"
        figures.points(left, limits, name, label=symbol, markerfacecolor=figures.COLORS[name])
        figures.points(left, [row for row in gibbs if row["alpha"] in unstable], name)
    left.set_ylabel("order parameters")
    left.set_ylim(0.0, 1.02)
    title = (
        rf"filled: samples, $N\to\infty$; open: $N={data.parameters['n']}$" + "\nlines: theory, dashed: replicon > 1"
    )
    left.legend(title=title, title_fontsize=7)
    right.plot(
        [row["alpha"] for row in gibbs], [row["rhat"] for row in gibbs], "o-", label=r"largest $\hat R$ of the walkers"
    )
    right.plot([row["alpha"] for row in theory], [row["replicon"] for row in theory], color="#D55E00", label="replicon")
    right.axhline(1.0, color="0.5", linewidth=0.6, linestyle=":")
    right.set(xlabel=r"$\alpha$", ylabel=r"largest $\hat R$; replicon", yscale="log")
    right.legend()
    return figure


def verdict(data: Data) -> Verdict:
    """Where the replicon is below 1, the sampler's limits beside the theory, which are judged; above, what the sampler
    sees at one N."""
    judged, shown = [], []
    theory = {row["alpha"]: row for row in data.select(kind="theory")}
    for row in data.select(kind="gibbs limit"):
        expected = theory[row["alpha"]]
        for name in _NAMES:
            estimate = Estimate(row[name], row[f"{name}_error"], row[f"{name}_n"])
            note = f"replicon {expected['replicon']:.2f}"
            judged.append(Row(f"{name} alpha={row['alpha']:g}, sampler", expected[name], estimate, note))
    gaps, rhats = [], []
    for row in _shown(data):
        if row["alpha"] not in data.parameters["unstable"]:
            continue
        expected = theory[row["alpha"]]
        rhats.append(f"{row['rhat']:.2f} at {row['alpha']:g}")
        for name in _NAMES:
            estimate = Estimate(row[name], row[f"{name}_error"], row["n_seeds"])
            note = f"R-hat {row['rhat']:.2f}, replicon {expected['replicon']:.2f}"
            what = f"{name} alpha={row['alpha']:g}, N={row['n']}"
            shown.append(Row(what, expected[name], estimate, note, judged=False))
            gaps.append((abs(row[name] - expected[name]), name, row["alpha"]))
    sentence, holds = agreement(judged, "Where the replicon is below 1, q, r, q_star, p", "the sampler")
    if gaps:
        gap, name, alpha = max(gaps)
        sentence += (
            f" Where it is above, R-hat is {', '.join(rhats)}, and the replica-symmetric low branch, which claims "
            f"nothing there, is off by up to {gap:.2f} ({name} at alpha={alpha:g})."
        )
    return Verdict([*judged, *shown], sentence, holds)
