"""Trees of 3, 5 and infinitely many units: theory of few units beside the sampled Gibbs measure, extrapolated in 1/n.

One task, one hidden layer of K signs. The sampler sums over the student's hidden signs exactly, as the theory of few
units does, so at fixed K the two differ by corrections in 1/n alone. The rule, written before the run:

    at each K and alpha every number n of inputs has seeds of its own; a + c/n is fitted to the means as in `agreement`,
    and a is set beside the theory at the same K, for q, r, q_star and p;
    at most 1 % of these points lie beyond 3 standard errors, none beyond 4.5;
    a point with a replicon above 1 is shown and decides nothing.

The number of patterns alpha K n is whole or ends in 1/2; n is such that it is rounded the same way at every n, so that
rounding is a correction of order 1/n too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.few_units import FewUnits
from statmech_cl.simulations.perceptron.extrapolation import extrapolate

from .agreement import agreement, not_judged
from .figure import Context, Data, Row, Verdict
from .tree_rows import few_units_row, many_units_row

# K -> n and the number of seeds; K n = 75, 135, 255 (and 495) weights
_QUICK = {"3": [[25, 64], [45, 48], [85, 32]], "5": [[15, 64], [27, 48], [51, 32]]}
_PAPER = {
    "3": [[25, 640], [45, 480], [85, 320], [165, 160]],
    "5": [[15, 640], [27, 480], [51, 320], [99, 160]],
}
_SHARED: dict[str, Any] = {
    "beta": 20.0,
    "lines": {"3": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0], "5": [0.1, 0.2, 0.3, 0.4, 0.5]},
    "many": [round(0.05 * k, 2) for k in range(1, 21)],
    "sampled_at": [0.2, 0.3, 0.5],
    "compared_at": 0.2,  # whose change with 1/K and 1/n is drawn
    "sampler": {"warmup": 200, "draws": 150, "walkers": 2, "leapfrogs": 14},
}
SCALES: dict[str, dict[str, Any]] = {"quick": {**_SHARED, "sizes": _QUICK}, "paper": {**_SHARED, "sizes": _PAPER}}
_BLOCK = 64  # seeds sampled and stored at a time: what a killed run can lose
_STORED = {"q": "q_1", "r": "r_1", "q_star": "q_star_1", "p": "p_1_1"}


def compute(context: Context) -> Data:
    """Rows "theory" (`units` None for many), "gibbs" at each K, alpha and n, and their "limit"."""
    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    rows: list[dict[str, Any]] = []
    for units, sizes in size["sizes"].items():
        for alpha in size["sampled_at"]:
            rows += _sampled(context, int(units), alpha, sizes)
    at_beta = [{"alpha": alpha, "beta": size["beta"]} for alpha in size["many"]]
    rows += _theory(at_beta, context.points(many_units_row, at_beta, "many units"))
    for units, alphas in {"1": [size["compared_at"]], **size["lines"]}.items():
        grid = [{"units": int(units), "alpha": alpha, "beta": size["beta"]} for alpha in alphas]
        rows += _theory(grid, context.points(few_units_row, grid, f"{units} units"))
    return Data(rows, dict(size))


def _theory(grid: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"kind": "theory", "units": None, **at, **row} for at, row in zip(grid, found, strict=True)]


def _sampled(context: Context, units: int, alpha: float, sizes: list[list[int]]) -> list[dict[str, Any]]:
    """Rows "gibbs" at each n, and the "limit" of each observable."""
    from statmech_cl.simulations.perceptron.rows import put_estimate
    from statmech_cl.simulations.tree.rows import tree_gibbs_row

    size = context.parameters
    tree = {"r0": 0.0, "gamma": 0.0, "hidden_layers": 1, "units": units, "counted": True}
    common = {"alpha": [alpha], "beta": size["beta"], **tree, **size["sampler"], "device": context.device}
    rows: list[dict[str, Any]] = []
    found: dict[str, dict[int, Estimate]] = {name: {} for name in _STORED}
    for index, (inputs, n_seeds) in enumerate(sizes):
        # different sizes, K and alphas see different disorder: their estimates are independent
        first = context.seed + 100_000 * (index + 1) + 10_000 * units + 1000 * size["sampled_at"].index(alpha)
        blocks = [list(range(first + i, first + min(i + _BLOCK, n_seeds))) for i in range(0, n_seeds, _BLOCK)]
        grid = [{**common, "inputs": inputs, "seeds": block} for block in blocks]
        parts = context.points(tree_gibbs_row, grid, f"alpha = {alpha:g}, K = {units}, n = {inputs}")
        row: dict[str, Any] = {"kind": "gibbs", "units": units, "alpha": alpha, "inputs": inputs, "n_seeds": n_seeds}
        for name, stored in _STORED.items():
            put_estimate(row, name, np.array([value for part in parts for value in part[f"{stored}_seeds"]]))
            del row[f"{name}_seeds"]
            found[name][inputs] = Estimate(row[name], row[f"{name}_error"], n_seeds)
        rows.append(row | {"rhat": max(part["rhat"] for part in parts), "ess": min(part["ess"] for part in parts)})
    for name, estimates in found.items():
        fit = extrapolate(list(estimates), list(estimates.values()))
        rows.append(
            {"kind": "limit", "units": units, "alpha": alpha, "name": name}
            | {"value": fit.limit.mean, "error": fit.limit.error, "freedom": fit.limit.n}
            | {"by_inputs": fit.slope.mean, "by_inputs_error": fit.slope.error, "chi2": fit.chi2, "dof": fit.dof}
        )
    (p,) = (row for row in rows if row.get("name") == "p")
    p |= few_units_error(units, p["value"], p["error"])
    return rows


def few_units_error(units: int, p: float, error: float) -> dict[str, float]:
    """eps_g of few units at a measured overlap p, and how far it reaches below and above for one error of p."""
    low, eps_g, high = (FewUnits(units=units).eps_g(0.5 * (1.0 - p + way * error)) for way in (-1.0, 0.0, 1.0))
    return {"eps_g": eps_g, "eps_g_below": eps_g - low, "eps_g_above": high - eps_g}


def draw(data: Data) -> Any:
    """eps_g against alpha at each K; what 1/K changes of each observable; sampler minus theory against 1/n."""
    from statmech_cl import figures

    size = data.parameters
    few = [int(units) for units in size["sizes"]]
    figure, axes = figures.new(2, 2, width=3.0, height=2.4)
    for number, units in enumerate([*few, None]):
        line = data.select(kind="theory", units=units)
        look: dict[str, Any] = {"color": f"C{number}", "linewidth": 0.9}
        label = r"$K \to \infty$" if units is None else f"$K = {units}$"
        stable = [point["replicon"] < 1.0 for point in line]
        figures.curve(axes[0, 0], line, "eps_g", stable=stable, label=label, **look)
        limits = [] if units is None else data.select(kind="limit", units=units, name="p")
        spread = [[limit[f"eps_g_{way}"] for limit in limits] for way in ("below", "above")]
        axes[0, 0].errorbar([limit["alpha"] for limit in limits], [limit["eps_g"] for limit in limits], spread,
                            fmt="D", markersize=3, markerfacecolor="white", **look)  # fmt: skip
    _by_units(axes[0, 1], data)
    for ax, units in zip(axes[1], few, strict=False):
        _by_inputs(ax, data, units)
    axes[0, 0].set_title("lines: theory; diamonds: sampler", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    axes[0, 1].legend(fontsize=6, ncol=2)
    return figure


_NAMES = {"q": "$q$", "r": "$r$", "q_star": "$q_*$", "p": "$p$"}


def _by_units(ax: Any, data: Data) -> None:
    """Theory at K = 1, 3, 5 and the sampler's limits, each less the theory for many units, against 1/K."""
    from statmech_cl import figures

    alpha = data.parameters["compared_at"]
    (many,) = data.select(kind="theory", units=None, alpha=alpha)
    few = [row for row in data.select(kind="theory", alpha=alpha) if row["units"] is not None]
    for shift, (name, label) in enumerate(_NAMES.items()):
        look: dict[str, Any] = {"color": figures.COLORS[name], "linewidth": 0.8}
        at = sorted((1.0 / row["units"], row[name] - many[name]) for row in few)
        ax.plot([0.0, *(x for x, _ in at)], [0.0, *(y for _, y in at)], ".-", markersize=4, label=label, **look)
        limits = data.select(kind="limit", alpha=alpha, name=name)
        x = [1.0 / limit["units"] + 0.008 * (shift - 1.5) for limit in limits]
        ax.errorbar(x, [limit["value"] - many[name] for limit in limits], [limit["error"] for limit in limits],
                    fmt="D", markersize=3, markerfacecolor="white", **look)  # fmt: skip
    ax.set_xlabel("$1/K$")
    ax.set_ylabel(r"less its value at $K \to \infty$")
    ax.set_title(rf"$\alpha = {alpha:g}$", fontsize=8)


def _by_inputs(ax: Any, data: Data, units: int) -> None:
    """Sampler minus theory at each n, with the fitted lines and their limits."""
    from statmech_cl import figures

    where = {"units": units, "alpha": data.parameters["compared_at"]}
    (theory,) = data.select(kind="theory", **where)
    rows = data.select(kind="gibbs", **where)
    for shift, name in enumerate(_NAMES):
        look: dict[str, Any] = {"color": figures.COLORS[name], "linewidth": 0.8}
        (limit,) = data.select(kind="limit", name=name, **where)
        gap = limit["value"] - theory[name]
        aside = 0.02 / rows[0]["inputs"] * (shift - 1.5)
        x = [1.0 / row["inputs"] for row in rows]
        ax.errorbar([at + aside for at in x], [row[name] - theory[name] for row in rows],
                    [row[f"{name}_error"] for row in rows], fmt="o", markersize=2.5, **look)  # fmt: skip
        ax.errorbar(aside, gap, limit["error"], fmt="D", markersize=3.5, markerfacecolor="white", **look)
        ax.plot([0.0, x[0]], [gap, gap + limit["by_inputs"] * x[0]], alpha=0.5, **look)
    ax.axhline(0.0, color="0.5", linewidth=0.6, linestyle=":")
    ax.set_xlabel("$1/n$")
    ax.set_ylabel("sampler $-$ theory")
    ax.set_title(rf"$K = {units}$, $\alpha = {where['alpha']:g}$", fontsize=8)


def verdict(data: Data) -> Verdict:
    """Every limit beside the theory at its K; those with a replicon above 1 do not decide."""
    rows = []
    for limit in data.select(kind="limit"):
        (theory,) = data.select(kind="theory", units=limit["units"], alpha=limit["alpha"])
        rows.append(
            Row(
                f"{limit['name']}, K = {limit['units']}, alpha={limit['alpha']:g}",
                theory[limit["name"]],
                Estimate(limit["value"], limit["error"], limit["freedom"]),
                f"c {limit['by_inputs']:+.2f}({limit['by_inputs_error']:.2f}), chi2 {limit['chi2']:.1f} of "
                f"{limit['dof']}, replicon {theory['replicon']:.2f}, quadrature {theory['quadrature_error']:.0e}",
                theory["replicon"] < 1.0,
            )
        )
    sentence, holds = agreement(rows, "3 and 5 units, extrapolated in n", "the sampler")
    rhat = max(data.column("rhat", kind="gibbs"))
    return Verdict(rows, f"{sentence}{not_judged(rows)} Largest R-hat {rhat:.2f}.", holds)
