"""What the sites and one group of patterns remember of each other, in few coordinates of time.

The memory terms sum_u R(t,u) phi_u and sum_u Gamma(t,u) m_u need the kernels only along the directions of time in which
paths move. Each side keeps its paths as coefficients of orthonormal functions of time, and its tangents as derivatives
in those directions of the other side: R(t, .) and Gamma(t, .) are then averages of tangents at time t, one number for
each direction. A new time enters as a direction of its own. After every `window` steps both sides are turned to the
main axes of all that they hold, paths and tangents, and axes that hold less than `tolerance` are dropped. The paths are
smooth, so 20 to 50 axes do for hundreds of steps. Nothing is divided by a small number on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .draws import Draws
from .loops import CHUNK
from .noise import Noise

# Weight of the tangents against integration by parts, relative to all modes of the noise together.
_RIDGE = 1e-2
# chunks of samples that choose the axes
_CHOOSING = 2


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What a pass spends.

    samples : M, of each process; a power of two.
    responders : samples that carry tangents, at most M; a power of two, at least CHUNK.
    tolerance : of paths, relative: what the coordinates of time may leave out. 0 keeps all.
    noise_tolerance : the same for the modes of the noise.
    window : number of steps kept one by one before they are compressed.
    evenly : False takes independent draws instead of evenly spread ones.
    memory : False leaves out R(t,u) and Gamma(t,u) at u < t, which is wrong, to show what they do.
    """

    samples: int
    responders: int
    tolerance: float
    noise_tolerance: float
    window: int = 8
    evenly: bool = True
    memory: bool = True


def halves(paths: np.ndarray) -> np.ndarray:
    """Sum and difference of two replicas over sqrt 2 (the map is its own inverse); one replica as it is."""
    if len(paths) == 1:
        return paths
    return math.sqrt(0.5) * np.stack([paths[0] + paths[1], paths[0] - paths[1]])


class Field:
    """Gaussian noise of one or two replicas; their sum and their difference are independent."""

    def __init__(self, replicas: int, accuracy: Accuracy, draws: Draws) -> None:
        self.channels = [Noise(accuracy.samples, draws, accuracy.noise_tolerance) for _ in range(replicas)]

    def step(self, paths: np.ndarray) -> np.ndarray:
        """Noise (replicas, samples) with the covariance of `paths`, over time and over replicas."""
        drawn = [channel.step(path) for channel, path in zip(self.channels, halves(paths), strict=True)]
        return halves(np.stack(drawn))

    def projections(self, paths: np.ndarray) -> np.ndarray:
        """E[path xi_j] over the samples, for all modes j of all channels."""
        pairs = zip(self.channels, halves(paths.astype(np.float32)), strict=True)
        return np.concatenate([channel.normals @ path / path.size for channel, path in pairs]).astype(float)

    def rows(self) -> np.ndarray:
        """L(t, j), all channels side by side: (times, modes)."""
        return np.concatenate([channel.rows for channel in self.channels], axis=1)


def teacher_fields(draws: Draws, flips: float) -> np.ndarray:
    """z = y W . x / sqrt N of each sample: |z|, with the other sign where the label is flipped."""
    z = np.abs(draws.normal())
    return z if flips == 0.0 else np.where(draws.uniform() < flips, -z, z)


class Group:
    """Patterns that are visited together, alpha of them per weight."""

    def __init__(
        self, alpha: float, flips: float, replicas: int, accuracy: Accuracy, draws: Draws, site_draws: Draws
    ) -> None:
        self.alpha, self.accuracy = alpha, accuracy
        self.z = teacher_fields(draws, flips)
        self.w, self.v = Field(replicas, accuracy, draws), Field(replicas, accuracy, site_draws)
        self._visits: list[int] = []  # rows of w at which the group was visited
        self.n_phi = self.n_m = self._open = 0
        window, samples = accuracy.window, accuracy.samples
        self.phi = np.zeros((window, replicas, samples), np.float32)
        self.m = np.zeros((window, replicas, samples), np.float32)
        # dphi/dh: (chunks, coordinates of phi, directions of m, CHUNK)
        chunks = accuracy.responders // CHUNK
        self.of_patterns = np.zeros((chunks, window, window, CHUNK), np.float32)
        # dtheta/dg and dV/dg: (chunks, directions of phi, CHUNK)
        self.fields = np.zeros((chunks, window, CHUNK), np.float32)
        self.velocities = np.zeros((chunks, window, CHUNK), np.float32)
        # (times, coordinates), orthonormal columns
        self.phi_basis, self.m_basis = np.zeros((0, 0)), np.zeros((0, 0))
        self.response = np.zeros(0)
        self.now = self.slope = np.zeros((0, 0))
        self.power = 0.0

    def meet(self, groups: int) -> None:
        """Room for the responses to each group: dm/dg, (chunks, own coordinates of m, directions of phi, CHUNK)."""
        window = self.accuracy.window
        self.of_sites = [np.zeros((len(self.fields), window, window, CHUNK), np.float32) for _ in range(groups)]

    @property
    def full(self) -> bool:
        """Whether the next visit finds no room."""
        return self._open == self.accuracy.window

    def take_in(self, phi: np.ndarray, m: np.ndarray) -> None:
        """A visit: both paths at this time, in a coordinate of their own."""
        self._visits.append(self.w.channels[0].times - 1)
        self.phi[self.n_phi], self.m[self.n_m] = phi, m
        self.phi_basis, self.m_basis = _bordered(self.phi_basis), _bordered(self.m_basis)
        self.n_phi += 1
        self.n_m += 1
        self._open += 1

    def refined(self, response: np.ndarray, m: np.ndarray) -> np.ndarray:
        """R from tangents of few samples, corrected by E[m_t zeta_j] = sum_u R(t,u) Cov(v_u, zeta_j) over all samples.

        The correction is least squares with a ridge: it acts on the strong modes of v, and leaves alone the weak ones,
        where the right side is all sampling noise. Its mean is zero; it takes the errors of both estimates apart.
        """
        mixing = math.sqrt(self.alpha) * self.phi_basis.T @ self.v.rows()
        miss = self.v.projections(m) - response @ mixing
        gram = mixing @ mixing.T
        whole = float(np.trace(gram))
        if whole == 0.0:
            return response
        return response + np.linalg.solve(gram + _RIDGE * whole * np.eye(len(gram)), mixing @ miss)

    def miss(self, gamma: np.ndarray) -> float:
        """|E phi_t xi_j - sum_u E dphi_t/dh_u L(u, j)| over its size in independent draws, sqrt(modes E phi^2 / M)."""
        phi = self.now
        parts = self.w.projections(phi)
        if parts.size == 0:
            return 0.0
        expected = (self.m_basis @ gamma / self.alpha) @ self.w.rows()[self._visits]
        return float(np.linalg.norm(parts - expected) / math.sqrt(parts.size * np.mean(phi**2) / phi.shape[1]))

    def compress(self, groups: Sequence[Group]) -> None:
        """Fewer coordinates, where paths and tangents allow it; room for the next window. groups : of the task."""
        acc, own = self.accuracy, groups.index(self)
        if acc.tolerance > 0.0:
            square_m, square_phi = _squares(self.m), [_squares(group.phi) for group in groups]
            q_phi = _main_axes(self.phi[: self.n_phi], [(self.of_patterns, square_m)], acc.tolerance)
            q_m = _main_axes(self.m[: self.n_m], list(zip(self.of_sites, square_phi, strict=True)), acc.tolerance)
        else:
            q_phi, q_m = np.eye(self.n_phi), np.eye(self.n_m)
        room = acc.window
        self.phi, self.m = _turned_paths(q_phi, self.phi, room), _turned_paths(q_m, self.m, room)
        self.fields, self.velocities = (
            _turned(q_phi, x[:, :, None], None, room)[:, :, 0] for x in (self.fields, self.velocities)
        )
        self.of_patterns = _turned(q_phi, self.of_patterns, q_m, room)
        for index, other in enumerate(groups):
            self.of_sites[index] = _turned(q_m, self.of_sites[index], q_phi if other is self else None, room)
            if other is not self:
                other.of_sites[own] = _turned(None, other.of_sites[own], q_phi, room)
        self.phi_basis, self.m_basis = self.phi_basis @ q_phi, self.m_basis @ q_m
        self.n_phi, self.n_m, self._open = q_phi.shape[1], q_m.shape[1], 0


def _bordered(basis: np.ndarray) -> np.ndarray:
    """One more time with a coordinate of its own."""
    times, n = basis.shape
    out = np.zeros((times + 1, n + 1))
    out[:times, :n] = basis
    out[times, n] = 1.0
    return out


def _squares(paths: np.ndarray) -> np.ndarray:
    """Mean square of each coefficient, over the samples that choose the axes."""
    few = paths[:, 0, : _CHOOSING * CHUNK]
    return np.einsum("jm,jm->j", few, few) / few.shape[1]


def _main_axes(paths: np.ndarray, tangents: list[tuple[np.ndarray, np.ndarray]], tolerance: float) -> np.ndarray:
    """Orthonormal columns that hold the paths, and the tangents at the size at which they enter, to `tolerance`.

    paths : (n, replicas, samples). tangents : arrays (chunks, n or more, directions, CHUNK), each with the mean squares
        of the coefficients that its directions are multiplied by.
    """
    n = len(paths)
    flat = paths[:, 0].astype(float)
    gram = flat @ flat.T / flat.shape[1]
    for array, squares in tangents:
        few = array[:_CHOOSING, :n]
        for chunk in few:
            weighted = (chunk * np.sqrt(squares).astype(np.float32)[:, None]).reshape(n, -1)
            gram += (weighted @ weighted.T) / (len(few) * CHUNK)
    values, vectors = np.linalg.eigh(gram)
    dropped = np.cumsum(values) <= tolerance**2 * values.sum()
    return np.ascontiguousarray(vectors[:, ~dropped][:, ::-1])


def _turned_paths(q: np.ndarray, paths: np.ndarray, room: int) -> np.ndarray:
    n, kept = q.shape
    out = np.zeros((kept + room, *paths.shape[1:]), np.float32)
    np.matmul(q.T.astype(np.float32), paths[:n].reshape(n, -1), out=out[:kept].reshape(kept, -1))
    return out


def _turned(first: np.ndarray | None, tangents: np.ndarray, second: np.ndarray | None, room: int) -> np.ndarray:
    """`tangents : (chunks, a, b, CHUNK)` with either index turned, which leaves `room` on it; None leaves it alone."""
    chunks, a, b, size = tangents.shape
    n, kept = (a, a) if first is None else first.shape
    into = a if first is None else kept + room
    columns, kept_b = (b, b) if second is None else second.shape
    into_b = b if second is None else kept_b + (room if b > 1 else 0)
    out = np.zeros((chunks, into, into_b, size), np.float32)
    left = None if first is None else first.T.astype(np.float32)
    right = None if second is None else second.T.astype(np.float32)
    for chunk, target in zip(tangents, out, strict=True):
        part = chunk[:n, :columns]
        if left is not None:
            part = (left @ np.ascontiguousarray(part).reshape(n, -1)).reshape(kept, columns, size)
        target[:kept, :kept_b] = part if right is None else right @ part
    return out
