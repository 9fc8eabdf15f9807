"""Gradient descent of trees: the perceptron's descent with a tree's disorder, loss and error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from statmech_cl.descent_settings import DescentSettings
from statmech_cl.problem import Chain, Task, refuse_replay

from ..perceptron import descent, teachers
from ..perceptron.records import DescentResult
from ..perceptron.training import Disorder, Patterns
from .loss import TreePatterns
from .shape import Shape, of_shape


def descend(
    problem: Task | Chain,
    *,
    shape: Shape,
    seeds: Sequence[int] | int,
    settings: DescentSettings | None = None,
    start: DescentResult | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> DescentResult:
    """Train trees of one `shape`, task after task; arguments, records and result as for perceptrons.

    Raises
    ------
    ValueError : a task whose channel is neither the default nor that of the shape; else as for perceptrons.
    """
    (result,) = descend_many(
        [problem],
        shape=shape,
        seeds=seeds,
        settings=settings,
        start=start,
        device=device,
        dtype=dtype,
        progress=progress,
    )
    return result


def descend_many(
    problems: Sequence[Task | Chain],
    *,
    shape: Shape,
    seeds: Sequence[int] | int,
    settings: DescentSettings | None = None,
    start: DescentResult | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> list[DescentResult]:
    """`descend` of several problems at once, which share their patterns."""
    return descent.descend_many(
        [of_shape(problem, shape) for problem in problems],
        n=shape.n,
        seeds=seeds,
        settings=settings,
        start=start,
        device=device,
        dtype=dtype,
        progress=progress,
        draw=partial(TreeDisorder, shape),
    )


class TreeDisorder(Disorder):
    """Teachers and patterns of trees of one shape, for descent."""

    def __init__(
        self,
        shape: Shape,
        chains: Sequence[Chain],
        n: int,
        seeds: Sequence[int],
        settings: DescentSettings,
        device: torch.device,
    ) -> None:
        self.shape = shape
        super().__init__(chains, n, seeds, settings, device)

    def check(self, task: Task) -> None:
        """The channels are those of the shape: `of_shape` has put them there. Replay is for perceptrons."""
        refuse_replay(task, "a descent of trees")

    def task(self, task: int, dtype: torch.dtype) -> Patterns:
        x, y = zip(*(self._drawn(task, self.count(task), seed, "patterns") for seed in self.seeds), strict=True)
        labels = torch.stack(y)
        if (labels == labels[:, :1]).all():
            labels = labels[:, :1]
        else:
            labels = labels.repeat_interleave(self.settings.replicas, dim=1)
        return TreePatterns(self.shape, torch.stack(x).to(self.device), labels.to(self.device))

    def _drawn(self, task: int, count: int, seed: int, purpose: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A seed's patterns of a task, (P, width), and the labels of each problem's teacher: (n_problems, P)."""
        x = teachers.draw_signs((count, self.shape.width), teachers.generator(seed, task, purpose))
        y = self.shape.labels(self.teachers[:, task, self.seeds.index(seed)].cpu(), x)
        wrong = self.mistakes(task, count, seed)
        return x, y if wrong is None else y * wrong

    def mistakes(self, task: int, count: int, seed: int) -> torch.Tensor | None:
        """-1 where the noisy teachers of a task mislabel a pattern, else 1: (n_problems, count); None without noise."""
        shares = [teachers.flips(chain.tasks[task].channel) for chain in self.chains]
        return teachers.mistakes(shares, count, seed, task) if any(shares) else None

    def eps_g(self, p: torch.Tensor) -> torch.Tensor:
        if self.shape.overlapping:
            return torch.full_like(p, torch.nan)  # units may be permuted: the overlap says nothing
        channel = self.shape.channel
        values = [channel.eps_g(0.5 * (1.0 - one)) if np.isfinite(one) else np.nan for one in p.flatten().tolist()]
        return p.new_tensor(values).view(p.shape)

    def test_errors(self, theta: torch.Tensor, count: int) -> torch.Tensor:
        """As for perceptrons. Where the teacher's units cancel there is no right answer; where the student's do, it is
        wrong by one half."""
        n_problems, n_tasks, n_seeds, _ = self.teachers.shape
        errors = theta.new_full((n_problems, n_tasks, n_seeds), torch.nan)
        if count == 0:
            return errors
        for task in range(n_tasks):
            for index, seed in enumerate(self.seeds):
                x = teachers.draw_signs((count, self.shape.width), teachers.generator(seed, task, "test"))
                right = self.shape.outputs(self.teachers[:, task, index].cpu(), x)
                given = self.shape.outputs(torch.sign(theta[index]).cpu(), x).unflatten(0, (n_problems, -1))
                wrong = 0.5 * (1.0 - torch.sign(given) * torch.sign(right).unsqueeze(1))
                decided = right != 0
                errors[:, task, index] = (
                    ((wrong * decided.unsqueeze(1)).sum(-1) / decided.sum(-1).unsqueeze(1)).mean(1).to(errors)
                )
        return self.finite(errors, theta)
