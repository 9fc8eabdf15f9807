"""Replica exchange: walkers at a ladder of inverse temperatures beta_1 < ... < beta_R = beta that trade places.

    swap of neighbours:  accepted with probability min(1, exp[(beta_i - beta_j) (E_i - E_j)]),  E = loss + anchor

Where replica symmetry is broken, a walker at the wanted beta alone stays in the valley that it met first. Here every
walker goes up and down the ladder: it forgets where it was at the hot end, and comes back to another valley with the
right weight. Between swaps each rung takes one Hamiltonian trajectory (see `gibbs`), with a step of its own. All is
batched over seeds (disorder), independent ladders of a seed, and rungs: `theta : (n_seeds, n_ladders * n_rungs, N)`.

Different ladders of a seed never meet: they are the independent replicas of which overlaps, R-hat and P(q) are made.
A problem whose ladders disagree can go on by itself; what it drew until then counts as warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from statmech_cl.problem import Chain, Task
from statmech_cl.validation import check_count

from ..field_space import log_2cosh, moments
from . import loss as perceptron
from . import teachers
from .descent import check_device, check_seeds
from .exchange_records import ExchangeResult, ExchangeSettings
from .gibbs import _DualAveraging, _normal, _patterns, _uniform
from .gibbs_records import GibbsStage
from .loss import Anchor


@dataclass
class _Walkers:
    """All walkers of all ladders, in the order of the rungs; `heat` multiplies their betas during warm-up."""

    theta: torch.Tensor
    signed: torch.Tensor
    anchor: Anchor
    betas: torch.Tensor  # (n_seeds, n_ladders * n_rungs)
    loss: torch.Tensor
    total: torch.Tensor  # loss + anchor
    slope: torch.Tensor  # d total / d theta

    @classmethod
    def start(cls, theta: torch.Tensor, signed: torch.Tensor, anchor: Anchor, betas: torch.Tensor) -> _Walkers:
        return cls(theta, signed, anchor, betas, *_energies(theta, signed, anchor))

    def move(
        self, length: int, step: torch.Tensor, heat: torch.Tensor, streams: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """One Hamiltonian trajectory of every walker; returns the probabilities of acceptance."""
        cold = (self.betas * heat).unsqueeze(-1)
        momentum = _normal(streams, self.theta)
        at, slope, moving = self.theta, self.slope, momentum
        pull = slope * cold + 2.0 * moments(at)[0]
        loss, total = self.loss, self.total
        for k in range(length):
            moving = moving - 0.5 * step * pull
            at = at + step * moving
            m, var = moments(at)
            if k == length - 1:
                loss, total, slope = _energies(at, self.signed, self.anchor)
                pull = slope * cold
            else:
                pull = perceptron.gradient_at(m, var, self.signed).add_(self.anchor.gradient(at)).mul_(cold)
            pull.add_(m, alpha=2.0)
            moving = moving - 0.5 * step * pull
        rise = self.betas * heat * (total - self.total) + _edges(at) - _edges(self.theta)
        rise = rise + 0.5 * (moving.square() - momentum.square()).sum(-1)
        accepted = torch.exp(-rise.nan_to_num(nan=math.inf).clamp(min=0.0))
        take = _uniform(streams, self.theta.shape[1:2], self.theta) < accepted
        self.theta = torch.where(take.unsqueeze(-1), at, self.theta)
        self.slope = torch.where(take.unsqueeze(-1), slope, self.slope)
        self.loss, self.total = torch.where(take, loss, self.loss), torch.where(take, total, self.total)
        return accepted

    def permute(self, order: torch.Tensor) -> None:
        """Put walker order[s, k] of seed s in place k."""
        wide = order.unsqueeze(-1).expand_as(self.theta)
        self.theta, self.slope = self.theta.gather(1, wide), self.slope.gather(1, wide)
        self.loss, self.total = self.loss.gather(1, order), self.total.gather(1, order)


def _energies(theta: torch.Tensor, signed: torch.Tensor, anchor: Anchor) -> tuple[torch.Tensor, ...]:
    loss, slope = perceptron.energy_and_gradient(theta, signed)
    assert loss is not None
    return loss, loss + anchor.energy(theta), slope + anchor.gradient(theta)


def _edges(theta: torch.Tensor) -> torch.Tensor:
    """-sum_i ln(1 - m_i^2), the measure of theta."""
    return 2.0 * (log_2cosh(theta) - math.log(2.0)).sum(-1)


class _Trips:
    """Who stands where, and who has been where: ids : (n_seeds, n_ladders, n_rungs)."""

    def __init__(self, n_seeds: int, ladders: int, rungs: int) -> None:
        self.ids = np.broadcast_to(np.arange(rungs), (n_seeds, ladders, rungs)).copy()
        # of a walker: 0 not yet at the cold end, 1 left it, 2 then met the hot one
        self.phase = np.zeros_like(self.ids)
        self.count = np.zeros((n_seeds, ladders), dtype=int)

    def swap(self, accepted: np.ndarray, first: int) -> None:
        """accepted : (n_seeds, n_ladders, n_pairs) of rungs (first, first + 1), (first + 2, first + 3), ..."""
        for pair in range(accepted.shape[-1]):
            k = first + 2 * pair
            here = accepted[..., pair, None]
            self.ids[..., k : k + 2] = np.where(here, self.ids[..., [k + 1, k]], self.ids[..., k : k + 2])

    def record(self) -> None:
        phase = np.take_along_axis(self.phase, self.ids, axis=-1)
        self.count += phase[..., -1] == 2
        phase[..., -1] = 1
        phase[..., 0] = np.where(phase[..., 0] == 1, 2, phase[..., 0])
        np.put_along_axis(self.phase, self.ids, phase, axis=-1)


@dataclass(frozen=True)
class _Kept:
    """What a stretch of kept iterations leaves of every problem in it: fields of ExchangeResult, and of its stage."""

    draws: dict[str, np.ndarray]
    overlaps: np.ndarray
    rung_means: dict[str, np.ndarray]
    acceptance: np.ndarray
    swapped: np.ndarray
    round_trips: np.ndarray


class _Run:
    """The ladders of some problems of one task, and all that they carry from one iteration to the next."""

    def __init__(
        self,
        task: Task,
        settings: ExchangeSettings,
        signed: torch.Tensor,
        w: torch.Tensor,
        number: int,
        reference: torch.Tensor | None,
        streams: list[torch.Generator],
    ) -> None:
        """w : (n_tasks, n_seeds, N) all teachers, `number` the task's own; reference : (n_seeds, N), None at first."""
        self.task, self.settings, self.w, self.streams = task, settings, w, streams
        self.reference = reference
        self.shape = (settings.ladders, settings.rungs)
        n_seeds, n = w.shape[1], w.shape[2]
        like = torch.zeros((), dtype=signed.dtype, device=signed.device)
        betas = torch.as_tensor(settings.betas(task.beta), dtype=signed.dtype, device=signed.device)
        betas = betas.repeat(settings.ladders).expand(n_seeds, -1)
        prior = 2.0 * _uniform(streams, (betas.shape[1], n), like).clamp(1e-6, 1.0 - 1e-6) - 1.0
        theta = torch.atanh(prior)
        # 0 for the walkers that warm-up heats
        self.unheated = torch.zeros(betas.shape[1], dtype=signed.dtype, device=signed.device)
        if settings.start == "both":
            self.unheated.unflatten(0, self.shape)[1::2] = 1.0
            begun = 2.0 * w[number].to(like).unsqueeze(1) + 0.1 * theta
            theta = torch.where(self.unheated.bool().unsqueeze(-1), begun, theta)
        self.walkers = _Walkers.start(theta, signed, self._anchor(), betas)
        self.adapted = _DualAveraging(torch.full_like(self.walkers.loss, 0.1), settings.acceptance)
        self.trips = _Trips(n_seeds, *self.shape)
        self.lengths = np.random.default_rng(0)
        self.parity = 0

    def _anchor(self) -> Anchor:
        """The anchor of a later task, or the prior of a first one, whose strength is 1."""
        if self.reference is None:
            return Anchor(replace(self.task, gamma=1.0), None)
        return Anchor(self.task, self.reference.unsqueeze(1).expand(-1, math.prod(self.shape), -1))

    def trajectories(self, count: int) -> list[int]:
        """Leapfrog steps of the next `count` iterations."""
        mean = self.settings.leapfrogs
        return self.lengths.integers(max(1, mean - mean // 2), mean + mean // 2 + 1, count).tolist()

    def iterate(self, length: int, step: torch.Tensor, heat: float = 1.0) -> tuple[torch.Tensor, _Swaps]:
        """A trajectory at every rung, then swaps of one parity; what was accepted of both."""
        warmth = torch.clamp(self.unheated + heat, max=1.0)
        accepted = self.walkers.move(length, step.unsqueeze(-1), warmth, self.streams)
        swaps = _swap(self.walkers, self.shape, warmth, self.parity, self.streams)
        self.trips.swap(swaps.done, self.parity)
        self.parity = 1 - self.parity
        return accepted, swaps

    def warm(self, lengths: Sequence[int], done: Callable[[], None]) -> None:
        """Warm-up: betas rise, steps adapt, and rungs move if they are to be even."""
        count, rise = len(lengths), len(lengths) // 2
        moves = (2 * count // 3, 5 * count // 6) if self.settings.even else ()
        tally = _Tally(self.w.shape[1], self.shape[1] - 1)
        for iteration, length in enumerate(lengths):
            first = self.parity
            accepted, swaps = self.iterate(length, torch.exp(self.adapted.log_step), min(1.0, (iteration + 1) / rise))
            self.adapted.update(accepted)
            if iteration >= rise:
                tally.add(swaps.probability, first)
            if iteration in moves:
                self._even(tally)
                tally = _Tally(self.w.shape[1], self.shape[1] - 1)
            done()

    def _even(self, tally: _Tally) -> None:
        betas = self.betas()
        rejected = np.clip(1.0 - tally.shares(), 1e-3, 1.0)
        moved = np.stack([evened(one, lost) for one, lost in zip(betas, rejected, strict=True)])
        self.walkers.betas = torch.as_tensor(moved).to(self.walkers.betas).repeat(1, self.shape[0])

    def betas(self) -> np.ndarray:
        """(n_seeds, n_rungs)"""
        return self.walkers.betas[:, : self.shape[1]].double().cpu().numpy()

    def draw(self, lengths: Sequence[int], thin: int, done: Callable[[], None]) -> _Kept:
        """Iterations that are kept, every `thin`-th of them as a draw."""
        settings, walkers = self.settings, self.walkers
        self.trips = _Trips(self.w.shape[1], *self.shape)
        tally = _Tally(self.w.shape[1], self.shape[1] - 1)
        step = torch.exp(self.adapted.averaged)
        kept: list[dict[str, torch.Tensor]] = []
        overlaps: list[torch.Tensor] = []
        sums: dict[str, torch.Tensor] = {}
        accepted_sum = torch.zeros_like(walkers.loss)
        pairs = torch.triu_indices(settings.ladders, settings.ladders, 1)
        for iteration, length in enumerate(lengths):
            first = self.parity
            accepted, swaps = self.iterate(length, step)
            tally.add(swaps.done, first)
            self.trips.record()
            accepted_sum += accepted / len(lengths)
            if (iteration + 1) % thin == 0:
                seen = _seen(walkers, self.w, self.shape)
                kept.append({name: value[:, :, -1] for name, value in seen.items()})
                for name, value in seen.items():
                    sums[name] = sums.get(name, 0.0) + value.mean(1).double() / settings.draws
                m = torch.tanh(walkers.theta.unflatten(1, self.shape)[:, :, -1])
                overlaps.append((m[:, pairs[0]] * m[:, pairs[1]]).mean(-1))
            done()
        return _Kept(
            {name: torch.stack([row[name] for row in kept], dim=2).double().cpu().numpy() for name in kept[0]},
            torch.stack(overlaps, dim=2).double().cpu().numpy(),
            {name: (value[..., 0] if value.ndim == 3 else value).cpu().numpy() for name, value in sums.items()},
            accepted_sum.unflatten(1, self.shape)[..., -1].double().cpu().numpy(),
            tally.shares(),
            self.trips.count,
        )

    def stage(self, kept: _Kept) -> GibbsStage:
        """What the coldest rungs saw."""
        return GibbsStage(
            **kept.draws, q=kept.overlaps.mean(axis=(1, 2)), acceptance=kept.acceptance,
            step=torch.exp(self.adapted.averaged).unflatten(1, self.shape)[..., -1].double().cpu().numpy(),
            theta=self.walkers.theta.unflatten(1, self.shape)[:, :, -1].contiguous(),
        )  # fmt: skip

    def only(self, rows: np.ndarray) -> None:
        """Go on with some of the problems."""
        walkers, adapted = self.walkers, self.adapted
        self.w, self.streams = self.w[:, rows], [self.streams[row] for row in rows]
        self.reference = None if self.reference is None else self.reference[rows]
        for name in ("theta", "signed", "betas", "loss", "total", "slope"):
            setattr(walkers, name, getattr(walkers, name)[rows])
        walkers.anchor = self._anchor()
        adapted.averaged = adapted.averaged[rows]


class _Tally:
    """Means of what is told of every pair of neighbouring rungs, over ladders and the iterations that tried it."""

    def __init__(self, n_seeds: int, pairs: int) -> None:
        self.sums, self.tries = np.zeros((n_seeds, pairs)), np.zeros(pairs)

    def add(self, told: np.ndarray, first: int) -> None:
        """told : (n_seeds, n_ladders, n_pairs) of every second pair, from `first`."""
        self.sums[:, first::2] += told.mean(axis=1)
        self.tries[first::2] += 1.0

    def shares(self) -> np.ndarray:
        return self.sums / np.maximum(self.tries, 1.0)


def evened(betas: np.ndarray, rejected: np.ndarray) -> np.ndarray:
    """A ladder with the same ends on which swaps are rejected equally often, from one with `rejected : (n_rungs - 1,)`.

    What is rejected between two betas adds up as rungs are inserted, as long as they are close: so the new rungs take
    equal parts of the sum, ln(beta) going linearly with it between old ones.
    """
    sums = np.concatenate([[0.0], np.cumsum(rejected)])
    moved = np.exp(np.interp(np.linspace(0.0, sums[-1], betas.size), sums, np.log(betas)))
    moved[0], moved[-1] = betas[0], betas[-1]
    return moved


def exchange(
    problem: Task | Chain,
    *,
    n: int,
    seeds: Sequence[int] | int,
    settings: ExchangeSettings | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> ExchangeResult:
    """Sample the Gibbs measure of a task by replica exchange; of a chain, task after task, each given a reference drawn
    from the one before (the last draw of the seed's first ladder, shared by all walkers: the Franz-Parisi setting).

    Parameters
    ----------
    problem : Task or Chain; q_star cannot be prescribed, and every beta must lie above settings.beta_low.
    n : number of weights N; P = alpha N patterns.
    seeds : seeds of the disorder (teacher and patterns: those of `sample` and of descent), or their number.
    settings : ExchangeSettings; the same for all tasks.
    device, dtype : where and in which precision, as in `sample`.
    progress : called with (iterations done, iterations in all); problems that go on add to both.

    Raises
    ------
    ValueError : an argument out of range, a prescribed q_star, a channel that is no Perceptron.
    """
    settings = settings or ExchangeSettings()
    chain = Chain((problem,)) if isinstance(problem, Task) else problem
    n, seeds, where = check_count("n", n, low=2), check_seeds(seeds), check_device(device)
    for task in chain.tasks:
        if task.q_star is not None:
            raise ValueError(f"q_star must be None: the Gibbs measure is sampled with q_star free, got {task.q_star!r}")
        if not settings.beta_low < task.beta:
            raise ValueError(f"beta_low must lie below the task's beta, {task.beta!r}, got {settings.beta_low!r}")
        teachers.perceptron(task.channel)
    w = torch.stack([teachers.teachers(chain, n, seed) for seed in seeds], dim=1).to(where)
    work = _Work(len(chain.tasks) * (settings.warmup + settings.draws), progress)
    result: ExchangeResult | None = None
    for number, task in enumerate(chain.tasks):
        signed = _patterns(chain, w, number, seeds, n).to(where, dtype)
        streams = [teachers.generator(seed, number, "sampler") for seed in seeds]
        reference = None if result is None else result.stage.theta[:, 0].to(where)
        run = _Run(task, settings, signed, w, number, reference, streams)
        result = _sampled(run, n, seeds, work, result)
    assert result is not None
    return result


class _Work:
    """Counts iterations for `progress`."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.count, self.total, self.progress = 0, total, progress

    def done(self) -> None:
        self.count += 1
        if self.progress is not None:
            self.progress(self.count, self.total)


def _sampled(run: _Run, n: int, seeds: tuple[int, ...], work: _Work, earlier: ExchangeResult | None) -> ExchangeResult:
    """Warm up, draw, and go on with the problems whose ladders disagree."""
    settings = run.settings
    lengths = run.trajectories(settings.warmup + settings.draws)
    run.warm(lengths[: settings.warmup], work.done)
    betas = run.betas()
    kept = run.draw(lengths[settings.warmup :], 1, work.done)
    result = ExchangeResult(
        run.task, n, seeds, settings, run.stage(kept), betas, kept.rung_means, kept.overlaps, kept.swapped,
        kept.round_trips, np.full(len(seeds), settings.draws), np.ones(len(seeds), dtype=int), earlier,
    )  # fmt: skip
    rows, thin = np.arange(len(seeds)), 1
    stage = result.stage
    for _ in range(settings.doublings or 0):
        apart = np.nanmax(list(stage.rhat().values()), axis=0) >= settings.rhat
        if not apart.any():
            break
        rows = rows[apart]
        run.only(np.flatnonzero(apart))
        work.total += thin * settings.draws
        kept = run.draw(run.trajectories(thin * settings.draws), thin, work.done)
        stage = run.stage(kept)
        _put(result, rows, kept, stage, thin)
        thin *= 2
    return result


def _put(result: ExchangeResult, rows: np.ndarray, kept: _Kept, stage: GibbsStage, thin: int) -> None:
    """Let what some problems drew last take the place of what they drew before."""
    for name in ("r", "p", "q_star", "energy", "q", "acceptance", "step"):
        getattr(result.stage, name)[rows] = getattr(stage, name)
    result.stage.theta[rows] = stage.theta
    for name, value in kept.rung_means.items():
        result.rung_means[name][rows] = value
    for name in ("overlaps", "swapped", "round_trips"):
        getattr(result, name)[rows] = getattr(kept, name)
    result.made[rows] += thin * result.settings.draws
    result.thin[rows] = thin


def _seen(walkers: _Walkers, w: torch.Tensor, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """The scalars of every walker, each (n_seeds, n_ladders, n_rungs), overlaps with the teachers (..., n_tasks)."""
    seen = perceptron.overlaps(walkers.theta, w)
    rows = {name: seen[name] for name in ("r", "p", "q_star")}
    rows["energy"] = walkers.loss / max(walkers.signed.shape[1], 1)
    return {name: value.unflatten(1, shape) for name, value in rows.items()}


@dataclass(frozen=True)
class _Swaps:
    """Swaps of one parity, (n_seeds, n_ladders, n_pairs): with which probability they are accepted, and which were."""

    probability: np.ndarray
    done: np.ndarray


def _swap(
    walkers: _Walkers, shape: tuple[int, int], heat: torch.Tensor, first: int, streams: Sequence[torch.Generator]
) -> _Swaps:
    """Try to swap rungs (first, first + 1), (first + 2, first + 3), ...

    All pairs of one parity at a time, the parities in turn: walkers drift along the ladder rather than diffuse.
    """
    betas = (walkers.betas * heat).unflatten(1, shape)
    total = walkers.total.unflatten(1, shape)
    n_pairs = (shape[1] - first) // 2
    low = torch.arange(first, first + 2 * n_pairs, 2, device=total.device)
    log_ratio = (betas[..., low] - betas[..., low + 1]) * (total[..., low] - total[..., low + 1])
    accepted = torch.log(_uniform(streams, (shape[0], n_pairs), log_ratio)) < log_ratio
    order = torch.arange(shape[1], device=total.device).expand_as(total).clone()
    order[..., low] += accepted.long()
    order[..., low + 1] -= accepted.long()
    order += shape[1] * torch.arange(shape[0], device=total.device).unsqueeze(-1)
    walkers.permute(order.flatten(1))
    return _Swaps(torch.exp(log_ratio.clamp(max=0.0)).cpu().numpy(), accepted.cpu().numpy())
