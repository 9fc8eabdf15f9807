"""The terms of E that act on each weight alone: weight decay, a prior, an anchor.

    KL : gamma [m (theta - ref) - ln 2cosh theta + ln 2cosh ref]       EWC: (gamma/2) (1 - tanh^2 ref) (theta - ref)^2
    L2 : (gamma/2) (theta - ref)^2                                     free: (1/2) weight_decay theta^2

with ref = memory theta_ref; a first task's prior "kl" is the KL term with gamma = 1 and ref = 0. Weight decay acts only
where no other term does. A step on one of K groups of patterns takes a K-th of them.
"""

from __future__ import annotations

import numpy as np

from ..problem import Task


class Local:
    """The local terms of one task, times `share`. reference : the fields at its start, None for a first task."""

    def __init__(self, task: Task, reference: np.ndarray | None, weight_decay: float, share: float) -> None:
        kind, gamma = (task.prior, 1.0) if reference is None else (task.anchor, task.gamma)
        free = kind == "none" or gamma == 0.0
        gamma *= share
        self._ref = 0.0 if reference is None else task.memory * reference
        self._kl = gamma if kind == "kl" else 0.0
        self._stiffness: float | np.ndarray = gamma if kind == "l2" else 0.0
        if kind == "ewc":
            self._stiffness = gamma / np.cosh(self._ref) ** 2
        self._decay = share * weight_decay if free else 0.0

    def gradient(self, theta: np.ndarray, var: np.ndarray) -> np.ndarray:
        """The derivative with respect to theta; var = 1 - tanh^2 theta."""
        return (self._kl * var + self._stiffness) * (theta - self._ref) + self._decay * theta

    def curvature(self, theta: np.ndarray, m: np.ndarray, var: np.ndarray) -> np.ndarray:
        """The second derivative of the first replica, the first row of `theta`."""
        gap = (theta - self._ref)[0]
        stiffness = self._stiffness if isinstance(self._stiffness, float) else self._stiffness[0]
        return self._kl * var[0] * (1.0 - 2.0 * m[0] * gap) + stiffness + self._decay
