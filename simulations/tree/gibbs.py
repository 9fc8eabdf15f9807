"""Hamiltonian Monte Carlo of trees: the perceptron's sampler with a tree's loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from statmech_cl.problem import Chain, Task

from ..device import check_device
from ..perceptron import gibbs, teachers
from ..perceptron.gibbs import GibbsResult, GibbsSettings
from ..perceptron.teachers import check_seeds
from .loss import Shape, drawn_loss


def sample(
    problem: Task | Chain,
    *,
    shape: Shape,
    seeds: Sequence[int] | int,
    settings: GibbsSettings | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> GibbsResult:
    """Sample the Gibbs measure of trees of one `shape`, task after task; arguments as for perceptrons.

    Raises
    ------
    ValueError : a task whose channel is neither the default nor that of the shape; else as for perceptrons.
    """
    chain = of_shape(problem, shape)
    known, where = check_seeds(seeds), check_device(device)

    def draw(w: torch.Tensor, index: int, task: Task) -> gibbs.Loss:
        loss = drawn_loss(shape, w, index, known, teachers.n_patterns(task.alpha, shape.n), dtype)
        loss.x, loss.y = loss.x.to(where), loss.y.to(where)
        return loss

    return gibbs.sample(
        chain, n=shape.n, seeds=known, settings=settings, device=device, dtype=dtype, progress=progress, draw_loss=draw
    )


def of_shape(problem: Task | Chain, shape: Shape) -> Chain:
    """The problem as a chain of tasks of this shape's network."""
    chain = Chain((problem,)) if isinstance(problem, Task) else problem
    for task in chain.tasks:
        if task.channel not in (Task(alpha=0.0).channel, shape.channel):
            raise ValueError(f"channel must be that of the shape, {shape.channel!r}, got {task.channel!r}")
    return replace(chain, tasks=tuple(replace(task, channel=shape.channel) for task in chain.tasks))
