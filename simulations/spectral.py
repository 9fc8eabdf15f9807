"""Phi, BB and R of `statmech_cl.spectral` on torch tensors, differentiable, and the methods that train with them.

    d|s|/dWhat_j = conj-gradient g_j = u |What_j| + Re(conj(u) What_j) What_j / |What_j|,   u = s / |s|,
    dPhi/dW = [ F^H g - 2 n Phi W ] / (n ||W||^2),   s = sum_j |What_j| What_j,

with F^H the unnormalised inverse transform. For real W one real transform gives s and one inverse gives the gradient:
no arctangent and no complex autograd, whose intermediates cost several times more, and nothing to divide by where
What_j = 0 (g_j = 0 there). BB = (1/2) ||W - W_prev||^2 needs no transform (Parseval).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
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
            gap = (w - w_prev).reshape(-1)
            total += 0.5 * eta * torch.vdot(gap, gap).real
            gradient = gap.mul_(eta)
            if lam > 0.0:
                phi, by_w = coherence_and_gradient(w.reshape(-1), with_gradient=wanted)
                total += lam * (1.0 - phi)
                if by_w is not None:
                    gradient.add_(by_w, alpha=-lam)
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
    """Phi of each row of `w : (..., n)` and its gradient, shaped like w (for complex w: d/dRe + i d/dIm).

    On a CPU the work is done by NumPy, whose calls cost less than torch's; on a GPU by torch.
    """
    exact = w.detach().float() if w.dtype in (torch.float16, torch.bfloat16) else w.detach()
    if w.device.type == "cpu":
        phi, gradient = _coherence_and_gradient(np, exact.numpy(), _Fourier(exact), with_gradient)
        phi, gradient = torch.from_numpy(phi), None if gradient is None else torch.from_numpy(gradient)
    else:
        phi, gradient = _coherence_and_gradient(torch, exact, _Fourier(exact), with_gradient)
    return phi.squeeze(-1), None if gradient is None else gradient.to(w.dtype)


def _coherence_and_gradient(xp: Any, w: Any, fourier: _Fourier, with_gradient: bool) -> tuple[Any, Any]:
    """The same on arrays of `xp`, numpy or torch; Phi of shape (..., 1). In place where it can be: for long tensors a
    new array costs as much as a part of a transform.
    """
    largest = xp.abs(w).max() if fourier.complex else xp.maximum(w.max(), -w.min())
    zero = largest == 0.0
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    inverse = 1.0 / xp.where(zero, 1.0, largest)
    transform = fourier.forward(w)
    transform *= inverse
    modulus = xp.abs(transform)
    total = fourier.sum(xp.square(modulus))  # n ||w||^2
    total = xp.where(total == 0.0, 1.0, total)
    # For real w the twins' imaginary parts cancel.
    terms = modulus * (transform if fourier.complex else transform.real)
    s = fourier.sum(terms)
    size = xp.abs(s)
    phi = size / total
    if not with_gradient:
        return phi, None
    unit = s / xp.where(size == 0.0, 1.0, size)
    floor = modulus.clip(xp.finfo(modulus.dtype).tiny)
    if fourier.complex:
        turned = unit[..., None]
        gradient = fourier.backward(turned * modulus + (turned.conj() * transform).real / floor * transform)
    else:
        transform *= transform.real / floor
        real = transform.real
        real += modulus
        gradient = fourier.backward(transform)
        gradient *= unit
    gradient -= (2.0 * phi * inverse) * w
    gradient *= xp.where(zero, 0.0, fourier.n * inverse / total)
    return phi, gradient


class _Fourier:
    """The transform of rows, of real rows the half of it that decides the rest: (..., n) -> (..., a // 2 + 1, b).

    Real rows, n = a b: with k = b k_1 + k_2 and j = j_1 + a j_2 the transform is a real one over k_1, a twist by
    exp(-2 pi i j_1 k_2 / n), and a complex one over k_2. Many short transforms stay in the cache and take half the time
    of one long one; and Phi does not mind in which order the frequencies come. On a GPU, for complex rows, and where n
    is short or has no divisor near its root, b = 1: one transform.
    """

    def __init__(self, w: Tensor) -> None:
        self.n, self.complex, self.cpu = w.shape[-1], w.is_complex(), w.device.type == "cpu"
        self.b = _divisor(self.n) if self.cpu and not self.complex else 1
        self.a = self.n // self.b
        self.twist = _twist(self.a, self.b, w.dtype) if self.b > 1 else None

    def forward(self, w: Any) -> Any:
        if self.twist is not None:
            rows = torch.from_numpy(w).reshape(*w.shape[:-1], self.a, self.b)
            return torch.fft.fft(torch.fft.rfft(rows, dim=-2).mul_(self.twist)).numpy()
        # One long transform on a CPU: SciPy's is up to three times faster than torch's, and no less precise.
        library = scipy.fft if self.cpu else torch.fft
        return (library.fft(w) if self.complex else library.rfft(w))[..., None]

    def backward(self, transform: Any) -> Any:
        if self.twist is not None:
            inner = torch.fft.ifft(torch.from_numpy(transform)).mul_(self.twist.conj())
            return torch.fft.irfft(inner, n=self.a, dim=-2).flatten(-2).numpy()
        library = scipy.fft if self.cpu else torch.fft
        transform = transform[..., 0]
        return library.ifft(transform) if self.complex else library.irfft(transform, n=self.n)

    def sum(self, values: Any) -> Any:
        """Over all n frequencies: those of j_1 = 0, and of a middle j_1, are all there; the others have a twin."""
        total = values.sum((-1, -2))
        if not self.complex:
            total = 2.0 * total - values[..., 0, :].sum(-1)
            total = total if self.a % 2 else total - values[..., -1, :].sum(-1)
        return total[..., None]


_LONG = 2**15  # from here on, two rounds of short transforms are faster than one long one
_SHORT = 2**11


@lru_cache(maxsize=64)
def _divisor(n: int) -> int:
    """The largest divisor b <= sqrt(n) of a long n, if b and n / b are short enough to gain by; else 1."""
    if n < _LONG:
        return 1
    b = next(b for b in range(math.isqrt(n), 0, -1) if n % b == 0)
    return b if n // b <= _SHORT else 1


@lru_cache(maxsize=16)
def _twist(a: int, b: int, dtype: torch.dtype) -> Tensor:
    j, k = torch.arange(a // 2 + 1, dtype=torch.float64), torch.arange(b, dtype=torch.float64)
    angle = torch.outer(j, k).mul_(-2.0 * math.pi / (a * b))
    return torch.polar(torch.ones_like(angle), angle).to(dtype.to_complex())


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
