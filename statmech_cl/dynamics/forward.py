"""One forward pass in time of the site and the pattern process (docs/dynamics.md).

    h_t = r_t z + w_t + sum_{u<t} R(t,u) phi_u                  cov w = C(t,u) - r_t r_u,     C(t,u) = E m_t m_u
    g_t = b_t s + v_t + sum_{u<=t} Gamma(t,u) (m_u - r_u s)     cov v = alpha E phi_t phi_u,  b_t = alpha E z phi_t
    dE/dtheta = (1 - m^2) (g - kappa_t m) + local terms,        kappa_t = alpha E[-phi h] / (1 - q_star)
    V <- momentum V + dE/dtheta,   theta <- theta - eta V
    R(t,u) = E dm_t/dg_u,   Gamma(t,u) = alpha E dphi_t/dh_u    from tangents of the sample paths

With the patterns cut into K groups each group has its own pattern process, alpha / K patterns per weight, and its own
w, v, R and Gamma; a step visits one of them, and the times above are the visits to it. Local terms enter with weight
1 / K.

It is causal: every average is taken over M samples at the time when it is needed. The kernels are never stored time by
time: a Group keeps the paths, and the directions of the tangents, in few coordinates of time.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..descent_settings import DescentSettings
from ..problem import Chain, Task
from ..solution import InstabilityError
from .draws import Draws
from .group import Accuracy, Group
from .local import Local, flips_of
from .loops import CHUNK, loss_terms, pattern_tangents, site_responses, site_tangents


@dataclass
class Record:
    """One stage, filled in as the pass goes on.

    r, p (one number for each teacher), q_star, q, loss : at epochs 0, 1, ...
    miss : at each step, how far E[phi_t xi_j] over the samples is from sum_u E[dphi_t/dh_u] L(u, j) (Gaussian
        integration by parts), in units of what independent draws would leave.
    response, gamma, covariance : R(t, u), Gamma(t, u) and C(t, u) - r_t r_u by rows, of the whole batch only.
    slots : largest numbers of coordinates of time (of phi, of m) in use.
    """

    r: list[np.ndarray] = field(default_factory=list)
    p: list[np.ndarray] = field(default_factory=list)
    q_star: list[float] = field(default_factory=list)
    q: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    miss: list[float] = field(default_factory=list)
    response: list[np.ndarray] = field(default_factory=list)
    gamma: list[np.ndarray] = field(default_factory=list)
    covariance: np.ndarray | None = None
    slots: tuple[int, int] = (0, 0)


def spare_variance(var: np.ndarray) -> float:
    """1 - q_star = E(1 - m^2), with its digits where q_star is nearly 1; 0 is refused."""
    spare = float(np.mean(var))
    if not spare > 0.0:
        raise InstabilityError("all fields ran away (1 - q_star is 0 or no number): take a smaller learning rate")
    return spare


def _along(weights: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """sum_j weights[j] paths[j]; paths are kept to single precision, which is far below their sampling noise."""
    n = weights.size
    return (weights.astype(np.float32) @ paths[:n].reshape(n, -1)).reshape(paths.shape[1:])


def held_scale(theta: np.ndarray, q_star: float) -> float:
    """The factor at which E tanh^2(factor theta) = q_star."""
    factor = 1.0
    for _ in range(100):
        m = np.tanh(factor * theta)
        miss = float(np.mean(m * m)) - q_star
        if abs(miss) < 1e-12:
            return factor
        slope = 2.0 * factor * float(np.mean(m * (1.0 - m * m) * theta))
        # a step of at most a factor e keeps a start far off on the road
        factor *= math.exp(min(1.0, max(-1.0, -miss / slope)))
    return math.nan


def forward(
    chains: Sequence[Chain],
    settings: DescentSettings,
    accuracy: Accuracy,
    rng: np.random.Generator,
    *,
    groups: int = 1,
    orders: np.random.Generator | None = None,
    ramp: Sequence[float] = (),
    on_epoch: Callable[[], None] | None = None,
) -> list[list[Record]]:
    """Run all tasks of every chain; one Record for each. The first task, which must be the same in all, is run once.

    What a chain gives does not depend on the chains beside it, to rounding.

    orders : draws the order in which each epoch visits the groups.
    ramp : values of q_star at which the first task is held in turn, `settings.epochs` at each.
    """
    replicas, samples = settings.replicas, accuracy.samples
    orders = orders or np.random.default_rng(0)
    draws = Draws(samples, rng, evenly=accuracy.evenly)
    place = draws.uniform()
    # each sign pattern on its share of the samples
    signs = [
        chain.signs[np.searchsorted(np.cumsum(chain.weights)[:-1], place, side="right")].T.astype(float)
        for chain in chains
    ]
    theta = settings.start_spread * np.stack([draws.normal() for _ in range(replicas)])

    def one_stage(
        task: Task, signs: np.ndarray, s: np.ndarray, theta: np.ndarray, first: bool, draws: Draws, rng, orders
    ) -> tuple[Record, np.ndarray]:
        count = groups if task.alpha > 0.0 else 1
        levels = ramp if first and ramp else (task.q_star,)
        if levels[0] is not None:
            theta = theta * held_scale(theta, levels[0])
        local = Local(task, None if first else theta, settings.weight_decay, 1.0 / count)
        stage = _Stage(task, signs, s, theta, local, settings, accuracy, levels)
        if task.alpha > 0.0:
            alpha, flips = task.alpha / count, flips_of(task)
            stage.groups = [
                Group(alpha, flips, replicas, accuracy, Draws(samples, rng, evenly=accuracy.evenly), draws)
                for _ in range(count)
            ]
            for group in stage.groups:
                group.meet(count)
        return stage.run(count, orders, on_epoch), stage.theta

    # in the gauge of the first teacher its sign is 1 at every site: the first task knows no other
    shared, left = one_stage(chains[0].tasks[0], np.concatenate(signs), signs[0][0], theta, True, draws, rng, orders)
    results = []
    rows = np.cumsum([0, *(len(one) for one in signs)])
    for number, (chain, own) in enumerate(zip(chains, signs, strict=True)):
        mine = slice(rows[number], rows[number + 1])
        record = dataclasses.replace(shared, r=[r[mine] for r in shared.r], p=[p[mine] for p in shared.p])
        records, theta = [record], left
        # draws go on from where the first task left them, for every chain alike
        of_draws, of_rng, of_orders = copy.deepcopy((draws, rng, orders))
        for index, task in enumerate(chain.tasks[1:], start=1):
            record, theta = one_stage(task, own, own[index], theta, False, of_draws, of_rng, of_orders)
            records.append(record)
        results.append(records)
    return results


class _Stage:
    """One task: the site process, and what it exchanges with the groups of patterns."""

    def __init__(
        self,
        task: Task,
        signs: np.ndarray,
        s: np.ndarray,
        theta: np.ndarray,
        local: Local,
        settings: DescentSettings,
        accuracy: Accuracy,
        levels: Sequence[float | None],
    ) -> None:
        self.levels = levels
        self.task, self.signs, self.s, self.local = task, signs, s, local
        self.settings, self.accuracy = settings, accuracy
        self.theta, self.velocity = theta, np.zeros_like(theta)
        self.groups: list[Group] = []
        self.record = Record()

    def run(self, count: int, orders: np.random.Generator, on_epoch: Callable[[], None] | None) -> Record:
        """All epochs at every level of q_star (one level, None, where it is free), each `count` steps."""
        settings, record = self.settings, self.record
        order = np.zeros(1, int)
        warmup = settings.warmup * count
        steps = settings.epochs * count
        for t in range(len(self.levels) * steps + 1):
            self._look()
            if t % count == 0:
                self._observe()
                record.loss.append(float(np.mean([self._patterns(group)[0] for group in self.groups] or [0.0])))
                order = orders.permutation(count)
            if t == len(self.levels) * steps:
                break
            level, at = self.levels[t // steps], t % steps
            if t and at == 0:
                self._restart(level)
            rate = settings.learning_rate * (min(1.0, (at + 1) / warmup) if warmup else 1.0)
            g = np.zeros_like(self.theta)
            group, kappa, gamma = None, 0.0, np.zeros(0)
            if self.groups:
                group = self.groups[order[t % count]]
                if t % count:
                    self._patterns(group)
                g, kappa, gamma = self._visit(group)
            self._step(g, kappa, rate, level, group, gamma)
            if on_epoch is not None and (t + 1) % count == 0:
                on_epoch()
        if count == 1 and self.groups and len(self.levels) == 1:
            rows = self.groups[0].w.rows()
            record.covariance = rows @ rows.T
        return record

    def _look(self) -> None:
        """m, 1 - m^2, r and q_star at this time."""
        self.m = np.tanh(self.theta)
        self.var = 1.0 / np.cosh(self.theta) ** 2
        self.few_var = self._few(self.var[0])
        self.q_star = float(np.mean(self.m**2))
        self.spare = spare_variance(self.var)
        self.r = float(self.s @ self.m.mean(0)) / self.s.size
        self.away = self.m - self.r * self.s

    def _few(self, values: np.ndarray) -> np.ndarray:
        """Those samples that carry tangents, in chunks."""
        return values[: self.accuracy.responders].astype(np.float32).reshape(-1, CHUNK)

    def _observe(self) -> None:
        record, n = self.record, self.s.size
        record.r.append(self.signs @ self.m.mean(0) / n)
        record.p.append(self.signs @ np.sign(self.theta).mean(0) / n)
        record.q_star.append(self.q_star)
        record.q.append(float(np.mean(self.m[0] * self.m[1])) if len(self.m) == 2 else math.nan)

    def _patterns(self, group: Group) -> tuple[float, float]:
        """h, phi and dphi/dh of a group at this time; returns the mean loss and E[phi h]."""
        responders = self.accuracy.responders
        h = self.r * group.z + group.w.step(self.away)
        response = np.zeros(group.n_phi)
        if group.n_phi and self.accuracy.memory:
            site_responses(self.few_var, group.fields, group.n_phi, response)
            response = group.refined(response / responders, self.m)
            h += _along(response, group.phi)
        group.response = response
        if len(self.groups) == 1:
            self.record.response.append(group.phi_basis @ response)
        phi, slope = np.empty_like(h), np.empty_like(h)
        loss, power = loss_terms(h.ravel(), self.spare, phi.ravel(), slope.ravel())
        group.now, group.slope = phi, slope[0]
        group.power = power / h.size
        return loss / h.size, power / h.size

    def _visit(self, group: Group) -> tuple[np.ndarray, float, np.ndarray]:
        """g, kappa and Gamma that a step on this group gives; its memory takes the time in."""
        phi = group.now
        gamma = np.zeros(group.n_m + 1)
        pattern_tangents(
            group.of_patterns, group.n_phi, group.n_m, group.response.astype(np.float32), self._few(group.slope), gamma
        )
        gamma *= group.alpha / self.accuracy.responders
        if not self.accuracy.memory:
            gamma[:-1] = 0.0
        group.take_in(phi, self.away)
        for index, other in enumerate(self.groups):
            dm = self.few_var[:, None] * other.fields[:, : other.n_phi]
            group.of_sites[index][:, group.n_m - 1, : other.n_phi] = dm
        if self.accuracy.memory:
            self.record.miss.append(group.miss(gamma))
        if len(self.groups) == 1:
            self.record.gamma.append(group.m_basis @ gamma)
        before = self.record.slots
        self.record.slots = (max(before[0], group.n_phi), max(before[1], group.n_m))
        kappa = -group.alpha * group.power / self.spare
        b = group.alpha * float(group.z @ phi.mean(0)) / group.z.size
        g = b * self.s + math.sqrt(group.alpha) * group.v.step(phi)
        g += _along(gamma, group.m)
        g -= kappa * self.m
        return g, kappa, gamma

    def _restart(self, level: float | None) -> None:
        """The next level of a ramp: fields scaled to it, velocity and warm-up afresh, the same patterns."""
        scale = 1.0 if level is None else held_scale(self.theta, level)
        self.theta = self.theta * scale
        self.velocity[:] = 0.0
        for group in self.groups:
            group.fields *= np.float32(scale)
            group.velocities[:] = 0.0
        self._look()
        for group in self.groups:
            self._patterns(group)

    def _step(
        self, g: np.ndarray, kappa: float, rate: float, level: float | None, group: Group | None, gamma: np.ndarray
    ) -> None:
        """One step of theta, and of its tangents to perturbations of g."""
        settings, m, var = self.settings, self.m, self.var
        self.velocity *= settings.momentum
        self.velocity += var * g + self.local.gradient(self.theta, var)
        stiffness = -var[0] * (2.0 * m[0] * g[0] + kappa * var[0]) + self.local.curvature(self.theta, m, var)
        self.theta = self.theta - rate * self.velocity
        scale = 1.0
        if level is not None:
            scale = held_scale(self.theta, level)
            self.theta *= scale
        if group is None:
            return
        few = self._few(stiffness)
        for index, other in enumerate(self.groups):
            fresh = other is group
            site_tangents(
                group.of_sites[index], group.n_m, other.n_phi - fresh, gamma.astype(np.float32), self.few_var, few,
                other.fields, other.velocities,
                np.float32(settings.momentum), np.float32(rate), np.float32(scale), fresh,
            )  # fmt: skip
        if group.full:
            group.compress(self.groups)
