"""A chain, or a tree, of a user's own beside equilibrium: what the command `compare` computes, judges and draws.

The rule is that of `agreement`, on the overlaps p_k with every teacher k after the last task (p of one task). A point
decides where the theory has one solution (saddles left out), its replicon is below 1 and, for the sampler, the draws
are in equilibrium. Nothing is extrapolated: N is the user's. Other observables stand in the table and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statmech_cl.estimate import Estimate
from statmech_cl.problem import Chain, Problem, to_dict

from .agreement import agreement
from .beside_rows import solutions_row
from .figure import Context, Data, Row, Verdict


def compute(
    context: Context, problems: Sequence[tuple[Mapping[str, float], Problem]], points: Sequence[Mapping[str, Any]]
) -> Data:
    """Rows "solution" (every solution of each chain) and the simulated points.

    problems : (what is swept, task or chain). points : the parameters of `problem_row` for each of them.
    """
    from statmech_cl.simulations.perceptron.problem_rows import problem_row

    from .perceptron_runs import prepare

    prepare()
    method = points[0]["method"]
    rows: list[dict[str, Any]] = []
    wanted = [{"problem": to_dict(problem)} for _, problem in problems]
    theory = context.points(solutions_row, wanted, "theory")
    simulations = context.points(problem_row, points, method)
    for (swept, problem), told, simulated in zip(problems, theory, simulations, strict=True):
        at = dict(swept)
        label = " ".join(f"{name}={value:g}" for name, value in at.items())
        rows += [{"kind": "solution", "label": label, **at, **solution} for solution in told["solutions"]]
        rows.append({"kind": method, "label": label, **at, **_plain(simulated, problem)})
    kept = {name: value for name, value in points[0].items() if name != "problem"}
    return Data(rows, {"problems": [one["problem"] for one in wanted], **kept})


def _plain(row: Mapping[str, Any], problem: Problem) -> dict[str, Any]:
    """The simulated row without single seeds, under the names of the theory (eps_1, p_1, ... after the last task)."""
    plain = {name: value for name, value in row.items() if not isinstance(value, list)}
    if not isinstance(problem, Chain):
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
    problem = data.parameters["problems"][0]
    if "task" in problem:
        return ["p"], ["q", "r", "q_star", "eps_g"]
    numbers = range(1, len(problem["chain"]["tasks"]) + 1)
    return [f"p_{k}" for k in numbers], ["q_star", *(f"eps_{k}" for k in numbers)]


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
    sentence, holds = agreement(rows, ", ".join(deciding), "the sampler" if method == "gibbs" else method)
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


def draw(data: Data) -> Any:
    """Two panels against what is swept: every solution as a dash, simulated points of the same colour."""
    from statmech_cl import figures

    deciding, others = observables(data)
    method = data.parameters["method"]
    figure, panels = figures.new(1, 2)
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
