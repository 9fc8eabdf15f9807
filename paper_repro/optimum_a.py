"""optimum-a: the gamma that makes the worse of two errors least; sampler and descent there, at half and at twice it.

Rule: that of `pairs`; every optimum is certified (gradient below 1e-6, no other branch wins); and in the sampler,
extrapolated in N, the worse error is smaller at the optimum than at half and at twice its gamma by more than 3 standard
errors. The worse error is that of the smaller overlap, so the smaller overlaps are compared, seed by seed. What descent
says to the last question is told, and decides nothing.
"""

from __future__ import annotations

from typing import Any

from . import pairs
from .agreement import BEYOND, agreement
from .figure import Context, Data, Verdict
from .pair_rows import optimum_row, pair_row

_GRADIENT = 1e-6
_CASES = [{"alpha_2": 1.0, "r0": 0.6}, {"alpha_2": 2.0, "r0": 0.0}, {"alpha_2": 2.0, "r0": 0.3}]
SCALES: dict[str, dict[str, Any]] = {
    scale: {"alpha_1": 2.0, "beta": 20.0, "cases": _CASES, "factors": [0.5, 1.0, 2.0], "sizes": pairs.SIZES[scale]}
    | {"line": [0.25, 0.35, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.8, 4.0]}
    for scale in ("quick", "paper")
}


def compute(context: Context) -> Data:
    """The optimum of each case, the points around it, and the theory between them."""
    size = dict(context.parameters)
    fixed = {name: size[name] for name in ("alpha_1", "beta")}
    asked = [{**fixed, **case} for case in size["cases"]]
    best = context.points(optimum_row, asked, "optimum")
    rows: list[dict[str, Any]] = [{"kind": "optimum", **case, **row} for case, row in zip(asked, best, strict=True)]

    def around(factors: list[float]) -> list[dict[str, Any]]:
        pairs_of = zip(asked, best, strict=True)
        return [{**case, "gamma": factor * row["gamma"]} for case, row in pairs_of for factor in factors]

    points = around(size["factors"])
    compared, single = pairs.compute(context, points)
    rows += compared
    for method in single:
        limits = [row for row in compared if row["kind"] == f"{method} limit"]
        rows += [{"kind": f"{method} loss", **loss} for loss in _losses(points, best, limits, single[method])]
    line = around(size["line"])
    between = context.points(pair_row, line, "line")
    return Data([*rows, *({"kind": "line", **at, **row} for at, row in zip(line, between, strict=True))], size)


def _losses(points: Any, best: Any, limits: Any, seeds: list[pairs.Seeds]) -> list[dict[str, Any]]:
    """How far the smaller overlap lies below that at the optimum, at every other point."""
    losses = []
    count = len(points) // len(best)
    for start in range(0, len(points), count):
        of_case = range(start, start + count)
        gamma = best[start // count]["gamma"]
        top = min(of_case, key=lambda k: abs(points[k]["gamma"] - gamma))
        least = {k: min(pairs.NAMES, key=lambda name: limits[k][name]) for k in of_case}
        for k in of_case:
            if k != top:
                loss = pairs.difference(seeds[top], least[top], seeds[k], least[k])
                losses.append({**points[k], "p": loss.mean, "p_error": loss.error, "p_n": loss.n})
    return losses


def _worst(row: dict[str, Any]) -> tuple[float, float]:
    """The larger of both errors, and its standard error (0 for theory)."""
    name = max(("eps_1", "eps_2"), key=lambda one: row[one])
    return row[name], row.get(f"{name}_error", 0.0)


def draw(data: Data) -> Any:
    """The worse error against gamma in units of the optimum, a panel for each case."""
    from statmech_cl import figures

    best = data.select(kind="optimum")
    figure, axes = figures.new(1, len(best), width=2.4, height=2.5, squeeze=False)
    for ax, optimum in zip(axes[0], best, strict=True):
        at = {name: optimum[name] for name in ("alpha_2", "r0")}
        points = data.select(kind="line", **at)
        x = [row["gamma"] / optimum["gamma"] for row in points]
        ax.plot(x, [_worst(row)[0] for row in points], color="black", label="theory")
        for kind, marker, method in (("gibbs limit", "D", "sampler"), ("descent limit", "o", "descent")):
            points = data.select(kind=kind, **at)
            x = [row["gamma"] / optimum["gamma"] for row in points]
            y, error = zip(*(_worst(row) for row in points), strict=True)
            color = "#0072B2" if marker == "D" else "#D55E00"
            ax.errorbar(x, y, error, fmt=marker, color=color, markersize=3.5, label=method)
        ax.set_xscale("log", base=2)
        ax.set_title(rf"$\alpha_2={at['alpha_2']:g}$, $r_0={at['r0']:g}$", fontsize=8)
        ax.set_xlabel(rf"$\gamma$ / {optimum['gamma']:.3f}")
    axes[0, 0].set_ylabel("worse of both errors")
    axes[0, 0].legend(fontsize=6)
    return figure


def verdict(data: Data) -> Verdict:
    """See the module's text."""
    rows = pairs.beside(data, "gibbs")
    sentence, holds = agreement(rows, "p_1 and p_2 after task 2", "the sampler")
    best = data.select(kind="optimum")
    certified = all(row["gradient"] < _GRADIENT and row["thermodynamic"] for row in best)
    told = {
        method: [row["p"] / row["p_error"] for row in data.select(kind=f"{method} loss")]
        for method in ("gibbs", "descent")
    }
    sentence += (
        f" {'Every' if certified else 'Not every'} optimum is certified. Off the optimum the smaller overlap falls, in "
        f"standard errors: sampler {_listed(told['gibbs'])}; descent {_listed(told['descent'])} (half, twice, case by "
        "case)."
    )
    holds = holds and certified and min(told["gibbs"]) > BEYOND
    return Verdict([*rows, *pairs.beside(data, "descent")], sentence, holds)


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:+.1f}" for value in values)
