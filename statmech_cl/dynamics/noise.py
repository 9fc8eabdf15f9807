"""A Gaussian process with the covariance of the sample paths seen so far: w_t = sum_j L(t, j) xi_j.

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
        self._normals = np.empty((16, draws.samples), np.float32)
        self._rows = np.zeros((16, 16))
        self.modes = self.times = 0

    @property
    def rows(self) -> np.ndarray:
        """L : (times, modes) so far."""
        return self._rows[: self.times, : self.modes]

    @property
    def normals(self) -> np.ndarray:
        """xi : (modes, samples) so far."""
        return self._normals[: self.modes]

    def step(self, path: np.ndarray) -> np.ndarray:
        """w_t, `(samples,)`, of the next time, from `path : (paths,)` there."""
        basis, n = self._basis[: self.modes], path.size
        row = basis @ path / n
        # Pythagoras: without a new direction the rest itself is not needed
        if path @ path - n * (row @ row) > self._tolerance**2 * (path @ path):
            rest = path - row @ basis
            # a second pass makes the rest orthogonal to rounding
            again = basis @ rest / n
            rest -= again @ basis
            size = math.sqrt(rest @ rest / n)
            self._add(rest / size)
            row = np.append(row + again, size)
        if self.times == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self.times, : row.size] = row
        self.times += 1
        return row.astype(np.float32) @ self.normals

    def _add(self, direction: np.ndarray) -> None:
        if self.modes == len(self._basis):
            self._basis = np.concatenate([self._basis, np.empty_like(self._basis)])
            self._normals = np.concatenate([self._normals, np.empty_like(self._normals)])
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)], axis=1)
        self._basis[self.modes] = direction
        self._normals[self.modes] = self._draws.normal()
        self.modes += 1
