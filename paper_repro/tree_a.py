"""eps_g against alpha of trees of 0 to 3 hidden layers of signs: theory, sampler, descent; few units; shared inputs.

Panels: (1) lines of theory, every branch, with points of the sampler and of descent at finite size; (2) one hidden
layer of 3, 5 and infinitely many units, with the sampler at 3 and 5 units, whose hidden signs are summed over exactly,
extrapolated in 1/n; (3) the error on fresh patterns of descended trees and of fully connected committees of as many
weights, beside the tree's theory.

Judged, by the rule of `agreement`: the overlap p that the sampler finds, extrapolated, against the theory where the
replicon is below 1; 3 and 5 units in 1/n. Trees of one, two and three hidden layers are sampled
at one size and shown. Descent is shown, not judged: no theory of its dynamics in trees exists here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from .agreement import agreement, at_infinite_n
from .figure import Context, Data, Row, Verdict
from .theory_rows import line_row
from .tree_k import few_units_error
from .tree_rows import few_units_row

# hidden layers -> K, n at about 500 weights
_SIZES = {"0": [1, 495], "1": [15, 33], "2": [5, 21], "3": [3, 19]}
_SHARED: dict[str, Any] = {
    "beta": 20.0,
    "to": 2.5,
    "hidden_layers": [0, 1, 2, 3],
    "sizes": _SIZES,
    "sampled_at": [0.2],
    "descended_at": [0.5, 1.0, 1.5, 2.0],
    "few": {"3": [0.2, 0.5, 1.0], "5": [0.2, 0.5]},  # the first two of each are sampled
    "few_inputs": [15, 31, 63],
    "sampler": {"warmup": 200, "draws": 150, "walkers": 2, "leapfrogs": 14},
    "descent": {"epochs": 200, "records": 1},
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "n_seeds": 16, "descended": 6},
    "paper": {**_SHARED, "n_seeds": 160, "descended": 20},
}


def compute(context: Context) -> Data:
    """Rows "line", "event", "gibbs", "descent" (with `overlapping`), "few", "few gibbs" and "limit"."""
    from statmech_cl.simulations.tree.rows import tree_descent_row

    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    rows: list[dict[str, Any]] = []
    for layers in size["hidden_layers"]:
        grid = [{"to": size["to"], "beta": size["beta"], "prior": "none", "hidden_layers": layers}]
        (line,) = context.points(line_row, grid, f"line of theory, {layers} hidden layers")
        rows += [{"kind": "line", "hidden_layers": layers, **point} for point in line["points"]]
        rows += [{"kind": "event", "hidden_layers": layers, **event} for event in line["events"]]
    for units, alphas in size["few"].items():
        few = [{"units": int(units), "alpha": alpha, "beta": size["beta"]} for alpha in alphas]
        found = context.points(few_units_row, few, f"{units} units")
        rows += [{"kind": "few", **at, **row} for at, row in zip(few, found, strict=True)]
    rows += _sampled(context)
    seeds = list(range(context.seed + 900_000, context.seed + 900_000 + size["descended"]))
    for layers in size["hidden_layers"]:
        units, inputs = size["sizes"][str(layers)]
        for overlapping in (False, True) if layers == 1 else (False,):
            common = {"r0": 0.0, "gamma": 0.0, "hidden_layers": layers, "units": units, "inputs": inputs}
            # a perceptron is a linear tree; as a tree of signs it has no hidden layer
            grid = [
                {"alpha": [alpha], **common, "overlapping": overlapping, "seeds": seeds, "device": context.device}
                | size["descent"]
                for alpha in size["descended_at"]
            ]
            for at, row in zip(grid, context.points(tree_descent_row, grid, "descent"), strict=True):
                kept = {name: row.get(name) for end in ("", "_error") for name in (f"eps_1_1{end}", f"test_1_1{end}")}
                rows.append(
                    {"kind": "descent", "hidden_layers": layers, "overlapping": overlapping, "alpha": at["alpha"][0]}
                    | {"units": units, "inputs": inputs, "n_seeds": len(seeds), "diverged": row["diverged"], **kept}
                )
    return Data(rows, dict(size))


def _sampled(context: Context) -> list[dict[str, Any]]:
    """Rows "gibbs" of deep trees at one size, "few gibbs" of few units at several, and "limit" of what is judged."""
    from statmech_cl.simulations.tree.rows import tree_gibbs_row

    size = context.parameters
    rows: list[dict[str, Any]] = []

    def at(alpha: float, layers: int, units: int, inputs: int, number: int, **more: Any) -> dict[str, Any]:
        first = context.seed + 1_000_000 + 1000 * number
        seeds = list(range(first, first + size["n_seeds"]))
        tree = {"r0": 0.0, "gamma": 0.0, "hidden_layers": layers, "units": units, "inputs": inputs, **more}
        grid = [{"alpha": [alpha], "beta": size["beta"], **tree, "seeds": seeds, "device": context.device}]
        (row,) = context.points(tree_gibbs_row, [grid[0] | size["sampler"]], "sampler")
        kept = {name: row[name] for name in ("p_1_1", "p_1_1_error", "eps_1_1", "eps_1_1_error", "rhat", "ess")}
        return {"alpha": alpha, "hidden_layers": layers, "units": units, "inputs": inputs, **kept}

    for alpha in size["sampled_at"]:
        for layers in size["hidden_layers"]:
            units, inputs = size["sizes"][str(layers)]
            if layers > 0:
                rows.append({"kind": "gibbs", **at(alpha, layers, units, inputs, layers)})
    for name, alphas in size["few"].items():
        few = int(name)
        for alpha in alphas[:2]:
            found = [at(alpha, 1, few, n, 10 * few + k, counted=True) for k, n in enumerate(size["few_inputs"])]
            rows += [{"kind": "few gibbs", **row} for row in found]
            estimates = {row["inputs"]: Estimate(row["p_1_1"], row["p_1_1_error"], size["n_seeds"]) for row in found}
            limit = at_infinite_n(estimates)
            rows.append(
                {"kind": "limit", "units": few, "alpha": alpha}
                | {"p": limit.mean, "p_error": limit.error, "freedom": limit.n}
                | few_units_error(few, limit.mean, limit.error)
            )
    return rows


def draw(data: Data) -> Any:
    """Three panels, see the module: lines theory (dashed where unstable), circles descent, diamonds the sampler. The
    points of the first are eps_g of many units at the overlap p that was found."""
    from statmech_cl import figures

    size = data.parameters
    figure, (left, middle, right) = figures.new(1, 3, width=2.5, height=2.6)
    for layers in size["hidden_layers"]:
        color, label = f"C{layers}", str(layers)
        for number in dict.fromkeys(data.column("curve", kind="line", hidden_layers=layers)):
            line = data.select(kind="line", hidden_layers=layers, curve=number)
            look: dict[str, Any] = {"stable": [point["stable"] for point in line], "linewidth": 0.8}
            figures.curve(left, line, "eps_g", color=color, label=label if number == 0 else None, **look)
            if layers == 1:
                for ax, said in ((middle, r"$K \to \infty$"), (right, "tree, theory")):
                    figures.curve(ax, line, "eps_g", color="0.3", label=said if number == 0 else None, **look)
        _points(left, data.select(kind="descent", hidden_layers=layers, overlapping=False), "eps_1_1", "o", color)
        _points(left, data.select(kind="gibbs", hidden_layers=layers), "eps_1_1", "D", color)
    for number, units in enumerate(size["few"]):
        line = data.select(kind="few", units=int(units))
        middle.plot([p["alpha"] for p in line], [p["eps_g"] for p in line], ".-", color=f"C{number}", linewidth=0.8,
                    markersize=3, label=f"$K = {units}$")  # fmt: skip
        limits = data.select(kind="limit", units=int(units))
        spread = [[limit[f"eps_g_{way}"] for limit in limits] for way in ("below", "above")]
        middle.errorbar([limit["alpha"] for limit in limits], [limit["eps_g"] for limit in limits], spread, fmt="D",
                        color=f"C{number}", markersize=3, markerfacecolor="white", linewidth=0.7)  # fmt: skip
    for overlapping, label in ((False, "tree, descent"), (True, "shared inputs")):
        rows = data.select(kind="descent", hidden_layers=1, overlapping=overlapping)
        _points(right, rows, "test_1_1", "o" if not overlapping else "s", f"C{1 + 2 * overlapping}", label)
    for ax in (left, middle, right):
        ax.set_xlabel(r"$\alpha$")
        ax.set_ylim(-0.01, 0.51)
        ax.set_ylabel(r"$\epsilon_g$")
        ax.legend(fontsize=6, loc="lower left", title="hidden layers" if ax is left else None, title_fontsize=6)
    few = data.select(kind="few")
    middle.set_xlim(0.0, 1.1 * max(row["alpha"] for row in few))
    middle.set_ylim(min(row["eps_g"] for row in few) - 0.06, 0.505)
    left.set_title("circles: descent; diamonds: sampler", fontsize=7)
    middle.set_title(r"few units; sampler at $n \to \infty$", fontsize=7)
    right.set_title("one hidden layer, fresh patterns", fontsize=7)
    return figure


def _points(ax: Any, rows: list[dict[str, Any]], name: str, fmt: str, color: str, label: str | None = None) -> None:
    shown = [row for row in rows if row[name] is not None]
    ax.errorbar([row["alpha"] for row in shown], [row[name] for row in shown], [row[f"{name}_error"] for row in shown],
                fmt=fmt, color=color, markersize=3, markerfacecolor="white", linewidth=0.7, label=label)  # fmt: skip


def verdict(data: Data) -> Verdict:
    """The sampler's limits beside theory; descent and what it ends beside are listed and decide nothing."""
    rows = []
    for limit in data.select(kind="limit"):
        (theory,) = data.select(kind="few", units=limit["units"], alpha=limit["alpha"])
        note = f"replicon {theory['replicon']:.2f}, quadrature {theory['quadrature_error']:.0e}"
        rows.append(
            Row(f"p, K = {limit['units']}, alpha={limit['alpha']:g}, sampler", theory["p"],
                Estimate(limit["p"], limit["p_error"], limit["freedom"]), note, theory["replicon"] < 1.0)
        )  # fmt: skip
    for row in data.select(kind="gibbs"):
        note = f"{row['units']} units, {row['inputs']} inputs: shown, not extrapolated"
        rows.append(
            Row(f"eps_g, hidden_layers={row['hidden_layers']}, alpha={row['alpha']:g}, sampler", _nearest(data, row),
                Estimate(row["eps_1_1"], row["eps_1_1_error"], data.parameters["n_seeds"]), note, False)
        )  # fmt: skip
    for row in data.select(kind="descent"):
        name = "test_1_1" if row["overlapping"] else "eps_1_1"
        what = "shared inputs" if row["overlapping"] else f"hidden_layers={row['hidden_layers']}"
        if row[name] is not None and row[f"{name}_error"] > 0.0:
            estimate = Estimate(row[name], row[f"{name}_error"], row["n_seeds"] - row["diverged"])
            note = f"fresh patterns {row['test_1_1']:.3f}" if row["test_1_1"] is not None else ""
            note += f"; {row['diverged']} of {row['n_seeds']} seeds diverged" if row["diverged"] else ""
            rows.append(Row(f"eps_g, {what}, alpha={row['alpha']:g}, descent", None, estimate, note, False))
    sentence, holds = agreement(rows, "3 and 5 units, n to infinity", "the sampler")
    folds = {layers: data.column("alpha", kind="event", hidden_layers=layers, event="fold")
             for layers in data.parameters["hidden_layers"]}  # fmt: skip
    told = "; ".join(f"hidden_layers={layers}: {', '.join(f'{a:.3f}' for a in sorted(found))}"
                     for layers, found in folds.items() if found)  # fmt: skip
    return Verdict(rows, f"{sentence} Folds of the lines: {told}. Descent is shown, not judged.", holds)


def _nearest(data: Data, row: dict[str, Any]) -> float | None:
    """eps_g of theory next to a sampled point: the line's value, interpolated, on the curve from alpha = 0."""
    line = data.select(kind="line", hidden_layers=row["hidden_layers"], curve=0)
    alphas = np.array([point["alpha"] for point in line])
    rising = int(np.argmax(np.diff(alphas, append=-np.inf) < 0.0)) + 1
    return float(np.interp(row["alpha"], alphas[:rising], [point["eps_g"] for point in line[:rising]]))
