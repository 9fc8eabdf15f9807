"""What comes out of `learn`: every observable at every epoch, with its error and its bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..descent_settings import DescentSettings
from ..estimate import Estimate
from ..problem import Chain
from ..validation import check_choice

OBSERVABLES = ("r", "p", "eps_g", "q_star", "q", "loss")


@dataclass(frozen=True, eq=False)
class Bias:
    """What a coarser or finer calculation says the mean is off by: `estimate`, with its standard error, shaped like the
    observable. Subtracting it would add its noise: it is a check, not a correction.
    """

    estimate: np.ndarray
    error: np.ndarray

    @property
    def largest(self) -> float:
        """Largest |estimate|; nan where there is none."""
        return float(np.max(np.abs(self.estimate)))


@dataclass(frozen=True, eq=False)
class LearningStage:
    """One task being learned, at epochs 0, 1, ..., E.

    epochs : (E + 1,).
    r, p, eps_g : (n_tasks, E + 1), E s_k m and E s_k sign(m) for each teacher k of the chain, and arccos(p_k)/pi.
    q_star, q, loss : (E + 1,), E m^2; E m_a m_b of two students on the same patterns, nan with one; E/P.
    *_error : standard errors over independent batches, of the same shapes; q has q_error, and so on.
    batches : r, p, q_star, q and loss of each independent batch, (n_batches, ...): for errors of functions of them.
    samples_bias, tolerance_bias : Bias of each observable from the number of samples (M against M/4), and from the
        tolerance (against a tenth of it); empty where it was not asked for, or there is none.
    response, gamma, covariance : R(t, u), Gamma(t, u), C(t, u) - r_t r_u of the first batch, (E + 1, E), (E, E) and
        (E + 1, E + 1) with t in rows, None with several groups.
    """

    epochs: np.ndarray
    r: np.ndarray
    p: np.ndarray
    eps_g: np.ndarray
    q_star: np.ndarray
    q: np.ndarray
    loss: np.ndarray
    r_error: np.ndarray
    p_error: np.ndarray
    eps_g_error: np.ndarray
    q_star_error: np.ndarray
    q_error: np.ndarray
    loss_error: np.ndarray
    batches: Mapping[str, np.ndarray]
    samples_bias: Mapping[str, Bias]
    tolerance_bias: Mapping[str, Bias]
    response: np.ndarray | None
    gamma: np.ndarray | None
    covariance: np.ndarray | None


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Descent of one task or a chain at N -> infinity, with what it took to compute it.

    stages : one LearningStage for each task, in order.
    miss : largest violation of Gaussian integration by parts in any pass, in units of what independent draws of as many
        samples would leave; about 1 or below in a sound pass.
    slots : largest number of coordinates of time in use; 0 with the exact method, which uses all times.
    """

    chain: Chain
    settings: DescentSettings
    method: str
    samples: int
    responders: int
    tolerance: float
    batches: int
    groups: int
    seed: int
    version: str
    stages: tuple[LearningStage, ...]
    miss: float
    slots: int

    def estimate(self, name: str, *, epoch: int = -1, after: int = -1, on: int | None = None) -> Estimate:
        """`name` at `epoch` of learning task `after`, of teacher `on` (that task's unless told)."""
        check_choice("name", name, OBSERVABLES)
        stage = self.stages[after]
        mean, error = getattr(stage, name), getattr(stage, f"{name}_error")
        if mean.ndim == 2:
            teacher = range(len(self.stages))[after] if on is None else on
            mean, error = mean[teacher], error[teacher]
        return Estimate(float(mean[epoch]), float(error[epoch]), self.batches)

    def bias(self) -> dict[str, dict[str, float]]:
        """Largest bias over epochs, teachers and stages: {"samples": {observable: size}, "tolerance": {...}}."""
        biases: dict[str, dict[str, float]] = {"samples": {}, "tolerance": {}}
        for kind, sizes in biases.items():
            for stage in self.stages:
                for name, bias in getattr(stage, f"{kind}_bias").items():
                    sizes[name] = max(sizes.get(name, 0.0), bias.largest)
        return biases

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers: {"stages": [{"epochs": [...], "q_star": [...], "r": [[...] a teacher], ...}], ...}."""
        stages = []
        for stage in self.stages:
            row: dict[str, Any] = {"epochs": stage.epochs.tolist()}
            for name in OBSERVABLES:
                if name == "q" and self.settings.replicas == 1:
                    continue
                row[name] = getattr(stage, name).tolist()
                row[f"{name}_error"] = getattr(stage, f"{name}_error").tolist()
            stages.append(row)
        plain = (
            "method",
            "samples",
            "responders",
            "tolerance",
            "batches",
            "groups",
            "seed",
            "miss",
            "slots",
            "version",
        )
        return {"stages": stages, "bias": self.bias(), **{name: getattr(self, name) for name in plain}}
