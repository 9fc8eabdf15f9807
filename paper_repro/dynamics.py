"""The kernels of the dynamical theory: C(t, u), R(t, u), Gamma(t, u) as maps, and what memory adds to the curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement, at_infinite_n
from .curve_kernels import kernels_row
from .figure import Context, Data, Row, Verdict

_SHARED = {"alpha": 1.0, "epochs": 120}
SCALES: dict[str, dict[str, Any]] = {
    "quick": {**_SHARED, "samples": 2048, "batches": 8, "sizes": [[500, 16], [1000, 10], [2000, 6]]},
    "paper": {**_SHARED, "samples": 4096, "batches": 16, "sizes": [[1000, 40], [2000, 20], [4000, 10]]},
}
_MAPS = ("covariance", "response", "gamma")


def compute(context: Context) -> Data:
    """The exact method with and without memory, and descent."""
    from statmech_cl.simulations.perceptron.curve_rows import descent_curves

    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    descent = curves.whole_batch(epochs=size["epochs"], records=12)
    case = {"alpha": size["alpha"], "samples": size["samples"], "batches": size["batches"], "seed": context.seed}
    grid = [{**case, "memory": memory, **descent} for memory in (True, False)]
    whole, without = context.points(kernels_row, grid, "dynamics")
    rows: list[dict[str, Any]] = []
    for kind, row in (("dynamics", whole), ("no memory", without)):
        for index, epoch in enumerate(row["epochs"]):
            values = {name: row[name][index] for name in ("p", "p_error", "q_star", "q_star_error")}
            rows.append({"kind": kind, "epoch": epoch, "count": row["batches"], **values})
    seen = {}
    for n, n_seeds in size["sizes"]:
        chosen = list(range(context.seed, context.seed + n_seeds))
        point = {"alpha_1": size["alpha"], "n": n, "seeds": chosen, "device": context.device, **descent}
        ((seen[n]),) = context.groups(descent_curves, [point], f"descent, N = {n}", together=["alpha_1"])
    for index, epoch in enumerate(seen[size["sizes"][0][0]]["stages"][0]["epochs"]):
        limit: dict[str, Any] = {"kind": "limit", "epoch": epoch}
        for name in ("p", "q_star"):
            at = {}
            for n, row in seen.items():
                stage = row["stages"][0]
                mean, error = (stage[f"{name}{end}"] for end in ("", "_error"))
                mean, error = (mean[0], error[0]) if name == "p" else (mean, error)
                at[n] = Estimate(mean[index], error[index], row["n_seeds"])
            found = at_infinite_n(at)
            limit |= {name: found.mean, f"{name}_error": found.error, f"{name}_n": found.n}
        rows.append(limit)
    for name in _MAPS:
        rows += [{"kind": name, "time": t, "values": line} for t, line in enumerate(whole[name])]
    return Data(rows, {**size, "descent": descent})


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
        image = ax.imshow(matrix, origin="lower", cmap="RdBu_r", vmin=-bound, vmax=bound)
        ax.set(title=titles[name], xlabel="$u$", ylabel="$t$")
        figure.colorbar(image, ax=ax, shrink=0.8)
    for ax, name, label in zip(axes[1], ("p", "q_star"), ("$p$", r"$q_\star$"), strict=False):
        for kind, style in (("dynamics", "-"), ("no memory", "--")):
            line = data.select(kind=kind)
            x, y = [row["epoch"] for row in line], [row[name] for row in line]
            ax.plot(x, y, style, color="#0072B2", label=kind if kind != "dynamics" else "theory")
        figures.points(ax, data.select(kind="limit"), name, x="epoch", color="#000000", label="descent", markersize=3)
        ax.set(xlabel="epoch", ylabel=label)
    axes[1, 0].legend()
    axes[1, 2].set_axis_off()
    return figure


def verdict(data: Data) -> Verdict:
    """Descent beside the theory with memory, which is judged; without memory it is wrong, and by how much."""
    rows, gaps = [], []
    exact, without = ({row["epoch"]: row for row in data.select(kind=kind)} for kind in ("dynamics", "no memory"))
    for seen in data.select(kind="limit")[1:]:
        for name in ("p", "q_star"):
            expected = exact[seen["epoch"]]
            gaps.append((abs(without[seen["epoch"]][name] - expected[name]), name, seen["epoch"]))
            rows.append(
                Row(
                    f"{name} epoch={seen['epoch']}",
                    expected[name],
                    Estimate(seen[name], seen[f"{name}_error"], seen[f"{name}_n"]),
                    theory_error=expected[f"{name}_error"],
                    theory_n=expected["count"],
                )
            )
    sentence, holds = agreement(rows, f"p and q_star at alpha={data.parameters['alpha']:g}, exact method")
    gap, name, epoch = max(gaps)
    return Verdict(rows, f"{sentence} Without memory {name} is off by {gap:.3f} (epoch {epoch}).", holds)
