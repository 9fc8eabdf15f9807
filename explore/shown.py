"""What the page shows of a state: solutions, forgetting matrix and branches, each with its command and its Python."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from statmech_cl import Branch, ChainSolution, Solution, Task, figures, solve, trace

from .state import ALPHA_SPAN, State

_MARKER = "here"  # id of the line at alpha in the picture, with the panel's number behind it


@dataclass(frozen=True)
class Picture:
    """The branches of a first task as SVG; the line at alpha stands at alpha = 0 until it is shifted.

    steps : for each panel, how far its line moves for alpha = 1, in the SVG's own units.
    """

    svg: str
    steps: tuple[float, ...]

    def shifts(self, alpha: float) -> dict[str, float]:
        """Id of each panel's line -> how far it is to be moved to the right."""
        return {f"{_MARKER}-{number}": step * alpha for number, step in enumerate(self.steps)}


@lru_cache(maxsize=64)
def branches_of(beta: float, prior: str) -> Branch:
    """Every solution of a task along alpha, so fine that its picture has no corners."""
    return trace(Task(alpha=ALPHA_SPAN[0], beta=beta, prior=prior), parameter="alpha", span=ALPHA_SPAN, fine=True)


@lru_cache(maxsize=64)
def picture(beta: float, prior: str) -> Picture:
    """The picture of `branches_of`, as `statmech-cl branches --plot` draws it, with a line that can be moved."""
    with figures.style():
        figure = figures.branches(branches_of(beta, prior))
        for number, ax in enumerate(figure.axes):
            ax.set_xlim(0.0, ALPHA_SPAN[1])
            ax.axvline(0.0, color="#E69F00", linewidth=1.5, zorder=6, gid=f"{_MARKER}-{number}")  # above the legend
        svg = figures.rendered(figure, "svg").decode()
        # SVG is drawn in points, 72 an inch, whatever the figure's own resolution
        steps = tuple(
            float(ax.transData.transform((1.0, 0.0))[0] - ax.transData.transform((0.0, 0.0))[0]) * 72.0 / figure.dpi
            for ax in figure.axes
        )
    return Picture(svg[svg.index("<svg") :], steps)


def branches(state: State) -> dict[str, Any]:
    """The picture's SVG, where its lines stand, folds and transitions in words, command and Python."""
    traced, drawn = branches_of(state.beta, state.prior), picture(state.beta, state.prior)
    events = [f"fold at α = {fold['alpha']:.6g}" for fold in traced.folds]
    events += [f"replicon crosses 1 at α = {value:.6g}" for value in traced.stability]
    events += [f"free entropies cross at α = {value:.6g}" for value in traced.transitions]
    events += ["a curve was lost: the part beyond is missing" for end in traced.ends if end == "lost"]
    low, high = (_text(end) for end in ALPHA_SPAN)
    along = f'parameter="alpha", span={ALPHA_SPAN}'
    return {
        "svg": drawn.svg,
        "steps": drawn.shifts(1.0),
        "events": events,
        "command": f"statmech-cl branches --alpha {low}:{high} --beta {_text(state.beta)} --prior {state.prior}",
        "python": "from statmech_cl import Task, trace\n"
        f"trace({_task(alpha=ALPHA_SPAN[0], beta=state.beta, prior=state.prior)}, {along})",
    }


def solutions(state: State) -> dict[str, Any]:
    """Every solution of the first task: `names` of the rows, one column for each solution, a sentence, command, Python.

    Columns are in order of rising overlap.
    """
    coexisting = sorted(solve(state.first(), branch="all"), key=lambda solution: solution.r)
    return {
        "columns": [_column(solution) for solution in coexisting],
        "told": _told(coexisting),
        "command": f"statmech-cl solve --alpha {_text(state.alpha)} --beta {_text(state.beta)} --prior {state.prior} "
        "--branch all",
        "python": "from statmech_cl import Task, solve\n"
        f'solve({_task(alpha=state.alpha, beta=state.beta, prior=state.prior)}, branch="all")',
    }


def forgetting(state: State) -> dict[str, Any]:
    """The chain's forgetting matrix, what is lost, what is known beforehand, average accuracy, command and Python."""
    solution: ChainSolution = solve(state.chain())
    later = state.tasks - 1
    alphas = " ".join(f"--alpha {_text(alpha)}" for alpha in (state.alpha, *[state.alpha_2] * later))
    priors = f"--prior {state.prior}" + " --prior none" * later * (state.prior != "none")
    strength = {} if state.anchor == "none" else {"gamma": state.gamma}
    tie = "".join(f"--gamma {_text(gamma)} " for gamma in strength.values())
    tie += f"--overlap {_text(state.overlap)} --anchor {state.anchor}"
    first = _task(alpha=state.alpha, beta=state.beta, prior=state.prior)
    second = _task(alpha=state.alpha_2, beta=state.beta, **strength, anchor=state.anchor)
    return {
        "eps_g": solution.eps_g.tolist(),
        "forgetting": solution.forgetting.tolist(),
        "transfer": solution.transfer.tolist(),
        "average_accuracy": solution.average_accuracy,
        "unstable": [number for number, task in enumerate(solution.tasks, start=1) if not task.replica_stable],
        "command": f"statmech-cl chain {alphas} --beta {_text(state.beta)} {priors} {tie}",
        "python": "from statmech_cl import Chain, Task, solve\n"
        f"later = {second}\nsolve(Chain(({first}, *[later] * {later}), overlaps={state.overlap!r}))",
    }


def _column(solution: Solution) -> dict[str, str]:
    names = ("q", "r", "q_star", "p", "eps_g", "free_entropy", "replicon")
    column = {name: f"{getattr(solution, name):.6g}" for name in names}
    column["stable"] = "yes" if solution.stable else "no: saddle" if solution.saddle else "no: replicon > 1"
    column["thermodynamic"] = "yes" if solution.thermodynamic else "no"
    return {**column, "quadrature_error": f"{solution.quadrature_error:.1g}", "status": str(solution.status)}


def _told(solutions: list[Solution]) -> str:
    if len(solutions) == 1:
        return "One solution here."
    return f"{len(solutions)} solutions coexist here; the thermodynamic one has the largest free entropy."


def _text(value: float) -> str:
    """The shortest text that reads back as the same number, without a needless .0."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _task(**values: object) -> str:
    told = {name: f'"{value}"' if isinstance(value, str) else repr(value) for name, value in values.items()}
    return f"Task({', '.join(f'{name}={value}' for name, value in told.items())})"
