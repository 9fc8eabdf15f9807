"""Deep networks in field space: binary weights known only through their means, trained by local reparametrisation.

A weight is +-1 with mean mu = tanh(h) and variance v = 1 - mu^2 = sech^2(h) at the field h = beta_f theta. By the
central limit theorem a unit's input is Gaussian, so that one draw per unit and image stands for a draw of all weights:

    z = mu a / sqrt(n) + eps sqrt(v a^2 / n),  eps ~ N(0, 1),   a' = relu(z),   n = fan-in

(Phys. Rev. E 108, 014309, section on deep networks). All weights of a network live in one flat vector, layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from statmech_cl.validation import check_choice, check_count, check_number

from ..field_space import moments_into

# Under the square root of the variance: a unit whose inputs are all zero, or whose weights are all certain, keeps a
# finite gradient. The standard deviation changes by less than 1e-6 anywhere.
_TINY = 1e-12
PIXELS = 28


@dataclass(frozen=True)
class Dense:
    """n_in inputs to n_out outputs, every input to every output; no bias."""

    n_in: int
    n_out: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_in, self.n_out)

    @property
    def fan_in(self) -> int:
        return self.n_in


@dataclass(frozen=True)
class Conv:
    """A 3x3 convolution with padding 1; ReLU and 2x2 max pooling follow it."""

    n_in: int
    n_out: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_out, self.n_in, 3, 3)

    @property
    def fan_in(self) -> int:
        return 9 * self.n_in


@dataclass(frozen=True)
class Architecture:
    """Layers in order, ReLU between them. Images come in flat, (batch, 784); the last layer gives the logits."""

    name: str
    layers: tuple[Dense | Conv, ...]

    @property
    def n_inputs(self) -> int:
        first = self.layers[0]
        return first.n_in if isinstance(first, Dense) else first.n_in * PIXELS**2

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].n_out

    @property
    def n_weights(self) -> int:
        return sum(math.prod(layer.shape) for layer in self.layers)

    @property
    def dense(self) -> bool:
        return all(isinstance(layer, Dense) for layer in self.layers)

    def views(self, flat: Tensor) -> list[Tensor]:
        """The weights of each layer as views of `flat : (n_weights,)`."""
        sizes = [math.prod(layer.shape) for layer in self.layers]
        parts = torch.split(flat, sizes)
        return [part.view(layer.shape) for part, layer in zip(parts, self.layers, strict=True)]


def mlp(widths: Sequence[int] = (PIXELS**2, 512, 512, 10)) -> Architecture:
    """A multilayer perceptron; `widths` from the inputs to the outputs, at least two."""
    widths = tuple(check_count("widths", width) for width in widths)
    if len(widths) < 2:
        raise ValueError(f"widths must hold at least the numbers of inputs and outputs, got {widths!r}")
    layers = tuple(Dense(a, b) for a, b in pairwise(widths))
    return Architecture("-".join(map(str, widths)), layers)


def cnn(n_outputs: int = 10, hidden: int = 128) -> Architecture:
    """The small CNN 1-16-32 (3x3, padding 1, 2x2 max pooling), `hidden` units, `n_outputs` logits."""
    n_outputs, hidden = check_count("n_outputs", n_outputs), check_count("hidden", hidden)
    layers = (Conv(1, 16), Conv(16, 32), Dense(32 * 7 * 7, hidden), Dense(hidden, n_outputs))
    return Architecture(f"cnn-16-32-{hidden}-{n_outputs}", layers)


@dataclass(frozen=True)
class Annealing:
    """Field temperature beta_f = maximum * tanh(offset + rate * x), x the part of the annealing that is over.

    scope : what x counts. "run": all tasks together, from 0 to 1, which must know how many will come; "task": each task
        anew; "steps": optimiser steps since the beginning over `steps`, whatever comes; "none" keeps beta_f = 1.
    steps : under "steps" only, else 0.
    """

    scope: str = "run"
    maximum: float = 10.0
    offset: float = 0.1
    rate: float = 2.0
    steps: int = 0

    def __post_init__(self) -> None:
        check_choice("anneal", self.scope, ("run", "task", "steps", "none"))
        check_number("beta_max", self.maximum, low=0.0, open_low=True)
        check_number("anneal_offset", self.offset, low=0.0)
        check_number("anneal_rate", self.rate, low=0.0)
        if self.scope == "steps":
            check_count("anneal_steps", self.steps)
        elif self.steps != 0:
            raise ValueError(f"anneal_steps must be 0 unless anneal is steps, got {self.steps}")

    def __call__(self, task: int, n_tasks: int, progress: float, steps: int) -> float:
        """beta_f in task number `task` (from 0) of `n_tasks`, at the fraction `progress` of its steps, after `steps`
        steps in all."""
        if self.scope == "none":
            return 1.0
        over = {"run": (task + progress) / n_tasks, "task": progress, "steps": steps / max(1, self.steps)}[self.scope]
        return self.maximum * math.tanh(self.offset + self.rate * over)


class FieldNetwork:
    """A network of binary weights in field space: `theta : (n_weights,)`, its moments, and the gradient of the loss.

    Attributes
    ----------
    theta : fields; a method moves them.
    mu, v : means tanh(beta_f theta) and variances at the last `refresh`.
    gradient : dL/dmu at fixed fields, that is with v = 1 - mu^2 moving along: what the natural gradient needs;
        dL/dtheta = beta_f v dL/dmu.

    Parameters
    ----------
    init : standard deviation of the initial fields.
    generator : draws the initial fields and the noise of the local reparametrisation; on `device`.
    """

    def __init__(
        self,
        architecture: Architecture,
        generator: torch.Generator,
        *,
        init: float = 0.1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.architecture = architecture
        self.generator = generator
        self.dtype = dtype
        self.device = generator.device
        n = architecture.n_weights
        self.theta = init * torch.randn(n, generator=generator, dtype=dtype, device=self.device)
        self.mu, self.v, self.gradient = (torch.empty_like(self.theta) for _ in range(3))
        self._fields, self._by_variance = (torch.empty_like(self.theta) for _ in range(2))
        self.beta_f = 1.0
        self.refresh(1.0)

    def refresh(self, beta_f: float) -> None:
        """Set the moments from the fields at temperature `beta_f`; once a step."""
        self.beta_f = beta_f
        torch.mul(self.theta, beta_f, out=self._fields)
        moments_into(self._fields, self.mu, self.v)

    @property
    def fields(self) -> Tensor:
        """h = beta_f theta at the last `refresh`, (n_weights,)."""
        return self._fields

    def draw_noise(self, n_images: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """One standard normal for each unit and image, layer by layer: what `propagate` takes as `noise`."""
        generator = self.generator if generator is None else generator
        shapes = []
        side = PIXELS
        for layer in self.architecture.layers:
            shapes.append((n_images, layer.n_out) if isinstance(layer, Dense) else (n_images, layer.n_out, side, side))
            side //= 2
        return [torch.randn(s, generator=generator, dtype=self.dtype, device=self.device) for s in shapes]

    def propagate(
        self, x: Tensor, means: Tensor, variances: Tensor | None = None, noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Logits (batch, n_outputs) of images `x : (batch, n_inputs)`; differentiable in `means` and `variances`.

        Without `variances` the weights are certain: their means, their signs, or one draw of them.
        """
        a = x
        last = len(self.architecture.layers) - 1
        mean_views = self.architecture.views(means)
        variance_views = None if variances is None else self.architecture.views(variances)
        for index, layer in enumerate(self.architecture.layers):
            z = _linear(layer, a, mean_views[index]) / math.sqrt(layer.fan_in)
            if variance_views is not None and noise is not None:
                spread = _linear(layer, a * a, variance_views[index]) / layer.fan_in
                z = z + noise[index] * torch.sqrt(spread + _TINY)
            if index == last:
                return z
            a = torch.relu(z)
            if isinstance(layer, Conv):
                a = functional.max_pool2d(a, 2)
        raise AssertionError("an architecture has layers")

    def loss_gradient(
        self, x: Tensor, y: Tensor, mask: Tensor | None = None, noise: Sequence[Tensor] | None = None
    ) -> float:
        """Mean cross-entropy of a batch under one draw of the noise; its dL/dmu is left in `gradient`.

        mask : (n_outputs,) of 0, and -inf at the outputs that are not in play; added to the logits.
        noise : drawn if not given.
        """
        noise = self.draw_noise(len(x)) if noise is None else noise
        if self.architecture.dense:
            return self._explicit(x, y, mask, noise)
        return self._autograd(x, y, mask, noise)

    def _autograd(self, x: Tensor, y: Tensor, mask: Tensor | None, noise: Sequence[Tensor]) -> float:
        means, variances = self.mu.clone().requires_grad_(), self.v.clone().requires_grad_()
        logits = self.propagate(x, means, variances, noise)
        loss = functional.cross_entropy(logits if mask is None else logits + mask, y)
        by_mean, by_variance = torch.autograd.grad(loss, (means, variances))
        torch.addcmul(by_mean, self.mu, by_variance, value=-2.0, out=self.gradient)
        return float(loss.detach())

    def _explicit(self, x: Tensor, y: Tensor, mask: Tensor | None, noise: Sequence[Tensor]) -> float:
        """The gradient written out for dense layers; the tests hold it against autograd and finite differences.

        With g = dL/dz and k = g eps / (2 sd):
        dL/dmu = a'g/sqrt(n) - 2 mu (a^2)'k/n,  dL/da = g mu'/sqrt(n) + 2a k v'/n.
        """
        views = self.architecture.views
        mean_views, variance_views = views(self.mu), views(self.v)
        by_mean, by_variance = views(self.gradient), views(self._by_variance)
        layers = self.architecture.layers
        inputs, squares, deviations = [], [], []
        a = x
        for index, layer in enumerate(layers):
            square = a * a
            sd = torch.mm(square, variance_views[index]).mul_(1.0 / layer.fan_in).add_(_TINY).sqrt_()
            inputs.append(a)
            squares.append(square)
            deviations.append(sd)
            z = torch.mm(a, mean_views[index]).mul_(1.0 / math.sqrt(layer.fan_in)).addcmul_(noise[index], sd)
            a = z if index == len(layers) - 1 else z.relu_()
        if mask is not None:
            a = a + mask
        log_p = torch.log_softmax(a, dim=1)
        loss = functional.nll_loss(log_p, y)
        g = log_p.exp_()
        g[torch.arange(len(y), device=g.device), y] -= 1.0
        g.mul_(1.0 / len(y))
        for index in range(len(layers) - 1, -1, -1):
            n = layers[index].fan_in
            k = (g * noise[index]).div_(deviations[index]).mul_(0.5 / n)
            g.mul_(1.0 / math.sqrt(n))
            torch.mm(inputs[index].t(), g, out=by_mean[index])
            torch.mm(squares[index].t(), k, out=by_variance[index])
            if index > 0:
                a = inputs[index]
                back = torch.mm(k, variance_views[index].t()).mul_(a).mul_(2.0).addmm_(g, mean_views[index].t())
                g = back.mul_(a > 0.0)
        self.gradient.addcmul_(self.mu, self._by_variance, value=-2.0)
        return float(loss)

    def draw_weights(self, generator: torch.Generator) -> Tensor:
        """One draw of all binary weights, +-1 with means mu : (n_weights,)."""
        uniform = torch.rand(self.mu.shape, generator=generator, dtype=self.dtype, device=self.device)
        return torch.where(2.0 * uniform - 1.0 < self.mu, 1.0, -1.0).to(self.dtype)

    def signs(self) -> Tensor:
        """The binary weights one would put on a chip: sign(theta), +1 at 0."""
        return torch.where(self.theta >= 0.0, 1.0, -1.0).to(self.dtype)

    def saturated(self, threshold: float = 0.01) -> float:
        """Fraction of weights whose variance v is below `threshold`: practically decided."""
        return float((self.v < threshold).to(torch.float64).mean())


def _linear(layer: Dense | Conv, a: Tensor, weights: Tensor) -> Tensor:
    if isinstance(layer, Dense):
        return a.flatten(1) @ weights
    return functional.conv2d(a.view(len(a), layer.n_in, *_sides(a, layer)), weights, padding=1)


def _sides(a: Tensor, layer: Conv) -> tuple[int, int]:
    side = a.shape[-1] if a.dim() == 4 else math.isqrt(a.shape[1] // layer.n_in)
    return (side, side)


class WeightNetwork(nn.Module):
    """The same architecture with full-precision weights and biases, initialised as torch does.

    `layers` holds a Linear or Conv2d for each layer; the weights start as uniform draws from `generator`.
    """

    def __init__(self, architecture: Architecture, generator: torch.Generator) -> None:
        super().__init__()
        self.architecture = architecture
        self.layers = nn.ModuleList()
        for layer in architecture.layers:
            bound = 1.0 / math.sqrt(layer.fan_in)
            module: nn.Module
            if isinstance(layer, Dense):
                module = nn.Linear(layer.n_in, layer.n_out, device=generator.device)
            else:
                module = nn.Conv2d(layer.n_in, layer.n_out, 3, padding=1, device=generator.device)
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)
            self.layers.append(module)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, n_outputs) of images `x : (batch, n_inputs)`."""
        a = x
        for index, (layer, module) in enumerate(zip(self.architecture.layers, self.layers, strict=True)):
            if isinstance(layer, Conv):
                a = functional.max_pool2d(torch.relu(module(a.view(len(a), layer.n_in, *_sides(a, layer)))), 2)
                continue
            a = module(a.flatten(1))
            if index < len(self.layers) - 1:
                a = torch.relu(a)
        return a

    @cached_property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the weight tensors; biases left out."""
        return tuple(name for name, parameter in self.named_parameters() if parameter.dim() > 1)
