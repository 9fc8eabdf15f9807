"""One task against alpha: equilibrium, descent beside its dynamical theory, the sampler beside equilibrium.

For figures 2a, 2b, A1a and the command `compare`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement, at_infinite_n
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, without_seeds
from .rsb_rows import step_row
from .theory_rows import LINE_FROM, all_row, line_row

# what a row of `curves` calls them
COLUMNS = {"r": "r_1", "p": "p_1", "eps_g": "eps_1"}
OBSERVABLES = ("q", "r", "q_star", "p", "eps_g")
STEPS = [0.75, 1.525, 0.025]  # where the branch of low overlap is drawn with steps, at beta = 20 without a prior
_OF_STEPS = ("alpha", *OBSERVABLES, "free_entropy", "replicon", "residual", "quadrature_error")
NAMES = {"q": "$q$", "r": "$r$", "q_star": r"$q_*$", "p": "$p$", "eps_g": r"$\epsilon_g$"}


def scales(*, beta: float = 20.0, prior: str = "none", **more: Any) -> dict[str, Any]:
    """The sizes of a figure: alphas of the simulation; the theory's line covers (0, largest alpha]. With `steps`, the
    first and last alpha and their distance, the line with steps of replica symmetry breaking is drawn too."""
    alphas = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    shared = {"beta": beta, "prior": prior, "alphas": alphas, **more}
    return {
        "quick": {
            **shared,
            "sizes": [[500, 24], [1000, 16], [2000, 8]],
            "dynamics": {"samples": 2048, "batches": 8},
        },
        "paper": {
            **shared,
            "sizes": [[1000, 40], [2000, 20], [4000, 10]],
            "dynamics": {"samples": 8192, "batches": 16},
        },
    }


def compute(context: Context) -> Data:
    """Equilibrium: its line, and its solutions at the simulated alphas; descent and its dynamical theory there."""
    size = context.parameters
    descent = curves.whole_batch(replicas=2, records=1)
    rows = theory(context, alphas=size["alphas"], beta=size["beta"], prior=size["prior"])
    cases = [{"alpha_1": alpha, "prior": size["prior"]} for alpha in size["alphas"]]
    rows += curves.compute(context, cases, descent, last=True)
    if "steps" in size:
        rows += broken(context, size["steps"])
    return Data(rows, {**size, "descent": descent})


def broken(context: Context, steps: Sequence[float]) -> list[dict[str, Any]]:
    """Rows "steps": the branch of low overlap with as many steps of replica symmetry breaking as eps_g asks for, at the
    alphas where one is open; "k" is their number."""
    first, last, between = steps
    alphas = [round(first + i * between, 10) for i in range(round((last - first) / between) + 1)]
    beta = context.parameters["beta"]
    grid = [{"alpha": alpha, "beta": beta, "rsb": "converged", "branch": "low"} for alpha in alphas]
    found = context.points(step_row, grid, "steps of symmetry breaking")
    opened = [row for row in found if row["missing"] is None and row["overlaps"][0] < row["overlaps"][-1]]
    return [{"kind": "steps", "k": len(row["parisi"]), **{name: row[name] for name in _OF_STEPS}} for row in opened]


def theory(context: Context, *, alphas: Sequence[float], beta: float, prior: str) -> list[dict[str, Any]]:
    """Rows "line" (every branch, followed round its folds), "event" (folds, transitions, where the replicon crosses 1)
    and "solution" (all of them at each alpha)."""
    problem = {"beta": beta, "prior": prior}
    rows = []
    if max(alphas) > LINE_FROM:
        (line,) = context.points(line_row, [{"to": max(alphas), **problem}], "line of theory")
        rows += [{"kind": "line", **point} for point in line["points"]]
        rows += [{"kind": "event", **event} for event in line["events"]]
    solved = context.points(all_row, [{"alpha": alpha, **problem} for alpha in alphas], "theory")
    return rows + [{"kind": "solution", **solution} for row in solved for solution in row["solutions"]]


def sampled(context: Context, points: Sequence[dict[str, Any]], sizes: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Rows "gibbs" of each point at each N, and their "gibbs limit" N -> infinity."""
    from statmech_cl.simulations.perceptron.rows import GIBBS_OBSERVABLES, gibbs_row

    prepare()
    rows = []
    for point in points:
        where = {"alpha_1": point["alpha"]}
        grid = [{**point, "n": n, "seeds": curves.seeds_of(context.seed, n, k, where)} for n, k in sizes]
        by_size = context.points(gibbs_row, grid, f"sampler, alpha = {point['alpha']:g}")
        rows += [{"kind": "gibbs", **without_seeds(row)} for row in by_size]
        limit: dict[str, Any] = {"kind": "gibbs limit", "alpha": point["alpha"]}
        for name in GIBBS_OBSERVABLES:
            one = at_infinite_n(
                {row["n"]: Estimate(row[name], row[f"{name}_error"], row["n_seeds"]) for row in by_size}
            )
            limit |= {name: one.mean, f"{name}_error": one.error, f"{name}_n": one.n}
        rows.append(limit)
    return rows


def draw_panel(ax: Any, data: Data, names: Sequence[str], *, top: float = 0.7) -> None:
    """Equilibrium lines, pale (dashed: replicon above 1; dotted: with steps of replica symmetry breaking); the
    dynamical theory through points of descent; diamonds of the sampler; where free entropies cross, a grey line that
    says so below `top`, a share of the height."""
    from statmech_cl import figures

    for name in names:
        for number in dict.fromkeys(data.column("curve", kind="line")):
            line = data.select(kind="line", curve=number)
            stable = [point["stable"] for point in line]
            figures.curve(ax, line, name, stable=stable, alpha=0.4, linewidth=0.8)
        steps = data.select(kind="steps")
        if steps:
            at, values = [row["alpha"] for row in steps], [row[name] for row in steps]
            ax.plot(at, values, color=figures.COLORS[name], linestyle=":", linewidth=1.2)
        if data.select(kind="limit"):
            look = {"color": figures.COLORS[name], "label": NAMES[name]}
            curves.draw_line(ax, data, COLUMNS.get(name, name), "alpha_1", select={}, **look)
        sampled = [row for row in data.select(kind="gibbs limit") if name in row]
        if sampled:
            figures.points(ax, sampled, name, color=figures.COLORS[name], fmt="D", markersize=3, alpha=0.6)
    for alpha in data.column("alpha", kind="event", event="transition"):
        figures.marked(ax, alpha, "free entropies\ncross", top=top)
    ax.set_xlim(left=0.0)
    ax.set_xlabel(r"$\alpha$")
    ax.set_ylabel(", ".join(NAMES[name] for name in names))


def legend(data: Data) -> tuple[list[Any], list[str]]:
    """Handles and labels that tell the lines of theory from the points beside them."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color="0.4", alpha=0.4)]
    labels = ["equilibrium"]
    if data.select(kind="steps"):
        handles.append(Line2D([], [], color="0.4", linestyle=":"))
        labels.append("with steps")
    if data.select(kind="limit"):
        handles += [Line2D([], [], color="0.4"), Line2D([], [], color="0.4", marker="o", linestyle="none")]
        labels += ["dynamical theory", "descent"]
    if data.select(kind="gibbs limit"):
        handles.append(Line2D([], [], color="0.4", marker="D", linestyle="none", markersize=3))
        labels.append("sampler")
    return handles, labels


def verdict(data: Data, names: Sequence[str]) -> Verdict:
    """Descent beside its dynamical theory for `names`; the sentence says how far equilibrium is."""
    rows = curves.beside(data, [COLUMNS.get(name, name) for name in names])
    sentence, holds = agreement(rows, f"{', '.join(names)} after the last epoch")
    gaps = []
    for name in names:
        gap, alpha = max(
            (min(abs(row[COLUMNS.get(name, name)] - s[name]) for s in _solutions(data, row["alpha_1"])), row["alpha_1"])
            for row in data.select(kind="limit")
        )
        gaps.append(f"{gap:.3f} in {name} (alpha={alpha:g})")
    sentence += f" From the nearest equilibrium solution it is up to {', '.join(gaps)} away."
    return Verdict(rows, sentence + replicon_sentence(data), holds)


def beside_equilibrium(data: Data, names: Sequence[str]) -> list[Row]:
    """Verdict rows of the sampler's limits, beside the solution of largest free entropy."""
    rows = []
    for row in data.select(kind="gibbs limit"):
        (best,) = (one for one in _solutions(data, row["alpha"]) if one["thermodynamic"])
        for name in names:
            estimate = Estimate(row[name], row[f"{name}_error"], row[f"{name}_n"])
            note = f"replicon {best['replicon']:.2f}"
            rows.append(Row(f"{name} alpha={row['alpha']:g}, sampler", best[name], estimate, note))
    return rows


def _solutions(data: Data, alpha: float) -> list[dict[str, Any]]:
    return data.select(kind="solution", alpha=alpha, between=False)


def replicon_sentence(data: Data) -> str:
    """Where the replica-symmetric line loses and regains its stability."""
    crossings = sorted(data.column("alpha", kind="event", event="replicon 1"))
    if not crossings:
        return ""
    return f" The replicon passes 1 at alpha = {', '.join(f'{alpha:.4g}' for alpha in crossings)} (dashed: above 1)."
