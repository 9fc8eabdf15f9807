"""How the answer of descent moves with its setting: eps_g and q_star, one setting changed at a time.

Where all patterns make each step and the optimiser is SGD, descent at N -> infinity is judged beside its own dynamical
theory, by the rule of `agreement`, setting by setting. Adam and mini-batches of fixed size have no such theory: descent
at one N is shown.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, settings, without_seeds
from .theory_rows import theory_row

BASE = "whole batch"
_THEORY: dict[str, dict[str, Any]] = {
    BASE: {},
    "rate / 4": {"learning_rate": 0.005},
    "rate x 2.5": {"learning_rate": 0.05},
    "no momentum, rate x 10": {"momentum": 0.0, "learning_rate": 0.2},
    "50 epochs": {"epochs": 50},
    "no decay": {"weight_decay": 0.0},
    "decay 0.1": {"weight_decay": 0.1},
    "no warm-up": {"warmup": 0},
    "warm-up 40": {"warmup": 40},
    "start 0.1": {"start_spread": 0.1},
    "start 1.0": {"start_spread": 1.0},
}
_OTHERS: dict[str, dict[str, Any]] = {
    "batch 8": {"batch": 8},
    "batch 32": {"batch": 32},
    "batch 128": {"batch": 128},
    "Adam, rate 0.01": {"optimizer": "adam", "learning_rate": 0.01},
    "Adam, rate 0.1": {"optimizer": "adam", "learning_rate": 0.1},
}
_SHARED = {"beta": 20.0, "changes": _THEORY, "others": _OTHERS}
# sizes, dynamics: where there is a theory; n, n_seeds: where there is none
SCALES: dict[str, dict[str, Any]] = {
    "quick": _SHARED
    | {"alphas": [0.5, 1.0], "sizes": [[500, 16], [1000, 12], [2000, 8]]}
    | {"dynamics": {"samples": 2048, "batches": 8}, "n": 500, "n_seeds": 8},
    "paper": _SHARED
    | {"alphas": [0.5, 1.0, 1.5], "sizes": [[1000, 40], [2000, 20], [4000, 10]]}
    | {"dynamics": {"samples": 4096, "batches": 16}, "n": 1000, "n_seeds": 20},
}
_SPACING = 50  # between the first seeds of two settings


def compute(context: Context) -> Data:
    """Every setting at every alpha, each with seeds of its own."""
    from statmech_cl.simulations.perceptron.rows import descent_row

    prepare()
    size = context.parameters
    rows: list[dict[str, Any]] = []
    cases = [{"alpha_1": alpha} for alpha in size["alphas"]]
    common = {"batch": None, "records": 1, "test_patterns": 0}
    for index, (name, change) in enumerate(size["changes"].items()):
        own = dataclasses.replace(context, seed=context.seed + _SPACING * index)
        found = curves.compute(own, cases, settings(**{**common, **change}), last=True)
        rows += [{**row, "setting": name} for row in found]
    for index, (name, change) in enumerate(size["others"].items(), start=len(size["changes"])):
        own_seed = context.seed + _SPACING * index
        grid = [
            {
                "alpha": alpha,
                "n": size["n"],
                "seeds": curves.seeds_of(own_seed, size["n"], size["n_seeds"], {"alpha_1": alpha}),
                "device": context.device,
                **settings(**{**common, **change}),
            }
            for alpha in size["alphas"]
        ]
        for row in context.points(descent_row, grid, name):
            rows.append({"kind": "other", "setting": name, **without_seeds(row)})
    grid = [{"alpha": alpha, "beta": size["beta"], "branch": "low"} for alpha in size["alphas"]]
    for row in context.points(theory_row, grid, "equilibrium"):
        rows.append({"kind": "equilibrium", **{name: row[name] for name in ("alpha", "q_star", "eps_g", "replicon")}})
    return Data(rows, {**size, "descent": settings(**common)})


def draw(data: Data) -> Any:
    """One panel for each alpha and quantity: bars for the dynamical theory, circles for descent, squares where there
    is no theory; dotted lines: the low-overlap branch of equilibrium."""
    from statmech_cl import figures

    alphas = data.parameters["alphas"]
    names = [*data.parameters["changes"], *data.parameters["others"]]
    figure, axes = figures.new(2, len(alphas), width=3.0, height=2.9, sharey=True, squeeze=False)
    for line, (quantity, column) in zip(axes, (("eps_g", "eps_1"), ("q_star", "q_star")), strict=True):
        for ax, alpha in zip(line, alphas, strict=True):
            for height, name in enumerate(reversed(names)):
                for row in data.select(kind="dynamics", alpha_1=alpha, setting=name):
                    ax.plot(row[column], height, "|", color="#0072B2", markersize=9)
                for row in data.select(kind="limit", alpha_1=alpha, setting=name):
                    ax.errorbar(row[column], height, xerr=row[f"{column}_error"], fmt="o", markersize=3, color="k")
                for row in data.select(kind="other", alpha=alpha, setting=name):
                    ax.errorbar(
                        row[quantity], height, xerr=row[f"{quantity}_error"], fmt="s", markersize=3, color="0.5"
                    )
            (theory,) = data.select(kind="equilibrium", alpha=alpha)
            ax.axvline(theory[quantity], color="0.5", linestyle=":")
            ax.set_yticks(range(len(names)), list(reversed(names)), fontsize=5.5)
            ax.set_title(rf"$\alpha={alpha:g}$")
            ax.set_xlabel(r"$\epsilon_g$" if quantity == "eps_g" else r"$q_*$")
    title = (
        "circles: descent; blue bars: dynamical theory; squares: descent of which it says nothing\n"
        "dotted: equilibrium at beta = 20"
    )
    figure.legend(handles=[], loc="outside lower center", title=title, title_fontsize=7)
    return figure


def verdict(data: Data) -> Verdict:
    """Every setting beside its own dynamical theory, p and q_star; how far the setting moves eps_g and q_star."""
    judged, shown = [], []
    for name in data.parameters["changes"]:
        for row in curves.beside(data, ("p_1", "q_star"), setting=name):
            judged.append(dataclasses.replace(row, what=f"{row.what}, {name}"))
    for one in data.select(kind="other"):
        for quantity in ("eps_g", "q_star"):
            estimate = Estimate(one[quantity], one[f"{quantity}_error"], one["n_seeds"] - one["diverged"])
            what = f"{quantity} alpha={one['alpha']:g}, {one['setting']}, N={one['n']}"
            shown.append(Row(what, None, estimate, judged=False))
    sentence, holds = agreement(judged, "p and q_star after the last epoch, setting by setting")
    for alpha in data.parameters["alphas"]:
        told = {one["setting"]: one for one in data.select(kind="dynamics", alpha_1=alpha)}
        base, others = told[BASE], [one for name, one in told.items() if name != BASE]
        far = {column: max(others, key=lambda one: abs(one[column] - base[column])) for column in ("eps_1", "q_star")}
        moves = [
            f"{label} by {far[column][column] - base[column]:+.3f} ({far[column]['setting']})"
            for label, column in (("eps_g", "eps_1"), ("q_star", "q_star"))
        ]
        sentence += f" At alpha={alpha:g} a change of setting moves {' and '.join(moves)} at most."
    return Verdict([*judged, *shown], sentence, holds)
