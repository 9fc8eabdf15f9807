"""Trees at several numbers of units K and of inputs n, extrapolated: mean(K, n) = a + b/K + c/n.

The rule of `agreement`, with two sizes in place of one. It stood here before the runs that it judges:

    a, b, c by least squares with weights K n x seeds over all sizes, each with seeds of its own; a, with the error that
    the measured errors give it, is set beside the theory, which is
    for K -> infinity after n -> infinity; a point with a replicon above 1 is shown and not judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from statmech_cl.estimate import Estimate


@dataclass(frozen=True)
class Plane:
    """a + b/K + c/n through estimates: the limit a with its error, both slopes with theirs, chi2 and what is left of
    its degrees of freedom."""

    limit: Estimate
    by_units: Estimate
    by_inputs: Estimate
    chi2: float
    dof: int


def plane(by_sizes: Mapping[tuple[int, int], Estimate]) -> Plane:
    """The plane through estimates at sizes (K, n); `n` of the limit is one more than its degrees of freedom (Welch).

    Raises
    ------
    ValueError : sizes that do not span a plane, or an error of 0.
    """
    design = np.array([[1.0, 1.0 / units, 1.0 / inputs] for units, inputs in by_sizes])
    if len(by_sizes) < 3 or np.linalg.matrix_rank(design) < 3 or not all(one.error > 0.0 for one in by_sizes.values()):
        raise ValueError(f"by_sizes must hold sizes in a plane with errors above 0, got {dict(by_sizes)!r}")
    mean, error = (np.array([getattr(one, name) for one in by_sizes.values()]) for name in ("mean", "error"))
    root = np.sqrt([units * inputs * one.n for (units, inputs), one in by_sizes.items()])
    weights = np.linalg.pinv(design * root[:, None]) * root  # (a, b, c) = weights @ mean
    fitted = weights @ mean
    spread = np.sqrt(((weights * error) ** 2).sum(axis=1))
    parts = (weights[0] * error) ** 2
    freedom = parts.sum() ** 2 / sum(part**2 / (one.n - 1) for part, one in zip(parts, by_sizes.values(), strict=True))
    count = round(freedom) + 1
    a, b, c = (Estimate(float(v), float(s), count) for v, s in zip(fitted, spread, strict=True))
    chi2 = float((((mean - design @ fitted) / error) ** 2).sum())
    if not math.isfinite(chi2):
        raise ValueError(f"by_sizes must hold finite estimates, got {dict(by_sizes)!r}")
    return Plane(a, b, c, chi2, len(by_sizes) - 3)
