"""Rows of a plane: every solution along one parameter, and where lines of events begin there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from ...bracket import root_between
from ...solution import ConvergenceError
from ...validation import check_count
from ..continuation import Node
from ..landscape import Stretch, stretches_from
from ..saddle import Equations, newton
from .events import Fold, Level, Line, Maxwell
from .parameters import Plane


@dataclass(frozen=True)
class Row:
    """Every solution along one parameter (axis 0: x, 1: y), at coordinate `other` of the other one."""

    axis: int
    other: float
    stretches: list[Stretch]

    @property
    def held(self) -> int:
        """Index of the coordinate that is fixed, among the unknowns of a line."""
        return -1 if self.axis == 0 else -2

    def placed(self, state: np.ndarray, c: float) -> np.ndarray:
        """A point of a line, from its state and the coordinate along the row."""
        return np.concatenate([state, [c, self.other] if self.axis == 0 else [self.other, c]])

    def span(self, plane: Plane) -> tuple[float, float]:
        return (plane.x if self.axis == 0 else plane.y).bounds


def rows_of(plane: Plane, count: int) -> list[Row]:
    """Rows along one parameter, the edges of the box among them, and the box's two other edges.

    A row on which no solution is found is left out.
    """
    check_count("rows", count, low=2)
    low, high = (plane.y if plane.scanned == 0 else plane.x).bounds
    rows = []
    for other in np.linspace(low, high, count):
        try:
            rows.append(Row(plane.scanned, float(other), plane.stretches(float(other))))
        except ConvergenceError:
            continue
    if not rows:
        raise ConvergenceError(
            "no solution was found on any row of the box", state=(math.nan, math.nan, math.nan), residual=math.nan
        )
    return [*rows, *(_column(plane, rows, c) for c in rows[0].span(plane))]


def _column(plane: Plane, rows: Sequence[Row], c: float) -> Row:
    """Every solution across the rows at coordinate c along them, from those that the first and the last row have."""

    def family(other: float) -> Equations:
        return plane.equations(*((c, other) if plane.scanned == 0 else (other, c)))

    begun = []
    for row, direction in ((rows[0], 1.0), (rows[-1], -1.0)):
        starts = [s.start(c) for s in row.stretches if s.low <= c <= s.high]
        roots = [newton(family(row.other), y, polish=True) for y in starts]
        begun += [(root, row.other, direction) for root in roots if root.converged]
    return Row(1 - plane.scanned, c, stretches_from(family, begun, rows[0].other, rows[-1].other))


def starts_on(plane: Plane, line: Line, row: Row) -> list[np.ndarray]:
    """Near points of the line on a row."""
    if isinstance(line, Fold):
        nodes = [stretch.nodes[0] for stretch in row.stretches if stretch.order > 0]
        return [row.placed(np.append(n.x[:-1], n.tangent[:-1] / np.linalg.norm(n.tangent[:-1])), n.c) for n in nodes]
    if isinstance(line, Maxwell):
        return _equal_entropies(plane, row)
    assert isinstance(line, Level)
    low, high = row.span(plane)
    starts = []
    for stretch in row.stretches:
        values: dict[int, tuple[np.ndarray, float]] = {}

        def at(k: int, nodes: tuple[Node, ...] = stretch.nodes, known: dict[int, Any] = values) -> Any:
            if k not in known:
                x = row.placed(nodes[k].x[:-1], nodes[k].c)
                known[k] = x, line.function(plane, x, nodes[k].image, 1.0)
            return known[k]

        for k, (left, right) in enumerate(pairwise(stretch.nodes)):
            if max(left.c, right.c) < low or min(left.c, right.c) > high:
                continue
            (a, va), (b, vb) = at(k), at(k + 1)
            if va * vb <= 0.0 and va != vb:
                starts.append(a + va / (va - vb) * (b - a))
    return starts


def _equal_entropies(plane: Plane, row: Row) -> list[np.ndarray]:
    low_c, high_c = row.span(plane)

    def at(stretch: Stretch, c: float) -> tuple[np.ndarray, float]:
        equations = plane.equations(*((c, row.other) if row.axis == 0 else (row.other, c)))
        root = newton(equations, stretch.start(c), polish=True)
        return root.image.y, equations.free_entropy(root.image)

    equal = []
    for a, b in combinations([s for s in row.stretches if s.order % 2 == 0], 2):
        low, high = max(a.low, b.low, low_c), min(a.high, b.high, high_c)
        margin = 1e-4 * (high - low)
        if high - low < 1e-5:
            continue

        def gap(c: float, a: Stretch = a, b: Stretch = b) -> float:
            return at(a, c)[1] - at(b, c)[1]

        if gap(low + margin) * gap(high - margin) < 0.0:
            c = root_between(gap, low + margin, high - margin, xtol=1e-5)
            equal.append(row.placed(np.append(at(a, c)[0], at(b, c)[0]), c))
    return equal
