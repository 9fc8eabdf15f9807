"""Binary weights learned from draws of themselves, as published: BiMU and BayesBiNN.

Notation: fields theta, means mu = tanh(theta), variances v = 1 - mu^2; L is summed over the images of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .methods import Method, TaskInfo, register
from .networks_sampled import binary_draw, check_dense, loss_gradient, propagate, relaxed_draws

_SAMPLES = 5


class SampledMethod(Method):
    """Fields of binary weights, trained on relaxed draws of the weights.

    Views: "sign", "mean", "sampled" (five draws; the published accuracies are of their averaged answers, here
    `accuracy_averaged`).
    """

    defaults: ClassVar[dict[str, Any]] = {"samples": 1, "temperature": 1.0, "activation": "gate"}
    views = ("sign", "mean", "sampled")

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        o = self.options
        check_dense(architecture, self.name, o["activation"])
        if o["samples"] < 1:
            raise ValueError(f"option samples of {self.name} must be a whole number >= 1, got {o['samples']}")
        if o["temperature"] <= 0.0:
            raise ValueError(f"option temperature of {self.name} must be above 0, got {o['temperature']}")
        self.theta = self.initial()
        self.mu = torch.tanh(self.theta)
        self._read = self.mu
        self._eval_generator = torch.Generator(device=self.device)

    def initial(self) -> Tensor:
        """The fields to begin with, (n_weights,)."""
        raise NotImplementedError

    def update(self, gradient: Tensor, draws: Tensor, progress: float) -> None:
        """Move `theta`, given dL/dw of each draw, (samples, n_weights)."""
        raise NotImplementedError

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        o = self.options
        draws = relaxed_draws(self.theta, self.mu, o["temperature"], o["samples"], self.generator)
        loss, gradient = loss_gradient(self.architecture, x, y, draws, self.mask, activation=o["activation"])
        self.update(gradient, draws, progress)
        torch.tanh(self.theta, out=self.mu)
        return loss / len(y)

    def prepare(self, view: str, sample: int) -> None:
        self._eval_generator.manual_seed(sample)
        if view == "sampled":
            self._read = binary_draw(self.mu, self._eval_generator)
        else:
            self._read = torch.copysign(torch.ones_like(self.mu), self.theta) if view == "sign" else self.mu

    def samples(self, view: str) -> int:
        return _SAMPLES if view == "sampled" else 1

    @torch.no_grad()
    def logits(self, x: Tensor, view: str, task: int) -> Tensor:
        return propagate(self.architecture, x, self._read[None], activation=self.options["activation"])[0]

    def diagnostics(self) -> dict[str, float]:
        v = 1.0 - self.mu.double().square()
        return {"saturated": float((v < 0.01).double().mean()), "mean_v": float(v.mean())}

    def weight_tensors(self) -> dict[str, Tensor]:
        return {f"layers.{index}.fields": part for index, part in enumerate(self.architecture.views(self.theta))}

    def state(self) -> dict[str, Any]:
        return {"theta": self.theta.clone(), "generator": self.generator.get_state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.theta.copy_(state["theta"])
        torch.tanh(self.theta, out=self.mu)
        self.generator.set_state(state["generator"].cpu())  # kept on the host, wherever the tensors are


@register
class BiMU(SampledMethod):
    """Binary metaplasticity from uncertainty with bounded memory (arXiv:2605.30198), as released:

        theta <- theta - (lr g + c v theta / memory) / (c v + 2 g mu + 2 |g| + 1 / lr_max),   g = likelihood dL/dtheta,

    c = `kl`, `memory` = N in steps. The step is asymmetric: where g would shrink |theta| (g mu > 0) the denominator is
    larger. No task boundary enters. Published with batches of one image and five samples, on a hidden layer of 100
    units; the settings of its long runs there are the defaults.
    """

    name = "bimu"
    summary = "binary, bounded memory, asymmetric steps that shrink with certainty (as released)"
    defaults: ClassVar[dict[str, Any]] = {
        **SampledMethod.defaults,
        "samples": 5,
        "lr": 4.9,
        "lr_max": 0.0023,
        "likelihood": 161.3,
        "kl": 3.76,
        "memory": 700.0,
    }

    def initial(self) -> Tensor:
        parts = []
        for layer in self.architecture.layers:
            bound = 1.0 / math.sqrt(layer.fan_in)
            parts.append(
                torch.empty(math.prod(layer.shape), device=self.device).uniform_(
                    -bound, bound, generator=self.generator
                )
            )
        return torch.cat(parts)

    def update(self, gradient: Tensor, draws: Tensor, progress: float) -> None:
        o = self.options
        by_field = gradient.addcmul_(gradient * draws, draws, value=-1.0)  # dw/dtheta = (1 - w^2) / T
        g = by_field.sum(dim=0).mul_(o["likelihood"] / o["temperature"])  # the mean over draws is in the loss
        cv = self.mu.square().neg_().add_(1.0).mul_(o["kl"])
        below = torch.addcmul(cv, g, self.mu, value=2.0).add_(g.abs(), alpha=2.0).add_(1.0 / o["lr_max"])
        relaxed = cv.mul_(self.theta).mul_(1.0 / o["memory"])
        self.theta.addcdiv_(relaxed.add_(g, alpha=o["lr"]), below, value=-1.0)


@register
class BayesBiNN(SampledMethod):
    """BayesBiNN (Meng, Bachmann & Khan, ICML 2020), as published:

        theta <- theta - lr_t [ P g + theta - theta_prev ],   g = (dL/dw) (1 - w^2) / (T (1 - mu^2)),

    L a mean over the batch, P the training patterns of the task, theta_prev = 0 during the first; theta begins at +-10
    and lr_t = lr (1 + cos(pi progress)) / 2 falls anew in each task. `init` is that 10. The network is normalised over
    its units (layer norm), where the published one is over the batch. Published with 100 epochs for each task, batches
    of 100 and layers of 100 units.
    """

    name = "bayesbinn"
    summary = "binary, natural gradient from Gumbel samples, cosine decay (as published)"
    defaults: ClassVar[dict[str, Any]] = {
        **SampledMethod.defaults,
        "temperature": 0.01,
        "activation": "relu",
        "lr": 1e-3,
        "init": 10.0,
    }

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        self.previous = torch.zeros_like(self.theta)

    def initial(self) -> Tensor:
        shape = (self.architecture.n_weights,)
        heads = torch.randint(0, 2, shape, generator=self.generator, device=self.device)
        return heads.mul(2.0 * self.options["init"]).sub_(self.options["init"])

    def begin_task(self, task: TaskInfo) -> None:
        super().begin_task(task)
        self.previous = self.theta.clone() if task.index > 0 else torch.zeros_like(self.theta)

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        self._batch = len(y)
        return super().step(x, y, progress)

    def update(self, gradient: Tensor, draws: Tensor, progress: float) -> None:
        assert self.task is not None
        o = self.options
        lr = 0.5 * o["lr"] * (1.0 + math.cos(math.pi * progress))
        # 1e-10 apart from 1, which would swallow it: both are 0 in float32 where fields are large
        below = self.mu.square().neg_().add_(1.0).add_(1e-10)
        scale = draws.mul_(draws).neg_().add_(1.0).add_(1e-10).div_(below)
        g = gradient.mul_(scale).sum(dim=0).mul_(self.task.n_patterns / (self._batch * o["temperature"]))
        self.theta.add_(g.add_(self.theta).sub_(self.previous), alpha=-lr)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "previous": self.previous.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.previous = state["previous"].clone()
