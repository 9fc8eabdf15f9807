"""Trees of one hidden layer of signs: the sampled Gibbs measure at several K and n, extrapolated, beside theory.

One task at two alphas; and a chain of three tasks, whose second task is a chain of two on the way. Every observable of
every task is set beside the theory by the rule in `two_sizes` and `agreement`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from .agreement import agreement, not_judged
from .figure import Context, Data, Row, Verdict
from .tree_rows import tree_theory_row
from .two_sizes import plane

_CHAIN: dict[str, Any] = {"alpha": [0.3, 0.3, 0.3], "r0": 0.5, "gamma": 0.1, "hidden_layers": 1}
_ONE: dict[str, Any] = {"r0": 0.0, "gamma": 0.0, "hidden_layers": 1}
# K, n, number of seeds
_QUICK = [[9, 15, 32], [9, 31, 16], [17, 15, 16], [17, 31, 16]]
_PAPER = [[9, 15, 320], [9, 31, 240], [17, 15, 240], [17, 31, 160], [33, 63, 40]]
_SAMPLER: dict[str, Any] = {"walkers": 2, "leapfrogs": 14}
# iterations thrown away and kept, for each case
_ITERATIONS = {"alpha = 0.2": [200, 150], "three tasks": [120, 60], "alpha = 0.5": [200, 100]}
_SHARED: dict[str, Any] = {
    "beta": 20.0,
    "cases": {"alpha = 0.2": {"alpha": [0.2], **_ONE}, "three tasks": _CHAIN, "alpha = 0.5": {"alpha": [0.5], **_ONE}},
    "sampler": _SAMPLER,
    "iterations": _ITERATIONS,
}
SCALES: dict[str, dict[str, Any]] = {"quick": {**_SHARED, "sizes": _QUICK}, "paper": {**_SHARED, "sizes": _PAPER}}
_BLOCK = 16  # seeds sampled and stored at a time: what a killed run can lose


def compute(context: Context) -> Data:
    """Rows "theory", "gibbs" at each size and their "limit", for each case."""
    size = context.parameters
    rows: list[dict[str, Any]] = []
    for label, case in size["cases"].items():
        warmup, draws = size["iterations"][label]
        sampler = {**size["sampler"], "warmup": warmup, "draws": draws}
        rows += sampled(context, label, {**case, "beta": size["beta"]}, size["sizes"], sampler)
    return Data(rows, dict(size))


def sampled(
    context: Context, label: str, case: dict[str, Any], sizes: list[list[int]], sampler: dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows of one case."""
    from statmech_cl.simulations.perceptron.rows import put_estimate
    from statmech_cl.simulations.tree.rows import tree_gibbs_row

    from .perceptron_runs import prepare

    prepare()
    (theory,) = context.points(tree_theory_row, [case], "theory")
    names = [name for name in theory if name.split("_")[0] in ("q", "r", "p")]
    rows: list[dict[str, Any]] = [{"kind": "theory", "case": label, **theory}]
    found: dict[str, dict[tuple[int, int], Estimate]] = {name: {} for name in names}
    for index, (units, inputs, n_seeds) in enumerate(sizes):
        # different sizes see different disorder: their estimates are independent
        first = context.seed + 100_000 * (index + 1)
        blocks = [list(range(first + i, first + min(i + _BLOCK, n_seeds))) for i in range(0, n_seeds, _BLOCK)]
        common = {**case, "units": units, "inputs": inputs, "device": context.device, **sampler}
        grid = [{**common, "seeds": block} for block in blocks]
        parts = context.points(tree_gibbs_row, grid, f"{label}, K = {units}, n = {inputs}")
        row: dict[str, Any] = {"kind": "gibbs", "case": label, "units": units, "inputs": inputs, "n_seeds": n_seeds}
        for name in names:
            put_estimate(row, name, np.array([value for part in parts for value in part[f"{name}_seeds"]]))
            del row[f"{name}_seeds"]
            found[name][units, inputs] = Estimate(row[name], row[f"{name}_error"], n_seeds)
        row["rhat"], row["ess"] = max(part["rhat"] for part in parts), min(part["ess"] for part in parts)
        rows.append(row)
    for name in names:
        fit = plane(found[name])
        rows.append(
            {"kind": "limit", "case": label, "name": name, "theory": theory[name]}
            | {
                "replicon": max(
                    theory[f"replicon_{t + 1}"] for t in range(int(name.split("_")[-2 if name[0] == "p" else -1]))
                )
            }
            | {"value": fit.limit.mean, "error": fit.limit.error, "freedom": fit.limit.n}
            | {"by_units": fit.by_units.mean, "by_units_error": fit.by_units.error}
            | {"by_inputs": fit.by_inputs.mean, "by_inputs_error": fit.by_inputs.error}
            | {"chi2": fit.chi2, "dof": fit.dof}
        )
    return rows


def draw(data: Data) -> Any:
    """Sampler minus theory against the fitted correction b/K + c/n, a panel for each case: points on the line of slope
    1 through the diamond (the limit) bear the fit out, the diamond on 0 the theory."""
    from statmech_cl import figures

    cases = list(data.parameters["cases"])
    figure, axes = figures.new(1, len(cases), width=2.4, height=2.4)
    for ax, label in zip(axes, cases, strict=True):
        for limit in data.select(kind="limit", case=label):
            name, gap = limit["name"], limit["value"] - limit["theory"]
            kind = name.split("_")[0] if not name.startswith("q_star") else "q_star"
            color = {"q": "C0", "r": "C1", "q_star": "C2", "p": "C3"}[kind]
            rows = data.select(kind="gibbs", case=label)
            x = [limit["by_units"] / row["units"] + limit["by_inputs"] / row["inputs"] for row in rows]
            y = [row[name] - limit["theory"] for row in rows]
            look = {"color": color, "markersize": 2.5, "linewidth": 0.7}
            ax.errorbar(x, y, [row[f"{name}_error"] for row in rows], fmt="o", label=_NAMES[kind], **look)
            ax.errorbar(0.0, gap, limit["error"], fmt="D", **{**look, "markersize": 4}, markerfacecolor="white")
            ends = [min(0.0, *x), max(0.0, *x)]
            ax.plot(ends, [gap + end for end in ends], color=color, linewidth=0.5, alpha=0.5)
        ax.axhline(0.0, color="0.5", linewidth=0.6, linestyle=":")
        ax.set_title(label, fontsize=8)
        ax.set_xlabel("$b/K + c/n$")
    axes[0].set_ylabel("sampler $-$ theory")
    known = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    axes[0].legend(known.values(), known.keys(), fontsize=6)
    return figure


_NAMES = {"q": "$q$", "r": "$r$", "q_star": r"$q_\star$", "p": "$p$"}


def verdict(data: Data) -> Verdict:
    """Every limit beside the theory; those with a replicon above 1 do not decide."""
    rows = limit_rows(data)
    sentence, holds = agreement(rows, "Extrapolated in K and n", "the sampler")
    rhat = max(data.column("rhat", kind="gibbs"))
    return Verdict(rows, f"{sentence}{not_judged(rows)} Largest R-hat {rhat:.2f}.", holds)


def limit_rows(data: Data) -> list[Row]:
    """Verdict rows of all limits."""
    return [
        Row(
            f"{limit['name']}, {limit['case']}",
            limit["theory"],
            Estimate(limit["value"], limit["error"], limit["freedom"]),
            f"b {limit['by_units']:+.2f}({limit['by_units_error']:.2f}), "
            f"c {limit['by_inputs']:+.2f}({limit['by_inputs_error']:.2f}), "
            f"chi2 {limit['chi2']:.1f} of {limit['dof']}, replicon {limit['replicon']:.2f}",
            limit["replicon"] < 1.0,
        )
        for limit in data.select(kind="limit")
    ]
