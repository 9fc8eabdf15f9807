"""Theory beside simulation at a user's own problems: what the command `compare` computes, judges and draws.

The rule, the same for every comparison:

    a point decides where the theory has one solution (saddles left out), its replicon is below 1 and, for the sampler,
    the draws are in equilibrium; there the error on every task must lie within 3 standard errors + allowance of theory;
    the verdict holds where every deciding number does, and there is one at least.

The allowance of descent is what its settings move (figure `settings`); that of the sampler is what N weights move.
Other observables stand in the table and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statmech_cl.estimate import Estimate
from statmech_cl.problem import Problem, Task, to_dict

from .beside_rows import solutions_row
from .figure import Context, Data, Row, Verdict
from .theory_rows import LINE_FROM, line_row

ALLOWANCES = {"descent": 0.02, "gibbs": 0.01}
_TASK = ("q", "r", "q_star", "p", "eps_g")


def compute(
    context: Context, problems: Sequence[tuple[Mapping[str, float], Problem]], points: Sequence[Mapping[str, Any]]
) -> Data:
    """Rows "solution" (every solution of each problem), "line" (along alpha, of single tasks) and the simulated points.

    problems : (what is swept, problem). points : the parameters of `problem_row` for each of them.
    """
    from statmech_cl.simulations.perceptron.problem_rows import problem_row

    from .perceptron_runs import prepare

    prepare()
    method = points[0]["method"]
    rows = _lines(context, problems) if method == "descent" or "beta" not in problems[0][0] else []
    wanted = [{"problem": to_dict(problem)} for _, problem in problems]
    theory = context.points(solutions_row, wanted, "theory")
    found = context.points(problem_row, points, method)
    for (swept, problem), told, simulated in zip(problems, theory, found, strict=True):
        at = {"alpha": problem.alpha, **swept} if isinstance(problem, Task) else dict(swept)
        label = " ".join(f"{name}={value:g}" for name, value in at.items())
        rows += [{"kind": "solution", "label": label, **at, **solution} for solution in told["solutions"]]
        rows.append({"kind": method, "label": label, **at, **_plain(simulated, problem)})
    kept = {name: value for name, value in points[0].items() if name != "problem"}
    return Data(rows, {"problems": [one["problem"] for one in wanted], **kept})


def _lines(context: Context, problems: Sequence[tuple[Mapping[str, float], Problem]]) -> list[dict[str, Any]]:
    """Every branch along alpha, and what happens on it, where single tasks were asked for."""
    tasks = [problem for _, problem in problems if isinstance(problem, Task)]
    if not tasks or max(task.alpha for task in tasks) <= LINE_FROM:
        return []
    size = {"to": max(task.alpha for task in tasks), "beta": tasks[0].beta, "prior": tasks[0].prior}
    (line,) = context.points(line_row, [size], "line of theory")
    rows = [{"kind": "line", **point} for point in line["points"]]
    return rows + [{"kind": "event", **event} for event in line["events"]]


def _plain(row: Mapping[str, Any], problem: Problem) -> dict[str, Any]:
    """The simulated row without single seeds, under the names of the theory (eps_1, p_1, ... after the last task)."""
    plain = {name: value for name, value in row.items() if not isinstance(value, list)}
    if isinstance(problem, Task):
        return plain
    last = len(problem.tasks)
    plain = {name: value for name, value in plain.items() if "_after_" not in name}
    for end in ("", "_error"):
        for on in range(1, last + 1):
            plain |= {f"{short}_{on}{end}": row[f"{name}_after_{last}_on_{on}{end}"] for short, name in _SHORT.items()}
        plain[f"q_star{end}"] = row[f"q_star_after_{last}{end}"]
    return plain


_SHORT = {"eps": "eps_g", "p": "p"}


def observables(data: Data) -> tuple[list[str], list[str]]:
    """(what decides, what else is compared)."""
    count = len(data.parameters["problems"][0].get("chain", {}).get("tasks", ()))
    if count == 0:
        return ["eps_g"], [name for name in _TASK if name != "eps_g"]
    numbers = range(1, count + 1)
    return [f"eps_{k}" for k in numbers], ["q_star", *(f"p_{k}" for k in numbers)]


def verdict(data: Data) -> Verdict:
    """Every observable beside the nearest solution; those that decide are marked."""
    method = data.parameters["method"]
    deciding, others = observables(data)
    rows: list[Row] = []
    left_out: dict[str, list[str]] = {}
    for point in data.select(kind=method):
        solutions = data.select(kind="solution", label=point["label"])
        known = [name for name in (*others, *deciding) if point.get(name) is not None]
        if not known:
            left_out.setdefault("every seed diverged", []).append(point["label"])
            continue
        nearest = min(solutions, key=lambda one: sum(abs(one[name] - point[name]) for name in deciding))
        reason = _reason(point, solutions, nearest)
        if reason:
            left_out.setdefault(reason, []).append(point["label"])
        for name in known:
            estimate = Estimate(point[name], point[f"{name}_error"], point["n_seeds"] - point["diverged"])
            note = _note(point, solutions, nearest, name)
            what = f"{name} {point['label']}".strip()
            rows.append(Row(what, nearest[name], estimate, note, name in deciding and not reason))
    sentence, holds = _agreement(rows, ", ".join(deciding), method)
    for reason, labels in left_out.items():
        at = ", ".join(label for label in labels if label)
        sentence += f" Not judged{f' at {at}' if at else ''}: {reason}."
    return Verdict(rows, sentence, holds)


def _reason(point: Mapping[str, Any], solutions: Sequence[Mapping[str, Any]], nearest: Mapping[str, Any]) -> str:
    """Why a point decides nothing; empty where it does."""
    from statmech_cl.simulations.perceptron.problem_rows import doubts

    if len(solutions) > 1:
        return "solutions coexist, and theory does not say which one is found"
    if nearest["replicon"] >= 1.0:
        return "the replicon is above 1, where this theory does not claim to hold"
    return "the sampler is not in equilibrium" if doubts(point) else ""


def _note(
    point: Mapping[str, Any], solutions: Sequence[Mapping[str, Any]], nearest: Mapping[str, Any], name: str
) -> str:
    from statmech_cl.simulations.perceptron.problem_rows import doubts

    words = []
    if len(solutions) > 1:
        places = ("low", "high") if len(solutions) == 2 else tuple(str(k + 1) for k in range(len(solutions)))
        which = "thermodynamic" if nearest["thermodynamic"] else "metastable"
        words.append(f"{places[solutions.index(nearest)]} branch is nearest, {which}")
        words += [f"thermodynamic: {one[name]:.4g}" for one in solutions if one["thermodynamic"] and one is not nearest]
    if nearest["replicon"] >= 1.0:
        words.append(f"replicon {nearest['replicon']:.2f}")
    if point[f"{name}_error"] == 0.0:
        words.append("every seed gives this value")
    return "; ".join([*words, *doubts(point)])


def _agreement(rows: Sequence[Row], what: str, method: str) -> tuple[str, bool]:
    """One sentence on the rows that decide, and whether the rule holds."""
    allowance = ALLOWANCES[method]
    gaps = []
    for row in rows:
        if row.judged and row.theory is not None and row.simulation is not None:
            gaps.append((abs(row.simulation.mean - row.theory), 3.0 * row.simulation.error + allowance, row.what))
    if not gaps:
        return f"{what}: no point is judged.", False
    apart = [label for gap, most, label in gaps if gap > most]
    largest = max(gaps)
    said = (
        f"{what}: {method} lies within 3 standard errors + {allowance:g} of theory at {len(gaps) - len(apart)} of "
        f"{len(gaps)} numbers; the largest difference is {largest[0]:.3f} ({largest[2]})"
    )
    return said + (f"; apart at {', '.join(apart)}." if apart else "."), not apart


def draw(data: Data) -> Any:
    """Two panels against what is swept: lines of theory along alpha, else every solution as a dash; simulated points
    of the same colour."""
    from statmech_cl import figures

    from . import one_task

    deciding, others = observables(data)
    method = data.parameters["method"]
    figure, panels = figures.new(1, 2)
    if data.select(kind="line"):
        for ax, names in zip(panels, (("q", "r", "q_star"), ("p", "eps_g")), strict=True):
            one_task.draw_panel(ax, data, names)
            ax.legend()
        return figure
    points = data.select(kind=method)
    x = next((name for name in ("alpha", *_SWEPT) for row in points[:1] if name in _numbered(row)), None)
    x = next((name for name in points[0] if x is not None and name.startswith(x)), None)
    for ax, names in zip(panels, (others, deciding), strict=True):
        for number, name in enumerate(names):
            color = f"C{number}"
            shown = [point for point in points if point.get(name) is not None]
            at = [0.0 if x is None else point[x] for point in shown]
            ax.errorbar(at, [point[name] for point in shown], [point[f"{name}_error"] for point in shown], fmt="o",
                        color=color, markerfacecolor="white", label=f"{name}, {method}")  # fmt: skip
            solutions = data.select(kind="solution")
            ax.plot([0.0 if x is None else one[x] for one in solutions], [one[name] for one in solutions], "_",
                    color=color, markersize=12, label=f"{name}, theory")  # fmt: skip
        ax.legend()
        ax.set_xlabel("" if x is None else x)
        if x is None:
            ax.set_xticks([])
    return figure


_SWEPT = ("beta", "gamma", "overlap", "memory")


def _numbered(row: Mapping[str, Any]) -> set[str]:
    """The names of a row without a task's number."""
    return {name.rsplit("_", 1)[0] if name.rsplit("_", 1)[-1].isdigit() else name for name in row}
