"""Natural-gradient forms of learning in field space. Notation as in `methods_field`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from .methods import TaskInfo, register
from .methods_field import FieldMethod


@register
class VCLSGD(FieldMethod):
    """Variational continual learning by plain gradient steps on the fields, beta_f = 1:

        theta <- theta - lr v [ dL/dmu + (gamma/P) (theta - memory theta_prev) ],   v = sech^2(theta),

    theta_prev = 0 during the first task. Adam divides a common factor out of each weight's gradients, and v is one;
    here v stays, so that a certain weight moves little: its mean by lr v^2 dL/dmu. lr is large because dL/dmu is a mean
    over patterns, as small as the KL per pattern; lr/P is the step of the evidence bound itself.
    """

    name = "vcl-sgd"
    summary = "binary, fields, KL to the previous posterior, plain gradient steps"
    defaults: ClassVar[dict[str, Any]] = {
        **FieldMethod.defaults,
        "lr": 4000.0,
        "gamma": 0.05,
        "memory": 1.0,
    }

    def update(self, progress: float) -> None:
        assert self.task is not None
        network, o = self.network, self.options
        direction = network.gradient
        weight = o["gamma"] / self.task.n_patterns
        if weight > 0.0:
            direction.add_(network.theta, alpha=weight)
            if self.reference is not None:
                direction.add_(self.reference, alpha=-weight * o["memory"])
        network.theta.addcmul_(direction, network.v, value=-o["lr"])


@register
class NaturalGradient(FieldMethod):
    """Natural gradient (the Bayesian learning rule) under the Gaussian field approximation, beta_f = 1:

        theta <- theta - lr [ dL/dmu + (gamma/P) (theta - theta_prev) ],

    theta_prev = 0 during the first task. Dividing dL/dtheta by the Fisher information v leaves dL/dmu: certain weights
    move their fields as far as uncertain ones, and their means hardly at all.
    """

    name = "natural-gradient"
    summary = "binary, natural gradient, KL to the previous posterior"
    defaults: ClassVar[dict[str, Any]] = {**FieldMethod.defaults, "lr": 300.0, "gamma": 1.0, "momentum": 0.9}

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        self.velocity = torch.zeros_like(self.network.theta)

    def begin_task(self, task: TaskInfo) -> None:
        super().begin_task(task)
        self.velocity.zero_()

    def update(self, progress: float) -> None:
        assert self.task is not None
        network, o = self.network, self.options
        direction = network.gradient
        if o["gamma"] > 0.0:
            weight = o["gamma"] / self.task.n_patterns
            direction.add_(network.theta, alpha=weight)
            if self.reference is not None:
                direction.add_(self.reference, alpha=-weight)
        if o["momentum"] > 0.0:
            direction = self.velocity.mul_(o["momentum"]).add_(direction, alpha=1.0 - o["momentum"])
        network.theta.add_(direction, alpha=-o["lr"])

    def state(self) -> dict[str, Any]:
        return {**super().state(), "velocity": self.velocity.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.velocity.copy_(state["velocity"])


@register
class BoundedMemory(FieldMethod):
    """The posterior relaxes towards the uniform prior while it learns, and certain weights move less:

        theta <- theta - lr v [ dL/dmu + theta / memory ],   v = sech^2(theta),

    `memory` in patterns. No task boundary enters. `bimu` is another rule with the same two ingredients.
    """

    name = "bounded-memory"
    summary = "binary, fields, plain gradient steps that relax to the prior; no task boundary"
    defaults: ClassVar[dict[str, Any]] = {**FieldMethod.defaults, "lr": 1000.0, "memory": 1e7}

    def update(self, progress: float) -> None:
        network, o = self.network, self.options
        step = network.gradient
        if o["memory"] > 0.0:
            step.add_(network.theta, alpha=1.0 / o["memory"])
        network.theta.addcmul_(step, network.v, value=-o["lr"])
