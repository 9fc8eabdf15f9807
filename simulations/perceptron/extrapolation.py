"""From estimates at several N to N -> infinity, where corrections are of order 1/N."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from statmech_cl.estimate import Estimate
from statmech_cl.validation import check_count


@dataclass(frozen=True)
class Extrapolation:
    """y = limit + slope / N through estimates at several N: both with their errors (`n` is one more than the degrees of
    freedom of the error), and chi2 of the fit with its own (chi2 well above dof: 1/N does not hold at these sizes).
    """

    limit: Estimate
    slope: Estimate
    chi2: float
    dof: int


def extrapolate(sizes: Sequence[int], estimates: Sequence[Estimate]) -> Extrapolation:
    """y(N) = limit + slope / N by least squares with weights N n, n the number of samples of an estimate.

    Means over n samples of size N scatter by 1/sqrt(N n) up to a factor. Weights from the measured errors would prefer
    sizes whose error came out small by chance, and give errors that are too small. The measured errors are carried
    through the fit; with few samples they are uncertain themselves, and their degrees of freedom follow from that
    (Welch, Satterthwaite).

    Raises
    ------
    ValueError : fewer than two sizes, unequal lengths, fewer than two samples, or an error that is not positive.
    """
    if len(sizes) != len(estimates) or len(set(sizes)) < 2:
        raise ValueError(f"sizes must hold at least 2 different N, one for each estimate, got {list(sizes)!r}")
    mean, error, count = (np.array([getattr(one, name) for one in estimates]) for name in ("mean", "error", "n"))
    if not (np.isfinite(error).all() and (error > 0.0).all()):
        raise ValueError(f"estimates must have positive errors, got {error.tolist()!r}")
    if count.min() < 2:
        raise ValueError(f"estimates must rest on at least 2 samples each, got {count.tolist()!r}")
    n = np.array([check_count("sizes", size) for size in sizes], dtype=float)
    root = np.sqrt(n * count)
    design = np.stack([np.ones_like(n), 1.0 / n], axis=1) * root[:, None]
    limit, slope = (_combined(row, mean, error, count) for row in np.linalg.pinv(design) * root)
    chi2 = float((((mean - limit.mean - slope.mean / n) / error) ** 2).sum())
    return Extrapolation(limit, slope, chi2, len(sizes) - 2)


def _combined(weights: np.ndarray, mean: np.ndarray, error: np.ndarray, count: np.ndarray) -> Estimate:
    """weights @ mean with its error."""
    parts = (weights * error) ** 2
    freedom = parts.sum() ** 2 / (parts**2 / (count - 1)).sum()
    return Estimate(float(weights @ mean), math.sqrt(parts.sum()), round(freedom) + 1)
