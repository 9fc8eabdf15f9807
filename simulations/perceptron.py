"""E(theta) = -sum_mu ln H(t_mu),  t_mu = -y_mu (m . x_mu) / sqrt(S),  m = tanh theta,  S = sum_i (1 - m_i^2).

The loss of a perceptron of binary weights trained in field space, the anchors that tie it to a reference, and their
exact gradients (Phys. Rev. E 108, 014309, section II). Everything is batched over seeds (disorder) and over replicas
that share a seed's patterns: `theta : (n_seeds, n_replicas, N)`. The patterns enter as `signed : (n_seeds, P, N)`, the
products y_mu x_mu, so that labels never appear apart.
"""

from __future__ import annotations

import math

import torch

from statmech_cl.problem import Task

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


def variance(theta: torch.Tensor) -> torch.Tensor:
    """1 - tanh^2 theta as 1/cosh^2 theta: in float32 `1 - m * m` is exactly 0 beyond |theta| = 9, this is not."""
    return torch.cosh(theta).square_().reciprocal_()


def fields(m: torch.Tensor, signed: torch.Tensor) -> torch.Tensor:
    """a_mu = y_mu (m . x_mu), `m : (n_seeds, n_replicas, N)` -> (n_seeds, n_replicas, P)."""
    if m.shape[1] == 1:  # a batched matrix-vector product is several times slower than this on a CPU
        return torch.linalg.vecdot(signed, m).unsqueeze(1)
    return torch.bmm(m, signed.transpose(1, 2))


def energy(theta: torch.Tensor, signed: torch.Tensor) -> torch.Tensor:
    """E = -sum_mu ln H(t_mu), `theta : (n_seeds, n_replicas, N)`, `signed : (n_seeds, P, N)`: (n_seeds, n_replicas)."""
    spread = variance(theta).sum(-1, keepdim=True)
    return -log_h(-fields(torch.tanh(theta), signed) * spread.rsqrt()).sum(-1)


def gradient(theta: torch.Tensor, signed: torch.Tensor) -> torch.Tensor:
    """dE/dtheta_i = sum_mu y_mu H'(t_mu)/H(t_mu) (1 - m_i^2) (x_mu,i S + m_i m.x_mu) / S^(3/2), shaped like theta."""
    return energy_and_gradient(theta, signed, with_energy=False)[1]


def energy_and_gradient(
    theta: torch.Tensor, signed: torch.Tensor, *, with_energy: bool = True
) -> tuple[torch.Tensor | None, torch.Tensor]:
    """E and dE/dtheta in one pass over the patterns; E is None where it is not wanted."""
    m = torch.tanh(theta)
    var = variance(theta)
    inverse_root = var.sum(-1, keepdim=True).rsqrt()
    a = fields(m, signed)
    t = -a * inverse_root
    k = hazard(t)
    grad = torch.bmm(k, signed).mul_(inverse_root)
    grad.addcmul_(m, (k * a).sum(-1, keepdim=True) * inverse_root**3)
    grad.mul_(var).neg_()
    return (-log_h(t).sum(-1) if with_energy else None), grad


def log_2cosh(theta: torch.Tensor) -> torch.Tensor:
    """ln(2 cosh theta) without overflow."""
    return theta.abs() + torch.log1p(torch.exp(-2.0 * theta.abs()))


class Anchor:
    """gamma A(theta | memory theta_ref), the term that ties a task to its reference; and the KL prior of a first task.

    KL : A = KL(q_theta || q_ref) = sum_i [m_i (theta_i - ref_i) - ln 2cosh theta_i + ln 2cosh ref_i]
    EWC: A = (1/2) sum_i (1 - tanh^2 ref_i) (theta_i - ref_i)^2
    L2 : A = (1/2) sum_i (theta_i - ref_i)^2

    with ref = memory * theta_ref. A first task has no reference; its prior "kl" is the KL anchor at theta_ref = 0 with
    gamma = 1. `theta_ref` has the shape of theta.
    """

    def __init__(self, task: Task, theta_ref: torch.Tensor | None) -> None:
        if theta_ref is None:
            self.kind, self.gamma = task.prior, 1.0
            self.ref: torch.Tensor | None = None
        else:
            self.kind, self.gamma = task.anchor, task.gamma
            self.ref = task.memory * theta_ref
        if self.gamma == 0.0:
            self.kind = "none"
        if self.kind == "ewc":
            self.stiffness = variance(self.ref)

    def energy(self, theta: torch.Tensor) -> torch.Tensor | float:
        """gamma A, one number for each seed and replica."""
        if self.kind == "none":
            return 0.0
        gap = theta if self.ref is None else theta - self.ref
        if self.kind == "kl":
            log_ref = math.log(2.0) if self.ref is None else log_2cosh(self.ref)
            terms = torch.tanh(theta) * gap - log_2cosh(theta) + log_ref
        elif self.kind == "ewc":
            terms = 0.5 * self.stiffness * gap.square()
        else:
            terms = 0.5 * gap.square()
        return self.gamma * terms.sum(-1)

    def gradient(self, theta: torch.Tensor) -> torch.Tensor | float:
        """gamma dA/dtheta, shaped like theta."""
        if self.kind == "none":
            return 0.0
        gap = theta if self.ref is None else theta - self.ref
        if self.kind == "kl":
            gap = gap * variance(theta)
        elif self.kind == "ewc":
            gap = gap * self.stiffness
        return self.gamma * gap


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
