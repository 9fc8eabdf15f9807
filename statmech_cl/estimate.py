"""Numbers from sampling, with their standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A number from sampling: mean, standard error and the number of independent samples. Prints as 0.1504(11)."""

    mean: float
    error: float
    n: int

    @classmethod
    def from_samples(cls, samples: np.ndarray) -> Estimate:
        """Mean and standard error of independent `samples : (n,)`, n >= 2."""
        samples = np.asarray(samples, dtype=float)
        n = samples.size
        if n < 2:
            raise ValueError(f"samples must hold at least 2 values for an error, got {n}")
        return cls(float(samples.mean()), float(samples.std(ddof=1) / math.sqrt(n)), n)

    def z(self, value: float) -> float:
        """Distance of `value` from the mean in standard errors (inf or 0 where the error is 0)."""
        gap = self.mean - value
        if self.error > 0.0:
            return gap / self.error
        return 0.0 if gap == 0.0 else math.copysign(math.inf, gap)

    def __str__(self) -> str:
        if not (math.isfinite(self.mean) and math.isfinite(self.error)):
            return f"{self.mean}({self.error})"
        if self.error == 0.0:
            return f"{self.mean:.6g}(0)"
        digits = 1 - math.floor(math.log10(self.error))  # two significant digits of the error
        if round(self.error, digits) >= 10.0 ** (2 - digits):  # 0.0996 rounds up to three digits
            digits -= 1
        if digits <= 0:
            return f"{self.mean:.0f}({self.error:.0f})"
        return f"{self.mean:.{digits}f}({round(self.error * 10**digits):d})"
