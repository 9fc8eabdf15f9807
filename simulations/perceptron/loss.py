"""E(theta) = -sum_mu ln H(t_mu),  t_mu = -y_mu (m . x_mu) / sqrt(S),  m = tanh theta,  S = sum_i (1 - m_i^2).

The loss of a perceptron of binary weights trained in field space, the anchors that tie it to a reference, and their
exact gradients (Phys. Rev. E 108, 014309, section II). Everything is batched over seeds (disorder) and over replicas
that share a seed's patterns: `theta : (n_seeds, n_replicas, N)`. The patterns enter as `signed : (n_seeds, P, N)`, the
products y_mu x_mu. Where rows learn the same patterns from different teachers, `flips : (n_seeds, n_replicas, P)` of
+-1 says which labels differ from those in `signed`: the patterns are read once for all rows.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch

from statmech_cl.problem import Task

from ..field_space import kl_divergence, moments, variance

SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


def log_h(t: torch.Tensor) -> torch.Tensor:
    """ln H(t) = ln[erfc(t / sqrt 2) / 2], with its asymptotic tail (H itself underflows near t = 13 or 38)."""
    return torch.special.log_ndtr(-t)


def hazard(t: torch.Tensor) -> torch.Tensor:
    """-H'(t)/H(t) = sqrt(2/pi) / erfcx(t / sqrt 2): about t for large t, 0 for t -> -inf, without underflow."""
    scaled = t * math.sqrt(0.5)
    # torch vectorises exp and erfc on a CPU but not erfcx, which is 4 to 8 times slower; erfc underflows from t = 13 on
    if t.device.type == "cpu" and t.numel() > 0 and t.max() < 8.0:
        return SQRT_2_OVER_PI * torch.exp(-scaled.square()) / torch.erfc(scaled)
    return SQRT_2_OVER_PI / torch.special.erfcx(scaled)


def fields(m: torch.Tensor, signed: torch.Tensor, flips: torch.Tensor | None = None) -> torch.Tensor:
    """a_mu = y_mu (m . x_mu), `m : (n_seeds, n_replicas, N)` -> (n_seeds, n_replicas, P)."""
    # of a single row a batched matrix-vector product is several times slower than vecdot on a CPU
    single = m.shape[1] == 1
    a = torch.linalg.vecdot(signed, m).unsqueeze(1) if single else torch.bmm(m, signed.transpose(1, 2))
    return a if flips is None else a * flips


def energy(theta: torch.Tensor, signed: torch.Tensor, flips: torch.Tensor | None = None) -> torch.Tensor:
    """E = -sum_mu ln H(t_mu), `theta : (n_seeds, n_replicas, N)`, `signed : (n_seeds, P, N)`: (n_seeds, n_replicas)."""
    m, var = moments(theta)
    return -log_h(-fields(m, signed, flips) * var.sum(-1, keepdim=True).rsqrt()).sum(-1)


def gradient(theta: torch.Tensor, signed: torch.Tensor, flips: torch.Tensor | None = None) -> torch.Tensor:
    """dE/dtheta_i = sum_mu y_mu H'(t_mu)/H(t_mu) (1 - m_i^2) (x_mu,i S + m_i m.x_mu) / S^(3/2), shaped like theta."""
    return energy_and_gradient(theta, signed, flips, with_energy=False)[1]


def energy_and_gradient(
    theta: torch.Tensor, signed: torch.Tensor, flips: torch.Tensor | None = None, *, with_energy: bool = True
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """E and dE/dtheta in one pass over the patterns; E is None where it is not wanted."""
    m, var = moments(theta)
    return _at_moments(m, var, signed, flips, with_energy=with_energy)


def gradient_at(m: torch.Tensor, var: torch.Tensor, signed: torch.Tensor) -> torch.Tensor:
    """`gradient` where m and 1 - m^2 are known already."""
    return _at_moments(m, var, signed, None, with_energy=False)[1]


def _at_moments(
    m: torch.Tensor, var: torch.Tensor, signed: torch.Tensor, flips: torch.Tensor | None, *, with_energy: bool
) -> tuple[torch.Tensor | None, torch.Tensor]:
    inverse_root = var.sum(-1, keepdim=True).rsqrt()
    a = fields(m, signed, flips)
    t = -a * inverse_root
    k = hazard(t)
    grad = torch.bmm(k if flips is None else k * flips, signed).mul_(inverse_root)
    grad.addcmul_(m, (k * a).sum(-1, keepdim=True) * inverse_root**3)
    grad.mul_(var).neg_()
    return (-log_h(t).sum(-1) if with_energy else None), grad


class Anchor:
    """gamma A(theta | memory theta_ref), the term that ties a task to its reference; and the KL prior of a first task.

    KL : A = KL(q_theta || q_ref) = sum_i [m_i (theta_i - ref_i) - ln 2cosh theta_i + ln 2cosh ref_i]
    EWC: A = (1/2) sum_i (1 - tanh^2 ref_i) (theta_i - ref_i)^2
    L2 : A = (1/2) sum_i (theta_i - ref_i)^2

    with ref = memory * theta_ref. A first task has no reference; its prior "kl" is the KL anchor at theta_ref = 0 with
    gamma = 1. `theta_ref` has the shape of theta, `(n_seeds, n_rows, N)`; `tasks` is one task for all rows, or as many
    as there are rows (they may differ where there is a reference).
    """

    def __init__(self, tasks: Task | Sequence[Task], theta_ref: torch.Tensor | None) -> None:
        tasks = [tasks] if isinstance(tasks, Task) else list(tasks)
        if theta_ref is None:
            tasks = [dataclasses.replace(task, anchor=task.prior, gamma=1.0) for task in tasks]

        def strength(kind: str) -> float | torch.Tensor:
            return _column([task.gamma * (task.anchor == kind) for task in tasks], theta_ref)

        self.ref = None if theta_ref is None else theta_ref * _column([task.memory for task in tasks], theta_ref)
        self.kl, ewc, self.stiffness = strength("kl"), strength("ewc"), strength("l2")
        if self.ref is not None and _acts(ewc):
            self.stiffness = self.stiffness + ewc * variance(self.ref)
        self.none = not _acts(self.kl) and not _acts(self.stiffness)
        # 1 for the rows that nothing holds, 0 for the others
        self.free = _column([float(task.anchor == "none" or task.gamma == 0.0) for task in tasks], theta_ref)

    def energy(self, theta: torch.Tensor) -> torch.Tensor | float:
        """gamma A, one number for each seed and row."""
        if self.none:
            return 0.0
        gap = theta if self.ref is None else theta - self.ref
        terms = 0.5 * self.stiffness * gap.square() if _acts(self.stiffness) else torch.zeros_like(theta)
        if _acts(self.kl):
            terms = terms + self.kl * kl_divergence(theta, self.ref)
        return terms.sum(-1)

    def gradient(self, theta: torch.Tensor) -> torch.Tensor | float:
        """gamma dA/dtheta, shaped like theta."""
        if self.none:
            return 0.0
        gap = theta if self.ref is None else theta - self.ref
        if not _acts(self.kl):
            return gap * self.stiffness
        pull = variance(theta).mul_(self.kl)
        return gap.mul(pull.add_(self.stiffness) if _acts(self.stiffness) else pull)


def _column(values: Sequence[float], like: torch.Tensor | None) -> float | torch.Tensor:
    """One number where all rows have the same, else `(n_rows, 1)` beside `like`."""
    if len(set(values)) == 1:
        return values[0]
    if like is None:
        raise ValueError(f"theta_ref must be given where rows differ, got None with {values!r}")
    return like.new_tensor(values).unsqueeze(-1)


def _acts(strength: float | torch.Tensor) -> bool:
    return isinstance(strength, torch.Tensor) or strength != 0.0


def overlaps(theta: torch.Tensor, teachers: torch.Tensor) -> dict[str, torch.Tensor]:
    """r = mean W m, p = mean W sign(m): (n_seeds, n_replicas, n_tasks); q_star = mean m^2 and, of two replicas,
    q = mean m_a m_b: (n_seeds, n_replicas) and (n_seeds,). `teachers : (n_tasks, n_seeds, N)`.
    """
    m = torch.tanh(theta)
    w = teachers.to(theta.dtype).permute(1, 2, 0)
    n = theta.shape[-1]
    out = {"r": m @ w / n, "p": torch.sign(theta) @ w / n, "q_star": m.square().mean(-1)}
    if theta.shape[1] == 2:
        out["q"] = (m[:, 0] * m[:, 1]).mean(-1)
    # sign(nan) is 0 in torch: a diverged replica must not look like one that has learned nothing
    out["p"] = torch.where(torch.isfinite(theta).all(-1, keepdim=True), out["p"], torch.nan)
    return out
