"""What comes out of a solve: solutions with their certificates, failures with their last state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from .frames import frame
from .problem import Chain, Task

if TYPE_CHECKING:
    import pandas

BRANCHES = ("low", "high", "best", "thermodynamic", "all")  # what `solve` takes


class Status(str, Enum):
    """How a solve ended. Only CONVERGED means that the raw residual is below the tolerance."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not converged"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A fixed point of the replica-symmetric equations, with its error estimates.

    Attributes
    ----------
    q, r, q_star : E<m>^2, E W<m>, E<m^2>, with r^2 <= q <= q_star < 1.
    q_hat, r_hat, q_star_hat : their conjugates.
    p, eps_g : overlap of the binarised student with its teacher, and arccos(p)/pi.
    free_entropy : Phi per weight (docs/theory.md).
    replicon : stability against breaking the symmetry of replicas; stable below 1.
    saddle : whether the solution is a saddle between two others: unstable along the order parameters themselves. On a
        curve of solutions it is the stretch between two folds; nothing ever rests there.
    coexisting : how many other solutions were found at this point; None where not all were looked for: points of
        `trace`, and later tasks of a chain unless branch is "all" or "thermodynamic".
    thermodynamic : whether its free entropy is the largest of all that were found, saddles left out; None likewise, but
        False where a larger one is known.
    residual : largest change of q, r, q_star under one application of the raw map.
    quadrature_error : estimated error of q, r, q_star and eps_g from a rule with half the steps and wider windows.
    n_steps : Newton steps spent.
    r_of, r_hat_of : by the number of each task that is replayed, E s_k <m> and its conjugate; empty without replay.
    """

    task: Task
    q: float
    r: float
    q_star: float
    q_hat: float
    r_hat: float
    q_star_hat: float
    p: float
    eps_g: float
    free_entropy: float
    replicon: float
    residual: float
    quadrature_error: float
    status: Status
    n_steps: int
    saddle: bool = False
    coexisting: int | None = None
    thermodynamic: bool | None = None
    r_of: dict[int, float] = field(default_factory=dict, hash=False)
    r_hat_of: dict[int, float] = field(default_factory=dict, hash=False)

    @property
    def replica_stable(self) -> bool:
        """Whether the replica-symmetric ansatz is stable here (replicon < 1)."""
        return self.replicon < 1.0

    @property
    def stable(self) -> bool:
        """Stable in both ways: replicon < 1, and no saddle."""
        return self.replica_stable and not self.saddle

    def __repr__(self) -> str:
        """Short: where it is, what it says, whether to trust it."""
        at = f"alpha={self.task.alpha:g}, beta={self.task.beta:g}"
        told = f"q={self.q:.6g}, r={self.r:.6g}, q_star={self.q_star:.6g}, eps_g={self.eps_g:.6g}"
        flaws = [name for name, bad in (("saddle", self.saddle), ("replicon > 1", not self.replica_stable)) if bad]
        return f"Solution({at}: {told}, {', '.join([str(self.status), *flaws])})"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers under the Python names, the task's parameters first: what JSON and CSV carry."""
        row: dict[str, Any] = {"alpha": self.task.alpha, "beta": self.task.beta, "prior": self.task.prior}
        for f in fields(self):
            if f.name not in ("task", "r_of", "r_hat_of"):
                row[f.name] = getattr(self, f.name)
        for task in self.r_of:
            row |= {f"r_{task}": self.r_of[task], f"r_hat_{task}": self.r_hat_of[task]}
        row["status"] = str(self.status)
        row["replica_stable"] = self.replica_stable
        row["stable"] = self.stable
        return row

    def to_frame(self) -> pandas.DataFrame:
        """`to_dict` as a pandas DataFrame of one row; `pandas.concat` joins several."""
        return frame([self.to_dict()])


@dataclass(frozen=True, kw_only=True, eq=False)
class ChainSolution:
    """A chain of T tasks, solved one after another.

    Attributes
    ----------
    tasks : the T Solutions; `p` and `eps_g` of each refer to its own teacher.
    p : (T, T), p[t, k] = E s_k <sign m_t>, overlap of the binarised student after task t with teacher k.
    eps_g : (T, T) forgetting matrix eps_g[after_task, on_task] = arccos(p) / pi.
    reference_overlap : (T - 1,), E m_{t-1} <m_t> of each later task with its reference.
    """

    chain: Chain
    tasks: list[Solution]
    p: np.ndarray
    eps_g: np.ndarray
    reference_overlap: np.ndarray

    def __repr__(self) -> str:
        """Short: how many tasks, and the last row of the forgetting matrix."""
        last = ", ".join(f"{value:.6g}" for value in self.eps_g[-1])
        return f"ChainSolution({len(self.tasks)} tasks: eps_g after the last = [{last}], {self.tasks[-1].status})"

    @property
    def forgetting(self) -> np.ndarray:
        """(T - 1,), eps_g[T, k] - eps_g[k, k]: what each earlier task has lost by the end."""
        return self.eps_g[-1, :-1] - np.diag(self.eps_g)[:-1]

    @property
    def transfer(self) -> np.ndarray:
        """(T - 1,), 1/2 - eps_g[t - 1, t]: what is known of each later task before its first pattern."""
        return 0.5 - np.diag(self.eps_g, 1)

    @property
    def average_accuracy(self) -> float:
        """1 - mean over the tasks of eps_g[T, k], at the end."""
        return float(1.0 - self.eps_g[-1].mean())

    def after_last(self) -> dict[str, float]:
        """{"eps_1": ..., "eps_T": ..., "p_1": ..., "p_T": ...}: errors and overlaps at the end, of each teacher."""
        rows = {"eps": self.eps_g[-1], "p": self.p[-1]}
        return {f"{name}_{k}": float(value) for name, row in rows.items() for k, value in enumerate(row, start=1)}

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: {"tasks": [...], "eps_g": [[...]], "p": [[...]], "reference_overlap": [...]}."""
        rows = []
        for t, solution in enumerate(self.tasks):
            row = solution.to_dict()
            if t > 0:
                row |= {name: getattr(solution.task, name) for name in ("gamma", "anchor", "memory")}
                if solution.task.replay:
                    row["replay"] = solution.task.to_dict()["replay"]
            rows.append(row)
        return {
            "tasks": rows,
            "eps_g": self.eps_g.tolist(),
            "forgetting": self.forgetting.tolist(),
            "transfer": self.transfer.tolist(),
            "average_accuracy": self.average_accuracy,
            "p": self.p.tolist(),
            "reference_overlap": self.reference_overlap.tolist(),
        }

    def to_frame(self) -> pandas.DataFrame:
        """A pandas DataFrame with one row for each after_task and on_task, counted from 1 (see `long_rows`)."""
        return frame(long_rows(self.to_dict()))


def long_rows(solved: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each after_task and on_task, counted from 1, of the plain values of a ChainSolution."""
    return [
        {
            "after_task": after + 1,
            "on_task": on + 1,
            "eps_g": solved["eps_g"][after][on],
            "p": solved["p"][after][on],
            **{name: task[name] for name in ("free_entropy", "replicon", "quadrature_error")},
            **{name: task[name] for name in ("coexisting", "thermodynamic", "status")},
        }
        for after, task in enumerate(solved["tasks"])
        for on in range(len(solved["tasks"]))
    ]


class InstabilityError(RuntimeError):
    """A learning curve whose numbers are not finite, or that fails its own checks. Nothing of it is returned."""


class ConvergenceError(RuntimeError):
    """No fixed point was reached. `state` holds the last (q, r, q_star), `residual` its raw residual."""

    def __init__(self, message: str, *, state: tuple[float, float, float], residual: float) -> None:
        super().__init__(message)
        self.state = state
        self.residual = residual
