"""R of `statmech_cl.spectral` on torch tensors, differentiable, and the methods that train with it.

Phi = |s| / (n ||W||^2), s = sum_j |What_j| Re What_j, takes one real transform; BB = (1/2) ||W - W_prev||^2 takes none
(Parseval).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .deep.methods import register
from .deep.methods_weights import WeightMethod


def coherence(w: Tensor) -> Tensor:
    """Phi of each row of `w : (..., n)`, real: (...), differentiable. Phi(0) = 0, with gradient 0 (there is none: Phi
    jumps). Half precision is transformed in float32."""
    w = w.float() if w.dtype in (torch.float16, torch.bfloat16) else w
    largest = w.detach().abs().amax(-1, keepdim=True)
    # Phi does not depend on the scale; at scale 1 no square overflows or vanishes.
    transform, n = torch.fft.rfft(w / torch.where(largest == 0.0, 1.0, largest)), w.shape[-1]

    def over_all(values: Tensor) -> Tensor:
        """The sum over all n frequencies: all but the first and a middle one have a twin."""
        total = 2.0 * values.sum(-1) - values[..., 0]
        return total if n % 2 else total - values[..., -1]

    modulus = transform.abs()
    power = over_all(modulus.square())  # n ||w||^2
    return over_all(modulus * transform.real).abs() / torch.where(power == 0.0, 1.0, power)


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
    terms = []
    for name, w in counting.items():
        if name not in previous:
            raise ValueError(f"previous must hold the same tensors as weights, got no {name!r}")
        if w.numel() == 0:
            raise ValueError(f"weights[{name!r}] must have at least one entry, got shape {tuple(w.shape)}")
        if previous[name].shape != w.shape:
            shapes = tuple(w.shape), tuple(previous[name].shape)
            raise ValueError(f"previous[{name!r}] must have shape {shapes[0]} as in weights, got {shapes[1]}")
        terms.append(0.5 * eta * (w - previous[name].detach()).square().sum())
        if lam > 0.0:
            terms.append(lam * (1.0 - coherence(w.reshape(-1))))
    return torch.stack(terms).sum()


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
