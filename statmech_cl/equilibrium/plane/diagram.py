"""phase_diagram(problem, x, y, box): every line in a box of two parameters, and what holds between the lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from ...problem import Problem
from ...solution import ConvergenceError
from ..landscape import Stretch
from ..saddle import newton
from .curves import EVENTS, PlaneCurve, cusps_of, line_of, lines_of
from .events import Level
from .parameters import Plane, parameter
from .rows import Row, rows_of

_END = 1e-5  # 1 - q_star on the line drawn where a branch ends
_PIXELS = 240
_SMALLEST = 0.004  # share of the box below which a region is not described
_NEAR = 3.0  # pixels from its border that a point must be away to speak for its region
_COUNTED = ("no solution", "one solution", "two solutions", "three solutions")


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the box that no line crosses.

    Attributes
    ----------
    label : "one solution", "two solutions" ..., with ", unstable" where the replicon of the one of largest free entropy
        is above 1. Saddles between two solutions are not counted.
    x, y : a point inside, at which it was looked at.
    share : of the box, in the coordinates in which lines are followed (logarithmic for beta and gamma).
    solutions : how many coexist, saddles left out. stable : whether the replicon of the largest free entropy is < 1.
    q, r, q_star, replicon : of the solution of largest free entropy there.
    """

    label: str
    x: float
    y: float
    share: float
    solutions: int
    stable: bool
    q: float
    r: float
    q_star: float
    replicon: float


@dataclass(frozen=True, kw_only=True)
class PhaseDiagram:
    """The lines in a box, where they end and meet, and the regions between them.

    Attributes
    ----------
    x, y : names of the parameters. box : ((low, high), (low, high)).
    curves : PlaneCurves; the event "edge" is where a branch runs into q_star = 1 (drawn at 1 - q_star = 1e-5).
    cusps : each {x, y}: there three solutions are one, and two folds (and a line of equal free entropies) end.
    regions : Regions, the largest first.
    """

    x: str
    y: str
    box: tuple[tuple[float, float], tuple[float, float]]
    curves: list[PlaneCurve]
    cusps: list[dict[str, float]]
    regions: list[Region]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: {"x", "y", "box", "curves": [{"event", "x", "y", "ends", ...}], "cusps", "regions"}."""
        regions = [
            {"label": r.label, self.x: r.x, self.y: r.y, **{k: getattr(r, k) for k in _REGION}} for r in self.regions
        ]
        return {
            "x": self.x,
            "y": self.y,
            "box": [list(span) for span in self.box],
            "curves": [curve.to_dict() for curve in self.curves],
            "cusps": self.cusps,
            "regions": regions,
        }


_REGION = ("share", "solutions", "stable", "q", "r", "q_star", "replicon")


def phase_diagram(
    problem: Problem,
    x: str,
    y: str,
    box: Sequence[Sequence[float]],
    *,
    events: Sequence[str] = EVENTS,
    rows: int = 3,
) -> PhaseDiagram:
    """Folds, replicon = 1 and equal free entropies in a box, their ends, cusps and crossings, and the regions between.

    Parameters
    ----------
    problem : a Task, or a Chain (its last task's solutions, behind the best ones of the tasks before).
    x, y : names of the parameters, see `curve`.
    box : ((low, high) of x, (low, high) of y).
    events : which lines, as `curve` names them.
    rows : on how many values of one parameter lines are looked for along the other.

    Returns
    -------
    PhaseDiagram

    Raises
    ------
    ValueError : an unknown event or parameter, a box that is none.
    """
    try:
        (x_low, x_high), (y_low, y_high) = box
    except (TypeError, ValueError):
        raise ValueError(f"box must be ((low, high), (low, high)), got {box!r}") from None
    plane = Plane(problem, parameter(problem, "x", x, x_low, x_high), parameter(problem, "y", y, y_low, y_high))
    named = [line_of(plane, event) for event in events]
    scanned = rows_of(plane, rows)
    curves: list[PlaneCurve] = []
    for name, line in sorted(named, key=lambda pair: pair[0] == "maxwell"):  # it begins at the cusps of folds too
        curves += lines_of(plane, name, line, scanned, cusps_of(curves))
    if any(stretch.order % 2 == 0 and stretch.end == "edge" for row in scanned for stretch in row.stretches):
        curves += lines_of(plane, "edge", _edge(plane), [_ending(row) for row in scanned])
    cusps: list[dict[str, float]] = []
    for cusp in (c for curve in curves for c in curve.cusps):
        if all(math.dist(cusp.values(), known.values()) > 1e-6 for known in cusps):
            cusps.append(cusp)
    return PhaseDiagram(
        x=x,
        y=y,
        box=((plane.x.low, plane.x.high), (plane.y.low, plane.y.high)),
        curves=curves,
        cusps=sorted(cusps, key=lambda cusp: (cusp[y], cusp[x])),
        regions=_regions(plane, curves, scanned),
    )


def _edge(plane: Plane) -> Level:
    """Where 1 - q_star has become as small as `_END`."""
    return Level(plane, lambda p, x, at, refine: math.log(at.before.uncertainty / _END))


def _ending(row: Row) -> Row:
    return replace(row, stretches=[s for s in row.stretches if s.order % 2 == 0 and s.end == "edge"])


# --- what lies between the lines --------------------------------------------------------------------------------------


def _regions(plane: Plane, curves: Sequence[PlaneCurve], rows: Sequence[Row]) -> list[Region]:
    """The pieces into which the lines cut the box, on a raster, each looked at where a row passes far from its border,
    or else on a row of its own through its middle."""
    free = np.ones((_PIXELS, _PIXELS), dtype=bool)  # [iy, ix]
    drawn = [_scaled(plane, curve) for curve in curves]
    for points in drawn + _joined(curves, drawn):
        ix, iy = _pixels(points)
        free[iy, ix] = False
    labels, count = ndimage.label(free)
    depth = ndimage.distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1]  # from the lines and from the box
    regions = []
    for k in range(1, count + 1):
        inside = labels == k
        share = float(inside.mean())
        if share < _SMALLEST:
            continue
        region = _looked_at(plane, np.where(inside, depth, 0.0), rows, share)
        if region is not None:
            regions.append(region)
    return sorted(regions, key=lambda region: -region.share)


def _scaled(plane: Plane, curve: PlaneCurve) -> np.ndarray:
    """A line in units of pixels, (2, n)."""
    scaled = []
    for p, values in ((plane.x, curve.x), (plane.y, curve.y)):
        low, high = p.bounds
        scaled.append((np.array([p.coordinate(v) for v in values]) - low) / (high - low) * (_PIXELS - 1))
    return np.array(scaled)


def _joined(curves: Sequence[PlaneCurve], drawn: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What closes the gaps where a line ends because q_star -> 1: from there to the nearest other line."""
    gaps = []
    for k, (curve, points) in enumerate(zip(curves, drawn, strict=True)):
        others = [other for j, other in enumerate(drawn) if j != k]
        for side in (0, -1):
            if curve.ends[side] == "edge" and others:
                every = np.hstack(others)
                nearest = int(np.argmin(np.hypot(*(every - points[:, side : side + 1 or None]))))
                gaps.append(np.column_stack([points[:, side], every[:, nearest]]))
    return gaps


def _pixels(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that a line (2, n) passes, without gaps."""
    steps = np.abs(np.diff(points)).max(axis=0)
    at = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 1e-9))])
    fine = np.linspace(0.0, at[-1], 4 * int(at[-1] + 2))
    ix, iy = (np.clip(np.rint(np.interp(fine, at, w)).astype(int), 0, _PIXELS - 1) for w in points)
    return ix, iy


def _looked_at(plane: Plane, depth: np.ndarray, rows: Sequence[Row], share: float) -> Region | None:
    scanned = plane.scanned
    other = plane.y if scanned == 0 else plane.x
    low, high = other.bounds
    by_row = depth if scanned == 0 else depth.T  # [other, scanned]
    best: tuple[float, Row, int] | None = None
    for row in (row for row in rows if row.axis == scanned):
        line = by_row[round((row.other - low) / (high - low) * (_PIXELS - 1))]
        j = int(np.argmax(line))
        if line[j] >= _NEAR and (best is None or line[j] > best[0]):
            best = float(line[j]), row, j
    if best is None:
        i, j = divmod(int(np.argmax(by_row)), _PIXELS)
        at = low + (high - low) * i / (_PIXELS - 1)
        try:
            best = float(by_row[i, j]), Row(scanned, at, plane.stretches(at)), j
        except ConvergenceError:
            return None
    _, row, j = best
    along = plane.x if scanned == 0 else plane.y
    c = along.bounds[0] + (along.bounds[1] - along.bounds[0]) * j / (_PIXELS - 1)
    return _described(plane, row, c, share)


def _described(plane: Plane, row: Row, c: float, share: float) -> Region | None:
    where = (c, row.other) if plane.scanned == 0 else (row.other, c)
    equations = plane.equations(*where)
    minima: list[Stretch] = [s for s in row.stretches if s.order % 2 == 0 and s.low <= c <= s.high]
    roots = [newton(equations, s.start(c), polish=True) for s in minima]
    images = [root.image for root in roots if root.converged]
    if not images:
        return None
    top = max(images, key=equations.free_entropy)
    count = len(images)
    stable = bool(top.replicon < 1.0)
    label = _COUNTED[count] if count < len(_COUNTED) else f"{count} solutions"
    return Region(
        label=label if stable else f"{label}, unstable",
        x=plane.x.value(where[0]),
        y=plane.y.value(where[1]),
        share=share,
        solutions=count,
        stable=stable,
        q=top.before.q,
        r=top.before.r,
        q_star=top.before.q_star,
        replicon=float(top.replicon),
    )
