"""Binary weights in field space: what all methods with such weights share, and variational learning with Adam.

Notation: fields h = beta_f theta, means mu = tanh(h), variances v = sech^2(h), reference h_prev the fields at the end
of the previous task, P the training patterns of the task. L is the mean cross-entropy, so that the evidence bound is
L + (gamma / P) A(h | h_prev) with an anchor A summed over the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..field_space import kl_divergence
from .methods import Batches, Method, TaskInfo
from .networks import Annealing, FieldNetwork

_SAMPLES = 4


class FieldMethod(Method):
    """Fields of binary weights, trained on the loss under the Gaussian field approximation.

    Views: "sign" (the binary weights sign(theta)), "mean" (the means), "sampled" (binary weights drawn from the
    posterior, accuracies of single draws averaged), "fields" (the noise of training left on).
    """

    defaults: ClassVar[dict[str, Any]] = {"lr": 0.01, "init": 0.1}
    views = ("sign", "mean", "sampled", "fields")

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        self.network = FieldNetwork(architecture, self.generator, init=self.options["init"])
        self.reference: Tensor | None = None
        self._read = self.network.mu
        # Evaluation must not move the training noise: a run that is evaluated more often ends in the same weights.
        self._eval_generator = torch.Generator(device=self.device)

    def temperature(self, progress: float) -> float:
        """beta_f at this point of the task."""
        return 1.0

    def update(self, progress: float) -> None:
        """Move `network.theta`, given `network.gradient` = dL/dmu at the present moments."""
        raise NotImplementedError

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        self.network.refresh(self.temperature(progress))
        loss = self.network.loss_gradient(x, y, self.mask)
        self.update(progress)
        return loss

    def end_task(self, batches: Batches) -> None:
        self.network.refresh(self.network.beta_f)
        self.reference = self.network.fields.clone()

    def prepare(self, view: str, sample: int) -> None:
        self.network.refresh(self.network.beta_f)
        self._eval_generator.manual_seed(sample)
        if view == "sampled":
            self._read = self.network.draw_weights(self._eval_generator)
        else:
            self._read = self.network.signs() if view == "sign" else self.network.mu

    def samples(self, view: str) -> int:
        # One draw of the weights serves all images of an evaluation; the noise on the fields is fresh for each image.
        return _SAMPLES if view == "sampled" else 1

    @torch.no_grad()
    def logits(self, x: Tensor, view: str, task: int) -> Tensor:
        if view == "fields":
            noise = self.network.draw_noise(len(x), self._eval_generator)
            return self.network.propagate(x, self._read, self.network.v, noise)
        return self.network.propagate(x, self._read)

    def kl(self) -> float:
        """KL(q_theta || q_previous) in nats, summed over the weights; 0 before there is a previous task."""
        if self.reference is None:
            return 0.0
        return float(kl_divergence(self.network.fields.double(), self.reference.double()).sum())

    def diagnostics(self) -> dict[str, float]:
        self.network.refresh(self.network.beta_f)  # the last step moved theta
        v = self.network.v
        return {
            "beta_f": self.network.beta_f,
            "saturated": self.network.saturated(),
            "mean_v": float(v.double().mean()),
            "kl": self.kl(),
        }

    def histogram(self) -> list[float]:
        """Fraction of the weights in each of 20 equal bins of v, from 0 to 1."""
        counts = torch.histc(self.network.v, bins=20, min=0.0, max=1.0)
        return (counts.double() / self.network.v.numel()).tolist()

    def weight_tensors(self) -> dict[str, Tensor]:
        fields = self.architecture.views(self.network.beta_f * self.network.theta)
        return {f"layers.{index}.fields": layer for index, layer in enumerate(fields)}

    def state(self) -> dict[str, Any]:
        return {
            "theta": self.network.theta.detach().clone(),
            "beta_f": self.network.beta_f,
            "reference": self.reference,
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.network.theta.data.copy_(state["theta"])
        self.network.refresh(state["beta_f"])
        self.reference = state["reference"]
        self.generator.set_state(state["generator"].cpu())  # kept on the host, wherever the tensors are


class AdamField(FieldMethod):
    """Adam(0.9, 0.99) on theta under an annealed field temperature beta_f = beta_max tanh(offset + rate progress).

    dL/dtheta = beta_f [ v dL/dmu + (gamma/P) c (h - h_prev) ], with the anchor's curvature c from `curvature()`.
    """

    defaults: ClassVar[dict[str, Any]] = {
        **FieldMethod.defaults,
        "eps": 1e-8,
        "anneal": "run",
        "beta_max": 10.0,
        "anneal_offset": 0.1,
        "anneal_rate": 2.0,
        "anneal_steps": 0,
    }

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        o = self.options
        self.annealing = Annealing(o["anneal"], o["beta_max"], o["anneal_offset"], o["anneal_rate"], o["anneal_steps"])
        self.steps = 0
        self.network.theta.grad = torch.zeros_like(self.network.theta)
        self.optimiser = self._new_optimiser()

    @classmethod
    def knows_horizon(cls, options: Mapping[str, Any]) -> bool:
        return options["anneal"] == "run"

    def _new_optimiser(self) -> torch.optim.Optimizer:
        o = self.options
        return torch.optim.Adam([self.network.theta], lr=o["lr"], betas=(0.9, 0.99), eps=o["eps"], fused=True)

    def begin_task(self, task: TaskInfo) -> None:
        super().begin_task(task)
        self.optimiser = self._new_optimiser()

    def temperature(self, progress: float) -> float:
        return self.annealing(self.task.index, self.task.n_tasks, progress, self.steps) if self.task else 1.0

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        loss = super().step(x, y, progress)
        self.steps += 1
        return loss

    def curvature(self) -> Tensor | None:
        """Curvature c of the anchor for each weight, or None where there is no anchor."""
        return None

    def update(self, progress: float) -> None:
        network, gradient = self.network, self.network.theta.grad
        assert gradient is not None and self.task is not None
        torch.mul(network.gradient, network.v, out=gradient)
        curvature = self.curvature()
        if curvature is not None and self.reference is not None:
            pull = torch.sub(network.fields, self.reference).mul_(curvature)
            gradient.add_(pull, alpha=self.options["gamma"] / self.task.n_patterns)
        gradient.mul_(network.beta_f)
        self.optimiser.step()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "optimiser": deepcopy(self.optimiser.state_dict()), "steps": self.steps}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.optimiser = self._new_optimiser()
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]
