"""One point of a sweep: a whole problem, the names under which a grid may vary it, and the row that it comes to.

Tasks and chains are here; simulated perceptrons are `simulations.perceptron.simulation.Simulation`. Anything
else with these methods will do: a small frozen value of an importable module, whose imports are the code of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from .problem import Chain, Task
from .solution import BRANCHES
from .validation import check_choice


@runtime_checkable
class Point(Protocol):
    """What a sweep asks of a problem."""

    @property
    def kind(self) -> str:
        """What a table of such points calls them."""

    def values(self) -> dict[str, Any]:
        """What a grid may vary, by name; plain values."""

    def at(self, changes: Mapping[str, Any]) -> Point:
        """The same with other values of some names; a ValueError where one is out of range."""

    def to_dict(self) -> dict[str, Any]:
        """The whole problem in plain values: what keys it in a store."""

    def row(self) -> dict[str, Any]:
        """What it comes to, in plain values, `status` among them."""


Sweepable: TypeAlias = Task | Chain | Point

TIES = ("gamma", "anchor", "memory", "replay")  # of a task, to those before it


def point_of(problem: Sweepable) -> Point:
    """A task or a chain as a point; a point as it is."""
    if isinstance(problem, Task):
        return TaskPoint(problem)
    if isinstance(problem, Chain):
        return ChainPoint(problem)
    if isinstance(problem, Point):
        return problem
    raise ValueError(f"problem must be a Task, a Chain or a Simulation, got {problem!r}")


@dataclass(frozen=True)
class TaskPoint:
    """One task by theory; a grid may vary the fields that tie it to no other task, and the `branch`."""

    kind: ClassVar[str] = "task"
    task: Task
    branch: str = "best"

    def __post_init__(self) -> None:
        check_choice("branch", self.branch, BRANCHES[:-1])  # "all" is no single row

    def values(self) -> dict[str, Any]:
        return {**_alone(self.task), "branch": self.branch}

    def at(self, changes: Mapping[str, Any]) -> TaskPoint:
        given = dict(changes)
        branch = given.pop("branch", self.branch)
        return TaskPoint(Task.from_dict({**self.task.to_dict(), **given}), branch)

    def to_dict(self) -> dict[str, Any]:
        return {"task": self.task.to_dict(), "branch": self.branch}

    def row(self) -> dict[str, Any]:
        from . import solve

        solution: Any = solve(self.task, branch=self.branch)
        return dict(solution.to_dict())


@dataclass(frozen=True)
class ChainPoint:
    """A chain by theory; a grid may vary `alpha_1`, `beta_1`, ..., `gamma_2`, ... and `overlap_2`, ... (numbered from 1
    as the paper does), or the chain's `law`."""

    kind: ClassVar[str] = "chain"
    chain: Chain

    def values(self) -> dict[str, Any]:
        content = self.chain.to_dict()
        told = [_alone(self.chain.tasks[0]), *content["tasks"][1:]]
        named = {f"{name}_{number}": value for number, task in enumerate(told, start=1) for name, value in task.items()}
        if "law" in content:
            return {**named, "law": content["law"]}
        return named | {f"overlap_{number}": r0 for number, r0 in enumerate(content["overlaps"], start=2)}

    def at(self, changes: Mapping[str, Any]) -> ChainPoint:
        values = self.values() | dict(changes)
        tasks = [
            {name: values.get(f"{name}_{number}", value) for name, value in task.to_dict().items()}
            for number, task in enumerate(self.chain.tasks, start=1)
        ]
        if "law" in values:
            return ChainPoint(Chain.from_dict({"tasks": tasks, "law": values["law"]}))
        overlaps = [values[f"overlap_{number}"] for number in range(2, len(tasks) + 1)]
        return ChainPoint(Chain.from_dict({"tasks": tasks, "overlaps": overlaps}))

    def to_dict(self) -> dict[str, Any]:
        return self.chain.to_dict()

    def row(self) -> dict[str, Any]:
        from . import solve

        solution: Any = solve(self.chain)
        return _chain_row(solution.to_dict())


def _alone(task: Task) -> dict[str, Any]:
    """The fields of a first task: nothing ties it to one before."""
    return {name: value for name, value in task.to_dict().items() if name not in TIES}


def _chain_row(solved: Mapping[str, Any]) -> dict[str, Any]:
    """The forgetting matrix as `eps_g_after_t_on_k` and `p_after_t_on_k`, and each task's results as `q_t`, ..."""
    row: dict[str, Any] = {}
    for name in ("eps_g", "p"):
        for after, values in enumerate(solved[name], start=1):
            row.update((f"{name}_after_{after}_on_{on}", value) for on, value in enumerate(values, start=1))
    for number, task in enumerate(solved["tasks"], start=1):
        names = ("q", "r", "q_star", "free_entropy", "replicon", "residual", "quadrature_error")
        row.update((f"{name}_{number}", task[name]) for name in names)
    row.update((f"reference_overlap_{t}", value) for t, value in enumerate(solved["reference_overlap"], start=2))
    failed = [task["status"] for task in solved["tasks"] if task["status"] != "converged"]
    return {**row, "status": failed[0] if failed else "converged"}
