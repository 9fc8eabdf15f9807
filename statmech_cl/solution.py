"""What comes out of a solve: solutions with their certificates, failures with their last state."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import numpy as np

from .problem import Chain, Task


class Status(str, Enum):
    """How a solve ended. Only CONVERGED means that the raw residual is below the tolerance."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not converged"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A fixed point of the replica-symmetric equations, with a word on how far to trust it.

    Attributes
    ----------
    q, r, q_star : E<m>^2, E W<m>, E<m^2>, with r^2 <= q <= q_star < 1.
    q_hat, r_hat, q_star_hat : their conjugates.
    p, eps_g : overlap of the binarised student with its teacher, and arccos(p)/pi.
    free_entropy : Phi per weight (docs/theory.md).
    replicon : stability of the ansatz; stable below 1.
    residual : largest change of q, r, q_star under one application of the raw map.
    quadrature_error : estimated error of q, r, q_star and eps_g from a rule with half the steps and wider windows.
    n_steps : Newton steps spent.
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

    @property
    def stable(self) -> bool:
        """Whether the replica-symmetric ansatz is stable here (replicon < 1)."""
        return self.replicon < 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers under the Python names, the task's parameters first: what JSON and CSV carry."""
        row: dict[str, Any] = {"alpha": self.task.alpha, "beta": self.task.beta, "prior": self.task.prior}
        for f in fields(self):
            if f.name != "task":
                row[f.name] = getattr(self, f.name)
        row["status"] = str(self.status)
        row["stable"] = self.stable
        return row


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

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: {"tasks": [...], "eps_g": [[...]], "p": [[...]], "reference_overlap": [...]}."""
        rows = []
        for t, solution in enumerate(self.tasks):
            row = solution.to_dict()
            if t > 0:
                row |= {name: getattr(solution.task, name) for name in ("gamma", "anchor", "memory")}
            rows.append(row)
        return {
            "tasks": rows,
            "eps_g": self.eps_g.tolist(),
            "p": self.p.tolist(),
            "reference_overlap": self.reference_overlap.tolist(),
        }


class InstabilityError(RuntimeError):
    """A learning curve that left the finite numbers, or fails its own checks. Nothing of it is returned."""


class ConvergenceError(RuntimeError):
    """No fixed point was reached. `state` holds the last (q, r, q_star), `residual` its raw residual."""

    def __init__(self, message: str, *, state: tuple[float, float, float], residual: float) -> None:
        super().__init__(message)
        self.state = state
        self.residual = residual
