"""Full-precision networks: plain training, EWC, and an L2 anchor on the weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from .methods import Batches, Method, TaskInfo, register
from .networks import WeightNetwork


class WeightMethod(Method):
    """Full-precision weights trained on cross-entropy + penalty(), a fresh optimiser for each task.

    Attributes
    ----------
    model : the network, an nn.Module.
    previous : its parameters at the end of the last task, by name; empty during the first.
    memory : tensors that a subclass keeps from task to task; saved and restored with the rest.
    """

    defaults: ClassVar[dict[str, Any]] = {"lr": 1e-3, "optimiser": "adam", "momentum": 0.0}

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        self.model = WeightNetwork(architecture, self.generator)
        self.previous: dict[str, Tensor] = {}
        self.memory: dict[str, Tensor] = {}
        self.optimiser = self._new_optimiser()

    def _new_optimiser(self) -> torch.optim.Optimizer:
        lr = self.options["lr"]
        if self.options["optimiser"] == "adam":
            return torch.optim.Adam(self.model.parameters(), lr=lr, fused=True)
        if self.options["optimiser"] == "sgd":
            return torch.optim.SGD(self.model.parameters(), lr=lr, momentum=self.options["momentum"], fused=True)
        raise ValueError(f"option optimiser of {self.name} must be adam or sgd, got {self.options['optimiser']!r}")

    def begin_task(self, task: TaskInfo) -> None:
        super().begin_task(task)
        self.optimiser = self._new_optimiser()

    def weights(self) -> dict[str, Tensor]:
        """The weight tensors by name, with gradients; biases left out."""
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name] for name in self.model.weight_names}

    def penalty(self) -> Tensor | None:
        """A term added to the loss of every batch, or None."""
        return None

    def after_step(self) -> None:
        """Called after each step of the optimiser."""

    def remember(self, batches: Batches) -> None:
        """Called at the end of a task, before `previous` is set to the weights just learned."""

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        logits = self.model(x)
        loss = functional.cross_entropy(logits if self.mask is None else logits + self.mask, y)
        penalty = self.penalty()
        total = loss if penalty is None else loss + penalty
        self.optimiser.zero_grad(set_to_none=False)
        total.backward()
        self.optimiser.step()
        self.after_step()
        return float(loss.detach())

    def end_task(self, batches: Batches) -> None:
        self.remember(batches)
        self.previous = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    @torch.no_grad()
    def logits(self, x: Tensor, view: str, task: int) -> Tensor:
        return self.model(x)

    def weight_tensors(self) -> dict[str, Tensor]:
        return {name: weight.detach() for name, weight in self.weights().items()}

    def state(self) -> dict[str, Any]:
        return {
            "model": deepcopy(self.model.state_dict()),
            "optimiser": deepcopy(self.optimiser.state_dict()),
            "previous": self.previous,
            "memory": self.memory,
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser = self._new_optimiser()
        self.optimiser.load_state_dict(state["optimiser"])
        self.previous = dict(state["previous"])
        self.memory = dict(state["memory"])
        self.generator.set_state(state["generator"].cpu())  # kept on the host, wherever the tensors are


@register
class Plain(WeightMethod):
    """Full precision, no protection of earlier tasks."""

    name = "plain"
    summary = "full precision, no protection"


@register
class L2(WeightMethod):
    """Penalty (strength/2) sum (W - W_prev)^2 over the weight tensors, biases left out."""

    name = "l2"
    summary = "full precision, L2 anchor to the last task's weights"
    defaults: ClassVar[dict[str, Any]] = {**WeightMethod.defaults, "strength": 1.0}

    def penalty(self) -> Tensor | None:
        if not self.previous:
            return None
        squares = [(w - self.previous[name]).square().sum() for name, w in self.weights().items()]
        return 0.5 * self.options["strength"] * torch.stack(squares).sum()


@register
class EWC(WeightMethod):
    """Elastic weight consolidation: penalty (strength/2) sum F (W - W_prev)^2 with F the diagonal Fisher information,
    summed over the tasks so far, each F the mean square gradient of ln p(y|x), one label y drawn from the network for
    each of `fisher_patterns` training patterns (Kirkpatrick et al., PNAS 114, 3521).

    Adam sees the penalty's gradient with the loss's. Under SGD an explicit step of it is unstable where
    lr strength F > 2, and a few weights always have so large an F: there the penalty is stepped implicitly,
    W <- (W + k W_prev)/(1 + k), k = lr strength F, after the step on the loss.
    """

    name = "ewc"
    summary = "full precision, elastic weight consolidation"
    defaults: ClassVar[dict[str, Any]] = {**WeightMethod.defaults, "strength": 100.0, "fisher_patterns": 1000}

    def penalty(self) -> Tensor | None:
        if not self.memory or self.options["optimiser"] == "sgd":
            return None
        terms = [
            (self.memory[name] * (p - self.previous[name]).square()).sum() for name, p in self.model.named_parameters()
        ]
        return 0.5 * self.options["strength"] * torch.stack(terms).sum()

    @torch.no_grad()
    def after_step(self) -> None:
        if not self.memory or self.options["optimiser"] != "sgd":
            return
        for name, p in self.model.named_parameters():
            k = self.memory[name] * (self.options["lr"] * self.options["strength"])
            p.addcmul_(k, self.previous[name]).div_(k.add_(1.0))

    def remember(self, batches: Batches) -> None:
        fisher = self.fisher(batches)
        self.memory = {name: self.memory[name] + f if self.memory else f for name, f in fisher.items()}

    def fisher(self, batches: Batches) -> dict[str, Tensor]:
        """Diagonal Fisher information by parameter name, from at most `fisher_patterns` patterns of `batches`."""
        names = [name for name, _ in self.model.named_parameters()]
        parameters = {name: p.detach() for name, p in self.model.named_parameters()}
        total = {name: torch.zeros_like(p) for name, p in parameters.items()}

        def log_likelihood(values: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
            logits = torch.func.functional_call(self.model, values, (image[None],))[0]
            log_p = torch.log_softmax(logits if self.mask is None else logits + self.mask, dim=0)
            return log_p.gather(0, label[None])[0]

        gradients = torch.func.vmap(torch.func.grad(log_likelihood), in_dims=(None, 0, 0))
        left = wanted = self.options["fisher_patterns"]
        for x, _ in batches:
            if left <= 0:
                break
            x = x[:left]
            with torch.no_grad():
                logits = self.model(x) if self.mask is None else self.model(x) + self.mask
                labels = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=self.generator)[:, 0]
            # Gradients of single patterns take 2.7 MB each for the default network: a few at a time.
            for images, drawn in zip(x.split(16), labels.split(16), strict=True):
                for name, gradient in gradients(parameters, images, drawn).items():
                    total[name] += gradient.square().sum(dim=0)
            left -= len(x)
        return {name: total[name] / (wanted - left) for name in names}
