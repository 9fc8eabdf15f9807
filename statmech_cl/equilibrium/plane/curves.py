"""curve(problem, event, x, y): the lines in a plane of two parameters on which an event holds, from end to end.

Starts are found on rows of the plane: every solution along one parameter, round its folds, at several values of the
other, and on all four edges of the box; equal free entropies begin at the cusps of the fold lines as well. From each
start that lies on no line yet its line is followed both ways.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ...problem import Problem, Task
from ...validation import check_choice, check_number
from ..continuation import Curve, Node, first_node_of, follow_within, interpolated, locate, pinned
from ..saddle import RESIDUAL_WANTED, newton
from .events import Cusp, Fold, Level, Line, Maxwell, log_replicon_of, observable
from .parameters import Plane, parameter
from .rows import Row, rows_of, starts_on

EVENTS = ("fold", "replicon", "maxwell")
_LEVELS = ("q", "r", "q_star", "p", "eps_g", "free_entropy")
Span = tuple[str, float, float]
Event = str | Callable[[Any], float]

_PIECES = 25  # steps across the box, at least
_MERGED = 0.15  # how near in y two solutions of equal free entropy come before the line is taken to its cusp
_REFINED = 1.5
_CHECKED = 7  # points of a line whose quadrature error is estimated
_SAME = 1e-4
_APART = 0.25  # of either solution from a cusp, where a line of equal free entropies begins
_TURNED = 1e-4  # dx/ds where dy/ds = 0, at a cusp
_ROWS = 3


@dataclass(frozen=True, kw_only=True)
class PlaneCurve:
    """A line in a plane.

    Attributes
    ----------
    event : what holds along it: "fold", "replicon", "maxwell", "eps_g = 0.1", or the name of a function.
    parameters : names of x and y.
    x, y : (n,) the line, point by point, from one end to the other.
    state : (n, k) order parameters (q, r, q_star) there; for "maxwell" those of both solutions.
    ends : why it stops at its first and last point: "box" (it leaves the box), "cusp" (two solutions merge), "edge"
        (q_star -> 1; 1 - q_star < 1e-6 is not followed), "closed", or "lost".
    cusps : on a fold line, the points where it turns: there three solutions are one.
    crossings : where another event holds for the solution of the line as well, each {"event", x, y}.
    residual : the largest of all points: of the raw map, and of the event's own equation.
    quadrature_error : the largest shift of x or y (in the coordinates that are followed) under a finer rule.
    """

    event: str
    parameters: tuple[str, str]
    x: np.ndarray
    y: np.ndarray
    state: np.ndarray
    ends: tuple[str, str]
    cusps: list[dict[str, float]]
    crossings: list[dict[str, Any]]
    residual: float
    quadrature_error: float
    nodes: list[Node]
    line: Line
    turns: list[np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers under the names above."""
        return {
            "event": self.event,
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "ends": list(self.ends),
            "crossings": self.crossings,
            "residual": self.residual,
            "quadrature_error": self.quadrature_error,
        }

    def crossing(self, name: str, value: float) -> list[float]:
        """Where the line has this value of one parameter: the other one, solved for to 1e-10."""
        check_choice("name", name, self.parameters)
        plane = self.line.plane
        index = -2 if name == plane.x.name else -1
        held, other = (plane.x, plane.y) if index == -2 else (plane.y, plane.x)
        c = held.coordinate(value)
        crossings: list[float] = []
        for a, b in pairwise(self.nodes):
            if (a.x[index] - c) * (b.x[index] - c) > 0.0:
                continue
            guess = interpolated(a, b, c, index)
            guess[index] = c
            node = pinned(self.line, guess, a.derivative, _held(guess.size, index), a.tangent)
            if node is None:
                raise ArithmeticError(f"the line was lost next to {name} = {value:g}")
            at = other.value(float(node.x[-3 - index]))
            if all(abs(at - known) > 1e-9 * max(1.0, abs(at)) for known in crossings):
                crossings.append(at)
        return sorted(crossings)


def curve(problem: Problem, event: Event, x: Span, y: Span, *, rows: int = _ROWS) -> list[PlaneCurve]:
    """Every line of an event in a box of two parameters; their number is the length of the list.

        y' = y together with one equation more: det d(y' - y)/dy = 0 (fold), replicon = 1, equal free entropies of two
        solutions, or f(solution) = value; followed by pseudo-arclength in (order parameters, x, y)

    Parameters
    ----------
    problem : a Task, or a Chain (then the solutions are those of its last task, the earlier tasks take the best).
    event : "fold", "replicon" (it crosses 1), "maxwell" (two solutions have the same free entropy), a level such as
        "eps_g = 0.1" (q, r, q_star, p, eps_g, free_entropy; for a chain eps_1 .. eps_T too), or a function of a
        Solution (a ChainSolution) that vanishes on the line. A function must be smooth.
    x, y : (name, low, high), for instance ("alpha", 0.2, 3) and ("beta", 10, 200). Names: alpha, beta, q_star; for a
        chain alpha, beta, gamma, memory (of the last task), overlap (of the last teacher with the first), or with a
        task's number, alpha_1, gamma_2 ...
    rows : on how many values of one parameter lines are looked for along the other, >= 2, two of them edges of the
        box. They are looked for on its other two edges too. A closed line between two rows is not found.

    Returns
    -------
    A list of PlaneCurve.

    Raises
    ------
    ValueError : an unknown event or parameter, a span that is none.
    """
    plane = Plane(problem, parameter(problem, "x", *_span("x", x)), parameter(problem, "y", *_span("y", y)))
    name, line = line_of(plane, event)
    scanned = rows_of(plane, rows)
    cusps = cusps_of(lines_of(plane, "fold", Fold(plane), scanned)) if isinstance(line, Maxwell) else []
    return lines_of(plane, name, line, scanned, cusps)


def _span(which: str, span: Span) -> Span:
    if not isinstance(span, tuple | list) or len(span) != 3:
        raise ValueError(f"{which} must be (name, low, high), got {span!r}")
    return span[0], span[1], span[2]


def line_of(plane: Plane, event: Event) -> tuple[str, Line]:
    """An event's name and its equations."""
    if callable(event):
        return getattr(event, "__name__", "function"), Level(plane, observable(event, 0.0))
    if isinstance(event, str) and "=" in event:
        return _level(plane, event)
    check_choice("event", event, EVENTS)
    if event == "fold":
        return event, Fold(plane)
    return event, Maxwell(plane) if event == "maxwell" else Level(plane, log_replicon_of)


def _level(plane: Plane, event: str) -> tuple[str, Line]:
    name, _, text = (part.strip() for part in event.partition("="))
    try:
        value = check_number(name, float(text))
    except ValueError:
        raise ValueError(f"event must set its level to a number, got {event!r}") from None
    if name == "replicon":
        if not value > 0.0:
            raise ValueError(f"event must set the replicon to a level > 0, got {event!r}")
        return event, Level(plane, lambda p, x, at, refine: log_replicon_of(p, x, at, refine) - math.log(value))
    tasks = [] if isinstance(plane.problem, Task) else [f"eps_{t + 1}" for t in range(len(plane.problem.tasks))]
    check_choice("event", name, (*_LEVELS, *tasks))
    match = re.fullmatch(r"eps_(\d+)", name)
    if match is not None:
        k = int(match[1]) - 1
        return event, Level(plane, observable(lambda s: s.eps_g[-1, k], value))
    last = isinstance(plane.problem, Task)
    return event, Level(plane, observable(lambda s: getattr(s if last else s.tasks[-1], name), value))


def _inside(plane: Plane, x: np.ndarray, margin: float = 1e-9) -> bool:
    return all(
        p.bounds[0] - margin <= c <= p.bounds[1] + margin for p, c in ((plane.x, float(x[-2])), (plane.y, float(x[-1])))
    )


# --- lines ------------------------------------------------------------------------------------------------------------


def lines_of(
    plane: Plane, event: str, line: Line, rows: Sequence[Row], cusps: Sequence[np.ndarray] = ()
) -> list[PlaneCurve]:
    """The lines of an event that pass through the rows, or that begin at a cusp (y, v, cx, cy)."""
    lines: list[PlaneCurve] = []
    near = [(x, _held(x.size, row.held)) for row in rows for x in starts_on(plane, line, row)]
    if isinstance(line, Maxwell):
        near += [_opened(line, cusp) for cusp in cusps]
    for x, held in near:
        if not _inside(plane, x, 0.1):
            continue
        derivative = first_node_of(line, x).derivative
        start = pinned(line, x, derivative, held, np.append(np.zeros(x.size - 1), 1.0))
        if start is None or start.image.at_edge or not _inside(plane, start.x) or _degenerate(line, start.x):
            continue
        if not any(_on(known, start) for known in lines):
            lines.append(_whole(plane, event, line, start))
    return lines


def _held(size: int, index: int) -> np.ndarray:
    held = np.zeros(size)
    held[index] = 1.0
    return held


def _opened(line: Maxwell, cusp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two solutions of equal free entropy next to a cusp, about: they are apart along v; and what holds them apart."""
    n = line.size
    y, v = cusp[:n], cusp[n : 2 * n]
    x = np.concatenate([y - _APART * v, y + _APART * v, cusp[-2:]])
    return x, np.concatenate([-v, v, [0.0, 0.0]])


def cusps_of(curves: Sequence[PlaneCurve]) -> list[np.ndarray]:
    """The cusps of fold lines, (y, v, cx, cy) each."""
    return [x for curve in curves for x in curve.turns]


def _degenerate(line: Line, x: np.ndarray) -> bool:
    return isinstance(line, Maxwell) and line.apart(x) < 0.5 * _MERGED


def _on(known: PlaneCurve, start: Node) -> bool:
    """Whether a start lies on a line that is known: where that line passes its x, or its y."""
    for index in (-1, -2):
        value = float(start.x[index])
        for a, b in pairwise(known.nodes):
            if (a.x[index] - value) * (b.x[index] - value) > 1e-12:
                continue
            near = interpolated(a, b, value, index)
            if known.line.same(near, start.x) < 0.2:
                near[index] = value
                node = pinned(known.line, near, a.derivative, _held(near.size, index), a.tangent)
                if node is not None and known.line.same(node.x, start.x) < _SAME:
                    return True
    return False


def _whole(plane: Plane, event: str, line: Line, start: Node) -> PlaneCurve:
    """The line through a start, followed both ways."""
    bounds = [(-2, *plane.x.bounds), (-1, *plane.y.bounds)]
    widths = [(index, (high - low) / _PIECES) for index, low, high in bounds]

    def longest(node: Node) -> float:
        return min((width / max(abs(node.tangent[index]), 1e-9) for index, width in widths), default=math.inf)

    def stop(before: Node, here: Node) -> str | None:
        if isinstance(line, Maxwell) and line.apart(here.x) < _MERGED:
            return "cusp"
        passed = float(here.tangent @ (start.x - before.x)) * float(here.tangent @ (start.x - here.x)) < 0.0
        return "closed" if before is not start and passed and line.same(here.x, start.x) < 0.3 else None

    ahead = _followed(line, start, bounds, longest, stop)
    curves = [ahead]
    nodes = ahead.nodes
    if ahead.end != "closed":
        back = Node(start.x, start.derivative, -start.tangent, start.image)
        behind = _followed(line, back, bounds, longest, stop)
        curves = [behind, ahead]
        turned = [Node(n.x, n.derivative, -n.tangent, n.image) for n in reversed(behind.nodes[1:])]
        nodes = [*turned, *ahead.nodes]
    ends = tuple(_end(c) for c in curves) if len(curves) == 2 else ("closed", "closed")
    return _finished(plane, event, line, nodes, (ends[0], ends[1]))


def _followed(line: Line, start: Node, *how: Any) -> Curve:
    """One way along the line; the last node stays outside where rounding has become too large for it."""
    curve = follow_within(line, start, *how)
    last = curve.nodes[-1]
    if curve.end == "edge" and last is not start and last.image.residual > RESIDUAL_WANTED:
        return Curve(curve.nodes[:-1], "edge")
    return curve


def _end(followed: Curve) -> str:
    return "box" if followed.end == "span" else followed.end


def _finished(plane: Plane, event: str, line: Line, nodes: list[Node], ends: tuple[str, str]) -> PlaneCurve:
    """What a line's nodes say, with its cusps and crossings located."""
    names = (plane.x.name, plane.y.name)

    def place(x: np.ndarray) -> dict[str, float]:
        return dict(zip(names, (plane.x.value(float(x[-2])), plane.y.value(float(x[-1]))), strict=True))

    cusps = []
    turns = []
    crossings: list[dict[str, Any]] = []
    kept = [nodes[0]]
    for a, b in pairwise(nodes):
        inserted = []
        if isinstance(line, Fold):
            node = _turn(line, a, b)
            if node is not None:
                cusps.append(place(node.x))
                turns.append(node.x)
                inserted.append(node)
        if not (isinstance(line, Level) and line.function is log_replicon_of):
            for copy in range(len(a.image.images)):

                def replicon(node: Node, copy: int = copy) -> float:
                    return math.log(max(node.image.images[copy].replicon, 1e-300))

                if replicon(a) * replicon(b) < 0.0:
                    node = locate(line, a, b, replicon)
                    crossings.append({"event": "replicon", **place(node.x)})
                    inserted.append(node)
        kept += [*sorted(inserted, key=lambda n, a=a: float(a.tangent @ (n.x - a.x))), b]  # type: ignore[misc]
    xs = [node.x for node in kept]
    states = [np.concatenate([_orders(s) for s in node.image.images]) for node in kept]
    for side, where in ((0, 0), (1, len(xs))):
        if ends[side] == "cusp":
            tip = cusp_near(plane, xs[0 if side == 0 else -1])
            if tip is None:
                ends = ("lost", ends[1]) if side == 0 else (ends[0], "lost")
                continue
            cusps.append(place(tip.x))
            at = len(xs) if side == 1 else where
            xs.insert(at, tip.x)
            states.insert(at, np.tile(_orders(tip.at), 2))
    checked = np.unique(np.linspace(0, len(kept) - 1, _CHECKED, dtype=int))
    return PlaneCurve(
        event=event,
        parameters=names,
        x=np.array([plane.x.value(float(x[-2])) for x in xs]),
        y=np.array([plane.y.value(float(x[-1])) for x in xs]),
        state=np.array(states),
        ends=ends,
        cusps=cusps,
        crossings=crossings,
        residual=max(node.image.residual for node in kept),
        quadrature_error=max(_shift(line, kept[k]) for k in checked),
        nodes=kept,
        line=line,
        turns=turns,
    )


def _orders(image: Any) -> np.ndarray:
    return np.array([image.before.q, image.before.r, image.before.q_star])


def _turn(line: Line, a: Node, b: Node) -> Node | None:
    """The cusp between two nodes of a fold line: x and y turn at the same point."""
    turning = [index for index in (-2, -1) if a.tangent[index] * b.tangent[index] < 0.0]
    if len(turning) < 2:
        return None
    node = locate(line, a, b, lambda n: float(n.tangent[-1]))
    return node if abs(node.tangent[-2]) < _TURNED else None


def _shift(line: Line, node: Node) -> float:
    """How far x and y move under a finer rule, along the shortest way."""
    refined = line.image(node.x, _REFINED)
    return float(np.abs(np.linalg.lstsq(node.derivative, refined.gap, rcond=None)[0][-2:]).max())


def cusp_near(plane: Plane, x: np.ndarray) -> Any:
    """The cusp near two solutions (y_a, y_b, cx, cy) that are about to merge, from its own equations, or None."""
    n = (x.size - 2) // 2
    ya, yb = x[:n], x[n : 2 * n]
    middle, apart = 0.5 * (ya + yb), yb - ya
    begin = np.concatenate([middle, apart / np.linalg.norm(apart), np.zeros(n), x[-2:]])
    root = newton(Cusp(plane), begin, polish=True)
    if not root.converged:
        return None
    return _Tip(root.image.y, root.image.at)


@dataclass(frozen=True)
class _Tip:
    """A cusp: all unknowns of its own equations, and the image there."""

    x: np.ndarray
    at: Any
