"""R of `statmech_cl.spectral` on torch tensors, with its gradient, and the methods that train with it.

    s = sum_j |What_j| Re What_j,   g_j = sign(s) (|What_j| + Re What_j / |What_j| What_j),
    dPhi/dW = [ F^H g - 2 n Phi W ] / (n ||W||^2),

with F^H the unnormalised inverse transform. One real transform gives s and one inverse gives the gradient: no
arctangent and no complex autograd, whose intermediates cost several times more, and nothing to divide by where
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


def regulariser(
    weights: Mapping[str, Tensor], previous: Mapping[str, Tensor], lam: float = 1.0, eta: float = 3.0
) -> Tensor:
    """R = sum of lam (1 - Phi(W)) + eta BB(W, W_prev), W_prev the tensor of that name in `previous`.

    As in `statmech_cl.spectral`, tensors of two or more dimensions count: biases are left out. `previous` is taken as
    constant. At lam = 0 no transform is computed.

    Raises
    ------
    ValueError : no weight tensor, one that is empty, or one of another shape or name in `previous`. Values that are not
        finite are not looked for: they pass through, as in any loss.
    """
    counting = {name: w for name, w in weights.items() if w.ndim >= 2}
    if not counting:
        raise ValueError(f"weights must hold a weight tensor of two or more dimensions, got names {list(weights)}")
    for name, w in counting.items():
        if name not in previous:
            raise ValueError(f"previous must hold the same tensors as weights, got no {name!r}")
        if w.numel() == 0:
            raise ValueError(f"weights[{name!r}] must have at least one entry, got shape {tuple(w.shape)}")
        if previous[name].shape != w.shape:
            shapes = tuple(w.shape), tuple(previous[name].shape)
            raise ValueError(f"previous[{name!r}] must have shape {shapes[0]} as in weights, got {shapes[1]}")
    return _Regulariser.apply(lam, eta, [previous[name] for name in counting], *counting.values())


class _Regulariser(torch.autograd.Function):
    """Value and gradient of all terms in one go: fewer passes over memory than autograd makes."""

    @staticmethod
    def forward(context: Any, lam: float, eta: float, previous: list[Tensor], *weights: Tensor) -> Tensor:
        wanted = any(context.needs_input_grad)
        total = torch.zeros((), dtype=weights[0].dtype, device=weights[0].device)
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
    value = 0.5 * eta * torch.dot(gap, gap)
    gradient = gap.mul_(eta)
    if lam > 0.0:
        phi, by_phi = coherence_and_gradient(w, with_gradient=with_gradient)
        value += lam * (1.0 - phi)
        if by_phi is not None:
            gradient.add_(by_phi, alpha=-lam)
    return value, gradient


@torch.no_grad()
def coherence_and_gradient(w: Tensor, *, with_gradient: bool = True) -> tuple[Tensor, Tensor | None]:
    """Phi of each row of `w : (..., n)` and its gradient, shaped like w; half precision is transformed in float32."""
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
    """The same on a GPU."""
    largest = w.abs().amax(-1, keepdim=True)
    zero = largest == 0.0
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    w = w / torch.where(zero, 1.0, largest)
    transform, n = torch.fft.rfft(w), w.shape[-1]

    def over_all(values: Tensor) -> Tensor:
        """The sum over all n frequencies: all but the first and a middle one have a twin."""
        total = 2.0 * values.sum(-1, keepdim=True) - values[..., :1]
        return total if n % 2 else total - values[..., -1:]

    modulus = transform.abs()
    total = over_all(modulus.square())  # n ||w||^2
    total = torch.where(total == 0.0, 1.0, total)
    s = over_all(modulus * transform.real)
    phi = s.abs() / total
    if not with_gradient:
        return phi.squeeze(-1), None
    cosine = transform.real / modulus.clip(torch.finfo(modulus.dtype).tiny)
    gradient = s.sign() * torch.fft.irfft(modulus + cosine * transform, n=n)
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
