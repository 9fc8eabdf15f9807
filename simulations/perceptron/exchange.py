"""Replica exchange: walkers at a ladder of inverse temperatures beta_1 < ... < beta_R = beta that trade places.

    swap of neighbours:  accepted with probability min(1, exp[(beta_i - beta_j) (E_i - E_j)]),  E = loss + anchor

Where replica symmetry is broken, a walker at the wanted beta alone stays in the valley that it met first. Here every
walker goes up and down the ladder: it forgets where it was at the hot end, and comes back to another valley with the
right weight. Between swaps each rung takes one Hamiltonian trajectory (see `gibbs`), with a step of its own. All is
batched over seeds (disorder), independent ladders of a seed, and rungs: `theta : (n_seeds, n_ladders * n_rungs, N)`.

Different ladders of a seed never meet: they are the independent replicas of which overlaps, R-hat and P(q) are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from statmech_cl.estimate import Estimate
from statmech_cl.problem import Chain, Task
from statmech_cl.validation import check_choice, check_count, check_number

from ..field_space import log_2cosh, moments
from . import loss as perceptron
from . import teachers
from .descent import check_device, check_seeds
from .gibbs import _DualAveraging, _normal, _patterns, _uniform
from .gibbs_records import GibbsStage
from .loss import Anchor

OBSERVABLES = ("r", "p", "eps_g", "q_star", "q", "energy")


@dataclass(frozen=True, kw_only=True)
class ExchangeSettings:
    """How to sample.

    beta_low : the hottest rung; walkers must mix there by themselves.
    rungs : inverse temperatures from beta_low to the task's beta, in equal ratios. A swap is accepted often enough
        while the ratio stays near 1 + sqrt(2 / N).
    ladders : independent ladders of each seed, at least 2: q is the overlap of different ones.
    warmup : iterations that are thrown away; over their first half all betas rise from 0; steps are adapted throughout.
    draws : iterations kept. An iteration is a trajectory at every rung and a round of swaps.
    leapfrogs, acceptance : as in GibbsSettings.
    """

    beta_low: float = 5.0
    rungs: int = 12
    ladders: int = 2
    warmup: int = 300
    draws: int = 700
    leapfrogs: int = 10
    acceptance: float = 0.8

    def __post_init__(self) -> None:
        check_number("beta_low", self.beta_low, low=0.0, open_low=True)
        check_count("rungs", self.rungs, low=2)
        check_count("ladders", self.ladders, low=2)
        check_count("warmup", self.warmup, low=10)
        check_count("draws", self.draws, low=4)
        check_count("leapfrogs", self.leapfrogs)
        check_number("acceptance", self.acceptance, low=0.0, high=1.0, open_low=True, open_high=True)

    def betas(self, beta: float) -> np.ndarray:
        """The ladder of a task at `beta`, (n_rungs,), hottest first."""
        return np.geomspace(self.beta_low, beta, self.rungs)


@dataclass(frozen=True)
class ExchangeResult:
    """Samples of one task.

    stage : what the coldest rung saw (one walker a ladder): series, R-hat, effective sample sizes.
    betas : (n_rungs,) the ladder. rung_means : {"r", "p", "q_star", "energy"} : (n_seeds, n_rungs) means at every rung.
    overlaps : (n_seeds, n_pairs, n_draws) mean m_a m_b of two ladders' coldest walkers, draw by draw: P(q).
    swapped : (n_seeds, n_rungs - 1) share of accepted swaps between a rung and the next.
    round_trips : (n_seeds, n_ladders) walks from the coldest rung to the hottest and back, counted after warm-up.
    """

    task: Task
    n: int
    seeds: tuple[int, ...]
    settings: ExchangeSettings
    stage: GibbsStage
    betas: np.ndarray
    rung_means: dict[str, np.ndarray]
    overlaps: np.ndarray
    swapped: np.ndarray
    round_trips: np.ndarray

    def values(self, name: str) -> np.ndarray:
        """`name` ("r", "p", "eps_g", "q_star", "q", "energy") at the task's beta, averaged over draws: (n_seeds,)."""
        check_choice("name", name, OBSERVABLES)
        if name == "q":
            return self.overlaps.mean(axis=(1, 2))
        series = getattr(self.stage, "p" if name == "eps_g" else name)
        mean = series.reshape(*series.shape[:3]).mean(axis=(1, 2))
        return np.arccos(np.clip(mean, -1.0, 1.0)) / math.pi if name == "eps_g" else mean

    def estimate(self, name: str) -> Estimate:
        """Mean and standard error over the disorder: seeds are independent, whatever the autocorrelation."""
        return Estimate.from_samples(self.values(name))

    def autocorrelation(self) -> dict[str, np.ndarray]:
        """Integrated autocorrelation time of each scalar and seed, in iterations: draws of all ladders / ESS."""
        draws = self.settings.ladders * self.settings.draws
        return {name: draws / size for name, size in self.stage.ess().items()}


@dataclass
class _Walkers:
    """All walkers of all ladders, in the order of the rungs; `heat` multiplies every beta during warm-up."""

    theta: torch.Tensor
    signed: torch.Tensor
    anchor: Anchor
    betas: torch.Tensor  # (n_ladders * n_rungs,)
    loss: torch.Tensor
    total: torch.Tensor  # loss + anchor
    slope: torch.Tensor  # d total / d theta

    @classmethod
    def start(cls, theta: torch.Tensor, signed: torch.Tensor, anchor: Anchor, betas: torch.Tensor) -> _Walkers:
        return cls(theta, signed, anchor, betas, *_energies(theta, signed, anchor))

    def move(self, length: int, step: torch.Tensor, heat: float, streams: Sequence[torch.Generator]) -> torch.Tensor:
        """One Hamiltonian trajectory of every walker; returns the probabilities of acceptance."""
        cold = (self.betas * heat).unsqueeze(-1)

        def force(slope: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
            return slope * cold + 2.0 * moments(theta)[0]

        momentum = _normal(streams, self.theta)
        at, slope, moving = self.theta, self.slope, momentum
        pull = force(slope, at)
        loss, total = self.loss, self.total
        for k in range(length):
            moving = moving - 0.5 * step * pull
            at = at + step * moving
            if k == length - 1:
                loss, total, slope = _energies(at, self.signed, self.anchor)
            else:
                slope = perceptron.gradient(at, self.signed) + self.anchor.gradient(at)
            pull = force(slope, at)
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


def exchange(
    task: Task,
    *,
    n: int,
    seeds: Sequence[int] | int,
    settings: ExchangeSettings | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> ExchangeResult:
    """Sample the Gibbs measure of a task by replica exchange.

    Parameters
    ----------
    task : Task; q_star cannot be prescribed, and its beta must lie above settings.beta_low.
    n : number of weights N; P = alpha N patterns.
    seeds : seeds of the disorder (teacher and patterns: those of `sample` and of descent), or their number.
    settings : ExchangeSettings.
    device, dtype : where and in which precision, as in `sample`.
    progress : called with (iterations done, iterations in all).

    Raises
    ------
    ValueError : an argument out of range, a prescribed q_star, a channel that is no Perceptron.
    """
    settings = settings or ExchangeSettings()
    n, seeds, where = check_count("n", n, low=2), check_seeds(seeds), check_device(device)
    if task.q_star is not None:
        raise ValueError(f"q_star must be None: the Gibbs measure is sampled with q_star free, got {task.q_star!r}")
    if not settings.beta_low < task.beta:
        raise ValueError(f"beta_low must lie below the task's beta, {task.beta!r}, got {settings.beta_low!r}")
    chain = Chain((task,))
    w = torch.stack([teachers.teachers(chain, n, seed) for seed in seeds], dim=1).to(where)
    signed = _patterns(chain, w, 0, seeds, n).to(where, dtype)
    streams = [teachers.generator(seed, 0, "sampler") for seed in seeds]
    shape = (settings.ladders, settings.rungs)
    betas = torch.as_tensor(settings.betas(task.beta), dtype=dtype, device=where).repeat(settings.ladders)
    like = torch.zeros((), dtype=dtype, device=where)
    prior = 2.0 * _uniform(streams, (betas.numel(), n), like).clamp(1e-6, 1.0 - 1e-6) - 1.0
    anchor = Anchor(replace(task, gamma=1.0), None)
    walkers = _Walkers.start(torch.atanh(prior), signed, anchor, betas)
    adapted = _DualAveraging(torch.full_like(walkers.loss, 0.1), settings.acceptance)
    trips = _Trips(len(seeds), *shape)
    lengths = np.random.default_rng(0).integers(
        max(1, settings.leapfrogs - settings.leapfrogs // 2), settings.leapfrogs + settings.leapfrogs // 2 + 1,
        settings.warmup + settings.draws,
    )  # fmt: skip
    rise = settings.warmup // 2
    kept: list[dict[str, torch.Tensor]] = []
    overlaps: list[torch.Tensor] = []
    sums: dict[str, torch.Tensor] = {}
    accepted_sum = torch.zeros_like(walkers.loss)
    swaps, tries = np.zeros((len(seeds), settings.rungs - 1)), np.zeros(settings.rungs - 1)
    pairs = torch.triu_indices(settings.ladders, settings.ladders, 1)
    for iteration, length in enumerate(lengths.tolist()):
        warm = iteration < settings.warmup
        heat = min(1.0, (iteration + 1) / rise)
        step = torch.exp(adapted.log_step if warm else adapted.averaged).unsqueeze(-1)
        accepted = walkers.move(length, step, heat, streams)
        if iteration == settings.warmup:
            trips = _Trips(len(seeds), *shape)
        swapped = _swap(walkers, trips, shape, heat, iteration % 2, streams)
        if warm:
            adapted.update(accepted)
        else:
            swaps[:, iteration % 2 :: 2] += swapped.mean(axis=1)
            tries[iteration % 2 :: 2] += 1.0
            trips.record()
            seen = _seen(walkers, w, shape)
            kept.append({name: value[..., -1] for name, value in seen.items()})
            for name, value in seen.items():
                sums[name] = sums.get(name, 0.0) + value.mean(1).double() / settings.draws
            m = torch.tanh(walkers.theta.unflatten(1, shape)[:, :, -1])
            overlaps.append((m[:, pairs[0]] * m[:, pairs[1]]).mean(-1))
            accepted_sum += accepted / settings.draws
        if progress is not None:
            progress(iteration + 1, settings.warmup + settings.draws)
    draws = {name: torch.stack([row[name] for row in kept], dim=2).double().cpu().numpy() for name in kept[0]}
    seen_overlaps = torch.stack(overlaps, dim=2).double().cpu().numpy()
    cold = walkers.theta.unflatten(1, shape)[:, :, -1]
    stage = GibbsStage(
        r=draws["r"][..., None], p=draws["p"][..., None], q_star=draws["q_star"], energy=draws["energy"],
        q=seen_overlaps.mean(axis=(1, 2)),
        acceptance=accepted_sum.unflatten(1, shape)[..., -1].double().cpu().numpy(),
        step=torch.exp(adapted.averaged).unflatten(1, shape)[..., -1].double().cpu().numpy(),
        theta=cold.contiguous(),
    )  # fmt: skip
    return ExchangeResult(
        task, n, seeds, settings, stage, settings.betas(task.beta),
        {name: value.cpu().numpy() for name, value in sums.items()}, seen_overlaps,
        swaps / np.maximum(tries, 1.0), trips.count,
    )  # fmt: skip


def _seen(walkers: _Walkers, w: torch.Tensor, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """The scalars of every walker, each (n_seeds, n_ladders, n_rungs)."""
    seen = perceptron.overlaps(walkers.theta, w)
    count = max(walkers.signed.shape[1], 1)
    rows = {"r": seen["r"][..., 0], "p": seen["p"][..., 0], "q_star": seen["q_star"], "energy": walkers.loss / count}
    return {name: value.unflatten(1, shape) for name, value in rows.items()}


def _swap(
    walkers: _Walkers,
    trips: _Trips,
    shape: tuple[int, int],
    heat: float,
    first: int,
    streams: Sequence[torch.Generator],
) -> np.ndarray:
    """Try to swap rungs (first, first + 1), (first + 2, first + 3), ...: what was accepted, (n_seeds, n_ladders, n).

    All pairs of one parity at a time, the parities in turn: walkers drift along the ladder rather than diffuse.
    """
    betas = walkers.betas.unflatten(0, shape) * heat
    total = walkers.total.unflatten(1, shape)
    n_pairs = (shape[1] - first) // 2
    low = torch.arange(first, first + 2 * n_pairs, 2, device=total.device)
    log_ratio = (betas[:, low] - betas[:, low + 1]) * (total[..., low] - total[..., low + 1])
    accepted = torch.log(_uniform(streams, (shape[0], n_pairs), log_ratio)) < log_ratio
    order = torch.arange(shape[1], device=total.device).expand_as(total).clone()
    order[..., low] += accepted.long()
    order[..., low + 1] -= accepted.long()
    order += shape[1] * torch.arange(shape[0], device=total.device).unsqueeze(-1)
    walkers.permute(order.flatten(1))
    done = accepted.cpu().numpy()
    trips.swap(done, first)
    return done
