"""A Gaussian process on the grid of time whose covariance is that of sample paths seen so far: w_t = sum_j L(t, j) xi_j.

Smooth paths x_t span few directions: x_t = sum_j L(t, j) e_j + rest, with e_j orthonormal over the samples
(Gram-Schmidt, in the order of time). E x_t x_u = sum_j L(t, j) L(u, j), so standard normal xi_j, drawn once and kept,
give a process of that covariance. A direction is new only where the rest is above `tolerance` times the path: dividing
by a smaller rest would amplify rounding and sampling noise.
"""

from __future__ import annotations

import math

import numpy as np

from .draws import Draws


class Noise:
    """w_t for the M samples of `draws`, row by row of the covariance of another set of paths.

    paths : M of the samples whose covariance is copied.
    tolerance : rest of a path, relative to the path, below which it counts as a combination of earlier ones.
    """

    def __init__(self, paths: int, draws: Draws, tolerance: float) -> None:
        self._draws, self._tolerance = draws, tolerance
        self._basis = np.empty((16, paths))
        self.normals = np.empty((16, draws.samples))
        self.modes = 0
        self.rows: list[np.ndarray] = []

    def step(self, path: np.ndarray) -> np.ndarray:
        """w_t, `(samples,)`, of the next time, from `path : (paths,)` there."""
        n = path.size
        basis = self._basis[: self.modes]
        row = basis @ path / n
        rest = path - row @ basis
        # a second pass makes the rest orthogonal to rounding
        again = basis @ rest / n
        row += again
        rest -= again @ basis
        size, whole = math.sqrt(rest @ rest / n), math.sqrt(path @ path / n)
        if size > self._tolerance * whole:
            self._add(rest / size)
            row = np.append(row, size)
        self.rows.append(row)
        return row @ self.normals[: self.modes]

    def _add(self, direction: np.ndarray) -> None:
        if self.modes == len(self._basis):
            self._basis = np.concatenate([self._basis, np.empty_like(self._basis)])
            self.normals = np.concatenate([self.normals, np.empty_like(self.normals)])
        self._basis[self.modes] = direction
        self.normals[self.modes] = self._draws.normal()
        self.modes += 1

    def matrix(self) -> np.ndarray:
        """L : (times, modes)."""
        out = np.zeros((len(self.rows), self.modes))
        for t, row in enumerate(self.rows):
            out[t, : row.size] = row
        return out
