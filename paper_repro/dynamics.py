"""The kernels of the dynamical theory: C(t, u), R(t, u), Gamma(t, u) as maps, what memory adds to the curve, and
mini-batches: the patterns cut into a few groups, visited in turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement, at_infinite_n
from .curve_kernels import groups_row, kernels_row
from .figure import Context, Data, Row, Verdict

_SHARED = {"alpha": 1.0, "epochs": 120, "groups": 4, "groups_epochs": 40}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "samples": 2048, "batches": 8, "sizes": [[500, 24], [1000, 16], [2000, 8]]},
    "paper": {**_SHARED, "samples": 4096, "batches": 16, "sizes": [[1000, 40], [2000, 20], [4000, 10]]},
}
_MAPS = ("covariance", "response", "gamma")
_NAMES = ("p", "q_star")


def compute(context: Context) -> Data:
    """The exact method with and without memory, the fast one with groups, and descent of both kinds."""
    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    full_batch = curves.whole_batch(epochs=size["epochs"], records=12)
    cut = curves.whole_batch(epochs=size["groups_epochs"], records=8)
    case = {"alpha": size["alpha"], "samples": size["samples"], "batches": size["batches"], "seed": context.seed}
    grid = [{**case, "memory": memory, **full_batch} for memory in (True, False)]
    exact, without = context.points(kernels_row, grid, "dynamics")
    (grouped,) = context.points(groups_row, [{**case, "groups": size["groups"], **cut}], "groups")
    rows = [*_told("dynamics", exact), *_told("no memory", without), *_told("groups", grouped)]
    rows += _limits(context, "limit", full_batch, 1) + _limits(context, "groups limit", cut, size["groups"])
    for name in _MAPS:
        rows += [{"kind": name, "time": t, "values": line} for t, line in enumerate(exact[name])]
    return Data(rows, {**size, "descent": full_batch, "grouped": cut})


def _told(kind: str, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A theory's row, epoch by epoch."""
    names = [f"{name}{end}" for name in _NAMES for end in ("", "_error")]
    return [
        {"kind": kind, "epoch": epoch, "count": row["batches"], **{name: row[name][index] for name in names}}
        for index, epoch in enumerate(row["epochs"])
    ]


def _limits(context: Context, kind: str, settings: Mapping[str, Any], groups: int) -> list[dict[str, Any]]:
    """Descent at N -> infinity at every recorded epoch, its patterns cut into so many mini-batches."""
    from statmech_cl.simulations.perceptron.curve_rows import descent_curves

    size = context.parameters
    stages, seeds = {}, dict(size["sizes"])
    for n, n_seeds in seeds.items():
        batch = None if groups == 1 else round(size["alpha"] * n) // groups
        chosen = curves.seeds_of(context.seed + 100 * groups, n, n_seeds, {"alpha_1": size["alpha"]})
        point = {"alpha_1": size["alpha"], "n": n, "seeds": chosen, "device": context.device, **settings}
        (row,) = context.groups(descent_curves, [{**point, "batch": batch}], f"descent, N = {n}", together=["alpha_1"])
        (stages[n],) = row["stages"]
    rows = []
    for index, epoch in enumerate(next(iter(stages.values()))["epochs"]):
        limit: dict[str, Any] = {"kind": kind, "epoch": epoch}
        for name in _NAMES:
            at = {}
            for n, stage in stages.items():
                mean, error = (stage[f"{name}{end}"] for end in ("", "_error"))
                mean, error = (mean[0], error[0]) if name == "p" else (mean, error)
                at[n] = Estimate(mean[index], error[index], seeds[n])
            extrapolated = at_infinite_n(at)
            limit |= {name: extrapolated.mean, f"{name}_error": extrapolated.error, f"{name}_n": extrapolated.n}
        rows.append(limit)
    return rows


def draw(data: Data) -> Any:
    """Three maps, and q_star and p with memory and without."""
    from statmech_cl import figures

    figure, axes = figures.new(2, 3, width=2.7, height=2.4)
    titles = {"covariance": "$C(t,u)-r_tr_u$", "response": "$R(t,u)$", "gamma": r"$\Gamma(t,u)$, $u<t$"}
    for ax, name in zip(axes[0], _MAPS, strict=True):
        matrix = np.array([row["values"] for row in data.select(kind=name)])
        if name == "gamma":
            matrix = np.tril(matrix, -1)  # Gamma(t, t) is larger by far
        bound = np.abs(matrix).max()
        # C has one sign, responses have both
        look = {"cmap": "Reds", "vmin": 0.0} if name == "covariance" else {"cmap": "RdBu_r", "vmin": -bound}
        image = ax.imshow(matrix, origin="lower", vmax=bound, **look)
        ax.set(title=titles[name], xlabel="$u$", ylabel="$t$")
        figure.colorbar(image, ax=ax, shrink=0.8)
    for ax, name, label in zip(axes[1], ("p", "q_star"), ("$p$", r"$q_*$"), strict=False):
        for kind, style in (("dynamics", "-"), ("no memory", "--")):
            line = data.select(kind=kind)
            x, y = [row["epoch"] for row in line], [row[name] for row in line]
            ax.plot(x, y, style, color="#0072B2", label="without memory" if kind == "no memory" else "theory")
        figures.points(ax, data.select(kind="limit"), name, x="epoch", color="#000000", label="descent", markersize=3)
        ax.set(xlabel="epoch", ylabel=label)
    axes[1, 0].legend()
    ax = axes[1, 2]
    for name, color in (("p", "#CC79A7"), ("q_star", "#009E73")):
        figures.curve(ax, data.select(kind="groups"), name, x="epoch", color=color)
        label = {"p": "$p$", "q_star": r"$q_*$"}[name]
        figures.points(
            ax, data.select(kind="groups limit"), name, x="epoch", color=color, label=label, fmt="o", markersize=3
        )
    ax.set(xlabel="epoch", ylabel="", title=f"{data.parameters['groups']} groups of patterns, in turn")
    ax.legend()
    return figure


def verdict(data: Data) -> Verdict:
    """Descent beside the theory with memory, which is judged; without memory it is wrong, and by how much."""
    rows, gaps = [], []
    told = {kind: {row["epoch"]: row for row in data.select(kind=kind)} for kind in ("dynamics", "no memory", "groups")}
    for theory, kind, label in (("dynamics", "limit", ""), ("groups", "groups limit", ", groups")):
        for seen in data.select(kind=kind)[1:]:
            expected = told[theory][seen["epoch"]]
            for name in _NAMES:
                if theory == "dynamics":
                    off = abs(told["no memory"][seen["epoch"]][name] - expected[name])
                    gaps.append((off, name, seen["epoch"]))
                rows.append(
                    Row(
                        f"{name} epoch={seen['epoch']}{label}",
                        expected[name],
                        Estimate(seen[name], seen[f"{name}_error"], seen[f"{name}_n"]),
                        theory_error=expected[f"{name}_error"],
                        theory_n=expected["count"],
                    )
                )
    what = f"p and q_star at alpha={data.parameters['alpha']:g}, the whole batch and {data.parameters['groups']} groups"
    sentence, holds = agreement(rows, what)
    gap, name, epoch = max(gaps)
    return Verdict(rows, f"{sentence} Without memory {name} is off by {gap:.3f} (epoch {epoch}).", holds)
