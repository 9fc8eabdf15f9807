"""The terms of E that act on each weight alone: weight decay, a prior, an anchor.

    KL       : gamma [m (theta - ref) - ln 2cosh theta + ln 2cosh ref]
    quadratic: (gamma/2) c(ref) (theta - ref)^2 of the anchors' table (EWC, L2, ...)
    free     : (1/2) weight_decay theta^2

with ref = memory theta_ref; a first task's prior "kl" is the KL term with gamma = 1 and ref = 0. Weight decay acts only
where no other term does. A step on one of K groups of patterns takes a K-th of them.
"""

from __future__ import annotations

import numpy as np

from ..anchors import get
from ..channels import Perceptron
from ..problem import Task


def flips_of(task: Task) -> float:
    """The share of flipped labels.

    Raises
    ------
    ValueError : another network than a perceptron.
    """
    if not isinstance(task.channel, Perceptron):
        raise ValueError(f"channel must be a Perceptron for a learning curve, got {task.channel!r}")
    return task.channel.flips


class Local:
    """The local terms of one task, times `share`. reference : the fields at its start, None for a first task."""

    def __init__(self, task: Task, reference: np.ndarray | None, weight_decay: float, share: float) -> None:
        anchor, gamma = (get(task.prior), 1.0) if reference is None else (get(task.anchor), task.gamma)
        free = not anchor.acts or gamma == 0.0
        gamma *= share
        self._ref = 0.0 if reference is None else task.memory * reference
        self._kl = gamma * anchor.kl
        self._stiffness: float | np.ndarray = 0.0
        if anchor.curvature is not None:
            self._stiffness = gamma * anchor.curvature(np.asarray(self._ref))
        self._decay = share * weight_decay if free else 0.0

    def gradient(self, theta: np.ndarray, var: np.ndarray) -> np.ndarray:
        """The derivative with respect to theta; var = 1 - tanh^2 theta."""
        return (self._kl * var + self._stiffness) * (theta - self._ref) + self._decay * theta

    def curvature(self, theta: np.ndarray, m: np.ndarray, var: np.ndarray) -> np.ndarray:
        """The second derivative of the first replica, the first row of `theta`."""
        gap = (theta - self._ref)[0]
        stiffness = self._stiffness if isinstance(self._stiffness, float) else self._stiffness[0]
        return self._kl * var[0] * (1.0 - 2.0 * m[0] * gap) + stiffness + self._decay
