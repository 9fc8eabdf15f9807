"""Standard normal numbers for M samples, one independent coordinate at a time: scrambled Sobol points.

The averages that close the equations are over smooth functions of a few Gaussian numbers that matter much and many that
matter little. Points that fill the unit cube evenly average such functions with an error that falls nearly as 1/M,
where independent draws give 1/sqrt(M). Each scrambling is an independent, unbiased set of points: the scatter between
scramblings is the error.
"""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.stats import qmc

_EVEN = 96  # coordinates drawn evenly; the later ones carry next to no variance and are drawn independently


class Draws:
    """Coordinates of M samples, M a power of two, handed out in the order in which they are asked for.

    evenly : False draws every coordinate independently (plain Monte Carlo).
    """

    def __init__(self, samples: int, rng: np.random.Generator, *, evenly: bool = True) -> None:
        self.samples, self._rng, self._used = samples, rng, 0
        self._points = np.empty((0, samples))
        if evenly:
            sobol = qmc.Sobol(_EVEN, scramble=True, seed=rng)
            self._points = np.ascontiguousarray(sobol.random_base2(samples.bit_length() - 1).T)

    def uniform(self) -> np.ndarray:
        """The next coordinate on (0, 1): (M,)."""
        if self._used >= len(self._points):
            return self._rng.uniform(size=self.samples)
        self._used += 1
        # a point of the net may lie on the edge of the cube
        return np.clip(self._points[self._used - 1], 2.0**-40, 1.0 - 2.0**-40)

    def normal(self) -> np.ndarray:
        """The next coordinate as a standard normal number: (M,)."""
        if self._used >= len(self._points):
            return self._rng.standard_normal(self.samples)
        return special.ndtri(self.uniform())
