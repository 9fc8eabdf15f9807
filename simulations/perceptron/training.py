"""One task's descent: its disorder on a device, the optimiser's steps, passes over mini-batches, fresh patterns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch

from statmech_cl.descent_settings import DescentSettings
from statmech_cl.problem import Chain, Task

from ..field_space import moments
from . import loss as perceptron
from . import teachers
from .loss import Anchor

# seeds x patterns x sites converted to floating point at a time: on a CPU a piece that stays in the cache
_PIECE = {"cpu": 2**21, "cuda": 2**28}


class Patterns(Protocol):
    """What one task is trained on: `count` patterns a seed, and the network's loss on them."""

    count: int

    def gradient(self, theta: torch.Tensor, block: slice) -> torch.Tensor:
        """dE/dtheta of the patterns of one mini-batch, shaped like `theta : (n_seeds, n_rows, N)`."""

    def energy(self, theta: torch.Tensor) -> torch.Tensor:
        """E on all patterns, for each seed and row: (n_seeds, n_rows)."""


class Signed:
    """A perceptron's patterns, `signed : (n_seeds, P, N)` int8, and what turns them into those of every row."""

    def __init__(self, signed: torch.Tensor, flips: torch.Tensor | None = None) -> None:
        self.signed, self.flips, self.count = signed, flips, signed.shape[1]

    def gradient(self, theta: torch.Tensor, block: slice) -> torch.Tensor:
        grad = torch.zeros_like(theta)
        for piece, flipped in self._pieces(block, theta):
            grad += perceptron.gradient(theta, piece, flipped)
        return grad

    def energy(self, theta: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(theta.shape[:2], dtype=theta.dtype, device=theta.device)
        for piece, flipped in self._pieces(slice(None), theta):
            total += perceptron.energy(theta, piece, flipped)
        return total

    def _pieces(self, block: slice, like: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """The patterns of a block, piece by piece in the number type of `like`, each in the same small buffer, with the
        piece of `flips` that belongs to it."""
        signed = self.signed[:, block]
        flips = None if self.flips is None else self.flips[..., block]
        n_seeds, count, n = signed.shape
        size = piece_size(signed)
        buffer = torch.empty((n_seeds, size, n), dtype=like.dtype, device=like.device)
        for start in range(0, count, size):
            piece = signed[:, start : start + size]
            flipped = None if flips is None else flips[..., start : start + size]
            yield buffer[:, : piece.shape[1]].copy_(piece), flipped


def piece_size(patterns: torch.Tensor) -> int:
    """How many of `patterns : (n_seeds, P, N)`, or (n_seeds, units, P, inputs), are converted at a time."""
    *others, count, n = patterns.shape
    return max(1, min(count, _PIECE[patterns.device.type] // (math.prod(others) * n)))


class Disorder:
    """The disorder of chains of equal sizes on one device: teachers, and the patterns of one task at a time. What
    follows is a perceptron's; other networks bring their own `check`, `task`, `eps_g` and `test_errors`.

    teachers : (n_problems, n_tasks, n_seeds, N) int8.
    """

    def __init__(
        self, chains: Sequence[Chain], n: int, seeds: Sequence[int], settings: DescentSettings, device: torch.device
    ) -> None:
        self.chains, self.seeds, self.device, self.settings = chains, seeds, device, settings
        for task in (task for chain in chains for task in chain.tasks):
            self.check(task)
        drawn = [
            [teachers.teachers(chain, n, seed, signs=settings.teacher_signs) for seed in seeds] for chain in chains
        ]
        self.teachers = torch.stack([torch.stack(of_one, dim=1) for of_one in drawn]).to(device)

    def check(self, task: Task) -> None:
        """Refuse a task of another network."""
        teachers.perceptron(task.channel)

    def count(self, task: int) -> int:
        """How many patterns a task learns, those that it replays included."""
        return teachers.n_learned(self.chains[0].tasks[task], self.teachers.shape[-1])

    def task(self, task: int, dtype: torch.dtype) -> Patterns:
        """What a task is trained on; dtype is that of the fields."""
        return Signed(*self.patterns(task, dtype))

    def eps_g(self, p: torch.Tensor) -> torch.Tensor:
        """arccos(p) / pi, the error on fresh patterns at the overlaps p."""
        return torch.arccos(p) / torch.pi

    def patterns(self, task: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What a task learns: signed patterns y x for the first problem, `(n_seeds, P, n)` int8, and what turns them
        into those of every row, `(n_seeds, n_rows, P)` of +-1; None where all rows have the same labels. Patterns of
        earlier tasks that are replayed are among them, and mistakes of noisy teachers.
        """
        learner, n = self.chains[0].tasks[task], self.teachers.shape[-1]
        flipped = [[teachers.flips(of.channel) for of in chain.tasks] for chain in self.chains]

        def draw(index: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
            of_seed = self.teachers[:, :, index].cpu()
            return teachers.learned(learner, task, n, seed, of_seed, flipped)

        return self._stacked(self.count(task), dtype, draw)

    def fresh(self, task: int, count: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Likewise fresh patterns of a task to be tested on, without mistakes."""

        def draw(index: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
            rng = teachers.generator(seed, task, "test")
            return teachers.shared_patterns(self.teachers[:, task, index].cpu(), count, rng)

        return self._stacked(count, dtype, draw)

    def _stacked(
        self, count: int, dtype: torch.dtype, draw: Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        n_problems, _, n_seeds, n = self.teachers.shape
        signed = torch.empty((n_seeds, count, n), dtype=torch.int8, device=self.device)
        flips = torch.empty((n_seeds, n_problems, count), dtype=dtype, device=self.device)
        for index, seed in enumerate(self.seeds):
            signed[index], flips[index] = draw(index, seed)
        if (flips == 1).all():
            return signed, None
        return signed, flips.repeat_interleave(self.settings.replicas, dim=1)

    def test_errors(self, theta: torch.Tensor, count: int) -> torch.Tensor:
        """Share of fresh patterns on which sign(theta) and each teacher disagree: (n_problems, n_tasks, n_seeds).

        Patterns with W . x = 0 (a share of sqrt(2 / (pi n)) for even n) have no right answer and are left out; a
        student with sign(theta) . x = 0 is wrong by one half.
        """
        n_problems, n_tasks, n_seeds, _ = self.teachers.shape
        errors = theta.new_full((n_problems, n_tasks, n_seeds), torch.nan)
        if count == 0:
            return errors
        for task in range(n_tasks):
            signed, flips = self.fresh(task, count, theta.dtype)
            signed = signed.to(theta.dtype)
            wrong = 0.5 * (1.0 - torch.sign(perceptron.fields(torch.sign(theta), signed, flips)))
            decided = perceptron.fields(self.teachers[:, task].transpose(0, 1).to(theta.dtype), signed) != 0
            errors[:, task] = self.share(wrong, decided)
        return self.finite(errors, theta)

    def share(self, wrong: torch.Tensor, decided: torch.Tensor) -> torch.Tensor:
        """Mean of `wrong : (n_seeds, n_rows, P)` over replicas and the patterns that are
        `decided : (n_seeds, n_problems, P)`: (n_problems, n_seeds)."""
        wrong = wrong.unflatten(1, (decided.shape[1], -1)) * decided.unsqueeze(2)
        return (wrong.sum(-1) / decided.sum(-1).unsqueeze(2)).mean(2).T

    def finite(self, errors: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """The errors, nan where a replica's fields are not finite: torch.sign(nan) is 0, an error of one half."""
        finite = torch.isfinite(theta).all(-1).unflatten(1, (errors.shape[0], -1)).all(2).T
        return torch.where(finite.unsqueeze(1), errors, torch.nan)


class Optimizer:
    """SGD with momentum, or Adam, acting in place; its state starts afresh with every task."""

    def __init__(self, settings: DescentSettings, theta: torch.Tensor) -> None:
        self.settings = settings
        self.first = torch.zeros_like(theta)
        self.second = torch.zeros_like(theta) if settings.optimizer == "adam" else None
        self.steps = 0

    def step(self, theta: torch.Tensor, grad: torch.Tensor, warmup: int) -> None:
        """One step; the rate rises over the first `warmup` of them."""
        self.steps += 1
        rate, momentum = self.settings.learning_rate, self.settings.momentum
        if self.steps < warmup:
            rate *= self.steps / warmup
        if self.second is None:
            self.first.mul_(momentum).add_(grad)
            theta.add_(self.first, alpha=-rate)
            return
        self.first.lerp_(grad, 1.0 - momentum)
        self.second.mul_(0.999).addcmul_(grad, grad, value=0.001)
        size = self.second.sqrt().div_((1.0 - 0.999**self.steps) ** 0.5).add_(1e-8)
        theta.addcdiv_(self.first, size, value=-rate / (1.0 - momentum**self.steps))


def hold_q_star(theta: torch.Tensor, q_star: float | torch.Tensor) -> None:
    """Scale the fields of every seed and row, in place, so that mean tanh^2 theta = q_star.

    q_star : one for all rows, or `(n_rows, 1)` with nan for the rows that are left alone. Newton on ln(scale), started
    from the last step's near miss: the mean of tanh^2 rises with the scale.
    """
    scale = torch.ones_like(theta[..., :1])
    for _ in range(20):
        scaled = theta * scale
        m, var = moments(scaled)
        miss = m.square().mean(-1, keepdim=True) - q_star
        slope = (2.0 * m * var * scaled).mean(-1, keepdim=True)
        # a step of at most a factor e keeps a start far off on the road
        scale *= torch.exp((-miss / slope).clamp(-1.0, 1.0))
        if not (miss.abs() > 1e-6).any():  # nan counts as done: it is reported as a divergence
            break
    if isinstance(q_star, torch.Tensor):
        scale = torch.where(q_star.isnan(), 1.0, scale)
    theta.mul_(scale)


def held_at(tasks: Sequence[Task], theta: torch.Tensor) -> torch.Tensor | None:
    """The q_star at which each row is held, for `hold_q_star`; `tasks` holds one for each row."""
    if all(task.q_star is None for task in tasks):
        return None
    return theta.new_tensor([float("nan") if task.q_star is None else task.q_star for task in tasks]).unsqueeze(-1)


def first_fields(seed: int, n: int, settings: DescentSettings) -> torch.Tensor:
    """The fields that a seed's first task starts from, `(n_replicas, n)`."""
    rng = teachers.generator(seed, 0, "start")
    return settings.start_spread * torch.randn((settings.replicas, n), generator=rng, dtype=torch.float64)


def train(
    theta: torch.Tensor,
    patterns: Patterns,
    anchor: Anchor,
    settings: DescentSettings,
    order: torch.Generator,
    *,
    q_star: float | torch.Tensor | None = None,
    on_epoch: Callable[[int], None],
    term: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> None:
    """Descend in place for `settings.epochs` passes over the patterns; calls on_epoch after each."""
    count = patterns.count
    size = min(settings.batch or count, count)
    starts = range(0, count, size) if count else [0]
    optimizer = Optimizer(settings, theta)
    decay = settings.weight_decay * anchor.free
    for epoch in range(1, settings.epochs + 1):
        for index in torch.randperm(len(starts), generator=order).tolist():
            block = slice(starts[index], min(starts[index] + size, count))
            share = (block.stop - block.start) / count if count else 1.0
            grad = patterns.gradient(theta, block)
            pull = anchor.gradient(theta)
            if isinstance(pull, torch.Tensor):
                grad.add_(pull, alpha=share)
            if term is not None:
                grad.add_(term(theta), alpha=share)
            if isinstance(decay, torch.Tensor):
                grad.addcmul_(theta, decay, value=share)
            elif decay > 0.0:
                grad.add_(theta, alpha=share * decay)
            optimizer.step(theta, grad, settings.warmup * len(starts))
            if q_star is not None:
                hold_q_star(theta, q_star)
        on_epoch(epoch)
