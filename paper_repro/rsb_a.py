"""eps_g and q_star against alpha with k = 0, 1, 2 steps of replica symmetry breaking, and what the sampler sees.

The sampler is replica exchange. The rule, written before the run that it judges: p and q_star, extrapolated in N, are
set against one step by the rule of `agreement`. A point is judged where the median R-hat over problems and scalars is
below 1.05 at every N; others are shown. So are replica symmetry (k = 0) and descent, which decide nothing: descent is
no sampler.
"""

from __future__ import annotations

from typing import Any

from statmech_cl.estimate import Estimate

from . import curves, one_task
from .agreement import agreement, at_infinite_n
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, without_seeds
from .rsb_rows import step_row

RHAT = 1.05  # largest median R-hat of a point that is judged
_NAMES = ("p", "q_star")
_TEX = {"eps_g": r"$\epsilon_g$", "q_star": r"$q_*$"}


def scales() -> dict[str, dict[str, Any]]:
    """cases: of the sampler; sizes: [N, problems, rungs of the ladder]; beta_low: its hottest rung; ladders: other
    fields of ExchangeSettings. At paper scale a problem whose ladders disagree goes on.
    """
    few, far_few = [[100, 16, 7], [200, 12, 10]], [[100, 16, 9], [200, 12, 13]]
    problems = {100: 24, 200: 12, 400: 6}

    def case(alpha: float, beta_low: float, sizes: list[list[int]]) -> dict[str, Any]:
        return {"alpha": alpha, "beta_low": beta_low, "sizes": sizes}

    def many(*rungs: int) -> list[list[int]]:
        return [[n, count, rung] for (n, count), rung in zip(problems.items(), rungs, strict=True)]

    quick = [case(0.8, 8.0, few), case(1.0, 8.0, few), case(1.25, 6.0, far_few)]
    paper = [case(0.8, 12.0, many(5, 6, 8)), case(1.0, 9.0, many(7, 9, 11)), case(1.25, 8.0, many(8, 10, 13))]
    agreed = {"even": True, "start": "both", "rhat": RHAT, "doublings": 3}

    theory = {"beta": 20.0, "k": [0, 1, 2], "line": [0.5, 2.0, 0.025]}
    descent = {name: _of_descent(size) for name, size in one_task.scales().items()}
    return {
        "quick": {**theory, **descent["quick"], "cases": quick, "warmup": 300, "draws": 1200, "ladders": {}},
        "paper": {**theory, **descent["paper"], "cases": paper, "warmup": 900, "draws": 2000, "ladders": agreed},
    }


def _of_descent(size: dict[str, Any]) -> dict[str, Any]:
    """Descent as in figure 2b, and at the same points."""
    return {"alphas": [alpha for alpha in size["alphas"] if alpha > 0.5], "sizes": size["sizes"],
            "dynamics": size["dynamics"]}  # fmt: skip


SCALES = scales()


def compute(context: Context) -> Data:
    """The lines of theory, the theory at the sampled alphas, the sampler at each N and its limits, descent's limits."""
    size = context.parameters
    low, high, step = size["line"]
    alphas = [round(low + i * step, 10) for i in range(round((high - low) / step) + 1)]
    grid = [
        {"alpha": alpha, "beta": size["beta"], "rsb": k, "branch": branch}
        for k in size["k"]
        for branch in ("low", "high")
        for alpha in alphas
    ]
    rows = [{"kind": "line", **row} for row in context.points(step_row, grid, "lines of theory")]
    return Data([*rows, *theory(context), *sampled(context), *descended(context)], dict(size))


def descended(context: Context) -> list[dict[str, Any]]:
    """Rows "descent": where descent ends, N -> infinity."""
    cases = [{"alpha_1": alpha, "prior": "none"} for alpha in context.parameters["alphas"]]
    rows = curves.compute(context, cases, curves.whole_batch(replicas=2, records=1), last=True)
    kept = {"alpha": "alpha_1", **{f"{name}{end}": f"{one_task.COLUMNS.get(name, name)}{end}"
                                   for name in _TEX for end in ("", "_error")}}  # fmt: skip
    return [
        {"kind": "descent", **{name: row[column] for name, column in kept.items()}}
        for row in rows
        if row["kind"] == "limit"
    ]


def theory(context: Context) -> list[dict[str, Any]]:
    """Rows "theory" at the sampled alphas."""
    size = context.parameters
    grid = [
        {"alpha": case["alpha"], "beta": size["beta"], "rsb": k, "branch": "low"}
        for case in size["cases"]
        for k in size["k"]
    ]
    return [{"kind": "theory", **row} for row in context.points(step_row, grid, "theory")]


def sampled(context: Context) -> list[dict[str, Any]]:
    """Rows "sampler" at each alpha and N, and their "limit" N -> infinity."""
    from statmech_cl.simulations.perceptron.exchange_rows import exchange_row

    prepare()
    size = context.parameters
    rows = []
    for number, case in enumerate(size["cases"]):
        grid = []
        for n, n_seeds, rungs in case["sizes"]:
            # every point has problems of its own: their errors are independent
            first = context.seed + 2_000_000 + 100_000 * number + 100 * n
            grid.append(
                {"alpha": case["alpha"], "beta": size["beta"], "n": n, "seeds": list(range(first, first + n_seeds)),
                 "device": context.device, "beta_low": case["beta_low"], "rungs": rungs, "warmup": size["warmup"],
                 "draws": size["draws"], **size["ladders"]}
            )  # fmt: skip
        by_size = context.points(exchange_row, grid, f"replica exchange, alpha = {case['alpha']:g}")
        rows += [{"kind": "sampler", **without_seeds(row)} for row in by_size]
        limit: dict[str, Any] = {"kind": "limit", "alpha": case["alpha"]}
        limit["rhat_median"] = max(row["rhat_median"] for row in by_size)
        limit["round_trips"] = min(row["round_trips"] for row in by_size)
        for name in (*_NAMES, "q", "eps_g"):
            one = at_infinite_n(
                {row["n"]: Estimate(row[name], row[f"{name}_error"], row["n_seeds"]) for row in by_size}
            )
            limit |= {name: one.mean, f"{name}_error": one.error, f"{name}_n": one.n}
        rows.append(limit)
    return rows


def draw(data: Data) -> Any:
    """eps_g and q_star: a line for each k and branch, open circles at each N, diamonds in the limit."""
    from statmech_cl import figures

    figure, axes = figures.new(1, 2)
    for ax, name in zip(axes, ("eps_g", "q_star"), strict=True):
        for k in data.parameters["k"]:
            for branch in ("low", "high"):
                line = data.select(kind="line", rsb=k, branch=branch, missing=None)
                label = f"$k = {k}$" if branch == "low" else None
                look = {"color": f"C{k}", "linestyle": ("-", "-", ":")[k % 3], "linewidth": 2.0 if k == 2 else 1.0}
                ax.plot([row["alpha"] for row in line], [row[name] for row in line], label=label, **look)
        sizes = sorted(set(data.column("n", kind="sampler")))
        for number, n in enumerate(sizes):
            points = data.select(kind="sampler", n=n)
            _points(ax, points, name, f"sampler, $N = {n}$", "o", str(0.75 - 0.25 * number))
        _points(ax, data.select(kind="limit"), name, r"sampler, $N \to \infty$", "D", "k")
        _points(ax, data.select(kind="descent"), name, r"descent, $N \to \infty$", "^", "C4")
        ax.set_xlabel(r"$\alpha$")
        ax.set_ylabel(_TEX[name])
    axes[0].legend()
    figure.suptitle(rf"$\beta = {data.parameters['beta']:g}$; $k$ steps of replica symmetry breaking")
    return figure


def _points(ax: Any, rows: list[dict[str, Any]], name: str, label: str, fmt: str, color: str) -> None:
    x, y, error = ([row[key] for row in rows] for key in ("alpha", name, f"{name}_error"))
    ax.errorbar(x, y, error, fmt=fmt, color=color, markersize=3.5, markerfacecolor="white", label=label, zorder=3)


def verdict(data: Data) -> Verdict:
    """p and q_star beside one step, which is judged, and beside replica symmetry, which is shown."""
    return judge(data, _NAMES)


def judge(data: Data, names: tuple[str, ...]) -> Verdict:
    """The limits of `names` beside k = 1 and k = 0, by the rule above."""
    rows, apart, left_out = [], [], []
    for limit in data.select(kind="limit"):
        good = limit["rhat_median"] < RHAT
        if not good:
            left_out.append(f"{limit['alpha']:g}")
        for name in names:
            estimate = Estimate(limit[name], limit[f"{name}_error"], limit[f"{name}_n"])
            for k in (1, 0):
                (told,) = data.select(kind="theory", alpha=limit["alpha"], rsb=k)
                note = f"median R-hat {limit['rhat_median']:.3f}, round trips {limit['round_trips']:.1f}"
                row = Row(f"{name}, alpha = {limit['alpha']:g}, k = {k}", told[name], estimate, note, good and k == 1)
                rows.append(row)
                if k == 0 and row.z is not None:
                    apart.append(row)
    sentence, holds = agreement(rows, f"{', '.join(names)} with one step", "the sampler")
    if left_out:
        sentence += f" Not judged at alpha = {', '.join(left_out)}: the median R-hat is not below {RHAT:g}."
    worst = max(apart, key=lambda row: abs(row.z or 0.0))
    sentence += f" Farthest from replica symmetry: z = {worst.z:+.1f} ({worst.what})."
    return Verdict(rows, sentence, holds)
