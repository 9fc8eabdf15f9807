"""The same pass with every kernel at every pair of times: O(M T^3) work, O(M T^2) memory. Slow and plain.

    D(t,u) = 1{t=u} + sum_{u<=c<t} R(t,c) phi'_c D(c,u),   Gamma(t,u) = alpha E[phi'_t D(t,u)]
    dV_u <- momentum dV_u + stiffness dtheta_u + (1 - m^2) (1{t=u} + sum_{c<=t} Gamma(t,c) dm_c/dg_u)
    R(t,u) = E dm_t/dg_u

Nothing is compressed, all samples carry tangents, R is their plain mean, and the noise comes from the covariance
itself by Cholesky's recursion. With the fast pass it shares the draws, the local terms and the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..descent_settings import DescentSettings
from ..kernels._jit import njit
from ..problem import Chain, Task
from .draws import Draws
from .forward import Record, held_scale, spare_variance
from .group import Accuracy, halves, teacher_fields
from .local import Local, flips_of
from .loops import CHUNK, loss_terms

# A pivot below this share of the variance is rounding and sampling noise: the time adds no direction.
_FLOOR = 1e-7


@njit
def _memory(history, weights, times, row):
    """row[u] = sum over c in `times`, c >= u, of weights[c] history[c, u], for one chunk: history is packed by rows."""
    row[:] = 0.0
    for c in times:
        weight = weights[c]
        start = c * (c + 1) // 2
        for u in range(c + 1):
            past, out = history[start + u], row[u]
            for i in range(CHUNK):
                out[i] += weight * past[i]


@njit
def _pattern_row(history, response, times, slope, t, gamma):
    """dphi_t/dh_u = phi'_t D(t, u) of every sample into `history`, for the u in `times` and for t; sums into gamma."""
    row = np.empty((t + 1, CHUNK), np.float32)
    gamma[:] = 0.0
    for chunk in range(history.shape[0]):
        _memory(history[chunk], response, times, row)
        row[t] = 1.0
        start = t * (t + 1) // 2
        here = slope[chunk]
        for u in range(t + 1):
            out = history[chunk, start + u]
            for i in range(CHUNK):
                out[i] = here[i] * row[u, i]
                gamma[u] += out[i]


@njit
def _site_row(history, gamma, times, var, stiffness, fields, velocities, momentum, rate, scale, t):
    """dm_t/dg_u into `history`, then one step of dtheta_u and dV_u, for u <= t."""
    row = np.empty((t + 1, CHUNK), np.float32)
    for chunk in range(history.shape[0]):
        start = t * (t + 1) // 2
        here, stiff = var[chunk], stiffness[chunk]
        for u in range(t + 1):
            out, field = history[chunk, start + u], fields[chunk, u]
            for i in range(CHUNK):
                out[i] = here[i] * field[i]
        _memory(history[chunk], gamma, times, row)
        for i in range(CHUNK):
            row[t, i] += 1.0
        for u in range(t + 1):
            field, velocity = fields[chunk, u], velocities[chunk, u]
            for i in range(CHUNK):
                velocity[i] = momentum * velocity[i] + stiff[i] * field[i] + here[i] * row[u, i]
                field[i] = scale * (field[i] - rate * velocity[i])


class _Cholesky:
    """Gaussian noise with the covariance of paths, one row at a time."""

    def __init__(self, paths: int, draws: Draws, times: int) -> None:
        self._draws, self._n = draws, 0
        self._paths, self._normals = np.empty((times, paths)), np.empty((times, draws.samples))
        self.lower = np.zeros((times, times))

    def step(self, path: np.ndarray) -> np.ndarray:
        n, lower = self._n, self.lower
        self._paths[n] = path
        covariance = self._paths[: n + 1] @ path / path.size
        row = lower[n]
        for j in range(n):
            if lower[j, j] > 0.0:
                row[j] = (covariance[j] - lower[j, :j] @ row[:j]) / lower[j, j]
        rest = covariance[n] - row[:n] @ row[:n]
        self._normals[n] = 0.0
        if rest > _FLOOR * covariance[n]:
            row[n] = math.sqrt(rest)
            self._normals[n] = self._draws.normal()
        self._n += 1
        return row[: n + 1] @ self._normals[: n + 1]


class _Patterns:
    """One group: its noises, and what happened at its visits, by step."""

    def __init__(
        self, flips: float, draws: Draws, site_draws: Draws, replicas: int, samples: int, steps: int, ends: int
    ) -> None:
        self.z = teacher_fields(draws, flips)
        self.w = [_Cholesky(samples, draws, steps + ends) for _ in range(replicas)]
        self.v = [_Cholesky(samples, site_draws, steps) for _ in range(replicas)]
        self.visits: list[int] = []
        self.phi = np.zeros((steps, replicas, samples))
        self.tangents = np.zeros((samples // CHUNK, steps * (steps + 1) // 2, CHUNK), np.float32)


def _noise(channels: list[_Cholesky], paths: np.ndarray) -> np.ndarray:
    return halves(np.stack([channel.step(path) for channel, path in zip(channels, halves(paths), strict=True)]))


def forward_exact(
    chain: Chain,
    settings: DescentSettings,
    accuracy: Accuracy,
    rng: np.random.Generator,
    *,
    groups: int = 1,
    orders: np.random.Generator | None = None,
    on_epoch: Callable[[], None] | None = None,
) -> list[Record]:
    """As `forward`; of `accuracy` it reads samples, evenly and memory."""
    samples = accuracy.samples
    orders = orders or np.random.default_rng(0)
    draws = Draws(samples, rng, evenly=accuracy.evenly)
    share = np.cumsum(chain.weights)
    signs = chain.signs[np.searchsorted(share[:-1], draws.uniform(), side="right")].T.astype(float)
    theta = settings.start_spread * np.stack([draws.normal() for _ in range(settings.replicas)])
    records = []
    for index, task in enumerate(chain.tasks):
        if task.q_star is not None:
            theta = theta * held_scale(theta, task.q_star)
        count = groups if task.alpha > 0.0 else 1
        local = Local(task, theta if index else None, settings.weight_decay, 1.0 / count)
        steps = settings.epochs * count
        patterns = [
            _Patterns(
                flips_of(task),
                Draws(samples, rng, evenly=accuracy.evenly),
                draws,
                settings.replicas,
                samples,
                steps,
                settings.epochs + 1,
            )
            for _ in range(count)
        ]
        record, theta = _one_task(
            task, signs, signs[index], theta, local, patterns, settings, accuracy, orders, on_epoch
        )
        records.append(record)
    return records


def _one_task(
    task: Task,
    signs: np.ndarray,
    s: np.ndarray,
    theta: np.ndarray,
    local: Local,
    groups: list[_Patterns],
    settings: DescentSettings,
    accuracy: Accuracy,
    orders: np.random.Generator,
    on_epoch: Callable[[], None] | None,
) -> tuple[Record, np.ndarray]:
    record, count, samples = Record(), len(groups), accuracy.samples
    alpha, steps, chunked = task.alpha / count, settings.epochs * count, (samples // CHUNK, CHUNK)
    path = np.zeros((steps, *theta.shape))  # m - r s
    velocity = np.zeros_like(theta)
    dm = np.zeros((chunked[0], steps * (steps + 1) // 2, CHUNK), np.float32)
    fields = np.zeros((chunked[0], steps, CHUNK), np.float32)
    velocities = np.zeros_like(fields)
    order = orders.permutation(count)
    for t in range(steps + 1):
        m, var = np.tanh(theta), 1.0 / np.cosh(theta) ** 2
        q_star, spare, r = float(np.mean(m * m)), spare_variance(var), float(np.mean(s * m))
        few_var = var[0].astype(np.float32).reshape(chunked)
        response = np.einsum("ci,cui->u", few_var, fields[:, :t], dtype=float) / samples
        if not accuracy.memory:
            response[:] = 0.0

        def evaluate(group: _Patterns, m: np.ndarray = m, r: float = r, spare: float = spare, response=response):
            h = r * group.z + _noise(group.w, m - r * s)
            h += np.tensordot(response[group.visits], group.phi[group.visits], 1)
            phi, slope = np.empty_like(h), np.empty_like(h)
            loss, power = loss_terms(h.ravel(), spare, phi.ravel(), slope.ravel())
            return loss / h.size, power / h.size, phi, slope[0]

        seen = {}
        if t % count == 0:
            order = orders.permutation(count)
            record.r.append(signs @ m.mean(0) / samples)
            record.p.append(signs @ np.sign(theta).mean(0) / samples)
            record.q_star.append(q_star)
            record.q.append(float(np.mean(m[0] * m[1])) if len(m) == 2 else math.nan)
            seen = {g: evaluate(group) for g, group in enumerate(groups)} if alpha > 0.0 else {}
            record.loss.append(float(np.mean([one[0] for one in seen.values()] or [0.0])))
        if count == 1:
            record.response.append(response)
        if t == steps:
            break
        number = int(order[t % count])
        group = groups[number]
        kappa, gamma, g = 0.0, np.zeros(t + 1), np.zeros_like(theta)
        path[t] = m - r * s
        if alpha > 0.0:
            _, power, phi, slope = seen[number] if seen else evaluate(group)
            _pattern_row(
                group.tangents, response.astype(np.float32), np.array(group.visits, dtype=np.int64),
                slope.astype(np.float32).reshape(chunked), t, gamma,
            )  # fmt: skip
            gamma *= alpha / samples
            if not accuracy.memory:
                gamma[:t] = 0.0
            group.visits.append(t)
            group.phi[t] = phi
            kappa = -alpha * power / spare
            b = alpha * float(np.mean(group.z * phi))
            g = b * s + math.sqrt(alpha) * _noise(group.v, phi)
            g += np.tensordot(gamma[group.visits], path[group.visits], 1) - kappa * m
        if count == 1:
            record.gamma.append(gamma)
        warmup = settings.warmup * count
        rate = settings.learning_rate * (min(1.0, (t + 1) / warmup) if warmup else 1.0)
        velocity = settings.momentum * velocity + var * g + local.gradient(theta, var)
        stiffness = -var[0] * (2.0 * m[0] * g[0] + kappa * var[0]) + local.curvature(theta, m, var)
        theta = theta - rate * velocity
        scale = 1.0
        if task.q_star is not None:
            scale = held_scale(theta, task.q_star)
            theta = theta * scale
        _site_row(
            dm, gamma.astype(np.float32), np.array(group.visits, dtype=np.int64), few_var,
            stiffness.astype(np.float32).reshape(chunked), fields, velocities,
            np.float32(settings.momentum), np.float32(rate), np.float32(scale), t,
        )  # fmt: skip
        if on_epoch is not None and (t + 1) % count == 0:
            on_epoch()
    if count == 1 and alpha > 0.0:
        lower = groups[0].w[0].lower
        record.covariance = (lower @ lower.T)[: steps + 1, : steps + 1]
    return record, theta
