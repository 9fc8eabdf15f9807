"""Phi, BB and R of `statmech_cl.spectral` on torch tensors, differentiable, and the methods that train with them.

    d|s|/dWhat_j = conj-gradient g_j = u |What_j| + Re(conj(u) What_j) What_j / |What_j|,   u = s / |s|,
    dPhi/dW = [ F^H g - 2 n Phi W ] / (n ||W||^2),   s = sum_j |What_j| What_j,

with F^H the unnormalised inverse transform. For real W one real transform gives s and one inverse gives the gradient:
no arctangent and no complex autograd, whose intermediates cost several times more, and nothing to divide by where
What_j = 0 (g_j = 0 there). BB = (1/2) ||W - W_prev||^2 needs no transform (Parseval).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import scipy.fft
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .methods import register
from .methods_weights import WeightMethod


def coherence(w: Tensor) -> Tensor:
    """Phi of one tensor, flattened: a number in [0, 1] of no dimension; gradients for real and complex tensors.

    Phi(0) = 0, with gradient 0 (there is none: Phi jumps). Half-precision weights are transformed in float32.
    """
    return rowwise_coherence(w.reshape(1, -1))[0]


def rowwise_coherence(w: Tensor) -> Tensor:
    """Phi of each row, `w : (..., n)` -> (...)."""
    return _Coherence.apply(w)


def anastrophic_beta(w: Tensor, w_prev: Tensor) -> Tensor:
    """BB = (1/2) sum |W - W_prev|^2 of two tensors of one shape; a number of no dimension."""
    gap = (w - w_prev).flatten()
    return 0.5 * torch.vdot(gap, gap).real


def regulariser(
    weights: Mapping[str, Tensor], previous: Mapping[str, Tensor], lam: float = 1.0, eta: float = 3.0
) -> Tensor:
    """R = sum over `weights` of lam (1 - Phi(W)) + eta BB(W, W_prev), W_prev the tensor of that name in `previous`.

    A term whose strength is 0 is not computed.
    """
    terms = []
    for name, w in weights.items():
        if lam > 0.0:
            terms.append(lam * (1.0 - coherence(w)))
        if eta > 0.0:
            terms.append(eta * anastrophic_beta(w, previous[name]))
    return torch.stack(terms).sum() if terms else torch.zeros(())


class _Coherence(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, w: Tensor) -> Tensor:
        phi, gradient = coherence_and_gradient(w, with_gradient=context.needs_input_grad[0])
        if gradient is not None:
            context.save_for_backward(gradient)
        return phi

    @staticmethod
    @once_differentiable
    def backward(context: Any, by_phi: Tensor) -> Tensor:
        (gradient,) = context.saved_tensors
        return by_phi.unsqueeze(-1) * gradient


@torch.no_grad()
def coherence_and_gradient(w: Tensor, *, with_gradient: bool = True) -> tuple[Tensor, Tensor | None]:
    """Phi of each row of `w : (..., n)` and its gradient, shaped like w (for complex w: d/dRe + i d/dIm)."""
    n = w.shape[-1]
    exact = w.float() if w.dtype in (torch.float16, torch.bfloat16) else w
    largest = exact.abs().amax(-1, keepdim=True)
    zero = largest == 0.0
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    scale = torch.where(zero, 1.0, largest)
    u = exact / scale
    power = torch.where(zero, 1.0, (u.abs() if u.is_complex() else u).square().sum(-1, keepdim=True))
    transform = _forward(u)
    real, imaginary = transform.real, transform.imag  # these run several times faster than torch's complex abs
    modulus = torch.addcmul(real * real, imaginary, imaginary).sqrt_()
    if u.is_complex():
        s = (modulus * transform).sum(-1, keepdim=True)
    else:
        terms = modulus * real
        s = 2.0 * terms.sum(-1, keepdim=True) - terms[..., :1]
        if n % 2 == 0:  # the middle frequency has no twin
            s -= terms[..., -1:]
    phi = s.abs() / (n * power)
    if not with_gradient:
        return phi.squeeze(-1).to(largest.dtype), None
    unit = torch.sgn(s)
    floor = modulus.clamp_min(torch.finfo(modulus.dtype).tiny)
    if u.is_complex():
        gradient = torch.fft.ifft(unit * modulus + (unit.conj() * transform).real / floor * transform)
    else:
        transform.mul_(real / floor).real.add_(modulus)
        gradient = _backward(transform, n).mul_(unit)
    factor = torch.where(zero, 0.0, 1.0 / (power * scale))
    gradient.addcmul_(u, phi, value=-2.0).mul_(factor)
    return phi.squeeze(-1).to(largest.dtype), gradient.to(w.dtype)


def _forward(u: Tensor) -> Tensor:
    if u.is_complex():
        return torch.fft.fft(u)
    if u.device.type == "cpu":  # up to three times faster than torch's, and in the precision of u just as well
        return torch.from_numpy(scipy.fft.rfft(u.detach().numpy()))
    return torch.fft.rfft(u)


def _backward(transform: Tensor, n: int) -> Tensor:
    if transform.device.type == "cpu":
        return torch.from_numpy(scipy.fft.irfft(transform.numpy(), n=n, overwrite_x=True))
    return torch.fft.irfft(transform, n=n)


@register
class Rana(WeightMethod):
    """Penalty R = lam (1 - Phi) + eta BB(W, W_prev) over the weight tensors, from the second task on (Zenodo 18699347).

    eta BB is the penalty of the method l2 at strength eta.
    """

    name = "rana"
    summary = "full precision, spectral regulariser lam (1 - Phi) + eta BB"
    defaults: ClassVar[dict[str, Any]] = {**WeightMethod.defaults, "lam": 1.0, "eta": 3.0}

    def penalty(self) -> Tensor | None:
        if not self.previous:
            return None
        return regulariser(self.weights(), self.previous, self.options["lam"], self.options["eta"])


@register
class PhiOnly(WeightMethod):
    """Penalty lam (1 - Phi) over the weight tensors, from the second task on: the regulariser R without its BB."""

    name = "phi-only"
    summary = "full precision, spectral coherence alone: lam (1 - Phi)"
    defaults: ClassVar[dict[str, Any]] = {**WeightMethod.defaults, "lam": 1.0}

    def penalty(self) -> Tensor | None:
        if not self.previous:
            return None
        return regulariser(self.weights(), self.previous, self.options["lam"], 0.0)
