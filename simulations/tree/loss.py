"""E(theta) = -sum_mu ln H(-y_mu M_mu / sqrt(S_mu)): the loss of a tree of binary weights in field space.

A first-layer unit l of n inputs has the preactivation h = m_l . x_l / sqrt n with variance s = sum_i (1 - m_i^2) / n
under q_theta. Every layer maps the means and variances of its units (`activations`) to those of the next one,

    M = sum_l v_l mu(h_l, s_l) / sqrt K,   S = sum_l nu(h_l, s_l) / K,

taken as Gaussian again, which is exact for many units a layer. v_l = 1 for odd activations, where the sign of a unit is
a matter of its inputs' signs; else it alternates. Batched over seeds and over rows that share a seed's patterns:
`theta : (n_seeds, n_rows, N)`, N = n times the number of units, unit after unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from statmech_cl.trees import Tree
from statmech_cl.validation import check_count

from ..perceptron import loss as perceptron
from ..perceptron import teachers
from .activations import ACTIVATIONS, Activation


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A tree at finite size.

    inputs : n, inputs of each unit of the first layer.
    units : K of each hidden layer: how many units of it feed one unit above; L numbers, or one for all.
    channel : the tree of the theory that it approaches.
    """

    inputs: int
    units: tuple[int, ...] | int
    channel: Tree

    def __post_init__(self) -> None:
        layers = self.channel.hidden_layers
        check_count("inputs", self.inputs)
        given = (self.units,) * layers if isinstance(self.units, int) else tuple(self.units)
        units = tuple(check_count("units", k) for k in given)
        if layers == 0 or len(units) != layers:
            raise ValueError(
                f"units must hold {layers} numbers, one a hidden layer of at least one, got {self.units!r}"
            )
        if self.channel.flips > 0.0:
            raise ValueError(f"flips must be 0 for a simulated tree, got {self.channel.flips!r}")
        object.__setattr__(self, "units", units)

    @property
    def first(self) -> int:
        """Units of the first hidden layer."""
        return math.prod(self.layers)

    @property
    def layers(self) -> tuple[int, ...]:
        return self.units if isinstance(self.units, tuple) else (self.units,)

    @property
    def n(self) -> int:
        """Weights N."""
        return self.inputs * self.first

    @property
    def activation(self) -> Activation:
        return ACTIVATIONS[str(self.channel.activation)]

    def signs(self, count: int, like: torch.Tensor) -> torch.Tensor:
        """v_l / sqrt K of a layer whose units come in groups of `count`."""
        v = like.new_full((count,), count**-0.5)
        if not self.activation.odd:
            v[1::2] *= -1.0
        return v

    def labels(self, w: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """y : (P,) of +-1 of the teacher w : (N,) on x : (P, N); a tie is +1."""
        a = (x.to(torch.float64) * w).view(x.shape[0], self.first, self.inputs).sum(-1) / math.sqrt(self.inputs)
        for count in self.layers:
            f = self.activation.value(a).view(x.shape[0], -1, count)
            a = f @ self.signs(count, f)
        return torch.where(a[:, 0] < 0, -1, 1).to(torch.int8)


class TreeLoss:
    """E of one task on patterns `x : (n_seeds, P, N)` with labels `y : (n_seeds, P)`."""

    def __init__(self, shape: Shape, x: torch.Tensor, y: torch.Tensor, dtype: torch.dtype) -> None:
        n_seeds, self.count = y.shape
        self.shape = shape
        units = x.view(n_seeds, self.count, shape.first, shape.inputs).permute(0, 2, 1, 3)
        self.x = units.to(dtype).reshape(n_seeds * shape.first, self.count, shape.inputs)
        self.y = y.to(dtype).view(n_seeds, 1, 1, self.count)

    def energy_and_gradient(
        self, theta: torch.Tensor, *, with_energy: bool = True
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """E : (n_seeds, n_rows), None where it is not wanted, and dE/dtheta shaped like theta."""
        shape, activation = self.shape, self.shape.activation
        n_seeds, n_rows, _ = theta.shape
        m, var = perceptron.moments(theta)
        by_unit = m.view(n_seeds, n_rows, shape.first, shape.inputs)
        w = by_unit.transpose(1, 2).reshape(n_seeds * shape.first, n_rows, shape.inputs)
        h = torch.bmm(w, self.x.transpose(1, 2)).mul_(shape.inputs**-0.5)
        h = h.view(n_seeds, shape.first, n_rows, self.count)
        s = var.view(by_unit.shape).mean(-1).transpose(1, 2).unsqueeze(-1)
        layers = []
        for k in shape.layers:
            mu, nu = activation.forward(h, s)
            v = shape.signs(k, h)
            layers.append((h, s, mu, v))
            h = torch.matmul(v, mu.view(n_seeds, -1, k, n_rows * self.count)).view(n_seeds, -1, n_rows, self.count)
            s = nu.reshape(n_seeds, -1, k, n_rows, self.count).mean(2)
        inverse = s.clamp_min(1e-30).rsqrt()
        t = -self.y * h * inverse
        k_t = perceptron.hazard(t)
        energy = -perceptron.log_h(t).sum((1, 3)) if with_energy else None
        by_h = -k_t * self.y * inverse
        by_s = by_h * h * (-0.5 * inverse * inverse)
        for below, s, mu, v in reversed(layers):
            by_mu = (by_h.unsqueeze(2) * v.view(-1, 1, 1)).flatten(1, 2)
            by_nu = (by_s / v.numel()).unsqueeze(2).expand(-1, -1, v.numel(), -1, -1).reshape(mu.shape)
            by_h, by_s = activation.backward(below, s, mu, by_mu, by_nu)
        by_m = torch.bmm(by_h.reshape(n_seeds * shape.first, n_rows, self.count), self.x)
        by_m = by_m.view(n_seeds, shape.first, n_rows, shape.inputs).transpose(1, 2) * shape.inputs**-0.5
        by_var = by_s.sum(-1).transpose(1, 2).unsqueeze(-1) * (-2.0 / shape.inputs)
        return energy, (by_m + by_var * by_unit).reshape(theta.shape) * var


def drawn_loss(
    shape: Shape, w: torch.Tensor, task: int, seeds: Sequence[int], count: int, dtype: torch.dtype
) -> TreeLoss:
    """The loss on `count` patterns of each seed, labelled by the teachers `w : (n_seeds, N)`."""
    patterns, labels = [], []
    for teacher, seed in zip(w.cpu(), seeds, strict=True):
        x = teachers.draw_signs((count, shape.n), teachers.generator(seed, task, "patterns"))
        patterns.append(x)
        labels.append(shape.labels(teacher, x))
    return TreeLoss(shape, torch.stack(patterns), torch.stack(labels), dtype)
