"""eps_1 and eps_2 against alpha_2: two tasks, theory lines and descent points (figures 3a-d, A1b-d)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from .agreement import RESOLUTION, agreement, compared
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, seeds, settings, without_seeds
from .theory_rows import given_reference_row, theory_row, two_task_solutions_row

_JUMP = 0.12  # in eps_2, between neighbours on the grid of alpha_2
COLORS = {-0.5: "#D55E00", 0.0: "#000000", 0.5: "#0072B2"}


# The sampler of the Gibbs measure, at one alpha_2: enough to tell theory from descent where they differ.
_GIBBS = {"alpha_2": [1.0], "warmup": 200, "draws": 60, "leapfrogs": 16}
# Descent has no temperature: what it does is set against the theory at this beta, the coldest that is certified.
COLD = 200.0
_FINITE_SIZE = 0.01  # corrections of order 1/N to eps at N = 200 and more


def scales(
    *,
    gamma: float,
    gammas: tuple[float, ...] | None = None,
    alpha_1: float = 2.0,
    prior: str = "none",
    beta: float = 20.0,
) -> dict[str, Any]:
    """The sizes of a figure. Theory runs on a finer grid of alpha_2 than descent; `gammas` descend together, all of
    them for whichever figure asks first."""
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
    gibbs = {**_GIBBS, "start": "teacher" if prior == "none" and alpha_1 >= 2.0 else "prior"}
    fine = [0.05, 0.1, *np.arange(0.25, 2.51, 0.125).tolist(), *np.arange(2.75, 5.01, 0.25).tolist()]
    return {
        "quick": shared
        | {"n": 500, "n_seeds": 8, "alpha_2": [0.5, 1.0, 2.0, 3.0, 4.0, 5.0], "fine": fine}
        | {"gibbs": {**gibbs, "n": 200, "n_seeds": 16}},
        "paper": shared
        | {"n": 1000, "n_seeds": 20, "alpha_2": np.arange(0.5, 5.01, 0.5).tolist(), "fine": fine}
        | {"gibbs": {**gibbs, "n": 400, "n_seeds": 40}},
    }


def compute(context: Context) -> Data:
    """Theory on the fine grid, descent on the coarse one, and samples of the Gibbs measure, for every r0."""
    from statmech_cl.simulations.perceptron.rows import (
        gibbs_reference_row,
        gibbs_two_task_row,
        reference_row,
        two_task_rows,
    )

    prepare()
    size = context.parameters
    case = {name: size[name] for name in ("alpha_1", "gamma", "prior")}
    grid = [{**case, "beta": size["beta"], "r0": r0, "alpha_2": a} for r0 in size["r0"] for a in size["fine"]]
    lines = context.points(two_task_solutions_row, grid, "theory")
    rows = [
        {"kind": "theory", **point, **solution}
        for point, line in zip(grid, lines, strict=True)
        for solution in line["solutions"]
    ]
    descent = settings(epochs=size["epochs"], records=1)
    run = {"n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    common = {**case, **run}
    grid = [
        {**common, "gamma": gamma, "r0": r0, "alpha_2": a}
        for gamma in size["gammas"]
        for r0 in size["r0"]
        for a in size["alpha_2"]
    ]
    found = context.groups(two_task_rows, grid, "descent", together=["alpha_2"])
    for point, row in zip(grid, found, strict=True):
        if point["gamma"] != size["gamma"]:
            continue
        kept = without_seeds(row)
        rows.append({"kind": "descent", **case, "r0": point["r0"], **kept})
    first_task = {"alpha": size["alpha_1"], "prior": size["prior"]}
    (left,) = context.points(reference_row, [{**first_task, **run}], "first task")
    points = [{**case, "beta": COLD, "r0": r0, "alpha_2": a} for r0 in size["r0"] for a in size["alpha_2"]]
    rows += given_rows(context, left, "descent", points)
    sampler = {name: value for name, value in size["gibbs"].items() if name not in ("alpha_2", "n_seeds")}
    drawn = list(range(context.seed, context.seed + size["gibbs"]["n_seeds"]))
    sampler |= {"beta": size["beta"], "seeds": drawn, "device": context.device}
    common = {**case, **sampler}
    grid = [{**common, "r0": r0, "alpha_2": a} for r0 in size["r0"] for a in size["gibbs"]["alpha_2"]]
    found = context.points(gibbs_two_task_row, grid, "gibbs")
    for point, row in zip(grid, found, strict=True):
        kept = without_seeds(row)
        rows.append({"kind": "gibbs", **case, "r0": point["r0"], "diverged": 0, **kept})
    (sampled,) = context.points(gibbs_reference_row, [{**first_task, **sampler}], "gibbs")
    points = [{**case, "beta": size["beta"], "r0": point["r0"], "alpha_2": point["alpha_2"]} for point in grid]
    rows += given_rows(context, sampled, "gibbs", points)
    (first,) = context.points(theory_row, [{**first_task, "beta": size["beta"]}], "first task")
    reference: dict[str, Any] = {name: first[name] for name in ("q", "r", "q_star", "eps_g", "replicon")}
    for method, row in (("descent", left), ("gibbs", sampled)):
        reference[method] = {name: row[name] for name in row if name not in ("theta", "share", "diverged")}
    return Data(rows, {**size, "beta_cold": COLD, "descent": descent, "first_task": reference})


def given_rows(
    context: Context, reference: dict[str, Any], method: str, points: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of theory at `points`, given the reference that a method's first task left."""
    fields = {name: reference[name] for name in ("theta", "share")}
    lines = context.points(given_reference_row, [{**point, **fields} for point in points], "theory")
    return [
        {"kind": "given", "reference": method, **point, **solution}
        for point, line in zip(points, lines, strict=True)
        for solution in line["solutions"]
    ]


def draw(data: Data, tasks: tuple[int, ...]) -> Any:
    """One panel for each task: lines of theory, points of descent, one colour for each r0."""
    from statmech_cl import figures

    size = data.parameters
    figure, axes = figures.new(1, len(tasks), squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        name = f"eps_{task}"
        for r0 in size["r0"]:
            look = {"x": "alpha_2", "color": COLORS[r0]}
            line, found = data.select(kind="theory", r0=r0), data.select(kind="descent", r0=r0)
            for part in branches(line):
                figures.curve(ax, part, name, stable=[row["replicon"] < 1 for row in part], **look)
            figures.points(ax, found, name, label=f"$r_0={r0:g}$", **look)
            figures.points(ax, data.select(kind="gibbs", r0=r0), name, fmt="D", markersize=3, **look)
            given = data.select(kind="given", reference="descent", r0=r0)
            x, y = [row["alpha_2"] for row in given], [row[name] for row in given]
            ax.plot(x, y, "_", color=COLORS[r0], markersize=9, markeredgewidth=0.9)
        ax.set_xlabel(r"$\alpha_2$")
        ax.set_ylabel(rf"$\epsilon_{task}$")
        ax.set_ylim(bottom=-0.01)
        ax.set_title(rf"$\alpha_1={size['alpha_1']:g}$, $\gamma={size['gamma']:g}$, $N={size['n']}$")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        title="lines: theory, circles: descent, diamonds: Gibbs\nbars: theory of descent, given what it left of task 1",
        title_fontsize=7,
    )
    return figure


def branches(points: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Solutions at rising alpha_2 strung into continuous lines: each goes on the line whose end is nearest in eps_2."""
    lines: list[list[dict[str, Any]]] = []
    for _, group in groupby(points, key=lambda point: point["alpha_2"]):
        free = list(lines)
        for point in group:
            near = min(free, key=lambda line: abs(line[-1]["eps_2"] - point["eps_2"]), default=None)
            # below alpha_2 = 1 the curves are steep, but there is only one
            if near is not None and (abs(near[-1]["eps_2"] - point["eps_2"]) < _JUMP or point["alpha_2"] <= 1.0):
                near.append(point)
                free = [line for line in free if line is not near]
            else:
                lines.append([point])
    return lines


def verdict(data: Data, tasks: tuple[int, ...]) -> Verdict:
    """Descent beside the theory of what it does (cold, given the fields that it left after task 1), which is judged,
    and beside the theory of the Gibbs measure; the sampled Gibbs measure beside the latter, which is judged as well
    where the first task is stable, and given its own draws of task 1.
    """
    size = data.parameters
    first = size["first_task"]
    given, several = _beside(data, tasks, "descent", "given")
    own, _ = _beside(data, tasks, "descent", "theory")
    names = " and ".join(f"eps_{task}" for task in tasks)
    sentence, holds = agreement(given, f"{names} against alpha_2, given the fields that descent left after task 1")
    if several:
        sentence += f" Two solutions coexist at (r0, alpha_2) = {', '.join(several)}; the nearer is compared."
    sampled, _ = _beside(data, tasks, "gibbs", "theory")
    sampled_given, _ = _beside(data, tasks, "gibbs", "given")
    near, told = _counted(sampled, _FINITE_SIZE)
    sentence += (
        f" Of the lines (Gibbs measure at beta = {size['beta']:g}), {_counted(own)[1]} for descent; for the sampled "
        f"measure (N = {size['gibbs']['n']}, finite-N allowance {_FINITE_SIZE:g}) {told}, and given its own draws of "
        f"task 1 {_counted(sampled_given, _FINITE_SIZE)[1]}."
    )
    if first["replicon"] < 1.0:
        holds = holds and near == len(sampled)
    else:
        from statmech_cl.estimate import Estimate

        left = Estimate(first["descent"]["eps_g"], first["descent"]["eps_g_error"], size["n_seeds"])
        sentence += (
            f" The first task is unstable (replicon {first['replicon']:.1f}), and the lines rest on it: descent leaves "
            f"it at eps_g = {left}, the theory at {first['eps_g']:.3f}."
        )
    return Verdict([*given, *own, *sampled, *sampled_given], sentence, holds)


def _counted(rows: Sequence[Row], allowance: float = 0.0) -> tuple[int, str]:
    """How many rows lie within 3 standard errors of the theory; the same in words, with how far the farthest lies."""
    gaps = [
        (abs(row.simulation.mean - row.theory), row.simulation.error)
        for row in rows
        if row.theory is not None and row.simulation is not None
    ]
    near = sum(gap <= 3.0 * error + max(allowance, RESOLUTION * (error == 0.0)) for gap, error in gaps)
    largest = max(gap for gap, _ in gaps)
    return near, f"{near} of {len(gaps)} points are within 3 standard errors (largest difference {largest:.3f})"


def _beside(data: Data, tasks: tuple[int, ...], kind: str, against: str) -> tuple[list[Row], list[str]]:
    """Rows of a verdict for one kind of simulation against one of the theories, and the (r0, alpha_2) at which
    solutions coexist."""
    from statmech_cl.estimate import Estimate

    given = {"reference": kind} if against == "given" else {}
    rows: list[Row] = []
    several: dict[str, None] = {}
    for task in tasks:
        for row in data.select(kind=kind):
            if row[f"eps_{task}"] is None:
                continue
            estimate = Estimate(row[f"eps_{task}"], row[f"eps_{task}_error"], row["n_seeds"] - row["diverged"])
            what = f"eps_{task} r0={row['r0']:g} alpha_2={row['alpha_2']:g}, {kind}" + (", given" if given else "")
            solutions = data.select(kind=against, r0=row["r0"], alpha_2=row["alpha_2"], **given)
            if not solutions:
                rows.append(compared(what, None, estimate, "no solution found"))
                continue
            near = min(solutions, key=lambda s: abs(s["eps_1"] - row["eps_1"]) + abs(s["eps_2"] - row["eps_2"]))
            others = [f"also {other[f'eps_{task}']:.4g}" for other in solutions if other is not near]
            if others:
                several[f"({row['r0']:g}, {row['alpha_2']:g})"] = None
            rows.append(compared(what, near[f"eps_{task}"], estimate, *others, replicon=near["replicon"]))
    return rows, list(several)
