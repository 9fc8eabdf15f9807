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

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .deep.methods import register
from .deep.methods_weights import WeightMethod


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

    `previous` is taken as constant. At lam = 0 no transform is computed.

    Raises
    ------
    ValueError : no weights, a tensor that is empty, or one of another shape or name in `previous`. Values that are not
        finite are not looked for: they pass through, as in any loss.
    """
    terms = list(weights.values())
    if not terms:
        raise ValueError("weights must hold at least one tensor, got none")
    for name, w in weights.items():
        if name not in previous:
            raise ValueError(f"previous must hold the same tensors as weights, got no {name!r}")
        if w.numel() == 0:
            raise ValueError(f"weights[{name!r}] must have at least one entry, got shape {tuple(w.shape)}")
        if previous[name].shape != w.shape:
            shapes = tuple(w.shape), tuple(previous[name].shape)
            raise ValueError(f"previous[{name!r}] must have shape {shapes[0]} as in weights, got {shapes[1]}")
    return _Regulariser.apply(lam, eta, [previous[name] for name in weights], *terms)


class _Regulariser(torch.autograd.Function):
    """Value and gradient of all terms in one go: fewer passes over memory than autograd makes."""

    @staticmethod
    def forward(context: Any, lam: float, eta: float, previous: list[Tensor], *weights: Tensor) -> Tensor:
        wanted = any(context.needs_input_grad)
        total = torch.zeros((), dtype=weights[0].abs().dtype, device=weights[0].device)
        gradients = []
        for w, w_prev in zip(weights, previous, strict=True):
            value, gradient = _term(w.detach().reshape(-1), w_prev.detach().reshape(-1), lam, eta, wanted)
            total += value
            gradients.append(gradient.view(w.shape))
        if wanted:
            context.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(context: Any, by_total: Tensor) -> tuple[Tensor | None, ...]:
        gradients = context.saved_tensors
        if by_total.device.type == "cuda" or by_total != 1.0:  # on a GPU, looking would make it wait
            gradients = [by_total * gradient for gradient in gradients]
        return None, None, None, *gradients


def _term(w: Tensor, w_prev: Tensor, lam: float, eta: float, with_gradient: bool) -> tuple[Tensor | float, Tensor]:
    """lam (1 - Phi) + eta BB of flat tensors, and its gradient (that of eta BB alone where none is wanted)."""
    if lam > 0.0 and with_gradient and _compiled(w) and w.dtype == w_prev.dtype:
        from . import spectral_cpu

        term, by_w = spectral_cpu.regulariser(w.numpy(), w_prev.numpy(), lam, eta)
        return term, torch.from_numpy(by_w)
    gap = w - w_prev
    value = 0.5 * eta * torch.vdot(gap, gap).real
    gradient = gap.mul_(eta)
    if lam > 0.0:
        phi, by_phi = coherence_and_gradient(w, with_gradient=with_gradient)
        value += lam * (1.0 - phi)
        if by_phi is not None:
            gradient.add_(by_phi, alpha=-lam)
    return value, gradient


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
    exact = w.detach().float() if w.dtype in (torch.float16, torch.bfloat16) else w.detach()
    if not _compiled(exact):
        phi, gradient = _by_torch(exact, with_gradient)
        return phi, None if gradient is None else gradient.to(w.dtype)
    from . import spectral_cpu  # numba takes long to load

    rows = exact.reshape(-1, w.shape[-1]).numpy()
    if not with_gradient:
        return torch.from_numpy(spectral_cpu.coherence(rows)).view(w.shape[:-1]), None
    phi, gradient = map(torch.from_numpy, spectral_cpu.coherence_and_gradient(rows))
    return phi.view(w.shape[:-1]), gradient.view(w.shape).to(w.dtype)


def _compiled(w: Tensor) -> bool:
    """Whether `spectral_cpu` does it."""
    return w.device.type == "cpu" and w.dtype in (torch.float32, torch.float64)


def _by_torch(w: Tensor, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """The same on a GPU, and for complex rows."""
    largest = w.abs().amax(-1, keepdim=True)
    zero = largest == 0.0
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    w = w / torch.where(zero, 1.0, largest)
    transform = torch.fft.fft(w) if w.is_complex() else torch.fft.rfft(w)
    n, real = w.shape[-1], not w.is_complex()

    def over_all(values: Tensor) -> Tensor:
        """The sum over all n frequencies: of real rows, all but the first and a middle one have a twin."""
        total = values.sum(-1, keepdim=True)
        if real:
            total = 2.0 * total - values[..., :1]
            total = total if n % 2 else total - values[..., -1:]
        return total

    modulus = transform.abs()
    total = over_all(modulus.square())  # n ||w||^2
    total = torch.where(total == 0.0, 1.0, total)
    # For real w the twins' imaginary parts cancel.
    s = over_all(modulus * (transform.real if real else transform))
    size = s.abs()
    phi = size / total
    if not with_gradient:
        return phi.squeeze(-1), None
    unit = s / torch.where(size == 0.0, 1.0, size)
    cosine = (unit.conj() * transform).real / modulus.clip(torch.finfo(modulus.dtype).tiny)
    gradient = unit * modulus + cosine * transform
    gradient = torch.fft.irfft(gradient, n=n) if real else torch.fft.ifft(gradient)
    gradient = (gradient - 2.0 * phi * w) * torch.where(zero, 0.0, n / (total * torch.where(zero, 1.0, largest)))
    return phi.squeeze(-1), gradient


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
