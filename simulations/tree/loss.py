"""E(theta) = -sum_mu ln H(-y_mu M_mu / sqrt(S_mu)): the loss of a tree of binary weights in field space.

A first-layer unit l of n inputs has the preactivation h = m_l . x_l / sqrt n with variance s = sum_i (1 - m_i^2) / n
under q_theta. Every layer maps the means and variances of its units (`activations`) to those of the next one,

    M = sum_l v_l mu(h_l, s_l) / sqrt K,   S = sum_l nu(h_l, s_l) / K,

taken as Gaussian again, which is exact for many units a layer. Of few signs (`Shape.counted`) the sum over hidden signs
is exact instead: E = -sum_mu ln sum over majorities of y_mu of prod_l P(sigma_l). v_l = 1 for odd activations, where
the sign of a unit is a matter of its inputs' signs; else it alternates. Batched over seeds and over rows that share a
seed's patterns: `theta : (n_seeds, n_rows, N)`, N = n times the number of units, unit after unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ..field_space import moments
from ..perceptron import loss as perceptron
from ..perceptron import teachers
from ..perceptron.training import piece_size
from .shape import Shape


def energy_and_gradient(
    shape: Shape, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor, *, with_energy: bool = True
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """E : (n_seeds, n_rows), None where it is not wanted, and dE/dtheta shaped like `theta : (n_seeds, n_rows, N)`.

    x : (n_seeds, units, P, inputs) in the number type of theta; y : (n_seeds, 1, 1 or n_rows, P) labels.
    """
    n_seeds, n_rows, _ = theta.shape
    count = x.shape[2]
    x = x.reshape(n_seeds * shape.first, count, shape.inputs)
    m, var = moments(theta)
    by_unit = m.view(n_seeds, n_rows, shape.first, shape.inputs)
    w = by_unit.transpose(1, 2).reshape(n_seeds * shape.first, n_rows, shape.inputs)
    h = torch.bmm(w, x.transpose(1, 2)).mul_(shape.inputs**-0.5)
    h = h.view(n_seeds, shape.first, n_rows, count)
    s = var.view(by_unit.shape).mean(-1).transpose(1, 2).unsqueeze(-1)
    if shape.counted:
        energy, by_h, by_s = _counted(h, s, y, with_energy=with_energy)
    else:
        energy, by_h, by_s = _layered(shape, h, s, y, with_energy=with_energy)
    by_m = torch.bmm(by_h.reshape(n_seeds * shape.first, n_rows, count), x)
    by_m = by_m.view(n_seeds, shape.first, n_rows, shape.inputs).transpose(1, 2) * shape.inputs**-0.5
    by_var = by_s.sum(-1).transpose(1, 2).unsqueeze(-1) * (-2.0 / shape.inputs)
    return energy, (by_m + by_var * by_unit).reshape(theta.shape) * var


def _layered(
    shape: Shape, h: torch.Tensor, s: torch.Tensor, y: torch.Tensor, *, with_energy: bool
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """E and its gradients by the means `h : (n_seeds, units, n_rows, P)` and the variances s of the first layer."""
    activation, (n_seeds, _, n_rows, count) = shape.activation, h.shape
    layers = []
    for k in shape.layers:
        mu, nu = activation.forward(h, s)
        v = shape.signs(k, h)
        layers.append((h, s, mu, v))
        h = torch.matmul(v, mu.view(n_seeds, -1, k, n_rows * count)).view(n_seeds, -1, n_rows, count)
        s = nu.reshape(n_seeds, -1, k, n_rows, count).mean(2)
    inverse = s.clamp_min(1e-30).rsqrt()
    t = -y * h * inverse
    k_t = perceptron.hazard(t)
    energy = -perceptron.log_h(t).sum((1, 3)) if with_energy else None
    by_h = -k_t * y * inverse
    by_s = by_h * h * (-0.5 * inverse * inverse)
    for below, s, mu, v in reversed(layers):
        by_mu = (by_h.unsqueeze(2) * v.view(-1, 1, 1)).flatten(1, 2)
        by_nu = (by_s / v.numel()).unsqueeze(2).expand(-1, -1, v.numel(), -1, -1).reshape(mu.shape)
        by_h, by_s = activation.backward(below, s, mu, by_mu, by_nu)
    return energy, by_h, by_s


def _counted(
    h: torch.Tensor, s: torch.Tensor, y: torch.Tensor, *, with_energy: bool
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """As `_layered`, by the sum over the hidden signs whose majority is the label."""
    root = s.rsqrt()
    t = y * h * root
    signs = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * h.shape[1]).reshape(-1, h.shape[1]).to(h)
    signs = signs[2.0 * signs.sum(1) > h.shape[1]]
    up, down = perceptron.log_h(-t), perceptron.log_h(t)
    terms = torch.einsum("cu,surp->scrp", signs, up - down) + down.sum(1, keepdim=True)
    energy = -torch.logsumexp(terms, 1).sum(-1) if with_energy else None
    share = torch.einsum("cu,scrp->surp", signs, torch.softmax(terms, 1))
    by_t = (1.0 - share) * perceptron.hazard(t) - share * perceptron.hazard(-t)
    return energy, by_t * y * root, by_t * t * (-0.5 / s)


class TreeLoss:
    """E of one task for the sampler: patterns `x : (n_seeds, P, width)`, labels `y : (n_seeds, P)`, all converted."""

    def __init__(self, shape: Shape, x: torch.Tensor, y: torch.Tensor, dtype: torch.dtype) -> None:
        self.shape, self.count = shape, y.shape[1]
        self.x = shape.split(x).to(dtype).contiguous()
        self.y = y.to(dtype)[:, None, None]

    def energy_and_gradient(
        self, theta: torch.Tensor, *, with_energy: bool = True
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        return energy_and_gradient(self.shape, theta, self.x, self.y, with_energy=with_energy)


class TreePatterns:
    """What descent trains trees on: `x : (n_seeds, P, width)` and labels `y : (n_seeds, 1 or n_rows, P)`, both int8."""

    def __init__(self, shape: Shape, x: torch.Tensor, y: torch.Tensor) -> None:
        self.shape, self.count = shape, y.shape[-1]
        self.x, self.y = shape.split(x).contiguous(), y[:, None]
        self.size = piece_size(self.x)

    def gradient(self, theta: torch.Tensor, block: slice) -> torch.Tensor:
        grad = torch.zeros_like(theta)
        for x, y in self._pieces(block.start, block.stop, theta.dtype):
            grad += energy_and_gradient(self.shape, theta, x, y, with_energy=False)[1]
        return grad

    def energy(self, theta: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(theta.shape[:2], dtype=theta.dtype, device=theta.device)
        for x, y in self._pieces(0, self.count, theta.dtype):
            energy, _ = energy_and_gradient(self.shape, theta, x, y)
            assert energy is not None
            total += energy
        return total

    def _pieces(self, start: int, stop: int, dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The patterns from `start` to `stop`, piece by piece in the number type of the fields."""
        for first in range(start, stop, self.size):
            piece = slice(first, min(first + self.size, stop))
            yield self.x[:, :, piece].to(dtype), self.y[..., piece].to(dtype)


def drawn_loss(
    shape: Shape, w: torch.Tensor, task: int, seeds: Sequence[int], count: int, dtype: torch.dtype, flips: float = 0.0
) -> TreeLoss:
    """The loss on `count` patterns of each seed, labelled by the teachers `w : (n_seeds, N)`, who err on a share."""
    patterns, labels = [], []
    for teacher, seed in zip(w.cpu(), seeds, strict=True):
        x = teachers.draw_signs((count, shape.width), teachers.generator(seed, task, "patterns"))
        patterns.append(x)
        labels.append(shape.labels(teacher, x)[0] * teachers.mistakes([flips], count, seed, task)[0])
    return TreeLoss(shape, torch.stack(patterns), torch.stack(labels), dtype)
