"""Mean and variance of f(a), a ~ N(h, s), for each activation f centred and scaled to variance 1 under N(0, 1).

    mu(h, s) = E f(a),   nu(h, s) = E f(a)^2 - mu^2

and what a gradient needs of them. `h : (..., R, P)` are the mean preactivations, `s` broadcasts against it.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch

_ROOT_HALF = math.sqrt(0.5)
_ROOT_2PI = math.sqrt(2.0 * math.pi)
_X, _W = np.polynomial.legendre.leggauss(10)  # of Owen's T on [0, a], a <= 1


class Activation(Protocol):
    """One activation; `forward` gives (mu, nu), and `backward` the gradients by h and s from those by mu and nu."""

    odd: bool

    def value(self, a: torch.Tensor) -> torch.Tensor:
        """f(a) itself."""

    def forward(self, h: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """mu and nu."""

    def backward(
        self, h: torch.Tensor, s: torch.Tensor, mu: torch.Tensor, by_mu: torch.Tensor, by_nu: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """by_mu dmu + by_nu dnu = by_h dh + by_s ds: (by_h, by_s), both shaped like h."""


class Sign:
    """f = sign: mu = erf(h / sqrt(2 s)), nu = 1 - mu^2, from erfc so that rare signs keep their digits."""

    odd = True

    def value(self, a: torch.Tensor) -> torch.Tensor:
        return torch.sign(a)  # 0 of a tie, which an even number of inputs allows: no side is favoured

    def forward(self, h: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        t = h * s.rsqrt()
        rare = torch.erfc(t.abs() * _ROOT_HALF)
        return torch.copysign(1.0 - rare, t), rare * (2.0 - rare)

    def backward(
        self, h: torch.Tensor, s: torch.Tensor, mu: torch.Tensor, by_mu: torch.Tensor, by_nu: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        root = s.rsqrt()
        t = h * root
        by_h = (by_mu - 2.0 * mu * by_nu) * torch.exp(-0.5 * t * t) * (2.0 / _ROOT_2PI) * root
        return by_h, by_h * h * (-0.5 / s)


class Erf:
    """f(a) = sqrt 3 erf(a / sqrt 2): mu = sqrt 3 erf(k / sqrt 2) with k = h / sqrt(1 + s),
    E f^2 = 3 (1 - 8 T(k, 1 / sqrt(1 + 2 s))) with Owen's T."""

    odd = True

    def value(self, a: torch.Tensor) -> torch.Tensor:
        return math.sqrt(3.0) * torch.erf(a * _ROOT_HALF)

    def forward(self, h: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        k, a = h * (1.0 + s).rsqrt(), (1.0 + 2.0 * s).rsqrt()
        owen = torch.zeros_like(h)
        for x, w in zip(_X.tolist(), _W.tolist(), strict=True):
            factor = 1.0 + (0.5 * a * (x + 1.0)) ** 2
            owen += w * torch.exp(-0.5 * k * k * factor) / factor
        owen = owen * (0.25 * a / math.pi)
        mu = math.sqrt(3.0) * torch.erf(k * _ROOT_HALF)
        return mu, (3.0 - 24.0 * owen - mu * mu).clamp_min(0.0)

    def backward(
        self, h: torch.Tensor, s: torch.Tensor, mu: torch.Tensor, by_mu: torch.Tensor, by_nu: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        root, a = (1.0 + s).rsqrt(), (1.0 + 2.0 * s).rsqrt()
        k = h * root
        density = torch.exp(-0.5 * k * k) / _ROOT_2PI
        by_k = (by_mu - 2.0 * mu * by_nu) * (2.0 * math.sqrt(3.0)) * density
        by_k += by_nu * 12.0 * density * torch.erf(a * k * _ROOT_HALF)
        by_a = by_nu * (-12.0 / math.pi) * torch.exp(-0.5 * k * k * (1.0 + a * a)) / (1.0 + a * a)
        return by_k * root, -by_k * k * (0.5 / (1.0 + s)) - by_a * a**3


class Relu:
    """f(a) = (max(a, 0) - 1 / sqrt(2 pi)) / sqrt(1/2 - 1 / (2 pi))."""

    odd = False
    mean = 1.0 / _ROOT_2PI
    scale = math.sqrt(0.5 - 0.5 / math.pi)

    def value(self, a: torch.Tensor) -> torch.Tensor:
        return (a.clamp_min(0.0) - self.mean) / self.scale

    def _raw(self, h: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """E max(a, 0), the share of a > 0, and sqrt(s) times the normal density at h / sqrt(s)."""
        t = h * s.rsqrt()
        share, density = 0.5 * torch.erfc(-t * _ROOT_HALF), s.sqrt() * torch.exp(-0.5 * t * t) / _ROOT_2PI
        return h * share + density, share, density

    def forward(self, h: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, share, density = self._raw(h, s)
        second = (h * h + s) * share + h * density
        return (first - self.mean) / self.scale, (second - first * first).clamp_min(0.0) / self.scale**2

    def backward(
        self, h: torch.Tensor, s: torch.Tensor, mu: torch.Tensor, by_mu: torch.Tensor, by_nu: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        first, share, density = self._raw(h, s)
        by_first = by_mu / self.scale - 2.0 * first * by_nu / self.scale**2
        by_second = by_nu / self.scale**2
        return by_first * share + by_second * 2.0 * first, by_first * density * (0.5 / s) + by_second * share


class Linear:
    """f(a) = a."""

    odd = True

    def value(self, a: torch.Tensor) -> torch.Tensor:
        return a

    def forward(self, h: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return h, s.expand_as(h)

    def backward(
        self, h: torch.Tensor, s: torch.Tensor, mu: torch.Tensor, by_mu: torch.Tensor, by_nu: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return by_mu, by_nu


ACTIVATIONS: dict[str, Activation] = {"sign": Sign(), "erf": Erf(), "relu": Relu(), "linear": Linear()}
