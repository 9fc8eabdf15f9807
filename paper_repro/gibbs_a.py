"""Theory against samples of the Gibbs measure: one task and two, each at several N, extrapolated to N -> infinity."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.simulations.perceptron.extrapolation import extrapolate

from .agreement import agreement
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare
from .theory_rows import theory_row, two_task_theory_row

_ONE = ("q", "r", "q_star", "p")
_TWO = ("q", "r", "q_star", "p_1", "p_2")
# p of one task and p_1 of two are different things, and look different
_COLORS = {"q": "#0072B2", "r": "#D55E00", "q_star": "#009E73", "p": "#CC79A7", "p_1": "#56B4E9", "p_2": "#E69F00"}
_SMALL = {"sizes": [100, 200, 400], "warmup": 200, "draws": 100}
# At N = 100 to 200 the high-overlap branch is left now and then, and its 1/N law has not set in.
_LARGE = {"sizes": [240, 400, 640], "warmup": 100, "draws": 40, "start": "teacher"}
_CASES: dict[str, dict[str, Any]] = {
    "alpha = 0.2": {"alpha": 0.2, **_SMALL},
    "alpha = 0.5": {"alpha": 0.5, **_SMALL},
    "alpha = 2": {"alpha": 2.0, **_LARGE},
    "two tasks, r0 = 0, alpha_2 = 1": {"alpha_1": 2.0, "alpha_2": 1.0, "r0": 0.0, "gamma": 1.0, **_LARGE},
    "two tasks, r0 = 0.5, alpha_2 = 2": {"alpha_1": 2.0, "alpha_2": 2.0, "r0": 0.5, "gamma": 1.0, **_LARGE},
}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {"beta": 20.0, "leapfrogs": 16, "n_seeds": [40, 24, 12], "cases": _CASES},
    "paper": {"beta": 20.0, "leapfrogs": 16, "n_seeds": [400, 200, 100], "cases": _CASES},
}
_SAMPLER = ("warmup", "draws", "start")
_BLOCK = 16  # seeds sampled and stored at a time: what a killed run can lose, and what fits the cache


def compute(context: Context) -> Data:
    """Samples block by block, their means at each N, the extrapolated limits, and the theory."""
    from statmech_cl.simulations.perceptron.rows import gibbs_row, gibbs_two_task_row, put_estimate

    prepare()
    size = context.parameters
    rows: list[dict[str, Any]] = []
    for label, case in size["cases"].items():
        two = "alpha_2" in case
        names = _TWO if two else _ONE
        physics = {name: value for name, value in case.items() if name not in ("sizes", *_SAMPLER)}
        sampler = {name: case[name] for name in _SAMPLER if name in case} | {"leapfrogs": size["leapfrogs"]}
        theory = context.points(
            two_task_theory_row if two else theory_row, [{**physics, "beta": size["beta"]}], "theory"
        )
        rows.append({"kind": "theory", "case": label, **{name: theory[0][name] for name in names}})
        estimates: dict[str, list[Estimate]] = {name: [] for name in names}
        for index, (n, n_seeds) in enumerate(zip(case["sizes"], size["n_seeds"], strict=True)):
            # different sizes see different disorder: their estimates are independent
            first = context.seed + 100_000 * (index + 1)
            blocks = [list(range(first + i, first + min(i + _BLOCK, n_seeds))) for i in range(0, n_seeds, _BLOCK)]
            common = {**physics, "beta": size["beta"], "n": n, "device": context.device, **sampler}
            grid = [{**common, "seeds": block} for block in blocks]
            sampled = context.points(
                gibbs_two_task_row if two else gibbs_row,
                grid,
                f"{label}, N = {n}",
            )
            row: dict[str, Any] = {"kind": "gibbs", "case": label, "n": n, "n_seeds": n_seeds}
            for name in names:
                put_estimate(row, name, np.array([value for part in sampled for value in part[f"{name}_seeds"]]))
                del row[f"{name}_seeds"]
                estimates[name].append(Estimate(row[name], row[f"{name}_error"], n_seeds))
            row["acceptance"] = sum(part["acceptance"] for part in sampled) / len(sampled)
            row["ess"] = min(part["ess"] for part in sampled)
            row["rhat"] = max(part["rhat"] for part in sampled)
            rows.append(row)
        limit: dict[str, Any] = {"kind": "limit", "case": label}
        for name, values in estimates.items():
            if all(value.error > 0.0 for value in values):
                fit = extrapolate(case["sizes"], values)
                limit |= {name: fit.limit.mean, f"{name}_error": fit.limit.error, f"{name}_n": fit.limit.n}
                limit |= {f"{name}_slope": fit.slope.mean, f"{name}_chi2": fit.chi2}
        rows.append(limit)
    return Data(rows, dict(size))


def draw(data: Data) -> Any:
    """Gibbs minus theory against 1/N, one panel for each case; at 1/N = 0 the extrapolated limit."""
    from statmech_cl import figures

    cases = data.parameters["cases"]
    figure, axes = figures.new(2, 3, width=2.5, height=2.1)
    for ax, label in zip(axes.flat, cases, strict=False):
        (theory,), (limit,) = data.select(kind="theory", case=label), data.select(kind="limit", case=label)
        for index, name in enumerate(_TWO if "alpha_2" in cases[label] else _ONE):
            rows = data.select(kind="gibbs", case=label)
            x = [1.0 / row["n"] + 8e-5 * (index - 2) for row in rows]
            y = [row[name] - theory[name] for row in rows]
            ax.errorbar(
                x,
                y,
                [row[f"{name}_error"] for row in rows],
                fmt="o",
                color=_COLORS[name],
                markersize=3,
                label=f"${_tex(name)}$",
            )
            if name in limit:
                gap, slope = limit[name] - theory[name], limit[f"{name}_slope"]
                ax.errorbar(8e-5 * (index - 2), gap, limit[f"{name}_error"], fmt="D", color=_COLORS[name], markersize=4)
                ax.plot([0.0, max(x)], [gap, gap + slope * max(x)], color=_COLORS[name], linewidth=0.7)
        ax.axhline(0.0, color="0.5", linewidth=0.6, linestyle=":")
        ax.set_title(_titled(label), fontsize=7)
        ax.set_xlabel("$1/N$")
        ax.set_ylabel("Gibbs $-$ theory")
    handles: dict[str, Any] = {}
    for ax in axes.flat:
        handles.update((label, handle) for handle, label in zip(*ax.get_legend_handles_labels(), strict=True))
    for ax in axes.flat[len(cases) :]:
        ax.axis("off")
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=len(handles),
        title="circles: samples at N, diamonds: extrapolated",
    )
    return figure


def _titled(label: str) -> str:
    """A case's label with its symbols typeset."""
    symbols = {"alpha_2": r"$\alpha_2$", "alpha": r"$\alpha$", "r0": "$r_0$"}
    return re.sub(r"\b(alpha_2|alpha|r0)\b", lambda found: symbols[found[0]], label)


def _tex(name: str) -> str:
    return {"q_star": r"q_*"}.get(name, name)


def verdict(data: Data) -> Verdict:
    """The extrapolated limits beside the theory."""
    rows = []
    for limit in data.select(kind="limit"):
        (theory,) = data.select(kind="theory", case=limit["case"])
        for name in _TWO if "p_1" in theory else _ONE:
            if name in limit:
                estimate = Estimate(limit[name], limit[f"{name}_error"], limit[f"{name}_n"])
                note = f"chi2 {limit[f'{name}_chi2']:.1f} of 1 degree of freedom"
                rows.append(Row(f"{name}, {limit['case']}", theory[name], estimate, note))
    return Verdict(rows, *agreement(rows, "Order parameters of the Gibbs measure", "the sampler"))
