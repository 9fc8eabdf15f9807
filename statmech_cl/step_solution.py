"""What comes out of a solve with steps of replica symmetry breaking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .solution import Solution


@dataclass(frozen=True, kw_only=True)
class StepSolution(Solution):
    """A fixed point of the equations with k steps of replica symmetry breaking (`statmech_cl.equilibrium.rsb`).

    Of the fields that it shares with a Solution, q is the mean overlap E<m>^2 = sum_l (x_{l+1} - x_l) q_l, q_hat the
    conjugate of the last overlap, and `replicon` that of the last level; `residual` covers every overlap and, where the
    breaking points are free, every |dPhi/dx_l|; `quadrature_error` covers r, q_star, every overlap and eps_g.

    Attributes
    ----------
    overlaps : q_0 <= ... <= q_k. A step that is closed repeats the overlap before it.
    parisi : the breaking points x_1 < ... < x_k; nan where a step is closed, which leaves its breaking point without
        meaning.
    replicons : of the k + 1 levels; a level with a replicon above 1 breaks further.
    complexity : Sigma = -x_1^2 dPhi/dx_1 at k = 1: the logarithm, per weight, of the number of states that carry the
        measure at x_1. 0 where x_1 is free or the step is closed; None for k > 1.
    """

    overlaps: tuple[float, ...]
    parisi: tuple[float, ...]
    replicons: tuple[float, ...]
    complexity: float | None

    @property
    def steps(self) -> int:
        """The number of steps that are open: 0 is replica symmetry."""
        return int(np.isfinite(self.parisi).sum()) if self.overlaps[0] < self.overlaps[-1] else 0

    @property
    def weights(self) -> tuple[float, ...]:
        """P(q): the probability of each of the overlaps; a closed step's is 0."""
        ends = [0.0, *self.parisi, 1.0]
        for k in range(len(ends) - 2, 0, -1):
            if not np.isfinite(ends[k]):
                ends[k] = ends[k + 1]
        return tuple(np.diff(ends).tolist())

    def to_dict(self) -> dict[str, Any]:
        """As Solution's, with the overlaps, breaking points and replicons as lists."""
        row = super().to_dict()
        return row | {name: list(row[name]) for name in ("overlaps", "parisi", "replicons")}
