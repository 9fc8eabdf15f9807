"""From estimates at several N to N -> infinity, where corrections are of order 1/N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.validation import check_count


@dataclass(frozen=True)
class Extrapolation:
    """y = limit + slope / N through estimates at several N: the limit with its error, the slope with its error, and
    chi2 of the fit with its degrees of freedom (chi2 well above dof: the 1/N law does not hold at these sizes).
    """

    limit: Estimate
    slope: Estimate
    chi2: float
    dof: int


def extrapolate(sizes: Sequence[int], estimates: Sequence[Estimate]) -> Extrapolation:
    """Weighted least squares of `estimates` against 1/N, weights 1/error^2, errors taken as known.

    Raises
    ------
    ValueError : fewer than three sizes, unequal lengths, or an error that is not positive.
    """
    if len(sizes) != len(estimates) or len(set(sizes)) < 3:
        raise ValueError(f"sizes must hold at least 3 different N, one for each estimate, got {list(sizes)!r}")
    error = np.array([estimate.error for estimate in estimates])
    if not (np.isfinite(error).all() and (error > 0).all()):
        raise ValueError(f"estimates must have positive errors, got {error.tolist()!r}")
    design = np.stack([np.ones(len(sizes)), 1.0 / np.array([check_count("sizes", n) for n in sizes])], axis=1)
    y = np.array([estimate.mean for estimate in estimates])
    scaled = design / error[:, None]
    covariance = np.linalg.inv(scaled.T @ scaled)
    solution = covariance @ scaled.T @ (y / error)
    spread = np.sqrt(np.diag(covariance))
    chi2 = float((((y - design @ solution) / error) ** 2).sum())
    n = sum(estimate.n for estimate in estimates)
    limit, slope = (Estimate(float(v), float(s), n) for v, s in zip(solution, spread, strict=True))
    return Extrapolation(limit, slope, chi2, len(sizes) - 2)
