"""One forward pass in time of the site and the pattern process (docs/dynamics.md).

    h_t = r_t z + w_t + sum_{u<t} R(t,u) phi_u                            cov w = C(t,u) - r_t r_u,   C(t,u) = E m_t m_u
    g_t = b_t s + v_t + sum_{u<=t} Gamma(t,u) (m_u - r_u s)               cov v = alpha E phi_t phi_u,  b_t = alpha E z phi_t
    dE/dtheta = (1 - m^2) (g - kappa_t m) + local terms,                  kappa_t = alpha E[-phi h] / (1 - q_star)
    V <- momentum V + dE/dtheta,   theta <- theta - eta V
    R(t,u) = E dm_t/dg_u,   Gamma(t,u) = alpha E dphi_t/dh_u              from tangents of the sample paths

It is causal: every average is taken over M samples at the time when it is needed. The kernels are never stored time by
time: `memory` keeps the paths, and the directions of the tangents, in few coordinates of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..descent_settings import DescentSettings
from ..kernels.gaussian import TABLE
from ..problem import Chain, Task
from .draws import Draws
from .local import Local
from .noise import Noise
from .sweeps import CHUNK, loss_terms, pattern_tangents, site_responses, site_tangents


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What a pass spends.

    samples : M, of each process; a power of two.
    responders : samples that carry tangents, at most M; a power of two, at least CHUNK.
    tolerance : of paths, relative: what the coordinates of time and the modes of the noise may leave out. 0 keeps all.
    window : number of steps kept one by one before they are compressed.
    """

    samples: int = 4096
    responders: int = 1024
    tolerance: float = 1e-3
    noise_tolerance: float = 1e-4
    window: int = 8
    evenly: bool = True
    memory: bool = True


@dataclass
class Record:
    """One stage, filled in as the pass goes on: lists over the epochs 0, 1, ..., and kernels over the steps."""

    r: list[np.ndarray] = field(default_factory=list)
    p: list[np.ndarray] = field(default_factory=list)
    q_star: list[float] = field(default_factory=list)
    q: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    miss: list[float] = field(default_factory=list)
    response: list[np.ndarray] = field(default_factory=list)
    gamma: list[np.ndarray] = field(default_factory=list)
    covariance: np.ndarray | None = None
    slots: list[tuple[int, int]] = field(default_factory=list)


class Paths:
    """Two replicas a, b of sample paths as the sum and the difference, whose noises are independent."""

    def __init__(self, replicas: int, paths: int, draws: Draws, tolerance: float) -> None:
        self.channels = [Noise(paths, draws, tolerance) for _ in range(replicas)]

    def step(self, paths: np.ndarray) -> np.ndarray:
        """Noise (replicas, samples) with the covariance of `paths : (replicas, n)` over time and replicas."""
        if len(self.channels) == 1:
            return self.channels[0].step(paths[0])[None]
        root = math.sqrt(0.5)
        plus = self.channels[0].step(root * (paths[0] + paths[1]))
        minus = self.channels[1].step(root * (paths[0] - paths[1]))
        return np.stack([root * (plus + minus), root * (plus - minus)])


class Group:
    """Patterns that are visited together, and the memory of sites and patterns for each other."""

    def __init__(self, share: float, replicas: int, accuracy: Accuracy, draws: Draws, site_draws: Draws) -> None:
        self.alpha, self.accuracy = share, accuracy
        self.z = np.abs(draws.normal())
        self.w = Paths(replicas, accuracy.samples, draws, accuracy.noise_tolerance)
        self.v = Paths(replicas, accuracy.samples, site_draws, accuracy.noise_tolerance)
        window, samples = accuracy.window, accuracy.samples
        self.n_phi = self.n_m = self.open = 0
        self.phi = np.zeros((window, replicas, samples))
        self.m = np.zeros((window, replicas, samples))
        # D of patterns: (chunks, phi slots, m slots, CHUNK); dm/dg of sites: (chunks, m slots, phi slots, CHUNK)
        chunks = accuracy.responders // CHUNK
        self.of_patterns = np.zeros((chunks, window, window, CHUNK), np.float32)
        self.of_sites = np.zeros((chunks, window, window, CHUNK), np.float32)
        self.fields = np.zeros((chunks, window, CHUNK), np.float32)
        self.velocities = np.zeros((chunks, window, CHUNK), np.float32)
        # what each slot means: (times, slots), orthonormal columns
        self.phi_basis = np.zeros((0, 0))
        self.m_basis = np.zeros((0, 0))

    def compress(self) -> None:
        """Fewer slots, where the paths and the tangents allow it; room for the next window."""
        acc = self.accuracy
        if acc.tolerance > 0.0:
            few = min(len(self.fields), 4)
            weight_m = np.einsum("jam,jam->j", self.m, self.m) / self.m[0].size
            weight_phi = np.einsum("jam,jam->j", self.phi, self.phi) / self.phi[0].size
            q_phi = _main_axes(self.phi, self.of_patterns[:few], weight_m, acc.tolerance)
            q_m = _main_axes(self.m, self.of_sites[:few], weight_phi, acc.tolerance)
        else:
            q_phi, q_m = np.eye(len(self.phi)), np.eye(len(self.m))
        self.phi, self.m = _turn(q_phi, self.phi, acc.window), _turn(q_m, self.m, acc.window)
        self.of_patterns = _turn_both(q_phi, q_m, self.of_patterns, acc.window)
        self.of_sites = _turn_both(q_m, q_phi, self.of_sites, acc.window)
        self.fields = _turn_one(q_phi, self.fields, acc.window)
        self.velocities = _turn_one(q_phi, self.velocities, acc.window)
        self.phi_basis, self.m_basis = self.phi_basis @ q_phi, self.m_basis @ q_m
        self.n_phi, self.n_m, self.open = q_phi.shape[1], q_m.shape[1], 0

    def opened(self) -> None:
        """One more time is known: a slot of its own on both sides."""
        self.phi_basis = _bordered(self.phi_basis)
        self.m_basis = _bordered(self.m_basis)
        self.n_phi += 1
        self.n_m += 1
        self.open += 1


def _bordered(basis: np.ndarray) -> np.ndarray:
    out = np.zeros((basis.shape[0] + 1, basis.shape[1] + 1))
    out[:-1, :-1] = basis
    out[-1, -1] = 1.0
    return out


def _main_axes(paths: np.ndarray, tangents: np.ndarray, weights: np.ndarray, tolerance: float) -> np.ndarray:
    """Orthonormal columns that hold the paths, and the tangents at the size at which they enter, to `tolerance`."""
    n = len(paths)
    flat = paths.reshape(n, -1)
    gram = flat @ flat.T / flat.shape[1]
    for chunk in tangents:
        weighted = (chunk * np.sqrt(weights).astype(np.float32)[:, None]).reshape(n, -1)
        gram += (weighted @ weighted.T) / (len(tangents) * CHUNK)
    values, vectors = np.linalg.eigh(gram)
    left_out = np.cumsum(values) <= tolerance**2 * values.sum()
    return np.ascontiguousarray(vectors[:, ~left_out][:, ::-1])


def _turn(q: np.ndarray, paths: np.ndarray, window: int) -> np.ndarray:
    out = np.zeros((q.shape[1] + window, *paths.shape[1:]))
    np.matmul(q.T, paths.reshape(len(paths), -1), out=out[: q.shape[1]].reshape(q.shape[1], -1))
    return out


def _turn_one(q: np.ndarray, tangents: np.ndarray, window: int) -> np.ndarray:
    chunks, _, size = tangents.shape
    out = np.zeros((chunks, q.shape[1] + window, size), np.float32)
    out[:, : q.shape[1]] = np.matmul(q.T.astype(np.float32), tangents)
    return out


def _turn_both(q_first: np.ndarray, q_second: np.ndarray, tangents: np.ndarray, window: int) -> np.ndarray:
    chunks, first, second, size = tangents.shape
    a, b = q_first.shape[1], q_second.shape[1]
    out = np.zeros((chunks, a + window, b + window, size), np.float32)
    left, right = q_first.T.astype(np.float32), q_second.T.astype(np.float32)
    for chunk, target in zip(tangents, out, strict=True):
        turned = (left @ chunk.reshape(first, -1)).reshape(a, second, size)
        target[:a, :b] = right @ turned
    return out


def _held(theta: np.ndarray, q_star: float) -> float:
    """The scale of the fields at which E tanh^2(scale theta) = q_star."""
    scale = 1.0
    for _ in range(50):
        m = np.tanh(scale * theta)
        miss = np.mean(m * m) - q_star
        slope = np.mean(2.0 * m * (1.0 - m * m) * theta) * scale
        scale *= math.exp(min(1.0, max(-1.0, -miss / slope)))
        if abs(miss) < 1e-12:
            break
    return scale


def forward(
    chain: Chain,
    settings: DescentSettings,
    accuracy: Accuracy,
    rng: np.random.Generator,
    *,
    groups: int = 1,
    progress: Callable[[], None] | None = None,
) -> list[Record]:
    """Run all tasks of `chain`; one Record for each."""
    replicas, samples = settings.replicas, accuracy.samples
    draws = Draws(samples, rng, evenly=accuracy.evenly)
    pattern = np.searchsorted(np.cumsum(chain.weights), draws.uniform() * 0.999999999)
    signs = chain.signs[pattern].T.astype(float)
    theta = settings.start_spread * np.stack([draws.normal() for _ in range(replicas)])
    records = []
    for index, task in enumerate(chain.tasks):
        reference = theta.copy() if index else None
        stage = _Stage(task, signs, index, theta, reference, settings, accuracy, draws, rng, groups)
        stage.run(progress)
        theta = stage.theta
        records.append(stage.record)
    return records


class _Stage:
    """One task."""

    def __init__(
        self,
        task: Task,
        signs: np.ndarray,
        index: int,
        theta: np.ndarray,
        reference: np.ndarray | None,
        settings: DescentSettings,
        accuracy: Accuracy,
        site_draws: Draws,
        rng: np.random.Generator,
        groups: int,
    ) -> None:
        self.task, self.signs, self.s = task, signs, signs[index]
        self.theta, self.velocity = theta, np.zeros_like(theta)
        self.settings, self.accuracy = settings, accuracy
        self.local = Local(task, reference, settings.weight_decay)
        self.groups = [
            Group(
                task.alpha / groups,
                settings.replicas,
                accuracy,
                Draws(accuracy.samples, rng, evenly=accuracy.evenly),
                site_draws,
            )
            for _ in range(groups)
        ]
        self.order = rng
        self.record = Record()
        if task.q_star is not None:
            self._hold()

    def _hold(self) -> float:
        scale = _held(self.theta, self.task.q_star)
        self.theta *= scale
        return scale

    def run(self, progress: Callable[[], None] | None) -> None:
        settings = self.settings
        (group,) = self.groups
        steps = settings.epochs
        for t in range(steps + 1):
            last = t == steps
            self.m = np.tanh(self.theta)
            self.var = 1.0 / np.cosh(self.theta) ** 2
            self.q_star = float(np.mean(self.m**2))
            self._observe()
            if self.task.alpha > 0.0:
                self._patterns(group, last)
            else:
                self.record.loss.append(0.0)
            if last:
                break
            rate = settings.learning_rate * (min(1.0, (t + 1) / settings.warmup) if settings.warmup else 1.0)
            self._sites(group, rate)
            if progress is not None:
                progress()
        if self.task.alpha > 0.0:
            rows = group.w.channels[0].matrix()
            self.record.covariance = rows @ rows.T

    def _observe(self) -> None:
        record = self.record
        record.r.append(self.signs @ self.m.mean(0) / self.m.shape[1])
        record.p.append(self.signs @ np.sign(self.theta).mean(0) / self.m.shape[1])
        record.q_star.append(self.q_star)
        record.q.append(float(np.mean(self.m[0] * self.m[1])) if len(self.m) == 2 else math.nan)

    def _patterns(self, group: Group, last: bool) -> None:
        """h, phi and Gamma at this time."""
        responders = self.accuracy.responders
        chunked = (-1, CHUNK)
        self.r = float(self.s @ self.m.mean(0)) / self.s.size
        away = self.m - self.r * self.s
        h = self.r * group.z + group.w.step(away)
        self.small_var = self.var[0, :responders].astype(np.float32).reshape(chunked)
        response = np.zeros(group.n_phi)
        if group.n_phi:
            site_responses(group.of_sites, group.n_m, group.n_phi, self.small_var, group.fields, response)
            response /= responders
            if not self.accuracy.memory:
                response[:] = 0.0
            h += np.tensordot(response, group.phi[: group.n_phi], 1)
        self.record.response.append(group.phi_basis @ response)
        phi, slope = np.empty_like(h), np.empty_like(h)
        spare = 1.0 - self.q_star
        loss, power = loss_terms(h.ravel(), spare, TABLE, phi.ravel(), slope.ravel())
        self.record.loss.append(loss / h.size)
        if last:
            return
        self.kappa = -group.alpha * power / h.size / spare
        self.b = group.alpha * float(group.z @ phi.mean(0)) / group.z.size
        gamma = np.empty(group.n_m + 1)
        small_slope = slope[0, :responders].astype(np.float32).reshape(chunked)
        pattern_tangents(group.of_patterns, group.n_phi, group.n_m, response.astype(np.float32), small_slope, gamma)
        gamma /= responders
        group.phi[group.n_phi] = phi
        group.m[group.n_m] = away
        self.gamma = group.alpha * gamma
        if not self.accuracy.memory:
            self.gamma[:-1] = 0.0
        group.opened()
        kernel = group.m_basis @ gamma
        self.record.gamma.append(group.alpha * kernel)
        self.record.slots.append((group.n_phi, group.n_m))
        # Gaussian integration by parts: E[phi_t xi_j] = sum_u E[dphi_t/dh_u] L(u, j), here over all M samples
        channel = group.w.channels[0]
        xi = channel.normals[: channel.modes]
        by_parts = xi @ phi[0] / phi[0].size * math.sqrt(len(phi))
        self.record.miss.append(float(np.linalg.norm(by_parts - kernel @ channel.matrix())) / math.sqrt(np.mean(phi**2)))
        self.phi = phi

    def _sites(self, group: Group, rate: float) -> None:
        """One step of theta and of its tangents."""
        settings, m, var = self.settings, self.m, self.var
        if self.task.alpha > 0.0:
            g = self.b * self.s + math.sqrt(group.alpha) * group.v.step(self.phi)
            g += np.tensordot(self.gamma, group.m[: group.n_m], 1)
            g -= self.kappa * m
        else:
            g = np.zeros_like(m)
        self.velocity *= settings.momentum
        self.velocity += var * g + self.local.gradient(self.theta, var)
        stiffness = var[0] * (-2.0 * m[0] * g[0] - (self.kappa if self.task.alpha > 0.0 else 0.0) * var[0])
        stiffness += self.local.curvature(self.theta, m, var)
        self.theta = self.theta - rate * self.velocity
        scale = self._hold() if self.task.q_star is not None else 1.0
        if self.task.alpha > 0.0:
            small = stiffness[: self.accuracy.responders].astype(np.float32).reshape(-1, CHUNK)
            site_tangents(
                group.of_sites, group.n_m, group.n_phi - 1, self.gamma.astype(np.float32), self.small_var, small,
                group.fields, group.velocities, np.float32(settings.momentum), np.float32(rate), np.float32(scale), True,
            )  # fmt: skip
            if group.open == self.accuracy.window:
                group.compress()
