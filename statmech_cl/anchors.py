"""What ties a task to the configuration that the task before left: one table for theory and simulation.

    gamma A(theta | ref),   ref = memory theta_ref,
    A = kl KL(q_theta || q_ref)   or   A = (1/2) sum_i c(ref_i) (theta_i - ref_i)^2

An anchor is local: a sum over sites. Theory and simulation read the same entry, so that a new one is a single line:
`register(Anchor("half-ewc", "half EWC", curvature=lambda ref: 0.5 / np.cosh(ref) ** 2))`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .validation import check_choice, check_number

FARTHEST = 300.0  # |theta| beyond which cosh^2 would overflow


@dataclass(frozen=True)
class Anchor:
    """One entry of the table.

    name : what Task(anchor=...) and the command line call it. label : what a figure calls it.
    kl : weight of KL(q_theta || q_ref), for an anchor that is a divergence. It acts as a field gamma beta theta_ref.
    curvature : c(ref), an array of the shape of ref, c >= 0, for an anchor quadratic in theta. Not both.
    """

    name: str
    label: str
    kl: float = 0.0
    curvature: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        check_number("kl", self.kl, low=0.0)
        if self.kl > 0.0 and self.curvature is not None:
            raise ValueError(f"curvature must be None where kl > 0, got kl = {self.kl!r} and a curvature")

    @property
    def acts(self) -> bool:
        """Whether it ties anything at all."""
        return self.kl > 0.0 or self.curvature is not None


def _fisher_information(ref: np.ndarray) -> np.ndarray:
    """1 - tanh(ref)^2, that of q_theta at the reference."""
    return 1.0 / np.cosh(np.minimum(np.abs(ref), FARTHEST)) ** 2


_TABLE = {
    anchor.name: anchor
    for anchor in (
        Anchor("none", "none"),
        Anchor("kl", "KL", kl=1.0),
        Anchor("ewc", "EWC", curvature=_fisher_information),
        Anchor("l2", "L2", curvature=np.ones_like),
    )
}


def names() -> tuple[str, ...]:
    """The anchors that there are."""
    return tuple(_TABLE)


def get(name: object) -> Anchor:
    """The anchor of this name.

    Raises
    ------
    ValueError : no such anchor; the line names the nearest one.
    """
    return _TABLE[check_choice("anchor", name, names())]


def register(anchor: Anchor) -> Anchor:
    """Add an anchor under its name; from then on Task, chain and descent know it (in this process).

    Raises
    ------
    ValueError : the name is taken.
    """
    if anchor.name in _TABLE:
        raise ValueError(f"name must be a new one, got {anchor.name!r}; there are {', '.join(names())}")
    _TABLE[anchor.name] = anchor
    return anchor


def unregister(name: str) -> None:
    """Take an anchor that was added out of the table again."""
    del _TABLE[get(name).name]
