"""The metaplasticity binary network of Laborieux et al. (Nat. Commun. 12, 2549, 2021).

Batch norm trains on the statistics of the batch and is evaluated with running ones, kept for each task where the norm
is per task: what is answered to one image does not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from .methods import Method, TaskInfo, register

_BN_EPS = 1e-5


class _Sign(torch.autograd.Function):
    """sign(a), +1 at 0; backward passes the gradient where |a| <= 1 (the straight-through estimate)."""

    @staticmethod
    def forward(context: Any, a: Tensor) -> Tensor:
        context.save_for_backward(a)
        return torch.where(a >= 0.0, 1.0, -1.0).to(a.dtype)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (a,) = context.saved_tensors
        return gradient * (a.abs() <= 1.0)


class _Binary(torch.autograd.Function):
    """sign(h); backward passes the gradient on to h unchanged."""

    @staticmethod
    def forward(context: Any, h: Tensor) -> Tensor:
        return torch.copysign(torch.ones_like(h), h)  # several times faster than `where`

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient


@dataclass
class _Norm:
    """Batch norm of one layer: scale and shift, which are learned, and the running mean and variance; (n_out,) each."""

    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor

    @classmethod
    def fresh(cls, n: int, device: torch.device) -> _Norm:
        ones, zeros = torch.ones(n, device=device), torch.zeros(n, device=device)
        return cls(ones.clone().requires_grad_(), zeros.clone().requires_grad_(), zeros, ones)

    @classmethod
    def of(cls, saved: list[Tensor]) -> _Norm:
        scale, shift, mean, variance = (p.clone() for p in saved)
        return cls(scale.requires_grad_(), shift.requires_grad_(), mean, variance)

    def state(self) -> list[Tensor]:
        return [p.detach().clone() for p in (self.scale, self.shift, self.mean, self.variance)]


@register
class Metaplasticity(Method):
    """Hidden real weights h, binary weights sign(h), batch norm, Adam on h; an update that would shrink |h| is
    multiplied by 1 - tanh^2(meta |h|).

    Options: `meta` (0 switches the protection off); `activation` sign (as published) or relu; `norm` shared, or
    per-task: scale, shift, mean and variance of the batch norm for each task, which must then be told which task an
    image is from. Means and variances are running ones, of weight `momentum` for the latest batch.

    Views: "sign"; "batch", the same weights under the mean and variance of the very images that are judged, which hides
    that a task's running statistics grow old while later tasks move its weights.
    """

    name = "metaplasticity"
    summary = "binary, metaplastic hidden weights"
    defaults: ClassVar[dict[str, Any]] = {
        "lr": 0.005,
        "meta": 1.35,
        "init": 0.1,
        "activation": "sign",
        "norm": "per-task",
        "momentum": 0.1,
    }
    views = ("sign", "batch")

    def __init__(self, architecture: Any, **keywords: Any) -> None:
        super().__init__(architecture, **keywords)
        if not architecture.dense:
            raise ValueError(f"architecture of metaplasticity must have dense layers only, got {architecture.name!r}")
        for name, allowed in (("activation", ("sign", "relu")), ("norm", ("shared", "per-task"))):
            if self.options[name] not in allowed:
                raise ValueError(
                    f"option {name} of metaplasticity must be {' or '.join(allowed)}, got {self.options[name]!r}"
                )
        init = self.options["init"]
        self.hidden = [
            torch.empty(layer.shape, device=self.device).uniform_(-init, init, generator=self.generator)
            for layer in architecture.layers
        ]
        for h in self.hidden:
            h.requires_grad_()
        self.norms: list[list[_Norm]] = []  # for each task: one of each layer
        self.optimiser: torch.optim.Optimizer | None = None

    @classmethod
    def told_task(cls, options: Mapping[str, Any]) -> bool:
        return options["norm"] == "per-task"

    def _new_norms(self) -> list[_Norm]:
        return [_Norm.fresh(layer.n_out, self.device) for layer in self.architecture.layers]

    def _new_optimiser(self) -> torch.optim.Optimizer:
        learned = [p for norm in self.norms[-1] for p in (norm.scale, norm.shift)]
        return torch.optim.Adam([*self.hidden, *learned], lr=self.options["lr"], fused=True)

    def begin_task(self, task: TaskInfo) -> None:
        super().begin_task(task)
        if not self.norms or self.told_task(self.options):
            self.norms.append(self._new_norms())
        self.optimiser = self._new_optimiser()

    def _forward(self, x: Tensor, norms: list[_Norm], *, training: bool) -> Tensor:
        a = x
        last = len(self.hidden) - 1
        for index, h in enumerate(self.hidden):
            z = a @ _Binary.apply(h) / math.sqrt(h.shape[0])
            n = norms[index]
            how = {"training": training, "momentum": self.options["momentum"], "eps": _BN_EPS}
            z = functional.batch_norm(z, n.mean, n.variance, n.scale, n.shift, **how)
            if index == last:
                return z
            a = _Sign.apply(z) if self.options["activation"] == "sign" else torch.relu(z)
        raise AssertionError("an architecture has layers")

    def step(self, x: Tensor, y: Tensor, progress: float) -> float:
        assert self.optimiser is not None
        logits = self._forward(x, self.norms[-1], training=True)
        loss = functional.cross_entropy(logits if self.mask is None else logits + self.mask, y)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        before = [h.detach().clone() for h in self.hidden]
        self.optimiser.step()
        with torch.no_grad():
            for h, old in zip(self.hidden, before, strict=True):
                change = h.sub_(old)
                shrinking = torch.mul(change, old).neg_().sign_().clamp_(min=0.0)
                t = torch.sigmoid_(torch.abs(old).mul_(-2.0 * self.options["meta"]))
                held = t.addcmul_(t, t, value=-1.0).mul_(-4.0).add_(1.0)  # tanh^2(meta |h|)
                change.addcmul_(change, held.mul_(shrinking), value=-1.0).add_(old)
        return float(loss.detach())

    @torch.no_grad()
    def logits(self, x: Tensor, view: str, task: int) -> Tensor:
        if not self.norms:
            return self._forward(x, self._new_norms(), training=False)
        # A task not yet learned has no norm of its own: the last one learned stands in.
        norms = self.norms[min(task, len(self.norms) - 1)]
        if view == "batch":
            norms = [_Norm(n.scale, n.shift, n.mean.clone(), n.variance.clone()) for n in norms]
        return self._forward(x, norms, training=view == "batch")

    def weight_tensors(self) -> dict[str, Tensor]:
        return {f"layers.{index}.hidden": h.detach() for index, h in enumerate(self.hidden)}

    def diagnostics(self) -> dict[str, float]:
        flat = torch.cat([h.detach().flatten() for h in self.hidden]).abs()
        return {"mean_hidden": float(flat.mean())}

    def state(self) -> dict[str, Any]:
        return {
            "hidden": [h.detach().clone() for h in self.hidden],
            "norms": [[norm.state() for norm in norms] for norms in self.norms],
            "optimiser": None if self.optimiser is None else deepcopy(self.optimiser.state_dict()),
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        for h, saved in zip(self.hidden, state["hidden"], strict=True):
            h.data.copy_(saved)
        self.norms = [[_Norm.of(saved) for saved in norms] for norms in state["norms"]]
        if state["optimiser"] is not None:
            self.optimiser = self._new_optimiser()
            self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"].cpu())  # kept on the host, wherever the tensors are
