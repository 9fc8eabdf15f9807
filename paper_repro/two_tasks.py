"""eps_1 and eps_2 against alpha_2: two tasks (figures 3a-d, A1b-d): descent beside its dynamical theory, the sampler
beside equilibrium.

The sampler runs where equilibrium theory claims to hold: where the replicon of the first task is below 1.
"""

from __future__ import annotations

from typing import Any

from statmech_cl.estimate import Estimate

from . import curves
from .agreement import agreement, at_infinite_n
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import without_seeds
from .theory_rows import theory_row, two_task_line_row, two_task_solutions_row

COLORS = {-0.5: "#D55E00", 0.0: "#000000", 0.5: "#0072B2"}
# descent: N and seeds of each; the theory's samples and batches. Figures 1b and 1c share these points.
SIZES = {"quick": [[500, 24], [1000, 16], [2000, 8]], "paper": [[1000, 40], [2000, 20], [4000, 10]]}
ACCURACY = {"quick": {"samples": 2048, "batches": 12}, "paper": {"samples": 4096, "batches": 16}}
# The sampler, at one alpha_2 and two N.
_GIBBS = {"alpha_2": [1.0], "warmup": 200, "draws": 60, "leapfrogs": 16}


def scales(
    *,
    gamma: float,
    gammas: tuple[float, ...] | None = None,
    alpha_1: float = 2.0,
    prior: str = "none",
    beta: float = 20.0,
) -> dict[str, Any]:
    """The sizes of a figure. The line of equilibrium covers alpha_2 up to `to`; that of dynamical theory has points at
    `alpha_2_line` too, where nothing descends. `gammas` descend together, all of them for whichever figure asks
    first."""
    shared = {
        "alpha_1": alpha_1,
        "gamma": gamma,
        "gammas": list(gammas or (gamma,)),
        "r0": [-0.5, 0.0, 0.5],
        "prior": prior,
        "beta": beta,
        "epochs": 200,
    }
    # with the prior a task at alpha = 2 has not found its teacher
    sampler = {**_GIBBS, "start": "teacher" if prior == "none" else "prior"}
    return {
        "quick": shared
        | {"sizes": SIZES["quick"], "dynamics": ACCURACY["quick"], "alpha_2": [0.5, 1.0, 2.0, 4.0], "to": 5.0}
        | {"alpha_2_line": [0.25, 0.75, 1.5, 3.0]}
        | {"gibbs": {**sampler, "sizes": [[100, 24], [200, 16]]}},
        "paper": shared
        | {"sizes": SIZES["paper"], "dynamics": ACCURACY["paper"], "alpha_2": [0.5 * k for k in range(1, 11)]}
        | {"alpha_2_line": [0.25, 0.75, 1.25, 1.75], "to": 5.0}
        | {"gibbs": {**sampler, "sizes": [[200, 40], [400, 40]]}},
    }


def compute(context: Context) -> Data:
    """Equilibrium as a line and, with dynamics and descent, at each alpha_2; samples of the Gibbs measure."""
    size = context.parameters
    case = {name: size[name] for name in ("alpha_1", "prior")}
    (first,) = context.points(
        theory_row, [{"alpha": size["alpha_1"], "prior": size["prior"], "beta": size["beta"]}], "first task"
    )
    tied = [{**case, "gamma": size["gamma"], "beta": size["beta"], "r0": r0} for r0 in size["r0"]]
    lines = context.points(two_task_line_row, [{**point, "to": size["to"]} for point in tied], "line of equilibrium")
    rows = [{"kind": "line", **point, **met} for point, line in zip(tied, lines, strict=True) for met in line["points"]]
    grid = [{**point, "alpha_2": a} for point in tied for a in sorted({*size["alpha_2"], *size["gibbs"]["alpha_2"]})]
    rows += [
        {"kind": "equilibrium", **point, **solution}
        for point, solved in zip(grid, context.points(two_task_solutions_row, grid, "equilibrium"), strict=True)
        for solution in solved["solutions"]
    ]
    descent = curves.whole_batch(epochs=size["epochs"])
    cases, line = (
        [
            {**case, "gamma": gamma, "r0": r0, "alpha_2": a}
            for a in alphas
            for gamma in size["gammas"]
            for r0 in size["r0"]
        ]
        for alphas in (size["alpha_2"], size["alpha_2_line"])
    )
    curved = curves.compute(context, cases, descent, last=True, line=line)
    rows += [row for row in curved if row["gamma"] == size["gamma"]]
    if first["replicon"] < 1.0:
        rows += _sampled(context, {**case, "gamma": size["gamma"], "beta": size["beta"]})
    kept = {name: first[name] for name in ("q", "r", "q_star", "eps_g", "replicon")}
    return Data(rows, {**size, "descent": descent, "first_task": kept})


def _sampled(context: Context, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows "gibbs" at each N, and "gibbs limit"."""
    from statmech_cl.simulations.perceptron.rows import gibbs_two_task_row

    from .perceptron_runs import prepare

    prepare()
    size = context.parameters
    run = {name: value for name, value in size["gibbs"].items() if name not in ("alpha_2", "sizes")}
    rows = []
    for r0 in size["r0"]:
        for alpha_2 in size["gibbs"]["alpha_2"]:
            point = {**case, "r0": r0, "alpha_2": alpha_2}
            grid = [
                {**point, **run, "n": n, "seeds": curves.seeds_of(context.seed, n, k, point), "device": context.device}
                for n, k in size["gibbs"]["sizes"]
            ]
            sampled = context.points(gibbs_two_task_row, grid, "gibbs")
            rows += [{"kind": "gibbs", **point, **without_seeds(row)} for row in sampled]
            limit: dict[str, Any] = {"kind": "gibbs limit", **point}
            for name in ("p_1", "p_2", "q_star"):
                one = at_infinite_n(
                    {row["n"]: Estimate(row[name], row[f"{name}_error"], row["n_seeds"]) for row in sampled}
                )
                limit |= {name: one.mean, f"{name}_error": one.error, f"{name}_n": one.n}
            rows.append(limit | curves.eps_of(1, limit) | curves.eps_of(2, limit))
    return rows


def draw(data: Data, tasks: tuple[int, ...]) -> Any:
    """One panel for each task, one colour for each r0. Strong: dynamical theory, with points of descent; pale:
    equilibrium round its folds (dashed where unstable), with diamonds of the sampler."""
    from statmech_cl import figures

    size = data.parameters
    figure, axes = figures.new(1, len(tasks), width=3.8, height=3.1, squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        name = f"eps_{task}"
        for r0 in size["r0"]:
            color = COLORS[r0]
            for number in dict.fromkeys(data.column("curve", kind="line", r0=r0)):
                line = data.select(kind="line", r0=r0, curve=number)
                stable = [row["stable"] for row in line]
                figures.curve(ax, line, name, x="alpha_2", stable=stable, color=color, alpha=0.35, linewidth=0.8)
            curves.draw_line(ax, data, name, "alpha_2", select={"r0": r0}, color=color, label=f"$r_0={r0:g}$")
            sampled = data.select(kind="gibbs limit", r0=r0)
            if sampled:
                figures.points(ax, sampled, name, x="alpha_2", color=color, fmt="D", markersize=3, alpha=0.6)
        ax.set_xlabel(r"$\alpha_2$")
        ax.set_ylabel(rf"$\epsilon_{task}$")
        ax.set_ylim(bottom=-0.01)
        ax.set_title(rf"$\alpha_1={size['alpha_1']:g}$, $\gamma={size['gamma']:g}$")
    sampler = ", diamonds: the sampler" if data.select(kind="gibbs limit") else ""
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        title=f"strong lines: dynamical theory, circles: descent\npale lines: equilibrium (dashed: unstable){sampler}",
        title_fontsize=7,
    )
    return figure


def verdict(data: Data, tasks: tuple[int, ...]) -> Verdict:
    """Descent beside its dynamical theory, and the sampler beside equilibrium (the solution of largest free entropy);
    both are judged."""
    names = [f"p_{task}" for task in tasks]
    rows = curves.beside(data, names)
    sentence, holds = agreement(rows, f"{' and '.join(names)} after task 2")
    gaps = _gaps(data, tasks)
    sentence += (
        f" From the nearest equilibrium solution descent is at most {max(gaps):.3f} away in eps." if gaps else ""
    )
    sampled = []
    for row in data.select(kind="gibbs limit"):
        solutions = data.select(kind="equilibrium", r0=row["r0"], alpha_2=row["alpha_2"])
        best = max(solutions, key=lambda solution: solution["free_entropy"])
        for name in names:
            what = f"{name} alpha_2={row['alpha_2']:g} r0={row['r0']:g}, sampler"
            sampled.append(Row(what, best[name], Estimate(row[name], row[f"{name}_error"], row[f"{name}_n"])))
    if sampled:
        told, agrees = agreement(sampled, "Equilibrium", "the sampler")
        sentence, holds = f"{sentence} {told}", holds and agrees
    else:
        replicon = data.parameters["first_task"]["replicon"]
        sentence += f" Equilibrium theory claims nothing here: the replicon of the first task is {replicon:.1f}."
    return Verdict([*rows, *sampled], sentence, holds)


def _gaps(data: Data, tasks: tuple[int, ...]) -> list[float]:
    """How far descent lies from the nearest equilibrium solution."""
    gaps = []
    for row in data.select(kind="limit"):
        for task in tasks:
            name = f"eps_{task}"
            solutions = data.column(name, kind="equilibrium", r0=row["r0"], alpha_2=row["alpha_2"])
            if solutions and name in row:
                gaps.append(min(abs(row[name] - solution) for solution in solutions))
    return gaps
