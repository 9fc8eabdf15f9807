"""The solutions with k steps of replica symmetry breaking at a point.

The curve of one step begins where the replicon of the replica-symmetric solution passes 1. It is found a little inside,
at a prescribed breaking point, where the raw map itself runs away from replica symmetry; continuation in alpha then
follows it to where it began and round its folds. Each further step opens a level whose own replicon exceeds 1; where
none does, further steps stay closed and change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from ..channels import StepChannel
from ..orders import StepOrders
from ..problem import Task, refuse_replay
from ..sites import free_site
from ..solution import BRANCHES, ConvergenceError, Solution, Status
from ..step_solution import StepSolution
from ..validation import check_choice, check_count, check_number
from .continuation import Curve, Family, Node, first_node, follow_within, locate, log_replicon, with_close_folds
from .landscape import ALPHA_FIRST, ALPHA_LAST, Stretch, describe, fold_nodes, landscape, stretches_of
from .one_task import solve_task, warn_outside
from .rsb import StepEquations, StepImage, to_step_unknowns, weights_of
from .saddle import RESIDUAL_WANTED, Equations, Root, System, equations_of, newton

_MOST_ASKED = 100  # steps; far fewer converge
CONVERGED = 1e-6  # the change of eps_g from one number of steps to the next at which rsb="converged" stops
MOST_STEPS = 6  # and the number of steps at which it gives up

_REFINE = 1.5  # the rule that estimates the quadrature error
_CLOSED = 4e-3  # a step of q, against q_0, at which a curve is taken to end: with it the unknown ln(step) has no end
_NEXT_TO = 0.3  # in the first three unknowns: how near to an instability the last node of its curve is
_WELL_INSIDE = 1.3  # replicon at which the first step is looked for
_FIRST_PARISI = (0.5, 0.3, 0.7)
_OPENING = (0.2, 0.4, 0.1, 0.6, 0.8)  # where a new breaking point is tried between its neighbours
_MARGIN = 1e-5  # of a replicon above 1: what breaks there moves eps_g by less than its own rounding
_RAW = 200  # applications of the raw map that lead away from a closed step


class Steps(System, Protocol):
    """Equations with steps: those of a task, or of another model with the same recursion. A frozen dataclass, with the
    breaking points in its field `parisi` where they are prescribed."""

    def unknowns(self, orders: StepOrders, free: bool) -> np.ndarray: ...


@dataclass(frozen=True)
class Candidate:
    """A root of the equations with steps, and whether it lies on an even stretch (odd ones are saddles)."""

    equations: StepEquations
    root: Root
    even: bool

    @property
    def image(self) -> StepImage:
        image: StepImage = self.root.image
        return image


@dataclass(frozen=True)
class Opening:
    """The curve of one step that begins at an instability: its stretches, and (alpha_c, last node) of its closed ends:
    where it began, and the other one, if it closes again.

    `even` says whether the replica-symmetric solution lies on an even stretch there.
    """

    stretches: tuple[Stretch, ...]
    ends: tuple[tuple[float, Node], ...]
    even: bool


def solve_steps(
    task: Task, rsb: int | str, branch: str, on_failure: str, parisi: float | None = None
) -> StepSolution | list[StepSolution]:
    """solve(task, rsb=...): see there."""
    check_choice("branch", branch, BRANCHES)
    check_choice("on_failure", on_failure, ("raise", "return"))
    check_steps(rsb)
    if parisi is not None:
        parisi = check_number("parisi", parisi, low=0.0, high=1.0, open_low=True, open_high=True)
        if rsb != 1:
            raise ValueError(f"parisi prescribes the breaking point of one step: rsb must be 1, got {rsb!r}")
    refuse_without_steps(task)
    refuse_replay(task, "a single task")
    warn_outside(task)
    solutions = [with_steps(task, one, rsb, on_failure, parisi) for one in _candidates(task, rsb, branch)]
    if not solutions:
        raise ConvergenceError(
            f"no solution with rsb={rsb} at {describe(task)}", state=(math.nan, math.nan, math.nan), residual=math.nan
        )
    if branch in ("low", "high"):
        return solutions[0]
    solutions = informed(solutions)
    return solutions if branch == "all" else next(one for one in solutions if one.thermodynamic)


def informed(solutions: Sequence[StepSolution]) -> list[StepSolution]:
    """Each solution of a point with how many there are beside it, and which one has the largest free entropy."""
    leading = max((one for one in solutions if not one.saddle), key=lambda one: one.free_entropy)
    return [replace(one, coexisting=len(solutions) - 1, thermodynamic=one is leading) for one in solutions]


def check_steps(rsb: int | str) -> None:
    """One line that says what rsb may be."""
    if isinstance(rsb, str) and rsb != "converged":
        raise ValueError(f"rsb must be a whole number >= 0 or 'converged', got {rsb!r}")
    if not isinstance(rsb, str):
        check_count("rsb", rsb, low=0, high=_MOST_ASKED)


def refuse_without_steps(task: Task) -> None:
    """One line for what is not solved with steps."""
    if task.q_star is not None:
        raise ValueError(f"q_star must be None with rsb, got {task.q_star!r}")
    if not isinstance(task.channel, StepChannel):
        raise ValueError(f"channel must have step_averages with rsb, got {task.channel!r}")


def _candidates(task: Task, rsb: int | str, branch: str) -> list[Candidate | Solution]:
    """What the steps start from: solutions that are stable as they are, and those with one step open."""
    symmetric: Any
    if rsb == 0 or task.alpha < ALPHA_FIRST:
        symmetric = solve_task(task, branch, "raise")
        return list(symmetric) if isinstance(symmetric, list) else [symmetric]
    one_step = step_equations(task, 1)
    broken = [candidate for opening in openings(task) for candidate in solutions_on(opening, one_step)]
    if branch == "high":
        symmetric = solve_task(task, "high", "raise")
        if not symmetric.replicon < 1.0:
            raise ValueError(f"branch 'high' is not stable at {describe(task)}; with rsb allowed are low, best and all")
        return [symmetric]
    if branch == "low":
        return [_low(task, broken)]
    symmetric = solve_task(task, "all", "raise")
    stable = [one for one in symmetric if one.replicon < 1.0]
    return [*stable, *broken]


def _low(task: Task, broken: Sequence[Candidate]) -> Candidate | Solution:
    """The solution that continuation from alpha -> 0 reaches, up to the first fold."""
    first = next((opening for opening in openings(task) if opening.even), None)
    if first is None or task.alpha <= min(alpha for alpha, _ in first.ends):
        symmetric: Any = solve_task(task, "low", "raise")
        return symmetric
    stretch = first.stretches[0]
    if task.alpha > stretch.high:
        raise ValueError(
            f"branch 'low' ends at alpha = {stretch.high:.6g} with one step, got alpha {task.alpha!r}; there it folds "
            f"back"
        )
    return next(candidate for candidate in broken if candidate.even)


# --- one step ---------------------------------------------------------------------------------------------------------


def step_equations(task: Task, k: int, parisi: tuple[float, ...] | None = None) -> StepEquations:
    """The equations of a single task with k steps."""
    assert isinstance(task.channel, StepChannel)
    return StepEquations(task.alpha, task.beta, free_site(task), task.channel, k, parisi)


def openings(task: Task) -> tuple[Opening, ...]:
    """The curves of one step of a task, for all alpha in [0.01, 3.5]; kept for each beta, prior and channel."""
    return _openings(replace(task, alpha=1.0, gamma=1.0, anchor="kl", memory=1.0))


@dataclass(frozen=True)
class StepFamily:
    """The equations with steps along alpha, for continuation."""

    base: StepEquations

    def __call__(self, c: float) -> StepEquations:
        return replace(self.base, alpha=c)

    def derivative(self, x: np.ndarray, refine: float) -> np.ndarray:
        """d(y' - y)/d(y, alpha) by the equations' own difference."""
        step = self.base.difference
        at = self(x[-1]).image(x[:-1], refine)
        columns = [
            (self(x[-1] + e[-1]).image(x[:-1] + e[:-1], refine).gap - at.gap) / step for e in step * np.eye(x.size)
        ]
        return np.column_stack(columns)


@lru_cache(maxsize=32)
def _openings(task: Task) -> tuple[Opening, ...]:
    bounds = (ALPHA_FIRST, ALPHA_LAST)
    return openings_of(equations_of(task), StepFamily(step_equations(task, 1)), landscape(task).stretches, bounds)


def openings_of(
    base: Equations, family: StepFamily, stretches: Sequence[Stretch], bounds: tuple[float, float]
) -> tuple[Opening, ...]:
    """The curves of one step that begin on the replica-symmetric `stretches` of the equations `base`."""

    def symmetric(c: float) -> Any:
        return replace(base, alpha=c)

    curves: list[Opening] = []
    for stretch in stretches:
        for k, (a, b) in enumerate(pairwise(stretch.nodes)):
            if log_replicon(a) * log_replicon(b) < 0.0:
                crossing = locate(symmetric, a, b, log_replicon)
                known = next((n for n, opening in enumerate(curves) if _closes_at(opening, crossing)), None)
                if known is not None:  # another curve ends here
                    begin, (_, last) = curves[known].ends
                    curves[known] = replace(curves[known], ends=(begin, (crossing.c, last)))
                    continue
                # along the stretch into the unstable side
                inside = stretch.nodes[k + 1 :] if log_replicon(b) > 0.0 else stretch.nodes[k::-1]
                opening = _open(family, crossing.c, inside, stretch.order % 2 == 0, bounds)
                if opening is not None:
                    curves.append(opening)
    return tuple(curves)


def _closes_at(opening: Opening, crossing: Node) -> bool:
    """Whether the curve's far end, where its step is all but closed, lies next to this instability."""
    if len(opening.ends) < 2:
        return False
    _, last = opening.ends[1]
    return bool(np.abs(last.x[:3] - crossing.x[:3]).max() < _NEXT_TO)


def _open(
    family: Family, alpha_c: float, inside: Sequence[Node], even: bool, bounds: tuple[float, float]
) -> Opening | None:
    """The curve of one step next to an instability at alpha_c; `inside`: unstable nodes, nearest first."""
    unstable = [node for node in inside if log_replicon(node) > 0.0]
    far = next((node for node in unstable if node.image.replicon > _WELL_INSIDE), unstable[-1] if unstable else None)
    if far is None:
        return None
    root = _first_step(family(far.c), far.image.before)
    if root is None:
        return None

    def closed(_: Node, here: Node) -> str | None:
        orders: StepOrders = here.image.before
        return "closed" if orders.steps.min() < _CLOSED * orders.q else None

    box = [(-1, *bounds)]
    towards = math.copysign(1.0, alpha_c - far.c)
    back = follow_within(family, first_node(family, root.image.y, far.c, towards), box, stop=closed)
    away = follow_within(family, first_node(family, root.image.y, far.c, -towards), box, stop=closed)
    backwards = [replace(node, tangent=-node.tangent) for node in reversed(back.nodes[1:])]
    curve = Curve(with_close_folds(family, [*backwards, *away.nodes]), away.end)
    ends = [(alpha_c, back.nodes[-1])]
    if away.end == "closed":
        ends.append((away.nodes[-1].c, away.nodes[-1]))
    stretches = stretches_of(curve, fold_nodes(family, curve))
    return Opening(tuple(stretches), tuple(ends), even)


def _first_step(equations: StepEquations, symmetric: Any) -> Root | None:
    """One step, away from a replica-symmetric solution that is unstable."""
    closed = StepOrders(
        symmetric.q, symmetric.r, symmetric.perpendicular, np.empty(0), symmetric.fluctuation, symmetric.uncertainty,
        np.empty(0),
    )  # fmt: skip
    for x in _FIRST_PARISI:
        root = _opened(equations, closed, 0, x)
        if root is not None:
            return root
    return None


def _opened(equations: Steps, orders: StepOrders, level: int, x: float) -> Root | None:
    """A root with one more step, which opens `level` at the breaking point x: first prescribed, then free."""
    begin = split(orders, level, x)
    fixed: Steps = replace(equations, parisi=tuple(begin.parisi.tolist()))  # type: ignore[type-var]
    y = fixed.unknowns(begin, False)
    for _ in range(_RAW):
        gap = fixed.image(y).gap
        if not np.all(np.isfinite(gap)):
            return None
        y = y + gap
        if np.abs(gap).max() < 0.02:
            break
    root = newton(fixed, y, polish=True)
    if not root.converged:
        return None
    root = newton(equations, equations.unknowns(root.image.before, True), polish=True)
    return root if root.converged and _is_open(root.image.before) else None


def _is_open(orders: StepOrders) -> bool:
    return bool(orders.steps.min() > 1e-7 * orders.q)


def split(orders: StepOrders, level: int, x: float, share: float = 0.3) -> StepOrders:
    """The overlap q_level becomes two, with the new breaking point x between them."""
    k = orders.steps.size
    below = orders.steps[level - 1] if level > 0 else orders.perpendicular
    above = orders.steps[level] if level < k else orders.fluctuation
    width = share * min(below, above)
    steps = orders.steps.copy()
    q, perpendicular, fluctuation = orders.q, orders.perpendicular, orders.fluctuation
    if level > 0:
        steps[level - 1] -= 0.5 * width
    else:
        q, perpendicular = q - 0.5 * width, perpendicular - 0.5 * width
    if level < k:
        steps[level] -= 0.5 * width
    else:
        fluctuation -= 0.5 * width
    return orders._replace(
        q=q,
        perpendicular=perpendicular,
        steps=np.insert(steps, level, width),
        fluctuation=fluctuation,
        parisi=np.insert(orders.parisi, level, x),
    )


def solutions_on(opening: Opening, equations: StepEquations) -> list[Candidate]:
    """The solutions with one step at the equations' alpha, on all stretches of a curve."""
    alpha = equations.alpha
    starts = []
    for stretch in opening.stretches:
        if stretch.low <= alpha <= stretch.high:
            starts.append((stretch.start(alpha), (stretch.order % 2 == 0) == opening.even))
    # between the last node of a curve and the instability the step closes in proportion to the distance
    outermost = (opening.stretches[0], opening.stretches[-1])
    for (alpha_c, last), stretch in zip(opening.ends, outermost, strict=False):
        if min(alpha_c, last.c) < alpha < max(alpha_c, last.c):
            y = last.x[:-1].copy()
            y[3] += math.log((alpha - alpha_c) / (last.c - alpha_c))
            starts.append((y, (stretch.order % 2 == 0) == opening.even))
    candidates = []
    for y, even in starts:
        root = newton(equations, y, polish=True)
        if not root.converged:
            root = newton(equations, y)
        candidates.append(Candidate(equations, root, even))
    return candidates


# --- more steps, and what is returned ---------------------------------------------------------------------------------


def with_steps(
    task: Task, start: Candidate | Solution, rsb: int | str, on_failure: str, parisi: float | None = None
) -> StepSolution:
    """The solution with `rsb` steps that belongs to a replica-symmetric or one-step one."""
    if isinstance(start, Solution):
        return closed_solution(start, 0 if isinstance(rsb, str) else rsb, parisi)
    if parisi is not None:
        start = _prescribed(start, parisi)
    if rsb == "converged":
        return _converged(task, start, on_failure)
    assert isinstance(rsb, int)
    while start.equations.k < rsb and start.root.converged:
        more = _another(start)
        if more is None:
            break
        start = more
    return _checked(task, start, on_failure, rsb)


def _converged(task: Task, start: Candidate, on_failure: str) -> StepSolution:
    """As many steps as eps_g asks for."""
    here = _checked(task, start, on_failure, 1)
    while start.equations.k < MOST_STEPS:
        more = _another(start)
        if more is None:
            return here
        start, before = more, here
        here = _checked(task, start, on_failure, start.equations.k)
        if abs(here.eps_g - before.eps_g) < CONVERGED:
            return here
    raise ConvergenceError(
        f"eps_g still moves by more than {CONVERGED:g} at {MOST_STEPS} steps, at {describe(task)}; give rsb a number",
        state=(here.q, here.r, here.q_star),
        residual=here.residual,
    )


def _another(start: Candidate) -> Candidate | None:
    """One step more, at the level of the largest replicon; None where every level is stable."""
    image = start.image
    level = int(np.argmax(image.replicons))
    if not image.replicons[level] > 1.0 + _MARGIN:
        return None
    equations = replace(start.equations, k=start.equations.k + 1)
    root = opened_somewhere(equations, image.before, image.replicons)
    if root is not None:
        return Candidate(equations, root, start.even)
    orders = image.before
    raise ConvergenceError(
        f"no solution with {equations.k} steps was found at alpha={equations.alpha:g}, beta={equations.beta:g}, where "
        f"level {level} of {equations.k - 1} has replicon {image.replicons[level]:.6f}; take fewer steps",
        state=(orders.q, orders.r, orders.q_star),
        residual=image.residual,
    )


def opened_somewhere(equations: Steps, orders: StepOrders, replicons: np.ndarray) -> Root | None:
    """A root with one step more than `orders`: where several neighbouring levels are unstable, with their overlaps and
    breaking points spread anew over one level more, else with the most unstable level opened at one of several breaking
    points."""
    level = int(np.argmax(replicons))
    begin = _spread_anew(orders, replicons, level)
    if begin is not None:
        root = newton(equations, equations.unknowns(begin, True), polish=True)
        if root.converged and _is_open(root.image.before):
            return root
    ends = np.concatenate([[0.0], orders.parisi, [1.0]])
    for share in _OPENING:
        root = _opened(equations, orders, level, float(ends[level] + share * (ends[level + 1] - ends[level])))
        if root is not None:
            return root
    return None


def _spread_anew(orders: StepOrders, replicons: np.ndarray, level: int) -> StepOrders | None:
    """The unstable levels around `level`, m of them, spread over m + 1.

    They stand for a continuous q(x). Steps cut a straight one into equal pieces: jumps at u = 1, 2, ... and overlaps at
    u = 1/2, 3/2, ..., where x and q grow evenly with u from the first unstable level's breaking point on. The last
    level ends half a piece beyond its jump, where q(x) does.
    """
    k = orders.steps.size
    unstable = replicons > 1.0
    first = last = level
    while first > 0 and unstable[first - 1]:
        first -= 1
    while last < k and unstable[last + 1]:
        last += 1
    m = last - first + 1
    if m < 2:
        return None
    ends, overlaps = np.concatenate([[0.0], orders.parisi, [1.0]]), orders.overlaps
    jumps = ends[first : last + 1]  # at u = 0, 1, ..., m - 1; the first one is where the levels begin
    length = m - 0.5
    x_end = float(ends[last + 1])
    if last == k:
        x_end = min(float(jumps[-1] + 0.5 * (jumps[-1] - jumps[-2])), 0.5 * (1.0 + float(jumps[-1])))
    else:
        length = float(m)
    stretch = length / (length + 1.0)
    x_of = np.interp(np.arange(1, m + 1) * stretch, [*range(m), length], [*jumps, x_end])
    at = (np.arange(m + 1) + 0.5) * stretch
    known, levels = np.arange(m) + 0.5, overlaps[first : last + 1]
    q_of = np.interp(at, known, levels)
    below = at < 0.5
    q_of[below] = levels[0] - (0.5 - at[below]) * (levels[1] - levels[0])
    q = np.concatenate([overlaps[:first], q_of, overlaps[last + 1 :]])
    parisi = np.concatenate([orders.parisi[:first], x_of, orders.parisi[last:]])
    if q[0] <= 0.0 or np.any(np.diff(q) <= 0.0) or np.any(np.diff(parisi) <= 0.0):
        return None
    return orders._replace(
        q=float(q[0]),
        perpendicular=orders.perpendicular + float(q[0]) - orders.q,
        steps=np.diff(q),
        fluctuation=orders.fluctuation + float(overlaps[-1] - q[-1]),
        parisi=parisi,
    )


def _prescribed(start: Candidate, x: float) -> Candidate:
    """The one-step solution at breaking point x, in steps of ln x from the free one."""
    orders = start.image.before
    here = float(orders.parisi[0])
    count = max(1, math.ceil(abs(math.log(x / here)) / 0.4))
    candidate = start
    for value in np.geomspace(here, x, count + 1)[1:]:
        equations = replace(start.equations, parisi=(float(value),))
        y = to_step_unknowns(candidate.image.before, False)
        candidate = Candidate(equations, newton(equations, y, polish=True), start.even)
        if not candidate.root.converged:
            break
    if candidate.equations.parisi != (x,):  # rounding of geomspace, or where the last step failed
        equations = replace(start.equations, parisi=(x,))
        y = to_step_unknowns(candidate.image.before, False)
        candidate = Candidate(equations, newton(equations, y, polish=True), start.even)
    return candidate


def _checked(task: Task, candidate: Candidate, on_failure: str, k: int) -> StepSolution:
    if not candidate.root.converged and on_failure == "raise":
        orders = candidate.image.before
        raise ConvergenceError(
            f"no fixed point with {candidate.equations.k} steps after {candidate.root.n_steps} Newton steps at "
            f"{describe(task)} (residual {candidate.image.residual:.1e}, wanted {RESIDUAL_WANTED:.0e}); "
            f"try another alpha or fewer steps",
            state=(orders.q, orders.r, orders.q_star),
            residual=candidate.image.residual,
        )
    return certified(task, candidate, k)


def certified(task: Task, candidate: Candidate, k: int) -> StepSolution:
    """Observables and error estimates at a root; steps up to k that did not open are closed ones."""
    equations, image = candidate.equations, candidate.image
    here = image.before
    refined = equations.image(image.y, _REFINE)
    shift = -np.linalg.lstsq(candidate.root.jacobian, refined.gap, rcond=None)[0]
    moved = equations.orders(image.y + shift)
    share, share_refined = equations.flipped(image, 1.0), equations.flipped(refined, _REFINE)
    eps_g = equations.channel.eps_g(share)
    hats, x = image.hats, here.parisi
    more = k - equations.k
    complexity = None
    if k == 1:
        complexity = 0.0 if equations.free else float(-(x[0] ** 2) * image.areas[0])
    return StepSolution(
        task=task,
        q=float(weights_of(x) @ here.overlaps),
        r=here.r,
        q_star=here.q_star,
        q_hat=float(hats.overlaps[-1]),
        r_hat=float(hats.r_hat),
        q_star_hat=float(hats.q_star_hat),
        p=1.0 - 2.0 * share,
        eps_g=eps_g,
        free_entropy=equations.free_entropy(image),
        replicon=float(image.replicons[-1]),
        residual=image.residual,
        quadrature_error=max(moved.distance(here), abs(equations.channel.eps_g(share_refined) - eps_g)),
        status=Status.CONVERGED if candidate.root.converged else Status.NOT_CONVERGED,
        n_steps=candidate.root.n_steps,
        saddle=not candidate.even,
        overlaps=(*here.overlaps.tolist(), *more * [float(here.overlaps[-1])]),
        parisi=(*x.tolist(), *more * [math.nan]),
        replicons=(*image.replicons.tolist(), *more * [float(image.replicons[-1])]),
        complexity=complexity,
    )


def closed_solution(symmetric: Solution, k: int, parisi: float | None = None) -> StepSolution:
    """A replica-symmetric solution with k closed steps."""
    shared = {name: getattr(symmetric, name) for name in Solution.__dataclass_fields__}
    return StepSolution(
        **shared | {"coexisting": None, "thermodynamic": None},
        overlaps=(k + 1) * (symmetric.q,),
        parisi=k * (math.nan if parisi is None else parisi,),
        replicons=(k + 1) * (symmetric.replicon,),
        complexity=0.0 if k == 1 else None,
    )
