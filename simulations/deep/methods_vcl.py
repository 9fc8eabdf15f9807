"""Variational continual learning of binary weights: its anchors and schedules. Notation as in `methods_field`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .methods import register
from .methods_field import AdamField


@register
class VCLNone(AdamField):
    """Variational learning without an anchor: only the uncertainty modulates the plasticity."""

    name = "vcl-none"
    summary = "binary, fields, no anchor"


@register
class VCL(AdamField):
    """Variational continual learning: anchor KL(q_theta || q_previous), of gradient v (h - h_prev) in h."""

    name = "vcl"
    summary = "binary, fields, KL to the previous posterior"
    defaults: ClassVar[dict[str, Any]] = {**AdamField.defaults, "gamma": 0.1}

    def curvature(self) -> Tensor | None:
        return self.network.v


@register
class VCLSteps(VCL):
    """`vcl` that knows nothing of the tasks to come: beta_f is annealed by the count of steps made."""

    name = "vcl-steps"
    summary = "as vcl, annealed by the count of steps: no horizon"
    defaults: ClassVar[dict[str, Any]] = {**VCL.defaults, "anneal": "steps", "anneal_steps": 12500}


@register
class VCLEWC(AdamField):
    """The KL's second order: anchor (1/2) v_prev (h - h_prev)^2, v_prev the previous posterior's Fisher information."""

    name = "vcl-ewc"
    summary = "binary, fields, EWC anchor on the fields"
    defaults: ClassVar[dict[str, Any]] = {**AdamField.defaults, "gamma": 0.1}

    def curvature(self) -> Tensor | None:
        if self.reference is None:
            return None
        return 4.0 * torch.sigmoid(2.0 * self.reference) * torch.sigmoid(-2.0 * self.reference)


@register
class VCLL2(AdamField):
    """Anchor (1/2) (h - h_prev)^2."""

    name = "vcl-l2"
    summary = "binary, fields, L2 anchor on the fields"
    defaults: ClassVar[dict[str, Any]] = {**AdamField.defaults, "gamma": 0.1}

    def curvature(self) -> Tensor | None:
        return torch.ones((), device=self.device)


@register
class VCLLastUpdate(AdamField):
    """As released with the paper: gamma beta_f^2 v (theta - theta of the step before) in place of the KL's gradient.

    It damps the last update of each field and does not know the previous task; it acts from the first task on, and
    gamma is not divided by the number of patterns.
    """

    name = "vcl-last-update"
    summary = "binary, fields, KL term on the last update only (as released)"
    defaults: ClassVar[dict[str, Any]] = {**AdamField.defaults, "gamma": 0.01}

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        self.last = self.network.theta.clone()

    def update(self, progress: float) -> None:
        network, gradient = self.network, self.network.theta.grad
        assert gradient is not None
        torch.sub(network.theta, self.last, out=gradient).mul_(self.options["gamma"] * network.beta_f)
        gradient.add_(network.gradient).mul_(network.v).mul_(network.beta_f)
        self.last.copy_(network.theta)
        self.optimiser.step()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "last": self.last.clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.last.copy_(state["last"])
