"""Networks whose weights are sampled as a whole, one draw for all images of a batch: relaxed binary ones, and Gaussian.

A binary weight of field h is drawn as w = tanh((h + g)/T), g half a logistic variable (the Gumbel-softmax of two
classes), which is smooth in h and +-1 as T -> 0. With u uniform in (0, 1) and t = 2u - 1, g = artanh(t); at T = 1

    w = (mu + t) / (1 + mu t),   mu = tanh(h),   dw/dh = (1 - w^2) / T.

Each layer is normalised over its units (layer norm, without scale and shift), the last one too; activations are
"gate" (1 where |z| > 1, else 0; backward +-1 where 1/2 < |z| < 3/2), "sign" (backward where |z| < 1) or "relu".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from statmech_cl.validation import check_choice

from .networks import Architecture

ACTIVATIONS = ("gate", "sign", "relu")


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, z: Tensor) -> Tensor:
        context.save_for_backward(z)
        return (z.abs() > 1.0).to(z.dtype)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (z,) = context.saved_tensors
        return gradient * z.sign() * ((z.abs() - 1.0).abs() < 0.5)


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, z: Tensor) -> Tensor:
        context.save_for_backward(z)
        return torch.copysign(torch.ones_like(z), z)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (z,) = context.saved_tensors
        return gradient * (z.abs() < 1.0)


def activate(name: str, z: Tensor) -> Tensor:
    """One of ACTIVATIONS."""
    if name == "gate":
        return _Gate.apply(z)
    return _Sign.apply(z) if name == "sign" else torch.relu(z)


def check_dense(architecture: Architecture, method: str, activation: str) -> None:
    """Refuse what the sampled networks cannot be."""
    if not architecture.dense:
        raise ValueError(f"architecture of {method} must have dense layers only, got {architecture.name!r}")
    check_choice(f"option activation of {method}", activation, ACTIVATIONS)


def propagate(
    architecture: Architecture, x: Tensor, weights: Tensor, *, activation: str = "gate", norm: bool = True
) -> Tensor:
    """Logits (draws, batch, n_outputs) of `x : (batch, n_inputs)` under `weights : (draws, n_weights)`."""
    sizes = [layer.shape[0] * layer.shape[1] for layer in architecture.layers]
    a = x
    last = len(sizes) - 1
    for index, (flat, layer) in enumerate(zip(weights.split(sizes, dim=1), architecture.layers, strict=True)):
        z = a @ flat.view(len(weights), *layer.shape)
        if norm:
            z = functional.layer_norm(z, z.shape[-1:])
        if index == last:
            return z
        a = activate(activation, z)
    raise AssertionError("an architecture has layers")


def loss_gradient(
    architecture: Architecture,
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    mask: Tensor | None,
    *,
    activation: str = "gate",
    norm: bool = True,
) -> tuple[float, Tensor]:
    """-mean over draws of sum over images ln p(y|x, w), and its gradient in `weights : (draws, n_weights)`."""
    w = weights.detach().requires_grad_()
    logits = propagate(architecture, x, w, activation=activation, norm=norm)
    log_p = torch.log_softmax(logits if mask is None else logits + mask, dim=-1)
    loss = functional.nll_loss(log_p.flatten(0, 1), y.repeat(len(w)), reduction="sum") / len(w)
    (gradient,) = torch.autograd.grad(loss, w)
    return float(loss.detach()), gradient


def relaxed_draws(h: Tensor, mu: Tensor, temperature: float, draws: int, generator: torch.Generator) -> Tensor:
    """Relaxed binary weights (draws, n_weights) of fields `h` with means `mu = tanh(h)`."""
    t = torch.rand(draws, len(h), generator=generator, dtype=h.dtype, device=h.device).mul_(2.0).sub_(1.0)
    t.clamp_(-1.0 + 1e-7, 1.0 - 1e-7)
    if temperature == 1.0:
        below = torch.mul(t, mu).add_(1.0)
        return t.add_(mu).div_(below)
    return torch.atanh(t).add_(h).div_(temperature).tanh_()


def binary_draw(mu: Tensor, generator: torch.Generator) -> Tensor:
    """One draw of all binary weights, +-1 with means `mu : (n_weights,)`."""
    uniform = torch.rand(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return torch.copysign(torch.ones_like(mu), mu + 1.0 - 2.0 * uniform)
