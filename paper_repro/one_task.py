"""Theory and simulation of one task side by side: figures 2a, 2b, A1a and the command `compare`.

Where the theory has several solutions at one alpha, a simulated point is set against the nearest (in eps_g, what the
student shows to the world), and the thermodynamic one (largest free entropy) is named beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from statmech_cl.estimate import Estimate

from .agreement import agreement, compared
from .figure import Context, Data, Row, Verdict
from .perceptron_runs import prepare, seeds, settings
from .theory_rows import LINE_FROM, all_row, line_row

OBSERVABLES = ("q", "r", "q_star", "p", "eps_g")
NAMES = {"q": "$q$", "r": "$r$", "q_star": r"$q_\star$", "p": "$p$", "eps_g": r"$\epsilon_g$"}


def scales(*, beta: float = 20.0, prior: str = "none") -> dict[str, Any]:
    """The sizes of a figure: alphas of the simulation; the theory's line covers (0, largest alpha]."""
    alphas = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    shared = {"beta": beta, "prior": prior, "alphas": alphas}
    return {"quick": shared | {"n": 500, "n_seeds": 8}, "paper": shared | {"n": 1000, "n_seeds": 20}}


def compute(context: Context) -> Data:
    """Line of theory, solutions at the simulated alphas, descent."""
    from statmech_cl.simulations.perceptron.rows import descent_row

    size = context.parameters
    descent = settings(replicas=2, records=1)
    common = {"prior": size["prior"], "n": size["n"], "seeds": seeds(context), "device": context.device, **descent}
    points = [{"alpha": alpha, **common} for alpha in size["alphas"]]
    rows = theory(context, alphas=size["alphas"], beta=size["beta"], prior=size["prior"])
    rows += simulation(context, "descent", descent_row, points)
    return Data(rows, {**size, "descent": descent})


def theory(context: Context, *, alphas: Sequence[float], beta: float, prior: str) -> list[dict[str, Any]]:
    """Rows "line" (every branch, followed round its folds), "event" (folds, transitions, where the replicon crosses 1)
    and "solution" (all of them at each alpha)."""
    problem = {"beta": beta, "prior": prior}
    rows = []
    if max(alphas) > LINE_FROM:
        (line,) = context.points(line_row, [{"to": max(alphas), **problem}], "line of theory")
        rows += [{"kind": "line", **point} for point in line["points"]]
        rows += [{"kind": "event", **event} for event in line["events"]]
    found = context.points(all_row, [{"alpha": alpha, **problem} for alpha in alphas], "theory")
    return rows + [{"kind": "solution", **solution} for row in found for solution in row["solutions"]]


def simulation(context: Context, method: str, function: Any, points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of simulated points, without the values of the single seeds."""
    prepare()
    found = context.points(function, points, method)
    return [
        {"kind": method, **{name: value for name, value in row.items() if not isinstance(value, list)}} for row in found
    ]


def comparison(data: Data, names: Iterable[str], method: str = "descent") -> list[Row]:
    """Each simulated observable against the nearest solution; the note says which, and what the other says."""
    rows = []
    for point in data.select(kind=method):
        solutions = data.select(kind="solution", alpha=point["alpha"], between=False)
        for name in names:
            if point.get(name) is None:
                continue
            estimate = Estimate(point[name], point[f"{name}_error"], point["n_seeds"] - point["diverged"])
            nearest = min(solutions, key=lambda solution: abs(solution["eps_g"] - point["eps_g"]))
            note = _note(nearest, solutions, name)
            what = f"{name} alpha={point['alpha']:g}"
            rows.append(compared(what, nearest[name], estimate, note, replicon=nearest["replicon"]))
    return rows


def _note(nearest: dict[str, Any], solutions: Sequence[dict[str, Any]], name: str) -> str:
    words = []
    if len(solutions) > 1:
        places = ("low", "high") if len(solutions) == 2 else tuple(str(k + 1) for k in range(len(solutions)))
        words.append(f"{places[solutions.index(nearest)]} branch is nearest")
        if nearest["thermodynamic"]:
            words.append("and thermodynamic")
        else:
            (other,) = (solution for solution in solutions if solution["thermodynamic"])
            words.append(f"(thermodynamic: {other[name]:.4g})")
    return ", ".join(words)


def unique(data: Data) -> list[float]:
    """The alphas at which the theory has one solution."""
    alphas = dict.fromkeys(data.column("alpha", kind="solution"))
    return [alpha for alpha in alphas if len(data.select(kind="solution", alpha=alpha)) == 1]


def draw_panel(ax: Any, data: Data, names: Sequence[str]) -> None:
    """Lines of theory (dashed: replicon above 1; the grey one: where free entropies cross) and simulated points."""
    from statmech_cl import figures

    for name in names:
        for number in dict.fromkeys(data.column("curve", kind="line")):
            line = data.select(kind="line", curve=number)
            figures.curve(ax, line, name, stable=[point["stable"] for point in line])
        for method, look in _LOOKS.items():
            if data.select(kind=method):
                figures.points(ax, data.select(kind=method), name, label=f"{NAMES[name]}, {method}", **look)
    for alpha in data.column("alpha", kind="event", event="transition"):
        ax.axvline(alpha, color="0.8", linewidth=0.6, zorder=0)
    ax.set_xlim(left=0.0)
    ax.set_ylabel(", ".join(NAMES[name] for name in names))


_LOOKS: dict[str, dict[str, Any]] = {"descent": {"fmt": "o"}, "gibbs": {"fmt": "D", "markersize": 3}}


def verdict(data: Data, names: Sequence[str], judged: str, method: str = "descent") -> Verdict:
    """Theory beside simulation for `names`; `judged` alone decides whether they agree.

    Judged where the theory has one solution and that is stable. Where several coexist, which one a finite descent finds
    is no matter of the theory: those points are in the table and in the sentence.
    """
    rows = comparison(data, [judged], method)
    alone = {f"{judged} alpha={alpha:g}" for alpha in unique(data)}
    sentence, holds = "", True
    if any(row.what in alone for row in rows):
        where = f"{judged} where theory has one solution"
        sentence, holds = agreement([row for row in rows if row.what in alone], where, method)
    several = [row for row in rows if row.what not in alone]
    if several:
        gap = max(abs(row.simulation.mean - row.theory) for row in several if row.simulation and row.theory is not None)
        alphas = ", ".join(row.what.split("=")[1] for row in several)
        sentence += f" At alpha = {alphas} solutions coexist; there it lies within {gap:.3f} of the nearest."
    return Verdict(comparison(data, names, method), (sentence + replicon_sentence(data)).strip(), holds)


def replicon_sentence(data: Data) -> str:
    """Where the replica-symmetric line loses and regains its stability."""
    crossings = sorted(data.column("alpha", kind="event", event="replicon 1"))
    if not crossings:
        return ""
    return f" The replicon passes 1 at alpha = {', '.join(f'{alpha:.4g}' for alpha in crossings)} (dashed: above 1)."
