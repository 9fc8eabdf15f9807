"""Quadratic anchors of full-precision weights that need the same memory however many tasks there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .methods import Batches, TaskInfo, register
from .methods_weights import EWC


@register
class OnlineEWC(EWC):
    """`ewc` with one running Fisher information, F <- decay F + F_task, after each task (Schwarz et al., ICML 2018)."""

    name = "online-ewc"
    summary = "full precision, EWC with one decaying Fisher information"
    defaults: ClassVar[dict[str, Any]] = {**EWC.defaults, "decay": 0.9}

    def remember(self, batches: Batches) -> None:
        decay = self.options["decay"]
        if decay > 1.0:
            raise ValueError(f"option decay of online-ewc must be at most 1, got {decay}")
        fisher = self.fisher(batches)
        self.memory = {name: decay * self.memory[name] + f if self.memory else f for name, f in fisher.items()}


@register
class SynapticIntelligence(EWC):
    """Synaptic intelligence (Zenke, Poole & Ganguli, ICML 2017): penalty strength sum Omega (W - W_prev)^2,

        Omega <- Omega + max(0, w) / ((W - W_prev)^2 + damping),   w = - sum over steps of (dL/dW) (change of W),

    at the end of each task, L the loss without the penalty. Under SGD the penalty is stepped implicitly, as in `ewc`.
    """

    name = "si"
    summary = "full precision, synaptic intelligence"
    defaults: ClassVar[dict[str, Any]] = {
        **{name: value for name, value in EWC.defaults.items() if name != "fisher_patterns"},
        "strength": 1.0,
        "damping": 0.1,
    }

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        if self.options["damping"] <= 0.0:
            raise ValueError(f"option damping of si must be above 0, got {self.options['damping']}")
        self.path = {name: torch.zeros_like(p) for name, p in self.model.named_parameters()}
        self.start = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def begin_task(self, task: TaskInfo) -> None:
        super().begin_task(task)
        for name, p in self.model.named_parameters():
            self.path[name].zero_()
            self.start[name] = p.detach().clone()

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        loss = super().step(x, y, progress)
        explicit = bool(self.memory) and self.options["optimiser"] != "sgd"
        for name, p in self.model.named_parameters():
            assert p.grad is not None
            gradient = p.grad
            if explicit:
                pull = self.memory[name] * (before[name] - self.previous[name])
                gradient = gradient - self.options["strength"] * pull
            self.path[name].addcmul_(gradient, p.detach() - before[name], value=-1.0)
        return loss

    def remember(self, batches: Batches) -> None:
        for name, p in self.model.named_parameters():
            moved = (p.detach() - self.start[name]).square()
            # EWC's penalty is (strength/2) sum F (W - W_prev)^2: twice Omega stands for F
            importance = 2.0 * self.path[name].clamp(min=0.0) / (moved + self.options["damping"])
            self.memory[name] = self.memory[name] + importance if name in self.memory else importance

    def state(self) -> dict[str, Any]:
        kept = {name: {k: t.clone() for k, t in getattr(self, name).items()} for name in ("path", "start")}
        return {**super().state(), **kept}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.path, self.start = ({k: t.clone() for k, t in state[name].items()} for name in ("path", "start"))
