"""MESU: Gaussian weights whose learning rate is their own uncertainty (arXiv:2504.13569)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .methods import Method, register
from .networks_sampled import check_dense, loss_gradient, propagate

_SAMPLES = 5


@register
class MESU(Method):
    """Metaplasticity from synaptic uncertainty with bounded memory, as released. Weights w = m + s e, e ~ N(0, 1):

        m <- m + lr_mean [ -s^2 dL/dm - s^2 m / (N s0^2) ]
        s <- s + (lr_deviation / 2) [ -s^2 dL/ds + s (s0^2 - s^2) / (N s0^2) ]

    N = `memory` in steps, s0 = `prior`, gradients clamped to +-clamp/s (0 for no clamp), L summed over the batch. ReLU,
    no bias, no norm. Published with batches of one image, ten samples; the settings of its long runs on a hidden layer
    of 100 units are the defaults. Views: "mean" (s = 0) and "sampled" (five draws).
    """

    name = "mesu"
    summary = "full precision, Gaussian weights, bounded memory (as released)"
    defaults: ClassVar[dict[str, Any]] = {
        "samples": 10,
        "lr_mean": 1.6,
        "lr_deviation": 2.1,
        "prior": 0.3,
        "memory": 6e5,
        "clamp": 0.36,
    }
    views = ("mean", "sampled")

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        check_dense(architecture, self.name, "relu")
        if self.options["samples"] < 1:
            raise ValueError(f"option samples of mesu must be a whole number >= 1, got {self.options['samples']}")
        means, deviations = [], []
        for layer in architecture.layers:
            bound = 4.0 / math.sqrt(layer.fan_in)
            n = math.prod(layer.shape)
            means.append(torch.empty(n, device=self.device).uniform_(-bound, bound, generator=self.generator))
            deviations.append(torch.full((n,), 0.25 * bound, device=self.device))
        self.mean, self.deviation = torch.cat(means), torch.cat(deviations)
        self._read = self.mean
        self._eval_generator = torch.Generator(device=self.device)

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        o = self.options
        shape = (o["samples"], len(self.mean))
        e = torch.randn(shape, generator=self.generator, device=self.device)
        weights = torch.addcmul(self.mean, e, self.deviation)
        loss, gradient = loss_gradient(self.architecture, x, y, weights, self.mask, activation="relu", norm=False)
        self.update(gradient.sum(dim=0), gradient.mul_(e).sum(dim=0))
        return loss / len(y)

    def update(self, by_mean: Tensor, by_deviation: Tensor) -> None:
        """Move m and s, given dL/dm and dL/ds, (n_weights,) each."""
        o, s = self.options, self.deviation
        if o["clamp"] > 0.0:
            bound = o["clamp"] / s
            by_mean, by_deviation = by_mean.clamp(-bound, bound), by_deviation.clamp(-bound, bound)
        variance = s.square()
        pull = o["memory"] * o["prior"] ** 2
        change = -variance * by_mean - variance * self.mean / pull
        spread = -variance * by_deviation + s * (o["prior"] ** 2 - variance) / pull
        self.mean.add_(change, alpha=o["lr_mean"])
        s.add_(spread, alpha=0.5 * o["lr_deviation"])

    def prepare(self, view: str, sample: int) -> None:
        self._read = self.mean
        if view == "sampled":
            self._eval_generator.manual_seed(sample)
            e = torch.randn(self.mean.shape, generator=self._eval_generator, device=self.device)
            self._read = torch.addcmul(self.mean, e, self.deviation)

    def samples(self, view: str) -> int:
        return _SAMPLES if view == "sampled" else 1

    @torch.no_grad()
    def logits(self, x: Tensor, view: str, task: int) -> Tensor:
        return propagate(self.architecture, x, self._read[None], activation="relu", norm=False)[0]

    def diagnostics(self) -> dict[str, float]:
        return {"mean_deviation": float(self.deviation.double().mean())}

    def weight_tensors(self) -> dict[str, Tensor]:
        return {f"layers.{index}.mean": part for index, part in enumerate(self.architecture.views(self.mean))}

    def state(self) -> dict[str, Any]:
        return {
            "mean": self.mean.clone(),
            "deviation": self.deviation.clone(),
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.mean.copy_(state["mean"])
        self.deviation.copy_(state["deviation"])
        self.generator.set_state(state["generator"].cpu())  # kept on the host, wherever the tensors are
