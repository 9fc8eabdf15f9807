"""Hamiltonian Monte Carlo of trees: the perceptron's sampler with a tree's loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from statmech_cl.problem import Chain, Task

from ..device import check_device
from ..perceptron import gibbs, teachers
from ..perceptron.gibbs_records import GibbsResult, GibbsSettings
from ..perceptron.teachers import check_seeds
from .loss import drawn_loss
from .shape import Shape, of_shape


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
        count = teachers.n_patterns(task.alpha, shape.n)
        loss = drawn_loss(shape, w, index, known, count, dtype, teachers.flips(task.channel))
        loss.x, loss.y = loss.x.to(where), loss.y.to(where)
        return loss

    return gibbs.sample(
        chain, n=shape.n, seeds=known, settings=settings, device=device, dtype=dtype, progress=progress, draw_loss=draw
    )
