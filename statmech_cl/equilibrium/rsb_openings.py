"""Where replica symmetry breaks: the curves of solutions with one step, from the instabilities that open them, and how
a further step opens on a solution that has some.

The curve of one step begins where the replicon of the replica-symmetric solution passes 1. It is found a little inside,
at a prescribed breaking point, where the raw map itself runs away from replica symmetry; continuation in alpha then
follows it to where it began and round its folds.
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
from ..problem import Task
from ..sites import free_site
from .continuation import Curve, Family, Node, first_node, follow_within, locate, log_replicon, with_close_folds
from .landscape import ALPHA_FIRST, ALPHA_LAST, Stretch, fold_nodes, landscape, stretches_of
from .rsb import StepEquations, StepImage
from .saddle import Equations, Root, System, equations_of, newton

_CLOSED = 4e-3  # a step of q, against q_0, at which a curve is taken to end: with it the unknown ln(step) has no end
_NEXT_TO = 0.3  # in the first three unknowns: how near to an instability the last node of its curve is
_WELL_INSIDE = 1.3  # replicon at which the first step is looked for
_FIRST_PARISI = (0.5, 0.3, 0.7)
_OPENING = (0.2, 0.4, 0.1, 0.6, 0.8)  # where a new breaking point is tried between its neighbours
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


def opened_somewhere(equations: Steps, orders: StepOrders, level: int) -> Root | None:
    """A root with one step more than `orders`, which opens `level` at one of several breaking points."""
    ends = np.concatenate([[0.0], orders.parisi, [1.0]])
    for share in _OPENING:
        root = _opened(equations, orders, level, float(ends[level] + share * (ends[level + 1] - ends[level])))
        if root is not None:
            return root
    return None
