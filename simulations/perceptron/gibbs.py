"""U(theta) = beta [E(theta) + A(theta | reference)] - sum_i ln(1 - m_i^2),  m = tanh theta.

Hamiltonian Monte Carlo with the density exp(-U) in theta, which is m uniform on [-1, 1]^N weighted by exp(-beta E): the
measure that the mean-field theory describes (Phys. Rev. E 108, 014309, sections II-III), sampled at finite N with no
optimiser between. Batched over seeds (disorder) and over walkers that share a seed's patterns and reference:
`theta : (n_seeds, n_walkers, N)`.

The trajectory is `leapfrogs` steps long on average; every walker adapts its own step to the wanted acceptance by dual
averaging (Hoffman & Gelman, J. Mach. Learn. Res. 15, 1593 (2014), section 3.2) during warm-up and keeps it afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch

from statmech_cl.problem import Chain, Task, refuse_replay
from statmech_cl.validation import check_count

from ..device import check_device
from ..field_space import log_2cosh, moments
from . import loss as perceptron
from . import teachers
from .gibbs_records import GibbsResult, GibbsSettings, GibbsStage
from .loss import Anchor
from .teachers import check_seeds


class Loss(Protocol):
    """E of one task on `count` patterns a seed; a perceptron's is below, other networks bring their own."""

    count: int

    def energy_and_gradient(
        self, theta: torch.Tensor, *, with_energy: bool = True
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """E : (n_seeds, n_rows), None where it is not wanted, and dE/dtheta shaped like theta."""


class _PerceptronLoss:
    """A perceptron's E on `signed : (n_seeds, P, N)`."""

    def __init__(self, signed: torch.Tensor) -> None:
        self.signed, self.count = signed, signed.shape[1]

    def energy_and_gradient(
        self, theta: torch.Tensor, *, with_energy: bool = True
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        return perceptron.energy_and_gradient(theta, self.signed, with_energy=with_energy)


# (teachers of the task, (n_seeds, N); its number from 0; the task) -> its loss
DrawLoss = Callable[[torch.Tensor, int, Task], Loss]


class _Target:
    """U of one task and its gradient."""

    def __init__(self, task: Task, loss: Loss, anchor: Anchor) -> None:
        self.beta, self.loss, self.anchor = task.beta, loss, anchor

    def __call__(self, theta: torch.Tensor, heat: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """U at beta * heat, its gradient, and E alone."""
        loss, slope = self.loss.energy_and_gradient(theta)
        assert loss is not None
        value = self.beta * heat * (loss + self.anchor.energy(theta))
        value += 2.0 * (log_2cosh(theta) - math.log(2.0)).sum(-1)
        return value, self._whole(slope, theta, heat), loss

    def force(self, theta: torch.Tensor, heat: float) -> torch.Tensor:
        """The gradient of U at beta * heat: all that the steps inside a trajectory need."""
        return self._whole(self.loss.energy_and_gradient(theta, with_energy=False)[1], theta, heat)

    def _whole(self, slope: torch.Tensor, theta: torch.Tensor, heat: float) -> torch.Tensor:
        slope = slope.add_(self.anchor.gradient(theta))
        return slope.mul_(self.beta * heat).add_(moments(theta)[0], alpha=2.0)


class _DualAveraging:
    """Steps of all walkers, driven to the wanted acceptance; the constants are Hoffman and Gelman's."""

    def __init__(self, step: torch.Tensor, acceptance: float) -> None:
        self.wanted, self.count = acceptance, 0
        self.centre = torch.log(10.0 * step)
        self.miss = torch.zeros_like(step)
        self.log_step, self.averaged = torch.log(step), torch.zeros_like(step)

    def update(self, accepted: torch.Tensor) -> None:
        self.count += 1
        self.miss += (self.wanted - accepted - self.miss) / (self.count + 10.0)
        self.log_step = self.centre - math.sqrt(self.count) / 0.05 * self.miss
        self.averaged += self.count**-0.75 * (self.log_step - self.averaged)


def sample(
    problem: Task | Chain,
    *,
    n: int,
    seeds: Sequence[int] | int,
    settings: GibbsSettings | None = None,
    start: GibbsResult | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
    draw_loss: DrawLoss | None = None,
) -> GibbsResult:
    """Sample the Gibbs measure of a task; of a chain, task after task, each given a reference drawn from the one before
    (the last draw of the seed's first walker, shared by all walkers of the next task: the Franz-Parisi setting).

    Parameters
    ----------
    problem : Task or Chain; q_star cannot be prescribed here.
    n : number of weights N; P_t = alpha_t N patterns, and what a task replays besides.
    seeds : seeds of the disorder (teachers and patterns, the same as in descent), or their number.
    settings : GibbsSettings.
    start : the result of sampling the chain's first task alone (same n, seeds, settings and dtype): saves sampling it
        again when many chains share it. Its stage knows the first teacher only.
    device, dtype : where and in which precision. float32 rounds U by about 1e-3 at N = 500, far below the error of a
        leapfrog trajectory at an acceptance of 0.8 (which is of order 1), and estimates do not tell it from float64.
    progress : called with (iterations done, iterations in all).
    draw_loss : the loss of each task, for networks that are no perceptrons (statmech_cl.simulations.tree).

    Raises
    ------
    ValueError : an argument out of range, a channel that is no Perceptron, a prescribed q_star, an unknown or
        absent device, a `start` that does not fit.
    """
    chain = Chain((problem,)) if isinstance(problem, Task) else problem
    settings = settings or GibbsSettings()
    n, seeds, where = check_count("n", n, low=2), check_seeds(seeds), check_device(device)
    if any(task.q_star is not None for task in chain.tasks):
        raise ValueError("q_star must be None: the Gibbs measure is sampled with q_star free")
    for task in chain.tasks:
        if draw_loss is None:
            teachers.perceptron(task.channel)
        else:
            refuse_replay(task, "a sampling of other networks than perceptrons")
    drawn = [teachers.teachers(chain, n, seed, signs=settings.teacher_signs) for seed in seeds]
    w = torch.stack(drawn, dim=1).to(where)
    iterations = settings.warmup + settings.draws
    stages = [] if start is None else _begun(start, chain, n, seeds, settings, dtype)
    reference = None if start is None else _reference(stages[-1], settings).to(where)
    for index, task in enumerate(chain.tasks[len(stages) :], len(stages)):
        if draw_loss is None:
            signed = _patterns(chain, w, index, seeds, n)
            loss: Loss = _PerceptronLoss(signed.to(where, dtype))
        else:
            loss = draw_loss(w[index], index, task)
        streams = [teachers.generator(seed, index, "sampler") for seed in seeds]
        theta = _started(settings, streams, w[index].to(where, dtype), reference)
        target = _Target(task, loss, Anchor(task, reference))

        def step_done(done: int, *, index: int = index) -> None:
            if progress is not None:
                progress(index * iterations + done, len(chain.tasks) * iterations)

        stage = _run(target, theta, w, streams, settings, anneal=reference is None, on_step=step_done)
        stages.append(stage)
        reference = _reference(stage, settings)
    return GibbsResult(chain, n, seeds, settings, str(where), str(dtype).removeprefix("torch."), tuple(stages))


def _begun(
    start: GibbsResult,
    chain: Chain,
    n: int,
    seeds: tuple[int, ...],
    settings: GibbsSettings,
    dtype: torch.dtype,
) -> list[GibbsStage]:
    """The stage that `start` brings along, once it is known to be the first task of this chain."""
    if (start.n, start.seeds, start.settings, start.stages[-1].theta.dtype) != (n, seeds, settings, dtype):
        raise ValueError("start must have the same n, seeds, settings and dtype as this sampling")
    first, begun = chain.tasks[0], start.chain.tasks
    names = ("alpha", "beta", "prior", "channel")
    if len(begun) != 1 or any(getattr(begun[0], name) != getattr(first, name) for name in names):
        raise ValueError(f"start must be a sampling of the first task alone, {first!r}, got {start.chain!r}")
    return list(start.stages)


def _reference(stage: GibbsStage, settings: GibbsSettings) -> torch.Tensor:
    """The last draw of each seed's first walker, for all walkers of the next task."""
    return stage.theta[:, :1].expand(-1, settings.walkers, -1).contiguous()


def _patterns(chain: Chain, w: torch.Tensor, number: int, seeds: Sequence[int], n: int) -> torch.Tensor:
    """The signed patterns that a task learns, of all seeds, the same ones that descent is given."""
    flipped = [[teachers.flips(task.channel) for task in chain.tasks]]
    of_seeds = w.cpu().transpose(0, 1)
    rows = [
        teachers.learned(chain.tasks[number], number, n, seed, drawn[None], flipped)[0]
        for drawn, seed in zip(of_seeds, seeds, strict=True)
    ]
    return torch.stack(rows)


def _normal(streams: Sequence[torch.Generator], like: torch.Tensor) -> torch.Tensor:
    """Standard normals, each seed from its own stream."""
    rows = [torch.randn(like.shape[1:], generator=rng, dtype=like.dtype) for rng in streams]
    return torch.stack(rows).to(like.device)


def _uniform(streams: Sequence[torch.Generator], shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    rows = [torch.rand(shape, generator=rng, dtype=torch.float64) for rng in streams]
    return torch.stack(rows).to(like.device, like.dtype)


def _started(
    settings: GibbsSettings, streams: Sequence[torch.Generator], w: torch.Tensor, reference: torch.Tensor | None
) -> torch.Tensor:
    """First fields of the walkers: at the prior, at the teacher, or, for a later task, at the reference."""
    theta = torch.atanh(2.0 * _uniform(streams, (settings.walkers, w.shape[1]), w).clamp(1e-6, 1.0 - 1e-6) - 1.0)
    if reference is not None:
        return reference + 0.1 * theta
    if settings.start == "teacher":
        return 2.0 * w.unsqueeze(1) + 0.1 * theta
    return theta


def _run(
    target: _Target,
    theta: torch.Tensor,
    w: torch.Tensor,
    streams: Sequence[torch.Generator],
    settings: GibbsSettings,
    *,
    anneal: bool,
    on_step: Callable[[int], None],
) -> GibbsStage:
    """Warm up and sample one task from `theta : (n_seeds, n_walkers, N)`."""
    half = settings.leapfrogs // 2
    # one length for all walkers at a time, the same whatever the seeds: trajectories stay in step in one tensor program
    lengths = np.random.default_rng(0).integers(
        max(1, settings.leapfrogs - half), settings.leapfrogs + half + 1, settings.warmup + settings.draws
    )
    adapted = _DualAveraging(torch.full_like(theta[..., 0], 0.1), settings.acceptance)
    rise = settings.warmup // 2 if anneal and settings.start == "prior" else 0
    kept: list[dict[str, torch.Tensor]] = []
    mean_m = torch.zeros_like(theta)
    accepted_sum = torch.zeros_like(theta[..., 0])
    value, slope, loss = target(theta, 1.0)
    count = target.loss.count
    for iteration, length in enumerate(lengths.tolist()):
        warm = iteration < settings.warmup
        heat = (iteration + 1) / rise if iteration < rise else 1.0
        if iteration < max(rise, 1):
            value, slope, loss = target(theta, heat)
        step = torch.exp(adapted.log_step if warm else adapted.averaged).unsqueeze(-1)
        momentum = _normal(streams, theta)
        at, move, force = theta, momentum, slope
        for last in [False] * (length - 1) + [True]:
            move = move - 0.5 * step * force
            at = at + step * move
            if last:
                proposed, force, proposed_loss = target(at, heat)
            else:
                force = target.force(at, heat)
            move = move - 0.5 * step * force
        rise_of_h = proposed - value + 0.5 * (move.square() - momentum.square()).sum(-1)
        accepted = torch.exp(-rise_of_h.nan_to_num(nan=math.inf).clamp(min=0.0))
        take = _uniform(streams, theta.shape[1:2], theta) < accepted
        theta = torch.where(take.unsqueeze(-1), at, theta)
        slope = torch.where(take.unsqueeze(-1), force, slope)
        value, loss = torch.where(take, proposed, value), torch.where(take, proposed_loss, loss)
        if warm:
            adapted.update(accepted)
        else:
            seen = perceptron.overlaps(theta, w)
            kept.append({name: seen[name] for name in ("r", "p", "q_star")} | {"energy": loss / max(count, 1)})
            mean_m += torch.tanh(theta) / settings.draws
            accepted_sum += accepted / settings.draws
        on_step(iteration + 1)
    draws = {name: torch.stack([row[name] for row in kept], dim=2).double().cpu().numpy() for name in kept[0]}
    gram = mean_m @ mean_m.transpose(1, 2) / theta.shape[-1]
    walkers = settings.walkers
    off_diagonal = gram.sum((1, 2)) - gram.diagonal(dim1=1, dim2=2).sum(1)
    return GibbsStage(
        q=(off_diagonal / (walkers * (walkers - 1))).double().cpu().numpy(),
        acceptance=accepted_sum.double().cpu().numpy(),
        step=torch.exp(adapted.averaged).double().cpu().numpy(),
        theta=theta,
        **draws,
    )
