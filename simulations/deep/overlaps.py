"""What the overlap of a network's weights before and after later tasks says about the accuracy that is left.

The network just after a task is the teacher, the same network after later tasks the student, and their layers overlap
by c_l = W_l . W'_l / (|W_l| |W'_l|). If the change of the weights is isotropic, preactivations on the same image
correlate as in the theory of trees, with kappa of the activation between two layers, and so do the logits:

    rho_1 = c_1,   rho_l = c_l kappa(rho_{l-1}),   z' = rho z + sqrt(1 - rho^2) noise.

Logits of C classes are a signal d on the right one and unit noise on each, so that the accuracy is

    A(d) = Int Dx Phi(x + d)^(C-1),   Phi the normal distribution,

and d' = rho d / sqrt(rho^2 + (1 - rho^2) (1 + d^2 (C-1)/C^2)): the noise has the variance of the logits over images.
One number is calibrated: only the share of 1 - rho that the images of the task can see, 1 - rho -> share (1 - rho).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

from statmech_cl.trees import Arcsine, Relu
from statmech_cl.validation import check_choice, check_number

_KAPPA = {"relu": Relu().value, "sign": Arcsine(1.0).value}
_X, _W = np.polynomial.hermite_e.hermegauss(80)
_W = _W / _W.sum()
_LARGEST = 12.0  # signal: an accuracy of 1 in double precision


def logit_overlap(overlaps: Sequence[float], activation: str = "relu") -> float:
    """rho of the logits, from the overlaps c_l of the layers, the first one first; negative ones count as 0."""
    kappa = _KAPPA[check_choice("activation", activation, tuple(_KAPPA))]
    rho = 1.0
    for layer, c in enumerate(overlaps):
        rho = max(c, 0.0) * (kappa(rho) if layer > 0 else 1.0)
    return rho


def accuracy_of(signal: float, classes: int = 10) -> float:
    """A(d): how often the right of `classes` logits is the largest."""
    return float(_W @ special.ndtr(_X + signal) ** (classes - 1))


def signal_of(accuracy: float, classes: int = 10) -> float:
    """The inverse of `accuracy_of`, for accuracies in (0, 1); at most 12."""
    check_number("accuracy", accuracy, low=0.0, high=1.0)
    accuracy = min(max(accuracy, accuracy_of(-_LARGEST, classes)), accuracy_of(_LARGEST, classes))
    return float(optimize.brentq(lambda d: accuracy_of(d, classes) - accuracy, -_LARGEST, _LARGEST))


def accuracy_left(before: float, rho: float, *, share: float = 1.0, classes: int = 10) -> float:
    """Accuracy on a task that had the accuracy `before`, when the logits overlap by `rho` with those of then."""
    d = signal_of(before, classes)
    square = (1.0 - share * (1.0 - rho)) ** 2
    noise = (1.0 - square) * (1.0 + d * d * (classes - 1) / classes**2)
    return accuracy_of(d * math.sqrt(square / (square + noise)), classes)


def calibrate(before: Sequence[float], rho: Sequence[float], after: Sequence[float], classes: int = 10) -> float:
    """The share in [0, 1] of least squared error in the accuracy `after`, over all of the runs."""

    def error(share: float) -> float:
        told = [accuracy_left(b, r, share=share, classes=classes) for b, r in zip(before, rho, strict=True)]
        return float(np.square(np.subtract(told, after)).sum())

    return float(optimize.minimize_scalar(error, bounds=(0.0, 1.0), method="bounded").x)
