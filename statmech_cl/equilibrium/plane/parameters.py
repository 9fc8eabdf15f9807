"""A plane of problems: two of a problem's parameters, each in a span, the rest as the problem has them.

A parameter of a Task is "alpha", "beta" or "q_star". Of a Chain: "alpha", "beta", "gamma", "memory" (the last task's)
and "overlap" (of the last teacher with the first), or with a task's number, "alpha_1", "gamma_2", "overlap_2" ...
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ...problem import Chain, Problem, Task
from ...solution import ChainSolution, Solution
from ...validation import check_choice, check_number
from ..chain import Walk, roots_of, stretches_along_alpha
from ..landscape import Stretch, landscape, stretches_from
from ..one_task import starts, warn_outside
from ..saddle import Equations, Image, equations_of, newton, read

_LIMITS = {  # low, high, and whether each is excluded
    "alpha": (0.0, math.inf, True, True),
    "beta": (0.0, math.inf, True, True),
    "gamma": (0.0, math.inf, False, True),
    "memory": (0.0, 1.0, False, False),
    "overlap": (-1.0, 1.0, False, False),
    "q_star": (0.0, 1.0, True, True),
}
_OF_A_TASK = ("alpha", "beta", "q_star")


@dataclass(frozen=True)
class Parameter:
    """One axis of a plane: a name, its span, and the coordinate in which lines are followed."""

    name: str
    low: float
    high: float

    @property
    def kind(self) -> str:
        return self.name.partition("_")[0] if self.name != "q_star" else "q_star"

    @property
    def _scale(self) -> tuple[Callable[[float], float], Callable[[float], float]]:
        if self.kind == "beta" or (self.kind == "gamma" and self.low > 0.0):
            return math.log, math.exp
        if self.kind == "q_star":
            return lambda v: math.log(v / (1.0 - v)), lambda c: 1.0 / (1.0 + math.exp(-c))
        return float, float

    def coordinate(self, value: float) -> float:
        return self._scale[0](value)

    def value(self, c: float) -> float:
        """The parameter at coordinate c, its bounds exact."""
        if c in (self.coordinate(self.low), self.coordinate(self.high)):
            return self.low if c == self.coordinate(self.low) else self.high
        low, high, *_ = _LIMITS[self.kind]
        return min(max(self._scale[1](c), low), high)  # differences look a little beyond the span

    @property
    def bounds(self) -> tuple[float, float]:
        return self.coordinate(self.low), self.coordinate(self.high)


def parameter(problem: Problem, which: str, name: str, low: object, high: object) -> Parameter:
    """A checked axis of a problem's plane; `which` ("x" or "y") is what an error calls it."""
    if isinstance(problem, Task):
        check_choice(which, name, _OF_A_TASK)
    else:
        kinds = [k for k in _LIMITS if k != "q_star"]
        count = len(problem.tasks)
        numbered = [f"{k}_{t}" for t in range(1, count + 1) for k in kinds if t > 1 or k in ("alpha", "beta")]
        check_choice(which, name, [*kinds, *numbered])
        if problem.law is not None and name.startswith("overlap"):
            raise ValueError(f"{which} must not be {name!r} for a chain with a law; give overlaps instead")
    kind = Parameter(name, 0.0, 0.0).kind
    least, most, open_low, open_high = _LIMITS[kind]
    ends = [
        check_number(f"{which} ({name})", v, low=least, high=most, open_low=open_low, open_high=open_high)
        for v in (low, high)
    ]
    if not ends[0] < ends[1]:
        raise ValueError(f"{which} must be a span low < high of {name}, got {ends[0]:g} and {ends[1]:g}")
    return Parameter(name, *ends)


def changed(problem: Problem, name: str, value: float) -> Problem:
    """The problem with this parameter set."""
    if isinstance(problem, Task):
        field: dict[str, Any] = {name: value}
        return replace(problem, **field)
    match = re.fullmatch(r"([a-z]+)(?:_(\d+))?", name)
    assert match is not None
    kind, t = match[1], int(match[2]) if match[2] else len(problem.tasks)
    if kind == "overlap":
        overlaps: Any = list(problem.overlaps)  # type: ignore[arg-type]
        overlaps[t - 2] = value
        return replace(problem, overlaps=overlaps)
    tasks = list(problem.tasks)
    field = {kind: value}
    tasks[t - 1] = replace(tasks[t - 1], **field)
    return replace(problem, tasks=tuple(tasks))


def task_of(problem: Problem) -> Task:
    """The task whose equations are solved: of a chain the last."""
    return problem if isinstance(problem, Task) else problem.tasks[-1]


def walk_to_last(chain: Chain) -> Walk:
    """The chain solved up to the last task, each by its best solution."""
    walk = Walk.begin(chain, "best", "raise")
    for t in range(1, len(chain.tasks) - 1):
        walk = walk.step(t, "best", "raise")[0]
    return walk


class Plane:
    """The problems of a plane, by the coordinates (cx, cy) of its two parameters, and their equations."""

    def __init__(self, problem: Problem, x: Parameter, y: Parameter) -> None:
        if isinstance(problem, Chain) and len(problem.tasks) < 2:
            raise ValueError(f"problem must be a Task or a chain of two tasks or more, got {len(problem.tasks)}")
        if x.name == y.name:
            raise ValueError(f"y must be another parameter than x, got {y.name!r} twice")
        self.problem, self.x, self.y = problem, x, y
        for ends in zip(x.bounds, y.bounds, strict=True):
            corner = self.at(*ends)
            for task in corner.tasks if isinstance(corner, Chain) else [corner]:
                warn_outside(task, stacklevel=5)
        self._base: Walk | None = None
        if isinstance(problem, Chain) and all(self._of_last_task(p) for p in (x, y)):
            self._base = walk_to_last(problem)
        self._walk = lru_cache(maxsize=64)(self._new_walk)
        self.equations = lru_cache(maxsize=64)(self._new_equations)

    def _of_last_task(self, p: Parameter) -> bool:
        assert isinstance(self.problem, Chain)
        return p.kind != "overlap" and p.name in (p.kind, f"{p.kind}_{len(self.problem.tasks)}")

    def at(self, cx: float, cy: float) -> Problem:
        """The problem there."""
        return changed(changed(self.problem, self.x.name, self.x.value(cx)), self.y.name, self.y.value(cy))

    def _new_walk(self, cx: float, cy: float) -> Walk:
        chain = self.at(cx, cy)
        assert isinstance(chain, Chain)
        if self._base is not None:
            return replace(self._base, chain=chain)
        with warnings.catch_warnings():  # said once, of the box; a trial step may leave it a little
            warnings.simplefilter("ignore")
            return walk_to_last(chain)

    def _new_equations(self, cx: float, cy: float) -> Equations:
        problem = self.at(cx, cy)
        if isinstance(problem, Task):
            return equations_of(problem)
        return self._walk(cx, cy).equations(len(problem.tasks) - 1, problem.tasks[-1])

    def solution(self, cx: float, cy: float, at: Image, refine: float = 1.0) -> Solution | ChainSolution:
        """The observables there, as `at` has them (not certified)."""
        problem = self.at(cx, cy)
        equations = self.equations(cx, cy)
        last = read(task_of(problem), equations, at, refine)
        if isinstance(problem, Task):
            return last
        walk = self._walk(cx, cy)
        return walk.go_on(len(problem.tasks) - 1, equations.site, last).solution()

    def starts(self, cx: float, cy: float) -> list[np.ndarray]:
        """y next to every solution known there."""
        problem = self.at(cx, cy)
        if isinstance(problem, Task):
            return starts(problem, equations_of(problem), "all")
        return [root.image.y for root in roots_of(self.equations(cx, cy), "all") if root.converged]

    @property
    def scanned(self) -> int:
        """The axis (0 or 1) along which solutions are looked for: the last task's alpha if it is one of them."""
        last = f"alpha_{len(self.problem.tasks)}" if isinstance(self.problem, Chain) else "alpha"
        return 1 if self.y.name in ("alpha", last) else 0

    def stretches(self, other: float) -> list[Stretch]:
        """Every solution along the scanned axis, the other coordinate fixed, between its folds."""
        axis = self.x if self.scanned == 0 else self.y
        low, high = axis.bounds

        def where(c: float) -> tuple[float, float]:
            return (c, other) if self.scanned == 0 else (other, c)

        problem = self.at(*where(low))
        along_alpha = axis.name in ("alpha", f"alpha_{self._count}")
        if along_alpha and isinstance(problem, Task):
            return list(landscape(problem).stretches)
        if along_alpha:
            beginning = self.equations(*where(low))
            return stretches_along_alpha(lambda c: replace(beginning, alpha=c), low, high, high)

        def family(c: float) -> Equations:
            return self.equations(*where(c))

        begun = []
        for c, direction in ((low, 1.0), (high, -1.0)):
            roots = [newton(family(c), y, polish=True) for y in self.starts(*where(c))]
            begun += [(root, c, direction) for root in roots if root.converged]
        return stretches_from(family, begun, low, high)

    @property
    def _count(self) -> int:
        return len(self.problem.tasks) if isinstance(self.problem, Chain) else 1
